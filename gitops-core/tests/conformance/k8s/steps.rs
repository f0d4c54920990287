//! Scenarios of several requests: deletions, lists and watches.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gitops_core::memory::{Accept, Action, ApiServer, Body, Content, List, Outcome, Request, Response, Status, Watch};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::time::Timestamp;
use serde_json::{Value, json as tree};

use super::answers::{differ, events_json, is_discovery, is_end_mark, status_differs};
use super::names::Names;
use super::{add_gizmo, add_namespace, before, http, json, server, start, wire};
use crate::{Case, recording};

pub(crate) fn delete(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/delete.json", "k8s/crds.json", Wording::Class)
}

pub(crate) fn list(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/list.json", "k8s/watch_list_crds.json", Wording::Exact)
}

pub(crate) fn watch(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/watch.json", "k8s/watch_list_crds.json", Wording::Exact)
}

/// How much of a refusal must be as recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wording {
    /// All of it.
    Exact,
    /// Its class: Kubernetes words some messages after its own code.
    Class,
}

fn run(folder: &Path, file: &str, crds: &str, wording: Wording) -> Option<Vec<Case>> {
    let cases = recording(folder, file)?;
    let mut base = server(folder, crds, &["vec-del"])?;
    add_gizmo(&mut base);
    let verdict = |case: &Value| {
        let id = case["id"].as_str().unwrap().to_owned();
        let mut replay = Replay::new(base.clone(), case, wording);
        let mut steps = case["steps"].as_array().unwrap().iter().enumerate();
        let verdict = steps.try_for_each(|(at, step)| replay.step(step).map_err(|why| format!("step {at}: {why}")));
        Case { id, verdict }
    };
    Some(cases.as_array().unwrap().iter().map(verdict).collect())
}

struct Replay {
    server: ApiServer,
    wording: Wording,
    names: Names,
    /// Seconds since the start, by the recorded clock.
    second: u64,
    now: Timestamp,
    /// The time of the step before.
    earlier: Timestamp,
    watches: BTreeMap<String, Open>,
}

/// A watch that is open.
struct Open {
    request: Request,
    after: String,
    /// What has come and was not looked at.
    events: Vec<Value>,
    /// In which form the client wants its answers, where it says so.
    accept: Option<Accept>,
}

impl Replay {
    fn new(mut server: ApiServer, case: &Value, wording: Wording) -> Self {
        for name in case["namespace"]
            .as_str()
            .into_iter()
            .flat_map(|name| ["", "-b", "-gone"].map(|end| format!("{name}{end}")))
        {
            add_namespace(&mut server, &name);
        }
        // What controllers put into a namespace is as old as that.
        server.settle(start());
        for object in before::objects(case) {
            server.create(&object, "python-requests", start());
        }
        let mut names = Names::default();
        before::tokens(case, &mut names);
        let now = start() + Duration::from_secs(10);
        Self { server, wording, names, second: 0, now, earlier: now, watches: BTreeMap::new() }
    }

    fn step(&mut self, step: &Value) -> Result<(), String> {
        self.second = self.second.max(before::newest(step));
        self.earlier = self.now;
        self.now = start() + Duration::from_secs(10 + self.second);
        for observed in step["observe"].as_array().into_iter().flatten() {
            // When controllers came round was a matter of luck.
            if self.observe(observed).is_err() {
                self.server.collect(self.now);
                self.observe(observed)?;
            }
        }
        let for_front_end = step["request"]["headers"]["Authorization"].is_string() || is_discovery(&step["request"]);
        if step["request"].is_object() && !for_front_end {
            if step["status"] == 410 {
                self.server.forget_history();
            }
            if step["status"] == 404 || step["status"] == 201 {
                self.server.collect(self.now);
            }
            match http::read(&self.server, &self.names.fill(&step["request"])) {
                Ok(request) => self.send(step, request)?,
                Err(status) => self.answered(step, None, &status.into())?,
            }
        }
        self.events(step)
    }

    fn send(&mut self, step: &Value, request: Request) -> Result<(), String> {
        if let Some(accept) = wire::accept(&step["request"]) {
            return self.send_for(step, request, accept);
        }
        let before = (self.server.clone(), self.names.clone());
        let answer = self.server.handle(&request, self.now);
        let Some(name) = step["watch"].as_str() else {
            // When controllers came round was a matter of luck: maybe before this.
            if self.check(step, Some(&request), &answer).is_err() {
                (self.server, self.names) = before;
                self.work(self.earlier);
                let answer = self.server.handle(&request, self.now);
                self.check(step, Some(&request), &answer)?;
            }
            if &*request.endpoint.plural == "customresourcedefinitions" && step["status"] == 201 {
                self.server.collect(self.now);
            }
            return Ok(());
        };
        if let Body::Events(events) = &answer.body {
            let open = Open { request, after: events.version.to_string(), events: events_json(events), accept: None };
            self.watches.insert(name.to_owned(), open);
            return Ok(());
        }
        self.answered(step, Some(&request), &answer)
    }

    /// Checks an answer that is no stream.
    fn answered(&mut self, step: &Value, request: Option<&Request>, answer: &Response) -> Result<(), String> {
        let Some(name) = step["watch"].as_str() else { return self.check(step, request, answer) };
        // It is all there is to the watch.
        let ended = &step["ended"][name]["body"];
        let body = if ended.is_null() { &step["events"][name][0] } else { ended };
        let status = body["code"].as_u64().unwrap_or(200);
        self.check(&tree!({"status": status, "response": body}), request, answer)
    }

    /// Sends a request whose answer is to have a form of its own.
    fn send_for(&mut self, step: &Value, request: Request, accept: Accept) -> Result<(), String> {
        let answer = self.server.answer(&request, &accept, self.now);
        match step["watch"].as_str() {
            Some(name) if matches!(answer.content, Content::Stream { .. }) => {
                let (events, after) = wire::events(answer);
                let accept = Some(if events.is_empty() { accept } else { accept.going_on() });
                self.watches.insert(name.to_owned(), Open { request, after, events, accept });
                Ok(())
            }
            // No stream: the answer is all there is.
            Some(name) => {
                let body = &step["ended"][name]["body"];
                wire::check(&mut self.names, &tree!({"status": body["code"], "response": body}), &answer)
            }
            None => wire::check(&mut self.names, step, &answer),
        }
    }

    fn check(&mut self, step: &Value, request: Option<&Request>, answer: &Response) -> Result<(), String> {
        if step["status"] != answer.code {
            let found = answer.refusal().map(|status| status.message.to_string());
            return Err(format!("expected {}, got {} {}", step["status"], answer.code, found.unwrap_or_default()));
        }
        let warnings: Vec<String> = answer.warnings.iter().map(|text| format!("299 - \"{text}\"")).collect();
        if step["warning"].as_str().is_some_and(|expected| *expected != warnings.join(", ")) {
            return Err(format!("expected {}, got {warnings:?}", step["warning"]));
        }
        let found = match &answer.body {
            Body::Object(object) => json(object),
            Body::Value(value) => serde_json::to_value(value).unwrap(),
            Body::List(list) => match request {
                Some(request) => self.list_json(request, list),
                None => return Ok(()),
            },
            Body::Status(_) if step["request"]["method"] == "HEAD" => return Ok(()),
            Body::Status(status) => return self.check_status(&step["response"], status),
            _ => return Ok(()),
        };
        if step["kind"].is_string() && (step["kind"] != found["kind"] || step["apiVersion"] != found["apiVersion"]) {
            return Err(format!("expected {}, got {}", step["kind"], found["kind"]));
        }
        if let Some(names) = step["names"].as_array() {
            // What controllers put into every namespace is not made here.
            let own = |name: &&Value| !matches!(name.as_str(), Some("kube-root-ca.crt" | "openshift-service-ca.crt"));
            let names: Vec<&Value> = names.iter().filter(own).collect();
            let items = found["items"].as_array().into_iter().flatten();
            let found: Vec<&Value> = items.map(|item| &item["metadata"]["name"]).filter(own).collect();
            return if names == found { Ok(()) } else { Err(format!("expected {names:?}, got {found:?}")) };
        }
        if step["response_metadata"].is_object() {
            let metadata = &found["metadata"];
            let same = step["response_metadata"].as_object().unwrap().keys();
            let found: Value =
                same.map(|key| (key.clone(), metadata[key].clone())).collect::<serde_json::Map<_, _>>().into();
            return differ(&mut self.names, &step["response_metadata"], &found);
        }
        if step["response"]["items"].is_array() && step["response"]["metadata"].is_null() {
            return self.check_cut(&step["response"], &found);
        }
        if step["response"].is_object() && !step["items_cut"].is_boolean() && step["items_total"].is_null() {
            return differ(&mut self.names, &step["response"], &found);
        }
        Ok(())
    }

    /// Checks a list that was cut to what names its items.
    fn check_cut(&mut self, recorded: &Value, found: &Value) -> Result<(), String> {
        // What controllers put into every namespace is not always made here.
        let made = |name: &Value| matches!(name.as_str(), Some("kube-root-ca.crt" | "openshift-service-ca.crt"));
        let recorded = recorded["items"].as_array().into_iter().flatten().filter(|item| !made(&item["name"]));
        let found = found["items"].as_array().into_iter().flatten().filter(|item| !made(&item["metadata"]["name"]));
        let (recorded, found): (Vec<&Value>, Vec<&Value>) = (recorded.collect(), found.collect());
        if recorded.len() != found.len() {
            return Err(format!("expected {} items, got {}", recorded.len(), found.len()));
        }
        for (recorded, found) in recorded.into_iter().zip(found) {
            self.names.learn_made(recorded["name"].as_str().unwrap_or_default(), found);
            // How often controllers wrote was a matter of luck.
            let cut = |item: &Value| tree!({"name": item["name"], "uid": item["uid"]});
            differ(&mut self.names, &cut(recorded), &cut(&found["metadata"]))?;
        }
        Ok(())
    }

    /// Lets all controllers work. No scheduler took part in the recording, so that no Pod starts.
    fn work(&mut self, at: Timestamp) {
        let workloads = ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet"];
        let keys = self.server.objects().map(Resource::key).filter(|key| workloads.contains(&key.kind()));
        let keys: Vec<ResourceKey> = keys.cloned().collect();
        keys.iter().for_each(|key| self.server.script(key, Outcome::Never));
        self.server.settle(at);
    }

    fn check_status(&mut self, recorded: &Value, status: &Status) -> Result<(), String> {
        if let Some(text) = recorded.as_str() {
            let found = status.as_text();
            return if found.as_deref() == Some(text) {
                Ok(())
            } else {
                Err(format!("expected {text:?}, got {found:?}"))
            };
        }
        let found = serde_json::to_value(status.to_value()).unwrap();
        let same = ["status", "reason"].iter().all(|field| recorded[field] == found[field]);
        match self.wording {
            _ if !recorded.is_object() => Ok(()),
            Wording::Class if same => Ok(()),
            Wording::Class => Err(format!("expected {recorded}, got {found}")),
            Wording::Exact => status_differs(&mut self.names, recorded, &found).map_or(Ok(()), Err),
        }
    }

    fn observe(&mut self, observed: &Value) -> Result<(), String> {
        let path = observed["path"].as_str().unwrap_or_default();
        // What controllers put into every namespace is not made here.
        if path.ends_with("/kube-root-ca.crt") || path.ends_with("/serviceaccounts/default") {
            return Ok(());
        }
        let request = self.names.fill(&tree!({"method": "GET", "path": path}));
        let (_, answer) = http::ask(&mut self.server, &request, self.now).ok_or("cannot be sent")?;
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
        let names: Vec<String> = self.watches.keys().cloned().collect();
        for name in &names {
            let recorded = step["events"][name].as_array().cloned().unwrap_or_default();
            let (marks, recorded): (Vec<Value>, Vec<Value>) =
                recorded.into_iter().partition(|event| event["type"] == "BOOKMARK" && !is_end_mark(event));
            let mut found = self.poll(name);
            if found.len() < recorded.len() {
                self.server.collect(self.now);
                found.append(&mut self.poll(name));
            }
            if found.len() < recorded.len() {
                self.work(self.now);
                found.append(&mut self.poll(name));
            }
            if found.len() != recorded.len() {
                let types = |events: &[Value]| events.iter().map(|event| event["type"].to_string()).collect::<Vec<_>>();
                return Err(format!("watch {name}: expected {:?}, got {:?}", types(&recorded), types(&found)));
            }
            for (recorded, found) in recorded.iter().zip(&found) {
                let (recorded, found) = (&wire::ageless(recorded), &wire::ageless(found));
                let differs = match (is_end_mark(recorded), is_end_mark(found)) {
                    _ if recorded["type"] == "ERROR" => {
                        status_differs(&mut self.names, &recorded["object"], &found["object"])
                    }
                    // Of which kind it is the caller knows.
                    (true, true) if recorded["object"]["kind"] != "Table" => {
                        let metadata = |event: &Value| event["object"]["metadata"].clone();
                        self.names.differ(&metadata(recorded), &metadata(found))
                    }
                    _ => self.names.differ(recorded, found),
                };
                differs.map_or(Ok(()), |why| Err(format!("watch {name}: {why}")))?;
            }
            // When they come is a matter of luck; they name the version of the moment.
            for mark in &marks {
                let now = tree!({"resourceVersion": self.server.version().to_string()});
                self.names.differ(&tree!({"resourceVersion": mark["object"]["metadata"]["resourceVersion"]}), &now);
            }
        }
        let ended = step["ended"].as_object().into_iter().flat_map(|map| map.keys());
        ended.for_each(|name| drop(self.watches.remove(name)));
        Ok(())
    }

    /// What a watch got since it was last asked.
    fn poll(&mut self, name: &str) -> Vec<Value> {
        let Some(open) = self.watches.get_mut(name) else { return Vec::new() };
        let mut found = std::mem::take(&mut open.events);
        let mut request = open.request.clone();
        if let Action::Watch(watch) = &mut request.action {
            let mut next = Watch::default();
            next.select = watch.select.clone();
            next.after = Some(open.after.as_str().into());
            *watch = next;
        }
        if let Some(accept) = &mut open.accept {
            let (events, version) = wire::events(self.server.answer(&request, accept, self.now));
            accept.goes_on |= !events.is_empty();
            open.after = version;
            found.extend(events);
        } else if let Body::Events(events) = &self.server.handle(&request, self.now).body {
            open.after = events.version.to_string();
            found.extend(events_json(events));
        }
        found
    }

    /// A list as it goes over the wire: items of built-in kinds have no kind of their own.
    fn list_json(&self, request: &Request, list: &List) -> Value {
        let endpoint = &request.endpoint;
        let custom = endpoint.group.ends_with(".example.com");
        let items = list.items.iter().map(|object| {
            let mut item = json(object);
            if let (false, Some(item)) = (custom, item.as_object_mut()) {
                item.remove("kind");
                item.remove("apiVersion");
            }
            item
        });
        let kind = self.server.model().by_plural(&endpoint.group, &endpoint.plural);
        let kind = kind.map(|kind| format!("{}List", kind.group_kind.kind));
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
        tree!({"kind": kind, "apiVersion": endpoint.api_version(), "metadata": metadata, "items": items})
    }
}
