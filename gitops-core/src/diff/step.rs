//! Where a walk is, by reference; names are made only for what is reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Meaning, TypeRef};
use crate::path::Segment;
use crate::value::{List, ValueRef, View};

use super::equal::same;
use super::owned::{key_field, same_key};

/// One step from a parent to a child. `at` is the place of a list item in the live list; of one that is not there, the
/// place that it gets.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Field(&'a str),
    Keyed { keys: &'a [Arc<str>], item: ValueRef<'a>, element: TypeRef<'a>, at: usize },
    Valued { item: ValueRef<'a>, at: usize },
    Index { at: usize },
}

impl Step<'_> {
    /// Whether this is the item that FieldsV1 names `key`.
    pub(super) fn is(&self, key: ValueRef<'_>) -> bool {
        match self {
            Self::Keyed { keys, item, element, .. } => same_key(*item, key, keys, *element),
            Self::Valued { item, .. } => same(*item, key, TypeRef::deduced()),
            Self::Field(_) | Self::Index { .. } => false,
        }
    }

    /// Whether the text is the name of this item in FieldsV1, letter by letter as a server writes it. A name that is
    /// written otherwise may be its as well.
    pub(super) fn is_spelled(&self, name: &str) -> bool {
        let rest = match self {
            Self::Keyed { keys, item, element, .. } if keys.is_sorted() => key(name, *item, keys, *element),
            Self::Valued { item, .. } => scalar(name, *item),
            _ => None,
        };
        rest == Some("")
    }

    pub(super) fn segment(&self) -> Segment {
        match self {
            Self::Field(name) => Segment::field(name),
            Self::Keyed { keys, item, element, .. } => Segment::key(
                keys.iter().filter_map(|name| Some((&**name, key_field(*item, name, *element)?.to_value()))),
            ),
            Self::Valued { item, .. } => Segment::Item(item.to_value()),
            Self::Index { at } => Segment::Index(u32::try_from(*at).unwrap_or(u32::MAX)),
        }
    }
}

/// Reads the key of an item off the front of a text; returns what follows.
fn key<'n>(name: &'n str, item: ValueRef<'_>, keys: &[Arc<str>], element: TypeRef<'_>) -> Option<&'n str> {
    let mut rest = name.strip_prefix('{')?;
    let mut is_first = true;
    for name in keys {
        let Some(value) = key_field(item, name, element) else { continue };
        rest = if is_first { rest } else { rest.strip_prefix(',')? };
        rest = rest.strip_prefix('"')?.strip_prefix(&**name)?.strip_prefix("\":")?;
        rest = scalar(rest, value)?;
        is_first = false;
    }
    rest.strip_prefix('}')
}

/// Reads a text or a whole number off the front of a text; none where it is, or might be, written otherwise.
fn scalar<'n>(name: &'n str, value: ValueRef<'_>) -> Option<&'n str> {
    match value.view() {
        View::String(text) => {
            let rest = name.strip_prefix('"')?.strip_prefix(text)?.strip_prefix('"')?;
            (!text.contains(['"', '\\'])).then_some(rest)
        }
        View::Int(number) => {
            let end = name.find(|letter: char| letter != '-' && !letter.is_ascii_digit()).unwrap_or(name.len());
            let (written, rest) = name.split_at_checked(end)?;
            (written.parse() == Ok(number) && !written.starts_with(['0', '+'])).then_some(rest)
        }
        View::Bool(flag) => name.strip_prefix(if flag { "true" } else { "false" }),
        _ => None,
    }
}

/// A JSON Pointer (RFC 6901).
pub(super) fn pointer(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        text.push('/');
        match step {
            Step::Field(name) => text.push_str(&name.replace('~', "~0").replace('/', "~1")),
            Step::Keyed { at, .. } | Step::Valued { at, .. } | Step::Index { at } => text.push_str(&at.to_string()),
        }
    }
    text
}

/// Finds for each declared item the live one. `plain` makes the text of a key, where it has one.
pub(super) fn pair<'a>(
    desired: List<'a>,
    live: List<'a>,
    plain: impl Fn(ValueRef<'_>) -> Option<String>,
    same: impl Fn(ValueRef<'a>, ValueRef<'a>) -> bool,
) -> Vec<Option<(usize, ValueRef<'a>)>> {
    let items: Vec<ValueRef<'a>> = live.iter().collect();
    let mut finder = Finder::default();
    let find = |want: ValueRef<'a>| {
        let item = |at: usize| items.get(at).copied();
        let is_it = |at| item(at).is_some_and(|have| same(want, have));
        let found = finder.find(items.len(), is_it, |at| plain(item(at)?), || plain(want))?;
        Some((found, item(found)?))
    };
    desired.iter().map(find).collect()
}

/// Finds items one after the other. In equal order each step looks at one item; in another one, long lists are looked up
/// by the texts of their keys, so that no list costs the square of its length.
#[derive(Default)]
pub(super) struct Finder {
    next: usize,
    /// The place of each key, once one was not where it was expected; none where a key has no text, or two are equal.
    places: Option<Option<BTreeMap<String, usize>>>,
}

/// Shorter lists are searched.
pub(super) const LONG: usize = 16;

impl Finder {
    pub(super) fn find(
        &mut self,
        length: usize,
        is_it: impl Fn(usize) -> bool,
        key: impl Fn(usize) -> Option<String>,
        wanted: impl FnOnce() -> Option<String>,
    ) -> Option<usize> {
        let found = if self.next < length && is_it(self.next) {
            Some(self.next)
        } else {
            let wanted = if length > LONG { wanted() } else { None };
            match wanted.map(|wanted| (self.places(length, key), wanted)) {
                Some((Some(places), wanted)) => places.get(&wanted).copied().filter(|at| is_it(*at)),
                _ => (self.next..length).chain(0..self.next.min(length)).find(|at| is_it(*at)),
            }
        };
        self.next = found.map_or(self.next, |at| at + 1);
        found
    }

    fn places(&mut self, length: usize, key: impl Fn(usize) -> Option<String>) -> Option<&BTreeMap<String, usize>> {
        let index = || {
            let places: BTreeMap<String, usize> = (0..length).map(|at| Some((key(at)?, at))).collect::<Option<_>>()?;
            (places.len() == length).then_some(places)
        };
        self.places.get_or_insert_with(index).as_ref()
    }
}

/// The key of an item as a text that only equal keys have; none where keys may be written in several ways.
pub(super) fn plain_key(item: ValueRef<'_>, keys: Option<&[Arc<str>]>, element: TypeRef<'_>) -> Option<String> {
    let plain = |value: ValueRef<'_>, of: TypeRef<'_>| {
        let is_plain = match value.view() {
            View::String(_) => of.meaning() == Meaning::Plain,
            View::Int(_) => matches!(of.meaning(), Meaning::Plain | Meaning::Integer),
            View::Bool(_) => true,
            _ => false,
        };
        is_plain.then(|| value.to_json())
    };
    let Some(keys) = keys else { return plain(item, element) };
    let mut text = String::new();
    for name in keys {
        text += &plain(key_field(item, name, element)?, element.field(name))?;
        text.push(',');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn a_name_is_known_by_its_letters_where_a_server_writes_it() {
        let item = |json: &str| Value::from_json(json.as_bytes()).unwrap();
        let keys = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        let (one, two) = (keys(&["name"]), keys(&["containerPort", "protocol"]));
        for (keys, json, name, expected) in [
            (&one, r#"{"name":"a"}"#, r#"{"name":"a"}"#, true),
            (&one, r#"{"name":"a"}"#, r#"{"name":"ab"}"#, false),
            (&one, r#"{"name":"a"}"#, r#"{"name":"a"}}"#, false),
            (&one, r#"{"name":"a"}"#, r#"{"name":"a","other":1}"#, false),
            // These are read instead.
            (&one, r#"{"name":"a\"b"}"#, r#"{"name":"a\"b"}"#, false),
            (&one, r#"{"name":"a"}"#, r#"{ "name": "a" }"#, false),
            (&two, r#"{"containerPort":80,"protocol":"TCP"}"#, r#"{"containerPort":80,"protocol":"TCP"}"#, true),
            (&two, r#"{"containerPort":80,"protocol":"TCP"}"#, r#"{"containerPort":8080,"protocol":"TCP"}"#, false),
            (&two, r#"{"containerPort":80,"protocol":"TCP"}"#, r#"{"containerPort":80.0,"protocol":"TCP"}"#, false),
            (&two, r#"{"containerPort":80}"#, r#"{"containerPort":80}"#, true),
            (&two, r#"{"protocol":"TCP"}"#, r#"{"containerPort":80,"protocol":"TCP"}"#, false),
        ] {
            let value = item(json);
            let step = Step::Keyed { keys, item: value.root(), element: TypeRef::deduced(), at: 0 };
            assert_eq!(step.is_spelled(name), expected, "{json} {name}");
        }
        for (json, name, expected) in [
            (r#""a/b""#, r#""a/b""#, true),
            (r#""a""#, r#""a/b""#, false),
            ("7", "7", true),
            ("7", "07", false),
            ("true", "true", true),
            ("null", "null", false),
        ] {
            let value = item(json);
            assert_eq!(Step::Valued { item: value.root(), at: 0 }.is_spelled(name), expected, "{json} {name}");
        }
    }
}
