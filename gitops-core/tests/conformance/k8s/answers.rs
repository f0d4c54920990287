//! What the server answers, in the form of the recordings, and where the two differ.

use gitops_core::memory::{Event, Events};
use gitops_core::resource::Resource;
use serde_json::{Value, json as tree};

use super::json;
use super::names::Names;

/// Discovery and the version have a recording of their own.
pub(super) fn is_discovery(request: &Value) -> bool {
    let parts: Vec<&str> = request["path"].as_str().unwrap_or_default().split('/').skip(1).collect();
    matches!(parts.as_slice(), ["version" | "api" | "apis"] | ["apis", _])
}

/// Whether a bookmark says that all present objects were sent.
pub(super) fn is_end_mark(event: &Value) -> bool {
    let object = &event["object"];
    // In a Table it is told of its only row.
    let mut objects = [object, &object["rows"][0]["object"]].into_iter();
    objects.any(|object| object["metadata"]["annotations"]["k8s.io/initial-events-end"].is_string())
}

/// Where two answers differ; the versions in messages are of the moment.
pub(super) fn status_differs(names: &mut Names, recorded: &Value, found: &Value) -> Option<String> {
    let timeless = |status: &Value| {
        let mut status = status.clone();
        if let Some(message) = status["message"].as_str().filter(|text| text.contains("resource version")) {
            let message: String = message.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            status["message"] = message.into();
        }
        status
    };
    names.differ(&timeless(recorded), &timeless(found))
}

pub(super) fn differ(names: &mut Names, recorded: &Value, found: &Value) -> Result<(), String> {
    names.differ(recorded, found).map_or(Ok(()), Err)
}

pub(super) fn events_json(events: &Events) -> Vec<Value> {
    events.events.iter().filter_map(event_json).collect()
}

fn event_json(event: &Event) -> Option<Value> {
    let (kind, object): (&str, &Resource) = match event {
        Event::Added(object) => ("ADDED", object),
        Event::Modified(object) => ("MODIFIED", object),
        Event::Deleted(object) => ("DELETED", object),
        Event::Error(status) => {
            return Some(tree!({"type": "ERROR", "object": serde_json::to_value(status.to_value()).unwrap()}));
        }
        Event::InitialEnd(version) => {
            let annotations = tree!({"k8s.io/initial-events-end": "true"});
            let metadata = tree!({"resourceVersion": version.to_string(), "annotations": annotations});
            return Some(tree!({"type": "BOOKMARK", "object": {"metadata": metadata}}));
        }
        _ => return None,
    };
    Some(tree!({"type": kind, "object": json(object)}))
}
