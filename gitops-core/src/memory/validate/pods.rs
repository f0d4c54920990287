//! What the server demands of a Pod spec beyond that it has containers, and of how a Deployment replaces its Pods.
//!
//! Rule: `pkg/apis/core/validation`, `pkg/apis/apps/validation` in Kubernetes 1.36; wording as recorded.

use std::collections::BTreeSet;

use crate::model::ServedKind;
use crate::value::Draft;

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Invalid, NotFound, NotSupported};
use super::metadata::{LABEL, is_label};

pub(super) fn check(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(spec) = draft.get("spec") else { return };
    let template = || spec.get("template").and_then(|template| template.get("spec"));
    match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("", "Pod") => pod(spec, "spec", faults),
        // The server does not look into the Pods of a StatefulSet: their volumes may come from its claims.
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") => {
            let path = "spec.template.spec";
            template().into_iter().for_each(|spec| pod(spec, path, faults));
            let policy = template().map(|spec| text(spec, "restartPolicy")).unwrap_or_default();
            if !matches!(policy, "" | "Always") {
                let text = format!("\"{policy}\": supported values: \"Always\"");
                faults.push(fault(&format!("{path}.restartPolicy"), NotSupported, &text));
            }
            rolling_update(spec, faults);
        }
        ("batch", "Job") => template().into_iter().for_each(|spec| pod(spec, "spec.template.spec", faults)),
        _ => {}
    }
}

fn pod(spec: &Draft, path: &str, faults: &mut Vec<Fault>) {
    let volumes: BTreeSet<&str> = items(spec, "volumes").iter().map(|volume| text(volume, "name")).collect();
    for list in ["containers", "initContainers"] {
        for (at, of) in items(spec, list).iter().enumerate() {
            container(of, &format!("{path}.{list}[{at}]"), &volumes, faults);
        }
    }
}

fn container(container: &Draft, path: &str, volumes: &BTreeSet<&str>, faults: &mut Vec<Fault>) {
    let name = text(container, "name");
    if !name.is_empty() && (!is_label(name) || name.len() > 63) {
        faults.push(fault(&format!("{path}.name"), Invalid, &format!("\"{name}\": {LABEL}")));
    }
    for (at, port) in items(container, "ports").iter().enumerate() {
        let number = port.get("containerPort").and_then(Draft::as_i64).filter(|port| *port != 0);
        if let Some(number) = number.filter(|number| !(1..=65_535).contains(number)) {
            let text = format!("{number}: must be between 1 and 65535, inclusive");
            faults.push(fault(&format!("{path}.ports[{at}].containerPort"), Invalid, &text));
        }
    }
    for (at, mount) in items(container, "volumeMounts").iter().enumerate() {
        let name = text(mount, "name");
        if !name.is_empty() && !volumes.contains(name) {
            faults.push(fault(&format!("{path}.volumeMounts[{at}].name"), NotFound, &format!("\"{name}\"")));
        }
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

fn text<'d>(draft: &'d Draft, field: &str) -> &'d str {
    draft.get(field).and_then(Draft::as_str).unwrap_or_default()
}

fn items<'d>(draft: &'d Draft, field: &str) -> &'d [Draft] {
    match draft.get(field) {
        Some(Draft::List(items)) => items,
        _ => &[],
    }
}
