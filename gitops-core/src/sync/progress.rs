//! What becomes known while an operation runs, as data: for a screen, a log, or a controller that reports.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::plan::StepId;
use crate::policy;
use crate::resource::ResourceKey;
use crate::time::Timestamp;
use crate::value::Digest;

use super::machine::Machine;
use super::{OperationId, Phase, StepOutcome};

/// How much news is kept that nobody fetches, besides four for each step of the plan; older news is dropped and counted.
pub const BACKLOG: usize = 1024;

/// One piece of news about a running operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Progress {
    /// When it was known.
    pub at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub news: News,
}

/// What became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "news")]
#[non_exhaustive]
pub enum News {
    /// The operation began, or goes on after a restart.
    Started {
        /// Which one.
        operation: OperationId,
        /// Digest of the plan.
        plan: Digest,
        /// How many steps it has.
        steps: usize,
        /// How often it was started, this time included.
        attempt: u32,
    },
    /// Steps are tried by dry runs, before anything of their wave is written.
    Validates {
        /// How many.
        steps: usize,
    },
    /// A step began.
    Began {
        /// Which one.
        step: StepId,
        /// Its object; a hook under the name it runs with.
        key: ResourceKey,
        /// As [`crate::plan::Action::verb`] says.
        verb: &'static str,
        /// Its phase.
        phase: policy::Phase,
        /// Its wave.
        wave: i32,
    },
    /// The write of a step took effect; whether its object works is another matter.
    Applied {
        /// Which one.
        step: StepId,
        /// Its object.
        key: ResourceKey,
        /// What came of it.
        outcome: StepOutcome,
    },
    /// A step waits, for something else than before.
    Waits {
        /// Which one.
        step: StepId,
        /// Its object.
        key: ResourceKey,
        /// What for.
        what: Arc<str>,
        /// When it gives up.
        until: Timestamp,
    },
    /// A step tries the same again.
    Retries {
        /// Which one.
        step: StepId,
        /// Its object.
        key: ResourceKey,
        /// What came in between.
        why: Arc<str>,
        /// When.
        next: Timestamp,
    },
    /// A step ended.
    Ended {
        /// Which one.
        step: StepId,
        /// Its object.
        key: ResourceKey,
        /// What came of it.
        outcome: StepOutcome,
        /// One line for people; may be empty.
        message: Arc<str>,
    },
    /// Something failed: what has not begun is not done, and the SyncFail hooks run.
    Fails {
        /// What failed first.
        message: Arc<str>,
    },
    /// A stop was asked for.
    Stops {
        /// Why: `Superseded` or `Terminated`.
        phase: Phase,
    },
    /// The operation ended.
    Finished {
        /// How.
        phase: Phase,
        /// One line for people.
        message: Arc<str>,
    },
    /// Nobody fetched the news for too long; some of it was dropped.
    Missed {
        /// How many.
        count: u64,
    },
}

/// News that nobody has fetched yet.
#[derive(Debug)]
pub(super) struct Board {
    news: VecDeque<Progress>,
    most: usize,
    missed: u64,
}

impl Board {
    fn new(steps: usize) -> Self {
        Self { news: VecDeque::new(), most: BACKLOG.saturating_add(steps.saturating_mul(4)), missed: 0 }
    }

    fn pin(&mut self, progress: Progress) {
        if self.news.len() >= self.most {
            self.news.pop_front();
            self.missed = self.missed.saturating_add(1);
        }
        self.news.push_back(progress);
    }

    fn take(&mut self) -> Option<Progress> {
        let first = self.news.front()?;
        match std::mem::take(&mut self.missed) {
            0 => self.news.pop_front(),
            count => Some(Progress { at: first.at, news: News::Missed { count } }),
        }
    }
}

impl Machine {
    /// Has the machine keep news of what it does, from now on, for [`Machine::next_progress`].
    pub fn watch(&mut self) {
        if self.board.is_some() {
            return;
        }
        self.board = Some(Board::new(self.plan.steps.len()));
        let record = &self.record;
        let (operation, plan, attempt) = (record.operation.clone(), record.plan, record.attempt);
        let steps = self.plan.steps.len();
        self.tell(|| News::Started { operation, plan, steps, attempt });
    }

    /// Returns the next news, oldest first; `None` once all was told, and always if [`Machine::watch`] was not called.
    pub fn next_progress(&mut self) -> Option<Progress> {
        self.board.as_mut()?.take()
    }

    /// Keeps a piece of news, if anybody wants it.
    pub(super) fn tell(&mut self, news: impl FnOnce() -> News) {
        let at = self.now();
        if let Some(board) = &mut self.board {
            board.pin(Progress { at, news: news() });
        }
    }

    /// Keeps a piece of news about a step.
    pub(super) fn tell_of(&mut self, id: u32, news: impl FnOnce(StepId, ResourceKey) -> News) {
        if self.board.is_none() {
            return;
        }
        if let Some(key) = self.run(id).map(|run| run.key.clone()) {
            self.tell(|| news(StepId(id), key));
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.news {
            News::Started { operation, steps, attempt: 1, .. } => {
                write!(f, "operation {operation} started: {steps} {}", if *steps == 1 { "step" } else { "steps" })
            }
            News::Started { operation, attempt, .. } => write!(f, "operation {operation} goes on, attempt {attempt}"),
            News::Validates { steps: 1 } => f.write_str("validates 1 object"),
            News::Validates { steps } => write!(f, "validates {steps} objects"),
            News::Began { key, verb, .. } => write!(f, "{verb} {key}"),
            News::Applied { key, outcome, .. } => write!(f, "{key}: {outcome}"),
            News::Waits { key, what, until, .. } => {
                write!(f, "{key}: waits for {what}, {} s at most", until.since(self.at).as_secs())
            }
            News::Retries { key, why, next, .. } => {
                write!(f, "{key}: tries again in {} s: {why}", next.since(self.at).as_secs())
            }
            News::Ended { key, outcome, message, .. } if message.is_empty() => write!(f, "{key}: {outcome}, done"),
            News::Ended { key, outcome, message, .. } => write!(f, "{key}: {outcome}: {message}"),
            News::Fails { message } => write!(f, "failed: {message}"),
            News::Stops { phase: Phase::Terminated } => f.write_str("stops on request"),
            News::Stops { .. } => f.write_str("stops for a newer revision"),
            News::Finished { phase, message } => write!(f, "{phase}: {message}"),
            News::Missed { count } => write!(f, "{count} earlier lines were dropped"),
        }
    }
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
            Self::Orphaned => "orphaned",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::NotRun => "not run",
        })
    }
}
