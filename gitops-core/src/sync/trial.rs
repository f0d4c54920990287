//! Trying what is to be written by dry runs, layer by layer. Rule 33 of the exact rules.
//!
//! A layer is all of an operation, a wave, or what waits within its wave for the same namespace or kind to be made.
//! Nothing of a layer is written before all of it was tried; if any of it would be refused, nothing of it is written.
//! Trying writes nothing, so after a restart it is done again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{ClusterError, Failure, Force, Guard};
use crate::plan::{Action, After, DryRun, Plan, Precondition, Step, StepId, When};
use crate::policy::Phase;
use crate::resource::Resource;
use crate::time::Timestamp;

use super::machine::Machine;
use super::progress::News;
use super::step::{At, Look, Next};
use super::{Cause, StepOutcome};

/// What is tried together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    All,
    Wave(Phase, i32),
    Once(Phase, i32, Vec<StepId>),
}

/// What is known of all layers.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// The steps of each, as soon as the first is looked for.
    steps: Option<BTreeMap<Layer, Vec<u32>>>,
    begun: BTreeMap<Layer, Begun>,
    /// Steps that are being tried, and for which layer.
    trying: BTreeMap<u32, Layer>,
    /// Steps of which nothing sure was heard, to be tried again with their wave.
    unsure: BTreeSet<u32>,
    /// Steps that write what admission goes by, sorted out with the layers.
    deciding: Vec<StepId>,
}

/// A layer that is being tried, or was.
#[derive(Debug, Default)]
struct Begun {
    /// Answers that are awaited.
    open: usize,
    /// Steps that could begin, and wait.
    held: Vec<u32>,
    /// Steps that would be refused, and why; whether that passes by itself.
    refused: BTreeMap<u32, (String, Cause)>,
}

impl Layer {
    fn of_wave(step: &Step) -> Self {
        Self::Wave(step.phase, step.wave)
    }

    /// The layer that a step is tried with.
    fn tried_in(step: &Step) -> Option<Self> {
        Some(match &step.trial.as_ref()?.when {
            When::First => Self::All,
            When::Wave => Self::of_wave(step),
            When::Once(needed) => Self::Once(step.phase, step.wave, needed.clone()),
        })
    }

    /// Sorts the steps of a plan into layers. A step is in that of its wave in any case.
    fn all(plan: &Plan) -> BTreeMap<Self, Vec<u32>> {
        let mut layers: BTreeMap<Self, Vec<u32>> = BTreeMap::new();
        for step in plan.steps.iter().filter(|step| step.trial.is_some()) {
            let own = Self::tried_in(step).filter(|layer| matches!(layer, Self::Once(..)));
            for layer in [Some(Self::All), Some(Self::of_wave(step)), own].into_iter().flatten() {
                layers.entry(layer).or_default().push(step.id.0);
            }
        }
        layers
    }
}

impl Machine {
    /// Returns whether a step may begin. If not, it waits for the answers about its layer, or has ended.
    pub(super) fn may_begin(&mut self, id: u32, now: Timestamp) -> bool {
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(StepId(id)).filter(|step| step.trial.is_some()) else { return true };
        let own = Layer::tried_in(step).filter(|layer| matches!(layer, Layer::Once(..)));
        for layer in [Some(Layer::All), Some(Layer::of_wave(step)), own].into_iter().flatten() {
            if !self.layers.begun.contains_key(&layer) {
                self.try_layer(&layer, now);
            }
            let Some(begun) = self.layers.begun.get_mut(&layer) else { continue };
            if begun.open > 0 {
                begun.held.push(id);
                return false;
            }
        }
        // It ended with a layer of which nothing is written.
        self.run(id).is_some_and(|run| !matches!(run.at, At::Ended(..)))
    }

    /// Sends what the steps of a layer would send, as dry runs.
    fn try_layer(&mut self, layer: &Layer, now: Timestamp) {
        let plan = Arc::clone(&self.plan);
        if self.layers.steps.is_none() {
            self.layers.deciding = plan.steps.iter().filter(|step| decides(step)).map(|step| step.id).collect();
        }
        let steps = self.layers.steps.get_or_insert_with(|| Layer::all(&plan));
        let due: Vec<u32> = steps.get(layer).into_iter().flatten().copied().collect();
        let due: Vec<u32> = due.into_iter().filter(|id| self.is_due(*id, layer)).collect();
        self.layers.begun.insert(layer.clone(), Begun { open: due.len(), ..Begun::default() });
        if !due.is_empty() {
            let steps = due.len();
            self.tell(|| News::Validates { steps });
        }
        self.layers.trying.extend(due.iter().map(|id| (*id, layer.clone())));
        for id in due {
            self.active = self.active.saturating_add(1);
            self.try_out(id, now);
        }
    }

    fn is_due(&self, id: u32, layer: &Layer) -> bool {
        let Some(step) = self.plan.step(StepId(id)) else { return false };
        let is_due = step.trial.as_ref().is_some_and(|trial| trial.dry_run == DryRun::Due);
        let is_now = Layer::tried_in(step).as_ref() == Some(layer)
            || (*layer == Layer::of_wave(step) && self.layers.unsure.contains(&id));
        let has_run = || self.record.hooks.iter().any(|hook| hook.is_of(&step.key, step.phase));
        is_due && is_now && !has_run()
    }

    fn try_out(&mut self, id: u32, now: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(StepId(id)) else { return self.tried(id, None) };
        // Where the live object has a say in what is sent, it is read.
        let has_rules = matches!(step.action, Action::Apply { .. }) && self.has_rules(step);
        let (key, deadline) = (self.own_key(step), now + self.timeout(step));
        if let Some(run) = self.run_mut(id) {
            (run.key, run.since, run.deadline) = (key, now, deadline);
        }
        let next = match (&step.action, &step.requires) {
            (Action::Create { .. }, _) => Next::Create,
            (Action::Hook { .. }, _) => Next::HookCreate,
            (Action::Replace { .. }, _) => return self.proceed(id, Next::Look(Look::BeforeTrial)),
            (Action::Apply { .. }, _) if has_rules => return self.proceed(id, Next::Look(Look::BeforeTrial)),
            // Conflicts are no part of it: see rule 9.
            (Action::Apply { .. }, Precondition::Present { uid, .. }) => Next::Apply(Force::Yes, Guard::same(uid)),
            _ => return self.tried(id, None),
        };
        self.proceed(id, Next::Try(Box::new(next)));
    }

    /// The object was looked at before what is sent to it is tried. What is not as planned fails when it is written.
    pub(super) fn saw_before_trial(&mut self, id: u32, live: Option<&Resource>) {
        let plan = Arc::clone(&self.plan);
        let Some((step, live)) = plan.step(StepId(id)).zip(live) else { return self.tried(id, None) };
        let adapted = self.declared(step).and_then(|declared| self.adapt(&declared, Some(live)));
        let (sent, next) = match &step.action {
            Action::Replace { .. } => (adapted.map(|adapted| adapted.replacement), Next::Replace(Guard::exactly(live))),
            _ => {
                let guard = live.uid().map_or(Guard::None, Guard::same);
                (adapted.map(|adapted| adapted.sent), Next::Apply(Force::Yes, guard))
            }
        };
        if let Some(run) = self.run_mut(id) {
            run.sent = sent;
        }
        self.proceed(id, Next::Try(Box::new(next)));
    }

    /// Takes the refusal of a dry run, by its meaning.
    pub(super) fn trial_refused(&mut self, id: u32, next: Box<Next>, error: &ClusterError, now: Timestamp) {
        let plan = Arc::clone(&self.plan);
        let Some(step) = plan.step(StepId(id)) else { return self.tried(id, None) };
        let refused = || Some((error.to_string(), Cause::Refused));
        match &error.failure {
            Failure::Throttled { .. } | Failure::Unavailable { .. } | Failure::InDoubt { .. } => {
                self.again(id, Next::Try(next), None, error, now);
            }
            // It is deleted and created again then.
            failure if step.recreate.is_some() && !failure.immutable().is_empty() => self.tried(id, None),
            Failure::Invalid { .. } | Failure::TooLarge { .. } => self.tried(id, refused()),
            Failure::Refused { .. } | Failure::Denied { .. } | Failure::NamespaceMissing { .. } => {
                if self.is_sure(step) {
                    return self.tried(id, refused());
                }
                self.layers.unsure.insert(id);
                self.tried(id, None);
            }
            // What is there by now, or is not yet, says nothing of what is sent: the write itself will tell.
            _ => self.tried(id, None),
        }
    }

    /// Whether what is refused by the state of other objects would be refused as well when its turn comes: not while an
    /// object that it needs, or one that admission goes by, is still to be written.
    fn is_sure(&self, step: &Step) -> bool {
        let is_to_come = |id: &StepId| self.run(id.0).is_some_and(|run| run.applied.is_none() && !run.has_ended());
        let is_closed = |node: usize| self.nodes.get(node).is_some_and(|node| node.waits());
        let needs = |after: &After| match after {
            After::Healthy(id) | After::Gone(id) => is_to_come(id),
            // The service account of a pod, say. Of others only the server's own validation looks at what they name.
            After::Applied(id) => is_to_come(id) && (step.key.is("", "Pod") || self.is_container_of(*id, step)),
            After::Gate(gate) => is_closed(self.plan.steps.len() + gate.0 as usize),
        };
        let mut deciding = self.layers.deciding.iter().filter(|other| **other != step.id);
        !step.after.iter().any(needs) && !deciding.any(is_to_come)
    }

    fn is_container_of(&self, id: StepId, step: &Step) -> bool {
        let made = self.plan.step(id).map(|made| &made.key);
        made.is_some_and(|made| made.is("", "Namespace") && step.key.namespace.as_ref() == Some(&made.name))
    }

    /// The dry run of a step could not be carried out, however often it was tried.
    pub(super) fn untried(&mut self, id: u32, error: &ClusterError) {
        self.tried(id, Some((error.to_string(), Cause::Passing)));
    }

    /// Takes what is known of a step; the last one of a layer lets it go on, or ends it.
    pub(super) fn tried(&mut self, id: u32, refused: Option<(String, Cause)>) {
        let Some(layer) = self.layers.trying.remove(&id) else { return };
        self.active = self.active.saturating_sub(1);
        if let Some(run) = self.run_mut(id) {
            (run.at, run.sent, run.tries) = (At::Waiting, None, 0);
            run.waiting.clear();
        }
        let Some(begun) = self.layers.begun.get_mut(&layer) else { return };
        begun.open = begun.open.saturating_sub(1);
        begun.refused.extend(refused.map(|why| (id, why)));
        if begun.open > 0 {
            return;
        }
        let (held, refused) = (std::mem::take(&mut begun.held), begun.refused.clone());
        if refused.is_empty() {
            self.ready.extend(held);
        } else {
            self.refuse_layer(&layer, &refused);
        }
    }

    /// Ends all steps of a layer of which nothing is written.
    fn refuse_layer(&mut self, layer: &Layer, refused: &BTreeMap<u32, (String, Cause)>) {
        let steps = self.layers.steps.as_ref().and_then(|steps| steps.get(layer)).cloned().unwrap_or_default();
        let first = refused.keys().next().and_then(|first| Some(self.run(*first)?.key.to_string()));
        let others = match refused.len() {
            0 | 1 => String::new(),
            many => format!(" and {} more", many.saturating_sub(1)),
        };
        let of = if *layer == Layer::All { "" } else { " of its wave" };
        let text: Arc<str> =
            format!("nothing{of} was written, since `{}`{others} would be refused", first.unwrap_or_default()).into();
        for id in steps {
            if self.run(id).is_none_or(|run| !matches!(run.at, At::Waiting)) {
                continue;
            }
            self.active = self.active.saturating_add(1);
            let at = match refused.get(&id) {
                Some((why, cause)) => {
                    if let Some(run) = self.run_mut(id) {
                        run.cause = *cause;
                    }
                    let what = if *cause == Cause::Passing { "could not be tried" } else { "would be refused" };
                    At::Ended(StepOutcome::Failed, format!("{what}, so nothing{of} was written: {why}").into())
                }
                None => At::Ended(StepOutcome::NotRun, Arc::clone(&text)),
            };
            self.finish(id, at);
        }
    }
}

/// Whether a step writes an object that decides what the server admits. What is deleted goes after everything else.
fn decides(step: &Step) -> bool {
    let writes = !matches!(step.action, Action::Delete { .. } | Action::Own { .. } | Action::Orphan | Action::Await);
    writes
        && match (step.key.group(), step.key.kind()) {
            ("admissionregistration.k8s.io" | "rbac.authorization.k8s.io", _) => true,
            (group, kind) => [
                ("", "LimitRange"),
                ("", "ResourceQuota"),
                ("node.k8s.io", "RuntimeClass"),
                ("scheduling.k8s.io", "PriorityClass"),
            ]
            .contains(&(group, kind)),
        }
}
