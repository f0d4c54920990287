//! Remotes at `https://`: which certificates are trusted, with authorities that are made here.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use gitops_core::source::{Source, SourceError, SourceFailure, Target};
use gitops_git::{Credential, GitStore, RemoteOptions, RemoteUrl};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use support::server::Server;
use support::{Repo, wait};

/// An authority, and the file with its certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &TempDir, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let file = folder.path().join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// Certifies a server by this name or address, until the beginning of a year.
    fn certify(&self, name: &str, until: i32) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key.into()).unwrap()
    }
}

/// Speaks TLS before a server that does not, and returns where.
fn front(config: ServerConfig, behind: &Server) -> String {
    let (config, behind) = (Arc::new(config), behind.address.replace("http://", ""));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}/.git", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (config, behind) = (Arc::clone(&config), behind.clone());
            thread::spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                // A client that does not like the certificate goes away.
                relay(StreamOwned::new(connection, client), TcpStream::connect(behind).unwrap()).unwrap_or_default();
            });
        }
    });
    address
}

fn relay(mut client: StreamOwned<ServerConnection, TcpStream>, mut server: TcpStream) -> io::Result<()> {
    let turn = Some(Duration::from_millis(5));
    client.sock.set_read_timeout(turn)?;
    server.set_read_timeout(turn)?;
    loop {
        if !pass(&mut client, &mut server)? || !pass(&mut server, &mut client)? {
            return Ok(());
        }
    }
}

/// Passes on what is there. Returns whether more may come.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut bytes = [0; 16 << 10];
    match from.read(&mut bytes) {
        Ok(0) => Ok(false),
        Ok(read) => to.write_all(bytes.get(..read).unwrap_or_default()).and_then(|()| to.flush()).map(|()| true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
        Err(error) => Err(error),
    }
}

struct Scene {
    repo: Repo,
    server: Server,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let repo = Repo::new();
        repo.write("a.yaml", "one: 1\n").commit("One");
        let server = Server::start(repo.path());
        Self { repo, server, folder: tempfile::tempdir().unwrap() }
    }

    fn resolve(&self, address: &str, trusted: &[&Authority], signed_in: bool) -> Result<String, SourceError> {
        let mut options = RemoteOptions::default();
        (options.attempts, options.stall_timeout) = (1, Duration::from_secs(5));
        options.authorities = trusted.iter().map(|authority| authority.file.clone()).collect();
        let mut store = GitStore::new(tempfile::tempdir().unwrap().path()).with_options(options);
        if signed_in {
            store = store.with_credentials(Credential::basic("ann", "s3cret"));
        }
        let remote = store.remote(&RemoteUrl::parse(address).unwrap())?;
        wait(remote.resolve(&Target::new("main"))).map(|revision| revision.id.to_string())
    }
}

#[test]
fn an_authority_of_ones_own_is_trusted_when_it_is_given_and_no_other() {
    let scene = Scene::new();
    let (own, other) = (Authority::new(&scene.folder, "own"), Authority::new(&scene.folder, "other"));
    let address = front(own.certify("127.0.0.1", 2100), &scene.server);
    assert_eq!(scene.resolve(&address, &[&own], false).unwrap(), scene.repo.id("main"));
    assert_eq!(scene.resolve(&address, &[&other, &own], false).unwrap(), scene.repo.id("main"));
    for trusted in [&[][..], &[&other]] {
        let error = scene.resolve(&address, trusted, true).unwrap_err();
        assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("its certificate is not trusted") && text.contains("authority"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_certificate_that_expired_or_is_of_another_host_is_refused() {
    let scene = Scene::new();
    let own = Authority::new(&scene.folder, "own");
    for (name, until, why) in [("127.0.0.1", 2021, "expired"), ("git.example.org", 2100, "not valid for name")] {
        let address = front(own.certify(name, until), &scene.server);
        let error = scene.resolve(&address, &[&own], true).unwrap_err();
        let text = format!("{error}").to_lowercase();
        assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error:?}");
        assert!(text.contains("its certificate is not trusted") && text.contains(why), "{text}");
    }
    assert!(scene.server.requests().is_empty(), "nothing was sent");
}

#[test]
fn who_signs_in_does_so_within_tls_only() {
    let scene = Scene::new();
    let own = Authority::new(&scene.folder, "own");
    let address = front(own.certify("127.0.0.1", 2100), &scene.server);
    let basic = base64::engine::general_purpose::STANDARD.encode("ann:s3cret");
    scene.server.require(&format!("Basic {basic}"));
    assert!(matches!(scene.resolve(&address, &[&own], false).unwrap_err().failure, SourceFailure::Denied { .. }));
    assert_eq!(scene.resolve(&address, &[&own], true).unwrap(), scene.repo.id("main"));
}

#[test]
fn what_speaks_no_tls_is_an_error_at_once() {
    let scene = Scene::new();
    let address = scene.server.url(".git").replace("http://", "https://");
    let error = scene.resolve(&address, &[], true).unwrap_err();
    assert!(matches!(error.failure, SourceFailure::Denied { .. } | SourceFailure::Unavailable { .. }), "{error:?}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let scene = Scene::new();
    let own = Authority::new(&scene.folder, "own");
    let address = front(own.certify("127.0.0.1", 2100), &scene.server);
    for text in ["", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "certificate"] {
        std::fs::write(&own.file, text).unwrap();
        let error = scene.resolve(&address, &[&own], false).unwrap_err().to_string();
        assert!(error.contains("own.pem"), "{text:?}: {error}");
    }
    std::fs::remove_file(&own.file).unwrap();
    let error = scene.resolve(&address, &[&own], false).unwrap_err().to_string();
    assert!(error.contains("own.pem"), "{error}");
}
