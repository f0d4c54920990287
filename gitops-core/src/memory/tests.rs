use super::*;
use crate::cluster::{Cluster, Failure, Force, Guard, Interest, Mode, Write, WriteOutcome};
use crate::manifest::{Dialect, Limits, parse};
use crate::resource::{GroupKind, Propagation, Resource, ResourceKey};
use crate::state::Live;
use crate::time::{Timer, Timestamp};
use crate::value::{Value, ValueRef};

pub(super) fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn config_map(namespace: &str, name: &str, value: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"{namespace}"}},"data":{{"a":"{value}"}}}}"#
    ))
}

fn owned_by(owner: &Resource, name: &str, blocks: bool) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"default","ownerReferences":[
            {{"apiVersion":"v1","kind":"ConfigMap","name":"{}","uid":"{}","blockOwnerDeletion":{blocks}}}]}}}}"#,
        owner.key().name,
        owner.uid().unwrap(),
    ))
}

pub(super) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn deletion(server: &ApiServer, key: &ResourceKey, options: DeleteOptions) -> Request {
    Request::new(server.endpoint(key, "v1").unwrap(), Action::Delete(options))
}

fn number(object: &Resource, path: &[&str]) -> Option<i64> {
    object.tree().dig(path).and_then(ValueRef::as_i64)
}

#[test]
fn an_apply_creates_then_changes_and_the_same_again_writes_nothing() {
    let mut server = ApiServer::new(1);
    assert_eq!(server.apply(&config_map("default", "web", "1"), "me", now()).code, 201);
    let created = server.version();
    assert_eq!(server.apply(&config_map("default", "web", "1"), "me", now()).code, 200);
    assert_eq!(server.version(), created, "nothing changed, nothing written");
    assert_eq!(server.apply(&config_map("default", "web", "2"), "me", now()).code, 200);
    assert_eq!(server.version(), created + 1);
    // What is empty is not stored, and so no difference, whenever it is applied again.
    let empty =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"e","namespace":"default","labels":{}},"data":{}}"#;
    server.apply(&object(empty), "me", now());
    let created = server.version();
    server.apply(&object(empty), "me", now() + std::time::Duration::from_secs(60));
    assert_eq!(server.version(), created);
}

#[test]
fn equal_seeds_and_requests_give_equal_bytes_and_the_bytes_give_the_server_back() {
    let build = |seed| {
        let mut server = ApiServer::new(seed);
        server.apply(&config_map("default", "web", "1"), "me", now());
        server
    };
    assert_eq!(build(1).export(), build(1).export());
    assert_ne!(build(1).export(), build(2).export());
    let bytes = build(1).export();
    let mut back = ApiServer::import(&bytes).unwrap();
    assert_eq!(back.export(), bytes);
    assert_eq!(back.apply(&config_map("default", "web", "1"), "me", now()).code, 200);
    assert_eq!(back.export(), bytes);
}

#[test]
fn bytes_that_are_no_whole_state_are_refused_with_what_to_do() {
    let bytes = ApiServer::new(1).export();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    for (about, bytes, expected) in [
        ("nothing", Vec::new(), "no cluster state"),
        ("something else", b"hello\n".to_vec(), "no cluster state"),
        ("another JSON", b"{}\n".to_vec(), "no cluster state"),
        ("cut off", bytes[..bytes.len() - 9].to_vec(), "damaged"),
        ("cut off in the first line", bytes[..40].to_vec(), "no cluster state"),
        ("changed", text.replace("kube-public", "kube-secret").into_bytes(), "damaged"),
        ("newer", newer.into_bytes(), "format version 2"),
    ] {
        let error = ApiServer::import(&bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{about}: {error}");
    }
}

#[test]
fn what_can_be_stored_can_be_read_again_however_deep_it_nests() {
    let deep = |levels: usize| {
        let data = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let text = format!(
            r#"{{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{{"name":"deep","namespace":"default"}},"revision":1,"data":{data}}}"#
        );
        let limits = Limits { depth: usize::MAX, ..Limits::default() };
        let parsed = parse(&"deep.json".into(), text.as_bytes(), Dialect::Kubectl, &limits);
        parsed.resources.into_iter().next().unwrap().0
    };
    for (levels, code) in [(100, 201), (200, 201), (511, 201), (1_100, 400)] {
        let mut server = ApiServer::new(1);
        let answer = server.create(&deep(levels), "me", now());
        assert_eq!(answer.code, code, "{levels}: {answer:?}");
        let bytes = server.export();
        assert_eq!(ApiServer::import(&bytes).map(|server| server.export()), Ok(bytes), "{levels}");
    }
}

#[test]
fn an_apply_with_several_faults_is_refused_in_the_words_of_the_server() {
    let mut server = ApiServer::new(1);
    let wrong = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"},"x":1,"y":2}"#;
    let answer = server.apply(&object(wrong), "me", now());
    let message = &answer.refusal().unwrap().message;
    let expected = ".x: field not declared in schema; .y: field not declared in schema";
    assert!(message.ends_with(expected), "{message}");
    let twice = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","namespace":"default"},"spec":{"ports":[
        {"port":80,"protocol":"TCP"},{"port":80,"protocol":"TCP"}]}}"#;
    let answer = server.apply(&object(twice), "me", now());
    let expected = r#".spec.ports: duplicate entries for key [port=80,protocol="TCP"]"#;
    assert!(answer.refusal().unwrap().message.ends_with(expected), "{answer:?}");
}

#[test]
fn a_dry_run_answers_as_if_and_changes_nothing() {
    let mut server = ApiServer::new(1);
    server.create(&config_map("default", "web", "1"), "me", now());
    let before = server.export();
    let key = config_map("default", "web", "2").key().clone();
    for action in [
        Action::Apply { body: config_map("default", "web", "2").value().clone(), force: Force::Yes },
        Action::Update(config_map("default", "web", "2").value().clone()),
        Action::Patch(Patch::Merge(Value::from_json(br#"{"data":{"a":"2"}}"#).unwrap())),
        Action::Delete(DeleteOptions::new(Propagation::Foreground)),
    ] {
        let request = Request::new(server.endpoint(&key, "v1").unwrap(), action).by("me").in_mode(Mode::DryRun);
        let answer = server.handle(&request, now());
        assert_eq!(answer.code, 200, "{answer:?}");
        assert_eq!(server.export(), before, "{request:?}");
    }
}

#[test]
fn only_a_change_of_what_is_wanted_counts_as_a_generation() {
    let deployment = |replicas: u8, label: &str| {
        object(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"default","labels":{{"l":"{label}"}}}},
            "spec":{{"replicas":{replicas},"selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":{{"app":"web"}}}},
            "spec":{{"containers":[{{"name":"web","image":"web:1"}}]}}}}}}}}"#
        ))
    };
    let mut server = ApiServer::new(1);
    for (about, object, generation) in
        [("created", deployment(1, "a"), 1), ("label", deployment(1, "b"), 1), ("replicas", deployment(2, "b"), 2)]
    {
        let answer = server.apply(&object, "me", now());
        assert_eq!(number(answer.as_object().unwrap(), &["metadata", "generation"]), Some(generation), "{about}");
    }
    let live =
        server.get(deployment(1, "").key()).unwrap().edit(|draft| draft.entry("status").set("replicas", 2)).unwrap();
    let answer = server.update_status(&live, "controller", now());
    assert_eq!(number(answer.as_object().unwrap(), &["metadata", "generation"]), Some(2), "status");
}

#[test]
fn another_managers_value_is_a_conflict_that_names_field_and_manager() {
    let mut server = ApiServer::new(1);
    server.apply(&config_map("default", "web", "1"), "one", now());
    let answer = server.apply(&config_map("default", "web", "2"), "two", now());
    assert_eq!(answer.code, 409);
    assert_eq!(&*answer.refusal().unwrap().message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
}

#[test]
fn what_must_be_there_or_must_not_is_refused_by_its_own_reason() {
    let mut server = ApiServer::new(1);
    let missing = config_map("nowhere", "web", "1");
    let widget =
        object(r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"default"}}"#);
    let live = config_map("default", "web", "1");
    server.create(&live, "me", now());
    let stale = live.edit(|draft| draft.entry("metadata").set("resourceVersion", "1")).unwrap();
    for (about, answer, code, reason) in [
        ("namespace", server.apply(&missing, "me", now()), 404, Reason::NotFound),
        ("kind", server.apply(&widget, "me", now()), 404, Reason::NoPage),
        ("exists", server.create(&live, "me", now()), 409, Reason::AlreadyExists),
        ("create-only", server.apply(&stale, "me", now()), 409, Reason::Conflict),
        ("stale", server.update(&stale, "me", now()), 409, Reason::Conflict),
        ("missing", server.update(&config_map("default", "x", "1"), "me", now()), 404, Reason::NotFound),
        ("name", server.create(&config_map("default", "Web", "1"), "me", now()), 422, Reason::Invalid),
        ("manager", server.apply(&live, "", now()), 422, Reason::Invalid),
    ] {
        assert_eq!((answer.code, answer.refusal().map(|status| status.reason)), (code, Some(reason)), "{about}");
    }
}

#[test]
fn dependents_go_with_their_owner_or_stay_as_was_asked() {
    for (propagation, blocks, left) in [
        (Propagation::Background, false, vec![]),
        (Propagation::Foreground, true, vec![]),
        (Propagation::Orphan, true, vec!["child"]),
    ] {
        let mut server = ApiServer::new(1);
        server.create(&config_map("default", "owner", "1"), "me", now());
        let owner = server.get(config_map("default", "owner", "").key()).unwrap().clone();
        server.create(&owned_by(&owner, "child", blocks), "me", now());
        let request = deletion(&server, owner.key(), DeleteOptions::new(propagation));
        assert_eq!(server.handle(&request, now()).code, 200);
        server.collect(now());
        let names: Vec<String> = server
            .of_kind(&GroupKind::new("", "ConfigMap"))
            .iter()
            .map(|object| object.key().name.to_string())
            // What every namespace has.
            .filter(|name| name != "kube-root-ca.crt")
            .collect();
        assert_eq!(names, left, "{propagation:?}");
    }
}

#[test]
fn an_owner_deleted_in_the_foreground_waits_for_a_dependent_that_is_held() {
    let mut server = ApiServer::new(1);
    server.create(&config_map("default", "owner", "1"), "me", now());
    let owner = server.get(config_map("default", "owner", "").key()).unwrap().clone();
    let held = owned_by(&owner, "child", true)
        .edit(|draft| draft.entry("metadata").set("finalizers", vec!["example.com/hold".into()]))
        .unwrap();
    server.create(&held, "me", now());
    let request = deletion(&server, owner.key(), DeleteOptions::new(Propagation::Foreground));
    server.handle(&request, now());
    server.collect(now());
    assert!(server.get(owner.key()).unwrap().is_terminating());
    let free =
        server.get(held.key()).unwrap().edit(|draft| drop(draft.entry("metadata").remove("finalizers"))).unwrap();
    server.update(&free, "me", now());
    server.collect(now());
    assert_eq!((server.get(held.key()), server.get(owner.key())), (None, None));
}

#[test]
fn a_namespace_takes_its_content_with_it_and_takes_nothing_new_meanwhile() {
    let mut server = ApiServer::new(1);
    let namespace = object(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#);
    server.create(&namespace, "me", now());
    let held = config_map("shop", "held", "1")
        .edit(|draft| draft.entry("metadata").set("finalizers", vec!["example.com/hold".into()]))
        .unwrap();
    server.create(&held, "me", now());
    server.create(&config_map("shop", "free", "1"), "me", now());
    let request = deletion(&server, namespace.key(), DeleteOptions::default());
    assert_eq!(server.handle(&request, now()).code, 200);
    let answer = server.apply(&config_map("shop", "late", "1"), "me", now());
    let status = answer.refusal().unwrap();
    assert_eq!((status.code, status.causes[0].0), (403, CauseReason::NamespaceTerminating));
    server.collect(now());
    assert!(server.get(namespace.key()).is_some() && server.get(config_map("shop", "free", "").key()).is_none());
    let free =
        server.get(held.key()).unwrap().edit(|draft| drop(draft.entry("metadata").remove("finalizers"))).unwrap();
    server.update(&free, "me", now());
    server.collect(now());
    assert!(server.get(namespace.key()).is_none());
}

#[test]
fn a_crd_serves_its_kind_once_established_and_takes_its_objects_with_it() {
    let crd = object(
        r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
        "spec":{"group":"example.com","scope":"Namespaced","names":{"kind":"Widget","plural":"widgets"},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":
        {"spec":{"type":"object","properties":{"size":{"type":"integer","default":3}}}}}}}]}}"#,
    );
    let widget = object(
        r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"default"},"spec":{}}"#,
    );
    let mut server = ApiServer::new(1);
    assert_eq!(server.create(&crd, "me", now()).code, 201);
    assert_eq!(server.create(&widget, "me", now()).code, 404, "not established yet");
    server.collect(now());
    let answer = server.create(&widget, "me", now());
    assert_eq!(number(answer.as_object().unwrap(), &["spec", "size"]), Some(3), "the default of its schema");
    let request = deletion(&server, crd.key(), DeleteOptions::default());
    server.handle(&request, now());
    server.collect(now());
    assert_eq!((server.get(widget.key()), server.get(crd.key())), (None, None));
    assert_eq!(server.create(&widget, "me", now()).code, 404);
}

#[test]
fn a_deletion_with_the_wrong_uid_or_version_changes_nothing() {
    let mut server = ApiServer::new(1);
    server.create(&config_map("default", "web", "1"), "me", now());
    let live = server.get(config_map("default", "web", "").key()).unwrap().clone();
    for options in [DeleteOptions::default().only_uid("other"), DeleteOptions::default().only_version("1")] {
        let request = deletion(&server, live.key(), options);
        assert_eq!(server.handle(&request, now()).code, 409);
        assert_eq!(server.get(live.key()), Some(&live));
    }
    let right = DeleteOptions::default().only_uid(live.uid().unwrap()).only_version(live.resource_version().unwrap());
    let request = deletion(&server, live.key(), right);
    assert_eq!(server.handle(&request, now()).code, 200);
    assert_eq!(server.get(live.key()), None);
}

#[test]
fn fields_that_cannot_change_are_refused_by_name() {
    let mut server = ApiServer::new(1);
    let secret = |value: &str| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"s","namespace":"default"}},"immutable":true,"stringData":{{"a":"{value}"}}}}"#
        ))
    };
    server.create(&secret("1"), "me", now());
    assert_eq!(server.update(&secret("1"), "me", now()).code, 200);
    let answer = server.update(&secret("2"), "me", now());
    let expected = "Secret \"s\" is invalid: data: Forbidden: field is immutable when `immutable` is set";
    assert_eq!(&*answer.refusal().unwrap().message, expected);
}

#[test]
fn a_watch_replays_what_changed_and_says_when_it_comes_too_late() {
    let mut server = ApiServer::new(1);
    let map = config_map("default", "web", "1");
    let start = server.version();
    server.create(&map, "me", now());
    server.apply(&config_map("default", "web", "1"), "you", now());
    let request = deletion(&server, map.key(), DeleteOptions::default());
    server.handle(&request, now());
    let mut endpoint = server.endpoint(map.key(), "v1").unwrap();
    endpoint.name = None;
    let watch = |after: u64| Watch { after: Some(after.to_string().into()), ..Watch::default() };
    let answer = server.handle(&Request::new(endpoint.clone(), Action::Watch(watch(start))), now());
    let Body::Events(events) = answer.body else { panic!("events") };
    assert!(
        matches!(events.events.as_slice(), [Event::Added(_), Event::Modified(_), Event::Deleted(last)]
            if last.resource_version() == Some(&server.version().to_string())),
        "{:?}",
        events.events
    );
    server.forget_history();
    let answer = server.handle(&Request::new(endpoint, Action::Watch(watch(start))), now());
    let Body::Events(events) = answer.body else { panic!("events") };
    assert!(matches!(events.events.as_slice(), [Event::Error(status)] if status.code == 410), "{:?}", events.events);
}

#[test]
fn a_cluster_tells_absent_from_not_served() {
    let cluster = MemoryCluster::new(1, VirtualTime::default());
    let map = config_map("default", "web", "1");
    let widget = ResourceKey::new("example.com", "Widget", "default", "w");
    let interest = Interest::in_kinds([GroupKind::new("", "ConfigMap")]).and_objects([widget.clone()]);
    let seen = ready(cluster.observe(&interest)).unwrap().unwrap();
    assert!(matches!(seen.live.get(map.key()), Live::Absent));
    assert!(matches!(seen.live.get(&widget), Live::NotServed));
    let written = ready(cluster.write(&Write::apply(&map, "me", Force::No))).unwrap().unwrap();
    assert_eq!(written.outcome, WriteOutcome::Created);
    let seen = ready(cluster.observe(&interest)).unwrap().unwrap();
    assert!(matches!(seen.live.get(map.key()), Live::Present(live) if Some(live) == written.object.as_ref()));
}

#[test]
fn a_guard_that_does_not_match_changes_nothing() {
    let cluster = MemoryCluster::new(1, VirtualTime::default());
    let map = config_map("default", "web", "1");
    let write = |guard: Guard, value: &str| {
        let write = Write::apply(&config_map("default", "web", value), "me", Force::Yes).guarded(guard);
        ready(cluster.write(&write)).unwrap().map(|written| written.outcome).map_err(|error| error.failure)
    };
    assert_eq!(write(Guard::same("other"), "1"), Err(Failure::NotFound));
    assert_eq!(write(Guard::Absent, "1"), Ok(WriteOutcome::Created));
    assert_eq!(write(Guard::Absent, "2"), Err(Failure::AlreadyExists));
    assert_eq!(write(Guard::same("other"), "2"), Err(Failure::Stale));
    let live = cluster.with_server(|server| server.get(map.key()).unwrap().clone());
    assert_eq!(write(Guard::exactly(&live), "1"), Ok(WriteOutcome::Unchanged));
    assert_eq!(write(Guard::exactly(&live), "2"), Ok(WriteOutcome::Changed));
    assert_eq!(write(Guard::exactly(&live), "3"), Err(Failure::Stale));
}

#[test]
fn a_change_is_told_once_and_a_quiet_cluster_answers_after_a_while() {
    let time = VirtualTime::starting(now());
    let cluster = MemoryCluster::new(1, time.clone());
    let interest = Interest::in_kinds([GroupKind::new("", "ConfigMap")]);
    let start = ready(cluster.observe(&interest)).unwrap().unwrap().cursor;
    cluster.with_server(|server| server.create(&config_map("default", "web", "1"), "me", now()));
    let changes = ready(cluster.changed(&interest, &start)).unwrap().unwrap();
    assert_eq!((changes.changed.len(), changes.gone.len()), (1, 0));
    let changes = ready(cluster.changed(&interest, &changes.cursor)).unwrap().unwrap();
    assert_eq!((changes.changed.len(), changes.gone.len()), (0, 0));
    assert!(time.now() > now());
    cluster.with_server(ApiServer::forget_history);
    let error = ready(cluster.changed(&interest, &start)).unwrap().unwrap_err();
    assert_eq!(error.failure, Failure::CursorExpired);
}
