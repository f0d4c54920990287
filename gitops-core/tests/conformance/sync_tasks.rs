//! The order of Argo CD's sync tasks, beside the order of the steps of our plan.

use std::sync::Arc;

use gitops_core::diff::{Comparison, Context, compare};
use gitops_core::model::{ApiModel, KindFacts, Scope, ServedKind};
use gitops_core::plan::{Action, HookRun, Plan, Step, plan};
use gitops_core::policy::{self, CreateNamespace, Prune, SyncPolicy};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{DesiredState, Entry, Inventory, LiveState, Namespaces, Owner, Standing};

use crate::ordering::define;
use crate::sync_order::{Verdict, complete, with};

type Json = serde_json::Value;

const UNNAMED: &str = "unnamed";

/// One object in the order of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    name: String,
    prunes: bool,
    turn: (usize, i64),
}

/// Plans what a case holds, and checks that no two objects swap places.
///
/// Creations and deletions are compared among themselves: we delete when all that is declared is healthy.
pub(crate) fn tasks(case: &Json) -> Verdict {
    let mut world = World::new();
    if let Some(resources) = case["input"]["resources"].as_array() {
        resources.iter().for_each(|pair| world.pair(&pair["target"], &pair["live"], ""));
        case["input"]["hooks"].as_array().unwrap().iter().for_each(|hook| world.pair(hook, &Json::Null, ""));
    }
    for (at, task) in case["tasks"].as_array().into_iter().flatten().enumerate() {
        // Some recorded objects have nothing that tells them apart.
        let mut target = task["target"].clone();
        if let Some(version) = target.as_object_mut().and_then(|target| target.remove("GroupVersion")) {
            target["apiVersion"] = version;
        }
        if target.is_object() && target["metadata"]["name"].is_null() {
            target["metadata"]["name"] = format!("{UNNAMED}-{at}").into();
        }
        world.pair(&target, &task["live"], task["phase"].as_str().unwrap());
    }
    if case["options"]["createNamespace"] == true {
        world.live.listed(&Arc::new(GroupKind::new("", "Namespace")), &Namespaces::All);
        world.creates = CreateNamespace::IfMissing;
    }
    let plan = world.plan();
    let expected = case["expected"]["tasks"].as_array().or(case["expected"].as_array()).unwrap();
    let expected: Vec<Place> = expected.iter().map(recorded).collect();
    if plan.steps.len() != expected.len() {
        return Err(format!("expected {expected:?}, got\n{plan}"));
    }
    let turn_of = |step: &Step| {
        // Argo CD names a hook that has no name while it plans, we while we run: such a one is known by its turn.
        let turn = (step.phase as usize, i64::from(step.wave));
        let is = |place: &&Place| match &*step.key.name {
            name if name.starts_with(UNNAMED) => place.turn == turn,
            name => place.name == name && place.prunes == prunes(step),
        };
        let place = expected.iter().find(is).ok_or_else(|| format!("{step} is not expected\n{plan}"))?;
        Ok::<_, String>(place.turn)
    };
    for deleted in [false, true] {
        let turns =
            plan.steps.iter().filter(|step| prunes(step) == deleted).map(turn_of).collect::<Result<Vec<_>, _>>()?;
        if !turns.is_sorted() {
            return Err(format!("expected {expected:?}, got\n{plan}"));
        }
    }
    Ok(())
}

fn prunes(step: &Step) -> bool {
    matches!(step.action, Action::Delete { .. })
}

fn recorded(task: &Json) -> Place {
    let phase = task["phase"].as_str().unwrap();
    let phase = ["PreSync", "Sync", "PostSync", "SyncFail"].iter().position(|name| *name == phase).unwrap_or(1);
    let wave = task["waveOverride"].as_i64().or(task["wave"].as_i64()).unwrap();
    let name = task["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(UNNAMED).to_owned();
    Place { name, prunes: task["isPrune"] == true, turn: (phase, wave) }
}

struct World {
    model: ApiModel,
    declared: Vec<Resource>,
    live: LiveState,
    entries: Vec<(ResourceKey, Entry)>,
    owner: Owner,
    creates: CreateNamespace,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            model: ApiModel::builtin(),
            declared: Vec::new(),
            live: LiveState::default(),
            entries: Vec::new(),
            owner: Owner::new("", "app").unwrap(),
            creates: CreateNamespace::Never,
        };
        // Deleting everything is refused, so something stays that is in no case.
        let stays =
            serde_json::json!({ "kind": "ConfigMap", "metadata": { "name": "stays", "namespace": "elsewhere" } });
        world.pair(&with(&stays, "argocd.argoproj.io/hook", "PreDelete"), &Json::Null, "");
        let stays = complete(&stays, "stays");
        world.entries.push((stays.key().clone(), Entry::held(Standing::Created, "stays", "v1", 0)));
        world
    }

    fn pair(&mut self, target: &Json, live: &Json, phase: &str) {
        if target.is_object() {
            let target = if ["", "Sync"].contains(&phase) {
                target.clone()
            } else {
                with(target, "argocd.argoproj.io/hook", phase)
            };
            let mut target = target;
            if target["kind"] == "CustomResourceDefinition" {
                define(&mut target);
            }
            let resource = complete(&target, UNNAMED);
            // Argo CD has a hook that is declared once both among its resources and among its hooks.
            if self.declared.contains(&resource) {
                return;
            }
            self.serve(&resource);
            self.declared.push(resource);
        }
        if live.is_object() {
            let mut live = live.clone();
            if live["metadata"]["namespace"].is_null() && live["kind"] != "Namespace" {
                live["metadata"]["namespace"] = "fake-argocd-ns".into();
            }
            let resource = complete(&live, UNNAMED);
            let uid = format!("uid of {}", resource.key());
            let mark = self.owner.tracking_id(resource.key());
            // What is declared too is not marked as ours, so that it differs and has a step.
            let mut live = if target.is_object() { live } else { with(&live, "gitops.rs/tracking-id", &mark) };
            if matches!(live["kind"].as_str(), Some("Namespace" | "CustomResourceDefinition")) {
                // We delete these only when a person said so.
                live = with(&live, "gitops.rs/prune", "enabled");
            }
            live["metadata"]["uid"] = uid.clone().into();
            let resource = complete(&live, UNNAMED);
            self.serve(&resource);
            if !target.is_object() {
                let wave = policy::options(&resource).0.wave;
                self.entries.push((resource.key().clone(), Entry::held(Standing::Created, &uid, "v1", wave)));
            }
            self.live.insert(resource);
        }
    }

    /// Serves the kind of an object, and has looked at all objects of it.
    fn serve(&mut self, resource: &Resource) {
        let kind: Arc<GroupKind> = Arc::clone(&resource.key().group_kind);
        if !matches!(self.model.kind(&kind), KindFacts::Served(_)) {
            self.model =
                self.model.with_kind(ServedKind::new((*kind).clone(), "things", Scope::Namespaced, resource.version()));
        }
        self.live.listed(&kind, &Namespaces::All);
    }

    fn plan(&self) -> Plan {
        let desired = DesiredState::from_resources(&self.declared, &self.model, Some("fake-argocd-ns"))
            .with_namespace("fake-argocd-ns", &self.creates);
        let inventory = Inventory::whole(self.entries.iter().cloned());
        let context = Context::new(&self.model, &self.owner, &inventory);
        let comparison = compare(&desired, &self.live, &context, &Comparison::default());
        let mut rules = SyncPolicy::default().with_prune(Prune::Owned);
        rules.prune_budget_percent = 100;
        plan(&comparison, &desired, &rules, &context, HookRun::Always)
    }
}
