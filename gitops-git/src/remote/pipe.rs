//! Git's protocol over the two ends of something that stays open: a program such as `ssh`, or a TCP connection.

use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gitops_core::source::{SourceError, SourceFailure};
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use gix::protocol::transport::{Protocol, Service};

use super::{RemoteOptions, RemoteUrl};
use crate::error::{shown, unsupported};

/// The port of `git://`.
const GIT_PORT: u16 = 9418;
/// What a program says before it ends, as far as it is kept.
const LAST_WORDS: u64 = 4096;
/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How `ssh` is run. It needs the program, a key it may use without asking, and the key of the host in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshOptions {
    /// The program. Default: `ssh`.
    pub program: PathBuf,
    /// The private key. Default: those of the agent and of the user.
    pub key: Option<PathBuf>,
    /// The known hosts. Default: those of the user and of the machine. A host that is not among them is refused.
    pub known_hosts: Option<PathBuf>,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self { program: "ssh".into(), key: None, known_hosts: None }
    }
}

/// An open connection, and what is known of its other end.
pub(super) struct Pipe {
    pub(super) transport: Box<dyn Transport + Send>,
    /// The program behind it, if any.
    pub(super) program: Option<Program>,
}

/// A running program that is ended when time is up, when it is cancelled, or when this goes.
pub(super) struct Program {
    child: Arc<Mutex<Child>>,
    said: Option<JoinHandle<Vec<u8>>>,
    stop: Option<Sender<()>>,
    watcher: Option<JoinHandle<()>>,
}

/// Connects to a Git server over TCP.
pub(super) fn tcp(url: &RemoteUrl, options: &RemoteOptions) -> Result<Pipe, SourceError> {
    let away = |error: io::Error| SourceFailure::Unavailable { what: format!("`{url}` ({error})").into() };
    let host = url.host().trim_matches(['[', ']']);
    let addresses = (host, url.port().unwrap_or(GIT_PORT)).to_socket_addrs().map_err(away)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses.take(4) {
        let connected = TcpStream::connect_timeout(&address, options.connect_timeout).and_then(|stream| {
            stream.set_read_timeout(Some(options.stall_timeout))?;
            stream.set_write_timeout(Some(options.stall_timeout))?;
            stream.set_nodelay(true)?;
            Ok((stream.try_clone()?, stream))
        });
        match connected {
            Ok((read, write)) => {
                let place = Some((url.host().to_owned(), url.port()));
                let connection =
                    Connection::new(read, write, Protocol::V2, url.path(), place, ConnectMode::Daemon, false);
                return Ok(Pipe { transport: Box::new(connection), program: None });
            }
            Err(error) => last = error,
        }
    }
    Err(away(last).into())
}

/// Runs `ssh` for a repository.
pub(super) fn ssh(
    url: &RemoteUrl,
    service: Service,
    options: &RemoteOptions,
    cancelled: &Arc<AtomicBool>,
) -> Result<Pipe, SourceError> {
    let mut command = Command::new(&options.ssh.program);
    let seconds = |duration: Duration| duration.as_secs().max(1).to_string();
    command.args(["-T", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oSendEnv=GIT_PROTOCOL"]);
    command.arg(format!("-oConnectTimeout={}", seconds(options.connect_timeout)));
    command.arg(format!("-oServerAliveInterval={}", seconds(options.stall_timeout / 2)));
    command.arg("-oServerAliveCountMax=2");
    if let Some(key) = &options.ssh.key {
        command.arg("-oIdentitiesOnly=yes").arg("-i").arg(key);
    }
    if let Some(file) = &options.ssh.known_hosts {
        command.arg(format!("-oUserKnownHostsFile={}", file.display())).arg("-oGlobalKnownHostsFile=/dev/null");
    }
    if let Some(port) = url.port() {
        command.args(["-p", &port.to_string()]);
    }
    let host = url.host().trim_matches(['[', ']']);
    command.arg(url.user().map_or_else(|| host.to_owned(), |user| format!("{user}@{host}")));
    let service = service.as_str();
    command.arg(format!("{service} '{}'", url.path().replace('\'', "'\\''").replace('!', "'\\!'")));
    command.env("GIT_PROTOCOL", "version=2").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = options.ssh.program.display();
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            unsupported(format!("`{url}` needs the program `{program}`, which is not installed; that"))
        }
        _ => SourceFailure::Unavailable { what: format!("`{program}` ({error})").into() }.into(),
    })?;
    let (Some(output), Some(input), Some(errors)) = (child.stdout.take(), child.stdin.take(), child.stderr.take())
    else {
        return Err(unsupported("running `ssh` without its input and output".into()));
    };
    let said = thread::spawn(move || {
        let (mut errors, mut text) = (errors, Vec::new());
        let kept = errors.by_ref().take(LAST_WORDS).read_to_end(&mut text);
        // The rest is read so that the program does not wait for somebody to read it.
        kept.and_then(|_| io::copy(&mut errors, &mut io::sink())).map(|_| text).unwrap_or_default()
    });
    let program = Program::watch(child, said, Instant::now() + options.timeout, Arc::clone(cancelled));
    let none = None::<(String, Option<u16>)>;
    let connection: Connection<ChildStdout, ChildStdin> =
        Connection::new(output, input, Protocol::V2, url.path(), none, ConnectMode::Process, false);
    Ok(Pipe { transport: Box::new(connection), program: Some(program) })
}

impl Program {
    fn watch(child: Child, said: JoinHandle<Vec<u8>>, deadline: Instant, cancelled: Arc<AtomicBool>) -> Self {
        let child = Arc::new(Mutex::new(child));
        let (stop, stopped) = channel();
        let watched = Arc::clone(&child);
        let watcher = thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
                if Instant::now() >= deadline || cancelled.load(Ordering::Relaxed) {
                    break;
                }
            }
            end(&watched);
        });
        Self { child, said: Some(said), stop: Some(stop), watcher: Some(watcher) }
    }

    /// Ends the program and states what it said, in terms of what can be done about it.
    pub(super) fn failure(mut self, url: &RemoteUrl) -> Option<SourceError> {
        // It closed its output, and is about to say why and end.
        for _ in 0..20 {
            match self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait() {
                Ok(None) => thread::sleep(LOOK),
                _ => break,
            }
        }
        end(&self.child);
        let said = self.said.take()?.join().unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = shown(said.lines().rev().find(|line| !line.trim().is_empty())?.trim());
        let of = |hint: &str| format!("`{url}` ({last}; {hint})").into();
        Some(SourceError::from(
            if said.contains("Host key verification failed") || said.contains("IDENTIFICATION HAS CHANGED") {
                SourceFailure::Denied { what: of("put its key into the known hosts after checking it") }
            } else if said.contains("Permission denied") || said.contains("authentication") {
                SourceFailure::Denied {
                    what: of("give a key that the host accepts, without a passphrase or in an agent"),
                }
            } else if said.contains("not appear to be a git repository") || said.to_lowercase().contains("not found") {
                SourceFailure::NoRepository { location: url.to_string().into() }
            } else {
                SourceFailure::Unavailable { what: of("see what `ssh -v` says") }
            },
        ))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nobody can send any more, which is what the watcher hears.
        self.stop = None;
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.join());
        }
    }
}

/// Ends a program, and waits until it is gone. It may be gone already.
fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    drop(child.kill());
    drop(child.wait());
}
