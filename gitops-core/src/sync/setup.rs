//! What a machine is given besides its plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diff::Facts;
use crate::health::Checks;
use crate::model::ApiModel;
use crate::plan::Request;
use crate::policy::SyncPolicy;
use crate::policy::ignore::Rules;
use crate::resource::{GroupKind, ResourceKey};
use crate::state::{DesiredState, Owner};
use crate::value::Digest;

use super::{HISTORY, Ledger};

/// What a machine needs besides the plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// What is sent; the plan holds no content.
    pub desired: Arc<DesiredState>,
    /// Kinds and schemas.
    pub model: ApiModel,
    /// Who we are.
    pub owner: Owner,
    /// Deadlines and retries.
    pub policy: SyncPolicy,
    /// Where the ledger lies.
    pub ledger_key: ResourceKey,
    /// The ledger as it was read, with the inventory of [`super::intend`].
    pub ledger: Ledger,
    /// What is left alone.
    pub rules: Rules,
    /// Rules of health that the user brought.
    pub checks: Checks,
    /// What autoscalers scale: see [`crate::diff::autoscaled`].
    pub scaled: BTreeSet<ResourceKey>,
    /// Kinds of which live objects report how they are: the silence of another one is waited out longer (rule 40 of the
    /// exact rules). See [`crate::health::reporting`]. What is seen while the operation runs is added.
    pub reporting: BTreeSet<GroupKind>,
    /// Most operations kept in the history.
    pub history: usize,
    /// Who or what starts the operation.
    pub initiator: Arc<str>,
    /// Digest of what was asked for, where that is not all that differs.
    pub(crate) asked: Option<Digest>,
    /// The plan that a person approved, where one is followed.
    pub(crate) approved: Option<Digest>,
    /// What the objects said that it changes, when it was found to hold: what somebody changes while it is carried out
    /// was not approved.
    pub(crate) seen: BTreeMap<ResourceKey, Facts>,
    /// What an operation that was interrupted deleted to create it again.
    pub(crate) recreating: BTreeSet<ResourceKey>,
}

impl Setup {
    /// Sets what the operation is asked for, so that it goes on after a restart only where the same is asked for again.
    #[must_use]
    pub fn asking(self, request: &Request) -> Self {
        Self { asked: super::asked(request), ..self }
    }

    /// Gathers what a machine needs; nothing is left alone or scaled, and the initiator is `unknown`, until it is set.
    #[must_use]
    pub fn new(
        desired: Arc<DesiredState>,
        model: ApiModel,
        owner: Owner,
        policy: SyncPolicy,
        ledger_key: ResourceKey,
        ledger: Ledger,
    ) -> Self {
        let (rules, checks) = (Rules::default(), Checks::default());
        let (scaled, reporting, initiator) = (BTreeSet::new(), BTreeSet::new(), "unknown".into());
        Self {
            desired,
            model,
            owner,
            policy,
            ledger_key,
            ledger,
            rules,
            checks,
            scaled,
            reporting,
            history: HISTORY,
            initiator,
            asked: None,
            approved: None,
            seen: BTreeMap::new(),
            recreating: BTreeSet::new(),
        }
    }
}
