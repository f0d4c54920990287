//! The fields that cannot change once set.

use std::collections::BTreeSet;

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::value::{Draft, ValueRef};

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason;

/// Whether the strategy of a kind looks at what may not change after everything else.
pub(super) fn come_last(kind: &ServedKind) -> bool {
    matches!(
        (&*kind.group_kind.group, &*kind.group_kind.kind),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet") | ("batch", "Job")
    )
}

/// Fields that cannot change once set. Rule: the validation of each kind in kube-apiserver 1.36, as recorded.
pub(super) fn check(live: &Resource, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    let before = live.tree();
    let differs = |path: &[&str]| before.dig(path) != after.dig(path);
    let shown = |path: &[&str]| after.dig(path).map_or_else(|| "null".to_owned(), ValueRef::to_json);
    let mut frozen = |path: &[&str]| {
        if differs(path) {
            let text = format!("{}: field is immutable", shown(path));
            faults.push(fault(&path.join("."), CauseReason::Invalid, &text));
        }
    };
    match (live.key().group(), live.key().kind()) {
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") => frozen(&["spec", "selector"]),
        ("batch", "Job") => {
            frozen(&["spec", "selector"]);
            if after.dig(&["spec", "completionMode"]).and_then(ValueRef::as_str) != Some("Indexed") {
                frozen(&["spec", "completions"]);
            }
            frozen(&["spec", "completionMode"]);
            if before.dig(&["spec", "suspend"]).and_then(ValueRef::as_bool) != Some(true) {
                frozen(&["spec", "template"]);
            }
        }
        ("apps", "StatefulSet") => fixed_stateful_set(before, after, faults),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") if differs(&["roleRef"]) => {
            let text = format!("{}: cannot change roleRef", shown(&["roleRef"]));
            faults.push(fault("roleRef", CauseReason::Invalid, &text));
        }
        ("storage.k8s.io", "StorageClass") => {
            frozen(&["parameters"]);
            frozen(&["provisioner"]);
            frozen(&["volumeBindingMode"]);
            if differs(&["reclaimPolicy"]) {
                faults.push(fault("reclaimPolicy", CauseReason::Forbidden, "updates to reclaimPolicy are forbidden."));
            }
        }
        ("apps", "ControllerRevision") => frozen(&["data"]),
        ("", "PersistentVolume") => fixed_volume(before, after, faults),
        ("", "Pod") => fixed_pod(before, after, faults),
        ("networking.k8s.io", "IngressClass") => frozen(&["spec", "controller"]),
        ("node.k8s.io", "RuntimeClass") => frozen(&["handler"]),
        ("discovery.k8s.io", "EndpointSlice") => frozen(&["addressType"]),
        ("scheduling.k8s.io", "PriorityClass") => {
            frozen(&["preemptionPolicy"]);
            if differs(&["value"]) {
                faults.push(fault("value", CauseReason::Forbidden, "may not be changed in an update."));
            }
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            if super::super::crd::is_established(live) {
                frozen(&["spec", "scope"]);
                frozen(&["spec", "names", "kind"]);
            }
            frozen(&["spec", "group"]);
            frozen(&["spec", "names", "plural"]);
        }
        ("", "Secret" | "ConfigMap") => immutable_data(live, before, after, faults),
        ("", "PersistentVolumeClaim") => immutable_claim(before, after, faults),
        ("", "Service") => {
            let address = |object: ValueRef<'_>| object.dig(&["spec", "clusterIP"])?.as_str().map(str::to_owned);
            let outside = after.dig(&["spec", "type"]).and_then(ValueRef::as_str) == Some("ExternalName");
            if address(before).is_some_and(|set| !set.is_empty() && !outside && address(after).as_ref() != Some(&set)) {
                let text = format!("[\"{}\"]: may not change once set", address(after).unwrap_or_default());
                faults.push(fault("spec.clusterIPs[0]", CauseReason::Invalid, &text));
            }
        }
        _ => {}
    }
}

fn fixed_stateful_set(before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    const FREE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object: ValueRef<'_>| {
        let mut spec = object.get("spec").map_or_else(Draft::map, ValueRef::to_draft);
        FREE.iter().for_each(|field| drop(spec.remove(field)));
        spec
    };
    if fixed(before) != fixed(after) {
        faults.push(fault(
            "spec",
            CauseReason::Forbidden,
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
             'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
             'minReadySeconds' are forbidden",
        ));
    }
}

/// A volume keeps where its bytes are; what else is in its spec may change. Rule: `ValidatePersistentVolumeUpdate`.
fn fixed_volume(before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    const CHANGEABLE: [&str; 9] = [
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
    let source = |object: ValueRef<'_>| {
        let mut spec = object.get("spec").map_or_else(Draft::map, ValueRef::to_draft);
        CHANGEABLE.iter().for_each(|field| drop(spec.remove(field)));
        spec
    };
    if source(before) != source(after) {
        let why = "spec.persistentvolumesource is immutable after creation";
        faults.push(fault("spec.persistentvolumesource", CauseReason::Forbidden, why));
    }
}

/// A Pod keeps its spec, but for a few fields. Rule: `ValidatePodUpdate`.
fn fixed_pod(before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    fn tolerations(object: ValueRef<'_>) -> BTreeSet<ValueRef<'_>> {
        let list = object.dig(&["spec", "tolerations"]).and_then(ValueRef::as_list);
        list.into_iter().flatten().collect()
    }
    for (list, name) in [("containers", "containers"), ("initContainers", "init containers")] {
        let count = |object: ValueRef<'_>| object.dig(&["spec", list])?.as_list().map(|containers| containers.len());
        if count(before).unwrap_or(0) != count(after).unwrap_or(0) {
            let why = format!("pod updates may not add or remove {name}");
            return faults.push(fault(&format!("spec.{list}"), CauseReason::Forbidden, &why));
        }
    }
    let fixed = |object: ValueRef<'_>| {
        let mut spec = object.get("spec").map_or_else(Draft::map, ValueRef::to_draft);
        // Less than no time may become one second.
        if spec.get("terminationGracePeriodSeconds").and_then(Draft::as_i64).is_some_and(|seconds| seconds < 0) {
            spec.set("terminationGracePeriodSeconds", 1);
        }
        for list in ["containers", "initContainers"] {
            let containers = spec.get_mut(list).and_then(Draft::as_list_mut).into_iter().flatten();
            containers.for_each(|container| drop(container.remove("image")));
        }
        for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
            drop(spec.remove(field));
        }
        spec
    };
    if fixed(before) != fixed(after) || !tolerations(before).is_subset(&tolerations(after)) {
        faults.push(fault(
            "spec",
            CauseReason::Forbidden,
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
             `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
             `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
}

fn immutable_data(live: &Resource, before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    const WHY: &str = "field is immutable when `immutable` is set";
    let kind = |object: ValueRef<'_>| object.get("type").and_then(ValueRef::as_str).unwrap_or("Opaque").to_owned();
    if live.key().kind() == "Secret" && kind(before) != kind(after) {
        let text = format!("\"{}\": field is immutable", kind(after));
        faults.push(fault("type", CauseReason::Invalid, &text));
    }
    if before.get("immutable").and_then(ValueRef::as_bool) != Some(true) {
        return;
    }
    if after.get("immutable").and_then(ValueRef::as_bool) != Some(true) {
        faults.push(fault("immutable", CauseReason::Forbidden, WHY));
    }
    for field in ["data", "binaryData"] {
        if before.get(field) != after.get(field) {
            faults.push(fault(field, CauseReason::Forbidden, WHY));
        }
    }
}

/// Only a bound claim can be resized. Rule: `ValidatePersistentVolumeClaimUpdate`.
fn immutable_claim(before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    let bound = before.dig(&["status", "phase"]).and_then(ValueRef::as_str) == Some("Bound");
    let fixed = |object: ValueRef<'_>| {
        let mut spec = object.get("spec").map_or_else(Draft::map, ValueRef::to_draft);
        if bound {
            drop(spec.entry("resources").remove("requests"));
        }
        ["volumeAttributesClassName", "volumeName"].iter().for_each(|field| drop(spec.remove(field)));
        spec
    };
    if fixed(before) != fixed(after) {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        faults.push(fault("spec", CauseReason::Forbidden, why));
    }
}
