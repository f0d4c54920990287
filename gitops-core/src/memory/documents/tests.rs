use super::*;
use crate::memory::User;
use crate::model::{ApiModel, ListKind};
use crate::resource::{GroupKind, Resource};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

fn ask(server: &mut ApiServer, path: &str, accept: &str) -> Wire {
    server.respond(&HttpRequest::new("GET", path), &Accept::new(accept), Timestamp::EPOCH)
}

fn document(wire: Wire) -> Value {
    let Content::Document(document) = wire.content else { panic!("no document: {wire:?}") };
    document
}

fn with_widgets() -> ApiServer {
    let crd = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
        "names":{"kind":"Widget","plural":"widgets","shortNames":["wd"],"categories":["all"]},
        "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
        "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
        "properties":{"size":{"type":"integer"}}}}}}}]}}"#;
    let mut server = ApiServer::new(1);
    let crd = Resource::new(Value::from_json(crd.as_bytes()).unwrap()).unwrap();
    assert_eq!(server.create(&crd, "me", Timestamp::EPOCH).code, 201);
    server.collect(Timestamp::EPOCH);
    server
}

#[test]
fn a_new_kind_is_discovered_by_all_its_names_and_the_documents_have_new_tags() {
    let mut before = ApiServer::new(1);
    let mut server = with_widgets();
    let (old, new) = (ask(&mut before, "/apis", AGGREGATED), ask(&mut server, "/apis", AGGREGATED));
    assert!(old.tag.is_some() && old.tag != new.tag);
    let text = document(new.clone()).to_json();
    assert!(text.contains(r#""shortNames":["wd"]"#) && text.contains(r#""singularResource":"widget""#), "{text}");
    let list = document(ask(&mut server, "/apis/example.com/v1", "")).to_json();
    assert!(list.contains(r#""name":"widgets/status""#) && list.contains(r#""categories":["all"]"#), "{list}");
    assert_eq!(document(ask(&mut before, "/apis/apps/v9", "")).root().get("code").unwrap().as_i64(), Some(404));
    assert_eq!(ask(&mut before, "/apis/example.com/v1", "").content, Content::Text("404 page not found\n".into()));

    let tag = new.tag.unwrap();
    let mut known = HttpRequest::new("GET", "/apis");
    known.known = &tag;
    let same = server.respond(&known, &Accept::new(AGGREGATED), Timestamp::EPOCH);
    assert_eq!((same.code, same.content), (304, Content::Text(String::new())));
    let changed = before.respond(&known, &Accept::new(AGGREGATED), Timestamp::EPOCH);
    assert_eq!(changed.code, 200);
}

#[test]
fn an_openapi_document_says_what_the_model_knows() {
    let mut server = with_widgets();
    let index = document(ask(&mut server, "/openapi/v3", ""));
    let paths = index.root().get("paths").unwrap();
    for (group_version, place) in
        [("apps/v1", "apis/apps/v1"), ("v1", "api/v1"), ("example.com/v1", "apis/example.com/v1")]
    {
        let address = paths.dig(&[place, "serverRelativeURL"]).unwrap().as_str().unwrap();
        let (path, hash) = address.split_once("?hash=").unwrap();
        let http = HttpRequest::new("GET", path).with("hash", hash);
        let read = document(server.respond(&http, &Accept::default(), Timestamp::EPOCH)).to_json();
        let told = ApiModel::empty().with_openapi(group_version, read.as_bytes());
        let of_group = |model: &ApiModel| -> Vec<String> {
            let version = group_version.rsplit('/').next().unwrap();
            let kinds = model.kinds().filter(|kind| kind.api_version(version) == *group_version);
            kinds.map(|kind| format!("{} {:?}", kind.group_kind, kind.scope)).collect()
        };
        assert_eq!(of_group(&told), of_group(server.model()), "{place}");
        // An old address leads to the new one.
        let moved =
            server.respond(&HttpRequest::new("GET", path).with("hash", "OLD"), &Accept::default(), Timestamp::EPOCH);
        assert_eq!((moved.code, moved.location.as_deref()), (301, Some(address)));
    }
    let read = document(ask(&mut server, "/openapi/v3/apis/apps/v1", "")).to_json();
    let told = ApiModel::empty().with_openapi("apps/v1", read.as_bytes());
    let (ours, theirs) = (told, server.model().clone());
    let deployment = GroupKind::new("apps", "Deployment");
    let pod = |model: &ApiModel| {
        format!(
            "{:?}",
            model.schema(&deployment, "v1").field("spec").field("template").field("spec").field("containers").list()
        )
    };
    assert_eq!(pod(&ours), pod(&theirs));
    let ports = ours
        .schema(&deployment, "v1")
        .field("spec")
        .field("template")
        .field("spec")
        .field("containers")
        .element()
        .field("ports");
    assert!(matches!(ports.list(), ListKind::Map { keys } if keys.len() == 2), "{ports:?}");
    assert!(read.contains(r#""x-kubernetes-patch-merge-key":"containerPort""#));
    assert_eq!(ask(&mut server, "/openapi/v3/apis/nope/v1", "").code, 404);
}

#[test]
fn who_shows_no_credentials_learns_the_version_and_nothing_else() {
    let mut server = ApiServer::new(1);
    for (path, code) in [
        ("/version", 200),
        ("/healthz", 200),
        ("/apis", 403),
        ("/openapi/v3", 403),
        ("/nope", 403),
        ("/api/v1/secrets", 403),
    ] {
        let mut http = HttpRequest::new("GET", path);
        http.user = Some(User::anonymous());
        assert_eq!(server.respond(&http, &Accept::default(), Timestamp::EPOCH).code, code, "{path}");
    }
}
