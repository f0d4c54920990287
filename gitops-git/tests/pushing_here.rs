//! Putting a commit on a branch of another repository of this machine, with git as judge.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use gitops_core::source::{Paths, SourceError};
use gitops_git::{GitSource, GitStore, Push, Pushed, Upstream};
use support::{Repo, START, git, listed, revision, succeed, wait};
use tempfile::TempDir;

/// A repository of two commits, and a bare clone of the first one beside it.
struct Story {
    local: Repo,
    folder: TempDir,
    first: String,
    head: String,
}

impl Story {
    fn new() -> Self {
        Self::of(Repo::new())
    }

    fn of(local: Repo) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let first = local.write("apps/web.yaml", "a: one").write("apps/deep/er/x.yaml", "x").commit("One");
        let clone = ["clone", "-q", "--bare", &local.path().to_string_lossy(), "shop.git"];
        succeed(git(folder.path(), START, &clone).output().unwrap());
        let head = local.write("apps/web.yaml", "a: two").write("other.yaml", "o").commit("Two");
        Self { local, folder, first, head }
    }

    fn hosted(&self) -> PathBuf {
        self.folder.path().join("shop.git")
    }

    fn git(&self, arguments: &[&str]) -> String {
        succeed(git(&self.hosted(), START, arguments).output().unwrap())
    }

    fn push_to(&self, location: &str, push: &Push) -> Result<Pushed, SourceError> {
        let store = GitStore::new(self.folder.path().join("store"));
        let upstream = store.upstream(location)?;
        assert!(!format!("{upstream}{upstream:?}").contains("s3cret"));
        wait(upstream.push(&self.local.source(), push))
    }

    fn push(&self, push: &Push) -> Result<Pushed, SourceError> {
        self.push_to(&self.hosted().display().to_string(), push)
    }

    fn refused(&self, push: &Push) -> String {
        let before = self.git(&["for-each-ref"]);
        let told = self.push(push).unwrap_err().to_string();
        assert_eq!(self.git(&["for-each-ref"]), before);
        told
    }

    fn next(&self) -> Push {
        Push::new(&revision(&self.head), "next")
    }
}

fn done() -> Pushed {
    Pushed::Done { said: Vec::new() }
}

#[test]
fn a_commit_arrives_whole_in_a_folder_and_by_its_address() {
    for local in [Repo::new(), Repo::init(&["--object-format=sha256"])] {
        let story = Story::of(local);
        assert_eq!(story.push(&story.next()).unwrap(), done());
        story.git(&["fsck", "--strict"]);
        assert_eq!(story.git(&["rev-parse", "next"]), story.head);
        let there = GitSource::open(story.hosted()).unwrap();
        let expected = ["apps/deep/er/x.yaml: x", "apps/web.yaml: a: two", "other.yaml: o"];
        assert_eq!(listed(&there, "next", &Paths::default()), expected);
        assert_eq!(story.push(&story.next()).unwrap(), Pushed::AlreadyThere);

        // The default branch of a bare repository is shown by no work tree, so it can move on.
        let main = Push::new(&revision(&story.head), "main").replacing(&revision(&story.first));
        let address = format!("file://{}", story.hosted().display());
        assert_eq!(story.push_to(&address, &main).unwrap(), done());
        assert_eq!(story.git(&["rev-parse", "main"]), story.head);
        // Who may read the repository may read what came.
        for file in walk(&story.hosted().join("objects")) {
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o444, 0o444, "{}", file.display());
        }
    }
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_branch_of_a_folder_is_made_or_moved_forward_and_never_forced() {
    let story = Story::new();
    story.local.git(&["checkout", "-q", "--orphan", "other"]);
    let other = story.local.commit("Elsewhere");
    // What is packed is in the way as well.
    story.git(&["branch", "deep/er", "main"]);
    story.git(&["pack-refs", "--all"]);
    for (push, why) in [
        (Push::new(&revision(&story.head), "main"), "exists already"),
        (Push::new(&revision(&story.head), "main").replacing(&revision(&other)), "is at"),
        (Push::new(&revision(&other), "main").replacing(&revision(&story.first)), "has commits that would be lost"),
        (Push::new(&revision(&story.head), "none").replacing(&revision(&story.first)), "does not exist any more"),
        (Push::new(&revision(&story.head), "a..b"), "as the name of a branch"),
        (Push::new(&revision(&story.head), "main/x"), "beside `refs/heads/main`"),
        (Push::new(&revision(&story.head), "deep"), "beside `refs/heads/deep/er`"),
    ] {
        let told = story.refused(&push);
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn what_only_git_can_do_right_is_left_to_it() {
    // Hooks: they may refuse what is pushed, or pass it on.
    let story = Story::new();
    let hook = story.hosted().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    let mode = |mode| fs::set_permissions(&hook, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o755);
    let told = story.refused(&story.next());
    assert!(told.contains("pre-receive` then; use `git push`"), "{told}");
    story.git(&["config", "core.hooksPath", "~/hooks"]);
    assert!(story.refused(&story.next()).contains("`~/hooks`"));
    story.git(&["config", "core.hooksPath", "elsewhere"]);
    fs::rename(story.hosted().join("hooks"), story.hosted().join("elsewhere")).unwrap();
    assert!(story.refused(&story.next()).contains("elsewhere/pre-receive"));
    story.git(&["config", "--unset", "core.hooksPath"]);

    // Whose group may write needs files that it may write.
    story.git(&["config", "core.sharedRepository", "group"]);
    assert!(story.refused(&story.next()).contains("is shared between users"));
    story.git(&["config", "core.sharedRepository", "umask"]);

    // A work tree would show changes that nobody made.
    story.git(&["worktree", "add", "-q", "../tree", "-b", "shown"]);
    let shown = Push::new(&revision(&story.head), "shown").replacing(&revision(&story.first));
    assert!(story.refused(&shown).contains("is checked out there"));
    let clone = story.folder.path().join("clone");
    succeed(git(story.folder.path(), START, &["clone", "-q", "shop.git", "clone"]).output().unwrap());
    let main = Push::new(&revision(&story.head), "main").replacing(&revision(&story.first));
    let told = story.push_to(&clone.display().to_string(), &main).unwrap_err().to_string();
    assert!(told.contains("`main` of") && told.contains("is checked out there"), "{told}");
    let of_clone = |arguments: &[&str]| succeed(git(&clone, START, arguments).output().unwrap());
    of_clone(&["config", "core.hooksPath", "own"]);
    for place in ["own", ".git/own"] {
        fs::create_dir_all(clone.join(place)).unwrap();
        fs::copy(story.hosted().join("elsewhere/pre-receive"), clone.join(place).join("update")).unwrap();
        let told = story.push_to(&clone.display().to_string(), &story.next()).unwrap_err().to_string();
        assert!(told.contains(&format!("{place}/update` then")), "{told}");
        fs::remove_dir_all(clone.join(place)).unwrap();
    }
    assert_eq!(story.push_to(&clone.display().to_string(), &story.next()).unwrap(), done());
    assert_eq!(succeed(git(&clone, START, &["status", "--porcelain"]).output().unwrap()), "");

    assert_eq!(story.push(&story.next()).unwrap(), done());
}

#[test]
fn a_repository_of_another_kind_or_a_bundle_takes_nothing() {
    let story = Story::new();
    let other = Repo::init(&["--object-format=sha256"]);
    other.write("a.yaml", "a").commit("One");
    let told = story.push_to(&other.path().display().to_string(), &story.next()).unwrap_err().to_string();
    assert!(told.contains("whose ids are of another kind"), "{told}");

    let bundle = story.folder.path().join("shop.bundle");
    story.git(&["bundle", "create", "-q", &bundle.display().to_string(), "main"]);
    let before = fs::read(&bundle).unwrap();
    for location in [bundle.display().to_string(), format!("file://{}", bundle.display())] {
        let told = story.push_to(&location, &story.next()).unwrap_err().to_string();
        assert!(told.contains(&format!("pushing to the bundle `{}`", bundle.display())), "{told}");
    }
    assert_eq!(fs::read(&bundle).unwrap(), before);
    for (location, why) in [
        ("file://ann:s3cret@host/a.git", "is on another machine"),
        ("/no/such/folder", "is not a Git repository"),
        ("ext::sh -c id", "is not supported"),
    ] {
        let told = story.push_to(location, &story.next()).unwrap_err().to_string();
        assert!(told.contains(why) && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn the_address_of_a_remote_in_a_folder_is_told_from_the_root() {
    let repo = Repo::new();
    let source = repo.source();
    for (address, expected) in [
        ("../shop.git", Some(format!("{}/../shop.git", repo.path().canonicalize().unwrap().display()))),
        ("/srv/shop.git", Some("/srv/shop.git".to_owned())),
        ("file:///srv/shop.git", Some("file:///srv/shop.git".to_owned())),
        ("git@host:team/shop.git", Some("git@host:team/shop.git".to_owned())),
        ("https://host/shop.git", Some("https://host/shop.git".to_owned())),
    ] {
        repo.git(&["config", "remote.origin.url", address]);
        let found = GitSource::open(repo.path().canonicalize().unwrap()).unwrap().remote_address("origin");
        assert_eq!(found, expected);
    }
    assert_eq!(source.remote_address("upstream"), None);
    assert!(matches!(GitStore::new(repo.path()).upstream(&repo.path().display().to_string()), Ok(Upstream::Local(_))));
}
