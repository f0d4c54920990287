//! What is applied, merged into what is there.

use super::item::{Items, Part, Shape, null, resolve};
use super::sketch::Sketch;
use super::validate::scalar_problem;
use super::{Faults, MAX_DEPTH, TypedProblem};
use crate::model::{ListType, MapType, Relation, TypeRef};
use crate::path::Segment;
use crate::value::{List, Map, ValueRef};

/// The two sides; at least one is there.
type Sides<'a> = (Option<ValueRef<'a>>, Option<ValueRef<'a>>);

/// Merges two values that were validated before; `None` when nothing is left.
pub(super) fn merge<'a>(
    of: TypeRef<'a>,
    live: Option<ValueRef<'a>>,
    applied: Option<ValueRef<'a>>,
    depth: usize,
    faults: &mut Faults,
) -> Option<Sketch<'a>> {
    if depth > MAX_DEPTH {
        faults.add(TypedProblem::TooDeep);
        return None;
    }
    let (Some(left), Some(right)) = (live, applied) else {
        // One side only: it stays as it is.
        return applied.or(live).map(Sketch::Ref);
    };
    let atom = resolve(of, faults)?;
    let (left, right) = (Shape::of(atom, left), Shape::of(atom, right));
    if left != right {
        // Both are of allowed kinds; the other kind of the live value is walked for its errors only.
        merge_part(of, left, (live, applied), depth, faults);
    }
    merge_part(of, right, (live, applied), depth, faults)
}

fn merge_part<'a>(
    of: TypeRef<'a>,
    shape: Shape,
    sides: Sides<'a>,
    depth: usize,
    faults: &mut Faults,
) -> Option<Sketch<'a>> {
    let atom = of.atom();
    match (shape.part(), &atom.map, &atom.list, atom.scalar) {
        (Part::Map, Some(map), ..) => merge_maps(of, map, sides, depth, faults),
        (Part::List, _, Some(list), _) => merge_lists(of, list, sides, depth, faults),
        (Part::Scalar, _, _, Some(scalar)) => {
            if let (Some(left), Some(right)) = (scalar_problem(scalar, sides.0), scalar_problem(scalar, sides.1)) {
                faults.add(left);
                faults.add(right);
            }
            leaf(sides)
        }
        _ => {
            faults.add(TypedProblem::OpenType);
            None
        }
    }
}

/// One value: what is applied wins. Where both are the same the live one is taken, so that it shows.
fn leaf((live, applied): Sides<'_>) -> Option<Sketch<'_>> {
    live.filter(|live| applied.is_none_or(|applied| applied == *live)).or(applied).map(Sketch::Ref)
}

fn merge_maps<'a>(
    of: TypeRef<'a>,
    map: &'a MapType,
    sides: Sides<'a>,
    depth: usize,
    faults: &mut Faults,
) -> Option<Sketch<'a>> {
    let left = sides.0.and_then(ValueRef::as_map).filter(|map| !map.is_empty());
    let right = sides.1.and_then(ValueRef::as_map).filter(|map| !map.is_empty());
    if map.atomic || (left.is_none() && right.is_none()) {
        return leaf(sides);
    }
    if left.is_none() || right.is_none() {
        // One side has nothing in it: the other stays as it is.
        return if left.is_none() { sides.1 } else { sides.0 }.map(Sketch::Ref);
    }
    let mut merged = Vec::with_capacity(left.map_or(0, Map::len).max(right.map_or(0, Map::len)));
    let mut changed = false;
    for (name, live, applied) in zip(left, right) {
        let child = faults.below(
            || Segment::field(name),
            |faults| match map.type_of(name) {
                Some(id) => merge(of.to(id), live, applied, depth + 1, faults),
                None => {
                    faults.add(TypedProblem::Undeclared);
                    None
                }
            },
        );
        changed |= !matches!((&child, live), (Some(child), Some(live)) if child.is(live));
        merged.extend(child.map(|child| (name, child)));
    }
    if !changed {
        return sides.0.map(Sketch::Ref);
    }
    (!merged.is_empty()).then_some(Sketch::Map(merged))
}

/// Walks two maps side by side, in byte order of their keys.
pub(super) fn zip<'a>(
    left: Option<Map<'a>>,
    right: Option<Map<'a>>,
) -> impl Iterator<Item = (&'a str, Option<ValueRef<'a>>, Option<ValueRef<'a>>)> {
    let mut left = left.into_iter().flatten().peekable();
    let mut right = right.into_iter().flatten().peekable();
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (Some((left, _)), Some((right, _))) => left.as_bytes().cmp(right.as_bytes()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return None,
        };
        let from_left = if order.is_le() { left.next() } else { None };
        let from_right = if order.is_ge() { right.next() } else { None };
        let (name, _) = from_left.or(from_right)?;
        Some((name, from_left.map(|(_, value)| value), from_right.map(|(_, value)| value)))
    })
}

fn merge_lists<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    sides: Sides<'a>,
    depth: usize,
    faults: &mut Faults,
) -> Option<Sketch<'a>> {
    let left = sides.0.and_then(ValueRef::as_list).filter(|list| !list.is_empty());
    let right = sides.1.and_then(ValueRef::as_list).filter(|list| !list.is_empty());
    if list.relation == Relation::Atomic || (left.is_none() && right.is_none()) {
        return leaf(sides);
    }
    let merged = merge_items(of, list, left, right, depth, faults)?;
    let unchanged = left.is_some_and(|left| {
        left.len() == merged.len() && left.iter().zip(&merged).all(|(live, merged)| merged.is(live))
    });
    if unchanged { sides.0.map(Sketch::Ref) } else { Some(Sketch::List(merged)) }
}

/// Merges keyed lists. The order of what is applied is kept, and that of live items around them.
///
/// Rule: `mergingWalker.visitListItems`. Live items that nobody applies are put where they stand among the shared
/// items; errors inside an item drop the item, silently.
fn merge_items<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    left: Option<List<'a>>,
    right: Option<List<'a>>,
    depth: usize,
    faults: &mut Faults,
) -> Option<Vec<Sketch<'a>>> {
    let before = faults.0.len();
    let (left, right) = (Items::of(list, of, left, faults), Items::of(list, of, right, faults));
    for (key, run) in right.runs() {
        if run.len() > 1 {
            faults.add(TypedProblem::Duplicate(key.segment()));
        }
    }
    if faults.0.len() > before {
        return None;
    }
    let element = of.to(list.element);
    let mut merged = Vec::with_capacity(left.items.len().max(right.items.len()));
    let mut put = |live: Option<ValueRef<'a>>, applied: Option<ValueRef<'a>>| {
        let mut dropped = Faults::default();
        merged.extend(merge(element, live, applied, depth + 1, &mut dropped));
    };
    // Of live items with the same key none is merged into what is applied; it replaces them.
    let live_of = |key| match left.with_key(key) {
        [] => None,
        [only] => left.value(*only),
        _ => Some(null()),
    };
    // Keys are unique on the right, so an item there has one place.
    let place = |key| right.with_key(key).first().map(|place| *place as usize);
    let is_shared = |at: &usize| right.items.get(*at).is_some_and(|(key, _)| !left.with_key(key).is_empty());
    let mut shared = (0..right.items.len()).filter(is_shared);
    let mut next_shared = shared.next();
    let mut done = vec![false; right.items.len()];
    let (mut l, mut r) = (0, 0);
    while l < left.items.len() || r < right.items.len() {
        if let (Some((key, _)), Some((other, applied))) = (left.items.get(l), right.items.get(r)) {
            if key.cmp(other).is_eq() {
                put(live_of(key), Some(*applied));
                done.iter_mut().skip(r).take(1).for_each(|done| *done = true);
                (l, r, next_shared) = (l + 1, r + 1, shared.next());
                continue;
            }
            if next_shared.is_some() && place(key).is_some_and(|at| next_shared != Some(at)) {
                // A shared item, but not the one whose turn it is.
                l += 1;
                continue;
            }
        }
        if let Some((key, live)) = left.items.get(l) {
            match place(key) {
                None => {
                    put(Some(*live), None);
                    l += 1;
                    continue;
                }
                Some(at) if done.get(at) == Some(&true) => l += 1,
                Some(_) => {}
            }
        }
        if let Some((key, applied)) = right.items.get(r) {
            put(live_of(key), Some(*applied));
            done.iter_mut().skip(r).take(1).for_each(|done| *done = true);
            if next_shared == Some(r) {
                next_shared = shared.next();
            }
            r += 1;
        }
    }
    (!merged.is_empty()).then_some(merged)
}
