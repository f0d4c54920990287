//! The order of kinds, and the objects of each kind.

use std::ops::Range;

use crate::resource::GroupKind;

use super::depend::Subject;

/// Rule: Argo CD's order of kinds, with the group in the key. Kinds that are not listed come before the last three, which
/// the API server calls into workloads for: rule 35 of the exact rules.
const KINDS: [(&str, &str); 34] = [
    ("", "Namespace"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("policy", "PodSecurityPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("", "ServiceAccount"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("storage.k8s.io", "StorageClass"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("apps", "ReplicaSet"),
    ("apps", "Deployment"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "Ingress"),
    ("apiregistration.k8s.io", "APIService"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
];
/// How many of them come before those that are not listed.
const UNLISTED: usize = 31;

/// Returns the place of a kind in the order of kinds.
pub(super) fn rank(kind: &GroupKind) -> usize {
    let listed = KINDS.iter().position(|listed| *listed == (&*kind.group, &*kind.kind));
    listed.map_or(UNLISTED, |at| if at < UNLISTED { at } else { at.saturating_add(1) })
}

/// Whether a kind is one that the order of kinds does not list, or that the API server calls into workloads for.
pub(super) fn is_deleted_early(kind: &GroupKind) -> bool {
    rank(kind) >= UNLISTED
}

/// The objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct OfKind<'a> {
    pub(super) kind: &'a GroupKind,
    pub(super) range: Range<usize>,
}

/// Returns the objects by kind. They are sorted by key, so those of a kind stand beside each other, and what depends on
/// the kind alone is found without a look at each.
pub(super) fn by_kind<S: Subject>(subjects: &[S]) -> Vec<OfKind<'_>> {
    let (mut found, mut start) = (Vec::new(), 0);
    while let Some(rest @ [first, ..]) = subjects.get(start..) {
        let kind = &first.key().group_kind;
        let end = start.saturating_add(rest.partition_point(|subject| subject.key().group_kind == *kind).max(1));
        found.push(OfKind { kind, range: start..end });
        start = end;
    }
    found
}
