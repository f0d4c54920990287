//! Letting an object go: our mark and our ownership leave it, and every value stays. Rule 32 of the exact rules.

use crate::cluster::{Guard, PatchStep, Write};
use crate::path::FieldPath;
use crate::resource::Resource;
use crate::ssa::{ManagedEntry, ManagedFields};
use crate::state::{ANNOTATIONS, OPERATION_ANNOTATION};
use crate::value::ValueRef;

use super::Context;
use super::repair::{Mending, Repair, entries_value, mended};

/// Returns the write after which nothing on `live` says that it is ours; `None` if nothing does, or its
/// `metadata.managedFields` cannot be read.
///
/// A tracking id of ours goes if it names this very object, and with it the mark of the operation that created it; the
/// entries of our field manager go whatever they hold, and so do those under former names of ours. What other
/// applications, and anybody else, wrote stays. So does the label that stands beside Argo CD's annotation: it proves
/// nothing, nobody can tell whether Git declares it as well, as Helm's charts do, and others may select by it.
///
/// Recorded of Kubernetes 1.36: where ours was the only entry, the next apply by anybody starts with an entry
/// `before-first-apply` that holds all there is.
#[must_use]
pub fn orphan(live: &Resource, context: &Context<'_>) -> Option<Mending> {
    let manager = context.owner.manager();
    let before = ManagedFields::read(live).ok()?;
    // Under our name, and of versions that are there: else the server would drop the entries of everybody.
    let named = mended(live, live, context, &manager).and_then(|(named, _)| ManagedFields::read(&named).ok());
    let named = named.unwrap_or_else(|| before.clone());
    let is_ours = |entry: &&ManagedEntry| *entry.manager == *manager;
    let marks = context.owner.marks_of(live);
    let mut marks: Vec<&str> = marks.iter().filter(|mark| mark.map == ANNOTATIONS).map(|mark| mark.name).collect();
    if marks.is_empty() && !named.entries().iter().any(|entry| is_ours(&entry)) {
        return None;
    }
    if !marks.is_empty() && live.annotation(OPERATION_ANNOTATION).is_some() {
        marks.push(OPERATION_ANNOTATION);
    }
    let mut steps = Vec::new();
    let path = |name: &str| FieldPath::fields(&["metadata", ANNOTATIONS, name]);
    let there = live.tree().dig(&["metadata", ANNOTATIONS]).and_then(ValueRef::as_map);
    if !marks.is_empty() && there.is_some_and(|there| there.iter().all(|(name, _)| marks.contains(&name))) {
        steps.push(PatchStep::Remove(FieldPath::fields(&["metadata", ANNOTATIONS])));
    } else {
        let gone = there.into_iter().flatten().map(|(name, _)| name).filter(|name| marks.contains(name));
        steps.extend(gone.map(path).map(PatchStep::Remove));
    }
    let after = ManagedFields::new(named.entries().iter().filter(|entry| !is_ours(entry)).cloned());
    steps.push(PatchStep::Set(FieldPath::fields(&["metadata", "managedFields"]), entries_value(&after)));
    let write = Write::patch(live.key(), live.version(), steps, &manager).guarded(Guard::exactly(live));
    Some(Mending { write, repairs: vec![Repair::Orphan], before, after })
}
