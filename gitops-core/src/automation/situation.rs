//! What is known of one application when it is decided what to do.

use std::sync::Arc;

use serde::Serialize;

use crate::source::RevisionId;
use crate::sync::{Cause, HistoryEntry, Phase};
use crate::time::Timestamp;

/// What is known of one application at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Situation<'a> {
    /// The revisions that are wanted and were compared.
    pub wanted: &'a [RevisionId],
    /// What a sync would have to do.
    pub drift: Drift,
    /// The revisions that were made true last, if any ever were.
    pub synced: Option<&'a [RevisionId]>,
    /// The last operation, if it was for what is wanted now.
    pub attempt: Option<Attempt>,
    /// Whether an operation for what is wanted was begun and has not ended: the program was stopped meanwhile.
    pub begun: bool,
    /// What somebody asked for.
    pub asked: Option<Arc<str>>,
    /// What the sync windows say: to one who asks where somebody did, else to what goes by itself.
    pub permission: Permission,
    /// What it must wait for: another application that is not ready, and why.
    pub dependency: Option<Arc<str>>,
    /// Whether an object is to be taken over that another application gave away: what is declared changed, not the
    /// cluster.
    pub takes_over: bool,
    /// Whether somebody approved, on the object itself, a deletion that was left undone for want of that.
    pub approved: bool,
    /// Whether all that a sync would do undoes what was changed on the cluster: nothing of it was left undone.
    pub only_drift: bool,
    /// When the first of the objects that differ may be healed again; `None` if some may be healed now.
    pub rests_until: Option<Timestamp>,
}

/// What a sync would have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Drift {
    /// Nothing.
    #[default]
    None,
    /// Nothing that it may do: what differs is held back, stays on purpose, or could not be read.
    OutOfReach,
    /// Something.
    Something,
}

/// What sync windows say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permission {
    /// Nothing against it.
    #[default]
    Granted,
    /// Not now.
    Denied {
        /// Which window, and why.
        why: Arc<str>,
        /// When that may change.
        until: Option<Timestamp>,
    },
}

/// The last operation on what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// How it ended.
    pub phase: Phase,
    /// Why it failed, if it did.
    pub cause: Cause,
    /// How often the same was tried in a row: on this revision, and failed for this cause.
    pub tries: u32,
    /// How often it was tried on this revision, for whatever cause it failed.
    pub altogether: u32,
    /// When it ended.
    pub finished: Timestamp,
    /// Whether it went well, as far as nothing of the revision was held back.
    pub incomplete: bool,
}

impl<'a> Situation<'a> {
    /// Begins with an application that wants `wanted`, differs by `drift`, and of which nothing else is known.
    #[must_use]
    pub fn new(wanted: &'a [RevisionId], drift: Drift) -> Self {
        Self {
            wanted,
            drift,
            synced: None,
            attempt: None,
            begun: false,
            asked: None,
            permission: Permission::Granted,
            dependency: None,
            takes_over: false,
            approved: false,
            only_drift: false,
            rests_until: None,
        }
    }
}

impl Attempt {
    /// Reads the last operation from the history, newest first; `None` if it was for something else, for a part of the
    /// application, gave way to another, or failed and everything was found in sync since.
    #[must_use]
    pub fn last(history: &[HistoryEntry], wanted: &[RevisionId]) -> Option<Self> {
        let mut whole = history.iter().filter(|entry| !entry.partial);
        let last = whole.next()?;
        let same = |entry: &&HistoryEntry| entry.revisions.iter().map(|revision| &revision.id).eq(wanted);
        if !same(&last) || last.phase == Phase::Superseded || last.settled {
            return None;
        }
        let mut attempt = Self {
            phase: last.phase,
            cause: last.cause.unwrap_or_default(),
            tries: last.attempts,
            altogether: last.attempts,
            finished: last.finished,
            incomplete: last.incomplete,
        };
        let mut begins_here = !last.is_automatic();
        for entry in whole.take_while(same) {
            if begins_here || entry.settled || matches!(entry.phase, Phase::Succeeded | Phase::Terminated) {
                break;
            }
            begins_here = !entry.is_automatic();
            if entry.phase == Phase::Superseded {
                continue;
            }
            attempt.altogether = attempt.altogether.saturating_add(entry.attempts);
            if entry.cause.unwrap_or_default() == attempt.cause {
                attempt.tries = attempt.tries.saturating_add(entry.attempts);
            }
        }
        Some(attempt)
    }
}
