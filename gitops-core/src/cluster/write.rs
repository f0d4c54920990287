//! A write as data: verb, guard and mode.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::path::FieldPath;
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::value::Value;

/// One write. Being data, it can be recorded, shown, delayed and made to fail in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Write {
    /// The object.
    pub key: ResourceKey,
    /// The API version to speak, such as `v1`.
    pub version: Arc<str>,
    /// What to do.
    pub verb: Verb,
    /// What must hold, else nothing happens.
    pub guard: Guard,
    /// Whether it counts.
    pub mode: Mode,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// Server-side apply: makes the object have these fields, and takes ownership of them.
    Apply {
        /// The fields wanted.
        object: Resource,
        /// Field manager.
        manager: Arc<str>,
        /// Whether fields of others are taken.
        force: Force,
    },
    /// Creates the object; fails if it exists.
    Create {
        /// The object.
        object: Resource,
        /// Field manager.
        manager: Arc<str>,
    },
    /// Replaces the whole object.
    Replace {
        /// The object.
        object: Resource,
        /// Field manager.
        manager: Arc<str>,
    },
    /// Changes single fields (a JSON patch on the server).
    Patch {
        /// The steps, in order.
        steps: Vec<PatchStep>,
        /// Field manager.
        manager: Arc<str>,
    },
    /// Deletes the object.
    Delete {
        /// What happens to what it owns.
        propagation: Propagation,
    },
}

/// One step of a [`Verb::Patch`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a field is set or removed")]
pub enum PatchStep {
    /// Sets a field; maps on the way are made.
    Set(FieldPath, Value),
    /// Removes a field; nothing happens if it is not there.
    Remove(FieldPath),
}

/// Whether an apply takes fields that others own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Force {
    /// A field owned by others with another value is a conflict.
    #[default]
    No,
    /// It is taken over.
    Yes,
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "adapters must honour every guard")]
pub enum Guard {
    /// Nothing.
    #[default]
    None,
    /// The object does not exist. For an apply this is create-only (rule 27 of the exact rules).
    Absent,
    /// The object exists with this uid, and this resource version if one is given.
    Present {
        /// The uid.
        uid: Arc<str>,
        /// The resource version.
        version: Option<Arc<str>>,
    },
}

/// Whether a write counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Mode {
    /// It does.
    #[default]
    Commit,
    /// The cluster answers as if, and changes nothing.
    DryRun,
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// What came of it.
    pub outcome: WriteOutcome,
    /// The object afterwards; `None` once it is gone.
    pub object: Option<Resource>,
    /// Warnings of the server.
    pub warnings: Vec<Arc<str>>,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum WriteOutcome {
    /// The object is new.
    Created,
    /// The object changed.
    Changed,
    /// The object was like that already.
    Unchanged,
    /// The object is gone.
    Gone,
    /// The object is marked for deletion and waits for finalizers.
    Terminating,
}

impl Write {
    /// Applies `object` as `manager`.
    #[must_use]
    pub fn apply(object: &Resource, manager: &str, force: Force) -> Self {
        Self::of(object, Verb::Apply { object: object.clone(), manager: manager.into(), force })
    }

    /// Creates `object` as `manager`.
    #[must_use]
    pub fn create(object: &Resource, manager: &str) -> Self {
        let write = Self::of(object, Verb::Create { object: object.clone(), manager: manager.into() });
        write.guarded(Guard::Absent)
    }

    /// Replaces the whole object by `object` as `manager`.
    #[must_use]
    pub fn replace(object: &Resource, manager: &str) -> Self {
        Self::of(object, Verb::Replace { object: object.clone(), manager: manager.into() })
    }

    /// Changes single fields of an object as `manager`.
    #[must_use]
    pub fn patch(key: &ResourceKey, version: &str, steps: Vec<PatchStep>, manager: &str) -> Self {
        let verb = Verb::Patch { steps, manager: manager.into() };
        Self { key: key.clone(), version: version.into(), verb, guard: Guard::None, mode: Mode::Commit }
    }

    /// Deletes an object.
    #[must_use]
    pub fn delete(key: &ResourceKey, version: &str, propagation: Propagation) -> Self {
        let verb = Verb::Delete { propagation };
        Self { key: key.clone(), version: version.into(), verb, guard: Guard::None, mode: Mode::Commit }
    }

    fn of(object: &Resource, verb: Verb) -> Self {
        let (key, version) = (object.key().clone(), object.version().into());
        Self { key, version, verb, guard: Guard::None, mode: Mode::Commit }
    }

    /// Sets what must hold.
    #[must_use]
    pub fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    /// Makes it a dry run.
    #[must_use]
    pub fn dry_run(self) -> Self {
        Self { mode: Mode::DryRun, ..self }
    }
}

impl Guard {
    /// Demands exactly this object in exactly this state.
    #[must_use]
    pub fn exactly(object: &Resource) -> Self {
        match object.uid() {
            Some(uid) => Self::Present { uid: uid.into(), version: object.resource_version().map(Arc::from) },
            None => Self::None,
        }
    }

    /// Demands this object in whatever state.
    #[must_use]
    pub fn same(uid: &str) -> Self {
        Self::Present { uid: uid.into(), version: None }
    }
}

impl Written {
    /// States what came of a write.
    #[must_use]
    pub fn new(outcome: WriteOutcome, object: Option<Resource>) -> Self {
        Self { outcome, object, warnings: Vec::new() }
    }
}
