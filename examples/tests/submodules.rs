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

#[test]
fn the_file_of_an_application_says_what_is_done_about_submodules() {
    let world = world();
    let document = |said: &str| {
        format!(
            "apiVersion: gitops.rs/v1alpha1\nkind: Application\nmetadata: {{name: shop}}\nspec:\n  source: {{repoURL: shop, \
             directory: {{recurse: true}}{said}}}\n  syncPolicy: {{automated: {{selfHeal: true}}}}\n"
        )
    };
    for (said, arguments, code, is_there) in [
        (", submodules: refuse", "--submodules follow", 2, false),
        (", submodules: skip", "--submodules follow", 0, false),
        ("", "", 0, false),
        (", submodules: follow", "", 0, true),
    ] {
        std::fs::write(world.inner("app.yaml"), document(said)).unwrap();
        let run = world.gitops(&format!("watch ../app.yaml --once {arguments}"));
        assert_eq!(run.code, code, "{said}: {}{}", run.out, run.err);
        assert_eq!(world.gitops("cluster get cm/cache -n shop").code == 0, is_there, "{said}");
    }
    assert!(world.gitops("status -f ../app.yaml").exits(0).contains("cache"));
    let wrong = document(", submodules: follow, submoduleRepos: ['ext::sh']");
    std::fs::write(world.inner("app.yaml"), wrong).unwrap();
    let told = world.gitops("status -f ../app.yaml").refuses();
    assert!(told.contains("`submoduleRepos`: ") && told.contains("give the address of a repository"), "{told}");
}
