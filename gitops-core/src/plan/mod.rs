//! Comparison + policy → [`Plan`]: what a sync will do, in which order, and what it leaves alone, before anything runs.
//!
//! A plan is a value. It holds no object content, so it can be stored, mailed and approved, and cannot leak a secret.

mod adopt;
mod awaiting;
mod budget;
mod build;
mod confirm;
mod contents;
mod cycle;
mod delete;
mod depend;
mod file;
mod hooks;
mod impact;
mod kinds;
mod leftover;
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
#[cfg(test)]
mod tests;
mod trial;
mod undo;
mod validity;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diff::{Facts, Repair};
use crate::policy::{HookDelete, Phase};
use crate::problem::Problem;
use crate::resource::{Propagation, ResourceKey};
use crate::source::RevisionId;
use crate::state::{DesiredState, Owner};
use crate::value::{Digest, Hasher, Purpose};

pub(crate) use adopt::belongs_to_another;
pub use build::plan;
pub(crate) use confirm::asks;
pub use confirm::{Confirmation, Confirmed};
pub use contents::Contents;
pub(crate) use contents::{contents_of, found_in, is_container};
pub(crate) use depend::may_await;
pub use file::{PlanFileError, StoredPlan};
pub use hooks::HookObjects;
pub(crate) use hooks::{came_from_hook, mark_of, was_created};
pub use leftover::Leftover;
pub(crate) use recreate::{instead, unconfirmed};
pub use request::{Extent, HookRun, Intent, Request, Scope};
pub use select::{InvalidSelection, Objects, Selection};
pub use skip::{SkipReason, Skipped};
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

/// Names a step of a plan: its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

/// Names a gate of a plan: its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateId(pub u32);

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// The object. For a hook without a name of its own, the key holds the prefix; the machine completes it.
    pub key: ResourceKey,
    /// The API version to speak.
    pub version: Arc<str>,
    /// Phase.
    pub phase: Phase,
    /// Wave within the phase. For a deletion the wave it was applied in: deletions run in the reverse order.
    pub wave: i32,
    /// What to do.
    pub action: Action,
    /// What must hold, else the step is not done.
    pub requires: Precondition,
    /// What must have happened first.
    pub after: Vec<After>,
    /// Why the step is there.
    pub reason: Reason,
    /// What it means for what runs.
    pub impact: Impact,
    /// How the object is deleted and created again, should the cluster answer that the change cannot be made in place.
    /// `None`: it is not, and the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recreate: Option<Propagation>,
    /// When and how it is tried before it is written; `None`: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// Creates the object; never touches one that is already there.
    Create {
        /// What is sent.
        payload: Payload,
    },
    /// Applies the object over the live one.
    Apply {
        /// What is sent.
        payload: Payload,
    },
    /// Changes who owns which fields of the live object, and no value: with one patch of `metadata.managedFields`, for
    /// exactly the object that was read.
    Own {
        /// What changes. What is found when it is done decides; this is what was found when it was planned.
        repairs: Vec<Repair>,
    },
    /// Replaces the live object.
    Replace {
        /// What is sent.
        payload: Payload,
    },
    /// Deletes the live object, once a fresh look proved that it is ours, waits until it is gone, and creates it anew: the
    /// cluster says that the change cannot be made in place, and the object's options say that this may be done.
    Recreate {
        /// What is sent.
        payload: Payload,
        /// What happens to what the old object owns.
        propagation: Propagation,
    },
    /// Deletes the live object, once a fresh look proved that it is ours.
    Delete {
        /// What happens to what it owns.
        propagation: Propagation,
    },
    /// Takes our mark and our ownership off the live object, which stays as it is.
    Orphan,
    /// Waits until the live object is healthy, and writes nothing: it is as declared, and later waves wait for it.
    Await,
    /// Runs a hook to its end.
    Hook {
        /// What is sent.
        payload: Payload,
        /// When it is deleted.
        delete: Vec<HookDelete>,
    },
}

/// What will be sent, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Payload {
    /// Content with this intent digest.
    Digest(Digest),
    /// Secrets: the document at this place of the pinned revision. A digest of a guessable secret would tell it.
    Declared {
        /// Which of several sources, counted from 0.
        #[serde(default, skip_serializing_if = "is_zero")]
        source: u16,
        /// File.
        file: Arc<str>,
        /// Document, counted from 0.
        document: u32,
    },
    /// Secrets that were built in a program: nothing is said of them.
    Opaque,
}

/// What must hold for a step to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "it is there or it is not")]
pub enum Precondition {
    /// There is no such object.
    Absent,
    /// There is this very object, as it was seen. For a hook: it is deleted before the hook runs, should it still be
    /// there.
    Present {
        /// The uid.
        uid: Arc<str>,
        /// What was read of it.
        facts: Facts,
    },
    /// Nothing: what stands where a hook runs is not known, or is to stay or to go by itself.
    Any,
}

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

/// Why a step is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// Declared and not there.
    Missing,
    /// There, and not as declared.
    Differs,
    /// There, as declared, and not stamped as ours yet.
    Adopt,
    /// There and as declared, and applied again since somebody asked for it.
    Asked,
    /// There, ours, and not declared any more.
    NotDeclared,
    /// Its application is deleted.
    Application,
    /// It is being deleted already, and is waited for: what it needs goes after it.
    Terminating,
    /// As declared, and not healthy (yet).
    Unwell,
    /// A hook of this phase.
    Hook,
    /// As declared, and others own it as well, or alone (rule 11): never by itself a reason to sync.
    Claim,
}

/// What a step means for what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Impact {
    /// Nothing is written.
    Waits,
    /// Something new.
    Creates,
    /// Nothing should change: it is as declared already.
    Rewrites,
    /// Something changes in place.
    Changes,
    /// Only who owns which field changes.
    Ownership,
    /// Running processes are replaced (a pod template changes).
    Restarts,
    /// Nothing of it runs any more (no replicas).
    Stops,
    /// Something goes, and comes again as another object.
    Recreates,
    /// Something goes.
    Deletes,
    /// A namespace or CRD goes, and all that lives in it.
    DeletesContents,
    /// A process runs once.
    Runs,
}

impl Plan {
    /// Returns a plan that does nothing.
    #[must_use]
    pub fn empty(owner: &Owner) -> Self {
        Self {
            format: Format::V2,
            owner: owner.clone(),
            revisions: Vec::new(),
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

impl Action {
    /// Returns the word for it: `create`, `apply`, `own`, `replace`, `recreate`, `delete`, `orphan` or `run`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Apply { .. } => "apply",
            Self::Own { .. } => "own",
            Self::Replace { .. } => "replace",
            Self::Recreate { .. } => "recreate",
            Self::Delete { .. } => "delete",
            Self::Orphan => "orphan",
            Self::Await => "await",
            Self::Hook { .. } => "run",
        }
    }

    /// Returns what is sent, if anything is.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Create { payload } | Self::Apply { payload } | Self::Replace { payload } => Some(payload),
            Self::Recreate { payload, .. } | Self::Hook { payload, .. } => Some(payload),
            Self::Own { .. } | Self::Delete { .. } | Self::Await | Self::Orphan => None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}
