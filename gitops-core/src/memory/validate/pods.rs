//! What the server demands of a Pod spec beyond that it has containers, and of how a Deployment replaces its Pods.
//!
//! Rule: `pkg/apis/core/validation`, `pkg/apis/apps/validation` in Kubernetes 1.36; wording as recorded.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::{ServedKind, compare_quantities};
use crate::value::Draft;

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Invalid, NotFound, NotSupported};
use super::names::{LABEL, is_label};
use super::pod_spec;

pub(super) fn check(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let Some((path, Some(spec))) = pod_spec::of(kind, draft) else { return };
    let name = &*kind.group_kind.kind;
    // The server does not look into the Pods of a StatefulSet: their volumes may come from its claims.
    if name != "StatefulSet" {
        pod(spec, path, faults);
    }
    if matches!(name, "Deployment" | "ReplicaSet" | "DaemonSet" | "ReplicationController") {
        let policy = spec.text("restartPolicy");
        if !matches!(policy, "" | "Always") {
            let text = format!("\"{policy}\": supported values: \"Always\"");
            faults.push(fault(&format!("{path}.restartPolicy"), NotSupported, &text));
        }
    }
    draft.get("spec").into_iter().for_each(|spec| rolling_update(spec, faults));
}

fn pod(spec: &Draft, path: &str, faults: &mut Vec<Fault>) {
    let volumes: BTreeSet<&str> = spec.items("volumes").iter().map(|volume| volume.text("name")).collect();
    for list in ["containers", "initContainers"] {
        for (at, of) in spec.items(list).iter().enumerate() {
            container(of, &format!("{path}.{list}[{at}]"), &volumes, faults);
        }
    }
}

fn container(container: &Draft, path: &str, volumes: &BTreeSet<&str>, faults: &mut Vec<Fault>) {
    let name = container.text("name");
    if !name.is_empty() && (!is_label(name) || name.len() > 63) {
        faults.push(fault(&format!("{path}.name"), Invalid, &format!("\"{name}\": {LABEL}")));
    }
    for (at, port) in container.items("ports").iter().enumerate() {
        let number = port.get("containerPort").and_then(Draft::as_i64).filter(|port| *port != 0);
        if let Some(number) = number.filter(|number| !(1..=65_535).contains(number)) {
            let text = format!("{number}: must be between 1 and 65535, inclusive");
            faults.push(fault(&format!("{path}.ports[{at}].containerPort"), Invalid, &text));
        }
    }
    for (at, mount) in container.items("volumeMounts").iter().enumerate() {
        let name = mount.text("name");
        if !name.is_empty() && !volumes.contains(name) {
            faults.push(fault(&format!("{path}.volumeMounts[{at}].name"), NotFound, &format!("\"{name}\"")));
        }
    }
    requests(container, path, faults);
}

/// Nothing asks for more than it may have. Rule: `validateContainerResourceRequirements`.
fn requests(container: &Draft, path: &str, faults: &mut Vec<Fault>) {
    let amounts = |field: &str| container.get("resources").and_then(|resources| resources.get(field));
    let (Some(Draft::Map(requests)), Some(limits)) = (amounts("requests"), amounts("limits")) else { return };
    for (name, request) in requests {
        let pair = request.as_str().zip(limits.get(name).and_then(Draft::as_str));
        let Some((request, limit)) = pair else { continue };
        // Of what is not the server's own, and of huge pages, there is no more than was asked for.
        let exact = (name.contains('/') && !name.contains("kubernetes.io/")) || name.starts_with("hugepages-");
        let why = match compare_quantities(request, limit) {
            Some(Ordering::Less | Ordering::Greater) if exact => "must be equal to",
            Some(Ordering::Greater) => "must be less than or equal to",
            _ => continue,
        };
        let text = format!("\"{request}\": {why} {name} limit of {limit}");
        faults.push(fault(&format!("{path}.resources.requests"), Invalid, &text));
    }
}

/// Pods can only be replaced if some may be missing or too many.
fn rolling_update(spec: &Draft, faults: &mut Vec<Fault>) {
    let Some(strategy) = spec.get("strategy").and_then(|strategy| strategy.get("rollingUpdate")) else { return };
    let none = |field: &str| match strategy.get(field) {
        Some(Draft::String(text)) => text.trim_end_matches('%').parse() == Ok(0),
        Some(number) => number.as_i64() == Some(0),
        None => false,
    };
    if none("maxSurge") && none("maxUnavailable") {
        let shown = strategy.get("maxUnavailable").map(|value| value.freeze().to_json()).unwrap_or_default();
        let text = format!("{shown}: may not be 0 when `maxSurge` is 0");
        faults.push(fault("spec.strategy.rollingUpdate.maxUnavailable", Invalid, &text));
    }
}
