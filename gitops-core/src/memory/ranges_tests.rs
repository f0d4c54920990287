//! Node ports: from their range, and each given out once.

use super::tests::{now, object};
use super::{Action, ApiServer, DeleteOptions, Request};

fn service(name: &str, ports: &str) -> crate::resource::Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"default"}},
            "spec":{{"type":"NodePort","ports":[{ports}]}}}}"#
    ))
}

#[test]
fn a_node_port_is_given_out_once_and_only_from_the_range() {
    for (port, refusal) in [
        (29_999, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
        (30_000, ""),
        (30_080, "provided port is already allocated"),
        (32_767, ""),
        (32_768, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
        // None is asked for; one is allocated.
        (0, ""),
    ] {
        let mut server = ApiServer::new(1);
        server.create(&service("first", r#"{"port":80,"nodePort":30080}"#), "me", now());
        let ports = format!(r#"{{"name":"a","port":80}},{{"name":"b","port":81,"nodePort":{port}}}"#);
        let answer = server.create(&service("second", &ports), "me", now());
        let message = answer.refusal().map(|status| status.message.to_string()).unwrap_or_default();
        match refusal {
            "" => assert_eq!(answer.code, 201, "{port}: {message}"),
            why => {
                assert_eq!(answer.code, 422, "{port}");
                assert!(
                    message.ends_with(&format!("spec.ports[1].nodePort: Invalid value: {port}: {why}")),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn a_service_keeps_its_own_node_port_and_a_deleted_one_gives_it_back() {
    let mut server = ApiServer::new(1);
    let first = service("first", r#"{"port":80,"nodePort":30080}"#);
    assert_eq!(server.apply(&first, "me", now()).code, 201);
    assert_eq!(server.apply(&service("first", r#"{"port":81,"nodePort":30080}"#), "me", now()).code, 200);
    let second = service("second", r#"{"port":80,"nodePort":30080}"#);
    assert_eq!(server.apply(&second, "me", now()).code, 422);
    let endpoint = server.endpoint(first.key(), "v1").unwrap();
    let deletion = Action::Delete(DeleteOptions::default());
    assert_eq!(server.handle(&Request::new(endpoint, deletion), now()).code, 200);
    assert_eq!(server.apply(&second, "me", now()).code, 201);
}
