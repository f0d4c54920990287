//! An API server in this process, over the cluster in memory of `gitops-core` (feature `server`).
//!
//! [`MemoryServer`] is a service for `kube::Client`, and listens on a socket for everybody else, the real `kubectl`
//! included. What it answers is decided in [`gitops_core::memory`], as a real server was recorded; this moves bytes, keeps
//! watches open and asks for credentials. It can also go away, cut its watches and forget its tokens, for tests of what a
//! client makes of that.
//!
//! It speaks JSON over HTTP/1.1, without TLS. It has no protobuf, which some commands of `kubectl` send (`create
//! configmap`, `create deployment`, `auth can-i`); those that read files send JSON.
//!
//! ```
//! use gitops_core::memory::{MemoryCluster, VirtualTime};
//! use gitops_core::cluster::{Cluster, Interest};
//! use gitops_core::resource::{GroupKind, ResourceKey};
//! use gitops_core::state::Live;
//! use gitops_core::time::Timestamp;
//! use gitops_kube::memory_server::MemoryServer;
//! use gitops_kube::{Connection, KubeCluster};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let memory = MemoryCluster::new(1, VirtualTime::starting(Timestamp::EPOCH));
//! let server = MemoryServer::new(memory)?;
//! let cluster = KubeCluster::connect(&Connection::in_process(&server)).await?;
//! let seen = cluster.observe(&Interest::in_kinds([GroupKind::new("", "Namespace")])).await?;
//! let namespace = ResourceKey::new("", "Namespace", None, "default");
//! assert!(matches!(seen.live.get(&namespace), Live::Present(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })
//! # }
//! ```

mod answer;
mod asked;
mod follow;
mod listen;
mod patient;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gitops_core::memory::{Content, MemoryCluster, Wire};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use hyper::body::Body;
use kube::Client;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Notify, watch};
use tower_service::Service;

pub use answer::Answer;
pub use listen::Listening;

use asked::Asked;

/// How long a client may take to send what it asks, and to take what it is answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// An API server in this process. Clones share it.
///
/// As a `tower` service it does what it is asked without credentials, as a user whom a request impersonates where it
/// does. A request with a token, and every request that comes through a socket, is checked.
#[derive(Clone)]
pub struct MemoryServer(Arc<Shared>);

struct Shared {
    cluster: MemoryCluster,
    token: Mutex<Arc<str>>,
    is_away: AtomicBool,
    /// How often all watches were cut.
    cuts: watch::Sender<u64>,
    /// Something may have changed.
    news: Notify,
}

/// Where a request comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// This process.
    Inside,
    /// A socket.
    Outside,
}

/// The boxed future of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Answer>, io::Error>> + Send>>;

impl MemoryServer {
    /// Serves a cluster.
    ///
    /// # Errors
    /// When the machine has no random numbers for a token.
    pub fn new(cluster: MemoryCluster) -> io::Result<Self> {
        let token = Mutex::new(new_token()?);
        let (cuts, _) = watch::channel(0);
        let (is_away, news) = (AtomicBool::new(false), Notify::new());
        Ok(Self(Arc::new(Shared { cluster, token, is_away, cuts, news })))
    }

    /// Returns the cluster that is served.
    #[must_use]
    pub fn cluster(&self) -> &MemoryCluster {
        &self.0.cluster
    }

    /// Returns the token of somebody who may do everything.
    #[must_use]
    pub fn token(&self) -> Arc<str> {
        Arc::clone(&self.0.token.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets its token and makes another one: who shows the old one is not let in any more.
    ///
    /// # Errors
    /// When the machine has no random numbers.
    pub fn expire_token(&self) -> io::Result<()> {
        *self.0.token.lock().unwrap_or_else(PoisonError::into_inner) = new_token()?;
        Ok(())
    }

    /// Breaks off all watches in the middle.
    pub fn cut_watches(&self) {
        self.0.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Answers nobody, as a server that was killed; what it holds stays.
    pub fn go_away(&self) {
        self.0.is_away.store(true, Ordering::SeqCst);
        self.cut_watches();
    }

    /// Answers again.
    pub fn come_back(&self) {
        self.0.is_away.store(false, Ordering::SeqCst);
    }

    /// A client with the present token.
    pub(crate) fn client(&self, user: Option<&str>, groups: &[Arc<str>]) -> Client {
        let mut headers = vec![(AUTHORIZATION.as_str(), format!("Bearer {}", self.token()))];
        headers.extend(user.map(|user| (asked::USER, user.to_owned())));
        headers.extend(groups.iter().map(|group| (asked::GROUP, group.to_string())));
        // What is no header is left out, and its bearer not let in.
        let header = |(name, text): (&'static str, String)| Some((name, HeaderValue::from_str(&text).ok()?));
        let headers = headers.into_iter().filter_map(header).collect();
        Client::new(Guest { server: self.clone(), headers }, "default")
    }

    async fn respond<B>(&self, request: Request<B>, from: Origin) -> io::Result<Response<Answer>>
    where
        B: Body + Send,
        B::Data: Send,
    {
        let (head, body) = request.into_parts();
        let mut asked = Asked::of(head);
        if self.0.is_away.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the server is away"));
        }
        let accept = asked.accept();
        let token = self.token();
        let is_trusted = asked.is_addressed_by(&token) || from == Origin::Inside;
        // Whoever is not let in is not listened to.
        let user = match asked.user(&token, is_trusted) {
            Ok(user) => user,
            Err(asked::Unknown) => return Ok(answer::whole(Wire::unauthorized(&accept))),
        };
        if let Err(cut) = asked.read(body, PATIENCE).await {
            return Ok(answer::whole(answer::cut(cut, &accept)));
        }
        let wire = match asked.http(user) {
            Some(http) => {
                let (wire, open) = self.0.cluster.respond(&http, &accept);
                if let (Some(open), Content::Stream { events, .. }) = (open, &wire.content) {
                    let first = follow::lines(events);
                    return Ok(answer::stream(&wire, follow::follow(&self.0, open, first)));
                }
                if asked.may_write() {
                    self.0.news.notify_waiters();
                }
                wire
            }
            None => Wire::unreadable(&accept),
        };
        Ok(answer::whole(wire))
    }
}

fn new_token() -> io::Result<Arc<str>> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random numbers can be had"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

impl<B> Service<Request<B>> for MemoryServer
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Answer>;
    type Error = io::Error;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let server = self.clone();
        Box::pin(async move { server.respond(request, Origin::Inside).await })
    }
}

/// Adds credentials to what is asked.
#[derive(Clone)]
struct Guest {
    server: MemoryServer,
    headers: Vec<(&'static str, HeaderValue)>,
}

impl Service<Request<kube::client::Body>> for Guest {
    type Response = Response<Answer>;
    type Error = io::Error;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<kube::client::Body>) -> Answering {
        for (name, value) in &self.headers {
            request.headers_mut().append(*name, value.clone());
        }
        let server = self.server.clone();
        Box::pin(async move { server.respond(request, Origin::Outside).await })
    }
}

impl PartialEq for MemoryServer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for MemoryServer {}

impl fmt::Debug for MemoryServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryServer({:?})", self.0.cluster)
    }
}

/// The bytes of an answer, or where it breaks off.
type Part = Result<Bytes, io::Error>;
