//! Hook objects: their names, their marks, and which of them are deleted when an operation ends.

use crate::plan::{Action, Plan, Step};
use crate::policy::HookDelete;
use crate::resource::{InvalidResource, Resource, ResourceKey};
use crate::state::{HookResult, OPERATION_ANNOTATION};
use crate::value::{Hasher, Purpose};

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

/// Gives a hook object its name and its mark.
///
/// # Errors
/// Never for an object that was one before.
pub(super) fn dress(declared: &Resource, key: &ResourceKey, mark: &str) -> Result<Resource, InvalidResource> {
    declared.edit(|draft| {
        let metadata = draft.entry("metadata");
        metadata.remove("generateName");
        metadata.set("name", &*key.name);
        metadata.entry("annotations").set(OPERATION_ANNOTATION, mark);
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
