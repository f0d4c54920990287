//! Kinds and objects as people name them: `deploy/web`, `pods`, `ingresses.networking.k8s.io`.

use std::collections::BTreeSet;
use std::sync::Arc;

use gitops_core::memory::ApiServer;
use gitops_core::model::ApiModel;
use gitops_core::problem::nearest;
use gitops_core::resource::{GroupKind, Resource};

/// The short names of the built-in kinds. Rule: `kubectl api-resources`, Kubernetes 1.36.
const SHORT: [(&str, &str); 26] = [
    ("cm", "ConfigMap"),
    ("crd", "CustomResourceDefinition"),
    ("crds", "CustomResourceDefinition"),
    ("cj", "CronJob"),
    ("deploy", "Deployment"),
    ("ds", "DaemonSet"),
    ("ep", "Endpoints"),
    ("ev", "Event"),
    ("hpa", "HorizontalPodAutoscaler"),
    ("ing", "Ingress"),
    ("limits", "LimitRange"),
    ("netpol", "NetworkPolicy"),
    ("no", "Node"),
    ("ns", "Namespace"),
    ("pc", "PriorityClass"),
    ("pdb", "PodDisruptionBudget"),
    ("po", "Pod"),
    ("pv", "PersistentVolume"),
    ("pvc", "PersistentVolumeClaim"),
    ("quota", "ResourceQuota"),
    ("rc", "ReplicationController"),
    ("rs", "ReplicaSet"),
    ("sa", "ServiceAccount"),
    ("sc", "StorageClass"),
    ("sts", "StatefulSet"),
    ("svc", "Service"),
];

/// Finds the kind that `text` names: by kind, plural or short name, in any case, with the group after a dot.
///
/// A name that several groups use means the core group, as with kubectl; without one there, all must be told apart.
pub(crate) fn kind(text: &str, model: &ApiModel) -> Result<GroupKind, String> {
    let (name, group) = text.split_once('.').map_or((text, None), |(name, group)| (name, Some(group)));
    let name = name.to_ascii_lowercase();
    let short = SHORT.iter().find(|(short, _)| *short == name).map(|(_, kind)| kind.to_ascii_lowercase());
    let name = short.unwrap_or(name);
    let named: BTreeSet<&Arc<GroupKind>> = model
        .kinds()
        .filter(|kind| kind.group_kind.kind.eq_ignore_ascii_case(&name) || kind.plural.eq_ignore_ascii_case(&name))
        .filter(|kind| group.is_none_or(|group| kind.group_kind.group.eq_ignore_ascii_case(group)))
        .map(|kind| &kind.group_kind)
        .collect();
    // The core group sorts first.
    let mut found = named.iter();
    match (found.next(), found.next()) {
        (Some(kind), None) => Ok(GroupKind::clone(kind)),
        (Some(kind), Some(_)) if kind.group.is_empty() => Ok(GroupKind::clone(kind)),
        (Some(_), Some(_)) => {
            let all: Vec<String> = named.iter().map(|kind| format!("`{name}.{}`", kind.group)).collect();
            Err(format!("`{text}` is ambiguous: it could be {}; give the group as well", all.join(" or ")))
        }
        (None, _) => {
            let kinds = model.kinds().flat_map(|kind| [&*kind.group_kind.kind, &*kind.plural]);
            let known: BTreeSet<String> = kinds.chain(SHORT.map(|(short, _)| short)).map(str::to_lowercase).collect();
            let hint = match &*nearest(&name, known.iter().map(String::as_str)) {
                [] => "use a kind such as `deployment`, `pods` or `svc`, or sync the CRD that defines it".to_owned(),
                near => format!("did you mean `{}`?", near.join("` or `")),
            };
            Err(format!("the cluster serves no kind `{text}`; {hint}"))
        }
    }
}

/// Finds the one object that `KIND[.GROUP]/NAME` names.
pub(crate) fn object(text: &str, namespace: Option<&str>, server: &ApiServer) -> Result<Resource, String> {
    let named = text.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty());
    let Some((kind_text, name)) = named else {
        return Err(format!("`{text}` names no object; write it as `KIND/NAME`, such as `deploy/web`"));
    };
    let kind = kind(kind_text, server.model())?;
    let of_kind = server.of_kind(&kind);
    let named: Vec<&Resource> = of_kind.iter().copied().filter(|object| &*object.key().name == name).collect();
    let within = |object: &&&Resource| namespace.is_none_or(|wanted| object.key().namespace.as_deref() == Some(wanted));
    // Objects of the whole cluster lie in no namespace, whatever was asked for.
    let found: Vec<&&Resource> =
        named.iter().filter(|object| object.key().namespace.is_none() || within(object)).collect();
    match &*found {
        [object] => Ok(Resource::clone(object)),
        [] => {
            let place = namespace.map(|namespace| format!(" in namespace `{namespace}`")).unwrap_or_default();
            let hint = format!("`gitops cluster get {kind_text}` lists what there is");
            Err(format!("there is no {} `{name}`{place}; {hint}", kind.kind))
        }
        several => {
            let namespaces: Vec<String> = several
                .iter()
                .filter_map(|object| object.key().namespace.as_ref())
                .map(|namespace| format!("`{namespace}`"))
                .collect();
            let all = namespaces.join(", ");
            Err(format!("there is a {} `{name}` in each of the namespaces {all}; choose one with `-n`", kind.kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_kind_plural_and_short_name_in_any_case() {
        let model = ApiModel::builtin();
        for (text, expected) in [
            ("deploy", "apps/Deployment"),
            ("Deployments", "apps/Deployment"),
            ("deployment.apps", "apps/Deployment"),
            ("SVC", "Service"),
            ("ing.networking.k8s.io", "networking.k8s.io/Ingress"),
            ("ev", "Event"),
        ] {
            assert_eq!(kind(text, &model).map(|kind| kind.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for text in ["deploi", "deployment.batch", "", "."] {
            assert!(kind(text, &model).is_err_and(|error| error.contains("serves no kind")), "{text}");
        }
    }
}
