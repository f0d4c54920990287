//! Path elements as they are compared and copied: borrowed from wherever they are kept.

use std::cmp::Ordering;
use std::sync::Arc;

use super::order::compare_views;
use super::set::{Arena, Block};
use crate::path::Segment;
use crate::value::{Value, View};

/// A borrowed [`Segment`].
#[derive(Clone, Copy)]
pub(crate) enum Label<'a> {
    Field(&'a str),
    Key(Keys<'a>),
    Item(View<'a>),
    Index(u32),
}

/// Key fields of a list item with their values, in byte order of their names.
#[derive(Clone, Copy)]
pub(crate) enum Keys<'a> {
    /// In a set.
    Packed(&'a Arena, Block),
    /// In a path.
    Owned(&'a [(Arc<str>, Value)]),
    /// In a value.
    Borrowed(&'a [(&'a str, View<'a>)]),
}

impl<'a> Keys<'a> {
    /// Returns key field number `at`.
    fn get(self, at: usize) -> Option<(&'a str, View<'a>)> {
        match self {
            Self::Packed(arena, block) => arena.key_field(block, at),
            Self::Owned(fields) => fields.get(at).map(|(name, value)| (&**name, value.root().view())),
            Self::Borrowed(fields) => fields.get(at).copied(),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, View<'a>)> {
        (0..).map_while(move |at| self.get(at))
    }
}

impl<'a> Label<'a> {
    pub(crate) fn of(segment: &'a Segment) -> Self {
        match segment {
            Segment::Field(name) => Self::Field(name),
            Segment::Key(fields) => Self::Key(Keys::Owned(fields)),
            Segment::Item(value) => Self::Item(value.root().view()),
            Segment::Index(index) => Self::Index(*index),
        }
    }

    pub(crate) fn to_segment(self) -> Segment {
        match self {
            Self::Field(name) => Segment::field(name),
            Self::Key(fields) => {
                Segment::Key(fields.iter().map(|(name, value)| (name.into(), value.to_value())).collect())
            }
            Self::Item(value) => Segment::Item(value.to_value()),
            Self::Index(index) => Segment::Index(index),
        }
    }

    /// The order of structured-merge-diff: fields, keys, values, indices.
    pub(crate) fn cmp(self, other: Self) -> Ordering {
        let rank = |label: Self| match label {
            Self::Field(_) => 0_u8,
            Self::Key(_) => 1,
            Self::Item(_) => 2,
            Self::Index(_) => 3,
        };
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Key(a), Self::Key(b)) => compare_keys(a, b),
            (Self::Item(a), Self::Item(b)) => compare_views(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(&b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

fn compare_keys(left: Keys<'_>, right: Keys<'_>) -> Ordering {
    for at in 0.. {
        let order = match (left.get(at), right.get(at)) {
            (Some((name, value)), Some((other, than))) => {
                name.as_bytes().cmp(other.as_bytes()).then_with(|| compare_views(value, than))
            }
            (None, None) => break,
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
