//! Sequences of writes to one object, and what each left behind.

use std::path::Path;
use std::time::Duration;

use gitops_core::memory::{Action, ApiServer, Request, Wire};
use gitops_core::time::Timestamp;
use serde_json::Value;

use super::names::{Clock, Names};
use super::{add_namespace, http, json, server, start, wire};
use crate::{Case, recording};

pub(crate) fn ssa_sequences(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/ssa_sequences.json", "k8s/crds.json")
}

pub(crate) fn ownership(folder: &Path) -> Option<Vec<Case>> {
    run(folder, "k8s/ownership.json", "k8s/ownership_crds.json")
}

fn run(folder: &Path, file: &str, crds: &str) -> Option<Vec<Case>> {
    let cases = recording(folder, file)?;
    let base = server(folder, crds, &["vec-frozen", "vec-own"])?;
    let verdict =
        |case: &Value| Case { id: case["id"].as_str().unwrap().to_owned(), verdict: replay(base.clone(), case) };
    Some(cases.as_array().unwrap().iter().map(verdict).collect())
}

fn replay(mut server: ApiServer, case: &Value) -> Result<(), String> {
    // Cases about namespaces make their own.
    if let Some(namespace) = case["namespace"].as_str().filter(|name| name.starts_with("vec-")) {
        add_namespace(&mut server, namespace);
    }
    let mut names = Names::default();
    let (mut last, mut second) = (Value::Null, 0);
    for (at, op) in case["ops"].as_array().unwrap().iter().enumerate() {
        second = second.max(newest(&op["object"])).max(newest(&op["response"]));
        let now = start() + Duration::from_secs(10 + second);
        let name = op["request"]["op"].as_str().unwrap_or_default();
        let fail = |why: String| format!("op {at} ({name}): {why}");
        // The real garbage collector ran meanwhile; that it did is known from what came next.
        if op["status"] == 404 || op["status"] == 201 {
            server.collect(now);
        }
        let sent = http::ask(&mut server, &names.fill(&op["request"]), now);
        let Some((endpoint, answer)) = sent else { return Err(fail("cannot be sent".to_owned())) };
        let definition = &*endpoint.plural == "customresourcedefinitions";
        // A namespace with this label was kept from controllers.
        let namespace = gitops_core::resource::ResourceKey::new("", "Namespace", None, text(&case["namespace"]));
        let frozen = server.get(&namespace).is_some_and(|namespace| namespace.label("vec-frozen").is_some());
        let collects = (case["controllers"] == true && !frozen) || definition;
        check_answer(&mut names, op, &answer).map_err(fail)?;
        // A change of a CRD takes effect seconds later; until then objects are seen as before.
        if !(definition && op["object"] == "unchanged") {
            let before = names.clone();
            let mut checked = check_object(&mut names, &mut server, case, op, &last, now);
            if checked.is_err() && collects {
                // When controllers came round was a matter of luck: maybe before this.
                server.collect(now);
                names = before;
                checked = check_object(&mut names, &mut server, case, op, &last, now);
            }
            last = checked.map_err(fail)?;
        }
        names.confused(Clock::Recorded).map_or(Ok(()), Err).map_err(fail)?;
        if collects {
            server.collect(now);
        }
    }
    Ok(())
}

/// The second in which the newest part of a recorded object was written.
fn newest(object: &Value) -> u64 {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let metadata = ["creationTimestamp", "deletionTimestamp"].map(|field| &object["metadata"][field]);
    let times = entries.map(|entry| &entry["time"]).chain(metadata);
    let seconds = times.filter_map(|time| time.as_str()?.strip_prefix("2000-01-01T00:")?.strip_suffix('Z'));
    let seconds = seconds.filter_map(|time| {
        let (minutes, seconds) = time.split_once(':')?;
        Some(minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?)
    });
    seconds.max().unwrap_or(0)
}

fn check_answer(names: &mut Names, op: &Value, answer: &Wire) -> Result<(), String> {
    let found = wire::document(answer);
    if op["status"] != answer.code {
        let (wanted, said) = (&op["error"]["message"], &found["message"]);
        return Err(format!("expected {} {wanted}, got {} {said}", op["status"], answer.code));
    }
    wire::warned(&op["warnings"], answer)?;
    if op["error"].is_object() {
        if op["error"]["reason"] != found["reason"] {
            return Err(format!("expected reason {}, got {}", op["error"]["reason"], found["reason"]));
        }
        let causes = |status: &Value| {
            let causes = status["causes"].as_array().into_iter().flatten();
            causes.map(|cause| format!("{}: {}", text(&cause["field"]), text(&cause["reason"]))).collect::<Vec<_>>()
        };
        let (causes, found) = (causes(&op["error"]), causes(&found["details"]));
        if causes != found {
            return Err(format!("expected causes {causes:?}, got {found:?}"));
        }
    }
    let response = &op["response"];
    if response.is_object() && response["kind"] != "Status" {
        return names.differ(response, &found).map_or(Ok(()), |why| Err(format!("answer {why}")));
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Compares the main object of the case; returns what is there now.
fn check_object(
    names: &mut Names,
    server: &mut ApiServer,
    case: &Value,
    op: &Value,
    last: &Value,
    now: Timestamp,
) -> Result<Value, String> {
    let dying = op["object"]["metadata"]["deletionTimestamp"].is_string();
    let absent = op["object"].is_null() || (op["object"] == "unchanged" && last.is_null());
    let namespace = case["kind"] == "Namespace";
    if absent || (dying && op["request"]["method"] != "DELETE" && !namespace) {
        server.collect(now);
    }
    let live = live(server, case, now);
    match &op["object"] {
        Value::String(text) if text == "unchanged" => {
            if &live == last {
                return Ok(live);
            }
            let why = Names::default().differ(last, &live);
            Err(format!("should be unchanged; {}", why.unwrap_or_default()))
        }
        Value::Null if live.is_null() => Ok(live),
        Value::Null => Err("should be absent".to_owned()),
        _ if live.is_null() => Err("should be there".to_owned()),
        object => names.differ(object, &live).map_or(Ok(live), Err),
    }
}

fn live(server: &mut ApiServer, case: &Value, now: Timestamp) -> Value {
    let text = |field: &str| case[field].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    let namespace = case["namespace"].as_str();
    let key = gitops_core::resource::ResourceKey::new(group, text("kind"), namespace, text("name"));
    let clusterwide = key.in_namespace(None);
    let key = if server.get(&clusterwide).is_some() { clusterwide } else { key };
    let Some(endpoint) = server.endpoint(&key, version) else { return Value::Null };
    let answer = server.handle(&Request::new(endpoint, Action::Get), now);
    answer.as_object().map_or(Value::Null, json)
}
