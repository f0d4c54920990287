//! Two declarations of one object → what was edited, field by field. No cluster takes part.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::model::{ApiModel, ListKind, TypeRef};
use crate::path::FieldPath;
use crate::resource::Resource;
use crate::value::{Draft, List, Map, ValueRef, View};

use super::lists::item_name;
use super::mask::Seen;
use super::owned::same_key;
use super::step::{Step, pair, plain_key};
use super::trail::Trail;
use super::{Change, ChangeKind, ChangeReason, Shown};

/// One field that was edited between two declarations of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldEdit {
    /// The field, as people write it.
    pub field: FieldPath,
    /// What was done to it.
    pub kind: ChangeKind,
    /// What it was; secret values as letters, of which equal ones mean equal values within one object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Shown>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Shown>,
}

/// Finds what was edited from one declaration of an object to a later one, in the order of the fields.
///
/// Items of a list are matched by their keys where the schema says what these are, others by their place. Values that only
/// mean the same, such as `1` and `1000m`, count as edited. Annotations of a Secret that are named in `masked` are not shown.
///
/// ```
/// use gitops_core::diff::edits;
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::Resource;
/// use gitops_core::value::Value;
///
/// let secret = |data: &str| {
///     let json = format!(r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"web"}},"data":{data}}}"#);
///     Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
/// };
/// let (before, after) = (secret(r#"{"key":"b25l"}"#), secret(r#"{"key":"dHdv","user":"YW5u"}"#));
/// let told: Vec<String> = edits(&before, &after, &ApiModel::builtin(), &[]).iter().map(ToString::to_string).collect();
/// assert_eq!(told, ["~ data.key: (secret A) -> (secret B)", "+ data.user: (secret C)"]);
/// ```
#[must_use]
pub fn edits(before: &Resource, after: &Resource, model: &ApiModel, masked: &[Arc<str>]) -> Vec<FieldEdit> {
    let root = model.schema(&after.key().group_kind, after.version());
    let seen = Seen { desired: Some(after), live: Some(before), after: None, annotations: masked };
    let mut walk = Walk(Trail::new(before, seen));
    walk.node(Some(before.tree()), Some(after.tree()), root);
    walk.0.changes.into_iter().map(FieldEdit::of).collect()
}

impl FieldEdit {
    #[cfg(test)]
    pub(crate) fn new(field: FieldPath, kind: ChangeKind) -> Self {
        Self { field, kind, before: None, after: None }
    }

    fn of(change: Change) -> Self {
        Self { field: change.path, kind: change.kind, before: change.live, after: change.desired }
    }
}

/// `~ spec.replicas: 2 -> 3`; `+` added, `-` removed, `>` moved.
impl fmt::Display for FieldEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, kind, before, after } = self.clone();
        let (path, live, desired) = (field, before, after);
        Change { path, kind, live, desired, pointer: "".into(), owners: Vec::new(), reason: ChangeReason::Declared }
            .fmt(f)
    }
}

struct Walk<'a>(Trail<'a>);

impl<'a> Walk<'a> {
    fn node(&mut self, before: Option<ValueRef<'a>>, after: Option<ValueRef<'a>>, of: TypeRef<'a>) {
        let (map, list) = (ValueRef::as_map, ValueRef::as_list);
        match (before, after) {
            (Some(was), Some(is)) if was == is => {}
            (Some(was), Some(is)) => match (was.view(), is.view()) {
                (View::Map(was), View::Map(is)) if !self.0.is_too_deep() => self.map(Some(was), Some(is), of),
                (View::List(was), View::List(is)) if !self.0.is_too_deep() => self.list(was, is, of),
                _ => self.note(ChangeKind::Value, before, after),
            },
            (None, None) => {}
            // One edit for each annotation and each secret value.
            (one, other)
                if self.0.is_split()
                    && one.or(other).and_then(list).is_none()
                    && one.or(other).and_then(map).is_some() =>
            {
                self.map(one.and_then(map), other.and_then(map), of);
            }
            (Some(_), None) => self.note(ChangeKind::Removed, before, None),
            (None, Some(_)) => self.note(ChangeKind::Added, None, after),
        }
    }

    fn note(&mut self, kind: ChangeKind, before: Option<ValueRef<'a>>, after: Option<ValueRef<'a>>) {
        self.0.note(kind, before, after, ChangeReason::Declared);
    }

    fn step(&mut self, step: Step<'a>, before: Option<ValueRef<'a>>, after: Option<ValueRef<'a>>, of: TypeRef<'a>) {
        self.0.path.push(step);
        self.node(before, after, of);
        self.0.path.pop();
    }

    fn map(&mut self, before: Option<Map<'a>>, after: Option<Map<'a>>, of: TypeRef<'a>) {
        let names: BTreeSet<&'a str> = before.into_iter().chain(after).flatten().map(|(name, _)| name).collect();
        for name in names {
            let value = |map: Option<Map<'a>>| map.and_then(|map| map.get(name));
            self.step(Step::Field(name), value(before), value(after), of.field(name));
        }
    }

    fn list(&mut self, before: List<'a>, after: List<'a>, of: TypeRef<'a>) {
        match of.list() {
            ListKind::Map { keys } => self.items(before, after, Some(keys), of.element()),
            ListKind::Set => self.items(before, after, None, of.element()),
            _ => self.places(before, after, of.element()),
        }
    }

    /// Items that have keys, and sets.
    fn items(&mut self, before: List<'a>, after: List<'a>, keys: Option<&'a [Arc<str>]>, element: TypeRef<'a>) {
        let same = |left: ValueRef<'a>, right: ValueRef<'a>| match keys {
            Some(keys) => same_key(left, right, keys, element),
            None => left == right,
        };
        let step = |item, at| match keys {
            Some(keys) => Step::Keyed { keys, item, element, at },
            None => Step::Valued { item, at },
        };
        let found = pair(after, before, |item| plain_key(item, keys, element), same);
        for (at, (item, was)) in after.iter().zip(&found).enumerate() {
            self.step(step(item, at), was.map(|(_, was)| was), Some(item), element);
        }
        let kept: BTreeSet<usize> = found.iter().flatten().map(|(at, _)| *at).collect();
        for (at, item) in before.iter().enumerate().filter(|(at, _)| !kept.contains(at)) {
            self.step(step(item, at), Some(item), None, element);
        }
        let mut stayed: Vec<(usize, ValueRef<'a>)> = found.into_iter().flatten().collect();
        if keys.is_some() && !stayed.iter().map(|(at, _)| at).is_sorted() {
            let name = |item: ValueRef<'a>| keys.map_or_else(|| item.to_draft(), |keys| item_name(item, keys, element));
            let names =
                |items: &[(usize, ValueRef<'a>)]| Draft::List(items.iter().map(|(_, item)| name(*item)).collect());
            let now = names(&stayed);
            stayed.sort_by_key(|(at, _)| *at);
            self.0.moved(names(&stayed), now);
        }
    }

    /// Items that are known by their place alone: what is the same at both ends is passed over.
    fn places(&mut self, before: List<'a>, after: List<'a>, element: TypeRef<'a>) {
        let (was, is): (Vec<ValueRef<'a>>, Vec<ValueRef<'a>>) = (before.iter().collect(), after.iter().collect());
        let start = was.iter().zip(&is).take_while(|(was, is)| was == is).count();
        let (was, is) = (was.get(start..).unwrap_or_default(), is.get(start..).unwrap_or_default());
        let end = was.iter().rev().zip(is.iter().rev()).take_while(|(was, is)| was == is).count();
        let count = was.len().max(is.len()).saturating_sub(end);
        let item =
            |items: &[ValueRef<'a>], at: usize| items.get(at).filter(|_| at < items.len().saturating_sub(end)).copied();
        for at in 0..count {
            self.step(Step::Index { at: start.saturating_add(at) }, item(was, at), item(is, at), element);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn told(before: &str, after: &str) -> Vec<String> {
        let read = |json: &str| Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap();
        let found = edits(&read(before), &read(after), &ApiModel::builtin(), &["hidden".into()]);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_field_that_was_edited_is_named_once() {
        let object = |kind: &str, rest: &str| {
            format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"web"}},{rest}}}"#)
        };
        let pod = |containers: &str| object("Pod", &format!(r#""spec":{{"containers":[{containers}]}}"#));
        for (before, after, expected) in [
            (
                pod(r#"{"name":"a","image":"x:1"}"#),
                pod(r#"{"name":"a","image":"x:2"}"#),
                vec![r#"~ spec.containers[name=a].image: "x:1" -> "x:2""#],
            ),
            (
                pod(r#"{"name":"a"},{"name":"b"}"#),
                pod(r#"{"name":"b"},{"name":"a"}"#),
                vec![r#"> spec.containers: ["a","b"] -> ["b","a"]"#],
            ),
            (
                pod(r#"{"name":"a"},{"name":"b"}"#),
                pod(r#"{"name":"b"}"#),
                vec![r#"- spec.containers[name=a]: {"name":"a"}"#],
            ),
            (
                pod(r#"{"name":"a","args":["1","2","3"]}"#),
                pod(r#"{"name":"a","args":["1","3"]}"#),
                vec![r#"- spec.containers[name=a].args[1]: "2""#],
            ),
            (pod(""), pod(""), vec![]),
            (
                object("ConfigMap", r#""data":{"a":"1"}"#),
                object("ConfigMap", r#""data":{"a":"1","b":"2"}"#),
                vec![r#"+ data.b: "2""#],
            ),
            (
                object("Thing", r#""spec":[{"a":1}]"#),
                object("Thing", r#""spec":{"a":1}"#),
                vec![r#"~ spec: [{"a":1}] -> {"a":1}"#],
            ),
        ] {
            assert_eq!(told(&before, &after), expected);
            assert_eq!(told(&after, &before).len(), expected.len());
        }
    }

    #[test]
    fn no_value_of_a_secret_is_told() {
        let secret = |rest: &str| format!(r#"{{"apiVersion":"v1","kind":"Secret",{rest}}}"#);
        let none = secret(r#""metadata":{"name":"s"}"#);
        let one = secret(r#""metadata":{"name":"s","annotations":{"hidden":"TOPSECRET"}},"data":{"a":"TOPSECRET"}"#);
        let other = secret(
            r#""metadata":{"name":"s","annotations":{"hidden":"OTHERSECRET"}},"data":{"a":["OTHERSECRET"]},"stringData":"TOPSECRET""#,
        );
        for (before, after) in [(&none, &one), (&one, &none), (&one, &other), (&other, &one), (&none, &other)] {
            let found = told(before, after);
            assert!(!found.is_empty() && found.iter().all(|line| !line.contains("SECRET")), "{found:?}");
        }
    }
}
