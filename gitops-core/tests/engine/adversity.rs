//! What goes wrong in one place must not stop the rest, nor for ever.

use super::*;
use gitops_core::cluster::{Cluster, Force, PatchStep, Write};
use gitops_core::memory::ready;
use gitops_core::path::FieldPath;
use gitops_core::policy::SyncPolicy;
use gitops_core::resource::Resource;
use gitops_core::source::Paths;
use gitops_core::value::Value;

/// An application that reads the folder of its name, and keeps its ledger in its own namespace.
fn folder(name: &str) -> Application {
    let mut one = application(name);
    one.app.paths = Paths::under([name]).unwrap();
    one
}

fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

impl World {
    /// Commits files with their texts.
    pub(super) fn put_files(&self, files: &[(&str, Option<&str>)]) -> RevisionId {
        self.0.source.commit("Ann <ann@example.org>", self.0.now(), "files", files.iter().copied())
    }

    pub(super) fn ledger(&self, name: &str) -> ResourceKey {
        let mut names = self.0.engine.applications();
        names.find(|app| &**app.name() == name).unwrap().app.ledger_key()
    }

    fn exists(&self, key: &ResourceKey) -> bool {
        self.0.cluster.with_server(|server| server.get(key).is_some())
    }

    /// Somebody writes the ledger of an application from outside.
    fn edit_ledger(&self, name: &str, edit: impl Fn(&str) -> String) {
        let key = self.ledger(name);
        let path = FieldPath::fields(&["data", "ledger"]);
        let text = self.0.cluster.with_server(|server| {
            server.get(&key).unwrap().tree().dig(&["data", "ledger"]).unwrap().as_str().unwrap().to_owned()
        });
        let text = Value::from_json(serde_json::to_string(&edit(&text)).unwrap().as_bytes()).unwrap();
        let write = Write::patch(&key, "v1", vec![PatchStep::Set(path, text)], "another");
        ready(self.0.cluster.write(&write)).unwrap().unwrap();
    }

    pub(super) fn work(&self, verb: &str) -> u64 {
        self.0.engine.counters().work.get(verb).copied().unwrap_or_default()
    }
}

#[test]
fn a_rollback_that_is_over_and_cannot_be_struck_out_stops_no_other_application() {
    let mut world = World::new(101);
    for name in ["a", "b"] {
        world.0.put(folder(name));
    }
    let both = |colour: &str| [("a/x.yaml", map("xa", colour)), ("b/x.yaml", map("xb", colour))];
    let commit = |world: &World, colour: &str| {
        let files = both(colour);
        world.put_files(&files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect::<Vec<_>>())
    };
    let good = commit(&world, "blue");
    world.pass(5);
    commit(&world, "red");
    world.pass(5);
    world.0.tell(Event::Wish { app: "a".into(), wish: Wish::Rollback { by: "Ann".into(), to: good } });
    world.pass(5);
    assert!(world.status("a").hold.is_some());
    world.0.denied.insert(world.ledger("a"));
    commit(&world, "white");
    world.0.crash();
    world.pass(10);
    assert_eq!(world.colour("xb").as_deref(), Some("white"), "{:#?}", world.status("b"));
    world.paint("xb", "green", "kubectl-edit");
    world.pass(5);
    assert_eq!(world.colour("xb").as_deref(), Some("white"));
    let conditions: Vec<_> = world.status("a").conditions.iter().map(|condition| condition.kind).collect();
    assert!(conditions.contains(&ConditionKind::LedgerError), "{conditions:?}");
    let cleared =
        world.news().into_iter().filter(|news| matches!(news, News::Cleared { kind: ConditionKind::LedgerError }));
    assert_eq!(cleared.count(), 0, "it was out of order all the while");
    world.0.denied.clear();
    world.pass(10);
    assert_eq!(world.colour("xa").as_deref(), Some("white"), "{:#?}", world.status("a"));
    assert_eq!(world.status("a").conditions, []);
}

#[test]
fn a_first_read_that_never_ends_holds_up_the_others_for_two_minutes_at_most() {
    let mut world = World::new(102);
    for name in ["a", "b"] {
        world.0.put(folder(name));
    }
    world.0.slow.insert(("load", "a".into()), MINUTE * 600);
    let (a, b) = (map("xa", "blue"), map("xb", "blue"));
    world.put_files(&[("a/x.yaml", Some(&a)), ("b/x.yaml", Some(&b))]);
    world.pass(1);
    assert_eq!(world.colour("xb"), None, "`a` may declare the same");
    world.pass(3);
    assert_eq!(world.colour("xb").as_deref(), Some("blue"), "{:#?}", world.status("b"));
    world.pass(600);
    assert_eq!(world.colour("xa").as_deref(), Some("blue"), "{:#?}", world.status("a"));
}

#[test]
fn an_object_whose_kind_another_application_brings_is_applied_once_the_kind_is_served() {
    let mut world = World::new(103);
    for name in ["operators", "monitoring"] {
        world.0.put(folder(name));
    }
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
        metadata: {name: widgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  \
        names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}\n  versions:\n  - name: v1\n    \
        served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n";
    let custom = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: one}, spec: {size: 1}}";
    world.put_files(&[("operators/crd.yaml", Some(crd)), ("monitoring/one.yaml", Some(custom))]);
    world.pass(5);
    let key = ResourceKey::new("example.com", "Widget", "default", "one");
    assert!(world.exists(&key), "{:#?}", world.status("monitoring"));
    let loads = world.work("load");
    world.pass(60);
    assert_eq!(world.work("load"), loads, "once is enough");
}

#[test]
fn an_application_with_something_to_prune_is_judged_however_often_its_status_changes() {
    let mut world = World::new(104);
    let mut shop = application("shop");
    shop.app.policy = SyncPolicy::default().with_prune(Prune::Owned);
    world.0.put(shop);
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1, selector: \
        {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}}}";
    world.put_files(&[("web.yaml", Some(deployment))]);
    world.commit("old", "blue");
    world.pass(5);
    assert_eq!(world.colour("old").as_deref(), Some("blue"));
    world.0.slow.insert(("ask", "shop".into()), Duration::from_secs(1));
    world.put_files(&[("old.yaml", None)]);
    world.0.tell(Event::SourceChanged { source: "git".into() });
    let key = ResourceKey::new("apps", "Deployment", "default", "web");
    for half in 0..120 {
        let path = FieldPath::fields(&["metadata", "labels"]);
        let value = Value::from_json(format!("{{\"beat\":\"{half}\"}}").as_bytes()).unwrap();
        let write = Write::patch(&key, "v1", vec![PatchStep::Set(path, value)], "heart");
        ready(world.0.cluster.write(&write)).unwrap().unwrap();
        world.0.pass(Duration::from_millis(500));
    }
    assert_eq!(world.colour("old"), None, "{:#?}", world.status("shop"));
}

/// The text of a ledger without the rollback that holds.
fn without_hold(text: &str) -> String {
    let mut ledger: serde_json::Value = serde_json::from_str(text).unwrap();
    ledger.as_object_mut().unwrap().remove("hold").unwrap();
    ledger.to_string()
}

#[test]
fn a_rollback_that_somebody_else_lifts_while_an_answer_is_awaited_is_lifted() {
    let mut world = World::new(105);
    let mut shop = application("shop");
    shop.app.policy = SyncPolicy::default().with_prune(Prune::Owned);
    world.0.put(shop);
    let good = world.commit("web", "blue");
    world.pass(5);
    world.put_files(&[("new.yaml", Some(&map("new", "blue"))), ("web.yaml", Some(&map("web", "red")))]);
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("red"));
    world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Rollback { by: "Ann".into(), to: good } });
    world.pass(5);
    assert_eq!((world.colour("web").as_deref(), world.status("shop").hold.is_some()), (Some("blue"), true));
    // Something that the rolled back revision does not declare: it would be pruned, and that is asked about.
    world.0.slow.insert(("ask", "shop".into()), Duration::from_secs(20));
    let extra = object(
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"left","namespace":"default","annotations":{"gitops.rs/tracking-id":"shop:/ConfigMap:default/left"}}}"#,
    );
    ready(world.0.cluster.write(&Write::apply(&extra, "somebody", Force::No))).unwrap().unwrap();
    let asked = world.work("ask");
    world.0.pass(Duration::from_secs(10));
    if world.work("ask") == asked {
        world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Refresh });
        world.0.pass(Duration::from_secs(3));
    }
    assert!(world.work("ask") > asked, "{:#?}", world.status("shop"));
    world.edit_ledger("shop", without_hold);
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    assert!(world.status("shop").hold.is_none());
}

#[test]
fn to_resume_what_nobody_holds_does_not_lift_a_rollback_that_comes_later() {
    let mut world = World::new(106);
    world.0.put(application("shop"));
    let good = world.commit("web", "blue");
    world.pass(5);
    let bad = world.commit("web", "red");
    world.pass(5);
    world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Resume });
    world.pass(5);
    world.edit_ledger("shop", |text| {
        let mut ledger: serde_json::Value = serde_json::from_str(text).unwrap();
        let hold = serde_json::json!({
            "to": good.as_str(), "skipped": [bad.as_str()], "by": "Ben", "at": "2026-03-01T12:10:00Z",
        });
        ledger.as_object_mut().unwrap().insert("hold".to_owned(), hold);
        ledger.to_string()
    });
    world.pass(10);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    assert!(world.status("shop").hold.is_some());
}

#[test]
fn a_clock_that_is_set_back_lets_nothing_wait_that_could_not_be_read() {
    let mut world = World::new(107);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(5);
    world.commit("web", "red");
    world.0.tell(Event::SourceChanged { source: "git".into() });
    while world.work("resolve") == 0
        || world.status("shop").head.as_ref().map(|head| head.id.clone())
            == world.status("shop").synced.as_ref().and_then(|synced| synced.first().cloned())
    {
        world.0.pass(Duration::from_millis(20));
    }
    world.0.source_is_down = true;
    world.pass(10);
    let conditions: Vec<_> = world.status("shop").conditions.iter().map(|condition| condition.kind).collect();
    assert_eq!(conditions, [ConditionKind::SourceError]);
    world.0.set_clock(-86_400_000);
    world.0.source_is_down = false;
    world.pass(10);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
}

#[test]
fn an_answer_about_what_nobody_followed_meanwhile_is_not_believed() {
    let mut world = World::new(108);
    let first = world.commit("web", "blue");
    world.0.slow.insert(("resolve", "git".into()), MINUTE);
    world.0.put(application("shop"));
    world.0.pass(Duration::from_secs(1));
    world.0.remove("shop");
    world.0.slow.clear();
    let second = world.commit("web", "red");
    world.0.put(application("shop"));
    world.pass(10);
    assert_ne!(first, second);
    assert_eq!(world.status("shop").head.as_ref().map(|head| head.id.clone()), Some(second));
    assert_eq!(world.0.engine.sizes().due, 1, "one target, which is resolved at one time");
}

fn phases(world: &World, app: &str) -> Vec<Phase> {
    world.status(app).history.iter().map(|entry| entry.phase).collect()
}

#[test]
fn an_operation_that_could_not_even_begin_counts_as_no_try_of_the_revision() {
    let mut world = World::new(109);
    let mut retry = gitops_core::automation::Retry::default();
    retry.limit = Some(1);
    world.0.put(application("shop").with_automation(Automation::healing().with_retry(retry)));
    world.commit("web", "blue");
    world.pass(5);
    world.0.denied.insert(world.ledger("shop"));
    world.commit("web", "red");
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"));
    let decision = &world.status("shop").decision.as_ref().unwrap().decision;
    assert!(matches!(decision, Decision::Rest { why: Why::Pause { .. }, until: Some(_) }), "{decision:?}");
    world.0.denied.clear();
    world.pass(4);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    assert_eq!(phases(&world, "shop"), [Phase::Succeeded; 2]);
}

#[test]
fn a_heal_that_could_not_be_written_is_none_and_no_fight() {
    let mut world = World::new(110);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(5);
    world.0.denied.insert(world.ledger("shop"));
    world.paint("web", "red", "kubectl-edit");
    world.pass(10);
    assert_eq!(world.0.engine.counters().heals, 0);
    world.0.denied.clear();
    world.pass(4);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    assert_eq!(world.0.engine.counters().heals, 1);
    assert!(!world.news().iter().any(|news| matches!(news, News::Fight { .. })));
}

#[test]
fn a_fight_is_over_once_there_is_peace_and_that_is_said_without_being_asked() {
    let mut world = World::new(111);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(5);
    for _ in 0..4 {
        world.paint("web", "red", "rival");
        while world.colour("web").as_deref() == Some("red") {
            world.pass(1);
        }
    }
    let fights = |world: &World| world.status("shop").conditions.iter().any(|found| found.kind == ConditionKind::Fight);
    assert!(fights(&world), "{:#?}", world.status("shop"));
    world.pass(30);
    assert!(!fights(&world), "{:#?}", world.status("shop"));
}

#[test]
fn a_rollback_from_what_the_source_names_no_longer_is_none() {
    let mut world = World::new(112);
    world.0.put(application("shop"));
    let good = world.commit("web", "blue");
    world.pass(5);
    let head = world.commit("web", "red");
    world.pass(5);
    let back =
        |to: &RevisionId| Event::Wish { app: "shop".into(), wish: Wish::Rollback { by: "Ann".into(), to: to.clone() } };
    world.0.tell(back(&head));
    world.pass(5);
    assert!(world.status("shop").hold.is_none(), "it is followed already");
    world.0.denied.insert(world.ledger("shop"));
    world.0.tell(back(&good));
    world.0.pass(Duration::from_secs(10));
    assert_eq!(world.colour("web").as_deref(), Some("red"), "it could not be stored");
    world.commit("web", "white");
    world.pass(5);
    world.0.denied.clear();
    world.pass(10);
    assert_eq!(world.colour("web").as_deref(), Some("white"), "{:#?}", world.status("shop"));
    assert!(world.status("shop").hold.is_none());
}

#[test]
fn a_rollback_is_not_stored_over_a_ledger_that_is_damaged() {
    let mut world = World::new(113);
    world.0.put(application("shop"));
    let good = world.commit("web", "blue");
    world.pass(5);
    world.commit("web", "red");
    world.pass(5);
    world.0.denied.insert(world.ledger("shop"));
    world.edit_ledger("shop", |text| text.replacen("version", "vers", 1));
    world.pass(1);
    world.news();
    world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Rollback { by: "Ann".into(), to: good } });
    world.0.take_writes();
    world.pass(5);
    let told = world.news();
    let said = |news: &News| matches!(news, News::Condition { kind: ConditionKind::LedgerError, message } if message.contains("is not done"));
    assert!(told.iter().any(said), "{told:#?}");
    assert_eq!(world.colour("web").as_deref(), Some("red"));
    for write in world.0.take_writes() {
        assert!(!format!("{:?}", write.write).contains("skipped"), "{write:?}");
    }
}

#[test]
fn nothing_is_pruned_while_the_history_cannot_say_whether_a_revision_is_older() {
    for goes_back in [true, false] {
        let mut world = World::new(114);
        let mut shop = application("shop");
        shop.app.policy = SyncPolicy::default().with_prune(Prune::Owned);
        world.0.put(shop);
        let first = world.commit("web", "blue");
        world.commit("new", "blue");
        world.pass(5);
        assert_eq!(world.colour("new").as_deref(), Some("blue"));
        match goes_back {
            true => assert!(world.0.source.reset(&first)),
            false => drop(world.put_files(&[("new.yaml", None)])),
        }
        world.0.slow.insert(("ask", "shop".into()), Duration::from_secs(5));
        let asked = world.work("ask");
        while world.work("ask") == asked {
            world.0.pass(Duration::from_secs(1));
        }
        let what = "the test says so".into();
        world.0.source.go_down(Some(gitops_core::source::SourceFailure::Unavailable { what }));
        world.0.pass(Duration::from_secs(6));
        assert_eq!(world.colour("new").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
        world.0.source.go_down(None);
        world.0.slow.clear();
        world.pass(5);
        let expected = goes_back.then_some("blue");
        assert_eq!(world.colour("new").as_deref(), expected, "{:#?}", world.status("shop"));
    }
}

#[test]
fn an_operation_that_goes_on_after_a_crash_began_when_it_began() {
    let mut world = World::new(115);
    world.0.put(application("shop"));
    world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(20));
    world.commit("web", "blue");
    world.0.pass(Duration::from_secs(70));
    let started = world.status("shop").operation.as_ref().unwrap().started;
    world.0.crash();
    world.pass(2);
    let status = world.status("shop");
    let again = status.operation.as_ref().map_or_else(|| status.history.first().unwrap().started, |now| now.started);
    assert_eq!(again, started);
    world.pass(5);
    let ended = world.news().into_iter().find_map(|news| match news {
        News::Ended { millis, .. } => Some(millis),
        _ => None,
    });
    assert!(ended.unwrap() > 60_000, "{ended:?}");
}

#[test]
fn credentials_in_the_address_of_a_source_are_shown_nowhere() {
    let mut world = World::new(116);
    let address = "https://bob:token@example.org/shop.git";
    world.0.put(Application::new(app("shop"), address, "cluster"));
    world.pass(5);
    let status = format!("{:?}", world.status("shop"));
    let told: Vec<String> = world.news().iter().map(|news| format!("{news:?}")).collect();
    let metrics = gitops_core::engine::metrics(&world.0.engine);
    for text in [&status, &told.concat(), &metrics] {
        assert!(!text.contains("token"), "{text}");
    }
    assert!(metrics.contains("repo=\"https://example.org/shop.git\""), "{metrics}");
    assert!(status.contains("https://example.org/shop.git"), "{status}");
}

#[test]
fn a_host_that_is_dead_takes_no_places_from_others() {
    let mut world = World::new(117);
    world.0.slow.insert(("resolve", "dead".into()), Duration::from_secs(30));
    for at in 0..200 {
        let target = format!("branch-{at}");
        let app = App::new(Owner::new("", &format!("dead{at}")).unwrap(), &target).with_namespace("default");
        world.0.put(Application::new(app, "dead", "cluster").with_automation(Automation::healing()));
    }
    world.0.put(folder("shop"));
    let (blue, red) = (map("web", "blue"), map("web", "red"));
    world.put_files(&[("shop/web.yaml", Some(&blue))]);
    world.pass(20);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    world.put_files(&[("shop/web.yaml", Some(&red))]);
    world.pass(4);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    world.paint("web", "green", "kubectl-edit");
    world.0.pass(Duration::from_secs(10));
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    let dead = world.0.engine.statuses().filter(|status| status.app.starts_with("dead"));
    let told = dead.filter(|status| status.conditions.iter().any(|found| found.kind == ConditionKind::SourceError));
    assert_eq!(told.count(), 200, "each is asked, by and by");
    assert!(!world.0.is_stuck());
}

#[test]
fn an_application_with_very_many_objects_leaves_places_for_the_others() {
    let mut world = World::new(118);
    for name in ["large", "small"] {
        world.0.put(folder(name));
    }
    let small = map("small", "blue");
    world.put_files(&[("small/x.yaml", Some(&small))]);
    world.pass(5);
    let texts: Vec<(String, String)> =
        (0..400).map(|at| (format!("large/{at}.yaml"), map(&format!("large-{at}"), "blue"))).collect();
    world.put_files(&texts.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect::<Vec<_>>());
    world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(2));
    world.0.tell(Event::SourceChanged { source: "git".into() });
    world.0.pass(Duration::from_secs(15));
    assert!(world.colour("large-399").is_none() && world.colour("large-0").is_some());
    world.paint("small", "red", "kubectl-edit");
    world.0.pass(Duration::from_secs(15));
    assert_eq!(world.colour("small").as_deref(), Some("blue"), "{:#?}", world.status("small"));
    assert!(world.colour("large-399").is_none(), "{:#?}", world.status("large"));
    world.pass(5);
    assert_eq!(world.colour("large-399").as_deref(), Some("blue"));
}

#[test]
fn what_is_deleted_to_be_created_again_is_there_before_the_engine_stops() {
    let mut world = World::new(119);
    world.0.put(application("shop"));
    let web = |tier: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, annotations: \
             {{argocd.argoproj.io/sync-options: Force=true}}}}, spec: {{selector: {{matchLabels: {{app: {tier}}}}}, \
             template: {{metadata: {{labels: {{app: {tier}}}}}, spec: {{containers: [{{name: a, image: b}}]}}}}}}}}"
        )
    };
    let key = ResourceKey::new("apps", "Deployment", "default", "web");
    world.put_files(&[("web.yaml", Some(&web("one")))]);
    world.pass(5);
    assert!(world.exists(&key), "{:#?}", world.status("shop"));
    world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(1));
    let (web, map) = (
        web("two"),
        map("later", "blue").replace("name: later", "name: later, annotations: {argocd.argoproj.io/sync-wave: '5'}"),
    );
    world.put_files(&[("web.yaml", Some(&web)), ("later.yaml", Some(&map))]);
    world.0.tell(Event::SourceChanged { source: "git".into() });
    for _ in 0..3000 {
        if !world.exists(&key) {
            break;
        }
        world.0.pass(Duration::from_millis(20));
    }
    assert!(!world.exists(&key), "{:#?}", world.status("shop"));
    world.0.tell(Event::Stop);
    assert!(!world.0.engine.has_stopped());
    world.pass(1);
    assert!(world.exists(&key), "{:#?}", world.status("shop"));
    assert!(world.0.engine.has_stopped());
    assert_eq!(world.colour("later"), None, "nothing else is begun");
    world.0.slow.clear();
    world.0.crash();
    world.pass(5);
    assert_eq!(world.colour("later").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
}

/// A kind that says nothing of its health.
pub(super) const WIDGETS: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
    metadata: {name: widgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  \
    names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}\n  versions:\n  - name: v1\n    \
    served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n";
pub(super) const WIDGET: &str = "{apiVersion: example.com/v1, kind: Widget, metadata: {name: one}, spec: {size: 1}}";

#[test]
fn what_says_nothing_of_its_health_is_compared_ever_more_rarely() {
    let mut world = World::new(120);
    world.0.put(application("shop"));
    world.put_files(&[("crd.yaml", Some(WIDGETS)), ("one.yaml", Some(WIDGET))]);
    world.pass(120);
    assert_eq!(world.status("shop").sync, SyncStatus::Synced, "{:#?}", world.status("shop"));
    let before = world.0.engine.counters().compared;
    world.pass(24 * 60);
    let compared = world.0.engine.counters().compared - before;
    assert!(compared <= 30, "{compared} comparisons in a day of nothing");
}

#[test]
fn a_definition_that_is_rewritten_again_and_again_has_the_cluster_listed_ever_more_rarely() {
    let mut world = World::new(121);
    world.0.put(application("shop"));
    world.put_files(&[("crd.yaml", Some(WIDGETS)), ("one.yaml", Some(WIDGET))]);
    world.pass(5);
    let key = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, "widgets.example.com");
    let before = world.work("list");
    for at in 0..360 {
        let path = FieldPath::fields(&["metadata", "labels"]);
        let value = Value::from_json(format!("{{\"beat\":\"{at}\"}}").as_bytes()).unwrap();
        let write = Write::patch(&key, "v1", vec![PatchStep::Set(path, value)], "rival");
        ready(world.0.cluster.write(&write)).unwrap().unwrap();
        world.0.pass(Duration::from_secs(5));
    }
    let lists = world.work("list") - before;
    assert!((2..=20).contains(&lists), "{lists} lists in half an hour");
    world.paint_widget(2);
    world.pass(1);
    assert_eq!(world.size(), Some(1), "it is watched all the while");
}

impl World {
    pub(super) fn paint_widget(&self, size: i64) {
        let key = ResourceKey::new("example.com", "Widget", "default", "one");
        let steps = vec![PatchStep::Set(
            FieldPath::fields(&["spec", "size"]),
            Value::from_json(size.to_string().as_bytes()).unwrap(),
        )];
        ready(self.0.cluster.write(&Write::patch(&key, "v1", steps, "kubectl-edit"))).unwrap().unwrap();
    }

    pub(super) fn size(&self) -> Option<i64> {
        let key = ResourceKey::new("example.com", "Widget", "default", "one");
        self.0.cluster.with_server(|server| {
            let size = server.get(&key)?.tree().dig(&["spec", "size"])?.to_value();
            serde_json::to_value(&size).ok()?.as_i64()
        })
    }
}

#[test]
fn whoever_waits_for_a_turn_is_not_compared_again_and_again_meanwhile() {
    let mut world = World::new(122);
    let names: Vec<String> = (0..200).map(|at| format!("app{at}")).collect();
    names.iter().for_each(|name| world.0.put(folder(name)));
    let texts: Vec<(String, String)> = names.iter().map(|name| (format!("{name}/x.yaml"), map(name, "blue"))).collect();
    world.put_files(&texts.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect::<Vec<_>>());
    world.pass(5);
    let synced = world.0.engine.statuses().filter(|status| status.sync == SyncStatus::Synced).count();
    assert_eq!(synced, names.len());
    let compared = world.0.engine.counters().compared;
    assert!(compared <= 5 * 200, "{compared} comparisons for 200 applications");
    assert!(!world.0.is_stuck());
}
