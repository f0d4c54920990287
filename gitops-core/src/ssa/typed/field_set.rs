//! The fields that a value sets.

use super::item::{ItemKey, Part, Shape, resolve};
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{ListType, MapType, Relation, TypeRef};
use crate::path::Segment;
use crate::ssa::FieldSet;
use crate::ssa::build::{SetBuilder, Twins};
use crate::ssa::label::{Keys, Label};
use crate::ssa::set::Block;
use crate::value::{ValueRef, View};

pub(super) fn field_set(of: TypeRef<'_>, value: ValueRef<'_>, faults: &mut Faults) -> FieldSet {
    let mut out = SetBuilder::default();
    let (_, top) = walk(of, value, 0, &mut out, faults);
    out.finish(top)
}

/// Returns whether the value itself is a member, and the members below it.
fn walk(
    of: TypeRef<'_>,
    value: ValueRef<'_>,
    depth: usize,
    out: &mut SetBuilder,
    faults: &mut Faults,
) -> (bool, Block) {
    let nothing = (false, Block::default());
    if depth > MAX_DEPTH {
        faults.add(TypedProblem::TooDeep);
        return nothing;
    }
    let Some(atom) = resolve(of, faults) else { return nothing };
    match (Shape::of(atom, value).part(), &atom.map, &atom.list) {
        (Part::Map, Some(map), _) if map.atomic => (true, Block::default()),
        (Part::Map, Some(map), _) => (false, of_map(of, map, value, depth, out, faults)),
        (Part::List, _, Some(list)) if list.relation == Relation::Atomic => (true, Block::default()),
        (Part::List, _, Some(list)) => (false, of_list(of, list, value, depth, out, faults)),
        (Part::Scalar, ..) => (true, Block::default()),
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
    out: &mut SetBuilder,
    faults: &mut Faults,
) -> Block {
    let start = out.start();
    for (name, child) in value.as_map().into_iter().flatten() {
        let declared = map.field(name);
        let (is_member, below) = faults.below(
            || Segment::field(name),
            |faults| match declared.map(|field| field.type_id).or(map.element) {
                Some(id) => walk(of.to(id), child, depth + 1, out, faults),
                None => {
                    faults.add(TypedProblem::Undeclared);
                    (false, Block::default())
                }
            },
        );
        let empty = matches!(child.view(), View::Null) || child.as_map().is_some_and(|map| map.is_empty());
        out.push(Label::Field(name), is_member || empty || declared.is_none(), below);
    }
    out.close(start)
}

fn of_list<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    value: ValueRef<'a>,
    depth: usize,
    out: &mut SetBuilder,
    faults: &mut Faults,
) -> Block {
    let start = out.start();
    for (index, item) in value.as_list().into_iter().flatten().enumerate() {
        let key = match ItemKey::of(list, of, index, item) {
            Ok(key) => key,
            Err(problem) => {
                faults.add(problem);
                continue;
            }
        };
        let (_, below) =
            faults.below(|| key.segment(), |faults| walk(of.to(list.element), item, depth + 1, out, faults));
        out.push(key.label(), true, below);
    }
    // Items with the same key are owned together, as one value.
    out.close_sorting(start, Twins::Whole)
}

impl FieldSet {
    /// Returns the leaves of a value without a schema. List items that have scalar fields `key`, `name` or `id` are
    /// named by these, others by their place.
    ///
    /// Rule: structured-merge-diff's `SetFromValue`.
    #[must_use]
    pub fn guessed(value: ValueRef<'_>) -> Self {
        let mut out = SetBuilder::default();
        let (_, top) = guess(value, 0, &mut out);
        out.finish(top)
    }
}

fn guess(value: ValueRef<'_>, depth: usize, out: &mut SetBuilder) -> (bool, Block) {
    let start = out.start();
    match value.view() {
        View::List(items) if depth < MAX_DEPTH => {
            for (index, item) in items.iter().enumerate() {
                let (is_member, below) = guess(item, depth + 1, out);
                let keys = guess_keys(item);
                let index = Label::Index(u32::try_from(index).unwrap_or(u32::MAX));
                let label = if keys.is_empty() { index } else { Label::Key(Keys::Borrowed(&keys)) };
                out.push(label, is_member, below);
            }
            (false, out.close_sorting(start, Twins::Unite))
        }
        View::Map(fields) if depth < MAX_DEPTH => {
            for (name, value) in fields {
                let (is_member, below) = guess(value, depth + 1, out);
                out.push(Label::Field(name), is_member, below);
            }
            (false, out.close(start))
        }
        _ => (true, Block::default()),
    }
}

fn guess_keys(item: ValueRef<'_>) -> Vec<(&'static str, View<'_>)> {
    let scalar = |name: &'static str| {
        let view = item.get(name)?.view();
        (!matches!(view, View::Null | View::List(_) | View::Map(_))).then_some((name, view))
    };
    ["id", "key", "name"].into_iter().filter_map(scalar).collect()
}
