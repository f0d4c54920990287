//! Comparison + policy → [`Plan`]: what a sync will do, in which order, and what it leaves alone, before anything runs.
//!
//! A plan is a value. It holds no object content, so it can be stored, mailed and approved, and cannot leak a secret.

mod adopt;
mod awaiting;
mod backends;
mod budget;
mod build;
mod confirm;
mod contents;
mod cycle;
mod delete;
mod depend;
mod file;
mod held;
mod homes;
mod hooks;
mod impact;
mod kept;
mod kinds;
mod leftover;
mod node;
mod order;
mod orphan;
mod places;
mod prune;
mod recreate;
mod refs;
mod request;
mod select;
mod show;
mod skip;
mod step;
mod take;
#[cfg(test)]
mod tests;
mod trial;
mod undo;
mod validity;

use serde::{Deserialize, Serialize};

use crate::policy::Phase;
use crate::problem::Problem;
use crate::source::RevisionId;
use crate::state::{DesiredState, Owner};
use crate::value::{Digest, Hasher, Purpose};

pub(crate) use adopt::belongs_to_another;
pub use build::plan;
pub(crate) use confirm::asks;
pub use confirm::{Confirmation, Confirmed};
pub use contents::Contents;
pub(crate) use contents::{contents_of, found_in, is_container};
pub(crate) use depend::{defines, may_await};
pub use file::{PlanFileError, StoredPlan};
pub use hooks::HookObjects;
pub(crate) use hooks::{came_from_hook, mark_of, was_created};
pub use leftover::Leftover;
pub(crate) use recreate::{instead, unconfirmed};
pub use request::{Extent, HookRun, Intent, Request, Scope};
pub use select::{InvalidSelection, Objects, Selection};
pub use skip::{SkipReason, Skipped};
pub use step::{Action, Impact, Payload, Precondition, Reason, Step, StepId};
pub use trial::{DryRun, Trial, When};
pub use validity::Validity;

/// What a sync will do. `Eq`, serialisable, the same bytes for the same input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Plan {
    /// Format of this value.
    pub format: Format,
    /// Whose plan it is.
    pub owner: Owner,
    /// The revisions it makes true, one per source.
    pub revisions: Vec<RevisionId>,
    /// The revision that was synced last when it was made. Not part of the digest, since it changes nothing of what is
    /// done: a plan is not followed any more once a revision was synced meanwhile that is newer than its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced: Option<RevisionId>,
    /// How much of the application it is about.
    #[serde(default, skip_serializing_if = "Scope::is_whole")]
    pub scope: Scope,
    /// The deletions in it that ask for a person, and who said yes; in order of their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed: Vec<Confirmed>,
    /// What dies with the namespaces and CRDs that it deletes, as far as that is known; in order of their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Contents>,
    /// What will be done. `steps[n].id` is `n`; every dependency of a step has a smaller id.
    pub steps: Vec<Step>,
    /// What hooks of earlier operations left behind, and what goes of it; in order of the keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<Leftover>,
    /// Barriers. `gates[n].id` is `n`.
    pub gates: Vec<Gate>,
    /// What is left alone, and why.
    pub skipped: Vec<Skipped>,
    /// What is wrong: with the desired state, the comparison and the plan. Not part of the digest, and not kept when a
    /// plan is stored.
    #[serde(skip)]
    pub problems: Vec<Problem>,
}

/// The format of a stored plan. A reader refuses formats it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// The first. It does not say what dies with namespaces and CRDs, so it is read, and not followed.
    #[serde(rename = "gitops.rs/plan/v1")]
    V1,
    /// Says what dies with namespaces and CRDs, and what is being deleted already.
    #[default]
    #[serde(rename = "gitops.rs/plan/v2")]
    V2,
}

/// Names a gate of a plan: its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateId(pub u32);

/// What must have happened before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a driver must know all")]
pub enum After {
    /// The step was done.
    Applied(StepId),
    /// The step was done and its object is healthy (a hook: has succeeded).
    Healthy(StepId),
    /// The step was done and its object is gone.
    Gone(StepId),
    /// The gate is open.
    Gate(GateId),
}

/// Several things that are waited for together: the end of a wave or of a group of deletions, or the members of a group
/// that other objects must follow. Being a node, it keeps the number of edges linear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Gate {
    /// Its name.
    pub id: GateId,
    /// The phase of what opens it.
    pub phase: Phase,
    /// The last wave of what opens it.
    pub wave: i32,
    /// What opens it.
    pub opens: Vec<After>,
}

impl Plan {
    /// Returns a plan that does nothing.
    #[must_use]
    pub fn empty(owner: &Owner) -> Self {
        Self {
            format: Format::V2,
            owner: owner.clone(),
            revisions: Vec::new(),
            last_synced: None,
            scope: Scope::default(),
            confirmed: Vec::new(),
            contents: Vec::new(),
            steps: Vec::new(),
            leftovers: Vec::new(),
            gates: Vec::new(),
            skipped: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Returns whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.leftovers.is_empty()
    }

    /// Returns whether it leaves out anything that a sync of the application would do.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let waits = |reason| matches!(reason, SkipReason::RolloutBudget | SkipReason::AwaitsDeletion);
        self.scope.is_partial() || self.skipped.iter().any(|skipped| waits(skipped.reason))
    }

    /// Counts what is declared and left to a later operation, since it is held back for now.
    #[must_use]
    pub fn held_back(&self, desired: &DesiredState) -> usize {
        let held = self.skipped.iter().filter(|skipped| skipped.reason.passes());
        held.filter(|skipped| desired.get(&skipped.key).is_some()).count()
    }

    /// Returns a step.
    #[must_use]
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.get(id.0 as usize)
    }

    /// Returns the digest of format, owner, revisions, scope, confirmations, steps, gates, what dies with them and what
    /// goes of what hooks left; wording is out, so that better texts void no approval.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Serialising these to JSON cannot fail: no maps with other keys than text, no foreign `Serialize`.
        let about = (self.format, &self.owner, &self.revisions, &self.scope, &self.confirmed);
        let what = (about, &self.steps, &self.gates);
        let bytes = match self.format {
            Format::V1 => serde_json::to_vec(&what),
            Format::V2 => serde_json::to_vec(&(what, &self.contents, &self.leftovers)),
        };
        Hasher::new(Purpose::Plan).bytes(&bytes.unwrap_or_default()).finish()
    }
}
