//! Where a walk is, by reference; names are made only for what is reported.

use std::sync::Arc;

use crate::model::TypeRef;
use crate::path::Segment;
use crate::value::{List, ValueRef};

use super::equal::same;
use super::owned::{key_field, same_key};

/// One step from a parent to a child, with the places of list items in both lists.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Field(&'a str),
    Keyed { keys: &'a [Arc<str>], item: ValueRef<'a>, element: TypeRef<'a>, live: usize, desired: usize },
    Valued { item: ValueRef<'a>, live: usize, desired: usize },
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

/// A JSON Pointer (RFC 6901) into the live or the declared object.
pub(super) fn pointer(path: &[Step<'_>], in_live: bool) -> String {
    let mut text = String::new();
    for step in path {
        text.push('/');
        match step {
            Step::Field(name) => text.push_str(&name.replace('~', "~0").replace('/', "~1")),
            Step::Keyed { live, desired, .. } | Step::Valued { live, desired, .. } => {
                text.push_str(&if in_live { live } else { desired }.to_string());
            }
            Step::Index { at } => text.push_str(&at.to_string()),
        }
    }
    text
}

/// Finds for each declared item the live one; in equal order each step looks at one item.
pub(super) fn pair<'a>(
    desired: List<'a>,
    live: List<'a>,
    same: impl Fn(ValueRef<'a>, ValueRef<'a>) -> bool,
) -> Vec<Option<(usize, ValueRef<'a>)>> {
    let items: Vec<(usize, ValueRef<'a>)> = live.iter().enumerate().collect();
    let mut next = 0;
    let find = |want: ValueRef<'a>| {
        let (before, after) = items.split_at_checked(next).unwrap_or((&items, &[]));
        let found = after.iter().chain(before).find(|(_, have)| same(want, *have)).copied();
        next = found.map_or(next, |(at, _)| at + 1);
        found
    };
    desired.iter().map(find).collect()
}
