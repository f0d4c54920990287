//! Any other kind: the conditions most controllers write, and silence.

use crate::model::KindFacts;
use crate::resource::{Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::ValueRef;

use super::reading::{Finding, Observed, Reading, degraded, healthy, progressing, suspended};
use super::{Clues, Confidence, Health, HealthStatus};

/// Judges by the conditions and phases that most controllers write; says which of both it was.
pub(super) fn judge(object: Reading<'_>) -> Option<(&'static str, (HealthStatus, String))> {
    if let Some(older) = object.older() {
        return Some(("conditions", older));
    }
    conditions(object).map(|found| ("conditions", found)).or_else(|| Some(("phase", phase(object)?)))
}

/// Judges by conditions, whatever their order: first what failed, then what is under way, then what sums up.
///
/// Rule: kstatus for `Stalled`, `Reconciling` and `Ready`, the API conventions for the sense of the others. A summary
/// that is `False` is on its way, as in kstatus, unless its reason says that something failed. `Progressing` comes
/// last: it is `True` of whole Deployments, too, and of what is modelled after them.
fn conditions(object: Reading<'_>) -> Finding {
    const FAILED: [&str; 7] = ["Stalled", "Degraded", "Failed", "Failure", "Failing", "Error", "ErrorOccurred"];
    const SUMS_UP: [&str; 6] = ["Ready", "Available", "Healthy", "Synced", "Succeeded", "Completed"];
    if let Some(failed) = FAILED.iter().find_map(|name| object.holds(name)) {
        return Some(degraded(failed.message()));
    }
    if let Some(reconciling) = object.holds("Reconciling") {
        return Some(progressing(reconciling.message()));
    }
    if let Some(paused) = ["Suspended", "Paused"].iter().find_map(|name| object.holds(name)) {
        return Some(suspended(paused.message()));
    }
    let mut said = SUMS_UP.iter().filter_map(|name| object.condition(name)).peekable();
    let first = *said.peek().or(object.holds("Progressing").as_ref())?;
    let failed = said.find(|condition| condition.is("False") && tells_failure(condition.reason()));
    Some(match failed {
        Some(failed) => degraded(failed.told()),
        None if first.is("True") && first.name() != "Progressing" => healthy(first.message()),
        None => progressing(first.told()),
    })
}

/// Reasons are words in camel case that programs read (API conventions), such as `ReconcileError` or `InvalidSpec`.
fn tells_failure(reason: &str) -> bool {
    ["Failed", "Failure", "Error", "Errored"].iter().any(|end| reason.ends_with(end))
        || ["Failed", "Invalid"].iter().any(|start| reason.starts_with(start))
}

/// Judges by `status.phase` or `status.state`, where the word has one meaning only: what is `Running` may have to end.
fn phase(object: Reading<'_>) -> Finding {
    let word = ["phase", "state"].iter().map(|field| object.text(field)).find(|word| !word.is_empty())?;
    let judge: fn(String) -> (HealthStatus, String) = match word.to_ascii_lowercase().as_str() {
        "ready" | "active" | "available" | "bound" | "healthy" | "succeeded" | "success" | "successful"
        | "complete" | "completed" | "deployed" | "established" | "installed" | "synced" => healthy,
        "failed" | "failure" | "error" | "errored" | "degraded" | "unhealthy" | "invalid" | "lost" | "rejected" => {
            degraded
        }
        "pending" | "creating" | "provisioning" | "initializing" | "updating" | "upgrading" | "deploying"
        | "installing" | "configuring" | "scaling" | "starting" | "restarting" | "reconciling" | "progressing"
        | "inprogress" | "waiting" | "deleting" | "terminating" => progressing,
        "paused" | "suspended" | "hibernated" => suspended,
        _ => return None,
    };
    let message = object.text("message");
    Some(judge(if message.is_empty() { format!("is `{word}`") } else { message.to_owned() }))
}

/// States that there is nothing to wait for.
pub(super) fn quiet(rule: &'static str) -> Health {
    Health {
        status: HealthStatus::Healthy,
        confidence: Confidence::NothingToReport,
        message: "".into(),
        rule,
        standstill: None,
    }
}

/// Judges an object that says nothing of how it is. Rule 40 of the exact rules.
pub(super) fn silence(object: Reading<'_>, clues: &Clues<'_>) -> Health {
    let says_something = object.status.and_then(|status| status.as_map()).is_some_and(|status| !status.is_empty());
    let key = object.live.key();
    if reports_no_readiness(key) {
        return quiet("no-status");
    }
    if let (KindFacts::Served(kind), false) = (clues.model.kind(&key.group_kind), says_something)
        && !kind.has_status_subresource
        && !clues.model.schema(&key.group_kind, object.live.version()).allows("status")
    {
        return quiet("no-status");
    }
    // Its controller has seen the present spec and has nothing to complain of.
    if says_something && object.status(&["observedGeneration"]).is_some() && object.observed() == Observed::Current {
        return Health::reported(HealthStatus::Healthy, "observed-generation", "the present spec is observed");
    }
    let created = || object.live.metadata("creationTimestamp")?.parse::<Timestamp>().ok();
    let applied = || clues.applier.and_then(|applier| applied_at(object.live, applier));
    let waited = clues.changed.or_else(applied).or_else(created).map(|since| clues.now.since(since));
    let (status, confidence, message) = if waited.is_none_or(|waited| waited >= clues.settle) {
        (HealthStatus::Healthy, Confidence::Unconfirmed, "has not said how it is")
    } else {
        (HealthStatus::Progressing, Confidence::Reported, "has not said yet how it is")
    };
    Health { status, confidence, message: message.into(), rule: "silence", standstill: None }
}

/// When a field manager last changed an object by applying it.
fn applied_at(live: &Resource, manager: &str) -> Option<Timestamp> {
    let entries = live.tree().dig(&["metadata", "managedFields"]).and_then(ValueRef::as_list).into_iter().flatten();
    let text = |entry: ValueRef<'_>, field: &str| entry.get(field).and_then(ValueRef::as_str).map(str::to_owned);
    let is_ours = |entry: &ValueRef<'_>| {
        text(*entry, "manager").as_deref() == Some(manager)
            && text(*entry, "operation").as_deref() == Some("Apply")
            && text(*entry, "subresource").is_none_or(|of| of.is_empty())
    };
    entries.filter(is_ours).filter_map(|entry| text(entry, "time")?.parse().ok()).max()
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
