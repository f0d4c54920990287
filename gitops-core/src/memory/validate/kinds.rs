//! What the server demands of the built-in kinds that nearly everybody writes: enough that a manifest which cannot
//! work is refused here as there. All other rules of single kinds are missing (see LIMITATIONS.md).
//!
//! Rule: `pkg/apis/*/validation` in Kubernetes 1.36; wording as recorded.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ServedKind;
use crate::value::Draft;

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Duplicate, Forbidden, Invalid, Required};

/// Whether the strategy of a kind checks changed objects by all the rules for new ones too, those of metadata included.
pub(super) fn are_checked_as_new(kind: &ServedKind) -> bool {
    matches!(
        (&*kind.group_kind.group, &*kind.group_kind.kind),
        ("", "ConfigMap" | "Namespace" | "Secret" | "Service" | "ServiceAccount")
            | ("batch", "Job")
            | ("rbac.authorization.k8s.io", _)
    )
}

pub(super) fn check(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(spec) = draft.get("spec") else { return };
    match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("apps", kind) => workload(kind, spec, faults),
        ("batch", "Job") => {
            if text(spec, "completionMode") == "Indexed" && number(spec, "completions").is_none() {
                faults.push(fault("spec.completions", Required, "when completion mode is Indexed"));
            }
            job(spec, "spec", faults);
        }
        ("batch", "CronJob") => {
            if text(spec, "schedule").is_empty() {
                faults.push(fault("spec.schedule", Required, ""));
            }
            let of = spec.get("jobTemplate").and_then(|job| job.get("spec")).cloned().unwrap_or_default();
            job(&of, "spec.jobTemplate.spec", faults);
        }
        ("", "Pod") => containers(spec, "spec", faults),
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
    if !matches!(kind, "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") {
        return;
    }
    if let Some(replicas) = number(spec, "replicas").filter(|replicas| *replicas < 0) {
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
        match (kind, text(strategy, "type")) {
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
    template(spec, "spec.template", faults);
}

fn job(spec: &Draft, path: &str, faults: &mut Vec<Fault>) {
    template(spec, &format!("{path}.template"), faults);
    let policy = spec.get("template").and_then(|template| template.get("spec")?.get("restartPolicy")?.as_str());
    if policy == Some("Always") {
        let path = format!("{path}.template.spec.restartPolicy");
        faults.push(fault(&path, Required, "valid values: \"OnFailure\", \"Never\""));
    }
}

fn autoscaler(spec: &Draft, faults: &mut Vec<Fault>) {
    let most = number(spec, "maxReplicas").unwrap_or(0);
    if most < 1 {
        faults.push(fault("spec.maxReplicas", Required, "must be set and greater than 0"));
    }
    if number(spec, "minReplicas").is_some_and(|least| most < least) {
        let text = format!("{most}: must be greater than or equal to `minReplicas`");
        faults.push(fault("spec.maxReplicas", Invalid, &text));
    }
    let target = spec.get("scaleTargetRef").cloned().unwrap_or_default();
    for field in ["kind", "name"] {
        if text(&target, field).is_empty() {
            faults.push(fault(&format!("spec.scaleTargetRef.{field}"), Required, ""));
        }
    }
    let version = text(&target, "apiVersion");
    if !version.contains('/') && text(&target, "kind") != "ReplicationController" {
        let text = format!("\"{version}\": apiVersion must specify API group");
        faults.push(fault("spec.scaleTargetRef.apiVersion", Invalid, &text));
    }
}

fn template(of: &Draft, path: &str, faults: &mut Vec<Fault>) {
    let spec = of.get("template").and_then(|template| template.get("spec")).cloned().unwrap_or_default();
    containers(&spec, &format!("{path}.spec"), faults);
}

/// Every list of things with names has each name once; so have the keys of spread constraints.
fn duplicates(spec: &Draft, path: &str, faults: &mut Vec<Fault>) {
    let spread = items(spec, "topologySpreadConstraints");
    let key = |constraint| (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
    let last: BTreeMap<_, _> = spread.iter().map(key).zip(0_usize..).collect();
    for (at, constraint) in spread.iter().enumerate() {
        let (topology, when) = key(constraint);
        // All but the last of them, as recorded.
        if last.get(&(topology, when)).is_some_and(|last| *last > at) {
            let path = format!("{path}.topologySpreadConstraints[{at}].{{topologyKey, whenUnsatisfiable}}");
            faults.push(fault(&path, Duplicate, &format!("\"{{{topology}, {when}}}\"")));
        }
    }
    let mut seen = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for (at, container) in items(spec, list).iter().enumerate() {
            let name = text(container, "name");
            if !seen.insert(name) && !name.is_empty() {
                faults.push(fault(&format!("{path}.{list}[{at}].name"), Duplicate, &format!("\"{name}\"")));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for (at, volume) in items(spec, "volumes").iter().enumerate() {
        let name = text(volume, "name");
        if !seen.insert(name) {
            faults.push(fault(&format!("{path}.volumes[{at}].name"), Duplicate, &format!("\"{name}\"")));
        }
    }
}

fn containers(spec: &Draft, path: &str, faults: &mut Vec<Fault>) {
    duplicates(spec, path, faults);
    if items(spec, "containers").is_empty() {
        faults.push(fault(&format!("{path}.containers"), Required, ""));
    }
    for list in ["containers", "initContainers"] {
        for (at, container) in items(spec, list).iter().enumerate() {
            for field in ["name", "image"] {
                if text(container, field).is_empty() {
                    faults.push(fault(&format!("{path}.{list}[{at}].{field}"), Required, ""));
                }
            }
        }
    }
}

fn service(spec: &Draft, draft: &Draft, faults: &mut Vec<Fault>) {
    let kind = text(spec, "type");
    let ports = items(spec, "ports");
    let headless = text(spec, "clusterIP") == "None";
    if ports.is_empty() && !headless && kind != "ExternalName" {
        faults.push(fault("spec.ports", Required, ""));
    }
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let text = format!("\"None\": may not be set to 'None' for {kind} services");
        faults.push(fault("spec.clusterIPs[0]", Invalid, &text));
    }
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (at, port) in ports.iter().enumerate() {
        let name = text(port, "name");
        if name.is_empty() && ports.len() > 1 {
            faults.push(fault(&format!("spec.ports[{at}].name"), Required, ""));
        } else if !names.insert(name) {
            faults.push(fault(&format!("spec.ports[{at}].name"), Duplicate, &format!("\"{name}\"")));
        }
        if !numbers.insert((number(port, "port"), text(port, "protocol"))) {
            faults.push(fault(&format!("spec.ports[{at}]"), Duplicate, &port.freeze().to_json()));
        }
    }
    if kind != "LoadBalancer" {
        if !items(spec, "loadBalancerSourceRanges").is_empty() {
            let why = "may only be used when `type` is 'LoadBalancer'";
            faults.push(fault("spec.LoadBalancerSourceRanges", Forbidden, why));
        }
        let balancer = draft.get("status").and_then(|status| status.get("loadBalancer"));
        if balancer.is_some_and(|balancer| !items(balancer, "ingress").is_empty()) {
            let why = "may only be used when `spec.type` is 'LoadBalancer'";
            faults.push(fault("status.loadBalancer.ingress", Forbidden, why));
        }
    }
}

fn text<'d>(draft: &'d Draft, field: &str) -> &'d str {
    draft.get(field).and_then(Draft::as_str).unwrap_or_default()
}

fn number(draft: &Draft, field: &str) -> Option<i64> {
    draft.get(field)?.as_i64()
}

fn items<'d>(draft: &'d Draft, field: &str) -> &'d [Draft] {
    match draft.get(field) {
        Some(Draft::List(items)) => items,
        _ => &[],
    }
}
