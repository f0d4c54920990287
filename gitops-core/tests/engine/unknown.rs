//! Nothing is pruned that may have moved to where nobody can read it. Rule 28 of the exact rules.

use std::time::Duration;

use gitops_core::app::{Destination, Project};
use gitops_core::engine::{Application, ConditionKind, Engine, Event, Ports, Settings, Task, Wish};
use gitops_core::memory::ready;
use gitops_core::plan::Request;
use gitops_core::reconcile::Restriction;
use gitops_core::resource::ResourceKey;
use gitops_core::source::Target;

use super::handover::{of_folder, text};
use super::{MINUTE, World};

const BROKEN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web\n";

/// An application that follows another target.
fn following(name: &str, target: &str) -> Application {
    let mut application = of_folder(name);
    application.app.target = Target::new(target);
    application
}

impl World {
    /// What an application says of why it prunes nothing.
    fn waits(&self, app: &str) -> Option<String> {
        let conditions = &self.status(app).conditions;
        let waits = conditions.iter().find(|condition| condition.kind == ConditionKind::PruneWaits);
        waits.map(|condition| condition.message.to_string())
    }

    fn delete(&mut self, app: &str) {
        let wish = Wish::Sync { by: "Ann".into(), request: Box::new(Request::to_delete()) };
        self.0.tell(Event::Wish { app: app.into(), wish });
    }
}

#[test]
fn what_moved_to_a_file_that_cannot_be_read_is_not_pruned_and_that_is_said() {
    let mut world = World::of_two();
    let uid = world.uid("web");
    world.files(&[("a/web.yaml", None), ("b/web.yaml", Some(BROKEN.to_owned()))]);
    world.pass(30);
    assert_eq!((world.uid("web"), world.deletions()), (uid.clone(), 0));
    let said = world.waits("a").unwrap();
    assert!(said.contains("application `b`") && said.contains("b/web.yaml:"), "{said}");
    world.delete("a");
    world.pass(30);
    assert_eq!((world.uid("web"), world.deletions()), (uid.clone(), 0), "{:#?}", world.status("a"));
    world.0.tell(Event::Wish { app: "a".into(), wish: Wish::Terminate });
    world.files(&[("b/web.yaml", Some(text("web", "colour: red")))]);
    world.pass(3);
    assert_eq!((world.uid("web"), world.deletions()), (uid, 0));
    world.web_is_of_b();
}

#[test]
fn what_is_in_no_file_at_all_is_pruned_once_all_can_be_read_again() {
    let mut world = World::of_two();
    world.files(&[("a/web.yaml", None), ("b/web.yaml", Some(BROKEN.to_owned()))]);
    world.pass(5);
    assert!(world.object("web").is_some());
    world.files(&[("b/web.yaml", None)]);
    world.pass(2);
    assert!(world.object("web").is_none(), "{:#?}", world.status("a"));
    world.is_at_rest(&["a", "b"]);
}

/// A broken file of one team must not stop pruning for all others.
#[test]
fn what_the_project_of_another_application_does_not_permit_cannot_be_in_its_broken_file() {
    for (permitted, is_there) in [("default", true), ("elsewhere", false)] {
        let mut world = World::of_two();
        let project = format!(r#"{{"destinations": [{{"server": "*", "namespace": "{permitted}"}}]}}"#);
        let project: Project = serde_json::from_str(&project).unwrap();
        let mut b = of_folder("b");
        let destination = Destination::default().in_namespace(permitted);
        b.app.restriction = Some(Restriction::new("team-b", project, destination));
        world.0.put(b);
        world.files(&[("a/web.yaml", None), ("b/web.yaml", Some(BROKEN.to_owned()))]);
        world.pass(5);
        assert_eq!(world.object("web").is_some(), is_there, "{permitted}: {:#?}", world.status("a"));
        assert_eq!(world.waits("a").is_some(), is_there, "{permitted}: {:#?}", world.status("a"));
    }
}

#[test]
fn what_moved_to_an_application_that_is_held_back_is_not_pruned_until_more_is_known_of_it() {
    for comes in [true, false] {
        let mut world = World::of_two();
        let uid = world.uid("web");
        let now = world.0.now();
        world.0.engine.put_unknown("b", "cluster", "is held back: its document has errors", now);
        world.0.engine.put_unknown("c", "another-cluster", "is held back", now);
        assert!(world.0.engine.status("b").is_none());
        world.move_web();
        world.pass(30);
        assert_eq!((world.uid("web"), world.deletions()), (uid.clone(), 0));
        assert_eq!(
            world.waits("a").unwrap(),
            "nothing is pruned: application `b` is held back: its document has errors"
        );
        if comes {
            world.0.put(of_folder("b"));
            world.pass(2);
            assert_eq!((world.uid("web"), world.deletions()), (uid, 0));
            world.web_is_of_b();
        } else {
            world.0.remove("b");
            world.pass(2);
            assert!(world.object("web").is_none(), "{:#?}", world.status("a"));
            assert_eq!(world.waits("a"), None);
        }
    }
}

/// Argo CD and Flux ask for each target by itself, and delete and create anew what moves between two.
#[test]
fn what_moves_between_applications_of_two_targets_is_handed_over_whichever_is_asked_first() {
    for (of_a, of_b) in [("main", "HEAD"), ("HEAD", "main")] {
        let mut world = World::of_two();
        world.0.put(following("a", of_a));
        world.0.put(following("b", of_b));
        world.pass(5);
        let uid = world.uid("web");
        for turn in 0..12_u32 {
            // Nobody tells of it: each target is asked when its interval is over.
            let (from, to) = if turn % 2 == 0 { ("a", "b") } else { ("b", "a") };
            let (from, to) = (format!("{from}/web.yaml"), format!("{to}/web.yaml"));
            let web = text("web", "colour: red");
            let files = [(&*from, None), (&*to, Some(&*web))];
            world.0.source.commit("Ann <ann@example.org>", world.0.now(), "move", files);
            world.0.pass(MINUTE * 5 + Duration::from_secs(u64::from(turn) * 11));
            assert_eq!((world.uid("web"), world.deletions()), (uid.clone(), 0), "{of_a}, {of_b}, {turn}");
        }
        world.is_at_rest(&["a", "b"]);
    }
}

#[test]
fn nothing_is_pruned_while_another_target_of_the_repository_cannot_be_asked_and_that_is_said() {
    let mut world = World::of_two();
    let now = world.0.now();
    let tip = world.0.source.commit("Ann <ann@example.org>", now, "none", []);
    world.0.source.tag("v1", Some(&tip));
    world.0.put(following("b", "v1"));
    world.pass(5);
    world.0.source.tag("v1", None);
    world.files(&[("a/web.yaml", None)]);
    world.pass(30);
    assert!(world.object("web").is_some());
    let said = world.waits("a").unwrap();
    assert!(said.contains("application `b` was not read yet at what its source names now: "), "{said}");
    world.0.source.tag("v1", Some(&tip));
    world.pass(10);
    assert!(world.object("web").is_none(), "{:#?}", world.status("a"));
    world.is_at_rest(&["a", "b"]);
}

/// One repository under two names, as where its address is spelled in two ways, or where it is one of several sources.
#[test]
fn what_moves_between_two_names_of_one_repository_is_handed_over() {
    let world = World::new(7);
    let (mut engine, mut now) = (Engine::new(Settings::default()), world.0.now());
    let ports = Ports::new(&world.0.time).with_cluster("cluster", &world.0.cluster);
    let ports = ports.with_source("git", &world.0.source).with_source("other", &world.0.source);
    let mut work_off = |engine: &mut Engine, minutes: u32| {
        for _ in 0..minutes * 12 {
            now = now + Duration::from_secs(5);
            while let Some(work) = engine.next_work(now) {
                if !matches!(work.task, Task::Watch { .. }) {
                    engine.handle(Event::Done { id: work.id, done: ready(ports.perform(work.task)).unwrap() }, now);
                }
            }
        }
        now
    };
    for name in ["a", "b"] {
        let mut application = of_folder(name);
        application.source = if name == "a" { "git".into() } else { "other".into() };
        application.repositories = ["the repository".into()].into();
        engine.put(application, world.0.now());
    }
    let commit = |files: &[(&str, Option<String>)]| {
        let files = files.iter().map(|(path, text)| (*path, text.as_deref()));
        world.0.source.commit("Ann <ann@example.org>", world.0.now(), "files", files)
    };
    let own = || Some(text("own", "colour: grey"));
    commit(&[("a/web.yaml", Some(text("web", "colour: blue"))), ("b/own.yaml", own())]);
    work_off(&mut engine, 5);
    let uid = world.uid("web");
    for turn in 0..6 {
        let (from, to) = if turn % 2 == 0 { ("a", "b") } else { ("b", "a") };
        let (from, to) = (format!("{from}/web.yaml"), format!("{to}/web.yaml"));
        commit(&[(&from, None), (&to, Some(text("web", "colour: red"))), ("a/rest.yaml", Some(text("rest", "a: b")))]);
        work_off(&mut engine, 5);
        assert_eq!(world.uid("web"), uid, "{turn}");
        assert_eq!(world.holder("web"), to.split('/').next().unwrap());
    }
    let key = ResourceKey::new("", "ConfigMap", "default", "web");
    assert_eq!(engine.declarers("cluster", &key).count(), 1);
}
