//! Repositories made by `git` in temporary folders, with fixed people and times so that ids never change.
#![allow(dead_code, unreachable_pub, reason = "each test target uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

pub mod server;

use std::cell::Cell;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gitops_core::source::{Paths, Revision, RevisionId, Snapshot, Source, SourceError, Target};
use gitops_git::GitSource;
use tempfile::TempDir;

/// The first commit's time; each later one is a minute after.
pub const START: i64 = 1_700_000_000;

pub struct Repo {
    folder: TempDir,
    commits: Cell<i64>,
}

/// Runs `git` with nothing of this machine's configuration.
pub fn git(folder: &Path, clock: i64, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let settings = [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C")];
    let people = [("NAME", "Ann"), ("EMAIL", "ann@example.org")];
    command.envs(settings).env("HOME", folder);
    for role in ["AUTHOR", "COMMITTER"] {
        command.envs(people.map(|(what, value)| (format!("GIT_{role}_{what}"), value)));
        command.env(format!("GIT_{role}_DATE"), format!("{clock} +0000"));
    }
    command
}

pub fn succeed(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Polls once: a source on this machine is ready at the first poll.
pub fn answer<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready"),
    }
}

/// Waits for something that is done on another thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Parked(std::thread::Thread);
    impl std::task::Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

impl Repo {
    pub fn new() -> Self {
        Self::init(&[])
    }

    pub fn init(arguments: &[&str]) -> Self {
        let repo = Self { folder: tempfile::tempdir().unwrap(), commits: Cell::new(0) };
        repo.git(&[&["init", "-q", "-b", "main", "."], arguments].concat());
        repo
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn inner(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        succeed(git(self.path(), START + 60 * self.commits.get(), arguments).output().unwrap())
    }

    /// Runs `git` with bytes on its standard input.
    pub fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let file = self.inner(".git/input");
        let file = if self.inner(".git").is_dir() { file } else { self.inner("input") };
        fs::write(&file, input).unwrap();
        let mut command = git(self.path(), START, arguments);
        succeed(command.stdin(fs::File::open(&file).unwrap()).output().unwrap())
    }

    pub fn write(&self, path: &str, text: &str) -> &Self {
        fs::create_dir_all(self.inner(path).parent().unwrap()).unwrap();
        fs::write(self.inner(path), text).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: &str) -> &Self {
        fs::create_dir_all(self.inner(path).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, self.inner(path)).unwrap();
        self
    }

    /// Commits the whole work tree and returns the id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "--allow-empty-message", "-m", message]);
        self.commits.set(self.commits.get() + 1);
        self.id("HEAD")
    }

    pub fn id(&self, name: &str) -> String {
        self.git(&["rev-parse", "--verify", name])
    }

    /// Removes a loose object.
    pub fn remove(&self, id: &str) {
        fs::remove_file(self.object(id)).unwrap();
    }

    /// The file of a loose object.
    pub fn object(&self, id: &str) -> PathBuf {
        self.inner(&format!(".git/objects/{}/{}", &id[..2], &id[2..]))
    }

    pub fn source(&self) -> GitSource {
        GitSource::open(self.path()).unwrap()
    }
}

pub fn resolve(source: &GitSource, target: &str) -> Result<Revision, SourceError> {
    answer(source.resolve(&Target::new(target)))
}

/// The id a target resolves to, or the error's text.
pub fn resolved(source: &GitSource, target: &str) -> String {
    match resolve(source, target) {
        Ok(revision) => revision.id.to_string(),
        Err(error) => error.to_string(),
    }
}

pub fn snapshot(source: &GitSource, target: &str, paths: &Paths) -> Result<Snapshot, SourceError> {
    let revision = resolve(source, target)?;
    answer(source.snapshot(&revision.id, paths, None))
}

/// The files of a snapshot with their text, then its problems, one a line.
pub fn listed(source: &GitSource, target: &str, paths: &Paths) -> Vec<String> {
    match snapshot(source, target, paths) {
        Ok(snapshot) => described(source, &snapshot),
        Err(error) => vec![error.to_string()],
    }
}

pub fn described(source: &GitSource, snapshot: &Snapshot) -> Vec<String> {
    let files = snapshot.files();
    let ids: Vec<_> = files.iter().map(|file| file.id.clone()).collect();
    let contents = answer(source.read(&ids)).unwrap();
    let file = |(path, content): (&str, &Result<Arc<[u8]>, SourceError>)| match content {
        Ok(bytes) => format!("{path}: {}", String::from_utf8_lossy(bytes)),
        Err(error) => format!("{path}: {error}"),
    };
    let problem = |problem: &gitops_core::problem::Problem| format!("{:?} {problem}", problem.severity);
    let files = files.iter().map(|file| &*file.path).zip(&contents).map(file);
    files.chain(snapshot.problems.iter().map(problem)).collect()
}

pub fn under(root: &str) -> Paths {
    Paths::under([root]).unwrap()
}

pub fn revision(id: &str) -> RevisionId {
    RevisionId::new(id)
}
