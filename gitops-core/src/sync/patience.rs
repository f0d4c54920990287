//! How long things are waited for: rule 38 of the exact rules.

use std::time::Duration;

use crate::plan::{Action, Step};
use crate::policy::SyncPolicy;
use crate::resource::Resource;

use super::machine::Machine;

/// Longest that an object is waited for because it says so itself. An operation that lasts longer keeps all others of its
/// application waiting; the policy may still say so.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Machine {
    /// How long the object of a step is waited for, now that it was written. Rule 38 of the exact rules: what Git says of
    /// the object counts beside what the policy says. What the server filled in, such as ten minutes for every Deployment,
    /// only extends what nobody has set.
    pub(super) fn patience(&self, step: &Step, live: Option<&Resource>) -> Duration {
        let said = self.timeout(step).max(own_deadline(self.declared(step).as_ref()));
        let policy = &self.setup.policy;
        let is_set = match step.action {
            Action::Hook { .. } => policy.hook_timeout != SyncPolicy::HOOK_TIMEOUT,
            _ => policy.wave_timeout != SyncPolicy::WAVE_TIMEOUT,
        };
        if is_set { said } else { said.max(own_deadline(live)) }
    }
}

/// The object's own deadline, and a minute more.
fn own_deadline(object: Option<&Resource>) -> Duration {
    let seconds = |field| object?.tree().dig(&["spec", field])?.as_i64();
    let own = seconds("progressDeadlineSeconds").or_else(|| seconds("activeDeadlineSeconds"));
    own.and_then(|own| u64::try_from(own).ok())
        .map_or(Duration::ZERO, |own| Duration::from_secs(own.saturating_add(60)).min(LONGEST))
}
