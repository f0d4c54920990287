//! How to sync: the policy of an application, and the options of one object, parsed into types that cannot be wrong.

mod annotations;
mod conflicts;
mod contradictions;
mod dependencies;
pub(crate) mod duration;
mod glob;
pub mod ignore;
mod namespace;
mod share;
mod sync_options;
#[cfg(test)]
mod tests;
mod validate;
pub mod window;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::resource::{GroupKind, Propagation, ResourceKey};
use crate::time::Timestamp;

pub use annotations::options;
pub(crate) use annotations::{ON_REMOVE, PRUNE};
pub use conflicts::{ConflictRule, Conflicts, Stance, Take, WrittenBy};
pub use dependencies::{ChangeRule, Order, Verb, reference};
pub(crate) use dependencies::{asks_dependency, asks_rule};
pub use glob::{Glob, InvalidGlob};
pub use namespace::{CreateNamespace, NamespaceMetadata};
pub use share::{InvalidShare, Share};
pub use sync_options::{InvalidSyncOption, SyncOption, SyncOptions};
pub use validate::Validate;

/// How one application is synced. Unknown keys are errors; deleting anything is opt-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SyncPolicy {
    /// Which live objects may be deleted. Default: `never`.
    pub prune: Prune,
    /// What a sync waits for before it ends. Default: `gates` (rule 39).
    pub wait: WaitFor,
    /// Longest wait for one wave to turn healthy. Whole seconds on the wire. Default: 600 s (rule 38).
    #[serde(rename = "waveTimeoutSeconds", with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub wave_timeout: Duration,
    /// Longest wait for one hook. Whole seconds on the wire. Default: 1,800 s (rule 38).
    #[serde(rename = "hookTimeoutSeconds", with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub hook_timeout: Duration,
    /// Longest wait for an object to be gone. Whole seconds on the wire. Default: 300 s (rule 38).
    #[serde(rename = "deletionTimeoutSeconds", with = "seconds")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub deletion_timeout: Duration,
    /// How often a write that failed for a passing reason is tried again. Default: 5.
    pub retries: u32,
    /// Most entries of the inventory that one sync may prune, in percent; never all of them. Up to 5 are always
    /// allowed, unless it is 0. Default: 30 for unattended syncs (rule 30); a person who asks for a prune may raise it to 100.
    pub prune_budget_percent: u8,
    /// What happens to all objects when the source declares none. Default: `keep`.
    pub when_empty: WhenEmpty,
    /// Whether objects that existed before us may be pruned. Default: `no` (rule 27).
    pub prune_adopted: PruneAdopted,
    /// Which objects that existed before us are applied to. Default: `unclaimed`.
    pub adopt: Adopt,
    /// Kinds whose deletion a person must confirm, whatever else allows it. Namespaces and CRDs ask in any case (rule
    /// 31). Default: these, and what holds data or says where data goes: persistent volumes, their claims, storage
    /// classes, and snapshots of volumes.
    pub protected: BTreeSet<GroupKind>,
    /// Most workloads whose pods one sync may replace; what is beyond waits for the next sync. Default: no limit.
    pub rollout_budget: Option<Share>,
    /// Whether the cluster is asked where a verdict can only be predicted. Default: `dryRun` (rules 6 and 9).
    pub confirm: Confirm,
    /// Whether what is to be written is tried by dry runs first. Default: `never` (rule 33).
    pub validate: Validate,
    /// Whose fields are taken over, and whose are left alone. Default: those written by hand (rule 20).
    pub conflicts: Conflicts,
    /// What to do where a declared object belongs to another application. Default: `leave`.
    pub shared: Shared,
    /// Whether the namespace of the application is made, where nothing declares it. Default: `never`.
    pub create_namespace: CreateNamespace,
    /// Sync options that objects inherit, where they do not say otherwise. Default: none. For options that are about the
    /// whole application see [`SyncPolicy::with_sync_options`].
    #[serde(skip_serializing_if = "SyncOptions::is_empty", deserialize_with = "sync_options::of_objects")]
    pub sync_options: SyncOptions,
}

/// What holds data, or all of something else. Rule 31 of the exact rules, and the conservative choice beyond it.
const PROTECTED: [(&str, &str); 7] = [
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent"),
    ("storage.k8s.io", "StorageClass"),
];

/// Whether the cluster is asked where a verdict can only be predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Confirm {
    /// By one dry run, which needs the rights of the write. Without them the prediction stands, and is marked.
    #[default]
    DryRun,
    /// Never: for installations that may only read.
    Never,
}

/// Which live objects may be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Prune {
    /// None.
    #[default]
    Never,
    /// Those that are provably ours and no longer declared.
    Owned,
}

/// What a sync waits for before it ends. Rule 39 of the exact rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum WaitFor {
    /// For the health that a later wave, phase or object waits for. That of the last wave is reported, not awaited.
    #[default]
    Gates,
    /// For every object it changed to be healthy.
    Everything,
}

/// Whether objects that existed before us may be pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum PruneAdopted {
    /// They stay.
    #[default]
    No,
    /// They go like the others.
    Yes,
}

/// What happens to the objects of an application whose source declares none any more: far more often that is a wrong
/// path, or a file that moved, than a wish to delete everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum WhenEmpty {
    /// They stay, and that is said.
    #[default]
    Keep,
    /// They go like others that are no longer declared, however many they are. Argo CD's `allowEmpty`.
    Prune,
}

/// Which declared objects that exist and are not ours are applied to, and ours from then on.
///
/// An object of another application is never taken: there is a step for that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Adopt {
    /// None: they are left alone, and a problem says so. Rule: `MustMatch` of cli-utils.
    Never,
    /// Those that no application holds. Rule: `AdoptIfNoInventory` of cli-utils.
    #[default]
    Unclaimed,
}

/// What to do where a declared object belongs to another application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Shared {
    /// The object is left alone, and the others are synced.
    #[default]
    Leave,
    /// Nothing is done at all. Rule: Argo CD's sync option `FailOnSharedResource`.
    Stop,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self {
            prune: Prune::Never,
            wait: WaitFor::Gates,
            wave_timeout: Self::WAVE_TIMEOUT,
            hook_timeout: Self::HOOK_TIMEOUT,
            deletion_timeout: Duration::from_secs(300),
            retries: 5,
            prune_budget_percent: 30,
            when_empty: WhenEmpty::Keep,
            prune_adopted: PruneAdopted::No,
            adopt: Adopt::Unclaimed,
            protected: PROTECTED.iter().map(|(group, kind)| GroupKind::new(group, kind)).collect(),
            rollout_budget: None,
            confirm: Confirm::DryRun,
            validate: Validate::Never,
            conflicts: Conflicts::default(),
            shared: Shared::Leave,
            create_namespace: CreateNamespace::Never,
            sync_options: SyncOptions::default(),
        }
    }
}

impl SyncPolicy {
    /// Of nobody's choice (rule 38 of the exact rules).
    pub(crate) const WAVE_TIMEOUT: Duration = Duration::from_secs(600);
    pub(crate) const HOOK_TIMEOUT: Duration = Duration::from_secs(1800);

    /// Sets what a sync waits for before it ends.
    #[must_use]
    pub fn with_wait(self, wait: WaitFor) -> Self {
        Self { wait, ..self }
    }

    /// Sets whether the cluster is asked where a verdict can only be predicted.
    #[must_use]
    pub fn with_confirm(self, confirm: Confirm) -> Self {
        Self { confirm, ..self }
    }

    /// Sets whether what is to be written is tried by dry runs first.
    #[must_use]
    pub fn with_validate(self, validate: Validate) -> Self {
        Self { validate, ..self }
    }

    /// Sets whose fields are taken over, and whose are left alone.
    #[must_use]
    pub fn with_conflicts(self, conflicts: Conflicts) -> Self {
        Self { conflicts, ..self }
    }

    /// Sets whether the namespace of the application is made.
    #[must_use]
    pub fn with_create_namespace(self, create_namespace: CreateNamespace) -> Self {
        Self { create_namespace, ..self }
    }

    /// Sets which live objects may be deleted.
    #[must_use]
    pub fn with_prune(self, prune: Prune) -> Self {
        Self { prune, ..self }
    }
}

/// A part of a sync. The derived order is the order of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "the phases of Argo CD")]
pub enum Phase {
    /// Before anything else.
    PreSync,
    /// The resources.
    #[default]
    Sync,
    /// Once all resources are healthy.
    PostSync,
    /// Instead of the rest, once something failed.
    SyncFail,
    /// Before the application is deleted.
    PreDelete,
    /// After the application was deleted.
    PostDelete,
}

/// When a hook object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "the policies of Argo CD")]
pub enum HookDelete {
    /// Before it is created again.
    BeforeHookCreation,
    /// Once the operation succeeded.
    HookSucceeded,
    /// Once the operation failed.
    HookFailed,
}

/// What makes an object a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// When it runs; never empty.
    pub phases: BTreeSet<Phase>,
    /// When it is deleted; `BeforeHookCreation` if nothing is said.
    pub delete: BTreeSet<HookDelete>,
}

/// What to do with an object under some circumstance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three answers of Argo CD")]
pub enum Permission {
    /// As the policy of the application says.
    #[default]
    Default,
    /// Never.
    Never,
    /// Only when a person confirmed it.
    Confirm,
}

/// How one object is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all there is")]
pub enum Role {
    /// It is synced.
    #[default]
    Resource,
    /// It is a hook; see [`Options::hook`].
    Hook,
    /// It is left alone: a hook of no phase we run (such as `helm.sh/hook: test`), or `hook: Skip`.
    Ignored,
}

/// Options of one object, from its annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How the object is treated.
    pub role: Role,
    /// What makes it a hook; `Some` exactly for [`Role::Hook`].
    pub hook: Option<Hook>,
    /// Sync wave; lower ones go first.
    pub wave: i32,
    /// Whether it may be pruned.
    pub prune: Permission,
    /// Whether it may go with its application.
    pub delete: Permission,
    /// When a person approved its deletion.
    pub deletion_approved: Option<Timestamp>,
    /// What happens to what it owns when it is pruned; `None` leaves it to the policy.
    pub propagation: Option<Propagation>,
    /// Whether it is pruned after everything else.
    pub prune_last: bool,
    /// Whether it is replaced instead of applied.
    pub replace: bool,
    /// Whether it may be deleted and created again when a change is refused as immutable.
    pub force: bool,
    /// Whether the kind may be served only later: the object is created once something else has brought its kind.
    pub skip_dry_run_on_missing_resource: bool,
    /// Whether it is written without being tried by a dry run first: see [`SyncPolicy::validate`].
    pub skip_validation: bool,
    /// Whether it is created when missing and then left alone.
    pub create_only: bool,
    /// Whether it does not count for the health of the application. Later waves wait for it all the same.
    pub ignore_health: bool,
    /// Objects that must be applied and healthy first.
    pub depends_on: Vec<ResourceKey>,
    /// Groups of kapp that the object is in.
    pub change_groups: Vec<Arc<str>>,
    /// Groups of kapp that it is applied or deleted before or after.
    pub change_rules: Vec<ChangeRule>,
    /// What the object says itself, and thus does not inherit.
    said: sync_options::AllSaid,
}

impl Options {
    /// Returns whether the object is synced as a resource.
    #[must_use]
    pub fn is_resource(&self) -> bool {
        self.role == Role::Resource
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Durations as whole seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}
