//! What somebody asked for is done once, whatever comes between.

use gitops_core::plan::Request;
use gitops_core::policy::SyncPolicy;

use super::halves::{forced, there};
use super::*;

const DENIED: &str = r#"[{"kind": "deny", "schedule": "* * * * *", "duration": "10h", "applications": ["*"]}]"#;

/// An application that does nothing by itself.
fn by_hand() -> Application {
    let policy = SyncPolicy::default().with_prune(Prune::Owned);
    Application::new(app("shop").with_policy(policy), "git", "cluster")
}

fn ask(world: &mut World, request: Request) {
    let wish = Wish::Sync { by: "Ann".into(), request: Box::new(request) };
    world.0.tell(Event::Wish { app: "shop".into(), wish });
}

fn closed() -> Application {
    by_hand().with_windows(serde_json::from_str(DENIED).unwrap())
}

/// The application is synced, and somebody asks for something else.
fn synced(seed: u64) -> World {
    let mut world = World::new(seed);
    world.0.put(by_hand());
    world.commit("web", "blue");
    world.commit("api", "blue");
    world.pass(1);
    ask(&mut world, Request::default());
    world.pass(2);
    assert_eq!(world.colour("api").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    world
}

#[test]
fn a_wish_to_delete_outlives_restarts_windows_and_a_suspension() {
    for later in [closed(), by_hand().with_automation(Automation::default().suspended())] {
        let mut world = synced(31);
        world.0.put(later);
        world.pass(1);
        ask(&mut world, Request::to_delete());
        world.pass(1);
        world.0.crash();
        world.pass(30);
        assert_eq!(world.colour("web").as_deref(), Some("blue"), "not now: {:#?}", world.status("shop"));
        world.0.put(by_hand());
        world.pass(5);
        assert_eq!((world.colour("web"), world.colour("api")), (None, None), "{:#?}", world.status("shop"));
        world.0.crash();
        world.pass(30);
        assert_eq!(world.status("shop").history.len(), 0, "once: {:#?}", world.status("shop"));
    }
}

/// One that had begun was forgotten: the next operation by hand brought back what was deleted.
#[test]
fn a_deletion_is_gone_on_with_after_a_crash_at_any_moment() {
    let mut known = 0;
    for millis in (0..2_000).step_by(100) {
        let mut world = synced(32);
        ask(&mut world, Request::to_delete());
        world.0.pass(Duration::from_millis(millis));
        let ledger = ResourceKey::new("", "ConfigMap", "gitops-system", "gitops.shop");
        // Nobody knows of what died with the program before anything of it was written.
        let is_known = world.0.cluster.with_server(|server| {
            let text = server.get(&ledger).and_then(|ledger| ledger.tree().dig(&["data", "ledger"])?.as_str());
            text.is_none_or(|text| text.contains("\"requested\""))
        });
        known += usize::from(is_known);
        world.0.crash();
        world.pass(20);
        let are_gone = (world.colour("web"), world.colour("api")) == (None, None);
        assert_eq!(are_gone, is_known, "{millis}: {:#?}", world.status("shop"));
    }
    assert!((10..20).contains(&known), "{known}");
}

#[test]
fn what_is_asked_for_waits_for_its_window_over_restarts_and_is_done_once() {
    let mut world = synced(33);
    world.0.put(closed());
    world.commit("web", "red");
    ask(&mut world, Request::default());
    world.pass(3);
    world.0.crash();
    world.pass(10);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
    world.0.put(by_hand());
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "{:#?}", world.status("shop"));
    world.paint("web", "black", "kubectl-edit");
    world.0.crash();
    world.pass(30);
    let status = world.status("shop");
    assert_eq!((world.colour("web").as_deref(), status.history.len()), (Some("black"), 2), "{status:#?}");
    assert_eq!(status.history.first().map(|entry| &*entry.initiator), Some("Ann"));
}

#[test]
fn what_is_withdrawn_is_not_done_after_a_restart() {
    let mut world = synced(34);
    world.0.put(closed());
    ask(&mut world, Request::to_delete());
    world.pass(2);
    world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Terminate });
    world.pass(2);
    world.0.crash();
    world.0.put(by_hand());
    world.pass(30);
    assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
}

/// The object was completed, and the rest forgotten, since nothing is synced automatically.
#[test]
fn the_rest_of_a_sync_by_hand_goes_on_when_its_window_opens_again() {
    for pause in [0, 900, 2100] {
        let mut world = World::new(123);
        world.0.put(by_hand());
        let (one, two) = (forced("one"), forced("two"));
        world.commit_files(&[("web.yaml", Some(&one))]);
        world.pass(1);
        ask(&mut world, Request::default());
        world.pass(5);
        world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(1));
        let map = map("later", "blue").replace("name: later", "name: later, annotations: {gitops.rs/sync-wave: '5'}");
        world.commit_files(&[("web.yaml", Some(&two)), ("later.yaml", Some(&map))]);
        world.0.tell(Event::SourceChanged { source: "git".into() });
        world.0.pass(Duration::from_secs(2));
        ask(&mut world, Request::default());
        for _ in 0..3000 {
            if !there(&world) {
                break;
            }
            world.0.pass(Duration::from_millis(20));
        }
        assert!(!there(&world), "{:#?}", world.status("shop"));
        world.0.pass(Duration::from_millis(pause));
        world.0.put(closed());
        world.0.crash();
        world.0.slow.clear();
        world.pass(5);
        assert!(there(&world), "{pause}: {:#?}", world.status("shop"));
        assert_eq!(world.colour("later"), None, "{pause}: the window denies it: {:#?}", world.status("shop"));
        world.0.put(by_hand());
        world.pass(10);
        assert_eq!(world.colour("later").as_deref(), Some("blue"), "{pause}: {:#?}", world.status("shop"));
    }
}

/// What was asked for with a rollback is over with it: nobody asked for what is newer.
#[test]
fn a_rollback_that_waited_for_a_window_does_not_sync_what_came_after_it() {
    for crashes in [false, true] {
        let mut world = synced(37);
        let first = world.status("shop").history.first().unwrap().revisions.first().unwrap().id.clone();
        world.commit("web", "red");
        world.0.tell(Event::SourceChanged { source: "git".into() });
        world.pass(1);
        ask(&mut world, Request::default());
        world.pass(2);
        world.0.put(closed());
        world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Rollback { by: "Ann".into(), to: first } });
        world.pass(5);
        assert_eq!(world.colour("web").as_deref(), Some("red"), "it waits");
        world.commit("web", "green");
        world.0.tell(Event::SourceChanged { source: "git".into() });
        world.pass(10);
        if crashes {
            world.0.crash();
        }
        world.0.put(by_hand());
        world.pass(10);
        assert_eq!(world.colour("web").as_deref(), Some("red"), "{crashes}: {:#?}", world.status("shop"));
    }
}
