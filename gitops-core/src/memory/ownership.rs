//! Who owns which field: where the server hands over to [`crate::ssa`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cluster::{Cause, FieldConflict, Force};
use crate::model::ApiModel;
use crate::path::{FieldPath, Segment};
use crate::resource::Resource;
use crate::ssa::{self, ApplyError, Conflict, Operation};
use crate::value::Draft;

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
    let merged = ssa::apply(&request).map_err(|error| refused(context, applied, error))?;
    Ok(merged.tree().to_draft())
}

/// Keeps the book for anything that is no apply.
pub(super) fn update(context: &Context<'_>, model: &ApiModel, live: Option<&Resource>, object: &Resource) -> Resource {
    let mut request = ssa::Update::new(live, object, context.manager.unwrap_or("unknown"), context.now, model);
    request.subresource = context.endpoint.subresource.as_deref();
    ssa::update(&request)
}

fn refused(context: &Context<'_>, applied: &Resource, error: ApplyError) -> Status {
    let name = &applied.key().name;
    match error {
        ApplyError::Conflict(conflicts) => conflict(context, name, &conflicts),
        ApplyError::ManagedFieldsGiven => refuse::bad_request("metadata.managedFields must be nil"),
        ApplyError::Invalid(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let errors = errors.join("; ");
            let (version, kind) = (applied.api_version(), applied.key().kind());
            let namespace = applied.key().namespace.as_deref().unwrap_or_default();
            // The server gives no reason here.
            refuse::internal(format!(
                "failed to create typed patch object ({namespace}/{name}; {version}, Kind={kind}): {errors}"
            ))
        }
        error => refuse::internal(error.to_string()),
    }
}

/// Rule: the wording of apimachinery's `managedfields.NewConflictError`.
fn conflict(context: &Context<'_>, name: &str, conflicts: &[Conflict]) -> Status {
    let mut by_manager: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for conflict in conflicts {
        by_manager.entry(holder(conflict)).or_default().push(path_text(&conflict.field));
    }
    let message = match conflicts {
        [only] => format!("Apply failed with 1 conflict: conflict with {}: {}", holder(only), path_text(&only.field)),
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
        (CauseReason::FieldManagerConflict, Cause::new(&path_text(&conflict.field), &text))
    };
    let field = |conflict: &Conflict| {
        FieldConflict::new(&conflict.manager, conflict.field.clone()).under(conflict.subresource.as_deref())
    };
    let status = Status::new(409, Reason::Conflict, message);
    Status {
        causes: conflicts.iter().map(cause).collect(),
        conflicts: conflicts.iter().map(field).collect(),
        ..status.about(&context.endpoint.group, &context.endpoint.plural, name)
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

/// A path as structured-merge-diff prints it: `.spec.containers[name="app"]`.
fn path_text(path: &FieldPath) -> String {
    let mut text = String::new();
    for segment in path.segments() {
        match segment {
            Segment::Field(name) => write!(text, ".{name}"),
            Segment::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={}", value.to_json())).collect();
                write!(text, "[{}]", keys.join(","))
            }
            Segment::Item(value) => write!(text, "[={}]", value.to_json()),
            Segment::Index(index) => write!(text, "[{index}]"),
        }
        .unwrap_or_default();
    }
    text
}
