//! Recorded HTTP requests as requests of the server in memory.

use gitops_core::cluster::{Force, Mode};
use gitops_core::memory::{Action, DeleteOptions, Endpoint, Patch, Request, Select, Watch};
use gitops_core::model::{Scope, ServedKind};
use gitops_core::resource::{GroupKind, Propagation};
use gitops_core::value::Value as Tree;
use serde_json::Value;

/// Reads a recorded request; `None` for what is no request to a resource.
pub(super) fn request(recorded: &Value) -> Option<Request> {
    let endpoint = endpoint(recorded["path"].as_str()?)?;
    let query = |name: &str| match &recorded["query"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => items.first()?.as_str().map(str::to_owned),
        _ => None,
    };
    let body = || Tree::from_serialize(&recorded["body"]).ok();
    let select = || {
        let mut select = Select::default();
        select.labels = query("labelSelector").map(Into::into);
        select.fields = query("fieldSelector").map(Into::into);
        select.limit = query("limit").and_then(|limit| limit.parse().ok());
        select.token = query("continue").map(Into::into);
        select.version = query("resourceVersion").map(Into::into);
        select.version_match = query("resourceVersionMatch").map(Into::into);
        select
    };
    let is_watch = query("watch").is_some_and(|watch| !matches!(watch.as_str(), "0" | "false"));
    let action = match (recorded["method"].as_str()?, recorded["content_type"].as_str().unwrap_or_default()) {
        ("GET", _) if endpoint.name.is_some() => Action::Get,
        ("GET", _) if is_watch => {
            let mut watch = Watch::default();
            watch.select = select();
            watch.after = query("resourceVersion").map(Into::into);
            watch.initial = query("sendInitialEvents").map(|initial| initial == "true");
            watch.version_match = query("resourceVersionMatch").map(Into::into);
            watch.bookmarks = query("allowWatchBookmarks").as_deref() == Some("true");
            Action::Watch(watch)
        }
        ("GET", _) => Action::List(select()),
        ("POST", _) => Action::Create(body()?),
        ("PUT", _) => Action::Update(body()?),
        ("PATCH", "application/apply-patch+yaml") => {
            let force = if query("force").as_deref() == Some("true") { Force::Yes } else { Force::No };
            Action::Apply { body: body()?, force }
        }
        ("PATCH", "application/json-patch+json") => Action::Patch(Patch::Json(body()?)),
        ("PATCH", "application/merge-patch+json") => Action::Patch(Patch::Merge(body()?)),
        ("PATCH", "application/strategic-merge-patch+json") => Action::Patch(Patch::Strategic(body()?)),
        ("DELETE", _) => {
            let text = |field: &str| recorded["body"][field].as_str().map(str::to_owned).or_else(|| query(field));
            let mut options = DeleteOptions::default();
            options.propagation = text("propagationPolicy").and_then(|policy| match policy.as_str() {
                "Foreground" => Some(Propagation::Foreground),
                "Background" => Some(Propagation::Background),
                "Orphan" => Some(Propagation::Orphan),
                _ => None,
            });
            if recorded["body"]["orphanDependents"] == true && options.propagation.is_none() {
                options.propagation = Some(Propagation::Orphan);
            }
            let wanted = &recorded["body"]["preconditions"];
            options.uid = wanted["uid"].as_str().map(Into::into);
            options.version = wanted["resourceVersion"].as_str().map(Into::into);
            if endpoint.name.is_some() { Action::Delete(options) } else { Action::DeleteCollection(select(), options) }
        }
        _ => return None,
    };
    let dry = query("dryRun").is_some() || recorded["body"]["dryRun"].is_array();
    let manager = query("fieldManager").or_else(|| match action {
        Action::Apply { .. } => None,
        // Without a word the server takes the first part of the client's name.
        _ => {
            let agent = recorded["headers"]["User-Agent"].as_str().unwrap_or("python-requests");
            agent.split('/').next().map(str::to_owned)
        }
    });
    let request = Request::new(endpoint, action).in_mode(if dry { Mode::DryRun } else { Mode::Commit });
    Some(match manager {
        Some(manager) => request.by(&manager),
        None => request,
    })
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
