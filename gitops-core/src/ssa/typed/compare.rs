//! What changes from one value to another.

use std::cmp::Ordering;

use super::item::{Items, Part, Shape, resolve};
use super::merge::zip;
use super::validate::scalar_problem;
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{ListType, MapType, Relation, TypeRef};
use crate::path::Segment;
use crate::ssa::FieldSet;
use crate::ssa::order::{compare_segments, equal_values};
use crate::ssa::set::Entry;
use crate::value::ValueRef;

/// What changed between two values. No field is in more than one of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// Fields that only the first value has.
    pub removed: FieldSet,
    /// Fields that both have, with different values.
    pub modified: FieldSet,
    /// Fields that only the second value has.
    pub added: FieldSet,
}

impl Comparison {
    /// Makes a comparison of its parts.
    #[must_use]
    pub fn new(removed: FieldSet, modified: FieldSet, added: FieldSet) -> Self {
        Self { removed, modified, added }
    }

    /// Returns whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Returns this comparison with each set mapped.
    #[must_use]
    pub fn map(&self, map: impl Fn(&FieldSet) -> FieldSet) -> Self {
        Self { removed: map(&self.removed), modified: map(&self.modified), added: map(&self.added) }
    }

    /// Returns this comparison without `fields` and all below them.
    #[must_use]
    pub fn without(&self, fields: &FieldSet) -> Self {
        self.map(|set| set.recursive_difference(fields))
    }
}

type Sides<'a> = (Option<ValueRef<'a>>, Option<ValueRef<'a>>);

/// What one of the sets holds of a node: itself, and what is below it.
#[derive(Debug, Default)]
struct Mark {
    is_member: bool,
    below: Vec<Entry>,
}

/// What changed at a node and below it.
#[derive(Debug, Default)]
struct Change {
    removed: Mark,
    modified: Mark,
    added: Mark,
}

impl Mark {
    fn set(self) -> FieldSet {
        let order = |left: &Entry, right: &Entry| compare_segments(&left.segment, &right.segment);
        if self.below.is_sorted_by(|left, right| order(left, right) == Ordering::Less) {
            FieldSet::from_proper(self.below)
        } else {
            FieldSet::from_unsorted(self.below)
        }
    }

    fn is_empty(&self) -> bool {
        !self.is_member && self.below.is_empty()
    }

    /// Takes over what was found at a child.
    fn take(&mut self, child: Self, segment: &Segment) {
        if !child.is_empty() {
            self.below.push(Entry { segment: segment.clone(), is_member: child.is_member, below: child.set() });
        }
    }
}

impl Change {
    fn take(&mut self, child: Self, segment: impl FnOnce() -> Segment) {
        if child.removed.is_empty() && child.modified.is_empty() && child.added.is_empty() {
            return;
        }
        let segment = segment();
        self.removed.take(child.removed, &segment);
        self.modified.take(child.modified, &segment);
        self.added.take(child.added, &segment);
    }
}

pub(super) fn compare(of: TypeRef<'_>, left: ValueRef<'_>, right: ValueRef<'_>, faults: &mut Faults) -> Comparison {
    let mut change = Change::default();
    walk(of, (Some(left), Some(right)), 0, &mut change, faults);
    Comparison { removed: change.removed.set(), modified: change.modified.set(), added: change.added.set() }
}

fn walk<'a>(of: TypeRef<'a>, sides: Sides<'a>, depth: usize, change: &mut Change, faults: &mut Faults) {
    if depth > MAX_DEPTH {
        return faults.add(TypedProblem::TooDeep);
    }
    let Some(atom) = resolve(of, faults) else { return };
    match sides {
        (Some(left), Some(right)) => {
            let (left, right) = (Shape::of(atom, left), Shape::of(atom, right));
            if left != right {
                part(of, left, sides, depth, change, faults);
            }
            part(of, right, sides, depth, change, faults);
        }
        (None, Some(only)) => {
            part(of, Shape::of(atom, only), sides, depth, change, faults);
            change.added.is_member = true;
        }
        (Some(only), None) => {
            part(of, Shape::of(atom, only), sides, depth, change, faults);
            change.removed.is_member = true;
        }
        (None, None) => {}
    }
}

fn part<'a>(of: TypeRef<'a>, shape: Shape, sides: Sides<'a>, depth: usize, change: &mut Change, faults: &mut Faults) {
    let atom = of.atom();
    match (shape.part(), &atom.map, &atom.list, atom.scalar) {
        (Part::Map, Some(map), ..) => maps(of, map, sides, depth, change, faults),
        (Part::List, _, Some(list), _) => lists(of, list, sides, depth, change, faults),
        (Part::Scalar, _, _, Some(scalar)) => {
            match (scalar_problem(scalar, sides.0), scalar_problem(scalar, sides.1)) {
                (Some(left), Some(right)) => {
                    faults.add(left);
                    faults.add(right);
                }
                _ => leaf(sides, change),
            }
        }
        _ => faults.add(TypedProblem::OpenType),
    }
}

fn leaf(sides: Sides<'_>, change: &mut Change) {
    if let (Some(left), Some(right)) = sides {
        change.modified.is_member |= !equal_values(left, right);
    }
}

fn maps<'a>(
    of: TypeRef<'a>,
    map: &'a MapType,
    sides: Sides<'a>,
    depth: usize,
    change: &mut Change,
    faults: &mut Faults,
) {
    let left = sides.0.and_then(ValueRef::as_map).filter(|map| !map.is_empty());
    let right = sides.1.and_then(ValueRef::as_map).filter(|map| !map.is_empty());
    if map.atomic || (left.is_none() && right.is_none()) {
        return leaf(sides, change);
    }
    for (name, left, right) in zip(left, right) {
        let declared = map.field(name);
        let segment = || Segment::Field(declared.map_or_else(|| name.into(), |field| field.name.clone()));
        let mut child = Change::default();
        faults.below(segment, |faults| match map.type_of(name) {
            Some(id) => walk(of.to(id), (left, right), depth + 1, &mut child, faults),
            None => faults.add(TypedProblem::Undeclared),
        });
        change.take(child, segment);
    }
}

fn lists<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    sides: Sides<'a>,
    depth: usize,
    change: &mut Change,
    faults: &mut Faults,
) {
    let left = sides.0.and_then(ValueRef::as_list).filter(|list| !list.is_empty());
    let right = sides.1.and_then(ValueRef::as_list).filter(|list| !list.is_empty());
    if list.relation == Relation::Atomic || (left.is_none() && right.is_none()) {
        return leaf(sides, change);
    }
    if let (Some(left), Some(right)) = sides
        && left == right
    {
        return;
    }
    let (left, right) = (Items::of(list, of, left, faults), Items::of(list, of, right, faults));
    let only_right =
        right.runs().filter(|(key, _)| left.with_key(key).is_empty()).map(|(key, run)| (key, &[][..], run));
    let on_left = left.runs().map(|(key, run)| (key, run, right.with_key(key)));
    for (key, from, to) in on_left.chain(only_right) {
        let mut child = Change::default();
        let mut item = |from: Option<&u32>, to: Option<&u32>| {
            let sides = (from.and_then(|at| left.value(*at)), to.and_then(|at| right.value(*at)));
            faults.below(|| key.segment(), |faults| walk(of.to(list.element), sides, depth + 1, &mut child, faults));
        };
        match (from, to) {
            ([] | [_], [] | [_]) => item(from.first(), to.first()),
            // Items with the same key on both sides are one value.
            ([_, _, ..], [_, _, ..]) => {
                let equal = |(from, to): (&u32, &u32)| match (left.value(*from), right.value(*to)) {
                    (Some(from), Some(to)) => equal_values(from, to),
                    _ => false,
                };
                child.modified.is_member = from.len() != to.len() || !from.iter().zip(to).all(equal);
            }
            ([_, _, ..], _) => {
                if let Some(to) = to.first() {
                    item(None, Some(to));
                }
                child.removed.is_member = true;
            }
            (_, [_, _, ..]) => {
                if let Some(from) = from.first() {
                    item(Some(from), None);
                }
                child.added.is_member = true;
            }
        }
        change.take(child, || key.segment());
    }
}
