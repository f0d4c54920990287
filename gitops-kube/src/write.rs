//! Writing: one request each, with its guard in it.

use std::sync::Arc;

use gitops_core::cluster::{ClusterError, Failure, Force, Guard, Mode, PatchStep, Verb, Write, WriteOutcome, Written};
use gitops_core::model::ServedKind;
use gitops_core::resource::{Propagation, Resource};
use gitops_core::value::Draft;
use http::Method;

use crate::cluster::Shared;
use crate::discover::Kind;
use crate::reading::{look, object_of};
use crate::refusal::Refusal;
use crate::talk::{Answer, Ask, JSON, Silence};
use crate::{patch, place};

const APPLY: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Performs a write.
pub(crate) async fn write(shared: &Arc<Shared>, write: &Write) -> Result<Written, ClusterError> {
    write.discreet(perform(shared, write).await)
}

async fn perform(shared: &Arc<Shared>, write: &Write) -> Result<Written, ClusterError> {
    let kind = served(shared, write).await?;
    check(write)?;
    // Before anything is sent: what this write makes of it must not be taken for what was there.
    let before = match &write.guard {
        Guard::Present { version: Some(version), .. } => version.parse().ok(),
        _ => shared.seen.version(&write.key),
    };
    let tells_by_content =
        write.mode == Mode::DryRun && !matches!(write.verb, Verb::Create { .. } | Verb::Delete { .. });
    let live = match (&write.verb, tells_by_content) {
        (Verb::Patch { steps, .. }, _) if patch::merge(steps, &write.guard).is_none() => {
            let live = look(&shared.talk, &kind, &write.version, &write.key).await?.ok_or(Failure::NotFound)?;
            holds(&write.guard, &live)?;
            Some(live)
        }
        // Whether a dry run changes anything shows only beside what is there. Without it, it does.
        (_, true) => look(&shared.talk, &kind, &write.version, &write.key).await.ok().flatten(),
        _ => None,
    };
    let ask = request(write, &kind, live.as_ref())?;
    let answer = shared.talk.write(&ask).await.map_err(Silence::into_write_error)?;
    if !matches!(answer.code, 200..=202) {
        return Err(Refusal::of(&answer).into_write_failure(write).into());
    }
    let written = written(write, answer, before, live.as_ref())?;
    if let (Mode::Commit, Some(object)) = (write.mode, &written.object) {
        shared.seen.note(object);
    }
    Ok(written)
}

/// Returns how the kind of a write is served; it is asked anew where it is not known, or not at this version.
async fn served(shared: &Arc<Shared>, write: &Write) -> Result<Arc<ServedKind>, ClusterError> {
    let kind = &*write.key.group_kind;
    let at_version = |found: Kind| match found {
        Kind::Served(kind) if kind.versions.contains(&write.version) => Some(kind),
        _ => None,
    };
    if let Some(kind) = at_version(shared.known(kind)) {
        return Ok(kind);
    }
    match shared.refreshed().await?.kind(kind) {
        Kind::Unknown => {
            let message = format!("the API group `{}` does not answer", kind.group).into();
            Err(Failure::Unavailable { message }.into())
        }
        found => at_version(found).ok_or_else(|| Failure::KindNotServed.into()),
    }
}

/// Refuses what no request can say.
fn check(write: &Write) -> Result<(), Failure> {
    let wants_absence = matches!(write.guard, Guard::Absent);
    let creates = matches!(write.verb, Verb::Apply { .. } | Verb::Create { .. });
    if wants_absence && !creates {
        let message = "only an apply or a creation can demand that the object does not exist".into();
        return Err(Failure::Unsupported { message });
    }
    Ok(())
}

fn holds(guard: &Guard, live: &Resource) -> Result<(), Failure> {
    match guard {
        Guard::Present { uid, version } => {
            let is_same = live.uid() == Some(uid)
                && version.as_ref().is_none_or(|version| live.resource_version() == Some(version));
            if is_same { Ok(()) } else { Err(Failure::Stale) }
        }
        Guard::None | Guard::Absent => Ok(()),
    }
}

fn request(write: &Write, kind: &ServedKind, live: Option<&Resource>) -> Result<Ask, Failure> {
    let object = place::object(kind, &write.version, &write.key);
    let all = place::collection(kind, &write.version, write.key.namespace.as_deref());
    let dry_run = (write.mode == Mode::DryRun).then_some(("dryRun", "All"));
    // What the kind does not have is refused, not dropped: it would be missed at every comparison.
    let strict = ("fieldValidation", "Strict");
    let by = |manager: &'_ Arc<str>| ("fieldManager", manager.to_string());
    let ask = |method: Method, path: &str, media, manager: &Arc<str>, more: &[(&str, &str)], body: String| {
        let manager = by(manager);
        let query = [(manager.0, &*manager.1)].into_iter().chain(more.iter().copied()).chain(dry_run);
        Ask::with(method, place::with_query(path, query), media, body)
    };
    Ok(match &write.verb {
        Verb::Apply { object: wanted, manager, force } => {
            let force = ("force", if *force == Force::Yes { "true" } else { "false" });
            ask(Method::PATCH, &object, APPLY, manager, &[force, strict], body(wanted, &write.guard))
        }
        Verb::Create { object: wanted, manager } => {
            ask(Method::POST, &all, JSON, manager, &[strict], body(wanted, &Guard::None))
        }
        Verb::Replace { object: wanted, manager } => {
            ask(Method::PUT, &object, JSON, manager, &[strict], body(wanted, &write.guard))
        }
        Verb::Patch { steps, manager } => {
            let (media, patch) = patch_of(steps, &write.guard, live);
            ask(Method::PATCH, &object, media, manager, &[], patch)
        }
        Verb::Delete { propagation } => {
            let options = delete_options(*propagation, &write.guard, write.mode);
            Ask::with(Method::DELETE, object, JSON, options)
        }
        other => return Err(Failure::Unsupported { message: format!("no request does this: {other:?}").into() }),
    })
}

fn patch_of(steps: &[PatchStep], guard: &Guard, live: Option<&Resource>) -> (&'static str, String) {
    match (patch::merge(steps, guard), live) {
        (Some(merge), _) => (MERGE_PATCH, merge.to_json()),
        (None, Some(live)) => (JSON_PATCH, patch::json(live, steps).to_json()),
        // It was looked up for this very case.
        (None, None) => (JSON_PATCH, "[]".to_owned()),
    }
}

/// The object as it is sent: what must hold is what the guard says, not what the object happens to carry.
fn body(object: &Resource, guard: &Guard) -> String {
    let edited = object.edit(|draft| {
        let metadata = draft.entry("metadata");
        ["resourceVersion", "uid", "managedFields"].iter().for_each(|field| drop(metadata.remove(field)));
        match guard {
            Guard::None => {}
            // No object has this version, so the server takes it only where it creates one (rule 27 of the exact rules).
            Guard::Absent => metadata.set("resourceVersion", "1"),
            Guard::Present { uid, version } => {
                metadata.set("uid", &**uid);
                if let Some(version) = version {
                    metadata.set("resourceVersion", &**version);
                }
            }
        }
    });
    edited.as_ref().unwrap_or(object).expose().to_json()
}

fn delete_options(propagation: Propagation, guard: &Guard, mode: Mode) -> String {
    let mut options = Draft::map();
    options.set("apiVersion", "v1");
    options.set("kind", "DeleteOptions");
    let policy = match propagation {
        Propagation::Background => "Background",
        Propagation::Orphan => "Orphan",
        _ => "Foreground",
    };
    options.set("propagationPolicy", policy);
    if let Guard::Present { uid, version } = guard {
        let wanted = options.entry("preconditions");
        wanted.set("uid", &**uid);
        if let Some(version) = version {
            wanted.set("resourceVersion", &**version);
        }
    }
    if mode == Mode::DryRun {
        options.set("dryRun", Draft::List(vec!["All".into()]));
    }
    options.freeze().to_json()
}

/// What came of a write that the server took.
fn written(
    write: &Write,
    answer: Answer,
    before: Option<u64>,
    live: Option<&Resource>,
) -> Result<Written, ClusterError> {
    let deletes = matches!(write.verb, Verb::Delete { .. });
    // It is done, whatever the answer looks like: what it did cannot be told.
    let in_doubt = |failure: Failure| ClusterError::new(Failure::InDoubt { message: failure.to_string().into() });
    let object = match object_of(&answer.body) {
        Ok(object) if object.key().group_kind == write.key.group_kind => Some(object),
        // A deletion answers with a `Status`, which has no name.
        Ok(_) | Err(_) if deletes => None,
        Ok(_) => None,
        Err(failure) => return Err(in_doubt(failure)),
    };
    let outcome = match &object {
        Some(object) if deletes && object.is_terminating() && !may_go(object) => WriteOutcome::Terminating,
        _ if deletes => WriteOutcome::Gone,
        _ if answer.code == 201 => WriteOutcome::Created,
        Some(object) if may_go(object) => WriteOutcome::Gone,
        Some(object) => {
            let is_same = match write.mode {
                Mode::Commit => {
                    let version = object.resource_version().and_then(|version| version.parse::<u64>().ok());
                    version.is_some() && version == before
                }
                Mode::DryRun => live.is_some_and(|live| content(live) == content(object)),
            };
            if is_same { WriteOutcome::Unchanged } else { WriteOutcome::Changed }
        }
        None => WriteOutcome::Changed,
    };
    let mut written = Written::new(outcome, object.filter(|_| outcome != WriteOutcome::Gone));
    written.warnings = answer.warnings;
    Ok(written)
}

/// Whether nothing keeps an object that is being deleted: the answer shows it for the last time.
fn may_go(object: &Resource) -> bool {
    let some =
        |path: &[&str]| object.tree().dig(path).and_then(|held| held.as_list()).is_some_and(|held| !held.is_empty());
    let is_namespace = object.key().is("", "Namespace");
    let is_held = some(&["metadata", "finalizers"]) || (is_namespace && some(&["spec", "finalizers"]));
    let grace = object.tree().dig(&["metadata", "deletionGracePeriodSeconds"]).and_then(|grace| grace.as_i64());
    let has_grace = grace.is_some_and(|seconds| seconds > 0);
    object.is_terminating() && !is_held && !has_grace
}

/// What a dry run would change: not the version, and not the times at which managers wrote.
fn content(object: &Resource) -> Draft {
    let mut draft = object.tree().to_draft();
    let metadata = draft.entry("metadata");
    metadata.remove("resourceVersion");
    let entries = metadata.get_mut("managedFields").and_then(Draft::as_list_mut);
    entries.into_iter().flatten().for_each(|entry| drop(entry.remove("time")));
    draft
}
