//! What an application does by itself: the judgement of a controller, as pure functions and one table.
//!
//! [`decide`] says of one application at one moment whether an operation starts, what it is for, and if none does, why
//! not and when to ask again. [`Fights`] keeps an object that somebody rewrites after each heal from being written
//! without end, and [`Hold`] keeps a revision that was rolled back from coming back.

mod decide;
mod described;
mod retry;
mod situation;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use crate::sync::{AUTOMATIC, Fight, Fights, HEALING, Hold};
pub use decide::{Decision, Trigger, Why, decide};
pub use retry::{Backoff, Retry};
pub use situation::{Attempt, Drift, Permission, Situation};

/// What one application may do by itself. Nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Automation {
    /// Whether a new revision is synced. Default: `off`.
    pub sync: Switch,
    /// Whether changes made on the cluster are undone. Default: `off`; then they are reported only.
    pub self_heal: Switch,
    /// Whether hooks run when changes are undone. Default: `off`, since they ran for that revision.
    pub hooks_on_heal: Switch,
    /// How an operation that failed is tried again.
    pub retry: Retry,
    /// Whether the application is left alone altogether: it is looked at and reported, and nothing is done, not even
    /// what was begun. Default: `off`.
    pub suspend: Switch,
}

/// Whether something happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Switch {
    /// It does not.
    #[default]
    Off,
    /// It does.
    On,
}

impl Automation {
    /// Syncs new revisions by itself; what is changed on the cluster is only reported.
    #[must_use]
    pub fn syncing() -> Self {
        Self { sync: Switch::On, ..Self::default() }
    }

    /// Syncs new revisions and undoes what is changed on the cluster, by itself.
    #[must_use]
    pub fn healing() -> Self {
        Self { self_heal: Switch::On, ..Self::syncing() }
    }

    /// Sets how an operation that failed is tried again.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// Leaves the application alone altogether.
    #[must_use]
    pub fn suspended(self) -> Self {
        Self { suspend: Switch::On, ..self }
    }
}

impl Switch {
    /// Returns whether it happens.
    #[must_use]
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}
