//! A socket for everybody who is not in this process.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::patient::Patient;
use super::{MemoryServer, Origin, PATIENCE};

/// How many connections are served at once; others wait.
const CONNECTIONS: usize = 256;
/// How long to wait where the machine has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that listens on a socket. It ends, with all its connections, when this is dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    server: MemoryServer,
    task: AbortHandle,
}

impl MemoryServer {
    /// Listens on an address. Port 0 takes one that is free.
    ///
    /// What goes over the socket is not encrypted: use addresses of the loopback device, such as `127.0.0.1:0`. Whoever
    /// shows [the token](Self::token), as a bearer or as the first part of the path, may do everything; whoever shows
    /// nothing is anonymous.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<Listening> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(self.clone(), listener)).abort_handle();
        Ok(Listening { address, server: self.clone(), task })
    }
}

impl Listening {
    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a kubeconfig for it, with the present token in the address: not for everybody's eyes.
    ///
    /// `kubectl` sends a token of its user only with TLS, and this has none.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        // JSON is YAML.
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "memory", "cluster": {
                "server": format!("http://{}/{}", self.address, self.server.token())}}],
            "users": [{"name": "admin", "user": {}}],
            "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": "admin"}}],
            "current-context": "memory",
        });
        format!("{kubeconfig:#}\n")
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(server: MemoryServer, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let server = server.clone();
        connections.spawn(async move {
            serve(server, stream).await;
            drop(permit);
        });
    }
}

async fn serve(server: MemoryServer, stream: TcpStream) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let server = server.clone();
        async move { server.respond(request, Origin::Outside).await }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    // A client that goes away in the middle is no matter of ours.
    http.serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), answer).await.unwrap_or_default();
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}
