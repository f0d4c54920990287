//! Which objects of an application are asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::policy::ignore::Names;
use crate::problem::{Code, Problem};
use crate::resource::{GroupKind, LabelSelector, Resource, ResourceKey};

use super::depend::Graph;
use super::node::{Fate, Node};
use super::{HookRun, Precondition, Request, SkipReason};

/// Which objects of an application are asked for: all, those named, those with certain labels, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Selection {
    /// Any of these; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Objects>,
    /// Those that have these labels, where they are declared or else on the cluster.
    #[serde(default, with = "labels", skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelSelector>,
}

/// Some objects: `KIND[.GROUP][/[NAMESPACE/]NAME]`, each part a name or a glob.
///
/// ```
/// use gitops_core::plan::Objects;
/// use gitops_core::resource::ResourceKey;
///
/// let web = ResourceKey::new("apps", "Deployment", "shop", "web");
/// for (text, expected) in [("deployment.apps/shop/w*", true), ("*/web", true), ("Deployment", true), ("*/db/*", false)] {
///     assert_eq!(text.parse::<Objects>()?.contain(&web), expected, "{text}");
/// }
/// # Ok::<(), gitops_core::plan::InvalidSelection>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    text: Arc<str>,
    kind: Names,
    group: Names,
    namespace: Names,
    name: Names,
}

/// A text that names no objects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no objects; write it as `KIND`, `KIND/NAME` or `KIND.GROUP/NAMESPACE/NAME`, such as `deployment/shop/web-*`"
)]
pub struct InvalidSelection(String);

impl Selection {
    /// Chooses objects by name.
    #[must_use]
    pub fn of(objects: impl IntoIterator<Item = Objects>) -> Self {
        Self { objects: objects.into_iter().collect(), labels: None }
    }

    /// Chooses those of them that have these labels.
    #[must_use]
    pub fn with_labels(self, labels: LabelSelector) -> Self {
        Self { labels: Some(labels), ..self }
    }

    /// Returns whether nothing is left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.objects.is_empty() && self.labels.is_none()
    }

    /// Returns whether an object is chosen.
    #[must_use]
    pub fn contains(&self, object: &Resource) -> bool {
        (self.objects.is_empty() || self.objects.iter().any(|objects| objects.contain(object.key())))
            && self.labels.as_ref().is_none_or(|labels| labels.matches(|name| object.label(name)))
    }
}

/// Leaves out what was not asked for. Returns the nodes left out whose objects are not there.
pub(super) fn narrow(nodes: &mut [Node<'_>], request: &Request) -> BTreeSet<usize> {
    let mut absent = BTreeSet::new();
    if request.asks_for_all() {
        return absent;
    }
    for (at, node) in nodes.iter_mut().enumerate() {
        let reason = match (node.is_resource(), request.hooks) {
            (false, HookRun::Never) => SkipReason::HooksOff,
            // Rule: Argo CD runs no hook in a selective sync.
            (false, HookRun::WithChanges | HookRun::NewRevision) if request.scope.is_partial() => {
                SkipReason::NotSelected
            }
            _ if request.resting.contains(node.key) => SkipReason::Fought,
            _ if request.chooses(node.key, Some(&node.declared.resource)) => continue,
            _ => SkipReason::NotSelected,
        };
        if node.work().is_some_and(|work| node.is_resource() && work.requires == Precondition::Absent) {
            absent.insert(at);
        }
        // A hook that does not run holds nothing back either, whatever is wrong with it.
        if node.work().is_some() || node.declared.options.hook.is_some() {
            node.fate = Fate::Skip(reason);
        }
    }
    absent
}

/// Holds back what needs an object that is not there and was left out.
pub(super) fn hold(graph: &Graph, nodes: &mut [Node<'_>], providers_first: &[usize], mut absent: BTreeSet<usize>) {
    if absent.is_empty() {
        return;
    }
    for at in providers_first {
        if !graph.needs(*at).iter().any(|need| absent.contains(&need.on)) {
            continue;
        }
        match nodes.get_mut(*at) {
            Some(node) if node.work().is_some() => node.fate = Fate::Skip(SkipReason::FollowsNotSelected),
            Some(_) => {}
            // Of a group of objects, one is not there.
            None => drop(absent.insert(*at)),
        }
    }
}

/// Returns what a selection names and nothing matches: most likely a typing error.
pub(super) fn unmatched<'k>(
    request: &Request,
    known: impl IntoIterator<Item = (&'k ResourceKey, Option<&'k Resource>)>,
) -> Vec<Problem> {
    if request.scope.only.is_everything() {
        return Vec::new();
    }
    let known: Vec<_> = known.into_iter().collect();
    let unmatched =
        request.scope.only.objects.iter().filter(|objects| !known.iter().any(|(key, _)| objects.contain(key)));
    let problem = |objects: &Objects| {
        let text = format!("`{objects}` was asked for, and the application has no such object");
        Problem::blocks(Code::NotFound, text).hint("`gitops status` lists what it has")
    };
    let problems: Vec<_> = unmatched.map(problem).collect();
    let Some(labels) = request.scope.only.labels.as_ref().filter(|_| problems.is_empty()) else { return problems };
    let mut objects = known.iter().filter_map(|(_, object)| *object);
    if objects.any(|object| request.scope.only.contains(object)) {
        return problems;
    }
    let text = format!("labels `{labels}` were asked for, and no such object of the application has them");
    vec![Problem::blocks(Code::NotFound, text).hint("write them as they stand in the manifests, such as `app=web`")]
}

impl Request {
    fn asks_for_all(&self) -> bool {
        self.within.is_none() && self.resting.is_empty() && !self.scope.is_partial() && self.hooks != HookRun::Never
    }

    /// Returns whether an object is asked for.
    pub(super) fn chooses(&self, key: &ResourceKey, object: Option<&Resource>) -> bool {
        self.within.as_ref().is_none_or(|within| within.contains(key))
            && (self.scope.only.is_everything() || object.is_some_and(|object| self.scope.only.contains(object)))
    }
}

impl Objects {
    /// Names one object.
    #[must_use]
    pub fn exactly(key: &ResourceKey) -> Self {
        let only = |text: &str| Names::Only(text.into());
        let namespace = key.namespace.as_deref().unwrap_or("");
        Self {
            text: key.to_string().into(),
            kind: only(&key.kind().to_ascii_lowercase()),
            group: only(&key.group().to_ascii_lowercase()),
            namespace: only(namespace),
            name: only(&key.name),
        }
    }

    /// Returns those of a kind that have the namespace and name this one names.
    #[must_use]
    pub fn with_kind(&self, kind: &GroupKind) -> Self {
        let rest = self.text.find('/').and_then(|at| self.text.get(at..)).unwrap_or("");
        let group = if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
        format!("{}{group}{rest}", kind.kind).parse().unwrap_or_else(|_| self.clone())
    }

    /// Returns the part of the text that names the kind, with its group.
    #[must_use]
    pub fn kind_text(&self) -> &str {
        self.text.split('/').next().unwrap_or("")
    }

    /// Returns whether an object is one of them. Kinds and groups are compared without regard to case.
    #[must_use]
    pub fn contain(&self, key: &ResourceKey) -> bool {
        self.kind.match_name(&key.kind().to_ascii_lowercase())
            && self.group.match_name(&key.group().to_ascii_lowercase())
            && self.namespace.match_name(key.namespace.as_deref().unwrap_or(""))
            && self.name.match_name(&key.name)
    }
}

impl FromStr for Objects {
    type Err = InvalidSelection;

    fn from_str(text: &str) -> Result<Self, InvalidSelection> {
        let wrong = || InvalidSelection(text.chars().take(120).collect());
        let (kind, namespace, name) = match *text.split('/').collect::<Vec<_>>() {
            [kind] => (kind, "*", "*"),
            [kind, name] => (kind, "*", name),
            [kind, namespace, name] => (kind, namespace, name),
            _ => return Err(wrong()),
        };
        let (kind, group) = kind.split_once('.').map_or((kind, None), |(kind, group)| (kind, Some(group)));
        let odd = |part: &&str| part.is_empty() || part.contains(char::is_whitespace);
        if [kind, namespace, name].iter().any(odd) || group.as_ref().is_some_and(odd) {
            return Err(wrong());
        }
        Ok(Self {
            text: text.into(),
            kind: Names::like(&kind.to_ascii_lowercase()),
            group: group.map_or(Names::Any, |group| Names::like(&group.to_ascii_lowercase())),
            namespace: Names::like(namespace),
            name: Names::like(name),
        })
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, objects) in self.objects.iter().enumerate() {
            write!(f, "{}`{objects}`", if at == 0 { "" } else { ", " })?;
        }
        match (&self.labels, self.objects.is_empty()) {
            (Some(labels), true) => write!(f, "what has the labels `{labels}`"),
            (Some(labels), false) => write!(f, ", of them what has the labels `{labels}`"),
            (None, true) => f.write_str("everything"),
            (None, false) => Ok(()),
        }
    }
}

impl Serialize for Objects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A label selector as text.
mod labels {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::resource::LabelSelector;

    pub(super) fn serialize<S: Serializer>(of: &Option<LabelSelector>, serializer: S) -> Result<S::Ok, S::Error> {
        match of {
            Some(labels) => serializer.serialize_str(&labels.to_string()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LabelSelector>, D::Error> {
        String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
    }
}
