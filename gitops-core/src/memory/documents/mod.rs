//! What a server says of itself: version, health, discovery, OpenAPI. And one door for all of it, resources included.
//!
//! Rule: Kubernetes API concepts, "API Discovery" and "OpenAPI interface definition", as recorded.

mod discovery;
mod names;
mod openapi;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::time::Timestamp;
use crate::value::{Digest, Draft, Purpose, Value};

use super::accept::{Accept, Media};
use super::refuse;
use super::response::{Reason, Status};
use super::server::ApiServer;
use super::url::HttpRequest;
use super::wire::{Content, Wire};

/// The version of Kubernetes that the server is modelled on.
const VERSION: (&str, &str) = ("1", "36");

impl ApiServer {
    /// Answers whatever may be asked over HTTP: resources, and what a server says of itself.
    ///
    /// It is all that a front end needs, but for authentication, for going on with watches (see
    /// [`Request::going_on`](super::Request::going_on)) and for moving bytes.
    ///
    /// ```
    /// use gitops_core::memory::{Accept, ApiServer, Content, HttpRequest};
    /// use gitops_core::time::Timestamp;
    ///
    /// let mut server = ApiServer::new(1);
    /// let asked = HttpRequest::new("GET", "/apis/apps");
    /// let Content::Document(group) = server.respond(&asked, &Accept::default(), Timestamp::EPOCH).content else {
    ///     panic!("a document")
    /// };
    /// assert_eq!(group.root().dig(&["preferredVersion", "groupVersion"]).and_then(|v| v.as_str()), Some("apps/v1"));
    /// ```
    pub fn respond(&mut self, http: &HttpRequest<'_>, accept: &Accept, now: Timestamp) -> Wire {
        let path = http.path.trim_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let about_itself = match parts.as_slice() {
            ["healthz" | "livez" | "readyz"] | ["healthz", "ping"] => Ok(Wire::text(200, "ok")),
            ["version"] if http.method == "GET" => Ok(Wire::document(version())),
            ["version"] => Err(refuse::method_not_allowed()),
            // Who shows no credentials is not told what is served.
            _ if is_stranger(http) && !is_resource(&parts) => Err(refuse::path_forbidden(http.path)),
            ["api"] => self.core_discovery(http, accept),
            ["apis"] => self.group_discovery(http, accept),
            ["api", _] | ["apis", _] | ["apis", _, _] if http.method != "GET" => Err(refuse::method_not_allowed()),
            ["api", version] => self.kinds_of("", version).map(Wire::document),
            ["apis", group] => self.group(group).map(Wire::document),
            ["apis", group, version] => self.kinds_of(group, version).map(Wire::document),
            ["openapi", "v3"] => Ok(Wire { media: Media::Text, ..Wire::document(self.openapi_index()) }),
            ["openapi", "v3", place @ ..] => Ok(self.openapi(&place.join("/"), http)),
            _ => return self.resource(http, accept, now),
        };
        about_itself.unwrap_or_else(|status| Wire::refusal(status, accept))
    }

    fn resource(&mut self, http: &HttpRequest<'_>, accept: &Accept, now: Timestamp) -> Wire {
        match self.read_request(http) {
            Ok(request) => self.answer(&request, accept, now),
            Err(status) => Wire::refusal(status, accept),
        }
    }
}

impl Wire {
    /// The answer to credentials that are not known, or no longer.
    #[must_use]
    pub fn unauthorized(accept: &Accept) -> Self {
        Self::refusal(Status::new(401, Reason::Unauthorized, "Unauthorized"), accept)
    }

    /// The answer to a URL that is no text.
    #[must_use]
    pub fn unreadable(accept: &Accept) -> Self {
        Self::refusal(refuse::bad_request("the URL is not encoded as UTF-8"), accept)
    }

    /// A document in JSON.
    fn document(content: Value) -> Self {
        Self::new(200, Media::Json, Content::Document(content), Vec::new())
    }

    pub(super) fn text(code: u16, text: &str) -> Self {
        Self::new(code, Media::Text, Content::Text(text.to_owned()), Vec::new())
    }

    /// Names the content, and leaves it out where the client has it.
    fn tagged(self, tag: &str, http: &HttpRequest<'_>) -> Self {
        let quoted = format!("\"{tag}\"");
        if http.known == quoted {
            let content = Content::Text(String::new());
            return Self { code: 304, content, tag: Some(quoted.into()), ..self };
        }
        Self { tag: Some(quoted.into()), ..self }
    }
}

/// Whether a path is that of a resource.
fn is_resource(parts: &[&str]) -> bool {
    match parts {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => !rest.is_empty(),
        _ => false,
    }
}

fn is_stranger(http: &HttpRequest<'_>) -> bool {
    http.user.as_ref().is_some_and(super::User::is_anonymous)
}

fn version() -> Value {
    let (major, minor) = VERSION;
    let mut draft = Draft::map();
    for (field, text) in [
        ("major", major),
        ("minor", minor),
        ("emulationMajor", major),
        ("emulationMinor", minor),
        ("minCompatibilityMajor", "1"),
        ("minCompatibilityMinor", "35"),
        ("gitVersion", "v1.36.2"),
        ("gitCommit", ""),
        ("gitTreeState", ""),
        ("buildDate", "1970-01-01T00:00:00Z"),
        ("goVersion", "none"),
        ("compiler", "none"),
        ("platform", "gitops.rs/memory"),
    ] {
        draft.set(field, text);
    }
    draft.freeze()
}

/// A name for a content, in the form in which the server has them.
fn tag(content: &Value) -> String {
    Digest::of(Purpose::Schema, content.to_json().as_bytes()).to_string().to_ascii_uppercase()
}

/// No answer but that the client reads none of the forms there are.
fn unacceptable() -> Status {
    let known = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    Status::new(406, Reason::NotAcceptable, format!("only the following media types are accepted: {known}"))
}

/// A list of texts.
fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Draft {
    texts.into_iter().map(|text| Draft::from(text.as_ref())).collect::<Vec<_>>().into()
}

/// `group/version`, or the version alone for the core group.
fn group_version(group: &str, version: &str) -> Arc<str> {
    if group.is_empty() { version.into() } else { format!("{group}/{version}").into() }
}
