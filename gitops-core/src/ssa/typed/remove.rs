//! A value without some fields, or with only some fields.

use super::MAX_DEPTH;
use super::item::{ItemKey, Part, Shape, null};
use super::sketch::Sketch;
use crate::model::{ListType, MapType, Relation, TypeRef};
use crate::path::{FieldPath, Segment};
use crate::ssa::FieldSet;
use crate::ssa::label::Label;
use crate::ssa::set::{Entry, Level};
use crate::value::{Value, ValueRef, View};

/// What is left of a map or list when all that was in it is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Emptied {
    /// It stays, empty: structured-merge-diff v6.3.1 to v6.4.0, and so Kubernetes 1.35 and 1.36.
    #[default]
    Kept,
    /// It becomes null: structured-merge-diff v6.4.2.
    Null,
}

#[derive(Clone, Copy)]
enum Mode {
    Remove(Emptied),
    Extract,
}

pub(super) fn remove(of: TypeRef<'_>, value: ValueRef<'_>, set: &FieldSet, emptied: Emptied, bytes: usize) -> Value {
    walk(of, value, set.level(), Mode::Remove(emptied), 0).freeze(bytes)
}

pub(super) fn extract(of: TypeRef<'_>, value: ValueRef<'_>, set: &FieldSet, bytes: usize) -> Value {
    walk(of, value, set.level(), Mode::Extract, 0).freeze(bytes)
}

/// Adds to a set the key fields of the list items that its paths lead through, as far as those paths are present.
pub(super) fn with_key_fields(set: &FieldSet, present: &FieldSet) -> FieldSet {
    let mut keys = Vec::new();
    for path in set.intersection(present).iter() {
        for (at, segment) in path.segments().iter().enumerate() {
            let Segment::Key(fields) = segment else { continue };
            let item: FieldPath = path.segments().iter().take(at + 1).cloned().collect();
            for (name, _) in fields.iter() {
                keys.push(item.join(Segment::Field(name.clone())));
            }
        }
    }
    set.union(&keys.into_iter().collect())
}

/// Null stands for nothing left.
fn walk<'a>(of: TypeRef<'a>, value: ValueRef<'a>, set: Level<'_>, mode: Mode, depth: usize) -> Sketch<'a> {
    let nothing = Sketch::Ref(null());
    let atom = of.atom();
    if depth > MAX_DEPTH || atom.missing.is_some() {
        return nothing;
    }
    match (Shape::of(atom, value).part(), &atom.map, &atom.list, value.view()) {
        (Part::Scalar, ..) => Sketch::Ref(value),
        (Part::Map, Some(map), _, View::Map(entries)) => match mode {
            Mode::Extract if map.atomic || entries.is_empty() => Sketch::Ref(value),
            Mode::Remove(_) if map.atomic => nothing,
            _ => walk_map(of, map, value, set, mode, depth).unwrap_or(nothing),
        },
        (Part::List, _, Some(list), View::List(items)) => match mode {
            Mode::Extract if list.relation == Relation::Atomic || items.is_empty() => Sketch::Ref(value),
            Mode::Remove(_) if list.relation == Relation::Atomic => nothing,
            _ => walk_list(of, list, value, set, mode, depth).unwrap_or(nothing),
        },
        _ => nothing,
    }
}

/// Handles a child of which some fields are named.
fn child<'a>(of: TypeRef<'a>, value: ValueRef<'a>, set: Level<'_>, mode: Mode, depth: usize) -> Sketch<'a> {
    let left = walk(of, value, set, mode, depth + 1);
    match (&left, mode, value.view()) {
        (Sketch::Ref(rest), Mode::Remove(Emptied::Kept), View::Map(_)) if rest.is_null() => Sketch::Map(Vec::new()),
        (Sketch::Ref(rest), Mode::Remove(Emptied::Kept), View::List(_)) if rest.is_null() => Sketch::List(Vec::new()),
        _ => left,
    }
}

fn walk_map<'a>(
    of: TypeRef<'a>,
    map: &'a MapType,
    value: ValueRef<'a>,
    set: Level<'_>,
    mode: Mode,
    depth: usize,
) -> Option<Sketch<'a>> {
    let mut left = Vec::new();
    let mut touched = false;
    let none = FieldSet::new();
    for (name, item) in value.as_map()? {
        let entry = set.find(Label::Field(name));
        let is_member = entry.is_some_and(Entry::is_member);
        let below = entry.map_or(none.level(), Entry::below);
        // What no schema declares is not walked into; it counts as nothing left.
        let walk_into = |set: Level<'_>, walk: fn(_, _, Level<'_>, _, _) -> Sketch<'a>| match map.type_of(name) {
            Some(id) => walk(of.to(id), item, set, mode, depth),
            None => Sketch::Ref(null()),
        };
        match mode {
            // An extracted field comes with all of this set that happens to fit below it, as in Go.
            Mode::Extract if is_member => left.push((name, walk_into(set, walk_deeper))),
            Mode::Extract if !below.is_empty() => left.push((name, walk_into(below, child))),
            Mode::Extract => {}
            Mode::Remove(_) if is_member => {}
            Mode::Remove(_) if !below.is_empty() => {
                touched = true;
                left.push((name, walk_into(below, child)));
            }
            Mode::Remove(_) => left.push((name, Sketch::Ref(item))),
        }
    }
    let kept = touched && matches!(mode, Mode::Remove(Emptied::Kept));
    (!left.is_empty() || kept).then_some(Sketch::Map(left))
}

fn walk_deeper<'a>(of: TypeRef<'a>, value: ValueRef<'a>, set: Level<'_>, mode: Mode, depth: usize) -> Sketch<'a> {
    walk(of, value, set, mode, depth + 1)
}

fn walk_list<'a>(
    of: TypeRef<'a>,
    list: &'a ListType,
    value: ValueRef<'a>,
    set: Level<'_>,
    mode: Mode,
    depth: usize,
) -> Option<Sketch<'a>> {
    let mut left = Vec::new();
    let mut touched = false;
    let none = FieldSet::new();
    for (index, item) in value.as_list()?.iter().enumerate() {
        let key = ItemKey::of(list, of, index, item).ok();
        let entry = key.as_ref().and_then(|key| set.find(key.label()));
        let is_member = entry.is_some_and(Entry::is_member);
        let below = entry.map_or(none.level(), Entry::below);
        let walked = || child(of.to(list.element), item, below, mode, depth);
        match mode {
            Mode::Extract if !below.is_empty() => left.push(walked()),
            Mode::Extract if is_member => left.push(Sketch::Ref(item)),
            Mode::Extract => {}
            Mode::Remove(_) if is_member => {}
            Mode::Remove(_) if !below.is_empty() => {
                touched = true;
                left.push(walked());
            }
            Mode::Remove(_) => left.push(Sketch::Ref(item)),
        }
    }
    let kept = touched && matches!(mode, Mode::Remove(Emptied::Kept));
    (!left.is_empty() || kept).then_some(Sketch::List(left))
}
