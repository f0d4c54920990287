//! A controller that reads its applications from the cluster, and replicas of it.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gitops_core::app::{AppSource, Signed};
use gitops_core::cluster::{Cluster, Interest, PatchStep, Write};
use gitops_core::memory::MemorySource;
use gitops_core::path::FieldPath;
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::source::Source;
use gitops_core::time::Timer;
use gitops_core::value::{Value, ValueRef};
use gitops_kube::controller::{ArgoCd, Controller, FINALIZER, GROUP, ON_DELETE, Settings, Sources, Terms};
use tokio::sync::oneshot;

use crate::checks;
use crate::definitions::{of, serve};
use crate::world::{Clock, World, config_map, until};

checks!(
    a_controller_does_what_resources_declare_and_says_so_in_their_status,
    a_resource_that_goes_takes_its_objects_along_only_if_that_is_asked_for,
    a_deletion_that_is_held_up_says_why_and_goes_on_when_that_is_mended,
    another_replica_goes_on_when_the_one_that_leads_is_killed_or_stops,
    a_replica_that_was_frozen_puts_no_old_revision_back,
);

const URL: &str = "https://example.org/shop.git";

/// One repository, whatever is asked for.
#[derive(Clone, Debug)]
struct Repository(Arc<MemorySource>);

impl Sources for Repository {
    fn open(&self, _: &AppSource, _: Option<&Signed>) -> Result<Arc<dyn Source>, Box<dyn Error + Send + Sync>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Source>)
    }
}

impl Repository {
    fn with(namespace: &str, datum: &str) -> Self {
        let repository = Self(Arc::default());
        repository.commit(namespace, datum);
        repository
    }

    fn commit(&self, namespace: &str, datum: &str) {
        let map = config_map(namespace, "web", datum).tree().to_json();
        self.0.commit("Ann <ann@example.org>", Clock.now(), datum, [("web.yaml", Some(&*map))]);
    }
}

/// A replica that runs, until it is killed or told to stop.
struct Replica {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

fn settings(namespace: &str, name: &str) -> Settings {
    let mut engine = gitops_core::engine::Settings::default();
    engine.interval = Duration::from_millis(500);
    let terms = Terms::default().with(Duration::from_secs(4), Duration::from_secs(2), Duration::from_millis(300));
    Settings::new(name).in_namespace(namespace).with_terms(terms).with_engine(engine).with_argo_cd(ArgoCd::Ignored)
}

fn controller(world: &World, repository: &Repository, namespace: &str, name: &str) -> Controller {
    Controller::new(world.cluster.clone(), Arc::new(repository.clone()), settings(namespace, name))
}

impl Replica {
    fn start(controller: Controller) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(controller.run(async move { stopped.await.unwrap_or_default() }));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn shop(namespace: &str, metadata: &serde_json::Value, suspend: bool) -> Resource {
    let spec = serde_json::json!({
        "source": {"repoURL": URL, "targetRevision": "main"},
        "destination": {"namespace": namespace},
        "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
        "suspend": suspend,
    });
    let shop = of("Application", namespace, "shop", &spec);
    let metadata = Value::from_json(metadata.to_string().as_bytes()).unwrap();
    let edited = shop.edit(|draft| {
        for (field, value) in metadata.root().as_map().unwrap() {
            draft.entry("metadata").set(field, value);
        }
    });
    edited.unwrap()
}

fn key(namespace: &str, name: &str) -> ResourceKey {
    ResourceKey::new(GROUP, "Application", namespace, name)
}

fn web(namespace: &str) -> ResourceKey {
    ResourceKey::new("", "ConfigMap", namespace, "web")
}

fn text<'r>(resource: &'r Resource, path: &[&str]) -> Option<&'r str> {
    resource.tree().dig(path).and_then(ValueRef::as_str)
}

/// Status, reason and message of a condition.
fn condition(resource: &Resource, name: &str) -> Option<(String, String, String)> {
    let conditions = resource.tree().dig(&["status", "conditions"])?.as_list()?;
    let one = conditions.iter().find(|one| one.get("type").and_then(ValueRef::as_str) == Some(name))?;
    let text = |field: &str| one.get(field).and_then(ValueRef::as_str).map(str::to_owned);
    Some((text("status")?, text("reason")?, text("message")?))
}

/// Waits until a condition has this status and reason; returns its message.
async fn until_said(world: &World, key: &ResourceKey, name: &str, wanted: (&str, &str)) -> String {
    let look = || async {
        let live = world.live(key).await?;
        let (status, reason, message) = condition(&live, name)?;
        ((&*status, &*reason) == wanted).then_some(message)
    };
    until(&format!("{name} of {key} is {wanted:?}"), look).await
}

/// Waits until the map has this datum; returns the version that it has then.
async fn until_datum(world: &World, namespace: &str, datum: &str) -> String {
    let look = || async {
        let map = world.live(&web(namespace)).await?;
        (text(&map, &["data", "a"]) == Some(datum)).then(|| map.resource_version().unwrap().to_owned())
    };
    until(&format!("the map has {datum}"), look).await
}

async fn until_gone(world: &World, key: &ResourceKey) {
    until(&format!("{key} is gone"), || async { world.live(key).await.is_none().then_some(()) }).await;
}

async fn a_controller_does_what_resources_declare_and_says_so_in_their_status(world: World) {
    let namespace = "controlled";
    serve(&world, namespace).await;
    let repository = Repository::with(namespace, "1");
    let replica = Replica::start(controller(&world, &repository, namespace, "one"));
    world.apply(&shop(namespace, &serde_json::json!({}), false), "checks").await;
    until_datum(&world, namespace, "1").await;
    until_said(&world, &key(namespace, "shop"), "Ready", ("True", "Synced")).await;

    // One that cannot be used says why, and stops nothing else.
    let elsewhere = serde_json::json!({"source": {"repoURL": URL}, "destination": {"name": "far-away"}});
    world.apply(&of("Application", namespace, "elsewhere", &elsewhere), "checks").await;
    let message = until_said(&world, &key(namespace, "elsewhere"), "Accepted", ("False", "HeldBack")).await;
    assert!(message.contains("far-away"), "{message}");
    let nobodys = serde_json::json!({"project": "nobodys", "source": {"repoURL": URL}});
    world.apply(&of("Application", namespace, "nobodys", &nobodys), "checks").await;
    let message = until_said(&world, &key(namespace, "nobodys"), "Accepted", ("False", "Invalid")).await;
    assert!(message.contains("there is no project `nobodys`"), "{message}");
    repository.commit(namespace, "2");
    until_datum(&world, namespace, "2").await;

    // A project that comes is heeded at once.
    let permits = serde_json::json!({"sourceRepos": ["https://example.com/*"]});
    world.apply(&of("Project", namespace, "nobodys", &permits), "checks").await;
    until_said(&world, &ResourceKey::new(GROUP, "Project", namespace, "nobodys"), "Accepted", ("True", "Accepted"))
        .await;
    let refused = || async {
        let live = world.live(&key(namespace, "nobodys")).await?;
        condition(&live, "Accepted").filter(|(_, _, message)| message.contains("project `nobodys`: "))
    };
    until("the project says no", refused).await;

    let live = until("the status is of the second commit", || async {
        let live = world.live(&key(namespace, "shop")).await?;
        let ready = condition(&live, "Ready")?;
        let history = live.tree().dig(&["status", "history"])?.as_list()?.len();
        (ready.0 == "True" && history == 2 && text(&live, &["status", "sync", "status"]) == Some("Synced"))
            .then_some(live)
    });
    let live = live.await;
    assert_eq!(text(&live, &["status", "health", "status"]), Some("Healthy"));
    let generation = |path: &[&str]| live.tree().dig(path).and_then(ValueRef::as_i64);
    assert_eq!(generation(&["status", "observedGeneration"]), generation(&["metadata", "generation"]));
    assert!(text(&live, &["status", "sync", "revision"]).is_some_and(|revision| !revision.is_empty()));

    // Nothing is written while nothing happens.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let later = world.live(&key(namespace, "shop")).await.unwrap();
    assert_eq!(live.resource_version(), later.resource_version(), "{}", later.tree().to_json());

    let mut interest = Interest::in_kinds([GroupKind::new("", "Event")]);
    interest.namespaces = gitops_core::state::Namespaces::Only([Arc::from(namespace)].into());
    let told = || async {
        let seen = world.cluster.observe(&interest).await.ok()?;
        let is_ours = |event: &&Resource| {
            text(event, &["involvedObject", "name"]) == Some("shop")
                && text(event, &["reason"]) == Some("SyncSucceeded")
        };
        seen.live.objects().find(is_ours).map(drop)
    };
    until("an event tells of the sync", told).await;
    replica.stop().await;
}

async fn a_resource_that_goes_takes_its_objects_along_only_if_that_is_asked_for(world: World) {
    let namespace = "ended";
    serve(&world, namespace).await;
    let repository = Repository::with(namespace, "1");
    let replica = Replica::start(controller(&world, &repository, namespace, "one"));
    let finalizer = serde_json::json!([FINALIZER]);
    for (metadata, goes, is_marked) in [
        (serde_json::json!({}), false, true),
        (serde_json::json!({"finalizers": finalizer, "annotations": {ON_DELETE: "orphan"}}), false, false),
        (serde_json::json!({"finalizers": finalizer}), true, false),
    ] {
        world.apply(&shop(namespace, &metadata, false), "checks").await;
        until_datum(&world, namespace, "1").await;
        until_said(&world, &key(namespace, "shop"), "Ready", ("True", "Synced")).await;
        world.delete(&key(namespace, "shop"), "v1alpha1").await;
        until_gone(&world, &key(namespace, "shop")).await;
        // Long enough for whoever would make it, or delete it, after all.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let map = world.live(&web(namespace)).await;
        assert_eq!(map.is_none(), goes, "{metadata}");
        let marked = map.is_some_and(|map| map.annotation("gitops.rs/tracking-id").is_some());
        assert_eq!(marked, is_marked, "{metadata}");
        if !goes {
            // What is there already when an application comes is not its own to delete.
            world.delete(&web(namespace), "v1").await;
        }
    }
    // One that was never synced has nothing to wait for.
    world.apply(&shop(namespace, &serde_json::json!({"finalizers": finalizer}), true), "checks").await;
    world.delete(&key(namespace, "shop"), "v1alpha1").await;
    until_gone(&world, &key(namespace, "shop")).await;
    replica.stop().await;
}

async fn a_deletion_that_is_held_up_says_why_and_goes_on_when_that_is_mended(world: World) {
    let namespace = "held-up";
    serve(&world, namespace).await;
    let repository = Repository::with(namespace, "1");
    let replica = Replica::start(controller(&world, &repository, namespace, "one"));
    let metadata =
        |on_delete: &str| serde_json::json!({"finalizers": [FINALIZER], "annotations": {ON_DELETE: on_delete}});
    world.apply(&shop(namespace, &metadata("delte"), false), "checks").await;
    until_datum(&world, namespace, "1").await;
    world.delete(&key(namespace, "shop"), "v1alpha1").await;
    let message = until_said(&world, &key(namespace, "shop"), "Deleting", ("True", "Deleting")).await;
    assert!(message.contains("`delte`"), "{message}");
    assert!(world.live(&web(namespace)).await.is_some());
    let path = FieldPath::fields(&["metadata", "annotations", ON_DELETE]);
    let mended = PatchStep::Set(path, Value::from_serialize(&"delete").unwrap());
    world.try_write(&Write::patch(&key(namespace, "shop"), "v1alpha1", vec![mended], "checks")).await.unwrap();
    until_gone(&world, &key(namespace, "shop")).await;
    assert!(world.live(&web(namespace)).await.is_none());
    replica.stop().await;
}

async fn another_replica_goes_on_when_the_one_that_leads_is_killed_or_stops(world: World) {
    let namespace = "replicas";
    serve(&world, namespace).await;
    let repository = Repository::with(namespace, "1");
    world.apply(&shop(namespace, &serde_json::json!({}), false), "checks").await;
    let killed = Replica::start(controller(&world, &repository, namespace, "killed"));
    until_datum(&world, namespace, "1").await;
    let second = Replica::start(controller(&world, &repository, namespace, "second"));
    killed.task.abort();
    repository.commit(namespace, "2");
    until_datum(&world, namespace, "2").await;
    let third = Replica::start(controller(&world, &repository, namespace, "third"));
    second.stop().await;
    let lease = ResourceKey::new("coordination.k8s.io", "Lease", namespace, "gitops-controller");
    let begin = std::time::Instant::now();
    until("the lease is taken over", || async {
        let lease = world.live(&lease).await?;
        (text(&lease, &["spec", "holderIdentity"]) == Some("third")).then_some(())
    })
    .await;
    assert!(begin.elapsed() < Duration::from_secs(3), "it was given back, and not waited for");
    repository.commit(namespace, "3");
    until_datum(&world, namespace, "3").await;
    third.stop().await;
}

async fn a_replica_that_was_frozen_puts_no_old_revision_back(world: World) {
    let namespace = "frozen";
    serve(&world, namespace).await;
    let repository = Repository::with(namespace, "1");
    world.apply(&shop(namespace, &serde_json::json!({}), false), "checks").await;
    // All of it on one thread, which can be held.
    let (hold, held) = oneshot::channel::<Duration>();
    let (stop, stopped) = oneshot::channel::<()>();
    let first = controller(&world, &repository, namespace, "first");
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            tokio::spawn(async move { thread::sleep(held.await.unwrap()) });
            first.run(async move { stopped.await.unwrap_or_default() }).await;
        });
    });
    until_datum(&world, namespace, "1").await;
    until_said(&world, &key(namespace, "shop"), "Ready", ("True", "Synced")).await;
    let second = Replica::start(controller(&world, &repository, namespace, "second"));
    // In the middle of what is about to happen.
    let by_hand = PatchStep::Set(FieldPath::fields(&["data", "a"]), Value::from_serialize(&"by hand").unwrap());
    world.try_write(&Write::patch(&web(namespace), "v1", vec![by_hand], "kubectl-edit")).await.unwrap();
    hold.send(Duration::from_secs(12)).unwrap();
    repository.commit(namespace, "2");
    let version = until_datum(&world, namespace, "2").await;
    // The first one wakes, with what it knew before.
    tokio::time::sleep(Duration::from_secs(14)).await;
    let map = world.live(&web(namespace)).await.unwrap();
    assert_eq!(text(&map, &["data", "a"]), Some("2"));
    assert_eq!(map.resource_version(), Some(&*version), "{}", map.tree().to_json());
    second.stop().await;
    // And it goes on where the other one stopped.
    repository.commit(namespace, "3");
    until_datum(&world, namespace, "3").await;
    stop.send(()).unwrap();
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
}
