//! Where hooks run, what stands there already, and whether that may be deleted for them.
//!
//! A hook that ran before left its object, and an object that was ordinary may be declared as a hook by now. Before the
//! hook runs, what stands there is deleted; so it must be proven to be ours, and to have come from a hook or to be what a
//! prune might take, and whoever must say yes to its deletion has said so. Else the hook is held back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diff::{Claim, Compared, Comparison, Context, Outcome, Why};
use crate::policy::{HookDelete, Options, Permission, Phase, Prune, SyncPolicy};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{Resource, ResourceKey};
use crate::state::{Declared, DesiredState, HookResult, OPERATION_ANNOTATION, Standing};

use super::adopt::not_ours;
use super::build::{as_seen, foreign, payload};
use super::confirm::Consent;
use super::contents::is_container;
use super::depend::problem_at;
use super::node::{Fate, Node, Work};
use super::prune::Extra;
use super::{Action, Confirmed, Impact, Intent, Precondition, Reason, Request, SkipReason};

const BY_HAND: &str = "rename the hook, or delete the object by hand";

/// What is known of the objects of hooks, which a comparison leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookObjects {
    /// What stands under the names of declared hooks, and of what earlier operations ran. Of a hook that is not in it
    /// nothing is known: the machine looks before it runs, and deletes only what needs no yes of a person.
    pub seen: BTreeMap<ResourceKey, Compared>,
    /// What earlier operations ran, and has not been seen to be gone.
    pub ran: Vec<HookResult>,
    /// The operation that goes on, if one does: what it started stays.
    pub resumed: Option<Arc<str>>,
}

impl HookObjects {
    pub(super) fn recorded(&self, live: &Resource) -> bool {
        self.ran.iter().any(|ran| ran.is_about(live.key(), live.uid()))
    }
}

/// Returns which operation created an object as a hook, and in which phase: its mark says so.
pub(crate) fn mark_of(live: &Resource) -> Option<(&str, Phase)> {
    use Phase::{PostDelete, PostSync, PreDelete, PreSync, Sync, SyncFail};
    let (operation, phase) = live.annotation(OPERATION_ANNOTATION)?.rsplit_once('.')?;
    let phases = [PreSync, Sync, PostSync, SyncFail, PreDelete, PostDelete];
    Some((operation, phases.into_iter().find(|known| known.to_string() == phase)?))
}

/// Returns whether an object was created by an operation of ours as a hook, and was nothing else since. The proof of rule
/// 28 of the exact rules, and what rule 27 asks of a create: a record of that uid, or else the mark of an operation
/// together with the entry of our field manager. What the inventory has was applied as an ordinary object.
pub(crate) fn came_from_hook(live: &Resource, claim: &Claim, recorded: bool) -> bool {
    let marked = claim.applied && mark_of(live).is_some();
    claim.tracked && !claim.owned && claim.standing.is_none() && (recorded || marked)
}

/// Returns whether an ordinary object was created by us, so that a hook may take its place.
pub(crate) fn was_created(claim: &Claim) -> bool {
    matches!(claim.standing, Some(Standing::Created | Standing::Intended(_))) && claim.tracked && !claim.owned
}

/// Why an object is not deleted for a hook.
pub(super) struct Refusal {
    pub(super) reason: SkipReason,
    pub(super) text: String,
    pub(super) hint: &'static str,
}

/// An object that may be deleted for a hook.
pub(super) struct Allowed {
    /// Who said yes, where it asks.
    pub(super) confirmed: Option<Confirmed>,
    /// Whether it came from a hook.
    pub(super) from_hook: bool,
}

pub(super) struct Asker<'a> {
    pub(super) desired: &'a DesiredState,
    pub(super) comparison: &'a Comparison,
    pub(super) policy: &'a SyncPolicy,
    pub(super) context: &'a Context<'a>,
    pub(super) request: &'a Request,
    /// One object may be served in two groups (rule 28).
    declared_uids: BTreeSet<&'a str>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        desired: &'a DesiredState,
        comparison: &'a Comparison,
        policy: &'a SyncPolicy,
        context: &'a Context<'a>,
        request: &'a Request,
    ) -> Self {
        let declared_uids = if request.hook_objects.seen.is_empty() {
            BTreeSet::new()
        } else {
            let resources = desired.declared.iter().filter(|(_, declared)| declared.options.is_resource());
            resources.filter_map(|(key, _)| comparison.get(key)?.live.as_ref()?.uid()).collect()
        };
        Self { desired, comparison, policy, context, request, declared_uids }
    }
}

impl Asker<'_> {
    pub(super) fn deletes_app(&self) -> bool {
        self.request.scope.intent == Intent::Delete
    }

    /// Says whether an object may be deleted for a hook; `declared`: what Git says of it by now.
    pub(super) fn may_go(
        &self,
        live: &Resource,
        claim: &Claim,
        declared: Option<&Options>,
    ) -> Result<Allowed, Refusal> {
        let refuse = |reason, text: &str, hint| Err(Refusal { reason, text: text.to_owned(), hint });
        let key = live.key();
        if let Some(tracking) = foreign(key, claim, self.context.owner) {
            return refuse(SkipReason::NotOurs, &format!("it {}", not_ours(tracking).text), "rename the hook");
        }
        if !claim.tracked {
            return refuse(SkipReason::NoProof, "it is not ours", BY_HAND);
        }
        if claim.owned {
            return refuse(SkipReason::OwnedByAnother, "it belongs to its owner", "rename the hook");
        }
        if live.uid().is_some_and(|uid| self.declared_uids.contains(uid)) {
            let text = "it is the same object as one that is declared under another API group";
            return refuse(SkipReason::SameObject, text, "declare it once");
        }
        let from_hook = came_from_hook(live, claim, self.request.hook_objects.recorded(live));
        match &claim.standing {
            _ if from_hook => {}
            Some(Standing::Adopted) => {
                return refuse(
                    SkipReason::Adopted,
                    "it existed before this application, or before it was a hook",
                    BY_HAND,
                );
            }
            Some(Standing::Rebuilt) => {
                let text = "the record of the application was lost, so that it may have been here before";
                return refuse(SkipReason::Rebuilt, text, BY_HAND);
            }
            Some(_) if was_created(claim) => self.may_replace(key)?,
            _ => {
                return refuse(
                    SkipReason::NoProof,
                    "nothing proves that a hook of this application created it",
                    BY_HAND,
                );
            }
        }
        let (options, wrong) = self.policy.options_of(live);
        if wrong.iter().any(|problem| problem.severity == Severity::Blocks) {
            return refuse(SkipReason::Held, "its annotations cannot be read", "correct them, or delete it by hand");
        }
        let confirmed = self.permits(live, &options, declared)?;
        Ok(Allowed { confirmed, from_hook })
    }

    /// An ordinary object makes room for a hook only where it might be pruned.
    fn may_replace(&self, key: &ResourceKey) -> Result<(), Refusal> {
        if self.deletes_app() {
            return Ok(());
        }
        if self.policy.prune == Prune::Never {
            let text = "it was applied as an ordinary object, and pruning is off".to_owned();
            let hint = "turn pruning on, rename the hook, or delete the object by hand";
            return Err(Refusal { reason: SkipReason::PruneOff, text, hint });
        }
        match &self.request.newer {
            Some(newer) if !self.request.confirms(key) => {
                let text = format!(
                    "it was applied as an ordinary object, and this revision is older than `{}`, which was synced last",
                    newer.short()
                );
                let hint = "sync the newer one, or confirm what is to go (`--confirm`)";
                Err(Refusal { reason: SkipReason::OlderRevision, text, hint })
            }
            _ => Ok(()),
        }
    }

    /// What the options of an object, and whoever must say yes, say of its deletion. The more careful word wins.
    pub(super) fn permits(
        &self,
        object: &Resource,
        options: &Options,
        declared: Option<&Options>,
    ) -> Result<Option<Confirmed>, Refusal> {
        let permissions = permissions(options, declared);
        if permissions.contains(&Permission::Never) {
            let text = "its option (`Delete=false` or `Prune=false`) keeps it".to_owned();
            let hint = "remove the option, or give the hook `generateName`";
            return Err(Refusal { reason: SkipReason::DeleteForbidden, text, hint });
        }
        if let Some(tenant) = self.request.lived_in.get(object.key()) {
            let text = format!("application `{tenant}` has objects in it");
            return Err(Refusal { reason: SkipReason::Guarded, text, hint: "rename the hook, or move them first" });
        }
        // What was rebuilt never comes this far.
        match self.request.consent(object, options, &permissions, self.policy, &Claim::default()) {
            Consent::NotAsked => Ok(None),
            Consent::Given(confirmed) => Ok(Some(confirmed)),
            Consent::Missing | Consent::MissingForRecord => {
                let key = object.key();
                let text = if is_container(key) {
                    let dying = self.request.dying(key, &BTreeSet::new());
                    format!("whatever is in this {} would be deleted with it{dying}", key.kind())
                } else {
                    "its deletion must be confirmed".to_owned()
                };
                let hint = "confirm it (`--confirm`), or rename the hook";
                Err(Refusal { reason: SkipReason::DeleteUnconfirmed, text, hint })
            }
        }
    }

    /// What stands where a hook runs: what the step requires, and what goes for it.
    fn stands(&self, node: &Node<'_>) -> Result<(Precondition, Option<Allowed>), Held> {
        let seen = self.request.hook_objects.seen.get(node.key);
        let Some(seen) = seen.filter(|_| node.declared.resource.generate_name().is_none()) else {
            return Ok((Precondition::Any, None));
        };
        let live = match (&seen.outcome, &seen.live) {
            (Outcome::Missing, _) => return Ok((Precondition::Absent, None)),
            // It is waited for; and a kind that is not served yet may come.
            (Outcome::Terminating | Outcome::Unknown(Why::UnknownKind), _) => return Ok((Precondition::Any, None)),
            (Outcome::Unknown(why), _) => {
                let text = format!("this hook cannot run: whether an object stands there cannot be told: it {why}");
                let problem = Problem::blocks(Code::UnreadableLive, text).hint("allow `get` of it, then sync again");
                return Err(Box::new((SkipReason::Unknown, problem)));
            }
            (_, Some(live)) => live,
            (_, None) => return Ok((Precondition::Any, None)),
        };
        let own = self.request.hook_objects.resumed.as_deref();
        if seen.claim.tracked && own.is_some() && mark_of(live).map(|(operation, _)| operation) == own {
            return Ok((Precondition::Any, None));
        }
        match self.may_go(live, &seen.claim, Some(&node.declared.options)) {
            Ok(allowed) => Ok((as_seen(seen).unwrap_or(Precondition::Any), Some(allowed))),
            Err(refusal) => {
                let text = format!("the object that stands there would be deleted first, and {}", refusal.text);
                Err(Box::new((SkipReason::HookOccupied, held(&text, refusal.hint))))
            }
        }
    }

    /// Says what becomes of the object of a hook itself. It may have to stay, and then the hook may not be able to run.
    fn ends(
        &self,
        node: &Node<'_>,
        delete: &mut Vec<HookDelete>,
    ) -> Result<(Option<Confirmed>, Option<Problem>), Box<Problem>> {
        let Declared { resource, options, .. } = node.declared;
        let runs_again = node.phases().count() > 1 && resource.generate_name().is_none();
        let is_ending = |policy: &HookDelete| *policy != HookDelete::BeforeHookCreation;
        if !runs_again && !self.deletes_app() && !delete.iter().any(is_ending) {
            return Ok((None, None));
        }
        let refusal = match self.permits(resource, options, None) {
            Ok(confirmed) => return Ok((confirmed, None)),
            Err(refusal) => refusal,
        };
        if runs_again {
            let text = format!("it runs in several phases under one name, and between them {}", refusal.text);
            return Err(Box::new(held(&text, refusal.hint)));
        }
        if self.deletes_app() && refusal.reason == SkipReason::DeleteUnconfirmed {
            let text = format!("its object goes with the application, and {}", refusal.text);
            return Err(Box::new(held(&text, refusal.hint)));
        }
        delete.retain(|policy| !is_ending(policy));
        let text = format!("its object stays after it has run: {}", refusal.text);
        Ok((None, Some(Problem::note(Code::PruneGuard, text).hint(refusal.hint))))
    }
}

fn permissions(options: &Options, declared: Option<&Options>) -> Vec<Permission> {
    [Some(options), declared].into_iter().flatten().flat_map(|options| [options.delete, options.prune]).collect()
}

/// Why a hook is held back.
type Held = Box<(SkipReason, Problem)>;

/// What a hook does, before its place was looked at.
pub(super) fn work(declared: &Declared) -> Option<Work> {
    let hook = declared.options.hook.as_ref()?;
    Some(Work {
        action: Action::Hook { payload: payload(declared), delete: hook.delete.iter().copied().collect() },
        requires: Precondition::Any,
        reason: Reason::Hook,
        impact: Impact::Runs,
        repairs: Vec::new(),
    })
}

pub(super) fn held(text: &str, hint: &str) -> Problem {
    Problem::blocks(Code::HookOccupied, format!("this hook cannot run: {text}")).hint(hint)
}

/// Looks at the place of each hook that is to run, and holds back those that may not have it. Returns who said yes to
/// deletions.
pub(super) fn settle(nodes: &mut [Node<'_>], asker: &Asker<'_>, problems: &mut Vec<Problem>) -> Vec<Confirmed> {
    let mut confirmed = Vec::new();
    for node in nodes.iter_mut() {
        let Some(work) = node.work() else { continue };
        let Action::Hook { payload, delete } = &work.action else { continue };
        let (payload, mut delete) = (payload.clone(), delete.clone());
        let found = asker.stands(node).and_then(|found| {
            let ends =
                asker.ends(node, &mut delete).map_err(|problem| Box::new((SkipReason::HookOccupied, *problem)))?;
            Ok((found, ends))
        });
        let ((requires, goes), (own, note)) = match found {
            Ok(found) => found,
            Err(found) => {
                let (reason, problem) = *found;
                problems.push(problem_at(problem, node));
                node.fate = Fate::Skip(reason);
                continue;
            }
        };
        problems.extend(note.map(|note| problem_at(note, node)));
        let mut work = work.clone();
        if let Some(goes) = goes {
            if is_container(node.key) {
                let dying = asker.request.dying(node.key, &BTreeSet::new());
                let text = format!("is a {}: everything in it is deleted with it{dying}", node.key.kind());
                problems.push(problem_at(Problem::warning(Code::PruneGuard, text), node));
            }
            if !goes.from_hook {
                work.impact = Impact::Recreates;
            }
            confirmed.extend(goes.confirmed);
        }
        confirmed.extend(own);
        (work.requires, work.action) = (requires, Action::Hook { payload, delete });
        node.fate = Fate::Do(Box::new(work));
    }
    confirmed
}

/// Returns what is declared as a hook by now, was applied as an ordinary object, and goes with the application: the
/// comparison leaves it out. What a hook of the deletion takes the place of goes with that.
pub(super) fn ordinary<'a>(
    nodes: &[Node<'_>],
    comparison: &Comparison,
    context: &Context<'_>,
    request: &'a Request,
) -> Vec<Extra<'a>> {
    let runs = |key: &ResourceKey| nodes.iter().any(|node| node.key == key && node.work().is_some());
    let is_ordinary = |key: &ResourceKey, seen: &Compared| {
        let known = seen.claim.standing.is_some() || (seen.live.is_none() && context.inventory.get(key).is_some());
        known && comparison.get(key).is_none() && !runs(key)
    };
    request.hook_objects.seen.iter().filter(|(key, seen)| is_ordinary(key, seen)).collect()
}
