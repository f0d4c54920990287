//! What an HTTP request asks: its URL decoded, its headers, its body.

use std::time::Duration;

use gitops_core::memory::{Accept, HttpRequest, User};
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, USER_AGENT};
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::{Body, Buf};
use tokio::time::{Instant, timeout_at};

pub(super) const USER: &str = "impersonate-user";
pub(super) const GROUP: &str = "impersonate-group";

/// The server takes no more than 3 MiB; what is over that need not be read to be refused.
const BODY: usize = (3 << 20) + 1;

/// A request, of which the body is read once it is known who asks.
pub(super) struct Asked {
    method: String,
    /// `None` when it is no text.
    url: Option<Url>,
    headers: HeaderMap,
    body: Vec<u8>,
}

struct Url {
    path: String,
    query: Vec<(String, String)>,
}

/// Credentials that are not known.
pub(super) struct Unknown;

/// Why a body has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It took too long.
    Late,
    /// It cannot be read any further.
    Broken,
}

impl Asked {
    pub(super) fn of(head: Parts) -> Self {
        let path = decoded(head.uri.path(), Plus::Itself);
        let query = head.uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty()).map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decoded(name, Plus::Space)?, decoded(value, Plus::Space)?))
        });
        let url = path.zip(query.collect::<Option<Vec<_>>>()).map(|(path, query)| Url { path, query });
        Self { method: head.method.as_str().to_owned(), url, headers: head.headers, body: Vec::new() }
    }

    /// Reads the body, to its end or until it is too long. A part of one might ask for more than the whole does, such as
    /// a deletion without its preconditions.
    pub(super) async fn read<B>(&mut self, body: B, patience: Duration) -> Result<(), Cut>
    where
        B: Body + Send,
        B::Data: Send,
    {
        let bytes = &mut self.body;
        let until = Instant::now() + patience;
        let mut body = std::pin::pin!(body);
        while bytes.len() < BODY {
            let next = timeout_at(until, body.as_mut().frame()).await.map_err(|_| Cut::Late)?;
            let Some(frame) = next else { break };
            let frame = frame.map_err(|_| Cut::Broken)?;
            let Ok(mut data) = frame.into_data() else { continue };
            while data.has_remaining() && bytes.len() < BODY {
                let chunk = data.chunk();
                let taken = chunk.len();
                bytes.extend_from_slice(chunk);
                data.advance(taken);
            }
        }
        Ok(())
    }

    /// Takes the token off an address that begins with it; what is left is the path. `kubectl` shows no other credentials
    /// where there is no TLS.
    pub(super) fn is_addressed_by(&mut self, token: &str) -> bool {
        let Some(url) = &mut self.url else { return false };
        let (first, rest) = url.path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
        let is_addressed = is_same(first.as_bytes(), token.as_bytes());
        if is_addressed {
            url.path = format!("/{rest}");
        }
        is_addressed
    }

    /// Whose rights count; `None` may do everything.
    pub(super) fn user(&self, token: &str, is_trusted: bool) -> Result<Option<User>, Unknown> {
        match self.headers.get(AUTHORIZATION) {
            None if is_trusted => {}
            None => return Ok(Some(User::anonymous())),
            Some(shown) => {
                let shown = shown.to_str().ok().and_then(|shown| shown.strip_prefix("Bearer "));
                if !shown.is_some_and(|shown| is_same(shown.as_bytes(), token.as_bytes())) {
                    return Err(Unknown);
                }
            }
        }
        let texts = |name: &str| self.headers.get_all(name).iter().map(|value| value.to_str().map_err(|_| Unknown));
        let Some(name) = texts(USER).next() else {
            // A group without a user is nobody.
            return if texts(GROUP).next().is_some() { Err(Unknown) } else { Ok(None) };
        };
        texts(GROUP).try_fold(User::new(name?), |user, group| Ok(user.in_group(group?))).map(Some)
    }

    pub(super) fn accept(&self) -> Accept {
        let header = self.text(&ACCEPT);
        let accept = if header.is_empty() { Accept::default() } else { Accept::new(header) };
        let query = self.url.iter().flat_map(|url| &url.query);
        match query.filter(|(name, _)| name == "includeObject").map(|(_, value)| value).next() {
            Some(object) => accept.including(object),
            None => accept,
        }
    }

    /// The request as the cluster takes it; `None` when its URL cannot be read.
    pub(super) fn http(&self, user: Option<User>) -> Option<HttpRequest<'_>> {
        let url = self.url.as_ref()?;
        let mut http = HttpRequest::new(&self.method, &url.path);
        http.query = url.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        http.content_type = self.text(&CONTENT_TYPE);
        http.agent = self.text(&USER_AGENT);
        http.known = self.text(&IF_NONE_MATCH);
        http.body = &self.body;
        http.user = user;
        Some(http)
    }

    pub(super) fn may_write(&self) -> bool {
        !matches!(&*self.method, "GET" | "HEAD")
    }

    fn text(&self, name: &http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Compares in a time that says nothing of where they differ.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let differences = shown.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    shown.len() == token.len() && differences == 0
}

/// What a plus stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Itself,
    Space,
}

/// Decodes percent signs; `None` when what comes out is no text.
fn decoded(text: &str, plus: Plus) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if plus == Plus::Space => b' ',
            byte => *byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use hyper::body::Frame;

    use super::*;

    /// A body of one part, after which it ends, breaks or stalls.
    struct Sent(Option<Bytes>, Poll<Option<()>>);

    impl Body for Sent {
        type Data = Bytes;
        type Error = ();

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
            match self.0.take() {
                Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
                None => self.1.map(|rest| rest.map(Err)),
            }
        }
    }

    #[test]
    fn a_body_that_stalls_or_breaks_does_not_count_as_one_that_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (rest, is_read) in [
                (Poll::Ready(None), Ok(())),
                (Poll::Ready(Some(())), Err(Cut::Broken)),
                (Poll::Pending, Err(Cut::Late)),
            ] {
                let headers = HeaderMap::new();
                let mut asked = Asked { method: "DELETE".into(), url: None, headers, body: Vec::new() };
                let body = Sent(Some(Bytes::from_static(b"{}")), rest);
                assert_eq!(asked.read(body, Duration::from_millis(50)).await, is_read);
            }
        });
    }

    #[test]
    fn a_url_is_decoded_once() {
        for (text, plus, decodes_to) in [
            ("/api/v1", Plus::Itself, Some("/api/v1")),
            ("a+b%20c", Plus::Itself, Some("a+b c")),
            ("a+b%20c%2B", Plus::Space, Some("a b c+")),
            ("app%3Dweb%2Ctier%20in%20%28a%29", Plus::Space, Some("app=web,tier in (a)")),
            ("%2525", Plus::Space, Some("%25")),
            ("%C3%A9", Plus::Space, Some("é")),
            ("%ff", Plus::Space, None),
            ("%4", Plus::Space, None),
            ("%zz", Plus::Space, None),
        ] {
            assert_eq!(decoded(text, plus).as_deref(), decodes_to, "{text}");
        }
    }

    #[test]
    fn an_address_that_begins_with_the_token_lets_in() {
        let addressed = |path: &str| {
            let url = Some(Url { path: path.to_owned(), query: Vec::new() });
            let mut asked = Asked { method: "GET".into(), url, headers: HeaderMap::new(), body: Vec::new() };
            (asked.is_addressed_by("secret"), asked.url.unwrap().path)
        };
        for (path, is_addressed, left) in [
            ("/secret/api/v1", true, "/api/v1"),
            ("/secret/", true, "/"),
            ("/secret", false, "/secret"),
            ("/secre/api", false, "/secre/api"),
            ("//secret/api", false, "//secret/api"),
            ("/api/v1", false, "/api/v1"),
            ("", false, ""),
        ] {
            assert_eq!(addressed(path), (is_addressed, left.to_owned()), "{path}");
        }
    }

    #[test]
    fn only_the_whole_token_lets_in() {
        let asked = |header: Option<&str>| {
            let mut headers = HeaderMap::new();
            header.map(|header| headers.insert(AUTHORIZATION, header.parse().unwrap()));
            Asked { method: "GET".into(), url: None, headers, body: Vec::new() }
        };
        for (header, is_known) in [
            (Some("Bearer secret"), true),
            (Some("Bearer secre"), false),
            (Some("Bearer secret2"), false),
            (Some("Bearer "), false),
            (Some("Basic secret"), false),
            (Some("secret"), false),
        ] {
            assert_eq!(asked(header).user("secret", true).is_ok_and(|user| user.is_none()), is_known, "{header:?}");
        }
        let outside = asked(None).user("secret", false);
        assert!(matches!(outside, Ok(Some(user)) if user == User::anonymous()));
        assert!(matches!(asked(None).user("secret", true), Ok(None)));
    }
}
