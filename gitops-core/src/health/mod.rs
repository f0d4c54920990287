//! Is it working? A verdict with its rule and message; `now` is an input.
//!
//! Built-in kinds are judged as Argo CD judges them, but for known faults of its checks: each rule that differs says
//! so where it stands. Any other kind is judged by the conditions that most controllers write. What an object does not
//! say is never taken for health at once: rule 40 of the exact rules.

mod application;
mod checks;
mod clause;
mod generic;
mod pods;
mod reading;
mod services;
mod shipped;
mod standstill;
mod workloads;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::ApiModel;
use crate::resource::{GroupKind, Resource};
use crate::time::Timestamp;
use crate::value::ValueRef;

pub use application::{AppHealth, Part};
pub use checks::{Checks, InvalidCheck};
use reading::{Finding, Reading};
pub use standstill::Standstill;

/// How long an object may stay silent before it is taken for healthy (rule 40).
pub const SETTLE: Duration = Duration::from_secs(30);
/// The same for kinds of which other objects, or their controllers elsewhere, do report (rule 40).
pub const SETTLE_REPORTING: Duration = Duration::from_secs(300);

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
    /// Why waiting alone will not change it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standstill: Option<Standstill>,
}

/// What a health verdict depends on besides the object.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Clues<'a> {
    /// Kinds; says whether status is reported at all.
    pub model: &'a ApiModel,
    /// The present instant.
    pub now: Timestamp,
    /// When we last changed its spec, if we know; else what `applier` did last counts, or else its creation.
    pub changed: Option<Timestamp>,
    /// Our field manager: its entry of `metadata.managedFields` tells when we last changed the object.
    pub applier: Option<&'a str>,
    /// How long it may stay silent. Default: [`SETTLE`], and [`SETTLE_REPORTING`] for Ingresses.
    pub settle: Duration,
    /// Rules that the user brought; they come first. Default: none.
    pub checks: Option<&'a Checks>,
}

impl<'a> Clues<'a> {
    /// Gathers what verdicts depend on.
    #[must_use]
    pub fn new(model: &'a ApiModel, now: Timestamp) -> Self {
        Self { model, now, changed: None, applier: None, settle: SETTLE, checks: None }
    }

    /// Adds when we last changed the spec of the object.
    #[must_use]
    pub fn changed_at(self, changed: Timestamp) -> Self {
        Self { changed: Some(changed), ..self }
    }

    /// Adds our field manager.
    #[must_use]
    pub fn applied_by(self, applier: &'a str) -> Self {
        Self { applier: Some(applier), ..self }
    }

    /// Adds rules that the user brought.
    #[must_use]
    pub fn checking(self, checks: &'a Checks) -> Self {
        Self { checks: Some(checks), ..self }
    }

    /// Sets how long the object may stay silent, such as [`SETTLE_REPORTING`].
    #[must_use]
    pub fn settling(self, settle: Duration) -> Self {
        Self { settle, ..self }
    }
}

impl Health {
    /// States a verdict that the object reported.
    #[must_use]
    pub fn reported(status: HealthStatus, rule: &'static str, message: impl Into<Arc<str>>) -> Self {
        Self { status, confidence: Confidence::Reported, message: message.into(), rule, standstill: None }
    }
}

/// Judges one live object. Total: whatever is malformed counts as not said.
#[must_use]
pub fn assess(live: &Resource, clues: &Clues<'_>) -> Health {
    let object = Reading::new(live);
    if live.is_terminating() {
        return Health::reported(HealthStatus::Progressing, "terminating", "pending deletion");
    }
    if let Some(health) = clues.checks.and_then(|checks| checks.judge(live, clues.now)) {
        return health;
    }
    if let Some(status) = object.status
        && status.as_map().is_none()
        && !status.is_null()
    {
        let message = format!("its status is a {}, not a map", status.kind_name());
        return Health::reported(HealthStatus::Unknown, "malformed", message);
    }
    let mut health = by_kind(object, clues);
    health.standstill = standstill::of(object);
    match object.older() {
        // Rule 40: a status about an older spec is never evidence, whatever rule read it.
        Some((status, message)) if health.status == HealthStatus::Healthy => {
            Health { standstill: health.standstill, ..Health::reported(status, health.rule, message) }
        }
        _ => health,
    }
}

/// Returns whether an object reports how it is: others of its kind may then be expected to (rule 40).
#[must_use]
pub fn reports(live: &Resource) -> bool {
    live.tree().dig(&["status", "conditions"]).and_then(ValueRef::as_list).is_some_and(|list| !list.is_empty())
}

/// Returns the kinds of which any of these objects reports conditions.
#[must_use]
pub fn reporting<'a>(live: impl IntoIterator<Item = &'a Resource>) -> BTreeSet<GroupKind> {
    let mut kinds = BTreeSet::new();
    for object in live.into_iter().filter(|live| reports(live)) {
        if !kinds.contains(&*object.key().group_kind) {
            kinds.insert((*object.key().group_kind).clone());
        }
    }
    kinds
}

/// Judges by the rule of a built-in kind, by one of those shipped for others, or by what most controllers write.
fn by_kind(object: Reading<'_>, clues: &Clues<'_>) -> Health {
    let key = object.live.key();
    let reported = |rule, (status, message): (HealthStatus, String)| Health::reported(status, rule, message);
    if let Some((rule, find)) = rule_of(key.group(), key.kind()) {
        let settle = if rule == INGRESS { clues.settle.max(SETTLE_REPORTING) } else { clues.settle };
        return match find(object) {
            Some(found) => reported(rule, found),
            None => generic::silence(object, &clues.settling(settle)),
        };
    }
    let shipped = shipped::rule_of(key.group(), key.kind());
    if let Some(rule) = shipped
        && let Some(found) = rule.judge(object)
    {
        return reported(rule.name(), found);
    }
    if let Some((rule, found)) = generic::judge(object) {
        return reported(rule, found);
    }
    match shipped {
        Some(rule) if rule.is_quiet() => generic::quiet(rule.name()),
        _ => generic::silence(object, clues),
    }
}

const INGRESS: &str = "networking.k8s.io/Ingress";

type Rule = (&'static str, fn(Reading<'_>) -> Finding);

/// The rule of a built-in kind.
fn rule_of(group: &str, kind: &str) -> Option<Rule> {
    Some(match (group, kind) {
        ("apps" | "extensions", "Deployment") => ("apps/Deployment", workloads::deployment),
        ("apps", "StatefulSet") => ("apps/StatefulSet", workloads::stateful_set),
        ("apps" | "extensions", "DaemonSet") => ("apps/DaemonSet", workloads::daemon_set),
        ("apps" | "extensions", "ReplicaSet") => ("apps/ReplicaSet", workloads::replica_set),
        ("", "ReplicationController") => ("ReplicationController", workloads::replica_set),
        ("", "Pod") => ("Pod", pods::pod),
        ("batch", "Job") => ("batch/Job", pods::job),
        ("batch", "CronJob") => ("batch/CronJob", pods::cron_job),
        ("", "Service") => ("Service", services::service),
        ("networking.k8s.io" | "extensions", "Ingress") => (INGRESS, services::ingress),
        ("", "PersistentVolumeClaim") => ("PersistentVolumeClaim", services::claim),
        ("", "Namespace") => ("Namespace", services::namespace),
        ("autoscaling", "HorizontalPodAutoscaler") => ("autoscaling/HorizontalPodAutoscaler", services::autoscaler),
        ("apiregistration.k8s.io", "APIService") => ("apiregistration.k8s.io/APIService", services::api_service),
        ("policy", "PodDisruptionBudget") => ("policy/PodDisruptionBudget", services::disruption_budget),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            ("apiextensions.k8s.io/CustomResourceDefinition", services::definition)
        }
        ("argoproj.io", "Workflow") => ("argoproj.io/Workflow", services::workflow),
        _ => return None,
    })
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

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
