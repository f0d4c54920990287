//! The comparison of two states and of two objects.

use crate::resource::Resource;
use crate::state::{DesiredState, Live, LiveState, Owner};

use super::{Compared, Comparison, Context, Facts};

/// Compares everything declared with everything live. Entries of `previous` whose inputs did not change are kept.
#[must_use]
pub fn compare(desired: &DesiredState, live: &LiveState, context: &Context<'_>, previous: &Comparison) -> Comparison {
    let _ = (desired, live, context);
    previous.clone()
}

/// Compares one declared, prepared object with what the cluster holds.
#[must_use]
pub fn compare_one(desired: &Resource, live: Live<'_>, context: &Context<'_>) -> Compared {
    let _ = (desired, live, context);
    todo!()
}

/// Returns the digest of what decisions read of a live object.
#[must_use]
pub fn facts(live: &Resource) -> Facts {
    let _ = live;
    todo!()
}

/// Adds the tracking id: rule 4 of the exact rules. The result is what is sent.
#[must_use]
pub fn stamp(prepared: &Resource, owner: &Owner) -> Resource {
    let _ = owner;
    prepared.clone()
}
