//! What a plan leaves alone, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::resource::ResourceKey;

use super::Intent;

/// An object that is left alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Skipped {
    /// The object.
    pub key: ResourceKey,
    /// Why.
    pub reason: SkipReason,
}

/// Why an object is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum SkipReason {
    /// A problem holds it back.
    Held,
    /// Something it must follow is held back.
    FollowsHeld,
    /// It could not be read, so nothing is decided about it.
    Unknown,
    /// It is being deleted.
    Terminating,
    /// It is declared, and is being deleted: a sync after that creates it again.
    AwaitsDeletion,
    /// It belongs to another application.
    NotOurs,
    /// Another object belongs to another application, and the policy does nothing then.
    StopsAtShared,
    /// It existed before us, and the policy leaves such objects alone.
    NotAdopted,
    /// It is no longer declared, and pruning is off.
    PruneOff,
    /// It is no longer declared, and its own annotation forbids pruning.
    PruneForbidden,
    /// It is no longer declared, and a person must confirm.
    PruneUnconfirmed,
    /// It is no longer declared, and there is no proof that we created it.
    NoProof,
    /// It is no longer declared, existed before us, and the policy keeps such objects.
    Adopted,
    /// It is known by its tracking id alone, since the record was lost, and a person must confirm that it goes.
    Rebuilt,
    /// Its kind is not served now, so that it cannot be looked at.
    NotServed,
    /// It is no longer declared, and the source is incomplete.
    SourceIncomplete,
    /// It is no longer declared, and a guard stopped all pruning.
    Guarded,
    /// It exists, and is created only once.
    CreateOnly,
    /// It has owner references: its owner takes care of it.
    OwnedByAnother,
    /// A hook that does not run in a sync.
    NotThisPhase,
    /// It is declared, and its own annotation says to leave it alone.
    Ignored,
    /// It is no longer declared under this API group, but under another one: it is the same object.
    SameObject,
    /// It is not among what was asked for.
    NotSelected,
    /// It must follow an object that is not there and is not among what was asked for.
    FollowsNotSelected,
    /// A hook, and hooks were not asked for.
    HooksOff,
    /// It is no longer declared by a revision that is older than the one synced last.
    OlderRevision,
    /// Its pods would be replaced, and as many as one sync may replace are in the plan.
    RolloutBudget,
    /// Its application is deleted, and its own annotation keeps it.
    DeleteForbidden,
    /// Its application is deleted, and a person must confirm that it goes.
    DeleteUnconfirmed,
    /// It is no longer declared, and its project does not permit it (any more).
    NotPermitted,
    /// It is the namespace in which the ledger of the application lies.
    HoldsLedger,
    /// It is no longer declared here, and another application declares it.
    HandedOver,
    /// It is no longer declared here, and it is not known yet whether another application declares
    /// it, or whether what is declared is older.
    OthersUnknown,
    /// Somebody rewrites it after each heal, and it is left to rest.
    Fought,
    /// A hook, and something stands where it runs that may not be deleted for it.
    HookOccupied,
}

impl SkipReason {
    /// Returns the words for it in a plan of this intent: what ends an application prunes nothing.
    #[must_use]
    pub fn in_words(self, intent: Intent) -> &'static str {
        match (intent, self) {
            (Intent::Delete, Self::Guarded) => "stays: a guard stopped its deletion",
            (Intent::Adopt, Self::NotAdopted) => "is held by somebody else",
            (Intent::Orphan, Self::Guarded) => "keeps its owner: nothing is let go",
            (Intent::Delete | Intent::Orphan, Self::NoProof) => "no proof that it is ours",
            (Intent::Delete | Intent::Orphan, Self::Adopted) => "existed before us",
            (Intent::Delete | Intent::Orphan, Self::NotPermitted) => "its project does not permit it",
            (Intent::Delete | Intent::Orphan, Self::OthersUnknown) => {
                "what must be known before it may go could not be asked yet"
            }
            _ => self.of_sync(),
        }
    }

    /// Returns whether it is only for now: what is declared is not made true by this sync, and may be by a later one.
    pub(crate) fn passes(self) -> bool {
        matches!(
            self,
            Self::Held
                | Self::FollowsHeld
                | Self::FollowsNotSelected
                | Self::HookOccupied
                | Self::RolloutBudget
                | Self::Unknown
                | Self::AwaitsDeletion
        )
    }

    fn of_sync(self) -> &'static str {
        match self {
            Self::Held => "held back by a problem",
            Self::FollowsHeld => "must follow an object that is held back",
            Self::Unknown => "could not be read",
            Self::Terminating => "is being deleted",
            Self::AwaitsDeletion => "is being deleted",
            Self::NotOurs => "belongs to another application",
            Self::StopsAtShared => "nothing is done while an object belongs to another application",
            Self::NotAdopted => "was not created by this application",
            Self::PruneOff => "not declared any more; pruning is off",
            Self::PruneForbidden => "not declared any more; its annotation forbids pruning",
            Self::PruneUnconfirmed => "not declared any more; pruning it must be confirmed",
            Self::NoProof => "not declared any more; no proof that it is ours",
            Self::Adopted => "not declared any more; it existed before us",
            Self::Rebuilt => "its record was lost; its deletion must be confirmed",
            Self::NotServed => "its kind is not served now",
            Self::SourceIncomplete => "not declared any more, as far as the source could be read",
            Self::Guarded => "not declared any more; a guard stopped pruning",
            Self::CreateOnly => "is created only once",
            Self::OwnedByAnother => "belongs to its owner",
            Self::NotThisPhase => "is a hook that does not run in a sync",
            Self::Ignored => "is left alone; its annotation says so",
            Self::SameObject => "is declared under another API group",
            Self::NotSelected => "was not asked for",
            Self::FollowsNotSelected => "must follow an object that is missing and was not asked for",
            Self::HooksOff => "is a hook, and hooks were not asked for",
            Self::OlderRevision => "not declared by this revision, which is older than the one synced last",
            Self::RolloutBudget => "waits for the next sync: this one may restart no more",
            Self::DeleteForbidden => "stays, as its options say",
            Self::DeleteUnconfirmed => "its deletion must be confirmed",
            Self::NotPermitted => "not declared any more; its project does not permit it",
            Self::HoldsLedger => "holds the ledger of the application",
            Self::HandedOver => "another application declares it",
            Self::OthersUnknown => {
                "not declared here any more; what must be known before it may go could not be asked yet"
            }
            Self::Fought => "is rewritten by somebody after each heal, and is left to rest",
            Self::HookOccupied => "is a hook, and what stands where it runs may not be deleted",
        }
    }
}

impl Skipped {
    /// Returns object and reason in the words of a plan of this intent.
    #[must_use]
    pub fn in_words(&self, intent: Intent) -> String {
        format!("{}: {}", self.key, self.reason.in_words(intent))
    }

    pub(super) fn new(key: &ResourceKey, reason: SkipReason) -> Self {
        Self { key: key.clone(), reason }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of_sync())
    }
}
