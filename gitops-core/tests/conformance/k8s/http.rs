//! Recorded HTTP requests as requests of the server in memory.

use gitops_core::memory::{Action, ApiServer, Endpoint, HttpWrite, Request, Response, Select, Status, Watch};
use gitops_core::model::{Scope, ServedKind};
use gitops_core::resource::GroupKind;
use gitops_core::time::Timestamp;
use serde_json::Value;

/// Sends a recorded request; `None` for what is no request to a resource.
pub(super) fn ask(server: &mut ApiServer, recorded: &Value, now: Timestamp) -> Option<(Endpoint, Response)> {
    let read = match recorded["method"].as_str()? {
        "GET" => Ok(request(recorded)?),
        _ => write(server, recorded)?,
    };
    match read {
        Ok(request) => Some((request.endpoint.clone(), server.handle(&request, now))),
        Err(status) => Some((endpoint(recorded["path"].as_str()?)?, status.into())),
    }
}

fn write(server: &ApiServer, recorded: &Value) -> Option<Result<Request, Status>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut query: Vec<(&str, &str)> = Vec::new();
    for (name, value) in recorded["query"].as_object().into_iter().flatten() {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        query.extend(values.iter().filter_map(|value| Some((name.as_str(), value.as_str()?))));
    }
    let body = match (&recorded["raw_body"], &recorded["body"]) {
        (Value::String(raw), _) => raw.clone().into_bytes(),
        (_, Value::Null) => Vec::new(),
        (_, body) => serde_json::to_vec(body).unwrap(),
    };
    let media = text(&recorded["content_type"]);
    let mut http = HttpWrite::default();
    http.method = recorded["method"].as_str()?;
    http.query = query;
    http.content_type = &media;
    http.agent = recorded["headers"]["User-Agent"].as_str().unwrap_or("python-requests");
    http.body = &body;
    let read = server.read_write(endpoint(recorded["path"].as_str()?)?, &http);
    Some(read.map(|mut request| {
        if let Action::DeleteCollection(selected, _) = &mut request.action {
            *selected = select(recorded);
        }
        request
    }))
}

/// The first value of a query parameter.
fn query(recorded: &Value, name: &str) -> Option<String> {
    match &recorded["query"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => items.first()?.as_str().map(str::to_owned),
        _ => None,
    }
}

fn select(recorded: &Value) -> Select {
    let query = |name: &str| query(recorded, name);
    let mut select = Select::default();
    select.labels = query("labelSelector").map(Into::into);
    select.fields = query("fieldSelector").map(Into::into);
    select.limit = query("limit").and_then(|limit| limit.parse().ok());
    select.token = query("continue").map(Into::into);
    select.version = query("resourceVersion").map(Into::into);
    select.version_match = query("resourceVersionMatch").map(Into::into);
    select
}

/// Reads a recorded GET; `None` for what is no request to a resource.
pub(super) fn request(recorded: &Value) -> Option<Request> {
    let endpoint = endpoint(recorded["path"].as_str()?)?;
    let query = |name: &str| query(recorded, name);
    let is_watch = query("watch").is_some_and(|watch| !matches!(watch.as_str(), "0" | "false"));
    let action = match recorded["method"].as_str()? {
        "GET" if endpoint.name.is_some() => Action::Get,
        "GET" if is_watch => {
            let mut watch = Watch::default();
            watch.select = select(recorded);
            watch.after = query("resourceVersion").map(Into::into);
            watch.initial = query("sendInitialEvents").map(|initial| initial == "true");
            watch.version_match = query("resourceVersionMatch").map(Into::into);
            watch.bookmarks = query("allowWatchBookmarks").as_deref() == Some("true");
            Action::Watch(watch)
        }
        "GET" => Action::List(select(recorded)),
        _ => return None,
    };
    Some(Request::new(endpoint, action))
}

fn endpoint(path: &str) -> Option<Endpoint> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (group, version) = match parts.next()? {
        "api" => ("", parts.next()?),
        "apis" => (parts.next()?, parts.next()?),
        _ => return None,
    };
    let parts: Vec<&str> = parts.collect();
    let (namespace, parts) = match parts.as_slice() {
        ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => (None, parts.as_slice()),
        ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let [plural, rest @ ..] = parts else { return None };
    // Scope and kind do not matter for the place itself.
    let kind = ServedKind::new(GroupKind::new(group, ""), plural, Scope::Namespaced, version);
    let mut endpoint = Endpoint::of(&kind, version).within(&kind, namespace.map(Into::into).as_ref());
    if let Some(name) = rest.first() {
        endpoint = endpoint.named(name);
    }
    if let Some(subresource) = rest.get(1) {
        endpoint = endpoint.under(subresource);
    }
    Some(endpoint)
}
