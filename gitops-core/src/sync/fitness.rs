//! What must hold of an object that was just read, so that a step may write it.

use crate::diff;
use crate::plan::{self, Precondition, Step};
use crate::resource::Resource;

use super::machine::Machine;

/// Rule 12 of the exact rules: what is written to an object that is being deleted goes with it.
pub(super) const DELETED: &str = "is being deleted; sync again once it is gone";

impl Machine {
    /// Returns why the object of a step is not written, as it was just read: it is another one than was compared, it is
    /// being deleted, or another application has it by now.
    ///
    /// Whoever deletes an object and creates one of the same name never showed it to the plan: nobody has said that it
    /// may be adopted or overwritten.
    pub(super) fn unfit(&self, step: &Step, live: &Resource) -> Option<String> {
        let is_planned = matches!(&step.requires, Precondition::Present { uid, .. } if live.uid() == Some(&**uid));
        if !is_planned {
            return Some("is no longer the object that was compared; sync again".to_owned());
        }
        if live.is_terminating() {
            return Some(DELETED.to_owned());
        }
        if self.setup.ledger.inventory.receives(live).is_some() {
            // The other one gives it away.
            return None;
        }
        plan::belongs_to_another(live, &self.claims(live), &self.setup.owner)
    }

    /// Returns why an object is not overwritten, of which an approved plan is carried out: somebody has changed it since,
    /// and nobody approved of undoing that. What we wrote ourselves does not count, nor what an autoscaler writes.
    pub(super) fn changed_since(&self, step: &Step, live: &Resource) -> Option<String> {
        let seen = self.setup.seen.get(&step.key).filter(|_| !self.setup.scaled.contains(&step.key))?;
        let is_first = self.run(step.id.0).is_some_and(|run| run.tries == 0 && run.taken == 0);
        (is_first && *seen != diff::said(live))
            .then(|| "was changed on the cluster since the plan was approved; plan and approve anew".to_owned())
    }
}
