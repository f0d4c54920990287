//! `gitops watch --record` and `gitops replay`.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config};

const APPS: &str = "apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {name: web}
spec:
  source: {repoURL: ., path: web}
  destination: {namespace: shop}
  syncPolicy: {automated: {prune: true, selfHeal: true}}
";

#[test]
fn what_a_watch_did_is_gone_through_again_without_repository_and_cluster() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: shop}\nstringData: {word: hunter2}\n";
    let world = World::with(&[
        ("apps.yaml", APPS),
        ("web/namespace.yaml", NAMESPACE),
        ("web/config.yaml", &config("web", "colour: blue")),
        ("web/key.yaml", secret),
    ]);
    let watched = world.run(&["watch", "apps.yaml", "--once", "--record", "watch.log"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    let path = world.repo().join("watch.log");
    assert!(!std::fs::read_to_string(&path).unwrap().contains("hunter2"));
    let again = world.run(&["watch", "apps.yaml", "--once", "--record", "watch.log"]);
    assert!(again.code == 2 && again.err.contains("name a new file"), "{again:?}");

    world.write("web/config.yaml", &config("web", "colour: red"));
    let same = world.run(&["replay", "watch.log", "apps.yaml"]);
    assert!(same.code == 0 && same.err.contains("were the same") && same.out.contains("web"), "{same:?}");

    world.write("apps.yaml", &APPS.replace("path: web", "path: shop"));
    let other = world.run(&["replay", "watch.log", "apps.yaml"]);
    assert!(other.code == 1 && other.err.contains("it goes otherwise: line "), "{other:?}");
}
