//! What stays when Git no longer declares it: the annotation `gitops.rs/on-remove: keep`. Rule 17 of the exact rules.

use crate::model::TypeRef;
use crate::path::FieldPath;
use crate::policy::ON_REMOVE;
use crate::resource::Resource;
use crate::ssa::FieldSet;
use crate::state::Entry;

use super::places::Typed;

/// Whether an object asks for it.
pub(super) fn is_kept(desired: &Resource) -> bool {
    desired.annotation(ON_REMOVE) == Some("keep")
}

/// Returns the outermost fields that were applied, by our entry (`mine`) and the inventory, and are not declared;
/// without what only we write (`marked`).
pub(super) fn fields(
    desired: &Resource,
    live: &Resource,
    root: TypeRef<'_>,
    mine: &FieldSet,
    entry: Option<&Entry>,
    marked: &FieldSet,
) -> Vec<Typed> {
    let Ok(wanted) = FieldSet::of(desired.tree(), root) else { return Vec::new() };
    let entry = entry.filter(|entry| entry.uid.is_some() && entry.uid.as_deref() == live.uid());
    let known = entry.and_then(|entry| entry.fields.as_ref());
    let known = known.and_then(|fields| FieldSet::from_fields_v1(fields.to_fields_v1().root()).ok());
    let applied = mine.union(&known.unwrap_or_default()).difference(marked);
    let mut outermost: Vec<FieldPath> = Vec::new();
    for path in applied.iter().filter(|path| !wanted.touches(path)) {
        // In order, what lies below a field follows it.
        if outermost.last().is_none_or(|last| !last.contains(&path)) {
            outermost.push(path);
        }
    }
    outermost.into_iter().map(Typed::granular).collect()
}
