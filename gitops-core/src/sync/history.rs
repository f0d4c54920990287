//! What was done to an application, as its ledger keeps it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::source::Revision;
use crate::time::Timestamp;
use crate::value::Digest;

use super::{OperationId, Phase};

/// One operation that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HistoryEntry {
    /// Counts operations of this application from 1.
    pub number: u64,
    /// Which one.
    pub operation: OperationId,
    /// The revisions it made true, with who made them and why.
    pub revisions: Vec<Revision>,
    /// Who or what started it.
    pub initiator: Arc<str>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Digest of its plan.
    pub plan: Digest,
    /// How it ended.
    pub phase: Phase,
    /// One line for people.
    pub message: Arc<str>,
    /// Whether it was about a part of the application only. Then nothing follows for the rest.
    #[serde(default, skip_serializing_if = "is_false")]
    pub partial: bool,
}

impl HistoryEntry {
    /// Returns whether it made its revisions true, for all of the application.
    #[must_use]
    pub fn made_true(&self) -> bool {
        self.phase == Phase::Succeeded && !self.partial
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}
