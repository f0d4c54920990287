//! What the server answers, in the form of the recordings, and where the two differ.

use serde_json::Value;

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
    let said = ["resource version", "ResourceVersion"];
    let timeless = |status: &Value| {
        let mut status = status.clone();
        if let Some(message) = status["message"].as_str().filter(|text| said.iter().any(|word| text.contains(word))) {
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
