//! One request and its answer: deadlines, limits, credentials that expire, and what may be tried again.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gitops_core::cluster::{ClusterError, Failure};
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, RETRY_AFTER, WARNING};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::connect::{ConnectError, Connection};

/// The server itself gives up after 60 s.
const DEADLINE: Duration = Duration::from_secs(65);
/// More is no answer that makes sense: a page of a list has 500 objects of 1.5 MB at most, and rarely 5 MB together.
const LARGEST: usize = 1 << 30;
/// How long, and how often, a read is tried.
const PATIENCE: Duration = Duration::from_secs(20);
const TRIES: u32 = 6;

pub(crate) const JSON: &str = "application/json";

/// A way to talk to one server. Clones share it.
#[derive(Clone)]
pub(crate) struct Talk(Arc<Inner>);

struct Inner {
    connection: Connection,
    client: Mutex<Client>,
    reads: Semaphore,
    writes: Semaphore,
}

/// A request.
#[derive(Clone)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    accept: &'static str,
    known: Option<Arc<str>>,
    body: Option<(&'static str, Bytes)>,
}

/// What a server answered, be it what was asked for or a refusal.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) etag: Option<Arc<str>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) warnings: Vec<Arc<str>>,
    pub(crate) body: Bytes,
}

/// No answer.
#[derive(Clone, Debug)]
pub(crate) struct Silence {
    /// Whether the request may have arrived.
    pub(crate) sent: bool,
    /// Whether it is about who asks.
    is_about_credentials: bool,
    message: Arc<str>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), accept: JSON, known: None, body: None }
    }

    pub(crate) fn with(method: Method, path: String, media: &'static str, body: String) -> Self {
        Self { method, path, accept: JSON, known: None, body: Some((media, body.into())) }
    }

    pub(crate) fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// Wants an answer only if it is not the one of this tag.
    pub(crate) fn unless(self, tag: Option<Arc<str>>) -> Self {
        Self { known: tag, ..self }
    }

    fn request(&self) -> Result<Request<Body>, Silence> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path).header(ACCEPT, self.accept);
        if let Some(tag) = &self.known {
            request = request.header(IF_NONE_MATCH, &**tag);
        }
        let body = match &self.body {
            Some((media, bytes)) => {
                request = request.header(CONTENT_TYPE, *media);
                Body::from(bytes.clone())
            }
            None => Body::empty(),
        };
        request.body(body).map_err(|error| Silence {
            sent: false,
            is_about_credentials: false,
            message: format!("`{}` is no request", self.path).into(),
            cause: Some(Arc::new(error)),
        })
    }
}

impl Talk {
    pub(crate) async fn open(connection: &Connection) -> Result<Self, ConnectError> {
        let client = connection.client().await?;
        let limit = || Semaphore::new(connection.requests());
        let inner =
            Inner { connection: connection.clone(), client: Mutex::new(client), reads: limit(), writes: limit() };
        Ok(Self(Arc::new(inner)))
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// Reads. What has no effect is asked again while the server is busy or away.
    pub(crate) async fn read(&self, ask: &Ask) -> Result<Answer, Silence> {
        let begin = Instant::now();
        let mut pause = Duration::from_millis(100);
        for _ in 1..TRIES {
            let answer = self.ask(ask, &self.0.reads).await;
            let wait = match &answer {
                Ok(answer) if matches!(answer.code, 429 | 502 | 503 | 504) => answer.retry_after.unwrap_or(pause),
                Err(silence) if !silence.is_about_credentials => pause,
                _ => return answer,
            };
            if begin.elapsed() + wait > PATIENCE {
                return answer;
            }
            sleep(wait).await;
            pause *= 2;
        }
        self.ask(ask, &self.0.reads).await
    }

    /// Writes: once. Only where the server did not know us, and so did nothing, is it asked once more.
    pub(crate) async fn write(&self, ask: &Ask) -> Result<Answer, Silence> {
        self.ask(ask, &self.0.writes).await
    }

    async fn ask(&self, ask: &Ask, lane: &Semaphore) -> Result<Answer, Silence> {
        let permit = lane.acquire().await.map_err(|_| Silence::unsent("the client was closed"))?;
        let answer = within(DEADLINE, self.once(ask)).await;
        let answer = match answer {
            Ok(answer) if answer.code == StatusCode::UNAUTHORIZED => {
                // The token may have expired: what the kubeconfig and its plugins say now may do.
                self.reopen().await?;
                within(DEADLINE, self.once(ask)).await
            }
            answer => answer,
        };
        drop(permit);
        answer
    }

    async fn once(&self, ask: &Ask) -> Result<Answer, Silence> {
        let response = self.send(ask).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| Silence::lost("the answer broke off", Some(error)))?;
        Ok(Answer {
            code: head.status.as_u16(),
            etag: text(&head.headers, &ETAG).map(Arc::from),
            retry_after: text(&head.headers, &RETRY_AFTER)
                .and_then(|text| Some(Duration::from_secs(text.parse().ok()?))),
            warnings: head.headers.get_all(WARNING).iter().filter_map(|value| warning(value.to_str().ok()?)).collect(),
            body: body.to_bytes(),
        })
    }

    /// Asks for an answer that goes on for as long as it takes; its head must come in time.
    pub(crate) async fn stream(&self, ask: &Ask) -> Result<http::Response<Body>, Silence> {
        let response = within(DEADLINE, self.send(ask)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.reopen().await?;
        within(DEADLINE, self.send(ask)).await
    }

    async fn send(&self, ask: &Ask) -> Result<http::Response<Body>, Silence> {
        let client = self.client().await?;
        client.send(ask.request()?).await.map_err(Silence::of)
    }

    async fn client(&self) -> Result<Client, Silence> {
        let client = self.0.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The certificate that an exec plugin gave.
        let ends = client.valid_until().as_ref().map(|until| until.as_millisecond());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        if ends.is_some_and(|ends| u128::try_from(ends).unwrap_or_default() <= now) {
            return self.reopen().await;
        }
        Ok(client)
    }

    /// Reads the kubeconfig again, and asks its plugins.
    async fn reopen(&self) -> Result<Client, Silence> {
        let client = self.0.connection.client().await.map_err(|error| Silence {
            sent: false,
            is_about_credentials: true,
            message: error.to_string().into(),
            cause: Some(Arc::new(error)),
        })?;
        *self.0.client.lock().unwrap_or_else(PoisonError::into_inner) = client.clone();
        Ok(client)
    }
}

async fn within<T>(time: Duration, answer: impl Future<Output = Result<T, Silence>>) -> Result<T, Silence> {
    match timeout(time, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Silence::lost(&format!("there was no answer within {} s", time.as_secs()), None)),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The text of a warning: `299 - "text"`.
fn warning(header: &str) -> Option<Arc<str>> {
    let (_, text) = header.split_once('"')?;
    let (text, _) = text.rsplit_once('"')?;
    Some(text.replace("\\\"", "\"").replace("\\\\", "\\").into())
}

impl Silence {
    fn unsent(message: &str) -> Self {
        Self { sent: false, is_about_credentials: false, message: message.into(), cause: None }
    }

    fn lost(message: &str, cause: Option<Box<dyn Error + Send + Sync>>) -> Self {
        let message = match &cause {
            Some(cause) => format!("{message}: {}", innermost(&**cause)).into(),
            None => message.into(),
        };
        Self { sent: true, is_about_credentials: false, message, cause: cause.map(Arc::from) }
    }

    fn of(error: kube::Error) -> Self {
        let is_about_credentials = matches!(error, kube::Error::Auth(_));
        // Without a connection nothing was sent.
        let sent = !is_about_credentials && !chain(&error).any(is_connect);
        let what = if is_about_credentials { "the credentials cannot be had" } else { "no answer" };
        let message = format!("{what}: {}", innermost(&error)).into();
        Self { sent, is_about_credentials, message, cause: Some(Arc::new(error)) }
    }

    /// Why nothing could be read.
    pub(crate) fn into_read_error(self) -> ClusterError {
        let message = Arc::clone(&self.message);
        let is_denied = self.is_about_credentials;
        self.error(if is_denied { Failure::Denied { message } } else { Failure::Unavailable { message } })
    }

    /// What it means for a write.
    pub(crate) fn into_write_error(self) -> ClusterError {
        let message = Arc::clone(&self.message);
        match self.sent {
            true => self.error(Failure::InDoubt { message }),
            false => self.into_read_error(),
        }
    }

    fn error(self, failure: Failure) -> ClusterError {
        let mut error = ClusterError::new(failure);
        error.cause = self.cause;
        error
    }
}

/// Whether no connection was made, and so nothing sent. Only making one is ever refused.
fn is_connect(error: &(dyn Error + 'static)) -> bool {
    let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect)
        || error.downcast_ref::<std::io::Error>().is_some_and(refused)
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| (*error).source())
}

/// What went wrong at the bottom; the layers above only say that something did.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Talk({})", self.0.connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_its_text() {
        for (header, text) in [
            (r#"299 - "unknown field \"spec.x\"""#, Some(r#"unknown field "spec.x""#)),
            (r#"299 - "a \\ b""#, Some(r"a \ b")),
            ("299 -", None),
        ] {
            assert_eq!(warning(header).as_deref(), text);
        }
    }
}
