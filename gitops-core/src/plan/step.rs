//! One thing that a plan does: what, to which object, on which condition, and why.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diff::{Facts, Repair};
use crate::policy::{HookDelete, Phase};
use crate::resource::{Propagation, ResourceKey};
use crate::value::Digest;

use super::{After, Trial};

/// Names a step of a plan: its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

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
    /// Somebody asked to let it go.
    Released,
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

impl Action {
    /// Returns the word for it: `create`, `apply`, `own`, `replace`, `recreate`, `delete`, `orphan`, `await` or `run`.
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
