//! Submodules: refused, left out or followed, and what a hostile `.gitmodules` gets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::Path;

use gitops_core::problem::Severity;
use gitops_core::source::{ContentId, Paths, Snapshot, Source, SourceError, SourceFailure, Target};
use gitops_git::{Follow, GitRemote, GitStore, Hosts, RemoteOptions, RemoteUrl, Restore, Submodules};
use support::server::Server;
use support::{Repo, answer, described, git, listed, resolved, revision, snapshot, succeed, under, wait};
use tempfile::TempDir;

fn follow() -> Submodules {
    Submodules::Follow(Follow::default())
}

/// A repository with a submodule of it at `path`, declared at `url`, and pointing to `commit`.
fn with_submodule(path: &str, url: &str, commit: &str) -> Repo {
    let repo = Repo::new();
    repo.write("apps/a.yaml", "a");
    declare(&repo, &[(path, url)]);
    repo.git(&["add", "-A"]);
    point(&repo, path, commit);
    repo.git(&["commit", "-q", "-m", "Add a submodule"]);
    repo
}

fn declare(repo: &Repo, submodules: &[(&str, &str)]) {
    let said = submodules.iter().map(|(path, url)| format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n"));
    repo.write(".gitmodules", &said.collect::<String>());
}

fn point(repo: &Repo, path: &str, commit: &str) {
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
}

/// Clones a repository into the folder that a server serves.
fn publish(repo: &Repo, folder: &Path, name: &str) {
    succeed(
        git(folder, support::START, &["clone", "-q", "--bare", &repo.path().to_string_lossy(), name]).output().unwrap(),
    );
}

struct Hosted {
    folder: TempDir,
    server: Server,
    store: TempDir,
}

impl Hosted {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path());
        Self { server, folder, store: tempfile::tempdir().unwrap() }
    }

    fn remote(&self, name: &str, submodules: Submodules) -> GitRemote {
        let mut options = RemoteOptions::default();
        options.attempts = 1;
        let store = GitStore::new(self.store.path()).with_options(options).with_submodules(submodules);
        store.remote(&RemoteUrl::parse(&self.server.url(name)).unwrap()).unwrap()
    }
}

fn remote_snapshot(remote: &GitRemote, paths: &Paths) -> Result<Snapshot, SourceError> {
    let revision = wait(remote.resolve(&Target::new("HEAD")))?;
    wait(remote.snapshot(&revision.id, paths, None))
}

/// The files of a snapshot with their text, then its problems.
fn told(remote: &GitRemote, snapshot: &Snapshot) -> Vec<String> {
    let files = snapshot.files();
    let ids: Vec<ContentId> = files.iter().map(|file| file.id.clone()).collect();
    let contents = wait(remote.read(&ids)).unwrap();
    let text = |content: &Result<std::sync::Arc<[u8]>, SourceError>| match content {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(error) => error.to_string(),
    };
    let lines = files.iter().zip(&contents).map(|(file, content)| format!("{}: {}", file.path, text(content)));
    lines.chain(snapshot.problems.iter().map(|problem| format!("{:?} {problem}", problem.severity))).collect()
}

#[test]
fn a_submodule_that_is_refused_blocks_and_one_that_is_left_out_warns() {
    let lib = Repo::new();
    let commit = lib.write("x.yaml", "x").commit("Add");
    let repo = with_submodule("apps/lib", "../lib.git", &commit);
    let severity = |policy: Submodules| {
        let source = repo.source().with_submodules(policy);
        snapshot(&source, "HEAD", &under("apps")).unwrap().problems[0].severity
    };
    assert_eq!(severity(Submodules::Skip), Severity::Warning);
    assert_eq!(severity(Submodules::Refuse), Severity::Blocks);
}

#[test]
fn submodules_of_a_remote_are_read_with_those_within_as_git_checks_them_out() {
    let hosted = Hosted::new();
    let (deep, lib) = (Repo::new(), Repo::new());
    let deepest = deep.write("z.yaml", "z").commit("Add");
    lib.write("manifests/x.yaml", "x").write("README.md", "no").link("manifests/y.yaml", "../other/y.yaml");
    lib.write("other/y.yaml", "y").link("manifests/out.yaml", "../../a.yaml");
    declare(&lib, &[("deep", "../deep.git")]);
    lib.git(&["add", "-A"]);
    point(&lib, "deep", &deepest);
    lib.git(&["commit", "-q", "-m", "Add"]);
    let repo = with_submodule("apps/lib", "../lib.git", &lib.id("HEAD"));
    for (made, name) in [(&deep, "deep.git"), (&lib, "lib.git"), (&repo, "shop.git")] {
        publish(made, hosted.folder.path(), name);
    }
    let remote = hosted.remote("shop.git", follow());
    let listing = remote_snapshot(&remote, &under("apps")).unwrap();
    let outside = "Blocks apps/lib/manifests/out.yaml: the link `apps/lib/manifests/out.yaml` points to \
                   `../../a.yaml`, which is outside the repository; commit the file itself, or remove the link";
    let files = [
        "apps/a.yaml: a",
        "apps/lib/deep/z.yaml: z",
        "apps/lib/manifests/x.yaml: x",
        "apps/lib/manifests/y.yaml: y",
        "apps/lib/other/y.yaml: y",
        outside,
    ];
    assert_eq!(told(&remote, &listing), files);

    // What is here is not fetched again, and a root may lie in a submodule.
    hosted.server.requests();
    assert_eq!(wait(remote.snapshot(&listing.revision, &under("apps"), Some(&listing))).unwrap().files().len(), 5);
    let inside = wait(remote.snapshot(&listing.revision, &under("apps/lib/deep"), None)).unwrap();
    assert_eq!(told(&remote, &inside), ["apps/lib/deep/z.yaml: z"]);
    let nothing = wait(remote.snapshot(&listing.revision, &under("apps/lib/none"), None)).unwrap_err();
    assert!(matches!(nothing.failure, SourceFailure::UnknownPath { .. }), "{nothing}");
    assert_eq!(hosted.server.requests(), [""; 0]);

    // Git itself as judge, of names and contents.
    let work = tempfile::tempdir().unwrap();
    let mut clone =
        git(work.path(), support::START, &["-c", "protocol.allow=always", "clone", "-q", "--recurse-submodules"]);
    succeed(clone.arg(hosted.server.url("shop.git")).arg("w").output().unwrap());
    for file in listing.files() {
        let bytes = wait(remote.read(std::slice::from_ref(&file.id))).unwrap().remove(0).unwrap();
        assert_eq!(fs::read(work.path().join("w").join(&*file.path)).unwrap(), &*bytes, "{}", file.path);
    }
}

#[test]
fn a_path_within_a_submodule_is_found_though_nothing_was_fetched_before() {
    let hosted = Hosted::new();
    let lib = Repo::new();
    let commit = lib.write("deploy/x.yaml", "x").commit("Add");
    publish(&lib, hosted.folder.path(), "lib.git");
    publish(&with_submodule("vendor/lib", "../lib.git", &commit), hosted.folder.path(), "shop.git");
    let remote = hosted.remote("shop.git", follow());
    let listing = remote_snapshot(&remote, &under("vendor/lib/deploy")).unwrap();
    assert_eq!(told(&remote, &listing), ["vendor/lib/deploy/x.yaml: x"]);
    let error = remote_snapshot(&remote, &under("vendor/lib/other")).unwrap_err();
    assert!(matches!(error.failure, SourceFailure::UnknownPath { .. }), "{error}");
}

#[test]
fn a_commit_of_a_submodule_that_was_not_pushed_is_one_clear_error_and_is_read_once_it_was() {
    let hosted = Hosted::new();
    let lib = Repo::new();
    lib.write("x.yaml", "x").commit("Add");
    publish(&lib, hosted.folder.path(), "lib.git");
    let later = lib.write("x.yaml", "newer").commit("Change");
    publish(&with_submodule("lib", "../lib.git", &later), hosted.folder.path(), "shop.git");
    let remote = hosted.remote("shop.git", follow());
    let error = remote_snapshot(&remote, &Paths::default()).unwrap_err();
    let (url, transient) = (hosted.server.url("lib.git"), error.is_transient());
    let told_error = format!(
        "commit `{later}` of the submodule `lib`, which `{url}` does not have (push it there), cannot be reached now"
    );
    assert_eq!((error.to_string(), transient), (told_error, true));

    lib.git(&["push", "-q", &hosted.folder.path().join("lib.git").to_string_lossy(), "main"]);
    let listing = remote_snapshot(&remote, &Paths::default()).unwrap();
    assert_eq!(told(&remote, &listing), ["apps/a.yaml: a", "lib/x.yaml: newer"]);
}

#[test]
fn what_a_hostile_gitmodules_asks_for_is_refused_without_a_request() {
    let hosted = Hosted::new();
    let commit = "1234567890123456789012345678901234567890";
    for (url, why) in [
        ("ext::sh -c id", "its address is refused"),
        ("-oProxyCommand=id", "its address is refused"),
        ("ssh://-oProxyCommand=id/a", "its address is refused"),
        ("file:///etc", "its address is refused"),
        ("/etc", "its address is refused"),
        ("/srv/a.bundle", "is not where"),
        ("https://evil.example/lib.git", "is not where"),
        ("http://127.0.0.1/lib.git", "is not where"),
        ("git@127.0.0.1:lib.git", "is not where"),
        ("../../../evil.example/lib.git", "leads out of the host"),
        ("../a/../../lib.git", "leads out of the host"),
        ("ext://x", "its address is refused"),
    ] {
        publish(&with_submodule("apps/lib", url, commit), hosted.folder.path(), "shop.git");
        let remote = hosted.remote("shop.git", follow());
        let revision = wait(remote.resolve(&Target::new("HEAD"))).unwrap();
        hosted.server.requests();
        let listing = wait(remote.snapshot(&revision.id, &under("apps"), None)).unwrap();
        assert_eq!(listing.files().len(), 1, "{url}");
        let problem = &listing.problems[0];
        assert!(problem.severity == Severity::Blocks && problem.to_string().contains(why), "{url}: {problem}");
        assert_eq!(hosted.server.requests(), [""; 0], "{url}");
        fs::remove_dir_all(hosted.folder.path().join("shop.git")).unwrap();
    }
}

#[test]
fn a_listed_repository_is_followed_wherever_it_is_and_the_same_host_only_if_that_is_enough() {
    let (hosted, other) = (Hosted::new(), Hosted::new());
    let lib = Repo::new();
    let commit = lib.write("x.yaml", "x").commit("Add");
    publish(&lib, other.folder.path(), "lib.git");
    publish(&lib, hosted.folder.path(), "lib.git");
    let repo = Repo::new();
    declare(&repo, &[("far", &other.server.url("lib")), ("near", "../lib")]);
    repo.git(&["add", "-A"]);
    point(&repo, "far", &commit);
    point(&repo, "near", &commit);
    repo.git(&["commit", "-q", "-m", "Add"]);
    publish(&repo, hosted.folder.path(), "shop.git");
    let files = |follow: Follow| {
        let remote = hosted.remote("shop.git", Submodules::Follow(follow));
        let listing = remote_snapshot(&remote, &Paths::default()).unwrap();
        listing.files().iter().map(|file| file.path.to_string()).collect::<Vec<_>>()
    };
    let far = RemoteUrl::parse(&other.server.url("lib.git")).unwrap();
    assert_eq!(files(Follow::default()), ["near/x.yaml"]);
    assert_eq!(files(Follow::default().with_listed(far.clone())), ["far/x.yaml", "near/x.yaml"]);
    assert_eq!(files(Follow::default().with_listed(far).with_hosts(Hosts::Listed)), ["far/x.yaml"]);
}

#[test]
fn submodules_are_bounded_in_number_and_depth() {
    let hosted = Hosted::new();
    let lib = Repo::new();
    let mut commit = lib.write("0.yaml", "0").commit("Add");
    // Each commit has the one before it as a submodule of the same repository.
    for level in 1..=4 {
        lib.write(&format!("{level}.yaml"), "x");
        declare(&lib, &[("in", "../lib.git")]);
        lib.git(&["rm", "-q", "--cached", "--ignore-unmatch", "in"]);
        lib.git(&["add", "*.yaml", ".gitmodules"]);
        point(&lib, "in", &commit);
        lib.git(&["commit", "-q", "-m", "Deeper"]);
        commit = lib.id("HEAD");
    }
    publish(&lib, hosted.folder.path(), "lib.git");
    let problem = |depth: usize, count: usize| {
        let mut follow = Follow::default();
        (follow.depth, follow.count) = (depth, count);
        let remote = hosted.remote("lib.git", Submodules::Follow(follow));
        let listing = remote_snapshot(&remote, &Paths::default()).unwrap();
        (listing.files().len(), listing.problems.first().map(ToString::to_string).unwrap_or_default())
    };
    // A commit has the files of all levels above: 5 + 4 + 3 + 2 + 1.
    assert_eq!(problem(4, 64), (15, String::new()));
    let (files, text) = problem(2, 64);
    assert_eq!(files, 12);
    assert!(
        text.contains("the submodule `in/in/in` is not followed: lies in more submodules than are followed"),
        "{text}"
    );
    let (files, text) = problem(4, 1);
    assert_eq!(files, 9);
    assert!(text.contains("is one more than the submodules that are followed"), "{text}");
}

#[test]
fn a_local_repository_reads_submodules_where_git_has_put_them() {
    let lib = Repo::new();
    let commit = lib.write("x.yaml", "x").commit("Add");
    let repo = with_submodule("apps/lib", &lib.path().to_string_lossy(), &commit);
    let source = repo.source().with_submodules(follow());
    let error = snapshot(&source, "HEAD", &under("apps")).unwrap_err().to_string();
    assert!(error.contains("`apps/lib`") && error.contains("`git submodule update --init"), "{error}");
    repo.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init"]);
    assert_eq!(listed(&source, "HEAD", &under("apps")), ["apps/a.yaml: a", "apps/lib/x.yaml: x"]);
    let first = snapshot(&source, "HEAD", &under("apps")).unwrap();

    // A commit that only moves the submodule is a change of what is read, in the log as well, and can be taken back.
    let old = repo.id("HEAD");
    let newer = lib.write("x.yaml", "newer").commit("Change");
    repo.git(&["-C", "apps/lib", "-c", "protocol.file.allow=always", "fetch", "-q"]);
    point(&repo, "apps/lib", &newer);
    repo.git(&["commit", "-q", "-m", "Move"]);
    let head = repo.id("HEAD");
    assert_eq!(listed(&source, "HEAD", &under("apps")), ["apps/a.yaml: a", "apps/lib/x.yaml: newer"]);
    let changes = snapshot(&source, "HEAD", &under("apps")).unwrap().changes_since(&first);
    assert_eq!(changes.len(), 1);
    let log = answer(source.history().unwrap().log(&revision(&head), &under("apps/lib"), 9)).unwrap();
    assert_eq!(log.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), [&*head, &*old]);
    let restore =
        Restore::new(&revision(&head), &revision(&old), &under("apps"), "back").by("Ann <a@b>", Default::default());
    source.restore(&restore).unwrap();
    assert_eq!(resolved(&source, "back^{commit}").len(), 40);
    let back = snapshot(&source, "back", &under("apps")).unwrap();
    assert_eq!(described(&source, &back), ["apps/a.yaml: a", "apps/lib/x.yaml: x"]);
}
