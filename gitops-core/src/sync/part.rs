//! What part of an application an operation is about, and whether one that was interrupted goes on.

use serde::{Deserialize, Serialize};

use crate::plan::{HookRun, Intent, Plan, Request};
use crate::state::DesiredState;
use crate::value::{Digest, Hasher, Purpose};

use super::Record;

/// What an operation was asked for, where that leaves out anything: some objects, those of an approved plan, or no
/// hooks. An operation on a part goes on only as that; nobody has asked for the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Part {
    /// Names what was asked for.
    pub asked: Digest,
    /// Whether it leaves out anything, so that it never counts as a sync of the application.
    pub partial: bool,
}

/// The digest of what a request leaves out; `None` where that is nothing. Confirmations are not in it: they say what may
/// be done, not what is to be done.
pub(crate) fn asked(request: &Request) -> Option<Digest> {
    let Request { scope, hooks, within, .. } = request;
    let runs_none = *hooks == HookRun::Never;
    if !scope.is_partial() && within.is_none() && !runs_none {
        return None;
    }
    // Nothing in it has a `Serialize` that fails.
    let only = serde_json::to_vec(&scope.only).unwrap_or_default();
    let hasher = Hasher::new(Purpose::Plan).bytes(&only).bytes(&[u8::from(runs_none), u8::from(within.is_some())]);
    let keys = within.iter().flat_map(|within| within.iter());
    Some(keys.fold(hasher, |hasher, key| hasher.text(&*key.to_string())).finish())
}

/// The digest of a desired state that no revision names; `None` for others. A digest of a guessable Secret would tell it
/// (rule 39 of the exact rules), so of Secrets only the keys go into it.
pub(super) fn content(desired: &DesiredState) -> Option<Digest> {
    if !desired.revisions.is_empty() {
        return None;
    }
    let hasher = desired.declared.iter().fold(Hasher::new(Purpose::Identity), |hasher, (key, declared)| {
        let hasher = hasher.text(&*key.to_string());
        if key.is("", "Secret") { hasher } else { hasher.digest(&declared.resource.intent()) }
    });
    Some(hasher.finish())
}

impl Part {
    /// Returns what a plan is about that was made for a request of this digest.
    pub(crate) fn of(asked: Option<Digest>, plan: &Plan) -> Option<Self> {
        Some(Self { asked: asked?, partial: plan.scope.is_partial() })
    }
}

impl Record {
    /// Returns whether the operation is for the same: the same `desired`, and the same `request` for it. Then it may be
    /// resumed. One on some objects only is done anew: it runs no hooks, so nothing is lost.
    #[must_use]
    pub fn is_for(&self, desired: &DesiredState, request: &Request) -> bool {
        !request.scope.is_partial() && self.is_about(desired, request.scope.intent, asked(request))
    }

    pub(crate) fn is_about(&self, desired: &DesiredState, intent: Intent, asked: Option<Digest>) -> bool {
        let Self::V1(running) = self;
        let recorded = running.revisions.iter().map(|revision| &revision.id);
        running.intent == intent
            && running.part.as_ref().map(|part| part.asked) == asked
            && recorded.eq(desired.revisions.iter().map(|revision| &revision.id))
            && running.desired == content(desired)
    }

    /// Returns whether the operation leaves out anything that a sync of the application would do.
    pub(crate) fn is_partial(&self) -> bool {
        let Self::V1(running) = self;
        running.part.as_ref().is_some_and(|part| part.partial)
    }
}
