//! Changes that cannot be made in place.

use gitops_core::plan::{Confirmation, Request};
use gitops_core::policy::{Confirm, SyncPolicy};
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{Live, Standing};
use gitops_core::sync::Ledger;
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, deployment};

const FORCE: &str = "  name: web\n  annotations: {argocd.argoproj.io/sync-options: Force=true}\n";

/// The Deployment `web` with another selector, and options.
fn web(tier: &str, options: &str) -> String {
    deployment("web", 1, "nginx:1").replace("app: web", &format!("app: {tier}")).replacen("  name: web\n", options, 1)
}

fn uid(shop: &Shop) -> String {
    shop.get("Deployment", "web").and_then(|live| live.uid().map(str::to_owned)).unwrap()
}

fn shop(confirm: Confirm) -> Shop {
    let mut shop = Shop::new();
    shop.app.policy = SyncPolicy::default().with_confirm(confirm);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&web("web", "  name: web\n")))]);
    shop.sync();
    shop.written();
    shop
}

#[test]
fn an_object_is_created_again_only_where_its_options_say_so_and_the_cluster_says_that_nothing_else_helps() {
    for confirm in [Confirm::DryRun, Confirm::Never] {
        let shop = shop(confirm);
        let before = uid(&shop);
        shop.commit("selector", &[("web.yaml", Some(&web("other", "  name: web\n")))]);
        let report = shop.preview();
        let told =
            report.problems.iter().any(|problem| problem.text.contains("`spec.selector` cannot change once set"));
        assert_eq!(told, confirm == Confirm::DryRun, "{:?}", report.problems);
        let message = shop.sync().receipt.unwrap().message.to_string();
        assert!(
            message.contains("field is immutable; undo the change, or set the sync option `Force=true`"),
            "{message}"
        );
        assert_eq!((uid(&shop), shop.written()), (before.clone(), vec!["apply apps/Deployment shop/web".to_owned()]));

        shop.commit("force", &[("web.yaml", Some(&web("other", FORCE)))]);
        let step = shop.preview().plan.steps[0].to_string();
        let planned = "recreate apps/Deployment shop/web: differs; is deleted, and created again";
        assert_eq!(step == planned, confirm == Confirm::DryRun, "{step}");
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
        assert_ne!(uid(&shop), before);
        let written = shop.written();
        let of_recreate = ["delete apps/Deployment shop/web", "apply apps/Deployment shop/web"];
        assert!(written.ends_with(&of_recreate.map(str::to_owned)), "{written:?}");
        // It is known as created by us.
        let key = shop.app.ledger_key();
        let stored = shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap();
        let (ledger, _) = Ledger::read(&key, Live::Present(&stored)).unwrap();
        let entry = ledger.inventory.get(&ResourceKey::new("apps", "Deployment", "shop", "web")).unwrap();
        assert_eq!((entry.standing.clone(), entry.uid.as_deref()), (Standing::Created, Some(&*uid(&shop))));
    }
}

#[test]
fn what_is_not_provably_ours_is_never_deleted_to_be_created_again() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE))]);
    shop.sync();
    let theirs = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"spec":{
        "selector":{"matchLabels":{"app":"theirs"}},"template":{"metadata":{"labels":{"app":"theirs"}},
        "spec":{"containers":[{"name":"web","image":"nginx:1"}]}}}}"#;
    shop.create(theirs, "kubectl-create");
    let before = uid(&shop);
    shop.commit("ours", &[("web.yaml", Some(&web("web", FORCE)))]);
    let report = shop.sync();
    assert_eq!((report.sync, uid(&shop)), (SyncStatus::OutOfSync, before));
    assert!(!shop.written().iter().any(|write| write.starts_with("delete")));
}

#[test]
fn a_claim_is_never_deleted_to_be_created_again() {
    let claim = |mode: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n  annotations: {{argocd.argoproj.io/sync-options: Force=true}}\n\
             spec:\n  accessModes: [{mode}]\n  resources: {{requests: {{storage: 1Gi}}}}\n"
        )
    };
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(&claim("ReadWriteOnce")))]);
    shop.sync();
    let before = shop.get("PersistentVolumeClaim", "data").as_ref().and_then(Resource::uid).map(str::to_owned);
    shop.commit("mode", &[("c.yaml", Some(&claim("ReadWriteMany")))]);
    let report = shop.sync();
    let message = report.receipt.unwrap().message.to_string();
    assert!(message.contains("is never deleted and created again"), "{message}");
    assert_eq!(shop.get("PersistentVolumeClaim", "data").as_ref().and_then(Resource::uid).map(str::to_owned), before);
}

#[test]
fn what_asks_before_it_goes_or_is_protected_is_not_created_again_without_a_yes() {
    let asks = FORCE.replace("Force=true", "\"Force=true,Delete=confirm\"");
    for confirm in [Confirm::DryRun, Confirm::Never] {
        let mut shop = shop(confirm);
        let before = uid(&shop);
        shop.commit("ask", &[("web.yaml", Some(&web("other", &asks)))]);
        let message = shop.sync().receipt.unwrap().message.to_string();
        assert!(message.contains("confirm that the object is deleted and created again"), "{message}");
        assert_eq!(uid(&shop), before);

        let yes = Confirmation::of_all("ann", "2026-03-01T08:00:00Z".parse().unwrap());
        shop.app.request = Request::default().confirmed(yes);
        shop.app.policy.protected.insert(GroupKind::new("apps", "Deployment"));
        let message = shop.sync().receipt.unwrap().message.to_string();
        assert!(message.contains("never deleted and created again"), "{message}");
        assert_eq!(uid(&shop), before);

        shop.app.policy = SyncPolicy::default().with_confirm(confirm);
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
        assert!(report.plan.confirmed.iter().any(|confirmed| &*confirmed.key.name == "web"));
        assert_ne!(uid(&shop), before);
    }
}

/// To be created again is to be deleted.
#[test]
fn what_its_options_keep_is_not_deleted_to_be_created_again() {
    let keeps = [
        "argocd.argoproj.io/sync-options: \"Force=true,Delete=false\"",
        "argocd.argoproj.io/sync-options: \"Force=true,Prune=false\"",
        "argocd.argoproj.io/sync-options: Force=true, helm.sh/resource-policy: keep",
    ];
    for (confirm, keep) in [Confirm::DryRun, Confirm::Never].into_iter().flat_map(|it| keeps.map(|keep| (it, keep))) {
        let mut shop = shop(confirm);
        let before = uid(&shop);
        let keep = format!("  name: web\n  annotations: {{{keep}}}\n");
        shop.app.request = Request::default().confirmed(Confirmation::of_all("ann", shop.time.now()));
        // Said where it is declared, and then, though Git says so no more, still on the cluster.
        for options in [keep.as_str(), FORCE] {
            if options == FORCE {
                shop.commit("keep", &[("web.yaml", Some(&web("web", &keep)))]);
                shop.sync();
            }
            shop.commit("selector", &[("web.yaml", Some(&web("other", options)))]);
            let report = shop.sync();
            let message = report.receipt.unwrap().message.to_string();
            assert!(message.contains("its options keep it"), "{keep} {confirm:?}: {message}");
            assert!(report.plan.confirmed.is_empty(), "{keep} {confirm:?}");
            assert_eq!(uid(&shop), before, "{keep} {confirm:?}");
        }
        assert!(!shop.written().iter().any(|write| write.starts_with("delete")));
    }
}
