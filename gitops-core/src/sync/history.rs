//! What was done to an application, as its ledger keeps it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::source::{Revision, RevisionId};
use crate::time::Timestamp;
use crate::value::Digest;

use super::{Cause, Ledger, OperationId, Phase, Record};

/// Who starts an operation that nobody asked for, in the history.
pub const AUTOMATIC: &str = "automatic sync";
/// Who starts an operation that undoes what was changed on the cluster, in the history.
pub const HEALING: &str = "self-heal";

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
    /// Whether anything of its revisions was held back, as by a problem or by a kind that is not served yet: then they
    /// are not made true, and what can be done later is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub incomplete: bool,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How often the same was tried in a row, by itself: such tries are one entry, with the times of the last one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempts: u32,
    /// Whether everything was found in sync after it, though it failed: then it counts no more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub settled: bool,
}

impl HistoryEntry {
    /// Returns whether it made its revisions true, for all of the application.
    #[must_use]
    pub fn made_true(&self) -> bool {
        self.phase == Phase::Succeeded && !self.partial && !self.incomplete
    }

    /// Returns whether it ended well and was about all of the application, whether or not anything was held back.
    pub(crate) fn went_well(&self) -> bool {
        self.phase == Phase::Succeeded && !self.partial
    }

    /// Returns whether nobody asked for it.
    pub(crate) fn is_automatic(&self) -> bool {
        matches!(&*self.initiator, AUTOMATIC | HEALING)
    }

    /// Returns whether tries before it, of the same revisions, still count after it: it came to nothing, by itself.
    pub(super) fn goes_on(&self, next: &Self) -> bool {
        let ids = |entry: &Self| entry.revisions.iter().map(|revision| revision.id.clone()).collect::<Vec<_>>();
        let came_to_nothing = !self.settled && !matches!(self.phase, Phase::Succeeded | Phase::Terminated);
        came_to_nothing && self.is_automatic() && ids(self) == ids(next)
    }

    /// Folds in the entry of an operation that tried the same again by itself; `None` if it was something else.
    pub(super) fn again(&self, next: &Self) -> Option<Self> {
        let ids = |entry: &Self| entry.revisions.iter().map(|revision| revision.id.clone()).collect::<Vec<_>>();
        let same = self.phase == next.phase
            && self.cause == next.cause
            && self.initiator == next.initiator
            && self.partial == next.partial
            && self.incomplete == next.incomplete
            && self.is_automatic()
            && !self.settled
            && ids(self) == ids(next);
        same.then(|| Self { attempts: self.attempts.saturating_add(1), ..next.clone() })
    }
}

impl Ledger {
    /// Returns the revisions that were made true last, unless others may have been written since: by an operation on the
    /// whole that did not end well, or has not ended. Then nothing of what differs is known to be somebody's change.
    #[must_use]
    pub fn stands_at(&self) -> Option<Vec<RevisionId>> {
        let made = self.last_synced()?;
        let is_other = |revisions: &[Revision]| !revisions.iter().map(|revision| &revision.id).eq(&made);
        let mut since = self.history.iter().take_while(|entry| !entry.made_true());
        let ended = since.any(|entry| !entry.partial && is_other(&entry.revisions));
        let begun = self.running.as_ref().filter(|running| !running.is_partial());
        let begun = begun.is_some_and(|Record::V1(running)| is_other(&running.revisions));
        (!ended && !begun).then_some(made)
    }

    /// Everything was found to be as it was made last: what failed since counts no more against what is tried next. Argo CD
    /// goes on counting, so that self-heal ends for good (issue 18442).
    pub(crate) fn settle(&mut self, wanted: &[RevisionId]) {
        if self.stands_at().as_deref() != Some(wanted) {
            return;
        }
        let last = self.history.iter_mut().find(|entry| !entry.partial);
        if let Some(last) = last.filter(|last| matches!(last.phase, Phase::Failed | Phase::Error)) {
            last.settled = true;
        }
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}
