//! Union, intersection and the two differences.
//!
//! Rules: `fieldpath.Set` of structured-merge-diff v6.4. Both sides are sorted, so each operation walks them once.

use std::cmp::Ordering;

use super::build::SetBuilder;
use super::label::Label;
use super::set::{Block, Entry, FieldSet, Level};
use crate::model::TypeRef;
use crate::path::{FieldPath, Segment};

impl FieldSet {
    /// Returns the fields that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_empty() || self.same(other) {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        self.with(other, union)
    }

    /// Returns the fields that are in any of these sets: in pairs, so that no set is copied for each of the others.
    pub(crate) fn union_of(mut sets: Vec<Self>) -> Self {
        while sets.len() > 1 {
            let pairs = sets.chunks(2).map(|pair| match pair {
                [one, other] => one.union(other),
                _ => pair.first().cloned().unwrap_or_default(),
            });
            sets = pairs.collect();
        }
        sets.pop().unwrap_or_default()
    }

    /// Returns the fields that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_empty() || self.same(other) {
            return self.clone();
        }
        if other.is_empty() {
            return other.clone();
        }
        self.with(other, intersection)
    }

    /// Returns the fields of this set that are not in `other`. Fields below a field of `other` stay.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        if self.same(other) {
            return Self::new();
        }
        self.with(other, difference)
    }

    /// Returns the fields of this set that are neither in `other` nor below a field of `other`.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        self.with(other, recursive_difference)
    }

    /// Returns the fields of this set that are in `other` or below a field of `other`.
    #[must_use]
    pub fn recursive_intersection(&self, other: &Self) -> Self {
        self.difference(&self.recursive_difference(other))
    }

    /// Returns this set without `path` and all below it.
    #[must_use]
    pub fn without(&self, path: &FieldPath) -> Self {
        self.recursive_difference(&[path].into_iter().collect())
    }

    /// Returns whether every field of this set is in `other`.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        fn is_within(left: Level<'_>, right: Level<'_>) -> bool {
            zip(left, right).all(|pair| match pair {
                (Some(left), Some(right)) => {
                    (right.is_member() || !left.is_member()) && is_within(left.below(), right.below())
                }
                (left, _) => left.is_none(),
            })
        }
        self.same(other) || is_within(self.level(), other.level())
    }

    /// Adds every field of a struct that has members below it: owning `a.b.c` becomes owning `a` as well where `a` is
    /// declared by name, but not `a.b` where `b` is an item of a map.
    #[must_use]
    pub fn with_named_parents(&self, of: TypeRef<'_>) -> Self {
        let mut out = SetBuilder::with_room_of(self);
        let top = with_named_parents(self.level(), of, &mut out);
        out.finish(top)
    }

    /// Keeps the fields on the way to one of `prefixes`, and those at or below it.
    ///
    /// Rule: structured-merge-diff's `IncludeMatcherFilter`, with which the API server limits what a subresource owns.
    #[must_use]
    pub fn matching(&self, prefixes: &[Pattern]) -> Self {
        let prefixes: Vec<&[Option<Segment>]> = prefixes.iter().map(|pattern| &*pattern.0).collect();
        let mut out = SetBuilder::with_room_of(self);
        let top = matching(self.level(), &prefixes, &mut out);
        out.finish(top)
    }

    fn with(&self, other: &Self, operation: fn(Level<'_>, Level<'_>, &mut SetBuilder) -> Block) -> Self {
        let mut out = SetBuilder::with_room_of(self);
        let top = operation(self.level(), other.level(), &mut out);
        out.finish(top)
    }
}

fn union(left: Level<'_>, right: Level<'_>, out: &mut SetBuilder) -> Block {
    let start = out.start();
    for pair in zip(left, right) {
        match pair {
            (Some(left), Some(right)) => {
                let below = union(left.below(), right.below(), out);
                out.push(left.label(), left.is_member() || right.is_member(), below);
            }
            (Some(only), None) | (None, Some(only)) => out.copy(only),
            (None, None) => {}
        }
    }
    out.close(start)
}

fn intersection(left: Level<'_>, right: Level<'_>, out: &mut SetBuilder) -> Block {
    let start = out.start();
    for pair in zip(left, right) {
        let (Some(left), Some(right)) = pair else { continue };
        let below = intersection(left.below(), right.below(), out);
        out.push(left.label(), left.is_member() && right.is_member(), below);
    }
    out.close(start)
}

fn difference(left: Level<'_>, right: Level<'_>, out: &mut SetBuilder) -> Block {
    let start = out.start();
    for pair in zip(left, right) {
        match pair {
            (Some(left), Some(right)) => {
                let below = difference(left.below(), right.below(), out);
                out.push(left.label(), left.is_member() && !right.is_member(), below);
            }
            (Some(left), None) => out.copy(left),
            (None, _) => {}
        }
    }
    out.close(start)
}

fn recursive_difference(left: Level<'_>, right: Level<'_>, out: &mut SetBuilder) -> Block {
    let start = out.start();
    for pair in zip(left, right) {
        match pair {
            (Some(left), Some(right)) if !right.is_member() => {
                let below = recursive_difference(left.below(), right.below(), out);
                out.push(left.label(), left.is_member(), below);
            }
            (Some(left), None) => out.copy(left),
            _ => {}
        }
    }
    out.close(start)
}

fn with_named_parents(level: Level<'_>, of: TypeRef<'_>, out: &mut SetBuilder) -> Block {
    let atom = of.atom();
    let start = out.start();
    for entry in level.iter() {
        let (is_named, below) = match entry.label() {
            Label::Field(name) => {
                let declared = atom.map.as_ref().and_then(|map| map.field(name));
                let rest = || atom.map.as_ref().and_then(|map| map.element);
                (declared.is_some(), declared.map(|field| field.type_id).or_else(rest))
            }
            Label::Key(_) => (false, atom.list.as_ref().map(|list| list.element)),
            _ => (false, None),
        };
        let below = match below {
            Some(below) => with_named_parents(entry.below(), of.to(below), out),
            // Below what is not typed nothing is named.
            None => out.copy_level(entry.below()),
        };
        out.push(entry.label(), is_named || entry.is_member(), below);
    }
    out.close(start)
}

fn matching(level: Level<'_>, patterns: &[&[Option<Segment>]], out: &mut SetBuilder) -> Block {
    if patterns.iter().any(|pattern| pattern.is_empty()) {
        return out.copy_level(level);
    }
    let heads = || patterns.iter().filter_map(|pattern| pattern.split_first());
    // A wildcard makes the exact patterns beside it void: the first match decides, and wildcards come first.
    let wildcard: Vec<_> = heads().filter(|(head, _)| head.is_none()).map(|(_, rest)| rest).collect();
    let start = out.start();
    for entry in level.iter() {
        let exact = || {
            let equal = |head: &Segment| Label::of(head).cmp(entry.label()) == Ordering::Equal;
            heads().filter(|(head, _)| head.as_ref().is_some_and(equal)).map(|(_, rest)| rest).collect()
        };
        let rests: Vec<_> = if wildcard.is_empty() { exact() } else { wildcard.clone() };
        if !rests.is_empty() {
            let below = matching(entry.below(), &rests, out);
            out.push(entry.label(), entry.is_member(), below);
        }
    }
    out.close(start)
}

/// A path of which some elements may be anything (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Option<Segment>>);

impl FromIterator<Option<Segment>> for Pattern {
    fn from_iter<I: IntoIterator<Item = Option<Segment>>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

/// Walks two levels side by side.
pub(crate) fn zip<'l, 'r>(
    left: Level<'l>,
    right: Level<'r>,
) -> impl Iterator<Item = (Option<Entry<'l>>, Option<Entry<'r>>)> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (Some(left), Some(right)) => left.label().cmp(right.label()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let from_left = if order.is_le() { left.next() } else { None };
        let from_right = if order.is_ge() { right.next() } else { None };
        Some((from_left, from_right))
    })
}
