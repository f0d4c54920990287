//! Objects that move from one application to another. Rules 28 and 32 of the exact rules.

use std::time::Duration;

use gitops_core::automation::Automation;
use gitops_core::cluster::Verb;
use gitops_core::engine::{Application, ConditionKind, Engine, Event, Ports, Settings, Task, Wish};
use gitops_core::memory::ready;
use gitops_core::plan::Request;
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::source::Paths;
use gitops_core::ssa::{ManagedFields, Operation};

use super::{World, app};

const ID: &str = "gitops.rs/tracking-id";

pub(super) fn of_folder(name: &str) -> Application {
    let policy = SyncPolicy::default().with_prune(Prune::Owned);
    let app = app(name).with_paths(Paths::under([name]).unwrap()).with_policy(policy);
    Application::new(app, "git", "cluster").with_automation(Automation::healing())
}

pub(super) fn key(name: &str) -> ResourceKey {
    ResourceKey::new("", "ConfigMap", "default", name)
}

pub(super) fn text(name: &str, data: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{{data}}}}}")
}

impl World {
    pub(super) fn files(&mut self, files: &[(&str, Option<String>)]) {
        let files = files.iter().map(|(path, text)| (*path, text.as_deref()));
        self.0.source.commit("Ann <ann@example.org>", self.0.now(), "files", files);
        self.0.tell(Event::SourceChanged { source: "git".into() });
    }

    pub(super) fn object(&self, name: &str) -> Option<Resource> {
        self.0.cluster.with_server(|server| server.get(&key(name)).cloned())
    }

    pub(super) fn uid(&self, name: &str) -> String {
        self.object(name).unwrap().uid().unwrap().to_owned()
    }

    pub(super) fn holder(&self, name: &str) -> String {
        self.object(name).unwrap().annotation(ID).unwrap().split(':').next().unwrap().to_owned()
    }

    /// What the ledger of an application says of an object.
    fn recorded(&self, app: &str, name: &str) -> Option<String> {
        let key = ResourceKey::new("", "ConfigMap", "gitops-system", &format!("gitops.{app}"));
        self.0.cluster.with_server(|server| {
            let ledger = server.get(&key)?.tree().dig(&["data", "ledger"])?.as_str()?.to_owned();
            let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
            let entries = ledger.get("inventory")?.as_array()?;
            let entry = entries.iter().find(|entry| entry.get("name").and_then(|it| it.as_str()) == Some(name))?;
            Some(entry.get("entry")?.get("standing")?.to_string())
        })
    }

    pub(super) fn deletions(&mut self) -> usize {
        self.0.take_writes().iter().filter(|done| matches!(done.write.verb, Verb::Delete { .. })).count()
    }

    pub(super) fn is_at_rest(&self, apps: &[&str]) {
        for app in apps {
            let status = self.status(app);
            assert_eq!(status.sync, SyncStatus::Synced, "{status:#?}");
            assert!(status.conditions.is_empty(), "{status:#?}");
        }
    }

    /// Two applications; `a` holds `web`, and both have something of their own.
    pub(super) fn of_two() -> Self {
        let mut world = Self::new(20);
        world.0.put(of_folder("a"));
        world.0.put(of_folder("b"));
        world.files(&[
            ("a/web.yaml", Some(text("web", "colour: blue, size: small"))),
            ("a/own.yaml", Some(text("own-a", "colour: grey"))),
            ("b/own.yaml", Some(text("own-b", "colour: grey"))),
        ]);
        world.pass(2);
        world.is_at_rest(&["a", "b"]);
        world
    }

    pub(super) fn move_web(&mut self) {
        self.files(&[("a/web.yaml", None), ("b/web.yaml", Some(text("web", "colour: red")))]);
    }

    pub(super) fn web_is_of_b(&mut self) {
        assert_eq!((self.holder("web").as_str(), self.colour("web").as_deref()), ("b", Some("red")));
        assert!(self.object("web").unwrap().tree().dig(&["data", "size"]).is_none(), "what `b` dropped is gone");
        assert_eq!(self.recorded("b", "web").as_deref(), Some("\"created\""), "{:?}", self.recorded("b", "web"));
        assert_eq!(self.recorded("a", "web"), None);
        let managed = ManagedFields::read(&self.object("web").unwrap()).unwrap();
        let appliers: Vec<_> = managed.entries().iter().map(|entry| (&*entry.manager, entry.operation)).collect();
        assert_eq!(appliers, [("gitops:b", Operation::Apply)]);
        self.is_at_rest(&["a", "b"]);
    }
}

#[test]
fn an_object_that_moves_to_another_application_is_handed_over_and_then_its_own() {
    let mut world = World::of_two();
    let uid = world.uid("web");
    world.move_web();
    world.pass(2);
    assert_eq!((world.uid("web"), world.deletions()), (uid, 0));
    world.web_is_of_b();
    // It was created by one of us, so the one who has it now may prune it.
    world.files(&[("b/web.yaml", None)]);
    world.pass(2);
    assert!(world.object("web").is_none());
    world.is_at_rest(&["a", "b"]);
}

#[test]
fn what_undoes_nothing_by_itself_takes_what_it_is_given_all_the_same() {
    let mut world = World::of_two();
    world.0.put(of_folder("b").with_automation(Automation::syncing()));
    world.move_web();
    world.pass(2);
    world.web_is_of_b();
}

#[test]
fn a_crash_at_any_moment_of_a_hand_over_loses_and_deletes_nothing() {
    for millis in (0..6_000).step_by(90) {
        let mut world = World::of_two();
        let uid = world.uid("web");
        world.move_web();
        world.0.pass(Duration::from_millis(millis));
        world.0.crash();
        world.pass(3);
        assert_eq!((world.uid("web"), world.deletions()), (uid, 0), "after {millis} ms");
        world.web_is_of_b();
    }
}

#[test]
fn an_object_is_taken_only_once_the_other_application_no_longer_declares_it() {
    let mut world = World::of_two();
    let uid = world.uid("web");
    world.files(&[("b/web.yaml", Some(text("web", "colour: red")))]);
    world.pass(5);
    assert_eq!((world.holder("web").as_str(), world.colour("web").as_deref()), ("a", Some("blue")));
    let shared = |world: &World, app: &str| {
        world.status(app).conditions.iter().any(|condition| condition.kind == ConditionKind::SharedResource)
    };
    assert!(shared(&world, "b") && !shared(&world, "a"), "{:#?}", world.status("b"));
    world.files(&[("a/web.yaml", None)]);
    world.pass(2);
    assert_eq!((world.uid("web"), world.deletions()), (uid, 0));
    world.web_is_of_b();
}

#[test]
fn what_another_application_declares_outlives_the_deletion_of_the_one_that_has_it() {
    let mut world = World::of_two();
    let uid = world.uid("web");
    world.files(&[("b/web.yaml", Some(text("web", "colour: red")))]);
    world.pass(5);
    // What syncs by itself would be there again at once.
    world.0.put(of_folder("a").with_automation(Automation::default()));
    world.0.take_writes();
    let wish = Wish::Sync { by: "Ann".into(), request: Box::new(Request::to_delete()) };
    world.0.tell(Event::Wish { app: "a".into(), wish });
    world.pass(3);
    assert_eq!(world.uid("web"), uid);
    assert_eq!((world.holder("web").as_str(), world.colour("web").as_deref()), ("b", Some("red")));
    assert!(world.object("own-a").is_none(), "{:#?}", world.status("a"));
    world.is_at_rest(&["b"]);
}

#[test]
fn an_application_waits_for_a_namespace_that_another_one_makes_and_no_longer() {
    let mut world = World::new(21);
    world.0.put(of_folder("a"));
    let mut b = of_folder("b");
    b.app = b.app.with_namespace("shop");
    world.0.put(b);
    world.files(&[
        ("b/web.yaml", Some(text("web", "colour: blue"))),
        ("a/own.yaml", Some(text("own-a", "colour: grey"))),
    ]);
    world.0.pass(Duration::from_secs(20));
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}".to_owned();
    world.files(&[("b/web.yaml", Some(text("web", "colour: red"))), ("a/namespace.yaml", Some(namespace))]);
    world.0.pass(Duration::from_secs(20));
    assert_eq!(world.status("b").sync, SyncStatus::Synced, "{:#?}", world.status("b"));
}

/// Whoever asks for work until there is none must not have to wait for what is there: 32 operations a second began.
#[test]
fn all_that_can_be_done_now_is_handed_out_now() {
    let world = World::new(22);
    let (mut engine, apps, now) = (Engine::new(Settings::default()), 200, world.0.now());
    let files: Vec<_> =
        (0..apps).map(|at| (format!("a{at}/x.yaml"), text(&format!("m{at}"), "colour: blue"))).collect();
    let files = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str())));
    world.0.source.commit("Ann <ann@example.org>", now, "all", files);
    (0..apps).for_each(|at| engine.put(of_folder(&format!("a{at}")), now));
    let ports = Ports::new(&world.0.time).with_source("git", &world.0.source).with_cluster("cluster", &world.0.cluster);
    while let Some(work) = engine.next_work(now) {
        if !matches!(work.task, Task::Watch { .. }) {
            let done = ready(ports.perform(work.task)).unwrap();
            engine.handle(Event::Done { id: work.id, done }, now);
        }
    }
    let synced = engine.statuses().filter(|status| status.sync == SyncStatus::Synced).count();
    assert_eq!(synced, apps);
}

#[test]
fn a_deletion_that_somebody_approves_goes_on_also_where_changes_of_the_cluster_are_only_reported() {
    let mut world = World::new(21);
    world.0.put(of_folder("a").with_automation(Automation::syncing()));
    let asks =
        text("web", "colour: blue").replace("{name: web}", "{name: web, annotations: {gitops.rs/prune: confirm}}");
    world.files(&[("a/web.yaml", Some(asks)), ("a/own.yaml", Some(text("own-a", "colour: grey")))]);
    world.pass(2);
    world.files(&[("a/web.yaml", None), ("a/own.yaml", Some(text("own-a", "colour: green")))]);
    world.pass(10);
    assert!(world.object("web").is_some(), "it asks first");
    let operations = world.status("a").history.len();
    let approved = world.0.now().to_string();
    let path = gitops_core::path::FieldPath::fields(&["metadata", "annotations", "gitops.rs/deletion-approved"]);
    let value = gitops_core::value::Value::from_serialize(&approved).unwrap();
    let steps = vec![gitops_core::cluster::PatchStep::Set(path, value)];
    let write = gitops_core::cluster::Write::patch(&key("web"), "v1", steps, "kubectl-annotate");
    ready(gitops_core::cluster::Cluster::write(&world.0.cluster, &write)).unwrap().unwrap();
    world.paint("own-a", "red", "kubectl-edit");
    world.pass(10);
    assert!(world.object("web").is_none(), "{:#?}", world.status("a"));
    assert_eq!(world.status("a").history.len(), operations + 1);
    assert_eq!(world.colour("own-a").as_deref(), Some("red"), "nobody approved of more");
}

/// Each waited for the other: one to be in sync, which it is once the other has taken what it has left over.
#[test]
fn an_object_moves_to_an_application_that_depends_on_the_one_that_has_it() {
    for seed in 401..405 {
        let mut world = World::new(seed);
        world.0.put(of_folder("a"));
        world.0.put(of_folder("c").after("a"));
        let blue = |name: &str| Some(text(name, "colour: blue"));
        world.files(&[("a/web.yaml", blue("web")), ("a/rest.yaml", blue("rest")), ("c/own.yaml", blue("own"))]);
        world.pass(5);
        world.0.remove("c");
        world.files(&[("a/web.yaml", None), ("c/web.yaml", blue("web"))]);
        world.0.put(of_folder("c").after("a"));
        world.pass(10);
        assert_eq!(world.holder("web"), "c", "{seed}: {:#?}", world.status("c"));
        for app in ["a", "c"] {
            assert_eq!(world.status(app).sync, SyncStatus::Synced, "{seed}: {:#?}", world.status(app));
        }
    }
}

/// `a` gives an object to `c`, which waits for `b`, which waits for `a`: what `a` declares is there.
#[test]
fn an_application_that_only_gives_away_holds_up_nobody_that_the_taker_waits_for() {
    let mut world = World::new(71);
    let map = |name: &str, colour: &str| Some(text(name, &format!("colour: {colour}")));
    let files = [("a/own-a.yaml", map("own-a", "blue")), ("a/moves.yaml", map("moves", "blue"))];
    world.files(
        &[files.as_slice(), &[("b/own-b.yaml", map("own-b", "blue")), ("c/own-c.yaml", map("own-c", "blue"))]].concat(),
    );
    world.0.put(of_folder("a"));
    world.0.put(of_folder("b").after("a"));
    world.0.put(of_folder("c").after("a").after("b"));
    world.pass(10);
    world.is_at_rest(&["a", "b", "c"]);
    let uid = world.uid("moves");
    world.files(&[
        ("a/moves.yaml", None),
        ("b/own-b.yaml", map("own-b", "red")),
        ("c/moves.yaml", map("moves", "red")),
    ]);
    world.pass(10);
    world.is_at_rest(&["a", "b", "c"]);
    assert_eq!((world.uid("moves"), world.holder("moves")), (uid, "c".to_owned()));
    assert_eq!(world.deletions(), 0);
}
