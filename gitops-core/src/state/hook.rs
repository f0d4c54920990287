//! What hooks left behind.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::policy::Phase;
use crate::resource::ResourceKey;

/// How one hook ended, and which object it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HookResult {
    /// The hook as it was declared.
    pub declared: ResourceKey,
    /// The phase it ran in.
    pub phase: Phase,
    /// The object that ran.
    pub object: ResourceKey,
    /// Its uid.
    pub uid: Arc<str>,
    /// Its API version.
    pub version: Arc<str>,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Whether it may still run: it was not seen to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
}

impl HookResult {
    /// States that a hook that was declared as `declared` was created as `object` in `phase`, and has not succeeded.
    #[must_use]
    pub fn of(declared: &ResourceKey, phase: Phase, object: &ResourceKey, uid: &str, version: &str) -> Self {
        let (declared, object) = (declared.clone(), object.clone());
        Self { declared, phase, object, uid: uid.into(), version: version.into(), succeeded: false, running: false }
    }

    /// Returns whether this is the result of a hook that was declared as `declared` and ran in `phase`.
    #[must_use]
    pub fn is_of(&self, declared: &ResourceKey, phase: Phase) -> bool {
        self.declared == *declared && self.phase == phase
    }

    /// Returns whether it tells of this very object.
    #[must_use]
    pub fn is_about(&self, object: &ResourceKey, uid: Option<&str>) -> bool {
        self.object == *object && uid == Some(&*self.uid)
    }
}
