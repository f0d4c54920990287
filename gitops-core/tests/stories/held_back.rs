//! What is held back, and what that makes of the operation and its revision.

use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::ready;
use gitops_core::plan::SkipReason;
use gitops_core::reconcile::{Report, SyncStatus};
use gitops_core::resource::{Propagation, Resource, ResourceKey};
use gitops_core::sync::Phase;
use gitops_core::value::Value;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

const WIDGET: &str = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: one, namespace: shop}\n";

fn definition() -> Resource {
    let json = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.org"},
        "spec":{"group":"example.org","scope":"Namespaced","names":{"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":
        {"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn skipped(report: &Report, name: &str) -> Option<SkipReason> {
    report.plan.skipped.iter().find(|skipped| &*skipped.key.name == name).map(|skipped| skipped.reason)
}

fn delete(shop: &Shop, key: &ResourceKey) {
    let delete = Write::delete(key, "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&delete)).expect("ready").expect("it is deleted");
}

/// An operation that could not do all does not make its revision true, and what follows all of it waits for the rest.
#[test]
fn what_was_held_back_comes_with_a_later_sync_and_the_hooks_after_the_sync_with_it() {
    let shop = Shop::new();
    let check = job("check", &[("argocd.argoproj.io/hook", "PostSync")]);
    let files = [("n.yaml", NAMESPACE), ("w.yaml", WIDGET), ("check.yaml", &check), ("a.yaml", &config("a", "1"))];
    shop.commit("first", &files.map(|(name, text)| (name, Some(text))));
    let report = shop.sync();
    let last = &report.history[0];
    assert!(last.phase == Phase::Succeeded && last.incomplete && !last.partial && !last.made_true(), "{last:?}");
    assert_eq!(&*last.message, "2 created; 2 held back");
    assert!(shop.get("ConfigMap", "a").is_some() && shop.get("Job", "check").is_none());
    assert_eq!(skipped(&report, "check"), Some(SkipReason::FollowsHeld));

    // Nothing is done again meanwhile.
    let report = shop.sync();
    assert!(report.plan.is_empty() && report.receipt.is_none() && report.history.len() == 1, "{}", report.plan);

    ready(shop.cluster.inner.write(&Write::create(&definition(), "operator"))).expect("ready").expect("it is taken");
    let report = shop.sync();
    let key = ResourceKey::new("example.org", "Widget", "shop", "one");
    assert!(shop.cluster.inner.with_server(|server| server.get(&key).is_some()));
    assert!(shop.get("Job", "check").is_some(), "{}", report.plan);
    assert!(report.history[0].made_true(), "{:?}", report.history[0]);
    assert!(shop.preview().plan.is_empty());
}

/// What was held back may come to be as declared without us: the hooks that waited for it run all the same.
#[test]
fn hooks_that_waited_for_what_was_held_back_run_also_where_nothing_else_is_left_to_do() {
    let shop = Shop::new();
    let check = job("check", &[("argocd.argoproj.io/hook", "PostSync")]);
    let theirs = job("check", &[]).replace("metadata:\n", "metadata:\n  namespace: shop\n");
    let theirs: serde_yaml::Value = serde_yaml::from_str(&theirs).unwrap();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1")))]);
    shop.sync();
    shop.create(&serde_json::to_string(&theirs).unwrap(), "kubectl-create");
    shop.commit("second", &[("a.yaml", Some(&config("a", "2"))), ("check.yaml", Some(&check))]);
    let report = shop.sync();
    assert_eq!(skipped(&report, "check"), Some(SkipReason::HookOccupied), "{}", report.plan);
    assert!(report.history[0].incomplete && report.sync == SyncStatus::Synced, "{:?}", report.history[0]);
    assert!(shop.sync().receipt.is_none(), "there is nothing to do");

    delete(&shop, &ResourceKey::new("batch", "Job", "shop", "check"));
    assert!(shop.sync().history[0].made_true());
    let check = shop.get("Job", "check").unwrap();
    assert!(check.annotation("gitops.rs/operation").is_some(), "it is ours");
}

/// Else a migration would run every few minutes for as long as the place of another hook is taken.
#[test]
fn hooks_that_ran_are_not_run_again_while_another_one_cannot() {
    let shop = Shop::new();
    let hook = |name: &str, phase: &str| job(name, &[("argocd.argoproj.io/hook", phase)]);
    let theirs = job("check", &[]).replace("metadata:\n", "metadata:\n  namespace: shop\n");
    let theirs: serde_yaml::Value = serde_yaml::from_str(&theirs).unwrap();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1")))]);
    shop.sync();
    shop.create(&serde_json::to_string(&theirs).unwrap(), "kubectl-create");
    let (migrate, check) = (hook("migrate", "PreSync"), hook("check", "PostSync"));
    let files = [("a.yaml", config("a", "2")), ("m.yaml", migrate), ("check.yaml", check)];
    shop.commit("second", &files.each_ref().map(|(name, text)| (*name, Some(text.as_str()))));
    let report = shop.sync();
    assert!(report.history[0].incomplete && report.receipt.is_some(), "{:?}", report.history[0]);
    let ran = shop.get("Job", "migrate").unwrap().uid().map(str::to_owned);
    for _ in 0..3 {
        let report = shop.sync();
        assert!(report.receipt.is_none() && !report.history[0].made_true(), "{}", report.plan);
    }
    assert_eq!(shop.get("Job", "migrate").unwrap().uid().map(str::to_owned), ran);

    delete(&shop, &ResourceKey::new("batch", "Job", "shop", "check"));
    assert!(shop.sync().history[0].made_true());
}

/// As if it had failed: an operation that comes to nothing does not run the other hooks again and again, and the revision
/// is not made true by it.
#[test]
fn where_a_hook_before_the_sync_is_held_back_nothing_runs() {
    let shop = Shop::new();
    let hook = |name: &str| job(name, &[("argocd.argoproj.io/hook", "PreSync")]);
    let db = deployment("db", 1, "nginx:1").replacen(
        "  name: db\n",
        "  name: db\n  annotations: {memory.gitops.rs/outcome: never}\n",
        1,
    );
    let next = config("next", "a").replacen(
        "  name: next\n",
        "  name: next\n  annotations: {argocd.argoproj.io/sync-wave: '1'}\n",
        1,
    );
    shop.commit("zeroth", &[("n.yaml", Some(NAMESPACE))]);
    let before = shop.sync().revisions[0].id.clone();
    let (one, two) = (hook("one"), hook("two"));
    let files = [("db.yaml", &db), ("next.yaml", &next), ("one.yaml", &one), ("two.yaml", &two)];
    shop.commit("first", &files.map(|(name, text)| (name, Some(text.as_str()))));
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Failed);

    let place = ResourceKey::new("batch", "Job", "shop", "one");
    delete(&shop, &place);
    let theirs = job("one", &[]).replace("metadata:\n", "metadata:\n  namespace: shop\n");
    let theirs: serde_yaml::Value = serde_yaml::from_str(&theirs).unwrap();
    shop.create(&serde_json::to_string(&theirs).unwrap(), "kubectl-create");
    shop.written();
    let report = shop.sync();
    assert_eq!(skipped(&report, "one"), Some(SkipReason::HookOccupied), "{}", report.plan);
    assert!(report.plan.steps.is_empty() && shop.written().is_empty(), "{}", report.plan);
    let synced = report.history.iter().find(|entry| entry.made_true()).unwrap();
    assert_eq!(synced.revisions[0].id, before);

    delete(&shop, &place);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Failed, "the first wave is not well yet");
    assert!(shop.get("ConfigMap", "next").is_none());
}
