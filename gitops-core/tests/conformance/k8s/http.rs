//! Recorded HTTP requests as requests of the server in memory.

use gitops_core::memory::{ApiServer, Endpoint, HttpRequest, Request, Status, User, Wire};
use gitops_core::time::Timestamp;
use serde_json::Value;

use super::wire;

/// Sends a recorded request and gets what goes over the wire; `None` for what is no request to a resource.
pub(super) fn ask(server: &mut ApiServer, recorded: &Value, now: Timestamp) -> Option<(Endpoint, Wire)> {
    let endpoint = Endpoint::from_path(recorded["path"].as_str()?)?;
    let accept = wire::accept(recorded);
    let answer = match read(server, recorded) {
        Ok(request) => server.answer(&request, &accept, now),
        Err(status) => Wire::refusal(status, &accept),
    };
    Some((endpoint, answer))
}

/// Reads a recorded request, or says what the server answers to it at once.
pub(super) fn read(server: &ApiServer, recorded: &Value) -> Result<Request, Status> {
    let text = |value: &'static str| recorded[value].as_str().unwrap_or_default();
    let body = match (&recorded["raw_body"], &recorded["body"]) {
        (Value::String(raw), _) => raw.clone().into_bytes(),
        (_, Value::Null) => Vec::new(),
        (_, body) => serde_json::to_vec(body).unwrap(),
    };
    let mut http = HttpRequest::new(text("method"), text("path"));
    http.content_type = text("content_type");
    // What the recorder called itself.
    http.agent = recorded["headers"]["User-Agent"].as_str().unwrap_or("python-requests");
    http.body = &body;
    http.user = user(&recorded["headers"]);
    for (name, value) in recorded["query"].as_object().into_iter().flatten() {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values.iter().filter_map(Value::as_str) {
            http = http.with(name, value);
        }
    }
    server.read_request(&http)
}

/// Whose rights count: the recorder may do everything, unless it asks for somebody else or hides who it is.
fn user(headers: &Value) -> Option<User> {
    if let Some(name) = headers["Impersonate-User"].as_str() {
        let groups = headers["Impersonate-Group"].as_str().into_iter();
        return Some(groups.fold(User::new(name), User::in_group));
    }
    headers.get("Authorization").is_some_and(Value::is_null).then(User::anonymous)
}
