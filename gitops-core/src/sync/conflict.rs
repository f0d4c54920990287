//! Conflicts of an unforced apply, classed by who owns the fields. Rule 20 of the exact rules.

use std::collections::BTreeSet;

use crate::cluster::FieldConflict;
use crate::diff::{Stance, refusal, refusal_of_field};
use crate::path::FieldPath;
use crate::resource::{Resource, ResourceKey};
use crate::ssa::ManagedFields;
use crate::state::Owner;

/// What to do about the conflicts of one apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Take the fields over: their owners wrote by hand, or with a tool that applies on behalf of the same people.
    /// The fields in `yielded` are an autoscaler's: they are not sent.
    TakeOver { yielded: Vec<FieldPath> },
    /// Leave the object alone; the text says why and what to do.
    Refuse(String),
}

/// Classes `conflicts`, with `live` read after the apply was refused.
pub(super) fn resolve(
    conflicts: &[FieldConflict],
    live: &Resource,
    owner: &Owner,
    scaled: &BTreeSet<ResourceKey>,
) -> Resolution {
    if let Some(why) = refusal(live, owner) {
        return Resolution::Refuse(why);
    }
    let managed = ManagedFields::read(live).unwrap_or_default();
    let mut yielded = Vec::new();
    for conflict in conflicts {
        let holders = managed
            .owners_of(&conflict.field)
            .filter(|entry| entry.manager == conflict.manager && entry.subresource == conflict.subresource);
        match holders.map(|entry| Stance::towards(entry, live.key(), scaled)).max() {
            Some(Stance::Yield) => yielded.push(conflict.field.clone()),
            Some(Stance::Refuse) => return Resolution::Refuse(refusal_of_field(&conflict.field, &conflict.manager)),
            // Who owned it does not own it any more.
            Some(Stance::TakeOver) | None => {}
        }
    }
    Resolution::TakeOver { yielded }
}
