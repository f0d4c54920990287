//! An object that others hold, and that becomes ours: what of their ownership moves, and whose marks go. Rules 21 and 32 of
//! the exact rules.

use crate::cluster::PatchStep;
use crate::path::FieldPath;
use crate::resource::{Resource, ResourceKey};
use crate::ssa::{FieldSet, ManagedEntry, ManagedFields, Operation};
use crate::state::{Handover, Holder, MARKS_OF_TOOLS, Mark};
use crate::value::{Draft, ValueRef};

use super::forgotten::{fields_of, last_applied};
use super::{Context, Repair};

/// Moves to our entry what the holder wrote otherwise than by an apply and what is meant: what Git declares, and what
/// client-side apply wrote last. The rest stays with its entry, since it holds defaults and allocated values.
pub(super) fn migrated(
    managed: &ManagedFields,
    live: &Resource,
    declared: &Resource,
    given: &Handover,
    context: &Context<'_>,
) -> ManagedFields {
    let manager = context.owner.manager();
    let is_theirs = |entry: &ManagedEntry| {
        entry.operation == Operation::Update
            && entry.subresource.is_none()
            && *entry.api_version == *declared.api_version()
            && given.managers.contains(&entry.manager)
    };
    let theirs = managed.entries().iter().filter(|entry| is_theirs(entry)).map(|entry| entry.fields.clone());
    let theirs = FieldSet::union_of(theirs.collect());
    let moved = if theirs.is_empty() || !matches!(given.from, Holder::Tool(..)) {
        managed.clone()
    } else {
        let of = context.model.schema(&declared.key().group_kind, declared.version());
        let meant = fields_of(declared.value(), of).unwrap_or_default();
        let meant = meant.union(&last_applied(live, of).unwrap_or_default()).intersection(&theirs);
        managed.take_over(&manager, declared.api_version(), &meant, &meant, is_theirs)
    };
    // The patch that sets the tracking id makes it part of what our name wrote otherwise (as the server does with every
    // value that a patch changes), which the next repair folds.
    let ours: FieldSet = annotations(live.key(), context).map(|mark| mark.path()).collect();
    let gone = gone(live, declared, given, context);
    let marks: FieldSet = gone.iter().collect();
    let is_holders = |entry: &ManagedEntry| given.managers.contains(&entry.manager);
    let moved = moved.release(&manager, &ours).take_over(&manager, "", &marks, &FieldSet::new(), is_holders);
    // Whoever applied an empty map owns it as a whole, and not any more once the patch makes it one that holds something.
    let whole = FieldPath::fields(&["metadata", "annotations"]);
    let is_empty = live.tree().dig(&["metadata", "annotations"]).is_none();
    let emptied: FieldSet = Some(&whole).filter(|_| is_empty).into_iter().collect();
    let without = |entry: &ManagedEntry| {
        let fields = gone.iter().fold(entry.fields.difference(&emptied), |fields, path| fields.without(path));
        (!fields.is_empty()).then(|| ManagedEntry { fields, ..entry.clone() })
    };
    ManagedFields::new(moved.entries().iter().filter_map(without))
}

/// What is done, for people.
pub(super) fn repair(live: &Resource, given: &Handover) -> Repair {
    match &given.from {
        Holder::App(from) => Repair::HandOver { from: from.app.clone() },
        Holder::Tool(tool, _) => Repair::Adopt { from: tool.map(|tool| tool.holder(live).into()) },
    }
}

/// What gives an object new marks, and takes those away that would still say whose it was.
pub(super) fn marking(live: &Resource, declared: &Resource, given: &Handover, context: &Context<'_>) -> Vec<PatchStep> {
    let ours = annotations(live.key(), context);
    let set = ours.map(|mark| PatchStep::Set(mark.path(), Draft::String(mark.value).freeze()));
    set.chain(gone(live, declared, given, context).into_iter().map(PatchStep::Remove)).collect()
}

/// The annotations that mark an object. A label is left to the apply: there may be no labels yet to add one to.
fn annotations(key: &ResourceKey, context: &Context<'_>) -> impl Iterator<Item = Mark> {
    context.owner.marks(key).into_iter().filter(|mark| mark.map == "annotations")
}

/// The marks of others that go: what we write ourselves, and what Git declares, stays.
fn gone(live: &Resource, declared: &Resource, given: &Handover, context: &Context<'_>) -> Vec<FieldPath> {
    let theirs: Vec<(&str, &str)> = match &given.from {
        Holder::App(from) => from.marks_of(live).iter().map(|mark| (mark.map, mark.name)).collect(),
        Holder::Tool(..) => MARKS_OF_TOOLS.to_vec(),
    };
    let ours = context.owner.marks(live.key());
    let is_kept = |map: &str, name: &str| {
        ours.iter().any(|mark| mark.map == map && mark.name == name)
            || declared.tree().dig(&["metadata", map, name]).is_some()
    };
    let mut gone = Vec::new();
    for map in ["annotations", "labels"] {
        let there = live.tree().dig(&["metadata", map]).and_then(ValueRef::as_map);
        let names: Vec<&str> = there.into_iter().flatten().map(|(name, _)| name).collect();
        let goes = |name: &&str| theirs.contains(&(map, *name)) && !is_kept(map, name);
        let of_map: Vec<&str> = names.iter().copied().filter(goes).collect();
        // We add an annotation, so those do not become none.
        match of_map.len() == names.len() && map == "labels" && !names.is_empty() {
            true => gone.push(FieldPath::fields(&["metadata", map])),
            false => gone.extend(of_map.into_iter().map(|name| FieldPath::fields(&["metadata", map, name]))),
        }
    }
    gone
}
