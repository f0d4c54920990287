//! Scenarios of several requests: deletions, lists and watches.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gitops_core::memory::{Accept, Action, ApiServer, Body, Event, List, Request, Response, Watch};
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use serde_json::{Value, json as tree};

use super::names::Names;
use super::{add_namespace, http, json, server, start, wire};
use crate::{Case, recording};

pub(crate) fn delete(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/delete.json", "k8s/crds.json")
}

pub(crate) fn list(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/list.json", "k8s/watch_list_crds.json")
}

pub(crate) fn watch(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/watch.json", "k8s/watch_list_crds.json")
}

fn run(folder: &Path, file: &str, crds: &str) -> Option<Vec<Case>> {
    let cases = recording(folder, file)?;
    let base = server(folder, crds, &["vec-del"])?;
    let verdict = |case: &Value| {
        let id = case["id"].as_str().unwrap().to_owned();
        let mut replay = Replay::new(base.clone(), case["namespace"].as_str());
        let mut steps = case["steps"].as_array().unwrap().iter().enumerate();
        let verdict = steps.try_for_each(|(at, step)| replay.step(step).map_err(|why| format!("step {at}: {why}")));
        Case { id, verdict }
    };
    Some(cases.as_array().unwrap().iter().map(verdict).collect())
}

struct Replay {
    server: ApiServer,
    names: Names,
    now: Timestamp,
    watches: BTreeMap<String, Open>,
}

/// A watch that is open.
struct Open {
    request: Request,
    after: String,
    begun: bool,
    /// Where the client asks for a form of its own.
    accept: Option<Accept>,
}

impl Replay {
    fn new(mut server: ApiServer, namespace: Option<&str>) -> Self {
        for name in namespace.into_iter().flat_map(|name| ["", "-b", "-gone"].map(|end| format!("{name}{end}"))) {
            add_namespace(&mut server, &name);
        }
        Self { server, names: Names::default(), now: start() + Duration::from_secs(10), watches: BTreeMap::new() }
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        for observed in step["observe"].as_array().into_iter().flatten() {
            // When controllers came round was a matter of luck.
            if self.observe(observed).is_err() {
                self.server.collect(self.now);
                self.observe(observed)?;
            }
        }
        let accept = wire::accept(&step["request"]);
        if let Some(name) = step["watch"].as_str() {
            let request = self.request(&step["request"])?;
            if !matches!(request.action, Action::Watch(_)) {
                return Err("is no watch".to_owned());
            }
            self.watches.insert(name.to_owned(), Open { request, after: String::new(), begun: false, accept });
        } else if step["request"].is_object() {
            if step["status"] == 404 || step["status"] == 201 {
                self.server.collect(self.now);
            }
            let request = self.request(&step["request"])?;
            if let Some(accept) = accept {
                let answer = self.server.answer(&request, &accept, self.now);
                wire::check(&mut self.names, step, &answer)?;
            } else {
                let answer = self.server.handle(&request, self.now);
                self.check(step, &request, &answer)?;
            }
            if &*request.endpoint.plural == "customresourcedefinitions" && step["status"] == 201 {
                self.server.collect(self.now);
            }
        }
        self.events(step)
    }

    fn request(&self, recorded: &Value) -> Result<Request, String> {
        http::request(&self.names.fill(recorded)).ok_or_else(|| "cannot be sent".to_owned())
    }

    fn check(&mut self, step: &Value, request: &Request, answer: &Response) -> Result<(), String> {
        if step["status"] != answer.code {
            let found = answer.refusal().map(|status| status.message.to_string());
            return Err(format!("expected {}, got {} {}", step["status"], answer.code, found.unwrap_or_default()));
        }
        let found = match &answer.body {
            Body::Object(object) => json(object),
            Body::Value(value) => serde_json::to_value(value).unwrap(),
            Body::List(list) => list_json(request, list),
            Body::Status(status) => {
                let found = serde_json::to_value(status.to_value()).unwrap();
                let recorded = &step["response"];
                // Kubernetes words some messages after its own code; the class is what counts.
                let same = ["status", "reason"].iter().all(|field| recorded[field] == found[field]);
                return if !recorded.is_object() || same {
                    Ok(())
                } else {
                    Err(format!("expected {recorded}, got {found}"))
                };
            }
            _ => return Ok(()),
        };
        if let Some(names) = step["names"].as_array() {
            // What controllers put into every namespace is not made here.
            let made = |name: &&Value| !matches!(name.as_str(), Some("kube-root-ca.crt" | "openshift-service-ca.crt"));
            let names: Vec<&Value> = names.iter().filter(made).collect();
            let items = found["items"].as_array().into_iter().flatten();
            let found: Vec<&Value> = items.map(|item| &item["metadata"]["name"]).collect();
            return if names == found { Ok(()) } else { Err(format!("expected {names:?}, got {found:?}")) };
        }
        if step["response_metadata"].is_object() {
            let metadata = &found["metadata"];
            let same = step["response_metadata"].as_object().unwrap().keys();
            let found: Value =
                same.map(|key| (key.clone(), metadata[key].clone())).collect::<serde_json::Map<_, _>>().into();
            return differ(&mut self.names, &step["response_metadata"], &found);
        }
        // Where lists were cut to what names their items.
        if step["response"]["items"][0]["name"].is_string() {
            let names = |list: &Value, of: fn(&Value) -> &Value| {
                list["items"].as_array().into_iter().flatten().map(|item| of(item).clone()).collect::<Vec<_>>()
            };
            let mut expected = names(&step["response"], |item| &item["name"]);
            expected.retain(|name| !matches!(name.as_str(), Some("kube-root-ca.crt" | "openshift-service-ca.crt")));
            let found = names(&found, |item| &item["metadata"]["name"]);
            return if expected == found { Ok(()) } else { Err(format!("expected {expected:?}, got {found:?}")) };
        }
        if step["response"].is_object() && !step["items_cut"].is_boolean() && step["items_total"].is_null() {
            return differ(&mut self.names, &step["response"], &found);
        }
        Ok(())
    }

    fn observe(&mut self, observed: &Value) -> Result<(), String> {
        let path = observed["path"].as_str().unwrap_or_default();
        // What controllers put into every namespace is not made here.
        if path.ends_with("/kube-root-ca.crt") || path.ends_with("/serviceaccounts/default") {
            return Ok(());
        }
        let request = self.request(&tree!({"method": "GET", "path": path}))?;
        let answer = self.server.handle(&request, self.now);
        if observed["status"] != answer.code {
            return Err(format!("`{path}`: expected {}, got {}", observed["status"], answer.code));
        }
        let Some(object) = answer.as_object().map(json) else { return Ok(()) };
        let Some(metadata) = observed["metadata"].as_object() else { return Ok(()) };
        let fields = metadata.keys().filter(|key| *key != "resourceVersion");
        let found: Value =
            fields.map(|key| (key.clone(), object["metadata"][key].clone())).collect::<serde_json::Map<_, _>>().into();
        let mut expected = observed["metadata"].clone();
        expected.as_object_mut().unwrap().remove("resourceVersion");
        differ(&mut self.names, &expected, &found)
    }

    /// What every open watch gets after a step.
    fn events(&mut self, step: &Value) -> Result<(), String> {
        let ended: Vec<String> = step["ended"].as_object().into_iter().flat_map(|map| map.keys().cloned()).collect();
        let names: Vec<String> = self.watches.keys().cloned().collect();
        for name in &names {
            let expected = step["events"][name].as_array().into_iter().flatten();
            let expected = expected.filter(|event| event["type"] != "BOOKMARK").count();
            let mut found = self.poll(name);
            if found.len() < expected {
                self.server.collect(self.now);
                found.append(&mut self.poll(name));
            }
            let recorded = step["events"][name].as_array().cloned().unwrap_or_default();
            let recorded: Vec<Value> = recorded.into_iter().filter(|event| event["type"] != "BOOKMARK").collect();
            if found.len() != recorded.len() {
                let types = |events: &[Value]| events.iter().map(|event| event["type"].to_string()).collect::<Vec<_>>();
                return Err(format!("watch {name}: expected {:?}, got {:?}", types(&recorded), types(&found)));
            }
            for (recorded, found) in recorded.iter().zip(&found) {
                let (recorded, found) = (&wire::ageless(recorded), &wire::ageless(found));
                if recorded["type"] == "ERROR" && found["object"]["code"] == recorded["object"]["code"] {
                    continue;
                }
                differ(&mut self.names, recorded, found).map_err(|why| format!("watch {name}: {why}"))?;
            }
        }
        ended.iter().for_each(|name| drop(self.watches.remove(name)));
        Ok(())
    }

    /// What a watch got since it was last asked.
    fn poll(&mut self, name: &str) -> Vec<Value> {
        let Some(open) = self.watches.get_mut(name) else { return Vec::new() };
        let mut request = open.request.clone();
        if let (Action::Watch(watch), true) = (&mut request.action, open.begun) {
            let mut next = Watch::default();
            next.select = watch.select.clone();
            next.after = Some(open.after.as_str().into());
            *watch = next;
        }
        open.begun = true;
        if let Some(accept) = &mut open.accept {
            let (events, version) = wire::events(self.server.answer(&request, accept, self.now));
            accept.goes_on |= !events.is_empty();
            open.after = version;
            return events.into_iter().filter(|event| event["type"] != "BOOKMARK").collect();
        }
        let answer = self.server.handle(&request, self.now);
        match &answer.body {
            Body::Events(events) => {
                open.after = events.version.to_string();
                events.events.iter().filter_map(event_json).collect()
            }
            // Before the stream began this is the answer itself.
            Body::Status(status) if status.code == 410 => {
                vec![tree!({"type": "ERROR", "object": serde_json::to_value(status.to_value()).unwrap()})]
            }
            _ => Vec::new(),
        }
    }
}

fn differ(names: &mut Names, recorded: &Value, found: &Value) -> Result<(), String> {
    names.differ(recorded, found).map_or(Ok(()), Err)
}

fn event_json(event: &Event) -> Option<Value> {
    let (kind, object): (&str, &Resource) = match event {
        Event::Added(object) => ("ADDED", object),
        Event::Modified(object) => ("MODIFIED", object),
        Event::Deleted(object) => ("DELETED", object),
        _ => return None,
    };
    Some(tree!({"type": kind, "object": json(object)}))
}

/// A list as it goes over the wire: items of built-in kinds have no kind of their own.
fn list_json(request: &Request, list: &List) -> Value {
    let custom = request.endpoint.group.ends_with(".example.com");
    let items = list.items.iter().map(|object| {
        let mut item = json(object);
        if let (false, Some(item)) = (custom, item.as_object_mut()) {
            item.remove("kind");
            item.remove("apiVersion");
        }
        item
    });
    let kind = match &*request.endpoint.plural {
        "secrets" => "SecretList",
        "configmaps" => "ConfigMapList",
        "widgets" => "WidgetList",
        "globes" => "GlobeList",
        "namespaces" => "NamespaceList",
        "pods" => "PodList",
        other => other,
    };
    let mut metadata = tree!({"resourceVersion": list.version.to_string()});
    match &list.token {
        Some(token) => metadata["continue"] = token.to_string().into(),
        None if custom => metadata["continue"] = "".into(),
        None => {}
    }
    if let Some(remaining) = list.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    let items: Vec<Value> = items.collect();
    tree!({"kind": kind, "apiVersion": request.endpoint.api_version(), "metadata": metadata, "items": items})
}
