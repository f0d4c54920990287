//! The custom resources of a controller.

use gitops_core::app::{AppSpec, Project};
use gitops_core::cluster::{Failure, WriteOutcome};
use gitops_core::model::ApiModel;
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::Live;
use gitops_core::value::ValueRef;
use gitops_kube::controller::{GROUP, Installation, VERSION, definitions};
use serde_json::{Value, json};

use crate::checks;
use crate::world::{World, config_map, object, until};

checks!(
    a_definition_of_ours_is_served_and_keeps_all_that_is_said,
    what_an_application_cannot_mean_is_refused_before_it_is_stored,
    what_installs_a_controller_is_accepted_and_lets_it_do_its_work_and_no_more,
);

/// The definitions, and a namespace, once they are served.
pub(crate) async fn serve(world: &World, namespace: &str) {
    world.namespace(namespace).await;
    for definition in definitions().unwrap() {
        let written = world.apply(&definition, "checks").await;
        assert_eq!(written.warnings, [], "{}", definition.key());
    }
    for (kind, plural) in [("Application", "applications"), ("Project", "projects")] {
        let key =
            ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, &format!("{plural}.{GROUP}"));
        until("the kinds are served", || async {
            let definition = world.live(&key).await?;
            let conditions = definition.tree().dig(&["status", "conditions"])?.as_list()?;
            let says = |one: ValueRef<'_>, name: &str| {
                one.get("type").and_then(ValueRef::as_str) == Some(name)
                    && one.get("status").and_then(ValueRef::as_str) == Some("True")
            };
            assert!(!conditions.iter().any(|one| says(one, "NonStructuralSchema")), "{}", definition.tree().to_json());
            conditions.iter().any(|one| says(one, "Established")).then_some(())
        })
        .await;
        let any = ResourceKey::new(GROUP, kind, namespace, "any");
        let interest = gitops_core::cluster::Interest::in_objects([any.clone()]);
        until("objects of the kinds can be looked up", || async {
            let seen = gitops_core::cluster::Cluster::observe(&world.cluster, &interest).await.ok()?;
            matches!(seen.live.get(&any), Live::Absent).then_some(())
        })
        .await;
    }
}

pub(crate) fn of(kind: &str, namespace: &str, name: &str, spec: &Value) -> Resource {
    let metadata = json!({"name": name, "namespace": namespace});
    let document =
        json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": kind, "metadata": metadata, "spec": spec});
    object(&document.to_string())
}

async fn a_definition_of_ours_is_served_and_keeps_all_that_is_said(world: World) {
    serve(&world, "defined").await;
    let application = json!({
        "project": "team",
        "sources": [
            {"repoURL": "https://example.org/a.git", "path": "deploy", "targetRevision": "main", "ref": "a",
                "directory": {"recurse": true, "include": "*.yaml", "exclude": "x*", "sourceIgnore": true}},
            {"repoURL": "https://example.org/b.git", "targetRevision": "v1"},
        ],
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        "syncPolicy": {
            "automated": {"enabled": true, "prune": true, "selfHeal": true, "allowEmpty": false},
            "syncOptions": ["CreateNamespace=true", "PruneLast=true"],
            "retry": {"limit": -1, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
            "managedNamespaceMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        },
        "policy": {
            "prune": "owned", "wait": "everything", "waveTimeoutSeconds": 60, "pruneBudgetPercent": 50, "rolloutBudget": "25%",
            "protected": [{"group": "", "kind": "Namespace"}], "adopt": "never",
            "conflicts": {"take": "all", "former": ["argocd-controller"],
                "rules": [{"manager": "vpa-*", "operation": "update", "then": "yield"}]},
        },
        "ignoreDifferences": [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}],
        "revisionHistoryLimit": 3,
        "info": [{"name": "url", "value": "https://example.org"}],
        "dependsOn": ["base"],
        "suspend": true,
        "tracking": "argoCdAndLabel",
    });
    let project = json!({
        "description": "The team.",
        "sourceRepos": ["https://example.org/**"],
        "destinations": [{"server": "*", "name": "in-cluster", "namespace": "team-*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "Namespace", "name": "team-*"}],
        "namespaceResourceWhitelist": [],
        "namespaceResourceBlacklist": [{"group": "", "kind": "ResourceQuota"}],
        "syncWindows": [{"kind": "deny", "schedule": "0 22 * * *", "duration": "1h", "timeZone": "Europe/Berlin",
            "applications": ["*"], "manualSync": true}],
    });
    // What is said is what is understood.
    let _: AppSpec = serde_json::from_value(application.clone()).unwrap();
    let _: Project = serde_json::from_value(project.clone()).unwrap();
    for (kind, spec) in [("Application", application), ("Project", project)] {
        let said = of(kind, "defined", "all", &spec);
        world.apply(&said, "checks").await;
        let kept = world.live(said.key()).await.unwrap();
        let kept: Value = serde_json::from_str(&kept.tree().get("spec").unwrap().to_json()).unwrap();
        assert_eq!(kept, spec, "{kind}: {kept:#}");
    }
}

async fn what_an_application_cannot_mean_is_refused_before_it_is_stored(world: World) {
    serve(&world, "refused-apps").await;
    let source = || json!({"repoURL": "https://example.org/a.git"});
    for (spec, named) in [
        (json!({"destination": {"namespace": "shop"}}), Some("the application has no source")),
        (json!({"sources": []}), Some("the application has no source")),
        (json!({"source": source(), "destination": {"server": "https://a", "name": "b"}}), Some("a server and a name")),
        (json!({"source": {"repoURL": ""}}), Some("repoURL")),
        (json!({"source": {"path": "deploy"}}), Some("repoURL")),
        (json!({"source": source(), "suspend": "yes"}), Some("suspend")),
        (json!({"source": source(), "policy": {"prune": "all"}}), Some("prune")),
        (json!({"source": source(), "syncPolicy": {"automated": {"selfHeel": true}}}), Some("selfHeel")),
        (json!({"source": source(), "destination": {"server": "", "name": "in-cluster"}}), None),
    ] {
        let tried = world.try_apply(&of("Application", "refused-apps", "one", &spec)).await;
        match (named, tried) {
            (None, Ok(outcome)) => assert_eq!(outcome, WriteOutcome::Created),
            (Some(named), Err(Failure::Invalid { message, .. })) => {
                assert!(message.contains(named), "{spec}: {message}")
            }
            (_, other) => panic!("{spec}: {other:?}"),
        }
    }
}

async fn what_installs_a_controller_is_accepted_and_lets_it_do_its_work_and_no_more(world: World) {
    let namespace = "installed";
    let kinds = [GroupKind::new("", "Secret"), GroupKind::new("rbac.authorization.k8s.io", "ClusterRole")];
    let installation = Installation::new("example.org/gitops:1").in_namespace(namespace).with_kinds(kinds);
    let (manifests, unknown) = installation.manifests(&ApiModel::builtin()).unwrap();
    assert_eq!(unknown, []);
    for manifest in &manifests {
        let written = world.apply(manifest, "checks").await;
        assert_eq!(written.warnings, [], "{}", manifest.key());
    }
    for manifest in &manifests {
        // Again: what is there already is not changed, whatever a controller of the server has added meanwhile.
        let edition = |live: &Resource| {
            let generation = live.tree().dig(&["metadata", "generation"]).and_then(ValueRef::as_i64);
            generation.map_or_else(|| live.resource_version().unwrap().to_owned(), |generation| generation.to_string())
        };
        let before = edition(&world.live(manifest.key()).await.unwrap());
        world.apply(manifest, "checks").await;
        assert_eq!(edition(&world.live(manifest.key()).await.unwrap()), before, "{}", manifest.key());
    }
    serve(&world, namespace).await;
    let account = world.user(&format!("system:serviceaccount:{namespace}:gitops-controller")).await;
    let as_it = world.through(account);
    let map = |namespace: &str| config_map(namespace, "ledger", "1");
    let may = |object: Resource| {
        let as_it = &as_it;
        async move { as_it.try_apply(&object).await }
    };
    until("the roles are known", || async { may(map(namespace)).await.ok() }).await;
    let secret = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"default"}}"#;
    may(object(secret)).await.unwrap();
    for (object, why) in [
        (map("default"), "ledgers lie in its own namespace"),
        (object(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"other"}}"#), "no application has any"),
        (of("Project", "default", "a", &json!({})), "a project of another namespace"),
    ] {
        let tried = may(object).await;
        assert!(matches!(tried, Err(Failure::Denied { .. })), "{why}: {tried:?}");
    }
}
