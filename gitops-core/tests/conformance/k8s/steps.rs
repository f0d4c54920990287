//! Scenarios of several requests: deletions, lists and watches.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gitops_core::memory::{Accept, Action, ApiServer, Content, Media, Outcome, Request, Watch, Wire};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::time::Timestamp;
use serde_json::{Value, json as tree};

use super::answers::{differ, is_discovery, is_end_mark, status_differs};
use super::names::{Clock, Names};
use super::{add_gizmo, add_namespace, before, http, server, start, wire};
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
    let mut base = server(folder, crds, &["vec-del"])?;
    add_gizmo(&mut base);
    let mut left_out = 0;
    let mut verdict = |case: &Value| {
        let id = case["id"].as_str().unwrap().to_owned();
        let mut replay = Replay::new(base.clone(), case);
        let mut steps = case["steps"].as_array().unwrap().iter().enumerate();
        let verdict = steps.try_for_each(|(at, step)| replay.step(step).map_err(|why| format!("step {at}: {why}")));
        left_out += replay.left_out;
        Case { id, verdict }
    };
    let mut done: Vec<Case> = Vec::new();
    for case in cases.as_array().unwrap() {
        done.push(verdict(case));
        // What is deliberately not answered must not hide the other steps.
        if let Some(rest) = without_protobuf(case) {
            let rest = verdict(&rest);
            let why = |why| Case { id: format!("{}: what is no protobuf", rest.id), verdict: Err(why) };
            done.extend(rest.verdict.err().map(why));
        }
    }
    if left_out > 0 {
        println!("  {file}: {left_out} steps left out: credentials and discovery are for a front end");
    }
    Some(done)
}

/// The case without the steps whose answer is in protobuf; `None` if there are none.
fn without_protobuf(case: &Value) -> Option<Value> {
    let mut rest = case.clone();
    let steps = rest["steps"].as_array_mut()?;
    let before = steps.len();
    // Such an answer begins with `k8s`.
    let is_protobuf =
        |step: &Value| step["response"]["starts_base64"].as_str().is_some_and(|text| text.starts_with("azhz"));
    steps.retain(|step| !is_protobuf(step));
    (steps.len() < before).then_some(rest)
}

/// What a controller of another distribution had put into every namespace.
const FOREIGN: &str = "openshift-service-ca.crt";

/// What Pods come from.
const WORKLOADS: [&str; 7] = ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet"];

struct Replay {
    server: ApiServer,
    names: Names,
    /// What was recorded of the answer to each watch before its first event.
    heads: Value,
    /// Workloads take part, which controllers write to at times of their own.
    has_workloads: bool,
    /// Steps that ask for what is not here.
    left_out: usize,
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
    /// The version to go on from; `None` when the server has ended it.
    after: Option<String>,
    /// What has come and was not looked at.
    events: Vec<Value>,
    /// In which form the client wants its answers.
    accept: Accept,
}

impl Replay {
    fn new(mut server: ApiServer, case: &Value) -> Self {
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
        let text = case.to_string();
        let has_workloads = WORKLOADS.iter().any(|kind| text.contains(&format!("/{}s", kind.to_lowercase())));
        let (heads, watches) = (case["watches"].clone(), BTreeMap::new());
        Self { server, names, heads, has_workloads, left_out: 0, second: 0, now, earlier: now, watches }
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
        if for_front_end {
            self.left_out += 1;
        } else if step["request"].is_object() {
            if step["status"] == 410 {
                self.server.forget_history();
            }
            let accept = wire::accept(&step["request"]);
            match http::read(&self.server, &self.names.fill(&step["request"])) {
                Ok(request) => self.send(step, request, accept)?,
                Err(status) => self.answered(step, &Wire::refusal(status, &accept))?,
            }
        }
        self.events(step)?;
        self.names.confused(Clock::Guessed).map_or(Ok(()), Err)
    }

    fn send(&mut self, step: &Value, request: Request, accept: Accept) -> Result<(), String> {
        let before = (self.server.clone(), self.names.clone());
        let answer = self.server.answer(&request, &accept, self.now);
        if let (Some(name), Content::Stream { .. }) = (step["watch"].as_str(), &answer.content) {
            let head = &self.heads[name];
            wire::warned(&head["headers"]["warning"], &answer)?;
            let (events, after) = wire::events(answer);
            let accept = if events.is_empty() { accept } else { accept.going_on() };
            self.watches.insert(name.to_owned(), Open { request, after, events, accept });
            return Ok(());
        }
        if let Err(why) = self.answered(step, &answer) {
            // When controllers came round was a matter of luck: maybe before this.
            if step["request"]["method"] != "GET" && !self.has_workloads {
                return Err(why);
            }
            (self.server, self.names) = before;
            self.work(self.earlier);
            let answer = self.server.answer(&request, &accept, self.now);
            self.answered(step, &answer)?;
        }
        if &*request.endpoint.plural == "customresourcedefinitions" && step["status"] == 201 {
            self.server.collect(self.now);
        }
        Ok(())
    }

    /// Checks an answer that is no stream.
    fn answered(&mut self, step: &Value, answer: &Wire) -> Result<(), String> {
        let Some(name) = step["watch"].as_str() else { return self.check(step, answer) };
        // It is all there is to the watch.
        let ended = &step["ended"][name]["body"];
        let body = if ended.is_null() { &step["events"][name][0] } else { ended };
        let (status, warning) = (body["code"].as_u64().unwrap_or(200), &self.heads[name]["headers"]["warning"]);
        self.check(&tree!({"status": status, "response": body, "warning": warning}), answer)
    }

    fn check(&mut self, step: &Value, answer: &Wire) -> Result<(), String> {
        wire::head(step, answer)?;
        // Of selections nothing but names and refusals was kept.
        if !["fieldSelector", "labelSelector"].iter().any(|selector| step["request"]["query"][selector].is_string()) {
            wire::warned(&step["warning"], answer)?;
        }
        let found = wire::ageless(&wire::document(answer));
        let recorded = match (&step["response"], answer.media) {
            (Value::String(yaml), Media::Yaml) => {
                serde_yaml::from_str(yaml).map_err(|error| format!("the recorded YAML: {error}"))?
            }
            (response, _) => response.clone(),
        };
        if step["request"]["method"] == "HEAD" {
            return Ok(());
        }
        if recorded["kind"] == "Status" {
            return status_differs(&mut self.names, &recorded, &found).map_or(Ok(()), Err);
        }
        if step["kind"].is_string() && (step["kind"] != found["kind"] || step["apiVersion"] != found["apiVersion"]) {
            return Err(format!("expected {}, got {}", step["kind"], found["kind"]));
        }
        if let Some(names) = step["names"].as_array() {
            let own = |name: &&Value| **name != FOREIGN;
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
        if recorded["items"].is_array() && recorded["metadata"].is_null() {
            return self.check_cut(&recorded, &found);
        }
        // The first two of all that was on the shared server.
        if step["items_cut"] == true {
            let same = ["kind", "apiVersion"].iter().all(|field| recorded[field] == found[field]);
            return if same { Ok(()) } else { Err(format!("expected {}, got {}", recorded["kind"], found["kind"])) };
        }
        if recorded.is_null() { Ok(()) } else { differ(&mut self.names, &wire::ageless(&recorded), &found) }
    }

    /// Checks a list that was cut to what names its items.
    fn check_cut(&mut self, recorded: &Value, found: &Value) -> Result<(), String> {
        let recorded = recorded["items"].as_array().into_iter().flatten().filter(|item| item["name"] != FOREIGN);
        let found = found["items"].as_array().into_iter().flatten();
        let (recorded, found): (Vec<&Value>, Vec<&Value>) = (recorded.collect(), found.collect());
        if recorded.len() != found.len() {
            return Err(format!("expected {} items, got {}", recorded.len(), found.len()));
        }
        for (recorded, found) in recorded.into_iter().zip(found) {
            self.names.learn_made(recorded["name"].as_str().unwrap_or_default(), found);
            // How often controllers wrote was a matter of luck.
            let cut = |item: &Value| tree!({"name": item["name"], "uid": item["uid"], "deletionTimestamp": item["deletionTimestamp"]});
            differ(&mut self.names, &cut(recorded), &cut(&found["metadata"]))?;
        }
        Ok(())
    }

    /// Lets all controllers work. No scheduler took part in the recording, so that no Pod starts.
    fn work(&mut self, at: Timestamp) {
        let keys = self.server.objects().map(Resource::key).filter(|key| WORKLOADS.contains(&key.kind()));
        let keys: Vec<ResourceKey> = keys.cloned().collect();
        keys.iter().for_each(|key| self.server.script(key, Outcome::Never));
        self.server.settle(at);
    }

    fn observe(&mut self, observed: &Value) -> Result<(), String> {
        let path = observed["path"].as_str().unwrap_or_default();
        if path.ends_with(&format!("/{FOREIGN}")) {
            return Ok(());
        }
        let request = self.names.fill(&tree!({"method": "GET", "path": path}));
        let (_, answer) = http::ask(&mut self.server, &request, self.now).ok_or("cannot be sent")?;
        if observed["status"] != answer.code {
            return Err(format!("`{path}`: expected {}, got {}", observed["status"], answer.code));
        }
        let object = wire::document(&answer);
        let wrong = |why: String| Err(format!("`{path}`: {why}"));
        if observed["phase"].is_string() && observed["phase"] != object["status"]["phase"] {
            return wrong(format!("expected phase {}, got {}", observed["phase"], object["status"]["phase"]));
        }
        // Controllers had not come round yet where there are none.
        if observed["conditions"].as_array().is_some_and(|recorded| !recorded.is_empty()) {
            let mut found = object["status"]["conditions"].clone();
            for condition in found.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                condition.remove("lastTransitionTime");
            }
            if let Some(why) = self.names.differ(&observed["conditions"], &found) {
                return wrong(format!("conditions{why}"));
            }
        }
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
            let is_mark = |event: &Value| event["type"] == "BOOKMARK" && !is_end_mark(event);
            let (marks, recorded): (Vec<Value>, Vec<Value>) = recorded.into_iter().partition(is_mark);
            let mut found = self.poll(name);
            if found.len() < recorded.len() {
                self.server.collect(self.now);
                found.append(&mut self.poll(name));
            }
            if found.len() < recorded.len() {
                self.work(self.now);
                found.append(&mut self.poll(name));
            }
            found.retain(|event| !is_mark(event));
            if found.len() != recorded.len() {
                let types = |events: &[Value]| events.iter().map(|event| event["type"].to_string()).collect::<Vec<_>>();
                return Err(format!("watch {name}: expected {:?}, got {:?}", types(&recorded), types(&found)));
            }
            let objects = found.iter().filter(|event| event["type"] != "BOOKMARK");
            let versions = objects.filter_map(|event| event["object"]["metadata"]["resourceVersion"].as_str());
            let last = versions.filter_map(|version| version.parse::<u64>().ok()).max().unwrap_or(0);
            for (recorded, found) in recorded.iter().zip(&found) {
                let (recorded, found) = (&wire::ageless(recorded), &wire::ageless(found));
                let differs = match (is_end_mark(recorded), is_end_mark(found)) {
                    _ if recorded["type"] == "ERROR" => {
                        status_differs(&mut self.names, &recorded["object"], &found["object"])
                    }
                    (true, true) => self.mark_differs(recorded, found, last),
                    _ => self.names.differ(recorded, found),
                };
                differs.map_or(Ok(()), |why| Err(format!("watch {name}: {why}")))?;
            }
            // When they come is a matter of luck, so that one is asked for.
            if let Some(mark) = marks.last() {
                let found = self.mark(name).unwrap_or_default();
                let differs = self.mark_differs(&wire::ageless(mark), &wire::ageless(&found), last);
                differs.map_or(Ok(()), |why| Err(format!("watch {name}: bookmark {why}")))?;
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
        let Some(next) = open.next() else { return found };
        let (events, version) = wire::events(self.server.answer(&next, &open.accept, self.now));
        open.accept.goes_on |= !events.is_empty();
        open.after = version;
        found.extend(events);
        found
    }

    /// A bookmark for a watch.
    fn mark(&mut self, name: &str) -> Option<Value> {
        let open = self.watches.get(name)?;
        let mut request = open.next()?;
        if let Action::Watch(watch) = &mut request.action {
            watch.bookmarks = true;
        }
        wire::events(self.server.answer(&request, &open.accept, self.now)).0.pop()
    }

    /// Says where two bookmarks differ in form, or whether ours comes too early.
    ///
    /// Recorded versions are those of all writes, also elsewhere; later requests may start from them.
    fn mark_differs(&mut self, recorded: &Value, found: &Value, last: u64) -> Option<String> {
        let version = |mark: &Value| {
            let path = ["/object/metadata/resourceVersion", "/object/rows/0/object/metadata/resourceVersion"];
            path.iter().find_map(|path| Some((*path, mark.pointer(path)?.as_str()?.to_owned())))
        };
        let (Some((path, wanted)), Some((_, given))) = (version(recorded), version(found)) else {
            return Some(format!("expected {recorded}, got {found}"));
        };
        let mut expected = recorded.clone();
        *expected.pointer_mut(path).unwrap() = given.as_str().into();
        self.names.learn_version(&wanted, &given);
        let early = || (given.parse::<u64>().unwrap() < last).then(|| format!("{given} is before {last}"));
        Names::default().differ(&expected, found).or_else(early)
    }
}

impl Open {
    /// The request that goes on where the last answer ended.
    fn next(&self) -> Option<Request> {
        let mut request = self.request.clone();
        if let Action::Watch(watch) = &mut request.action {
            let mut next = Watch::default();
            next.select = watch.select.clone();
            next.after = Some(self.after.as_deref()?.into());
            *watch = next;
        }
        Some(request)
    }
}
