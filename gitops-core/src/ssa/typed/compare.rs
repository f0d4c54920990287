//! What changes from one value to another.

use super::item::{Items, Part, Shape, resolve};
use super::merge::zip;
use super::validate::scalar_problem;
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{ListType, MapType, Relation, TypeRef};
use crate::path::Segment;
use crate::ssa::FieldSet;
use crate::ssa::build::{SetBuilder, Twins};
use crate::ssa::label::Label;
use crate::ssa::order::equal_values;
use crate::ssa::set::Block;
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
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    is_member: bool,
    below: Block,
}

/// What changed at a node and below it.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    removed: Mark,
    modified: Mark,
    added: Mark,
}

/// The walk of two values; the three sets are built side by side.
#[derive(Default)]
struct Walk {
    removed: SetBuilder,
    modified: SetBuilder,
    added: SetBuilder,
    faults: Faults,
}

/// Where a level begins in each of the three sets.
type Start = [usize; 3];

pub(super) fn compare(of: TypeRef<'_>, left: ValueRef<'_>, right: ValueRef<'_>, faults: &mut Faults) -> Comparison {
    let mut walk = Walk::default();
    let change = walk.node(of, (Some(left), Some(right)), 0);
    faults.0.append(&mut walk.faults.0);
    Comparison {
        removed: walk.removed.finish(change.removed.below),
        modified: walk.modified.finish(change.modified.below),
        added: walk.added.finish(change.added.below),
    }
}

impl Walk {
    fn start(&self) -> Start {
        [self.removed.start(), self.modified.start(), self.added.start()]
    }

    fn push(&mut self, label: Label<'_>, child: Change) {
        self.removed.push(label, child.removed.is_member, child.removed.below);
        self.modified.push(label, child.modified.is_member, child.modified.below);
        self.added.push(label, child.added.is_member, child.added.below);
    }

    fn close(&mut self, [removed, modified, added]: Start, change: &mut Change) {
        change.removed.below = self.removed.close_sorting(removed, Twins::Unite);
        change.modified.below = self.modified.close_sorting(modified, Twins::Unite);
        change.added.below = self.added.close_sorting(added, Twins::Unite);
    }

    fn node<'a>(&mut self, of: TypeRef<'a>, sides: Sides<'a>, depth: usize) -> Change {
        let mut change = Change::default();
        if depth > MAX_DEPTH {
            self.faults.add(TypedProblem::TooDeep);
            return change;
        }
        let Some(atom) = resolve(of, &mut self.faults) else { return change };
        let start = self.start();
        match sides {
            (Some(left), Some(right)) => {
                let (left, right) = (Shape::of(atom, left), Shape::of(atom, right));
                change.modified.is_member |= left != right && self.part(of, left, sides, depth);
                change.modified.is_member |= self.part(of, right, sides, depth);
            }
            (None, Some(only)) => {
                self.part(of, Shape::of(atom, only), sides, depth);
                change.added.is_member = true;
            }
            (Some(only), None) => {
                self.part(of, Shape::of(atom, only), sides, depth);
                change.removed.is_member = true;
            }
            (None, None) => {}
        }
        self.close(start, &mut change);
        change
    }

    /// Adds what changed below a node; returns whether it was modified itself.
    fn part<'a>(&mut self, of: TypeRef<'a>, shape: Shape, sides: Sides<'a>, depth: usize) -> bool {
        let atom = of.atom();
        match (shape.part(), &atom.map, &atom.list, atom.scalar) {
            (Part::Map, Some(map), ..) => self.maps(of, map, sides, depth),
            (Part::List, _, Some(list), _) => self.lists(of, list, sides, depth),
            (Part::Scalar, _, _, Some(scalar)) => {
                match (scalar_problem(scalar, sides.0), scalar_problem(scalar, sides.1)) {
                    (Some(left), Some(right)) => {
                        self.faults.add(left);
                        self.faults.add(right);
                        false
                    }
                    _ => is_modified(sides),
                }
            }
            _ => {
                self.faults.add(TypedProblem::OpenType);
                false
            }
        }
    }

    /// Runs a walk of a child; faults that it adds lie below `segment`.
    fn below<T>(&mut self, segment: impl FnOnce() -> Segment, walk: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.faults.0.len();
        let result = walk(self);
        self.faults.place(before, segment);
        result
    }

    fn maps<'a>(&mut self, of: TypeRef<'a>, map: &'a MapType, sides: Sides<'a>, depth: usize) -> bool {
        let left = sides.0.and_then(ValueRef::as_map).filter(|map| !map.is_empty());
        let right = sides.1.and_then(ValueRef::as_map).filter(|map| !map.is_empty());
        if map.atomic || (left.is_none() && right.is_none()) {
            return is_modified(sides);
        }
        for (name, left, right) in zip(left, right) {
            let child = self.below(
                || Segment::field(name),
                |walk| match map.type_of(name) {
                    Some(id) => walk.node(of.to(id), (left, right), depth + 1),
                    None => {
                        walk.faults.add(TypedProblem::Undeclared);
                        Change::default()
                    }
                },
            );
            self.push(Label::Field(name), child);
        }
        false
    }

    fn lists<'a>(&mut self, of: TypeRef<'a>, list: &'a ListType, sides: Sides<'a>, depth: usize) -> bool {
        let left = sides.0.and_then(ValueRef::as_list).filter(|list| !list.is_empty());
        let right = sides.1.and_then(ValueRef::as_list).filter(|list| !list.is_empty());
        if list.relation == Relation::Atomic || (left.is_none() && right.is_none()) {
            return is_modified(sides);
        }
        if let (Some(left), Some(right)) = sides
            && left == right
        {
            return false;
        }
        let (left, right) = (Items::of(list, of, left, &mut self.faults), Items::of(list, of, right, &mut self.faults));
        let only_right =
            right.runs().filter(|(key, _)| left.with_key(key).is_empty()).map(|(key, run)| (key, &[][..], run));
        let on_left = left.runs().map(|(key, run)| (key, run, right.with_key(key)));
        for (key, from, to) in on_left.chain(only_right) {
            let mut item = |from: Option<&u32>, to: Option<&u32>| {
                let sides = (from.and_then(|at| left.value(*at)), to.and_then(|at| right.value(*at)));
                self.below(|| key.segment(), |walk| walk.node(of.to(list.element), sides, depth + 1))
            };
            let mut child = Change::default();
            match (from, to) {
                ([] | [_], [] | [_]) => child = item(from.first(), to.first()),
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
                        child = item(None, Some(to));
                    }
                    child.removed.is_member = true;
                }
                (_, [_, _, ..]) => {
                    if let Some(from) = from.first() {
                        child = item(Some(from), None);
                    }
                    child.added.is_member = true;
                }
            }
            self.push(key.label(), child);
        }
        false
    }
}

/// Whether one value became another.
fn is_modified(sides: Sides<'_>) -> bool {
    matches!(sides, (Some(left), Some(right)) if !equal_values(left, right))
}
