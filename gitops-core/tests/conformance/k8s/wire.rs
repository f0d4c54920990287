//! Recorded answers in the form that the client asked for: Tables, metadata only, YAML.

use gitops_core::memory::{Accept, Content, Media, Wire};
use serde_json::{Value, json as tree};

use super::names::Names;

/// What a recorded request says of the form of its answer; `None` when it asks for nothing special.
pub(super) fn accept(request: &Value) -> Option<Accept> {
    let header = request["headers"]["Accept"].as_str().filter(|header| *header != "application/json")?;
    let accept = Accept::new(header);
    Some(match request["query"]["includeObject"].as_str() {
        Some(object) => accept.including(object),
        None => accept,
    })
}

pub(super) fn check(names: &mut Names, step: &Value, answer: &Wire) -> Result<(), String> {
    let media = step["response_content_type"].as_str().unwrap_or("application/json");
    if media == "application/vnd.kubernetes.protobuf" {
        return Err("the recorded answer is protobuf".to_owned());
    }
    if step["status"] != answer.code || media != answer.media.content_type() {
        let found = format!("{} {}", answer.code, answer.media.content_type());
        return Err(format!("expected {} {media}, got {found}", step["status"]));
    }
    let warnings: Vec<String> = answer.warnings.iter().map(|text| format!("299 - \"{text}\"")).collect();
    if step["warning"].as_str().is_some_and(|expected| *expected != warnings.join(", ")) {
        return Err(format!("expected {}, got {warnings:?}", step["warning"]));
    }
    let found = document(answer);
    let recorded = match &step["response"] {
        Value::String(yaml) if answer.media == Media::Yaml => {
            serde_yaml::from_str(yaml).map_err(|error| format!("the recorded YAML: {error}"))?
        }
        Value::Null => return metadata(names, step, &found),
        response => response.clone(),
    };
    if recorded["kind"] == "Status" {
        // Kubernetes words some messages after its own code; the class is what counts.
        let same = ["status", "reason", "code"].iter().all(|field| recorded[field] == found[field]);
        return if same { Ok(()) } else { Err(format!("expected {recorded}, got {found}")) };
    }
    let difference = names.differ(&ageless(&recorded), &ageless(&found));
    difference.map_or(Ok(()), Err)
}

/// Where only the metadata of the answer were kept.
fn metadata(names: &mut Names, step: &Value, found: &Value) -> Result<(), String> {
    let Some(recorded) = step["response_metadata"].as_object() else { return Ok(()) };
    let found = recorded.keys().map(|key| (key.clone(), found["metadata"][key].clone()));
    let found: Value = found.collect::<serde_json::Map<_, _>>().into();
    names.differ(&step["response_metadata"], &found).map_or(Ok(()), Err)
}

fn document(answer: &Wire) -> Value {
    match &answer.content {
        Content::Document(document) => serde_json::to_value(document).unwrap(),
        _ => Value::Null,
    }
}

/// The events of a stream, and the version to go on from.
pub(super) fn events(answer: Wire) -> (Vec<Value>, String) {
    match answer.content {
        Content::Stream { events, version } => {
            let events = events.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
            (events, version.map(|version| version.to_string()).unwrap_or_default())
        }
        _ => (Vec::new(), String::new()),
    }
}

/// A Table without its ages: how long the recorder took is not to be known. `0s` stands for all of them.
pub(super) fn ageless(value: &Value) -> Value {
    let is_age = |text: &str| {
        text.bytes().next().is_some_and(|first| first.is_ascii_digit())
            && text.ends_with(['s', 'm', 'h', 'd', 'y'])
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"smhdy".contains(&byte))
    };
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match value {
                Value::Array(cells) if key == "cells" => {
                    let age = |cell: &Value| cell.as_str().is_some_and(is_age);
                    let cells = cells.iter().map(|cell| if age(cell) { tree!("0s") } else { cell.clone() });
                    (key.clone(), cells.collect())
                }
                _ => (key.clone(), ageless(value)),
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(ageless).collect(),
        _ => value.clone(),
    }
}
