//! Commits that say nothing new: what decides is what an application contains, not how a revision is called.

use super::*;

use gitops_core::automation::Trigger;
use gitops_core::memory::AFTER_ANNOTATION;
use gitops_core::sync::HistoryEntry;

/// An application of a folder.
fn of_folder(name: &str) -> Application {
    let mut application = application(name);
    application.app.paths = gitops_core::source::Paths::under([name]).unwrap();
    application
}

impl World {
    pub(super) fn commit_files(&self, files: &[(&str, Option<&str>)]) -> RevisionId {
        let message = format!("{} files", files.len());
        self.0.source.commit("Ann <ann@example.org>", self.0.now(), &message, files.iter().copied())
    }

    /// Somebody pushes, and says so.
    fn push(&mut self, path: &str, text: &str) -> RevisionId {
        let id = self.commit_files(&[(path, Some(text))]);
        self.0.tell(Event::SourceChanged { source: "git".into() });
        self.0.pass(Duration::from_secs(12));
        id
    }

    fn stored(&self, app: &str) -> Option<String> {
        let key = ResourceKey::new("", "ConfigMap", "gitops-system", &format!("gitops.{app}"));
        self.0.cluster.with_server(|server| Some(server.get(&key)?.resource_version()?.to_owned()))
    }

    fn loads(&self) -> u64 {
        self.0.engine.counters().work.get("load").copied().unwrap_or_default()
    }
}

fn operations(history: &[HistoryEntry]) -> Vec<Phase> {
    history.iter().map(|entry| entry.phase).collect()
}

fn slow_deployment(seconds: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: slow, annotations: {{{AFTER_ANNOTATION}: \
         \"{seconds}\"}}}}\nspec: {{replicas: 1, selector: {{matchLabels: {{app: slow}}}}, template: {{metadata: {{labels: \
         {{app: slow}}}}, spec: {{containers: [{{name: a, image: a}}]}}}}}}\n"
    )
}

#[test]
fn commits_to_another_application_neither_end_an_operation_nor_write_a_ledger() {
    let mut world = World::new(301);
    for name in ["a", "b"] {
        let mut application = of_folder(name);
        application.app.policy.wave_timeout = MINUTE * 60;
        world.0.put(application);
    }
    let later = map("later", "blue").replace("name: later", "name: later, annotations: {gitops.rs/sync-wave: \"1\"}");
    let first = world.commit_files(&[
        ("a/web.yaml", Some(&map("web", "blue"))),
        ("b/slow.yaml", Some(&slow_deployment(560))),
        ("b/later.yaml", Some(&later)),
    ]);
    world.pass(4);
    assert!(world.status("b").operation.is_some(), "{:#?}", world.status("b"));
    let ledger = world.stored("b");
    let mut last = first.clone();
    for turn in 0..20 {
        last = world.push("a/web.yaml", &map("web", if turn % 2 == 0 { "red" } else { "blue" }));
        assert!(world.status("b").operation.is_some(), "{turn}: {:#?}", world.status("b"));
        assert_eq!(world.status("b").head.as_ref().map(|head| &head.id), Some(&last));
    }
    assert_eq!(world.stored("b"), ledger, "nothing is to be written");
    assert_eq!(world.colour("later"), None);
    world.pass(15);
    assert_eq!(world.colour("later").as_deref(), Some("blue"), "{:#?}", world.status("b"));
    let b = world.status("b");
    assert_eq!(operations(&b.history), [Phase::Succeeded]);
    assert_eq!(b.synced.as_deref(), Some(&[first][..]), "what was applied stays true");
    assert_eq!(b.revisions.iter().map(|shown| &shown.id).collect::<Vec<_>>(), [&last], "and the newest is shown");
    assert_eq!((world.status("a").history.len(), world.status("a").sync), (10, SyncStatus::Synced));
    assert_eq!(world.colour("web").as_deref(), Some("blue"));
}

#[test]
fn a_commit_that_says_nothing_new_has_nothing_compared_and_an_own_one_is_synced() {
    let mut world = World::new(302);
    for name in ["a", "b"] {
        world.0.put(of_folder(name));
    }
    world.commit_files(&[("a/web.yaml", Some(&map("web", "blue"))), ("b/db.yaml", Some(&map("db", "blue")))]);
    world.pass(5);
    world.news();
    let (compared, ledger, loads) = (world.0.engine.counters().compared, world.stored("b"), world.loads());
    for _ in 0..10 {
        world.push("readme.md", &format!("at {}", world.0.now()));
    }
    assert_eq!(world.0.engine.counters().compared, compared);
    assert_eq!((world.stored("b"), world.loads()), (ledger, loads + 20));
    assert!(world.news().is_empty());
    // Were it read again, it would be missing now.
    world.0.source.make_unreadable("b/db.yaml");
    world.push("readme.md", "once more");
    assert_eq!((world.status("b").sync, world.news().len()), (SyncStatus::Synced, 0));
    world.0.source.make_readable();
    let own = world.push("b/db.yaml", &map("db", "red"));
    assert_eq!(world.colour("db").as_deref(), Some("red"));
    assert_eq!(world.status("b").synced.as_deref(), Some(&[own.clone()][..]));
    let news = world.news();
    let told = news.iter().filter(|news| matches!(news, News::Revision { id, .. } if *id == own)).count();
    assert_eq!(told, 1, "one application has something new: {news:?}");
    let new = |news: &&News| matches!(news, News::Started { trigger: Trigger::NewRevision, .. });
    assert_eq!(news.iter().filter(new).count(), 1);
}

#[test]
fn a_file_under_another_name_or_with_another_comment_is_nothing_new_and_problems_name_the_new_place() {
    let mut world = World::new(303);
    world.0.engine.keep_reports();
    world.0.put(of_folder("a"));
    // A namespace for what has none is a warning that names its place.
    let role = "# one\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader, namespace: \
                x}\nrules: []\n";
    world.commit_files(&[("a/old.yaml", Some(role))]);
    world.pass(5);
    let place = |world: &mut World| {
        let report = world.0.engine.next_report().unwrap();
        format!("{:?}", report.problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert!(place(&mut world).contains("a/old.yaml"));
    let ledger = world.stored("a");
    world.commit_files(&[("a/old.yaml", None), ("a/new.yaml", Some(&format!("# two\n\n{role}")))]);
    world.pass(5);
    assert_eq!((world.stored("a"), operations(&world.status("a").history)), (ledger, vec![Phase::Succeeded]));
    let at = place(&mut world);
    assert!(at.contains("a/new.yaml") && !at.contains("old"), "{at}");
}

#[test]
fn a_rollback_outlives_commits_to_others_and_restarts_and_ends_by_an_own_commit() {
    let mut world = World::new(304);
    world.0.put(of_folder("a"));
    let good = world.push("a/web.yaml", &map("web", "blue"));
    world.pass(5);
    world.push("a/web.yaml", &map("web", "red"));
    world.pass(5);
    world.0.tell(Event::Wish { app: "a".into(), wish: Wish::Rollback { by: "Ann".into(), to: good.clone() } });
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("a"));
    let ledger = world.stored("a");
    for turn in 0..6 {
        world.push("b/other.yaml", &map("other", &format!("c{turn}")));
        if turn % 2 == 1 {
            world.0.crash();
        }
        world.pass(3);
        assert_eq!(world.colour("web").as_deref(), Some("blue"), "{turn}: {:#?}", world.status("a"));
        assert!(world.status("a").hold.is_some(), "{turn}");
    }
    // The file gets another name as well: it still says what was rolled back.
    world.commit_files(&[("a/web.yaml", None), ("a/shop.yaml", Some(&map("web", "red")))]);
    world.0.crash();
    world.pass(5);
    assert_eq!((world.colour("web").as_deref(), world.stored("a")), (Some("blue"), ledger));
    world.push("a/shop.yaml", &map("web", "white"));
    world.pass(3);
    assert_eq!(world.colour("web").as_deref(), Some("white"), "{:#?}", world.status("a"));
    assert!(world.status("a").hold.is_none());
}

#[test]
fn after_a_restart_a_revision_that_says_the_same_is_known_by_what_was_synced() {
    for (text, expected) in [(map("web", "blue"), 1), (map("web", "red"), 2)] {
        let mut world = World::new(305);
        world.0.put(of_folder("a"));
        world.push("a/web.yaml", &map("web", "blue"));
        world.pass(5);
        let ledger = world.stored("a");
        world.commit_files(&[("a/web.yaml", Some(&text)), ("b/x.yaml", Some("kind: x"))]);
        world.0.crash();
        world.pass(5);
        assert_eq!(world.status("a").history.len(), expected, "{text}");
        assert_eq!(world.stored("a") == ledger, expected == 1);
        assert_eq!(world.status("a").sync, SyncStatus::Synced);
    }
}

#[test]
fn what_is_reverted_before_anything_else_was_synced_is_synced_again() {
    let mut world = World::new(306);
    world.0.put(of_folder("a").with_automation(Automation::syncing()));
    world.push("a/web.yaml", &map("web", "blue"));
    world.pass(5);
    let bad = world.push("a/web.yaml", &map("web", "red"));
    world.pass(5);
    world.0.source.revert("Ben <ben@example.org>", world.0.now(), &bad).unwrap();
    world.0.crash();
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("a"));
    assert_eq!(operations(&world.status("a").history), [Phase::Succeeded; 3]);
}

#[test]
fn an_operation_gives_way_to_an_own_commit_and_tries_are_not_counted_anew_by_those_of_others() {
    let mut world = World::new(307);
    let mut application = of_folder("a");
    application.app.policy.wave_timeout = MINUTE * 60;
    world.0.put(application);
    let later = map("later", "blue").replace("name: later", "name: later, annotations: {gitops.rs/sync-wave: \"1\"}");
    world.commit_files(&[("a/later.yaml", Some(&later))]);
    world.push("a/slow.yaml", &slow_deployment(3600));
    world.pass(3);
    assert!(world.status("a").operation.is_some());
    world.push("a/slow.yaml", &slow_deployment(0));
    world.pass(5);
    let phases = operations(&world.status("a").history);
    assert_eq!(phases, [Phase::Succeeded, Phase::Superseded], "{:#?}", world.status("a"));

    let mut world = World::new(308);
    let mut application = of_folder("a");
    application.automation.retry.limit = Some(2);
    world.0.put(application);
    world.0.denied.insert(ResourceKey::new("", "ConfigMap", "default", "web"));
    world.push("a/web.yaml", &map("web", "blue"));
    let mut tries = 0;
    for turn in 0..150 {
        world.push("b/x.yaml", &map("other", &format!("c{turn}")));
        let now = world.status("a").history.iter().map(|entry| entry.attempts).sum();
        assert!(now >= tries);
        tries = now;
    }
    assert!((1..=3).contains(&tries), "{tries}: {:#?}", world.status("a"));
    let why = world.status("a").decision.as_ref().map(|decided| decided.decision.clone());
    assert!(matches!(why, Some(Decision::Rest { why: Why::GivenUp { .. }, .. })), "{why:?}");
}

#[test]
fn who_depends_on_an_application_starts_though_commits_say_nothing_new() {
    let mut world = World::new(309);
    world.0.put(of_folder("a"));
    world.0.put(of_folder("b").after("a"));
    world.commit_files(&[("a/web.yaml", Some(&map("web", "blue"))), ("b/db.yaml", Some(&map("db", "blue")))]);
    world.pass(5);
    world.0.slow.insert(("load", "a".into()), Duration::from_secs(40));
    world.commit_files(&[("b/db.yaml", Some(&map("db", "red")))]);
    world.0.tell(Event::SourceChanged { source: "git".into() });
    world.0.pass(Duration::from_secs(20));
    assert_eq!(world.colour("db").as_deref(), Some("blue"), "what it depends on was not read yet");
    world.pass(2);
    assert_eq!(world.colour("db").as_deref(), Some("red"), "{:#?}", world.status("b"));
}

#[test]
fn a_source_that_breaks_down_after_it_named_a_revision_ends_nothing() {
    let mut world = World::new(310);
    world.0.put(of_folder("a"));
    let good = world.push("a/web.yaml", &map("web", "blue"));
    world.pass(5);
    world.push("a/web.yaml", &map("web", "red"));
    world.pass(5);
    world.0.tell(Event::Wish { app: "a".into(), wish: Wish::Rollback { by: "Ann".into(), to: good } });
    world.pass(5);
    world.0.slow.insert(("load", "a".into()), MINUTE);
    let last = world.push("b/other.yaml", &map("other", "blue"));
    assert_eq!(world.status("a").head.as_ref().map(|head| &head.id), Some(&last));
    world.0.source_is_down = true;
    world.pass(30);
    assert!(world.status("a").conditions.iter().any(|condition| condition.kind == ConditionKind::SourceError));
    assert!(world.status("a").hold.is_some() && world.colour("web").as_deref() == Some("blue"));
    world.0.source_is_down = false;
    world.pass(15);
    assert!(world.status("a").hold.is_some() && world.colour("web").as_deref() == Some("blue"));
}
