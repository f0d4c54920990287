//! First syncs, second syncs, new commits, reverts.

use gitops_core::cluster::{Cluster, Write};
use gitops_core::health::HealthStatus;
use gitops_core::memory::ready;
use gitops_core::policy::{SyncPolicy, WaitFor};
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::Propagation;
use gitops_core::sync::Phase;

use crate::world::{NAMESPACE, Shop, config, deployment};

fn shop() -> Shop {
    let mut shop = Shop::new();
    shop.app.policy = SyncPolicy::default().with_wait(WaitFor::Everything);
    let files = [
        ("namespace.yaml", NAMESPACE.to_owned()),
        ("config.yaml", config("settings", "blue")),
        ("web.yaml", deployment("web", 2, "nginx:1")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    shop.commit("first", &files);
    shop
}

#[test]
fn a_first_sync_creates_everything_in_order_and_ends_synced_and_healthy() {
    let shop = shop();
    let before = shop.preview();
    assert_eq!((before.sync, before.totals.missing), (SyncStatus::OutOfSync, 3));

    let report = shop.sync();
    assert_eq!(report.receipt.as_ref().map(|receipt| receipt.phase), Some(Phase::Succeeded), "{:?}", report.receipt);
    assert_eq!((report.sync, report.health), (SyncStatus::Synced, HealthStatus::Healthy), "{:?}", report.problems);
    assert_eq!(
        shop.written(),
        ["apply Namespace shop", "apply ConfigMap shop/settings", "apply apps/Deployment shop/web"],
    );
}

#[test]
fn syncing_again_makes_no_write_at_all() {
    let shop = shop();
    shop.sync();
    let version = shop.cluster.inner.with_server(|server| server.version());
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced);
    assert!(report.receipt.is_none());
    assert_eq!(shop.cluster.inner.with_server(|server| server.version()), version);
}

#[test]
fn a_new_commit_is_out_of_sync_by_field_and_a_sync_brings_it_back() {
    let shop = shop();
    shop.sync();
    shop.commit("more", &[("web.yaml", Some(&deployment("web", 4, "nginx:2")))]);

    let report = shop.preview();
    assert_eq!(report.sync, SyncStatus::OutOfSync);
    let web = report.resources.iter().find(|resource| &*resource.key.name == "web").unwrap();
    let changes: Vec<_> = web
        .changes
        .iter()
        .map(|change| {
            let shown = |shown: &Option<_>| {
                shown.as_ref().map_or(String::new(), |shown: &gitops_core::diff::Shown| shown.to_string())
            };
            (change.path.to_string(), shown(&change.live), shown(&change.desired))
        })
        .collect();
    let expected =
        [("spec.replicas", "2", "4"), ("spec.template.spec.containers[name=web].image", "\"nginx:1\"", "\"nginx:2\"")];
    assert_eq!(changes, expected.map(|(path, live, desired)| (path.to_owned(), live.to_owned(), desired.to_owned())));

    assert_eq!(shop.sync().sync, SyncStatus::Synced);
}

#[test]
fn a_commit_that_changes_no_object_is_recorded_and_writes_nothing_else() {
    let shop = shop();
    shop.sync();
    shop.written();
    shop.commit("docs", &[("README.md", Some("hello"))]);
    let report = shop.sync();
    assert_eq!((report.sync, report.history.len()), (SyncStatus::Synced, 2));
    assert!(shop.written().is_empty());
}

#[test]
fn a_git_revert_brings_the_earlier_state_back_and_history_says_who_when_and_why() {
    let shop = shop();
    shop.sync();
    let before = shop.get("ConfigMap", "settings").unwrap();
    shop.commit("make it red", &[("config.yaml", Some(&config("settings", "red")))]);
    shop.sync();
    shop.commit("Revert \"make it red\"", &[("config.yaml", Some(&config("settings", "blue")))]);
    let report = shop.sync();

    let after = shop.get("ConfigMap", "settings").unwrap();
    assert_eq!(after.tree().get("data"), before.tree().get("data"));
    let subjects: Vec<_> = report
        .history
        .iter()
        .map(|entry| {
            (entry.number, entry.revisions[0].commit.as_ref().unwrap().subject().to_owned(), &*entry.initiator)
        })
        .collect();
    assert_eq!(
        subjects,
        [
            (3, "Revert \"make it red\"".to_owned(), "test"),
            (2, "make it red".to_owned(), "test"),
            (1, "first".to_owned(), "test")
        ],
    );
    assert_eq!(&*report.history[0].revisions[0].commit.as_ref().unwrap().author, "Ann <ann@example.org>");
}

#[test]
fn a_custom_resource_waits_for_its_definition_and_an_object_for_its_namespace() {
    let shop = Shop::new();
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: widgets.example.org\nspec:\n  \
               group: example.org\n  scope: Namespaced\n  names:\n    kind: Widget\n    plural: widgets\n    singular: widget\n    \
               listKind: WidgetList\n  versions:\n    - name: v1\n      served: true\n      storage: true\n      schema:\n        \
               openAPIV3Schema:\n          type: object\n          properties:\n            spec:\n              type: object\n              \
               properties:\n                size:\n                  type: integer\n";
    let widget = "apiVersion: example.org/v1\nkind: Widget\nmetadata:\n  name: small\nspec:\n  size: 3\n";
    shop.commit(
        "crd",
        &[("a-widget.yaml", Some(widget)), ("b-namespace.yaml", Some(NAMESPACE)), ("c-crd.yaml", Some(crd))],
    );
    let report = shop.sync();
    assert_eq!((report.sync, report.health), (SyncStatus::Synced, HealthStatus::Healthy), "{:?}", report.receipt);
    let written = shop.written();
    let place = |what: &str| written.iter().position(|line| line.contains(what)).unwrap();
    assert!(place("CustomResourceDefinition") < place("Widget") && place("Namespace") < place("Widget"), "{written:?}");
}

#[test]
fn a_claim_that_names_its_volume_keeps_it() {
    let mut shop = Shop::new();
    shop.app.policy = SyncPolicy::default().with_wait(WaitFor::Everything);
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n  namespace: default\nspec:\n  \
                 accessModes: [ReadWriteOnce]\n  volumeName: disk-1\n  resources:\n    requests:\n      storage: 1Gi\n";
    shop.commit("claim", &[("claim.yaml", Some(claim))]);
    let report = shop.sync();
    assert_eq!((report.sync, report.health), (SyncStatus::Synced, HealthStatus::Healthy), "{:?}", report.resources);
}

#[test]
fn a_sync_over_an_object_that_is_being_deleted_does_not_make_its_revision_true() {
    let shop = Shop::new();
    let held = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [example.org/hold]}, data: {key: a}}";
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(held)), ("b.yaml", Some(&config("b", "1")))]);
    shop.sync();
    let key = shop.get("ConfigMap", "a").unwrap().key().clone();
    ready(shop.cluster.inner.write(&Write::delete(&key, "v1", Propagation::Background))).unwrap().unwrap();
    shop.commit("second", &[("b.yaml", Some(&config("b", "2")))]);
    let report = shop.sync();
    assert!(report.plan.is_partial() && !report.history[0].made_true(), "{:?}", report.history);
    let dying = shop.get("ConfigMap", "a").unwrap();
    shop.edit(&dying, |draft| drop(draft.entry("metadata").remove("finalizers")));
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced);
    assert!(report.history[0].made_true(), "{:?}", report.history);
}
