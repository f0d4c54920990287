//! What dies with a namespace or CRD is looked at again right before it is deleted. Rule 31 of the exact rules.

use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::ready;
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{self, look, read_desired};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::sync::{Effect, Phase, Receipt};
use gitops_core::time::Timer;
use gitops_core::value::Value;

use crate::world::{NAMESPACE, Shop, config};

const OLD: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: old\n  annotations: {gitops.rs/prune: enabled}\n";

/// A shop from which Git drops a namespace, with one object that is not ours in it.
fn shop() -> Shop {
    let mut shop = Shop::new();
    shop.app.policy = SyncPolicy::default().with_prune(Prune::Owned);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1"))), ("old.yaml", Some(OLD))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    put(&shop, "known");
    shop.commit("drop", &[("old.yaml", None)]);
    shop
}

/// Somebody puts an object into the namespace.
fn put(shop: &Shop, name: &str) {
    shop.create(
        &format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"old"}}}}"#),
        "somebody",
    );
}

fn stands(shop: &Shop) -> bool {
    shop.get("Namespace", "old").is_some()
}

/// Syncs, and does something when it comes to the look at what dies.
fn sync_and(shop: &Shop, mut before: impl FnMut(&Effect)) -> Receipt {
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    while machine.outcome().is_none() {
        match machine.next_effect() {
            Some(effect) => {
                before(&effect);
                let event = ready(reconcile::perform(effect, &shop.cluster)).unwrap();
                machine.handle(event, shop.time.now());
            }
            None => {
                ready(shop.time.sleep_until(machine.wake_at().unwrap())).unwrap();
                machine.handle(gitops_core::sync::Event::Tick, shop.time.now());
            }
        }
    }
    machine.outcome().unwrap().clone()
}

#[test]
fn what_died_with_it_is_told_afterwards() {
    let shop = shop();
    let receipt = sync_and(&shop, |_| ());
    assert!(!stands(&shop));
    let messages: Vec<_> = receipt.results.iter().map(|result| &*result.message).collect();
    assert_eq!(messages, ["1 object that was in it died with it: `ConfigMap old/known`"]);
}

#[test]
fn what_came_into_a_namespace_after_the_plan_keeps_it_and_is_named() {
    let shop = shop();
    let receipt = sync_and(&shop, |effect| {
        if matches!(effect, Effect::List { .. }) {
            put(&shop, "late");
        }
    });
    assert!(stands(&shop));
    let message =
        "Namespace old: holds what nobody was told of, so it is kept: `ConfigMap old/late`; sync again to see it all";
    assert_eq!((receipt.phase, &*receipt.message), (Phase::Failed, message));
    // The next plan tells of it.
    assert!(shop.preview().problems.iter().any(|problem| problem.text.contains("`ConfigMap old/late`")));
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert!(!stands(&shop));
}

#[test]
fn what_was_told_or_makes_itself_keeps_nothing() {
    let shop = shop();
    let receipt = sync_and(&shop, |effect| {
        if matches!(effect, Effect::List { .. }) {
            let owned = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"child","namespace":"old","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"known","uid":"1"}]}}"#;
            shop.create(owned, "a-controller");
        }
    });
    assert_eq!(receipt.phase, Phase::Succeeded, "{receipt:?}");
    assert!(!stands(&shop));
}

#[test]
fn what_cannot_be_read_any_more_keeps_it() {
    let shop = shop();
    let receipt = sync_and(&shop, |effect| {
        if matches!(effect, Effect::List { .. }) {
            shop.cluster.inner.with_faults(|faults| faults.unreadable(&GroupKind::new("", "Secret"), "forbidden"));
        }
    });
    assert!(stands(&shop) && receipt.phase == Phase::Failed);
    assert!(receipt.message.contains("what would die with it could not all be read"), "{}", receipt.message);
}

#[test]
fn of_a_definition_as_well() {
    let crd = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.org","annotations":{"gitops.rs/prune":"enabled"}},
        "spec":{"group":"example.org","scope":"Cluster","names":{"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}"#;
    let shop = shop();
    shop.commit("crd", &[("crd.json", Some(crd))]);
    shop.sync();
    shop.commit("drop", &[("crd.json", None)]);
    let widget = r#"{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"late"}}"#;
    let widget = Resource::new(Value::from_json(widget.as_bytes()).unwrap()).unwrap();
    let receipt = sync_and(&shop, |effect| {
        if matches!(effect, Effect::List { .. }) {
            ready(shop.cluster.inner.write(&Write::create(&widget, "somebody"))).unwrap().unwrap();
        }
    });
    assert!(receipt.message.contains("`example.org/Widget late`"), "{}", receipt.message);
    let key = ResourceKey::new("example.org", "Widget", None, "late");
    assert!(shop.cluster.inner.with_server(|server| server.get(&key).is_some()), "nothing died");
}

/// A shop with a hook that is a namespace, has run, and holds something that is not ours by now.
fn hooked() -> Shop {
    let shop = Shop::new().pruning();
    let hook = OLD.replace("annotations: {", "annotations: {argocd.argoproj.io/hook: PreSync, ");
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1"))), ("h.yaml", Some(&hook))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    put(&shop, "known");
    shop.commit("second", &[("a.yaml", Some(&config("a", "2")))]);
    shop
}

fn uid(shop: &Shop) -> Option<String> {
    shop.get("Namespace", "old").and_then(|namespace| namespace.uid().map(str::to_owned))
}

#[test]
fn one_that_makes_room_for_a_hook_is_looked_into_as_well() {
    let shop = hooked();
    let before = uid(&shop);
    let mut looks = 0;
    let receipt = sync_and(&shop, |effect| {
        if matches!(effect, Effect::List { .. }) {
            looks += 1;
            put(&shop, "late");
        }
    });
    assert_eq!((receipt.phase, looks), (Phase::Failed, 1), "{receipt:?}");
    assert!(receipt.message.contains("nobody was told of, so it is kept: `ConfigMap old/late`"), "{}", receipt.message);
    assert_eq!(uid(&shop), before, "nothing died");
    // The next plan tells of it.
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert!(uid(&shop).is_some() && uid(&shop) != before);
}

#[test]
fn one_that_a_hook_left_is_looked_into_as_well() {
    let shop = hooked();
    shop.commit("third", &[("h.yaml", None)]);
    let before = uid(&shop);
    let mut looks = 0;
    let receipt = sync_and(&shop, |effect| {
        if matches!(effect, Effect::List { .. }) {
            looks += 1;
            put(&shop, "late");
        }
    });
    assert_eq!((receipt.phase, looks), (Phase::Succeeded, 1), "{receipt:?}");
    assert_eq!(uid(&shop), before, "it stays, and stays known");
    shop.commit("fourth", &[("a.yaml", Some(&config("a", "3")))]);
    let plan = shop.preview().plan.to_string();
    assert!(plan.contains("delete  Namespace old: left by a hook"), "{plan}");
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert_eq!(uid(&shop), None);
}

#[test]
fn where_the_default_namespace_changes_the_new_objects_come_first_and_the_old_ones_go_within_the_budget() {
    let mut shop = shop();
    shop.commit("market", &[("m.yaml", Some("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: market\n"))]);
    shop.sync();
    let at = |namespace: &str| {
        let key = ResourceKey::new("", "ConfigMap", namespace, "a");
        shop.cluster.inner.with_server(|server| server.get(&key).and_then(|live| live.uid().map(str::to_owned)))
    };
    let before = at("shop");
    assert!(before.is_some() && at("market").is_none());
    let app = shop.app.clone().with_namespace("market");
    // What is not declared in its old place any more is deleted once what is declared works: never before.
    let report = ready(reconcile::sync(&app, shop.world())).unwrap().unwrap();
    assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
    assert!(at("market").is_some() && at("shop").is_none());
    let written = shop.written();
    let place = |line: &str| written.iter().rposition(|written| written == line).unwrap();
    assert!(place("apply ConfigMap market/a") < place("delete ConfigMap shop/a"), "{written:?}");
    // And back again: nobody takes the one for the other.
    shop.app.namespace = Some("shop".into());
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    let key = ResourceKey::new("", "ConfigMap", "shop", "a");
    let uid = shop.cluster.inner.with_server(|server| server.get(&key).and_then(|live| live.uid().map(str::to_owned)));
    assert!(uid.is_some() && uid != before);
}
