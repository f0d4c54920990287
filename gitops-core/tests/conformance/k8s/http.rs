//! Recorded HTTP requests as requests of the server in memory.

use gitops_core::memory::{HttpRequest, Request, Status, User};
use gitops_core::value::Value as Tree;
use serde_json::Value;

/// Reads a recorded request; `None` for what is no request to a resource.
pub(super) fn request(recorded: &Value) -> Option<Request> {
    read(recorded).ok()
}

/// Reads a recorded request, or says what the server answers to it at once.
pub(super) fn read(recorded: &Value) -> Result<Request, Status> {
    let text = |field: &str| recorded[field].as_str().unwrap_or_default().to_owned();
    let mut http = HttpRequest::new(&text("method"), &text("path"));
    http.media_type = text("content_type");
    // What the recorder called itself.
    http.user_agent = recorded["headers"]["User-Agent"].as_str().unwrap_or("python-requests").to_owned();
    http.body = Tree::from_serialize(&recorded["body"]).ok();
    http.user = user(&recorded["headers"]);
    for (name, value) in recorded["query"].as_object().into_iter().flatten() {
        let values = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        for value in values.iter().filter_map(Value::as_str) {
            http = http.with(name, value);
        }
    }
    Request::read(&http)
}

/// Whose rights count: the recorder may do everything, unless it asks for somebody else or hides who it is.
fn user(headers: &Value) -> Option<User> {
    if let Some(name) = headers["Impersonate-User"].as_str() {
        let groups = headers["Impersonate-Group"].as_str().into_iter();
        return Some(groups.fold(User::new(name), User::in_group));
    }
    headers.get("Authorization").is_some_and(Value::is_null).then(User::anonymous)
}
