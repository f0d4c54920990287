//! Which folders are repositories.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;

use gitops_core::source::{Paths, Source, SourceFailure};
use gitops_git::GitSource;

use support::{Repo, START, git, listed, resolved, succeed};

fn refusal(path: &std::path::Path) -> String {
    GitSource::open(path).unwrap_err().to_string().replace(&path.display().to_string(), "PATH")
}

#[test]
fn a_repository_is_found_from_every_place_that_belongs_to_it() {
    let repo = Repo::new();
    repo.write("apps/web/pod.yaml", "a");
    let id = repo.commit("Add");
    let elsewhere = tempfile::tempdir().unwrap();
    let (bare, linked, pointing) =
        (elsewhere.path().join("bare.git"), elsewhere.path().join("linked"), elsewhere.path().join("pointing"));
    repo.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    repo.git(&["worktree", "add", "-q", "--detach", linked.to_str().unwrap()]);
    fs::create_dir(&pointing).unwrap();
    fs::write(pointing.join(".git"), format!("gitdir: {}\n", repo.inner(".git").display())).unwrap();
    for path in [
        repo.path().to_owned(),
        repo.inner("apps/web"),
        repo.inner(".git"),
        repo.inner("apps/../apps"),
        bare,
        linked.clone(),
        linked.join("apps"),
        linked.join(".git"),
        pointing.clone(),
        pointing.join(".git"),
    ] {
        let source = GitSource::open(&path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert_eq!(resolved(&source, "HEAD"), id, "{}", path.display());
        assert_eq!(listed(&source, "HEAD", &Paths::default()), ["apps/web/pod.yaml: a"], "{}", path.display());
    }
}

#[test]
fn a_linked_worktree_has_its_own_head_and_shares_the_branches() {
    let repo = Repo::new();
    repo.write("a.yaml", "1");
    let first = repo.commit("One");
    let linked = tempfile::tempdir().unwrap();
    let folder = linked.path().join("linked");
    repo.git(&["worktree", "add", "-q", "-b", "other", folder.to_str().unwrap()]);
    repo.write("a.yaml", "2");
    let second = repo.commit("Two");
    let source = GitSource::open(folder).unwrap();
    for (target, id) in [("HEAD", &first), ("other", &first), ("main", &second)] {
        assert_eq!(&resolved(&source, target), id, "{target}");
    }
}

#[test]
fn what_is_no_repository_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let dangling = folder.path().join("dangling");
    fs::create_dir(&dangling).unwrap();
    fs::write(dangling.join(".git"), "gitdir: /nowhere/at/all\n").unwrap();
    for path in [folder.path(), &folder.path().join("missing"), &file, &dangling, &dangling.join(".git")] {
        let text = "`PATH` is not a Git repository; give the folder that holds it, or a bare repository";
        assert_eq!(refusal(path), text, "{}", path.display());
        let error = GitSource::open(path).unwrap_err();
        assert!(matches!(error.failure, SourceFailure::NoRepository { .. }) && error.cause.is_none());
    }
}

#[test]
fn a_damaged_repository_is_told_from_none() {
    let repo = Repo::new();
    repo.commit("Add");
    fs::write(repo.inner(".git/config"), "[core\nthis is no config").unwrap();
    assert_eq!(refusal(repo.path()), "the Git repository `PATH` is damaged; run `git fsck`, or clone again");
}

#[test]
fn the_format_of_a_repository_is_read_or_refused_by_name() {
    let repo = Repo::init(&["--object-format=sha256"]);
    repo.write("a.yaml", "a");
    let id = repo.commit("Add");
    assert_eq!(id.len(), 64);
    let source = repo.source();
    for target in ["HEAD", "main", &id, &id[..7]] {
        assert_eq!(resolved(&source, target), id, "{target}");
    }
    assert_eq!(listed(&source, "main", &Paths::default()), ["a.yaml: a"]);

    for (key, value, text) in [
        ("extensions.refStorage", "reftable", "extension `refstorage = reftable` of the Git repository `PATH`"),
        ("extensions.new", "1", "extension `new = 1` of the Git repository `PATH`"),
        ("core.repositoryFormatVersion", "2", "the format of the Git repository `PATH`"),
    ] {
        let config = fs::read(repo.inner(".git/config")).unwrap();
        repo.git(&["config", key, value]);
        assert_eq!(refusal(repo.path()), format!("{text} is not supported"));
        fs::write(repo.inner(".git/config"), config).unwrap();
    }
}

#[test]
fn what_a_partial_clone_left_out_is_named() {
    let repo = Repo::new();
    repo.write("a.yaml", "a");
    repo.commit("Add");
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", repo.path().display());
    let clone = ["clone", "-q", "--bare", "--filter=blob:none", &url, "part"];
    succeed(git(folder.path(), START, &clone).output().unwrap());
    let source = GitSource::open(folder.path().join("part")).unwrap();
    let blob = "the blob `2e65efe2a145dda7ee51d1741299f848e5bf752e`";
    let text = format!("a.yaml: {blob} was left out of this partial clone; fetching it when needed is not supported");
    assert_eq!(listed(&source, "main", &Paths::default()), [text]);
}

#[test]
fn the_configuration_of_user_and_environment_plays_no_part() {
    // A repository of somebody else is refused by `git` itself, by `safe.directory`; here only the owner differs.
    let repo = Repo::new();
    repo.write("a.yaml", "a");
    let id = repo.commit("Add");
    let changed = std::process::Command::new("chown").args(["-R", "65534"]).arg(repo.path()).output();
    let refused = git(repo.path(), START, &["rev-parse", "HEAD"]).output().unwrap();
    if changed.is_ok_and(|output| output.status.success()) {
        assert!(!refused.status.success(), "the owner should differ");
    }
    assert_eq!(resolved(&repo.source(), "HEAD"), id);
}

#[test]
fn a_repository_without_a_commit_says_so() {
    let repo = Repo::new();
    let text = "branch `main` has no commit yet; commit something, or give another revision";
    for target in ["HEAD", "", "main", "refs/heads/main", "HEAD~1"] {
        assert_eq!(resolved(&repo.source(), target), text, "{target}");
    }
    let other = "revision `other` does not exist; give a branch, a tag or a commit id";
    assert_eq!(resolved(&repo.source(), "other"), other);
}

#[test]
fn what_is_committed_after_opening_is_seen() {
    let repo = Repo::new();
    let source = repo.source();
    for text in ["1", "2", "3"] {
        repo.write("a.yaml", text);
        let id = repo.commit("Change");
        if text == "2" {
            repo.git(&["gc", "-q", "--prune=now"]);
        }
        assert_eq!(resolved(&source, "main"), id);
        assert_eq!(listed(&source, "main", &Paths::default()), [format!("a.yaml: {text}")]);
    }
}

#[test]
fn objects_of_another_repository_are_found_through_alternates() {
    let repo = Repo::new();
    repo.write("a.yaml", "a");
    let id = repo.commit("Add");
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    let path = repo.path().to_str().unwrap();
    succeed(git(folder.path(), START, &["clone", "-q", "--shared", path, "shared"]).output().unwrap());
    let source = GitSource::open(shared).unwrap();
    assert_eq!(resolved(&source, "origin/main"), id);
    assert_eq!(listed(&source, "main", &Paths::default()), ["a.yaml: a"]);
}

#[test]
fn a_source_may_be_shared_between_threads_and_shows_only_its_place() {
    let repo = Repo::new();
    repo.write("a.yaml", "a");
    let id = repo.commit("Add");
    let source = repo.source();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(resolved(&source, "main"), id));
        }
    });
    assert!(source.history().is_some());
    let shown = format!("{source:?}").replace(&repo.path().display().to_string(), "PATH");
    let limits = "GitLimits { files: 200000, entries: 2000000, object_bytes: 67108864 }";
    assert_eq!(shown, format!("GitSource {{ location: \"PATH\", limits: {limits} }}"));
}

#[test]
fn a_password_in_what_is_no_path_is_not_shown() {
    let store = gitops_git::GitStore::new(tempfile::tempdir().unwrap());
    for text in ["file://u:s3cret@x/y", "https:/u:s3cret@h/x", "u:s3cret@h:x", "https://h/x?token=s3cret"] {
        let error = store.source(text).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
    let error = GitSource::open("u:s3cret@h/x").unwrap_err().to_string();
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn a_repository_that_may_not_be_looked_into_is_called_so() {
    use std::os::unix::fs::PermissionsExt;
    let repo = Repo::new();
    repo.write("a.yaml", "1").commit("One");
    let closed = repo.inner(".git");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let opened = GitSource::open(repo.path());
    // Who may do everything is kept out by nothing.
    let is_kept_out = fs::read_dir(&closed).is_err();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    match opened {
        Err(error) if is_kept_out => assert!(matches!(error.failure, SourceFailure::Denied { .. }), "{error}"),
        opened => assert_eq!(opened.is_ok(), !is_kept_out),
    }
}
