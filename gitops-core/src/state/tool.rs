//! Other tools that apply objects, known by what they leave on them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::Resource;
use crate::value::ValueRef;

use super::Tracking;

pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const HELM_RELEASE: &str = "meta.helm.sh/release-name";
const HELM_NAMESPACE: &str = "meta.helm.sh/release-namespace";
const KUSTOMIZATION: &str = "kustomize.toolkit.fluxcd.io/name";
const KUSTOMIZATION_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
const HELM_OF_FLUX: &str = "helm.toolkit.fluxcd.io/name";
const HELM_OF_FLUX_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";

/// The longest name of a holder that is told.
const LONGEST: usize = 100;

/// A tool that applies objects, and that is not this one.
///
/// ```
/// use gitops_core::resource::Resource;
/// use gitops_core::state::Tool;
/// use gitops_core::value::Value;
///
/// let json = br#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop",
///     "labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}}"#;
/// let live = Resource::new(Value::from_json(json)?)?;
/// assert_eq!(Tool::holding(&live), Some(Tool::Flux));
/// assert_eq!(Tool::Flux.holder(&live), "Flux Kustomization `flux-system/apps`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Tool {
    /// Argo CD: its tracking annotation, or its field manager.
    ArgoCd,
    /// Flux: the labels of its Kustomizations and HelmReleases, or the field managers of their controllers.
    Flux,
    /// Helm: the annotations that name its release, or its field manager.
    Helm,
    /// `kubectl apply`: its annotation, or its field managers.
    Kubectl,
}

impl Tool {
    /// All of them. Where several had their hands on an object, the first is the one that holds it: Flux installs by Helm,
    /// and Argo CD writes the annotation of `kubectl apply`.
    pub const ALL: [Self; 4] = [Self::ArgoCd, Self::Flux, Self::Helm, Self::Kubectl];

    /// Returns the tool that holds an object, by what it left on it; `None` if nothing says that any does.
    #[must_use]
    pub fn holding(live: &Resource) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.is_marked(live) || tool.has_written(live))
    }

    /// Returns who of this tool holds an object, as people say it.
    #[must_use]
    pub fn holder(self, live: &Resource) -> String {
        // Annotations may hold anything.
        let plain = |text: &str| text.chars().filter(|char| !char.is_control()).take(LONGEST).collect::<String>();
        let named = |kind: &str, namespace: Option<&str>, name: &str| match namespace {
            Some(namespace) => format!("{kind} `{}/{}`", plain(namespace), plain(name)),
            None => format!("{kind} `{}`", plain(name)),
        };
        let release = live.annotation(HELM_RELEASE);
        let kustomization = live.label(KUSTOMIZATION);
        let of_flux = live.label(HELM_OF_FLUX);
        let id = Tracking::argo(live);
        match (self, id, kustomization, of_flux, release) {
            (Self::ArgoCd, Some(id), ..) => named("Argo CD application", None, &id.app),
            (Self::Flux, _, Some(name), ..) => named("Flux Kustomization", live.label(KUSTOMIZATION_NAMESPACE), name),
            (Self::Flux, _, None, Some(name), _) => named("Flux HelmRelease", live.label(HELM_OF_FLUX_NAMESPACE), name),
            (Self::Helm, .., Some(name)) => named("Helm release", live.annotation(HELM_NAMESPACE), name),
            _ => self.to_string(),
        }
    }

    /// Returns the field managers under which it writes.
    ///
    /// Rules: Argo CD's `ArgoCDSSAManager`; Flux's `kustomize-controller` and `helm-controller`; Helm's
    /// `ManagedFieldsManager`, which is the name of the program; kubectl's `csaupgrade` and `apply --server-side`.
    #[must_use]
    pub fn managers(self) -> &'static [&'static str] {
        match self {
            Self::ArgoCd => &["argocd-controller", "argocd-application-controller"],
            Self::Flux => &["kustomize-controller", "helm-controller"],
            Self::Helm => &["helm"],
            Self::Kubectl => &["kubectl", "kubectl-client-side-apply"],
        }
    }

    /// Returns what this tool may still do to objects that were taken from it, and what to do about it.
    #[must_use]
    pub fn caution(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::ArgoCd => Some((
                "takes it back as long as it declares it and syncs by itself",
                "drop it there, or delete that application without its resources",
            )),
            Self::Flux => Some((
                "takes it back as long as it declares it",
                "suspend it, drop it there, and see to it that it is not pruned or uninstalled",
            )),
            // Rule: Helm deletes what the manifest of the release names, whatever the objects say.
            Self::Helm => Some((
                "still names it, so that `helm uninstall` deletes it",
                "delete the Secrets of the release (`sh.helm.release.v1.NAME.*`) instead",
            )),
            Self::Kubectl => None,
        }
    }

    fn is_marked(self, live: &Resource) -> bool {
        match self {
            Self::ArgoCd => Tracking::argo(live).is_some_and(|id| id.key == *live.key()),
            Self::Flux => live.label(KUSTOMIZATION).or(live.label(HELM_OF_FLUX)).is_some(),
            Self::Helm => live.annotation(HELM_RELEASE).is_some(),
            Self::Kubectl => live.annotation(LAST_APPLIED).is_some(),
        }
    }

    fn has_written(self, live: &Resource) -> bool {
        let entries = live.tree().dig(&["metadata", "managedFields"]).and_then(ValueRef::as_list);
        let by = |entry: ValueRef<'_>| {
            let manager = entry.get("manager").and_then(ValueRef::as_str);
            entry.get("subresource").is_none() && manager.is_some_and(|manager| self.managers().contains(&manager))
        };
        entries.into_iter().flatten().any(by)
    }
}

/// Where tools write what says that an object is theirs: the map of the metadata, and the name. What a chart or a
/// kustomization declares itself, as `app.kubernetes.io/managed-by`, is none of it.
pub(crate) const MARKS_OF_TOOLS: [(&str, &str); 9] = [
    ("annotations", super::owner::ARGO_TRACKING_ANNOTATION),
    ("annotations", super::ARGO_INSTALLATION_ANNOTATION),
    ("annotations", HELM_RELEASE),
    ("annotations", HELM_NAMESPACE),
    ("annotations", LAST_APPLIED),
    ("labels", KUSTOMIZATION),
    ("labels", KUSTOMIZATION_NAMESPACE),
    ("labels", HELM_OF_FLUX),
    ("labels", HELM_OF_FLUX_NAMESPACE),
];

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgoCd => "Argo CD",
            Self::Flux => "Flux",
            Self::Helm => "Helm",
            Self::Kubectl => "kubectl",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn object(metadata: &str) -> Resource {
        let text = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web","namespace":"shop",{metadata}}}}}"#
        );
        Resource::new(Value::from_json(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn of_several_tools_the_outermost_holds_an_object() {
        let flux = r#""helm.toolkit.fluxcd.io/name":"web","helm.toolkit.fluxcd.io/namespace":"apps""#;
        let helm = r#""meta.helm.sh/release-name":"web","meta.helm.sh/release-namespace":"shop""#;
        let kubectl = r#""kubectl.kubernetes.io/last-applied-configuration":"{}""#;
        let argo = r#""argocd.argoproj.io/tracking-id":"old:/ConfigMap:shop/web""#;
        let copied = r#""argocd.argoproj.io/tracking-id":"old:/ConfigMap:shop/other""#;
        for (labels, annotations, expected) in [
            (flux, helm, Some("Flux HelmRelease `apps/web`")),
            ("", helm, Some("Helm release `shop/web`")),
            ("", kubectl, Some("kubectl")),
            ("", &*format!("{argo},{kubectl}"), Some("Argo CD application `old`")),
            ("", copied, None),
            ("", "", None),
        ] {
            let live = object(&format!(r#""labels":{{{labels}}},"annotations":{{{annotations}}}"#));
            let holder = Tool::holding(&live).map(|tool| tool.holder(&live));
            assert_eq!(holder.as_deref(), expected, "{labels} {annotations}");
        }
    }

    #[test]
    fn a_field_manager_is_enough_but_not_that_of_a_status() {
        let entry = |subresource: &str| {
            object(&format!(
                r#""managedFields":[{{"manager":"argocd-controller","operation":"Apply","apiVersion":"v1"{subresource}}}]"#
            ))
        };
        assert_eq!(Tool::holding(&entry("")), Some(Tool::ArgoCd));
        assert_eq!(Tool::holding(&entry(r#","subresource":"status""#)), None);
    }
}
