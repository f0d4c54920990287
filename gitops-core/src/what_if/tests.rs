use super::*;
use crate::memory::AFTER_ANNOTATION;
use crate::policy::{Prune, SyncPolicy};
use crate::state::Owner;
use crate::sync::{Phase, StepOutcome};
use crate::value::Value;

const NOON: &str = "2026-03-01T12:00:00Z";

fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn config(name: &str, value: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default"}},"data":{{"key":"{value}"}}}}"#
    ))
}

fn app() -> App {
    let policy = SyncPolicy::default().with_prune(Prune::Owned);
    App::new(Owner::new("", "shop").unwrap(), "main").with_policy(policy)
}

fn desired(objects: &[Resource], server: &ApiServer) -> DesiredState {
    DesiredState::from_resources(objects, server.model(), Some("default"))
}

fn run(server: &ApiServer, objects: &[Resource], trouble: &[Trouble]) -> WhatIf {
    what_if(&app(), &desired(objects, server), server.clone(), trouble, NOON.parse().unwrap()).unwrap()
}

/// A server after a sync of these.
fn synced(objects: &[Resource]) -> ApiServer {
    let time = VirtualTime::starting(NOON.parse().unwrap());
    let cluster = MemoryCluster::new(1, time.clone());
    let desired = cluster.with_server(|server| desired(objects, server));
    ready(crate::reconcile::sync_desired(&app(), desired, &cluster, &time)).unwrap().unwrap();
    cluster.with_server(|server| server.clone())
}

#[test]
fn the_end_is_shown_object_by_object_and_the_cluster_stays_as_it_was() {
    let server = synced(&[config("gone", "1"), config("kept", "1"), config("other", "1")]);
    let before = server.export();
    let came = run(&server, &[config("kept", "2"), config("new", "1"), config("other", "1")], &[]);
    assert_eq!(came.receipt.as_ref().map(|receipt| receipt.phase), Some(Phase::Succeeded), "{:?}", came.receipt);
    let changes: Vec<_> = came
        .changes
        .iter()
        .map(|change| (&*change.key.name, change.sides.live.root().is_null(), change.sides.after.root().is_null()))
        .collect();
    assert_eq!(changes, [("gone", false, true), ("kept", false, false), ("new", true, false)]);
    assert_eq!(came.after.as_ref().map(|report| report.sync), Some(crate::reconcile::SyncStatus::Synced));
    assert_eq!(came.receipt.map(|receipt| receipt.plan), Some(came.plan.digest()));
    assert!(!came.progress.is_empty());
    assert_eq!(server.export(), before);
}

#[test]
fn a_failure_on_purpose_fails_its_object_and_the_others_go_on() {
    let server = ApiServer::new(1);
    let (one, two) = (config("one", "1"), config("two", "1"));
    let denied = Trouble::with(one.key(), Failure::Denied { message: "quota".into() });
    let came = run(&server, &[one.clone(), two.clone()], &[denied]);
    let receipt = came.receipt.unwrap();
    assert_eq!((receipt.phase, &*receipt.message), (Phase::Failed, "ConfigMap default/one: not allowed: quota"));
    assert_eq!(came.changes.iter().map(|change| &*change.key.name).collect::<Vec<_>>(), ["two"]);
    // A lost answer is no failure.
    let lost = Trouble::with(one.key(), Failure::InDoubt { message: "reset".into() }).only(1).after();
    let receipt = run(&server, &[one, two], &[lost]).receipt.unwrap();
    assert_eq!(receipt.phase, Phase::Succeeded);
    assert!(receipt.results.iter().all(|result| result.outcome == StepOutcome::Created), "{receipt:?}");
}

#[test]
fn a_snapshot_of_live_objects_is_taken_as_it_is_and_what_is_no_object_is_refused() {
    let server = synced(&[config("kept", "1")]);
    let live: Vec<Resource> = server.objects().cloned().collect();
    let copy = ApiServer::holding(1, live.clone()).unwrap();
    assert_eq!(copy.objects().collect::<Vec<_>>(), server.objects().collect::<Vec<_>>());
    let came = run(&copy, &[config("kept", "1")], &[]);
    assert!(came.receipt.is_none(), "it is in sync: {:?}", came.plan);
    // Objects without uid and namespace, as somebody wrote them down.
    let alone = ApiServer::holding(1, [config("kept", "1")]).unwrap();
    assert!(alone.objects().any(|object| object.uid().is_some() && &*object.key().name == "kept"));
    let broken = object(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","managedFields":7}}"#);
    assert!(ApiServer::holding(1, [broken]).is_err());
}

#[test]
fn of_a_secret_only_that_it_differs_is_shown() {
    let secret = |value: &str| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"s","namespace":"default"}},"data":{{"a":"{value}","b":"c2FtZQ=="}}}}"#
        ))
    };
    let server = synced(&[secret("aHVudGVyMQ==")]);
    let came = run(&server, &[secret("aHVudGVyMg==")], &[]);
    let json = serde_json::to_string(&came).unwrap();
    assert!(!json.contains("aHVudGVy") && !json.contains("c2FtZQ"), "{json}");
    assert_eq!(came.changes.len(), 1);
}

#[test]
fn hours_of_waiting_pass_at_once() {
    let job = object(&format!(
        r#"{{"apiVersion":"batch/v1","kind":"Job","metadata":{{"name":"slow","namespace":"default","annotations":{{"argocd.argoproj.io/hook":"PreSync","{AFTER_ANNOTATION}":"1200"}}}},
        "spec":{{"template":{{"spec":{{"restartPolicy":"Never","containers":[{{"name":"run","image":"busybox"}}]}}}}}}}}"#
    ));
    let came = run(&ApiServer::new(1), &[job, config("a", "1")], &[]);
    let receipt = came.receipt.unwrap();
    assert_eq!(receipt.phase, Phase::Succeeded, "{receipt:?}");
    assert!(receipt.finished.since(receipt.started).as_secs() >= 1200);
    assert!(came.changes.iter().any(|change| change.owned), "the Pod of the Job is a consequence");
}

#[test]
fn nothing_is_deleted_for_a_revision_that_is_older_than_what_was_synced() {
    let server = synced(&[config("gone", "1"), config("kept", "1")]);
    let mut app = app();
    app.request.newer = Some(crate::source::RevisionId::new("newer"));
    let kept = desired(&[config("kept", "2")], &server);
    let came = what_if(&app, &kept, server, &[], NOON.parse().unwrap()).unwrap();
    let changes: Vec<_> = came.changes.iter().map(|change| &*change.key.name).collect();
    assert_eq!(changes, ["kept"], "{}", came.plan);
}

#[test]
fn a_stored_plan_does_on_the_copy_what_it_says_and_nothing_else() {
    let server = synced(&[config("gone", "1"), config("kept", "1")]);
    let copy = MemoryCluster::over(server.clone(), VirtualTime::starting(NOON.parse().unwrap()));
    let looked = ready(look(&app(), desired(&[config("kept", "2"), config("new", "1")], &server), &copy));
    let looked = looked.unwrap().unwrap();
    let stored: Plan = serde_json::from_str(&serde_json::to_string(&*looked.plan).unwrap()).unwrap();
    assert_eq!(stored.digest(), looked.plan.digest());
    let mut machine = looked.machine(&app(), NOON.parse().unwrap()).unwrap();
    let came = rehearse(&mut machine, server, &[], NOON.parse().unwrap()).unwrap();
    assert_eq!(came.plan.digest(), stored.digest());
    let changes: Vec<_> = came.changes.iter().map(|change| &*change.key.name).collect();
    assert_eq!(changes, ["gone", "kept", "new"]);
}
