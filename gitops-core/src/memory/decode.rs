//! Reading the body of a write, and what it says against the place it was sent to.

use crate::model::{Scope, TypeRef};
use crate::resource::Resource;
use crate::value::{Draft, Value, ValueRef, View};

use super::export::{LEVELS, OBJECT_LEVELS};
use super::refuse;
use super::response::{CauseReason, Status};
use super::server::Context;
use super::validate;

/// What of the metadata of an apply is read outside of the merge, or replaced by the server.
const CONSUMED: [&str; 6] = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"];

/// Reads the body of an apply: as it was given, but for the name.
pub(super) fn applied(context: &Context<'_>, given: &Value) -> Result<Draft, Status> {
    if given.root().get("kind").and_then(ValueRef::as_str).unwrap_or_default().is_empty() {
        return Err(refuse::bad_request("Object 'Kind' is missing in the body"));
    }
    let mut placed = read(context, given)?;
    // What else is of another type, the schema tells.
    let consumed: Vec<_> = { validate::FORMS }.into_iter().filter(|(name, _)| CONSUMED.contains(name)).collect();
    check_metadata(context, &placed, &consumed)?;
    placed = place(context, placed)?;
    let mut draft = given.root().to_draft();
    if let Some(name) = placed.get("metadata").and_then(|metadata| metadata.get("name")) {
        draft.entry("metadata").set("name", name.clone());
    }
    Ok(draft)
}

/// Reads the body of a create or update.
pub(super) fn body(context: &Context<'_>, body: &Value) -> Result<Draft, Status> {
    let draft = read(context, body)?;
    check_metadata(context, &draft, &validate::FORMS)?;
    place(context, draft)
}

fn check_metadata(context: &Context<'_>, draft: &Draft, forms: &[(&str, validate::Form)]) -> Result<(), Status> {
    let Some(flaw) = validate::flaw(draft, forms) else { return Ok(()) };
    let (kind, version) = (&context.kind.group_kind.kind, &context.endpoint.version);
    Err(refuse::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {flaw}")))
}

fn read(context: &Context<'_>, body: &Value) -> Result<Draft, Status> {
    let root = body.root();
    let text = |field: &str| root.get(field).and_then(ValueRef::as_str).unwrap_or_default();
    if root.as_map().is_none() {
        return Err(refuse::bad_request(format!("the body must be an object, not a {}", root.kind_name())));
    }
    check_depth(root, LEVELS)?;
    for field in ["kind", "apiVersion"] {
        if let Some(other) = root.get(field).filter(|value| !value.is_null() && value.as_str().is_none()) {
            let found = other.kind_name();
            let why = format!("couldn't get version/kind; json parse error: `{field}` must be a string, not a {found}");
            return Err(refuse::bad_request(why));
        }
    }
    let (kind, expected) = (&*context.kind.group_kind.kind, context.endpoint.api_version());
    let or = |given: &'static str, usual: &str| {
        if text(given).is_empty() { usual.to_owned() } else { text(given).to_owned() }
    };
    let (given_kind, given) = (or("kind", kind), or("apiVersion", &expected));
    if given_kind != kind {
        let message = format!("{given_kind} in version \"{given}\" cannot be handled as a {kind}");
        return Err(refuse::bad_request(message));
    }
    if given != expected {
        let message =
            format!("the API version in the data ({given}) does not match the expected API version ({expected})");
        return Err(refuse::bad_request(message));
    }
    // What the body does not say, the place that it is sent to does.
    let mut draft = root.to_draft();
    draft.set("kind", given_kind);
    draft.set("apiVersion", given);
    Ok(draft)
}

/// Says which text of an object Go could not read: a quantity or base64 that is none.
pub(super) fn flaw(schema: TypeRef<'_>, value: ValueRef<'_>, depth: usize) -> Option<String> {
    match value.view() {
        _ if depth > LEVELS => None,
        View::String(text) => schema.meaning().flaw(text),
        View::List(items) => items.iter().find_map(|item| flaw(schema.element(), item, depth + 1)),
        View::Map(fields) => fields.iter().find_map(|(name, value)| flaw(schema.field(name), value, depth + 1)),
        _ => None,
    }
}

/// Refuses what nests deeper than that, without recursion: a caller may have built it.
pub(super) fn check_depth(body: ValueRef<'_>, levels: usize) -> Result<(), Status> {
    let mut open = vec![(body, 0)];
    while let Some((value, level)) = open.pop() {
        if level > levels {
            return Err(refuse::too_deep());
        }
        match value.view() {
            View::List(items) => open.extend(items.iter().map(|item| (item, level + 1))),
            View::Map(fields) => open.extend(fields.iter().map(|(_, value)| (value, level + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Whether an object nests so deep that no apply could name its fields. Its managed fields nest a little deeper.
fn is_too_deep(object: &Draft) -> bool {
    let Draft::Map(fields) = object else { return false };
    fields.iter().any(|(name, field)| match (name.as_str(), field) {
        ("metadata", Draft::Map(metadata)) => {
            let mut metadata = metadata.iter().filter(|(name, _)| *name != "managedFields");
            metadata.any(|(_, value)| is_deeper(value, OBJECT_LEVELS - 2))
        }
        _ => is_deeper(field, OBJECT_LEVELS - 1),
    })
}

fn is_deeper(draft: &Draft, levels: usize) -> bool {
    let below = |child: &Draft| levels.checked_sub(1).is_none_or(|levels| is_deeper(child, levels));
    match draft {
        Draft::List(items) => items.iter().any(below),
        Draft::Map(entries) => entries.values().any(below),
        _ => false,
    }
}

/// Puts the object where the request says it is.
pub(super) fn place(context: &Context<'_>, mut draft: Draft) -> Result<Draft, Status> {
    if is_too_deep(&draft) {
        return Err(refuse::too_deep());
    }
    let metadata = draft.entry("metadata");
    if let Some(metadata) = metadata.as_map_mut() {
        // Go reads an absent and a null field alike.
        metadata.retain(|name, value| *value != Draft::Null && name != "selfLink");
    }
    match (&context.endpoint.namespace, context.kind.scope) {
        (Some(namespace), Scope::Namespaced) => {
            let given = metadata.get("namespace").and_then(Draft::as_str).unwrap_or_default();
            if !given.is_empty() && given != &**namespace {
                let why = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(refuse::bad_request(why));
            }
            metadata.set("namespace", &**namespace);
        }
        (None, Scope::Namespaced) => return Err(refuse::method_not_allowed()),
        _ => drop(metadata.remove("namespace")),
    }
    if let Some(name) = &context.endpoint.name {
        let given = metadata.get("name").and_then(Draft::as_str).unwrap_or_default();
        if !given.is_empty() && given != &**name {
            let why = format!("the name of the object ({given}) does not match the name on the URL ({name})");
            return Err(refuse::bad_request(why));
        }
        metadata.set("name", &**name);
    }
    Ok(draft)
}

/// Checks the object that came of a patch, and puts back what no patch can change.
pub(super) fn patched(context: &Context<'_>, live: &Resource, mut draft: Draft) -> Result<Draft, Status> {
    let name = &live.key().name;
    let same =
        |field: &str| draft.get(field).and_then(Draft::as_str) == live.tree().get(field).and_then(ValueRef::as_str);
    if !same("kind") || !same("apiVersion") {
        let why = refuse::fault("patch", CauseReason::Invalid, "the patch changes the kind or the version");
        return Err(refuse::invalid_of("", "", "", vec![why]));
    }
    if let Some(flaw) = validate::flaw(&draft, &validate::FORMS) {
        return Err(refuse::invalid_of("", "", "", vec![refuse::fault("patch", CauseReason::Invalid, &flaw)]));
    }
    let metadata = draft.entry("metadata");
    if metadata.get("name").and_then(Draft::as_str).is_some_and(|given| given != &**name) {
        let why = "the name of the object cannot be changed by a patch";
        let fault = refuse::fault("metadata.name", CauseReason::Invalid, why);
        return Err(refuse::invalid(context, name, vec![fault]));
    }
    place(context, draft)
}

/// The resource version that a body asks for, if it asks for one.
pub(super) fn wanted_version(draft: &Draft) -> Result<Option<u64>, Status> {
    let version = draft.get("metadata").and_then(|metadata| metadata.get("resourceVersion"));
    let version = version.and_then(Draft::as_str).unwrap_or_default();
    // `0` is no precondition.
    match version.parse::<u64>() {
        Ok(0) => Ok(None),
        Ok(version) => Ok(Some(version)),
        Err(_) if version.is_empty() => Ok(None),
        Err(_) => Err(refuse::internal(format!("strconv.ParseUint: parsing \"{version}\": invalid syntax"))),
    }
}

/// The uid that a body asks for, if it asks for one.
pub(super) fn wanted_uid(draft: &Draft) -> Option<String> {
    let uid = draft.get("metadata")?.get("uid")?.as_str()?;
    (!uid.is_empty()).then(|| uid.to_owned())
}
