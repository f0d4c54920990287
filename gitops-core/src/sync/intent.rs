//! The inventory an operation starts with.

use crate::diff::{self, Compared, Comparison, Context, Evidence, Outcome, Strategy};
use crate::plan::{Action, Plan, Precondition, Reason, Step};
use crate::resource::{Resource, ResourceKey};
use crate::state::{DesiredState, Entry, Inventory, Leaving, Live, LiveState, Standing, Trust};

use super::{Ledger, OperationId, Record};

/// Returns the inventory to record before a plan is carried out. Rules 26, 27 and 30 of the exact rules.
///
/// Objects about to be created are `Intended`; objects that exist and become ours, or are ours without an entry, are
/// `Adopted`, unless `ledger` proves that an operation of ours created them, as a hook or otherwise; where there was no
/// record at all, those that bear the mark of a create of ours are `Rebuilt`. Entries leave only when their object is confirmed gone.
/// What is known of an object that has, or may have, the recorded uid is never lost. `context` holds the inventory
/// before.
#[must_use]
pub fn intend(
    context: &Context<'_>,
    plan: &Plan,
    comparison: &Comparison,
    desired: &DesiredState,
    live: &LiveState,
    ledger: &Ledger,
    operation: &OperationId,
) -> Inventory {
    let previous = context.inventory;
    let mut inventory = Inventory { trust: Trust::Whole, ..previous.clone() }.applying_as(&context.owner.manager());
    // A hook that took the place of an ordinary object is none.
    let replaced = |key: &ResourceKey, entry: &Entry| match live.get(key) {
        Live::Present(object) => {
            let is_hook = desired.get(key).is_some_and(|declared| declared.options.hook.is_some());
            is_hook && entry.uid.is_some() && object.uid() != entry.uid.as_deref()
        }
        live => matches!(live, Live::Absent),
    };
    inventory.entries.retain(|key, entry| !replaced(key, entry));
    let wave = |key| desired.get(key).map_or(0, |declared| declared.options.wave);
    // Objects that are ours already: by their tracking id, or by the entry.
    for (key, compared) in &comparison.entries {
        let Some((object, uid)) = compared.live.as_ref().and_then(|live| Some((live, live.uid()?))) else { continue };
        let wave =
            if desired.get(key).is_some() { wave(key) } else { inventory.get(key).map_or(0, |entry| entry.wave) };
        let standing = match inventory.get(key) {
            // It was let go, by an operation that was interrupted: whoever has it now had it before us.
            Some(entry) if entry.leaving == Some(Leaving::Releasing) && !compared.claim.tracked => {
                inventory.entries.remove(key);
                continue;
            }
            Some(entry) if entry.uid.as_deref() == Some(uid) => entry.standing.clone(),
            // The entry of a create whose answer was lost: the comparison took the proof of rule 27.
            Some(Entry { standing: Standing::Intended(_), .. }) if compared.claim.standing.is_some() => {
                Standing::Created
            }
            // Without a record only the mark of a create tells ours from what somebody else put our tracking id on, or
            // what we adopted.
            _ if compared.claim.tracked
                && previous.trust == Trust::Lost
                && diff::created_by(object, context).is_some() =>
            {
                Standing::Rebuilt
            }
            _ if compared.claim.tracked && !compared.claim.owned && ledger.has_created(object, context) => {
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
        let entry = Entry::held(standing, uid, object.version(), wave);
        let known = inventory.get(key).filter(|entry| entry.uid.as_deref() == Some(uid));
        let leaving = known.and_then(|known| known.leaving).filter(|_| object.is_terminating());
        let entry = remembering(entry, known, (key, object, compared), desired, context);
        inventory.entries.insert(key.clone(), entry.with_leaving(leaving));
    }
    for step in &plan.steps {
        match &step.action {
            Action::Create { .. } => {
                // Of an object that is gone there is no entry any more. Where one is left, nobody could look, as while its
                // kind is not served: it may well be there, and what is known of it stands until an answer tells.
                let may_be_there = inventory.get(&step.key).is_some_and(|entry| entry.uid.is_some());
                if !may_be_there {
                    let entry = Entry::intended(operation.as_str(), &step.version, step.wave);
                    inventory.entries.insert(step.key.clone(), entry);
                }
            }
            Action::Apply { .. } | Action::Replace { .. } | Action::Recreate { .. } | Action::Own { .. } => {
                let found = comparison.get(&step.key).and_then(|compared| Some((compared, compared.live.as_ref()?)));
                let found = found.and_then(|(compared, live)| Some((compared, live, live.uid()?)));
                if let (Some((compared, live, uid)), false) = (found, inventory.entries.contains_key(&step.key)) {
                    // What another application gives us came to us as it came to that one (rule 32).
                    let given = previous.receives(live).map(|given| &given.entry);
                    let standing = given.map_or(Standing::Adopted, |given| given.standing.clone());
                    let entry = Entry::held(standing, uid, &step.version, step.wave);
                    let entry = remembering(entry, given, (&step.key, live, compared), desired, context);
                    inventory.entries.insert(step.key.clone(), entry);
                }
            }
            Action::Delete { .. } | Action::Await | Action::Orphan | Action::Hook { .. } => {}
        }
        inventory.leave_for(step);
    }
    inventory
}

impl Inventory {
    /// Notes that a step is about to delete an object, or to let it go. Rule 26 of the exact rules.
    fn leave_for(&mut self, step: &Step) {
        let leaving = match step.action {
            // Somebody else deletes it.
            Action::Delete { .. } if step.reason == Reason::Terminating => return,
            // A hook deletes the ordinary object whose place it takes.
            Action::Delete { .. } | Action::Recreate { .. } | Action::Hook { .. } => Leaving::Deleting,
            Action::Orphan => Leaving::Releasing,
            _ => return,
        };
        let Precondition::Present { uid, .. } = &step.requires else { return };
        if self.get(&step.key).is_some_and(|entry| entry.uid.as_ref() == Some(uid)) {
            self.leave(&step.key, Some(leaving));
        }
    }
}

impl Ledger {
    /// Returns whether this ledger proves that we created an object of which it has no entry: it is what a hook of ours
    /// left, by its uid; or an operation that this ledger knows created it, by its mark (rule 27), as one that was
    /// interrupted and given up, and whose create reached the cluster late.
    fn has_created(&self, live: &Resource, context: &Context<'_>) -> bool {
        let running = self.running.as_ref().map(|Record::V1(running)| running);
        let mut hooks = self.hooks.iter().chain(running.into_iter().flat_map(|running| &running.hooks));
        if hooks.any(|hook| !hook.uid.is_empty() && hook.is_about(live.key(), live.uid())) {
            return true;
        }
        let ended = self.history.iter().map(|entry| &entry.operation);
        let mut operations = ended.chain(running.map(|running| &running.operation));
        let mark = diff::created_by(live, context);
        mark.map(|mark| mark.split_once('.').map_or(mark, |(by, _)| by))
            .is_some_and(|by| operations.any(|operation| operation.as_str() == by))
    }
}

/// Adds what is known of the last apply: the record of it, or what the object itself says.
fn remembering(
    entry: Entry,
    known: Option<&Entry>,
    (key, live, compared): (&ResourceKey, &Resource, &Compared),
    desired: &DesiredState,
    context: &Context<'_>,
) -> Entry {
    // Before our first apply this is what client-side apply wrote, which is forgotten once we have applied.
    let is_telling = compared.outcome == Outcome::Synced || compared.strategy == Strategy::ThreeWay;
    let fields = known.and_then(|known| known.fields.clone());
    let fields = fields.or_else(|| is_telling.then(|| diff::applied_fields(live, context)).flatten());
    let confirmed = compared.outcome == Outcome::Synced && compared.evidence == Evidence::Confirmed;
    let declared = desired.get(key).filter(|_| confirmed);
    let settled = declared.and_then(|declared| diff::settled(&declared.resource, live, context, compared.scaled()));
    entry.with_fields(fields).with_settled(settled.or_else(|| known?.settled))
}
