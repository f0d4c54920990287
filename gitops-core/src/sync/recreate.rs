//! Deleting an object and creating it anew, where a change of it cannot be made in place. Rule 37 of the exact rules.

use std::collections::BTreeSet;

use crate::cluster::{ClusterError, Guard};
use crate::plan::{self, Action, Plan, Precondition, Step};
use crate::policy::Options;
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::state::{Entry, Leaving, Live, LiveState};
use crate::time::Timestamp;

use super::looks::deletion;
use super::machine::{Flight, Machine};
use super::step::{Look, Next, Run};
use super::{Effect, Ledger, Record};

impl Machine {
    /// A write was refused, and all that is wrong is that fields cannot change once set.
    pub(super) fn cannot_change(&mut self, id: u32, error: &ClusterError) {
        let Some(step) = self.step(id) else { return };
        let options = self.options(&step);
        match plan::instead(&step.key, recreate(&step), &self.setup.policy, &options, None) {
            Some(instead) => self.refuse(id, &format!("{error}; {instead}")),
            None => self.proceed(id, Next::Look(Look::BeforeRecreate)),
        }
    }

    /// The proof is taken from a fresh look, and the delete carries exactly what was seen, as for one that is pruned.
    pub(super) fn saw_before_recreate(&mut self, id: u32, live: Option<&Resource>, now: Timestamp) {
        self.seems_to_stay(id);
        let Some((step, run)) = self.step(id).zip(self.run(id)) else { return };
        let Some(live) = live else {
            // Gone already: by our own delete, or by somebody who wanted the same.
            return if run.recreates { self.recreate(id, &step) } else { self.fail(id, "is gone; sync again") };
        };
        let planned = match &step.requires {
            Precondition::Present { uid, .. } => live.uid() == Some(&**uid),
            _ => false,
        };
        let options = self.options(&step);
        let claim = self.claims(live);
        let policy = &self.setup.policy;
        let instead = plan::instead(&step.key, recreate(&step), policy, &options, Some((live, &claim))).or_else(|| {
            let asks = plan::unconfirmed(&options, live, &claim, policy);
            asks.filter(|_| !self.plan.is_confirmed(&step.key))
        });
        match (planned, live.uid(), instead) {
            (false, ..) => self.fail(id, "is another object by now, so it is kept; sync again"),
            (_, Some(uid), _) if live.is_terminating() => {
                let what = deletion(live);
                let look = Look::Gone(uid.into());
                if let Some(run) = self.run_mut(id) {
                    run.recreates = true;
                }
                self.wait(id, look, &what, now);
            }
            (.., Some(instead)) => self.refuse(id, &format!("cannot be changed in place; {instead}")),
            (.., None) if !self.is_leaving(&step.key) => self.announce_deletion(id, &step.key),
            (.., None) => {
                let guard = Guard::exactly(live);
                if let Some(run) = self.run_mut(id) {
                    run.recreates = true;
                }
                self.proceed(id, Next::Delete(guard));
            }
        }
    }

    fn options(&self, step: &Step) -> Options {
        self.setup.desired.get(&step.key).map(|declared| declared.options.clone()).unwrap_or_default()
    }

    /// The old object is gone. That a new one is intended is recorded first, so that it is known as ours after a crash.
    pub(super) fn recreate(&mut self, id: u32, step: &Step) {
        let entry = Entry::intended(self.record.operation.as_str(), &step.version, step.wave);
        self.setup.ledger.inventory.entries.insert(step.key.clone(), entry);
        self.record.recreating.insert(step.key.clone());
        self.announce(id, Next::Create);
    }

    /// Returns whether an object was deleted, or is about to be, which is not there again yet.
    #[must_use]
    pub fn is_recreating(&self) -> bool {
        self.runs.iter().any(Run::is_recreating)
    }

    /// Returns the next thing to perform so that what is half recreated is whole again; everything else stays undone.
    pub fn next_effect_of_recreates(&mut self) -> Option<Effect> {
        if !self.is_recreating() {
            return None;
        }
        let recreates = |step: &u32| self.run(*step).is_some_and(Run::is_recreating);
        let counts = |effect: &Effect| match effect {
            Effect::Record { .. } | Effect::List { .. } => true,
            Effect::Write { id, .. } => match self.flying.get(*id) {
                Some(Flight::Step(step, _)) => recreates(step),
                Some(_) => true,
                None => false,
            },
            Effect::Observe { .. } => false,
        };
        if let Some(at) = self.effects.iter().position(counts) {
            return self.effects.remove(at);
        }
        let steps: Vec<u32> = self.looks.iter().copied().filter(recreates).collect();
        if steps.is_empty() {
            return None;
        }
        self.looks.retain(|step| !steps.contains(step));
        Some(self.observe(steps))
    }

    /// What happens to what an object owns that a step deletes.
    pub(super) fn propagation(&self, step: &Step) -> Propagation {
        let declared = self.setup.desired.get(&step.key).and_then(|declared| declared.options.propagation);
        match step.action {
            Action::Delete { propagation } => propagation,
            _ => recreate(step).or(declared).unwrap_or_default(),
        }
    }
}

impl Ledger {
    /// Returns what a plan creates that an operation which was interrupted had deleted to create it again. That is in its
    /// record, or its entry says that it is being deleted: then it was interrupted before the delete was answered, or
    /// the object goes still.
    pub(crate) fn half_recreated(&self, plan: &Plan, live: &LiveState) -> BTreeSet<ResourceKey> {
        let Some(Record::V1(running)) = self.running.as_ref().filter(|Record::V1(running)| running.intent.is_sync())
        else {
            return BTreeSet::new();
        };
        let leaves =
            |key: &ResourceKey| self.inventory.get(key).is_some_and(|entry| entry.leaving == Some(Leaving::Deleting));
        let is_half = |step: &&Step| {
            let is_gone = match live.get(&step.key) {
                Live::Absent => leaves(&step.key) || running.recreating.contains(&step.key),
                Live::Present(object) => object.is_terminating() && leaves(&step.key),
                _ => false,
            };
            is_gone && matches!(step.action, Action::Create { .. })
        };
        plan.steps.iter().filter(is_half).map(|step| step.key.clone()).collect()
    }
}

/// How the plan says that the object of a step is deleted and created again.
fn recreate(step: &Step) -> Option<Propagation> {
    match step.action {
        Action::Recreate { propagation, .. } => Some(propagation),
        _ => step.recreate,
    }
}
