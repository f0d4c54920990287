//! Whether what differs was changed on the cluster, where the last operation could not do all of its revision.

use crate::diff::{Change, ChangeKind};
use crate::plan::{Action, Step};
use crate::reconcile::Looked;
use crate::ssa::FieldSet;

/// Returns whether all that is to be done undoes what others did: then nothing of it was left undone, and whether it is
/// done is a matter of self-heal. `manager` is ours.
///
/// What was left undone is an object that is not in the inventory, or differs from Git in fields that are still as we
/// applied them, or that are not there and that our last apply did not have.
pub(super) fn is_all_drift(looked: &Looked, manager: &str) -> bool {
    let works = |step: &&Step| !matches!(step.action, Action::Await | Action::Hook { .. });
    let mut steps = looked.plan.steps.iter().filter(works).peekable();
    steps.peek().is_some() && steps.all(|step| is_drift(looked, step, manager))
}

fn is_drift(looked: &Looked, step: &Step, manager: &str) -> bool {
    let inventory = &looked.ledger.inventory;
    let Some(known) = inventory.get(&step.key) else { return false };
    let applied = known.fields.as_ref().and_then(|fields| FieldSet::from_fields_v1(fields.to_fields_v1().root()).ok());
    let was_applied = |change: &Change| applied.as_ref().is_some_and(|fields| fields.touches(&change.path));
    let is_by_others = |change: &Change| match change.kind {
        ChangeKind::Added if change.owners.is_empty() => was_applied(change),
        _ => !change.owners.iter().any(|owner| &*owner.manager == manager),
    };
    match step.action {
        Action::Create { .. } => true,
        Action::Apply { .. } | Action::Replace { .. } | Action::Recreate { .. } => {
            let found = looked.comparison.get(&step.key);
            let changes = found.map(|compared| compared.outcome.changes()).unwrap_or_default();
            !changes.is_empty() && changes.iter().all(is_by_others)
        }
        _ => false,
    }
}
