//! What a CustomResourceDefinition must be.

use super::*;
use crate::resource::{GroupKind, Resource};
use crate::time::Timestamp;
use crate::value::{Draft, Value};

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn version(name: &str, rest: &str) -> String {
    format!(r#"{{"name":"{name}","served":true,{rest},"schema":{{"openAPIV3Schema":{{"type":"object"}}}}}}"#)
}

fn crd(name: &str, group: &str, versions: &[String]) -> Resource {
    let json = format!(
        r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{{"name":"{name}"}},
        "spec":{{"group":"{group}","scope":"Namespaced","names":{{"kind":"Widget","plural":"widgets"}},
        "versions":[{}]}}}}"#,
        versions.join(",")
    );
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

const STORED: &str = r#""storage":true"#;
const NOT_STORED: &str = r#""storage":false"#;

#[test]
fn a_definition_that_could_not_be_served_is_refused_with_the_field() {
    let one = [version("v1", STORED)];
    for (name, group, versions, says) in [
        ("widgets.example.com", "example.com", vec![], "spec.versions: Invalid value: []: must have exactly one"),
        (
            "widgets.example.com",
            "example.com",
            vec![version("v1", STORED), version("v2", STORED)],
            "must have exactly one version marked as storage version",
        ),
        ("widgets.example.com", "example.com", vec![version("v1", NOT_STORED)], "must have exactly one version marked"),
        (
            "widgets.example.com",
            "example.com",
            vec![version("v1", STORED), version("v1", NOT_STORED)],
            "must contain unique version names",
        ),
        ("widgets.example.com", "example.com", vec![version("V1", STORED)], "spec.versions[0].name: Invalid value"),
        ("gadgets.example.com", "example.com", one.to_vec(), "must be spec.names.plural+\".\"+spec.group"),
        ("widgets.", "", one.to_vec(), "spec.group: Required value"),
        ("widgets.example", "example", one.to_vec(), "should be a domain with at least one dot"),
    ] {
        let mut server = ApiServer::new(1);
        let answer = server.create(&crd(name, group, &versions), "me", now());
        let message = answer.refusal().map(|status| status.message.to_string()).unwrap_or_default();
        assert!(answer.code == 422 && message.contains(says), "{says}: {} {message}", answer.code);
    }
}

#[test]
fn a_schema_that_is_not_structural_is_refused_with_its_place() {
    for (schema, says) in [
        (r##"{"$ref":"#/definitions/x","type":"object"}"##, "properties[spec].$ref: Forbidden: $ref is not supported"),
        (r#"{"type":"nonsense"}"#, "properties[spec].type: Unsupported value: \"nonsense\""),
        (r#"{"type":"null"}"#, "properties[spec].type: Forbidden"),
        (r#"{}"#, "properties[spec].type: Required value: must not be empty for specified object fields"),
        (r#"{"type":"array"}"#, "properties[spec].items: Required value: must be specified"),
        (r#"{"type":"array","items":{}}"#, "properties[spec].items.type: Required value"),
        (
            r#"{"type":"array","x-kubernetes-list-type":"map","items":{"type":"object"}}"#,
            "x-kubernetes-list-map-keys: Required value",
        ),
        (
            r#"{"type":"array","x-kubernetes-list-type":"nonsense","items":{"type":"object"}}"#,
            "x-kubernetes-list-type: Unsupported value: \"nonsense\"",
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"string"}}"#,
            "mutual exclusive",
        ),
    ] {
        let version = format!(
            r#"{{"name":"v1","served":true,"storage":true,"schema":{{"openAPIV3Schema":{{"type":"object","properties":{{
            "spec":{schema}}}}}}}}}"#
        );
        let mut server = ApiServer::new(1);
        let answer = server.create(&crd("widgets.example.com", "example.com", &[version]), "me", now());
        let message = answer.refusal().map(|status| status.message.to_string()).unwrap_or_default();
        assert!(answer.code == 422 && message.contains(says), "{schema}: {} {message}", answer.code);
    }
}

fn stored(server: &ApiServer, crd: &Resource) -> String {
    server.get(crd.key()).unwrap().tree().dig(&["status", "storedVersions"]).unwrap().to_json()
}

#[test]
fn a_version_that_objects_may_be_kept_in_cannot_go() {
    let mut server = ApiServer::new(1);
    let first = crd("widgets.example.com", "example.com", &[version("v1", STORED)]);
    assert_eq!(server.create(&first, "me", now()).code, 201);
    server.collect(now());
    let with = |versions: &[String], server: &ApiServer| {
        let spec = crd("widgets.example.com", "example.com", versions);
        let live = server.get(first.key()).unwrap();
        live.edit(|draft| draft.set("spec", Draft::from(spec.tree().get("spec").unwrap()))).unwrap()
    };
    let swapped = with(&[version("v2", STORED)], &server);
    let answer = server.update(&swapped, "me", now());
    let message = &answer.refusal().unwrap().message;
    assert!(message.contains("missing from spec.versions; v1 was previously a storage version"), "{message}");
    let both = with(&[version("v1", NOT_STORED), version("v2", STORED)], &server);
    assert_eq!(server.update(&both, "me", now()).code, 200);
    assert_eq!(stored(&server, &first), r#"["v1","v2"]"#);
}

#[test]
fn a_server_that_was_exported_and_imported_serves_the_same_kinds() {
    let mut server = ApiServer::new(1);
    let first = crd("widgets.example.com", "example.com", &[version("v1", STORED)]);
    assert_eq!(server.create(&first, "me", now()).code, 201);
    server.collect(now());
    let kinds = |server: &ApiServer| -> Vec<(GroupKind, Vec<String>)> {
        let versions = |kind: &crate::model::ServedKind| kind.versions.iter().map(ToString::to_string).collect();
        server.model().kinds().map(|kind| (GroupKind::clone(&kind.group_kind), versions(kind))).collect()
    };
    assert_eq!(kinds(&ApiServer::import(&server.export()).unwrap()), kinds(&server));
    // A definition may serve no version at all.
    let live = server.get(first.key()).unwrap().clone();
    let unserved = live.edit(|draft| {
        if let Some(Draft::Map(version)) =
            draft.entry("spec").entry("versions").as_list_mut().and_then(|of| of.first_mut())
        {
            version.insert("served".into(), false.into());
        }
    });
    assert_eq!(server.update(&unserved.unwrap(), "me", now()).code, 200);
    assert!(!kinds(&server).iter().any(|(kind, _)| &*kind.kind == "Widget"));
    assert_eq!(kinds(&ApiServer::import(&server.export()).unwrap()), kinds(&server));
}

#[test]
fn a_custom_resource_takes_finalizers_that_the_core_would_not() {
    let mut server = ApiServer::new(1);
    assert_eq!(
        server.create(&crd("widgets.example.com", "example.com", &[version("v1", STORED)]), "me", now()).code,
        201
    );
    server.collect(now());
    for (api_version, kind, code) in [("example.com/v1", "Widget", 201), ("v1", "ConfigMap", 422)] {
        let json = format!(
            r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"w","namespace":"default",
            "finalizers":["resources-finalizer.example.com"]}}}}"#
        );
        let object = Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap();
        assert_eq!(server.apply(&object, "me", now()).code, code, "{kind}");
    }
}
