//! Fields that Git drops.

use gitops_core::cluster::{Cluster, PatchStep, Write};
use gitops_core::memory::ready;
use gitops_core::path::FieldPath;
use gitops_core::reconcile::{Report, SyncStatus};
use gitops_core::value::{Value, ValueRef};

use crate::world::{NAMESPACE, Shop, deployment};

const ONE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: one\n";
const TWO: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: one\n  b: two\n";

fn data(shop: &Shop, name: &str) -> Option<String> {
    let settings = shop.get("ConfigMap", "settings").unwrap();
    settings.tree().dig(&["data", name]).and_then(ValueRef::as_str).map(str::to_owned)
}

/// Changes of the one ConfigMap, and what else there is to say of it.
fn told(report: &Report) -> (Vec<String>, Vec<String>) {
    let settings = report.resources.iter().find(|resource| &*resource.key.name == "settings").unwrap();
    let changes = settings.changes.iter().map(|change| format!("{change}: {}", change.reason)).collect();
    (changes, settings.notes.iter().map(ToString::to_string).collect())
}

#[test]
fn a_field_is_removed_also_when_the_object_forgot_who_owns_it() {
    let shop = Shop::new();
    shop.commit("two", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(TWO))]);
    shop.sync();
    let live = shop.get("ConfigMap", "settings").unwrap();
    let reset = Value::from_json(b"[{}]").unwrap();
    let reset = PatchStep::Set(FieldPath::fields(&["metadata", "managedFields"]), reset);
    let reset = Write::patch(live.key(), live.version(), vec![reset], "somebody");
    ready(shop.cluster.inner.write(&reset)).unwrap().unwrap();
    assert!(shop.get("ConfigMap", "settings").unwrap().tree().dig(&["metadata", "managedFields"]).is_none());

    shop.commit("one", &[("c.yaml", Some(ONE))]);
    let report = shop.preview();
    let expected = r#"- data.b: "two": Git no longer declares it, as our record of it says"#;
    assert_eq!(told(&report), (vec![expected.to_owned()], Vec::new()));
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!((data(&shop, "a").as_deref(), data(&shop, "b")), (Some("one"), None));
    shop.written();
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.written().is_empty(), "there is nothing left to do");
}

#[test]
fn a_field_that_git_drops_goes_from_an_object_that_is_replaced() {
    let replaced = |text: &str, b: &str| {
        let options = "  name: settings\n  annotations: {argocd.argoproj.io/sync-options: Replace=true}\n";
        text.replace("  name: settings\n", options).replace("two", b)
    };
    let shop = Shop::new();
    shop.commit("two", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(&replaced(TWO, "two")))]);
    shop.sync();
    shop.commit("three", &[("c.yaml", Some(&replaced(TWO, "three")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.written().contains(&"replace ConfigMap shop/settings".to_owned()));
    shop.commit("one", &[("c.yaml", Some(&replaced(ONE, "")))]);
    assert_eq!(shop.preview().sync, SyncStatus::OutOfSync);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(data(&shop, "b"), None);
}

#[test]
fn a_field_that_somebody_changed_by_hand_goes_when_git_drops_it() {
    let shop = Shop::new();
    shop.commit("two", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(TWO))]);
    shop.sync();
    let live = shop.get("ConfigMap", "settings").unwrap();
    shop.edit(&live, |draft| draft.entry("data").set("b", "edited"));
    shop.commit("one", &[("c.yaml", Some(ONE))]);
    assert_eq!(shop.preview().sync, SyncStatus::OutOfSync);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(data(&shop, "b"), None);
}

#[test]
fn what_client_side_apply_wrote_and_git_does_not_declare_goes_with_the_first_sync() {
    let shop = Shop::new();
    shop.commit("nothing", &[("n.yaml", Some(NAMESPACE))]);
    shop.sync();
    let last = r#"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"settings\"},\"data\":{\"a\":\"one\",\"b\":\"two\"}}"#;
    let live = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"settings","namespace":"shop","annotations":
        {{"kubectl.kubernetes.io/last-applied-configuration":"{last}"}}}},"data":{{"a":"one","b":"two","c":"by hand"}}}}"#
    );
    shop.create(&live, "kubectl-client-side-apply");
    shop.commit("one", &[("c.yaml", Some(ONE))]);
    let report = shop.preview();
    let settings = report.resources.iter().find(|resource| &*resource.key.name == "settings").unwrap();
    assert_eq!(
        settings.strategy.to_string(),
        "compared by what client-side apply wrote last; we have not applied it yet"
    );
    assert!(told(&report).0.iter().any(|line| line.starts_with(r#"- data.b: "two""#)), "{:?}", told(&report));
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!((data(&shop, "b"), data(&shop, "c").as_deref()), (None, Some("by hand")));
}

#[test]
fn what_another_applier_holds_stays_and_is_named_and_the_object_is_in_sync() {
    let shop = Shop::new();
    shop.commit("two", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(TWO))]);
    shop.sync();
    shop.apply(
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop"},"data":{"b":"two"}}"#,
        "team-b",
    );
    shop.commit("one", &[("c.yaml", Some(ONE))]);
    let report = shop.preview();
    assert_eq!(report.sync, SyncStatus::Synced);
    let expected = "`data.b` is no longer declared and stays, held by `team-b`";
    assert_eq!(told(&report), (Vec::new(), vec![expected.to_owned()]));
    shop.written();
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(shop.written(), ["apply ConfigMap shop/settings"], "a new revision: we give the field up");
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.written().is_empty());
    assert_eq!(data(&shop, "b").as_deref(), Some("two"));
}

#[test]
fn what_was_scaled_by_hand_goes_when_git_drops_it() {
    let shop = Shop::new();
    let web = deployment("web", 3, "nginx:1");
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&web))]);
    shop.sync();
    shop.scale("web", 7);
    shop.commit("drop", &[("web.yaml", Some(&web.replace("  replicas: 3\n", "")))]);
    assert_eq!(shop.preview().sync, SyncStatus::OutOfSync, "no autoscaler wrote it");
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let live = shop.get("Deployment", "web").unwrap();
    assert_eq!(live.tree().dig(&["spec", "replicas"]).and_then(ValueRef::as_i64), Some(1), "the default comes back");
}
