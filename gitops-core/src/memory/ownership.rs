//! Who owns which field: the seam to server-side apply.

use crate::cluster::Force;
use crate::model::ApiModel;
use crate::resource::Resource;
use crate::value::{Draft, ValueRef, View};

use super::response::Status;
use super::server::Context;

/// Merges what `manager` applies into what is live.
pub(super) fn apply(
    context: &Context<'_>,
    _model: &ApiModel,
    live: Option<&Resource>,
    applied: &Resource,
    manager: &str,
    _force: Force,
) -> Result<Draft, Status> {
    let mut draft = live.map_or_else(Draft::map, |live| live.tree().to_draft());
    merge(&mut draft, applied.tree());
    enter(context, &mut draft, applied, manager, "Apply");
    Ok(draft)
}

/// Keeps the book for anything that is no apply.
#[expect(clippy::unnecessary_wraps, reason = "the signature of server-side apply")]
pub(super) fn update(
    context: &Context<'_>,
    _model: &ApiModel,
    _live: Option<&Resource>,
    object: &Resource,
) -> Result<Resource, Status> {
    let mut draft = object.tree().to_draft();
    enter(context, &mut draft, object, context.manager.unwrap_or("unknown"), "Update");
    Ok(Resource::new(draft.freeze()).unwrap_or_else(|_| object.clone()))
}

fn merge(into: &mut Draft, from: ValueRef<'_>) {
    match from.view() {
        View::Map(map) => {
            for (key, value) in map {
                merge(into.entry(key), value);
            }
        }
        _ => *into = from.to_draft(),
    }
}

fn enter(context: &Context<'_>, draft: &mut Draft, object: &Resource, manager: &str, operation: &str) {
    let mut fields = paths(object.tree());
    for field in ["f:apiVersion", "f:kind"] {
        drop(fields.remove(field));
    }
    let mut entry = Draft::map();
    entry.set("manager", manager);
    entry.set("operation", operation);
    entry.set("apiVersion", context.endpoint.api_version());
    entry.set("time", context.now.whole_seconds().to_string());
    entry.set("fieldsType", "FieldsV1");
    entry.set("fieldsV1", fields);
    let list = draft.entry("metadata").entry("managedFields");
    if list.as_list_mut().is_none() {
        *list = Draft::list();
    }
    if let Some(entries) = list.as_list_mut() {
        let same = |old: &Draft| {
            old.get("manager").and_then(Draft::as_str) == Some(manager)
                && old.get("operation").and_then(Draft::as_str) == Some(operation)
        };
        entries.retain(|old| !same(old));
        entries.push(entry);
    }
}

fn paths(value: ValueRef<'_>) -> Draft {
    let mut fields = Draft::map();
    for (key, value) in value.as_map().into_iter().flatten() {
        if !matches!(key, "managedFields" | "uid" | "resourceVersion" | "creationTimestamp" | "generation" | "name") {
            fields.set(&format!("f:{key}"), paths(value));
        }
    }
    fields
}
