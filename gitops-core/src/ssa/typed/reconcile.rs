//! Sets that were made under an older schema.
//!
//! Rule: `typed.ReconcileFieldSetWithSchema`. What became atomic is owned as a whole by whoever owned a part of it;
//! what became granular is treated as if it had always been.

use super::item::{Part, Shape, resolve};
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{Relation, TypeRef};
use crate::ssa::FieldSet;
use crate::ssa::build::SetBuilder;
use crate::ssa::label::Label;
use crate::ssa::set::{Block, Level};

pub(super) fn reconcile(of: TypeRef<'_>, set: &FieldSet, faults: &mut Faults) -> Option<FieldSet> {
    let mut whole = SetBuilder::default();
    let (_, top) = walk(of, Some(set.level()), false, 0, &mut whole, faults);
    let whole = whole.finish(top);
    (!whole.is_empty()).then(|| set.recursive_difference(&whole).union(&whole))
}

/// Gathers in `whole` what is to be owned as a whole; returns whether this is, and what is below.
fn walk(
    of: TypeRef<'_>,
    set: Option<Level<'_>>,
    is_whole: bool,
    depth: usize,
    whole: &mut SetBuilder,
    faults: &mut Faults,
) -> (bool, Block) {
    let nothing = (false, Block::default());
    let Some(atom) = resolve(of, faults) else { return nothing };
    if depth > MAX_DEPTH {
        faults.add(TypedProblem::TooDeep);
        return nothing;
    }
    let shape = Shape::all(atom);
    match (shape.part(), &atom.map, &atom.list) {
        (Part::Map, Some(map), _) if map.free_form => return nothing,
        (Part::Map, Some(map), _) if !is_whole && map.atomic => return (set.is_some(), Block::default()),
        (Part::List, _, Some(list)) if !is_whole && list.relation == Relation::Atomic => {
            return (true, Block::default());
        }
        (Part::Map, Some(_), _) | (Part::List | Part::Scalar, ..) => {}
        _ => {
            faults.add(TypedProblem::OpenType);
            return nothing;
        }
    }
    let start = whole.start();
    for entry in set.into_iter().flat_map(Level::iter) {
        let below = match (shape.part(), &atom.map, &atom.list, entry.label()) {
            (Part::Map, Some(map), _, Label::Field(name)) => map.type_of(name),
            (Part::Map, Some(map), ..) => map.element,
            (Part::List, _, Some(list), _) => Some(list.element),
            _ => None,
        };
        let Some(below) = below else { continue };
        let children = Some(entry.below()).filter(|below| !below.is_empty());
        let is_leaf = entry.is_member() && children.is_none();
        let (is_member, below) = faults.below(
            || entry.label().to_segment(),
            |faults| walk(of.to(below), children, is_leaf, depth + 1, whole, faults),
        );
        whole.push(entry.label(), is_member, below);
    }
    (false, whole.close(start))
}
