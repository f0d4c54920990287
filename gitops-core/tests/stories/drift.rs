//! Hand edits and foreign objects.

use gitops_core::reconcile::SyncStatus;

use crate::world::{NAMESPACE, Shop, config, deployment};

#[test]
fn a_hand_edit_is_reported_with_both_values_and_its_manager_and_undone_by_a_sync() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&deployment("web", 2, "nginx:1")))]);
    shop.sync();
    let live = shop.get("Deployment", "web").unwrap();
    shop.edit(&live, |draft| draft.entry("spec").set("replicas", 7));

    let report = shop.preview();
    let web = report.resources.iter().find(|resource| &*resource.key.name == "web").unwrap();
    let [change] = &*web.changes else { panic!("{:?}", web.changes) };
    assert_eq!(change.path.to_string(), "spec.replicas");
    assert_eq!(change.live.as_ref().unwrap().to_string(), "7");
    assert_eq!(change.desired.as_ref().unwrap().to_string(), "2");
    assert_eq!(&*change.owners[0].manager, "kubectl-edit");

    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    let live = shop.get("Deployment", "web").unwrap();
    assert_eq!(live.tree().dig(&["spec", "replicas"]).and_then(|replicas| replicas.as_i64()), Some(2));
}

#[test]
fn a_field_that_somebody_else_added_is_no_drift() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&deployment("web", 2, "nginx:1")))]);
    shop.sync();
    let live = shop.get("Deployment", "web").unwrap();
    shop.edit(&live, |draft| draft.entry("metadata").entry("annotations").set("note", "mine"));
    assert_eq!(shop.preview().sync, SyncStatus::Synced);
}

#[test]
fn a_field_removed_from_git_is_drift_until_it_is_gone() {
    let shop = Shop::new();
    let two = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: one\n  b: two\n";
    let one = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: one\n";
    shop.commit("two", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(two))]);
    shop.sync();
    shop.commit("one", &[("c.yaml", Some(one))]);
    let report = shop.preview();
    let settings = report.resources.iter().find(|resource| &*resource.key.name == "settings").unwrap();
    assert_eq!(settings.changes.iter().map(|change| change.path.to_string()).collect::<Vec<_>>(), ["data.b"]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.get("ConfigMap", "settings").unwrap().tree().dig(&["data", "b"]).is_none());
}

#[test]
fn an_object_that_another_application_applies_is_left_alone() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE))]);
    shop.sync();
    let theirs = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop",
        "annotations":{"gitops.rs/tracking-id":"other:/ConfigMap:shop/settings"}},"data":{"key":"theirs"}}"#;
    shop.create(theirs, "gitops:other");
    shop.commit("ours", &[("c.yaml", Some(&config("settings", "ours")))]);
    shop.written();
    let report = shop.sync();
    assert!(shop.written().is_empty(), "nothing is written");
    assert_eq!(report.sync, SyncStatus::OutOfSync);
    assert!(report.problems.iter().any(|problem| problem.text.contains("other")), "{:?}", report.problems);
}

#[test]
fn a_field_that_an_autoscaler_took_is_left_to_it() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&deployment("web", 2, "nginx:1")))]);
    shop.sync();
    shop.scale("web", 5);
    assert_eq!(shop.preview().sync, SyncStatus::OutOfSync, "so far it is a hand edit");
    let autoscaler = r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web","namespace":"shop"},
        "spec":{"maxReplicas":9,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}}"#;
    shop.create(autoscaler, "somebody");
    let report = shop.preview();
    let web = report.resources.iter().find(|resource| &*resource.key.name == "web").unwrap();
    assert_eq!((report.sync, web.changes.len()), (SyncStatus::Synced, 0));
    assert_eq!(web.note.as_deref(), Some("`spec.replicas` is left to `hpa`, which scales it"));

    // A new image does not bring the old count back.
    shop.commit("next", &[("web.yaml", Some(&deployment("web", 2, "nginx:2")))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    let web = shop.get("Deployment", "web").unwrap();
    let replicas = web.tree().dig(&["spec", "replicas"]).and_then(|replicas| replicas.as_i64());
    assert_eq!(replicas, Some(5));
}
