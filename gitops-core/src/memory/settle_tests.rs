use std::time::Duration;

use super::{ApiServer, Outcome};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Value, ValueRef};

fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn workload(kind: &str, image: &str, annotations: &str) -> Resource {
    let (group, spec) = match kind {
        "Job" => ("batch", ""),
        "DaemonSet" => ("apps", r#""selector":{"matchLabels":{"app":"web"}},"#),
        _ => ("apps", r#""replicas":2,"selector":{"matchLabels":{"app":"web"}},"#),
    };
    let restart = if kind == "Job" { "Never" } else { "Always" };
    object(&format!(
        r#"{{"apiVersion":"{group}/v1","kind":"{kind}","metadata":{{"name":"web","namespace":"default","annotations":{{{annotations}}}}},
        "spec":{{{spec}"template":{{"metadata":{{"labels":{{"app":"web"}}}},
        "spec":{{"restartPolicy":"{restart}","containers":[{{"name":"web","image":"{image}"}}]}}}}}}}}"#
    ))
}

fn number(object: &Resource, path: &[&str]) -> i64 {
    object.tree().dig(path).and_then(ValueRef::as_i64).unwrap_or(0)
}

fn conditions(object: &Resource) -> String {
    let list = object.tree().dig(&["status", "conditions"]).and_then(ValueRef::as_list).into_iter().flatten();
    let text =
        |condition: ValueRef<'_>, field: &str| condition.get(field).and_then(ValueRef::as_str).unwrap_or("").to_owned();
    list.map(|condition| format!("{}={}", text(condition, "type"), text(condition, "status")))
        .collect::<Vec<_>>()
        .join(" ")
}

fn kinds(server: &ApiServer, kind: &GroupKind) -> usize {
    server.of_kind(kind).len()
}

fn settled(objects: &[Resource]) -> ApiServer {
    let mut server = ApiServer::new(1);
    for object in objects {
        let answer = server.apply(object, "me", now());
        assert_eq!(answer.code, 201, "{answer:?}");
    }
    server.settle(now());
    server
}

#[test]
fn a_deployment_gets_a_replica_set_and_pods_and_turns_available() {
    let web = workload("Deployment", "web:1", "");
    let mut server = settled(std::slice::from_ref(&web));
    let live = server.get(web.key()).unwrap();
    assert_eq!(conditions(live), "Available=True Progressing=True");
    assert_eq!(number(live, &["status", "readyReplicas"]), 2);
    assert_eq!(number(live, &["status", "observedGeneration"]), number(live, &["metadata", "generation"]));
    assert_eq!(kinds(&server, &GroupKind::new("", "Pod")), 2);

    server.apply(&workload("Deployment", "web:2", ""), "me", now());
    server.settle(now());
    assert_eq!(kinds(&server, &GroupKind::new("apps", "ReplicaSet")), 2, "the old one stays, empty");
    assert_eq!(kinds(&server, &GroupKind::new("", "Pod")), 2);
    assert_eq!(conditions(server.get(web.key()).unwrap()), "Available=True Progressing=True");
}

#[test]
fn settling_again_changes_nothing() {
    let service = object(
        r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}"#,
    );
    let claim = object(
        r#"{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"default"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#,
    );
    let ingress = object(
        r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web","namespace":"default"},"spec":{"defaultBackend":{"service":{"name":"web","port":{"number":80}}}}}"#,
    );
    let mut all: Vec<Resource> =
        ["Deployment", "StatefulSet", "DaemonSet", "Job"].map(|kind| workload(kind, "web:1", "")).into();
    all.extend([service, claim, ingress]);
    let mut server = settled(&all);
    let bytes = server.export();
    server.settle(now());
    server.settle(now() + Duration::from_secs(3600));
    assert_eq!(server.export(), bytes);
    let mut back = ApiServer::import(&bytes).unwrap();
    back.settle(now());
    assert_eq!(back.export(), bytes, "also after import");
}

#[test]
fn a_job_ends_as_its_annotation_or_the_script_says() {
    for (about, annotations, script, expected) in [
        ("default", "", None, "SuccessCriteriaMet=True Complete=True"),
        ("annotated", r#""memory.gitops.rs/outcome":"fail""#, None, "FailureTarget=True Failed=True"),
        ("scripted", "", Some(Outcome::Fail), "FailureTarget=True Failed=True"),
        ("never", r#""memory.gitops.rs/outcome":"never""#, None, ""),
        (
            "script wins",
            r#""memory.gitops.rs/outcome":"never""#,
            Some(Outcome::Succeed),
            "SuccessCriteriaMet=True Complete=True",
        ),
    ] {
        let job = workload("Job", "job:1", annotations);
        let mut server = ApiServer::new(1);
        if let Some(outcome) = script {
            server.script(job.key(), outcome);
        }
        server.apply(&job, "me", now());
        server.settle(now());
        assert_eq!(conditions(server.get(job.key()).unwrap()), expected, "{about}");
    }
}

#[test]
fn what_takes_time_is_done_when_time_has_come() {
    let web = workload("Deployment", "web:1", r#""memory.gitops.rs/after-seconds":"30""#);
    let mut server = settled(std::slice::from_ref(&web));
    let ready = |server: &ApiServer| number(server.get(web.key()).unwrap(), &["status", "readyReplicas"]);
    assert_eq!(ready(&server), 0);
    server.settle(now() + Duration::from_secs(29));
    assert_eq!(ready(&server), 0);
    server.settle(now() + Duration::from_secs(30));
    assert_eq!(ready(&server), 2);
}

#[test]
fn a_deployment_that_never_starts_misses_its_deadline() {
    let web = workload("Deployment", "web:1", r#""memory.gitops.rs/outcome":"never""#);
    let mut server = settled(std::slice::from_ref(&web));
    assert_eq!(conditions(server.get(web.key()).unwrap()), "Available=False Progressing=True");
    server.settle(now() + Duration::from_secs(600));
    assert_eq!(conditions(server.get(web.key()).unwrap()), "Available=False Progressing=False");
    server.script(web.key(), Outcome::Succeed);
    server.settle(now() + Duration::from_secs(601));
    assert_eq!(conditions(server.get(web.key()).unwrap()), "Available=True Progressing=True");
}

#[test]
fn the_pods_of_a_deployment_go_with_it() {
    let web = workload("Deployment", "web:1", "");
    let mut server = settled(std::slice::from_ref(&web));
    let endpoint = server.endpoint(web.key(), "v1").unwrap();
    let options = super::DeleteOptions::new(crate::resource::Propagation::Foreground);
    server.handle(&super::Request::new(endpoint, super::Action::Delete(options)), now());
    server.settle(now());
    let is_its = |key: &&ResourceKey| matches!(key.kind(), "Deployment" | "ReplicaSet" | "Pod");
    let left: Vec<&ResourceKey> = server.objects().map(Resource::key).filter(is_its).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn claims_are_bound_and_load_balancers_get_an_address() {
    let set = object(
        r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db","namespace":"default"},"spec":{"serviceName":"db",
        "selector":{"matchLabels":{"app":"db"}},"template":{"metadata":{"labels":{"app":"db"}},"spec":{"containers":[{"name":"db","image":"db:1"}]}},
        "volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}]}}"#,
    );
    let service = object(
        r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}"#,
    );
    let server = settled(&[set, service.clone()]);
    let claim = server.get(&ResourceKey::new("", "PersistentVolumeClaim", "default", "data-db-0")).unwrap();
    assert_eq!(claim.tree().dig(&["status", "phase"]).and_then(ValueRef::as_str), Some("Bound"));
    let service = server.get(service.key()).unwrap();
    let address =
        service.tree().dig(&["status", "loadBalancer", "ingress"]).and_then(|list| list.item(0)?.get("ip")?.as_str());
    assert_eq!(address, Some("192.0.2.1"));
}

#[test]
fn a_workload_that_wants_more_pods_than_memory_holds_gets_some_that_stand_for_all() {
    for kind in ["Deployment", "StatefulSet", "Job"] {
        let many = workload(kind, "web:1", "").edit(|draft| {
            let field = if kind == "Job" { "completions" } else { "replicas" };
            draft.entry("spec").set(field, 2_000_000_000);
        });
        let many = many.unwrap();
        let server = settled(std::slice::from_ref(&many));
        assert_eq!(kinds(&server, &GroupKind::new("", "Pod")), 500, "{kind}");
        let live = server.get(many.key()).unwrap();
        let count = if kind == "Job" { "succeeded" } else { "readyReplicas" };
        assert_eq!(number(live, &["status", count]), 2_000_000_000, "{kind}");
    }
}
