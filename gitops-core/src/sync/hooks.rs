//! Hook objects: their names, their marks, and which of them are deleted when an operation ends.

use crate::plan::{Action, Intent, Plan, Step};
use crate::policy::{HookDelete, Prune};
use crate::resource::{InvalidResource, Resource, ResourceKey};
use crate::state::{Completeness, OPERATION_ANNOTATION};
use crate::value::{Hasher, Purpose};

use super::{HookResult, OperationId, Phase, Setup};

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

/// Returns the hook objects to delete now that the operation has ended as `phase`.
///
/// `HookSucceeded` and `HookFailed` speak of the operation (Argo CD's semantics). What earlier operations left of a
/// hook with a generated name goes as well, else they would pile up; and what they left of a hook that is no longer
/// declared, where pruning is on.
pub(super) fn to_delete(
    plan: &Plan,
    setup: &Setup,
    ran: &[HookResult],
    earlier: &[HookResult],
    phase: Phase,
) -> Vec<HookResult> {
    if plan.scope.intent == Intent::Delete && phase == Phase::Succeeded {
        // Nobody would know them afterwards.
        return ran.iter().chain(earlier).cloned().collect();
    }
    let policy = |result: &HookResult| {
        plan.steps.iter().find_map(|step| match &step.action {
            Action::Hook { delete, .. } if result.is_of(&step.key, step.phase) => Some(delete.as_slice()),
            _ => None,
        })
    };
    let when = match phase {
        Phase::Succeeded => Some(HookDelete::HookSucceeded),
        Phase::Failed | Phase::Terminated => Some(HookDelete::HookFailed),
        Phase::Superseded | Phase::Error => None,
    };
    let of_now =
        ran.iter().filter(|result| policy(result).zip(when).is_some_and(|(delete, when)| delete.contains(&when)));
    let of_before = earlier.iter().filter(|result| {
        let ran_again = ran.iter().any(|now| now.is_of(&result.declared, result.phase) && now.object != result.object);
        let wanted = policy(result).is_some_and(|delete| delete.contains(&HookDelete::BeforeHookCreation));
        let forgotten = setup.policy.prune == Prune::Owned
            && setup.desired.completeness == Completeness::Complete
            && setup.desired.get(&result.declared).is_none();
        forgotten || (ran_again && wanted)
    });
    of_now.chain(of_before).cloned().collect()
}
