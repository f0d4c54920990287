//! The names of a kind beside its plural: singular, short names, and the categories it is in.

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::value::ValueRef;

/// The short names of the built-in kinds. Rule: discovery of Kubernetes 1.36, as recorded.
const SHORT: [(&str, &[&str]); 29] = [
    ("CertificateSigningRequest", &["csr"]),
    ("ComponentStatus", &["cs"]),
    ("ConfigMap", &["cm"]),
    ("CronJob", &["cj"]),
    ("CustomResourceDefinition", &["crd", "crds"]),
    ("DaemonSet", &["ds"]),
    ("Deployment", &["deploy"]),
    ("Endpoints", &["ep"]),
    ("Event", &["ev"]),
    ("HorizontalPodAutoscaler", &["hpa"]),
    ("IPAddress", &["ip"]),
    ("Ingress", &["ing"]),
    ("LimitRange", &["limits"]),
    ("Namespace", &["ns"]),
    ("NetworkPolicy", &["netpol"]),
    ("Node", &["no"]),
    ("PersistentVolume", &["pv"]),
    ("PersistentVolumeClaim", &["pvc"]),
    ("Pod", &["po"]),
    ("PodDisruptionBudget", &["pdb"]),
    ("PriorityClass", &["pc"]),
    ("ReplicaSet", &["rs"]),
    ("ReplicationController", &["rc"]),
    ("ResourceQuota", &["quota"]),
    ("Service", &["svc"]),
    ("ServiceAccount", &["sa"]),
    ("StatefulSet", &["sts"]),
    ("StorageClass", &["sc"]),
    ("VolumeAttributesClass", &["vac"]),
];

/// What `kubectl get all` means.
const ALL: [&str; 10] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "Pod",
    "ReplicaSet",
    "ReplicationController",
    "Service",
    "StatefulSet",
];

/// What extends the API itself.
const EXTENSIONS: [&str; 3] = ["apiregistration.k8s.io", "apiextensions.k8s.io", "admissionregistration.k8s.io"];

/// The names of a kind beside its plural.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) singular: String,
    pub(super) short: Vec<String>,
    pub(super) categories: Vec<String>,
}

impl Names {
    /// Names a kind; a custom one as its CRD says.
    pub(super) fn of(kind: &ServedKind, crd: Option<&Resource>) -> Self {
        let name = &*kind.group_kind.kind;
        let singular = name.to_ascii_lowercase();
        if let Some(crd) = crd {
            let named = |field: &str| {
                let accepted = crd.tree().dig(&["status", "acceptedNames", field]);
                accepted.or_else(|| crd.tree().dig(&["spec", "names", field]))
            };
            let texts = |field: &str| {
                let texts = named(field).and_then(ValueRef::as_list).into_iter().flatten();
                texts.filter_map(ValueRef::as_str).map(str::to_owned).collect()
            };
            let given = named("singular").and_then(ValueRef::as_str).filter(|name| !name.is_empty());
            let singular = given.map_or(singular, str::to_owned);
            return Self { singular, short: texts("shortNames"), categories: texts("categories") };
        }
        let short = SHORT.iter().find(|(kind, _)| *kind == name).map_or(&[][..], |(_, short)| short);
        let category = match &*kind.group_kind.group {
            group if EXTENSIONS.contains(&group) => Some("api-extensions"),
            _ => ALL.contains(&name).then_some("all"),
        };
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self { singular, short: owned(short), categories: owned(category.as_slice()) }
    }
}
