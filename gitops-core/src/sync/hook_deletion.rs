//! Deleting objects of hooks: what proves that one may go, and the end of an operation, when those go that are to.
//!
//! As for what is pruned, the proof is read afresh, and the delete carries exactly what was read (rule 28 of the exact
//! rules).

use crate::cluster::{ClusterError, Failure, Guard, Interest, Write, Written};
use crate::plan::{self, Intent, Precondition, Reason, Step};
use crate::policy::{Options, Permission};
use crate::problem::Severity;
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::state::{HookResult, Live, LiveState};
use crate::time::Timestamp;

use super::machine::{Flight, Machine};
use super::recording::backoff;
use super::{Effect, Phase, hooks, survey};

impl Machine {
    /// Whether an object that was just read may be deleted for a hook, which was declared as `declared`.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn hook_may_go(
        &self,
        live: &Resource,
        declared: &ResourceKey,
        step: Option<&Step>,
    ) -> Result<(), String> {
        let claim = self.claims_as(live, declared);
        if !claim.tracked {
            return Err("there is an object of this name that is not ours; rename the hook".to_owned());
        }
        let kept = |why: &str| Err(format!("stands where a hook runs, and is kept: {why}"));
        let known = |hook: &HookResult| hook.is_about(live.key(), live.uid());
        let recorded = self.is_own(live) || self.record.hooks.iter().chain(&self.setup.ledger.hooks).any(known);
        let from_hook = plan::came_from_hook(live, &claim, recorded);
        let planned = step.is_some_and(|step| match &step.requires {
            Precondition::Present { uid, .. } => live.uid() == Some(&**uid),
            _ => false,
        });
        if !(from_hook || planned && plan::was_created(&claim)) {
            return kept("nothing proves that a hook of this application created it; sync again");
        }
        // What was planned is what may go; of a plan that knew nothing of what stands there, the proof decides.
        if step.is_some_and(|step| step.requires != Precondition::Any) && !planned && !self.is_own(live) {
            return kept("it appeared after the plan was made; sync again");
        }
        let (options, wrong) = self.setup.policy.options_of(live);
        if wrong.iter().any(|problem| problem.severity == Severity::Blocks) {
            return kept("its annotations cannot be read");
        }
        let said = self.setup.desired.get(declared).map(|declared| &declared.options);
        let of = |options: &Options| [options.delete, options.prune];
        let permissions: Vec<Permission> = of(&options).into_iter().chain(said.map(of).into_iter().flatten()).collect();
        if permissions.contains(&Permission::Never) {
            return kept("its option says so");
        }
        let confirmed = self.plan.is_confirmed(live.key()) || self.plan.is_confirmed(declared);
        if !confirmed && plan::asks(live, &permissions, &self.setup.policy) {
            return kept("its deletion must be confirmed; sync again");
        }
        Ok(())
    }

    /// Whether this very operation created an object as a hook.
    pub(super) fn is_own(&self, live: &Resource) -> bool {
        plan::mark_of(live).is_some_and(|(operation, _)| operation == self.record.operation.as_str())
    }

    /// Gathers what is to go now that the operation ends as `phase`.
    pub(super) fn to_clean(&self, phase: Phase) -> Vec<HookResult> {
        let ran = &self.record.hooks;
        let deletes_app = self.plan.scope.intent == Intent::Delete && phase == Phase::Succeeded;
        // Nobody would know them afterwards.
        let of_now = if deletes_app { ran.clone() } else { hooks::to_delete(&self.plan, ran, phase) };
        let goes = self.plan.leftovers.iter().filter(|left| match left.reason {
            Reason::Hook => ran.iter().any(|now| now.is_of(&left.declared, left.phase) && now.object != left.key),
            _ => phase == Phase::Succeeded,
        });
        let left = goes.map(|left| HookResult::of(&left.declared, left.phase, &left.key, &left.uid, &left.version));
        of_now.into_iter().chain(left).collect()
    }

    /// Looks at every hook object that is to go.
    pub(super) fn clean(&mut self) {
        let hooks = std::mem::take(&mut self.cleanup);
        let keys = hooks.iter().map(|hook| hook.object.clone()).collect();
        let id = self.fly(Flight::CleanupLook(hooks));
        self.effects.push_back(Effect::Observe { id, keys });
    }

    /// Deletes those that are provably ours to delete. Others stay known.
    pub(super) fn looked_to_clean(
        &mut self,
        hooks: Vec<HookResult>,
        result: Result<LiveState, ClusterError>,
        now: Timestamp,
    ) {
        let Ok(live) = result else {
            return hooks.into_iter().for_each(|hook| self.clean_later(hook, now));
        };
        for hook in hooks {
            if hook.uid.is_empty() {
                let seen = live.get(&hook.object);
                self.looked_for_unseen(hook, seen, now);
                continue;
            }
            let object = match live.get(&hook.object) {
                Live::Absent => {
                    self.forget_hook(&hook);
                    continue;
                }
                // With its CRD, an application takes what is of that kind.
                Live::NotServed if self.forgets() => {
                    self.forget_hook(&hook);
                    continue;
                }
                Live::Present(object) => object,
                _ => {
                    self.clean_later(hook, now);
                    continue;
                }
            };
            if object.uid() != Some(&*hook.uid) || object.is_terminating() {
                self.forget_hook(&hook);
            } else {
                self.delete_hook(hook, object);
            }
        }
    }

    /// Deletes the object of a hook as it was just read, if that may go.
    pub(super) fn delete_hook(&mut self, hook: HookResult, object: &Resource) {
        if self.hook_may_go(object, &hook.declared, None).is_err() {
            return;
        }
        // Nobody waits until it is gone.
        let propagation = self.setup.policy.options_of(object).0.propagation.unwrap_or(Propagation::Background);
        let write = Write::delete(&hook.object, &hook.version, propagation).guarded(Guard::exactly(object));
        match self.told_contents(object) {
            Some(interest) => {
                let id = self.fly(Flight::CleanupSurvey(hook, Box::new(write), interest.clone()));
                self.effects.push_back(Effect::List { id, interest: Box::new(interest) });
            }
            None => self.delete_hook_by(hook, Box::new(write)),
        }
    }

    fn delete_hook_by(&mut self, hook: HookResult, write: Box<Write>) {
        let id = self.fly(Flight::Cleanup(hook));
        self.effects.push_back(Effect::Write { id, write });
    }

    /// What would die with the namespace or CRD that a hook left is known: no more than the plan told of may. It stays
    /// known otherwise, and the next plan tells of all.
    pub(super) fn surveyed_to_clean(
        &mut self,
        (hook, write, interest): (HookResult, Box<Write>, Interest),
        result: Result<LiveState, ClusterError>,
        now: Timestamp,
    ) {
        let found = result.and_then(|live| survey::found(&hook.object, &interest, &live));
        match found.map(|found| self.plan.untold(&hook.object, &found)) {
            Ok(None) => self.delete_hook_by(hook, write),
            Ok(Some(_)) => self.uncleaned = true,
            Err(_) => self.clean_later(hook, now),
        }
    }

    pub(super) fn cleaned(&mut self, hook: HookResult, result: Result<Written, ClusterError>, now: Timestamp) {
        match result.map_err(|error| error.failure) {
            Ok(_) | Err(Failure::NotFound) => self.forget_hook(&hook),
            Err(failure) if failure.is_transient() || failure == Failure::Stale => self.clean_later(hook, now),
            Err(_) => self.uncleaned = true,
        }
    }

    /// Looks once more after a while. Whatever keeps it in the end: the trace stays in the ledger, and the next operation
    /// tries again.
    pub(super) fn clean_later(&mut self, hook: HookResult, now: Timestamp) {
        if self.record_tries >= self.setup.policy.retries {
            self.uncleaned = true;
            self.blind |= hook.uid.is_empty();
            return;
        }
        self.cleanup.push(hook);
        if self.record_at.is_none() {
            self.record_at = Some(now + backoff(self.record_tries));
            self.record_tries = self.record_tries.saturating_add(1);
        }
    }

    /// The object of a hook is gone, or is another one by now.
    fn forget_hook(&mut self, hook: &HookResult) {
        let is_it = |other: &HookResult| other.is_about(&hook.object, Some(&hook.uid));
        self.record.hooks.retain(|other| !is_it(other));
        self.setup.ledger.hooks.retain(|other| !is_it(other));
    }
}
