//! Hooks and waves, and what happens when something in them fails.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config, deployment};

/// A hook Job in the namespace `shop`, with further annotations.
fn hook(name: &str, phase: &str, annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  namespace: shop
  annotations:
    argocd.argoproj.io/hook: {phase}
{annotations}spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox:1.36
"
    )
}

fn in_wave(text: &str, wave: i32) -> String {
    text.replacen(
        "  namespace: shop\n",
        &format!("  namespace: shop\n  annotations:\n    argocd.argoproj.io/sync-wave: \"{wave}\"\n"),
        1,
    )
}

const FAILS: &str = "    memory.gitops.rs/outcome: fail\n";

fn shop(presync: &str) -> World {
    World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("first.yaml", &in_wave(&config("first", "a: one"), -1)),
        ("second.yaml", &config("second", "a: one")),
        ("web.yaml", &in_wave(&deployment(2, "nginx:1.26"), 1)),
        ("before.yaml", &hook("before", "PreSync", presync)),
        ("after.yaml", &hook("after", "PostSync", "")),
        ("alarm.yaml", &hook("alarm", "SyncFail", "")),
    ])
}

/// The part of an output before the tree.
fn steps(text: &str) -> &str {
    text.split("\n\n").next().unwrap()
}

#[test]
fn hooks_run_around_the_waves_in_their_order() {
    let world = shop("");
    assert_eq!(
        steps(&world.gitops("sync").exits(0)),
        "PreSync, wave 0
  created    Namespace shop
  succeeded  batch/Job shop/before
Sync, wave -1
  created    ConfigMap shop/first
Sync, wave 0
  created    ConfigMap shop/second
Sync, wave 1
  created    apps/Deployment shop/web
PostSync, wave 0
  succeeded  batch/Job shop/after"
    );
    let before = world.state();
    assert!(world.gitops("sync").exits(0).starts_with("nothing to do\n"), "hooks alone are no reason to sync");
    assert_eq!(world.state(), before);
}

#[test]
fn after_a_failing_presync_hook_nothing_runs_but_the_syncfail_hook() {
    let world = shop(FAILS);
    let text = world.gitops("sync").exits(2);
    assert!(text.contains("failed     batch/Job shop/before"), "{text}");
    assert!(text.contains("not run    ConfigMap shop/first"), "{text}");
    assert!(text.contains("not run    batch/Job shop/after"), "{text}");
    assert!(text.contains("succeeded  batch/Job shop/alarm"), "{text}");
    world.gitops("cluster get cm/first").refuses();
    let history = world.gitops("history -o json").json();
    assert_eq!(history[0]["phase"], "Failed");

    world.change("before.yaml", &hook("before", "PreSync", ""), "Mend the hook");
    world.gitops("sync").exits(0);
}

#[test]
fn a_wave_that_does_not_turn_healthy_ends_the_sync_after_its_deadline_without_anybody_waiting() {
    let never = deployment(2, "nginx:1.26")
        .replace("  namespace: shop\n", "  namespace: shop\n  annotations:\n    memory.gitops.rs/outcome: never\n");
    let world = World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("web.yaml", &never),
        ("later.yaml", &in_wave(&config("later", "a: one"), 1)),
    ]);
    let text = world.gitops("sync").exits(2);
    assert!(text.contains("not run  ConfigMap shop/later") && text.contains(" (virtual)"), "{text}");
    world.gitops("cluster get cm/later").refuses();
}

#[test]
fn what_would_be_refused_is_found_before_it_is_written_where_that_is_asked_for() {
    let bad = deployment(2, "nginx:1.26").replacen("app: web", "app: other", 1);
    let world = World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("first.yaml", &in_wave(&config("first", "a: one"), -1)),
        ("second.yaml", &in_wave(&config("second", "a: one"), 1)),
        ("web.yaml", &in_wave(&bad, 1)),
    ]);
    let plan = world.gitops("plan --validate=up-front").exits(1);
    let late = "validated later\n  ConfigMap shop/first: once `Namespace shop` is there\n  ConfigMap shop/second: when its wave begins\n";
    assert!(plan.contains(late), "{plan}");
    assert!(!world.gitops("plan").exits(1).contains("validated"));
    let would = world.gitops("what-if --validate").exits(2);
    assert!(would.contains("would be refused, so nothing of its wave was written"), "{would}");
    let told = world.gitops("sync --validate --progress");
    assert!(told.err.contains("validates 2 objects"), "{}", told.err);
    let told = told.exits(2);
    let refused = "would be refused, so nothing of its wave was written: not valid: `spec.template.metadata.labels`: ";
    assert!(told.contains(refused), "{told}");
    let left = "nothing of its wave was written, since `apps/Deployment shop/web` would be refused\n";
    assert!(told.contains(left), "{told}");

    // For programs it is data, as the result is.
    let told = world.gitops("sync --validate --progress -o json");
    let news: Vec<serde_json::Value> = told.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about = |name: &str| news.iter().any(|news| news["news"] == name && news["at"].is_string());
    assert!(about("started") && about("finished"), "{}", told.err);
    told.exits(2);

    // As it was approved: the plan says how it is tried.
    world.gitops("plan --validate -o ../plan.json").exits(1);
    let told = world.gitops("sync --plan ../plan.json").exits(2);
    assert!(told.contains(refused) && told.contains(left), "{told}");
    world.gitops("sync").exits(2);
    assert!(world.gitops("cluster get cm/second -n shop").exits(0).contains("second"), "else it is written");
}
