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
fn a_commit_of_a_revert_needs_a_local_repository() {
    let world = World::with(&[("namespace.yaml", NAMESPACE)]);
    let file = bundle(&world);
    world.run(&["sync", "--repo", &file, "--app", "shop"]).exits(0);
    let told = world.run(&["rollback", "HEAD", "--repo", &file, "--app", "shop", "--revert", "x"]).refuses();
    assert!(told.contains("`--revert` makes a commit in a local repository"), "{told}");
}
