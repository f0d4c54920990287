//! Any other kind: the conditions most controllers write, and silence.

use crate::model::KindFacts;
use crate::resource::ResourceKey;
use crate::time::Timestamp;

use super::reading::{Finding, Observed, Reading, degraded, healthy, progressing};
use super::{Clues, Confidence, Health, HealthStatus};

/// Judges by the conditions of kstatus: `Stalled`, `Reconciling`, `Ready`; and `Degraded` and `Available`.
///
/// Unlike there the order of the list does not matter, and a condition about an older generation is no evidence.
pub(super) fn conditions(object: Reading<'_>) -> Finding {
    if object.observed() == Observed::Older {
        return Some(progressing("waiting for the present spec to be observed"));
    }
    for name in ["Stalled", "Degraded"] {
        if let Some(condition) = object.holds(name) {
            return Some(degraded(condition.message()));
        }
    }
    if let Some(condition) = object.holds("Reconciling") {
        return Some(progressing(condition.message()));
    }
    let verdict = ["Ready", "Available"].iter().find_map(|name| object.condition(name))?;
    Some(if verdict.is("True") { healthy(verdict.message()) } else { progressing(verdict.message()) })
}

/// Judges an object that says nothing of how it is. Rule 40 of the exact rules.
pub(super) fn silence(object: Reading<'_>, clues: &Clues<'_>) -> Health {
    let quiet = |rule, message: &str| Health {
        status: HealthStatus::Healthy,
        confidence: Confidence::NothingToReport,
        message: message.into(),
        rule,
    };
    let says_something = object.status.and_then(|status| status.as_map()).is_some_and(|status| !status.is_empty());
    let key = object.live.key();
    if reports_no_readiness(key) {
        return quiet("no-status", "");
    }
    if let (KindFacts::Served(kind), false) = (clues.model.kind(&key.group_kind), says_something)
        && !kind.has_status_subresource
        && !clues.model.schema(&key.group_kind, object.live.version()).allows("status")
    {
        return quiet("no-status", "");
    }
    // Its controller has seen the present spec and has nothing to complain of.
    if says_something && object.status(&["observedGeneration"]).is_some() && object.observed() == Observed::Current {
        return Health::reported(HealthStatus::Healthy, "observed-generation", "the present spec is observed");
    }
    let created = || object.live.metadata("creationTimestamp")?.parse::<Timestamp>().ok();
    let waited = clues.changed.or_else(created).map(|since| clues.now.since(since));
    let (status, confidence, message) = if waited.is_none_or(|waited| waited >= clues.settle) {
        (HealthStatus::Healthy, Confidence::Unconfirmed, "has not said how it is")
    } else {
        (HealthStatus::Progressing, Confidence::Reported, "has not said yet how it is")
    };
    Health { status, confidence, message: message.into(), rule: "silence" }
}

/// Built-in kinds whose status, where they have one, counts or describes but never tells of readiness.
fn reports_no_readiness(key: &ResourceKey) -> bool {
    matches!(
        (key.group(), key.kind()),
        (
            "",
            "ConfigMap"
                | "Secret"
                | "ServiceAccount"
                | "Endpoints"
                | "LimitRange"
                | "PodTemplate"
                | "PersistentVolume"
                | "ResourceQuota"
                | "Event"
        ) | ("rbac.authorization.k8s.io" | "scheduling.k8s.io" | "node.k8s.io" | "coordination.k8s.io", _)
            | ("admissionregistration.k8s.io" | "discovery.k8s.io" | "flowcontrol.apiserver.k8s.io", _)
            | ("networking.k8s.io", "NetworkPolicy" | "IngressClass")
            | ("storage.k8s.io", "StorageClass" | "CSIDriver" | "CSINode" | "CSIStorageCapacity")
    )
}
