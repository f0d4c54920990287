//! The words that annotations are made of.

use std::collections::BTreeSet;

use crate::resource::Propagation;

use super::{HookDelete, Options, Permission, Phase, SyncOption};

/// What a word of a hook annotation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// The hook runs in this phase.
    Phase(Phase),
    /// The hook runs in no phase of ours.
    NoPhase,
    /// The object is no hook.
    NoHook,
}

pub(super) const ARGO_HOOKS: &[(&str, Word)] = &[
    ("PreSync", Word::Phase(Phase::PreSync)),
    ("Sync", Word::Phase(Phase::Sync)),
    ("PostSync", Word::Phase(Phase::PostSync)),
    ("SyncFail", Word::Phase(Phase::SyncFail)),
    ("PreDelete", Word::Phase(Phase::PreDelete)),
    ("PostDelete", Word::Phase(Phase::PostDelete)),
    ("Skip", Word::NoPhase),
];

/// Rule: Argo CD's mapping. An install and an upgrade are both a sync.
pub(super) const HELM_HOOKS: &[(&str, Word)] = &[
    ("pre-install", Word::Phase(Phase::PreSync)),
    ("pre-upgrade", Word::Phase(Phase::PreSync)),
    ("post-install", Word::Phase(Phase::PostSync)),
    ("post-upgrade", Word::Phase(Phase::PostSync)),
    ("pre-delete", Word::Phase(Phase::PreDelete)),
    ("post-delete", Word::Phase(Phase::PostDelete)),
    ("pre-rollback", Word::NoPhase),
    ("post-rollback", Word::NoPhase),
    ("test", Word::NoPhase),
    ("test-success", Word::NoPhase),
    ("test-failure", Word::NoPhase),
    ("crd-install", Word::NoHook),
];

pub(super) const ARGO_HOOK_DELETE: &[(&str, HookDelete)] = &[
    ("BeforeHookCreation", HookDelete::BeforeHookCreation),
    ("HookSucceeded", HookDelete::HookSucceeded),
    ("HookFailed", HookDelete::HookFailed),
];

pub(super) const HELM_HOOK_DELETE: &[(&str, HookDelete)] = &[
    ("before-hook-creation", HookDelete::BeforeHookCreation),
    ("hook-succeeded", HookDelete::HookSucceeded),
    ("hook-failed", HookDelete::HookFailed),
];

/// What a hook annotation in the words of Argo CD means, in order; nothing where a word is unknown.
pub(super) fn argo_hooks(text: &str) -> Option<BTreeSet<Word>> {
    meant(text, ARGO_HOOKS)
}

/// The same in the words of Helm.
pub(super) fn helm_hooks(text: &str) -> Option<BTreeSet<Word>> {
    meant(text, HELM_HOOKS)
}

fn meant(text: &str, dialect: &[(&str, Word)]) -> Option<BTreeSet<Word>> {
    csv(text).map(|word| dialect.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)).collect()
}

/// Argo CD's compare options.
pub(super) const COMPARE_OPTIONS: [&str; 5] = [
    "IgnoreExtraneous",
    "IncludeMutationWebhook=false",
    "IncludeMutationWebhook=true",
    "ServerSideDiff=false",
    "ServerSideDiff=true",
];

/// Who speaks: we win over Argo CD, and among the others the most careful one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Argo,
    Own,
}

/// What a sync option did.
pub(super) enum Effect {
    Done,
    /// It is known and means nothing here; why.
    None(&'static str),
    /// It is not known; what is.
    Invalid(&'static str),
}

const SYNC_OPTIONS: &str = "`Prune`, `PruneLast`, `PrunePropagationPolicy`, `Delete`, `Replace`, `Force`, \
                            `ServerSideApply`, `Validate` or `SkipDryRunOnMissingResource`, as in `Prune=false`";
const PERMISSIONS: &str = "`true`, `false` or `confirm` as its value";
const FLAGS: &str = "`true` or `false` as its value";
const PROPAGATIONS: &str = "`foreground`, `background` or `orphan` as its value";

/// Reads one option of Argo CD's `sync-options`.
pub(super) fn sync_option(option: &str, speaker: Speaker, options: &mut Options) -> Effect {
    let effect = set(option, speaker, options);
    if let (Effect::Done, Some(said)) = (&effect, option.parse().ok().and_then(SyncOption::said)) {
        options.said.add(said);
    }
    effect
}

fn set(option: &str, speaker: Speaker, options: &mut Options) -> Effect {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    let set_flag = |field: &mut bool| match flag(value) {
        Some(flag) => {
            *field = flag;
            Effect::Done
        }
        None => Effect::Invalid(FLAGS),
    };
    let set_permission = |field: &mut Permission| {
        let permission = match value {
            "true" => Permission::Default,
            "false" => Permission::Never,
            "confirm" => Permission::Confirm,
            _ => return Effect::Invalid(PERMISSIONS),
        };
        *field = if speaker == Speaker::Own { permission } else { stricter(*field, permission) };
        Effect::Done
    };
    let without = |why| if flag(value).is_some() { Effect::None(why) } else { Effect::Invalid(FLAGS) };
    match key {
        "Prune" => set_permission(&mut options.prune),
        "Delete" => set_permission(&mut options.delete),
        "PruneLast" => set_flag(&mut options.prune_last),
        "Replace" => set_flag(&mut options.replace),
        "Force" => set_flag(&mut options.force),
        "SkipDryRunOnMissingResource" => set_flag(&mut options.skip_dry_run_on_missing_resource),
        "Validate" => match flag(value) {
            Some(validate) => {
                options.skip_validation = !validate;
                Effect::Done
            }
            None => Effect::Invalid(FLAGS),
        },
        "PrunePropagationPolicy" => {
            options.propagation = match value {
                "foreground" => Some(Propagation::Foreground),
                "background" => Some(Propagation::Background),
                "orphan" => Some(Propagation::Orphan),
                _ => return Effect::Invalid(PROPAGATIONS),
            };
            Effect::Done
        }
        "ServerSideApply" if value == "true" => Effect::Done,
        "ServerSideApply" | "ClientSideApplyMigration" => without("objects are always applied by server-side apply"),
        "ApplyOutOfSyncOnly" => without("only objects that differ are ever applied"),
        "CreateNamespace" | "RespectIgnoreDifferences" | "FailOnSharedResource" => {
            without("it is an option of an application, not of an object")
        }
        _ => Effect::Invalid(SYNC_OPTIONS),
    }
}

/// Returns the one of two permissions that keeps more.
pub(super) fn stricter(one: Permission, other: Permission) -> Permission {
    match (one, other) {
        (Permission::Never, _) | (_, Permission::Never) => Permission::Never,
        (Permission::Confirm, _) | (_, Permission::Confirm) => Permission::Confirm,
        (Permission::Default, Permission::Default) => Permission::Default,
    }
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Splits a list of words; blanks around them and empty ones mean nothing.
pub(super) fn csv(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Lists the words of a dialect for a hint.
pub(super) fn allowed<T>(dialect: &[(&str, T)]) -> String {
    let words: Vec<_> = dialect.iter().map(|(word, _)| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
