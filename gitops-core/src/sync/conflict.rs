//! Whose field is it? Conflicts of an unforced apply, classed by who owns the field. Rule 20 of the exact rules.

use crate::cluster::FieldConflict;
use crate::resource::Resource;
use crate::ssa::{ManagedFields, Operation};
use crate::state::{Owner, Tracking};

/// What to do about the conflicts of one apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Take the fields over: their owners wrote by hand, or with a tool that applies on behalf of the same people.
    TakeOver,
    /// Leave the object alone; the text says why and what to do.
    Refuse(String),
}

/// Classes `conflicts`, with `live` read after the apply was refused.
pub(super) fn resolve(conflicts: &[FieldConflict], live: &Resource, owner: &Owner) -> Resolution {
    if let Some(tracking) = Tracking::of(live).filter(|tracking| !owner.is(tracking)) {
        return Resolution::Refuse(format!(
            "belongs to application `{}`; remove it from one of the two, or release it there first",
            tracking.app
        ));
    }
    let Ok(managed) = ManagedFields::read(live) else {
        return Resolution::Refuse(
            "others own fields of it, and its `metadata.managedFields` cannot be read; repair these first".to_owned(),
        );
    };
    for conflict in conflicts {
        let applied_by_other = managed.entries().iter().any(|entry| {
            entry.manager == conflict.manager
                && entry.subresource == conflict.subresource
                && entry.operation == Operation::Apply
                && entry.fields.contains(&conflict.field)
        });
        // `kubectl apply --server-side` is a hand, not a system.
        if applied_by_other && &*conflict.manager != "kubectl" {
            return Resolution::Refuse(format!(
                "`{}` is applied by `{}`; remove the field from one of the two, or release it there first",
                conflict.field, conflict.manager
            ));
        }
    }
    Resolution::TakeOver
}
