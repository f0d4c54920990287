//! What is large or goes in circles is answered all the same.

use super::{ApiServer, Outcome};
use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::Value;

fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn owned(name: &str, owner: &str, uid: &str) -> Resource {
    let owner = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","name":"{owner}","uid":"{uid}"}}"#);
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default","ownerReferences":[{owner}]}}}}"#
    ))
}

#[test]
fn owners_may_form_a_loop_or_a_long_chain() {
    let mut server = ApiServer::new(1);
    let uid = |server: &ApiServer, object: &Resource| server.get(object.key()).unwrap().uid().unwrap().to_owned();
    let first = owned("c0", "none", "none");
    server.create(&first, "me", Timestamp::EPOCH);
    let mut last = uid(&server, &first);
    for at in 1..300 {
        let next = owned(&format!("c{at}"), &format!("c{}", at - 1), &last);
        assert_eq!(server.create(&next, "me", Timestamp::EPOCH).code, 201);
        last = uid(&server, &next);
    }
    assert_eq!(server.update(&owned("c0", "c299", &last), "me", Timestamp::EPOCH).code, 200);
    server.script(first.key(), Outcome::Fail);
    server.settle(Timestamp::EPOCH);
    assert!(server.get(first.key()).is_some());
}

#[test]
fn a_refusal_of_a_large_list_names_a_thousand_faults_at_most() {
    let crd = object(
        r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
        "spec":{"group":"example.com","scope":"Namespaced","names":{"kind":"Widget","plural":"widgets"},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{
            "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
            "map":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
                "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"size":{"type":"integer"}}}}}}}}]}}"#,
    );
    let widget = |size: u8, last: &str| {
        let texts = (0..2_000).map(|at| format!("\"{at}\"")).collect::<Vec<_>>().join(",");
        let items = (0..2_000).map(|at| format!(r#"{{"name":"{at}","size":{size}}}"#)).collect::<Vec<_>>().join(",");
        object(&format!(
            r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"w","namespace":"default"}},
            "set":[{texts}{last}],"map":[{items}]}}"#
        ))
    };
    let mut server = ApiServer::new(1);
    let answer = server.create(&crd, "me", Timestamp::EPOCH);
    assert_eq!(answer.code, 201, "{:?}", answer.refusal());
    server.collect(Timestamp::EPOCH);
    let twice = format!("{},\"7\"", ",\"6\"".repeat(1_500));
    for (about, size, last, code) in [("new", 1, "", 201), ("changed", 2, "", 200), ("many twins", 2, &*twice, 422)] {
        let answer = match code {
            201 => server.create(&widget(size, last), "me", Timestamp::EPOCH),
            _ => {
                let version = server.version().to_string();
                let widget = widget(size, last);
                let widget = widget.edit(|draft| draft.entry("metadata").set("resourceVersion", version)).unwrap();
                server.update(&widget, "me", Timestamp::EPOCH)
            }
        };
        assert_eq!(answer.code, code, "{about}");
        let faults = answer.refusal().map_or(0, |status| status.causes.len());
        assert_eq!(faults, if code == 422 { 1_000 } else { 0 }, "{about}");
    }
}
