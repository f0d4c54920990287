//! Answers as HTTP has them.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gitops_core::memory::{Accept, Content, Wire};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, LOCATION, VARY, WARNING};
use http::{HeaderMap, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::Receiver;

use super::Part;
use super::asked::Cut;

/// The body of an answer: at once, or for as long as a watch goes on.
pub struct Answer(Rest);

enum Rest {
    Whole(Option<Bytes>),
    Stream(Receiver<Part>),
}

/// An answer that is complete.
pub(super) fn whole(wire: Wire) -> Response<Answer> {
    let body = match &wire.content {
        Content::Document(document) => Some(Bytes::from(format!("{}\n", document.to_json()))),
        Content::Text(text) => Some(Bytes::from(text.clone())),
        // What has ended before it began.
        Content::Stream { events, .. } => Some(super::follow::lines(events)),
        _ => None,
    };
    response(&wire, Answer(Rest::Whole(body.filter(|body| !body.is_empty()))))
}

/// The refusal of a body that has no end.
pub(super) fn cut(cut: Cut, accept: &Accept) -> Wire {
    let (code, reason, message) = match cut {
        Cut::Late => (408, "Timeout", "the body of the request did not arrive in time"),
        Cut::Broken => (400, "BadRequest", "the body of the request breaks off"),
    };
    let mut wire = Wire::unreadable(accept);
    wire.code = code;
    if let Content::Document(status) = &mut wire.content {
        let mut draft = status.root().to_draft();
        draft.set("code", i64::from(code));
        draft.set("reason", reason);
        draft.set("message", message);
        *status = draft.freeze();
    }
    wire
}

/// An answer that goes on.
pub(super) fn stream(wire: &Wire, parts: Receiver<Part>) -> Response<Answer> {
    response(wire, Answer(Rest::Stream(parts)))
}

fn response(wire: &Wire, body: Answer) -> Response<Answer> {
    let mut headers = HeaderMap::new();
    let mut add = |name, text: &str| {
        // What cannot stand in a header is not told.
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            headers.append(name, value);
        }
    };
    if wire.code != 304 {
        add(CONTENT_TYPE, wire.media.content_type());
    }
    if let Some(tag) = &wire.tag {
        add(ETAG, tag);
        add(VARY, "Accept");
    }
    add(CACHE_CONTROL, if wire.tag.is_some() { "public" } else { "no-cache, private" });
    if let Some(location) = &wire.location {
        add(LOCATION, location);
    }
    wire.warnings.iter().for_each(|text| add(WARNING, &warning(text)));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(wire.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}

/// Rule: RFC 7234, 5.5, as Kubernetes has it: code 299, no agent.
fn warning(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("299 - \"{}\"", text.replace(char::is_control, " "))
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Rest::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Rest::Stream(parts) => parts.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Rest::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Rest::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Rest::Stream(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Rest::Whole(_) => "Answer(whole)",
            Rest::Stream(_) => "Answer(stream)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_quoted() {
        assert_eq!(warning("unknown field \"a\\b\"\n"), r#"299 - "unknown field \"a\\b\" ""#);
    }
}
