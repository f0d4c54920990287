//! An object that somebody changes several times a second.

use gitops_core::cluster::{Cluster, PatchStep, Write};
use gitops_core::memory::ready;
use gitops_core::path::FieldPath;

use super::*;

/// Somebody counts in a label that nobody declares.
fn count(world: &World, number: u32) {
    let key = ResourceKey::new("", "ConfigMap", "default", "web");
    let label = FieldPath::fields(&["metadata", "labels"]);
    let labels = gitops_core::value::Value::from_json(format!(r#"{{"count":"{number}"}}"#).as_bytes()).unwrap();
    let write = Write::patch(&key, "v1", vec![PatchStep::Set(label, labels)], "counter");
    ready(world.0.cluster.write(&write)).unwrap().unwrap();
}

/// Lets time pass while it counts ten times a second.
fn noise(world: &mut World, seconds: u32) {
    for number in 0..seconds * 10 {
        count(world, number);
        world.0.pass(Duration::from_millis(100));
    }
}

fn hot(world: &World, app: &str) -> Option<String> {
    let conditions = &world.status(app).conditions;
    let hot = conditions.iter().find(|condition| condition.kind == ConditionKind::HotObject);
    hot.map(|condition| condition.message.to_string())
}

#[test]
fn a_hot_object_costs_one_comparison_a_second_is_named_and_its_last_state_is_seen() {
    let mut world = World::new(81);
    world.commit("web", "blue");
    world.0.put(application("shop"));
    world.pass(3);
    assert_eq!(world.status("shop").sync, SyncStatus::Synced);
    noise(&mut world, 30);
    let before = world.0.engine.counters().compared;
    noise(&mut world, 60);
    let compared = world.0.engine.counters().compared - before;
    assert!((50..=75).contains(&compared), "{compared} comparisons in a minute");
    assert!(world.0.engine.counters().hot > 500, "{}", world.0.engine.counters().hot);
    let told = hot(&world, "shop").unwrap();
    assert!(told.contains("ConfigMap default/web by `counter`"), "{told}");

    // The last change is not lost.
    world.paint("web", "red", "kubectl-edit");
    world.pass(1);
    assert_eq!(world.colour("web").as_deref(), Some("blue"));

    world.pass(2);
    assert_eq!(hot(&world, "shop"), None, "it calmed down");
    let told = world.news();
    let is_about = |news: &News| match news {
        News::Condition { kind, .. } | News::Cleared { kind } => *kind == ConditionKind::HotObject,
        _ => false,
    };
    assert_eq!(told.iter().filter(|news| is_about(news)).count(), 2, "it is news once, and once over");
    let before = world.0.engine.counters().compared;
    world.pass(10);
    assert!(world.0.engine.counters().compared <= before + 2, "nothing goes on in peace");
}

#[test]
fn an_object_that_changes_now_and_then_is_seen_at_once() {
    let mut world = World::new(82);
    world.commit("web", "blue");
    world.0.put(application("shop"));
    world.pass(3);
    for number in 0..60 {
        count(&world, number);
        world.0.pass(Duration::from_secs(1));
        assert_eq!(hot(&world, "shop"), None);
    }
    assert_eq!(world.0.engine.counters().hot, 0);
}
