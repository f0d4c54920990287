//! The record of an operation under way, as the ledger keeps it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::Intent;
use crate::policy;
use crate::resource::ResourceKey;
use crate::source::Revision;
use crate::state::HookResult;
use crate::time::Timestamp;
use crate::value::Digest;

use super::{AUTOMATIC, HEALING, OperationId, Part};

/// The record of a running operation, versioned so that an older program never acts on what it does not understand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
#[non_exhaustive]
pub enum Record {
    /// The first version.
    #[serde(rename = "v1")]
    V1(RecordV1),
}

/// A running operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RecordV1 {
    /// Which one.
    pub operation: OperationId,
    /// Digest of the plan it started with.
    pub plan: Digest,
    /// The revisions it makes true.
    pub revisions: Vec<Revision>,
    /// Who or what started it.
    pub initiator: Arc<str>,
    /// When it started.
    pub started: Timestamp,
    /// How often it was started, the first time included.
    pub attempt: u32,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Intent::is_sync")]
    pub intent: Intent,
    /// Hooks that have ended.
    #[serde(default)]
    pub hooks: Vec<HookResult>,
    /// Hooks of its plan, under the names they run with, so that another operation finds what this one left running.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<PlannedHook>,
    /// Hooks that are about to run, or ran, and that the cluster may remove by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<BegunHook>,
    /// Digest of what it makes true, where no revision names it. Values of Secrets are not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Digest>,
    /// What it was asked for, where that is not all that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Objects that were deleted to be created again, and may not be there yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub recreating: BTreeSet<ResourceKey>,
}

/// A hook that an operation runs, or may run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlannedHook {
    /// The hook as it was declared.
    pub declared: ResourceKey,
    /// The phase it runs in.
    pub phase: policy::Phase,
    /// The object that runs.
    pub object: ResourceKey,
    /// Its API version.
    pub version: Arc<str>,
}

/// A hook that is about to run, and that the cluster may remove by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BegunHook {
    /// The hook as it was declared.
    pub declared: ResourceKey,
    /// The phase it runs in.
    pub phase: policy::Phase,
    /// When this was recorded; it did not run before.
    pub at: Timestamp,
}

impl Record {
    /// Whether a person asked for it.
    pub(crate) fn is_by_hand(&self) -> bool {
        let Self::V1(record) = self;
        !matches!(&*record.initiator, AUTOMATIC | HEALING)
    }
}
