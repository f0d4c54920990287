//! What single kinds demand and are given.

use super::{ApiServer, Response};
use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::Value;

fn value(json: &str) -> Value {
    Value::from_json(json.as_bytes()).unwrap()
}

fn object(json: &str) -> Resource {
    Resource::new(value(json)).unwrap()
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn service(name: &str, spec: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"default"}},"spec":{{{spec}}}}}"#
    ))
}

fn refusal(answer: &Response) -> String {
    answer.refusal().map(|status| status.message.to_string()).unwrap_or_default()
}

#[test]
fn no_two_services_have_an_address_or_a_node_port_in_common() {
    let balanced = r#""type":"LoadBalancer","externalTrafficPolicy":"Local","ports":[{"port":80}]"#;
    let node = |port: u16| format!(r#""type":"NodePort","ports":[{{"port":80,"nodePort":{port}}}]"#);
    let mut server = ApiServer::new(1);
    for (name, spec, code, expected) in [
        ("explicit", node(30_001), 201, ""),
        ("given", r#""type":"NodePort","ports":[{"port":80}]"#.to_owned(), 201, "30002"),
        ("same", node(30_002), 422, "spec.ports[0].nodePort: Invalid value: 30002: provided port is already allocated"),
        ("address", r#""clusterIP":"10.96.200.4","ports":[{"port":80}]"#.to_owned(), 201, "10.96.200.4"),
        (
            "address2",
            r#""clusterIP":"10.96.200.4","ports":[{"port":80}]"#.to_owned(),
            422,
            "spec.clusterIPs: Invalid value: [\"10.96.200.4\"]: failed to allocate IP 10.96.200.4: provided IP is \
             already allocated",
        ),
        ("next", r#""ports":[{"port":80}]"#.to_owned(), 201, "10.96.200.3"),
        ("after", r#""ports":[{"port":80}]"#.to_owned(), 201, "10.96.200.5"),
        (
            "health",
            format!(r#"{balanced},"healthCheckNodePort":30001"#),
            500,
            "failed to allocate requested HealthCheck NodePort 30001: provided port is already allocated",
        ),
        ("balanced", balanced.to_owned(), 201, "30004"),
    ] {
        let answer = server.create(&service(name, &spec), "me", now());
        let shown = answer.as_object().map(|object| object.value().to_json()).unwrap_or_default();
        assert_eq!(answer.code, code, "{name}: {answer:?}");
        assert!(format!("{}{shown}", refusal(&answer)).contains(expected), "{name}: {} {shown}", refusal(&answer));
    }
    let again = server.apply(&service("explicit", &node(30_001)), "me", now());
    assert_eq!(again.code, 200, "its own port stays its own: {again:?}");
}
