//! Prediction: field-by-field comparison of a declared and a live object, without a call.
//!
//! One walk over three trees at once: what is declared, what is live, and what our last apply owns. What agrees
//! allocates next to nothing. Where it finds no change, an apply changes nothing: whatever might prove that wrong is a
//! change or a doubt (rules 6 and 7 of the exact rules).

use std::cmp::Ordering;

use crate::model::{ListKind, TypeRef};
use crate::resource::Resource;
use crate::state::Mark;
use crate::value::{Map, Tag, ValueRef, View};

use super::equal::{Fill, fill, same};
use super::mask::Seen;
use super::owned::{Owned, is_wholly_owned};
use super::step::Step;
use super::trail::Trail;
use super::{ChangeKind, ChangeReason, Doubt};

/// A prediction under way.
pub(super) struct Walk<'a> {
    pub(super) trail: Trail<'a>,
    /// What a sync writes to mark the object (rule 4 of the exact rules).
    marks: &'a [Mark],
    manager: &'a str,
    /// Whether our last apply is among the owners of the live object.
    pub(super) applied: bool,
    pub(super) found: Found,
}

/// What a prediction found beside the changes.
#[derive(Default)]
pub(super) struct Found {
    pub(super) doubts: Vec<Doubt>,
    /// How many of the changes are only likely.
    pub(super) likely: usize,
    /// Whether an apply takes or gives up ownership of a field.
    pub(super) unclaimed: bool,
    /// Whether we own something that Git does not declare.
    pub(super) gives_up: bool,
}

impl<'a> Walk<'a> {
    /// `mine`: what our last apply owns; `None` if there was none.
    pub(super) fn new(
        live: &'a Resource,
        manager: &'a str,
        marks: &'a [Mark],
        mine: Option<Owned<'a>>,
        seen: Seen<'a>,
    ) -> Self {
        let found = Found { unclaimed: mine.is_none(), ..Found::default() };
        Self { trail: Trail::new(live, seen), marks, manager, applied: mine.is_some(), found }
    }

    /// Finds what a sync would change, in order of the declaration.
    pub(super) fn run(&mut self, desired: &'a Resource, root: TypeRef<'a>, mine: Owned<'a>) {
        self.map(desired.tree().as_map(), self.trail.live.tree().as_map(), root, mine);
        self.tracking();
    }

    pub(super) fn node(&mut self, desired: ValueRef<'a>, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        match (desired.view(), live.view()) {
            _ if self.trail.is_too_deep() => self.scalar(desired, live, of, mine),
            (View::Map(d), View::Map(l)) if !of.is_atomic_map() => self.map(Some(d), Some(l), of, mine),
            (View::List(d), View::List(l)) => match of.list() {
                ListKind::Map { .. } => self.keyed(d, l, of, mine),
                ListKind::Set => self.set(d, l, of, mine),
                _ => self.atomic(desired, live, of, mine),
            },
            (View::Map(_), View::Map(_)) => self.atomic(desired, live, of, mine),
            _ => self.scalar(desired, live, of, mine),
        }
    }

    fn scalar(&mut self, desired: ValueRef<'a>, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        if same(desired, live, of) {
            self.agree(mine);
        } else {
            self.trail.note(ChangeKind::Value, Some(live), Some(desired), ChangeReason::Declared);
        }
    }

    /// Notes whether a field that needs no change is ours already. Nobody owns what names the object.
    pub(super) fn agree(&mut self, mine: Owned<'a>) {
        let is_name =
            || matches!(self.trail.path.as_slice(), [Step::Field("metadata"), Step::Field("name" | "namespace")]);
        self.found.unclaimed |= !mine.is_member() && !is_name();
    }

    /// A declared field that is not there.
    pub(super) fn absent(&mut self, desired: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        match desired.as_map() {
            // One change for each annotation and each secret value.
            Some(map) if self.is_split() => self.map(Some(map), None, of, mine),
            _ => self.trail.note(ChangeKind::Added, None, Some(desired), ChangeReason::Declared),
        }
    }

    fn map(&mut self, desired: Option<Map<'a>>, live: Option<Map<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        let (mut there, mut owned) = (Beside::new(live.into_iter().flatten()), Beside::new(mine.fields()));
        for (name, value) in desired.into_iter().flatten() {
            let mut below = Owned::default();
            while let Some((order, gone, ours)) = owned.up_to(name) {
                match order {
                    Ordering::Less => self.undeclared(gone, live, of, ours),
                    _ => below = ours,
                }
            }
            let mut found = None;
            while let Some((order, _, value)) = there.up_to(name) {
                found = (order == Ordering::Equal).then_some(value);
            }
            if self.is_exempt(name) {
                continue;
            }
            self.trail.path.push(Step::Field(name));
            match found {
                // Whatever a schema says of it.
                Some(found) if is_scalar(value) && value == found => self.agree(below),
                // Go writes null where nothing is.
                Some(found) if !found.is_null() || same(value, found, of.field(name)) => {
                    self.field(name, value, found, of, below);
                }
                // The server stores no zero values where the Go type leaves them out: there is nothing to own.
                _ if of.drops(name, value) => {}
                // Whoever else removes a field takes it from its owners: ours and not there, the server dropped it.
                _ if below.is_member() => self.found.doubts.push(Doubt::Dropped(self.trail.field())),
                _ => self.absent(value, of.field(name), below),
            }
            self.trail.path.pop();
        }
        for (gone, below) in owned {
            self.undeclared(gone, live, of, below);
        }
    }

    /// A declared field that is there.
    fn field(&mut self, name: &'a str, value: ValueRef<'a>, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        if value.as_map().is_none() && of.drops(name, value) {
            self.unset(name, value, live, of, mine);
        } else {
            self.node(value, live, of.field(name), mine);
        }
    }

    /// A declared zero value that is as good as none: the server may put a default in its place.
    fn unset(&mut self, name: &'a str, desired: ValueRef<'a>, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let field = of.field(name);
        match fill(of, name, self.trail.path.first()) {
            _ if of.fills_in(name, desired, live) => self.agree(mine),
            Fill::Unknown if !same(desired, live, field) => {
                self.found.likely += 1;
                self.found.doubts.push(Doubt::Default(self.trail.field()));
                self.trail.note(ChangeKind::Value, Some(live), Some(desired), ChangeReason::Declared);
            }
            _ => self.node(desired, live, field, mine),
        }
    }

    /// A field that we own and that is not declared: R of the exact rules.
    fn undeclared(&mut self, name: &'a str, live: Option<Map<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        if self.is_exempt(name) {
            return;
        }
        let value = live.and_then(|live| live.get(name)).filter(|value| !value.is_null());
        self.trail.path.push(Step::Field(name));
        let is_split = self.trail.at_annotations() || self.marks.iter().any(|mark| self.trail.at_metadata(mark.map));
        self.found.unclaimed |= !is_split;
        self.found.gives_up |= !is_split;
        let Some(value) = value else {
            self.trail.path.pop();
            return;
        };
        let is_whole = mine.is_leaf() || is_wholly_owned(value, mine);
        match fill(of, name, self.trail.path.first()) {
            // The next apply gives up the field, and the server fills in what is there already.
            Fill::With(default) if same(default, value, of.field(name)) => {}
            Fill::With(default) if is_whole && !self.stays(mine) => {
                self.trail.note(ChangeKind::Value, Some(value), Some(default), ChangeReason::Reset);
            }
            Fill::Unknown => {
                let before = self.trail.changes.len();
                self.removed(value, of.field(name), mine);
                if self.trail.changes.len() > before {
                    self.found.likely += self.trail.changes.len() - before;
                    self.found.doubts.push(Doubt::Default(self.trail.field()));
                }
            }
            _ if is_split => self.map(None, value.as_map(), of.field(name), mine),
            _ => self.removed(value, of.field(name), mine),
        }
        self.trail.path.pop();
    }

    /// Reports the topmost fields that are wholly ours.
    pub(super) fn removed(&mut self, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        (self.found.unclaimed, self.found.gives_up) = (true, true);
        if self.is_wholly_ours(live, mine) {
            if !self.stays(mine) {
                return self.trail.note(ChangeKind::Removed, Some(live), None, ChangeReason::Undeclared);
            }
            if mine.is_leaf() {
                return;
            }
        }
        match live.view() {
            View::Map(map) => {
                for (name, below) in mine.fields() {
                    if let Some(value) = map.get(name).filter(|value| !value.is_null()) {
                        self.trail.path.push(Step::Field(name));
                        self.removed(value, of.field(name), below);
                        self.trail.path.pop();
                    }
                }
            }
            View::List(list) => self.removed_items(list, of, mine.items()),
            _ => {}
        }
    }

    /// Whether the field here goes with all that is below it.
    pub(super) fn is_wholly_ours(&self, live: ValueRef<'a>, mine: Owned<'a>) -> bool {
        mine.is_leaf() || self.trail.at_item() && mine.is_member() || is_wholly_owned(live, mine)
    }

    /// Whether a field or item that we give up stays, since others hold it as well: see `forgotten`.
    pub(super) fn stays(&mut self, mine: Owned<'a>) -> bool {
        (mine.is_leaf() || self.trail.at_item()) && self.trail.is_held_by_others(self.manager)
    }

    /// Rule 4: what marks the object is part of what is declared.
    fn tracking(&mut self) {
        for mark in self.marks {
            let path = ["metadata", mark.map, mark.name];
            let live = self.trail.live.tree().dig(&path);
            if live.and_then(ValueRef::as_str) != Some(&*mark.value) {
                self.trail.path = path.map(Step::Field).into();
                self.trail.stamp(live, &mark.value);
                self.trail.path.clear();
            }
        }
    }

    fn is_exempt(&self, name: &str) -> bool {
        // Nothing is, below the maps of the metadata.
        if self.trail.path.len() > 2 {
            return false;
        }
        let is_mark = |mark: &Mark| mark.name == name && self.trail.at_metadata(mark.map);
        self.trail.is_exempt(name) || self.marks.iter().any(is_mark)
    }

    /// Whether each entry of the map here is a change of its own, since some are marks and others are not.
    fn is_split(&self) -> bool {
        self.trail.is_split() || self.marks.iter().any(|mark| self.trail.at_metadata(mark.map))
    }
}

fn is_scalar(value: ValueRef<'_>) -> bool {
    !matches!(value.tag(), Tag::List | Tag::Map)
}

/// Entries of a map that is gone through beside another one; both are in byte order.
struct Beside<'a, T, I> {
    next: Option<(&'a str, T)>,
    rest: I,
}

impl<'a, T: Copy, I: Iterator<Item = (&'a str, T)>> Beside<'a, T, I> {
    fn new(mut entries: I) -> Self {
        Self { next: entries.next(), rest: entries }
    }

    /// Takes the next entry unless it comes behind that of this name.
    fn up_to(&mut self, name: &str) -> Option<(Ordering, &'a str, T)> {
        let (next, value) = self.next?;
        let order = next.cmp(name);
        if order == Ordering::Greater {
            return None;
        }
        self.next = self.rest.next();
        Some((order, next, value))
    }
}

impl<'a, T, I: Iterator<Item = (&'a str, T)>> Iterator for Beside<'a, T, I> {
    type Item = (&'a str, T);

    fn next(&mut self) -> Option<Self::Item> {
        std::mem::replace(&mut self.next, self.rest.next())
    }
}
