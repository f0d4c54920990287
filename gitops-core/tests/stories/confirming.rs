//! What can only be predicted is asked about, once.

use gitops_core::cluster::Failure;
use gitops_core::diff::Evidence;
use gitops_core::memory::ready;
use gitops_core::policy::{Confirm, SyncPolicy};
use gitops_core::problem::Code;
use gitops_core::reconcile::{self, Report, SyncStatus, look, look_again};

use crate::world::{NAMESPACE, Shop, config, deployment};

fn evidence(report: &Report, name: &str) -> (&'static str, Evidence) {
    let found = report.resources.iter().find(|resource| &*resource.key.name == name).unwrap();
    (found.status, found.evidence)
}

fn dry_runs(shop: &Shop) -> u64 {
    shop.cluster.inner.with_faults(|faults| faults.dry_runs())
}

#[test]
fn what_a_webhook_makes_of_an_object_is_no_drift_and_is_not_asked_about_after_our_own_apply() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&config("web", "latest")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(evidence(&shop.preview(), "web"), ("Synced", Evidence::Remembered));
    assert_eq!(dry_runs(&shop), 0, "the answer to the apply was remembered");
}

#[test]
fn a_question_is_asked_once_as_long_as_nothing_changes() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&config("web", "latest")))]);
    shop.sync();
    let live = shop.get("ConfigMap", "web").unwrap();
    shop.edit(&live, |draft| draft.entry("metadata").entry("labels").set("note", "mine"));

    let desired = ready(reconcile::read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired.clone(), &shop.cluster)).unwrap().unwrap();
    assert!(looked.comparison.is_synced());
    assert_eq!(dry_runs(&shop), 1);
    let again = ready(look_again(&shop.app, desired, &shop.cluster, &looked.comparison)).unwrap().unwrap();
    assert!(again.comparison.is_synced());
    assert_eq!(dry_runs(&shop), 1, "the second look knows the answer");
}

#[test]
fn a_dry_run_that_fails_leaves_its_own_object_predicted_and_no_other() {
    let shop = Shop::new();
    shop.commit(
        "first",
        &[
            ("n.yaml", Some(NAMESPACE)),
            ("web.yaml", Some(&config("web", "latest"))),
            ("other.yaml", Some(&config("other", "latest"))),
        ],
    );
    shop.sync();
    for name in ["web", "other"] {
        let live = shop.get("ConfigMap", name).unwrap();
        shop.edit(&live, |draft| draft.entry("metadata").entry("labels").set("note", "mine"));
    }
    let lost = Failure::WebhookUnavailable { message: "no endpoints".into() };
    shop.cluster.inner.with_faults(|faults| faults.fail_dry_run(1, lost));
    let report = shop.preview();
    assert_eq!(evidence(&report, "other"), ("OutOfSync", Evidence::Predicted));
    assert_eq!(evidence(&report, "web"), ("Synced", Evidence::Confirmed));
}

#[test]
fn a_dry_run_that_gave_no_answer_is_tried_again_at_the_next_look() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&config("web", "latest")))]);
    shop.sync();
    let live = shop.get("ConfigMap", "web").unwrap();
    shop.edit(&live, |draft| draft.entry("metadata").entry("labels").set("note", "mine"));
    shop.cluster.inner.with_faults(|faults| faults.fail_dry_run(1, Failure::Throttled { retry_after: None }));
    let desired = ready(reconcile::read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired.clone(), &shop.cluster)).unwrap().unwrap();
    assert!(!looked.comparison.is_synced());
    let again = ready(look_again(&shop.app, desired, &shop.cluster, &looked.comparison)).unwrap().unwrap();
    assert!(again.comparison.is_synced());
    assert_eq!(dry_runs(&shop), 2);
}

#[test]
fn who_may_not_ask_gets_predictions_and_is_told_once() {
    let mut shop = Shop::new();
    let files = [("a.yaml", config("a", "1")), ("b.yaml", config("b", "1"))];
    shop.commit(
        "first",
        &[("n.yaml", Some(NAMESPACE)), (files[0].0, Some(&files[0].1)), (files[1].0, Some(&files[1].1))],
    );
    shop.sync();
    for name in ["a", "b"] {
        let live = shop.get("ConfigMap", name).unwrap();
        shop.edit(&live, |draft| draft.entry("data").set("key", "edited"));
    }
    let denied = Failure::Denied { message: "cannot patch configmaps".into() };
    shop.cluster.inner.with_faults(|faults| faults.fail_dry_run(1, denied));
    let report = shop.preview();
    for name in ["a", "b"] {
        assert_eq!(evidence(&report, name), ("OutOfSync", Evidence::Predicted));
    }
    assert_eq!(report.problems.iter().filter(|problem| problem.code == Code::Predicted).count(), 1);
    assert_eq!(dry_runs(&shop), 1);

    shop.app.policy = SyncPolicy::default().with_confirm(Confirm::Never);
    assert_eq!(evidence(&shop.preview(), "a"), ("OutOfSync", Evidence::Predicted));
    assert_eq!(dry_runs(&shop), 1);
}

#[test]
fn what_the_cluster_would_refuse_is_out_of_sync_and_says_why() {
    let shop = Shop::new();
    let web = deployment("web", 2, "nginx:1");
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&web))]);
    shop.sync();
    // A selector cannot be changed.
    shop.commit("second", &[("web.yaml", Some(&web.replace("app: web", "app: other")))]);
    let report = shop.preview();
    let web = report.resources.iter().find(|resource| &*resource.key.name == "web").unwrap();
    assert_eq!((web.status, web.evidence), ("OutOfSync", Evidence::Confirmed));
    assert!(web.notes.iter().any(|note| note.starts_with("the cluster would refuse it: ")), "{:?}", web.notes);
}
