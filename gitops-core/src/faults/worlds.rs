//! Applications that need, together, every effect there is.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Cluster, Force, Write};
use crate::memory::{Action, ApiServer, MemoryCluster, MemorySource, Patch, Request, VirtualTime, ready};
use crate::plan::{Objects, Request as Asked, Selection};
use crate::policy::{Conflicts, Prune, SyncPolicy, Validate};
use crate::reconcile::{self, App, Looked, Report, SyncStatus, World as Ports, look, read_desired};
use crate::resource::{Resource, ResourceKey};
use crate::source::Paths;
use crate::state::{Owner, Tool};
use crate::sync::{Aim, Phase};
use crate::time::{Timer, Timestamp};
use crate::value::Value;

use super::manifests::{SCRATCH, SHOP, SLOW, SPARE, config, crd, job, namespace, object, rules, widget};

/// What is asked of an application.
pub(super) enum Ask {
    Sync,
    Adopt,
    TransferFrom(Owner),
    Release(Selection),
    Orphan,
}

/// What somebody else does right before the first effect for an aim on the object of a name.
pub(super) struct Meddling {
    pub(super) before: Aim,
    pub(super) name: &'static str,
    pub(super) act: fn(&MemoryCluster, &ResourceKey),
}

/// An application, and what is asked of it next.
pub(super) struct World {
    pub(super) name: &'static str,
    source: MemorySource,
    app: App,
    ask: Ask,
    server: ApiServer,
    now: Timestamp,
    pub(super) meddling: Vec<Meddling>,
    /// The first effect for each of these takes place, and its answer is lost.
    pub(super) lost: &'static [Aim],
}

/// A cluster that is as the world is, to do what is asked.
pub(super) struct Attempt<'w> {
    pub(super) world: &'w World,
    pub(super) cluster: MemoryCluster,
    pub(super) time: VirtualTime,
}

/// A world in the making.
struct Making {
    source: MemorySource,
    cluster: MemoryCluster,
    time: VirtualTime,
    app: App,
}

pub(super) fn worlds() -> Vec<World> {
    vec![
        changes(),
        starts(),
        owned_otherwise(),
        meddled_with(),
        adopted(),
        transferred(),
        released(),
        orphaned(),
        of_another_version(),
        left_by_a_hook(),
    ]
}

/// A revision that changes everything in every way.
fn changes() -> World {
    let policy = SyncPolicy::default().with_prune(Prune::Owned).with_validate(Validate::Layers);
    let mut making = Making::new(policy);
    let (replace, force) = ([("argocd.argoproj.io/sync-options", "Replace=true")], "Force=true");
    let fixed = |value: &str| {
        config("fixed", &[("argocd.argoproj.io/sync-options", force)], &format!("{{key: {value}}}\nimmutable: true"))
    };
    making.synced(&[
        ("ns.yaml", Some(SHOP)),
        ("old.yaml", Some(&config("old", &[], "{key: a}"))),
        ("spare.yaml", Some(SPARE)),
        ("mine.yaml", Some(&config("mine", &[], "{key: a}"))),
        ("theirs.yaml", Some(&config("theirs", &[], "{key: a}"))),
        ("ruled.yaml", Some(&config("ruled", &[], "{key: a, free: a}"))),
        ("whole.yaml", Some(&config("whole", &replace, "{key: a}"))),
        ("fixed.yaml", Some(&fixed("a"))),
        ("again.yaml", Some(&job("again", "PreSync", "BeforeHookCreation"))),
        ("slow.yaml", Some(SLOW)),
    ]);
    making.edit("theirs", "key", "by hand", "kubectl-edit");
    making.commit(&[
        ("old.yaml", None),
        ("spare.yaml", None),
        ("mine.yaml", Some(&config("mine", &[], "{key: b}"))),
        ("theirs.yaml", Some(&config("theirs", &[], "{key: b}"))),
        ("ruled.yaml", Some(&config("ruled", &[], "{key: b, free: b}"))),
        ("whole.yaml", Some(&config("whole", &replace, "{key: b}"))),
        ("fixed.yaml", Some(&fixed("b"))),
        ("new.yaml", Some(&config("new", &[("argocd.argoproj.io/sync-wave", "1")], "{key: b}"))),
        ("smoke.yaml", Some(&job("smoke", "PostSync", "HookSucceeded"))),
    ]);
    making.app.rules = rules("ruled");
    making.asked("changes", Ask::Sync)
}

/// The first revision of all: the record has no namespace yet, and answers are lost.
fn starts() -> World {
    let making = Making::new(SyncPolicy::default());
    making.commit(&[("ns.yaml", Some(SHOP)), ("one.yaml", Some(&config("one", &[], "{key: a}")))]);
    World { lost: &[Aim::Record, Aim::Create], ..making.asked("starts", Ask::Sync) }
}

/// Objects whose fields are owned in ways that must be put right first.
fn owned_otherwise() -> World {
    let conflicts = Conflicts::default().with_former("argocd-controller");
    let making = Making::new(SyncPolicy::default().with_conflicts(conflicts));
    making.synced(&[("ns.yaml", Some(SHOP)), ("held.yaml", Some(&config("held", &[], "{key: a, b: a}")))]);
    making.edit("held", "b", "by hand", "kubectl-edit");
    making.write(&Write::create(&object("folded", r#"{"key":"a","b":"a"}"#, ""), "gitops:shop"));
    making.write(&Write::apply(&object("renamed", r#"{"key":"a","b":"a"}"#, ""), "argocd-controller", Force::No));
    making.commit(&[
        ("held.yaml", Some(&config("held", &[], "{key: a}"))),
        ("folded.yaml", Some(&config("folded", &[], "{key: a}"))),
        ("renamed.yaml", Some(&config("renamed", &[], "{key: a}"))),
    ]);
    making.asked("owned otherwise", Ask::Sync)
}

/// Objects that somebody else writes between plan and apply.
fn meddled_with() -> World {
    let mut making = Making::new(SyncPolicy::default());
    making.app.rules = rules("ruled");
    making.synced(&[
        ("ns.yaml", Some(SHOP)),
        ("left.yaml", Some(&config("left", &[], "{key: a, b: a}"))),
        ("ruled.yaml", Some(&config("ruled", &[], "{key: a}"))),
    ]);
    making.commit(&[
        ("left.yaml", Some(&config("left", &[], "{key: a}"))),
        ("ruled.yaml", Some(&config("ruled", &[], "{key: b}"))),
    ]);
    let meddling = vec![
        Meddling { before: Aim::Apply, name: "left", act: |cluster, key| edit(cluster, key, "b", "by hand", "hand") },
        Meddling {
            before: Aim::LookBeforeApply,
            name: "ruled",
            act: |cluster, key| edit(cluster, key, "more", "by us", "gitops:shop"),
        },
    ];
    World { meddling, ..making.asked("meddled with", Ask::Sync) }
}

fn adopted() -> World {
    let making = Making::new(SyncPolicy::default());
    making.write(&Write::create(&namespace(), "kubectl-create"));
    making.write(&Write::apply(&object("one", r#"{"key":"a"}"#, ""), "kubectl", Force::No));
    making.commit(&[("one.yaml", Some(&config("one", &[], "{key: a}")))]);
    making.asked("adopted", Ask::Adopt)
}

fn transferred() -> World {
    let mut making = Making::new(SyncPolicy::default());
    making.app.paths = Paths::under(["shop"]).unwrap();
    let one = config("one", &[], "{key: a}");
    making.synced(&[("shop/ns.yaml", Some(SHOP)), ("shop/one.yaml", Some(&one))]);
    making.commit(&[("shop/one.yaml", None), ("market/one.yaml", Some(&one))]);
    let giver = making.app.owner.clone();
    making.app = App::new(Owner::new("", "market").unwrap(), "main").with_namespace("shop");
    making.app.paths = Paths::under(["market"]).unwrap();
    making.asked("transferred", Ask::TransferFrom(giver))
}

fn released() -> World {
    let making = Making::new(SyncPolicy::default());
    making.synced(&[
        ("ns.yaml", Some(SHOP)),
        ("one.yaml", Some(&config("one", &[], "{key: a}"))),
        ("other.yaml", Some(&config("other", &[], "{key: a}"))),
    ]);
    let one = Selection::of(["ConfigMap/one".parse::<Objects>().unwrap()]);
    making.asked("released", Ask::Release(one))
}

fn orphaned() -> World {
    let making = Making::new(SyncPolicy::default());
    making.synced(&[("ns.yaml", Some(SHOP)), ("one.yaml", Some(&config("one", &[], "{key: a}")))]);
    making.asked("orphaned", Ask::Orphan)
}

/// An object whose version leaves its definition.
fn of_another_version() -> World {
    let making = Making::new(SyncPolicy::default());
    making.synced(&[
        ("ns.yaml", Some(SHOP)),
        ("crd.yaml", Some(&crd(&["v1alpha1"]))),
        ("w.yaml", Some(&widget("v1alpha1", "old"))),
    ]);
    making.synced(&[("crd.yaml", Some(&crd(&["v1alpha1", "v1"])))]);
    let key = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, "widgets.example.org");
    let patch = Value::from_json(br#"{"status":{"storedVersions":["v1"]}}"#).unwrap();
    let now = making.time.now();
    making.cluster.with_server(|server| {
        let endpoint = server.endpoint(&key, "v1").unwrap().under("status");
        let answer = server.handle(&Request::new(endpoint, Action::Patch(Patch::Merge(patch))).by("admin"), now);
        assert!(answer.refusal().is_none(), "{answer:?}");
    });
    making.commit(&[("crd.yaml", Some(&crd(&["v1"]))), ("w.yaml", Some(&widget("v1", "new")))]);
    making.asked("of another version", Ask::Sync)
}

fn left_by_a_hook() -> World {
    let making = Making::new(SyncPolicy::default().with_prune(Prune::Owned));
    making.synced(&[("ns.yaml", Some(SHOP)), ("scratch.yaml", Some(SCRATCH))]);
    making.commit(&[("scratch.yaml", None), ("one.yaml", Some(&config("one", &[], "{key: a}")))]);
    making.asked("left by a hook", Ask::Sync)
}

impl Making {
    fn new(policy: SyncPolicy) -> Self {
        let time = VirtualTime::starting("2026-03-01T08:00:00Z".parse().unwrap());
        let app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop").with_policy(policy);
        Self { source: MemorySource::default(), cluster: MemoryCluster::new(5, time.clone()), time, app }
    }

    fn commit(&self, files: &[(&str, Option<&str>)]) {
        self.source.commit("Ann <ann@example.org>", self.time.now(), "change", files.iter().copied());
    }

    fn synced(&self, files: &[(&str, Option<&str>)]) {
        self.commit(files);
        let ports = Ports::new(&self.source, &self.cluster, &self.time);
        let report = ready(reconcile::sync(&self.app, ports)).unwrap().unwrap();
        assert_eq!(report.sync, SyncStatus::Synced, "{:?} {:?}", report.receipt, report.problems);
    }

    fn write(&self, write: &Write) {
        ready(self.cluster.write(write)).unwrap().unwrap();
    }

    fn edit(&self, name: &str, field: &str, value: &str, manager: &str) {
        edit(&self.cluster, &ResourceKey::new("", "ConfigMap", "shop", name), field, value, manager);
    }

    fn asked(self, name: &'static str, ask: Ask) -> World {
        let server = self.cluster.with_server(|server| server.clone());
        let (source, app, now) = (self.source, self.app, self.time.now());
        World { name, source, app, ask, server, now, meddling: Vec::new(), lost: &[] }
    }
}

impl World {
    pub(super) fn attempt(&self) -> Attempt<'_> {
        let time = VirtualTime::starting(self.now);
        let cluster = MemoryCluster::over(self.server.clone(), time.clone());
        Attempt { world: self, cluster, time }
    }
}

impl Attempt<'_> {
    fn ports(&self) -> Ports<'_> {
        Ports::new(&self.world.source, &self.cluster, &self.time)
    }

    /// What is asked, looked at.
    pub(super) fn look(&self) -> (App, Looked) {
        let World { app, ask, source, .. } = self.world;
        let looked = match ask {
            Ask::Sync => {
                let desired = ready(read_desired(app, source, &self.cluster)).unwrap().unwrap();
                ready(look(app, desired, &self.cluster)).unwrap()
            }
            Ask::Adopt => ready(reconcile::look_to_adopt(app, &BTreeSet::from([Tool::Kubectl]), self.ports())).unwrap(),
            Ask::TransferFrom(from) => ready(reconcile::look_to_transfer(app, from, self.ports())).unwrap(),
            Ask::Release(_) => ready(reconcile::look_to_release(&self.releasing(), self.ports())).unwrap(),
            Ask::Orphan => ready(reconcile::look_to_orphan(app, self.ports())).unwrap(),
        };
        (self.releasing(), looked.unwrap())
    }

    fn releasing(&self) -> App {
        match &self.world.ask {
            Ask::Release(only) => self.world.app.clone().with_request(Asked::to_release(only.clone())),
            _ => self.world.app.clone(),
        }
    }

    /// Does all that is asked.
    pub(super) fn whole(&self) -> Phase {
        let app = &self.world.app;
        let report = match &self.world.ask {
            Ask::Sync => ready(reconcile::sync(app, self.ports())).unwrap(),
            Ask::Adopt => ready(reconcile::adopt(app, &BTreeSet::from([Tool::Kubectl]), self.ports())).unwrap(),
            Ask::TransferFrom(from) => ready(reconcile::transfer(app, from, self.ports())).unwrap(),
            Ask::Release(_) => ready(reconcile::release(&self.releasing(), self.ports())).unwrap(),
            Ask::Orphan => ready(reconcile::orphan(app, self.ports())).unwrap(),
        };
        phase(&report.unwrap())
    }

    /// What is there, without what controllers make, and what is recorded.
    pub(super) fn state(&self) -> BTreeMap<String, String> {
        let made_by_controllers = ["Event", "Job", "Pod", "ReplicaSet", "Lease", "EndpointSlice"];
        self.cluster.with_server(|server| {
            let objects = server.objects().filter(|object| !made_by_controllers.contains(&object.key().kind()));
            let content = |object: &Resource| {
                let recorded = object.key().namespace.as_deref() == Some("gitops-system");
                let tree = object.tree();
                let part = |part: &&str| tree.get(part).map(|value| value.to_json());
                let parts: Vec<String> = ["data", "spec"].iter().filter_map(part).filter(|_| !recorded).collect();
                format!("{parts:?} {:?}", object.annotation("gitops.rs/tracking-id"))
            };
            objects.map(|object| (object.key().to_string(), content(object))).collect()
        })
    }
}

fn phase(report: &Report) -> Phase {
    report.receipt.as_ref().map_or(Phase::Succeeded, |receipt| receipt.phase)
}

fn edit(cluster: &MemoryCluster, key: &ResourceKey, field: &str, value: &str, manager: &str) {
    let live = cluster.with_server(|server| server.get(key).cloned()).unwrap();
    let edited = live.edit(|draft| draft.entry("data").set(field, value)).unwrap();
    ready(cluster.write(&Write::replace(&edited, manager))).unwrap().unwrap();
}
