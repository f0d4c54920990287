//! Places in a tree (fields and indices) ↔ typed paths, which name list items by what they are.

use std::cell::RefCell;
use std::collections::BTreeMap;

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
    pub(super) fn of(place: &FieldPath, tree: &Places<'_>) -> Option<Self> {
        let (mut at, mut of) = (Some(tree.tree), tree.root);
        let mut path = Vec::with_capacity(place.segments().len());
        let mut whole = None;
        for (depth, segment) in place.segments().iter().enumerate() {
            let around = place.segments().get(..depth).unwrap_or_default();
            let child = at.and_then(|at| match segment {
                Segment::Index(_) => tree.item(segment, around, at, of).map(|(_, item)| item),
                _ => segment.of(at),
            });
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

/// Finds where typed paths lead in one tree. The items of a list are named once, however many paths lead through it.
pub(super) struct Places<'a> {
    tree: ValueRef<'a>,
    root: TypeRef<'a>,
    /// By the place of the list.
    lists: RefCell<BTreeMap<Vec<Segment>, Items<'a>>>,
}

#[derive(Default)]
struct Items<'a> {
    values: Vec<ValueRef<'a>>,
    /// The first place of each name.
    names: BTreeMap<Segment, u32>,
}

impl<'a> Places<'a> {
    pub(super) fn of(tree: ValueRef<'a>, root: TypeRef<'a>) -> Self {
        Self { tree, root, lists: RefCell::default() }
    }

    /// Finds where a path leads: fields and indices, and the value there.
    pub(super) fn locate(&self, path: &FieldPath) -> Option<(Vec<Segment>, ValueRef<'a>)> {
        let (mut at, mut of) = (self.tree, self.root);
        let mut place = Vec::with_capacity(path.segments().len());
        for segment in path.segments() {
            let (step, child) = match segment {
                Segment::Field(_) => (segment.clone(), segment.of(at)?),
                _ => self.item(segment, &place, at, of)?,
            };
            at = child;
            of = match segment {
                Segment::Field(name) => of.field(name),
                _ => of.element(),
            };
            place.push(step);
        }
        Some((place, at)).filter(|(_, value)| !value.is_null())
    }

    /// Whether a path leads to something.
    pub(super) fn has(&self, path: &FieldPath) -> bool {
        self.locate(path).is_some()
    }

    fn item(
        &self,
        segment: &Segment,
        place: &[Segment],
        list: ValueRef<'a>,
        of: TypeRef<'a>,
    ) -> Option<(Segment, ValueRef<'a>)> {
        let mut lists = self.lists.borrow_mut();
        if !lists.contains_key(place) {
            lists.insert(place.to_vec(), Items::of(list, of)?);
        }
        let items = lists.get(place)?;
        let index = match segment {
            Segment::Index(index) => *index,
            _ => *items.names.get(segment)?,
        };
        Some((Segment::Index(index), *items.values.get(index as usize)?))
    }
}

impl<'a> Items<'a> {
    fn of(list: ValueRef<'a>, of: TypeRef<'a>) -> Option<Self> {
        let values: Vec<ValueRef<'a>> = list.as_list()?.iter().collect();
        let mut names = BTreeMap::new();
        for (index, item) in (0..).zip(&values) {
            if let Some(name) = name(*item, of) {
                names.entry(name).or_insert(index);
            }
        }
        Some(Self { values, names })
    }
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

/// Puts values where typed paths lead; maps and list items on the way are made.
pub(super) struct Putting<'d> {
    draft: &'d mut Draft,
    /// By the typed path of a list: the place of each item.
    lists: BTreeMap<Vec<Segment>, BTreeMap<Segment, usize>>,
}

impl<'d> Putting<'d> {
    pub(super) fn into(draft: &'d mut Draft) -> Self {
        Self { draft, lists: BTreeMap::new() }
    }

    pub(super) fn put(&mut self, root: TypeRef<'_>, path: &FieldPath, value: ValueRef<'_>) {
        let Self { draft, lists } = self;
        let (mut at, mut of) = (&mut **draft, root);
        for (depth, segment) in path.segments().iter().enumerate() {
            at = match (segment, at) {
                (Segment::Field(field), at @ (Draft::Map(_) | Draft::Null)) => at.entry(field),
                (Segment::Key(_) | Segment::Item(_), at @ (Draft::List(_) | Draft::Null)) => {
                    if *at == Draft::Null {
                        *at = Draft::list();
                    }
                    let Some(items) = at.as_list_mut() else { return };
                    let around = path.segments().get(..depth).unwrap_or_default();
                    let names = lists.entry(around.to_vec()).or_insert_with(|| named(items, of));
                    let index = *names.entry(segment.clone()).or_insert(items.len());
                    if index == items.len() {
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
}

fn named(items: &[Draft], of: TypeRef<'_>) -> BTreeMap<Segment, usize> {
    let mut names = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(name) = name(item.freeze().root(), of) {
            names.entry(name).or_insert(index);
        }
    }
    names
}
