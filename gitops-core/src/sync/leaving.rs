//! Objects that are about to cease to be ours: that is recorded before the write, and stays so until it is known what became
//! of them. Rule 26 of the exact rules.
//!
//! What the plan deletes, or lets go, is in the first record of the operation ([`super::intend`]). Here is the rest.

use std::collections::BTreeSet;

use crate::plan::{Action, Step};
use crate::resource::ResourceKey;
use crate::state::Leaving;

use super::machine::Machine;
use super::step::{Look, Next};

impl Machine {
    /// Whether it is recorded that an object is about to go, if anything is recorded of it.
    pub(super) fn is_leaving(&self, key: &ResourceKey) -> bool {
        self.setup.ledger.inventory.get(key).is_none_or(|entry| entry.leaving.is_some())
    }

    /// The cluster refused a change, so that the object is to be deleted and created again, which the plan did not know:
    /// once that is recorded, it is looked at once more.
    pub(super) fn announce_deletion(&mut self, id: u32, key: &ResourceKey) {
        self.setup.ledger.inventory.leave(key, Some(Leaving::Deleting));
        self.announce(id, Next::Look(Look::BeforeRecreate));
    }

    /// A fresh look at the object tells.
    pub(super) fn seems_to_stay(&mut self, id: u32) {
        if let Some(run) = self.run_mut(id) {
            run.goes = false;
        }
    }

    /// Takes back what was recorded of objects that stay after all. Of what is gone there is no entry any more.
    pub(super) fn let_stay(&mut self) {
        let steps = || self.plan.steps.iter().zip(&self.runs);
        // An object may have several steps.
        let going: BTreeSet<&ResourceKey> = steps().filter(|(_, run)| run.goes).map(|(step, _)| &step.key).collect();
        // What is to be created once it has gone was not this operation's to delete.
        let is_create = |step: &Step| matches!(step.action, Action::Create { .. });
        let staying = steps().map(|(step, _)| step).filter(|step| !is_create(step) && !going.contains(&step.key));
        let inventory = &mut self.setup.ledger.inventory;
        staying.for_each(|step| inventory.leave(&step.key, None));
    }
}
