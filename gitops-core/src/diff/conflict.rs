//! Whose field is it? Rule 20 of the exact rules, for forecasts and for syncs alike.

use std::collections::BTreeSet;

use crate::resource::ResourceKey;
use crate::ssa::{ManagedEntry, Operation};

/// What a sync does about a field that another manager owns with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stance {
    /// It takes the field over: its owner wrote by hand, or with a tool that applies on behalf of the same people.
    TakeOver,
    /// It leaves the field to an autoscaler, which scales the object.
    Yield,
    /// It leaves the whole object alone: two systems want different things of it.
    Refuse,
}

impl Stance {
    /// Returns what a sync does about fields of this entry of `metadata.managedFields` of the object `key`. `scaled`:
    /// what autoscalers target.
    pub(crate) fn towards(entry: &ManagedEntry, key: &ResourceKey, scaled: &BTreeSet<ResourceKey>) -> Self {
        match entry.operation {
            // That somebody wrote through `scale` is no proof of an autoscaler: `kubectl scale` does as well.
            _ if entry.subresource.as_deref() == Some("scale") && scaled.contains(key) => Self::Yield,
            // `kubectl apply --server-side` is a hand, not a system.
            Operation::Apply if &*entry.manager != "kubectl" => Self::Refuse,
            _ => Self::TakeOver,
        }
    }
}
