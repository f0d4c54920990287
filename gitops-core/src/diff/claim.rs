//! What ties a live object to us.

use crate::resource::Resource;

use super::{Claim, Context};

/// Gathers what ties a live object to us, or to others.
#[must_use]
pub fn claim(live: &Resource, context: &Context<'_>) -> Claim {
    let _ = (live, context);
    Claim::default()
}
