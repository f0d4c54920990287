//! Recorded answers in the form that the client asked for: Tables, metadata only, YAML.

use gitops_core::memory::{Accept, Content, Wire};
use serde_json::{Value, json as tree};

/// What a recorded request says of the form of its answer.
pub(super) fn accept(request: &Value) -> Accept {
    let accept = request["headers"]["Accept"].as_str().map(Accept::new).unwrap_or_default();
    match request["query"]["includeObject"].as_str() {
        Some(object) => accept.including(object),
        None => accept,
    }
}

/// Compares status and media type.
pub(super) fn head(step: &Value, answer: &Wire) -> Result<(), String> {
    let media = step["response_content_type"].as_str();
    if media == Some("application/vnd.kubernetes.protobuf") {
        return Err("the recorded answer is protobuf".to_owned());
    }
    let media = media.or_else(|| step["response"].is_object().then_some("application/json"));
    let found = answer.media.content_type();
    if step["status"] == answer.code && media.is_none_or(|media| media == found) {
        return Ok(());
    }
    let why = document(answer)["message"].clone();
    Err(format!("expected {} {}, got {} {found} {why}", step["status"], media.unwrap_or_default(), answer.code))
}

/// Compares the warnings: none recorded is none given. They are a list, or the headers in one text.
pub(super) fn warned(recorded: &Value, answer: &Wire) -> Result<(), String> {
    let found = match recorded {
        Value::String(_) => {
            let headers: Vec<String> = answer.warnings.iter().map(|text| format!("299 - \"{text}\"")).collect();
            tree!(headers.join(", "))
        }
        _ => answer.warnings.iter().map(|text| &**text).collect(),
    };
    let is_same = *recorded == found || (recorded.is_null() && answer.warnings.is_empty());
    if is_same { Ok(()) } else { Err(format!("expected warnings {recorded}, got {found}")) }
}

/// The content of an answer, but for streams.
pub(super) fn document(answer: &Wire) -> Value {
    match &answer.content {
        Content::Document(document) => serde_json::to_value(document).unwrap(),
        Content::Text(text) => tree!(text),
        _ => Value::Null,
    }
}

/// The events of a stream, and the version to go on from if it goes on.
pub(super) fn events(answer: Wire) -> (Vec<Value>, Option<String>) {
    match answer.content {
        Content::Stream { events, version } => {
            let events = events.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
            (events, version.map(|version| version.to_string()))
        }
        _ => (Vec::new(), None),
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
