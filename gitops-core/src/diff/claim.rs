//! What ties a live object to us.

use std::sync::Arc;

use crate::resource::Resource;
use crate::state::{Entry, Inventory, Leaving, OPERATION_ANNOTATION, Standing, Tracking};
use crate::value::ValueRef;

use super::owned::applied;
use super::{Claim, Context};

/// Gathers what ties a live object that Git does not declare to us, or to others.
#[must_use]
pub fn claim(live: &Resource, context: &Context<'_>) -> Claim {
    claim_as(live, None, context)
}

/// The same of one that Git declares: owner references that Git gives it are no others.
pub(crate) fn claim_as(live: &Resource, declared: Option<&Resource>, context: &Context<'_>) -> Claim {
    of(live, declared, context, &context.owner.manager())
}

/// The same with what Git declares of it, if anything, and the name of our field manager.
pub(super) fn of(live: &Resource, declared: Option<&Resource>, context: &Context<'_>, manager: &str) -> Claim {
    let tracking = Tracking::of(live);
    let tracked = tracking.as_ref().is_some_and(|id| context.owner.is(id) && id.key == *live.key());
    // A name under which the inventory says we applied is ours.
    let is_ours = |used: &Arc<str>| applied(live, used).is_some();
    let applied = applied(live, manager).is_some() || context.inventory.managers.iter().any(is_ours);
    let entry = context.inventory.get(live.key()).filter(|entry| proves(entry, live, (tracked, applied)));
    let standing = entry.map(|entry| entry.standing.clone());
    Claim { standing, tracking, tracked, applied, owned: is_owned(live, declared) }
}

impl Claim {
    /// Returns whether the object carries our tracking id and our Apply entry.
    pub(crate) fn marked(&self) -> bool {
        self.tracked && self.applied
    }

    /// Returns whether it is an object of the application, whether or not it is ours to delete.
    pub(crate) fn is_ours(&self) -> bool {
        self.tracked || self.standing.is_some()
    }

    /// Returns whether the object is ours to delete. Rule 28 of the exact rules: a tracking id that is ours and names
    /// this object, our field manager's entry or the inventory's uid, and no owner that Git did not give it.
    pub(crate) fn proves_ours(&self) -> bool {
        // An entry that was rebuilt from the tracking id proves no more than that.
        let recorded = matches!(self.standing, Some(Standing::Created | Standing::Adopted));
        self.tracked && !self.owned && (self.applied || recorded)
    }
}

/// Returns which operation of ours created an object, and in which phase if it was a hook: what its annotation says, if our
/// own Apply entry holds that annotation. It is written only where an object is created, and a create never touches what
/// is there (rule 27 of the exact rules); whoever copies the object copies the annotation, but not our entry.
pub(crate) fn created_by<'l>(live: &'l Resource, context: &Context<'_>) -> Option<&'l str> {
    created_as(live, &context.owner.manager(), context.inventory)
}

/// The same, of an application that applies as `manager`, or did so by what it recorded.
pub(crate) fn created_as<'l>(live: &'l Resource, manager: &str, inventory: &Inventory) -> Option<&'l str> {
    let operation = live.annotation(OPERATION_ANNOTATION)?;
    let field = format!("f:{OPERATION_ANNOTATION}");
    let holds = |manager: &str| {
        let entry = applied(live, manager);
        entry.and_then(|entry| entry.dig(&["fieldsV1", "f:metadata", "f:annotations", &field])).is_some()
    };
    (holds(manager) || inventory.managers.iter().any(|used| holds(used))).then_some(operation)
}

/// Whether an inventory entry speaks of this very object and not of a namesake.
///
/// Rule 27 of the exact rules: as long as no answer told the uid, a create is proven by its operation id together with
/// our tracking id and our Apply entry. What we were about to let go, and what does not carry our mark any more, was let
/// go.
fn proves(entry: &Entry, live: &Resource, (tracked, applied): (bool, bool)) -> bool {
    match (&entry.uid, &entry.standing) {
        (Some(_), _) if entry.leaving == Some(Leaving::Releasing) && !tracked => false,
        (Some(uid), _) => live.uid() == Some(uid),
        (None, Standing::Intended(operation)) => {
            tracked && applied && live.annotation(OPERATION_ANNOTATION) == Some(operation)
        }
        (None, _) => false,
    }
}

/// Whether it has owner references that Git does not declare: then its owner decides over it.
fn is_owned(live: &Resource, declared: Option<&Resource>) -> bool {
    fn owners(object: &Resource) -> impl Iterator<Item = Option<&str>> {
        let list = object.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list);
        list.into_iter().flatten().map(|owner| owner.get("uid")?.as_str())
    }
    owners(live).any(|uid| !declared.is_some_and(|declared| owners(declared).any(|other| other == uid)))
}
