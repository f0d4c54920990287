//! `--submodules`: files of another repository that a commit names.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config};

/// A repository with a submodule at `lib`, which lies where Git puts it.
fn world() -> World {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "a: one"))]);
    let lib = World::with(&[("cache.yaml", &config("cache", "a: one"))]);
    let at = lib.git(&["rev-parse", "--show-toplevel"]);
    world.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &at, "lib"]);
    world.commit("Add a submodule");
    world
}

#[test]
fn files_of_a_submodule_are_synced_when_that_is_asked_for() {
    let world = world();
    let refused = world.gitops("plan --submodules refuse");
    assert!(format!("{}{}", refused.out, refused.err).contains("`lib` is a submodule; its files are not read"));
    let skipped = world.gitops("sync").exits(0);
    assert!(!skipped.contains("cache"), "{skipped}");
    world.gitops("sync --submodules follow").exits(0);
    let objects = world.gitops("cluster get cm/cache -n shop").exits(0);
    assert!(objects.contains("a: one"), "{objects}");
    let wrong = world.gitops("plan --submodules follow --submodule-repo ext::sh").refuses();
    assert!(wrong.contains("`--submodule-repo`"), "{wrong}");
}
