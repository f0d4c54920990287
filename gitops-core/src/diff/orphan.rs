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
    let mut marks = context.owner.marks(live);
    if marks.is_empty() && !named.entries().iter().any(|entry| is_ours(&entry)) {
        return None;
    }
    if !marks.is_empty() && live.annotation(OPERATION_ANNOTATION).is_some() {
        marks.push(OPERATION_ANNOTATION);
    }
    let annotations = live.tree().dig(&["metadata", "annotations"]).and_then(ValueRef::as_map);
    let all_go = annotations.is_some_and(|all| all.iter().all(|(name, _)| marks.contains(&name)));
    let mut steps: Vec<PatchStep> = match (marks.as_slice(), all_go) {
        ([], _) => Vec::new(),
        (_, true) => vec![PatchStep::Remove(FieldPath::fields(&["metadata", "annotations"]))],
        (marks, false) => {
            marks.iter().map(|mark| PatchStep::Remove(FieldPath::fields(&["metadata", "annotations", mark]))).collect()
        }
    };
    let after = ManagedFields::new(named.entries().iter().filter(|entry| !is_ours(entry)).cloned());
    steps.push(PatchStep::Set(FieldPath::fields(&["metadata", "managedFields"]), entries_value(&after)));
    let write = Write::patch(live.key(), live.version(), steps, &manager).guarded(Guard::exactly(live));
    Some(Mending { write, repairs: vec![Repair::Orphan], before, after })
}
