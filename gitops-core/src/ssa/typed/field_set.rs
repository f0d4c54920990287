//! The fields that a value sets.

use super::item::{Items, Part, Shape, resolve};
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{ListType, MapType, Relation, TypeRef};
use crate::path::Segment;
use crate::ssa::FieldSet;
use crate::ssa::set::Entry;
use crate::value::{ValueRef, View};

pub(super) fn field_set(of: TypeRef<'_>, value: ValueRef<'_>, faults: &mut Faults) -> FieldSet {
    walk(of, value, 0, faults).1
}

/// Returns whether the value itself is a member, and the members below it.
fn walk(of: TypeRef<'_>, value: ValueRef<'_>, depth: usize, faults: &mut Faults) -> (bool, FieldSet) {
    let nothing = (false, FieldSet::new());
    if depth > MAX_DEPTH {
        faults.add(TypedProblem::TooDeep);
        return nothing;
    }
    let Some(atom) = resolve(of, faults) else { return nothing };
    match (Shape::of(atom, value).part(), &atom.map, &atom.list) {
        (Part::Map, Some(map), _) if map.atomic => (true, FieldSet::new()),
        (Part::Map, Some(map), _) => (false, of_map(of, map, value, depth, faults)),
        (Part::List, _, Some(list)) if list.relation == Relation::Atomic => (true, FieldSet::new()),
        (Part::List, _, Some(list)) => (false, of_list(of, list, value, depth, faults)),
        (Part::Scalar, ..) => (true, FieldSet::new()),
        _ => {
            faults.add(TypedProblem::OpenType);
            nothing
        }
    }
}

fn of_map(of: TypeRef<'_>, map: &MapType, value: ValueRef<'_>, depth: usize, faults: &mut Faults) -> FieldSet {
    let Some(entries) = value.as_map() else { return FieldSet::new() };
    let mut members = Vec::with_capacity(entries.len());
    for (name, child) in entries {
        let (is_member, below) = faults.below(
            || Segment::field(name),
            |faults| match map.type_of(name) {
                Some(id) => walk(of.to(id), child, depth + 1, faults),
                None => {
                    faults.add(TypedProblem::Undeclared);
                    (false, FieldSet::new())
                }
            },
        );
        let declared = map.field(name);
        let empty = matches!(child.view(), View::Null) || child.as_map().is_some_and(|map| map.is_empty());
        let is_member = is_member || empty || declared.is_none();
        if is_member || !below.is_empty() {
            let name = declared.map_or_else(|| name.into(), |field| field.name.clone());
            members.push(Entry { segment: Segment::Field(name), is_member, below });
        }
    }
    FieldSet::from_proper(members)
}

fn of_list<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    value: ValueRef<'a>,
    depth: usize,
    faults: &mut Faults,
) -> FieldSet {
    let items = Items::of(list, of, value.as_list(), faults);
    let mut members = Vec::with_capacity(items.items.len());
    for (key, run) in items.runs() {
        let segment = key.segment();
        // Items with the same key are owned together, as one value.
        let below = match run {
            [only] => items.get(*only).map_or_else(FieldSet::new, |(_, item)| {
                faults.below(|| segment.clone(), |faults| walk(of.to(list.element), *item, depth + 1, faults)).1
            }),
            _ => FieldSet::new(),
        };
        members.push(Entry { segment, is_member: true, below });
    }
    FieldSet::from_proper(members)
}

impl FieldSet {
    /// Returns the leaves of a value without a schema. List items that have scalar fields `key`, `name` or `id` are
    /// named by these, others by their place.
    ///
    /// Rule: structured-merge-diff's `SetFromValue`.
    #[must_use]
    pub fn guessed(value: ValueRef<'_>) -> Self {
        guess(value, 0).1
    }
}

fn guess(value: ValueRef<'_>, depth: usize) -> (bool, FieldSet) {
    let entry = |(segment, item): (Segment, ValueRef<'_>)| {
        let (is_member, below) = guess(item, depth + 1);
        Entry { segment, is_member, below }
    };
    match value.view() {
        View::List(items) if depth < MAX_DEPTH => {
            let named = items.iter().enumerate().map(|(index, item)| (guess_name(index, item), item));
            (false, FieldSet::from_unsorted(named.map(entry).collect()))
        }
        View::Map(fields) if depth < MAX_DEPTH => {
            let named = fields.iter().map(|(name, value)| (Segment::field(name), value));
            (false, FieldSet::from_entries(named.map(entry).collect()))
        }
        _ => (true, FieldSet::new()),
    }
}

fn guess_name(index: usize, item: ValueRef<'_>) -> Segment {
    let scalar = |name: &'static str| {
        let value = item.get(name)?;
        (!matches!(value.view(), View::Null | View::List(_) | View::Map(_))).then(|| (name, value.to_value()))
    };
    let keys: Vec<_> = ["id", "key", "name"].into_iter().filter_map(scalar).collect();
    if keys.is_empty() { Segment::Index(u32::try_from(index).unwrap_or(u32::MAX)) } else { Segment::key(keys) }
}
