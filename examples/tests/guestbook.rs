//! The guestbook of this repository, which the first command of the README syncs.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::Path;

use support::World;

fn guestbook() -> World {
    let world = World::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guestbook");
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        world.write(&format!("examples/guestbook/{name}"), &fs::read_to_string(&path).unwrap());
    }
    world.commit("Add the guestbook");
    world
}

#[test]
fn the_guestbook_is_synced_in_three_waves_between_two_hooks() {
    let world = guestbook();
    assert_eq!(
        world.gitops("validate --path examples/guestbook -o json").json(),
        serde_json::json!([]),
        "nothing is wrong with it"
    );
    let text = world.gitops("sync --path examples/guestbook").exits(0);
    let (steps, tree) = text.split_once("\n\n").unwrap();
    assert_eq!(
        steps,
        "PreSync, wave 0
  created    Namespace guestbook
  succeeded  batch/Job guestbook/migrate
Sync, wave 0
  created    ConfigMap guestbook/frontend
  created    ConfigMap guestbook/redis
  created    Service guestbook/redis-leader
  created    apps/Deployment guestbook/redis-leader
Sync, wave 1
  created    Service guestbook/redis-follower
  created    apps/Deployment guestbook/redis-follower
Sync, wave 2
  created    Service guestbook/frontend
  created    apps/Deployment guestbook/frontend
  created    networking.k8s.io/Ingress guestbook/frontend
PostSync, wave 0
  succeeded  batch/Job guestbook/smoke-test"
    );
    let outline: Vec<String> = tree.lines().map(without_hashes).collect();
    assert_eq!(
        outline.join("\n"),
        "guestbook Synced Healthy
├─ Namespace guestbook Synced Healthy
└─ guestbook/
   ├─ ConfigMap frontend Synced
   ├─ ConfigMap redis Synced
   ├─ Deployment frontend Synced Healthy
   │  └─ ReplicaSet frontend Healthy
   │     ├─ Pod frontend Healthy
   │     ├─ Pod frontend Healthy
   │     └─ Pod frontend Healthy
   ├─ Deployment redis-follower Synced Healthy
   │  └─ ReplicaSet redis-follower Healthy
   │     ├─ Pod redis-follower Healthy
   │     └─ Pod redis-follower Healthy
   ├─ Deployment redis-leader Synced Healthy
   │  └─ ReplicaSet redis-leader Healthy
   │     └─ Pod redis-leader Healthy
   ├─ Ingress frontend Synced Healthy
   ├─ Service frontend Synced Healthy
   ├─ Service redis-follower Synced Healthy
   └─ Service redis-leader Synced Healthy

Synced, Healthy at REVISION (HEAD) by Ann <ann@example.org>: Add the guestbook"
    );
    assert!(world.gitops("sync --path examples/guestbook").exits(0).starts_with("nothing to do\n"));
}

/// A line with single spaces, without the part of a name that a controller made up, and without the commit.
fn without_hashes(line: &str) -> String {
    let indent: String = line.chars().take_while(|char| "│├└─ ".contains(*char)).collect();
    let rest = line.trim_start_matches(|char| "│├└─ ".contains(char));
    let made = rest.starts_with("ReplicaSet") || rest.starts_with("Pod");
    let words = rest.split_whitespace().enumerate().map(|(at, word)| match (at, word) {
        (1, name) if made => name.rsplitn(if rest.starts_with("Pod") { 3 } else { 2 }, '-').last().unwrap(),
        (3, _) if rest.starts_with("Synced,") => "REVISION",
        (_, word) => word,
    });
    indent + &words.collect::<Vec<_>>().join(" ")
}
