//! Which objects that hooks of earlier operations left behind go, and when.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diff::{Outcome, Why};
use crate::policy::{HookDelete, Phase, Prune};
use crate::problem::{Code, Problem};
use crate::resource::{Resource, ResourceKey};
use crate::state::{Completeness, HookResult};

use super::depend::problem_at;
use super::hooks::{Asker, Refusal, came_from_hook, held, mark_of};
use super::node::{Fate, Node};
use super::prune::always_allowed;
use super::{Action, Confirmed, Impact, Plan, Reason, SkipReason, Skipped, Step};

/// An object that a hook of an earlier operation left behind, and that goes, once a fresh look proved that it is ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Leftover {
    /// The object.
    pub key: ResourceKey,
    /// Its uid.
    pub uid: Arc<str>,
    /// The API version to speak.
    pub version: Arc<str>,
    /// The hook as it was declared.
    pub declared: ResourceKey,
    /// The phase it ran in.
    pub phase: Phase,
    /// Why it goes, and when: [`Reason::Hook`] once its hook has run again, [`Reason::NotDeclared`] and
    /// [`Reason::Application`] once all has succeeded.
    pub reason: Reason,
}

/// What becomes of what hooks left behind.
#[derive(Default)]
pub(super) struct Left {
    pub(super) leftovers: Vec<Leftover>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) confirmed: Vec<Confirmed>,
}

impl Left {
    /// Keeps all of it.
    pub(super) fn stop(&mut self, reason: SkipReason) {
        self.skipped.extend(self.leftovers.drain(..).map(|left| Skipped::new(&left.key, reason)));
    }

    /// Keeps what goes only when its hook runs, where that does not run after all.
    pub(super) fn settle(&mut self, nodes: &[Node<'_>]) {
        let runs = |left: &Leftover| node_of(nodes, &left.declared).is_some_and(|node| node.work().is_some());
        self.leftovers.retain(|left| left.reason != Reason::Hook || runs(left));
    }

    /// Returns who said yes to what is in a plan, in order.
    pub(super) fn confirmed(&self, of_steps: impl IntoIterator<Item = Confirmed>, steps: &[Step]) -> Vec<Confirmed> {
        let mut confirmed: Vec<Confirmed> = self.confirmed.iter().cloned().chain(of_steps).collect();
        confirmed.sort();
        confirmed.dedup_by(|next, first| next.key == first.key);
        if !confirmed.is_empty() {
            let steps = steps.iter().map(|step| &step.key);
            let keys: BTreeSet<&ResourceKey> = steps.chain(self.leftovers.iter().map(|left| &left.key)).collect();
            confirmed.retain(|confirmed| keys.contains(&confirmed.key));
        }
        confirmed
    }
}

/// Decides on every object that a hook left behind, but those where a hook runs: see [`super::hooks`].
pub(super) fn decide(nodes: &mut [Node<'_>], asker: &Asker<'_>, problems: &mut Vec<Problem>) -> Left {
    let mut left = Left::default();
    for ran in asker.request.hook_objects.ran.iter().cloned().chain(unrecorded(asker)) {
        let Some(found) = asker.fate(&ran, nodes) else { continue };
        match found {
            Ok((leftover, confirmed)) => {
                left.confirmed.extend(confirmed);
                left.leftovers.push(leftover);
            }
            Err(refusal) if ran.running && refusal.of_hook => {
                let Some(node) = nodes.iter_mut().find(|node| *node.key == ran.declared) else { continue };
                let text = format!("an earlier run of it, `{}`, still runs, and {}", ran.object, refusal.why.text);
                problems.push(problem_at(held(&text, refusal.why.hint), node));
                node.fate = Fate::Skip(SkipReason::HookOccupied);
            }
            Err(refusal) => {
                if let Some(problem) = refusal.told() {
                    problems.push(problem.of(&ran.object));
                }
                left.skipped.push(Skipped::new(&ran.object, refusal.why.reason));
            }
        }
    }
    left.leftovers.sort();
    left.leftovers.dedup();
    guard(&mut left, asker, problems);
    left
}

/// Why a left-over object stays.
struct Kept {
    why: Refusal,
    /// Whether its hook is to run again.
    of_hook: bool,
}

impl Kept {
    fn told(&self) -> Option<Problem> {
        if self.why.text.is_empty() {
            return None;
        }
        let text = format!("was left by a hook, and stays: {}", self.why.text);
        Some(Problem::note(Code::PruneGuard, text).hint(self.why.hint))
    }
}

/// When an application is deleted, what carries the mark of a hook goes as well, also where no record tells of it.
fn unrecorded(asker: &Asker<'_>) -> Vec<HookResult> {
    let objects = &asker.request.hook_objects;
    if !asker.deletes_app() {
        return Vec::new();
    }
    let marked = objects.seen.iter().filter_map(|(key, seen)| {
        let live =
            seen.live.as_ref().filter(|live| !objects.recorded(live) && came_from_hook(live, &seen.claim, false))?;
        Some(HookResult::of(key, mark_of(live)?.1, key, live.uid()?, live.version()))
    });
    marked.collect()
}

fn node_of<'n, 'd>(nodes: &'n [Node<'d>], key: &ResourceKey) -> Option<&'n Node<'d>> {
    let at = nodes.binary_search_by(|node| node.key.cmp(key)).ok()?;
    nodes.get(at)
}

impl Asker<'_> {
    /// `None` where there is nothing to delete, or something else decides.
    fn fate(&self, ran: &HookResult, nodes: &[Node<'_>]) -> Option<Result<(Leftover, Option<Confirmed>), Kept>> {
        let stays = |reason, text: &str, hint| {
            let why = Refusal { reason, text: text.to_owned(), hint };
            Some(Err(Kept { why, of_hook: false }))
        };
        let key = &ran.object;
        let declared = self.desired.get(key);
        // A hook of this name makes room when it runs; what is an ordinary object by now is one.
        let runs_here = |node: &Node<'_>| !self.deletes_app() || node.work().is_some();
        let is_taken = match declared {
            Some(declared) if declared.options.is_resource() => true,
            Some(_) => node_of(nodes, key).is_some_and(runs_here),
            None => false,
        };
        if is_taken || self.desired.is_held(&ran.declared) || self.comparison.get(key).is_some() {
            return None;
        }
        let seen = self.request.hook_objects.seen.get(key)?;
        let live = match (&seen.outcome, &seen.live) {
            (Outcome::Missing | Outcome::Terminating | Outcome::Unknown(Why::UnknownKind), _) => return None,
            (Outcome::Unknown(_), _) if self.deletes_app() => return stays(SkipReason::Unknown, "", ""),
            (_, live) => live.as_ref().filter(|live| ran.is_about(key, live.uid()))?,
        };
        let hook = self.desired.get(&ran.declared).and_then(|declared| declared.options.hook.as_ref());
        let reason = match hook.filter(|hook| hook.phases.contains(&ran.phase)) {
            _ if self.deletes_app() => Reason::Application,
            Some(hook) => {
                let goes = ran.running || hook.delete.contains(&HookDelete::BeforeHookCreation);
                let runs = node_of(nodes, &ran.declared).is_some_and(|node| node.work().is_some());
                (goes && runs).then_some(Reason::Hook)?
            }
            None => Reason::NotDeclared,
        };
        if reason == Reason::NotDeclared
            && let Err(why) = self.may_forget(key, live)?
        {
            return Some(Err(Kept { why, of_hook: false }));
        }
        let options = self.desired.get(&ran.declared).map(|declared| &declared.options);
        Some(match self.may_go(live, &seen.claim, options) {
            Ok(allowed) => {
                let (uid, version) = (Arc::clone(&ran.uid), live.version().into());
                let (declared, phase) = (ran.declared.clone(), ran.phase);
                Ok((Leftover { key: key.clone(), uid, version, declared, phase, reason }, allowed.confirmed))
            }
            Err(why) => Err(Kept { why, of_hook: reason == Reason::Hook }),
        })
    }

    /// What no hook of the application accounts for any more goes as what is pruned goes; `None` where nothing is pruned.
    fn may_forget(&self, key: &ResourceKey, live: &Resource) -> Option<Result<(), Refusal>> {
        let silent = |reason| Some(Err(Refusal { reason, text: String::new(), hint: "" }));
        if self.policy.prune == Prune::Never {
            return None;
        }
        if !self.request.chooses(key, Some(live)) {
            return silent(SkipReason::NotSelected);
        }
        if self.desired.completeness == Completeness::Partial {
            return silent(SkipReason::SourceIncomplete);
        }
        match &self.request.newer {
            Some(newer) if !self.request.confirms(key) => {
                let text = format!("this revision is older than `{}`, which was synced last", newer.short());
                let hint = "sync the newer one, or confirm what is to go (`--confirm`)";
                Some(Err(Refusal { reason: SkipReason::OlderRevision, text, hint }))
            }
            _ => Some(Ok(())),
        }
    }
}

/// Keeps all that is not declared any more where its deletion looks like an accident. Rule 30 of the exact rules.
fn guard(left: &mut Left, asker: &Asker<'_>, problems: &mut Vec<Problem>) {
    let forgotten = left.leftovers.iter().filter(|left| left.reason == Reason::NotDeclared).count();
    if forgotten == 0 {
        return;
    }
    let (all, percent) = (asker.request.hook_objects.ran.len(), asker.policy.prune_budget_percent);
    let made = asker.desired.made_namespace();
    let (text, hint) = if asker.desired.declared.keys().all(|key| Some(key) == made) {
        (
            format!("nothing is pruned: the source declares nothing, and {forgotten} objects of hooks would go"),
            "check repository, revision and path; to remove the application, delete it",
        )
    } else if forgotten > always_allowed(asker.policy) && forgotten * 100 > all * usize::from(percent) {
        (
            format!("no objects of hooks are pruned: {forgotten} of {all} would go, more than {percent} percent"),
            "check the source; if this is meant, raise the budget (`pruneBudgetPercent`, `--prune-budget`)",
        )
    } else {
        return;
    };
    problems.push(Problem::blocks(Code::PruneGuard, text).hint(hint));
    for guarded in left.leftovers.extract_if(.., |left| left.reason == Reason::NotDeclared) {
        left.skipped.push(Skipped::new(&guarded.key, SkipReason::Guarded));
    }
}

impl Plan {
    /// Returns what was applied and would go without coming back: what is deleted, what makes room for a hook, and what
    /// hooks left that are not declared any more.
    pub fn losses(&self) -> impl Iterator<Item = &ResourceKey> {
        let steps = self.steps.iter().filter(|step| match step.action {
            Action::Delete { .. } => true,
            Action::Hook { .. } => step.impact == Impact::Recreates,
            _ => false,
        });
        let left = self.leftovers.iter().filter(|left| left.reason != Reason::Hook);
        steps.map(|step| &step.key).chain(left.map(|left| &left.key))
    }

    /// Returns the objects of hooks that still go by a fresh plan, or why one does not go any more.
    pub(super) fn still_left(&self, fresh: &Self) -> Result<Vec<Leftover>, Vec<Arc<str>>> {
        let (mut kept, mut stale) = (Vec::new(), Vec::new());
        for left in &self.leftovers {
            let skipped = fresh.skipped.iter().find(|skipped| skipped.key == left.key);
            match skipped {
                _ if fresh.leftovers.contains(left) => match self.more_dies(&left.key, fresh) {
                    Some(more) => stale.push(format!("`{}`: {more}", left.key).into()),
                    None => kept.push(left.clone()),
                },
                Some(skipped) => stale.push(skipped.to_string().into()),
                // Gone.
                None => {}
            }
        }
        if stale.is_empty() { Ok(kept) } else { Err(stale) }
    }
}

/// `delete  batch/Job shop/migrate-1: its hook runs again`
impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason {
            Reason::Hook => "left by an earlier run; goes once its hook has run again",
            Reason::Application => "left by a hook; its application is deleted",
            _ => "left by a hook that is not declared any more; goes if all succeeds",
        };
        write!(f, "{:<7} {}: {why}", "delete", self.key)
    }
}
