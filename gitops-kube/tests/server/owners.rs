//! Objects that change hands: rules 20, 21 and 32 of the exact rules, as a server takes them.

use gitops_core::cluster::{Cluster, Force, Write};
use gitops_core::plan::{Objects, Request, Selection};
use gitops_core::reconcile::{self, SyncStatus, World as Between};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::ssa::{ManagedFields, Operation};
use gitops_core::state::Tool;
use gitops_core::sync::Phase;

use crate::checks;
use crate::rules::Git;
use crate::world::{Clock, World, config_map, object};

checks!(
    what_other_tools_hold_becomes_ours_and_what_git_dropped_goes_with_the_next_sync,
    an_object_moves_between_applications_in_place,
    an_object_that_is_let_go_has_no_mark_of_ours_and_all_its_values,
);

fn deployment(namespace: &str, name: &str, metadata: &str, replicas: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{name}","namespace":"{namespace}"{metadata}}},
            "spec":{{{replicas}"selector":{{"matchLabels":{{"app":"{name}"}}}},"template":{{"metadata":{{"labels":
            {{"app":"{name}"}}}},"spec":{{"containers":[{{"name":"web","image":"nginx:1.26"}}]}}}}}}}}"#
    ))
}

/// The server counts a new generation of a Deployment also where only its annotations change.
fn spec(object: &Resource) -> String {
    object.tree().get("spec").unwrap().to_json()
}

async fn what_other_tools_hold_becomes_ours_and_what_git_dropped_goes_with_the_next_sync(world: World) {
    let namespace = "adopted";
    world.namespace(namespace).await;
    let git = Git::new(namespace);
    let more = r#""minReadySeconds":7,"#;
    let last = |name: &str| {
        let applied = deployment(namespace, name, "", more).expose().to_json();
        format!(
            r#""kubectl.kubernetes.io/last-applied-configuration":{}"#,
            gitops_core::value::Value::from(&*applied).to_json()
        )
    };
    let argo = |name: &str| format!(r#""argocd.argoproj.io/tracking-id":"old:apps/Deployment:{namespace}/{name}""#);
    let flux = r#""kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"flux-system""#;
    let helm = format!(r#""meta.helm.sh/release-name":"old","meta.helm.sh/release-namespace":"{namespace}""#);
    // Who wrote it, and how: by an apply or otherwise; its annotations and labels.
    let theirs = [
        ("kubectl-csa", "kubectl-client-side-apply", Operation::Update, last("kubectl-csa"), ""),
        ("kubectl-ssa", "kubectl", Operation::Apply, String::new(), ""),
        ("argo-csa", "argocd-controller", Operation::Update, format!("{},{}", argo("argo-csa"), last("argo-csa")), ""),
        ("argo-ssa", "argocd-controller", Operation::Apply, argo("argo-ssa"), ""),
        ("flux", "kustomize-controller", Operation::Apply, String::new(), flux),
        ("helm-4", "helm", Operation::Apply, helm.clone(), ""),
        ("helm-3", "helm", Operation::Update, helm, ""),
    ];
    let mut before = Vec::new();
    for (name, manager, operation, annotations, labels) in &theirs {
        let metadata = format!(r#","annotations":{{{annotations}}},"labels":{{{labels}}}"#);
        let metadata = metadata.replace(r#","annotations":{}"#, "").replace(r#","labels":{}"#, "");
        let theirs = deployment(namespace, name, &metadata, more);
        let write = match operation {
            Operation::Apply => Write::apply(&theirs, manager, Force::No),
            _ => Write::create(&theirs, manager),
        };
        before.push(world.cluster.write(&write).await.unwrap().object.unwrap());
    }
    let files: Vec<(String, String)> = theirs
        .iter()
        .map(|(name, ..)| (format!("{name}.json"), deployment(namespace, name, "", "").expose().to_json()))
        .collect();
    let files: Vec<(&str, Option<&str>)> = files.iter().map(|(path, text)| (&**path, Some(&**text))).collect();
    git.commit(&files);
    let between = Between::new(&git.source, &world.cluster, &Clock);
    let report = reconcile::adopt(&git.app, &Tool::ALL.into(), between).await.unwrap();
    let receipt = report.receipt.unwrap();
    assert_eq!(receipt.phase, Phase::Succeeded, "{} {:?}", receipt.message, receipt.results);
    assert_eq!(receipt.results.len(), theirs.len());
    for ((name, _, operation, ..), before) in theirs.iter().zip(&before) {
        let taken = world.live(before.key()).await.unwrap();
        assert_eq!((taken.uid(), spec(&taken)), (before.uid(), spec(before)), "{name}: no value changed");
        let id = format!("{namespace}:apps/Deployment:{namespace}/{name}");
        assert_eq!(taken.annotation("gitops.rs/tracking-id"), Some(&*id), "{name}");
        let marks = [
            "argocd.argoproj.io/tracking-id",
            "meta.helm.sh/release-name",
            "kubectl.kubernetes.io/last-applied-configuration",
        ];
        assert!(marks.iter().all(|mark| taken.annotation(mark).is_none()), "{name}");
        assert!(taken.label("kustomize.toolkit.fluxcd.io/name").is_none(), "{name}");
        let managed = ManagedFields::read(&taken).unwrap();
        let appliers = managed.entries().iter().filter(|entry| entry.operation == Operation::Apply);
        let appliers: Vec<&str> = appliers.map(|entry| &*entry.manager).collect();
        assert_eq!(appliers, [&*git.app.owner.manager()], "{name} {operation}");
        let ours_otherwise = managed.entries().iter().filter(|entry| entry.operation == Operation::Update);
        assert!(
            ours_otherwise.into_iter().all(|entry| entry.manager != git.app.owner.manager()),
            "{name}: it is folded"
        );
    }
    let again = reconcile::adopt(&git.app, &Tool::ALL.into(), between).await.unwrap();
    assert!(again.receipt.is_none(), "{:?}", again.receipt);
    git.sync(&world).await;
    for ((name, ..), before) in theirs.iter().zip(&before) {
        let synced = world.live(before.key()).await.unwrap();
        assert_eq!(synced.uid(), before.uid(), "{name}");
        let left = synced.tree().dig(&["spec", "minReadySeconds"]).and_then(|seconds| seconds.as_i64());
        // Helm 3 does not say what it was given and what the server filled in.
        assert_eq!(left, (*name == "helm-3").then_some(7), "{name}");
    }
}

async fn an_object_moves_between_applications_in_place(world: World) {
    let namespace = "handed-on";
    world.namespace(namespace).await;
    let (old, new) = (Git::new("handed-on"), Git::new("handed-to"));
    let map = config_map(namespace, "map", "1");
    old.commit_object(&map);
    old.synced(&world).await;
    let before = world.live(map.key()).await.unwrap();
    new.commit_object(&map);
    let between = Between::new(&new.source, &world.cluster, &Clock);
    let report = reconcile::transfer(&new.app, &old.app.owner, between).await.unwrap();
    assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
    let after = world.live(map.key()).await.unwrap();
    assert_eq!(after.uid(), before.uid());
    assert_eq!(after.annotation("gitops.rs/tracking-id"), Some("handed-to:/ConfigMap:handed-on/map"));
    let managed = ManagedFields::read(&after).unwrap();
    let owners: Vec<(&str, Operation)> =
        managed.entries().iter().map(|entry| (&*entry.manager, entry.operation)).collect();
    assert_eq!(owners, [("gitops:handed-to", Operation::Apply)]);
    let ledger = ResourceKey::new("", "ConfigMap", "gitops-system", "gitops.handed-on");
    let ledger = world.live(&ledger).await.unwrap().expose().to_json();
    assert!(!ledger.contains(r#"\"name\":\"map\""#), "{ledger}");
    assert_eq!(new.sync(&world).await.sync, SyncStatus::Synced);
}

async fn an_object_that_is_let_go_has_no_mark_of_ours_and_all_its_values(world: World) {
    let namespace = "let-go";
    world.namespace(namespace).await;
    let mut git = Git::new(namespace);
    git.commit_object(&config_map(namespace, "map", "1"));
    git.synced(&world).await;
    let key = config_map(namespace, "map", "1").key().clone();
    let before = world.live(&key).await.unwrap();
    git.app.request = Request::to_release(Selection::of([Objects::exactly(&key)]));
    let report = reconcile::release(&git.app, Between::new(&git.source, &world.cluster, &Clock)).await.unwrap();
    assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
    let after = world.live(&key).await.unwrap();
    assert_eq!((after.uid(), after.annotation("gitops.rs/tracking-id")), (before.uid(), None));
    assert_eq!(after.tree().get("data").unwrap().to_json(), before.tree().get("data").unwrap().to_json());
    let managed = ManagedFields::read(&after).unwrap();
    assert!(managed.entries().iter().all(|entry| !entry.manager.starts_with("gitops:")), "{managed:?}");
}
