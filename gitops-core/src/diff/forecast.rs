//! What an apply does to fields of others, told before any call. Rules 19 to 21 of the exact rules.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::path::FieldPath;
use crate::policy::{Conflicts, Stance};
use crate::resource::{Resource, ResourceKey};
use crate::ssa::{self, Apply, ApplyError, Conflict, ManagedEntry, ManagedFields, Operation};
use crate::state::{Owner, Tracking};
use crate::time::Timestamp;

use super::forgotten::{self, Forgotten};
use super::mask::{self, Seen};
use super::subject::Subject;
use super::{Adapted, Change, Context, FieldOwner, IgnoredBy, Note, Scaled, stamp};

/// What an apply of one object does to fields of others. Empty when it meets nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Forecast {
    /// Why nothing of the object is applied, whoever owns its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Arc<str>>,
    /// The fields of others that it meets, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Foreseen>,
}

/// What becomes of one field that others own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Foreseen {
    /// What becomes of it.
    pub effect: Effect,
    /// The field.
    pub field: FieldPath,
    /// Who owns it.
    pub owners: Vec<FieldOwner>,
}

/// What an apply does about a field of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Effect {
    /// The object is not applied: another applier wants another value.
    Refused,
    /// It sets the value, and the field is ours from then on: its owners wrote by hand.
    TakesOver,
    /// It takes the field from who wrote it by hand, and removes it: Git no longer declares it.
    TakesAway,
    /// It gives the field up before it applies, since a rule leaves it alone; the value stays.
    Releases,
    /// It leaves the field to an autoscaler.
    Yields,
    /// It leaves the field to its owner, since the policy says so.
    Cedes,
    /// It gives the field up, and it stays: Git no longer declares it, and another applier does.
    Leaves,
}

impl Forecast {
    fn refused(why: String) -> Self {
        Self { refusal: Some(why.into()), fields: Vec::new() }
    }

    /// Returns whether the object will not be applied.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some() || self.fields.iter().any(|field| field.effect == Effect::Refused)
    }

    /// Returns whether it meets nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.refusal.is_none() && self.fields.is_empty()
    }

    /// Returns the forecast as lines: one for each field.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let refusal = self.refusal.iter().map(|why| format!("is refused: {why}"));
        refusal.chain(self.fields.iter().map(ToString::to_string)).collect()
    }
}

/// Foresees what an apply of a declared object over the live one does to fields of others, once the rules of what is
/// left alone have been heard.
///
/// Nothing is asked: the apply is carried out here, unforced, against the live `metadata.managedFields`. What a
/// webhook or another writer does in the meantime is not in it; a sync classes its conflicts anew, by the same rule.
#[must_use]
pub fn forecast(desired: &Resource, live: &Resource, context: &Context<'_>, scaled: Scaled) -> Forecast {
    let manager = context.owner.manager();
    let Subject { wanted, live: after, kept, adapted, .. } = Subject::of(desired, live, context, &manager, scaled);
    let now = Seer::of(live, &manager, context.conflicts);
    let mut fields = adapted.as_ref().map(|adapted| now.left_alone(adapted, desired, live)).unwrap_or_default();
    let live = &after;
    let sent = stamp(adapted.as_ref().map_or(desired, |adapted| &adapted.sent), context.owner);
    let apply = Apply::new(Some(live), &sent, &manager, Timestamp::EPOCH, context.model);
    let conflicts = match ssa::apply(&apply) {
        Ok(_) => Vec::new(),
        Err(ApplyError::Conflict(conflicts)) => conflicts,
        // What does not fit a schema may be quoted.
        Err(_) if mask::is_secret(live.key()) => return Forecast::refused("it does not fit its schema".to_owned()),
        Err(error) => return Forecast::refused(error.to_string()),
    };
    // A foreign tracking id is met by every apply that stamps the object.
    if let (false, Some(why)) = (conflicts.is_empty(), refusal(live, context.owner)) {
        return Forecast::refused(why);
    }
    let seer = Seer::of(live, &manager, context.conflicts);
    let met = seer.met(&conflicts);
    if met.iter().any(|field| field.effect == Effect::Refused) {
        // What is given up is given up before.
        fields.extend(met.into_iter().filter(|field| field.effect == Effect::Refused));
    } else {
        fields.extend(met);
        let of = context.model.schema(&desired.key().group_kind, desired.version());
        let wanted = stamp(&wanted, context.owner);
        let entry = context.inventory.get(live.key());
        let seen = Seen::of(&wanted, live, context.rules);
        fields.extend(seer.given_up(forgotten::find(&wanted, live, of, entry, &kept, seen, context)));
    }
    fields.sort();
    Forecast { refusal: None, fields }
}

/// Why an object with conflicts is not applied at all, whatever its fields. The tracking id of another application is
/// never overridden by force (rule 20).
pub(crate) fn refusal(live: &Resource, owner: &Owner) -> Option<String> {
    if let Some(tracking) = Tracking::of(live).filter(|tracking| !owner.is(tracking)) {
        let hint = "remove it from one of the two, or release it there first";
        return Some(format!("belongs to application `{}` (`{tracking}`); {hint}", tracking.app));
    }
    ManagedFields::read(live).err().map(|_| {
        "others own fields of it, and its `metadata.managedFields` cannot be read; repair these first".to_owned()
    })
}

/// Why fields of one manager keep an object from being applied, and what changes that.
pub(crate) fn refusal_of_fields(fields: &[FieldPath], manager: &str, operation: Operation) -> String {
    let names: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    let (are, it) = if fields.len() == 1 { ("is", "it") } else { ("are", "them") };
    let how = if operation == Operation::Apply { "applied" } else { "owned" };
    format!(
        "{} {are} {how} by `{manager}`; remove {it} from one of the two, or take {it} over with \
         `{{manager: {manager}, then: takeOver}}` among the `conflicts.rules` of the policy",
        names.join(", ")
    )
}

struct Seer<'a> {
    managed: ManagedFields,
    manager: &'a str,
    key: &'a ResourceKey,
    conflicts: &'a Conflicts,
}

impl<'a> Seer<'a> {
    fn of(live: &'a Resource, manager: &'a str, conflicts: &'a Conflicts) -> Self {
        Self { managed: ManagedFields::read(live).unwrap_or_default(), manager, key: live.key(), conflicts }
    }

    /// What is given up before an apply, and what is left to an autoscaler with another value.
    fn left_alone(&self, adapted: &Adapted, desired: &Resource, live: &Resource) -> Vec<Foreseen> {
        let mut found: Vec<Foreseen> = Vec::new();
        for ignored in &adapted.ignored {
            let effect = match ignored.by {
                IgnoredBy::Autoscaler => Effect::Yields,
                IgnoredBy::Policy => Effect::Cedes,
                IgnoredBy::Rule(_) | IgnoredBy::OnRemove | IgnoredBy::Placeholder => continue,
            };
            for field in &ignored.fields {
                let (want, have) = (field.find(desired.tree()), field.find(live.tree()));
                if want.is_some() && have.is_some() && want != have {
                    found.push(self.foreseen(effect, field, &self.others(field)));
                }
            }
        }
        for field in adapted.released() {
            found.push(self.foreseen(Effect::Releases, &field, &self.others(&field)));
        }
        found
    }

    /// The fields that Git declares and others own with another value.
    fn met(&self, conflicts: &[Conflict]) -> Vec<Foreseen> {
        let mut fields: BTreeSet<&FieldPath> = conflicts.iter().map(|conflict| &conflict.field).collect();
        let mut found = Vec::new();
        while let Some(field) = fields.pop_first() {
            let against = conflicts.iter().filter(|conflict| conflict.field == *field);
            let holds = |entry: &&ManagedEntry| {
                against.clone().any(|conflict| {
                    entry.manager == conflict.manager
                        && entry.operation == conflict.operation
                        && entry.subresource == conflict.subresource
                })
            };
            let mut holders: Vec<&ManagedEntry> = self.managed.entries().iter().filter(holds).collect();
            let effect = match self.stance(&holders) {
                Some(Stance::Refuse) => Effect::Refused,
                Some(Stance::TakeOver) => Effect::TakesOver,
                // What is left to its owner is not sent; who is met all the same owns it in another version.
                Some(Stance::Yield) => Effect::Refused,
                // The entry that the server would make for what was there before any apply.
                None => continue,
            };
            if effect == Effect::Refused {
                // Who gives way is not the one to talk to.
                holders.retain(|entry| self.conflicts.towards(entry) != Stance::TakeOver);
            }
            found.push(self.foreseen(effect, field, &holders));
        }
        found
    }

    /// The fields that were ours, that Git no longer declares, and that others hold: an apply alone cannot remove them
    /// (rules 11 and 21).
    fn given_up(&self, forgotten: Forgotten) -> Vec<Foreseen> {
        let mut found = Vec::new();
        for Change { path: field, owners, .. } in forgotten.changes {
            let owners: Vec<FieldOwner> = owners.into_iter().filter(|owner| *owner.manager != *self.manager).collect();
            if !owners.is_empty() {
                found.push(Foreseen { effect: Effect::TakesAway, field, owners });
            }
        }
        for note in forgotten.notes {
            if let Note::Residue { field, owners } = note {
                found.push(Foreseen { effect: Effect::Leaves, field, owners });
            }
        }
        found
    }

    fn stance(&self, holders: &[&ManagedEntry]) -> Option<Stance> {
        holders.iter().map(|entry| self.conflicts.towards(entry)).max()
    }

    /// The entries of others that own a field.
    fn others(&self, field: &FieldPath) -> Vec<&ManagedEntry> {
        let is_ours = |entry: &ManagedEntry| {
            &*entry.manager == self.manager && entry.operation == Operation::Apply && entry.subresource.is_none()
        };
        self.managed.owners_of(field).filter(|entry| !is_ours(entry)).collect()
    }

    fn foreseen(&self, effect: Effect, field: &FieldPath, holders: &[&ManagedEntry]) -> Foreseen {
        let owners = holders.iter().map(|entry| FieldOwner::of(entry)).collect();
        Foreseen { effect, field: mask::nameable(self.key, field), owners }
    }
}

/// ``takes over `spec.replicas` from `kubectl-edit` ``
impl fmt::Display for Foreseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owners: Vec<String> = self.owners.iter().map(|owner| format!("`{owner}`")).collect();
        let (field, owners) = (&self.field, owners.join(" and "));
        match self.effect {
            Effect::Refused => {
                let (fields, owner) = (std::slice::from_ref(field), self.owners.first());
                let (manager, operation) = owner.map_or(("", "Apply"), |owner| (&*owner.manager, owner.operation));
                let operation = if operation == "Apply" { Operation::Apply } else { Operation::Update };
                write!(f, "is refused: {}", refusal_of_fields(fields, manager, operation))
            }
            Effect::TakesOver => write!(f, "takes over `{field}` from {owners}"),
            Effect::TakesAway => write!(f, "takes `{field}` from {owners} and removes it"),
            Effect::Releases if self.owners.is_empty() => write!(f, "gives up `{field}`; nobody else owns it"),
            Effect::Releases => write!(f, "gives up `{field}`, which {owners} owns as well"),
            Effect::Yields if self.owners.is_empty() => write!(f, "leaves `{field}` to the autoscaler"),
            Effect::Yields => write!(f, "leaves `{field}` to {owners}, which scales it"),
            Effect::Cedes => write!(f, "leaves `{field}` to {owners}, as the policy says"),
            Effect::Leaves => write!(f, "leaves `{field}` to {owners}: Git no longer declares it, and it stays"),
        }
    }
}
