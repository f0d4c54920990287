//! The applications and projects that a cluster holds as resources, and what is wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::app::{self, Catalog, Documents};
use gitops_core::problem::{Problem, Severity};
use gitops_core::resource::{GroupKind, Propagation, Resource, ResourceKey};
use gitops_core::time::Timestamp;
use gitops_core::value::{Draft, Hasher, Purpose, ValueRef};

use super::{ArgoCd, GROUP};

/// The finalizer that keeps an application until its objects are deleted; `/background` and `/foreground` may follow.
/// Rule: `resources-finalizer.argocd.argoproj.io` of Argo CD, "App Deletion".
pub const FINALIZER: &str = "resources-finalizer.gitops.rs";
/// The annotation that says what becomes of the objects of an application with the finalizer: `delete`, or `orphan`.
pub const ON_DELETE: &str = "gitops.rs/on-delete";
/// The annotation that says yes to all that a deletion asks for: a time, not before the application was deleted.
pub const APPROVED: &str = "gitops.rs/deletion-approved";

const ARGO_GROUP: &str = "argoproj.io";

/// The resources of a namespace that declare applications and projects.
#[derive(Debug)]
pub(super) struct Declared {
    namespace: Arc<str>,
    known: BTreeMap<ResourceKey, Known>,
}

#[derive(Debug)]
struct Known {
    resource: Resource,
    /// Of all that is read.
    digest: gitops_core::value::Digest,
    documents: Documents,
}

/// What becomes of the objects of an application that is being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// They go, if that is proven to be right.
    Delete {
        propagation: Option<Propagation>,
        /// Since when a person has said yes to what asks.
        approved: Option<Timestamp>,
    },
    /// They stay, as nobody's.
    Orphan,
    /// It is not said what is meant: nothing is done.
    Unclear(Arc<str>),
}

impl Declared {
    pub(super) fn of(namespace: &Arc<str>) -> Self {
        Self { namespace: Arc::clone(namespace), known: BTreeMap::new() }
    }

    /// The kinds that are looked for.
    pub(super) fn kinds(argo: ArgoCd) -> impl Iterator<Item = GroupKind> {
        let ours = [GroupKind::new(GROUP, "Application"), GroupKind::new(GROUP, "Project")];
        let theirs = [GroupKind::new(ARGO_GROUP, "Application"), GroupKind::new(ARGO_GROUP, "AppProject")];
        ours.into_iter().chain(theirs.into_iter().filter(move |_| argo != ArgoCd::Ignored))
    }

    /// Takes a resource as it is now; returns whether it says something else than before, or is to be ended.
    pub(super) fn take(&mut self, resource: Resource, argo: ArgoCd) -> bool {
        let (said, digest) = said(&resource, argo);
        let key = resource.key().clone();
        if let Some(known) = self.known.get_mut(&key)
            && known.digest == digest
        {
            known.resource = resource;
            return false;
        }
        let name: Arc<str> = format!("{} {}", key.kind(), key.name).into();
        let documents = app::read(&name, said.freeze().to_json().as_bytes());
        self.known.insert(key, Known { resource, digest, documents });
        true
    }

    /// Forgets a resource that is gone; returns whether it was known.
    pub(super) fn forget(&mut self, key: &ResourceKey) -> bool {
        self.known.remove(key).is_some()
    }

    /// The keys of all that are known.
    pub(super) fn keys(&self) -> impl Iterator<Item = &ResourceKey> {
        self.known.keys()
    }

    /// All that is declared, each name once.
    pub(super) fn catalog(&self) -> Catalog {
        let mut all = Documents::default();
        for Known { documents, .. } in self.known.values() {
            all.applications.extend(documents.applications.iter().cloned());
            all.projects.extend(documents.projects.iter().cloned());
            all.held_back.extend(documents.held_back.iter().cloned());
            all.problems.extend(documents.problems.iter().cloned());
        }
        Catalog::gather(all)
    }

    /// The resource of ours that declares an application of this name.
    pub(super) fn application(&self, name: &str) -> Option<&Resource> {
        self.resource(&ResourceKey::new(GROUP, "Application", &*self.namespace, name))
    }

    /// Whether an application of this name, whoever's it is, is being deleted.
    pub(super) fn is_terminating(&self, name: &str) -> bool {
        let of = |group| self.resource(&ResourceKey::new(group, "Application", &*self.namespace, name));
        [GROUP, ARGO_GROUP].into_iter().filter_map(of).any(Resource::is_terminating)
    }

    /// A resource as it was seen last.
    pub(super) fn resource(&self, key: &ResourceKey) -> Option<&Resource> {
        self.known.get(key).map(|known| &known.resource)
    }

    /// Our own resources of a kind, which are written to.
    pub(super) fn ours(&self, kind: &'static str) -> impl Iterator<Item = &Resource> {
        let all = self.known.values().map(|known| &known.resource);
        all.filter(move |resource| resource.key().is(GROUP, kind))
    }
}

/// What of a resource is read: not what a server or a controller wrote.
fn said(resource: &Resource, argo: ArgoCd) -> (Draft, gitops_core::value::Digest) {
    let tree = resource.tree();
    let mut said = Draft::map();
    for field in ["apiVersion", "kind", "spec"] {
        if let Some(value) = tree.get(field) {
            said.set(field, value);
        }
    }
    let metadata = said.entry("metadata");
    metadata.set("name", &*resource.key().name);
    let annotations = tree.dig(&["metadata", "annotations"]).and_then(ValueRef::as_map);
    for (name, value) in annotations.into_iter().flatten() {
        // What tools note for themselves may be as large as the resource, and changes without meaning.
        if name != "kubectl.kubernetes.io/last-applied-configuration" {
            metadata.entry("annotations").set(name, value);
        }
    }
    if resource.key().group() == ARGO_GROUP && argo == ArgoCd::Watched && resource.key().kind() == "Application" {
        metadata.entry("annotations").set("argocd.argoproj.io/skip-reconcile", "true");
    }
    let list = |field: &str| tree.dig(&["metadata", field]).map(|value| value.to_value().to_json());
    let hasher = Hasher::new(Purpose::Identity).value(said.freeze().root()).text(list("finalizers").as_deref());
    let hasher = hasher.text(resource.metadata("deletionTimestamp")).text(resource.uid());
    (said, hasher.finish())
}

/// What a resource that is being deleted asks for; `None` if it asks for nothing.
pub(super) fn ending(resource: &Resource) -> Option<Ending> {
    let since: Timestamp = resource.metadata("deletionTimestamp")?.parse().ok()?;
    let finalizer = finalizers(resource).find(|name| is_ours(name))?;
    let propagation = match finalizer.strip_prefix(FINALIZER).unwrap_or_default() {
        "" => None,
        "/foreground" => Some(Propagation::Foreground),
        "/background" => Some(Propagation::Background),
        other => {
            let text = format!("the finalizer `{FINALIZER}{other}` is not known; use `/foreground` or `/background`");
            return Some(Ending::Unclear(text.into()));
        }
    };
    match resource.annotation(ON_DELETE) {
        None | Some("delete") => {}
        Some("orphan") => return Some(Ending::Orphan),
        Some(other) => {
            let other: String = other.chars().take(64).collect();
            let text = format!("the annotation `{ON_DELETE}` is `{other}`; use `delete` or `orphan`");
            return Some(Ending::Unclear(text.into()));
        }
    }
    let approved = resource.annotation(APPROVED).and_then(|at| at.parse().ok()).filter(|at| *at >= since);
    Some(Ending::Delete { propagation, approved })
}

/// The finalizers of a resource.
pub(super) fn finalizers(resource: &Resource) -> impl Iterator<Item = &str> {
    let list = resource.tree().dig(&["metadata", "finalizers"]).and_then(ValueRef::as_list);
    list.into_iter().flatten().filter_map(ValueRef::as_str)
}

/// Whether a finalizer is ours.
pub(super) fn is_ours(finalizer: &str) -> bool {
    finalizer.strip_prefix(FINALIZER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What of the problems is about an application or project, the worst first.
pub(super) fn problems_of<'p>(problems: &'p [Problem], kind: &str, name: &str) -> Vec<&'p Problem> {
    let is_about =
        |problem: &&Problem| problem.key.as_ref().is_some_and(|key| key.kind() == kind && *key.name == *name);
    let mut found: Vec<&Problem> = problems.iter().filter(is_about).collect();
    found.sort_by_key(|problem| problem.severity != Severity::Blocks);
    found
}

#[cfg(test)]
mod tests {
    use gitops_core::value::Value;

    use super::*;

    fn resource(json: &str) -> Resource {
        Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
    }

    fn application(metadata: &str, spec: &str) -> Resource {
        resource(&format!(
            r#"{{"apiVersion":"gitops.rs/v1alpha1","kind":"Application","metadata":{{"name":"shop","namespace":"a",{metadata}
                "resourceVersion":"7"}},"spec":{spec},"status":{{"sync":{{"status":"Synced"}}}}}}"#
        ))
    }

    const SPEC: &str = r#"{"source":{"repoURL":"https://example.org/shop.git"}}"#;

    #[test]
    fn what_is_deleted_asks_for_what_its_finalizer_and_annotation_say() {
        let of = |deleted: bool, finalizers: &str, annotations: &str| {
            let at = if deleted { r#""deletionTimestamp":"2026-03-01T12:00:00Z","# } else { "" };
            let metadata = format!(r#"{at}"finalizers":{finalizers},"annotations":{annotations},"#);
            ending(&application(&metadata, SPEC))
        };
        let deleting = |propagation, approved| Some(Ending::Delete { propagation, approved });
        let ours = r#"["x/y","resources-finalizer.gitops.rs"]"#;
        assert_eq!(of(false, ours, "{}"), None, "it is not deleted");
        assert_eq!(of(true, r#"["x/y"]"#, "{}"), None, "somebody else's finalizer");
        assert_eq!(of(true, r#"["resources-finalizer.gitops.rsx"]"#, "{}"), None, "it only begins like ours");
        assert_eq!(of(true, ours, "{}"), deleting(None, None));
        let background = r#"["resources-finalizer.gitops.rs/background"]"#;
        assert_eq!(of(true, background, "{}"), deleting(Some(Propagation::Background), None));
        assert_eq!(of(true, ours, r#"{"gitops.rs/on-delete":"orphan"}"#), Some(Ending::Orphan));
        let unclear =
            [(ours, r#"{"gitops.rs/on-delete":"Orphan"}"#), (r#"["resources-finalizer.gitops.rs/later"]"#, "{}")];
        for (finalizers, annotations) in unclear {
            assert!(
                matches!(of(true, finalizers, annotations), Some(Ending::Unclear(_))),
                "{finalizers} {annotations}"
            );
        }
        for (at, counts) in [("2026-03-01T12:00:01Z", true), ("2026-02-01T12:00:00Z", false), ("yes", false)] {
            let said = of(true, ours, &format!(r#"{{"gitops.rs/deletion-approved":"{at}"}}"#));
            assert_eq!(said, deleting(None, at.parse().ok().filter(|_| counts)), "a yes from before is none: {at}");
        }
    }

    #[test]
    fn what_a_controller_wrote_is_no_news() {
        let mut declared = Declared::of(&"a".into());
        let argo = ArgoCd::Ignored;
        assert!(declared.take(application("", SPEC), argo));
        let again = application(r#""managedFields":[],"generation":3,"#, SPEC);
        assert!(!declared.take(again, argo));
        assert!(declared.take(application(r#""annotations":{"a":"b"},"#, SPEC), argo));
        assert!(declared.take(application("", r#"{"source":{"repoURL":"https://example.org/other.git"}}"#), argo));
        assert_eq!(declared.catalog().problems, [], "and its status is not read");
        assert_eq!(declared.catalog().applications.len(), 1);
    }

    #[test]
    fn an_application_that_cannot_be_used_stops_only_itself() {
        let mut declared = Declared::of(&"a".into());
        declared.take(application("", SPEC), ArgoCd::Ignored);
        declared.take(
            resource(r#"{"apiVersion":"gitops.rs/v1alpha1","kind":"Application","metadata":{"name":"bad","namespace":"a"},"spec":{}}"#),
            ArgoCd::Ignored,
        );
        let catalog = declared.catalog();
        assert!(catalog.applications.contains_key("shop") && catalog.held_back.contains("bad"));
        let problems = problems_of(&catalog.problems, "Application", "bad");
        assert!(problems.iter().any(|problem| problem.text.contains("no source")), "{problems:?}");
    }

    #[test]
    fn applications_of_argo_cd_are_looked_at_and_not_written_unless_that_is_asked_for() {
        let theirs = r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Application","metadata":{"name":"web","namespace":"a",
            "finalizers":["resources-finalizer.argocd.argoproj.io"]},"spec":{"project":"default",
            "source":{"repoURL":"https://example.org/web.git","path":"."},"destination":{"namespace":"web"},
            "syncPolicy":{"automated":{}}},"status":{"sync":{"status":"Synced"}},"operation":{}}"#;
        for (argo, suspended) in [(ArgoCd::Watched, true), (ArgoCd::Followed, false)] {
            let mut declared = Declared::of(&"a".into());
            declared.take(resource(theirs), argo);
            assert_eq!(declared.catalog().applications["web"].spec.suspend, suspended, "{argo:?}");
            assert_eq!(declared.ours("Application").count(), 0, "nothing is written on it");
        }
        assert_eq!(Declared::kinds(ArgoCd::Ignored).count(), 2);
        assert_eq!(Declared::kinds(ArgoCd::Watched).count(), 4);
    }
}
