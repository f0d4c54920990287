//! Which steps a plan has.

use crate::diff::{Comparison, Context};
use crate::policy::SyncPolicy;
use crate::state::DesiredState;

use super::Plan;

/// Decides what a sync will do. Total: what cannot be decided is skipped with a reason.
#[must_use]
pub fn plan(
    comparison: &Comparison,
    desired: &DesiredState,
    policy: &SyncPolicy,
    context: &Context<'_>,
    hooks: super::HookRun,
) -> Plan {
    let _ = (comparison, desired, policy, context, hooks);
    todo!()
}
