//! How a hook comes to run, once per operation, whatever happens in between.
//!
//! Its name is fixed by operation and phase, so that a restart finds it (rule 37 of the exact rules), and its end is
//! recorded before it counts. A hook that the cluster removes by itself (`ttlSecondsAfterFinished`) may be gone before
//! a restart looks: that it is about to run is recorded first, so that it never runs twice. Argo CD holds such objects
//! with a finalizer instead, which outlives the program that would remove it.

use std::sync::Arc;
use std::time::Duration;

use crate::plan::Step;
use crate::resource::Resource;
use crate::state::{HookResult, OPERATION_ANNOTATION};
use crate::time::Timestamp;

use super::graph::Level;
use super::looks::deletion;
use super::machine::Machine;
use super::progress::News;
use super::receipt::Answer;
use super::record::BegunHook;
use super::step::{Look, Next};
use super::{StepOutcome, hooks};

impl Machine {
    /// What comes first: a run of the same hook that an operation which was given up has left behind must be gone.
    pub(super) fn before_hook(&mut self, id: u32, step: &Step) -> Next {
        let own = self.own_key(step);
        let left = self.setup.ledger.hooks.iter();
        let left = left.clone().find(|hook| hook.running && hook.is_of(&step.key, step.phase) && hook.object != own);
        let key = match left {
            Some(left) => left.object.clone(),
            None => own,
        };
        if let Some(run) = self.run_mut(id) {
            run.key = key;
        }
        Next::Look(Look::BeforeHook)
    }

    /// The object that was in the way of a hook is gone.
    pub(super) fn hook_gone(&mut self, id: u32, step: &Step) {
        let own = self.own_key(step);
        match self.run(id).map(|run| run.key.clone()) {
            Some(key) if key != own => {
                self.setup.ledger.hooks.retain(|hook| hook.object != key);
                let next = self.before_hook(id, step);
                self.proceed(id, next);
            }
            _ => {
                // Also where it was an ordinary object once.
                self.setup.ledger.inventory.entries.remove(&step.key);
                self.run_hook(id, step);
            }
        }
    }

    /// Looked for the object of a hook before it runs.
    pub(super) fn saw_before_hook(&mut self, id: u32, live: Option<&Resource>, now: Timestamp) {
        self.seems_to_stay(id);
        let Some(step) = self.step(id) else { return };
        let is_earlier = self.run(id).is_some_and(|run| run.key != self.own_key(&step));
        let left = |hook: &HookResult| live.is_some_and(|live| hook.is_about(live.key(), live.uid()));
        let Some(live) = live.filter(|_| !is_earlier || self.setup.ledger.hooks.iter().any(left)) else {
            return self.hook_gone(id, &step);
        };
        let mark = hooks::mark(&self.record.operation, &step);
        if self.claims(live).tracked && live.annotation(OPERATION_ANNOTATION) == Some(&*mark) {
            // We started it before a restart, or before an answer was lost.
            return self.hook_runs(id, Some(live), Some(Answer::seen(live)), now);
        }
        match live.uid() {
            Some(uid) if live.is_terminating() => {
                let what = deletion(live);
                self.wait(id, Look::Gone(uid.into()), &what, now);
            }
            _ => match self.hook_may_go(live, &step.key, (!is_earlier).then_some(&step)) {
                Ok(()) => self.make_room(id, live),
                Err(why) => self.fail(id, &why),
            },
        }
    }

    /// Nothing is in the way: the hook runs, unless it may have run before and is gone.
    fn run_hook(&mut self, id: u32, step: &Step) {
        let now = self.now();
        let Some(kept) = self.declared(step).as_ref().and_then(kept_for) else {
            return self.proceed(id, Next::HookCreate);
        };
        let begun = self.record.begun.iter().find(|begun| begun.declared == step.key && begun.phase == step.phase);
        match begun.map(|begun| begun.at) {
            // It cannot be removed earlier than that.
            Some(at) if now < at + kept => self.proceed(id, Next::HookCreate),
            Some(_) => self.fail(
                id,
                "may have run, and was removed by its `ttlSecondsAfterFinished`: its result is unknown, and it does not \
                 run again in this operation; the next sync runs it",
            ),
            None => {
                self.record.begun.push(BegunHook { declared: step.key.clone(), phase: step.phase, at: now });
                self.announce(id, Next::HookCreate);
            }
        }
    }

    /// A hook object is there, and was put there by this operation.
    pub(super) fn hook_runs(&mut self, id: u32, object: Option<&Resource>, answer: Option<Answer>, now: Timestamp) {
        let Some(step) = self.step(id) else { return };
        let timeout = self.patience(&step, object);
        if let Some(run) = self.run_mut(id) {
            run.uid = object.and_then(Resource::uid).map(Arc::from);
            (run.applied_at, run.since, run.deadline) = (now, now, now + timeout);
            run.answer = answer.map(Box::new);
        }
        self.tell_of(id, |step, key| News::Applied { step, key, outcome: StepOutcome::Created });
        self.reach(id, Level::Applied);
        self.proceed(id, Next::Look(Look::Health));
    }
}

/// For how long the cluster keeps a hook that has ended; `None` if it does not remove it.
fn kept_for(declared: &Resource) -> Option<Duration> {
    hooks::kept_for(declared).map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}
