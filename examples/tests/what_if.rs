//! `gitops what-if`, and what a sync tells while it runs.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;

use support::{NAMESPACE, World, config, deployment};

fn changed() -> World {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("config.yaml", &config("web", "a: one"))]);
    world.gitops("sync").exits(0);
    world.change("config.yaml", &config("web", "a: two"), "Two");
    world
}

#[test]
fn what_a_sync_would_come_to_is_shown_and_the_cluster_stays_as_it_is() {
    let world = changed();
    let before = world.state();
    let told = world.gitops("what-if").exits(0);
    for line in [" apply ConfigMap shop/web\n", "\n-  a: one\n+  a: two\n", " Succeeded: 1 changed\n", "\nafterwards: "]
    {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let told = world.gitops("what-if --fail cm/web=denied").exits(2);
    assert!(told.contains("ConfigMap shop/web: failed: not allowed: asked for with `--fail`"), "{told}");
    assert!(!told.contains("+  a: two"), "{told}");
    world.gitops("what-if --fail cm/shop/web=lost").exits(0);
    let json = world.gitops("what-if -o json").json();
    assert_eq!(json["receipt"]["phase"].as_str(), Some("Succeeded"));
    assert_eq!(json["changes"][0]["after"]["data"]["a"].as_str(), Some("two"));
    assert_eq!(world.state(), before, "nothing was written");
}

#[test]
fn a_snapshot_of_live_objects_is_tried_in_place_of_the_cluster() {
    let world = changed();
    let live = world.gitops("cluster get -o yaml --show-managed-fields").exits(0);
    let file = world.inner("live.yaml");
    fs::write(&file, &live).unwrap();
    let told = world.gitops(&format!("what-if --snapshot {}", file.display())).exits(0);
    assert!(told.contains(" Succeeded: 1 changed\n"), "{told}");
    fs::write(&file, "apiVersion: v1\nkind: List\nitems: [{a: b}]\n").unwrap();
    let run = world.gitops(&format!("what-if --snapshot {}", file.display()));
    assert_eq!(run.code, 2);
    assert!(run.err.contains("live.yaml"), "{}", run.err);
}

#[test]
fn a_stored_plan_is_tried_and_not_what_changed_since() {
    let world = changed();
    world.gitops("plan -o ../plan.json").exits(1);
    world.change("more.yaml", &config("more", "a: one"), "More");
    let before = world.state();
    let told = world.gitops("what-if --plan ../plan.json").exits(0);
    assert!(told.contains(" Succeeded: 1 changed\n") && !told.contains("shop/more"), "{told}");
    world.gitops("what-if --plan ../plan.json --fail cm/web=denied").exits(2);
    assert_eq!(world.state(), before, "nothing was written");
    world.gitops("sync --plan ../plan.json");
    let told = world.gitops("what-if --plan ../plan.json").exits(0);
    assert!(told.starts_with("nothing to do\n"), "{told}");
    world.gitops("cluster set cm/web -n shop data.a=three").exits(0);
    assert!(world.gitops("what-if --plan ../plan.json").refuses().contains("the plan is stale"));
    let run = world.gitops("what-if --plan ../plan.json --prune");
    assert!(run.code == 2 && run.err.contains("cannot be used with"), "{}", run.err);
}

#[test]
fn what_is_asked_for_is_tried_as_a_sync_would_take_it() {
    let world = changed();
    world.change("more.yaml", &config("more", "a: one"), "More");
    let told = world.gitops("what-if --only cm/more").exits(1);
    assert!(told.contains(" Succeeded: 1 created") && !told.contains("+  a: two"), "{told}");
    world.gitops("sync").exits(0);
    world.write("web.yaml", &deployment(1, "nginx:1"));
    world.change(
        "api.yaml",
        &deployment(1, "nginx:1").replace("name: web\n  namespace", "name: api\n  namespace"),
        "Two",
    );
    world.gitops("sync").exits(0);
    world.write("web.yaml", &deployment(1, "nginx:2"));
    world.change(
        "api.yaml",
        &deployment(1, "nginx:2").replace("name: web\n  namespace", "name: api\n  namespace"),
        "2",
    );
    let told = world.gitops("what-if --rollout-budget 1").exits(1);
    assert!(told.contains(" Succeeded: 1 changed; 1 held back\n"), "{told}");
    world.change("old.yaml", &NAMESPACE.replace("shop", "old"), "Another namespace");
    world.gitops("sync").exits(0);
    world.remove("old.yaml");
    world.commit("Drop it");
    let told = world.gitops("what-if --prune").out;
    assert!(!told.contains(" delete Namespace old"), "{told}");
    let told = world.gitops("what-if --prune --confirm").out;
    assert!(told.contains(" delete Namespace old"), "{told}");
}

#[test]
fn a_failure_that_nobody_could_have_is_refused() {
    let world = changed();
    for (fail, expected) in [
        ("cm/web", "write it as `KIND/NAME=HOW`"),
        ("cm/none=denied", "there is no ConfigMap `none`, neither in Git nor in the cluster"),
        ("cm/web=sad", "`sad` is no failure; use `conflict`"),
        ("web=denied", "`web` names no object"),
    ] {
        let run = world.gitops(&format!("what-if --fail {fail}"));
        assert!(run.code == 2 && run.err.contains(expected), "{fail}: {}", run.err);
    }
}

#[test]
fn a_sync_tells_what_happens_line_by_line_when_asked() {
    let world = changed();
    let run = world.gitops("sync --progress");
    for line in [
        "started: 1 step\n",
        " apply ConfigMap shop/web\n",
        " ConfigMap shop/web: changed, done\n",
        " Succeeded: 1 changed\n",
    ] {
        assert!(run.err.contains(line), "{line}\n{}", run.err);
    }
    assert!(!run.out.contains("started:"), "{}", run.out);
}
