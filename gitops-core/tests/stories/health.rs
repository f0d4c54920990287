//! How an application is, and what a sync does not wait for.

use gitops_core::health::{HealthStatus, Standstill};
use gitops_core::reconcile::SyncStatus;
use gitops_core::sync::Phase;

use crate::world::{NAMESPACE, Shop, config, deployment};

#[test]
fn a_claim_that_waits_for_its_first_consumer_does_not_hold_up_the_wave_with_the_consumer() {
    let shop = Shop::new();
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n  annotations:\n    \
                 memory.gitops.rs/outcome: never\nspec:\n  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      \
                 storage: 1Gi\n";
    let web = deployment("web", 1, "nginx:1").replacen(
        "  name: web\n",
        "  name: web\n  annotations:\n    argocd.argoproj.io/sync-wave: \"1\"\n",
        1,
    );
    shop.commit("first", &[("ns.yaml", Some(NAMESPACE)), ("data.yaml", Some(claim)), ("web.yaml", Some(&web))]);

    let report = shop.sync();
    let receipt = report.receipt.as_ref().unwrap();
    assert_eq!(receipt.phase, Phase::Succeeded, "{receipt:?}");
    let data = report.resources.iter().find(|resource| &*resource.key.name == "data").unwrap();
    let health = data.health.as_ref().unwrap();
    assert_eq!((health.status, health.standstill), (HealthStatus::Progressing, Some(Standstill::FirstConsumer)));
}

#[test]
fn the_report_names_what_makes_the_application_unwell() {
    let shop = Shop::new();
    let bad = deployment("bad", 1, "nginx:1").replacen(
        "  name: bad\n",
        "  name: bad\n  annotations:\n    memory.gitops.rs/outcome: never\n",
        1,
    );
    let files = [
        ("ns.yaml", NAMESPACE.to_owned()),
        ("settings.yaml", config("settings", "blue")),
        ("bad.yaml", bad),
        ("good.yaml", deployment("good", 1, "nginx:1")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    shop.commit("first", &files);
    shop.sync();

    let report = shop.preview();
    assert_eq!((report.sync, report.health), (SyncStatus::Synced, HealthStatus::Progressing), "{:?}", report.problems);
    let causes: Vec<&str> = report.health_causes.iter().map(|key| &*key.name).collect();
    assert_eq!((causes, report.unconfirmed), (vec!["bad"], 0));
}
