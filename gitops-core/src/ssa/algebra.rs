//! Union, intersection and the two differences.
//!
//! Rules: `fieldpath.Set` of structured-merge-diff v6.4. Both sides are sorted, so each operation walks them once;
//! subtrees that only one side has are shared, not copied.

use std::cmp::Ordering;

use super::order::compare_segments;
use super::set::{Entry, FieldSet};
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
        Self::from_proper(zip(self, other, |left, right| match (left, right) {
            (Some(left), Some(right)) => Some(Entry {
                segment: left.segment.clone(),
                is_member: left.is_member || right.is_member,
                below: left.below.union(&right.below),
            }),
            (Some(only), None) | (None, Some(only)) => Some(only.clone()),
            (None, None) => None,
        }))
    }

    /// Returns the fields that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.same(other) {
            return self.clone();
        }
        Self::from_entries(zip(self, other, |left, right| {
            let (left, right) = (left?, right?);
            Some(Entry {
                segment: left.segment.clone(),
                is_member: left.is_member && right.is_member,
                below: left.below.intersection(&right.below),
            })
        }))
    }

    /// Returns the fields of this set that are not in `other`. Fields below a field of `other` stay.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        Self::from_entries(zip(self, other, |left, right| {
            let left = left?;
            let Some(right) = right else { return Some(left.clone()) };
            Some(Entry {
                segment: left.segment.clone(),
                is_member: left.is_member && !right.is_member,
                below: left.below.difference(&right.below),
            })
        }))
    }

    /// Returns the fields of this set that are neither in `other` nor below a field of `other`.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        Self::from_entries(zip(self, other, |left, right| {
            let left = left?;
            match right {
                None => Some(left.clone()),
                Some(right) if right.is_member => None,
                Some(right) => Some(Entry {
                    segment: left.segment.clone(),
                    is_member: left.is_member,
                    below: left.below.recursive_difference(&right.below),
                }),
            }
        }))
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

    /// Adds every field of a struct that has members below it: owning `a.b.c` becomes owning `a` as well where `a` is
    /// declared by name, but not `a.b` where `b` is an item of a map.
    #[must_use]
    pub fn with_named_parents(&self, of: TypeRef<'_>) -> Self {
        let atom = of.atom();
        let entry = |entry: &Entry| {
            let mut copy = entry.clone();
            let element = || atom.list.as_ref().map(|list| list.element);
            let below = match &entry.segment {
                Segment::Field(name) => {
                    let map = atom.map.as_ref();
                    copy.is_member |= map.is_some_and(|map| map.field(name).is_some());
                    map.and_then(|map| map.type_of(name))
                }
                Segment::Key(_) => element(),
                _ => None,
            };
            // Below what is not typed nothing is named.
            if let Some(below) = below {
                copy.below = entry.below.with_named_parents(of.to(below));
            }
            copy
        };
        Self::from_proper(self.entries().iter().map(entry).collect())
    }

    /// Keeps the fields on the way to one of `prefixes`, and those at or below it.
    ///
    /// Rule: structured-merge-diff's `IncludeMatcherFilter`, with which the API server limits what a subresource owns.
    #[must_use]
    pub fn matching(&self, prefixes: &[Pattern]) -> Self {
        let prefixes: Vec<&[Option<Segment>]> = prefixes.iter().map(|pattern| &*pattern.0).collect();
        self.matching_all(&prefixes)
    }

    fn matching_all(&self, patterns: &[&[Option<Segment>]]) -> Self {
        if patterns.iter().any(|pattern| pattern.is_empty()) {
            return self.clone();
        }
        let heads = || patterns.iter().filter_map(|pattern| pattern.split_first());
        // A wildcard makes the exact patterns beside it void: the first match decides, and wildcards come first.
        let wildcard: Vec<_> = heads().filter(|(head, _)| head.is_none()).map(|(_, rest)| rest).collect();
        let entry = |entry: &Entry| {
            let exact = || {
                let equal = |head: &Segment| compare_segments(head, &entry.segment) == Ordering::Equal;
                heads().filter(|(head, _)| head.as_ref().is_some_and(equal)).map(|(_, rest)| rest).collect()
            };
            let rests: Vec<_> = if wildcard.is_empty() { exact() } else { wildcard.clone() };
            (!rests.is_empty()).then(|| Entry { below: entry.below.matching_all(&rests), ..entry.clone() })
        };
        Self::from_entries(self.entries().iter().filter_map(entry).collect())
    }
}

/// A path of which some elements may be anything (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Option<Segment>>);

impl FromIterator<Option<Segment>> for Pattern {
    fn from_iter<I: IntoIterator<Item = Option<Segment>>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

/// Walks two sets side by side.
fn zip(
    left: &FieldSet,
    right: &FieldSet,
    mut pick: impl FnMut(Option<&Entry>, Option<&Entry>) -> Option<Entry>,
) -> Vec<Entry> {
    let (mut left, mut right) = (left.entries().iter().peekable(), right.entries().iter().peekable());
    let mut picked = Vec::with_capacity(left.len());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(left), Some(right)) => compare_segments(&left.segment, &right.segment),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return picked,
        };
        let from_left = if order.is_le() { left.next() } else { None };
        let from_right = if order.is_ge() { right.next() } else { None };
        picked.extend(pick(from_left, from_right));
    }
}
