//! Patches and bodies that no client should send.

use super::*;
use crate::manifest::json_value;
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Builder, Draft, Value};

const CRD: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
    "metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
    "names":{"kind":"Widget","plural":"widgets"},"versions":[{"name":"v1","served":true,"storage":true,
    "schema":{"openAPIV3Schema":{"type":"object","properties":{
    "spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}"#;

fn value(json: &str) -> Value {
    json_value(json.as_bytes(), 1_024).unwrap()
}

fn object(json: &str) -> Resource {
    Resource::new(value(json)).unwrap()
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A server with a ConfigMap, a Widget and a Deployment, each named `a` and held by a finalizer.
fn server() -> ApiServer {
    let mut server = ApiServer::new(1);
    assert_eq!(server.create(&object(CRD), "me", now()).code, 201);
    server.collect(now());
    let metadata = r#""metadata":{"name":"a","namespace":"default","labels":{"l":"1"},"finalizers":["example.com/f"]}"#;
    for json in [
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap",{metadata},"data":{{"x":"1"}}}}"#),
        format!(r#"{{"apiVersion":"example.com/v1","kind":"Widget",{metadata},"spec":{{"x":[]}}}}"#),
        format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment",{metadata},"spec":{{"selector":{{"matchLabels":{{"a":"b"}}}},
            "template":{{"metadata":{{"labels":{{"a":"b"}}}},"spec":{{"containers":[{{"name":"c","image":"i",
            "env":[{{"name":"E","value":"1"}}]}}]}}}}}}}}"#
        ),
    ] {
        let answer = server.create(&object(&json), "me", now());
        assert_eq!(answer.code, 201, "{answer:?}");
    }
    server
}

fn key(kind: &str) -> (ResourceKey, &'static str) {
    let (group, version) = match kind {
        "Widget" => ("example.com", "v1"),
        "Deployment" => ("apps", "v1"),
        _ => ("", "v1"),
    };
    (ResourceKey::new(group, kind, Some("default"), "a"), version)
}

fn act(server: &mut ApiServer, kind: &str, action: Action) -> (u16, String) {
    let (key, version) = key(kind);
    let request = Request::new(server.endpoint(&key, version).unwrap(), action);
    let answer = server.handle(&request, now());
    (answer.code, answer.refusal().map(|status| status.message.to_string()).unwrap_or_default())
}

fn patch(server: &mut ApiServer, kind: &str, patch: Patch) -> (u16, String) {
    act(server, kind, Action::Patch(patch))
}

/// `{"spec":{"x":…}}` (or another field) around maps that nest this deep, however deep that is.
fn nested(fields: &[&str], levels: usize) -> Value {
    let mut builder = Builder::new();
    let names = fields.iter().copied().chain(std::iter::repeat_n("a", levels));
    for name in names {
        builder.start_map();
        builder.key(name);
    }
    builder.int(1);
    (0..fields.len() + levels).for_each(|_| builder.end());
    builder.finish().unwrap()
}

#[test]
fn the_copies_of_a_json_patch_are_limited_to_three_mebibytes_together() {
    let big = "x".repeat(400_000);
    let steps = |copies: usize| {
        let mut text = format!(r#"[{{"op":"add","path":"/spec/big","value":"{big}"}}"#);
        (0..copies).for_each(|at| text += &format!(r#",{{"op":"copy","from":"/spec/big","path":"/spec/c{at}"}}"#));
        (0..copies).for_each(|at| text += &format!(r#",{{"op":"remove","path":"/spec/c{at}"}}"#));
        value(&(text + "]"))
    };
    assert_eq!(patch(&mut server(), "Widget", Patch::Json(steps(7))).0, 200);
    assert_eq!(patch(&mut server(), "Widget", Patch::Json(steps(8))).0, 422);
    // Each copy is larger than the one before.
    let growing = r#",{"op":"copy","from":"/spec","path":"/spec/y"}"#.repeat(100);
    let bomb = value(&format!(r#"[{{"op":"add","path":"/spec/z","value":"{}"}}{growing}]"#, "x".repeat(1000)));
    assert_eq!(patch(&mut server(), "Widget", Patch::Json(bomb)).0, 422);
}

#[test]
fn a_json_patch_has_at_most_ten_thousand_steps() {
    let steps = |count: usize| {
        let step = value(r#"{"op":"test","path":"/kind","value":"Widget"}"#).root().to_draft();
        Draft::List(vec![step; count]).freeze()
    };
    assert_eq!(patch(&mut server(), "Widget", Patch::Json(steps(10_000))).0, 200);
    let (code, message) = patch(&mut server(), "Widget", Patch::Json(steps(10_001)));
    assert_eq!(code, 413);
    assert!(message.ends_with("The allowed maximum operations in a JSON patch is 10000, got 10001"), "{message}");
}

#[test]
fn no_step_of_a_json_patch_makes_a_tree_that_is_too_deep_to_walk() {
    let chain = nested(&[], 300).to_json();
    let add = format!(r#"{{"op":"add","path":"/spec/n","value":{chain}}}"#);
    let down = format!("/spec/n{}", "/a".repeat(299));
    let step = format!(
        r#",{{"op":"move","from":"/spec/n","path":"/spec/m"}},{add},{{"op":"move","from":"/spec/m","path":"{down}"}}"#
    );
    let steps = value(&format!("[{add}{}]", step.repeat(500)));
    assert_eq!(patch(&mut server(), "Widget", Patch::Json(steps)).0, 422);
    // Up and down again is no deeper.
    let level =
        r#",{"op":"move","from":"/spec/n","path":"/spec/m/n"},{"op":"move","from":"/spec/m/n","path":"/spec/n"}"#;
    let steps = value(&format!(r#"[{{"op":"add","path":"/spec/m","value":{{}}}},{add}{}]"#, level.repeat(2_000)));
    assert_eq!(patch(&mut server(), "Widget", Patch::Json(steps)).0, 200);
}

#[test]
fn what_nests_too_deep_is_refused_at_the_door_however_it_comes_and_never_cut() {
    for levels in [200, 505, 700, 100_000] {
        let fits = levels < 512;
        for (kind, fields) in [("Widget", ["spec", "x"]), ("ConfigMap", ["data", "x"])] {
            let deep = nested(&fields, levels);
            let patches = [Patch::Merge(deep.clone()), Patch::Strategic(deep.clone())];
            for patch_body in patches.into_iter().take(if kind == "Widget" { 1 } else { 2 }) {
                let mut server = server();
                let (code, message) = patch(&mut server, kind, patch_body);
                if fits && kind == "Widget" {
                    assert_eq!(code, 200, "{message}");
                    let (key, _) = key(kind);
                    let stored = server.get(&key).unwrap().tree().to_json();
                    assert_eq!(stored.matches(r#"{"a":"#).count(), levels, "nothing is cut");
                } else {
                    assert!(matches!(code, 400 | 422), "{kind} {levels}: {code} {message}");
                }
                assert_eq!(message.contains("512 levels"), !fits, "{message}");
            }
        }
    }
    // What was created can be applied.
    let mut server = server();
    let mut deep = nested(&["spec", "x"], 509).root().to_draft();
    deep.set("apiVersion", "example.com/v1");
    deep.set("kind", "Widget");
    deep.entry("metadata").set("name", "deep");
    deep.entry("metadata").set("namespace", "default");
    let deep = Resource::new(deep.freeze()).unwrap();
    for _ in 0..2 {
        let answer = server.apply(&deep, "me", now());
        assert!(matches!(answer.code, 200 | 201), "{:?}", answer.refusal().map(|status| &status.message));
    }
    let bytes = server.export();
    assert_eq!(ApiServer::import(&bytes).map(|server| server.export()), Ok(bytes));
}

/// Rule: each of these is an error of Go's decoder.
#[test]
fn metadata_of_other_types_is_refused_with_the_field_and_nothing_is_lost() {
    for (metadata, field) in [
        ("5", "`metadata`"),
        (r#"{"name":5}"#, "`metadata.name`"),
        (r#"{"name":"a","labels":5}"#, "`metadata.labels`"),
        (r#"{"name":"a","labels":{"a":5}}"#, "`metadata.labels.a`"),
        (r#"{"name":"a","annotations":[]}"#, "`metadata.annotations`"),
        (r#"{"name":"a","finalizers":[5]}"#, "`metadata.finalizers[0]`"),
        (r#"{"name":"a","ownerReferences":5}"#, "`metadata.ownerReferences`"),
        (r#"{"name":"a","ownerReferences":[{"controller":"x"}]}"#, "`metadata.ownerReferences[0].controller`"),
        (r#"{"name":"a","managedFields":5}"#, "`metadata.managedFields`"),
        (r#"{"name":"a","creationTimestamp":"x"}"#, "`metadata.creationTimestamp`"),
        (r#"{"name":"a","generation":"x"}"#, "`metadata.generation`"),
    ] {
        for kind in ["ConfigMap", "Widget"] {
            let mut server = server();
            let before = server.export();
            let body = value(&format!(r#"{{"metadata":{metadata}}}"#));
            let mut whole = body.root().to_draft();
            whole.set("kind", kind);
            whole.set("apiVersion", if kind == "Widget" { "example.com/v1" } else { "v1" });
            let update = Action::Update(whole.freeze());
            let (code, message) = act(&mut server, kind, update);
            assert!(code == 400 && message.contains(field), "PUT {metadata}: {code} {message}");
            let (code, message) = patch(&mut server, kind, Patch::Merge(body.clone()));
            assert!(code == 422 && message.contains(field), "merge {metadata}: {code} {message}");
            if kind == "ConfigMap" {
                let (code, message) = patch(&mut server, kind, Patch::Strategic(body.clone()));
                assert!(code == 422 && message.contains(field), "strategic {metadata}: {code} {message}");
            }
            let apply = Action::Apply { body: whole.freeze(), force: crate::cluster::Force::No };
            let (key, version) = key(kind);
            let request = Request::new(server.endpoint(&key, version).unwrap(), apply).by("me");
            let answer = server.handle(&request, now());
            assert!(matches!(answer.code, 400 | 500), "apply {metadata}: {answer:?}");
            assert_eq!(server.export(), before, "{metadata}");
        }
    }
    let body = value(r#"{"kind":5,"metadata":{"name":"a"}}"#);
    let (code, message) = act(&mut server(), "ConfigMap", Action::Update(body));
    assert!(code == 400 && message.contains("`kind` must be a string"), "{code} {message}");
}

#[test]
fn a_strategic_patch_with_directives_that_are_none_is_refused() {
    let containers = |item: &str| format!(r#"{{"spec":{{"template":{{"spec":{{"containers":[{item}]}}}}}}}}"#);
    let template = |text: &str| format!(r#"{{"spec":{{"template":{{"spec":{{{text}}}}}}}}}"#);
    for (body, code, says) in [
        (r#"{"metadata":{"$patch":"nonsense"}}"#.to_owned(), 500, "unknown patch type: `nonsense`"),
        (r#"{"metadata":{"$patch":5}}"#.to_owned(), 500, "unknown patch type: a number"),
        (containers(r#"{"$patch":"merge","name":"c"}"#), 500, "unknown patch type: `merge`"),
        (containers(r#"{"$patch":"delete"}"#), 500, "does not contain declared merge key: name"),
        (containers(r#"{"image":"j"}"#), 500, "does not contain declared merge key: name"),
        (template(r#""$setElementOrder/containers":5"#), 500, "expected a []interface {}"),
        (template(r#""$setElementOrder":[]"#), 400, "invalid patch format of setElementOrder list"),
        (r#"{"spec":{"strategy":{"$retainKeys":5}}}"#.to_owned(), 400, "invalid patch format of retainKeys"),
        (
            r#"{"spec":{"strategy":{"$retainKeys":["type"],"rollingUpdate":{}}}}"#.to_owned(),
            400,
            "invalid patch format of retainKeys",
        ),
        (
            r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":5}}"#.to_owned(),
            400,
            "invalid patch format of primitive list",
        ),
    ] {
        let mut server = server();
        let before = server.export();
        let (found, message) = patch(&mut server, "Deployment", Patch::Strategic(value(&body)));
        assert!(found == code && message.contains(says), "{body}: {found} {message}");
        assert_eq!(server.export(), before, "{body}");
    }
}

#[test]
fn a_strategic_patch_of_a_long_list_takes_time_in_step_with_its_length() {
    let env = |value: &str| {
        let entry = |at: usize| format!(r#"{{"name":"E{at}","value":"{value}"}}"#);
        (0..3_000).map(entry).collect::<Vec<_>>().join(",")
    };
    let body = |value: &str| {
        format!(r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"c","env":[{}]}}]}}}}}}}}"#, env(value))
    };
    let mut server = server();
    for text in ["1", "2"] {
        assert_eq!(patch(&mut server, "Deployment", Patch::Strategic(value(&body(text)))).0, 200);
    }
    let (key, _) = key("Deployment");
    let containers = server.get(&key).unwrap().tree().dig(&["spec", "template", "spec", "containers"]).unwrap();
    let first = containers.item(0).and_then(|container| container.get("env")?.item(0)?.get("name")?.as_str());
    assert_eq!(first, Some("E0"));
}

/// Rule: the garbage collector's `attemptToDeleteItem` takes a dependent that waits itself for a circle.
#[test]
fn objects_that_own_each_other_in_a_circle_go_when_one_is_deleted_in_the_foreground() {
    for count in [2_usize, 3, 5] {
        let mut server = ApiServer::new(1);
        let map = |at: usize, owner: Option<&Resource>| {
            let owner = owner.map(|owner| {
                format!(
                    r#","ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"{}","uid":"{}","blockOwnerDeletion":true}}]"#,
                    owner.key().name,
                    owner.uid().unwrap()
                )
            });
            object(&format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m{at}","namespace":"default"{}}}}}"#,
                owner.unwrap_or_default()
            ))
        };
        let key = |at: usize| ResourceKey::new("", "ConfigMap", Some("default"), &format!("m{at}"));
        for at in 0..count {
            let owner = at.checked_sub(1).map(|before| server.get(&key(before)).unwrap().clone());
            assert_eq!(server.create(&map(at, owner.as_ref()), "me", now()).code, 201);
        }
        let last = server.get(&key(count - 1)).unwrap().clone();
        assert_eq!(server.update(&map(0, Some(&last)), "me", now()).code, 200);
        server.collect(now());
        let delete = Action::Delete(DeleteOptions::new(Propagation::Foreground));
        let request = Request::new(server.endpoint(&key(0), "v1").unwrap(), delete);
        server.handle(&request, now());
        server.collect(now());
        let left: Vec<String> = (0..count).filter_map(|at| Some(server.get(&key(at))?.key().to_string())).collect();
        assert!(left.is_empty(), "of {count} there are left {left:?}");
    }
}

#[test]
fn pages_of_a_list_come_in_order_while_objects_come_and_go() {
    let mut server = ApiServer::new(1);
    for namespace in ["a", "a-b", "a.b"] {
        let json = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#);
        if namespace != "a.b" {
            assert_eq!(server.create(&object(&json), "me", now()).code, 201);
        }
    }
    let map = |namespace: &str, at: usize| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m{at}","namespace":"{namespace}"}}}}"#
        ))
    };
    for namespace in ["a", "a-b"] {
        (0..5).for_each(|at| assert_eq!(server.create(&map(namespace, at), "me", now()).code, 201));
    }
    let mut endpoint = server.endpoint(map("a", 0).key(), "v1").unwrap();
    (endpoint.name, endpoint.namespace) = (None, None);
    let mut select = Select { limit: Some(3), ..Select::default() };
    let (mut names, mut left) = (Vec::new(), Vec::new());
    loop {
        let answer = server.handle(&Request::new(endpoint.clone(), Action::List(select.clone())), now());
        let Body::List(list) = answer.body else { panic!("{answer:?}") };
        let name = |item: &Resource| format!("{}/{}", item.key().namespace.as_deref().unwrap(), item.key().name);
        names.extend(list.items.iter().map(name));
        left.extend(list.remaining);
        // A page is of the time of the first.
        server.create(&map("a", 7 + names.len()), "me", now());
        let Some(token) = list.token else { break };
        select.token = Some(token);
    }
    let expected: Vec<String> =
        ["a-b", "a"].iter().flat_map(|namespace| (0..5).map(move |at| format!("{namespace}/m{at}"))).collect();
    assert_eq!(names, expected);
    assert_eq!(left, [7, 4, 1]);
}

#[test]
fn a_state_whose_counters_or_metadata_cannot_be_used_is_damaged() {
    let text = String::from_utf8(server().export()).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    let state = |body: &str| {
        let checksum = crate::value::Digest::of(crate::value::Purpose::Content, body.as_bytes());
        let header = format!(r#"{{"checksum":"{checksum}","format":"gitops.rs/memory-api-server","version":1}}"#);
        format!("{header}\n{body}").into_bytes()
    };
    assert!(ApiServer::import(&state(body)).is_ok());
    let counters = value(body.lines().next().unwrap());
    for name in ["issued", "addresses", "nodePorts", "resourceVersion"] {
        let mut edited = counters.root().to_draft();
        edited.set(name, u64::MAX.to_string());
        let body = body.replacen(&counters.to_json(), &edited.freeze().to_json(), 1);
        let error = ApiServer::import(&state(&body)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("beyond"), "{error}");
    }
    let map = body.lines().find(|line| line.contains(r#""kind":"ConfigMap""#)).unwrap();
    let mut edited = value(map).root().to_draft();
    edited.entry("metadata").set("managedFields", 5);
    let error = ApiServer::import(&state(&body.replace(map, &edited.freeze().to_json()))).unwrap_err().to_string();
    assert!(error.contains("`metadata.managedFields` must be a list"), "{error}");
}
