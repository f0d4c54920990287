//! `/metrics`, `/healthz` and `/readyz`, over HTTP without TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::{Board, Verdict};

/// How long a client may take for all of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many are answered at once; the others wait.
const CLIENTS: usize = 16;
/// Bytes of the head of a request.
const HEAD: usize = 8 << 10;

/// A place at which a [`Board`] is shown, until it is dropped.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Shows a board at an address: `/metrics` for Prometheus, `/healthz` and `/readyz` for the probes of a pod.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn open(address: SocketAddr, board: Board) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(accept(listener, board)) })
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, board: Board) {
    let room = Arc::new(Semaphore::new(CLIENTS));
    // They end with this task.
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((client, _)) = listener.accept().await else {
            // Such as for want of file descriptors, which others give back.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let board = board.clone();
        clients.spawn(async move {
            // A client that goes away misses its answer.
            timeout(PATIENCE, serve(client, &board)).await.map(drop).unwrap_or_default();
            drop(permit);
        });
    }
}

async fn serve(mut client: TcpStream, board: &Board) -> io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = client.read(&mut part).await?;
        if read == 0 || head.len() > HEAD {
            break;
        }
        head.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    let (status, text) = answer(&head, board);
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await
}

fn answer(head: &[u8], board: &Board) -> (&'static str, String) {
    let line = head.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = line.unwrap_or_default().split(' ');
    let (verb, path) = (words.next(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    match (verb, path) {
        (Some("GET" | "HEAD"), "/metrics") => ("200 OK", board.metrics()),
        (Some("GET" | "HEAD"), "/healthz") => told(&board.health()),
        (Some("GET" | "HEAD"), "/readyz") => told(&board.readiness()),
        (Some("GET" | "HEAD"), _) => ("404 Not Found", "there are `/metrics`, `/healthz` and `/readyz`\n".to_owned()),
        _ => ("405 Method Not Allowed", "ask with GET\n".to_owned()),
    }
}

fn told(verdict: &Verdict) -> (&'static str, String) {
    let status = if verdict.is_well { "200 OK" } else { "503 Service Unavailable" };
    (status, format!("{}\n", verdict.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_says_what_it_is_for_and_nothing_else_is_answered() {
        let board = Board::default();
        for (request, status, says) in [
            ("GET /metrics HTTP/1.1\r\n\r\n", "200 OK", "gitops_controller_leads 0"),
            ("GET /healthz?verbose=1 HTTP/1.1\r\n\r\n", "200 OK", "ok"),
            ("GET /readyz HTTP/1.1\r\n\r\n", "503 Service Unavailable", "did not answer yet"),
            ("GET /../etc HTTP/1.1\r\n\r\n", "404 Not Found", "/metrics"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed", "GET"),
            ("", "405 Method Not Allowed", "GET"),
            ("\u{0}\r\n\r\n", "405 Method Not Allowed", "GET"),
        ] {
            let (found, text) = answer(request.as_bytes(), &board);
            assert!(found == status && text.contains(says), "{request}: {found} {text}");
        }
        assert_eq!(answer(&[0xff, b'\r'], &board).0, "405 Method Not Allowed");
    }

    #[tokio::test]
    async fn a_client_is_answered_over_a_socket() {
        let endpoint = Endpoint::open(([127, 0, 0, 1], 0).into(), Board::default()).await.unwrap();
        let mut client = TcpStream::connect(endpoint.address()).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nok\n"), "{text}");
    }
}
