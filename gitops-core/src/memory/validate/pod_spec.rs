//! Where the Pod spec of a kind is, and what the lists in it have in common.
//!
//! Rule: `pkg/apis/core/validation` in Kubernetes 1.36; wording as recorded.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ServedKind;
use crate::value::Draft;

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Duplicate, Required};

/// The path of the Pod spec of a kind, and what is there; `None` for kinds that have none.
pub(super) fn of<'d>(kind: &ServedKind, draft: &'d Draft) -> Option<(&'static str, Option<&'d Draft>)> {
    let path = match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("", "Pod") => "spec",
        ("", "PodTemplate") => "template.spec",
        ("", "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job") => "spec.template.spec",
        ("batch", "CronJob") => "spec.jobTemplate.spec.template.spec",
        _ => return None,
    };
    Some((path, path.split('.').try_fold(draft, |draft, field| draft.get(field))))
}

/// Refuses Pods without containers, containers without what every one has, and names that are there twice.
pub(super) fn containers(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let Some((path, spec)) = of(kind, draft) else { return };
    let none = Draft::map();
    let spec = spec.unwrap_or(&none);
    duplicates(spec, path, faults);
    if spec.items("containers").is_empty() {
        faults.push(fault(&format!("{path}.containers"), Required, ""));
    }
    for list in ["containers", "initContainers"] {
        for (at, container) in spec.items(list).iter().enumerate() {
            for field in ["name", "image"] {
                if container.text(field).is_empty() {
                    faults.push(fault(&format!("{path}.{list}[{at}].{field}"), Required, ""));
                }
            }
        }
    }
}

/// Every list of things with names has each name once; so have the keys of spread constraints.
fn duplicates(spec: &Draft, path: &str, faults: &mut Vec<Fault>) {
    fn key(constraint: &Draft) -> (&str, &str) {
        (constraint.text("topologyKey"), constraint.text("whenUnsatisfiable"))
    }
    let spread = spec.items("topologySpreadConstraints");
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
        for (at, container) in spec.items(list).iter().enumerate() {
            let name = container.text("name");
            if !seen.insert(name) && !name.is_empty() {
                faults.push(fault(&format!("{path}.{list}[{at}].name"), Duplicate, &format!("\"{name}\"")));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for (at, volume) in spec.items("volumes").iter().enumerate() {
        let name = volume.text("name");
        if !seen.insert(name) {
            faults.push(fault(&format!("{path}.volumes[{at}].name"), Duplicate, &format!("\"{name}\"")));
        }
    }
}
