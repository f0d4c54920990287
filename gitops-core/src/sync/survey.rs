//! What would die with a namespace or CRD, looked at again right before it is deleted. Rule 31 of the exact rules.

use std::collections::BTreeSet;

use crate::cluster::{ClusterError, Failure, Guard, Interest};
use crate::plan::{self, Action, Reason, Step};
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::state::LiveState;
use crate::time::Timestamp;

use super::Effect;
use super::machine::{Flight, Machine};
use super::step::{At, Next};

/// A look at all that lies in a container, and the delete that follows.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    container: ResourceKey,
    interest: Interest,
    then: Next,
}

impl Machine {
    /// What comes once a fresh look proved that the object of a step may be deleted.
    pub(super) fn delete_seen(&mut self, id: u32, step: &Step, live: &Resource) {
        let then = Next::Delete(Guard::exactly(live));
        let told = self.told_contents(live).filter(|_| step.reason != Reason::Terminating);
        self.survey_or(id, live, told, then);
    }

    /// The same of what stands where a hook runs.
    pub(super) fn make_room(&mut self, id: u32, live: &Resource) {
        let told = self.told_contents(live);
        let propagation = self.setup.policy.options_of(live).0.propagation.unwrap_or_default();
        self.survey_or(id, live, told, Next::HookDelete(Guard::exactly(live), propagation));
    }

    fn survey_or(&mut self, id: u32, live: &Resource, told: Option<Interest>, then: Next) {
        let container = live.key().clone();
        self.proceed(
            id,
            match told {
                Some(interest) => Next::Survey(Box::new(Survey { container, interest, then })),
                None => then,
            },
        );
    }

    /// What to list before an object is deleted: of a namespace or CRD the plan said what dies with it, if that could be
    /// told, and no more than that may.
    pub(super) fn told_contents(&self, live: &Resource) -> Option<Interest> {
        let is_told = self.plan.told_of(live.key()) && !self.orphans_within(live.key());
        plan::contents_of(live, &self.setup.model).filter(|_| is_told)
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
        let found = result.and_then(|live| found(&survey.container, &survey.interest, &live));
        match found.map(|found| self.plan.untold(&survey.container, &found)) {
            Ok(None) => self.proceed(id, survey.then),
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

/// What dies with a container by what was listed.
pub(super) fn found(
    container: &ResourceKey,
    interest: &Interest,
    live: &LiveState,
) -> Result<BTreeSet<ResourceKey>, ClusterError> {
    plan::found_in(container, interest, live).ok_or_else(|| {
        let message = "what would die with it could not all be read".into();
        Failure::Unavailable { message }.into()
    })
}
