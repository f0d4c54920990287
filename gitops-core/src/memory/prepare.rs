//! What the server does to an object between reading it and storing it, by kind.

use crate::cluster::Mode;
use crate::model::{ApiModel, KindFacts, ServedKind, encode_string_data};
use crate::resource::Resource;
use crate::value::{Draft, ValueRef};

use super::defaults;
use super::response::Status;
use super::server::{ApiServer, Context};

/// Holds a claim while a Pod may use it.
pub(super) const CLAIM: &str = "kubernetes.io/pvc-protection";
/// Holds a volume while a claim may use it.
pub(super) const VOLUME: &str = "kubernetes.io/pv-protection";

/// What the server sets, and a client cannot change.
const IDENTITY: [&str; 7] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Counts the templates a DaemonSet had; a field of its own long ago.
pub(super) const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Built-in kinds that count generations, as recorded from kube-apiserver 1.36. Custom resources all do.
const COUNTED: [(&str, &str); 25] = [
    ("", "Pod"),
    ("", "PodTemplate"),
    ("", "ReplicationController"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "ResourceSlice"),
    ("scheduling.k8s.io", "PriorityClass"),
];

/// The object as the server understands it: what it derives while reading, before anybody owns anything.
pub(super) fn decoded(context: &Context<'_>, version: &str, draft: &mut Draft) {
    let kind = context.kind;
    let schema = context.model.schema(&kind.group_kind, version);
    if is_custom(kind) {
        if let Some(schema) = super::crd::pruning_schema(context.model.definition(&kind.group_kind), version) {
            defaults::prune_custom(schema, draft);
        }
        schema.fill_defaults(draft);
        defaults::prune_nulls(schema, draft, 0);
        return;
    }
    // What the Go type does not have is lost while reading.
    defaults::prune(schema, draft, 0);
    *draft = schema.held(draft.freeze().root()).root().to_draft();
    let (group, name) = (&*kind.group_kind.group, &*kind.group_kind.kind);
    if (group, name) == ("", "Secret") {
        encode_string_data(draft);
    }
    defaults::builtin(group, name, draft);
    schema.fill_defaults(draft);
    if (group, name) == ("apps", "DaemonSet") {
        let annotations = draft.entry("metadata").entry("annotations");
        if annotations.get(TEMPLATE_GENERATION).is_none() {
            annotations.set(TEMPLATE_GENERATION, "0");
        }
    }
}

/// An empty list of managed fields asks for none; custom resources take it for that of a client that knows none.
pub(super) fn reset_ownership(kind: &ServedKind, draft: &mut Draft) {
    let metadata = draft.entry("metadata");
    let empty = matches!(metadata.get("managedFields"), Some(Draft::List(items)) if items.is_empty());
    if empty && !is_custom(kind) {
        metadata.set("managedFields", vec![Draft::map()]);
    }
}

/// Puts back what a client cannot change.
pub(super) fn keep_identity(live: &Resource, draft: &mut Draft) {
    let before = live.tree().get("metadata");
    let metadata = draft.entry("metadata");
    for field in IDENTITY {
        match before.and_then(|before| before.get(field)) {
            Some(value) => metadata.set(field, value),
            None => drop(metadata.remove(field)),
        }
    }
}

/// Through the main resource status stays; through `status` everything else does.
pub(super) fn keep_others_part(context: &Context<'_>, live: &Resource, draft: &mut Draft) {
    let put_back = |draft: &mut Draft, field: &str| match live.tree().get(field) {
        Some(value) => draft.set(field, value),
        None => drop(draft.remove(field)),
    };
    if context.endpoint.subresource.as_deref() != Some("status") {
        if context.kind.has_status_subresource {
            put_back(draft, "status");
            super::autoscalers::keep_annotated_status(context, Some(live), draft);
        }
        return;
    }
    // Custom resources take nothing but the status; of built-in kinds only the wish stays, and the labels of Deployments.
    if !is_custom(context.kind) {
        let metadata = draft.entry("metadata").clone();
        put_back(draft, "spec");
        draft.set("metadata", metadata);
        if live.key().is("apps", "Deployment") {
            match live.tree().dig(&["metadata", "labels"]) {
                Some(labels) => draft.entry("metadata").set("labels", labels),
                None => drop(draft.entry("metadata").remove("labels")),
            }
        }
        return;
    }
    let status = draft.remove("status");
    let managed = draft.entry("metadata").remove("managedFields");
    *draft = live.tree().to_draft();
    match status {
        Some(status) => draft.set("status", status),
        None => drop(draft.remove("status")),
    }
    let metadata = draft.entry("metadata");
    match managed {
        Some(managed) => metadata.set("managedFields", managed),
        None => drop(metadata.remove("managedFields")),
    }
}

/// Completes an update by what its kind keeps.
pub(super) fn changed(kind: &ServedKind, live: &Resource, draft: &mut Draft) {
    let mut keep = |path: [&str; 2]| {
        if let Some(value) = live.tree().dig(&path) {
            let [outer, inner] = path;
            if draft.get(outer).and_then(|outer| outer.get(inner)).is_none() {
                draft.entry(outer).set(inner, value);
            }
        }
    };
    match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("", "PersistentVolumeClaim") => keep(["spec", "volumeName"]),
        ("apps", "DaemonSet") => count_template(live, draft),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => super::crd::prepare_changed(draft),
        ("", "Namespace") => {
            // Only `finalize` changes them.
            if let Some(value) = live.tree().dig(&["spec", "finalizers"]) {
                draft.entry("spec").set("finalizers", value);
            }
        }
        _ => {}
    }
}

fn count_template(live: &Resource, draft: &mut Draft) {
    let template = draft.get("spec").and_then(|spec| spec.get("template"));
    let same = template.cloned() == live.tree().dig(&["spec", "template"]).map(Draft::from);
    let before = live.annotation(TEMPLATE_GENERATION).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let count = before.saturating_add(u64::from(!same));
    draft.entry("metadata").entry("annotations").set(TEMPLATE_GENERATION, count.to_string());
}

/// Counts a change of what is wanted. Rule: API conventions, "Metadata": `generation`.
///
/// `held` is the object before it was encoded: a few kinds are compared as Go structs, where an empty list is not none.
pub(super) fn count_generation(context: &Context<'_>, live: &Resource, held: &Draft, stored: &mut Draft) {
    let kind = context.kind;
    let Some(generation) = live.tree().dig(&["metadata", "generation"]).and_then(ValueRef::as_i64) else { return };
    if !counts(kind) || context.endpoint.subresource.as_deref() == Some("status") {
        return;
    }
    let name = &*kind.group_kind.kind;
    let annotations_count = &*kind.group_kind.group == "apps" && matches!(name, "Deployment" | "ReplicaSet");
    let mut wanted = if is_compared_as_struct(kind) { held.clone() } else { stored.clone() };
    let mut before = live.tree().to_draft();
    for draft in [&mut wanted, &mut before] {
        let metadata = draft.remove("metadata");
        drop(draft.remove("apiVersion"));
        if kind.has_status_subresource {
            drop(draft.remove("status"));
        }
        if let (true, Some(Draft::Map(mut metadata))) = (annotations_count, metadata) {
            draft.set("annotations", metadata.remove("annotations").unwrap_or_default());
        }
    }
    if wanted != before {
        stored.entry("metadata").set("generation", generation + 1);
    }
}

/// Whether the server stores less of a new object than it shows: it fills in the labels of a Job when it reads it.
///
/// Rule: `SetDefaults_Job` takes them from the Pod template, which has none yet when a Job is created.
pub(super) fn is_completed_by_reading(kind: &ServedKind, draft: &Draft) -> bool {
    let labels = draft.get("metadata").and_then(|metadata| metadata.get("labels"));
    (&*kind.group_kind.group, &*kind.group_kind.kind) == ("batch", "Job") && labels.is_none()
}

/// Whether the server tells an empty list from none where it looks for changes of this kind.
pub(super) fn is_compared_as_struct(kind: &ServedKind) -> bool {
    matches!(
        (&*kind.group_kind.group, &*kind.group_kind.kind),
        ("networking.k8s.io", "NetworkPolicy")
            | ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration")
    )
}

fn counts(kind: &ServedKind) -> bool {
    let pair = (&*kind.group_kind.group, &*kind.group_kind.kind);
    COUNTED.contains(&pair) || is_custom(kind)
}

/// Whether a PUT may leave out the version it replaces. Rule: `AllowUnconditionalUpdate` of each kind's strategy.
pub(super) fn takes_unconditional_updates(kind: &ServedKind) -> bool {
    let versioned = matches!(
        (&*kind.group_kind.group, &*kind.group_kind.kind),
        ("policy", "PodDisruptionBudget")
            | ("apiregistration.k8s.io" | "coordination.k8s.io", _)
            | ("storage.k8s.io", "CSIDriver" | "CSINode" | "VolumeAttachment")
            | ("node.k8s.io", "RuntimeClass")
    );
    !versioned && !is_custom(kind)
}

/// Whether a CRD made this kind.
pub(super) fn is_custom(kind: &ServedKind) -> bool {
    !matches!(ApiModel::builtin().kind(&kind.group_kind), KindFacts::Served(_))
}

/// Whether an object is marked for deletion and nothing holds it any more.
pub(super) fn may_go(object: &Resource) -> bool {
    let empty = |path: &[&str]| object.tree().dig(path).and_then(ValueRef::as_list).is_none_or(|list| list.is_empty());
    let namespace = object.key().is("", "Namespace");
    // A Pod goes when its node says that it has ended: it then deletes it without grace.
    let grace = object.tree().dig(&["metadata", "deletionGracePeriodSeconds"]).and_then(ValueRef::as_i64);
    let ended = grace.is_none_or(|seconds| seconds == 0);
    object.is_terminating()
        && ended
        && empty(&["metadata", "finalizers"])
        && (!namespace || empty(&["spec", "finalizers"]))
}

impl ApiServer {
    /// Completes a new object by what only the server knows.
    pub(super) fn prepare_new(&mut self, kind: &ServedKind, mode: Mode, draft: &mut Draft) -> Result<(), Status> {
        if kind.has_status_subresource {
            drop(draft.remove("status"));
        }
        if counts(kind) {
            draft.entry("metadata").set("generation", 1);
        }
        match (&*kind.group_kind.group, &*kind.group_kind.kind) {
            ("", "Namespace") => {
                draft.entry("spec").set("finalizers", vec!["kubernetes".into()]);
                draft.entry("status").set("phase", "Active");
            }
            ("", "Service") => self.allocate(mode, None, draft)?,
            ("apps", "DaemonSet") => draft.entry("metadata").entry("annotations").set(TEMPLATE_GENERATION, "1"),
            ("", "Pod") => admit_pod(draft),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => super::crd::prepare_new(draft),
            ("", "PersistentVolumeClaim") => {
                draft.entry("status").set("phase", "Pending");
                protect(draft, CLAIM);
            }
            ("", "PersistentVolume") => {
                let since = draft.entry("metadata").get("creationTimestamp").cloned().unwrap_or_default();
                let status = draft.entry("status");
                status.set("phase", "Pending");
                status.set("lastPhaseTransitionTime", since);
                protect(draft, VOLUME);
            }
            ("batch", "Job") => name_job(draft),
            _ => {}
        }
        Ok(())
    }
}

/// Holds an object while something uses it. Rule: the admission plugin StorageObjectInUseProtection.
fn protect(draft: &mut Draft, finalizer: &str) {
    let names = draft.entry("metadata").entry("finalizers");
    if names.as_list_mut().is_none() {
        *names = Draft::list();
    }
    let Some(names) = names.as_list_mut() else { return };
    if !names.iter().any(|name| name.as_str() == Some(finalizer)) {
        names.push(finalizer.into());
    }
}

/// What the admission plugins of every cluster add to a Pod: Priority and DefaultTolerationSeconds.
fn admit_pod(draft: &mut Draft) {
    let spec = draft.entry("spec");
    if spec.get("priority").is_none() {
        spec.set("priority", 0);
    }
    if spec.get("preemptionPolicy").is_none() {
        spec.set("preemptionPolicy", "PreemptLowerPriority");
    }
    let tolerations = spec.entry("tolerations");
    if tolerations.as_list_mut().is_none() {
        *tolerations = Draft::list();
    }
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let Some(list) = tolerations.as_list_mut() else { return };
        let covers = |old: &Draft| {
            let text = |field: &str| old.get(field).and_then(Draft::as_str).unwrap_or_default();
            matches!(text("key"), "" | "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
                && (text("key") == key || text("key").is_empty())
                && matches!(text("effect"), "" | "NoExecute")
        };
        if !list.iter().any(covers) {
            let mut toleration = Draft::map();
            toleration.set("key", key);
            toleration.set("operator", "Exists");
            toleration.set("effect", "NoExecute");
            toleration.set("tolerationSeconds", 300);
            list.push(toleration);
        }
    }
    draft.entry("status").set("phase", "Pending");
    let quality = quality_of_service(draft);
    draft.entry("status").set("qosClass", quality);
}

/// Rule: Kubernetes, "Pod Quality of Service Classes".
fn quality_of_service(draft: &Draft) -> &'static str {
    let containers = match draft.get("spec").and_then(|spec| spec.get("containers")) {
        Some(Draft::List(containers)) => containers.as_slice(),
        _ => &[],
    };
    let amount = |container: &Draft, of: &str, what: &str| container.get("resources")?.get(of)?.get(what).cloned();
    let pairs = || containers.iter().flat_map(|container| ["cpu", "memory"].map(|what| (container, what)));
    if pairs().all(|(container, what)| {
        amount(container, "requests", what).is_none() && amount(container, "limits", what).is_none()
    }) {
        return "BestEffort";
    }
    let guaranteed = |(container, what): (&Draft, &str)| {
        let limit = amount(container, "limits", what);
        limit.is_some() && limit == amount(container, "requests", what)
    };
    if pairs().all(guaranteed) { "Guaranteed" } else { "Burstable" }
}

/// A Job without a selector of its own is told apart by its uid.
fn name_job(draft: &mut Draft) {
    let metadata = draft.entry("metadata");
    let text = |field: &str| metadata.get(field).and_then(Draft::as_str).unwrap_or_default().to_owned();
    let (uid, name) = (text("uid"), text("name"));
    let spec = draft.entry("spec");
    if spec.get("manualSelector") == Some(&Draft::Bool(true)) {
        return;
    }
    spec.entry("selector").entry("matchLabels").set("batch.kubernetes.io/controller-uid", &*uid);
    let labels = spec.entry("template").entry("metadata").entry("labels");
    for prefix in ["batch.kubernetes.io/", ""] {
        labels.set(&format!("{prefix}controller-uid"), &*uid);
        labels.set(&format!("{prefix}job-name"), &*name);
    }
    let labels = labels.clone();
    let metadata = draft.entry("metadata");
    if metadata.get("labels").is_none() {
        metadata.set("labels", labels);
    }
}
