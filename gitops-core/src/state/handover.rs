//! Objects that one application gives to another one. Rule 32 of the exact rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::resource::Resource;

use super::{Entry, Owner, Tracking};

/// An object that another application holds, and no longer wants, while this one declares it.
///
/// It is never stored: it follows from what all applications declare. Whoever states it has asked both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handover {
    /// Whose tracking id it carries.
    pub from: Owner,
    /// The names under which that one applied.
    pub managers: BTreeSet<Arc<str>>,
    /// How the other one has it in its inventory, uid included; how it came there does not change.
    pub entry: Entry,
}

impl Handover {
    /// States that `from`, which applied under its own name and under `managers`, gives an object away.
    #[must_use]
    pub fn new(from: &Owner, managers: impl IntoIterator<Item = Arc<str>>, entry: Entry) -> Self {
        let managers = managers.into_iter().chain([from.manager()]).collect();
        Self { from: from.clone(), managers, entry }
    }

    /// Returns whether `live` is that object, and still with the one who gives it away.
    #[must_use]
    pub fn is_of(&self, live: &Resource) -> bool {
        let held = |tracking: Tracking| self.from.is(&tracking) && tracking.key == *live.key();
        self.entry.uid.is_some() && live.uid() == self.entry.uid.as_deref() && Tracking::of(live).is_some_and(held)
    }
}
