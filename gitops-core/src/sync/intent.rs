//! The inventory an operation starts with.

use crate::diff::Comparison;
use crate::plan::{Action, Plan};
use crate::state::{DesiredState, Entry, Inventory, Live, LiveState, Standing, Trust};

use super::OperationId;

/// Returns the inventory to record before a plan is carried out. Rules 26, 27 and 30 of the exact rules.
///
/// Objects about to be created are `Intended`; objects that exist and are, or become, ours without an entry are
/// `Adopted`. Entries leave only when their object is confirmed gone. What is known of an object that still has the
/// recorded uid is never lost.
#[must_use]
pub fn intend(
    previous: &Inventory,
    plan: &Plan,
    comparison: &Comparison,
    desired: &DesiredState,
    live: &LiveState,
    operation: &OperationId,
) -> Inventory {
    let mut inventory = Inventory { entries: previous.entries.clone(), trust: Trust::Whole };
    inventory.entries.retain(|key, _| !matches!(live.get(key), Live::Absent));
    let wave = |key| desired.get(key).map_or(0, |declared| declared.options.wave);
    // Objects that are ours already: by their tracking id, or by the entry.
    for (key, compared) in &comparison.entries {
        let Some((object, uid)) = compared.live.as_ref().and_then(|live| Some((live, live.uid()?))) else { continue };
        let wave =
            if desired.get(key).is_some() { wave(key) } else { inventory.get(key).map_or(0, |entry| entry.wave) };
        let standing = match inventory.get(key) {
            Some(entry) if entry.uid.as_deref() == Some(uid) => entry.standing.clone(),
            // The entry of a create whose answer was lost: the comparison took the proof of rule 27.
            Some(Entry { standing: Standing::Intended(_), .. }) if compared.claim.standing.is_some() => {
                Standing::Created
            }
            _ if compared.claim.tracked => Standing::Adopted,
            Some(_) => {
                // Another object stands there now.
                inventory.entries.remove(key);
                continue;
            }
            None => continue,
        };
        inventory.entries.insert(key.clone(), Entry::held(standing, uid, object.version(), wave));
    }
    for step in &plan.steps {
        match &step.action {
            Action::Create { .. } => {
                let entry = Entry::intended(operation.as_str(), &step.version, step.wave);
                inventory.entries.insert(step.key.clone(), entry);
            }
            Action::Apply { .. } | Action::Replace { .. } => {
                let uid = comparison.get(&step.key).and_then(|compared| compared.live.as_ref()?.uid());
                if let (Some(uid), false) = (uid, inventory.entries.contains_key(&step.key)) {
                    let entry = Entry::held(Standing::Adopted, uid, &step.version, step.wave);
                    inventory.entries.insert(step.key.clone(), entry);
                }
            }
            Action::Delete { .. } | Action::Hook { .. } => {}
        }
    }
    inventory
}
