//! Letting an object go: our mark and our ownership leave it, and every value stays. Rule 32 of the exact rules.

use crate::cluster::{Guard, PatchStep, Write};
use crate::path::FieldPath;
use crate::resource::Resource;
use crate::ssa::{ManagedEntry, ManagedFields};
use crate::state::OPERATION_ANNOTATION;
use crate::value::ValueRef;

use super::Context;
use super::repair::{Mending, Repair, entries_value, mended};

/// Returns the write after which nothing on `live` says that it is ours; `None` if nothing does, or its
/// `metadata.managedFields` cannot be read.
///
/// A tracking id of ours goes if it names this very object, and with it the mark of the operation that created it; the
/// entries of our field manager go whatever they hold, and so do those under former names of ours. What other
/// applications, and anybody else, wrote stays.
///
/// Recorded of Kubernetes 1.36: where ours was the only entry, the next apply by anybody starts with an entry
/// `before-first-apply` that holds all there is.
#[must_use]
pub fn orphan(live: &Resource, context: &Context<'_>) -> Option<Mending> {
    let manager = context.owner.manager();
    let before = ManagedFields::read(live).ok()?;
    // Under our name, and of versions that are there: else the server would drop the entries of everybody.
    let named = mended(live, live, context).and_then(|(named, _)| ManagedFields::read(&named).ok());
    let named = named.unwrap_or_else(|| before.clone());
    let is_ours = |entry: &&ManagedEntry| *entry.manager == *manager;
    let mut marks: Vec<_> = context.owner.marks_of(live).iter().map(|mark| (mark.map, mark.name)).collect();
    if marks.is_empty() && !named.entries().iter().any(|entry| is_ours(&entry)) {
        return None;
    }
    if !marks.is_empty() && live.annotation(OPERATION_ANNOTATION).is_some() {
        marks.push(("annotations", OPERATION_ANNOTATION));
    }
    let mut steps = Vec::new();
    for map in ["annotations", "labels"] {
        let goes = |name: &str| marks.contains(&(map, name));
        let there = live.tree().dig(&["metadata", map]).and_then(ValueRef::as_map);
        let gone: Vec<&str> = there.into_iter().flatten().map(|(name, _)| name).filter(|name| goes(name)).collect();
        let all_go = there.is_some_and(|there| there.iter().all(|(name, _)| goes(name)));
        match gone.as_slice() {
            [] => {}
            _ if all_go => steps.push(PatchStep::Remove(FieldPath::fields(&["metadata", map]))),
            gone => {
                let path = |name: &&str| FieldPath::fields(&["metadata", map, name]);
                steps.extend(gone.iter().map(path).map(PatchStep::Remove));
            }
        }
    }
    let after = ManagedFields::new(named.entries().iter().filter(|entry| !is_ours(entry)).cloned());
    steps.push(PatchStep::Set(FieldPath::fields(&["metadata", "managedFields"]), entries_value(&after)));
    let write = Write::patch(live.key(), live.version(), steps, &manager).guarded(Guard::exactly(live));
    Some(Mending { write, repairs: vec![Repair::Orphan], before, after })
}
