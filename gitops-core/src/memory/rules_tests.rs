//! What single kinds demand and are given.

use super::{Action, ApiServer, Body, HttpRequest, Request, Response};
use crate::resource::{Propagation, Resource, ResourceKey};
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

#[test]
fn a_deletion_whose_options_cannot_be_read_deletes_nothing() {
    let mut server = ApiServer::new(1);
    server.create(&service("web", r#""ports":[{"port":80}]"#), "me", now());
    let path = "/api/v1/namespaces/default/services/web";
    for body in [
        "5",
        "[]",
        "\"x\"",
        r#"{"kind":"Pod"}"#,
        r#"{"gracePeriodSeconds":"many"}"#,
        r#"{"preconditions":5}"#,
        r#"{"preconditions":{"uid":5}}"#,
        r#"{"preconditions":{"resourceVersion":7}}"#,
        r#"{"dryRun":"All"}"#,
        r#"{"dryRun":[5]}"#,
        r#"{"orphanDependents":"no"}"#,
        r#"{"propagationPolicy":1}"#,
    ] {
        let mut http = HttpRequest::new("DELETE", path);
        http.body = body.as_bytes();
        assert_eq!(server.read_request(&http).map_err(|status| status.code), Err(400), "{body}");
    }
    let http = HttpRequest::new("DELETE", path).with("gracePeriodSeconds", "many");
    assert_eq!(server.read_request(&http).map_err(|status| status.code), Err(400));
    for no in ["0", "false", "False"] {
        let http = HttpRequest::new("DELETE", path).with("orphanDependents", no);
        let Ok(Action::Delete(options)) = server.read_request(&http).map(|request| request.action) else { panic!() };
        assert_eq!(options.propagation, Some(Propagation::Background), "{no}");
    }
}

#[test]
fn a_watch_of_one_object_keeps_the_clients_own_selector() {
    let http = HttpRequest::new("GET", "/api/v1/watch/namespaces/default/services/web")
        .with("fieldSelector", "spec.type=ClusterIP");
    let Action::Watch(watch) = ApiServer::new(1).read_request(&http).unwrap().action else { panic!() };
    assert_eq!(watch.select.fields.as_deref(), Some("metadata.name=web,spec.type=ClusterIP"));
}

fn selected(server: &mut ApiServer, path: &str, selector: &str) -> usize {
    let request = server.read_request(&HttpRequest::new("GET", path).with("fieldSelector", selector)).unwrap();
    match server.handle(&request, now()).body {
        Body::List(list) => list.items.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_field_that_is_not_there_is_selected_by_the_zero_of_its_type() {
    let mut server = ApiServer::new(1);
    let of = |api: &str, kind: &str, rest: &str| {
        let metadata = r#""metadata":{"name":"a","namespace":"default"}"#;
        object(&format!(r#"{{"apiVersion":"{api}","kind":"{kind}",{metadata},{rest}}}"#))
    };
    let pod = r#""restartPolicy":"Never","containers":[{"name":"a","image":"a"}]"#;
    for object in [
        of("v1", "Pod", &format!(r#""spec":{{{pod}}}"#)),
        of("batch/v1", "Job", &format!(r#""spec":{{"template":{{"spec":{{{pod}}}}}}}"#)),
        of("v1", "Event", r#""involvedObject":{"namespace":"default"},"source":{"component":"kubelet"}"#),
        object(r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}"#),
    ] {
        assert_eq!(server.create(&object, "me", now()).code, 201, "{}", object.key());
    }
    for (path, selector, count) in [
        ("/api/v1/pods", "spec.hostNetwork=false", 1),
        ("/api/v1/pods", "spec.hostNetwork=true", 0),
        ("/api/v1/pods", "spec.nodeName=", 1),
        ("/api/v1/nodes", "spec.unschedulable=false", 1),
        ("/api/v1/nodes", "spec.unschedulable!=true", 1),
        ("/apis/batch/v1/jobs", "status.successful=0", 1),
        ("/api/v1/events", "source=kubelet", 1),
    ] {
        assert_eq!(selected(&mut server, path, selector), count, "{path} {selector}");
    }
}

#[test]
fn only_a_bound_claim_can_be_resized() {
    let claim = |size: &str| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{{"name":"a","namespace":"default"}},
            "spec":{{"accessModes":["ReadWriteOnce"],"resources":{{"requests":{{"storage":"{size}"}}}}}}}}"#
        ))
    };
    let mut server = ApiServer::new(1);
    server.apply(&claim("1Gi"), "me", now());
    assert_eq!(server.apply(&claim("2Gi"), "me", now()).code, 422);
    server.settle(now());
    assert_eq!(server.apply(&claim("2Gi"), "me", now()).code, 200);
}

#[test]
fn a_pod_is_bound_once_it_is_the_one_meant_and_no_gate_is_closed() {
    let mut server = ApiServer::new(1);
    for (name, gates) in [("open", ""), ("closed", r#""schedulingGates":[{"name":"example.com/wait"}],"#)] {
        let pod = object(&format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"default"}},
            "spec":{{{gates}"containers":[{{"name":"a","image":"a"}}]}}}}"#
        ));
        assert_eq!(server.create(&pod, "me", now()).code, 201);
    }
    for (name, metadata, code, expected) in [
        ("closed", "", 409, "has non-empty .spec.schedulingGates"),
        ("open", r#""uid":"other""#, 409, "UID in precondition: other"),
        ("open", r#""resourceVersion":"1""#, 409, "ResourceVersion in precondition: 1"),
        ("open", "", 201, ""),
        ("open", "", 409, "already assigned"),
    ] {
        let pod = ResourceKey::new("", "Pod", "default", name);
        let endpoint = server.endpoint(&pod, "v1").unwrap().under("binding");
        let body = value(&format!(r#"{{"metadata":{{{metadata}}},"target":{{"kind":"Node","name":"n"}}}}"#));
        let answer = server.handle(&Request::new(endpoint, Action::Create(body)), now());
        assert_eq!(answer.code, code, "{name} {metadata}: {answer:?}");
        assert!(refusal(&answer).contains(expected), "{name} {metadata}: {answer:?}");
    }
}

#[test]
fn the_pods_of_every_kind_that_makes_some_are_checked() {
    let mut server = ApiServer::new(1);
    let pod = |rest: &str| format!(r#""restartPolicy":"Always","containers":[{rest}]"#);
    let twice = pod(r#"{"name":"a","image":"a"},{"name":"a","image":"a"}"#);
    let much = pod(
        r#"{"name":"a","image":"a","resources":{"requests":{"cpu":"1500m","memory":"1Gi"},"limits":{"cpu":"1","memory":"1Gi"}}}"#,
    );
    let labels = r#""metadata":{"labels":{"a":"b"}}"#;
    let template = |pod: &str| format!(r#""template":{{{labels},"spec":{{{pod}}}}}"#);
    for (api, kind) in [("v1", "PodTemplate"), ("v1", "ReplicationController"), ("apps/v1", "ReplicaSet")] {
        let spec = |pod: &str| match kind {
            "PodTemplate" => template(pod),
            "ReplicationController" => format!(r#""spec":{{"selector":{{"a":"b"}},{}}}"#, template(pod)),
            _ => format!(r#""spec":{{"selector":{{"matchLabels":{{"a":"b"}}}},{}}}"#, template(pod)),
        };
        for (pod, expected) in [
            (&twice, "containers[1].name: Duplicate value: \"a\""),
            (
                &much,
                "containers[0].resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu limit of 1",
            ),
        ] {
            let metadata = r#""metadata":{"name":"a","namespace":"default"}"#;
            let all = object(&format!(r#"{{"apiVersion":"{api}","kind":"{kind}",{metadata},{}}}"#, spec(pod)));
            let answer = server.create(&all, "me", now());
            assert!(answer.code == 422 && refusal(&answer).ends_with(expected), "{kind}: {}", refusal(&answer));
        }
    }
}
