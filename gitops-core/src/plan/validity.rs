//! Whether a plan that was approved still holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diff::{Compared, Comparison, Outcome};
use crate::policy::Phase;
use crate::resource::ResourceKey;
use crate::value::Digest;

use super::{Action, After, DryRun, Gate, GateId, Plan, Precondition, Step, StepId};

/// What became of a plan that was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all there is")]
pub enum Validity {
    /// All of it is still to be done, and everything is as it was.
    StillValid,
    /// A part of it is done already; the rest is as it was.
    Narrowed {
        /// What is still to be done of it, and nothing else.
        plan: Box<Plan>,
        /// The digest of the plan that was approved.
        of: Digest,
    },
    /// What it was decided on has changed: nothing of it may be done. Each step that does not hold, and why; a reason
    /// without a step is about the plan as a whole.
    Stale(Vec<(Option<StepId>, Arc<str>)>),
}

/// What a fresh plan says of a step that was approved.
enum Verdict {
    Needed,
    /// It was done, and its object is not healthy yet: that is still waited for, by this step of the fresh plan.
    Awaited,
    Done,
    Stale(String),
}

impl Plan {
    /// Says whether this plan, which was made earlier, may still be carried out.
    ///
    /// `fresh` is a plan of the same revisions and scope, made from `seen` just now and limited to the objects of this
    /// one ([`super::Request::following`]). What `fresh` has beyond this plan is never done. Owner, revisions, format,
    /// and of each step action, payload and precondition (absent, or the uid and all that was read of the object) must
    /// be as they were; a step whose object is as declared by now, or is gone where it was to be deleted, is left out. What
    /// came after it comes after its health all the same: where that is not there yet, its step only waits for it.
    /// A namespace or CRD holds only while nothing would die with it that was not told.
    /// The deletion of an application holds only while it deletes all that would be deleted by now: once its ledger is
    /// gone, whatever came later would be nobody's.
    #[must_use]
    pub fn revalidate(&self, fresh: &Self, seen: &Comparison) -> Validity {
        if let Some(reason) = self.is_about_another(fresh) {
            return Validity::Stale(vec![(None, reason.into())]);
        }
        let planned: BTreeMap<(&ResourceKey, Phase, bool), &Step> =
            fresh.steps.iter().map(|step| (place(step), step)).collect();
        let mut stale = Vec::new();
        let mut needed: Vec<Option<Step>> = vec![None; self.steps.len()];
        if self.scope.intent.ends_app() {
            stale.extend(self.left_behind(fresh).map(|reason| (None, reason)));
        }
        for (step, needed) in self.steps.iter().zip(&mut needed) {
            let now = planned.get(&place(step)).copied();
            match verdict(step, now, fresh, seen) {
                Verdict::Needed => {
                    match self.unapproved(step, fresh).filter(|_| !is_under_way(step, seen.get(&step.key))) {
                        Some(reason) => stale.push((Some(step.id), reason.into())),
                        None => *needed = Some(step.clone()),
                    }
                }
                Verdict::Awaited => *needed = now.map(|now| awaited(step, now)),
                Verdict::Done => {}
                Verdict::Stale(reason) => stale.push((Some(step.id), reason.into())),
            }
        }
        let left = self.still_left(fresh).unwrap_or_else(|reasons| {
            stale.extend(reasons.into_iter().map(|reason| (None, reason)));
            Vec::new()
        });
        if !stale.is_empty() {
            Validity::Stale(stale)
        } else if needed.iter().flatten().eq(&self.steps) && left == self.leftovers {
            Validity::StillValid
        } else {
            let plan = Self { leftovers: left, ..self.narrowed(needed) };
            Validity::Narrowed { plan: Box::new(plan), of: self.digest() }
        }
    }

    fn is_about_another(&self, fresh: &Self) -> Option<String> {
        if self.owner != fresh.owner {
            let (of, now) = (&self.owner, &fresh.owner);
            if of.app == now.app {
                return Some(format!("it is a plan of another installation of application `{}`", of.app));
            }
            return Some(format!("it is a plan of application `{}`, and this is `{}`", of.app, now.app));
        }
        if self.format != fresh.format {
            return Some("it was written by an older program, and does not say all that is to be approved".to_owned());
        }
        if self.revisions != fresh.revisions {
            let list = |plan: &Self| plan.revisions.iter().map(|id| id.short()).collect::<Vec<_>>().join(", ");
            return Some(format!("it is for revision `{}`, and `{}` was read", list(self), list(fresh)));
        }
        let does = |key: &ResourceKey| {
            self.steps.iter().any(|step| step.key == *key) || self.leftovers.iter().any(|left| left.key == *key)
        };
        if self.confirmed.iter().any(|confirmed| !does(&confirmed.key)) {
            return Some("it confirms what it does not delete".to_owned());
        }
        (self.scope != fresh.scope).then(|| "it is about other objects of the application".to_owned())
    }

    /// Says what this deletion of an application would leave behind as nobody's.
    fn left_behind(&self, fresh: &Self) -> impl Iterator<Item = Arc<str>> {
        let deletions = |plan: &Self| {
            let ends = |step: &&Step| matches!(step.action, Action::Delete { .. } | Action::Orphan);
            let deletions = plan.steps.iter().filter(ends);
            let left = plan.leftovers.iter().map(|left| left.key.clone());
            deletions.map(|step| step.key.clone()).chain(left).collect::<BTreeSet<_>>()
        };
        let known = deletions(self);
        let new = deletions(fresh).into_iter().filter(move |key| !known.contains(key));
        new.map(|key| format!("`{key}` belongs to the application by now, and the plan does not name it").into())
    }

    /// Returns a plan of those steps only; edges to the others are satisfied.
    fn narrowed(&self, needed: Vec<Option<Step>>) -> Self {
        let mut ids = BTreeMap::new();
        for step in needed.iter().flatten() {
            ids.insert(step.id, StepId(u32::try_from(ids.len()).unwrap_or(u32::MAX)));
        }
        let mut gate_ids: BTreeMap<GateId, GateId> = BTreeMap::new();
        let edges = |after: &[After], gates: &BTreeMap<GateId, GateId>| -> Vec<After> {
            let moved = after.iter().filter_map(|after| {
                Some(match after {
                    After::Applied(id) => After::Applied(*ids.get(id)?),
                    After::Healthy(id) => After::Healthy(*ids.get(id)?),
                    After::Gone(id) => After::Gone(*ids.get(id)?),
                    After::Gate(id) => After::Gate(*gates.get(id)?),
                })
            });
            moved.collect()
        };
        let mut gates = Vec::new();
        for gate in &self.gates {
            let opens = edges(&gate.opens, &gate_ids);
            if !opens.is_empty() {
                let id = GateId(u32::try_from(gates.len()).unwrap_or(u32::MAX));
                gate_ids.insert(gate.id, id);
                gates.push(Gate { id, opens, ..gate.clone() });
            }
        }
        let kept = needed.into_iter().flatten().filter_map(|step| {
            let id = *ids.get(&step.id)?;
            let trial = step.trial.clone().map(|trial| trial.narrowed(&ids));
            Some(Step { id, after: edges(&step.after, &gate_ids), trial, ..step })
        });
        let steps = kept.collect();
        Self { steps, gates, ..self.clone() }
    }
}

/// What tells a step from every other: in one phase an object has one step, and maybe one before it for who owns what.
fn place(step: &Step) -> (&ResourceKey, Phase, bool) {
    (&step.key, step.phase, matches!(step.action, Action::Own { .. }))
}

fn verdict(step: &Step, now: Option<&Step>, fresh: &Plan, seen: &Comparison) -> Verdict {
    let compared = seen.get(&step.key);
    if is_under_way(step, compared) {
        return Verdict::Needed;
    }
    let Some(now) = now else {
        if let Ok(at) = fresh.skipped.binary_search_by_key(&&step.key, |skipped| &skipped.key)
            && let Some(skipped) = fresh.skipped.get(at)
        {
            return Verdict::Stale(skipped.reason.to_string());
        }
        let done = match (&step.action, compared.map(|compared| &compared.outcome)) {
            // Nothing is left to do beside it, so it rests.
            (Action::Hook { .. }, _) => true,
            // Who owns what is as it should be by now.
            (Action::Own { .. } | Action::Orphan, _) => true,
            (Action::Delete { .. }, found) => found.is_none(),
            (_, found) => matches!(found, Some(Outcome::Synced)),
        };
        return if done {
            Verdict::Done
        } else {
            Verdict::Stale("it is not declared at this place any more".to_owned())
        };
    };
    if let (Action::Await, Precondition::Present { uid, .. }) = (&now.action, &now.requires) {
        return match (&step.action, &step.requires) {
            // Its status may be another one by now.
            (Action::Await, Precondition::Present { uid: before, .. }) if uid != before => {
                Verdict::Stale(moved(&step.requires, &now.requires).to_owned())
            }
            _ if matches!(step.action, Action::Delete { .. } | Action::Orphan | Action::Hook { .. }) => {
                Verdict::Stale(format!("by now a sync would do something else: {now}"))
            }
            _ => Verdict::Awaited,
        };
    }
    if step.action.payload() != now.action.payload() {
        return Verdict::Stale("what is declared is not what was approved".to_owned());
    }
    let took = |step: &Step| step.trial.as_ref().is_some_and(|trial| trial.dry_run == DryRun::Answered);
    if took(step) && now.trial.is_some() && !took(now) {
        return Verdict::Stale("the cluster would have taken it, and does not say so any more".to_owned());
    }
    if let Action::Hook { .. } = step.action {
        return hook_verdict(step, now);
    }
    if step.requires != now.requires {
        return Verdict::Stale(moved(&step.requires, &now.requires).to_owned());
    }
    let same = step.action == now.action
        && step.version == now.version
        && step.wave == now.wave
        && step.reason == now.reason
        && step.impact == now.impact;
    if !same {
        return Verdict::Stale(format!("by now a sync would do something else: {now}"));
    }
    Verdict::Needed
}

/// What is left of a step that was done: its place in the plan, and the wait.
fn awaited(step: &Step, now: &Step) -> Step {
    let (action, requires, reason, impact) = (now.action.clone(), now.requires.clone(), now.reason, now.impact);
    Step { action, requires, reason, impact, recreate: None, trial: None, ..step.clone() }
}

/// Whether the very object that a step deletes is being deleted already: by this plan, as far as it came, or by somebody
/// who wanted the same. Its end is still waited for.
fn is_under_way(step: &Step, compared: Option<&Compared>) -> bool {
    let (Action::Delete { .. }, Precondition::Present { uid, .. }) = (&step.action, &step.requires) else {
        return false;
    };
    compared.is_some_and(|compared| {
        compared.outcome == Outcome::Terminating
            && compared.live.as_ref().is_some_and(|live| live.uid() == Some(&**uid))
    })
}

/// A hook holds if no other object goes for it than was approved; to delete less is no more than that.
fn hook_verdict(step: &Step, now: &Step) -> Verdict {
    let uid = |step: &Step| match &step.requires {
        Precondition::Present { uid, .. } => Some(Arc::clone(uid)),
        Precondition::Absent | Precondition::Any => None,
    };
    if uid(now).is_some() && uid(now) != uid(step) {
        return Verdict::Stale("another object stands there by now, and would be deleted for it".to_owned());
    }
    if step.action != now.action || step.version != now.version || step.wave != now.wave {
        return Verdict::Stale(format!("by now a sync would do something else: {now}"));
    }
    Verdict::Needed
}

fn moved(before: &Precondition, now: &Precondition) -> &'static str {
    match (before, now) {
        (Precondition::Absent, _) => "it was missing, and is there now",
        (Precondition::Present { .. }, Precondition::Absent) => "it was there, and is missing now",
        (Precondition::Present { uid: before, .. }, Precondition::Present { uid: now, .. }) if before != now => {
            "another object of that name stands there now"
        }
        (Precondition::Present { .. }, _) => "it was changed on the cluster since",
        (Precondition::Any, _) => "it is decided otherwise by now",
    }
}
