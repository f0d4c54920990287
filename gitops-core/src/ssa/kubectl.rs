//! What the server does for the manager `kubectl` alone: carrying objects over from client-side apply.
//!
//! Rules: apimachinery's `lastAppliedManager` and `lastAppliedUpdater`.

use super::FieldSet;
use super::apply::{Apply, Conflict};
use super::typed::{Duplicates, Typed};
use crate::resource::Resource;
use crate::value::Value;

/// The manager of `kubectl apply --server-side`.
pub(super) const MANAGER: &str = "kubectl";

/// Where client-side apply keeps what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Drops the conflicts over fields that client-side apply set and that still have its value.
pub(super) fn without_last_applied(request: &Apply<'_>, conflicts: Vec<Conflict>) -> Vec<Conflict> {
    let Some(allowed) = set_by_last_applied(request) else { return conflicts };
    conflicts.into_iter().filter(|conflict| !allowed.contains(&conflict.field)).collect()
}

fn set_by_last_applied(request: &Apply<'_>) -> Option<FieldSet> {
    let live = request.live?;
    let last = Value::from_json(live.annotation(LAST_APPLIED)?.as_bytes()).ok()?;
    if last.root().get("apiVersion")?.as_str()? != request.applied.api_version() {
        return None;
    }
    let schema = request.model.schema(&request.applied.key().group_kind, request.applied.version());
    let live = Typed::new(live.value().clone(), schema, Duplicates::Refuse).ok()?;
    let last = Typed::new(last, schema, Duplicates::Refuse).ok()?;
    let change = last.compare(&live).ok()?;
    Some(last.field_set().ok()?.difference(&change.modified).difference(&change.added).difference(&change.removed))
}

/// Writes what was applied into the annotation, where there is one.
pub(super) fn refresh_last_applied(request: &Apply<'_>, object: Resource) -> Resource {
    if object.annotation(LAST_APPLIED).is_none_or(str::is_empty) {
        return object;
    }
    let applied = request.applied.edit(|draft| {
        let annotations = draft.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
        annotations.map(|annotations| annotations.remove(LAST_APPLIED));
    });
    let Ok(applied) = applied else { return object };
    let mut text = String::new();
    super::fields_v1::go_json(applied.tree().view(), &mut text);
    // Go's encoder ends with a line feed.
    text.push('\n');
    let refreshed = object.edit(|draft| draft.entry("metadata").entry("annotations").set(LAST_APPLIED, text));
    refreshed.unwrap_or(object)
}
