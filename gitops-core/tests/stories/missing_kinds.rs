//! Kinds that the cluster does not serve yet.

use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::ready;
use gitops_core::plan::Reason;
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::{GroupKind, Propagation, Resource, ResourceKey};
use gitops_core::state::Live;
use gitops_core::sync::{Ledger, Phase};
use gitops_core::value::Value;

use crate::world::{NAMESPACE, Shop, config, deployment};

const SKIP: &str = "  annotations: {argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true}\n";

fn widget(metadata: &str) -> String {
    format!("apiVersion: example.org/v1\nkind: Widget\nmetadata:\n  name: small\n{metadata}spec:\n  size: 3\n")
}

/// The definition of widgets, which an operator brings.
fn definition(scope: &str) -> Resource {
    let json = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.org"},
        "spec":{"group":"example.org","scope":"SCOPE","names":{"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{
        "spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}}}]}}"#;
    Resource::new(Value::from_json(json.replace("SCOPE", scope).as_bytes()).unwrap()).unwrap()
}

/// An application with an operator and a widget.
fn shop(widget: &str) -> Shop {
    let shop = Shop::new();
    let operator = deployment("operator", 1, "operator:1");
    shop.commit("all", &[("n.yaml", Some(NAMESPACE)), ("o.yaml", Some(&operator)), ("w.yaml", Some(widget))]);
    shop
}

fn has(shop: &Shop, namespace: Option<&str>) -> bool {
    let key = ResourceKey::new("example.org", "Widget", namespace, "small");
    shop.cluster.inner.with_server(|server| server.get(&key).is_some())
}

#[test]
fn an_object_of_a_kind_that_something_else_brings_waits_for_it_where_it_says_so() {
    let shop = shop(&widget(&format!("  namespace: shop\n{SKIP}")));
    *shop.cluster.installs.lock().unwrap() = Some(definition("Namespaced"));
    let plan = shop.preview();
    let told = "the cluster does not serve this kind yet; the sync waits until it does";
    assert!(plan.problems.iter().any(|problem| problem.text.contains(told)), "{:?}", plan.problems);
    let steps: Vec<String> = plan.plan.steps.iter().map(ToString::to_string).collect();
    assert!(steps.contains(&"create  example.org/Widget shop/small: is missing".to_owned()), "{steps:?}");
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert!(has(&shop, Some("shop")));
    assert!(shop.preview().plan.is_empty());
}

#[test]
fn without_a_word_it_is_held_back_and_the_rest_goes_on() {
    let shop = shop(&widget("  namespace: shop\n"));
    *shop.cluster.installs.lock().unwrap() = Some(definition("Namespaced"));
    let report = shop.sync();
    let told = "the cluster serves no kind `example.org/Widget` and no CRD of this set declares it";
    assert!(report.problems.iter().any(|problem| problem.text.contains(told)), "{:?}", report.problems);
    assert!(shop.get("Deployment", "operator").is_some());
    assert!(!shop.written().iter().any(|write| write.contains("Widget")));
}

#[test]
fn a_kind_that_never_comes_fails_its_objects_after_a_minute_and_nothing_else() {
    let shop = shop(&widget(&format!("  namespace: shop\n{SKIP}")));
    let before = shop.cluster.inner.now();
    let report = shop.sync();
    let message = report.receipt.unwrap().message.to_string();
    assert!(message.contains("the cluster serves no such kind"), "{message}");
    let waited = shop.cluster.inner.now().since(before).as_secs();
    assert!((60..180).contains(&waited), "{waited}");
    assert!(shop.get("Deployment", "operator").is_some());
}

#[test]
fn whether_an_object_has_a_namespace_is_right_at_the_latest_with_the_next_sync() {
    for (scope, declared, found) in [
        ("Cluster", String::new(), None),
        ("Cluster", "  namespace: shop\n".to_owned(), None),
        ("Namespaced", String::new(), Some("shop")),
    ] {
        let shop = shop(&widget(&format!("{declared}{SKIP}")));
        *shop.cluster.installs.lock().unwrap() = Some(definition(scope));
        shop.sync();
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{scope} {declared}: {:?}", report.receipt);
        assert!(has(&shop, found), "{scope} {declared}");
        assert!(shop.preview().plan.is_empty(), "{scope} {declared}: {:?}", shop.preview().plan.steps);
    }
}

#[test]
fn nothing_of_a_kind_that_is_not_served_is_pruned_meanwhile() {
    let mut shop = shop(&widget(&format!("  namespace: shop\n{SKIP}"))).pruning();
    shop.app.policy.retries = 1;
    *shop.cluster.installs.lock().unwrap() = Some(definition("Namespaced"));
    shop.sync();
    assert!(has(&shop, Some("shop")));
    // Git says another name, and none of the two can be looked at.
    let definition = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, "widgets.example.org");
    let delete = Write::delete(&definition, "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&delete)).expect("ready").expect("it is deleted");
    let other = widget(&format!("  namespace: shop\n{SKIP}")).replace("small", "large");
    shop.commit("another", &[("w.yaml", Some(&other)), ("c.yaml", Some(&config("c", "1")))]);
    let report = shop.sync();
    assert!(!report.plan.steps.iter().any(|step| step.reason == Reason::NotDeclared), "{:?}", report.plan.steps);
    let key = shop.app.ledger_key();
    let stored = shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap();
    let (ledger, _) = Ledger::read(&key, Live::Present(&stored)).unwrap();
    assert!(ledger.inventory.get(&ResourceKey::new("example.org", "Widget", "shop", "small")).is_some());
}

/// Rules 26, 29 and 30 of the exact rules.
#[test]
fn what_is_known_of_an_object_is_kept_while_its_kind_is_briefly_not_served() {
    let shop = Shop::new().pruning();
    let crd = definition("Namespaced").tree().to_json();
    let (a, small) = (config("a", "1"), widget("  namespace: shop\n"));
    let files = [("n.yaml", NAMESPACE), ("crd.yaml", &*crd), ("a.yaml", &*a), ("w.yaml", &*small)];
    shop.commit("first", &files.map(|(path, text)| (path, Some(text))));
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let key = shop.app.ledger_key();
    let entry = || {
        let stored = shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap();
        let (ledger, _) = Ledger::read(&key, Live::Present(&stored)).unwrap();
        ledger.inventory.get(&ResourceKey::new("example.org", "Widget", "shop", "small")).cloned().unwrap()
    };
    let before = entry();
    assert!(before.uid.is_some() && before.fields.is_some(), "{before:?}");

    *shop.cluster.hides.lock().unwrap() = Some(GroupKind::new("example.org", "Widget"));
    let desired = ready(gitops_core::reconcile::read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(gitops_core::reconcile::look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.cluster.inner.now()).unwrap();
    *shop.cluster.hides.lock().unwrap() = None;
    ready(gitops_core::reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    let receipt = machine.outcome().unwrap();
    assert_eq!(receipt.phase, Phase::Failed);
    assert!(receipt.message.contains("could not be seen when the plan was made"), "{}", receipt.message);
    assert_eq!(entry(), before);

    shop.commit("drop", &[("w.yaml", None)]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(!has(&shop, Some("shop")), "it is ours, and goes");
}
