//! How a kind is served, and reading it from an OpenAPI document.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use super::openapi::Reader;
use super::{Known, RootType};
use crate::path::FieldPath;
use crate::resource::GroupKind;
use crate::value::{Digest, Purpose, Value, ValueRef};

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// Objects have a namespace.
    Namespaced,
    /// Objects have none.
    Cluster,
}

/// Whether the server answered for a group lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Freshness {
    /// It did.
    #[default]
    Current,
    /// It could not; what is known is from before.
    Stale,
}

/// How one version of a kind becomes another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Conversion {
    /// Only `apiVersion` changes: there is one version, or the CRD's strategy is `None`.
    #[default]
    Identity,
    /// Only the server, or a webhook, knows.
    Unknown,
}

/// What is known of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KindFacts {
    /// It is served like this.
    Served(Arc<ServedKind>),
    /// The cluster said that it does not serve it.
    NotServed,
    /// Nothing is known; never a proof of absence.
    Unknown,
}

/// Where the `scale` subresource finds its numbers in the object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScalePaths {
    /// The wanted number.
    pub spec_replicas: FieldPath,
    /// The present number.
    pub status_replicas: FieldPath,
    /// The label selector as text, where the kind has one.
    pub label_selector: Option<FieldPath>,
}

/// How a kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServedKind {
    /// Group and kind.
    pub group_kind: Arc<GroupKind>,
    /// The name in URLs, such as `deployments`.
    pub plural: Arc<str>,
    /// Namespaced or not.
    pub scope: Scope,
    /// Served versions, the preferred one first.
    pub versions: Vec<Arc<str>>,
    /// The version the server prefers.
    pub preferred: Arc<str>,
    /// What can be done with it (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`), in byte order.
    pub verbs: Vec<Arc<str>>,
    /// Whether `status` is written apart from the rest.
    pub has_status_subresource: bool,
    /// The `scale` subresource, if there is one.
    pub scale: Option<ScalePaths>,
    /// How versions become each other.
    pub conversion: Conversion,
    /// Whether the server answered for its group.
    pub freshness: Freshness,
}

/// The verbs of an ordinary kind.
const ALL_VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl ServedKind {
    /// Names a kind that is served at one version, with all verbs and no subresources.
    #[must_use]
    pub fn new(group_kind: GroupKind, plural: &str, scope: Scope, version: &str) -> Self {
        let version: Arc<str> = version.into();
        Self {
            group_kind: Arc::new(group_kind),
            plural: plural.into(),
            scope,
            versions: vec![Arc::clone(&version)],
            preferred: version,
            verbs: ALL_VERBS.map(Arc::from).into(),
            has_status_subresource: false,
            scale: None,
            conversion: Conversion::Identity,
            freshness: Freshness::Current,
        }
    }

    /// Returns whether it can be done with this kind.
    #[must_use]
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|allowed| &**allowed == verb)
    }

    /// Returns `apiVersion` at a version, such as `apps/v1`.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        let group = &self.group_kind.group;
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
    }

    pub(super) fn add_versions(&mut self, other: &Self) {
        for version in &other.versions {
            if !self.versions.contains(version) {
                self.versions.push(Arc::clone(version));
                self.conversion = Conversion::Unknown;
            }
        }
        self.has_status_subresource |= other.has_status_subresource;
        self.versions.sort_by(|left, right| priority(right).cmp(&priority(left)).then(left.cmp(right)));
        if let Some(first) = self.versions.first() {
            self.preferred = Arc::clone(first);
        }
    }

    /// All facts as text, for digests.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        write!(text, "{self:?}").unwrap_or_default();
        text
    }
}

/// Kubernetes' order of versions: stable before beta before alpha, higher numbers first, other names last.
/// Rule: Kubernetes API, "Version priority" of CustomResourceDefinitions.
pub(crate) fn priority(version: &str) -> (u8, u64, u64) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (major, rest) = rest.split_at_checked(end)?;
        let major = major.parse().ok()?;
        match rest {
            "" => Some((3, major, 0)),
            rest => match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
                (Some(minor), _) => Some((2, major, minor.parse().ok()?)),
                (_, Some(minor)) => Some((1, major, minor.parse().ok()?)),
                _ => None,
            },
        }
    };
    parse().unwrap_or((0, 0, 0))
}

/// Reads the kinds of one OpenAPI v3 document.
pub(super) fn read_openapi(group_version: &str, document: &[u8]) -> Vec<(GroupKind, Known)> {
    let (group, version) = group_version.rsplit_once('/').unwrap_or(("", group_version));
    let Ok(document) = Value::from_json(document) else { return Vec::new() };
    let mut served = read_paths(group, version, document.root());
    let digest = Digest::of(Purpose::Schema, document.to_json().as_bytes());
    let Some(components) = document.root().dig(&["components", "schemas"]) else { return Vec::new() };
    let mut reader = Reader::of_document(components);
    let mut roots = Vec::new();
    for (name, component) in components.as_map().into_iter().flatten() {
        let kinds = component.get("x-kubernetes-group-version-kind").and_then(ValueRef::as_list);
        for kind in kinds.into_iter().flatten() {
            let text = |field: &str| kind.get(field).and_then(ValueRef::as_str).unwrap_or("");
            if let (true, Some(found)) =
                (text("version") == version, served.remove(&GroupKind::new(text("group"), text("kind"))))
            {
                let id = reader.component(name);
                roots.push((found, id, reader.flaws_of(id)));
            }
        }
    }
    let schema = Arc::new(reader.schema);
    let known = |(kind, id, flaws): (ServedKind, _, _)| {
        let root = RootType { schema: Arc::clone(&schema), id, flaws };
        let types = BTreeMap::from([(version.into(), root)]);
        (GroupKind::clone(&kind.group_kind), Known { served: Some(Arc::new(kind)), types, digest, definition: None })
    };
    roots.into_iter().map(known).collect()
}

/// Reads plural names, scopes, verbs and subresources from the paths of a document.
fn read_paths(group: &str, version: &str, document: ValueRef<'_>) -> BTreeMap<GroupKind, ServedKind> {
    let prefix = if group.is_empty() { format!("/api/{version}/") } else { format!("/apis/{group}/{version}/") };
    let mut kinds = BTreeMap::<GroupKind, ServedKind>::new();
    let mut plurals = BTreeMap::<&str, GroupKind>::new();
    let mut subresources = Vec::new();
    for (path, item) in document.get("paths").and_then(ValueRef::as_map).into_iter().flatten() {
        let Some(rest) = path.strip_prefix(&prefix) else { continue };
        let (scope, rest) = match rest.strip_prefix("namespaces/{namespace}/") {
            Some(rest) => (Scope::Namespaced, rest),
            None => (Scope::Cluster, rest),
        };
        let mut parts = rest.split('/');
        let (Some(plural), name, subresource) = (parts.next(), parts.next(), parts.next()) else { continue };
        if let Some(subresource) = subresource {
            subresources.push((plural, subresource));
            continue;
        }
        for (method, operation) in item.as_map().into_iter().flatten() {
            let kind = operation.get("x-kubernetes-group-version-kind");
            let text = |field: &str| kind.and_then(|kind| kind.get(field)).and_then(ValueRef::as_str);
            let (Some(kind), Some(of)) = (text("kind"), text("group")) else { continue };
            let key = GroupKind::new(of, kind);
            plurals.insert(plural, key.clone());
            let served = kinds
                .entry(key.clone())
                .or_insert_with(|| ServedKind { verbs: Vec::new(), ..ServedKind::new(key, plural, scope, version) });
            if scope == Scope::Namespaced {
                served.scope = scope;
            }
            let verbs: &[&str] = match (method, name.is_some()) {
                ("get", true) => &["get"],
                ("get", false) => &["list", "watch"],
                ("post", _) => &["create"],
                ("put", _) => &["update"],
                ("patch", _) => &["patch"],
                ("delete", true) => &["delete"],
                ("delete", false) => &["deletecollection"],
                _ => &[],
            };
            for verb in verbs {
                if let Err(at) = served.verbs.binary_search_by(|known| (**known).cmp(verb)) {
                    served.verbs.insert(at, (*verb).into());
                }
            }
        }
    }
    for (plural, subresource) in subresources {
        let Some(kind) = plurals.get(plural).and_then(|kind| kinds.get_mut(kind)) else { continue };
        match subresource {
            "status" => kind.has_status_subresource = true,
            "scale" => kind.scale = Some(ScalePaths::standard()),
            _ => {}
        }
    }
    kinds
}

impl ScalePaths {
    /// Returns where the built-in kinds keep them: `spec.replicas` and `status.replicas`.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            spec_replicas: FieldPath::fields(&["spec", "replicas"]),
            status_replicas: FieldPath::fields(&["status", "replicas"]),
            label_selector: None,
        }
    }
}
