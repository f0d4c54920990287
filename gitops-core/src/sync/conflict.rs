//! Conflicts of an unforced apply, classed by who owns the fields. Rule 20 of the exact rules.

use std::collections::BTreeMap;

use crate::cluster::FieldConflict;
use crate::diff::{Context, Effect, Forecast, refusal, refusal_of_fields};
use crate::path::FieldPath;
use crate::policy::Stance;
use crate::resource::Resource;
use crate::ssa::{ManagedEntry, ManagedFields, Operation};

/// What to do about the conflicts of one apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Take the fields over: their owners wrote by hand, or the policy says so.
    TakeOver,
    /// Leave them to their owners, and apply the rest.
    Yield,
    /// Leave the object alone; the text says why and what to do.
    Refuse(String),
}

/// Fields for which nothing is applied, by who owns them.
#[derive(Default)]
struct Refused<'a>(BTreeMap<(&'a str, Operation), Vec<FieldPath>>);

impl<'a> Refused<'a> {
    fn note(&mut self, manager: &'a str, operation: Operation, field: &FieldPath) {
        self.0.entry((manager, operation)).or_default().push(field.clone());
    }

    fn text(&self) -> Option<String> {
        let texts = self.0.iter().map(|((manager, operation), fields)| refusal_of_fields(fields, manager, *operation));
        let texts: Vec<String> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// Whether an apply over the object as it is now would take a field of somebody who does not give way.
pub(super) fn refused(foreseen: &Forecast) -> Option<String> {
    let mut refused = Refused::default();
    for field in foreseen.fields.iter().filter(|field| field.effect == Effect::Refused) {
        let owner = field.owners.first();
        let operation =
            if owner.is_some_and(|owner| owner.operation != "Apply") { Operation::Update } else { Operation::Apply };
        refused.note(owner.map_or("another applier", |owner| &*owner.manager), operation, &field.field);
    }
    refused.text()
}

/// Classes `conflicts`, with `live` read after the apply was refused.
pub(super) fn resolve(conflicts: &[FieldConflict], live: &Resource, context: &Context<'_>) -> Resolution {
    if let Some(why) = refusal(live, context.owner) {
        return Resolution::Refuse(why);
    }
    let managed = ManagedFields::read(live).unwrap_or_default();
    let mut refused = Refused::default();
    let mut taken = false;
    for conflict in conflicts {
        let of_manager =
            |entry: &&ManagedEntry| entry.manager == conflict.manager && entry.subresource == conflict.subresource;
        let stance = |entry: &ManagedEntry| (context.conflicts.towards(entry), entry.operation);
        // Who is not seen to hold the field may hold it under the name that another version has for it. That cannot be
        // left out of what is sent.
        let here = managed.owners_of(&conflict.field).filter(of_manager).map(stance).max();
        let elsewhere = || managed.entries().iter().filter(of_manager).map(stance).max();
        match here.or_else(elsewhere) {
            Some((Stance::Yield, _)) if here.is_some() => {}
            Some((Stance::Refuse | Stance::Yield, operation)) => {
                refused.note(&conflict.manager, operation, &conflict.field);
            }
            // Nobody is seen to own it any more.
            Some((Stance::TakeOver, _)) | None => taken = true,
        }
    }
    match refused.text() {
        Some(why) => Resolution::Refuse(why),
        None if taken => Resolution::TakeOver,
        None => Resolution::Yield,
    }
}
