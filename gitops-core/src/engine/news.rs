//! What an engine tells: one piece of news after the other, and counters.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::automation::{Trigger, Why};
use crate::health::HealthStatus;
use crate::reconcile::SyncStatus;
use crate::resource::ResourceKey;
use crate::source::RevisionId;
use crate::sync::{OperationId, Phase, Progress};
use crate::time::Timestamp;

use super::status::ConditionKind;

/// How much news is kept that nobody fetches; older news is dropped and counted.
pub const BACKLOG: usize = 10_000;

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Item {
    /// When it was known.
    pub at: Timestamp,
    /// Which application it is about.
    pub app: Arc<str>,
    /// What it is.
    #[serde(flatten)]
    pub news: News,
}

/// What became known of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
#[non_exhaustive]
pub enum News {
    /// Its source names another revision, which says something else.
    Revision {
        /// Which one.
        id: RevisionId,
        /// What it named before.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<RevisionId>,
    },
    /// It is in sync, or not, otherwise than before.
    Sync {
        /// How it was.
        before: SyncStatus,
        /// How it is.
        now: SyncStatus,
    },
    /// Its health is another than before.
    Health {
        /// How it was.
        before: HealthStatus,
        /// How it is.
        now: HealthStatus,
    },
    /// Objects were changed on the cluster, since they were last in sync.
    Drift {
        /// Which ones, the first few.
        keys: Vec<ResourceKey>,
        /// How many.
        count: usize,
    },
    /// An operation starts.
    Started {
        /// Which one.
        operation: OperationId,
        /// What for.
        trigger: Trigger,
    },
    /// Something happened in an operation.
    Progress {
        /// Which one.
        operation: OperationId,
        /// What.
        progress: Progress,
    },
    /// An operation ended.
    Ended {
        /// Which one.
        operation: OperationId,
        /// How.
        phase: Phase,
        /// One line for people.
        message: Arc<str>,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// Nothing starts, for another reason than before.
    Rests {
        /// Why.
        why: Why,
    },
    /// Something is out of order.
    Condition {
        /// What kind.
        kind: ConditionKind,
        /// One line for people.
        message: Arc<str>,
    },
    /// It is in order again.
    Cleared {
        /// What kind.
        kind: ConditionKind,
    },
    /// Somebody rewrites an object after each heal.
    Fight {
        /// Which object.
        key: ResourceKey,
        /// Who, what, how often.
        message: Arc<str>,
    },
    /// A rollback holds no longer: the source names something else.
    HoldEnded {
        /// What it names.
        id: RevisionId,
    },
    /// The application is deleted, or no longer looked after.
    Gone,
    /// Nobody fetched the news for too long; some of it was dropped.
    Missed {
        /// How many pieces.
        count: u64,
    },
}

/// Counts since the engine began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counters {
    /// Pieces of work begun, by what they are.
    pub work: BTreeMap<&'static str, u64>,
    /// Pieces of work that failed, by what they are.
    pub failed: BTreeMap<&'static str, u64>,
    /// Comparisons of an application.
    pub compared: u64,
    /// Objects that a watch told of.
    pub watched: u64,
    /// Of these, those in which nothing changed that anybody looks at.
    pub noise: u64,
    /// Of these, those whose status changed.
    pub statuses: u64,
    /// Changes of objects that were changed again and again: whom they concern was compared once a second for them.
    pub hot: u64,
    /// Operations that ended, by how.
    pub operations: BTreeMap<&'static str, u64>,
    /// Heals of single objects.
    pub heals: u64,
    /// Decisions to start nothing, by why: one for each time the reason changed.
    pub rests: BTreeMap<&'static str, u64>,
}

/// News that nobody has fetched yet.
#[derive(Debug, Default)]
pub(super) struct Board {
    items: VecDeque<Item>,
    missed: u64,
}

impl Board {
    pub(super) fn pin(&mut self, at: Timestamp, app: &Arc<str>, news: News) {
        if self.items.len() >= BACKLOG {
            self.items.pop_front();
            self.missed = self.missed.saturating_add(1);
        }
        self.items.push_back(Item { at, app: Arc::clone(app), news });
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn take(&mut self) -> Option<Item> {
        let first = self.items.front()?;
        match std::mem::take(&mut self.missed) {
            0 => self.items.pop_front(),
            count => Some(Item { at: first.at, app: "".into(), news: News::Missed { count } }),
        }
    }
}

impl Counters {
    pub(super) fn count(map: &mut BTreeMap<&'static str, u64>, what: &'static str) {
        let count = map.entry(what).or_default();
        *count = count.saturating_add(1);
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.app.is_empty() {
            write!(f, "{}: ", self.app)?;
        }
        match &self.news {
            News::Revision { id, before: None } => write!(f, "its source names `{}`", id.short()),
            News::Revision { id, before: Some(before) } => {
                write!(f, "its source names `{}`, and no longer `{}`", id.short(), before.short())
            }
            News::Sync { now, .. } => write!(f, "{now}"),
            News::Health { now, before } => write!(f, "{now:?}, was {before:?}"),
            News::Drift { keys, count } => {
                let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
                write!(f, "changed on the cluster: {}", names.join(", "))?;
                match count.saturating_sub(keys.len()) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            News::Started { operation, trigger } => write!(f, "operation {operation} starts: {trigger}"),
            News::Progress { progress, .. } => write!(f, "{progress}"),
            News::Ended { operation, phase, message, .. } => write!(f, "operation {operation}: {phase}: {message}"),
            News::Rests { why } => write!(f, "rests: {why}"),
            News::Condition { kind, message } => write!(f, "{kind:?}: {message}"),
            News::Cleared { kind } => write!(f, "no longer {kind:?}"),
            News::Fight { key, message } => write!(f, "{key}: {message}"),
            News::HoldEnded { id } => {
                write!(f, "the rollback holds no longer, since the source names `{}`", id.short())
            }
            News::Gone => f.write_str("is no longer looked after"),
            News::Missed { count } => write!(f, "{count} earlier lines were dropped"),
        }
    }
}
