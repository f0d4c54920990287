//! Hooks and waves.

use gitops_core::reconcile::SyncStatus;
use gitops_core::sync::Phase;

use crate::world::{NAMESPACE, Shop, config, job};

const HOOK: &str = "argocd.argoproj.io/hook";
const WAVE: &str = "argocd.argoproj.io/sync-wave";
const OUTCOME: &str = "memory.gitops.rs/outcome";

fn in_wave(name: &str, wave: &str) -> String {
    config(name, "1").replace("metadata:\n", &format!("metadata:\n  annotations:\n    {WAVE}: {wave:?}\n"))
}

fn commit(shop: &Shop, pre_sync: &[(&str, &str)]) {
    let files = [
        ("namespace.yaml", NAMESPACE.to_owned()),
        ("one.yaml", in_wave("one", "1")),
        ("minus.yaml", in_wave("minus", "-1")),
        ("zero.yaml", config("zero", "1")),
        ("pre.yaml", job("migrate", pre_sync)),
        ("post.yaml", job("smoke", &[(HOOK, "PostSync")])),
        ("fail.yaml", job("alarm", &[(HOOK, "SyncFail")])),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    shop.commit("all", &files);
}

#[test]
fn hooks_run_before_and_after_three_waves_in_order() {
    let shop = Shop::new();
    commit(&shop, &[(HOOK, "PreSync")]);
    let report = shop.sync();
    assert_eq!(report.receipt.as_ref().unwrap().phase, Phase::Succeeded, "{:?}", report.receipt);
    assert_eq!(
        shop.written(),
        [
            "apply Namespace shop",
            "apply batch/Job shop/migrate",
            "apply ConfigMap shop/minus",
            "apply ConfigMap shop/zero",
            "apply ConfigMap shop/one",
            "apply batch/Job shop/smoke",
        ],
    );
    assert_eq!(report.sync, SyncStatus::Synced);
    assert!(shop.sync().receipt.is_none(), "hooks do not run again when there is nothing to do");
}

#[test]
fn after_a_failing_pre_sync_hook_nothing_runs_but_the_sync_fail_hook() {
    let shop = Shop::new();
    commit(&shop, &[(HOOK, "PreSync"), (OUTCOME, "fail")]);
    let report = shop.sync();
    assert_eq!(report.receipt.as_ref().unwrap().phase, Phase::Failed);
    let written = shop.written();
    assert_eq!(written, ["apply Namespace shop", "apply batch/Job shop/migrate", "apply batch/Job shop/alarm"],);
    assert_eq!(report.history[0].phase, Phase::Failed);
    assert!(report.history[0].message.contains("migrate"), "{}", report.history[0].message);
}

#[test]
fn a_hook_that_failed_runs_again_with_the_next_sync() {
    let shop = Shop::new();
    commit(&shop, &[(HOOK, "PreSync"), (OUTCOME, "fail")]);
    shop.sync();
    shop.written();
    commit(&shop, &[(HOOK, "PreSync")]);
    let report = shop.sync();
    assert_eq!(report.receipt.as_ref().unwrap().phase, Phase::Succeeded, "{:?}", report.receipt);
    let written = shop.written();
    assert!(written.contains(&"delete batch/Job shop/migrate".to_owned()), "the old one goes first: {written:?}");
    assert_eq!(report.sync, SyncStatus::Synced);
}

#[test]
fn a_succeeded_hook_is_deleted_when_its_policy_says_so() {
    let shop = Shop::new();
    commit(&shop, &[(HOOK, "PreSync"), ("argocd.argoproj.io/hook-delete-policy", "HookSucceeded")]);
    shop.sync();
    assert!(shop.get("Job", "migrate").is_none());
    assert!(shop.get("Job", "smoke").is_some(), "without a policy a hook stays until it runs again");
}

#[test]
fn a_hook_that_never_ends_fails_at_its_deadline() {
    let shop = Shop::new();
    commit(&shop, &[(HOOK, "PreSync"), (OUTCOME, "never")]);
    let report = shop.sync();
    assert_eq!(report.receipt.as_ref().unwrap().phase, Phase::Failed);
    assert!(report.receipt.as_ref().unwrap().message.contains("waited 1800 s"), "{:?}", report.receipt);
}

#[test]
fn an_application_of_hooks_alone_runs_them_once_per_revision() {
    let shop = Shop::new();
    let hook = job("only", &[(HOOK, "Sync")]).replace("  name: only", "  namespace: default\n  name: only");
    shop.commit("hook", &[("hook.yaml", Some(&hook))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert!(shop.sync().receipt.is_none());
    shop.commit("again", &[("README.md", Some("hello"))]);
    assert_eq!(shop.sync().receipt.unwrap().results.len(), 1);
}

#[test]
fn two_hooks_whose_long_generated_names_begin_alike_both_run() {
    let shop = Shop::new();
    let long = "migrate-the-database-of-the-shop-to-the-latest";
    let hook = |name: &str| {
        let name = format!("{long}-{name}-");
        job(&name, &[(HOOK, "PreSync")]).replace(&format!("  name: {name}"), &format!("  generateName: {name}"))
    };
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&hook("a"))), ("b.yaml", Some(&hook("b")))]);
    shop.sync();
    let ran = shop.written().iter().filter(|line| line.starts_with("apply batch/Job")).count();
    assert_eq!(ran, 2);
}

#[test]
fn two_operations_within_one_millisecond_are_two() {
    let shop = Shop::new();
    let hook = job(
        "check",
        &[(HOOK, "PreSync"), (OUTCOME, "fail"), ("argocd.argoproj.io/hook-delete-policy", "HookSucceeded")],
    );
    let hook = hook.replace("  name: check", "  generateName: check-");
    shop.commit("all", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1"))), ("h.yaml", Some(&hook))]);
    // The first one makes the namespaces; of the others each ends where it began.
    shop.sync();
    shop.written();
    let runs = || {
        let report = shop.sync();
        let written = shop.written().iter().filter(|line| line.starts_with("apply batch/Job")).count();
        (written, report.history[0].operation.clone(), report.history[0].started)
    };
    let (first, second) = (runs(), runs());
    assert_eq!((first.0, second.0), (1, 1), "each ran its hook");
    assert_ne!(first.1, second.1);
    assert_eq!(first.2, second.2, "no time has passed");
}
