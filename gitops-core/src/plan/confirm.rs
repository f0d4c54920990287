//! A person's yes to deletions that ask for one.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diff::Claim;
use crate::policy::{Options, PRUNE, Permission, PruneAdopted, SyncPolicy};
use crate::problem::{Code, Problem};
use crate::resource::{Resource, ResourceKey};
use crate::state::Standing;
use crate::time::Timestamp;

use super::contents::is_protected;
use super::{Action, Objects, Plan, Request, Step};

/// A person's yes to deletions that ask for one: an input, said to whoever makes a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Confirmation {
    /// Who says it.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// To which deletions; none names all that ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Objects>,
}

/// A deletion that asks, and who said yes to it. It is part of the plan, so that whoever carries it out need not ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Confirmed {
    /// The object.
    pub key: ResourceKey,
    /// Who confirmed it; `annotation` where the object itself says so.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
}

impl Confirmation {
    /// Says yes to all deletions that ask.
    #[must_use]
    pub fn of_all(by: &str, at: Timestamp) -> Self {
        Self { by: by.into(), at, objects: Vec::new() }
    }

    /// Says yes to some deletions.
    #[must_use]
    pub fn of(by: &str, at: Timestamp, objects: impl IntoIterator<Item = Objects>) -> Self {
        Self { by: by.into(), at, objects: objects.into_iter().collect() }
    }

    fn covers(&self, key: &ResourceKey) -> bool {
        self.objects.is_empty() || self.objects.iter().any(|objects| objects.contain(key))
    }
}

/// Who confirmed what its object says to be approved.
const BY_ANNOTATION: &str = "annotation";

impl Plan {
    /// Returns whether something is deleted because its object says that somebody approved of that.
    pub(crate) fn was_approved(&self) -> bool {
        !self.approved().is_empty()
    }

    /// Returns what is deleted because its object says that somebody approved of that.
    pub(crate) fn approved(&self) -> BTreeSet<ResourceKey> {
        let is_told =
            |step: &&Step| self.confirmed.iter().any(|given| &*given.by == BY_ANNOTATION && given.key == step.key);
        let deletions = self.steps.iter().filter(|step| matches!(step.action, Action::Delete { .. }));
        deletions.filter(is_told).map(|step| step.key.clone()).collect()
    }
}

/// What a deletion needs of a person.
pub(super) enum Consent {
    /// Nothing.
    NotAsked,
    /// A yes, and there is one.
    Given(Confirmed),
    /// A yes, and there is none.
    Missing,
    /// The same; and nothing but its record, which was lost, makes it ask.
    MissingForRecord,
}

/// Returns whether an object existed before us and the policy does not say that such objects go like others.
pub(super) fn is_adopted(claim: &Claim, policy: &SyncPolicy) -> bool {
    claim.standing == Some(Standing::Adopted) && policy.prune_adopted == PruneAdopted::No
}

/// Returns whether the deletion of an object asks for a person: by its options, or by its kind, unless its own annotation
/// answers that.
pub(crate) fn asks(live: &Resource, permissions: &[Permission], policy: &SyncPolicy) -> bool {
    let protected = is_protected(live.key(), policy) && live.annotation(PRUNE) != Some("enabled");
    permissions.contains(&Permission::Confirm) || protected
}

impl Request {
    /// Says what the deletion of an object needs of a person.
    ///
    /// It asks by its own options, by its kind (policy, and rule 31 of the exact rules: what else lies in a namespace or
    /// is of the kind of a CRD dies with it), unless its own annotation answers that; and where its record was lost, so
    /// that it may have been here before us. A yes is an argument, or the annotation `deletion-approved` (Argo CD's), if
    /// it was set after the last operation, and not in the future: without a present time
    /// ([`Request::approvals_until`]) none counts.
    pub(super) fn consent(
        &self,
        live: &Resource,
        options: &Options,
        permissions: &[Permission],
        policy: &SyncPolicy,
        claim: &Claim,
    ) -> Consent {
        let key = live.key();
        let is_rebuilt = claim.standing == Some(Standing::Rebuilt) && policy.prune_adopted == PruneAdopted::No;
        let missing = match (asks(live, permissions, policy), is_rebuilt) {
            (true, _) => Consent::Missing,
            (false, true) => Consent::MissingForRecord,
            (false, false) => return Consent::NotAsked,
        };
        self.yes(key, options).map_or(missing, Consent::Given)
    }

    /// Returns the yes to the end of an object, whether or not it asks for one.
    pub(super) fn yes(&self, key: &ResourceKey, options: &Options) -> Option<Confirmed> {
        let approved = self.approved_at(options).map(|at| (BY_ANNOTATION.into(), at));
        let said = || {
            let confirmation = self.confirmations.iter().find(|confirmation| confirmation.covers(key))?;
            Some((Arc::clone(&confirmation.by), confirmation.at))
        };
        let (by, at) = approved.or_else(said)?;
        Some(Confirmed { key: key.clone(), by, at })
    }

    /// When the object itself says that its deletion was approved, if that counts now.
    fn approved_at(&self, options: &Options) -> Option<Timestamp> {
        options.deletion_approved.filter(|at| {
            self.approvals_after.is_none_or(|after| *at > after)
                && self.approvals_until.is_some_and(|until| *at <= until)
        })
    }

    /// Returns whether an object stays since it existed before us and nobody asked for its end. Rule 27 of the exact
    /// rules.
    ///
    /// A yes to all that asks is not enough: what others made before us was never ours to sweep away, so that a person
    /// must name it, or the object itself must say that its deletion was approved.
    pub(super) fn keeps_adopted(
        &self,
        key: &ResourceKey,
        options: &Options,
        claim: &Claim,
        policy: &SyncPolicy,
    ) -> bool {
        is_adopted(claim, policy) && self.approved_at(options).is_none() && !self.confirms_by_name(key)
    }

    /// Returns whether a person named the kind of an object to say yes to it, and not just all that asks.
    pub(super) fn confirms_by_name(&self, key: &ResourceKey) -> bool {
        let mut named = self.confirmations.iter().flat_map(|confirmation| &confirmation.objects);
        named.any(|objects| objects.kind_text() != "*" && objects.contain(key))
    }

    /// Returns whether a person said yes to the deletion of an object.
    pub(super) fn confirms(&self, key: &ResourceKey) -> bool {
        self.confirmations.iter().any(|confirmation| confirmation.covers(key))
    }

    /// Returns whether an object is the namespace in which the ledger lies.
    pub(super) fn holds_ledger(&self, key: &ResourceKey) -> bool {
        key.is("", "Namespace") && self.ledger.as_deref() == Some(&*key.name)
    }
}

/// An object as a confirmation names it.
pub(super) fn name(key: &ResourceKey) -> String {
    let kind = match key.group() {
        "" => key.kind().to_owned(),
        group => format!("{}.{group}", key.kind()),
    };
    match &key.namespace {
        Some(namespace) => format!("{kind}/{namespace}/{}", key.name),
        None => format!("{kind}/{}", key.name),
    }
}

/// Returns what a person said yes to and nothing asked for: most likely a typing error. `asked` are the objects that did.
pub(super) fn unasked<'k>(request: &Request, asked: impl IntoIterator<Item = &'k ResourceKey>) -> Vec<Problem> {
    // What an approved plan says of it may be done by now.
    if request.within.is_some() {
        return Vec::new();
    }
    let mut named: Vec<&Objects> = request.confirmations.iter().flat_map(|said| &said.objects).collect();
    named.retain(|objects| objects.kind_text() != "*");
    if !named.is_empty() {
        asked.into_iter().for_each(|key| named.retain(|objects| !objects.contain(key)));
    }
    let problem = |objects: &&Objects| {
        let text = format!("`{objects}` was confirmed, and nothing of that name awaits a confirmation");
        Problem::warning(Code::NotFound, text).hint("the plan names what does")
    };
    named.iter().map(problem).collect()
}

impl Plan {
    /// Returns whether a person said yes to the deletion of an object.
    #[must_use]
    pub fn is_confirmed(&self, key: &ResourceKey) -> bool {
        self.confirmed.binary_search_by(|confirmed| confirmed.key.cmp(key)).is_ok()
    }
}
