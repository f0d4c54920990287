//! Hook objects: their names, their marks, and which of them are deleted when an operation ends.

use crate::plan::{Action, Plan, Step};
use crate::policy::HookDelete;
use crate::resource::{InvalidResource, Resource, ResourceKey};
use crate::state::{HookResult, OPERATION_ANNOTATION};
use crate::value::{Hasher, Purpose, ValueRef};

use super::{OperationId, Phase};

/// Longest name a Job may have: its pods carry it in a label.
const LONGEST: usize = 63;

/// Returns the mark of a hook object: which operation ran it, in which phase.
pub(super) fn mark(operation: &OperationId, step: &Step) -> String {
    mark_in(operation, step.phase)
}

/// The same for a phase.
pub(super) fn mark_in(operation: &OperationId, phase: crate::policy::Phase) -> String {
    format!("{operation}.{phase}")
}

/// Returns the key under which a hook runs. Fixed by operation and phase, so that a restart finds it (rule 37).
pub(super) fn key(step: &Step, declared: &Resource, operation: &OperationId, revision: &str) -> ResourceKey {
    let Some(prefix) = declared.generate_name() else { return step.key.clone() };
    let phase = step.phase.to_string().to_ascii_lowercase();
    let revision = revision.get(..7).unwrap_or(revision);
    let operation = operation.as_str().get(..8).unwrap_or("");
    let suffix = [revision, &phase, operation].join("-").trim_start_matches('-').to_owned();
    let room = LONGEST.saturating_sub(suffix.len());
    let prefix = if prefix.len() <= room {
        prefix.to_owned()
    } else {
        // Two long prefixes may begin alike: their hooks are two all the same.
        let digest = Hasher::new(Purpose::Identity).text(prefix).finish().short();
        let kept: String = prefix.chars().take(room.saturating_sub(digest.len() + 2)).collect();
        format!("{kept}-{digest}-")
    };
    ResourceKey { name: format!("{prefix}{suffix}").into(), ..step.key.clone() }
}

/// How long a hook that the cluster removes by itself is kept at least once it has ended, in seconds: it must be seen to
/// have ended, and looks are up to 30 s apart.
const KEPT: i64 = 60;

/// Returns for how long, in seconds, the cluster keeps a hook that has ended; `None` if it does not remove it.
pub(super) fn kept_for(declared: &Resource) -> Option<i64> {
    ttl(declared).map(|seconds| seconds.max(KEPT))
}

fn ttl(declared: &Resource) -> Option<i64> {
    declared.tree().dig(&["spec", "ttlSecondsAfterFinished"]).and_then(ValueRef::as_i64)
}

/// Gives a hook object its name and its mark, and time to be seen once it has ended: with
/// `ttlSecondsAfterFinished: 0` its result would be lost each time, and every sync fail.
///
/// # Errors
/// Never for an object that was one before.
pub(super) fn dress(declared: &Resource, key: &ResourceKey, mark: &str) -> Result<Resource, InvalidResource> {
    declared.edit(|draft| {
        let metadata = draft.entry("metadata");
        metadata.remove("generateName");
        metadata.set("name", &*key.name);
        metadata.entry("annotations").set(OPERATION_ANNOTATION, mark);
        if ttl(declared).is_some_and(|seconds| seconds < KEPT) {
            draft.entry("spec").set("ttlSecondsAfterFinished", KEPT);
        }
    })
}

/// Returns which objects of hooks that ran go now that the operation has ended as `phase`, by their delete policies.
///
/// `HookSucceeded` and `HookFailed` speak of the operation (Argo CD's semantics).
pub(super) fn to_delete(plan: &Plan, ran: &[HookResult], phase: Phase) -> Vec<HookResult> {
    let when = match phase {
        Phase::Succeeded => HookDelete::HookSucceeded,
        Phase::Failed | Phase::Terminated => HookDelete::HookFailed,
        Phase::Superseded | Phase::Error => return Vec::new(),
    };
    let goes = |result: &&HookResult| {
        plan.steps.iter().any(|step| match &step.action {
            Action::Hook { delete, .. } => result.is_of(&step.key, step.phase) && delete.contains(&when),
            _ => false,
        })
    };
    ran.iter().filter(goes).cloned().collect()
}
