//! The exact rules (docs/decisions), where they speak of what a server does: whole syncs on a real one.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gitops_core::cluster::{Cluster, Force, Guard, PatchStep, Write};
use gitops_core::diff::Evidence;
use gitops_core::manifest::{Dialect, Limits, documents};
use gitops_core::memory::MemorySource;
use gitops_core::path::FieldPath;
use gitops_core::policy::Prune;
use gitops_core::policy::ignore::Rules;
use gitops_core::reconcile::{App, Looked, Report, SyncStatus, World as Between, look_at, sync};
use gitops_core::resource::{Propagation, Resource, ResourceKey};
use gitops_core::state::Owner;
use gitops_core::time::Timestamp;
use gitops_core::value::Value;
use gitops_kube::KubeCluster;

use crate::checks;
use crate::world::{Clock, World, config_map, object, until};

checks!(
    what_is_left_alone_is_released_first_and_keeps_its_value,
    a_field_that_leaves_git_is_removed_or_reset_to_its_default,
    another_applier_is_refused_and_named_and_nothing_is_written,
    what_an_update_wrote_is_taken_over,
    an_autoscaler_keeps_what_it_scaled,
    a_datum_that_leaves_a_secret_written_in_the_clear_is_gone,
    a_custom_resource_moves_to_another_version_when_its_own_is_gone,
    a_pruned_object_is_the_one_that_was_ours_and_no_other,
    what_cannot_be_listed_is_not_pruned,
    who_may_only_read_gets_predicted_verdicts,
    an_object_that_is_going_is_waited_for_and_made_again,
    the_ledger_of_many_objects_is_packed_and_read_back,
    a_sync_whose_server_is_killed_is_finished_by_the_next_one,
);

/// An application, and what Git says of it.
pub(crate) struct Git {
    pub(crate) source: MemorySource,
    pub(crate) app: App,
    commits: AtomicI64,
}

impl Git {
    pub(crate) fn new(name: &str) -> Self {
        let mut app = App::new(Owner::new("", name).unwrap(), "main").with_namespace(name);
        app.policy.wave_timeout = Duration::from_secs(20);
        Self { source: MemorySource::default(), app, commits: AtomicI64::new(0) }
    }

    pub(crate) fn commit(&self, files: &[(&str, Option<&str>)]) {
        let at = Timestamp::EPOCH + Duration::from_secs(self.commits.fetch_add(60, Ordering::Relaxed).unsigned_abs());
        self.source.commit("Ann <ann@example.org>", at, "Change", files.iter().copied());
    }

    pub(crate) fn commit_object(&self, object: &Resource) {
        self.commit(&[("object.json", Some(&object.expose().to_json()))]);
    }

    async fn look(&self, cluster: &KubeCluster) -> Looked {
        look_at(&self.app, Between::new(&self.source, cluster, &Clock)).await.unwrap()
    }

    pub(crate) async fn sync(&self, world: &World) -> Report {
        sync(&self.app, Between::new(&self.source, &world.cluster, &Clock)).await.unwrap()
    }

    /// Syncs, and all is well.
    pub(crate) async fn synced(&self, world: &World) {
        let report = self.sync(world).await;
        let failed: Vec<_> = report.receipt.iter().flat_map(|receipt| &receipt.results).collect();
        let failed: Vec<_> = failed.into_iter().filter(|result| !result.message.is_empty()).take(5).collect();
        let message = report.receipt.as_ref().map(|receipt| &receipt.message);
        assert_eq!(report.sync, SyncStatus::Synced, "{message:?} {:?} {failed:?}", report.problems);
    }
}

fn deployment(namespace: &str, replicas: Option<u32>) -> Resource {
    let replicas = replicas.map(|replicas| format!(r#""replicas":{replicas},"#)).unwrap_or_default();
    object(&format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"{namespace}"}},
            "spec":{{{replicas}"selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":
            {{"app":"web"}}}},"spec":{{"containers":[{{"name":"web","image":"nginx:1.26"}}]}}}}}}}}"#
    ))
}

fn replicas(object: &Resource) -> Option<i64> {
    object.tree().dig(&["spec", "replicas"])?.as_i64()
}

fn rules(text: &str) -> Rules {
    let (documents, _) = documents(text.as_bytes(), Dialect::default(), &Limits::default());
    Rules::read(documents[0].value.root()).unwrap()
}

/// Whether a manager's entry names a field, as the server writes entries.
fn owns(object: &Resource, manager: &str, field: &str) -> bool {
    let entries = object.tree().dig(&["metadata", "managedFields"]).unwrap().as_list().unwrap();
    entries.iter().any(|entry| {
        entry.get("manager").and_then(|name| name.as_str()) == Some(manager)
            && entry.get("fieldsV1").is_some_and(|fields| fields.to_json().contains(field))
    })
}

/// Rules 14 and 15; observations 1a to 1e.
async fn what_is_left_alone_is_released_first_and_keeps_its_value(world: World) {
    world.namespace("released").await;
    let mut git = Git::new("released");
    git.commit_object(&deployment("released", Some(3)));
    git.synced(&world).await;
    let key = deployment("released", None).key().clone();
    let ours = |live: &Resource| owns(live, "gitops:released", "f:replicas");
    assert!(ours(&world.live(&key).await.unwrap()));

    git.app.rules = rules("ignoreDifferences: [{group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}]");
    git.commit_object(&deployment("released", None));
    git.synced(&world).await;
    let live = world.live(&key).await.unwrap();
    assert_eq!((replicas(&live), ours(&live)), (Some(3), false), "a rule never scales anything");

    let scaled = Write::apply(&deployment("released", Some(5)), "somebody", Force::Yes);
    world.cluster.write(&scaled).await.unwrap();
    git.synced(&world).await;
    assert_eq!(replicas(&world.live(&key).await.unwrap()), Some(5));
}

/// Rule 17; observations 9c and 2g.
async fn a_field_that_leaves_git_is_removed_or_reset_to_its_default(world: World) {
    world.namespace("reset").await;
    let git = Git::new("reset");
    let labelled = deployment("reset", Some(3)).edit(|draft| draft.entry("metadata").entry("labels").set("tier", "x"));
    git.commit_object(&labelled.unwrap());
    git.synced(&world).await;
    git.commit_object(&deployment("reset", None));
    git.synced(&world).await;
    let live = world.live(deployment("reset", None).key()).await.unwrap();
    assert_eq!((replicas(&live), live.label("tier")), (Some(1), None));
}

/// Rule 20 (c).
async fn another_applier_is_refused_and_named_and_nothing_is_written(world: World) {
    world.namespace("refused").await;
    let theirs = config_map("refused", "shared", "theirs");
    world.apply(&theirs, "team-b").await;
    let before = world.live(theirs.key()).await;
    let git = Git::new("refused");
    git.commit_object(&config_map("refused", "shared", "ours"));
    let report = git.sync(&world).await;
    let results = &report.receipt.as_ref().unwrap().results;
    assert!(results.iter().any(|result| result.message.contains("team-b")), "{results:?}");
    assert_eq!(world.live(theirs.key()).await, before);
}

/// Rules 20 (a) and 21.
async fn what_an_update_wrote_is_taken_over(world: World) {
    world.namespace("taken").await;
    let git = Git::new("taken");
    let map = config_map("taken", "map", "1");
    git.commit_object(&map);
    git.synced(&world).await;
    let by_hand = PatchStep::Set(FieldPath::fields(&["data", "a"]), Value::from("by hand"));
    world.cluster.write(&Write::patch(map.key(), "v1", vec![by_hand], "kubectl-edit")).await.unwrap();
    git.synced(&world).await;
    let live = world.live(map.key()).await.unwrap();
    assert_eq!(live.tree().dig(&["data", "a"]).unwrap().as_str(), Some("1"));
    assert!(owns(&live, "gitops:taken", "f:a") && !owns(&live, "kubectl-edit", "f:a"));
}

/// Rule 20 (b).
async fn an_autoscaler_keeps_what_it_scaled(world: World) {
    world.namespace("scaled").await;
    let git = Git::new("scaled");
    let web = deployment("scaled", Some(2));
    let autoscaler = r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web",
        "namespace":"scaled"},"spec":{"maxReplicas":9,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment",
        "name":"web"},"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization",
        "averageUtilization":80}}}]}}"#;
    git.commit(&[("web.json", Some(&web.expose().to_json())), ("hpa.json", Some(autoscaler))]);
    git.synced(&world).await;
    let scaled = PatchStep::Set(FieldPath::fields(&["spec", "replicas"]), Value::from(7));
    world.cluster.write(&Write::patch(web.key(), "v1", vec![scaled], "kube-controller-manager")).await.unwrap();
    git.synced(&world).await;
    assert_eq!(replicas(&world.live(web.key()).await.unwrap()), Some(7));
}

/// Rule 3; observation 2a.
async fn a_datum_that_leaves_a_secret_written_in_the_clear_is_gone(world: World) {
    world.namespace("secrets").await;
    let git = Git::new("secrets");
    let secret = |data: &str| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"key","namespace":"secrets"}},"stringData":{data}}}"#
        ))
    };
    git.commit_object(&secret(r#"{"a":"1","b":"2"}"#));
    git.synced(&world).await;
    git.commit_object(&secret(r#"{"a":"1"}"#));
    git.synced(&world).await;
    let live = world.live(secret("{}").key()).await.unwrap();
    assert_eq!(live.tree().get("data").unwrap().to_json(), r#"{"a":"MQ=="}"#);
}

/// Rule 22; observation 3b.
async fn a_custom_resource_moves_to_another_version_when_its_own_is_gone(world: World) {
    world.namespace("moved").await;
    let version = |name: &str, stored: bool| {
        format!(
            r#"{{"name":"{name}","served":true,"storage":{stored},"schema":{{"openAPIV3Schema":{{"type":"object",
                "properties":{{"spec":{{"type":"object","properties":{{"size":{{"type":"integer"}}}}}}}}}}}}}}"#
        )
    };
    let crd = |versions: &[String]| {
        format!(
            r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
                "metadata":{{"name":"cogs.moved.example.com"}},"spec":{{"group":"moved.example.com","scope":"Namespaced",
                "names":{{"kind":"Cog","listKind":"CogList","plural":"cogs","singular":"cog"}},"versions":[{}]}}}}"#,
            versions.join(",")
        )
    };
    let cog = |version: &str, size: u32| {
        format!(
            r#"{{"apiVersion":"moved.example.com/{version}","kind":"Cog","metadata":{{"name":"c","namespace":"moved"}},
                "spec":{{"size":{size}}}}}"#
        )
    };
    let git = Git::new("moved");
    let both = crd(&[version("v1", true), version("v1alpha1", false)]);
    git.commit(&[("crd.json", Some(&both)), ("cog.json", Some(&cog("v1alpha1", 1)))]);
    git.synced(&world).await;
    let one = crd(&[version("v1", true)]);
    git.commit(&[("crd.json", Some(&one)), ("cog.json", Some(&cog("v1", 2)))]);
    // The server takes a moment until it serves what the CRD says.
    until("the custom resource is moved", || async {
        (git.sync(&world).await.sync == SyncStatus::Synced).then_some(())
    })
    .await;
    let live = world.live(&ResourceKey::new("moved.example.com", "Cog", "moved", "c")).await.unwrap();
    assert_eq!(live.tree().dig(&["spec", "size"]).unwrap().as_i64(), Some(2));
}

/// Rule 28.
async fn a_pruned_object_is_the_one_that_was_ours_and_no_other(world: World) {
    world.namespace("pruned").await;
    let mut git = Git::new("pruned");
    let kept = config_map("pruned", "kept", "1");
    let (ours, replaced) = (config_map("pruned", "ours", "1"), config_map("pruned", "replaced", "1"));
    let text = |object: &Resource| object.expose().to_json();
    let files = [("kept.json", &kept), ("ours.json", &ours), ("replaced.json", &replaced)];
    for (file, object) in files {
        git.commit(&[(file, Some(&text(object)))]);
    }
    git.synced(&world).await;
    world.delete(replaced.key(), "v1").await;
    world.apply(&config_map("pruned", "replaced", "another"), "somebody").await;
    git.app.policy.prune = Prune::Owned;
    git.app.policy.prune_budget_percent = 100;
    git.commit(&[("ours.json", None), ("replaced.json", None)]);
    git.sync(&world).await;
    assert_eq!(world.live(ours.key()).await, None);
    assert!(world.live(replaced.key()).await.is_some(), "it is somebody else's");
    assert!(world.live(kept.key()).await.is_some());
}

/// Rule 29: 403 is neither presence nor absence.
async fn what_cannot_be_listed_is_not_pruned(world: World) {
    world.namespace("unlisted").await;
    let mut git = Git::new("unlisted");
    let map = config_map("unlisted", "map", "1");
    let service = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"unlisted"},
        "spec":{"ports":[{"port":80}]}}"#;
    git.commit(&[("map.json", Some(&map.expose().to_json())), ("service.json", Some(service))]);
    git.synced(&world).await;
    // Everything but to list ConfigMaps.
    let role = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"no-lists"},"rules":[
        {"apiGroups":["*"],"resources":["services","namespaces"],"verbs":["*"]},
        {"apiGroups":[""],"resources":["configmaps"],"verbs":["get","create","update","patch","delete"]}]}"#;
    let binding = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"no-lists"},
        "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"no-lists"},
        "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"no-lists"}]}"#;
    world.apply(&object(role), "checks").await;
    world.apply(&object(binding), "checks").await;
    git.app.policy.prune = Prune::Owned;
    git.app.policy.prune_budget_percent = 100;
    git.commit(&[("map.json", None)]);
    let limited = world.user("no-lists").await;
    let between = Between::new(&git.source, &limited, &Clock);
    let report = sync(&git.app, between).await.unwrap();
    assert_ne!(report.sync, SyncStatus::Synced, "what is not known is not synced: {:?}", report.resources);
    assert!(world.live(map.key()).await.is_some());
    git.sync(&world).await;
    assert_eq!(world.live(map.key()).await, None, "who may list it prunes it");
}

/// Rule 9.
async fn who_may_only_read_gets_predicted_verdicts(world: World) {
    world.namespace("predicted").await;
    let git = Git::new("predicted");
    let map = config_map("predicted", "map", "1");
    git.commit_object(&map);
    git.synced(&world).await;
    let role = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"reader"},"rules":[
        {"apiGroups":["*"],"resources":["*"],"verbs":["get","list","watch"]}]}"#;
    let binding = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"reader"},
        "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"reader"},
        "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"reader"}]}"#;
    world.apply(&object(role), "checks").await;
    world.apply(&object(binding), "checks").await;
    let reader = world.user("reader").await;
    git.commit_object(&config_map("predicted", "map", "2"));
    let looked = git.look(&reader).await;
    let compared = looked.comparison.get(map.key()).unwrap();
    assert_eq!(compared.evidence, Evidence::Predicted, "{:?}", compared.outcome);
    assert!(!looked.plan.steps.is_empty());
}

/// Rule 12.
async fn an_object_that_is_going_is_waited_for_and_made_again(world: World) {
    world.namespace("going").await;
    let git = Git::new("going");
    let map = config_map("going", "map", "1");
    let held =
        map.edit(|draft| draft.entry("metadata").set("finalizers", vec!["checks.gitops.rs/hold".into()])).unwrap();
    git.commit_object(&map);
    git.synced(&world).await;
    world.apply(&held, "holder").await;
    world.delete(map.key(), "v1").await;
    let going = world.live(map.key()).await.unwrap();
    assert!(going.is_terminating());
    let free = Write::patch(
        map.key(),
        "v1",
        vec![PatchStep::Remove(FieldPath::fields(&["metadata", "finalizers"]))],
        "holder",
    );
    let (report, freed) = tokio::join!(git.sync(&world), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.cluster.write(&free).await
    });
    freed.unwrap();
    if report.sync != SyncStatus::Synced {
        git.synced(&world).await;
    }
    let again = world.live(map.key()).await.unwrap();
    assert!(again.uid() != going.uid() && !again.is_terminating());
}

/// Rule 26: the record holds thousands of objects, in one object of the cluster.
async fn the_ledger_of_many_objects_is_packed_and_read_back(world: World) {
    world.namespace("many").await;
    let git = Git::new("many");
    let texts: Vec<(String, String)> = (0..1_500)
        .map(|at| (format!("m{at}.json"), config_map("many", &format!("m{at}"), "1").expose().to_json()))
        .collect();
    let files: Vec<(&str, Option<&str>)> = texts.iter().map(|(file, text)| (&**file, Some(&**text))).collect();
    git.commit(&files);
    git.synced(&world).await;
    let ledger = world.live(&git.app.ledger_key()).await.unwrap();
    let size = ledger.tree().get("binaryData").map(|packed| packed.to_json().len());
    assert!(size.is_some_and(|size| size < 250_000), "{size:?}");
    let looked = git.look(&world.cluster).await;
    assert_eq!(looked.ledger.inventory.len(), 1_500);
    assert!(looked.plan.steps.is_empty());
}

/// Rule 26 and `record` of docs/decisions: whatever was done, the next one ends it.
async fn a_sync_whose_server_is_killed_is_finished_by_the_next_one(world: World) {
    world.namespace("killed").await;
    let mut git = Git::new("killed");
    let texts: Vec<(String, String)> = (0..400)
        .map(|at| (format!("m{at}.json"), config_map("killed", &format!("m{at}"), "1").expose().to_json()))
        .collect();
    let files: Vec<(&str, Option<&str>)> = texts.iter().map(|(file, text)| (&**file, Some(&**text))).collect();
    git.commit(&files);
    let between = Between::new(&git.source, &world.cluster, &Clock);
    let (report, ()) = tokio::join!(sync(&git.app, between), async {
        let some = config_map("killed", "m20", "1");
        until("some objects are there", || async { world.live(some.key()).await.map(drop) }).await;
        world.kill().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.restart().await;
    });
    if let Ok(report) = report {
        let phase = report.receipt.as_ref().map(|receipt| receipt.phase);
        println!("  the sync that was hit ended as {phase:?}");
        assert_ne!(phase, None);
    }
    git.synced(&world).await;
    // Nothing was taken for somebody else's on the way: all is pruned by default.
    git.app.policy.prune = Prune::Owned;
    git.app.policy.prune_budget_percent = 100;
    let gone: Vec<(&str, Option<&str>)> = texts.iter().skip(1).map(|(file, _)| (&**file, None)).collect();
    git.commit(&gone);
    git.sync(&world).await;
    let left = world.live(config_map("killed", "m399", "1").key()).await;
    assert_eq!(left, None);
    let guard = Guard::same(world.live(config_map("killed", "m0", "1").key()).await.unwrap().uid().unwrap());
    let key = config_map("killed", "m0", "1").key().clone();
    world.cluster.write(&Write::delete(&key, "v1", Propagation::Background).guarded(guard)).await.unwrap();
}
