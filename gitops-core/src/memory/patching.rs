//! JSON patch, merge patch and strategic merge patch on editable trees.

use crate::model::ApiModel;
use crate::value::{Draft, ValueRef, View};

use super::prepare::is_custom;
use super::refuse;
use super::response::{Reason, Status};
use super::server::Context;

/// How deep a patch may nest; JSON from outside is no deeper.
const DEPTH: usize = 128;

/// Applies an RFC 7386 merge patch.
pub(super) fn merge(mut target: Draft, patch: ValueRef<'_>, depth: usize) -> Draft {
    let View::Map(fields) = patch.view() else { return patch.to_draft() };
    if depth > DEPTH {
        return target;
    }
    if !matches!(target, Draft::Map(_)) {
        target = Draft::map();
    }
    for (key, value) in fields {
        if value.is_null() {
            drop(target.remove(key));
        } else {
            let merged = merge(target.remove(key).unwrap_or_default(), value, depth + 1);
            target.set(key, merged);
        }
    }
    target
}

/// Applies a strategic merge patch. Custom resources do not take them.
pub(super) fn strategic(
    context: &Context<'_>,
    model: &ApiModel,
    target: Draft,
    patch: ValueRef<'_>,
) -> Result<Draft, Status> {
    if is_custom(context.kind) {
        let message = "the body of the request was in an unknown format - accepted media types include: \
                       application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        return Err(Status::new(415, Reason::UnsupportedMediaType, message));
    }
    let schema = model.schema(&context.kind.group_kind, &context.endpoint.version);
    Ok(super::strategic::merge(schema, target, patch, 0))
}

/// Applies an RFC 6902 JSON patch.
pub(super) fn json(mut target: Draft, steps: ValueRef<'_>) -> Result<Draft, Status> {
    let Some(steps) = steps.as_list() else { return Err(refuse::bad_request("a JSON patch is a list of steps")) };
    for step in steps {
        // The server says the same whatever went wrong.
        json_step(&mut target, step).ok_or_else(|| {
            Status::new(422, Reason::Invalid, "the server rejected our request due to an error in our request")
        })?;
    }
    Ok(target)
}

fn json_step(target: &mut Draft, step: ValueRef<'_>) -> Option<()> {
    let path = pointer(step.get("path")?.as_str()?)?;
    match step.get("op")?.as_str()? {
        "add" => add(target, &path, step.get("value")?.to_draft()),
        "replace" => {
            let value = step.get("value")?.to_draft();
            match find(target, &path) {
                Some(old) => *old = value,
                // As the server's library has it, a map entry that is not there is replaced all the same.
                None => {
                    let (last, parents) = path.split_last()?;
                    find(target, parents)?.as_map_mut()?.insert(last.clone(), value);
                }
            }
            Some(())
        }
        "remove" => remove(target, &path).map(drop),
        "test" => {
            // A field that is not there equals null.
            let found = find(target, &path).cloned().unwrap_or_default();
            (found == step.get("value").map_or(Draft::Null, ValueRef::to_draft)).then_some(())
        }
        "copy" => {
            let value = find(target, &pointer(step.get("from")?.as_str()?)?)?.clone();
            add(target, &path, value)
        }
        "move" => {
            let value = remove(target, &pointer(step.get("from")?.as_str()?)?)?;
            add(target, &path, value)
        }
        _ => None,
    }
}

/// The segments of a JSON pointer (RFC 6901).
fn pointer(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let rest = text.strip_prefix('/')?;
    Some(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

fn find<'d>(target: &'d mut Draft, path: &[String]) -> Option<&'d mut Draft> {
    path.iter().try_fold(target, |at, part| match at {
        Draft::Map(map) => map.get_mut(part),
        Draft::List(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}

fn add(target: &mut Draft, path: &[String], value: Draft) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *target = value;
        return Some(());
    };
    match find(target, parents)? {
        Draft::Map(map) => drop(map.insert(last.clone(), value)),
        Draft::List(items) => {
            let at = if last == "-" { items.len() } else { last.parse().ok()? };
            (at <= items.len()).then(|| items.insert(at, value))?;
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Draft, path: &[String]) -> Option<Draft> {
    let (last, parents) = path.split_last()?;
    match find(target, parents)? {
        Draft::Map(map) => map.remove(last),
        Draft::List(items) => {
            let at: usize = last.parse().ok()?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}
