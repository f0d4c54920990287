//! Does a value fit its type?

use super::item::{ItemKey, Part, Shape, resolve};
use super::{Duplicates, Faults, MAX_DEPTH, TypedProblem};
use crate::model::{ListType, MapType, Relation, Scalar, TypeRef};
use crate::path::Segment;
use crate::value::{ValueRef, View};

pub(super) fn validate(
    of: TypeRef<'_>,
    value: ValueRef<'_>,
    duplicates: Duplicates,
    depth: usize,
    faults: &mut Faults,
) {
    if depth > MAX_DEPTH {
        return faults.add(TypedProblem::TooDeep);
    }
    let Some(atom) = resolve(of, faults) else { return };
    match (Shape::of(atom, value).part(), &atom.map, &atom.list, atom.scalar) {
        (Part::Map, Some(map), ..) => validate_map(of, map, value, duplicates, depth, faults),
        (Part::List, _, Some(list), _) => validate_list(of, list, value, duplicates, depth, faults),
        (Part::Scalar, _, _, Some(scalar)) => {
            if let Some(problem) = scalar_problem(scalar, Some(value)) {
                faults.add(problem);
            }
        }
        _ => faults.add(TypedProblem::OpenType),
    }
}

/// What is wrong with a scalar, if anything; nothing and null always fit.
pub(super) fn scalar_problem(scalar: Scalar, value: Option<ValueRef<'_>>) -> Option<TypedProblem> {
    let value = value.filter(|value| !value.is_null())?;
    let (fits, expected) = match (scalar, value.view()) {
        (Scalar::Numeric, view) => (matches!(view, View::Int(_) | View::Float(_)), "number"),
        (Scalar::String, view) => (matches!(view, View::String(_)), "string"),
        (Scalar::Boolean, view) => (matches!(view, View::Bool(_)), "boolean"),
        (Scalar::Untyped, view) => (!matches!(view, View::List(_) | View::Map(_)), "scalar"),
    };
    (!fits).then(|| TypedProblem::Expected { expected, found: value.kind_name() })
}

fn validate_map(
    of: TypeRef<'_>,
    map: &MapType,
    value: ValueRef<'_>,
    duplicates: Duplicates,
    depth: usize,
    faults: &mut Faults,
) {
    let entries = match value.view() {
        View::Null => return,
        View::Map(entries) => entries,
        _ => return faults.add(TypedProblem::Expected { expected: "map", found: value.kind_name() }),
    };
    for (name, child) in entries {
        faults.below(
            || Segment::field(name),
            |faults| match map.type_of(name) {
                Some(id) => validate(of.to(id), child, duplicates, depth + 1, faults),
                None => faults.add(TypedProblem::Undeclared),
            },
        );
    }
}

fn validate_list<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    value: ValueRef<'a>,
    duplicates: Duplicates,
    depth: usize,
    faults: &mut Faults,
) {
    let items = match value.view() {
        View::Null => return,
        View::List(items) => items,
        _ => return faults.add(TypedProblem::Expected { expected: "list", found: value.kind_name() }),
    };
    let mut keys = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let segment = if list.relation == Relation::Associative {
            match ItemKey::of(list, of, index, item) {
                Ok(key) => {
                    keys.push(key.clone());
                    Some(key)
                }
                // Without a name for the item, errors below it could not be placed.
                Err(problem) => return faults.add(problem),
            }
        } else {
            None
        };
        let name = || match &segment {
            Some(key) => key.segment(),
            None => Segment::Index(u32::try_from(index).unwrap_or(u32::MAX)),
        };
        faults.below(name, |faults| validate(of.to(list.element), item, duplicates, depth + 1, faults));
    }
    if duplicates == Duplicates::Refuse {
        keys.sort_by(ItemKey::cmp);
        for run in keys.chunk_by(|left, right| left.cmp(right).is_eq()) {
            if let [first, _, ..] = run {
                faults.add(TypedProblem::Duplicate(first.segment()));
            }
        }
    }
}
