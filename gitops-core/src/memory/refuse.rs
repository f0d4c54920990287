//! Refusals, worded as the recorded server words them.

use std::collections::BTreeSet;

use crate::cluster::Cause;
use crate::model::ApiModel;
use crate::resource::Resource;

use super::export::OBJECT_LEVELS;
use super::request::Endpoint;
use super::response::{CauseReason, Details, NO_PAGE, Reason, Status};
use super::server::Context;

/// Built-in groups say so in a Status, all others in plain text, as recorded.
pub(super) fn not_served(group: &str) -> Status {
    if !ApiModel::builtin().kinds().any(|kind| *kind.group_kind.group == *group) {
        return no_page();
    }
    Status::new(404, Reason::NotServed, "the server could not find the requested resource")
}

/// The path leads nowhere.
pub(super) fn no_page() -> Status {
    Status::new(404, Reason::NoPage, NO_PAGE)
}

/// The version is one that is not there yet.
pub(super) fn too_new(version: u64, now: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {version}, current: {now}");
    let cause = Cause::new("", "Too large resource version");
    let causes = Box::new([(CauseReason::ResourceVersionTooLarge, cause)]);
    let status = Status { causes, ..Status::new(504, Reason::Timeout, message) };
    status.with(Details { retry_after: Some(1), ..Details::default() })
}

/// A path that is no resource, asked for without credentials.
pub(super) fn path_forbidden(path: &str) -> Status {
    let message = format!("forbidden: User \"system:anonymous\" cannot get path \"{path}\"");
    Status::new(403, Reason::Forbidden, message)
}

pub(super) fn method_not_allowed() -> Status {
    let message = "the server does not allow this method on the requested resource";
    Status::new(405, Reason::MethodNotAllowed, message)
}

/// The kind can be listed, but nobody sees it change.
pub(super) fn not_watched(endpoint: &Endpoint) -> Status {
    let plural = &endpoint.plural;
    let message = format!("watch is not supported on resources of kind \"{plural}\"");
    Status::new(405, Reason::MethodNotAllowed, message).about(&endpoint.group, plural, "")
}

pub(super) fn not_found(endpoint: &Endpoint, name: &str) -> Status {
    let message = format!("{} \"{name}\" not found", endpoint.qualified());
    Status::new(404, Reason::NotFound, message).about(&endpoint.group, &endpoint.plural, name)
}

pub(super) fn namespace_missing(name: &str) -> Status {
    Status::new(404, Reason::NotFound, format!("namespaces \"{name}\" not found")).about("", "namespaces", name)
}

pub(super) fn namespace_terminating(endpoint: &Endpoint, name: &str, namespace: &str) -> Status {
    let message = format!(
        "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
        endpoint.qualified()
    );
    let cause = Cause::new("metadata.namespace", &format!("namespace {namespace} is being terminated"));
    let status = Status::new(403, Reason::Forbidden, message).about(&endpoint.group, &endpoint.plural, name);
    Status { causes: Box::new([(CauseReason::NamespaceTerminating, cause)]), ..status }
}

pub(super) fn forbidden(endpoint: &Endpoint, name: &str, why: &str) -> Status {
    let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
    let message = format!("{}{named} is forbidden: {why}", endpoint.qualified());
    Status::new(403, Reason::Forbidden, message).about(&endpoint.group, &endpoint.plural, name)
}

pub(super) fn already_exists(endpoint: &Endpoint, live: &Resource) -> Status {
    let name = &live.key().name;
    let goes = if live.is_terminating() { "object is being deleted: " } else { "" };
    let message = format!("{goes}{} \"{name}\" already exists", endpoint.qualified());
    Status::new(409, Reason::AlreadyExists, message).about(&endpoint.group, &endpoint.plural, name)
}

/// A version or uid stands against it.
pub(super) fn conflict(endpoint: &Endpoint, name: &str, why: &str) -> Status {
    let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", endpoint.qualified());
    Status::new(409, Reason::Conflict, message).about(&endpoint.group, &endpoint.plural, name)
}

pub(super) fn stale(endpoint: &Endpoint, name: &str) -> Status {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    conflict(endpoint, name, why)
}

pub(super) fn bad_request(message: impl Into<std::sync::Arc<str>>) -> Status {
    Status::new(400, Reason::BadRequest, message)
}

pub(super) fn too_deep() -> Status {
    bad_request(format!("the object nests more than {OBJECT_LEVELS} levels deep"))
}

pub(super) fn internal(message: impl Into<std::sync::Arc<str>>) -> Status {
    Status::new(500, Reason::Internal, message)
}

/// One field that is not valid: its path, why, and the rest of the message.
pub(super) type Fault = (String, CauseReason, String);

/// States what is wrong with one field.
pub(super) fn fault(field: &str, reason: CauseReason, text: &str) -> Fault {
    let word = match reason {
        CauseReason::Invalid | CauseReason::TypeInvalid => "Invalid value",
        CauseReason::Required => "Required value",
        CauseReason::Forbidden => "Forbidden",
        CauseReason::Duplicate => "Duplicate value",
        CauseReason::NotSupported => "Unsupported value",
        CauseReason::TooLong => "Too long",
        CauseReason::TooMany => "Too many",
        CauseReason::NotFound => "Not found",
        CauseReason::FieldManagerConflict
        | CauseReason::NamespaceTerminating
        | CauseReason::ResourceVersionTooLarge => "",
    };
    let text = if text.is_empty() { word.to_owned() } else { format!("{word}: {text}") };
    (field.to_owned(), reason, text)
}

/// How many faults a refusal names, so that it is not much larger than what it refuses. The real server names all.
const FAULTS: usize = 1_000;

/// The object is not valid, for each of these reasons.
pub(super) fn invalid(context: &Context<'_>, name: &str, faults: Vec<Fault>) -> Status {
    let kind = &context.kind.group_kind;
    invalid_of(&kind.group, &kind.kind, name, faults)
}

pub(super) fn invalid_of(group: &str, kind: &str, name: &str, mut faults: Vec<Fault>) -> Status {
    faults.truncate(FAULTS);
    let mut lines: Vec<String> = faults.iter().map(|(field, _, text)| format!("{field}: {text}")).collect();
    // Each is said once, but all are counted as causes.
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    let lines = if lines.len() == 1 { lines.concat() } else { format!("[{}]", lines.join(", ")) };
    let of = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let status = Status::new(422, Reason::Invalid, format!("{of} \"{name}\" is invalid: {lines}"));
    let causes = faults.into_iter().map(|(field, reason, text)| (reason, Cause::new(&field, &text))).collect();
    Status { causes, ..status.about(group, kind, name) }
}
