//! Taking objects over from other tools and applications, and letting single ones go.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;

use support::{NAMESPACE, World, config};

/// A cluster with the namespace `shop` and an object of Flux in it, which Git declares as well.
fn of_flux() -> World {
    let world = World::with(&[("config.yaml", &config("web", "a: one"))]);
    let labels = "metadata:\n  labels: {kustomize.toolkit.fluxcd.io/name: apps}\n";
    let theirs = config("web", "a: one").replace("metadata:\n", labels);
    fs::write(world.inner("theirs.yaml"), format!("{NAMESPACE}---\n{theirs}")).unwrap();
    world.gitops("cluster apply ../theirs.yaml").exits(0);
    world
}

#[test]
fn what_flux_holds_is_taken_only_from_whom_one_names_and_each_patch_is_shown_before() {
    let world = of_flux();
    let before = world.state();
    let kept = world.gitops("adopt").exits(0);
    assert!(
        kept.contains("nothing to do") && kept.contains("is held by Flux Kustomization `apps`, which keeps it"),
        "{kept}"
    );
    let shown = world.gitops("adopt --from flux --dry-run").exits(1);
    for line in [
        "  own     ConfigMap shop/web: takes it over from Flux Kustomization `apps`; changes no value",
        "  sets `metadata.annotations[\"gitops.rs/tracking-id\"]` to `shop:/ConfigMap:shop/web`",
        "  removes `metadata.labels`",
        "takes it back as long as it declares it",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let error = world.gitops("adopt --from flux").refuses();
    assert!(error.contains("it was not confirmed; say `--yes`"), "{error}");
    assert_eq!(world.state(), before, "nothing was touched");
    let done = world.gitops("adopt --from flux --yes").exits(0);
    assert!(done.contains("Take over") && done.contains("changed  ConfigMap shop/web"), "{done}");
    let web = world.gitops("cluster get cm/web -n shop -o yaml").exits(0);
    assert!(!web.contains("fluxcd.io") && web.contains("gitops.rs/tracking-id: shop:/ConfigMap:shop/web"), "{web}");
    world.gitops("adopt --from flux --yes").exits(0);
    world.gitops("sync").exits(0);
}

#[test]
fn an_object_goes_to_another_application_and_the_first_one_neither_keeps_nor_prunes_it() {
    let world = World::with(&[
        ("shop/n.yaml", NAMESPACE),
        ("shop/web.yaml", &config("web", "a: one")),
        ("market/web.yaml", &config("web", "a: one")),
    ]);
    world.gitops("sync --path shop").exits(0);
    let text = world.gitops("sync --path market").exits(2);
    assert!(text.contains("take it over from the other one (`gitops transfer --from shop`)"), "{text}");
    let none = world.gitops("transfer --path market --from none --yes").exits(2);
    assert!(none.contains("application `none` was never synced to this cluster"), "{none}");
    let done = world.gitops("transfer --path market --from shop --yes").exits(0);
    assert!(
        done.contains("changed  ConfigMap shop/web") && done.contains("application shop holds 1 object\n"),
        "{done}"
    );
    world.remove("shop/web.yaml");
    world.commit("Drop it from the first");
    world.gitops("sync --path shop --prune").exits(0);
    world.gitops("cluster get cm/web -n shop").exits(0);
    world.gitops("sync --path market").exits(0);
}

#[test]
fn an_object_that_is_let_go_stays_when_git_drops_it() {
    let world = World::with(&[
        ("n.yaml", NAMESPACE),
        ("web.yaml", &config("web", "a: one")),
        ("more.yaml", &config("more", "a: one")),
    ]);
    world.gitops("sync").exits(0);
    let wrong = world.gitops("release cm/none --yes").exits(2);
    assert!(wrong.contains("`ConfigMap/none` was asked for, and the application has no such object"), "{wrong}");
    let shown = world.gitops("release cm/web --dry-run").exits(1);
    assert!(shown.contains("is still declared, so that the next sync takes it again"), "{shown}");
    let done = world.gitops("release cm/web --yes").exits(0);
    assert!(done.contains("Let go") && done.contains("orphaned  ConfigMap shop/web"), "{done}");
    world.remove("web.yaml");
    world.commit("Drop it");
    world.gitops("sync --prune").exits(0);
    world.gitops("cluster get cm/web -n shop").exits(0);
    let history = world.gitops("history -o json").json();
    assert_eq!(history[1]["message"], "letting go: 1 orphaned", "{history}");
}
