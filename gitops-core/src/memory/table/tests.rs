use super::*;
use crate::memory::{Accept, Action, ApiServer, Content, Endpoint, Request, Select, Watch};
use crate::resource::ResourceKey;
use crate::value::Value;

#[test]
fn an_age_has_two_units_at_most() {
    for (seconds, text) in [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (8 * 3600 + 300, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86_400, "8d"),
        (729 * 86_400, "729d"),
        (730 * 86_400, "2y"),
        (800 * 86_400, "2y70d"),
        (9 * 365 * 86_400, "9y"),
    ] {
        assert_eq!(human(Timestamp::EPOCH, Timestamp::from_millis(seconds * 1000)), text, "{seconds}");
    }
}

#[test]
fn a_path_of_a_column_finds_what_kubectl_finds() {
    let object =
        br#"{"spec":{"a.b":1,"list":[{"n":"x","v":1},{"n":"y","v":2},{"n":"y","v":3}],"on":true,"deep":{"a":[1,2]}}}"#;
    let object = Value::from_json(object).unwrap();
    for (path, found) in [
        (".spec.on", Some("true")),
        (".spec.deep", Some(r#"{"a":[1,2]}"#)),
        (r".spec.a\.b", Some("1")),
        (".spec['a.b']", Some("1")),
        (".spec.list[1].v", Some("2")),
        (".spec.list[-1].v", Some("3")),
        (".spec.list[1:].v", Some("2")),
        (".spec.list[*].n", Some("\"x\"")),
        (r#".spec.list[?(@.n=="y")].v"#, Some("2")),
        (".spec.list[?(@.n=='y')].v", Some("2")),
        (".spec.list[?(@.v>2)].v", Some("3")),
        (".spec.list[?(@.v>=2)].v", Some("2")),
        (".spec.list[?(@.w)].v", None),
        (".spec.list[7].v", None),
        (".spec.missing", None),
        ("..v", None),
        (".spec.list[", None),
        (".spec.list[?(@.n==", None),
        ("spec", None),
        (".spec.list[9223372036854775807]", None),
    ] {
        let value = jsonpath::first(path, object.root()).map(ValueRef::to_json);
        assert_eq!(value.as_deref(), found, "{path}");
    }
}

/// The cells of one object of a built-in kind.
fn cells(object: &str) -> String {
    let object = Resource::new(Value::from_json(object.as_bytes()).unwrap()).unwrap();
    let printer = Printer::of(&object.key().group_kind, object.version(), None);
    let row = printer.row(object.tree(), Timestamp::from_millis(3_600_000)).freeze();
    row.root().get("cells").unwrap().to_json()
}

#[test]
fn a_pod_is_told_by_what_holds_it_up() {
    for (status, told) in [
        (r#"{"phase":"Pending"}"#, r#"["p","0/2","Pending","0","<unknown>","#),
        (r#"{"phase":"Failed","reason":"Evicted"}"#, r#"["p","0/2","Evicted","0","<unknown>","#),
        (
            r#"{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"waiting":{"reason":"ErrImagePull"}}}]}"#,
            r#"["p","0/2","Init:ErrImagePull","0","<unknown>","#,
        ),
        (
            r#"{"phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":2,"state":{"terminated":{"exitCode":3}},
                "lastState":{"terminated":{"finishedAt":"1970-01-01T00:55:00Z"}}}]}"#,
            r#"["p","0/2","Init:ExitCode:3","2 (5m ago)","<unknown>","#,
        ),
        (
            r#"{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"running":{}}}]}"#,
            r#"["p","0/2","Init:0/1","0","<unknown>","#,
        ),
        (
            r#"{"phase":"Running","containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}},
                {"name":"b","state":{"terminated":{"reason":"Completed"}}}]}"#,
            r#"["p","1/2","NotReady","0","<unknown>","#,
        ),
        (
            r#"{"phase":"Running","containerStatuses":[{"name":"a","state":{"terminated":{"signal":9}}}]}"#,
            r#"["p","0/2","Signal:9","0","<unknown>","#,
        ),
        (
            r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","reason":"SchedulingGated"}]}"#,
            r#"["p","0/2","SchedulingGated","0","<unknown>","#,
        ),
    ] {
        let pod = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p"}},"spec":{{"initContainers":[{{"name":"i"}}],
                "containers":[{{"name":"a"}},{{"name":"b"}}]}},"status":{status}}}"#
        );
        assert!(cells(&pod).starts_with(told), "{status}: {}", cells(&pod));
    }
}

#[test]
fn cells_say_what_kubectl_says() {
    for (object, told) in [
        (
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"type":"LoadBalancer","clusterIPs":["10.0.0.1"],
                "ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":"UDP"}],"selector":{"b":"2","a":"1"}}}"#,
            r#"["s","LoadBalancer","10.0.0.1","<pending>","80:30080/TCP,53/UDP","<unknown>","a=1,b=2"]"#,
        ),
        (
            r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"spec":{"parallelism":2,"selector":{"matchExpressions":
                [{"key":"b","operator":"NotIn","values":["y","x"]},{"key":"a","operator":"Exists"}]}},"status":{"succeeded":1,
                "startTime":"1970-01-01T00:00:00Z","completionTime":"1970-01-01T00:01:30Z","conditions":[{"type":"Complete","status":"True"}]}}"#,
            r#"["j","Complete","1/1 of 2","90s","<unknown>","","","a,b notin (x,y)"]"#,
        ),
        (
            r#"{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"e"},"subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"::1"}],
                "ports":[{"port":80},{"port":443}]}]}"#,
            r#"["e","1.1.1.1:80,[::1]:80,1.1.1.1:443 + 1 more...","<unknown>"]"#,
        ),
        (
            r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{"node-role.kubernetes.io/worker":"",
                "kubernetes.io/role":"edge"}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#,
            r#"["n","Ready,SchedulingDisabled","edge,worker","<unknown>","","<none>","<none>","<unknown>","<unknown>","<unknown>"]"#,
        ),
        (
            r#"{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c"},"spec":{"volumeName":"v","storageClassName":"fast",
                "volumeMode":"Block"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"},"accessModes":["ReadWriteMany","ReadWriteOnce"]}}"#,
            r#"["c","Bound","v","1Gi","RWO,RWX","fast","<unset>","<unknown>","Block"]"#,
        ),
        (
            r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"status":{"hard":{"cpu":"2","limits.cpu":"4"},"used":{"cpu":"1"}}}"#,
            r#"["q","cpu: 1/2","limits.cpu: 0/4","<unknown>"]"#,
        ),
        (r#"{"apiVersion":"v1","kind":"LimitRange","metadata":{"name":"l"}}"#, r#"["l","0001-01-01T00:00:00Z"]"#),
    ] {
        assert_eq!(cells(object), told, "{object}");
    }
}

#[test]
fn every_built_in_kind_prints_any_object() {
    let odd = [
        r#"{"metadata":{}}"#,
        r#"{"metadata":[],"spec":"x","status":7}"#,
        r#"{"metadata":{"name":7,"creationTimestamp":"noon","labels":[1]},"spec":{"containers":{"a":null},"ports":[1,"x",null],
            "template":null,"selector":"x","rules":[[]],"metrics":[{"type":"Resource"},null],"replicas":"two"},
            "status":{"conditions":[1],"containerStatuses":[{"state":[]}],"initContainerStatuses":[{}]},"subsets":[{"ports":[{}]}]}"#,
    ];
    for kind in crate::model::ApiModel::builtin().kinds() {
        let printer = Printer::of(&kind.group_kind, "v1", None);
        let Draft::List(definitions) = printer.definitions() else { panic!("a list") };
        for object in odd {
            let object = Value::from_json(object.as_bytes()).unwrap();
            let Some(Draft::List(cells)) = printer.row(object.root(), Timestamp::EPOCH).get("cells").cloned() else {
                panic!("{kind:?}")
            };
            assert_eq!(cells.len(), definitions.len(), "{kind:?}");
        }
    }
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const PARTIALS: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

fn namespaces(server: &ApiServer, action: Action) -> Request {
    let endpoint = server.endpoint(&ResourceKey::new("", "Namespace", None, "default"), "v1").unwrap();
    let name = matches!(action, Action::Get).then(|| endpoint.name.clone()).flatten();
    Request::new(Endpoint { name, ..endpoint }, action)
}

#[test]
fn the_first_clause_that_there_is_a_form_for_is_taken() {
    let server = ApiServer::new(1);
    for (accept, code, kind) in [
        ("", 200, "NamespaceList"),
        ("*/*", 200, "NamespaceList"),
        ("application/*", 406, "Status"),
        ("text/html,*/*;q=0.1", 200, "NamespaceList"),
        ("text/plain", 406, "Status"),
        ("application/cbor", 406, "Status"),
        ("application/vnd.kubernetes.protobuf", 406, "Status"),
        ("application/vnd.kubernetes.protobuf,application/json", 200, "NamespaceList"),
        ("application/yaml", 200, "NamespaceList"),
        (TABLE, 200, "Table"),
        ("application/json;as=Table;v=v9;g=meta.k8s.io", 406, "Status"),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", 200, "NamespaceList"),
        ("application/json;as=Table", 406, "Status"),
        (PARTIALS, 200, "PartialObjectMetadataList"),
        (PARTIAL, 406, "Status"),
    ] {
        let mut server = server.clone();
        let request = namespaces(&server, Action::List(Select::default()));
        let answer = server.answer(&request, &Accept::new(accept), Timestamp::EPOCH);
        let Content::Document(document) = &answer.content else { panic!("{accept}") };
        assert_eq!((answer.code, document.root().get("kind").unwrap().as_str().unwrap()), (code, kind), "{accept}");
        let yaml = accept == "application/yaml";
        assert_eq!(answer.media.content_type() == "application/yaml", yaml, "{accept}");
    }
}

#[test]
fn a_watch_tells_its_columns_once_and_sends_yaml_to_nobody() {
    let mut server = ApiServer::new(1);
    let watch = namespaces(&server, Action::Watch(Watch { bookmarks: true, ..Watch::default() }));
    let columns = |accept: Accept, server: &mut ApiServer| {
        let Content::Stream { events, .. } = server.answer(&watch, &accept, Timestamp::EPOCH).content else { panic!() };
        events
            .iter()
            .map(|event| !event.root().dig(&["object", "columnDefinitions"]).unwrap().is_null())
            .collect::<Vec<_>>()
    };
    assert_eq!(columns(Accept::new(TABLE), &mut server), [true, false, false, false, false]);
    assert_eq!(columns(Accept::new(TABLE).going_on(), &mut server), [false; 5]);
    assert_eq!(server.answer(&watch, &Accept::new("application/yaml"), Timestamp::EPOCH).code, 406);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut server = ApiServer::new(1);
    let body = Value::from_json(br#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}}"#).unwrap();
    let request = namespaces(&server, Action::Create(body));
    let before = server.version();
    assert_eq!(server.answer(&request, &Accept::new("text/plain"), Timestamp::EPOCH).code, 406);
    assert_eq!(server.version(), before);
    let answer = server.answer(&request, &Accept::new(TABLE), Timestamp::EPOCH);
    let Content::Document(table) = answer.content else { panic!("a table") };
    assert_eq!((answer.code, table.root().get("kind").unwrap().as_str()), (201, Some("Table")));
}
