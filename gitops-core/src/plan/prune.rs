//! Which objects that are no longer declared are deleted: rules 26 to 31 of the exact rules.

use std::collections::BTreeSet;

use crate::diff::{Compared, Comparison, Context, Outcome};
use crate::policy::{Options, Permission, Phase, Prune, Role, SyncPolicy, WhenEmpty};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::state::{Completeness, DesiredState, Trust, is_ledger};

use super::build::{as_seen, foreign};
use super::confirm::{self, Consent};
use super::contents::is_container;
use super::kept;
use super::node::Node;
use super::{Action, Confirmed, Intent, Plan, Precondition, Reason, Request, SkipReason, Skipped};

/// Objects that one sync may always delete, as long as they are not all. Who says that nothing may go means it.
pub(super) fn always_allowed(policy: &SyncPolicy) -> usize {
    if policy.prune_budget_percent == 0 { 0 } else { 5 }
}

/// An object that is claimed and not declared.
pub(super) type Extra<'a> = (&'a ResourceKey, &'a Compared);

/// An object that goes.
#[derive(Debug)]
pub(super) struct Removal<'a> {
    pub(super) key: &'a ResourceKey,
    pub(super) live: &'a Resource,
    pub(super) requires: Precondition,
    pub(super) wave: i32,
    pub(super) last: bool,
    pub(super) propagation: Propagation,
    /// As the live object has them.
    pub(super) options: Options,
    pub(super) reason: Reason,
    /// Who said yes, where it asks.
    pub(super) confirmed: Option<Confirmed>,
}

impl<'a> Removal<'a> {
    /// An object that is being deleted already. Nothing is decided about it any more, so that neither proof nor consent
    /// is asked for; but what it needs must outlive it, so its end is waited for as if we had deleted it.
    pub(super) fn under_way(
        key: &'a ResourceKey,
        compared: &'a Compared,
        context: &Context<'_>,
        policy: &SyncPolicy,
    ) -> Result<Self, SkipReason> {
        let (Some(live), Some(requires)) = (&compared.live, as_seen(compared)) else {
            return Err(SkipReason::Unknown);
        };
        let (options, _) = policy.options_of(live);
        let wave = context.inventory.get(key).map_or(options.wave, |entry| entry.wave);
        let (last, propagation) = (options.prune_last, options.propagation.unwrap_or_default());
        let reason = Reason::Terminating;
        Ok(Self { key, live, requires, wave, last, propagation, options, reason, confirmed: None })
    }

    /// Whether it is only waited for.
    pub(super) fn is_under_way(&self) -> bool {
        self.reason == Reason::Terminating
    }
}

/// Decides on every object that is claimed and not declared.
pub(super) fn removals<'a>(
    extras: &[Extra<'a>],
    comparison: &Comparison,
    desired: &DesiredState,
    policy: &SyncPolicy,
    context: &Context<'_>,
    request: &Request,
    problems: &mut Vec<Problem>,
) -> (Vec<Removal<'a>>, Vec<Skipped>) {
    if extras.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let uid = |key| comparison.get(key)?.live.as_ref()?.uid();
    let declared_uids: BTreeSet<&str> = desired.declared.keys().filter_map(uid).collect();
    let asker = Asker { desired, policy, context, request, declared_uids, unseen: unseen(comparison, desired) };
    let (mut removals, mut skipped) = (Vec::new(), Vec::new());
    for (key, compared) in extras.iter().copied() {
        if !request.chooses(key, compared.live.as_ref()) {
            // It counts as what stays: nothing that holds it goes.
            skipped.push(Skipped::new(key, SkipReason::NotSelected));
            continue;
        }
        match asker.fate(key, compared, problems) {
            Some(Ok(removal)) => removals.push(removal),
            Some(Err(reason)) => skipped.push(Skipped::new(key, reason)),
            None => {}
        }
    }
    kept::keep(&mut removals, &mut skipped, (comparison, desired, policy, request), Intent::Sync, problems);
    let unread = skipped.iter().any(|skipped| skipped.reason == SkipReason::SourceIncomplete);
    // Where the source gave nothing at all, that is said already.
    let said = desired.problems.iter().any(|problem| problem.code == Code::IncompleteSource);
    if unread && !said {
        let text = "nothing is pruned: a part of the source could not be read";
        problems.push(Problem::blocks(Code::IncompleteSource, text).hint("solve the problems of the source first"));
    }
    let older = skipped.iter().any(|skipped| skipped.reason == SkipReason::OlderRevision);
    if let Some(newer) = request.newer.as_ref().filter(|_| older) {
        let text = format!("nothing is pruned: this revision is older than `{}`, which was synced last", newer.short());
        let hint = "sync the newer one, or confirm what is to go (`--confirm`)";
        problems.push(Problem::blocks(Code::PruneGuard, text).hint(hint));
    }
    if let Some(problem) = guard(&removals, comparison, desired, policy, context) {
        problems.push(problem);
        keep(&mut removals, &mut skipped, SkipReason::Guarded);
    }
    let going: BTreeSet<&ResourceKey> = removals.iter().map(|removal| removal.key).collect();
    let asking = skipped.iter().filter(|skipped| skipped.reason == SkipReason::PruneUnconfirmed);
    let asking = asking.map(|skipped| &skipped.key).filter(|key| is_container(key));
    problems.extend(asking.map(|key| unconfirmed(key, request, &going)));
    for removal in removals.iter().filter(|removal| is_container(removal.key) && !removal.is_under_way()) {
        let dying = request.dying(removal.key, &going);
        let text = format!("is a {}: everything in it is deleted with it{dying}", removal.key.kind());
        problems.push(Problem::warning(Code::PruneGuard, text).of(removal.key));
    }
    (removals, skipped)
}

/// Takes out all deletions, for `reason`.
pub(super) fn keep(removals: &mut Vec<Removal<'_>>, skipped: &mut Vec<Skipped>, reason: SkipReason) {
    let why = |removal: &Removal<'_>| if removal.is_under_way() { SkipReason::Terminating } else { reason };
    skipped.extend(removals.drain(..).map(|removal| Skipped::new(removal.key, why(&removal))));
}

/// Takes out deletions that are under way where nothing follows them: no other deletion, and no hook after the sync.
pub(super) fn leave_to_go(removals: &mut Vec<Removal<'_>>, skipped: &mut Vec<Skipped>, nodes: &[Node<'_>]) {
    let follows = |node: &Node<'_>| node.work().is_some() && node.phases().any(|phase| phase == Phase::PostSync);
    if removals.iter().all(Removal::is_under_way) && !nodes.iter().any(follows) {
        keep(removals, skipped, SkipReason::Terminating);
    }
}

struct Asker<'a> {
    desired: &'a DesiredState,
    policy: &'a SyncPolicy,
    context: &'a Context<'a>,
    request: &'a Request,
    /// One object may be served in two groups (rule 28).
    declared_uids: BTreeSet<&'a str>,
    /// Kind, namespace and name of declared objects whose uid could not be read.
    unseen: BTreeSet<(&'a str, Option<&'a str>, &'a str)>,
}

impl Asker<'_> {
    /// Decides on one object; `None` where there is no object.
    fn fate<'c>(
        &self,
        key: &'c ResourceKey,
        compared: &'c Compared,
        problems: &mut Vec<Problem>,
    ) -> Option<Result<Removal<'c>, SkipReason>> {
        match compared.outcome {
            Outcome::Extra => {}
            // Of others' objects we wait only for those that lie in what is ours, by leaving that alone.
            Outcome::Terminating
                if self.policy.prune == Prune::Owned && compared.claim.is_ours() && !self.request.holds_ledger(key) =>
            {
                return Some(Removal::under_way(key, compared, self.context, self.policy));
            }
            Outcome::Terminating => return Some(Err(SkipReason::Terminating)),
            Outcome::Unknown(_) => return Some(Err(SkipReason::Unknown)),
            Outcome::Synced | Outcome::OutOfSync(_) | Outcome::Missing => return None,
        }
        let (Some(live), Some(requires)) = (&compared.live, as_seen(compared)) else {
            return Some(Err(SkipReason::Unknown));
        };
        let (options, mut wrong) = self.policy.options_of(live);
        wrong.retain(|problem| problem.severity == Severity::Blocks);
        let confirmed = match self.may_go(key, compared, live, &options, !wrong.is_empty()) {
            Ok(confirmed) => confirmed,
            Err(reason) => {
                if self.policy.prune == Prune::Owned {
                    problems.extend(why_kept(key, reason).map(|problem| problem.of(key)));
                    problems.extend(self.request.why_not_permitted(key).filter(|_| reason == SkipReason::NotPermitted));
                    problems.extend(wrong.into_iter().filter(|_| reason == SkipReason::Held).map(|p| p.of(key)));
                }
                return Some(Err(reason));
            }
        };
        let wave = self.context.inventory.get(key).map_or(options.wave, |entry| entry.wave);
        let propagation = options.propagation.unwrap_or_default();
        let (last, reason) = (options.prune_last, Reason::NotDeclared);
        Some(Ok(Removal { key, live, requires, wave, last, propagation, options, reason, confirmed }))
    }

    fn may_go(
        &self,
        key: &ResourceKey,
        compared: &Compared,
        live: &Resource,
        options: &Options,
        unreadable_options: bool,
    ) -> Result<Option<Confirmed>, SkipReason> {
        let claim = &compared.claim;
        let stops = [
            // Rule 28: what is declared may be this very object, under a key that is not canonical.
            (self.desired.unplaced_kinds().contains(&*key.group_kind), SkipReason::Unknown),
            (foreign(key, claim, self.context.owner).is_some(), SkipReason::NotOurs),
            (is_ledger(live), SkipReason::NotOurs),
            (live.uid().is_some_and(|uid| self.declared_uids.contains(uid)), SkipReason::SameObject),
            (self.unseen.contains(&name_of(key)), SkipReason::SameObject),
            (claim.owned, SkipReason::OwnedByAnother),
            (!claim.proves_ours(), SkipReason::NoProof),
            (self.request.not_permitted.contains_key(key), SkipReason::NotPermitted),
            (self.request.declared_elsewhere.contains_key(key), SkipReason::HandedOver),
            (self.policy.prune == Prune::Never, SkipReason::PruneOff),
            (self.request.unasked.is_some(), SkipReason::OthersUnknown),
            (self.desired.completeness == Completeness::Partial, SkipReason::SourceIncomplete),
            (unreadable_options, SkipReason::Held),
            // Argo CD never prunes hooks; they follow their own delete policy.
            (options.role != Role::Resource || options.prune == Permission::Never, SkipReason::PruneForbidden),
            (self.request.holds_ledger(key), SkipReason::HoldsLedger),
            (self.request.keeps_adopted(key, options, claim, self.policy), SkipReason::Adopted),
        ];
        stops.into_iter().find(|(stop, _)| *stop).map_or(Ok(()), |(_, reason)| Err(reason))?;
        if self.request.newer.is_some() && !self.request.confirms(key) {
            return Err(SkipReason::OlderRevision);
        }
        match self.request.consent(live, options, &[options.prune], self.policy, claim) {
            Consent::NotAsked if confirm::is_adopted(claim, self.policy) => Ok(self.request.yes(key, options)),
            Consent::NotAsked => Ok(None),
            Consent::Given(confirmed) => Ok(Some(confirmed)),
            Consent::MissingForRecord => Err(SkipReason::Rebuilt),
            Consent::Missing => Err(SkipReason::PruneUnconfirmed),
        }
    }
}

impl Plan {
    /// Returns whether it was made with pruning turned on, as far as it tells: something is pruned, or stays for a reason
    /// that is asked for only then.
    #[must_use]
    pub fn prunes(&self) -> bool {
        let reasons = self.steps.iter().filter(|step| matches!(step.action, Action::Delete { .. }));
        let of_pruning = |reason| {
            matches!(
                reason,
                SkipReason::PruneForbidden
                    | SkipReason::PruneUnconfirmed
                    | SkipReason::Adopted
                    | SkipReason::Rebuilt
                    | SkipReason::SourceIncomplete
                    | SkipReason::OlderRevision
                    | SkipReason::OthersUnknown
                    | SkipReason::HoldsLedger
                    | SkipReason::Guarded
            )
        };
        self.scope.intent.is_sync()
            && (reasons.map(|step| step.reason).any(|reason| reason == Reason::NotDeclared)
                || self.leftovers.iter().any(|left| left.reason == Reason::NotDeclared)
                || self.skipped.iter().any(|skipped| of_pruning(skipped.reason)))
    }
}

/// What is declared and could not be looked at: it may be an object that we see under another group, as when a manifest
/// moves from `extensions` to `apps`.
fn unseen<'a>(comparison: &Comparison, desired: &'a DesiredState) -> BTreeSet<(&'a str, Option<&'a str>, &'a str)> {
    let is_unseen =
        |key: &&ResourceKey| comparison.get(key).is_none_or(|compared| matches!(compared.outcome, Outcome::Unknown(_)));
    let resources = desired.declared.iter().filter(|(_, declared)| declared.options.is_resource());
    resources.map(|(key, _)| key).filter(is_unseen).map(name_of).collect()
}

fn name_of(key: &ResourceKey) -> (&str, Option<&str>, &str) {
    (key.kind(), key.namespace.as_deref(), &key.name)
}

/// Says what would die with a namespace or CRD that nobody said yes to, besides what goes anyway.
fn unconfirmed(key: &ResourceKey, request: &Request, going: &BTreeSet<&ResourceKey>) -> Problem {
    let text = format!("is not pruned: whatever is in it would be deleted with it{}", request.dying(key, going));
    let hint = "confirm it (`--confirm`), or set its annotation `gitops.rs/prune` to `enabled`";
    Problem::note(Code::PruneGuard, text).of(key).hint(hint)
}

fn why_kept(key: &ResourceKey, reason: SkipReason) -> Option<Problem> {
    let (text, hint) = match reason {
        SkipReason::PruneUnconfirmed if is_container(key) => return None,
        SkipReason::HoldsLedger => {
            ("is not pruned: the ledger of the application lies in it", "delete the application instead")
        }
        SkipReason::NoProof => {
            ("is not pruned: nothing proves that we created it", "delete it by hand if nobody needs it")
        }
        SkipReason::PruneUnconfirmed => (
            "is not pruned: its deletion must be confirmed",
            "confirm it (`--confirm`), or set its annotation `gitops.rs/prune` to `enabled`",
        ),
        SkipReason::Rebuilt => (
            "is not pruned: the record of the application was lost, so that it may have been here before",
            "confirm it (`--confirm`), or set `pruneAdopted` to `yes`",
        ),
        SkipReason::Adopted => {
            let hint = format!(
                "delete it by hand, confirm it by its name (`--confirm={}`), or set `pruneAdopted` to `yes`",
                confirm::name(key)
            );
            return Some(
                Problem::note(Code::PruneGuard, "is not pruned: it existed before this application").hint(hint),
            );
        }
        _ => return None,
    };
    Some(Problem::note(Code::PruneGuard, text).hint(hint))
}

/// Stops all deletions where they look like an accident. Rules 29 and 30 of the exact rules.
fn guard(
    removals: &[Removal<'_>],
    comparison: &Comparison,
    desired: &DesiredState,
    policy: &SyncPolicy,
    context: &Context<'_>,
) -> Option<Problem> {
    // The namespace that the policy adds is no part of the source: it makes nothing safe.
    let made = desired.made_namespace();
    let made_entries = made.filter(|key| context.inventory.get(key).is_some()).into_iter().count();
    let (count, entries) = (removals.len(), context.inventory.len().saturating_sub(made_entries));
    if removals.iter().all(Removal::is_under_way) {
        return None;
    }
    let unreadable = |problem: &Problem| problem.code == Code::UnreadableInventory;
    let is_empty = desired.declared.keys().all(|key| Some(key) == made);
    let all_may_go = is_empty && policy.when_empty == WhenEmpty::Prune;
    let (text, hint) = if is_empty && !all_may_go {
        (
            format!("nothing is pruned: the source declares nothing, and {count} objects would go"),
            "check repository, revision and path; to remove the application, delete it; if this is meant, set `whenEmpty` \
             to `prune`",
        )
    } else if desired.problems.iter().chain(&comparison.problems).any(unreadable) {
        ("nothing is pruned: the inventory could not be read".into(), "sync again once it can be read")
    } else if context.inventory.trust == Trust::Lost {
        (
            "nothing is pruned: the inventory of this application is lost, or there has been none yet".into(),
            "sync again; this sync writes a new one",
        )
    } else if all_may_go {
        return None;
    } else if count >= entries {
        (
            format!("nothing is pruned: all {entries} entries of the inventory would go"),
            "sync again once what is declared now has been applied",
        )
    } else if count > always_allowed(policy) && count * 100 > entries * usize::from(policy.prune_budget_percent) {
        let percent = policy.prune_budget_percent;
        (
            format!("nothing is pruned: {count} of {entries} objects would go, more than {percent} percent"),
            "check the source; if this is meant, raise the budget (`pruneBudgetPercent`, `--prune-budget`)",
        )
    } else {
        return None;
    };
    Some(Problem::blocks(Code::PruneGuard, text).hint(hint))
}
