//! The promises of a source, kept by local and remote repositories alike, also behind `&dyn`.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fmt;
use std::sync::Mutex;

use gitops_core::contract::{self, SourceFixture};
use gitops_core::source::{RevisionId, Source};
use gitops_git::{GitSource, GitStore, RemoteUrl};
use tempfile::TempDir;

use support::server::Server;
use support::{Repo, revision, wait};

struct Fixture {
    repo: Mutex<Repo>,
    source: Box<dyn Source>,
    _folder: TempDir,
}

impl SourceFixture for Fixture {
    fn source(&self) -> &dyn Source {
        &*self.source
    }

    fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> RevisionId {
        let repo = self.repo.lock().unwrap();
        for (path, text) in files {
            match text {
                Some(text) => drop(repo.write(path, text)),
                None => std::fs::remove_file(repo.inner(path)).unwrap(),
            }
        }
        revision(&repo.commit(message))
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

fn check(make: impl Fn(&Repo, &TempDir) -> Box<dyn Source>) {
    let (repo, folder) = (Repo::new(), tempfile::tempdir().unwrap());
    let source = make(&repo, &folder);
    let fixture = Fixture { repo: Mutex::new(repo), source, _folder: folder };
    if let Err(broken) = wait(contract::source(&fixture)) {
        panic!("{broken}");
    }
}

#[test]
fn a_local_repository_keeps_the_promises_of_a_source() {
    check(|repo, _| Box::new(GitSource::open(repo.path()).unwrap()));
}

#[test]
fn a_remote_keeps_the_promises_of_a_source() {
    for old in [false, true] {
        check(|repo, folder| {
            let server = Server::start(repo.path());
            if old {
                server.speak_old_protocol();
            }
            let url = RemoteUrl::parse(&server.url(".git")).unwrap();
            Box::new(GitStore::new(folder.path()).remote(&url).unwrap())
        });
    }
}
