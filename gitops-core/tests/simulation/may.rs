//! What may start, and what may be written: by windows, suspension, dependencies, and what cannot be read.

use std::time::Duration;

use gitops_core::automation::Trigger;
use gitops_core::cluster::Verb;
use gitops_core::memory::Performed;
use gitops_core::policy::window::Asked;
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;

use super::world::World;

/// How long what is under way may take to come to a stop.
const STOPPING: Duration = Duration::from_secs(60);
/// How long it takes at most until what a commit says is known, or known not to be.
const KNOWN: Duration = Duration::from_secs(600);
/// Who asks for what was deleted to be created again: no window counts.
const COMPLETING: &str = "what was interrupted";

impl World {
    pub(crate) fn may_start(&self, app: &str, trigger: &Trigger, at: Timestamp) {
        assert!(!self.suspended.contains_key(app), "{app} is suspended, and starts: {trigger}\n{}", self.story());
        if matches!(trigger, Trigger::Asked { by } if &**by == COMPLETING) {
            return;
        }
        let denied = self.is_denied(app, asked(trigger), at, at);
        assert!(!denied, "a window denies what starts in {app} at {at}: {trigger}\n{}", self.story());
        if app == "c" && !self.deleted.contains("a") && !matches!(trigger, Trigger::Asked { .. } | Trigger::Begun) {
            let is_ready = !self.gone.contains("a") && !self.running.contains("a");
            assert!(is_ready, "`c` starts before `a` is ready: {trigger}\n{}", self.story());
        }
    }

    pub(crate) fn may_be_written(&self, done: &Performed) {
        let changed = done.before.as_ref().and_then(Resource::resource_version)
            != done.after.as_ref().and_then(Resource::resource_version);
        let (name, at) = (&*done.write.key.name, done.at);
        let is_deletion = matches!(done.write.verb, Verb::Delete { .. });
        // Ledgers are kept, hooks are cleaned up, and what was deleted is created again.
        let is_aside = name.starts_with("gitops.") || done.write.key.is("batch", "Job") || done.before.is_none();
        if !changed && !is_deletion || is_aside {
            return;
        }
        if let Some((path, since)) = self.broken.get(name).filter(|_| is_deletion) {
            let told = *since + KNOWN;
            assert!(at < told, "{name} was deleted, and may be in `{path}`\n{}", self.story());
        }
        let Verb::Apply { manager, .. } = &done.write.verb else { return };
        let Some(app) = manager.strip_prefix("gitops:") else { return };
        let stopped = self.suspended.get(app).is_some_and(|since| *since + STOPPING < at);
        assert!(!stopped, "{app} is suspended, and {name} was written\n{}", self.story());
        if self.sim.clock() == self.sim.now() {
            // People may do most, and who began what is written is not known here.
            let before = at.millis().saturating_sub(i64::try_from(STOPPING.as_millis()).unwrap());
            let denied = self.is_denied(app, Asked::ByHand, Timestamp::from_millis(before), at);
            assert!(!denied, "a window denies it, and {name} of {app} was written at {at}\n{}", self.story());
        }
    }
}

/// What a person began goes on as theirs.
fn asked(trigger: &Trigger) -> Asked {
    match trigger {
        Trigger::Asked { .. } | Trigger::Begun => Asked::ByHand,
        _ => Asked::Automatically,
    }
}
