//! What is half done when a program dies.

use super::*;

/// A world in which an object was deleted to be created again when the program died, `pause` milliseconds later; by now a
/// sync window denies everything.
fn half_recreated(pause: u64) -> World {
    let mut world = World::new(123);
    let denied = r#"[{"kind": "deny", "schedule": "* * * * *", "duration": "10h", "applications": ["*"]}]"#;
    world.0.put(application("shop"));
    let (one, two) = (forced("one"), forced("two"));
    world.commit_files(&[("web.yaml", Some(&one))]);
    world.pass(5);
    world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(1));
    let map = map("later", "blue").replace("name: later", "name: later, annotations: {gitops.rs/sync-wave: '5'}");
    world.commit_files(&[("web.yaml", Some(&two)), ("later.yaml", Some(&map))]);
    world.0.tell(Event::SourceChanged { source: "git".into() });
    for _ in 0..3000 {
        if !there(&world) {
            break;
        }
        world.0.pass(Duration::from_millis(20));
    }
    assert!(!there(&world), "{:#?}", world.status("shop"));
    world.0.pass(Duration::from_millis(pause));
    let windows = serde_json::from_str(denied).unwrap();
    world.0.put(application("shop").with_windows(windows));
    world.0.crash();
    world.0.slow.clear();
    world
}

/// What an operation that was interrupted had deleted to create it again waited for the next sync window.
#[test]
fn what_is_half_recreated_is_completed_in_spite_of_a_window_and_nothing_else_is() {
    for pause in [0, 400, 900, 1300, 1700, 2100, 2600, 3400] {
        let mut world = half_recreated(pause);
        world.pass(5);
        assert!(there(&world), "{pause}: {:#?}", world.status("shop"));
        assert_eq!(world.colour("later"), None, "{pause}: the window denies it: {:#?}", world.status("shop"));
        world.0.put(application("shop"));
        world.pass(10);
        assert_eq!(world.colour("later").as_deref(), Some("blue"), "{pause}: {:#?}", world.status("shop"));
        assert_eq!(world.status("shop").sync, SyncStatus::Synced);
    }
}

/// It was tried again at once, for ever.
#[test]
fn a_completion_that_cannot_even_begin_is_tried_again_ever_more_rarely_until_it_can() {
    let mut world = half_recreated(0);
    let ledger = world.ledger("shop");
    world.0.denied.insert(ledger);
    let before = world.work("effect");
    world.pass(60);
    let tries = world.work("effect") - before;
    assert!((2..=60).contains(&tries), "{tries}");
    assert!(!there(&world));
    world.0.denied.clear();
    world.pass(10);
    assert!(there(&world), "{:#?}", world.status("shop"));
    assert_eq!(world.colour("later"), None, "the window still denies it");
}

/// A Deployment whose selector may not be changed, and that may be recreated.
pub(crate) fn forced(tier: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, annotations: \
         {{argocd.argoproj.io/sync-options: Force=true}}}}, spec: {{selector: {{matchLabels: {{app: {tier}}}}}, \
         template: {{metadata: {{labels: {{app: {tier}}}}}, spec: {{containers: [{{name: a, image: b}}]}}}}}}}}"
    )
}

pub(crate) fn there(world: &World) -> bool {
    let key = ResourceKey::new("apps", "Deployment", "default", "web");
    world.0.cluster.with_server(|server| server.get(&key).is_some())
}
