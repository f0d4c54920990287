//! More fields that cannot change once set: those of Pods, volumes and classes.
//!
//! Rule: `pkg/apis/*/validation` in Kubernetes 1.36; wording as recorded.

use crate::resource::Resource;
use crate::value::{Draft, ValueRef};

use super::refuse::{Fault, fault};
use super::response::CauseReason::{Forbidden, Invalid};

/// Kinds whose fields are frozen without more ado.
const FIELDS: [(&str, &str, &[&[&str]]); 7] = [
    ("apiextensions.k8s.io", "CustomResourceDefinition", &[&["spec", "group"], &["spec", "scope"]]),
    ("apps", "ControllerRevision", &[&["data"]]),
    ("discovery.k8s.io", "EndpointSlice", &[&["addressType"]]),
    ("networking.k8s.io", "IngressClass", &[&["spec", "controller"]]),
    ("node.k8s.io", "RuntimeClass", &[&["handler"]]),
    ("scheduling.k8s.io", "PriorityClass", &[&["preemptionPolicy"]]),
    ("storage.k8s.io", "StorageClass", &[&["volumeBindingMode"]]),
];

/// Fields of a volume that do not say where its bytes are.
const VOLUME: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

pub(super) fn check(live: &Resource, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    let before = live.tree();
    let (group, kind) = (live.key().group(), live.key().kind());
    let frozen = FIELDS.iter().filter(|(of, name, _)| (*of, *name) == (group, kind)).flat_map(|(_, _, paths)| *paths);
    for path in frozen.filter(|path| before.dig(path) != after.dig(path)) {
        let shown = after.dig(path).map_or_else(|| "null".to_owned(), ValueRef::to_json);
        faults.push(fault(&path.join("."), Invalid, &format!("{shown}: field is immutable")));
    }
    match (group, kind) {
        ("", "Pod") => pod(before, after, faults),
        ("", "PersistentVolume") => {
            let source = |object: ValueRef<'_>| without(object, &VOLUME);
            if source(before) != source(after) {
                let why = "spec.persistentvolumesource is immutable after creation";
                faults.push(fault("spec.persistentvolumesource", Forbidden, why));
            }
        }
        ("scheduling.k8s.io", "PriorityClass") if before.get("value") != after.get("value") => {
            faults.push(fault("value", Forbidden, "may not be changed in an update."));
        }
        ("storage.k8s.io", "StorageClass") if before.get("reclaimPolicy") != after.get("reclaimPolicy") => {
            faults.push(fault("reclaimPolicy", Forbidden, "updates to reclaimPolicy are forbidden."));
        }
        _ => {}
    }
}

/// What a running Pod is cannot change, but for its images, how long it may run and end, and what it tolerates.
fn pod(before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    for list in ["containers", "initContainers"] {
        let count = |object: ValueRef<'_>| {
            object.dig(&["spec", list]).and_then(ValueRef::as_list).map_or(0, |containers| containers.len())
        };
        if count(before) != count(after) {
            let why = format!(
                "pod updates may not add or remove {}",
                if list == "containers" { list } else { "init containers" }
            );
            faults.push(fault(&format!("spec.{list}"), Forbidden, &why));
            return;
        }
    }
    let tolerations = |object: ValueRef<'_>| -> Vec<Draft> {
        let list = object.dig(&["spec", "tolerations"]).and_then(ValueRef::as_list);
        list.into_iter().flatten().map(ValueRef::to_draft).collect()
    };
    let kept = tolerations(after);
    let fixed = |object: ValueRef<'_>| {
        let mut spec = without(object, &["activeDeadlineSeconds", "tolerations"]);
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Draft::as_list_mut).into_iter().flatten() {
                drop(container.remove("image"));
            }
        }
        // Less than no time may become one second.
        if spec.get("terminationGracePeriodSeconds").and_then(Draft::as_i64).is_some_and(|seconds| seconds < 0) {
            spec.set("terminationGracePeriodSeconds", 1);
        }
        spec
    };
    if fixed(before) != fixed(after) || !tolerations(before).iter().all(|old| kept.contains(old)) {
        let why = "pod updates may not change fields other than \
                   `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                   `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
                   (allow it to be set to 1 if it was previously negative)";
        faults.push(fault("spec", Forbidden, why));
    }
}

/// The spec of an object without some of its fields.
fn without(object: ValueRef<'_>, fields: &[&str]) -> Draft {
    let mut spec = object.get("spec").map_or_else(Draft::map, ValueRef::to_draft);
    fields.iter().for_each(|field| drop(spec.remove(field)));
    spec
}
