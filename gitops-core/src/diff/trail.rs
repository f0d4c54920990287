//! Where a comparison is, and what it has found so far.

use crate::path::FieldPath;
use crate::resource::{Resource, SERVER_SET};
use crate::ssa::{ManagedEntry, ManagedFields, Operation};
use crate::state::OPERATION_ANNOTATION;
use crate::value::{Draft, ValueRef};

use super::mask::{Mask, Seen};
use super::owned::{is_held_by_others, owners, owns};
use super::step::{Step, pointer};
use super::{Change, ChangeKind, ChangeReason, FieldOwner, Shown};

/// No API object is nested deeper; below, only equality is told.
pub(super) const MAX_DEPTH: usize = 256;

/// The way from the root to where a comparison is, and the changes found on it.
pub(super) struct Trail<'a> {
    pub(super) live: &'a Resource,
    pub(super) path: Vec<Step<'a>>,
    pub(super) changes: Vec<Change>,
    mask: Mask<'a>,
    /// Who owns what, read when a field in a list is asked for: lists may be long. `Err` if it cannot be read.
    managed: Option<Result<ManagedFields, ()>>,
}

impl<'a> Trail<'a> {
    pub(super) fn new(live: &'a Resource, seen: Seen<'a>) -> Self {
        Self { live, path: Vec::new(), changes: Vec::new(), mask: Mask::of(seen), managed: None }
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.path.len() > MAX_DEPTH
    }

    pub(super) fn at_item(&self) -> bool {
        !matches!(self.path.last(), Some(Step::Field(_)))
    }

    pub(super) fn at_annotations(&self) -> bool {
        self.at_metadata("annotations")
    }

    /// Whether this is a map of the metadata.
    pub(super) fn at_metadata(&self, map: &str) -> bool {
        matches!(self.path.as_slice(), [Step::Field("metadata"), Step::Field(here)] if *here == map)
    }

    /// Whether each entry of the map here is a change of its own: annotations, and the values of a Secret.
    pub(super) fn is_split(&self) -> bool {
        self.at_annotations() || self.mask.hides(&self.path)
    }

    /// What is never compared: what was matched already, what only a server sets, and the annotation that only a
    /// create writes.
    pub(super) fn is_exempt(&self, name: &str) -> bool {
        match self.path.as_slice() {
            [] => matches!(name, "apiVersion" | "kind"),
            [Step::Field("metadata")] => SERVER_SET.contains(&name),
            _ => name == OPERATION_ANNOTATION && self.at_annotations(),
        }
    }

    /// The field here, as people write it; without a step that would name a secret value.
    pub(super) fn field(&self) -> FieldPath {
        self.mask.nameable(&self.path).iter().map(Step::segment).collect()
    }

    /// A value here, as it may be shown.
    pub(super) fn shown(&mut self, value: ValueRef<'a>) -> Shown {
        self.mask.shown(&self.path, value)
    }

    pub(super) fn note(
        &mut self,
        kind: ChangeKind,
        live: Option<ValueRef<'a>>,
        desired: Option<ValueRef<'a>>,
        reason: ChangeReason,
    ) {
        let change = self.change(kind, live.is_some(), reason);
        let live = live.map(|value| self.mask.shown(&self.path, value));
        let desired = desired.map(|value| self.mask.shown(&self.path, value));
        self.changes.push(Change { live, desired, ..change });
    }

    /// Notes that items are in another order, each side by the names of the items.
    pub(super) fn moved(&mut self, live: Draft, desired: Draft) {
        let change = self.change(ChangeKind::Moved, true, ChangeReason::Order);
        let mut shown = |names: Draft| self.mask.shown_made(&self.path, names.freeze());
        let (live, desired) = (shown(live), shown(desired));
        self.changes.push(Change { live: Some(live), desired: Some(desired), ..change });
    }

    /// Notes that a mark is not what is sent.
    pub(super) fn stamp(&mut self, live: Option<ValueRef<'a>>, desired: &str) {
        let kind = if live.is_some() { ChangeKind::Value } else { ChangeKind::Added };
        let change = self.change(kind, live.is_some(), ChangeReason::Stamp);
        let live = live.map(|live| Shown::Plain(live.to_value()));
        let desired = Shown::Plain(Draft::String(desired.to_owned()).freeze());
        self.changes.push(Change { live, desired: Some(desired), ..change });
    }

    /// Whether anybody but `manager` owns exactly the field here, under its name in the version of the object.
    pub(super) fn is_held_by_others(&mut self, manager: &str) -> bool {
        let path: FieldPath = match self.leads_through_a_list() {
            true => self.path.iter().map(Step::segment).collect(),
            false => return is_held_by_others(self.live, &self.path, manager),
        };
        let version = self.live.api_version();
        let Ok(managed) = self.managed() else { return is_held_by_others(self.live, &self.path, manager) };
        let is_ours = |entry: &ManagedEntry| {
            &*entry.manager == manager && entry.operation == Operation::Apply && entry.subresource.is_none()
        };
        let others = managed.entries().iter().filter(|entry| !is_ours(entry) && &*entry.api_version == version);
        others.into_iter().any(|entry| entry.fields.contains(&path))
    }

    fn leads_through_a_list(&self) -> bool {
        self.path.iter().any(|step| matches!(step, Step::Keyed { .. } | Step::Valued { .. }))
    }

    fn managed(&mut self) -> &Result<ManagedFields, ()> {
        let live = self.live;
        self.managed.get_or_insert_with(|| ManagedFields::read(live).map_err(drop))
    }

    fn owners(&mut self, path: &FieldPath, steps: usize) -> Vec<FieldOwner> {
        let in_place = |trail: &Self| owners(trail.live, trail.path.get(..steps).unwrap_or_default());
        if !self.leads_through_a_list() {
            return in_place(self);
        }
        let Ok(managed) = self.managed() else { return in_place(self) };
        let owning = managed.entries().iter().filter(|entry| owns(&entry.fields, path));
        let mut owners: Vec<FieldOwner> = owning.map(FieldOwner::of).collect();
        owners.sort();
        owners.dedup();
        owners
    }

    /// A change without its values.
    fn change(&mut self, kind: ChangeKind, in_live: bool, reason: ChangeReason) -> Change {
        let steps = self.mask.nameable(&self.path);
        let (pointer, length) = (pointer(steps).into(), steps.len());
        let path: FieldPath = steps.iter().map(Step::segment).collect();
        let owners = if in_live { self.owners(&path, length) } else { Vec::new() };
        Change { path, pointer, kind, live: None, desired: None, owners, reason }
    }
}
