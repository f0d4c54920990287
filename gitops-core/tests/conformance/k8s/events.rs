//! Events of watches as they go over the wire.

use gitops_core::memory::{Event, Events};
use gitops_core::resource::Resource;
use serde_json::{Value, json as tree};

use super::json;

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

/// Whether a bookmark says that all present objects were sent.
pub(super) fn is_end_mark(event: &Value) -> bool {
    let object = &event["object"];
    // In a Table it is told of its only row.
    let mut objects = [object, &object["rows"][0]["object"]].into_iter();
    objects.any(|object| object["metadata"]["annotations"]["k8s.io/initial-events-end"].is_string())
}
