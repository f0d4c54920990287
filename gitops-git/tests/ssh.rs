//! Repositories over a real `sshd` on this machine: keys, agents and known hosts. Where there is no `sshd`, each test says so
//! and ends.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may fail, and say why they do not run")]

mod support;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gitops_core::source::{Source, SourceError, SourceFailure, Target};
use gitops_core::time::Timestamp;
use gitops_git::{GitStore, Push, Pushed, RemoteOptions, RemoteUrl, Restore};
use support::{Repo, revision, under, wait};
use tempfile::TempDir;

/// An `sshd` that lets in who has the key `ann`.
struct Sshd {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Finds a program that is not among those for everybody.
fn sshd() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join("sshd")).find(|file| file.is_file())
}

impl Sshd {
    /// Starts one, or says why there is none.
    fn start() -> Option<Self> {
        let Some(program) = sshd() else {
            println!("skipped: there is no `sshd` on this machine");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let inner = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "ann", "eve"] {
            let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f", &inner(name)]).status();
            assert!(made.unwrap().success());
        }
        fs::copy(inner("ann.pub"), inner("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\nAcceptEnv GIT_PROTOCOL\n",
            inner("host"),
            inner("authorized")
        );
        fs::write(inner("config"), config).unwrap();
        let host = fs::read_to_string(inner("host.pub")).unwrap();
        fs::write(inner("known"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        let log = fs::File::create(inner("log")).unwrap();
        let mut command = Command::new(&program);
        command.args(["-D", "-e", "-f", &inner("config")]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if child.try_wait().unwrap().is_some() || Instant::now() > end {
                let log = fs::read_to_string(inner("log")).unwrap_or_default();
                println!("skipped: `{}` does not run here: {log}", program.display());
                drop(child.kill());
                drop(child.wait());
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { folder, port, child })
    }

    fn inner(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, repo: &Repo) -> RemoteUrl {
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let address = format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, repo.path().display());
        RemoteUrl::parse(&address).unwrap()
    }

    fn options(&self) -> RemoteOptions {
        let mut options = RemoteOptions::default();
        options.attempts = 1;
        (options.ssh.key, options.ssh.known_hosts) = (Some(self.inner("ann")), Some(self.inner("known")));
        options
    }

    /// Resolves `main` of a repository, and reads it.
    fn read(&self, options: RemoteOptions, url: &RemoteUrl) -> Result<(String, usize), SourceError> {
        let store = tempfile::tempdir().unwrap();
        let remote = GitStore::new(store.path()).with_options(options).remote(url)?;
        let head = wait(remote.resolve(&Target::new("main")))?;
        let files = wait(remote.snapshot(&head.id, &under("apps"), None))?.files().len();
        Ok((head.id.to_string(), files))
    }
}

#[test]
fn a_key_opens_a_repository_to_read_and_to_push() {
    let Some(sshd) = Sshd::start() else { return };
    let repo = Repo::new();
    let first = repo.write("apps/a b's.yaml", "1").commit("One");
    let id = repo.write("apps/a b's.yaml", "2").commit("Two");
    assert_eq!(sshd.read(sshd.options(), &sshd.url(&repo)).unwrap(), (id.clone(), 1));

    let clone = Repo::new();
    clone.git(&["fetch", "-q", &repo.path().to_string_lossy(), "main"]);
    let restore = Restore::new(&revision(&id), &revision(&first), &under("apps"), "back");
    let back = clone.source().restore(&restore.by("Ann <ann@x>", Timestamp::from_millis(0))).unwrap();
    let store = tempfile::tempdir().unwrap();
    let remote = GitStore::new(store.path()).with_options(sshd.options()).remote(&sshd.url(&repo)).unwrap();
    assert_eq!(
        wait(remote.push(&clone.source(), &Push::new(&back, "back"))).unwrap(),
        Pushed::Done { said: Vec::new() }
    );
    assert_eq!(wait(remote.push(&clone.source(), &Push::new(&back, "back"))).unwrap(), Pushed::AlreadyThere);
    assert_eq!(repo.id("back"), back.as_str());
    repo.git(&["fsck", "--strict"]);
}

#[test]
fn an_agent_opens_it_without_a_key_file() {
    let Some(sshd) = Sshd::start() else { return };
    let repo = Repo::new();
    let id = repo.write("apps/a.yaml", "1").commit("One");
    let socket = sshd.inner("agent").display().to_string();
    let mut agent = Command::new("ssh-agent").args(["-D", "-a", &socket]).stdout(Stdio::null()).spawn().unwrap();
    while !sshd.inner("agent").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let add = |key: &str| Command::new("ssh-add").arg("-q").arg(sshd.inner(key)).env("SSH_AUTH_SOCK", &socket).status();
    // Nothing but the agent: no key of whoever runs this.
    let program = sshd.inner("ssh.sh");
    let script = format!("#!/bin/sh\nSSH_AUTH_SOCK='{socket}' exec ssh -F /dev/null -oIdentityFile=/dev/null \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let read = || {
        let mut options = sshd.options();
        (options.ssh.program, options.ssh.key) = (program.clone(), None);
        sshd.read(options, &sshd.url(&repo))
    };
    assert!(add("eve").unwrap().success());
    let stranger = read().unwrap_err();
    assert!(add("ann").unwrap().success());
    let known = read();
    drop(agent.kill());
    drop(agent.wait());
    assert!(matches!(stranger.failure, SourceFailure::Denied { .. }), "{stranger}");
    assert_eq!(known.unwrap(), (id, 1));
}

#[test]
fn a_host_that_is_not_known_or_another_one_is_refused() {
    let Some(sshd) = Sshd::start() else { return };
    let repo = Repo::new();
    repo.write("apps/a.yaml", "1").commit("One");
    let with_known = |text: &str| {
        let file = sshd.inner("other");
        fs::write(&file, text).unwrap();
        let mut options = sshd.options();
        options.ssh.known_hosts = Some(file);
        sshd.read(options, &sshd.url(&repo)).unwrap_err()
    };
    let eve = fs::read_to_string(sshd.inner("eve.pub")).unwrap();
    for text in [String::new(), format!("[127.0.0.1]:{} {eve}", sshd.port)] {
        let error = with_known(&text);
        assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error}");
        assert!(error.to_string().contains("put its key into the known hosts after checking it"), "{error}");
    }
}

#[test]
fn a_wrong_key_and_a_wrong_path_are_told_apart() {
    let Some(sshd) = Sshd::start() else { return };
    let repo = Repo::new();
    repo.write("apps/a.yaml", "1").commit("One");
    let mut options = sshd.options();
    options.ssh.key = Some(sshd.inner("eve"));
    let denied = sshd.read(options, &sshd.url(&repo)).unwrap_err();
    assert!(matches!(denied.failure, SourceFailure::Denied { .. }), "{denied}");
    assert!(denied.to_string().contains("give a key that the host accepts"), "{denied}");
    let nowhere = RemoteUrl::parse(&format!("{}-none", sshd.url(&repo))).unwrap();
    let error = sshd.read(sshd.options(), &nowhere).unwrap_err();
    assert!(matches!(error.failure, SourceFailure::NoRepository { .. }), "{error}");
}
