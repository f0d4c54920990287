//! What an operation did: per step its outcome, timing and message, and what the server answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::Written;
use crate::diff::{self, Facts};
use crate::plan::{Precondition, Step, StepId};
use crate::resource::{Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Digest, ValueRef};

use super::machine::Machine;
use super::step::{At, Next, Run};
use super::{OperationId, Phase};

/// What an operation did. Tied to its plan by the digest, and without the content of any object: digests and versions
/// say what was there before and after, and of a Secret not even a digest of its values is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Receipt {
    /// Which one.
    pub operation: OperationId,
    /// Digest of the plan that the results are of.
    pub plan: Digest,
    /// Digest of the plan that was approved, or that the operation began with before a restart, where that is another one:
    /// what had been done of it is not in the results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Digest>,
    /// How it ended.
    pub phase: Phase,
    /// One line for people.
    pub message: Arc<str>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// What came of each step, in the order of the plan.
    pub results: Vec<StepResult>,
}

/// How one step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StepResult {
    /// Which one.
    pub step: StepId,
    /// The object; a hook under the name it ran with.
    pub key: ResourceKey,
    /// What came of it.
    pub outcome: StepOutcome,
    /// One line for people; may be empty.
    pub message: Arc<str>,
    /// When it began; `None` if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// Digest of what was read of the object before; `None` if it was not there, or is a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Facts>,
    /// What the server answered to the last write that took effect; `None` where there was none, or the object is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What a server answered to a write: names and versions, no content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Answer {
    /// The uid of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Arc<str>>,
    /// Its version after the write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<Arc<str>>,
    /// Its generation after the write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Digest of what it is after the write, to be compared with [`StepResult::before`].
    pub after: Facts,
    /// Warnings of the server. Those about a Secret are left out: they may quote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Arc<str>>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum StepOutcome {
    /// The object is new.
    Created,
    /// The object changed.
    Changed,
    /// The object was like that already.
    Unchanged,
    /// The object is gone.
    Deleted,
    /// It is there, and nobody's.
    Orphaned,
    /// The hook ran to its end.
    Succeeded,
    /// It failed; the message says why.
    Failed,
    /// It was not done, since something before it failed or the operation was stopped.
    NotRun,
}

impl Answer {
    /// Reads the answer to a write; `None` if it shows no object.
    pub(super) fn of(written: &Written) -> Option<Self> {
        let object = written.object.as_ref()?;
        let warnings = if object.key().is("", "Secret") { Vec::new() } else { written.warnings.clone() };
        Some(Self { warnings, ..Self::seen(object) })
    }

    /// Reads an object that was looked at, since the answer to its write was lost.
    pub(super) fn seen(object: &Resource) -> Self {
        Self {
            uid: object.uid().map(Arc::from),
            resource_version: object.resource_version().map(Arc::from),
            generation: generation(object),
            after: diff::facts(object),
            warnings: Vec::new(),
        }
    }
}

pub(super) fn generation(object: &Resource) -> Option<i64> {
    object.tree().dig(&["metadata", "generation"]).and_then(ValueRef::as_i64)
}

impl Machine {
    /// Writes the receipt.
    pub(super) fn account(&self, phase: Phase, message: Arc<str>, now: Timestamp) -> Receipt {
        let results = self.plan.steps.iter().zip(&self.runs).map(|(step, run)| result(step, run));
        Receipt {
            operation: self.record.operation.clone(),
            plan: self.digest,
            began: Some(self.record.plan).filter(|began| *began != self.digest),
            phase,
            message,
            started: self.record.started,
            finished: now,
            results: results.collect(),
        }
    }
}

fn result(step: &Step, run: &Run) -> StepResult {
    let (outcome, message) = match &run.at {
        At::Ended(outcome, message) => (*outcome, Arc::clone(message)),
        At::Flying(next) if !matches!(next, Next::Look(_) | Next::Survey(_) | Next::Try(_)) => {
            (StepOutcome::Failed, "the answer to its write was not awaited: it may have happened".into())
        }
        _ => (run.applied.unwrap_or(StepOutcome::NotRun), "".into()),
    };
    let before = match &step.requires {
        Precondition::Present { facts, .. } => Some(*facts),
        _ => None,
    };
    StepResult {
        step: step.id,
        key: run.key.clone(),
        outcome,
        message,
        started: run.started,
        finished: run.finished,
        before,
        answer: run.answer.as_deref().filter(|_| outcome != StepOutcome::Deleted).cloned(),
    }
}
