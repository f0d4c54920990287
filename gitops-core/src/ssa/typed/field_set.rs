//! The fields that a value sets.

use super::item::{ItemKey, Part, Shape, resolve};
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{ListType, MapType, Relation, TypeRef};
use crate::path::Segment;
use crate::ssa::FieldSet;
use crate::ssa::order::compare_segments;
use crate::ssa::set::Entry;
use crate::value::{ValueRef, View};

pub(super) fn field_set(of: TypeRef<'_>, value: ValueRef<'_>, faults: &mut Faults) -> FieldSet {
    walk(of, value, 0, &mut Vec::new(), faults).1
}

/// Returns whether the value itself is a member, and the members below it.
///
/// `stack` holds the entries of all levels that are being gathered, the innermost last: one list for the whole walk.
fn walk(
    of: TypeRef<'_>,
    value: ValueRef<'_>,
    depth: usize,
    stack: &mut Vec<Entry>,
    faults: &mut Faults,
) -> (bool, FieldSet) {
    let nothing = (false, FieldSet::new());
    if depth > MAX_DEPTH {
        faults.add(TypedProblem::TooDeep);
        return nothing;
    }
    let Some(atom) = resolve(of, faults) else { return nothing };
    match (Shape::of(atom, value).part(), &atom.map, &atom.list) {
        (Part::Map, Some(map), _) if map.atomic => (true, FieldSet::new()),
        (Part::Map, Some(map), _) => (false, of_map(of, map, value, depth, stack, faults)),
        (Part::List, _, Some(list)) if list.relation == Relation::Atomic => (true, FieldSet::new()),
        (Part::List, _, Some(list)) => (false, of_list(of, list, value, depth, stack, faults)),
        (Part::Scalar, ..) => (true, FieldSet::new()),
        _ => {
            faults.add(TypedProblem::OpenType);
            nothing
        }
    }
}

fn of_map(
    of: TypeRef<'_>,
    map: &MapType,
    value: ValueRef<'_>,
    depth: usize,
    stack: &mut Vec<Entry>,
    faults: &mut Faults,
) -> FieldSet {
    let start = stack.len();
    for (name, child) in value.as_map().into_iter().flatten() {
        let declared = map.field(name);
        let (is_member, below) = faults.below(
            || Segment::field(name),
            |faults| match declared.map(|field| field.type_id).or(map.element) {
                Some(id) => walk(of.to(id), child, depth + 1, stack, faults),
                None => {
                    faults.add(TypedProblem::Undeclared);
                    (false, FieldSet::new())
                }
            },
        );
        let empty = matches!(child.view(), View::Null) || child.as_map().is_some_and(|map| map.is_empty());
        let is_member = is_member || empty || declared.is_none();
        if is_member || !below.is_empty() {
            let name = declared.map_or_else(|| name.into(), |field| field.name.clone());
            stack.push(Entry { segment: Segment::Field(name), is_member, below });
        }
    }
    FieldSet::from_drain(stack, start)
}

fn of_list<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    value: ValueRef<'a>,
    depth: usize,
    stack: &mut Vec<Entry>,
    faults: &mut Faults,
) -> FieldSet {
    let start = stack.len();
    let mut is_sorted = true;
    for (index, item) in value.as_list().into_iter().flatten().enumerate() {
        let segment = match ItemKey::of(list, of, index, item) {
            Ok(key) => key.segment(),
            Err(problem) => {
                faults.add(problem);
                continue;
            }
        };
        let below =
            faults.below(|| segment.clone(), |faults| walk(of.to(list.element), item, depth + 1, stack, faults)).1;
        let before = stack.get(start..).and_then(<[Entry]>::last);
        is_sorted &= before.is_none_or(|before| compare_segments(&before.segment, &segment).is_lt());
        stack.push(Entry { segment, is_member: true, below });
    }
    if is_sorted {
        return FieldSet::from_drain(stack, start);
    }
    let mut entries: Vec<Entry> = stack.drain(start..).collect();
    entries.sort_by(|left, right| compare_segments(&left.segment, &right.segment));
    // Items with the same key are owned together, as one value.
    entries.dedup_by(|later, kept| {
        let same = compare_segments(&later.segment, &kept.segment).is_eq();
        if same {
            kept.below = FieldSet::new();
        }
        same
    });
    FieldSet::from_proper(entries)
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
