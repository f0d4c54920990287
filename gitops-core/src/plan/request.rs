//! What is asked of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::problem::{Code, Problem};
use crate::resource::{Propagation, ResourceKey};
use crate::source::RevisionId;
use crate::time::Timestamp;

use super::{Confirmation, HookObjects, Objects, Plan, Selection};

/// What is asked of a plan, besides the policy of the application. By default: all that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// How much of the application.
    pub scope: Scope,
    /// Whether hooks run.
    pub hooks: HookRun,
    /// Nothing but these: the objects of a plan that was approved.
    pub within: Option<Arc<BTreeSet<ResourceKey>>>,
    /// What persons said yes to.
    pub confirmations: Vec<Confirmation>,
    /// Annotations that approve a deletion count when they are later than this: the end of the last operation, so that
    /// no yes is taken twice.
    pub approvals_after: Option<Timestamp>,
    /// And when they are not later than this: the present time, with an allowance for clocks that differ. A date in the
    /// future would count for ever, so without this none counts. The drivers set it, where it is not set, to five
    /// minutes from now; a loop of one's own does so with [`App::as_of`](crate::reconcile::App::as_of).
    pub approvals_until: Option<Timestamp>,
    /// What lies in namespaces, or is of the kind of CRDs, that may go.
    pub contents: BTreeMap<ResourceKey, BTreeSet<ResourceKey>>,
    /// The revision that was synced last, where the one that is wanted is older: nothing is pruned then without a yes
    /// (rule 28 of the exact rules).
    pub newer: Option<RevisionId>,
    /// What is not declared here and another application declares: it is handed over, never pruned (rule 28).
    pub declared_elsewhere: BTreeMap<ResourceKey, Arc<str>>,
    /// The namespaces and CRDs in which, or of whose kind, another application has objects, and which one: they stay
    /// (rules 28 and 31).
    pub lived_in: BTreeMap<ResourceKey, Arc<str>>,
    /// What is not declared and must not be touched: its project does not permit it, and why. The drivers set it.
    pub not_permitted: BTreeMap<ResourceKey, Arc<str>>,
    /// Why it is not known yet what other applications declare; nothing is pruned until it is (rule 28).
    pub unasked: Option<Arc<str>>,
    /// What is left to rest, since somebody rewrites it after each heal (rule 23).
    pub resting: BTreeSet<ResourceKey>,
    /// What is as declared and was not found healthy. A revision that is not made true yet goes on to later waves once
    /// it is.
    pub unwell: BTreeSet<ResourceKey>,
    /// Whether the revision is not made true yet, whether or not hooks run. The drivers set it; a plan that runs hooks
    /// as for such a revision takes it for one.
    pub is_new: bool,
    /// The namespace in which the ledger lies.
    pub ledger: Option<Arc<str>>,
    /// What is known of the objects of hooks.
    pub hook_objects: HookObjects,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Intent {
    /// To make the cluster as the source says.
    #[default]
    Sync,
    /// To delete the application.
    Delete,
    /// To end the application, and let its objects stay as nobody's.
    Orphan,
    /// To make declared objects ours that others hold; no value changes.
    Adopt,
    /// To let some objects go, which stay as nobody's; the application goes on.
    Release,
}

/// How much of an application a plan is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Scope {
    /// What for.
    #[serde(default, skip_serializing_if = "Intent::is_sync")]
    pub intent: Intent,
    /// Which objects. What is left out is neither changed nor pruned, and an operation that leaves out anything never
    /// counts as a sync of the application.
    #[serde(default, skip_serializing_if = "Selection::is_everything")]
    pub only: Selection,
    /// Which of them have a step.
    #[serde(default, skip_serializing_if = "Extent::is_default")]
    pub extent: Extent,
    /// What happens to what the objects of a deleted application own, where they do not say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// Which objects are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Extent {
    /// Those that differ: what Argo CD calls `ApplyOutOfSyncOnly`.
    #[default]
    Differing,
    /// All, also those that are in sync.
    Everything,
}

/// When hooks are planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "all there is")]
pub enum HookRun {
    /// When something else is to be done, and everything was asked for: an operation on some objects runs no hook
    /// (Argo CD's rule).
    #[default]
    WithChanges,
    /// The same; but this revision has not been synced yet, so that ownership is put right also where nothing else is to
    /// be done (rule 11 of the exact rules).
    NewRevision,
    /// Always: an operation that was interrupted must still run those it has not run.
    Always,
    /// Never.
    Never,
}

impl Request {
    /// Asks for these objects only.
    #[must_use]
    pub fn with_only(mut self, only: Selection) -> Self {
        self.scope.only = only;
        self
    }

    /// Sets which objects are applied.
    #[must_use]
    pub fn with_extent(mut self, extent: Extent) -> Self {
        self.scope.extent = extent;
        self
    }

    /// Sets whether hooks run.
    #[must_use]
    pub fn with_hooks(self, hooks: HookRun) -> Self {
        Self { hooks, ..self }
    }

    /// Asks to delete the application.
    #[must_use]
    pub fn to_delete() -> Self {
        Self { scope: Scope { intent: Intent::Delete, ..Scope::default() }, ..Self::default() }
    }

    /// Asks to end the application and to let its objects stay. No hook runs.
    #[must_use]
    pub fn to_orphan() -> Self {
        let scope = Scope { intent: Intent::Orphan, ..Scope::default() };
        Self { scope, hooks: HookRun::Never, ..Self::default() }
    }

    /// Asks that these objects become ours, or all that are declared, and that nothing else changes. No hook runs.
    #[must_use]
    pub fn to_adopt(only: Selection) -> Self {
        Self::about_owners(Intent::Adopt, only)
    }

    /// Asks to let these objects go: they stay as they are, and the application goes on. No hook runs.
    #[must_use]
    pub fn to_release(only: Selection) -> Self {
        Self::about_owners(Intent::Release, only)
    }

    fn about_owners(intent: Intent, only: Selection) -> Self {
        Self { scope: Scope { intent, only, ..Scope::default() }, hooks: HookRun::Never, ..Self::default() }
    }

    /// Adds what a person said yes to.
    #[must_use]
    pub fn confirmed(mut self, confirmation: Confirmation) -> Self {
        self.confirmations.push(confirmation);
        self
    }

    /// Whether it makes a revision true that was not.
    pub(super) fn makes_true(&self) -> bool {
        self.is_new || matches!(self.hooks, HookRun::NewRevision | HookRun::Always)
    }

    /// Says why an object that is no longer declared stays.
    pub(super) fn why_not_permitted(&self, key: &ResourceKey) -> Option<Problem> {
        let why = self.not_permitted.get(key)?;
        let problem = Problem::note(Code::NotPermitted, format!("is not deleted: {why}")).of(key);
        Some(problem.hint("delete it by hand, or change what the project permits"))
    }

    /// Asks for what `plan` does and for nothing else.
    #[must_use]
    pub fn following(plan: &Plan) -> Self {
        let left = plan.leftovers.iter().map(|left| &left.key);
        let within = plan.steps.iter().map(|step| &step.key).chain(left).cloned().collect();
        let confirmations = plan.confirmed.iter().map(|confirmed| {
            let only = [Objects::exactly(&confirmed.key)];
            Confirmation::of(&confirmed.by, confirmed.at, only)
        });
        Self {
            scope: plan.scope.clone(),
            within: Some(Arc::new(within)),
            confirmations: confirmations.collect(),
            ..Self::default()
        }
    }
}

impl From<HookRun> for Request {
    fn from(hooks: HookRun) -> Self {
        Self::default().with_hooks(hooks)
    }
}

impl Scope {
    /// Returns whether this is all that differs in all of the application.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether anything is left out that a sync of the application would do.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.only.is_everything() || self.intent.is_about_owners()
    }
}

impl HookRun {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Intent {
    /// Returns whether it is to make the cluster as the source says.
    #[must_use]
    pub fn is_sync(&self) -> bool {
        *self == Self::Sync
    }

    /// Returns whether nothing but who owns objects changes, and the application goes on.
    #[must_use]
    pub fn is_about_owners(self) -> bool {
        matches!(self, Self::Adopt | Self::Release)
    }

    /// Returns whether nothing is left of the application afterwards.
    #[must_use]
    pub fn ends_app(self) -> bool {
        matches!(self, Self::Delete | Self::Orphan)
    }
}

impl Extent {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
