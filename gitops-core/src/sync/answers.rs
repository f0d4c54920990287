//! What a step makes of the answer to its write.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{ClusterError, Failure, Guard, WriteOutcome, Written};
use crate::diff;
use crate::plan::{Action, Step, StepId};
use crate::resource::Resource;
use crate::state::{Entry, HookResult, Standing};
use crate::time::Timestamp;
use crate::value::Digest;

use super::fitness::DELETED;
use super::graph::Level;
use super::machine::Machine;
use super::progress::News;
use super::receipt::Answer;
use super::recording::backoff;
use super::step::{At, Look, Next};
use super::{Cause, StepOutcome};

/// How often an object that changes under our hands is decided anew. Rule 20 of the exact rules.
const DECISIONS: u32 = 5;
/// A custom resource definition is served within this time (rule 38).
pub(super) const SERVED: Duration = Duration::from_secs(60);
/// A webhook that cannot be reached comes back within this time (rule 38).
const WEBHOOK: Duration = Duration::from_secs(180);

/// What is known of an object that is as declared now.
#[derive(Debug)]
pub(super) struct Applied<'a> {
    pub(super) outcome: StepOutcome,
    pub(super) object: Option<&'a Resource>,
    /// What the answer to the write settled.
    pub(super) settled: Option<Digest>,
    pub(super) answer: Option<Answer>,
}

impl Machine {
    /// Takes the answer to a write.
    pub(super) fn wrote(&mut self, id: u32, next: Next, result: Result<Written, ClusterError>, now: Timestamp) {
        match result {
            Ok(written) => self.written(id, &next, &written, now),
            Err(error) => self.refused(id, next, &error, now),
        }
    }

    fn written(&mut self, id: u32, next: &Next, written: &Written, now: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(StepId(id)) else { return };
        let object = written.object.as_ref();
        let is_change = matches!(next, Next::Create | Next::Apply(..) | Next::Replace(_));
        let is_plain = is_change && self.is_plain(step, object);
        if is_change && object.is_some_and(Resource::is_terminating) {
            // Somebody deleted it after it was compared.
            return self.fail(id, DELETED);
        }
        match next {
            Next::Delete(guard) | Next::HookDelete(guard, _) => {
                let asked = match guard {
                    Guard::Present { uid, .. } => Some(Arc::clone(uid)),
                    Guard::None | Guard::Absent => None,
                };
                let uid = object.and_then(Resource::uid).map(Arc::from).or(asked);
                match (written.outcome, uid) {
                    (WriteOutcome::Terminating, Some(uid)) => self.wait(id, Look::Gone(uid), "deletion", now),
                    _ => self.gone(id),
                }
            }
            Next::HookCreate => self.hook_runs(id, object, Answer::of(written), now),
            Next::Own(mending) => self.owned(id, mending, object),
            Next::TakeOver(_) => self.apply_again(id, step),
            Next::Apply(..) if !is_plain && self.take_over(id, step, object) => {}
            Next::Create | Next::Apply(..) | Next::Replace(_) => {
                let outcome = match written.outcome {
                    WriteOutcome::Created => StepOutcome::Created,
                    WriteOutcome::Unchanged => StepOutcome::Unchanged,
                    _ => StepOutcome::Changed,
                };
                let settled = if is_plain { None } else { self.settled(step, object) };
                let applied = Applied { outcome, object, settled, answer: Answer::of(written) };
                self.applied(id, step, applied, now);
            }
            Next::Try(_) => self.tried(id, None),
            Next::Look(_) | Next::Survey(_) => {}
        }
    }

    /// Takes over what the apply left of what was applied before; returns whether there is something to take. Rule 21
    /// of the exact rules.
    fn take_over(&mut self, id: u32, step: &Step, object: Option<&Resource>) -> bool {
        let (declared, scaled) = (self.declared(step), self.scaled(&step.key));
        let write = declared.zip(object);
        let write = write.and_then(|(declared, live)| diff::takeover(&declared, live, &self.context(), scaled));
        let Some((write, run)) = write.zip(self.run_mut(id)) else { return false };
        run.taken = run.taken.saturating_add(1);
        let goes_on = run.taken <= DECISIONS;
        if goes_on {
            self.proceed(id, Next::TakeOver(Box::new(write)));
        } else {
            self.fail(id, "somebody writes again and again what Git no longer declares; find out who, and sync again");
        }
        true
    }

    /// Whether the answer to a write shows what was declared and nothing else of ours. Then nothing is to be taken over,
    /// and no later comparison need know what was answered: it will see the same.
    fn is_plain(&self, step: &Step, answer: Option<&Resource>) -> bool {
        self.declared(step).zip(answer).is_some_and(|(declared, live)| {
            diff::is_plainly_applied(&declared, live, &self.context(), &self.manager, self.scaled(&step.key))
        })
    }

    /// What the answer to a write settles. An object that was read later settles nothing: somebody may have written it
    /// in between, which would pass for our own work.
    fn settled(&self, step: &Step, answer: Option<&Resource>) -> Option<Digest> {
        let (declared, live) = self.declared(step).zip(answer)?;
        diff::settled(&declared, live, &self.context(), self.scaled(&step.key))
    }

    /// The object is as declared now.
    pub(super) fn applied(&mut self, id: u32, step: &Step, applied: Applied<'_>, now: Timestamp) {
        let Applied { outcome, object, settled, answer } = applied;
        let uid = match &answer {
            Some(answer) => answer.uid.clone(),
            None => object.and_then(Resource::uid).map(Arc::from),
        };
        if let Some(uid) = &uid {
            let fields = match &step.action {
                // No entry of ours says what a replace wrote last; what was sent does.
                Action::Replace { .. } => {
                    self.declared(step).and_then(|sent| diff::sent_fields(&sent, &self.context()))
                }
                _ => object.and_then(|object| diff::applied_fields(object, &self.context())),
            };
            let entries = &mut self.setup.ledger.inventory.entries;
            let known = entries.get_mut(&step.key);
            let standing = match known.as_deref().filter(|entry| entry.uid.as_ref() == Some(uid)) {
                _ if outcome == StepOutcome::Created => Standing::Created,
                // Not by us, or not this very object.
                None => Standing::Adopted,
                Some(entry) => entry.standing.clone(),
            };
            let (uid, version, wave) = (Some(Arc::clone(uid)), Arc::clone(&step.version), step.wave);
            let held = Entry { standing, leaving: None, uid, wave, version, fields, settled };
            match known {
                Some(entry) => *entry = held,
                None => drop(entries.insert(step.key.clone(), held)),
            }
        }
        let (awaited, timeout) = (self.is_awaited(id), self.patience(step, object));
        if let Some(run) = self.run_mut(id) {
            (run.applied, run.uid, run.applied_at) = (Some(outcome), uid, now);
            (run.since, run.deadline, run.answer) = (now, now + timeout, answer.map(Box::new));
        }
        self.tell_of(id, |step, key| News::Applied { step, key, outcome });
        self.reach(id, Level::Applied);
        if awaited {
            self.proceed(id, Next::Look(Look::Health));
        } else {
            self.finish(id, At::Ended(outcome, "".into()));
        }
    }

    /// An object that was to go is gone. What follows has its own time.
    pub(super) fn gone(&mut self, id: u32) {
        let Some(step) = self.step(id) else { return };
        let (now, timeout) = (self.now(), self.timeout(&step));
        if let Some(run) = self.run_mut(id).filter(|run| run.decisions <= DECISIONS) {
            (run.since, run.deadline) = (now, now + timeout);
        }
        match step.action {
            Action::Delete { .. } => {
                self.setup.ledger.inventory.entries.remove(&step.key);
                let lost = self.plan.lost_with(&step.key).unwrap_or_default();
                self.finish(id, At::Ended(StepOutcome::Deleted, lost.into()));
            }
            Action::Hook { .. } => self.hook_gone(id, &step),
            _ if self.run(id).is_some_and(|run| run.recreates) => self.recreate(id, &step),
            // It was being deleted when we wanted to create it.
            _ => self.proceed(id, Next::Create),
        }
    }

    /// Takes a refusal, by its meaning.
    fn refused(&mut self, id: u32, next: Next, error: &ClusterError, now: Timestamp) {
        let next = match next {
            Next::Try(tried) => return self.trial_refused(id, tried, error, now),
            next => next,
        };
        let Some(run) = self.run_mut(id) else { return };
        run.decisions = run.decisions.saturating_add(1);
        let undecided = run.decisions > DECISIONS;
        if let (Failure::InDoubt { .. }, Next::Delete(_) | Next::HookDelete(..) | Next::Own(_)) =
            (&error.failure, &next)
        {
            run.goes = true;
        }
        match (&error.failure, next) {
            (Failure::AlreadyExists | Failure::Stale | Failure::InDoubt { .. }, Next::Create) => {
                self.proceed(id, Next::Look(Look::Created));
            }
            (Failure::AlreadyExists | Failure::Stale | Failure::InDoubt { .. }, Next::HookCreate) if !undecided => {
                self.proceed(id, Next::Look(Look::BeforeHook));
            }
            (Failure::NotFound, Next::Delete(_) | Next::HookDelete(..)) => self.gone(id),
            (Failure::Stale | Failure::InDoubt { .. }, Next::Delete(_)) if !undecided => {
                let recreates = self.run(id).is_some_and(|run| run.recreates);
                self.proceed(id, Next::Look(if recreates { Look::BeforeRecreate } else { Look::BeforeDelete }));
            }
            (Failure::Stale | Failure::InDoubt { .. }, Next::HookDelete(..)) if !undecided => {
                if let Some(step) = self.step(id) {
                    let next = self.before_hook(id, &step);
                    self.proceed(id, next);
                }
            }
            (Failure::FieldConflict { conflicts }, Next::Apply(..)) if !undecided => {
                self.proceed(id, Next::Look(Look::Conflicts(conflicts.clone())));
            }
            // What is gone need not be let go: a look tells.
            (Failure::NotFound, Next::Own(_)) if !undecided && self.lets_go(id) => {
                self.proceed(id, Next::Look(Look::BeforeOwn));
            }
            (Failure::Stale | Failure::InDoubt { .. }, Next::Own(_)) if !undecided => {
                let of_owner = |step: &Step| matches!(step.action, Action::Own { .. } | Action::Orphan);
                let is_own = self.step(id).is_some_and(|step| of_owner(&step));
                self.proceed(id, Next::Look(if is_own { Look::BeforeOwn } else { Look::BeforeApply }));
            }
            // It is another object, or changed since its conflicts were classed: a look tells.
            (Failure::Stale, Next::Apply(_, Guard::Present { .. })) if !undecided => {
                self.proceed(id, Next::Look(Look::BeforeApply));
            }
            (Failure::Stale, Next::TakeOver(_)) if !undecided => {
                if let Some(step) = self.step(id) {
                    self.apply_again(id, &step);
                }
            }
            (Failure::Stale, Next::Replace(_)) if !undecided => {
                self.proceed(id, Next::Look(Look::BeforeReplace));
            }
            (Failure::Stale | Failure::NotFound, Next::Apply(..)) => {
                self.fail(id, "is no longer the object that was compared; sync again");
            }
            (failure, next) => {
                let limit = match failure {
                    Failure::KindNotServed => Some(SERVED),
                    Failure::WebhookUnavailable { .. } => Some(WEBHOOK),
                    Failure::NamespaceTerminating { .. } => Some(self.setup.policy.deletion_timeout),
                    failure if failure.is_transient() => None,
                    failure if is_change(&next) && !failure.immutable().is_empty() => {
                        return self.cannot_change(id, error);
                    }
                    _ => return self.refuse(id, &error.to_string()),
                };
                self.again(id, next, limit, error, now);
            }
        }
    }

    /// Tries the same again later: within `limit` of the beginning, or as often as the policy says. Looks for what is
    /// waited for go on until its own deadline (rule 38 of the exact rules). No server makes it wait past the deadline.
    pub(super) fn again(&mut self, id: u32, next: Next, limit: Option<Duration>, error: &ClusterError, now: Timestamp) {
        let retries = self.setup.policy.retries;
        let Some(run) = self.run_mut(id) else { return };
        let waits = matches!(next, Next::Look(Look::Health | Look::Gone(_)));
        let until = limit.map_or(run.deadline, |limit| run.since + limit);
        let spent = if waits || limit.is_some() { now >= until } else { run.tries >= retries };
        if spent && next.is_trial() {
            return self.untried(id, error);
        }
        if spent {
            return self.give_up_on(id, &error.to_string());
        }
        let mut delay = backoff(run.tries);
        if let Failure::Throttled { retry_after: Some(wanted) } = &error.failure {
            delay = delay.max((*wanted).min(until.since(now)));
        }
        if waits {
            delay = delay.min(until.since(now));
        }
        run.tries = run.tries.saturating_add(1);
        run.waiting = error.to_string();
        run.at = At::Todo(next);
        let at = now + delay;
        self.tell_of(id, |step, key| News::Retries { step, key, why: error.to_string().into(), next: at });
        self.wake(id, at);
    }

    /// Looks again in a moment, until the deadline: 1 s, 2 s, then every 5 s, and after ten minutes ever more seldom, up to
    /// every 30 s: a hook that ended is kept for twice that. A deletion has a deadline of its own, from when it is known to
    /// be under way, whatever the step that waits for it does next (rule 38 of the exact rules); where somebody creates the
    /// object again and again, that has an end as well.
    pub(super) fn wait(&mut self, id: u32, look: Look, what: &str, now: Timestamp) {
        let deletion_timeout = self.setup.policy.deletion_timeout;
        let Some(run) = self.run_mut(id) else { return };
        run.goes |= matches!(look, Look::Gone(_));
        let is_waiting = matches!(run.at, At::Flying(Next::Look(Look::Gone(_))));
        if matches!(look, Look::Gone(_)) && !is_waiting && run.decisions <= DECISIONS {
            (run.since, run.deadline) = (now, now + deletion_timeout);
        }
        if now >= run.deadline {
            let seconds = now.since(run.since).as_secs();
            run.cause = Cause::Unhealthy;
            return self.give_up_on(id, &format!("waited {seconds} s for {what}"));
        }
        let delay = match run.polls {
            0 => 1,
            1 => 2,
            // What takes hours is not told apart by seconds.
            _ => (now.since(run.since).as_secs() / 120).clamp(5, 30),
        };
        run.polls = run.polls.saturating_add(1);
        let (until, is_news) = (run.deadline, run.waiting != what);
        if is_news {
            what.clone_into(&mut run.waiting);
        }
        run.at = At::Todo(Next::Look(look));
        if is_news {
            self.tell_of(id, |step, key| News::Waits { step, key, what: what.into(), until });
        }
        self.wake(id, (now + Duration::from_secs(delay)).min(until));
    }

    pub(super) fn fail(&mut self, id: u32, message: &str) {
        self.finish(id, At::Ended(StepOutcome::Failed, message.into()));
    }

    /// Fails for a reason that does not pass by itself.
    pub(super) fn refuse(&mut self, id: u32, message: &str) {
        if let Some(run) = self.run_mut(id) {
            run.cause = Cause::Refused;
        }
        self.fail(id, message);
    }

    /// What was waited for did not come in time. A hook may well run on: it is known as one that does, so that it goes
    /// before the same hook runs again.
    pub(super) fn give_up_on(&mut self, id: u32, message: &str) {
        let hook = self.step(id).and_then(|step| self.run(id)?.running_hook(Some(&step)));
        self.fail_with(id, hook, message);
    }

    /// What was waited for was seen to have failed, or to be gone: a hook does not run any more.
    pub(super) fn has_ended_badly(&mut self, id: u32, message: &str) {
        let hook = self.step(id).and_then(|step| self.run(id)?.running_hook(Some(&step)));
        self.fail_with(id, hook.map(|hook| HookResult { running: false, ..hook }), message);
    }

    /// A hook leaves a trace; anything else just fails.
    fn fail_with(&mut self, id: u32, hook: Option<HookResult>, message: &str) {
        match hook {
            Some(hook) => {
                if let Some(run) = self.run_mut(id) {
                    message.clone_into(&mut run.waiting);
                }
                self.hook_ended(id, hook);
            }
            None => self.fail(id, message),
        }
    }

    /// How a hook ended has been stored.
    pub(super) fn hook_recorded(&mut self, id: u32) {
        let Some((step, run)) = self.step(id).zip(self.run(id)) else { return };
        if let At::Announcing(next) = &run.at {
            return self.proceed(id, next.clone());
        }
        let succeeded = self.record.hooks.iter().any(|hook| hook.is_of(&step.key, step.phase) && hook.succeeded);
        let at = if succeeded {
            At::Ended(StepOutcome::Succeeded, "".into())
        } else {
            At::Ended(StepOutcome::Failed, run.waiting.as_str().into())
        };
        self.finish(id, at);
    }
}

fn is_change(next: &Next) -> bool {
    matches!(next, Next::Apply(..) | Next::Replace(_))
}
