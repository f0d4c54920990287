//! What the recordings take for granted: objects that were there before, tokens made elsewhere, the time of day.

use std::collections::BTreeMap;

use base64::Engine as _;
use gitops_core::resource::Resource;
use serde_json::{Value, json as tree};

use super::names::Names;

/// The objects of a case that no step makes, though some list shows them or some step deletes them; oldest first.
pub(super) fn objects(case: &Value) -> Vec<Resource> {
    let steps = case["steps"].as_array().unwrap();
    let namespace = case["namespace"].as_str().unwrap_or_default();
    let listed = |step: &Value| {
        let path = step["request"]["path"].as_str()?;
        let here = path.ends_with(&format!("/namespaces/{namespace}/secrets"));
        (here && step["request"]["method"] == "GET" && step["status"] == 200).then(|| path.to_owned())
    };
    // Only a case that begins by reading has something before it.
    if steps.first().and_then(listed).is_none() {
        return Vec::new();
    }
    let made = |field: &str, text: &Value| {
        steps.iter().any(|step| step["request"]["method"] == "POST" && step["response_metadata"][field] == *text)
    };
    let mut found = BTreeMap::new();
    for step in steps {
        let path = step["request"]["path"].as_str().unwrap_or_default();
        if step["request"]["method"] == "DELETE" && step["status"] == 200 {
            let name: Value = path.rsplit('/').next().unwrap_or_default().into();
            if !made("name", &name) {
                found.insert(String::new(), tree!({"metadata": {"name": name}, "type": "Opaque"}));
            }
        }
        for item in listed(step).and_then(|_| step["response"]["items"].as_array()).into_iter().flatten() {
            if !made("uid", &item["metadata"]["uid"]) {
                let version = item["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                found.insert(version.to_owned(), item.clone());
            }
        }
    }
    let object = |mut item: Value| {
        item["metadata"] = tree!({"name": item["metadata"]["name"], "namespace": namespace});
        item["apiVersion"] = "v1".into();
        item["kind"] = "Secret".into();
        Resource::from_typed(&item).unwrap()
    };
    found.into_values().map(object).collect()
}

/// Tokens that no answer gave: made by hand, so that they name no version of the server.
pub(super) fn tokens(case: &Value, names: &mut Names) {
    let text = case["steps"].to_string();
    for (name, inside) in case["continue_tokens"].as_object().into_iter().flatten() {
        if text.contains(&format!("\"continue\":\"{name}\",\"")) && text.contains("token_decoded") {
            let mut inside = inside.clone();
            if let Some(version) = inside["rv"].as_str().and_then(|version| version.parse::<i64>().ok()) {
                inside["rv"] = version.into();
            }
            let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(inside.to_string());
            names.differ(&tree!({"continue": name}), &tree!({"continue": token}));
        }
    }
}

/// The newest second that a step speaks of.
pub(super) fn newest(step: &Value) -> u64 {
    let text = step.to_string();
    let seconds = text.match_indices("2000-01-01T00:00:").filter_map(|(at, start)| {
        let at = at + start.len();
        text.get(at..at + 2)?.parse::<u64>().ok()
    });
    seconds.max().unwrap_or_default()
}
