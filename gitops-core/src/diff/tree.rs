//! Field-by-field comparison of a declared and a live object.
//!
//! One walk over three trees at once: what is declared, what is live, and what our last apply owns. What agrees
//! allocates next to nothing.

use std::sync::Arc;

use crate::model::{ListKind, TypeRef};
use crate::path::FieldPath;
use crate::resource::{Resource, SERVER_SET};
use crate::state::OPERATION_ANNOTATION;
use crate::value::{Draft, List, Map, ValueRef, View};

use super::equal::{is_empty, is_zero, same};
use super::mask::Mask;
use super::owned::{Owned, OwnedItem, applied, entries, is_wholly_owned, key_field, owners, same_key};
use super::step::{Step, pair, pointer};
use super::{Change, ChangeKind};

/// No API object is nested deeper; below, only equality is told.
const MAX_DEPTH: usize = 256;

/// The tracking annotation a sync writes (rule 4 of the exact rules).
#[derive(Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub(super) annotation: &'a str,
    pub(super) id: &'a Draft,
}

/// A comparison under way.
struct Walk<'a> {
    live: &'a Resource,
    stamp: Stamp<'a>,
    path: Vec<Step<'a>>,
    /// Whether the live object says who owns its fields, and whether we are among them.
    ownership: Ownership,
    mask: Mask<'a>,
    changes: Vec<Change>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// Nothing is said.
    Silent,
    /// We have applied nothing.
    Others,
    /// Our last apply is among the entries.
    Ours,
}

/// Inside an atomic value, what Git does not say goes with the next apply, unless the server itself filled it in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Surplus {
    Allowed,
    Removed,
}

/// Returns what a sync would change, in order of the declaration.
pub(super) fn changes<'a>(
    desired: &'a Resource,
    live: &'a Resource,
    root: TypeRef<'a>,
    manager: &str,
    stamp: Stamp<'a>,
) -> Vec<Change> {
    // Paths of another version may not be paths of this one (rule 7).
    let same_version =
        |entry: &ValueRef<'a>| entry.get("apiVersion").and_then(ValueRef::as_str) == Some(desired.api_version());
    let ours = applied(live, manager).filter(same_version);
    let ownership = match (ours, entries(live)) {
        (Some(_), _) => Ownership::Ours,
        (None, Some(entries)) if !entries.is_empty() => Ownership::Others,
        (None, _) => Ownership::Silent,
    };
    let mine = ours.map(Owned::of).unwrap_or_default();
    let mask = Mask::of(live.key());
    let mut walk = Walk { live, stamp, path: Vec::new(), ownership, mask, changes: Vec::new() };
    walk.map(desired.tree().as_map(), live.tree().as_map(), root, mine);
    walk.tracking();
    walk.changes
}

impl<'a> Walk<'a> {
    fn node(&mut self, desired: ValueRef<'a>, live: Option<ValueRef<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        let Some(live) = live else { return self.absent(desired, of, mine) };
        match (desired.view(), live.view()) {
            _ if self.path.len() > MAX_DEPTH && desired != live => {
                self.note(ChangeKind::Value, Some(live), Some(desired))
            }
            (View::Map(d), View::Map(l)) if !of.is_atomic_map() => self.map(Some(d), Some(l), of, mine),
            (View::List(d), View::List(l)) => match of.list() {
                ListKind::Map { keys } => self.keyed(d, l, keys, of, mine),
                ListKind::Set => self.set(d, l, of, mine),
                _ => self.atomic(desired, live, of, mine),
            },
            (View::Map(_), View::Map(_)) => self.atomic(desired, live, of, mine),
            _ if same(desired, live, of) => {}
            _ => self.note(ChangeKind::Value, Some(live), Some(desired)),
        }
    }

    /// A declared field that is not there.
    fn absent(&mut self, desired: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let is_item = !matches!(self.path.last(), Some(Step::Field(_)));
        if !is_item
            && (is_empty(desired) || is_zero(desired) && (mine.is_member() || self.ownership == Ownership::Silent))
        {
            // The server stores no zero values where the Go type leaves them out; that we own a field that is not
            // there proves that it dropped what we sent (recorded: field owned, and absent, right after an apply).
            return;
        }
        match desired.as_map() {
            // One change for each annotation and each secret value.
            Some(map) if self.at_annotations() || self.mask.hides(&self.path) => self.map(Some(map), None, of, mine),
            _ => self.note(ChangeKind::Added, None, Some(desired)),
        }
    }

    fn map(&mut self, desired: Option<Map<'a>>, live: Option<Map<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        let mut there = live.into_iter().flatten().peekable();
        let mut owned = mine.fields().peekable();
        for (name, value) in desired.into_iter().flatten() {
            while let Some((gone, below)) = owned.next_if(|(field, _)| *field < name) {
                self.undeclared(gone, live, of, below);
            }
            let below = owned.next_if(|(field, _)| *field == name).map_or(mine.inherited(), |(_, below)| below);
            while there.next_if(|(field, _)| *field < name).is_some() {}
            let found = there.next_if(|(field, _)| *field == name).map(|(_, value)| value);
            // That we own an entry of a map that is not there proves that the server dropped what we sent: whoever
            // else removes an entry takes it from its owners. Fields may also be dropped for being zero: see `absent`.
            let dropped = found.is_none() && below.is_member() && !of.declares(name);
            let is_filled = found.is_some_and(|found| of.fills_in(name, value, found));
            if !dropped && !is_filled && !self.is_exempt(name) {
                self.path.push(Step::Field(name));
                self.node(value, found, of.field(name), below);
                self.path.pop();
            }
        }
        for (gone, below) in owned {
            self.undeclared(gone, live, of, below);
        }
    }

    /// A field that we own and that is not declared: R of the exact rules.
    fn undeclared(&mut self, name: &'a str, live: Option<Map<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        let value = live.and_then(|live| live.get(name)).filter(|value| !value.is_null() && !self.is_exempt(name));
        let Some(value) = value else { return };
        if of.default_of(name).known().is_some_and(|default| default.root() == value) {
            // The next apply gives up the field, and the server fills in what is there already.
            return;
        }
        self.path.push(Step::Field(name));
        if self.at_annotations() {
            self.map(None, value.as_map(), of.field(name), mine);
        } else {
            self.removed(value, of.field(name), mine);
        }
        self.path.pop();
    }

    /// Reports the topmost fields that are wholly ours.
    fn removed(&mut self, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let is_item = !matches!(self.path.last(), Some(Step::Field(_)));
        if mine.is_leaf() || is_item && mine.is_member() || is_wholly_owned(live, mine) {
            return self.note(ChangeKind::Removed, Some(live), None);
        }
        match live.view() {
            View::Map(map) => {
                for (name, below) in mine.fields() {
                    if let Some(value) = map.get(name).filter(|value| !value.is_null()) {
                        self.path.push(Step::Field(name));
                        self.removed(value, of.field(name), below);
                        self.path.pop();
                    }
                }
            }
            View::List(list) => self.removed_items(list, of, mine.items()),
            _ => {}
        }
    }

    fn removed_items(&mut self, live: List<'a>, of: TypeRef<'a>, items: impl Iterator<Item = OwnedItem<'a>>) {
        let element = of.element();
        for owned in items {
            let found = live.iter().enumerate().find_map(|(at, item)| {
                let step = match of.list() {
                    ListKind::Map { keys } => Step::Keyed { keys, item, element, live: at, desired: 0 },
                    _ => Step::Valued { item, live: at, desired: 0 },
                };
                step.is(owned.key.root()).then_some((step, item))
            });
            if let Some((step, item)) = found {
                self.path.push(step);
                self.removed(item, element, owned.below);
                self.path.pop();
            }
        }
    }

    fn keyed(&mut self, desired: List<'a>, live: List<'a>, keys: &'a [Arc<str>], of: TypeRef<'a>, mine: Owned<'a>) {
        let element = of.element();
        let pairs = pair(desired, live, |want, have| same_key(want, have, keys, element));
        let mut owned: Vec<OwnedItem<'a>> = mine.items().collect();
        for (at, (want, found)) in desired.iter().zip(&pairs).enumerate() {
            let item = found.map_or(want, |(_, item)| item);
            let step = Step::Keyed { keys, item, element, live: found.map_or(0, |(at, _)| at), desired: at };
            let ours = owned.iter().position(|owned| step.is(owned.key.root())).map(|at| owned.swap_remove(at));
            self.path.push(step);
            self.node(want, found.map(|(_, item)| item), element, ours.map_or(mine.inherited(), |item| item.below));
            self.path.pop();
        }
        self.order(desired, &pairs, |item| {
            let fields = keys.iter().filter_map(|name| Some((name, key_field(item, name, element)?)));
            let mut fields: Vec<_> = fields.map(|(name, value)| (name.to_string(), value.to_draft())).collect();
            if keys.len() == 1 { fields.pop().unwrap_or_default().1 } else { Draft::Map(fields.into_iter().collect()) }
        });
        self.doubles(live, &pairs, keys, element);
        self.removed_items(live, of, owned.into_iter());
    }

    /// A live list that holds a declared item twice, as older clients could write it: an apply keeps one (recorded).
    fn doubles(
        &mut self,
        live: List<'a>,
        pairs: &[Option<(usize, ValueRef<'a>)>],
        keys: &'a [Arc<str>],
        element: TypeRef<'a>,
    ) {
        let mut taken: Vec<usize> = pairs.iter().flatten().map(|(at, _)| *at).collect();
        taken.sort_unstable();
        for (at, item) in live.iter().enumerate().filter(|(at, _)| taken.binary_search(at).is_err()) {
            if pairs.iter().flatten().any(|(_, kept)| same_key(*kept, item, keys, element)) {
                // The key names the item that stays.
                self.path.push(Step::Index { at });
                self.note(ChangeKind::Removed, Some(item), None);
                self.path.pop();
            }
        }
    }

    fn set(&mut self, desired: List<'a>, live: List<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let element = of.element();
        let pairs = pair(desired, live, |want, have| same(want, have, element));
        for (at, (item, found)) in desired.iter().zip(&pairs).enumerate() {
            if found.is_none() {
                self.path.push(Step::Valued { item, live: 0, desired: at });
                self.note(ChangeKind::Added, None, Some(item));
                self.path.pop();
            }
        }
        self.order(desired, &pairs, ValueRef::to_draft);
        let is_declared = |key: ValueRef<'_>| desired.iter().any(|item| same(item, key, element));
        self.removed_items(live, of, mine.items().filter(|item| !is_declared(item.key.root())));
    }

    /// An apply puts the items of keyed lists and sets into Git's order (recorded; foreign items may stand between).
    fn order(
        &mut self,
        desired: List<'a>,
        pairs: &[Option<(usize, ValueRef<'a>)>],
        name: impl Fn(ValueRef<'a>) -> Draft,
    ) {
        if pairs.iter().flatten().map(|(at, _)| at).is_sorted() {
            return;
        }
        let shared = desired.iter().zip(pairs).filter_map(|(item, found)| Some((found.as_ref()?.0, item)));
        let mut shared: Vec<(usize, ValueRef<'a>)> = shared.collect();
        let names = |items: &[(usize, ValueRef<'a>)]| Draft::List(items.iter().map(|(_, item)| name(*item)).collect());
        let desired = names(&shared).freeze();
        shared.sort_by_key(|(at, _)| *at);
        let live = names(&shared).freeze();
        let change = self.change(ChangeKind::Moved, true);
        let (live, desired) = (self.mask.shown_made(&self.path, live), self.mask.shown_made(&self.path, desired));
        self.changes.push(Change { live: Some(live), desired: Some(desired), ..change });
    }

    /// A list or map that is one value: an apply replaces it whole.
    fn atomic(&mut self, desired: ValueRef<'a>, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        // While the value is ours nobody else has written it: what it holds beyond Git came from the server. Once
        // somebody did write it, it is no longer ours, and all that is not in Git is theirs.
        let taken = self.ownership == Ownership::Ours && !mine.is_member();
        self.within(desired, live, of, mine, if taken { Surplus::Removed } else { Surplus::Allowed });
    }

    fn within(
        &mut self,
        desired: ValueRef<'a>,
        live: ValueRef<'a>,
        of: TypeRef<'a>,
        mine: Owned<'a>,
        surplus: Surplus,
    ) {
        match (desired.view(), live.view()) {
            _ if self.path.len() > MAX_DEPTH && desired != live => {
                self.note(ChangeKind::Value, Some(live), Some(desired))
            }
            (View::Map(want), View::Map(have)) => {
                for (name, value) in want {
                    self.path.push(Step::Field(name));
                    match have.get(name) {
                        Some(have) => self.within(value, have, of.field(name), mine, surplus),
                        None => self.absent(value, of.field(name), mine),
                    }
                    self.path.pop();
                }
                let is_default =
                    |name: &str, value| of.default_of(name).known().is_some_and(|default| default.root() == value);
                let extra = have.iter().filter(|(name, value)| want.get(name).is_none() && !is_default(name, *value));
                for (name, value) in extra.filter(|_| surplus == Surplus::Removed) {
                    self.path.push(Step::Field(name));
                    self.note(ChangeKind::Removed, Some(value), None);
                    self.path.pop();
                }
            }
            (View::List(want), View::List(have)) if want.len() == have.len() => {
                for (at, (want, have)) in want.iter().zip(have).enumerate() {
                    self.path.push(Step::Index { at });
                    self.within(want, have, of.element(), mine, surplus);
                    self.path.pop();
                }
            }
            _ if same(desired, live, of) => {}
            _ => self.note(ChangeKind::Value, Some(live), Some(desired)),
        }
    }

    /// Rule 4: the tracking id is part of what is declared.
    fn tracking(&mut self) {
        let Stamp { annotation, id } = self.stamp;
        let live = self.live.tree().dig(&["metadata", "annotations", annotation]);
        if live.and_then(ValueRef::as_str) == id.as_str() {
            return;
        }
        self.path = vec![Step::Field("metadata"), Step::Field("annotations"), Step::Field(annotation)];
        let kind = if live.is_some() { ChangeKind::Value } else { ChangeKind::Added };
        let change = self.change(kind, live.is_some());
        let shown = |value| super::Shown::Plain(value);
        let live = live.map(|live| shown(live.to_value()));
        self.changes.push(Change { live, desired: Some(shown(id.freeze())), ..change });
        self.path.clear();
    }

    /// What is never compared: what was matched already, what only a server sets, and the annotations that only we write.
    fn is_exempt(&self, name: &str) -> bool {
        match self.path.as_slice() {
            [] => matches!(name, "apiVersion" | "kind"),
            [Step::Field("metadata")] => SERVER_SET.contains(&name),
            _ => self.at_annotations() && (name == self.stamp.annotation || name == OPERATION_ANNOTATION),
        }
    }

    fn at_annotations(&self) -> bool {
        matches!(self.path.as_slice(), [Step::Field("metadata"), Step::Field("annotations")])
    }

    fn note(&mut self, kind: ChangeKind, live: Option<ValueRef<'a>>, desired: Option<ValueRef<'a>>) {
        let change = self.change(kind, live.is_some());
        let live = live.map(|value| self.mask.shown(&self.path, value));
        let desired = desired.map(|value| self.mask.shown(&self.path, value));
        self.changes.push(Change { live, desired, ..change });
    }

    /// A change without its values.
    fn change(&self, kind: ChangeKind, in_live: bool) -> Change {
        let steps = self.mask.nameable(&self.path);
        let owners = if in_live { owners(self.live, steps) } else { Vec::new() };
        let pointer = pointer(steps, in_live).into();
        let path: FieldPath = steps.iter().map(|step| step.segment()).collect();
        Change { path, pointer, kind, live: None, desired: None, owners }
    }
}
