//! Who owns which field, read in place from `metadata.managedFields`.

use std::sync::Arc;

use crate::model::TypeRef;
use crate::path::FieldPath;
use crate::resource::Resource;
use crate::ssa::FieldSet;
use crate::state::AppliedFields;
use crate::value::{List, Map, Tag, Value, ValueRef, View};

use super::FieldOwner;
use super::equal::same;
use super::step::{Finder, LONG, Step};

/// What one manager owns at a place: a node of a FieldsV1 tree. Malformed nodes own nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct Owned<'a>(Option<Map<'a>>);

/// An item of a keyed list or set, as FieldsV1 names it.
pub(super) struct OwnedItem<'a> {
    /// The key fields, or the value of a set.
    pub(super) key: Value,
    pub(super) below: Owned<'a>,
}

/// Returns the entries of `metadata.managedFields`.
pub(super) fn entries(live: &Resource) -> Option<List<'_>> {
    live.tree().dig(&["metadata", "managedFields"])?.as_list()
}

/// Returns what `manager` has applied; `None` without an Apply entry of that name.
pub(super) fn applied<'a>(live: &'a Resource, manager: &str) -> Option<ValueRef<'a>> {
    entries(live)?.iter().find(|entry| {
        let is = |field: &str, text: &str| entry.get(field).and_then(ValueRef::as_str) == Some(text);
        is("manager", manager) && is("operation", "Apply") && entry.get("subresource").is_none()
    })
}

/// Returns whether `metadata.managedFields` can be read: its form, and all of the entry of `manager`.
pub(super) fn are_readable(live: &Resource, manager: &str) -> bool {
    are_entries(live) && applied(live, manager).and_then(|entry| entry.get("fieldsV1")).is_none_or(is_field_set)
}

/// Returns whether `metadata.managedFields` is a list of entries, whatever fields they name.
pub(super) fn are_entries(live: &Resource) -> bool {
    let Some(managed) = live.tree().dig(&["metadata", "managedFields"]).filter(|managed| !managed.is_null()) else {
        return true;
    };
    let text = |entry: ValueRef<'_>, field: &str, allowed: &[&str]| {
        entry.get(field).and_then(ValueRef::as_str).is_some_and(|text| allowed.is_empty() || allowed.contains(&text))
    };
    let is_entry = |entry: ValueRef<'_>| {
        text(entry, "operation", &["Apply", "Update"])
            && text(entry, "apiVersion", &[])
            && entry.get("fieldsType").is_none_or(|_| text(entry, "fieldsType", &["FieldsV1"]))
            && entry.get("fieldsV1").is_none_or(|fields| fields.as_map().is_some())
    };
    managed.as_list().is_some_and(|entries| entries.iter().all(is_entry))
}

/// Whether a value is a FieldsV1 tree, as far as its form goes.
fn is_field_set(fields: ValueRef<'_>) -> bool {
    let is_name = |name: &str| matches!(name.as_bytes(), b"." | [b'f' | b'k' | b'v' | b'i', b':', ..]);
    // Where all is maps, every node below is an entry of one.
    fields.tag() == Tag::Map && fields.entries_below().all(|entry| entry.tag() == Tag::Map && is_name(entry.key()))
}

/// Returns who owns the field at `path`, in order of their names.
pub(super) fn owners(live: &Resource, path: &[Step<'_>]) -> Vec<FieldOwner> {
    let owning = entries(live).into_iter().flatten().filter(|entry| Owned::of(*entry).owns(path));
    let mut owners: Vec<FieldOwner> = owning.filter_map(owner).collect();
    owners.sort();
    owners.dedup();
    owners
}

/// Returns whether anybody but `manager` owns exactly the field at `path`, under its name in the version of `live`.
pub(super) fn is_held_by_others(live: &Resource, path: &[Step<'_>], manager: &str) -> bool {
    entries(live).into_iter().flatten().any(|entry| {
        let is = |field: &str, text: &str| entry.get(field).and_then(ValueRef::as_str) == Some(text);
        let is_ours = is("manager", manager) && is("operation", "Apply") && entry.get("subresource").is_none();
        !is_ours && is("apiVersion", live.api_version()) && Owned::of(entry).holds(path)
    })
}

/// Whether a path is among fields, or something around it as one value, or something below it.
pub(super) fn owns(fields: &FieldSet, path: &FieldPath) -> bool {
    let around = |length: usize| -> FieldPath { path.segments().iter().take(length).cloned().collect() };
    let is_whole = |length: usize| {
        let outer = around(length);
        fields.contains(&outer) && fields.below(&outer).is_empty()
    };
    fields.touches(path) || (1..path.segments().len()).any(is_whole)
}

fn owner(entry: ValueRef<'_>) -> Option<FieldOwner> {
    let text = |field: &str| entry.get(field).and_then(ValueRef::as_str);
    Some(FieldOwner {
        manager: text("manager")?.into(),
        operation: if text("operation")? == "Apply" { "Apply" } else { "Update" },
        subresource: text("subresource").filter(|name| !name.is_empty()).map(Arc::from),
        time: text("time").and_then(|time| time.parse().ok()),
    })
}

impl<'a> Owned<'a> {
    /// Reads an entry of `managedFields`. Nobody owns the whole object: an empty entry owns nothing.
    pub(super) fn of(entry: ValueRef<'a>) -> Self {
        Self(entry.get("fieldsV1").and_then(ValueRef::as_map).filter(|fields| !fields.is_empty()))
    }

    pub(super) fn as_map(self) -> Option<Map<'a>> {
        self.0
    }

    /// Returns whether all that an inventory remembers is among these fields.
    pub(super) fn has_all(self, remembered: &AppliedFields) -> bool {
        self.0.is_some_and(|fields| remembered.is_within(fields))
    }

    /// Returns whether the field itself is owned, not only fields below it.
    pub(super) fn is_member(self) -> bool {
        self.0.is_some_and(|map| map.is_empty() || map.get(".").is_some())
    }

    /// Returns whether the field is owned with all that is below it.
    pub(super) fn is_leaf(self) -> bool {
        self.0.is_some_and(|map| map.iter().all(|(name, _)| name == "."))
    }

    /// Returns what is owned of every child because this is owned as one value.
    pub(super) fn inherited(self) -> Self {
        if self.is_leaf() { self } else { Self::default() }
    }

    /// Returns the fields below, in byte order.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, Self)> {
        let entries = self.0.into_iter().flatten();
        entries.filter_map(|(name, below)| Some((name.strip_prefix("f:")?, Self(below.as_map()))))
    }

    /// Returns the list items below.
    pub(super) fn items(self) -> impl Iterator<Item = OwnedItem<'a>> {
        self.named().filter_map(Named::read)
    }

    /// Returns the list items below, as they are written.
    fn named(self) -> impl Iterator<Item = Named<'a>> {
        self.0.into_iter().flatten().filter_map(|(name, below)| {
            let name = name.strip_prefix("k:").or_else(|| name.strip_prefix("v:"))?;
            Some(Named { name, below: Self(below.as_map()) })
        })
    }

    /// Whether the path is owned, or something around it as one value, or something below it.
    fn owns(self, path: &[Step<'_>]) -> bool {
        let mut at = self;
        for step in path {
            if at.is_leaf() {
                return true;
            }
            match at.child(step) {
                Some(next) => at = next,
                None => return false,
            }
        }
        at.0.is_some()
    }

    /// Whether exactly the path is owned.
    fn holds(self, path: &[Step<'_>]) -> bool {
        path.iter().try_fold(self, |at, step| at.child(step)).is_some_and(Self::is_member)
    }

    fn child(self, step: &Step<'_>) -> Option<Self> {
        match step {
            Step::Field(name) => self.fields().find(|(field, _)| field == name).map(|(_, below)| below),
            Step::Index { .. } => None,
            step => self.items().find(|item| step.is(item.key.root())).map(|item| item.below),
        }
    }
}

/// A list item whose name is not read yet.
#[derive(Clone, Copy)]
struct Named<'a> {
    /// JSON.
    name: &'a str,
    below: Owned<'a>,
}

impl<'a> Named<'a> {
    fn read(self) -> Option<OwnedItem<'a>> {
        Some(OwnedItem { key: Value::from_json(self.name.as_bytes()).ok()?, below: self.below })
    }
}

/// What is owned of a list, item by item, each found once. Names are read only where one is not written as expected.
pub(super) struct Claims<'a> {
    named: Vec<Option<Named<'a>>>,
    /// Where the next name is expected.
    next: usize,
    /// The names of the list, once they were read. Here as there, what was taken is gone.
    items: Option<Vec<Option<OwnedItem<'a>>>>,
    finder: Finder,
}

impl<'a> Claims<'a> {
    pub(super) fn of(mine: Owned<'a>) -> Self {
        Self { named: mine.named().map(Some).collect(), next: 0, items: None, finder: Finder::default() }
    }

    /// Takes what is owned of an item. `key` is the item as `is_it` knows it in what was read; `plain` is the text of
    /// that, where it has one, and makes such a text of other keys.
    pub(super) fn take<'v>(
        &mut self,
        item: ValueRef<'v>,
        step: Step<'_>,
        plain: impl Fn(ValueRef<'_>) -> Option<String>,
        is_it: impl Fn(ValueRef<'_>) -> bool,
    ) -> Option<Owned<'a>> {
        if let Some(found) = self.spelled(step) {
            return Some(found.below);
        }
        let Self { named, items, finder, .. } = self;
        let items = items.get_or_insert_with(|| named.iter().map(|named| named.and_then(Named::read)).collect());
        let key = |at: usize| items.get(at).and_then(Option::as_ref).map(|item| item.key.root());
        let found = finder.find(items.len(), |at| key(at).is_some_and(&is_it), |at| plain(key(at)?), || plain(item))?;
        named.get_mut(found)?.take();
        items.get_mut(found)?.take().map(|item| item.below)
    }

    /// Takes the item that is written as a server writes the name of this one.
    fn spelled(&mut self, step: Step<'_>) -> Option<Named<'a>> {
        let is_it = |named: &Option<Named<'_>>| named.is_some_and(|named| step.is_spelled(named.name));
        let expected = self.named.get(self.next).is_some_and(is_it).then_some(self.next);
        let found = expected.or_else(|| {
            // Long lists are better looked up by what was read.
            (self.named.len() <= LONG).then(|| self.named.iter().position(is_it)).flatten()
        })?;
        self.next = found + 1;
        if let Some(items) = &mut self.items {
            *items.get_mut(found)? = None;
        }
        self.named.get_mut(found)?.take()
    }

    /// What was not taken.
    pub(super) fn rest(self) -> impl Iterator<Item = OwnedItem<'a>> {
        self.named.into_iter().flatten().filter_map(Named::read)
    }
}

/// Whether everything in `live` is owned.
pub(super) fn is_wholly_owned(live: ValueRef<'_>, mine: Owned<'_>) -> bool {
    match live.view() {
        _ if mine.is_leaf() => true,
        View::Map(map) if !map.is_empty() => {
            let mut owned = mine.fields().peekable();
            map.iter().all(|(name, value)| {
                while owned.next_if(|(field, _)| *field < name).is_some() {}
                owned.next_if(|(field, _)| *field == name).is_some_and(|(_, below)| is_wholly_owned(value, below))
            })
        }
        View::List(list) => {
            !list.is_empty() && mine.items().filter(|item| item.below.is_member()).count() == list.len()
        }
        _ => false,
    }
}

/// Returns a key field of a list item; the server fills in its default, such as `protocol: TCP` of a port.
pub(super) fn key_field<'a>(item: ValueRef<'a>, name: &str, element: TypeRef<'a>) -> Option<ValueRef<'a>> {
    let written = item.get(name).filter(|value| !value.is_null());
    written.or_else(|| element.key_default(name))
}

/// Returns whether two list items have the same key.
pub(super) fn same_key(left: ValueRef<'_>, right: ValueRef<'_>, keys: &[Arc<str>], element: TypeRef<'_>) -> bool {
    keys.iter().all(|name| match (key_field(left, name, element), key_field(right, name, element)) {
        (Some(left), Some(right)) => left == right || same(left, right, element.field(name)),
        (left, right) => left.is_none() && right.is_none(),
    })
}
