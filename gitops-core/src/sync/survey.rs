//! What would die with a namespace or CRD, looked at again right before it is deleted. Rule 31 of the exact rules.

use std::sync::Arc;

use crate::cluster::{ClusterError, Failure, Guard, Interest};
use crate::plan::{self, Action, Reason, Step, StepId};
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::state::LiveState;
use crate::time::Timestamp;

use super::Effect;
use super::machine::{Flight, Machine};
use super::step::{At, Next};

/// A look at all that lies in a container, and the guard of the delete that follows.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    interest: Interest,
    guard: Guard,
}

impl Machine {
    /// What comes once a fresh look proved that the object of a step may be deleted. Of a namespace or CRD the plan said
    /// what dies with it, if that could be told: no more than that may.
    pub(super) fn delete_seen(&mut self, id: u32, step: &Step, live: &Resource) {
        let guard = Guard::exactly(live);
        let is_told =
            step.reason != Reason::Terminating && self.plan.told_of(&step.key) && !self.orphans_within(&step.key);
        match plan::contents_of(live, &self.setup.model).filter(|_| is_told) {
            Some(interest) => self.proceed(id, Next::Survey(Box::new(Survey { interest, guard }))),
            None => self.proceed(id, Next::Delete(guard)),
        }
    }

    /// Whether this plan itself makes nobody's what lies in a namespace: what its objects own was not counted, since it
    /// goes with its owner, and is left behind after all.
    fn orphans_within(&self, namespace: &ResourceKey) -> bool {
        let orphans = |step: &Step| matches!(step.action, Action::Delete { propagation: Propagation::Orphan });
        let is_within = |step: &Step| step.key.namespace.as_ref() == Some(&namespace.name);
        namespace.is("", "Namespace") && self.plan.steps.iter().any(|step| orphans(step) && is_within(step))
    }

    /// Asks what lies in the container that a step deletes.
    pub(super) fn survey(&mut self, id: u32, survey: Box<Survey>) {
        let interest = Box::new(survey.interest.clone());
        if let Some(run) = self.run_mut(id) {
            run.at = At::Flying(Next::Survey(survey.clone()));
        }
        let effect = self.fly(Flight::Survey(id, survey));
        self.effects.push_back(Effect::List { id: effect, interest });
    }

    pub(super) fn surveyed(
        &mut self,
        id: u32,
        survey: Box<Survey>,
        result: Result<LiveState, ClusterError>,
        now: Timestamp,
    ) {
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(StepId(id)) else { return };
        let found = result.and_then(|live| {
            plan::found_in(&step.key, &survey.interest, &live).ok_or_else(|| {
                let message = "what would die with it could not all be read".into();
                Failure::Unavailable { message }.into()
            })
        });
        match found.map(|found| plan.untold(&step.key, &found)) {
            Ok(None) => self.proceed(id, Next::Delete(survey.guard)),
            Ok(Some(more)) => {
                self.fail(
                    id,
                    &format!("holds what nobody was told of, so it is kept: {more}; sync again to see it all"),
                );
            }
            Err(error) => self.again(id, Next::Survey(survey), None, &error, now),
        }
    }
}
