//! Whether what differs was changed on the cluster, where the last operation could not do all of its revision.

use crate::diff::Change;
use crate::plan::{Action, Step};
use crate::reconcile::Looked;

/// Returns whether all that is to be done undoes what others did: then nothing of it was left undone, and whether it is
/// done is a matter of self-heal. `manager` is ours.
///
/// What was left undone differs from Git in fields that are still as we applied them, or is an object that is not in the
/// inventory. A declared field that nobody owns may be either, and counts as taken away by others, which nobody undoes
/// unasked.
pub(super) fn is_all_drift(looked: &Looked, manager: &str) -> bool {
    let works = |step: &&Step| !matches!(step.action, Action::Await | Action::Hook { .. });
    let mut steps = looked.plan.steps.iter().filter(works).peekable();
    steps.peek().is_some() && steps.all(|step| is_drift(looked, step, manager))
}

fn is_drift(looked: &Looked, step: &Step, manager: &str) -> bool {
    let is_known = looked.ledger.inventory.get(&step.key).is_some();
    let is_ours = |change: &Change| change.owners.iter().any(|owner| &*owner.manager == manager);
    match step.action {
        Action::Create { .. } => is_known,
        Action::Apply { .. } | Action::Replace { .. } | Action::Recreate { .. } => {
            let found = looked.comparison.get(&step.key);
            let changes = found.map(|compared| compared.outcome.changes()).unwrap_or_default();
            is_known && !changes.is_empty() && !changes.iter().any(is_ours)
        }
        _ => false,
    }
}
