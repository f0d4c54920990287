//! Conflicts of an unforced apply, classed by who owns the fields. Rule 20 of the exact rules.

use crate::cluster::FieldConflict;
use crate::diff::{Effect, Forecast, Stance, refusal, refusal_of_field};
use crate::resource::Resource;
use crate::ssa::{ManagedEntry, ManagedFields};
use crate::state::Owner;

/// What to do about the conflicts of one apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Take the fields over: their owners wrote by hand, or with a tool that applies on behalf of the same people.
    TakeOver,
    /// Leave the object alone; the text says why and what to do.
    Refuse(String),
}

/// Whether an apply over the object as it is now would take a field of another applier.
pub(super) fn refused(foreseen: &Forecast) -> Option<String> {
    let field = foreseen.fields.iter().find(|field| field.effect == Effect::Refused)?;
    let manager = field.owners.first().map_or("another applier", |owner| &*owner.manager);
    Some(refusal_of_field(&field.field, manager))
}

/// Classes `conflicts`, with `live` read after the apply was refused.
pub(super) fn resolve(conflicts: &[FieldConflict], live: &Resource, owner: &Owner) -> Resolution {
    if let Some(why) = refusal(live, owner) {
        return Resolution::Refuse(why);
    }
    let managed = ManagedFields::read(live).unwrap_or_default();
    for conflict in conflicts {
        let of_manager =
            |entry: &&ManagedEntry| entry.manager == conflict.manager && entry.subresource == conflict.subresource;
        let refuses = |entry: &ManagedEntry| Stance::towards(entry) == Stance::Refuse;
        let mut holders = managed.owners_of(&conflict.field).filter(of_manager).peekable();
        // Who is not seen to hold the field may hold it under the name that another version has for it.
        let is_refused = match holders.peek() {
            Some(_) => holders.any(refuses),
            None => managed.entries().iter().filter(of_manager).any(refuses),
        };
        if is_refused {
            return Resolution::Refuse(refusal_of_field(&conflict.field, &conflict.manager));
        }
    }
    Resolution::TakeOver
}
