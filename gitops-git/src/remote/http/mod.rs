//! Git's smart HTTP over a small blocking client. Connections and what a server told of itself are kept between polls.

mod exchange;

use std::any::Any;
use std::fs;
use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gitops_core::source::{SourceError, SourceFailure};
use gix_transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use ureq::config::Config;
use ureq::http::header::{AUTHORIZATION, LOCATION};
use ureq::http::{Request, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::credentials::{Asked, Credential, Credentials};
use super::{RemoteOptions, RemoteUrl};
use crate::error::{shown, unsupported};

use exchange::{Answer, Exchange, Headers, Outgoing, Reading, parts};

/// What a server says of itself, the list of what it can do; with the second version of the protocol it holds no refs.
const ADVERTISED: u64 = 64 << 10;
const VERSION_2: &[u8] = b"version 2";

/// A client for one remote.
#[derive(Clone, Debug)]
pub(super) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    agent: Agent,
    url: RemoteUrl,
    credentials: Arc<dyn Credentials>,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    credential: Option<Credential>,
    /// The answer to the first request, as long as it is sure to stay the same.
    advertised: Option<(Vec<u8>, Vec<u8>)>,
    /// What went wrong last, better than gix can say it.
    failure: Option<SourceError>,
    cancelled: Arc<AtomicBool>,
}

impl Client {
    pub(super) fn new(
        url: &RemoteUrl,
        options: &RemoteOptions,
        credentials: &Arc<dyn Credentials>,
    ) -> Result<Self, SourceError> {
        let inner = Inner {
            agent: Agent::new_with_config(config(options)?),
            url: url.clone(),
            credentials: Arc::clone(credentials),
            changing: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Begins a task that can be cancelled.
    pub(super) fn begin(&self, cancelled: &Arc<AtomicBool>) {
        let mut changing = self.changing();
        changing.cancelled = Arc::clone(cancelled);
        changing.failure = None;
    }

    /// Takes what went wrong since the task began. What the server said of itself is asked anew next time.
    pub(super) fn take_failure(&self) -> Option<SourceError> {
        let mut changing = self.changing();
        changing.advertised = None;
        changing.failure.take()
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.0.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request, signed in; once more with a new credential if the server refuses the first.
    fn send(&self, url: &str, headers: &[String], body: Option<&[u8]>) -> Result<Response<Body>, SourceError> {
        let first = self.credential(Asked::First)?;
        let response = self.request(url, headers, body, first.as_ref())?;
        let response = match response.status() {
            StatusCode::UNAUTHORIZED => match self.credential(Asked::Refused)? {
                Some(other) => self.request(url, headers, body, Some(&other))?,
                None => response,
            },
            _ => response,
        };
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(&response, first.is_some()))
    }

    fn credential(&self, asked: Asked) -> Result<Option<Credential>, SourceError> {
        let kept = self.changing().credential.clone().filter(|_| asked == Asked::First);
        let credential = match kept {
            Some(kept) => Some(kept),
            None => self.0.credentials.credential(&self.0.url, asked)?,
        };
        if credential.is_some() && !self.0.url.is_private() {
            let what = format!("signing in at `{}`, where anybody on the way could read the password,", self.0.url);
            return Err(unsupported(what));
        }
        self.changing().credential.clone_from(&credential);
        Ok(credential)
    }

    fn request(
        &self,
        url: &str,
        headers: &[String],
        body: Option<&[u8]>,
        credential: Option<&Credential>,
    ) -> Result<Response<Body>, SourceError> {
        if self.changing().cancelled.load(Ordering::Relaxed) {
            return Err(SourceFailure::Unavailable { what: format!("`{}` (cancelled)", self.0.url).into() }.into());
        }
        let mut request = Request::builder().uri(url).method(if body.is_some() { "POST" } else { "GET" });
        for header in headers {
            let (name, value) = header.split_once(':').unwrap_or((header, ""));
            request = request.header(name.trim(), value.trim());
        }
        if let Some(credential) = credential {
            request = request.header(AUTHORIZATION, authorization(credential));
        }
        let broken = |error: ureq::http::Error| unsupported(format!("a request to `{}` ({error})", self.0.url));
        let sent = match body {
            Some(body) => self.0.agent.run(request.body(body).map_err(broken)?),
            None => self.0.agent.run(request.body(()).map_err(broken)?),
        };
        sent.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &ureq::Error) -> SourceError {
        let url = &self.0.url;
        let text = shown(&error.to_string());
        if matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_)) || text.contains("certificate") {
            let hint = "give the certificate of its authority if it is your own";
            return SourceFailure::Denied {
                what: format!("`{url}` (its certificate is not trusted: {text}; {hint})").into(),
            }
            .into();
        }
        SourceFailure::Unavailable { what: format!("`{url}` ({text})").into() }.into()
    }

    /// States what an answer other than success means.
    fn refusal(&self, response: &Response<Body>, signed_in: bool) -> SourceError {
        let (url, status) = (&self.0.url, response.status());
        match status.as_u16() {
            301 | 302 | 303 | 307 | 308 => {
                let place =
                    response.headers().get(LOCATION).and_then(|place| place.to_str().ok()).unwrap_or("elsewhere");
                let place = place.split("/info/refs").next().unwrap_or(place);
                let place = RemoteUrl::parse(place).map_or_else(|_| "elsewhere".to_owned(), |place| place.to_string());
                unsupported(format!("`{url}` has moved to `{place}`; give that address: following redirects"))
            }
            401 | 403 if signed_in => {
                let what = format!("`{url}` (it answers {status}; the credentials are wrong, expired or not enough)");
                SourceFailure::Denied { what: what.into() }.into()
            }
            401 | 403 => {
                SourceFailure::Denied { what: format!("`{url}` (it answers {status}; give credentials)").into() }.into()
            }
            404 | 410 => SourceFailure::NoRepository { location: url.to_string().into() }.into(),
            408 | 425 | 429 | 500..=599 => {
                SourceFailure::Unavailable { what: format!("`{url}` (it answers {status})").into() }.into()
            }
            _ => unsupported(format!("the answer {status} of `{url}`")),
        }
    }

    /// Keeps the error for the caller, and makes one for gix.
    fn failed(&self, error: SourceError) -> io::Error {
        let text = error.to_string();
        self.changing().failure.get_or_insert(error);
        io::Error::other(text)
    }

    /// Reads the answer to the first request, or returns it again. The second version of the protocol has no refs in it.
    fn advertisement(&self, url: &str, headers: &[String]) -> Result<(Vec<u8>, Reading), SourceError> {
        let kept = self.changing().advertised.clone();
        if let Some((headers, body)) = kept {
            return Ok((headers, Box::new(Cursor::new(body))));
        }
        let response = self.send(url, headers, None)?;
        let (lines, mut reader) = parts(response);
        let mut body = Vec::new();
        let head = reader.by_ref().take(ADVERTISED).read_to_end(&mut body);
        head.map_err(|error| SourceFailure::Unavailable { what: format!("`{}` ({error})", self.0.url).into() })?;
        let is_second = body.windows(VERSION_2.len()).take(128).any(|window| window == VERSION_2);
        if is_second && u64::try_from(body.len()).is_ok_and(|length| length < ADVERTISED) {
            self.changing().advertised = Some((lines.clone(), body.clone()));
        }
        Ok((lines, Box::new(Cursor::new(body).chain(reader))))
    }
}

impl Http for Client {
    type Headers = Headers;
    type ResponseBody = Answer;
    type PostBody = Outgoing;

    fn get(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<GetResponse<Headers, Answer>, gix::Error> {
        let headers: Vec<String> = headers.into_iter().map(|header| header.as_ref().to_owned()).collect();
        let found = self.advertisement(url, &headers).map_err(|error| self.failed(error));
        let (headers, body) = found.map_err(gix::Error::from_error)?;
        Ok(GetResponse { headers: Headers::ready(headers), body: Answer::ready(body) })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> Result<PostResponse<Headers, Answer, Outgoing>, gix::Error> {
        let headers = headers.into_iter().map(|header| header.as_ref().to_owned()).collect();
        let (post_body, headers, body) = Exchange::begin(self, url, headers);
        Ok(PostResponse { post_body, headers, body })
    }

    fn configure(&mut self, _config: &dyn Any) -> Result<(), gix::Error> {
        Ok(())
    }
}

fn authorization(credential: &Credential) -> String {
    match credential {
        Credential::Basic { user, password } => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))
        }
        Credential::Bearer(token) => format!("Bearer {}", token.reveal()),
    }
}

/// No redirects, no environment, no defaults that could change: what is not said in the options does not happen.
fn config(options: &RemoteOptions) -> Result<Config, SourceError> {
    let proxy = match &options.proxy {
        Some(proxy) => {
            Some(ureq::Proxy::new(proxy.reveal()).map_err(|_| unsupported("the address of the proxy, which is none (write `http://HOST:PORT`; the variables HTTPS_PROXY and ALL_PROXY may hold it),".into()))?)
        }
        None => None,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider).root_certs(roots(options)?).build();
    Ok(Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(proxy)
        .tls_config(tls)
        .timeout_connect(Some(options.connect_timeout))
        .timeout_recv_response(Some(options.stall_timeout))
        .timeout_per_read(Some(options.stall_timeout))
        .timeout_per_write(Some(options.stall_timeout))
        .timeout_global(Some(options.timeout))
        .build())
}

/// The authorities this machine trusts, and those of the options.
fn roots(options: &RemoteOptions) -> Result<RootCerts, SourceError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots: Vec<Certificate<'static>> =
        found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    for file in &options.authorities {
        let what = || format!("the certificates in `{}`", file.display());
        let bytes = fs::read(file)
            .map_err(|error| SourceFailure::Unavailable { what: format!("{} ({error})", what()).into() })?;
        let before = roots.len();
        for item in ureq::tls::parse_pem(&bytes) {
            if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|_| unsupported(what()))? {
                roots.push(certificate);
            }
        }
        if roots.len() == before {
            return Err(unsupported(format!("{}, which are none in PEM form,", what())));
        }
    }
    Ok(RootCerts::new_with_certs(&roots))
}
