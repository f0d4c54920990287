//! One Kubernetes object, its identity, and where it was declared.

mod labels;
mod names;
mod object;
pub(crate) mod ordering;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use labels::{InvalidLabelSelector, LabelSelector};
pub use names::Names;
pub use object::{Exposed, InvalidResource, Resource, SERVER_SET};

/// An API group and kind; the version is not part of what a thing is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupKind {
    /// The API group; empty for the core group.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub group: Arc<str>,
    /// The kind, such as `Deployment`.
    pub kind: Arc<str>,
}

/// What makes two declarations the same object: group, kind, namespace and name; never the version.
///
/// `namespace` is `None` for cluster-scoped objects, and for objects whose scope is not known yet. Keys order by group,
/// kind, namespace and name; parts that are shared ([`Names`]) compare by address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ResourceKey {
    /// Group and kind.
    #[serde(flatten)]
    pub group_kind: Arc<GroupKind>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Arc<str>>,
    /// Name. For a hook that has only `metadata.generateName`, a prefix that ends in `-`, which no name may.
    pub name: Arc<str>,
}

/// Where an object was declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Origin {
    /// Which of several sources, counted from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub source: u16,
    /// Path of the file from the root of the source.
    pub file: Arc<str>,
    /// Which document of the file, counted from 0.
    pub document: u32,
    /// Line on which the document starts, counted from 1; 0 when there is no text behind it.
    pub line: u32,
}

/// What happens to the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Propagation {
    /// They go first.
    #[default]
    Foreground,
    /// They go later.
    Background,
    /// They stay.
    Orphan,
}

impl GroupKind {
    /// Names a kind.
    #[must_use]
    pub fn new(group: &str, kind: &str) -> Self {
        Self { group: group.into(), kind: kind.into() }
    }
}

impl ResourceKey {
    /// Names an object; an empty namespace is none.
    #[must_use]
    pub fn new<'n>(group: &str, kind: &str, namespace: impl Into<Option<&'n str>>, name: &str) -> Self {
        let namespace = namespace.into().filter(|namespace| !namespace.is_empty()).map(Arc::from);
        Self { group_kind: Arc::new(GroupKind::new(group, kind)), namespace, name: name.into() }
    }

    /// Returns the API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group_kind.group
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.group_kind.kind
    }

    /// Returns whether this is an object of `group` and `kind`.
    #[must_use]
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind() == kind
    }

    /// Returns what a map has for the objects of one kind, in order of their keys.
    pub(crate) fn of_kind<'m, V>(map: &'m BTreeMap<Self, V>, kind: &GroupKind) -> impl Iterator<Item = &'m V> {
        let first = Self { group_kind: Arc::new(kind.clone()), namespace: None, name: "".into() };
        let kind = Arc::clone(&first.group_kind);
        map.range(first..).take_while(move |(key, _)| key.group_kind == kind).map(|(_, value)| value)
    }

    /// Returns this key in another namespace, or in none.
    #[must_use]
    pub fn in_namespace(&self, namespace: Option<&str>) -> Self {
        Self { namespace: namespace.map(Arc::from), ..self.clone() }
    }
}

impl Ord for ResourceKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let namespaces = || match (&self.namespace, &other.namespace) {
            (Some(left), Some(right)) => order(left, right),
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        let names = || order(&self.name, &other.name);
        order(&self.group_kind, &other.group_kind).then_with(namespaces).then_with(names)
    }
}

impl PartialOrd for ResourceKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn order<T: Ord + ?Sized>(left: &Arc<T>, right: &Arc<T>) -> Ordering {
    if Arc::ptr_eq(left, right) { Ordering::Equal } else { left.cmp(right) }
}

impl Origin {
    /// Names document `document` of `file`, which starts on `line`.
    #[must_use]
    pub fn new(file: &Arc<str>, document: u32, line: u32) -> Self {
        Self { source: 0, file: Arc::clone(file), document, line }
    }

    /// Returns this place in another of several sources.
    #[must_use]
    pub fn in_source(self, source: u16) -> Self {
        Self { source, ..self }
    }
}

/// Splits `group/version`; the core group is empty.
#[must_use]
pub fn split_api_version(api_version: &str) -> Option<(&str, &str)> {
    match api_version.split_once('/') {
        None if !api_version.is_empty() => Some(("", api_version)),
        Some((group, version)) if !group.is_empty() && !version.is_empty() && !version.contains('/') => {
            Some((group, version))
        }
        _ => None,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.kind) } else { write!(f, "{}/{}", self.group, self.kind) }
    }
}

/// `apps/Deployment shop/web`; cluster-scoped objects have no namespace part.
impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.group_kind, self.name),
            None => write!(f, "{} {}", self.group_kind, self.name),
        }
    }
}

/// `apps/web.yaml:12`
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}
