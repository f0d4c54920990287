//! Who owns which field: where the server hands over to [`crate::ssa`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cluster::{Cause, FieldConflict, Force};
use crate::model::ApiModel;
use crate::resource::Resource;
use crate::ssa::{self, ApplyError, Conflict, Operation};
use crate::value::Draft;

use super::decode;
use super::refuse;
use super::response::{CauseReason, Reason, Status};
use super::server::Context;

/// Merges what `manager` applies into what is live.
pub(super) fn apply(
    context: &Context<'_>,
    model: &ApiModel,
    live: Option<&Resource>,
    applied: &Resource,
    manager: &str,
    force: Force,
) -> Result<Draft, Status> {
    let mut request = ssa::Apply::new(live, applied, manager, context.now, model);
    request.subresource = context.endpoint.subresource.as_deref();
    if force == Force::Yes {
        request = request.force();
    }
    let merged = ssa::merge(&request).map_err(|error| refused(applied, error))?;
    let schema = model.schema(&context.kind.group_kind, &context.endpoint.version);
    let Some(flaw) = decode::flaw(schema, merged.object.tree(), 0) else {
        return Ok(merged.object.tree().to_draft());
    };
    let (version, kind, name) = (applied.api_version(), applied.key().kind(), &applied.key().name);
    Err(refuse::internal(format!(
        "failed to convert new object (/{name}; {version}, Kind={kind}) to proper version: unable to convert \
         unstructured object to {version}, Kind={kind}: {flaw}"
    )))
}

/// Keeps the book for anything that is no apply.
pub(super) fn update(context: &Context<'_>, model: &ApiModel, live: Option<&Resource>, object: &Resource) -> Resource {
    let mut request = ssa::Update::new(live, object, context.manager.unwrap_or("unknown"), context.now, model);
    request.subresource = context.endpoint.subresource.as_deref();
    ssa::update(&request)
}

/// Keeps the book for a write of `scale`: only who owned the replicas before is asked.
///
/// Rule: apimachinery's `scaleHandler`, as recorded: when nobody owns them a scale leaves no entry; entries it makes or
/// splits off carry no time; replicas of 0 are left out of a `Scale`, so nobody owns them afterwards.
pub(super) fn scaled(context: &Context<'_>, live: &Resource, mut draft: Draft) -> Draft {
    let Some(paths) = &context.kind.scale else { return draft };
    let replicas = &paths.spec_replicas;
    let after = draft.freeze();
    let after = replicas.find(after.root());
    let same = replicas.find(live.tree()) == after;
    let managed = ssa::ManagedFields::read(live).unwrap_or_default();
    let owns = |entry: &ssa::ManagedEntry| entry.fields.contains(replicas);
    if !managed.entries().iter().any(owns) {
        return draft;
    }
    let mut alone = ssa::FieldSet::new();
    alone.insert(replicas);
    let mut entries = Vec::new();
    for entry in managed.entries() {
        let kept = same && entry.operation == Operation::Apply;
        if !owns(entry) || kept {
            entries.push(entry.clone());
            continue;
        }
        if same {
            entries.push(ssa::ManagedEntry { fields: alone.clone(), time: None, ..entry.clone() });
        }
        let fields = entry.fields.without(replicas);
        if !fields.is_empty() {
            entries.push(ssa::ManagedEntry { fields, ..entry.clone() });
        }
    }
    if !same && after.and_then(crate::value::ValueRef::as_i64) != Some(0) {
        let manager = context.manager.unwrap_or("unknown");
        let entry = ssa::ManagedEntry::new(manager, Operation::Update, &context.endpoint.api_version(), alone);
        entries.push(entry.through("scale"));
    }
    // One by one: two entries of a manager must stay two.
    entries.sort_by(|left, right| {
        let rank = |entry: &ssa::ManagedEntry| (entry.operation == Operation::Update, entry.time);
        rank(left).cmp(&rank(right)).then_with(|| left.manager.cmp(&right.manager))
    });
    let lists = entries.into_iter().map(|entry| ssa::ManagedFields::new([entry]).to_value());
    let items: Vec<Draft> = lists.filter_map(|list| Some(list.root().item(0)?.to_draft())).collect();
    draft.entry("metadata").set("managedFields", items);
    draft
}

fn refused(applied: &Resource, error: ApplyError) -> Status {
    let name = &applied.key().name;
    match error {
        ApplyError::Conflict(conflicts) => conflict(&conflicts),
        ApplyError::ManagedFieldsGiven => refuse::bad_request("metadata.managedFields must be nil"),
        ApplyError::Invalid(errors) => {
            let errors: Vec<String> = errors.iter().map(ssa::fault_text).collect();
            // The server gives each a line of its own, which no terminal is shown.
            let errors = errors.join("; ");
            let (group, version, kind) = (applied.key().group(), applied.version(), applied.key().kind());
            let namespace = applied.key().namespace.as_deref().unwrap_or_default();
            // The server gives no reason here.
            refuse::internal(format!(
                "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={kind}): {errors}"
            ))
        }
        error => refuse::internal(error.to_string()),
    }
}

/// Rule: the wording of apimachinery's `managedfields.NewConflictError`.
fn conflict(conflicts: &[Conflict]) -> Status {
    let mut by_manager: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for conflict in conflicts {
        by_manager.entry(holder(conflict)).or_default().push(ssa::path_text(&conflict.field));
    }
    let message = match conflicts {
        [only] => {
            format!("Apply failed with 1 conflict: conflict with {}: {}", holder(only), ssa::path_text(&only.field))
        }
        _ => {
            let part = |(holder, fields): (&String, &Vec<String>)| {
                let fields: Vec<String> = fields.iter().map(|field| format!("- {field}")).collect();
                format!("conflicts with {holder}:\n{}", fields.join("\n"))
            };
            let parts: Vec<String> = by_manager.iter().map(part).collect();
            format!("Apply failed with {} conflicts: {}", conflicts.len(), parts.join("\n"))
        }
    };
    let cause = |conflict: &Conflict| {
        let text = format!("conflict with {}", holder(conflict));
        (CauseReason::FieldManagerConflict, Cause::new(&ssa::path_text(&conflict.field), &text))
    };
    let field = |conflict: &Conflict| {
        FieldConflict::new(&conflict.manager, conflict.field.clone()).under(conflict.subresource.as_deref())
    };
    // It does not say of which object, as recorded.
    Status {
        causes: conflicts.iter().map(cause).collect(),
        conflicts: conflicts.iter().map(field).collect(),
        ..Status::new(409, Reason::Conflict, message)
    }
}

fn holder(conflict: &Conflict) -> String {
    let mut text = format!("{:?}", conflict.manager);
    // Writing to a string does not fail.
    if let Some(subresource) = &conflict.subresource {
        write!(text, " with subresource {subresource:?}").unwrap_or_default();
    }
    if conflict.operation == Operation::Update {
        write!(text, " using {}", conflict.api_version).unwrap_or_default();
    }
    text
}
