//! The namespace of an application, where nothing declares it.

use gitops_core::policy::{CreateNamespace, SyncPolicy};
use gitops_core::reconcile::SyncStatus;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

fn shop(create: &str) -> Shop {
    let mut shop = Shop::new().pruning();
    shop.app.policy.create_namespace = serde_json::from_str(create).unwrap();
    shop
}

const TEAM: &str = r#"{"managed":{"labels":{"team":"shop"},"annotations":{"note":"ours"}}}"#;

#[test]
fn it_is_made_before_everything_that_lives_in_it_hooks_included() {
    let before = job("before", &[("argocd.argoproj.io/hook", "PreSync")]);
    for create in [r#""ifMissing""#, TEAM] {
        let shop = shop(create);
        shop.commit("first", &[("c.yaml", Some(&config("c", "1"))), ("j.yaml", Some(&before))]);
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{create}: {:?}", report.receipt);
        assert_eq!(shop.written().first().map(String::as_str), Some("apply Namespace shop"));
        let made = shop.get("Namespace", "shop").unwrap();
        assert_eq!(
            (made.label("team"), made.annotation("note")),
            if create == TEAM { (Some("shop"), Some("ours")) } else { (None, None) }
        );
        assert!(shop.preview().plan.is_empty());
    }
    // Without, nothing is made.
    let shop = shop(r#""never""#);
    shop.commit("first", &[("c.yaml", Some(&config("c", "1")))]);
    assert_eq!(shop.sync().sync, SyncStatus::OutOfSync);
    assert!(shop.get("Namespace", "shop").is_none());
}

#[test]
fn one_that_holds_the_ledger_may_be_declared_from_the_first_sync_on() {
    let shop = Shop::new().pruning();
    let place = "apiVersion: v1\nkind: Namespace\nmetadata: {name: gitops-system, labels: {team: ours}}\n";
    shop.commit(
        "first",
        &[("namespace.yaml", Some(NAMESPACE)), ("place.yaml", Some(place)), ("c.yaml", Some(&config("c", "1")))],
    );
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert_eq!(shop.get("Namespace", "gitops-system").unwrap().label("team"), Some("ours"));
    assert!(shop.preview().plan.is_empty());
}

#[test]
fn one_that_is_there_is_left_alone_unless_something_is_to_be_said_of_it() {
    let theirs =
        r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"other","theirs":"1"}}}"#;
    for (create, team, is_written) in [(r#""ifMissing""#, "other", false), (TEAM, "shop", true)] {
        let shop = shop(create);
        shop.create(theirs, "kubectl-create");
        shop.commit("first", &[("c.yaml", Some(&config("c", "1")))]);
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{create}: {:?}", report.receipt);
        let live = shop.get("Namespace", "shop").unwrap();
        assert_eq!((live.label("team"), live.label("theirs")), (Some(team), Some("1")));
        assert_eq!(shop.written().iter().any(|write| write.contains("Namespace")), is_written, "{create}");
    }
}

#[test]
fn it_stays_when_nobody_wants_it_any_more_and_counts_for_no_guard() {
    let mut shop = shop(TEAM);
    shop.commit("first", &[("a.yaml", Some(&config("a", "1"))), ("b.yaml", Some(&config("b", "1")))]);
    shop.sync();
    shop.commit("others", &[("a.yaml", None), ("b.yaml", None), ("c.yaml", Some(&config("c", "1")))]);
    let report = shop.preview();
    let told = "nothing is pruned: all 2 entries of the inventory would go";
    assert!(report.problems.iter().any(|problem| problem.text.contains(told)), "{:?}", report.problems);
    shop.commit("none", &[("c.yaml", None)]);
    shop.written();
    shop.sync();
    assert!(shop.written().is_empty());
    shop.commit("one", &[("a.yaml", Some(&config("a", "1")))]);
    shop.app.policy.create_namespace = CreateNamespace::Never;
    shop.sync();
    assert!(shop.get("Namespace", "shop").is_some());
}

#[test]
fn what_the_source_declares_wins() {
    let shop = shop(TEAM);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&deployment("web", 1, "nginx:1")))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert_eq!(shop.get("Namespace", "shop").unwrap().label("team"), None);
}

#[test]
fn options_among_its_annotations_are_read_and_a_bad_one_holds_it_back() {
    let shop = shop(r#"{"managed":{"annotations":{"gitops.rs/prune":"perhaps"}}}"#);
    shop.commit("first", &[("c.yaml", Some(&config("c", "1")))]);
    let report = shop.sync();
    assert!(report.problems.iter().any(|problem| problem.text.contains("`perhaps` is not allowed here")));
    assert!(shop.written().is_empty());
}

#[test]
fn an_object_that_is_created_only_once_is_in_sync_whatever_became_of_it() {
    let once = |value: &str| {
        config("c", value).replacen(
            "  name: c\n",
            "  name: c\n  annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}\n",
            1,
        )
    };
    let mut shop = Shop::new();
    shop.app.policy = SyncPolicy::default();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(&once("1")))]);
    shop.sync();
    shop.commit("second", &[("c.yaml", Some(&once("2")))]);
    let report = shop.sync();
    assert_eq!((report.sync, Shop::status(&report, "c")), (SyncStatus::Synced, "Synced"));
    let note = report.resources.iter().find(|resource| &*resource.key.name == "c").and_then(|found| found.note.clone());
    assert_eq!(note.as_deref(), Some("is created only once"));
    assert_eq!(
        shop.get("ConfigMap", "c").unwrap().tree().dig(&["data", "key"]).and_then(|key| key.as_str()),
        Some("1")
    );
}
