//! The world of one recorded scenario, and the operation that runs in it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitops_core::cluster::{Cluster, Force, Write};
use gitops_core::diff;
use gitops_core::memory::{MemoryCluster, Outcome, VirtualTime, ready};
use gitops_core::plan::{Action, Confirmation, Plan, StepId};
use gitops_core::policy::{Prune, SyncOptions, SyncPolicy, WaitFor};
use gitops_core::reconcile::{App, SyncError, look, perform, sync_desired};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::{DesiredState, OPERATION_ANNOTATION, Owner};
use gitops_core::sync::{Event, Machine, News, Phase, StepOutcome};
use gitops_core::time::Timer;

use super::scripted::Scripted;
use crate::sync_order::complete;

type Json = serde_json::Value;

pub(super) const NAMESPACE: &str = "fake-argocd-ns";
/// What is declared besides the objects of a case.
pub(super) const STAYS: &str = "stays";
/// Rule: Argo CD, `sync_context.go`, retries of discovery.
const TRIES: usize = 5;
const LONGEST_LOOK: Duration = Duration::from_secs(20);
/// What keeps an object whose deletion is recorded as pending.
const KEEPER: &str = "example.org/keeps";

pub(super) struct World {
    pub(super) cluster: Scripted,
    pub(super) time: VirtualTime,
    pub(super) app: App,
    pub(super) run: Option<Run>,
    /// Set when there was no answer at all.
    pub(super) no_answer: Option<String>,
    turn: Cell<u32>,
}

/// An operation under way, or one that has ended.
pub(super) struct Run {
    pub(super) machine: Option<Machine>,
    pub(super) plan: Arc<Plan>,
    /// How far each step that began has come.
    pub(super) steps: BTreeMap<StepId, State>,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) key: ResourceKey,
    pub(super) applied: bool,
    pub(super) ended: Option<StepOutcome>,
    pub(super) message: String,
}

impl World {
    pub(super) fn new(options: &Json, wait: WaitFor) -> Self {
        let time = VirtualTime::starting("2026-03-01T08:00:00Z".parse().unwrap());
        let cluster = Scripted::over(MemoryCluster::new(7, time.clone()));
        let app = App::new(Owner::new("", "app").unwrap(), "").with_namespace(NAMESPACE);
        let mut world = Self { cluster, time, app, run: None, no_answer: None, turn: Cell::new(0) };
        world.set(options, wait);
        world.as_admin("Namespace", "", "elsewhere");
        world.as_admin("Namespace", "", "kube-system");
        world
    }

    pub(super) fn set(&mut self, options: &Json, wait: WaitFor) {
        let prune = if options["prune"] == true { Prune::Owned } else { Prune::Never };
        let inherited = options["defaultPruneOption"].as_str().map(|prune| format!("Prune={prune}").parse().unwrap());
        let inherited = SyncOptions::new(inherited).unwrap();
        let mut policy = SyncPolicy::default().with_prune(prune).with_wait(wait).with_sync_options(&inherited);
        policy.prune_budget_percent = 100;
        self.app.policy = policy;
        let yes = Confirmation::of_all("somebody", self.time.now());
        self.app.request.confirmations = Some(yes).filter(|_| options["pruneConfirmed"] == true).into_iter().collect();
    }

    pub(super) fn as_admin(&self, kind: &str, namespace: &str, name: &str) {
        let object = serde_json::json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
        self.create(&object, namespace);
    }

    /// Creates an object as somebody else, where it is not there yet.
    pub(super) fn create(&self, object: &Json, namespace: &str) {
        let object = self.placed(object, namespace);
        if !self.exists(object.key()) {
            let write = Write::create(&object, "kubectl-create");
            ready(self.cluster.inner.write(&write)).unwrap().unwrap();
        }
    }

    /// Puts a hook object there that an earlier operation of ours has left.
    pub(super) fn leave_hook(&self, object: &Json, kept: bool) {
        let mut object = object.clone();
        if kept {
            object["metadata"]["finalizers"] = serde_json::json!([KEEPER]);
        }
        // What we create as a hook carries the mark of its operation.
        let phases = object["metadata"]["annotations"]["argocd.argoproj.io/hook"].as_str().unwrap_or_default();
        let first = phases.split(',').next().unwrap_or_default().trim();
        object["metadata"]["annotations"][OPERATION_ANNOTATION] = format!("earlier.{first}").into();
        let object = diff::stamp(&self.placed(&object, NAMESPACE), &self.app.owner);
        let write = Write::apply(&object, &self.app.owner.manager(), Force::No);
        ready(self.cluster.inner.write(&write)).unwrap().unwrap();
    }

    /// Keeps an object from going when it is deleted.
    pub(super) fn keep(&self, key: &ResourceKey) {
        self.finalizers(key, &[KEEPER]);
    }

    /// Makes an object go at once, whatever keeps it.
    pub(super) fn vanish(&self, key: &ResourceKey) {
        self.finalizers(key, &[]);
        let version = "v1";
        let write = Write::delete(key, version, gitops_core::resource::Propagation::Background);
        let _gone_already = ready(self.cluster.inner.write(&write)).unwrap();
    }

    fn finalizers(&self, key: &ResourceKey, finalizers: &[&str]) {
        let Some(live) = self.cluster.inner.with_server(|server| server.get(key).cloned()) else { return };
        let edited = live
            .edit(|draft| {
                let list: Vec<gitops_core::value::Draft> = finalizers.iter().map(|name| (*name).into()).collect();
                draft.entry("metadata").set("finalizers", list);
            })
            .unwrap();
        ready(self.cluster.inner.write(&Write::replace(&edited, "kubectl-edit"))).unwrap().unwrap();
    }

    pub(super) fn exists(&self, key: &ResourceKey) -> bool {
        self.cluster.inner.with_server(|server| server.get(key).is_some())
    }

    pub(super) fn becomes(&self, key: &ResourceKey, outcome: Outcome) {
        self.cluster.inner.with_server(|server| server.script(key, outcome));
    }

    /// An object without what the recorder's own tool left on it, in its namespace.
    pub(super) fn placed(&self, object: &Json, namespace: &str) -> Resource {
        let mut object = object.clone();
        if object["metadata"]["finalizers"][0] == "argocd.argoproj.io/hook-finalizer" {
            object["metadata"].as_object_mut().unwrap().remove("finalizers");
        }
        if object["metadata"]["namespace"].is_null() && object["kind"] != "Namespace" && !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        complete(&object, "unnamed")
    }

    fn desired(&self, objects: &[Resource]) -> DesiredState {
        // Deleting everything is refused, and hooks run with changes: something that is in no case stays and changes.
        let turn = self.turn.get() + 1;
        self.turn.set(turn);
        let stays = serde_json::json!({
            "kind": "ConfigMap", "metadata": { "namespace": "elsewhere" }, "data": { "turn": turn.to_string() },
        });
        let mut all: BTreeMap<ResourceKey, Resource> =
            objects.iter().map(|object| (object.key().clone(), object.clone())).collect();
        let stays = complete(&stays, STAYS);
        all.insert(stays.key().clone(), stays);
        let model = self.cluster.inner.with_server(|server| server.model().clone());
        DesiredState::from_resources(&Vec::from_iter(all.into_values()), &model, Some(NAMESPACE))
    }

    /// What an earlier sync of ours has applied.
    pub(super) fn synced_before(&self, objects: &[Resource]) {
        let desired = self.desired(objects);
        let report = ready(sync_desired(&self.app, desired, &self.cluster, &self.time)).unwrap().unwrap();
        let phase = report.receipt.map(|receipt| receipt.phase);
        assert_eq!(phase, Some(Phase::Succeeded), "{:?}", report.problems);
    }

    /// Starts an operation.
    pub(super) fn start(&mut self, objects: &[Resource]) {
        let look = || ready(look(&self.app, self.desired(objects), &self.cluster)).unwrap();
        let mut looked: Result<_, SyncError> = look();
        // Whoever asks for an operation asks again a few times, as Argo CD does within one.
        for _ in 1..TRIES {
            if looked.is_err() {
                looked = look();
            }
        }
        match looked {
            Err(error) => self.no_answer = Some(error.to_string()),
            Ok(looked) => {
                let mut machine = looked.machine(&self.app, self.time.now());
                machine.iter_mut().for_each(Machine::watch);
                self.run = Some(Run { machine, plan: Arc::clone(&looked.plan), steps: BTreeMap::new() });
            }
        }
    }

    /// Lets the operation go on until it has ended, or only waits.
    pub(super) fn go_on(&mut self) {
        let Some(Run { machine: Some(machine), steps, .. }) = &mut self.run else { return };
        let until = self.time.now() + LONGEST_LOOK;
        while machine.outcome().is_none() {
            if let Some(effect) = machine.next_effect() {
                let event = ready(perform(effect, &self.cluster)).unwrap();
                machine.handle(event, self.time.now());
            } else {
                let at = machine.wake_at().unwrap();
                if at > until {
                    break;
                }
                ready(self.time.sleep_until(at)).unwrap();
                machine.handle(Event::Tick, self.time.now());
            }
        }
        while let Some(progress) = machine.next_progress() {
            note(steps, progress.news);
        }
    }

    pub(super) fn terminate(&mut self) {
        if let Some(Run { machine: Some(machine), .. }) = &mut self.run {
            machine.handle(Event::Terminate, self.time.now());
        }
    }

    /// How the operation stands; `None` while it runs.
    pub(super) fn phase(&self) -> Option<Phase> {
        match &self.run {
            Some(Run { machine: Some(machine), .. }) => machine.outcome().map(|receipt| receipt.phase),
            // Nothing had to be done.
            Some(_) => Some(Phase::Succeeded),
            None => Some(Phase::Error),
        }
    }
}

impl Run {
    /// The step of an object in a phase; a hook under the name it runs with.
    pub(super) fn is_hook(&self, step: StepId) -> bool {
        self.plan.step(step).is_some_and(|step| matches!(step.action, Action::Hook { .. }))
    }

    pub(super) fn deletes(&self, step: StepId) -> bool {
        self.plan.step(step).is_some_and(|step| matches!(step.action, Action::Delete { .. }))
    }

    pub(super) fn phase_of(&self, step: StepId) -> String {
        self.plan.step(step).map(|step| step.phase.to_string()).unwrap_or_default()
    }
}

fn note(steps: &mut BTreeMap<StepId, State>, news: News) {
    match news {
        News::Began { step, key, .. } => {
            steps.insert(step, State { key, applied: false, ended: None, message: String::new() });
        }
        News::Applied { step, key, .. } => {
            if let Some(state) = steps.get_mut(&step) {
                (state.applied, state.key) = (true, key);
            }
        }
        News::Ended { step, outcome, message, .. } => {
            if let Some(state) = steps.get_mut(&step) {
                (state.ended, state.message) = (Some(outcome), message.to_string());
            }
        }
        _ => {}
    }
}
