//! What somebody asked for, as it is kept until that is done.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::{Confirmation, HookRun, Intent, Request, Scope};
use crate::resource::ResourceKey;
use crate::time::Timestamp;
use crate::value::Digest;

/// An operation that somebody asked for. It is in the ledger from when it has to wait, or begins, until it ends: neither
/// a restart nor a sync window that closes meanwhile makes anybody ask twice. Argo CD keeps it in its `Application`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Requested {
    /// Who asked.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// How much of the application, and what for.
    #[serde(default, skip_serializing_if = "Scope::is_whole")]
    pub scope: Scope,
    /// Whether hooks run.
    #[serde(default, skip_serializing_if = "HookRun::is_default")]
    pub hooks: HookRun,
    /// Nothing but these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Arc<BTreeSet<ResourceKey>>>,
    /// What they said yes to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmations: Vec<Confirmation>,
}

impl Requested {
    /// Keeps what a person can ask of a plan; the rest is found out when it is planned.
    #[must_use]
    pub fn new(by: &str, at: Timestamp, request: &Request) -> Self {
        let Request { scope, hooks, within, confirmations, .. } = request.clone();
        Self { by: by.into(), at, scope, hooks, within, confirmations }
    }

    /// Returns what is asked of a plan.
    #[must_use]
    pub fn request(&self) -> Request {
        let (scope, hooks) = (self.scope.clone(), self.hooks);
        let (within, confirmations) = (self.within.clone(), self.confirmations.clone());
        Request { scope, hooks, within, confirmations, ..Request::default() }
    }

    /// Whether an operation with this intent, asked for by a request of this digest, is what was asked for.
    pub(super) fn is_met_by(&self, intent: Intent, asked: Option<Digest>) -> bool {
        self.scope.intent == intent && super::asked(&self.request()) == asked
    }
}
