//! Repositories that are elsewhere. A bundle stands for them: it is fetched as they are, and needs no server.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config};

fn bundle(world: &World) -> String {
    let file = world.inner("elsewhere.bundle").display().to_string();
    world.git(&["bundle", "create", "-q", &file, "--all", "HEAD"]);
    file
}

#[test]
fn a_remote_is_fetched_and_synced_like_a_local_repository() {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "colour: blue"))]);
    world.git(&["tag", "v1.2.0"]);
    let file = bundle(&world);
    world.run(&["sync", "--repo", &file, "--app", "shop", "--revision", "1.x"]).exits(0);
    let status = world.run(&["status", "--repo", &file, "--app", "shop", "-o", "json"]).json();
    assert_eq!(status["sync"], "Synced", "{status}");
    // What is new is seen, and who wrote it is known.
    world.change("web.yaml", &config("web", "colour: red"), "Paint it red");
    bundle(&world);
    let explained = world.run(&["explain", "cm/web", "data.colour", "--repo", &file, "--app", "shop"]);
    assert!(explained.out.contains("Paint it red"), "{}{}", explained.out, explained.err);
    world.run(&["sync", "--repo", &file, "--app", "shop"]).exits(0);
    let object = world.gitops("cluster get cm/web -n shop").exits(0);
    assert!(object.contains("colour: red"), "{object}");
    assert!(world.inner("cache/gitops/repositories").is_dir());
}

#[test]
fn time_of_the_cluster_does_not_run_away_while_a_watch_fetches() {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "colour: blue"))]);
    let file = bundle(&world);
    let app = format!(
        "apiVersion: gitops.rs/v1alpha1\nkind: Application\nmetadata: {{name: shop}}\nspec:\n  \
         source: {{repoURL: '{file}', path: .}}\n  syncPolicy: {{automated: {{}}}}\n"
    );
    let apps = world.inner("apps.yaml");
    std::fs::write(&apps, app).unwrap();
    let begin = std::time::Instant::now();
    let told = world.run(&["watch", &apps.display().to_string(), "--once", "-o", "json"]).exits(0);
    let times: Vec<gitops_core::time::Timestamp> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["at"].as_str()?.parse().ok())
        .collect();
    let [first, .., last] = times.as_slice() else { panic!("{told}") };
    let passed = last.since(*first);
    assert!(passed < begin.elapsed() + std::time::Duration::from_secs(30), "{passed:?} passed: {told}");
}

#[test]
fn a_commit_of_a_revert_needs_a_local_repository() {
    let world = World::with(&[("namespace.yaml", NAMESPACE)]);
    let file = bundle(&world);
    world.run(&["sync", "--repo", &file, "--app", "shop"]).exits(0);
    let told = world.run(&["rollback", "HEAD", "--repo", &file, "--app", "shop", "--revert", "x"]).refuses();
    assert!(told.contains("`--revert` makes a commit in a local repository"), "{told}");
}
