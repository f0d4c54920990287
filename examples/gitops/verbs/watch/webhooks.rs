//! Webhooks of Git hosts, so that what is pushed is synced at once.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gitops_core::source::Target;
use gitops_git::webhook::{Event, Host, WebhookError, Webhooks};

use crate::Failure;

/// How long a request may take as a whole.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clients at the same time.
const CLIENTS: usize = 8;
/// How long it is waited where no client can be let in.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of the head of a request.
const HEAD: u64 = 64 << 10;
/// Bytes of the body of a request, which is read before it is known who sent it. A push that says more is found by asking
/// the repository, as always.
const BODY: u64 = 8 << 20;

/// What one application follows, and the source that it has it from.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(super) source: Arc<str>,
    pub(super) repository: Arc<str>,
    pub(super) target: Target,
}

/// Sources of which somebody said that they changed. There are no more than there are sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pushes(Arc<Mutex<BTreeSet<Arc<str>>>>);

struct Listener {
    webhooks: Webhooks,
    /// What is followed at the time that it is asked.
    followed: Box<dyn Fn() -> Vec<Followed> + Send + Sync>,
    pushes: Pushes,
    clients: AtomicUsize,
}

impl From<(Arc<str>, Arc<str>)> for Followed {
    /// A repository that is a source by its own address, and what is followed of it.
    fn from((repository, target): (Arc<str>, Arc<str>)) -> Self {
        Self { source: Arc::clone(&repository), repository, target: Target::new(&target) }
    }
}

impl Pushes {
    /// Begins to hear webhooks, if an address is given. Without a file, the environment has the secret.
    pub(crate) fn wanted(
        address: Option<SocketAddr>,
        secret: Option<&Path>,
        followed: impl Fn() -> Vec<Followed> + Send + Sync + 'static,
    ) -> Result<Option<Self>, Failure> {
        const SET: &str = "name a file that has it with `--webhook-secret`, or set `GITOPS_WEBHOOK_SECRET`";
        let Some(address) = address else { return Ok(None) };
        let secret = match secret {
            Some(file) => fs::read_to_string(file).map_err(|error| {
                format!("the secret of webhooks in `{}` cannot be read: {error}; {SET}", file.display())
            })?,
            None => env::var("GITOPS_WEBHOOK_SECRET").unwrap_or_default(),
        };
        // Editors end a file with a line break.
        match secret.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("webhooks need a secret, or anybody could send them; {SET}").into()),
            secret => Self::serve(address, secret, Box::new(followed)).map(Some),
        }
    }

    /// Listens at an address for as long as the program runs. The secret is that of all hosts.
    fn serve(
        address: SocketAddr,
        secret: &str,
        followed: Box<dyn Fn() -> Vec<Followed> + Send + Sync>,
    ) -> Result<Self, Failure> {
        let failed = |error| format!("webhooks cannot be heard at `{address}`: {error}; name another address");
        let listener = TcpListener::bind(address).map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        let hosts = [Host::GitHub, Host::GitLab, Host::Bitbucket, Host::Gitea, Host::AzureDevOps];
        let webhooks = hosts.into_iter().fold(Webhooks::default(), |webhooks, host| webhooks.with_secret(host, secret));
        let pushes = Self::default();
        let shared = Arc::new(Listener { webhooks, followed, pushes: pushes.clone(), clients: AtomicUsize::new(0) });
        thread::spawn(move || {
            for client in listener.incoming() {
                match client {
                    Ok(client) => admit(&shared, client),
                    // Such as for want of file descriptors, which others give back.
                    Err(_) => thread::sleep(PAUSE),
                }
            }
        });
        crate::say(&format!("webhooks are heard at http://{at}/\n"));
        Ok(pushes)
    }

    /// Takes the next source that changed.
    pub(crate) fn next(&self) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    fn add(&self, source: &Arc<str>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(source));
    }
}

/// Serves a client on a thread of its own, if there are not too many already.
fn admit(listener: &Arc<Listener>, client: TcpStream) {
    let serving = Arc::clone(listener);
    let begin = Instant::now();
    // A client that goes away misses its answer.
    if listener.clients.fetch_add(1, Ordering::AcqRel) >= CLIENTS {
        listener.clients.fetch_sub(1, Ordering::AcqRel);
        answer(&client, begin, "503 Service Unavailable", "there are too many at the same time").unwrap_or_default();
        return;
    }
    let served = thread::Builder::new().spawn(move || {
        serve(&serving, &client, begin).unwrap_or_default();
        serving.clients.fetch_sub(1, Ordering::AcqRel);
    });
    if served.is_err() {
        listener.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reads from a client until its time is up, however slowly it sends.
struct Patient<'c> {
    client: &'c TcpStream,
    begin: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.client.set_read_timeout(Some(left(self.begin)?))?;
        let mut client = self.client;
        client.read(buffer)
    }
}

fn left(begin: Instant) -> io::Result<Duration> {
    let left = PATIENCE.saturating_sub(begin.elapsed());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn serve(listener: &Listener, client: &TcpStream, begin: Instant) -> io::Result<()> {
    let mut reader = BufReader::new(Patient { client, begin });
    let (status, text) = match request(&mut reader, client, begin) {
        Ok((head, body)) => heed(listener, &head, &body),
        Err(Refused::Answer(status, text)) => (status, text.to_owned()),
        Err(Refused::Gone(error)) => match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                ("408 Request Timeout", "the request took too long".to_owned())
            }
            _ => return Err(error),
        },
    };
    answer(client, Instant::now(), status, &text)?;
    // Closing while something is unread would take the answer back from who is still sending.
    io::copy(&mut reader.take(BODY), &mut io::sink()).map(drop)
}

/// Why a request is not looked at.
enum Refused {
    Answer(&'static str, &'static str),
    Gone(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What is no UTF-8.
            io::ErrorKind::InvalidData => Self::Answer("400 Bad Request", "this is no request of HTTP"),
            _ => Self::Gone(error),
        }
    }
}

type Head = Vec<(String, String)>;

/// Reads the headers and the body of a request.
fn request(reader: &mut impl BufRead, client: &TcpStream, begin: Instant) -> Result<(Head, Vec<u8>), Refused> {
    let (mut lines, mut head) = (reader.by_ref().take(HEAD), Head::new());
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    match (words.next(), words.nth(1)) {
        (Some("POST"), Some("HTTP/1.1" | "HTTP/1.0")) => {}
        (Some(_), Some("HTTP/1.1" | "HTTP/1.0")) => {
            return Err(Refused::Answer("405 Method Not Allowed", "send webhooks by POST"));
        }
        _ => return Err(Refused::Answer("400 Bad Request", "this is no request of HTTP")),
    }
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(Refused::Answer("431 Request Header Fields Too Large", "the head of the request has no end"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        match line.split_once(':') {
            Some((name, value)) => head.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => return Err(Refused::Answer("400 Bad Request", "a line of the head has no colon")),
        }
    }
    let all = |wanted: &str| head.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value).collect::<Vec<_>>();
    let length = match all("content-length").as_slice() {
        [length] if all("transfer-encoding").is_empty() => length.parse::<u64>().ok(),
        _ => return Err(Refused::Answer("411 Length Required", "say how long the body is, once")),
    };
    let length = length.ok_or(Refused::Answer("400 Bad Request", "the length of the body is no number"))?;
    if length > BODY {
        return Err(Refused::Answer(
            "413 Content Too Large",
            "the body is too long; the repository is polled all the same",
        ));
    }
    if all("expect").iter().any(|value| value.eq_ignore_ascii_case("100-continue")) {
        write(client, begin, b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    let read = reader.take(length).read_to_end(&mut body)?;
    match u64::try_from(read) {
        Ok(read) if read == length => Ok((head, body)),
        _ => Err(Refused::Answer("400 Bad Request", "the body ends early")),
    }
}

fn heed(listener: &Listener, head: &Head, body: &[u8]) -> (&'static str, String) {
    let headers = head.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    match listener.webhooks.read(headers, body) {
        Ok(Event::Pushed(push)) => {
            let followed = (listener.followed)();
            let concerned = followed.iter().filter(|one| push.concerns(&one.repository, &one.target));
            let changed: BTreeSet<&Arc<str>> = concerned.map(|one| &one.source).collect();
            changed.iter().for_each(|source| listener.pushes.add(source));
            let text = match changed.is_empty() {
                true => "no application follows what was pushed",
                false => "what was pushed is looked at now",
            };
            ("200 OK", text.to_owned())
        }
        Ok(_) => ("200 OK", "nothing was pushed".to_owned()),
        Err(error @ (WebhookError::NotProven(_) | WebhookError::NoSecret(_) | WebhookError::UnknownHost)) => {
            ("401 Unauthorized", error.to_string())
        }
        Err(error) => ("400 Bad Request", error.to_string()),
    }
}

fn answer(client: &TcpStream, begin: Instant, status: &str, text: &str) -> io::Result<()> {
    let length = text.len() + 1;
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n");
    write(client, begin, format!("{head}Connection: close\r\n\r\n{text}\n").as_bytes())?;
    client.shutdown(Shutdown::Write)
}

fn write(mut client: &TcpStream, begin: Instant, bytes: &[u8]) -> io::Result<()> {
    client.set_write_timeout(Some(left(begin)?))?;
    client.write_all(bytes)
}
