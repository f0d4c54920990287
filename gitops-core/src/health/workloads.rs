//! Deployment, StatefulSet, DaemonSet, ReplicaSet: what keeps pods running.
//!
//! Rules: Argo CD's built-in checks, with the controllers' own counters where Argo CD does not look at them.

use crate::value::ValueRef;

use super::HealthStatus;
use super::reading::{Finding, Reading, degraded, healthy, progressing, suspended, whole};

pub(super) fn deployment(object: Reading<'_>) -> Finding {
    if object.spec(&["paused"]).and_then(ValueRef::as_bool) == Some(true) {
        return Some(suspended("is paused"));
    }
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let (wanted, updated) = (object.replicas(), object.count("updatedReplicas"));
    let (all, available) = (object.count("replicas"), object.count("availableReplicas"));
    if let Some(progress) = object.condition("Progressing")
        && progress.reason() == "ProgressDeadlineExceeded"
    {
        return Some(degraded(format!("exceeded its progress deadline: {}", progress.message())));
    }
    Some(if updated < wanted {
        // What keeps pods from being made, such as a quota, is told by a condition of its own.
        let why = object.holds("ReplicaFailure").map(|failure| format!(": {}", failure.message()));
        progressing(format!("{updated} of {wanted} new pods exist{}", why.unwrap_or_default()))
    } else if all > updated {
        progressing(format!("{} old pods are still to go", all.saturating_sub(updated)))
    } else if available < updated {
        progressing(format!("{available} of {updated} pods are available"))
    } else {
        ready(object, "readyReplicas", wanted)
    })
}

/// Available pods are ready ones; where a controller says otherwise, the more careful of its counts holds.
/// Rule: kstatus, which looks at both.
fn ready(object: Reading<'_>, count: &str, wanted: i64) -> (HealthStatus, String) {
    match object.status(&[count]).and_then(whole) {
        Some(ready) if ready < wanted => progressing(format!("{ready} of {wanted} pods are ready")),
        _ => healthy(""),
    }
}

/// Differs from Argo CD on purpose: the server always fills in `partition: 0`, which there ends the check before
/// revisions are compared, and surplus pods count as a rollout that is not over.
pub(super) fn stateful_set(object: Reading<'_>) -> Finding {
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let (wanted, ready) = (object.replicas(), object.count("readyReplicas"));
    let (all, updated) = (object.count("replicas"), object.count("updatedReplicas"));
    let available = object.status(&["availableReplicas"]).and_then(whole);
    if ready < wanted {
        return Some(progressing(format!("{ready} of {wanted} pods are ready")));
    }
    if let (Some(seconds), Some(available)) = (object.spec(&["minReadySeconds"]).and_then(whole), available)
        && seconds > 0
        && available < wanted
    {
        return Some(progressing(format!("{available} of {wanted} pods are available")));
    }
    if all > wanted {
        return Some(progressing(format!("{} pods are still to go", all.saturating_sub(wanted))));
    }
    let strategy = object.spec(&["updateStrategy"]);
    if strategy.and_then(|strategy| strategy.get("type")?.as_str()) == Some("OnDelete") {
        return Some(healthy(format!("{updated} of {wanted} pods are updated; the others when they are deleted")));
    }
    let partition = strategy.and_then(|strategy| whole(strategy.dig(&["rollingUpdate", "partition"])?)).unwrap_or(0);
    let due = wanted.saturating_sub(partition.max(0));
    let (current, update) = (object.text("currentRevision"), object.text("updateRevision"));
    let rolling = if partition > 0 { updated < due } else { !update.is_empty() && current != update };
    Some(match (rolling, partition > 0) {
        (true, _) => progressing(format!("{updated} of {due} pods are updated")),
        (false, true) => healthy(format!("{updated} pods are updated, as the partition asks")),
        (false, false) => healthy(""),
    })
}

/// Differs from Argo CD on purpose: pods that are updated only when deleted must be available all the same.
pub(super) fn daemon_set(object: Reading<'_>) -> Finding {
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let Some(wanted) = object.status(&["desiredNumberScheduled"]).and_then(whole) else {
        return Some(progressing("has not counted its nodes yet"));
    };
    let (updated, available) = (object.count("updatedNumberScheduled"), object.count("numberAvailable"));
    let on_delete = object.spec(&["updateStrategy", "type"]).and_then(ValueRef::as_str) == Some("OnDelete");
    Some(if updated < wanted && !on_delete {
        progressing(format!("{updated} of {wanted} pods are updated"))
    } else if available < wanted {
        progressing(format!("{available} of {wanted} pods are available"))
    } else if on_delete {
        healthy(format!("{updated} of {wanted} pods are updated; the others when they are deleted"))
    } else {
        ready(object, "numberReady", wanted)
    })
}

pub(super) fn replica_set(object: Reading<'_>) -> Finding {
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let (wanted, available, all) = (object.replicas(), object.count("availableReplicas"), object.count("replicas"));
    Some(if let Some(failure) = object.holds("ReplicaFailure") {
        degraded(failure.message())
    } else if available < wanted {
        progressing(format!("{available} of {wanted} pods are available"))
    } else if all > wanted {
        progressing(format!("{} pods are still to go", all.saturating_sub(wanted)))
    } else {
        ready(object, "readyReplicas", wanted)
    })
}
