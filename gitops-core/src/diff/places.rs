//! Places in a tree (fields and indices) ↔ typed paths, which name list items by what they are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ListKind, TypeRef};
use crate::path::{FieldPath, Segment};
use crate::ssa::{Entry, FieldSet, Label, Level};
use crate::value::{Draft, ValueRef, View};

use super::owned::key_field;

/// A typed path that may lead into a value that is owned as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Typed {
    pub(super) path: FieldPath,
    /// How many segments lead to the value that is owned as a whole, if the path goes on below it.
    pub(super) whole: Option<usize>,
}

impl Typed {
    /// Types a place; `None` if it leads to a list item that is not there.
    pub(super) fn of(place: &FieldPath, tree: ValueRef<'_>, root: TypeRef<'_>) -> Option<Self> {
        let (mut at, mut of) = (Some(tree), root);
        let mut path = Vec::with_capacity(place.segments().len());
        let mut whole = None;
        for segment in place.segments() {
            let child = at.and_then(|at| segment.of(at));
            let is_whole = match segment {
                Segment::Field(_) => of.is_atomic_map(),
                _ => matches!(of.list(), ListKind::Atomic),
            };
            if is_whole && whole.is_none() {
                whole = Some(path.len());
            }
            path.push(match segment {
                Segment::Field(_) => segment.clone(),
                _ if whole.is_some() => child.map(|_| segment.clone())?,
                _ => name(child?, of)?,
            });
            of = match segment {
                Segment::Field(name) => of.field(name),
                _ => of.element(),
            };
            at = child;
        }
        Some(Self { path: path.into_iter().collect(), whole })
    }

    /// A path as FieldsV1 has it, which never leads into a value that is owned as a whole.
    pub(super) fn granular(path: FieldPath) -> Self {
        Self { path, whole: None }
    }

    /// Whether it names a key of a list item.
    pub(super) fn is_key(&self) -> bool {
        match self.path.segments() {
            [.., Segment::Key(keys), Segment::Field(name)] => keys.iter().any(|(key, _)| key == name),
            _ => false,
        }
    }

    /// The value that is owned as a whole, and the way on from there.
    pub(super) fn split(&self) -> Option<(FieldPath, Vec<Segment>)> {
        let (whole, inner) = self.path.segments().split_at_checked(self.whole?)?;
        Some((whole.iter().cloned().collect(), inner.to_vec()))
    }
}

/// What FieldsV1 names a list item by.
pub(super) fn name(item: ValueRef<'_>, list: TypeRef<'_>) -> Option<Segment> {
    match list.list() {
        ListKind::Map { keys } => {
            let element = list.element();
            let fields = keys.iter().filter_map(|key| Some((&**key, key_field(item, key, element)?.to_value())));
            Some(Segment::key(fields))
        }
        ListKind::Set => Some(Segment::Item(item.to_value())),
        _ => None,
    }
}

/// Finds where a typed path leads in a tree: fields and indices, and the value there.
pub(super) fn locate<'a>(
    path: &FieldPath,
    tree: ValueRef<'a>,
    root: TypeRef<'_>,
) -> Option<(Vec<Segment>, ValueRef<'a>)> {
    let (mut at, mut of) = (tree, root);
    let mut place = Vec::with_capacity(path.segments().len());
    for segment in path.segments() {
        let step = match segment {
            Segment::Field(_) | Segment::Index(_) => segment.clone(),
            _ => {
                let mut items = at.as_list()?.iter();
                let index = items.position(|item| name(item, of).as_ref() == Some(segment))?;
                Segment::Index(u32::try_from(index).ok()?)
            }
        };
        at = step.of(at)?;
        of = match segment {
            Segment::Field(name) => of.field(name),
            _ => of.element(),
        };
        place.push(step);
    }
    Some((place, at)).filter(|(_, value)| !value.is_null())
}

/// Returns a value without the fields of a set and what lies below them; `None` once nothing is left of it.
///
/// A map or list that is emptied goes as well, since an apply that kept it would own it as a whole; unless it is owned
/// so already (`mine`), since an apply without it would remove it.
pub(super) fn without(value: ValueRef<'_>, of: TypeRef<'_>, set: &FieldSet, mine: &FieldSet) -> Option<Draft> {
    left(value, of, set.level(), mine.level())
}

fn left(value: ValueRef<'_>, of: TypeRef<'_>, set: Level<'_>, mine: Level<'_>) -> Option<Draft> {
    let none = FieldSet::new();
    let child = |child: ValueRef<'_>, of, label: Option<Label<'_>>| {
        let owned = || label.and_then(|label| mine.find(label));
        match label.and_then(|label| set.find(label)) {
            Some(dropped) if dropped.is_member() => None,
            Some(dropped) => {
                let rest = left(child, of, dropped.below(), owned().map_or(none.level(), Entry::below));
                let empty = || if child.as_map().is_some() { Draft::map() } else { Draft::list() };
                rest.or_else(|| owned().filter(|owned| owned.is_member()).map(|_| empty()))
            }
            None => Some(child.to_draft()),
        }
    };
    match value.view() {
        _ if set.is_empty() => {}
        View::Map(map) if !of.is_atomic_map() => {
            let left = map.iter().filter_map(|(name, value)| {
                Some((name.to_owned(), child(value, of.field(name), Some(Label::Field(name)))?))
            });
            let left: BTreeMap<String, Draft> = left.collect();
            return (map.is_empty() || !left.is_empty()).then_some(Draft::Map(left));
        }
        View::List(list) if !matches!(of.list(), ListKind::Atomic) => {
            let left = list.iter().filter_map(|item| {
                let name = name(item, of);
                child(item, of.element(), name.as_ref().map(Label::of))
            });
            let left: Vec<Draft> = left.collect();
            return (list.is_empty() || !left.is_empty()).then_some(Draft::List(left));
        }
        _ => {}
    }
    Some(value.to_draft())
}

/// Puts a value where a typed path leads; maps and list items on the way are made.
pub(super) fn put(draft: &mut Draft, root: TypeRef<'_>, path: &FieldPath, value: ValueRef<'_>) {
    let (mut at, mut of) = (draft, root);
    for segment in path.segments() {
        at = match (segment, at) {
            (Segment::Field(field), at @ (Draft::Map(_) | Draft::Null)) => at.entry(field),
            (Segment::Key(_) | Segment::Item(_), at @ (Draft::List(_) | Draft::Null)) => {
                if *at == Draft::Null {
                    *at = Draft::list();
                }
                let Some(items) = at.as_list_mut() else { return };
                let found = items.iter().position(|item| name(item.freeze().root(), of).as_ref() == Some(segment));
                let index = found.unwrap_or(items.len());
                if found.is_none() {
                    let mut item = Draft::map();
                    if let Segment::Key(keys) = segment {
                        keys.iter().for_each(|(key, value)| item.set(key, value));
                    }
                    items.push(item);
                }
                let Some(item) = items.get_mut(index) else { return };
                item
            }
            _ => return,
        };
        of = match segment {
            Segment::Field(field) => of.field(field),
            _ => of.element(),
        };
    }
    *at = value.to_draft();
}

/// Whether an item of the other side may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// What the cluster does not have keeps Git's value.
    Keep,
    /// What the cluster does not have is taken out.
    Drop,
}

/// From which side the indices of a place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Desired,
    Live,
}

/// In which order parts are carried, so that all places stay true: first what moves no items, then items that go, last
/// and inmost first, then items that come, inmost and first first.
pub(super) fn order(inner: &[Segment], side: Side) -> (u8, Reverse<usize>, i64) {
    let depth = Reverse(inner.len());
    match (inner.last(), side) {
        (Some(Segment::Index(index)), Side::Desired) => (1, depth, -i64::from(*index)),
        (Some(Segment::Index(index)), Side::Live) => (2, depth, i64::from(*index)),
        _ => (0, depth, 0),
    }
}

/// Puts one part of the live value into the desired one, which is sent as a whole. `Err` if items cannot be told apart.
///
/// Rule 16 of the exact rules: items are matched by a unique name, key or id, else by their place in lists of equal
/// length.
pub(super) fn carry(
    desired: &mut Draft,
    live: ValueRef<'_>,
    inner: &[Segment],
    side: Side,
    absent: Absent,
) -> Result<(), ()> {
    let Some((first, rest)) = inner.split_first() else {
        *desired = live.to_draft();
        return Ok(());
    };
    match (first, &mut *desired) {
        (Segment::Field(name), Draft::Map(map)) => match (live.get(name), rest) {
            (Some(live), []) => {
                map.insert(name.to_string(), live.to_draft());
            }
            (None, []) if absent == Absent::Drop => drop(map.remove(&**name)),
            (Some(live), rest) => {
                if let Some(desired) = map.get_mut(&**name) {
                    return carry(desired, live, rest, side, absent);
                }
            }
            (None, _) => {}
        },
        (Segment::Index(index), Draft::List(items)) => {
            let Some(list) = live.as_list() else { return Ok(()) };
            let index = *index as usize;
            let ours = |key: &str| items.iter().map(|item| item.get(key)?.as_str()).collect();
            let theirs = |key: &str| list.iter().map(|item| item.get(key)?.as_str()).collect();
            let other = match side {
                Side::Desired => partner(ours, theirs, (items.len(), list.len()), index)?,
                Side::Live => partner(theirs, ours, (list.len(), items.len()), index)?,
            };
            let (at, live_at) = match side {
                Side::Desired => (Some(index), other),
                Side::Live => (other, Some(index)),
            };
            match (at.and_then(|at| items.get_mut(at)), live_at.and_then(|at| list.get(at))) {
                (Some(desired), Some(live)) => return carry(desired, live, rest, side, absent),
                (None, Some(live)) if rest.is_empty() => {
                    let at = index.min(items.len());
                    items.insert(at, live.to_draft());
                }
                (Some(_), None) if rest.is_empty() && absent == Absent::Drop => drop(items.remove(index)),
                _ => {}
            }
        }
        _ => {}
    }
    Ok(())
}

/// Finds the item of one list that is item `index` of another, by the texts their items have under a key and by how
/// many they are; `Err` if that cannot be told.
fn partner<'n>(
    from: impl Fn(&str) -> Option<Vec<&'n str>>,
    to: impl Fn(&str) -> Option<Vec<&'n str>>,
    (left, right): (usize, usize),
    index: usize,
) -> Result<Option<usize>, ()> {
    let are_unique = |names: &Vec<&str>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    for key in ["name", "key", "id"] {
        if let (Some(from), Some(to)) = (from(key).filter(are_unique), to(key).filter(are_unique))
            && let Some(name) = from.get(index)
        {
            return Ok(to.iter().position(|other| other == name));
        }
    }
    if left == right { Ok(Some(index)) } else { Err(()) }
}
