//! What a step makes of what it sees.

use std::sync::Arc;

use crate::cluster::{ClusterError, Failure, FieldConflict, Force, Guard};
use crate::diff;
use crate::health::{self, Clues, HealthStatus, SETTLE_REPORTING, Standstill};
use crate::plan::{self, Action, Intent, Precondition, Reason, StepId};
use crate::policy::Permission;
use crate::problem::Severity;
use crate::resource::{Resource, ResourceKey};
use crate::state::{Live, OPERATION_ANNOTATION};
use crate::time::Timestamp;
use crate::value::ValueRef;

use super::StepOutcome;
use super::answers::{Applied, SERVED};
use super::conflict::{self, Resolution};
use super::machine::Machine;
use super::receipt::{Answer, generation};
use super::step::{At, Look, Next, hook_result};

impl Machine {
    /// Takes what a look showed.
    pub(super) fn saw(&mut self, id: u32, live: Live<'_>, now: Timestamp) {
        let Some(At::Flying(Next::Look(look))) = self.run(id).map(|run| run.at.clone()) else { return };
        let live = match live {
            Live::Present(object) => Some(object),
            Live::Absent => None,
            // A kind that is not served now may come back with its objects: they are not gone (rule 29).
            Live::NotServed => return self.look_failed(id, &Failure::KindNotServed.into(), now),
            Live::Unreadable(_) | Live::MetadataOnly(_) | Live::NotLooked => {
                let message = match live {
                    Live::Unreadable(why) => format!("it could not be read: {why}"),
                    _ => "it could not be read".to_owned(),
                };
                return self.look_failed(id, &Failure::Unavailable { message: message.into() }.into(), now);
            }
        };
        if let (Look::Health | Look::Gone(_), Some(run)) = (&look, self.run_mut(id)) {
            run.tries = 0;
        }
        match look {
            Look::Created => self.saw_created(id, live, now),
            Look::BeforeOwn => self.saw_before_own(id, live),
            Look::BeforeTrial => self.saw_before_trial(id, live),
            Look::BeforeApply => self.saw_before_apply(id, live),
            Look::Conflicts(conflicts) => self.saw_conflicts(id, &conflicts, live),
            Look::BeforeRecreate => self.saw_before_recreate(id, live, now),
            Look::BeforeReplace => self.saw_before_replace(id, live),
            Look::BeforeDelete => self.saw_before_delete(id, live, now),
            Look::BeforeHook => self.saw_before_hook(id, live, now),
            Look::Health => self.saw_health(id, live, now),
            Look::Gone(uid) => match live {
                Some(live) if live.uid() == Some(&*uid) => {
                    let what = deletion(live);
                    self.wait(id, Look::Gone(uid), &what, now);
                }
                _ => self.gone(id),
            },
        }
    }

    /// A look gave nothing.
    pub(super) fn look_failed(&mut self, id: u32, error: &ClusterError, now: Timestamp) {
        if let Some(At::Flying(next)) = self.run(id).map(|run| run.at.clone()) {
            // A kind may be about to be served where something is about to be created; elsewhere it was served before.
            let comes = error.failure == Failure::KindNotServed && matches!(next, Next::Look(Look::BeforeHook));
            self.again(id, next, comes.then_some(SERVED), error, now);
        }
    }

    /// Something stands where we wanted to create. Ours is only what carries our tracking id and this operation
    /// (rule 27); whatever else appeared in between is not adopted.
    fn saw_created(&mut self, id: u32, live: Option<&Resource>, now: Timestamp) {
        let Some(step) = self.step(id) else { return };
        let Some(live) = live else { return self.again(id, Next::Create, None, &doubt(), now) };
        let ours =
            self.claims(live).marked() && live.annotation(OPERATION_ANNOTATION) == Some(self.record.operation.as_str());
        match (live.uid(), ours) {
            (Some(uid), _) if live.is_terminating() => {
                let look = Look::Gone(uid.into());
                self.wait(id, look, &deletion(live), now);
            }
            (_, true) => {
                let answer = Some(Answer::seen(live));
                let applied = Applied { outcome: StepOutcome::Created, object: Some(live), settled: None, answer };
                self.applied(id, &step, applied, now);
            }
            (Some(uid), false) if self.is_known(&step.key, uid) => {
                self.fail(id, "is there, and could not be seen when the plan was made; sync again");
            }
            // The ledger needed it first. Others may keep theirs in it as well, so it counts as one that was there before.
            (Some(uid), false) if self.home.as_deref() == Some(uid) => {
                self.apply_to(id, live, Force::No, Guard::exactly(live));
            }
            _ => {
                self.setup.ledger.inventory.entries.remove(&step.key);
                self.fail(id, "appeared after the plan was made and is not ours, so it is left alone; sync again to see what adopting it would change");
            }
        }
    }

    fn is_known(&self, key: &ResourceKey, uid: &str) -> bool {
        self.setup.ledger.inventory.get(key).is_some_and(|entry| entry.uid.as_deref() == Some(uid))
    }

    fn saw_conflicts(&mut self, id: u32, conflicts: &[FieldConflict], live: Option<&Resource>) {
        let Some((step, live)) = self.step(id).zip(live) else { return self.fail(id, "is gone; sync again") };
        // The server answers a field conflict before it says that this is another object (recorded).
        if let Some(why) = self.unfit(&step, live).or_else(|| self.changed_since(&step, live)) {
            return self.fail(id, &why);
        }
        let declared = self.declared(&step);
        let scaled = declared.as_ref().map_or(diff::Scaled::No, |declared| self.scaled(declared.key()));
        // Others may have come since the refusal: a forced apply would meet them as well.
        let foreseen = declared.map(|declared| diff::forecast(&declared, live, &self.context(), scaled));
        if let Some(why) = foreseen.as_ref().and_then(conflict::refused) {
            return self.refuse(id, &why);
        }
        let resolution = conflict::resolve(conflicts, live, &self.context());
        match resolution {
            Resolution::TakeOver => self.apply_to(id, live, Force::Yes, Guard::exactly(live)),
            Resolution::Yield => self.apply_to(id, live, Force::No, Guard::exactly(live)),
            Resolution::Refuse(message) => self.refuse(id, &message),
        }
    }

    /// Rule 28: the proof is taken from a fresh look, and the delete carries exactly what was seen.
    fn saw_before_delete(&mut self, id: u32, live: Option<&Resource>, now: Timestamp) {
        self.seems_to_stay(id);
        let Some(step) = self.step(id) else { return };
        let Some(live) = live else { return self.gone(id) };
        let planned = match &step.requires {
            Precondition::Present { uid, .. } => live.uid() == Some(&**uid),
            _ => false,
        };
        if !planned {
            return self.fail(id, "is another object by now, so it is kept; sync again");
        }
        if let (true, Some(uid)) = (live.is_terminating(), live.uid()) {
            let what = deletion(live);
            return self.wait(id, Look::Gone(uid.into()), &what, now);
        }
        if step.reason == Reason::Terminating {
            // It was to be waited for: neither proof nor consent was asked for.
            return self.fail(id, "is not being deleted any more, so it is kept; sync again");
        }
        let (options, wrong) = self.setup.policy.options_of(live);
        let readable = wrong.iter().all(|problem| problem.severity != Severity::Blocks);
        // As the plan asked: see `plan::delete` and `plan::prune`.
        let said = self.setup.desired.get(&step.key).map_or(Permission::Default, |declared| declared.options.delete);
        let (forbids, asks) = match self.plan.scope.intent {
            Intent::Delete => (vec![options.delete, said], vec![options.delete, options.prune, said]),
            Intent::Sync => (vec![options.prune], vec![options.prune]),
            // All objects stay.
            Intent::Orphan | Intent::Adopt | Intent::Release => (vec![Permission::Never], Vec::new()),
        };
        let permitted = !forbids.contains(&Permission::Never);
        if !(self.claims(live).proves_ours() && readable && options.is_resource() && permitted) {
            return self.fail(id, "is no longer provably ours to delete, so it is kept; sync again");
        }
        if plan::asks(live, &asks, &self.setup.policy) && !self.plan.is_confirmed(&step.key) {
            return self.fail(id, "asks for a person's yes to its deletion by now, so it is kept; sync again");
        }
        if step.key.is("", "Namespace") && self.setup.ledger_key.namespace.as_ref() == Some(&step.key.name) {
            // Rule 31: the record of this very operation lies in it.
            return self.fail(id, "holds the ledger, so it is kept; remove the application first");
        }
        self.delete_seen(id, &step, live);
    }

    fn saw_health(&mut self, id: u32, live: Option<&Resource>, now: Timestamp) {
        if let Some(live) = live
            && !self.setup.reporting.contains(&*live.key().group_kind)
            && health::reports(live)
        {
            self.setup.reporting.insert((*live.key().group_kind).clone());
        }
        let plan = Arc::clone(&self.plan);
        let Some((step, run)) = plan.step(StepId(id)).zip(self.run(id)) else { return };
        let is_hook = matches!(step.action, Action::Hook { .. });
        let applied = run.applied.unwrap_or(StepOutcome::Unchanged);
        let Some(live) = live.filter(|live| run.uid.as_deref().is_none_or(|uid| live.uid() == Some(uid))) else {
            let ends_alone =
                self.setup.desired.get(&step.key).is_some_and(|declared| lives_briefly(&declared.resource));
            if ends_alone && !is_hook {
                let message = "ended, and was removed by its `ttlSecondsAfterFinished`";
                return self.finish(id, At::Ended(applied, message.into()));
            }
            let why = if ends_alone {
                "is gone: its `ttlSecondsAfterFinished` removed it before it was seen to end, so its result is unknown"
            } else {
                "is gone: somebody deleted it"
            };
            return self.has_ended_badly(id, why);
        };
        if let Some(what) = self.is_stale(id, live) {
            return self.wait(id, Look::Health, what, now);
        }
        let in_place = matches!(step.action, Action::Await);
        let clues = Clues::new(&self.setup.model, now).checking(&self.setup.checks).applied_by(&self.manager);
        let clues = if in_place { clues } else { clues.changed_at(run.applied_at) };
        let others_report = self.setup.reporting.contains(&*step.key.group_kind);
        let clues = if others_report { clues.settling(SETTLE_REPORTING) } else { clues };
        let health = health::assess(live, &clues);
        match (health.status, is_hook) {
            (HealthStatus::Healthy, false) => self.finish(id, At::Ended(applied, "".into())),
            (HealthStatus::Healthy, true) => {
                let result = hook_result(step, run, true);
                self.hook_ended(id, result);
            }
            // Something else of this operation may mend what was there before.
            (HealthStatus::Degraded, false) if in_place => self.wait(id, Look::Health, &degraded(&health), now),
            (HealthStatus::Degraded, _) => self.has_ended_badly(id, &degraded(&health)),
            // What uses it may be in a later wave, and waits for the volume itself.
            (HealthStatus::Progressing, false) if health.standstill == Some(Standstill::FirstConsumer) => {
                self.finish(id, At::Ended(applied, Standstill::FirstConsumer.to_string().into()));
            }
            _ => {
                let mut what = match (&*health.message, is_hook) {
                    ("", true) => "the hook to end".to_owned(),
                    ("", false) => "it to be healthy".to_owned(),
                    (message, _) => format!("it to be healthy: {message}"),
                };
                if let Some(standstill) = health.standstill {
                    what = format!("{what} ({standstill})");
                }
                self.wait(id, Look::Health, &what, now);
            }
        }
    }

    /// Whether what was seen is older than what we wrote, or its status is. Rule 36 of the exact rules.
    fn is_stale(&self, id: u32, live: &Resource) -> Option<&'static str> {
        let written = self.run(id)?.answer.as_ref()?.generation?;
        let observed = live.tree().dig(&["status", "observedGeneration"]).and_then(ValueRef::as_i64);
        if generation(live).is_some_and(|seen| seen < written) {
            return Some("a look that shows what was written");
        }
        // Typed clients write an unset generation as 0.
        observed
            .is_some_and(|observed| observed > 0 && observed < written)
            .then_some("its controller to observe the present spec")
    }

    pub(super) fn claims(&self, live: &Resource) -> diff::Claim {
        self.claims_as(live, live.key())
    }

    /// The same of an object that was declared under another name, as hooks are.
    pub(super) fn claims_as(&self, live: &Resource, declared: &ResourceKey) -> diff::Claim {
        let declared = self.setup.desired.get(declared).map(|declared| &declared.resource);
        diff::claim_as(live, declared, &self.context())
    }
}

/// A Job that the cluster removes by itself once it has ended.
pub(super) fn lives_briefly(declared: &Resource) -> bool {
    declared.tree().dig(&["spec", "ttlSecondsAfterFinished"]).is_some()
}

fn degraded(health: &health::Health) -> String {
    if health.message.is_empty() { "is degraded".to_owned() } else { format!("is degraded: {}", health.message) }
}

fn doubt() -> ClusterError {
    Failure::InDoubt { message: "the object is not there".into() }.into()
}

/// What a deletion waits for, for people.
pub(super) fn deletion(live: &Resource) -> String {
    let finalizers = live.tree().dig(&["metadata", "finalizers"]).and_then(ValueRef::as_list);
    let names: Vec<&str> = finalizers.into_iter().flatten().filter_map(ValueRef::as_str).collect();
    if names.is_empty() { "its deletion".to_owned() } else { format!("its finalizers: {}", names.join(", ")) }
}
