//! Hooks that may run, and that nobody has seen end.
//!
//! An operation that goes on after a restart knows of a hook that runs since before only once it comes to it. It may never
//! come to it: it is stopped, or what failed before succeeds now, so that its SyncFail hooks are not wanted any more. And
//! a hook may come into being after all answers to its create were lost. So before an operation ends, it looks for each of
//! these by its name and mark, lest they are forgotten and the same hook runs beside them.

use crate::plan::Action;
use crate::resource::Resource;
use crate::state::{HookResult, Live, OPERATION_ANNOTATION};
use crate::time::Timestamp;

use super::machine::Machine;
use super::record::PlannedHook;
use super::{Phase, RecordV1, hooks};

impl RecordV1 {
    /// Returns whether it is recorded how a hook ended, or that it was given up on.
    pub(super) fn has_seen_end(&self, hook: &PlannedHook) -> bool {
        self.hooks.iter().any(|ended| ended.is_of(&hook.declared, hook.phase))
    }
}

impl Machine {
    /// Returns the hooks to look for before the operation ends. Their uid is not known: it is empty.
    pub(super) fn unseen(&self) -> Vec<HookResult> {
        let goes_on = self.record.attempt > 1;
        let unseen = self.record.planned.iter().filter(|hook| !self.record.has_seen_end(hook));
        let may_run = unseen.filter(|hook| goes_on || self.is_in_doubt(hook));
        may_run.map(|hook| HookResult::of(&hook.declared, hook.phase, &hook.object, "", &hook.version)).collect()
    }

    /// Whether answers to the create of a hook were lost, and no look found it.
    fn is_in_doubt(&self, hook: &PlannedHook) -> bool {
        self.plan.steps.iter().zip(&self.runs).any(|(step, run)| {
            let is_it = step.key == hook.declared && step.phase == hook.phase;
            is_it && matches!(step.action, Action::Hook { .. }) && run.decisions > 0 && run.uid.is_none()
        })
    }

    /// Looked for a hook that may run. One that does goes where somebody stopped the operation, as it would have had the
    /// operation come to it; else it runs on, and goes before the same hook runs again.
    pub(super) fn looked_for_unseen(&mut self, hook: HookResult, live: Live<'_>, now: Timestamp) {
        let object = match live {
            Live::Present(object) => object,
            Live::Absent | Live::NotServed => return,
            Live::MetadataOnly(_) | Live::Unreadable(_) | Live::NotLooked => return self.clean_later(hook, now),
        };
        let Some(uid) = object.uid().filter(|_| self.runs_as(&hook, object)) else { return };
        let found = HookResult { uid: uid.into(), running: true, ..hook };
        self.record.hooks.retain(|other| other.object != found.object);
        self.record.hooks.push(found.clone());
        let ends_as = self.end.as_ref().map(|(phase, _)| *phase);
        if ends_as == Some(Phase::Terminated) || self.forgets() {
            self.delete_hook(found, object);
        }
    }

    /// Whether an object was created by this operation for this hook.
    fn runs_as(&self, hook: &HookResult, object: &Resource) -> bool {
        let mark = hooks::mark_in(&self.record.operation, hook.phase);
        let is_marked = object.annotation(OPERATION_ANNOTATION) == Some(&*mark);
        is_marked && self.claims_as(object, &hook.declared).tracked && !object.is_terminating()
    }
}
