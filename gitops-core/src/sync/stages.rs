//! The stages of an operation: run, fail, clean up, end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::plan::{Action, Intent, SkipReason, Skipped, StepId};
use crate::policy::Phase as SyncPhase;
use crate::state::HookResult;
use crate::time::Timestamp;

use super::machine::{Flight, Machine, Stage};
use super::progress::News;
use super::step::{At, Run};
use super::{Cause, Effect, HistoryEntry, Phase, StepOutcome};

impl Machine {
    /// Begins what is ready, and moves to the next stage when nothing is left of this one.
    pub(super) fn go_on(&mut self, now: Timestamp) {
        if self.record_at.is_some_and(|at| at <= now) {
            self.record_at = None;
            if self.stage == Stage::Cleaning {
                self.clean();
            } else {
                let hooks = std::mem::take(&mut self.unrecorded);
                self.store(hooks, now);
            }
        }
        if self.stop.is_some() && matches!(self.stage, Stage::Running | Stage::Failing) {
            self.cancel_waiting();
        }
        while let Some((at, step)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, step));
            self.woken(step);
        }
        loop {
            match self.stage {
                Stage::Starting if self.plan.is_empty() => self.conclude(),
                Stage::Running | Stage::Failing => {
                    self.begin_ready(now);
                    if !self.unrecorded.is_empty() && !self.record_flying && self.record_at.is_none() {
                        let hooks = std::mem::take(&mut self.unrecorded);
                        self.store(hooks, now);
                    }
                    if self.active > 0 || !self.flying.is_empty() || !self.effects.is_empty() {
                        return;
                    }
                    self.conclude();
                }
                Stage::Cleaning if !self.cleanup.is_empty() && self.record_at.is_none() => self.clean(),
                Stage::Cleaning if self.cleanup.is_empty() && self.flying.is_empty() && self.effects.is_empty() => {
                    self.end_operation(now);
                }
                _ => return,
            }
        }
    }

    fn begin_ready(&mut self, now: Timestamp) {
        if self.stop.is_some() {
            self.cancel_waiting();
            return;
        }
        while let Some(step) = self.ready.pop_front() {
            if !self.may_begin(step, now) {
                continue;
            }
            self.active = self.active.saturating_add(1);
            self.begin(step, now);
        }
    }

    /// A safe point was asked for: what has been written stays, what only waits ends now. Running hooks are waited for
    /// when a newer revision comes, and deleted when somebody stops the operation.
    fn cancel_waiting(&mut self) {
        self.withdraw();
        let terminated = self.stop == Some(Phase::Terminated);
        let mut stopped = BTreeSet::new();
        for step in 0..u32::try_from(self.runs.len()).unwrap_or(u32::MAX) {
            let Some(run) = self.run(step) else { continue };
            if !run.can_stop(terminated) {
                continue;
            }
            let hook = run.running_hook(self.plan.step(StepId(step)));
            let (outcome, message) = match (&hook, run.applied) {
                (Some(_), _) => (StepOutcome::Failed, "was stopped while it ran"),
                (None, Some(applied)) => (applied, "stopped while it waited"),
                // The server took that: the object goes, whatever becomes of the operation.
                (None, None) if run.recreates && run.is_going() => {
                    (StepOutcome::Failed, "is being deleted, and was not created again before the stop; sync again")
                }
                (None, None) if self.deletes(step) && run.is_going() => {
                    // For a newer revision this is no failure: it goes on where this one stops.
                    let outcome = if terminated { StepOutcome::Failed } else { StepOutcome::NotRun };
                    (outcome, "is being deleted, as was asked for, and was not gone before the stop")
                }
                (None, None) => (StepOutcome::NotRun, "stopped while it waited"),
            };
            self.record.hooks.extend(hook.clone());
            self.cleanup.extend(hook);
            stopped.insert(step);
            self.looks.remove(&step);
            self.finish(step, At::Ended(outcome, message.into()));
        }
        self.timers.retain(|(_, step)| !stopped.contains(step));
        self.ready.clear();
    }

    fn deletes(&self, step: u32) -> bool {
        self.plan.step(StepId(step)).is_some_and(|step| matches!(step.action, Action::Delete { .. }))
    }

    /// Takes back the writes of steps that nobody has fetched yet: no new write follows a stop.
    fn withdraw(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        effects.retain(|effect| {
            let Effect::Write { id, .. } = effect else { return true };
            let Some(Flight::Step(step, _)) = self.flying.get(*id) else { return true };
            let step = *step;
            let recreates = self.run(step).is_some_and(Run::is_recreating);
            if recreates && self.stop != Some(Phase::Terminated) {
                return true;
            }
            self.flying.take(*id, |_| true);
            self.finish(step, At::Ended(StepOutcome::NotRun, "stopped before it was written".into()));
            false
        });
        self.effects = effects;
    }

    /// Nothing runs any more: on to SyncFail, or to the end.
    fn conclude(&mut self) {
        let failed: Vec<String> = self.failures().collect();
        if self.stage == Stage::Running && !failed.is_empty() && self.stop.is_none() && self.has_fail_hooks() {
            self.stage = Stage::Failing;
            self.tell(|| News::Fails {
                message: failed.first().map(|first| first.as_str().into()).unwrap_or_default(),
            });
            let mut reached = Vec::new();
            for step in 0..u32::try_from(self.plan.steps.len()).unwrap_or(u32::MAX) {
                if self.plan.step(StepId(step)).is_some_and(|step| step.phase == SyncPhase::SyncFail) {
                    self.release(step, &mut reached);
                }
            }
            for (node, level) in reached {
                self.reach(node, level);
            }
            return;
        }
        let (phase, message) = match (self.stop, failed.as_slice()) {
            (Some(Phase::Terminated), _) => (Phase::Terminated, "stopped on request".to_owned()),
            (_, [only]) => (Phase::Failed, only.clone()),
            (_, [first, rest @ ..]) => (Phase::Failed, format!("{first}; and {} more", rest.len())),
            (Some(stop), []) => (stop, "a newer revision took its place".to_owned()),
            (None, []) => (Phase::Succeeded, self.summary()),
        };
        let message = match self.plan.scope.intent {
            Intent::Sync => message,
            Intent::Delete => format!("deleting the application: {message}"),
            Intent::Orphan => format!("ending the application: {message}"),
            Intent::Adopt => format!("taking over: {message}"),
            Intent::Release => format!("letting go: {message}"),
        };
        self.stage = Stage::Cleaning;
        let to_clean = self.to_clean(phase);
        self.cleanup.extend(to_clean);
        self.cleanup.extend(self.unseen());
        self.end = Some((phase, message));
    }

    /// Stores the end of the operation. The ledger of an application that is deleted goes, and is the last to go.
    pub(super) fn end_operation(&mut self, now: Timestamp) {
        if self.forgets() && self.uncleaned {
            let message = "the objects of its hooks could not be deleted; delete the application again";
            self.end = Some((Phase::Failed, message.to_owned()));
        }
        if self.blind {
            let message = "hooks of it may still run, and could not be looked for; the next sync looks again";
            return self.give_up(message.to_owned(), now);
        }
        let (phase, message) = self.end.clone().unwrap_or((Phase::Error, String::new()));
        self.stage = Stage::Ending;
        self.record_tries = 0;
        let cause = (phase == Phase::Failed).then(|| self.cause());
        let incomplete = self.held_back() > 0;
        self.let_stay();
        let (intent, asked) = (self.plan.scope.intent, self.setup.asked);
        let ledger = &mut self.setup.ledger;
        ledger.running = None;
        // What gave way is still to be done.
        ledger.requested.take_if(|one| phase != Phase::Superseded && one.is_met_by(intent, asked));
        // Of an earlier run of the same hook under the same name nothing is left.
        let now_ran: Vec<&HookResult> = self.record.hooks.iter().collect();
        ledger.hooks.retain(|old| !now_ran.iter().any(|hook| hook.object == old.object));
        ledger.hooks.extend(now_ran.into_iter().cloned());
        let number = ledger.next_number();
        ledger.remember(HistoryEntry {
            number,
            operation: self.record.operation.clone(),
            revisions: self.record.revisions.clone(),
            initiator: Arc::clone(&self.record.initiator),
            started: self.record.started,
            finished: now,
            plan: self.record.plan,
            phase,
            message: message.into(),
            partial: self.plan.scope.is_partial(),
            incomplete,
            cause,
            attempts: 1,
            settled: false,
        });
        ledger.keep_history(self.setup.history);
        self.store(Vec::new(), now);
    }

    pub(super) fn close(&mut self, now: Timestamp) {
        let (phase, message) = self.end.clone().unwrap_or((Phase::Error, String::new()));
        let message: Arc<str> = message.into();
        self.receipt = Some(self.account(phase, Arc::clone(&message), now));
        self.tell(|| News::Finished { phase, message });
        self.stage = Stage::Ended;
        self.effects.clear();
        self.looks.clear();
        self.timers.clear();
        self.record_at = None;
    }

    /// Why it failed: of several causes, the one that takes longest to pass.
    fn cause(&self) -> Cause {
        let failed = self.plan.steps.iter().zip(&self.runs).filter_map(|(step, run)| match (&run.at, &step.action) {
            (At::Ended(StepOutcome::Failed, _), Action::Hook { .. }) => Some(Cause::Hook),
            (At::Ended(StepOutcome::Failed, _), _) => Some(run.cause),
            _ => None,
        });
        failed.max().unwrap_or_default()
    }

    fn failures(&self) -> impl Iterator<Item = String> + '_ {
        self.runs.iter().filter_map(|run| match &run.at {
            At::Ended(StepOutcome::Failed, message) => Some(format!("{}: {message}", run.key)),
            _ => None,
        })
    }

    pub(super) fn ends_app(&self) -> bool {
        self.plan.scope.intent.ends_app()
    }

    /// Whether nothing is left of the application but its ledger.
    pub(super) fn forgets(&self) -> bool {
        self.ends_app() && matches!(self.end, Some((Phase::Succeeded, _)))
    }

    fn has_fail_hooks(&self) -> bool {
        let mut steps = self.plan.steps.iter().zip(&self.runs);
        // Where nothing at all was written there is nothing to make good.
        steps.any(|(step, run)| step.phase == SyncPhase::SyncFail && !run.has_ended())
    }

    fn summary(&self) -> String {
        let mut counts: BTreeMap<StepOutcome, usize> = BTreeMap::new();
        for run in &self.runs {
            if let At::Ended(outcome, _) = &run.at {
                *counts.entry(*outcome).or_default() += 1;
            }
        }
        let word = |outcome: &StepOutcome| match outcome {
            StepOutcome::Created => "created",
            StepOutcome::Changed => "changed",
            StepOutcome::Unchanged => "unchanged",
            StepOutcome::Deleted => "deleted",
            StepOutcome::Orphaned => "orphaned",
            StepOutcome::Succeeded => "hooks succeeded",
            StepOutcome::Failed => "failed",
            StepOutcome::NotRun => "not run",
        };
        let parts: Vec<String> = counts.iter().map(|(outcome, count)| format!("{count} {}", word(outcome))).collect();
        let done = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
        let is_dying = |skipped: &&Skipped| skipped.reason == SkipReason::Terminating;
        let left = [
            (self.held_back(), "held back"),
            (self.plan.skipped.iter().filter(is_dying).count(), "still being deleted"),
        ];
        let left = left.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        [done].into_iter().chain(left).collect::<Vec<_>>().join("; ")
    }

    /// How much of what is declared the plan leaves to a later one.
    fn held_back(&self) -> usize {
        self.plan.held_back(&self.setup.desired)
    }
}
