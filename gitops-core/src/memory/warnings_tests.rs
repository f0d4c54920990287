use super::*;
use crate::resource::{Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::Value;

fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn service(name: &str, label: &str, addresses: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"default","labels":{{"a":"{label}"}}}},
            "spec":{{"ports":[{{"port":80}}],"externalIPs":{addresses}}}}}"#
    ))
}

fn deployment(label: &str, image: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d","namespace":"default","labels":{{"l":"{label}"}}}},
            "spec":{{"selector":{{"matchLabels":{{"a":"b"}}}},"template":{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{{
                "topologySpreadConstraints":[{{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule"}}],
                "containers":[{{"name":"c","image":"{image}"}}]}}}}}}}}"#
    ))
}

fn said(answer: &Response) -> Vec<&str> {
    answer.warnings.iter().map(|text| &**text).collect()
}

const EXTERNAL: &str = "spec.externalIPs is deprecated and may no longer be implemented in some clusters";

#[test]
fn a_service_is_warned_of_at_every_write() {
    let mut server = ApiServer::new(1);
    let mut apply = |service: &Resource| server.apply(service, "me", Timestamp::EPOCH);
    assert_eq!(said(&apply(&service("web", "1", "[]"))), [""; 0]);
    for label in ["1", "2", "2"] {
        assert_eq!(said(&apply(&service("web", label, r#"["1.2.3.4"]"#))), [EXTERNAL]);
    }
}

#[test]
fn a_pod_template_is_warned_of_when_what_is_wanted_changes() {
    let mut server = ApiServer::new(1);
    let mut apply = |deployment: &Resource| {
        let answer = server.apply(deployment, "me", Timestamp::EPOCH);
        said(&answer).iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()
    };
    let constraint = "spec.template.spec.topologySpreadConstraints[0]";
    let told = [format!("{constraint}.labelSelector: a null labelSelector results in matching no pod")];
    assert_eq!(apply(&deployment("1", "i:1")), told);
    assert_eq!(apply(&deployment("2", "i:1")), [""; 0]);
    assert_eq!(apply(&deployment("2", "i:2")), told);
}

#[test]
fn warnings_are_given_beside_a_refusal_too() {
    let mut server = ApiServer::new(1);
    let web = service("web", "1", r#"["1.2.3.4"]"#);
    assert_eq!(server.create(&web, "me", Timestamp::EPOCH).code, 201);
    let again = server.create(&web, "me", Timestamp::EPOCH);
    assert_eq!((again.code, said(&again)), (409, vec![EXTERNAL]));
}

#[test]
fn a_deleted_collection_is_told_as_it_was_before() {
    let mut server = ApiServer::new(1);
    let held = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default","finalizers":["x.org/a"]}}"#;
    server.create(&object(held), "me", Timestamp::EPOCH);
    let key = ResourceKey::new("", "ConfigMap", Some("default"), "a");
    let mut all = server.endpoint(&key, "v1").unwrap();
    all.name = None;
    let before = server.get(&key).cloned().unwrap();
    let delete = Action::DeleteCollection(Select::default(), DeleteOptions::default());
    let Body::List(list) = server.handle(&Request::new(all, delete), Timestamp::EPOCH).body else { panic!("a list") };
    assert_eq!(list.items, [before]);
    assert!(server.get(&key).unwrap().is_terminating());
}

#[test]
fn a_namespace_is_furnished_by_the_controllers_that_always_run() {
    let mut server = ApiServer::new(1);
    let account = ResourceKey::new("", "ServiceAccount", Some("shop"), "default");
    let namespace = object(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#);
    server.create(&namespace, "me", Timestamp::EPOCH);
    assert!(server.get(&account).is_none());
    server.collect(Timestamp::EPOCH);
    assert!(server.get(&account).is_some());
}
