//! A world of three applications of one repository on one cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gitops_core::automation::Automation;
use gitops_core::cluster::{Cluster, Force, PatchStep, Write};
use gitops_core::engine::Application;
use gitops_core::memory::{Simulation, ready};
use gitops_core::path::FieldPath;
use gitops_core::policy::window::{Asked, Windows};
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::App;
use gitops_core::resource::{Propagation, Resource, ResourceKey};
use gitops_core::source::{Paths, RevisionId};
use gitops_core::state::Owner;
use gitops_core::time::Timestamp;
use gitops_core::value::Value;

use super::chance::Chance;

pub(crate) const APPS: [&str; 3] = ["a", "b", "c"];
/// Of maps, and of Deployments (`d`), whose controllers make ReplicaSets and Pods.
pub(crate) const NAMES: [&str; 8] = ["m0", "m1", "m2", "m3", "m4", "m5", "d6", "d7"];
pub(crate) const BROKEN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moved\n";
pub(crate) const COLOURS: [&str; 5] = ["blue", "red", "green", "white", "black"];

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) chance: Chance,
    pub(crate) sim: Simulation,
    pub(crate) start: Timestamp,
    /// The files of the head, and the revisions there were.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) revisions: Vec<(RevisionId, BTreeMap<String, String>)>,
    /// The folder that each application reads.
    pub(crate) roots: BTreeMap<&'static str, String>,
    pub(crate) windows: BTreeMap<&'static str, &'static str>,
    /// Since when it is so.
    pub(crate) suspended: BTreeMap<&'static str, Timestamp>,
    /// What undoes no change on the cluster, how often each tries, and what it follows.
    pub(crate) reports: BTreeSet<&'static str>,
    pub(crate) limits: BTreeMap<&'static str, u32>,
    pub(crate) targets: BTreeMap<&'static str, &'static str>,
    /// Names that moved into a file with a slip: which file, and when.
    pub(crate) broken: BTreeMap<&'static str, (String, Timestamp)>,
    /// Who was to be deleted at some time: then nobody waits for it.
    pub(crate) deleted: BTreeSet<&'static str>,
    /// Who has an operation under way.
    pub(crate) running: BTreeSet<String>,
    pub(crate) gone: BTreeSet<&'static str>,
    pub(crate) told: Vec<String>,
    /// What happened, for a seed that fails.
    pub(crate) diary: Vec<String>,
    pub(crate) made: BTreeSet<String>,
    pub(crate) runs: BTreeMap<String, u32>,
    pub(crate) starts: usize,
}

pub(crate) fn config(name: &str) -> ResourceKey {
    ResourceKey::new("", "ConfigMap", "default", name)
}

/// The object of a name, and where its colour stands.
pub(crate) fn object(name: &str) -> (ResourceKey, &'static [&'static str]) {
    if name.starts_with('d') {
        let key = ResourceKey::new("apps", "Deployment", "default", name);
        return (key, &["spec", "template", "metadata", "annotations", "colour"]);
    }
    (config(name), &["data", "colour"])
}

pub(crate) fn manifest(name: &str, colour: &str, wave: u64) -> String {
    if !name.starts_with('d') {
        return map(name, colour, wave);
    }
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, annotations: {{argocd.argoproj.io/sync-wave: \
         \"{wave}\", argocd.argoproj.io/sync-options: Force=true}}}}\nspec: {{replicas: 2, selector: {{matchLabels: {{app: \
         {name}-{wave}}}}}, template: {{spec: {{containers: [{{name: run, image: nginx}}]}}, metadata: {{labels: {{app: \
         {name}-{wave}}}, annotations: {{colour: {colour}}}}}}}}}\n"
    )
}

fn map(name: &str, colour: &str, wave: u64) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{argocd.argoproj.io/sync-wave: \
         \"{wave}\"}}}}\ndata: {{colour: {colour}}}\n"
    )
}

pub(crate) fn hook(app: &str, outcome: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: hook-{app}\n  annotations:\n    argocd.argoproj.io/hook: \
         PreSync\n    memory.gitops.rs/outcome: {outcome}\nspec:\n  template:\n    spec:\n      restartPolicy: \
         Never\n      containers: [{{name: run, image: busybox}}]\n"
    )
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let start = "2026-03-01T12:00:00Z".parse().unwrap();
        let mut world = Self {
            seed,
            chance: Chance::new(seed),
            sim: Simulation::new(seed, start),
            start,
            files: BTreeMap::new(),
            revisions: Vec::new(),
            roots: APPS.map(|app| (app, app.to_owned())).into(),
            windows: BTreeMap::new(),
            suspended: BTreeMap::new(),
            reports: BTreeSet::new(),
            limits: BTreeMap::new(),
            targets: BTreeMap::new(),
            broken: BTreeMap::new(),
            deleted: BTreeSet::new(),
            running: BTreeSet::new(),
            gone: BTreeSet::new(),
            told: Vec::new(),
            diary: Vec::new(),
            made: BTreeSet::new(),
            runs: BTreeMap::new(),
            starts: 0,
        };
        for name in ["theirs", "stranger"] {
            let tracking = if name == "stranger" {
                r#","annotations":{"gitops.rs/tracking-id":"other:/ConfigMap:default/stranger"}"#
            } else {
                ""
            };
            let json = format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default"{tracking}}}}}"#
            );
            let object = Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap();
            world.write(&Write::apply(&object, "somebody", Force::No));
        }
        for (at, name) in NAMES.iter().enumerate() {
            let app = APPS.get(at % 3).unwrap();
            world.files.insert(format!("{app}/{name}.yaml"), manifest(name, "blue", world.chance.below(3)));
        }
        world.files.insert("a/hook.yaml".to_owned(), hook("a", "succeed"));
        for app in APPS {
            world.files.insert(format!("{app}/own.yaml"), manifest(&format!("own-{app}"), "blue", 0));
        }
        world.commit("begin");
        APPS.iter().for_each(|app| world.put(app));
        world
    }

    pub(crate) fn age(&self) -> Duration {
        self.sim.now().since(self.start)
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let line = format!("{} {}", self.sim.now(), text.into());
        self.diary.push(line);
    }

    pub(crate) fn write(&self, write: &Write) {
        // By hand: whether it comes to pass is of no interest.
        drop(ready(self.sim.cluster.write(write)));
    }

    pub(crate) fn put(&mut self, name: &'static str) {
        let target = self.targets.get(name).unwrap_or(&"main");
        let mut app = App::new(Owner::new("", name).unwrap(), target).with_namespace("default");
        app.policy = SyncPolicy::default().with_prune(Prune::Owned);
        app.paths = Paths::under([self.roots.get(name).unwrap().as_str()]).unwrap();
        let reports = self.reports.contains(name);
        let mut automation = if reports { Automation::syncing() } else { Automation::healing() };
        automation.retry.limit = self.limits.get(name).copied();
        let automation = if self.suspended.contains_key(name) { automation.suspended() } else { automation };
        let mut application = Application::new(app, "git", "cluster").with_automation(automation);
        if let Some(windows) = self.windows.get(name) {
            application = application.with_windows(serde_json::from_str(windows).unwrap());
        }
        if name == "c" {
            application = application.after("a");
        }
        self.gone.remove(name);
        self.sim.put(application);
    }

    pub(crate) fn commit(&mut self, message: &str) {
        let before = self.revisions.last().map(|(_, files)| files.clone()).unwrap_or_default();
        let gone = before.keys().filter(|path| !self.files.contains_key(*path)).map(|path| (path.as_str(), None));
        let files = self.files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str())));
        let id = self.sim.source.commit("Ann <ann@example.org>", self.sim.now(), message, files.chain(gone));
        self.revisions.push((id, self.files.clone()));
        self.keep_broken();
    }

    /// What is mended, or gone, is broken no longer.
    pub(crate) fn keep_broken(&mut self) {
        self.broken.retain(|_, (path, _)| self.files.get(path).is_some_and(|text| text.ends_with(BROKEN)));
    }

    /// The windows of an application say no, at two moments and so all the while: none of them is that short.
    pub(crate) fn is_denied(&self, app: &str, by: Asked, from: Timestamp, to: Timestamp) -> bool {
        let Some(windows) = self.windows.get(app) else { return false };
        let windows: Windows = serde_json::from_str(windows).unwrap();
        [from, to].into_iter().all(|at| !windows.decide(by, at, None).allowed)
    }

    /// The program dies: what was under way is begun anew, or not.
    pub(crate) fn crash(&mut self) {
        self.running.clear();
        self.sim.crash();
    }

    pub(crate) fn paint(&self, name: &str, colour: &str, manager: &str) {
        let colour = Value::from_json(format!("\"{colour}\"").as_bytes()).unwrap();
        let (key, field) = object(name);
        let steps = vec![PatchStep::Set(FieldPath::fields(field), colour)];
        self.write(&Write::patch(&key, "v1", steps, manager));
    }

    pub(crate) fn delete(&self, name: &str) {
        self.write(&Write::delete(&object(name).0, "v1", Propagation::Background));
    }

    pub(crate) fn colour(&self, name: &str) -> Option<String> {
        self.sim.cluster.with_server(|server| {
            let (key, field) = object(name);
            Some(server.get(&key)?.tree().dig(field)?.as_str()?.to_owned())
        })
    }

    /// Who declares a name at the head, and the colour there.
    pub(crate) fn declared(&self, name: &str) -> Vec<(&'static str, String)> {
        let of = |app: &'static str| {
            let text = self.files.get(&format!("{}/{name}.yaml", self.roots.get(app)?))?;
            let colour = text.split("colour: ").nth(1)?.trim_end_matches(['}', '\n']);
            Some((app, colour.to_owned()))
        };
        APPS.iter().filter_map(|app| of(app)).collect()
    }
}
