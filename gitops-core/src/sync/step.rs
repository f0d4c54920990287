//! One step: from ready to done, through refusals, lost answers and waiting.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{FieldConflict, Force, Guard, Write};
use crate::diff::{self, Mending};
use crate::plan::{Action, Payload, Precondition, Step, StepId};
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::state::{HookResult, OPERATION_ANNOTATION};
use crate::time::Timestamp;

use super::answers::SERVED;
use super::graph::Level;
use super::machine::Machine;
use super::progress::News;
use super::receipt::Answer;
use super::survey::Survey;
use super::{Cause, StepOutcome, hooks};

/// How far one step has come.
#[derive(Debug)]
pub(super) struct Run {
    /// The object; for a hook under the name it runs with.
    pub(super) key: ResourceKey,
    /// What Git wants of it. See [`Machine::declared`].
    pub(super) declared: Option<Resource>,
    pub(super) at: At,
    /// When it began.
    pub(super) since: Timestamp,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    /// When it gives up waiting.
    pub(super) deadline: Timestamp,
    /// What the write did, once it was done.
    pub(super) applied: Option<StepOutcome>,
    pub(super) uid: Option<Arc<str>>,
    /// What the server answered to the last write that took effect.
    pub(super) answer: Option<Box<Answer>>,
    pub(super) applied_at: Timestamp,
    pub(super) tries: u32,
    pub(super) decisions: u32,
    pub(super) polls: u32,
    /// Whether it was decided to delete the object and create it again: that is brought to its end (rule 37).
    pub(super) recreates: bool,
    /// Whether the object goes, or may: its deletion, or its release, took effect or may have.
    pub(super) goes: bool,
    /// What is sent where rules leave fields alone, by the object that was seen last.
    pub(super) sent: Option<Resource>,
    /// How often fields were taken over that an apply left behind.
    pub(super) taken: u32,
    /// What it waits for, for people.
    pub(super) waiting: String,
    /// Should it fail: why, as far as it matters for trying again.
    pub(super) cause: Cause,
}

/// Where a step is.
#[derive(Clone, Debug)]
pub(super) enum At {
    /// Not begun.
    Waiting,
    /// This is next, now or when a timer fires.
    Todo(Next),
    /// An answer is awaited.
    Flying(Next),
    /// A hook has ended; that is being recorded.
    Recording,
    /// What is next is being recorded first: a hook that may vanish by itself is about to run, an object to be deleted or
    /// created again.
    Announcing(Next),
    /// Done, one way or the other.
    Ended(StepOutcome, Arc<str>),
}

/// What a step does next.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Create,
    /// Changes who owns which fields, before the object is applied.
    Own(Box<Mending>),
    Apply(Force, Guard),
    Replace(Guard),
    /// Makes ours what the apply left behind, so that another one removes it.
    TakeOver(Box<Write>),
    /// Looks at what would die with it, before it is deleted.
    Survey(Box<Survey>),
    Delete(Guard),
    HookCreate,
    HookDelete(Guard, Propagation),
    Look(Look),
    /// Tries that by a dry run.
    Try(Box<Self>),
}

/// Why a step looks at its object.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// A create was refused or its answer lost: whose is what stands there?
    Created,
    /// Who owns which fields is to change: is that still so?
    BeforeOwn,
    /// Rules leave fields of it alone: which are on the cluster, and ours?
    BeforeApply,
    /// What is sent to it is to be tried: what is there?
    BeforeTrial,
    /// An apply met fields of others.
    Conflicts(Vec<FieldConflict>),
    /// The object is about to be deleted and created again: is it provably ours?
    BeforeRecreate,
    /// The object is about to be replaced.
    BeforeReplace,
    /// The object is about to be deleted: is it still provably ours?
    BeforeDelete,
    /// A hook is about to run: is there an object of that name?
    BeforeHook,
    /// Is it healthy? Has the hook ended?
    Health,
    /// Is the object with this uid gone?
    Gone(Arc<str>),
}

impl Next {
    /// Whether it is to try what is written later.
    pub(super) fn is_trial(&self) -> bool {
        matches!(self, Self::Try(_) | Self::Look(Look::BeforeTrial))
    }
}

impl Run {
    pub(super) fn new(step: &Step, declared: Option<&Resource>, now: Timestamp) -> Self {
        Self {
            key: step.key.clone(),
            declared: declared.cloned(),
            at: At::Waiting,
            since: now,
            started: None,
            finished: None,
            deadline: now,
            applied: None,
            uid: None,
            answer: None,
            applied_at: now,
            tries: 0,
            decisions: 0,
            polls: 0,
            recreates: false,
            goes: false,
            sent: None,
            taken: 0,
            waiting: String::new(),
            cause: Cause::Passing,
        }
    }

    pub(super) fn is_recreating(&self) -> bool {
        self.recreates && self.applied.is_none() && !self.has_ended()
    }

    /// Whether it is waited for that an object goes which was seen, or was answered, to be going.
    pub(super) fn is_going(&self) -> bool {
        matches!(self.at, At::Todo(Next::Look(Look::Gone(_))))
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.at, At::Ended(..))
    }

    pub(super) fn waits_for(&self) -> Option<&str> {
        matches!(self.at, At::Todo(_) | At::Flying(Next::Look(_))).then_some(self.waiting.as_str())
    }

    /// Whether the step can end here when the operation is asked to stop. A hook that runs, and an object half
    /// deleted, are waited for unless the operation is terminated.
    pub(super) fn can_stop(&self, terminated: bool) -> bool {
        match &self.at {
            At::Todo(_) if self.recreates && self.applied.is_none() => terminated,
            At::Todo(Next::Look(Look::Health)) => terminated || self.applied.is_some(),
            // What is asked to go goes by itself, and nothing is half done: a recreate is not one of these.
            At::Todo(Next::Look(Look::Gone(_))) => true,
            // The answer to its create was lost: it may run, so it must be found before it can be deleted.
            At::Todo(Next::Look(Look::BeforeHook)) if self.decisions > 0 => false,
            At::Todo(_) => terminated || self.tries > 0,
            _ => false,
        }
    }

    /// The hook object that runs, if this is one that does.
    pub(super) fn running_hook(&self, step: Option<&Step>) -> Option<HookResult> {
        let step = step.filter(|step| matches!(step.action, Action::Hook { .. }))?;
        let running = HookResult { running: true, ..hook_result(step, self, false) };
        Some(running).filter(|hook| !hook.uid.is_empty())
    }
}

pub(super) fn hook_result(step: &Step, run: &Run, succeeded: bool) -> HookResult {
    HookResult {
        declared: step.key.clone(),
        phase: step.phase,
        object: run.key.clone(),
        uid: run.uid.clone().unwrap_or_else(|| "".into()),
        version: Arc::clone(&step.version),
        succeeded,
        running: false,
    }
}

impl Machine {
    pub(super) fn step(&self, step: u32) -> Option<Step> {
        self.plan.step(StepId(step)).cloned()
    }

    /// Begins a step that waits for nothing any more.
    pub(super) fn begin(&mut self, id: u32, now: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(StepId(id)) else { return };
        let deadline = now + self.timeout(step);
        // Asked only where something is applied over what is there.
        let has_rules = matches!(step.action, Action::Apply { .. }) && (self.has_rules(step) || self.receives(step));
        let own_key = matches!(step.action, Action::Hook { .. }).then(|| self.own_key(step));
        let Some(run) = self.run_mut(id) else { return };
        (run.since, run.started, run.deadline) = (now, Some(now), deadline);
        if let Some(own_key) = own_key {
            run.key = own_key;
        }
        let (verb, phase, wave) = (step.action.verb(), step.phase, step.wave);
        self.tell_of(id, |step, key| News::Began { step, key, verb, phase, wave });
        let next = match (&step.action, &step.requires) {
            (Action::Create { .. }, _) => Next::Create,
            (Action::Own { .. } | Action::Orphan, _) => Next::Look(Look::BeforeOwn),
            (Action::Apply { .. }, _) if has_rules => Next::Look(Look::BeforeApply),
            (Action::Apply { .. }, Precondition::Present { uid, .. }) => Next::Apply(Force::No, Guard::same(uid)),
            (Action::Apply { .. }, _) => Next::Apply(Force::No, Guard::None),
            (Action::Replace { .. }, _) => Next::Look(Look::BeforeReplace),
            (Action::Recreate { .. }, _) => Next::Look(Look::BeforeRecreate),
            (Action::Delete { .. }, _) => Next::Look(Look::BeforeDelete),
            (Action::Await, requires) => return self.watch_over(id, requires),
            (Action::Hook { .. }, _) => self.before_hook(id, step),
        };
        if let Some(done) = self.record.hooks.iter().find(|hook| hook.is_of(&step.key, step.phase)) {
            // It ran before a restart.
            let (succeeded, object, uid) = (done.succeeded, done.object.clone(), Arc::clone(&done.uid));
            if let Some(run) = self.run_mut(id) {
                (run.key, run.uid) = (object, Some(uid));
            }
            let at = if succeeded {
                At::Ended(StepOutcome::Succeeded, "ran before a restart".into())
            } else {
                At::Ended(StepOutcome::Failed, "the hook failed before a restart".into())
            };
            return self.finish(id, at);
        }
        self.proceed(id, next);
    }

    /// What is in place is waited for, where anything does.
    fn watch_over(&mut self, id: u32, requires: &Precondition) {
        if let (Some(run), Precondition::Present { uid, .. }) = (self.run_mut(id), requires) {
            (run.applied, run.uid) = (Some(StepOutcome::Unchanged), Some(Arc::clone(uid)));
        }
        self.reach(id, Level::Applied);
        if self.is_awaited(id) {
            self.proceed(id, Next::Look(Look::Health));
        } else {
            self.finish(id, At::Ended(StepOutcome::Unchanged, "".into()));
        }
    }

    /// How long a step may wait, as long as its object does not say otherwise. Rule 38 of the exact rules.
    pub(super) fn timeout(&self, step: &Step) -> Duration {
        let policy = &self.setup.policy;
        match &step.action {
            Action::Hook { .. } => policy.hook_timeout,
            Action::Delete { .. } => policy.deletion_timeout,
            _ if step.key.is("apiextensions.k8s.io", "CustomResourceDefinition") => policy.wave_timeout.min(SERVED),
            _ if step.key.is("", "Namespace") => policy.wave_timeout.min(policy.deletion_timeout),
            _ => policy.wave_timeout,
        }
    }

    /// The object of a step; for a hook under the name it runs with.
    pub(super) fn own_key(&self, step: &Step) -> ResourceKey {
        let declared = self.setup.desired.get(&step.key).filter(|_| matches!(step.action, Action::Hook { .. }));
        declared.map_or_else(
            || step.key.clone(),
            |of| hooks::key(step, &of.resource, &self.record.operation, Self::revision_of(&self.plan)),
        )
    }

    /// A timer of a step fired.
    pub(super) fn woken(&mut self, id: u32) {
        if let Some(At::Todo(next)) = self.run(id).map(|run| run.at.clone()) {
            self.proceed(id, next);
        }
    }

    /// Records what the ledger says by now, and then does what is next.
    pub(super) fn announce(&mut self, id: u32, next: Next) {
        if let Some(run) = self.run_mut(id) {
            run.at = At::Announcing(next);
        }
        self.unrecorded.push(id);
    }

    /// Does what is next.
    pub(super) fn proceed(&mut self, id: u32, next: Next) {
        if let Next::Look(_) = &next {
            if let Some(run) = self.run_mut(id) {
                run.at = At::Flying(next);
            }
            return self.look(id);
        }
        if let Next::Survey(survey) = next {
            return self.survey(id, survey);
        }
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(StepId(id)) else { return };
        let Some(key) = self.run(id).map(|run| run.key.clone()) else { return };
        let write = match &next {
            Next::Delete(guard) => {
                Some(Write::delete(&key, &step.version, self.propagation(step)).guarded(guard.clone()))
            }
            Next::HookDelete(guard, propagation) => {
                Some(Write::delete(&key, &step.version, *propagation).guarded(guard.clone()))
            }
            Next::Own(mending) => Some(mending.write.clone()),
            Next::TakeOver(write) => Some(Write::clone(write)),
            Next::Try(tried) => self.payload(id, step, tried).map(Write::dry_run),
            _ => self.payload(id, step, &next),
        };
        match write {
            Some(write) => self.send(id, next, write),
            // It fails when it is written.
            None if next.is_trial() => self.tried(id, None),
            None => self.fail(id, "what is declared is not what was planned; plan again"),
        }
    }

    /// Builds the write that sends the declared object.
    fn payload(&self, id: u32, step: &Step, next: &Next) -> Option<Write> {
        let run = self.run(id)?;
        let declared = &self.declared(step)?;
        let is_planned = match step.action.payload() {
            Some(Payload::Digest(planned)) => *planned == declared.intent(),
            Some(Payload::Declared { source, file, document }) => {
                let origin = self.setup.desired.get(&step.key).and_then(|found| found.origin.as_ref());
                origin
                    .is_some_and(|origin| (origin.source, &origin.file, origin.document) == (*source, file, *document))
            }
            Some(Payload::Opaque) | None => true,
        };
        if !is_planned {
            // The plan was stored, and what is declared by now is not what somebody approved.
            return None;
        }
        let manager = &self.manager;
        let operation = self.record.operation.as_str();
        let object = match next {
            Next::HookCreate => {
                let adapted = self.adapt(declared, None);
                let declared = adapted.as_ref().map_or(declared, |adapted| &adapted.sent);
                let dressed = hooks::dress(declared, &run.key, &hooks::mark(&self.record.operation, step)).ok()?;
                diff::stamp(&dressed, &self.setup.owner)
            }
            Next::Create => {
                let adapted = self.adapt(declared, None);
                let sent = adapted.as_ref().map_or(declared, |adapted| &adapted.sent);
                // Both in one copy of the object.
                diff::stamp_with(sent, &self.setup.owner, Some((OPERATION_ANNOTATION, operation)))
            }
            _ => diff::stamp(run.sent.as_ref().unwrap_or(declared), &self.setup.owner),
        };
        Some(match next {
            Next::Apply(force, guard) => Write::apply(&object, manager, *force).guarded(guard.clone()),
            Next::Replace(guard) => Write::replace(&object, manager).guarded(guard.clone()),
            _ => Write::apply(&object, manager, Force::No).guarded(Guard::Absent),
        })
    }
}
