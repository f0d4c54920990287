//! Whose field is it? Rule 20 of the exact rules, for forecasts and for syncs alike.

use crate::ssa::{ManagedEntry, Operation};

/// What a sync does about a field that another manager owns with another value. What an autoscaler scales never comes
/// so far: it is not sent (see [`super::adapt`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stance {
    /// It takes the field over: its owner wrote by hand, or with a tool that applies on behalf of the same people.
    TakeOver,
    /// It leaves the whole object alone: two systems want different things of it.
    Refuse,
}

impl Stance {
    /// Returns what a sync does about fields of this entry of `metadata.managedFields`.
    pub(crate) fn towards(entry: &ManagedEntry) -> Self {
        match entry.operation {
            // `kubectl apply --server-side` is a hand, not a system.
            Operation::Apply if &*entry.manager != "kubectl" => Self::Refuse,
            _ => Self::TakeOver,
        }
    }
}

/// Whether an entry was written by hand, or with a tool that applies on behalf of the same people: what it holds and Git
/// dropped is taken over and removed (rule 21). `kubectl scale` is a hand as well; what an autoscaler scales never comes
/// so far. A status is nobody's hand.
pub(super) fn is_hand(entry: &ManagedEntry) -> bool {
    matches!(entry.subresource.as_deref(), None | Some("scale")) && Stance::towards(entry) == Stance::TakeOver
}
