//! Is it working? A verdict with its rule and message; `now` is an input.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::ApiModel;
use crate::resource::Resource;
use crate::time::Timestamp;

/// How an object is, from best to worst; the order decides aggregation.
///
/// Rule: Argo CD's order, which its users know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "the statuses of Argo CD")]
pub enum HealthStatus {
    /// It works.
    #[default]
    Healthy,
    /// It was told to pause.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is not there.
    Missing,
    /// It failed, or will not get there by itself.
    Degraded,
    /// It could not be told.
    Unknown,
}

/// How sure a verdict is. Rule 40 of the exact rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Confidence {
    /// The object says so itself.
    Reported,
    /// There is nothing to wait for: the kind has no status.
    NothingToReport,
    /// It should say, and has not said anything for the settle time.
    Unconfirmed,
}

/// A verdict on one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Health {
    /// How it is.
    pub status: HealthStatus,
    /// How sure that is.
    pub confidence: Confidence,
    /// For people: why. May be empty.
    pub message: Arc<str>,
    /// The rule that decided, such as `apps/Deployment` or `conditions`.
    pub rule: &'static str,
}

/// What a health verdict depends on besides the object.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Clues<'a> {
    /// Kinds; says whether status is reported at all.
    pub model: &'a ApiModel,
    /// The present instant.
    pub now: Timestamp,
    /// When we last changed its spec, if we know.
    pub changed: Option<Timestamp>,
}

impl<'a> Clues<'a> {
    /// Gathers what verdicts depend on.
    #[must_use]
    pub fn new(model: &'a ApiModel, now: Timestamp) -> Self {
        Self { model, now, changed: None }
    }

    /// Adds when we last changed the spec of the object.
    #[must_use]
    pub fn changed_at(self, changed: Timestamp) -> Self {
        Self { changed: Some(changed), ..self }
    }
}

impl Health {
    /// States a verdict that the object reported.
    #[must_use]
    pub fn reported(status: HealthStatus, rule: &'static str, message: impl Into<Arc<str>>) -> Self {
        Self { status, confidence: Confidence::Reported, message: message.into(), rule }
    }
}

/// Judges one live object.
#[must_use]
pub fn assess(live: &Resource, clues: &Clues<'_>) -> Health {
    let _ = (live, clues);
    todo!()
}

/// Returns the worst of several statuses; `Healthy` for none.
#[must_use]
pub fn worst(statuses: impl IntoIterator<Item = HealthStatus>) -> HealthStatus {
    statuses.into_iter().max().unwrap_or_default()
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
