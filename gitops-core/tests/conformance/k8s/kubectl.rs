//! What the real `kubectl` sends, answered by the server in memory.

use std::collections::BTreeMap;
use std::path::Path;

use gitops_core::memory::{ApiServer, Content, Endpoint, HttpRequest, Media, User, Wire};
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use serde_json::{Value, json as tree};

use super::answers::status_differs;
use super::names::Names;
use super::{server, start, wire};
use crate::{Case, recording};

/// Where the recorded user works.
const NAMESPACE: &str = "wkd";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Each command begins with what it finds; answers are compared in status, media type and content, but for who owns what
/// and for what is of the moment.
pub(crate) fn kubectl(folder: &Path) -> Option<Vec<Case>> {
    let cases = recording(folder, "k8s/kubectl_traffic.json")?;
    let base = server(folder, "k8s/watch_list_crds.json", &[NAMESPACE, "wkd-made"])?;
    // The commands worked on the same objects: what one does not look at another shows.
    let all = cases.as_array().unwrap().iter().flat_map(|case| case["exchanges"].as_array().unwrap());
    let shown = all.filter(|exchange| exchange["response"]["body"]["metadata"]["uid"].is_string());
    let mut elsewhere: BTreeMap<&str, &Value> = BTreeMap::new();
    for exchange in shown {
        elsewhere.entry(exchange["path"].as_str().unwrap()).or_insert(&exchange["response"]["body"]);
    }
    let verdict = |case: &Value| {
        let id = case["id"].as_str().unwrap().to_owned();
        let exchanges = case["exchanges"].as_array().unwrap();
        let mut server = holding(&base, exchanges, &elsewhere);
        let who = case["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let user = who.filter_map(|argument| argument.strip_prefix("--as=")).next().map(User::new);
        let mut names = Names::default();
        let verdict = exchanges.iter().try_for_each(|exchange| {
            let place = format!("{} {}", exchange["method"], exchange["path"]).replace('"', "");
            replay(&mut server, &mut names, exchange, user.as_ref()).map_err(|why| format!("{place}: {why}"))
        });
        Case { id, verdict }
    };
    Some(cases.as_array().unwrap().iter().map(verdict).collect())
}

/// A server that holds what the command finds: the first that is told of each object, before the command changes it.
fn holding(base: &ApiServer, exchanges: &[Value], elsewhere: &BTreeMap<&str, &Value>) -> ApiServer {
    let is_made = |item: &Value| {
        let same = |exchange: &&Value| {
            exchange["method"] == "POST" && exchange["body"]["metadata"]["name"] == item["metadata"]["name"]
        };
        exchanges.iter().find(same).is_some()
    };
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    let mut changed: Vec<String> = Vec::new();
    for exchange in exchanges {
        let (method, path) = (exchange["method"].as_str().unwrap_or_default(), exchange["path"].as_str().unwrap());
        let path = path.trim_end_matches("/status").trim_end_matches("/scale").to_owned();
        let (status, body) = (&exchange["response"]["status"], &exchange["response"]["body"]);
        let is_object = body["metadata"]["uid"].is_string() && body["rows"].is_null();
        match method {
            "GET" if *status == 200 && !changed.contains(&path) => {
                if is_object && body["kind"] != "Scale" {
                    found.entry(path.clone()).or_insert_with(|| body.clone());
                }
                let Some((kind, version)) = kind_at(base, &path) else { continue };
                let rows = body["rows"].as_array().into_iter().flatten().map(|row| &row["object"]);
                let items = body["items"].as_array().into_iter().flatten().chain(rows);
                for item in items.filter(|item| item["metadata"]["uid"].is_string() && !is_made(item)) {
                    let mut item = item.clone();
                    item["kind"] = kind.clone().into();
                    item["apiVersion"] = version.clone().into();
                    let name = item["metadata"]["name"].as_str().unwrap_or_default();
                    found.entry(format!("{}/{name}", path.trim_end_matches(&format!("/{name}")))).or_insert(item);
                }
            }
            // What nobody looked at before: it was as it is afterwards, or all there is to know is its name.
            "PATCH" if *status == 200 && is_object => {
                found.entry(path.clone()).or_insert_with(|| body.clone());
            }
            "PATCH" if *status == 409 => {
                if let Some(object) = elsewhere.get(&*path) {
                    found.entry(path.clone()).or_insert_with(|| (*object).clone());
                }
            }
            "DELETE" if *status == 200 => {
                let name = path.rsplit('/').next().unwrap_or_default();
                let metadata = tree!({"name": name, "namespace": NAMESPACE, "uid": body["details"]["uid"]});
                let (kind, version) = match body["kind"].as_str() {
                    Some("Status") | None => ("ConfigMap", "v1"),
                    Some(kind) => (kind, body["apiVersion"].as_str().unwrap_or_default()),
                };
                let mut object = if is_object { body.clone() } else { tree!({"metadata": metadata}) };
                if object["metadata"]["deletionTimestamp"].is_string() {
                    // To be marked for deletion counts as a change.
                    let before = object["metadata"]["generation"].as_u64().map(|generation| generation - 1);
                    let metadata = object["metadata"].as_object_mut().unwrap();
                    metadata.remove("deletionTimestamp");
                    metadata.remove("deletionGracePeriodSeconds");
                    before.map(|generation| metadata.insert("generation".to_owned(), generation.into()));
                }
                object["kind"] = kind.into();
                object["apiVersion"] = version.into();
                if path.contains("/configmaps/") || is_object {
                    found.entry(path.clone()).or_insert(object);
                }
            }
            _ => {}
        }
        if method != "GET" && method != "POST" {
            changed.push(path);
        }
    }
    let own: Vec<Resource> = found.values().filter_map(|object| Resource::from_typed(object).ok()).collect();
    let others = base.objects().filter(|object| !own.iter().any(|own| own.key() == object.key()));
    let all: Vec<Resource> = own.iter().cloned().chain(others.cloned()).collect();
    ApiServer::holding(1, all).unwrap()
}

/// Kind and `apiVersion` of what is at a path.
fn kind_at(server: &ApiServer, path: &str) -> Option<(String, String)> {
    let endpoint = Endpoint::from_path(path)?;
    let kind = server.model().by_plural(&endpoint.group, &endpoint.plural)?;
    Some((kind.group_kind.kind.to_string(), endpoint.api_version()))
}

fn replay(server: &mut ApiServer, names: &mut Names, exchange: &Value, user: Option<&User>) -> Result<(), String> {
    let (recorded, path) = (&exchange["response"], exchange["path"].as_str().unwrap());
    let headers = &exchange["headers"];
    let text = |name: &str| headers[name].as_str().unwrap_or_default();
    let filled = names.fill(&exchange["body"]);
    let body = match &exchange["raw_body"] {
        Value::String(raw) => raw.clone().into_bytes(),
        _ if filled.is_null() => Vec::new(),
        _ => serde_json::to_vec(&filled).unwrap(),
    };
    let mut http = HttpRequest::new(exchange["method"].as_str().unwrap(), path);
    http.content_type = text("Content-Type");
    http.agent = exchange["user_agent"].as_str().unwrap_or("kubectl");
    http.known = text("If-None-Match");
    http.body = &body;
    http.user = user.cloned();
    let query = names.fill(&exchange["query"]);
    for (name, value) in query.as_object().into_iter().flatten() {
        // What names the content of a document of the recorded server names none of ours.
        if name != "hash" {
            http = http.with(name, value.as_str().unwrap_or_default());
        }
    }
    let accept = wire::accept(&tree!({"headers": headers, "query": exchange["query"]}));
    let now: Timestamp = start() + std::time::Duration::from_secs(10);
    let answer = server.respond(&http, &accept, now);
    // A name for a content that is not ours is none.
    if recorded["status"] == 304 && answer.code == 200 {
        return Ok(());
    }
    if recorded["status"] != answer.code {
        return Err(format!(
            "expected {}, got {} {}",
            recorded["status"],
            answer.code,
            wire::document(&answer)["message"]
        ));
    }
    let media = recorded["headers"]["content-type"].as_str().unwrap_or_default();
    let own = answer.media.content_type();
    // A client that takes protobuf takes JSON too.
    let is_same = media == own || media.starts_with(PROTOBUF) || matches!(answer.content, Content::Stream { .. });
    if !is_same {
        return Err(format!("expected {media}, got {own}"));
    }
    content(names, &recorded["body"], &answer)
}

fn content(names: &mut Names, recorded: &Value, answer: &Wire) -> Result<(), String> {
    let found = wire::document(answer);
    let is_whole = recorded["kind"].is_string() && answer.media == Media::Json;
    if !is_whole || recorded["body_ref"].is_string() {
        return Ok(());
    }
    for field in ["kind", "apiVersion"] {
        if recorded[field] != found[field] {
            return Err(format!("{field}: expected {}, got {}", recorded[field], found[field]));
        }
    }
    let differs = match recorded["kind"].as_str().unwrap() {
        "Status" => status_differs(names, recorded, &found),
        "Table" => {
            // Later requests go on with its token.
            let token = |table: &Value| tree!({"continue": table["metadata"]["continue"]});
            names.differ(&token(recorded), &token(&found));
            names.differ(&recorded["columnDefinitions"], &found["columnDefinitions"])
        }
        "APIResourceList" => None,
        kind if kind.ends_with("List") => {
            let listed = |list: &Value| {
                let items = list["items"].as_array().into_iter().flatten();
                items
                    .map(|item| item["metadata"]["name"].clone())
                    .filter(|name| name != "openshift-service-ca.crt")
                    .collect()
            };
            let (recorded, found): (Vec<Value>, Vec<Value>) = (listed(recorded), listed(&found));
            (recorded != found).then(|| format!("expected {recorded:?}, got {found:?}"))
        }
        _ => names.differ(&timeless(recorded), &timeless(&found)),
    };
    differs.map_or(Ok(()), Err)
}

/// An object without what is of the moment: who owned it, and what controllers made of it.
fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["managedFields", "resourceVersion", "creationTimestamp", "deletionTimestamp"] {
            metadata.remove(field);
        }
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    object
}
