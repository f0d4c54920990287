//! What a case declares and what it leaves behind, planned by our rules, for suites about the order of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_core::diff::{Comparison, Context, compare};
use gitops_core::model::{ApiModel, KindFacts, Scope, ServedKind};
use gitops_core::plan::{Action, After, HookRun, Plan, Step, plan};
use gitops_core::policy::{self, Prune, SyncPolicy};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{DesiredState, Entry, Inventory, LiveState, Namespaces, Owner, Standing};
use gitops_core::value::Value;

use crate::sync_order::with;

type Json = serde_json::Value;

/// Objects that are declared and missing, and objects of ours that nobody declares any more.
pub(crate) struct Objects {
    model: ApiModel,
    declared: Vec<Resource>,
    live: LiveState,
    entries: Vec<(ResourceKey, Entry)>,
    pub(crate) owner: Owner,
    pub(crate) policy: SyncPolicy,
}

impl Objects {
    pub(crate) fn new(owner: &str) -> Self {
        let mut policy = SyncPolicy::default().with_prune(Prune::Owned);
        policy.prune_budget_percent = 100;
        let owner = Owner::new("", owner).unwrap();
        let (declared, entries) = (Vec::new(), Vec::new());
        let mut objects =
            Self { model: ApiModel::builtin(), declared, live: LiveState::default(), entries, owner, policy };
        // Deleting everything is refused, so something stays that is in no case.
        let stays = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "stays", "namespace": "elsewhere" },
        });
        let stays = objects.declare(&with(&stays, "argocd.argoproj.io/hook", "PreDelete"));
        objects.entries.push((stays, Entry::held(Standing::Created, "stays", "v1", 0)));
        objects
    }

    /// Declares an object.
    pub(crate) fn declare(&mut self, object: &Json) -> ResourceKey {
        let resource = self.placed(object.clone());
        self.declared.push(resource.clone());
        resource.key().clone()
    }

    /// Puts an object there that we created and nobody declares. Namespaces and CRDs are said to be prunable.
    pub(crate) fn leave(&mut self, object: &Json) -> ResourceKey {
        let object = match object["kind"].as_str() {
            Some("Namespace" | "CustomResourceDefinition") => with(object, "gitops.rs/prune", "enabled"),
            _ => object.clone(),
        };
        let key = self.placed(object.clone()).key().clone();
        let mark = self.owner.tracking_id(&key);
        let uid = self.put(&with(&object, "gitops.rs/tracking-id", &mark));
        let wave = policy::options(&self.placed(object)).0.wave;
        self.entries.push((key.clone(), Entry::held(Standing::Created, &uid, "v1", wave)));
        key
    }

    /// Says that we created an object that is there.
    pub(crate) fn record(&mut self, key: &ResourceKey, uid: &str) {
        self.entries.push((key.clone(), Entry::held(Standing::Created, uid, "v1", 0)));
    }

    /// Puts an object there; returns its uid.
    pub(crate) fn put(&mut self, object: &Json) -> String {
        let mut object = object.clone();
        let uid = format!("uid of {}", self.placed(object.clone()).key());
        object["metadata"]["uid"] = uid.clone().into();
        let resource = self.placed(object);
        self.live.insert(resource);
        uid
    }

    /// Serves the kind of an object, completes it, and has looked at all objects of that kind.
    fn placed(&mut self, mut object: Json) -> Resource {
        let text = |of: &Json| of.as_str().unwrap_or_default().to_owned();
        if text(&object["apiVersion"]).is_empty() {
            object["apiVersion"] = if object["kind"] == "Job" { "batch/v1" } else { "v1" }.into();
        }
        if object["kind"] == "CustomResourceDefinition" {
            define(&mut object);
        }
        let api_version = text(&object["apiVersion"]);
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        let kind = Arc::new(GroupKind::new(group, &text(&object["kind"])));
        let scope = match self.model.kind(&kind) {
            KindFacts::Served(served) => {
                // The recordings are older than the versions that are served today.
                let version = &served.preferred;
                object["apiVersion"] =
                    if group.is_empty() { version.to_string() } else { format!("{group}/{version}") }.into();
                served.scope
            }
            _ => {
                let in_namespace = !text(&object["metadata"]["namespace"]).is_empty();
                let scope = if in_namespace { Scope::Namespaced } else { Scope::Cluster };
                let served = ServedKind::new((*kind).clone(), "things", scope, version);
                self.model = self.model.with_kind(served);
                scope
            }
        };
        match scope {
            Scope::Namespaced if text(&object["metadata"]["namespace"]).is_empty() => {
                object["metadata"]["namespace"] = "default".into();
            }
            Scope::Namespaced => {}
            _ => drop(object["metadata"].as_object_mut().unwrap().remove("namespace")),
        }
        self.live.listed(&kind, &Namespaces::All);
        Resource::new(Value::from_serialize(&object).unwrap()).unwrap()
    }

    pub(crate) fn compared(&self) -> (DesiredState, Comparison) {
        let desired = DesiredState::from_resources(&self.declared, &self.model, None);
        let inventory = Inventory::whole(self.entries.iter().cloned());
        let context = Context::new(&self.model, &self.owner, &inventory);
        let comparison = compare(&desired, &self.live, &context, &Comparison::default());
        (desired, comparison)
    }

    pub(crate) fn plan(&self) -> Plan {
        let (desired, comparison) = self.compared();
        let inventory = Inventory::whole(self.entries.iter().cloned());
        let context = Context::new(&self.model, &self.owner, &inventory);
        plan(&comparison, &desired, &self.policy, &context, HookRun::WithChanges)
    }
}

/// Completes the little that is recorded of a CRD to one that a server takes.
pub(crate) fn define(crd: &mut Json) {
    let spec = &mut crd["spec"];
    let kind = spec["names"]["kind"].as_str().unwrap_or("Thing").to_owned();
    let version = |name: &str| {
        serde_json::json!({
            "name": name, "served": true, "storage": name == "v1",
            "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
        })
    };
    let versions = ["v1", "v1alpha1", "v1alpha2", "v1alpha3", "v1beta1"].map(version);
    let plural = format!("{}s", kind.to_lowercase());
    for (field, value) in [("scope", "Namespaced".into()), ("versions", versions.to_vec().into())] {
        if spec[field].is_null() || field == "versions" {
            spec[field] = value;
        }
    }
    if spec["names"]["plural"].is_null() {
        spec["names"]["plural"] = plural.into();
    }
}

pub(crate) fn deletes(step: &Step) -> bool {
    matches!(step.action, Action::Delete { .. })
}

/// What each step waits for itself, gates seen through.
pub(crate) fn waits(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let mut found = Vec::new();
    for step in &plan.steps {
        let mut waits = BTreeSet::new();
        let mut left: Vec<After> = step.after.clone();
        while let Some(after) = left.pop() {
            match after {
                After::Applied(id) | After::Healthy(id) | After::Gone(id) => drop(waits.insert(id.0 as usize)),
                After::Gate(gate) => left.extend(&plan.gates[gate.0 as usize].opens),
            }
        }
        found.push(waits);
    }
    found
}

/// The same with all that these wait for.
pub(crate) fn closure(waits: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    for direct in waits {
        let further = direct.iter().flat_map(|on| all[*on].iter().copied()).collect::<Vec<_>>();
        all.push(direct.iter().copied().chain(further).collect());
    }
    all
}

/// The steps in layers: each waits for one of the layer before, and for none of its own.
pub(crate) fn layers(plan: &Plan) -> Vec<BTreeSet<ResourceKey>> {
    let mut layer_of: Vec<usize> = Vec::new();
    let mut layers: BTreeMap<usize, BTreeSet<ResourceKey>> = BTreeMap::new();
    for (step, waits) in plan.steps.iter().zip(waits(plan)) {
        let layer = waits.iter().map(|on| layer_of[*on] + 1).max().unwrap_or(0);
        layer_of.push(layer);
        layers.entry(layer).or_default().insert(step.key.clone());
    }
    layers.into_values().collect()
}
