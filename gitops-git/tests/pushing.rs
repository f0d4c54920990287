//! Putting a commit on a branch of a remote, with git as judge.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gitops_core::source::{Paths, SourceError, SourceFailure};
use gitops_core::time::Timestamp;
use gitops_git::{Credential, GitSource, GitStore, Push, Pushed, RemoteOptions, RemoteUrl, Restore};
use support::server::{Fault, Server};
use support::{Repo, START, git, revision, succeed, under, wait};
use tempfile::TempDir;

/// A repository of two commits, a clone of it that a server serves, and a commit that takes the first one back.
struct Story {
    local: Repo,
    folder: TempDir,
    server: Server,
    first: String,
    revert: String,
}

impl Story {
    fn new() -> Self {
        Self::of(Repo::new())
    }

    fn of(local: Repo) -> Self {
        let folder = tempfile::tempdir().unwrap();
        local.write("apps/web.yaml", "a: one").write("apps/deep/er/x.yaml", "x").write("other.yaml", "o");
        let first = local.commit("One");
        fs::remove_file(local.inner("apps/deep/er/x.yaml")).unwrap();
        let head = local.write("apps/web.yaml", "a: two").commit("Two");
        let clone = ["clone", "-q", "--bare", &local.path().to_string_lossy(), "shop.git"];
        succeed(git(folder.path(), START, &clone).output().unwrap());
        let restore = Restore::new(&revision(&head), &revision(&first), &under("apps"), "back");
        let restore = restore.by("Ann <ann@example.org>", Timestamp::from_millis(1_700_000_000_000));
        let revert = local.source().restore(&restore).unwrap().to_string();
        let server = Server::start(folder.path());
        let story = Self { local, folder, server, first, revert };
        story.remote_git(&["config", "http.receivepack", "true"]);
        story
    }

    fn hosted(&self) -> PathBuf {
        self.folder.path().join("shop.git")
    }

    fn remote_git(&self, arguments: &[&str]) -> String {
        succeed(git(&self.hosted(), START, arguments).output().unwrap())
    }

    fn push_with(&self, push: &Push, credential: Option<Credential>) -> Result<Pushed, SourceError> {
        let root = tempfile::tempdir().unwrap();
        let mut options = RemoteOptions::default();
        options.attempts = 1;
        let mut store = GitStore::new(root.path()).with_options(options);
        if let Some(credential) = credential {
            store = store.with_credentials(credential);
        }
        let remote = store.remote(&RemoteUrl::parse(&self.server.url("shop.git")).unwrap()).unwrap();
        wait(remote.push(&self.local.source(), push))
    }

    fn push(&self, push: &Push) -> Result<Pushed, SourceError> {
        self.push_with(push, None)
    }

    fn back(&self) -> Push {
        Push::new(&revision(&self.revert), "back")
    }

    fn branches(&self) -> String {
        self.remote_git(&["for-each-ref", "--format=%(refname:short) %(objectname)"])
    }
}

/// Nothing was said to it.
fn done() -> Pushed {
    Pushed::Done { said: Vec::new() }
}

fn hook(repository: &Path, name: &str, text: &str) -> PathBuf {
    let hook = repository.join("hooks").join(name);
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    hook
}

fn files(folder: &Path, at: &str) -> Vec<String> {
    let source = GitSource::open(folder).unwrap();
    support::listed(&source, at, &Paths::default())
}

#[test]
fn a_revert_arrives_whole_on_a_branch_of_its_own() {
    for local in [Repo::new(), Repo::init(&["--object-format=sha256"])] {
        let story = Story::of(local);
        assert_eq!(story.push(&story.back()).unwrap(), done());
        story.remote_git(&["fsck", "--strict"]);
        assert_eq!(story.remote_git(&["rev-parse", "back"]), story.revert);
        let expected = ["apps/deep/er/x.yaml: x", "apps/web.yaml: a: one", "other.yaml: o"];
        assert_eq!(files(&story.hosted(), "back"), expected);
        // Again changes nothing, and says so.
        let before = story.branches();
        assert_eq!(story.push(&story.back()).unwrap(), Pushed::AlreadyThere);
        assert_eq!(story.branches(), before);
    }
}

#[test]
fn a_remote_that_moved_on_meanwhile_gets_what_it_lacks() {
    let story = Story::new();
    // Its `main` has commits that are not here, so that what is pushed was built upon none of its tips.
    let elsewhere = tempfile::tempdir().unwrap();
    succeed(git(elsewhere.path(), START, &["clone", "-q", &story.hosted().to_string_lossy(), "w"]).output().unwrap());
    let work = elsewhere.path().join("w");
    for arguments in [&["commit", "-q", "--allow-empty", "-m", "Three"][..], &["push", "-q", "origin", "main"]] {
        succeed(git(&work, START + 600, arguments).output().unwrap());
    }
    // Nothing here says what the remote has, so it gets everything; once it is known, what it lacks.
    assert_eq!(story.push(&story.back()).unwrap(), done());
    story.remote_git(&["fsck", "--strict"]);
    story.local.git(&["fetch", "-q", &story.hosted().to_string_lossy(), "main"]);
    assert_eq!(story.push(&Push::new(&revision(&story.revert), "again")).unwrap(), done());
    let (main, first) = (story.remote_git(&["rev-parse", "main"]), revision(&story.first));
    let onto_theirs =
        Restore::new(&revision(&main), &first, &under("apps"), "third").by("Ann <ann@x>", Timestamp::from_millis(0));
    let third = story.local.source().restore(&onto_theirs).unwrap();
    assert_eq!(story.push(&Push::new(&third, "third")).unwrap(), done());
    story.remote_git(&["fsck", "--strict"]);
    assert_eq!(files(&story.hosted(), "third"), files(&story.hosted(), "back"));
}

#[test]
fn a_branch_is_made_or_moved_forward_and_never_forced() {
    let story = Story::new();
    let (main, first) = (story.remote_git(&["rev-parse", "main"]), story.first.clone());
    for (push, why) in [
        (Push::new(&revision(&story.revert), "main"), "exists already"),
        (Push::new(&revision(&story.revert), "main").replacing(&revision(&first)), "is at"),
        (Push::new(&revision(&first), "main").replacing(&revision(&main)), "has commits that would be lost"),
        (Push::new(&revision(&story.revert), "none").replacing(&revision(&main)), "does not exist any more"),
        (Push::new(&revision(&story.revert), "a..b"), "as the name of a branch"),
    ] {
        let before = story.branches();
        story.server.requests();
        let error = story.push(&push).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(!story.server.requests().iter().any(|request| request.starts_with("POST")), "{why}");
        assert_eq!(story.branches(), before);
    }
    let forward = Push::new(&revision(&story.revert), "main").replacing(&revision(&main));
    assert_eq!(story.push(&forward).unwrap(), done());
    assert_eq!(story.remote_git(&["rev-parse", "main"]), story.revert);
}

#[test]
fn what_the_remote_refuses_is_told_in_its_words() {
    let story = Story::new();
    let hook = hook(&story.hosted(), "pre-receive", "echo 'Only by \\033[1mreview\\033[0m.' >&2; exit 1");
    let error = story.push(&story.back()).unwrap_err();
    assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error}");
    let told = error.to_string();
    assert!(told.contains("`refs/heads/back` of"), "{told}");
    assert!(told.contains(r"(it says: pre-receive hook declined; Only by \u{1b}[1mreview\u{1b}[0m.)"), "{told}");
    fs::remove_file(hook).unwrap();

    // Who may only read is told by the host.
    story.remote_git(&["config", "http.receivepack", "false"]);
    let error = story.push(&story.back()).unwrap_err();
    assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error}");
    assert!(!story.branches().contains("back"));
}

#[test]
fn what_a_host_says_to_a_push_is_told() {
    let story = Story::new();
    let address = format!("https://git.example/shop/-/merge_requests/new?source={}", "x".repeat(200));
    let text = format!("printf '\\nTo open a pull request, visit:\\n  {address}\\n\\n' >&2; seq 1 50000 >&2");
    hook(&story.hosted(), "post-receive", &text);
    let Pushed::Done { said } = story.push(&story.back()).unwrap() else { panic!("nothing was done") };
    assert_eq!((&*said[0], &*said[1], &*said[2]), ("To open a pull request, visit:", &*address, "1"));
    assert_eq!(said.len(), 16);
    assert_eq!(story.remote_git(&["rev-parse", "back"]), story.revert);
}

#[test]
fn a_branch_that_somebody_makes_in_between_stays_as_it_is() {
    let story = Story::new();
    story.server.fail(&[
        Fault::None,
        Fault::After(|root| {
            succeed(git(&root.join("shop.git"), START, &["branch", "back", "main"]).output().unwrap());
        }),
    ]);
    let error = story.push(&story.back()).unwrap_err();
    assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error}");
    assert_eq!(story.remote_git(&["rev-parse", "back"]), story.remote_git(&["rev-parse", "main"]));
}

#[test]
fn an_answer_that_is_lost_is_found_by_pushing_again() {
    let story = Story::new();
    story.server.fail(&[Fault::None, Fault::Cut(3)]);
    let error = story.push(&story.back()).unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(story.server.requests().iter().filter(|request| request.starts_with("POST")).count(), 1);
    assert_eq!(story.push(&story.back()).unwrap(), Pushed::AlreadyThere);
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let story = Story::new();
    story.server.require("Basic YW5uOnMzY3JldA==");
    let error = story.push(&story.back()).unwrap_err();
    assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error}");
    let wrong = story.push_with(&story.back(), Some(Credential::basic("ann", "wr0ng"))).unwrap_err();
    assert!(
        matches!(wrong.failure, SourceFailure::Denied { .. }) && !format!("{wrong:?}").contains("wr0ng"),
        "{wrong}"
    );
    let pushed = story.push_with(&story.back(), Some(Credential::basic("ann", "s3cret"))).unwrap();
    assert_eq!(pushed, done());
}
