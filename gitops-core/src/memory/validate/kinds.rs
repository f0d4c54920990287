//! What the server demands of the built-in kinds that nearly everybody writes: enough that a manifest which cannot
//! work is refused here as there. All other rules of single kinds are missing (see LIMITATIONS.md).
//!
//! Rule: `pkg/apis/*/validation` in Kubernetes 1.36; wording as recorded.

use std::collections::BTreeSet;

use crate::model::ServedKind;
use crate::value::Draft;

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Duplicate, Forbidden, Invalid, Required};
use super::pod_spec;

/// Whether the strategy of a kind checks changed objects by all the rules for new ones too, those of metadata included.
pub(super) fn are_checked_as_new(kind: &ServedKind) -> bool {
    matches!(
        (&*kind.group_kind.group, &*kind.group_kind.kind),
        ("", "ConfigMap" | "Namespace" | "Secret" | "Service" | "ServiceAccount")
            | ("batch", "Job")
            | ("rbac.authorization.k8s.io", _)
    )
}

pub(super) fn check(served: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let none = Draft::map();
    let spec = draft.get("spec").unwrap_or(&none);
    match (&*served.group_kind.group, &*served.group_kind.kind) {
        ("apps", kind @ ("Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")) => {
            workload(kind, spec, faults);
            pod_spec::containers(served, draft, faults);
        }
        ("batch", "Job") => {
            if spec.text("completionMode") == "Indexed" && spec.number("completions").is_none() {
                faults.push(fault("spec.completions", Required, "when completion mode is Indexed"));
            }
            pod_spec::containers(served, draft, faults);
            ends(served, draft, faults);
        }
        ("batch", "CronJob") => {
            if spec.text("schedule").is_empty() {
                faults.push(fault("spec.schedule", Required, ""));
            }
            pod_spec::containers(served, draft, faults);
            ends(served, draft, faults);
        }
        ("", "Pod" | "PodTemplate" | "ReplicationController") => pod_spec::containers(served, draft, faults),
        ("", "Service") => service(spec, draft, faults),
        ("autoscaling", _) => {
            autoscaler(spec, faults);
        }
        ("policy", "PodDisruptionBudget")
            if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() =>
        {
            let text = format!("{}: minAvailable and maxUnavailable cannot be both set", spec.freeze().to_json());
            faults.push(fault("spec", Invalid, &text));
        }
        _ => {}
    }
}

fn workload(kind: &str, spec: &Draft, faults: &mut Vec<Fault>) {
    if let Some(replicas) = spec.number("replicas").filter(|replicas| *replicas < 0) {
        faults.push(fault("spec.replicas", Invalid, &format!("{replicas}: must be greater than or equal to 0")));
    }
    let labels = spec.get("template").and_then(|template| template.get("metadata")?.get("labels")).cloned();
    match spec.get("selector").filter(|selector| **selector != Draft::Null) {
        None => {
            if kind != "DaemonSet" {
                faults.push(fault("spec.selector", Required, ""));
            }
            let labels = labels.clone().unwrap_or_default().freeze().to_json();
            let text = format!("{labels}: `selector` does not match template `labels`");
            faults.push(fault("spec.template.metadata.labels", Invalid, &text));
        }
        Some(selector) => {
            let wanted = selector.get("matchLabels").cloned().unwrap_or_default();
            let found = labels.clone().unwrap_or_default();
            let matches = |(key, value): (&String, &Draft)| found.get(key) == Some(value);
            if matches!(&wanted, Draft::Map(wanted) if !wanted.iter().all(matches)) {
                let text = format!("{}: `selector` does not match template `labels`", found.freeze().to_json());
                faults.push(fault("spec.template.metadata.labels", Invalid, &text));
            }
        }
    }
    let strategy = spec.get(if kind == "Deployment" { "strategy" } else { "updateStrategy" });
    if let Some(strategy) = strategy
        && strategy.get("rollingUpdate").is_some()
    {
        match (kind, strategy.text("type")) {
            ("Deployment", "Recreate") => {
                let why = "may not be specified when strategy `type` is 'Recreate'";
                faults.push(fault("spec.strategy.rollingUpdate", Forbidden, why));
            }
            ("StatefulSet", "OnDelete") => {
                let why = "only allowed for updateStrategy 'RollingUpdate'";
                faults.push(fault("spec.updateStrategy.rollingUpdate", Invalid, why));
            }
            _ => {}
        }
    }
}

/// The Pods of a Job end some day.
fn ends(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let Some((path, Some(spec))) = pod_spec::of(kind, draft) else { return };
    if spec.text("restartPolicy") == "Always" {
        let path = format!("{path}.restartPolicy");
        faults.push(fault(&path, Required, "valid values: \"OnFailure\", \"Never\""));
    }
}

fn autoscaler(spec: &Draft, faults: &mut Vec<Fault>) {
    let most = spec.number("maxReplicas").unwrap_or(0);
    if most < 1 {
        faults.push(fault("spec.maxReplicas", Required, "must be set and greater than 0"));
    }
    if spec.number("minReplicas").is_some_and(|least| most < least) {
        let text = format!("{most}: must be greater than or equal to `minReplicas`");
        faults.push(fault("spec.maxReplicas", Invalid, &text));
    }
    let target = spec.get("scaleTargetRef").cloned().unwrap_or_default();
    for field in ["kind", "name"] {
        if target.text(field).is_empty() {
            faults.push(fault(&format!("spec.scaleTargetRef.{field}"), Required, ""));
        }
    }
    let version = target.text("apiVersion");
    if !version.contains('/') && target.text("kind") != "ReplicationController" {
        let text = format!("\"{version}\": apiVersion must specify API group");
        faults.push(fault("spec.scaleTargetRef.apiVersion", Invalid, &text));
    }
}

fn service(spec: &Draft, draft: &Draft, faults: &mut Vec<Fault>) {
    let kind = spec.text("type");
    let ports = spec.items("ports");
    let headless = spec.text("clusterIP") == "None";
    if ports.is_empty() && !headless && kind != "ExternalName" {
        faults.push(fault("spec.ports", Required, ""));
    }
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let text = format!("\"None\": may not be set to 'None' for {kind} services");
        faults.push(fault("spec.clusterIPs[0]", Invalid, &text));
    }
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (at, port) in ports.iter().enumerate() {
        let name = port.text("name");
        if name.is_empty() && ports.len() > 1 {
            faults.push(fault(&format!("spec.ports[{at}].name"), Required, ""));
        } else if !names.insert(name) {
            faults.push(fault(&format!("spec.ports[{at}].name"), Duplicate, &format!("\"{name}\"")));
        }
        if !numbers.insert((port.number("port"), port.text("protocol"))) {
            faults.push(fault(&format!("spec.ports[{at}]"), Duplicate, &port.freeze().to_json()));
        }
    }
    if kind != "LoadBalancer" {
        if !spec.items("loadBalancerSourceRanges").is_empty() {
            let why = "may only be used when `type` is 'LoadBalancer'";
            faults.push(fault("spec.LoadBalancerSourceRanges", Forbidden, why));
        }
        let balancer = draft.get("status").and_then(|status| status.get("loadBalancer"));
        if balancer.is_some_and(|balancer| !balancer.items("ingress").is_empty()) {
            let why = "may only be used when `spec.type` is 'LoadBalancer'";
            faults.push(fault("status.loadBalancer.ingress", Forbidden, why));
        }
    }
}
