//! Remotes that are reached through a proxy, as the options say and nothing else.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use gitops_core::source::{Source, SourceError, SourceFailure, Target};
use gitops_git::{GitStore, RemoteOptions, RemoteUrl, Secret};
use support::server::Server;
use support::{Repo, wait};

/// A proxy that opens tunnels for Ann, and remembers where to.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                thread::spawn(move || tunnel(&client, &heard));
            }
        });
        Self { address, asked }
    }
}

fn tunnel(mut client: &TcpStream, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let (mut head, mut reader) = (String::new(), BufReader::new(client.try_clone()?));
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    asked.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
    // `ann:s3cret`
    if !head.to_lowercase().contains(&"proxy-authorization: basic YW5uOnMzY3JldA==".to_lowercase()) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    let place = head.split(' ').nth(1).unwrap_or_default();
    let server = TcpStream::connect(place)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut back_from, mut back_to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut back_from, &mut back_to));
        drop(back_to.shutdown(Shutdown::Both));
    });
    io::copy(&mut reader, &mut &server)?;
    server.shutdown(Shutdown::Both)
}

#[test]
fn everything_goes_through_the_proxy_of_the_options_and_its_password_is_not_shown() {
    let repo = Repo::new();
    let id = repo.write("a.yaml", "a: 1\n").commit("One");
    let (server, proxy) = (Server::start(repo.path()), Proxy::start());
    let resolve = |through: &str| -> Result<String, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let mut options = RemoteOptions::default();
        (options.attempts, options.proxy) = (1, Some(Secret::new(through)));
        let store = GitStore::new(folder.path()).with_options(options);
        let remote = store.remote(&RemoteUrl::parse(&server.url(".git")).unwrap())?;
        wait(remote.resolve(&Target::new("main"))).map(|revision| revision.id.to_string())
    };
    assert_eq!(resolve(&format!("http://ann:s3cret@{}", proxy.address)).unwrap(), id);
    let host = server.address.trim_start_matches("http://");
    let asked: Vec<String> = std::mem::take(&mut *proxy.asked.lock().unwrap());
    assert!(!asked.is_empty() && asked.iter().all(|line| *line == format!("CONNECT {host} HTTP/1.1")), "{asked:?}");

    server.requests();
    for (through, why) in [
        (format!("http://ann:wr0ng@{}", proxy.address), ""),
        ("http://ann:wr0ng@127.0.0.1:1".to_owned(), ""),
        ("ftp://ann:wr0ng@host".to_owned(), "the address of the proxy, which is none"),
    ] {
        let error = resolve(&through).unwrap_err();
        let is_right = matches!(error.failure, SourceFailure::Unavailable { .. } | SourceFailure::Denied { .. });
        assert!(is_right || !why.is_empty(), "{error}");
        assert!(error.to_string().contains(why) && !format!("{error:?}").contains("wr0ng"), "{error:?}");
    }
    assert_eq!(server.requests(), [""; 0], "nothing goes past a proxy that fails");
}
