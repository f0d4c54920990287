//! Service, Ingress, PersistentVolumeClaim, autoscaler, APIService, PodDisruptionBudget, CRD, Namespace, Workflow.

use crate::value::{Value, ValueRef};

use super::HealthStatus;
use super::reading::{Condition, Finding, Reading, degraded, healthy, progressing};

/// Rule: a load balancer is there once it has an address; other Services have nothing to wait for.
pub(super) fn service(object: Reading<'_>) -> Finding {
    let load_balancer = object.spec(&["type"]).and_then(ValueRef::as_str) == Some("LoadBalancer");
    Some(if load_balancer && object.list(&["loadBalancer", "ingress"]).is_none() {
        progressing("waits for an address of its load balancer")
    } else {
        healthy("")
    })
}

/// Differs from Argo CD on purpose: many controllers never report an address, so silence is judged as silence and
/// does not last for ever.
pub(super) fn ingress(object: Reading<'_>) -> Finding {
    object.list(&["loadBalancer", "ingress"]).map(|_| healthy(""))
}

pub(super) fn claim(object: Reading<'_>) -> Finding {
    match object.text("phase") {
        "Bound" => Some(healthy("")),
        "" | "Pending" => Some(progressing("waits to be bound to a volume")),
        "Lost" => Some(degraded("its volume is lost")),
        phase => Some((HealthStatus::Unknown, format!("unknown phase `{phase}`"))),
    }
}

pub(super) fn namespace(object: Reading<'_>) -> Finding {
    match object.text("phase") {
        "Active" => Some(healthy("")),
        "Terminating" => Some(progressing("is being deleted")),
        _ => None,
    }
}

/// Rule: Argo CD's check. In `autoscaling/v1` the conditions are JSON in an annotation.
pub(super) fn autoscaler(object: Reading<'_>) -> Finding {
    let annotation = object.live.annotation("autoscaling.alpha.kubernetes.io/conditions");
    let written = annotation.and_then(|text| Value::from_json(text.as_bytes()).ok());
    let written = written.as_ref().and_then(|list| list.root().as_list());
    let conditions = || object.conditions().chain(written.into_iter().flatten().map(Condition::of));
    let failed = |condition: &Condition<'_>| {
        matches!(
            (condition.name(), condition.reason()),
            ("AbleToScale", "FailedGetScale" | "FailedUpdateScale")
                | (
                    "ScalingActive",
                    "FailedGetResourceMetric"
                        | "FailedGetObjectMetric"
                        | "FailedGetPodsMetric"
                        | "FailedGetExternalMetric"
                        | "FailedComputeMetricsReplicas"
                        | "InvalidSelector"
                )
        )
    };
    let works = |condition: &Condition<'_>| {
        matches!(condition.name(), "AbleToScale" | "ScalingLimited") && condition.is("True")
    };
    Some(if let Some(condition) = conditions().find(failed) {
        degraded(condition.message())
    } else if let Some(condition) = conditions().find(works) {
        healthy(condition.message())
    } else {
        progressing("waits to scale")
    })
}

pub(super) fn api_service(object: Reading<'_>) -> Finding {
    Some(match object.condition("Available") {
        Some(available) if available.is("True") => healthy(available.message()),
        Some(available) => progressing(format!("{}: {}", available.reason(), available.message())),
        None => progressing("waits to be processed"),
    })
}

/// Rule: Argo CD's check; a budget that leaves no pod to evict does what it was told to.
pub(super) fn disruption_budget(object: Reading<'_>) -> Finding {
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let failed = |condition: &Condition<'_>| condition.is("False") && condition.reason() != "InsufficientPods";
    Some(if let Some(condition) = object.conditions().find(failed) {
        degraded(condition.message())
    } else if object.conditions().next().is_some() {
        healthy("")
    } else {
        progressing("waits for its status")
    })
}

/// Rule: Argo CD's check, without regard to the order of the conditions.
pub(super) fn definition(object: Reading<'_>) -> Finding {
    let refused = object.condition("NamesAccepted").filter(|condition| condition.is("False"));
    Some(if object.holds("Terminating").is_some() {
        progressing("is being deleted")
    } else if let Some(refused) = refused {
        degraded(format!("its names are not accepted: {}", refused.message()))
    } else if let Some(violations) = object.holds("NonStructuralSchema") {
        degraded(format!("its schema is not structural: {}", violations.message()))
    } else {
        match object.condition("Established") {
            Some(established) if established.is("True") => healthy(""),
            Some(established) if established.is("False") && established.reason() != "Installing" => {
                degraded(format!("is not established: {}", established.message()))
            }
            _ => progressing("is being installed"),
        }
    })
}

/// Argo Workflows, which Argo CD judges among the built-in kinds.
pub(super) fn workflow(object: Reading<'_>) -> Finding {
    let message = object.text("message").to_owned();
    Some(match object.text("phase") {
        "" | "Pending" | "Running" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" | "Error" => degraded(message),
        phase => (HealthStatus::Unknown, format!("unknown phase `{phase}`")),
    })
}
