//! Sets that were made under an older schema.
//!
//! Rule: `typed.ReconcileFieldSetWithSchema`. What became atomic is owned as a whole by whoever owned a part of it;
//! what became granular is treated as if it had always been.

use super::item::{Part, Shape, resolve};
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{Relation, TypeRef};
use crate::path::{FieldPath, Segment};
use crate::ssa::FieldSet;

pub(super) fn reconcile(of: TypeRef<'_>, set: &FieldSet, faults: &mut Faults) -> Option<FieldSet> {
    let mut atomic = Vec::new();
    walk(of, Some(set), false, &mut Vec::new(), &mut atomic, faults);
    let whole: FieldSet = atomic.iter().collect();
    (!atomic.is_empty()).then(|| set.recursive_difference(&whole).union(&whole))
}

/// Gathers in `atomic` the paths that are to be owned as a whole.
fn walk(
    of: TypeRef<'_>,
    set: Option<&FieldSet>,
    is_whole: bool,
    path: &mut Vec<Segment>,
    atomic: &mut Vec<FieldPath>,
    faults: &mut Faults,
) {
    let Some(atom) = resolve(of, faults) else { return };
    if path.len() > MAX_DEPTH {
        return faults.add(TypedProblem::TooDeep);
    }
    let shape = Shape::all(atom);
    match (shape.part(), &atom.map, &atom.list) {
        (Part::Map, Some(map), _) => {
            if map.free_form {
                return;
            }
            if !is_whole && map.atomic {
                if set.is_some() {
                    atomic.push(path.iter().cloned().collect());
                }
                return;
            }
        }
        (Part::List, _, Some(list)) if !is_whole && list.relation == Relation::Atomic => {
            return atomic.push(path.iter().cloned().collect());
        }
        (Part::List | Part::Scalar, ..) => {}
        _ => return faults.add(TypedProblem::OpenType),
    }
    for entry in set.map_or(&[][..], FieldSet::entries) {
        let below = match (shape.part(), &atom.map, &atom.list, &entry.segment) {
            (Part::Map, Some(map), _, Segment::Field(name)) => map.type_of(name),
            (Part::Map, Some(map), ..) => map.element,
            (Part::List, _, Some(list), _) => Some(list.element),
            _ => None,
        };
        let Some(below) = below else { continue };
        let has_children = !entry.below.is_empty();
        path.push(entry.segment.clone());
        faults.below(
            || entry.segment.clone(),
            |faults| {
                let set = has_children.then_some(&entry.below);
                walk(of.to(below), set, entry.is_member && !has_children, path, atomic, faults);
            },
        );
        path.pop();
    }
}
