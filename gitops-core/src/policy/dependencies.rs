//! What annotations say about the order of single objects: dependencies by name, and kapp's change groups and rules.

use std::sync::Arc;

use crate::problem::Code;
use crate::resource::ordering::{ARGO_DEPENDS_ON, CHANGE_GROUP, CHANGE_RULE, CLI_DEPENDS_ON, DEPENDS_ON, is_one_of};
use crate::resource::{Resource, ResourceKey};
use crate::value::ValueRef;

use super::Options;
use super::annotations::{CLI_MUTATION, Found, Reader};

/// Where an object names what it depends on. What they say adds up: an order that one of them asks for is kept.
const DEPENDENCIES: [&str; 3] = [DEPENDS_ON, ARGO_DEPENDS_ON, CLI_DEPENDS_ON];

/// A rule of kapp: an object is applied (or deleted) before or after those of a group are.
///
/// Rule: kapp's `ctlresm.ChangeRule`, as in `upsert after upserting apps.big.co/db`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeRule {
    /// What is done to the object that has the rule.
    pub verb: Verb,
    /// Whether that comes before or after.
    pub order: Order,
    /// What is done to the objects of the group.
    pub target: Verb,
    /// The group.
    pub group: Arc<str>,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "the two words of kapp")]
pub enum Verb {
    /// It is created or changed.
    Upsert,
    /// It is deleted.
    Delete,
}

/// Which of two things is done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "before and after")]
pub enum Order {
    /// The object that has the rule.
    Before,
    /// The objects of the group.
    After,
}

impl Reader<'_> {
    pub(super) fn depends_on(&mut self) -> Vec<ResourceKey> {
        if let Some(found) = self.get(CLI_MUTATION, Code::InvalidOption) {
            let text = "values are not copied from other objects at apply time".into();
            self.block(Code::InvalidOption, found, text, "write the value into the manifest, or render it before");
        }
        let mut keys = Vec::new();
        for name in DEPENDENCIES {
            if let Some(found) = self.get(name, Code::InvalidDependency) {
                let named = self.references(found);
                keys.extend(named.into_iter().filter(|key| !keys.contains(key)).collect::<Vec<_>>());
            }
        }
        keys
    }

    fn references(&mut self, found: Found<'_>) -> Vec<ResourceKey> {
        let mut keys = Vec::new();
        for reference in found.text.split(',').map(str::trim) {
            match read_reference(reference) {
                None => {
                    let text = format!("dependency `{reference}` cannot be read");
                    let hint = "use `group/namespaces/namespace/kind/name` or `group/kind/name`, separated by commas; \
                                the core group is empty, as in `/namespaces/shop/Secret/db`";
                    self.block(Code::InvalidDependency, found, text, hint);
                }
                Some(key) if key == *self.resource.key() => {
                    self.block(Code::InvalidDependency, found, "depends on itself".into(), "remove this dependency");
                }
                Some(key) if keys.contains(&key) => {
                    self.warn(Code::InvalidDependency, found, format!("names `{reference}` twice"));
                }
                Some(key) => keys.push(key),
            }
        }
        keys
    }

    /// Rule: kapp reads `change-group` and `change-rule`, and any number of each with a suffix behind a dot.
    pub(super) fn change_order(&mut self, options: &mut Options) {
        let Some(map) = self.annotations else { return };
        let mut names: Vec<&str> = map.iter().map(|(name, _)| name).filter(|name| name.starts_with("kapp.")).collect();
        names.sort_unstable();
        for name in names {
            let (is_group, is_rule) = (is_one_of(name, CHANGE_GROUP), is_one_of(name, CHANGE_RULE));
            if !is_group && !is_rule {
                continue;
            }
            let Some(found) = self.entry("annotations", map, name, Code::InvalidDependency) else { continue };
            if is_group {
                options.change_groups.extend(self.group(found, found.text));
            } else {
                options.change_rules.extend(self.rule(found));
            }
        }
        options.change_groups.sort();
        options.change_groups.dedup();
    }

    fn group(&mut self, found: Found<'_>, name: &str) -> Option<Arc<str>> {
        let name = filled(name, self.resource);
        if is_group_name(&name) {
            return Some(name.into());
        }
        let text = format!("`{name}` is no name of a change group");
        let hint = "use letters, digits, `-`, `_` and `.`, with a domain and a slash before it where you like, as in \
                    `apps.example.org/db`; placeholders are `{api-group}`, `{kind}`, `{name}`, `{namespace}`, \
                    `{crd-group}` and `{crd-kind}`";
        self.block(Code::InvalidDependency, found, text, hint);
        None
    }

    fn rule(&mut self, found: Found<'_>) -> Option<ChangeRule> {
        let words: Vec<&str> = found.text.split_whitespace().collect();
        let read = || {
            let [verb, order, target, group] = *words.as_slice() else { return None };
            let verb =
                [("upsert", Verb::Upsert), ("delete", Verb::Delete)].into_iter().find(|(word, _)| *word == verb)?;
            let order = [("before", Order::Before), ("after", Order::After)].into_iter().find(|(w, _)| *w == order)?;
            let targets = [("upserting", Verb::Upsert), ("deleting", Verb::Delete)];
            let target = targets.into_iter().find(|(word, _)| *word == target)?;
            Some((verb.1, order.1, target.1, group))
        };
        let Some((verb, order, target, group)) = read() else {
            let text = format!("change rule `{}` cannot be read", found.text);
            let hint = "write `upsert` or `delete`, `before` or `after`, `upserting` or `deleting`, and a change group, \
                        as in `upsert after upserting apps.example.org/db`";
            self.block(Code::InvalidDependency, found, text, hint);
            return None;
        };
        let group = self.group(found, group)?;
        match (verb, order, target) {
            // What is declared is applied before anything is deleted, whoever asks for it.
            (Verb::Upsert, Order::Before, Verb::Delete) | (Verb::Delete, Order::After, Verb::Upsert) => None,
            (Verb::Upsert, Order::After, Verb::Delete) | (Verb::Delete, Order::Before, Verb::Upsert) => {
                let text =
                    format!("`{}` has no effect: nothing is deleted before all that is declared works", found.text);
                self.warn(Code::InvalidDependency, found, text);
                None
            }
            _ if verb == Verb::Upsert && options_name(self, &group) => {
                let text = format!("must go {} itself: it is in change group `{group}`", word(order));
                self.block(Code::InvalidDependency, found, text, "take it out of the group, or remove the rule");
                None
            }
            _ => Some(ChangeRule { verb, order, target, group }),
        }
    }
}

/// Whether the object says itself that it is in a group.
fn options_name(reader: &Reader<'_>, group: &str) -> bool {
    let Some(map) = reader.annotations else { return false };
    map.iter().any(|(name, value)| {
        name.starts_with(CHANGE_GROUP) && value.as_str().is_some_and(|text| filled(text, reader.resource) == group)
    })
}

fn word(order: Order) -> &'static str {
    match order {
        Order::Before => "before",
        Order::After => "after",
    }
}

/// Fills in what a group is named after. Rule: kapp's placeholders.
fn filled(name: &str, resource: &Resource) -> String {
    if !name.contains('{') {
        return name.to_owned();
    }
    let key = resource.key();
    let text = |path: &[&str]| resource.tree().dig(path).and_then(ValueRef::as_str).unwrap_or_default();
    [
        ("{api-group}", key.group()),
        ("{kind}", key.kind()),
        ("{name}", &*key.name),
        ("{namespace}", key.namespace.as_deref().unwrap_or_default()),
        ("{crd-group}", text(&["spec", "group"])),
        ("{crd-kind}", text(&["spec", "names", "kind"])),
    ]
    .into_iter()
    .fold(name.to_owned(), |name, (placeholder, value)| name.replace(placeholder, value))
}

/// Rule: kapp's check of group names, which is that of Kubernetes for qualified names without the limit on length.
fn is_group_name(name: &str) -> bool {
    let ends = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let is_name =
        |text: &str| ends(text) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_label = |text: &str| {
        ends(text) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    match name.split_once('/') {
        Some((domain, name)) => domain.split('.').all(is_label) && is_name(name),
        None => is_name(name),
    }
}

/// Reads a reference as cli-utils writes it, `group/namespaces/namespace/kind/name` or `group/kind/name`, or as Argo CD
/// writes it in tracking ids, `group/kind:namespace/name`.
fn read_reference(text: &str) -> Option<ResourceKey> {
    let (group, kind, namespace, name) = match *text.split('/').collect::<Vec<_>>() {
        [group, kind, name] => match kind.split_once(':') {
            Some((kind, namespace)) => (group, kind, Some(namespace), name),
            None => (group, kind, None, name),
        },
        [group, "namespaces", namespace, kind, name] if !namespace.is_empty() => (group, kind, Some(namespace), name),
        _ => return None,
    };
    let is_kind = !kind.is_empty() && !kind.contains(':');
    (is_kind && !name.is_empty()).then(|| ResourceKey::new(group, kind, namespace, name))
}

/// Names an object as an annotation `depends-on` does; `None` for a key without kind or name.
///
/// ```
/// use gitops_core::policy::reference;
/// use gitops_core::resource::ResourceKey;
///
/// let db = ResourceKey::new("apps", "StatefulSet", "shop", "db");
/// assert_eq!(reference(&db).as_deref(), Some("apps/namespaces/shop/StatefulSet/db"));
/// ```
#[must_use]
pub fn reference(key: &ResourceKey) -> Option<String> {
    if key.kind().is_empty() || key.name.is_empty() {
        return None;
    }
    Some(match &key.namespace {
        Some(namespace) => format!("{}/namespaces/{namespace}/{}/{}", key.group(), key.kind(), key.name),
        None => format!("{}/{}/{}", key.group(), key.kind(), key.name),
    })
}

/// Returns the annotation in which an object has a change rule about a group.
pub(crate) fn asks_rule<'r>(resource: &'r Resource, group: &str) -> Option<&'r str> {
    let map = resource.tree().dig(&["metadata", "annotations"])?.as_map()?;
    let names = |text: &str| text.split_whitespace().nth(3).is_some_and(|name| filled(name, resource) == group);
    let mut rules =
        map.iter().filter(|(name, value)| is_one_of(name, CHANGE_RULE) && value.as_str().is_some_and(names));
    rules.next().map(|(name, _)| name)
}

/// Returns the annotation in which an object names `other` as what it depends on.
pub(crate) fn asks_dependency(resource: &Resource, other: &ResourceKey) -> &'static str {
    let names = |name: &&str| {
        let text = resource.annotation(name).unwrap_or_default();
        text.split(',').any(|reference| read_reference(reference.trim()).is_some_and(|key| key == *other))
    };
    DEPENDENCIES.into_iter().find(names).unwrap_or(DEPENDS_ON)
}
