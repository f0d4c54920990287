//! Small controllers, so that workloads turn healthy.

use crate::resource::{Resource, ResourceKey};
use crate::time::Timestamp;

use super::server::ApiServer;

/// What becomes of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Its Pods run, or finish well.
    #[default]
    Succeed,
    /// Its Pods crash.
    Fail,
    /// Its Pods never start.
    Never,
}

impl ApiServer {
    /// Does what controllers do, until nothing is left to do at this time.
    pub fn settle(&mut self, now: Timestamp) {
        self.collect(now);
    }

    /// Decides what becomes of a workload, whatever its annotations say.
    pub fn script(&mut self, key: &ResourceKey, outcome: Outcome) {
        self.outcomes.insert(key.clone(), outcome);
        if let Some(object) = self.store.get(key).cloned() {
            self.notice(None, Some(&object));
        }
    }

    fn _unused(_: &Resource) {}
}
