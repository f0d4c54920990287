//! JSON patch, merge patch and strategic merge patch on editable trees.
//!
//! A patch that is too deep is refused before it comes here.

use crate::model::ApiModel;
use crate::value::{Draft, ValueRef, View};

use super::export::LEVELS;
use super::prepare::is_custom;
use super::refuse;
use super::response::{Reason, Status};
use super::server::Context;

/// The most steps of a JSON patch. Rule: `maxJSONPatchOperations` of k8s.io/apiserver.
const STEPS: usize = 10_000;
/// The most bytes of JSON that the `copy` steps of a patch may copy together.
///
/// Rule: `jsonpatch.AccumulatedCopySizeLimit`, which the API server sets to `JSONPatchMaxCopyBytes`.
const COPIED: usize = 3 << 20;

/// Applies an RFC 7386 merge patch.
pub(super) fn merge(mut target: Draft, patch: ValueRef<'_>) -> Draft {
    let View::Map(fields) = patch.view() else { return patch.to_draft() };
    if !matches!(target, Draft::Map(_)) {
        target = Draft::map();
    }
    for (key, value) in fields {
        if value.is_null() {
            drop(target.remove(key));
        } else {
            let merged = merge(target.remove(key).unwrap_or_default(), value);
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
    super::strategic::strategic(schema, target, patch)
}

/// Applies an RFC 6902 JSON patch.
pub(super) fn json(target: Draft, steps: ValueRef<'_>) -> Result<Draft, Status> {
    let Some(steps) = steps.as_list() else { return Err(refuse::bad_request("a JSON patch is a list of steps")) };
    if steps.len() > STEPS {
        let message = format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {STEPS}, got {}",
            steps.len()
        );
        return Err(Status::new(413, Reason::TooLarge, message));
    }
    let mut patched = Patched { levels: depth(&target), tree: target, copied: 0 };
    for step in steps {
        // The server says the same whatever went wrong.
        patched.take(step).ok_or_else(|| {
            Status::new(422, Reason::Invalid, "the server rejected our request due to an error in our request")
        })?;
    }
    Ok(patched.tree)
}

/// A tree between two steps of a JSON patch.
struct Patched {
    tree: Draft,
    /// It nests no deeper than this.
    levels: usize,
    /// Bytes copied so far.
    copied: usize,
}

impl Patched {
    fn take(&mut self, step: ValueRef<'_>) -> Option<()> {
        let path = pointer(step.get("path")?.as_str()?)?;
        match step.get("op")?.as_str()? {
            "add" => self.add(&path, step.get("value")?.to_draft()),
            "replace" => self.replace(&path, step.get("value")?.to_draft()),
            "remove" => remove(&mut self.tree, &path).map(drop),
            "test" => {
                // A field that is not there equals null.
                let wanted = step.get("value").map_or(Draft::Null, ValueRef::to_draft);
                let same = find(&mut self.tree, &path).map_or(wanted == Draft::Null, |found| *found == wanted);
                same.then_some(())
            }
            "copy" => {
                let value = find(&mut self.tree, &pointer(step.get("from")?.as_str()?)?)?;
                self.copied = self.copied.saturating_add(value.freeze().to_json().len());
                let value = (self.copied <= COPIED).then(|| value.clone())?;
                self.add(&path, value)
            }
            "move" => {
                let from = pointer(step.get("from")?.as_str()?)?;
                let value = remove(&mut self.tree, &from)?;
                add(&mut self.tree, &path, value)?;
                self.nests(self.levels.saturating_add(path.len().saturating_sub(from.len())))
            }
            _ => None,
        }
    }

    fn add(&mut self, path: &[String], value: Draft) -> Option<()> {
        let levels = path.len().saturating_add(depth(&value));
        add(&mut self.tree, path, value)?;
        self.nests(levels)
    }

    fn replace(&mut self, path: &[String], value: Draft) -> Option<()> {
        let levels = path.len().saturating_add(depth(&value));
        match find(&mut self.tree, path) {
            Some(old) => *old = value,
            // As the server's library has it, a map entry that is not there is replaced all the same.
            None => {
                let (last, parents) = path.split_last()?;
                find(&mut self.tree, parents)?.as_map_mut()?.insert(last.clone(), value);
            }
        }
        self.nests(levels)
    }

    /// Notes how deep some part may nest now; `None` when the tree is too deep. It is only measured when it may be.
    fn nests(&mut self, levels: usize) -> Option<()> {
        self.levels = self.levels.max(levels);
        if self.levels > LEVELS {
            self.levels = depth(&self.tree);
        }
        (self.levels <= LEVELS).then_some(())
    }
}

/// How many lists and maps are around its innermost value.
fn depth(tree: &Draft) -> usize {
    let below = |deepest: Option<usize>| deepest.map_or(1, |levels| levels.saturating_add(1));
    match tree {
        Draft::List(items) => below(items.iter().map(depth).max()),
        Draft::Map(entries) => below(entries.values().map(depth).max()),
        _ => 0,
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
