//! Changes carried out on what is shown of an object: all in one walk, so that long lists cost what they are long.

use std::collections::BTreeMap;

use crate::diff::{Change, ChangeKind, Shown};
use crate::path::Segment;
use crate::value::{Draft, Value};

/// What to do with one field.
#[derive(Clone, Copy)]
pub(super) enum Edit<'a> {
    /// It gets this value.
    Set(Option<&'a Shown>),
    /// It goes.
    Remove,
    /// Its items get the order of these names.
    Order(Option<&'a Shown>),
}

/// What to do with a value, and with what is below it.
#[derive(Default)]
pub(super) struct Edits<'a> {
    here: Option<Edit<'a>>,
    /// The place that an item gets that is not there yet.
    place: Option<usize>,
    below: BTreeMap<&'a Segment, Self>,
}

impl<'a> Edit<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        match change.kind {
            ChangeKind::Value | ChangeKind::Added => Self::Set(change.desired.as_ref()),
            ChangeKind::Removed => Self::Remove,
            ChangeKind::Moved => Self::Order(change.desired.as_ref()),
        }
    }
}

impl<'a> Edits<'a> {
    pub(super) fn of(edits: impl Iterator<Item = (&'a Change, Edit<'a>)>) -> Self {
        let mut root = Self::default();
        for (change, edit) in edits {
            let mut at = &mut root;
            for segment in change.path.segments() {
                at = at.below.entry(segment).or_default();
            }
            at.here = Some(edit);
            at.place = change.pointer.rsplit('/').next().and_then(|place| place.parse().ok());
        }
        root
    }

    /// Does it to a value. No path is deeper than comparisons go.
    pub(super) fn carry_out(&self, value: &mut Draft) {
        if let Some(Edit::Set(shown)) = self.here {
            *value = draft(shown);
        }
        let (fields, items): (Vec<_>, Vec<_>) =
            self.below.iter().partition(|(segment, _)| matches!(segment, Segment::Field(_)));
        for (segment, edits) in fields {
            let Segment::Field(name) = segment else { continue };
            match edits.here {
                Some(Edit::Remove) => drop(value.remove(name)),
                _ => edits.carry_out(value.entry(name)),
            }
        }
        let names = if let Some(Edit::Order(names)) = self.here { Some(draft(names)) } else { None };
        if items.is_empty() && names.is_none() {
            return;
        }
        if !matches!(value, Draft::List(_)) {
            *value = Draft::list();
        }
        let Draft::List(list) = value else { return };
        let there = edited(std::mem::take(list), &items);
        *list = there.items;
        if let Some(Draft::List(names)) = names {
            reorder(list, &names);
        }
        // In the order of their places, so that each is where it is to be once it is put in.
        for (place, item) in there.added {
            list.insert(place.min(list.len()), item);
        }
    }
}

/// A list without what is removed, and what is to be put into it.
struct Edited {
    items: Vec<Draft>,
    added: Vec<(usize, Draft)>,
}

fn edited(list: Vec<Draft>, edits: &[(&&Segment, &Edits<'_>)]) -> Edited {
    let index = Index::of(&list, edits);
    let mut items: Vec<Option<Draft>> = list.into_iter().map(Some).collect();
    let mut added = Vec::new();
    for (segment, edits) in edits {
        match (index.place(segment).and_then(|place| items.get_mut(place)), edits.here) {
            (Some(item), Some(Edit::Remove)) => *item = None,
            (Some(Some(item)), _) => edits.carry_out(item),
            (_, Some(Edit::Remove)) | (Some(None), _) => {}
            (None, _) => {
                let mut item = keyed(segment);
                edits.carry_out(&mut item);
                added.push((edits.place.unwrap_or(usize::MAX), item));
            }
        }
    }
    added.sort_by_key(|(place, _)| *place);
    Edited { items: items.into_iter().flatten().collect(), added }
}

/// Where items are, by the fields that name them; each list is gone through once for each choice of fields.
struct Index<'a> {
    by_key: BTreeMap<Vec<&'a str>, BTreeMap<Vec<Value>, usize>>,
    by_value: BTreeMap<Value, usize>,
}

impl<'a> Index<'a> {
    fn of(list: &[Draft], edits: &[(&&'a Segment, &Edits<'_>)]) -> Self {
        let (mut by_key, mut by_value) = (BTreeMap::new(), BTreeMap::new());
        for (segment, _) in edits {
            match segment {
                Segment::Key(keys) => {
                    let names: Vec<&str> = keys.iter().map(|(name, _)| &**name).collect();
                    by_key.entry(names).or_insert_with_key(|names| index(list, |item| key(item, names)));
                }
                Segment::Item(_) if by_value.is_empty() => by_value = index(list, |item| Some(item.freeze())),
                _ => {}
            }
        }
        Self { by_key, by_value }
    }

    /// The place of an item, which may lie behind the end.
    fn place(&self, segment: &Segment) -> Option<usize> {
        match segment {
            Segment::Field(_) => None,
            Segment::Index(place) => usize::try_from(*place).ok(),
            Segment::Item(value) => self.by_value.get(value).copied(),
            Segment::Key(keys) => {
                let names: Vec<&str> = keys.iter().map(|(name, _)| &**name).collect();
                let values: Vec<Value> = keys.iter().map(|(_, value)| value.clone()).collect();
                self.by_key.get(&names)?.get(&values).copied()
            }
        }
    }
}

/// The first place of each name.
fn index<N: Ord>(list: &[Draft], name: impl Fn(&Draft) -> Option<N>) -> BTreeMap<N, usize> {
    let mut places = BTreeMap::new();
    for (place, item) in list.iter().enumerate() {
        if let Some(name) = name(item) {
            places.entry(name).or_insert(place);
        }
    }
    places
}

fn key(item: &Draft, names: &[&str]) -> Option<Vec<Value>> {
    names.iter().map(|name| item.get(name).map(Draft::freeze)).collect()
}

/// An item that is not there yet, with what names it.
fn keyed(segment: &Segment) -> Draft {
    let mut item = Draft::Null;
    if let Segment::Key(keys) = segment {
        keys.iter().for_each(|(name, value)| item.set(name, value));
    }
    item
}

fn draft(shown: Option<&Shown>) -> Draft {
    match shown {
        Some(Shown::Plain(value)) => value.into(),
        Some(masked) => masked.to_string().into(),
        None => Draft::Null,
    }
}

/// Puts the named items into the order of their names; others stay where they are.
fn reorder(items: &mut [Draft], names: &[Draft]) {
    let wanted: Vec<Value> = names.iter().map(Draft::freeze).collect();
    let places = match names.first() {
        Some(Draft::Map(keys)) => {
            let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
            let name = |item: &Draft| {
                let fields = keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(key)?.clone())));
                Some(Draft::Map(fields.collect()).freeze())
            };
            found(&wanted, &index(items, name))
        }
        _ => by_one_key(items, &wanted).unwrap_or_else(|| found(&wanted, &index(items, |item| Some(item.freeze())))),
    };
    let wanted: Vec<Draft> = places.iter().filter_map(|place| items.get(*place).cloned()).collect();
    let mut free = places;
    free.sort_unstable();
    for (place, item) in free.into_iter().zip(wanted) {
        if let Some(slot) = items.get_mut(place) {
            *slot = item;
        }
    }
}

/// The places of items by the one field that holds all these names.
fn by_one_key(items: &[Draft], names: &[Value]) -> Option<Vec<usize>> {
    let Some(Draft::Map(fields)) = items.first() else { return None };
    let by = |field: &String| found(names, &index(items, |item| item.get(field).map(Draft::freeze)));
    fields.keys().map(by).find(|places| places.len() == names.len())
}

fn found(names: &[Value], places: &BTreeMap<Value, usize>) -> Vec<usize> {
    names.iter().filter_map(|name| places.get(name).copied()).collect()
}
