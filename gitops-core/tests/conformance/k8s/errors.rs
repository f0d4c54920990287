//! Requests that a real API server refuses: what is compared is the class of the refusal.
//!
//! That is the HTTP status, the reason, and each field at fault with its reason.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use gitops_core::memory::{ApiServer, Wire};
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use serde_json::{Value, json as tree};

use super::names::{Clock, Names};
use super::{http, server, start, wire};
use crate::{Case, recording};

pub(crate) fn errors(folder: &Path) -> Option<Vec<Case>> {
    let cases = recording(folder, "k8s/errors.json")?;
    let base = server(folder, "k8s/crds.json", &["vec-err"])?;
    let verdict = |case: &Value| Case { id: case["id"].as_str().unwrap().to_owned(), verdict: run(base.clone(), case) };
    Some(cases.as_array().unwrap().iter().map(verdict).collect())
}

fn run(mut server: ApiServer, case: &Value) -> Result<(), String> {
    let mut names = Names::default();
    let now = start() + Duration::from_secs(10);
    for step in case["setup"].as_array().unwrap() {
        if step["role"].is_object() {
            limit(&mut server, &step["role"], now);
            continue;
        }
        let (_, answer) = http::ask(&mut server, &names.fill(step), now).ok_or("the setup cannot be sent")?;
        if step["status"] != answer.code {
            return Err(format!("setup: expected {}, got {}", step["status"], said(&answer)));
        }
        names.differ(&step["response"], &wire::document(&answer)).map_or(Ok(()), |why| Err(format!("setup: {why}")))?;
    }
    let request = names.fill(&with_port(&whole(&case["request"]), &case["body"]));
    let (_, answer) = http::ask(&mut server, &request, now).ok_or("cannot be sent")?;
    if case["status"] != answer.code {
        return Err(format!("expected {}, got {}", case["status"], said(&answer)));
    }
    wire::warned(&case["warnings"], &answer)?;
    let found = wire::document(&answer);
    if case["body"]["kind"] != "Status" {
        // The Go router answers in plain text where it knows no such path.
        let object = case["body"].is_object() && case["body"]["kind"] != "Status";
        names.differ(&case["body"], &found).filter(|_| object).map_or(Ok(()), Err)?;
        return names.confused(Clock::Recorded).map_or(Ok(()), Err);
    }
    let class = |status: &Value| (status["reason"].clone(), causes(status));
    let (expected, got) = (class(&case["body"]), class(&found));
    if expected == got { Ok(()) } else { Err(format!("expected {expected:?}, got {got:?} {}", found["message"])) }
}

/// The fields at fault, each with its reason; a real server may tell one twice.
fn causes(status: &Value) -> BTreeSet<(String, String)> {
    let causes = status["details"]["causes"].as_array().into_iter().flatten();
    causes.map(|cause| (cause["field"].to_string(), cause["reason"].to_string())).collect()
}

/// The request with a body that the recording cut short.
fn whole(request: &Value) -> Value {
    let mut request = request.clone();
    if let (Some(bytes), Some(starts)) =
        (request["body"]["omitted_bytes"].as_u64(), request["body"]["starts"].as_str().map(str::to_owned))
    {
        let (opened, closed) = (starts.matches('{').count(), starts.matches('}').count());
        let end = format!("\"{}", "}".repeat(opened - closed));
        let last = starts.chars().last().unwrap().to_string();
        let fill = usize::try_from(bytes).unwrap() - starts.len() - end.len();
        request["raw_body"] = format!("{starts}{}{end}", last.repeat(fill)).into();
    }
    request
}

/// The recording put a placeholder in place of each node port; where one is refused, the answer names the real one.
fn with_port(request: &Value, answer: &Value) -> Value {
    let mut request = request.clone();
    for cause in answer["details"]["causes"].as_array().into_iter().flatten() {
        let message = cause["message"].as_str().unwrap_or_default();
        let refused = message.strip_prefix("Invalid value: ").and_then(|text| text.split_once(": provided port"));
        let Some(port) = refused.and_then(|(port, _)| port.parse::<i64>().ok()) else { continue };
        for at in request["body"]["spec"]["ports"].as_array_mut().into_iter().flatten() {
            if at["nodePort"].is_number() {
                at["nodePort"] = port.into();
            }
        }
    }
    request
}

/// What every case about a user with few rights starts from.
fn limit(server: &mut ApiServer, role: &Value, now: Timestamp) {
    let mut role = role.clone();
    role["metadata"]["namespace"] = "vec-err".into();
    let binding = tree!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "lim", "namespace": "vec-err"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "lim"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "limited"}],
    });
    let there = tree!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "there", "namespace": "vec-err"}});
    for object in [role, binding, there] {
        let answer = server.create(&Resource::from_typed(&object).unwrap(), "recorder", now);
        assert_eq!(answer.code, 201, "{answer:?}");
    }
}

fn said(answer: &Wire) -> String {
    let message = wire::document(answer)["message"].as_str().map(str::to_owned);
    format!("{} {}", answer.code, message.unwrap_or_default())
}
