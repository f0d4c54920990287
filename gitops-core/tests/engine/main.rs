//! What an engine does over time, in a world in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod adversity;
mod asked;
mod halves;
mod handover;
mod held_back;
mod hot;
mod measured;
mod recording;
mod revisions;
mod taken_back;
mod tenants;
mod unknown;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use gitops_core::automation::{Automation, Decision, Why};
use gitops_core::engine::{Application, ConditionKind, Event, News, SpanEvent, Wish};
use gitops_core::memory::Simulation;
use gitops_core::policy::Prune;
use gitops_core::reconcile::{App, SyncStatus};
use gitops_core::resource::{GroupKind, ResourceKey};
use gitops_core::source::RevisionId;
use gitops_core::state::Owner;
use gitops_core::sync::{HEALING, Phase};

const MINUTE: Duration = Duration::from_secs(60);

fn map(name: &str, colour: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{colour: {colour}}}}}")
}

fn app(name: &str) -> App {
    App::new(Owner::new("", name).unwrap(), "main").with_namespace("default")
}

fn application(name: &str) -> Application {
    Application::new(app(name), "git", "cluster").with_automation(Automation::healing())
}

struct World(Simulation);

impl World {
    fn new(seed: u64) -> Self {
        Self(Simulation::new(seed, "2026-03-01T12:00:00Z".parse().unwrap()))
    }

    fn commit(&self, name: &str, colour: &str) -> RevisionId {
        let (file, text) = (format!("{name}.yaml"), map(name, colour));
        self.0.source.commit(
            "Ann <ann@example.org>",
            self.0.now(),
            &format!("{name} {colour}"),
            [(&*file, Some(&*text))],
        )
    }

    fn colour(&self, name: &str) -> Option<String> {
        let key = ResourceKey::new("", "ConfigMap", "default", name);
        self.0
            .cluster
            .with_server(|server| Some(server.get(&key)?.tree().dig(&["data", "colour"])?.as_str()?.to_owned()))
    }

    /// Somebody changes an object by hand.
    fn paint(&self, name: &str, colour: &str, manager: &str) {
        let object = map(name, colour).replace("metadata: {", "metadata: {namespace: default, ");
        let tree: serde_yaml::Value = serde_yaml::from_str(&object).unwrap();
        let json = serde_json::to_vec(&tree).unwrap();
        let object =
            gitops_core::resource::Resource::new(gitops_core::value::Value::from_json(&json).unwrap()).unwrap();
        let steps = vec![gitops_core::cluster::PatchStep::Set(
            gitops_core::path::FieldPath::fields(&["data", "colour"]),
            object.value().root().dig(&["data", "colour"]).unwrap().to_value(),
        )];
        let write = gitops_core::cluster::Write::patch(object.key(), "v1", steps, manager);
        gitops_core::memory::ready(gitops_core::cluster::Cluster::write(&self.0.cluster, &write)).unwrap().unwrap();
    }

    fn pass(&mut self, minutes: u32) {
        self.0.pass(MINUTE * minutes);
    }

    fn status(&self, app: &str) -> &gitops_core::engine::AppStatus {
        self.0.engine.status(app).unwrap()
    }

    fn news(&mut self) -> Vec<News> {
        std::iter::from_fn(|| self.0.engine.next_news()).map(|item| item.news).collect()
    }
}

#[test]
fn a_commit_comes_to_the_cluster_by_itself_and_so_does_its_revert() {
    let mut world = World::new(1);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(3);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    assert_eq!(world.status("shop").sync, SyncStatus::Synced);
    let bad = world.commit("web", "red");
    world.pass(3);
    assert_eq!(world.colour("web").as_deref(), Some("red"));
    world.0.source.revert("Ben <ben@example.org>", world.0.now(), &bad).unwrap();
    world.pass(3);
    assert_eq!(world.colour("web").as_deref(), Some("blue"));
    let phases: Vec<Phase> = world.status("shop").history.iter().map(|entry| entry.phase).collect();
    assert_eq!(phases, [Phase::Succeeded; 3]);
}

#[test]
fn a_change_by_hand_is_undone_where_that_is_wanted_and_else_reported() {
    for (automation, expected) in [(Automation::healing(), "blue"), (Automation::syncing(), "red")] {
        let mut world = World::new(2);
        world.0.put(application("shop").with_automation(automation));
        world.commit("web", "blue");
        world.pass(3);
        world.paint("web", "red", "kubectl-edit");
        world.pass(1);
        assert_eq!(world.colour("web").as_deref(), Some(expected));
        let news = world.news();
        assert!(news.iter().any(|news| matches!(news, News::Drift { count: 1, .. })), "{news:?}");
        let status = world.status("shop");
        if expected == "blue" {
            assert_eq!(&*status.history.first().unwrap().initiator, HEALING);
        } else {
            let Some(Decision::Rest { why: Why::DriftReported, .. }) = status.decision.as_ref().map(|d| &d.decision)
            else {
                panic!("{status:#?}");
            };
            assert!(status.conditions.iter().any(|condition| condition.kind == ConditionKind::Drift));
        }
    }
}

#[test]
fn nothing_happens_while_nothing_changes() {
    let mut world = World::new(3);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(10);
    let before = world.0.engine.counters().clone();
    world.pass(120);
    let after = world.0.engine.counters();
    let more = |what: &str| after.work.get(what).unwrap_or(&0) - before.work.get(what).unwrap_or(&0);
    assert!((50..=60).contains(&more("resolve")), "{}", more("resolve"));
    for quiet in ["load", "list", "look", "ask", "effect", "store"] {
        assert_eq!(more(quiet), 0, "{quiet}");
    }
    assert_eq!(after.compared, before.compared);
}

#[test]
fn who_rewrites_an_object_after_each_heal_is_named_and_the_rest_goes_on_healing() {
    let mut world = World::new(4);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.commit("other", "blue");
    world.pass(5);
    for _ in 0..(5 * 60) {
        world.paint("web", "red", "rival");
        world.0.pass(Duration::from_secs(60));
    }
    let heals = world.0.engine.counters().heals;
    let news = world.news();
    assert!((6..=11).contains(&heals), "{heals} {:#?} {news:#?}", world.status("shop"));
    let status = world.status("shop");
    let fight = status.conditions.iter().find(|condition| condition.kind == ConditionKind::Fight).unwrap();
    assert!(fight.message.contains("`rival`"), "{}", fight.message);
    assert!(fight.message.contains("`data.colour`"), "{}", fight.message);
    world.paint("other", "red", "somebody");
    world.pass(1);
    assert_eq!(world.colour("other").as_deref(), Some("blue"));
}

#[test]
fn a_fight_is_remembered_when_the_program_is_started_again() {
    let mut world = World::new(16);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(5);
    for _ in 0..40 {
        if world.colour("web").as_deref() == Some("blue") {
            world.paint("web", "red", "rival");
        }
        world.0.pass(Duration::from_secs(15));
    }
    let heals = |world: &mut World| {
        let written = world.0.take_writes();
        let version = |object: &Option<gitops_core::resource::Resource>| {
            object.as_ref().and_then(|object| object.resource_version().map(str::to_owned))
        };
        let changed = written.iter().filter(|done| version(&done.before) != version(&done.after));
        changed.filter(|done| &*done.write.key.name == "web").count()
    };
    let before = heals(&mut world);
    assert!((4..=7).contains(&before), "{before}");
    world.paint("web", "red", "rival");
    for _ in 0..6 {
        world.0.crash();
        world.0.pass(Duration::from_secs(30));
        if world.colour("web").as_deref() == Some("blue") {
            world.paint("web", "red", "rival");
        }
    }
    let after = heals(&mut world);
    assert!(after <= 1, "{after} heals in three minutes of restarts");
}

#[test]
fn a_status_does_not_grow_with_time() {
    let mut world = World::new(17);
    world.0.put(application("shop"));
    let mut live = |times: usize| {
        for turn in 0..times {
            world.commit("web", if turn % 2 == 0 { "blue" } else { "red" });
            world.pass(3);
            world.paint("web", "white", "kubectl-edit");
            world.pass(20);
        }
        let size = serde_json::to_string(world.status("shop")).unwrap().len();
        while world.0.engine.next_news().is_some() {}
        (size, world.0.engine.sizes().indexed)
    };
    let (first, later) = (live(20), live(60));
    assert!(later.0 <= first.0 + 100 && later.1 == first.1, "{first:?} {later:?}");
}

#[test]
fn what_takes_time_begins_and_ends_once_and_in_order() {
    let mut world = World::new(18);
    world.0.engine.keep_spans();
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(3);
    let (mut open, mut seen) = (std::collections::BTreeMap::new(), Vec::new());
    while let Some(event) = world.0.engine.next_span() {
        match event {
            SpanEvent::Began(span) => {
                assert!(span.parent.is_none_or(|parent| open.contains_key(&parent)), "{span:?}");
                seen.push(span.what);
                assert!(open.insert(span.id, span.at).is_none());
            }
            SpanEvent::Ended { id, at, .. } => assert!(open.remove(&id).unwrap() <= at),
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let first =
        |what: &str| seen.iter().position(|other| *other == what).unwrap_or_else(|| panic!("no {what}: {seen:?}"));
    assert!(first("resolve") < first("load") && first("load") < first("operation"), "{seen:?}");
    assert!(first("list") < first("operation") && first("operation") < first("effect"), "{seen:?}");
}

#[test]
fn a_rollback_holds_until_the_source_names_something_new() {
    let mut world = World::new(5);
    world.0.put(application("shop"));
    let good = world.commit("web", "blue");
    world.pass(3);
    world.commit("web", "red");
    world.pass(3);
    world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Rollback { by: "Ann".into(), to: good } });
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    assert!(world.status("shop").hold.is_some());
    world.paint("web", "green", "kubectl-edit");
    world.pass(3);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "what is held is healed");
    world.0.crash();
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "a restart forgets nothing");
    world.commit("web", "white");
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("white"));
    assert!(world.status("shop").hold.is_none());
}

#[test]
fn what_two_applications_declare_is_applied_by_neither_and_stays_with_the_one_that_holds_it() {
    let mut world = World::new(6);
    world.commit("web", "blue");
    world.0.put(application("a"));
    world.0.put(application("b"));
    world.pass(5);
    assert_eq!(world.colour("web"), None);
    for app in ["a", "b"] {
        let status = world.status(app);
        assert!(
            status.conditions.iter().any(|condition| condition.kind == ConditionKind::SharedResource),
            "{status:#?}"
        );
    }
    world.0.engine.remove("b", world.0.now());
    world.0.tell(Event::Wish { app: "a".into(), wish: Wish::Refresh });
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"));
    world.0.put(application("b"));
    world.pass(5);
    assert_eq!(world.status("a").sync, SyncStatus::Synced);
    assert_ne!(world.status("b").sync, SyncStatus::Synced);
}

#[test]
fn an_application_waits_until_what_it_depends_on_is_ready() {
    let mut world = World::new(7);
    let paths = |root: &str| gitops_core::source::Paths::under([root]).unwrap();
    let mut first = application("first");
    first.app.paths = paths("a");
    let mut second = application("second").after("first");
    second.app.paths = paths("b");
    world.0.put(second);
    let files = [("a/web.yaml", map("web", "blue")), ("b/db.yaml", map("db", "blue"))];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    world.0.source.commit("Ann <ann@example.org>", world.0.now(), "both", files);
    world.pass(5);
    assert_eq!(world.colour("db"), None, "what it depends on is not known");
    world.0.put(first);
    world.pass(5);
    assert_eq!(world.colour("db").as_deref(), Some("blue"), "{:#?}", world.status("second"));
}

#[test]
fn a_source_or_cluster_that_is_away_is_said_and_waited_for() {
    let mut world = World::new(8);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(3);
    world.0.source_is_down = true;
    world.commit("web", "red");
    world.pass(30);
    let kinds = |world: &World| -> Vec<ConditionKind> {
        world.status("shop").conditions.iter().map(|condition| condition.kind).collect()
    };
    assert_eq!(kinds(&world), [ConditionKind::SourceError]);
    assert_eq!(world.status("shop").sync, SyncStatus::Synced, "what was read before counts");
    world.0.source_is_down = false;
    world.0.cluster_is_down = true;
    world.pass(30);
    assert!(kinds(&world).contains(&ConditionKind::ClusterError), "{:?}", kinds(&world));
    world.0.cluster_is_down = false;
    world.pass(10);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    assert_eq!(kinds(&world), []);
}

#[test]
fn a_crash_at_any_moment_is_survived() {
    for crash_after in 1..60 {
        let mut world = World::new(9);
        world.0.put(application("shop"));
        world.commit("web", "blue");
        world.0.pass(Duration::from_millis(crash_after * 50));
        world.0.crash();
        world.pass(5);
        assert_eq!(world.colour("web").as_deref(), Some("blue"), "{crash_after}");
        assert_eq!(world.status("shop").sync, SyncStatus::Synced, "{crash_after}");
        let names: Vec<Arc<str>> = world.0.engine.applications().map(|app| Arc::clone(app.name())).collect();
        assert_eq!(names, ["shop".into()]);
    }
}

#[test]
fn a_window_holds_back_what_goes_by_itself_until_it_opens() {
    let mut world = World::new(10);
    let night = r#"[{"kind": "allow", "schedule": "0 22 * * *", "duration": "1h", "applications": ["*"]}]"#;
    world.0.put(application("shop").with_windows(serde_json::from_str(night).unwrap()));
    world.commit("web", "blue");
    world.pass(9 * 60);
    assert_eq!(world.colour("web"), None, "it is 21:00");
    let status = world.status("shop");
    let Some(Decision::Rest { why: Why::Window { .. }, until: Some(until) }) =
        status.decision.as_ref().map(|decided| &decided.decision)
    else {
        panic!("{status:#?}");
    };
    assert_eq!(until.to_string(), "2026-03-01T22:00:00Z");
    world.pass(61);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "it is 22:01");
}

/// The clock of the engine is set back by a day; nothing waits for the
/// old time to come again.
#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut world = World::new(11);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(5);
    world.0.set_clock(-86_400_000);
    world.commit("web", "red");
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    world.paint("web", "green", "kubectl-edit");
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("red"));
}

/// A kind that could not be read was never read again.
#[test]
fn a_kind_that_could_not_be_read_is_read_again_by_and_by() {
    let mut world = World::new(12);
    let kind = GroupKind::new("", "ConfigMap");
    world.0.cluster.with_faults(|faults| faults.unreadable(&kind, "forbidden"));
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(10);
    assert_eq!(world.colour("web"), None);
    world.0.cluster.with_faults(|faults| faults.readable(&kind));
    world.pass(16);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
}

/// Found by simulation, seed 4: two objects at rest, the rest of one of them over at the very moment of a look.
#[test]
fn objects_at_rest_that_may_be_healed_at_the_same_moment_are_healed() {
    let mut world = World::new(13);
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.commit("other", "blue");
    world.pass(5);
    for _ in 0..120 {
        world.paint("web", "red", "rival");
        world.paint("other", "red", "rival");
        world.0.pass(Duration::from_secs(30));
        assert!(!world.0.is_stuck());
    }
    world.pass(125);
    assert_eq!(["web", "other"].map(|name| world.colour(name)), [Some("blue".to_owned()), Some("blue".to_owned())]);
}

/// An application that went away held others back, and nobody told them.
#[test]
fn what_two_declared_goes_to_the_one_that_stays_by_itself() {
    let mut world = World::new(14);
    world.commit("web", "blue");
    world.0.put(application("a"));
    world.0.put(application("b"));
    world.pass(5);
    assert_eq!(world.colour("web"), None);
    world.0.remove("b");
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("a"));
}

/// As many operations as may be are under way; the others have their turn as these end, not half a minute later.
#[test]
fn many_applications_have_their_turns_one_after_the_other() {
    let mut world = World::new(15);
    let names: Vec<String> = (0..80).map(|at| format!("app{at}")).collect();
    for name in &names {
        let mut one = application(name);
        one.app.paths = gitops_core::source::Paths::under([name.as_str()]).unwrap();
        world.0.put(one);
    }
    let files: Vec<_> = names.iter().map(|name| (format!("{name}/x.yaml"), map(name, "blue"))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    world.0.source.commit("Ann <ann@example.org>", world.0.now(), "all", files);
    world.0.pass(Duration::from_secs(60));
    let synced = world.0.engine.statuses().filter(|status| status.sync == SyncStatus::Synced).count();
    assert_eq!(synced, names.len());
}

fn hook(name: &str, policy: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, annotations: {{gitops.rs/hook: PreSync, \
         gitops.rs/hook-delete-policy: {policy}}}}}}}"
    )
}

fn secret(world: &World, name: &str) -> Option<String> {
    let key = ResourceKey::new("", "Secret", "default", name);
    world.0.cluster.with_server(|server| Some(server.get(&key)?.uid()?.to_owned()))
}

#[test]
fn a_hook_runs_once_per_revision_and_what_it_left_goes_when_it_is_no_longer_declared() {
    let mut world = World::new(11);
    let mut shop = application("shop");
    shop.app.policy.prune = Prune::Owned;
    world.0.put(shop);
    let commit = |world: &World, text: Option<&str>| {
        world.0.source.commit("Ann <ann@example.org>", world.0.now(), "hook", [("hook.yaml", text)]);
    };
    commit(&world, Some(&hook("before", "BeforeHookCreation")));
    world.commit("web", "blue");
    world.pass(5);
    let first = secret(&world, "before").unwrap();
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    world.pass(30);
    assert_eq!(secret(&world, "before"), Some(first.clone()), "nothing changed, so it does not run");
    world.commit("web", "red");
    world.pass(5);
    let second = secret(&world, "before").unwrap();
    assert_ne!(first, second, "it ran again");
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    // Nothing else of its kind is declared by then.
    commit(&world, None);
    world.commit("web", "white");
    world.pass(10);
    assert_eq!(world.colour("web").as_deref(), Some("white"), "{:#?}", world.status("shop"));
    assert_eq!(secret(&world, "before"), None, "{:#?}", world.status("shop"));
    let phases: Vec<Phase> = world.status("shop").history.iter().map(|entry| entry.phase).collect();
    assert!(phases.iter().all(|phase| *phase == Phase::Succeeded), "{phases:?}");
}

#[test]
fn a_hook_whose_place_cannot_be_read_is_held_back_and_asked_about_rarely() {
    let mut world = World::new(12);
    world.0.put(application("shop"));
    world.0.cluster.with_faults(|faults| faults.unreadable(&GroupKind::new("", "Secret"), "forbidden"));
    let (before, web) = (hook("before", "BeforeHookCreation"), map("web", "blue"));
    let files = [("hook.yaml", Some(before.as_str())), ("web.yaml", Some(web.as_str()))];
    world.0.source.commit("Ann <ann@example.org>", world.0.now(), "both", files);
    world.pass(60);
    assert_eq!((secret(&world, "before"), world.colour("web")), (None, None), "{:#?}", world.status("shop"));
    let conditions = &world.status("shop").conditions;
    assert!(conditions.iter().any(|condition| condition.kind == ConditionKind::Blocked), "{conditions:#?}");
    let asked = world.0.engine.counters().work.get("ask").copied().unwrap_or_default();
    assert!((1..=10).contains(&asked), "{asked}");
    world.0.cluster.with_faults(|faults| faults.readable(&GroupKind::new("", "Secret")));
    world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Refresh });
    world.pass(10);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    assert!(secret(&world, "before").is_some());
}

#[test]
fn what_cannot_be_read_is_read_ever_more_rarely_whatever_else_happens() {
    let mut world = World::new(7);
    let nowhere = gitops_core::source::Paths::under(["none"]).unwrap();
    world.0.put(Application::new(app("lost").with_paths(nowhere), "git", "cluster"));
    world.0.put(application("shop"));
    world.commit("web", "blue");
    world.pass(5);
    for minute in 0..60 {
        world.paint("web", if minute % 2 == 0 { "red" } else { "green" }, "kubectl-edit");
        world.pass(1);
    }
    assert!(world.status("lost").conditions.iter().any(|found| found.kind == ConditionKind::SourceError));
    let loads = world.0.engine.counters().work["load"];
    assert!((5..30).contains(&loads), "{loads}");
}

#[test]
fn an_operation_on_one_object_that_was_interrupted_never_becomes_one_on_all() {
    for millis in (0..1500).step_by(50) {
        let mut world = World::new(30);
        world.0.put(application("shop").with_automation(Automation::default()));
        for colour in ["blue", "red"] {
            world.commit("one", colour);
            world.commit("other", colour);
            if colour == "blue" {
                let request = Box::default();
                world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Sync { by: "Ann".into(), request } });
            }
            world.pass(5);
        }
        assert_eq!(world.colour("other").as_deref(), Some("blue"));
        let only = gitops_core::plan::Selection::of(["ConfigMap/one".parse().unwrap()]);
        let request = Box::new(gitops_core::plan::Request::default().with_only(only));
        world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Sync { by: "Ann".into(), request } });
        world.0.pass(Duration::from_millis(millis));
        world.0.crash();
        world.pass(30);
        assert_eq!(world.colour("other").as_deref(), Some("blue"), "stopped after {millis} ms");
    }
}
