//! Remotes: what is fetched is what git has, with as few round trips as can be.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gitops_core::source::{Paths, Source, SourceError, Target};
use gitops_git::{GitRemote, GitStore, RemoteOptions, RemoteUrl};
use tempfile::TempDir;

use support::server::Server;
use support::{Repo, git, revision, wait};

/// A repository, a server of it, and a store to fetch into.
struct Scene {
    repo: Repo,
    server: Server,
    store: TempDir,
}

impl Scene {
    fn new() -> Self {
        let repo = Repo::new();
        let server = Server::start(repo.path());
        Self { repo, server, store: tempfile::tempdir().unwrap() }
    }

    fn remote(&self) -> GitRemote {
        open(self.store.path(), &self.server.url(".git"))
    }
}

fn options() -> RemoteOptions {
    let mut options = RemoteOptions::default();
    options.backoff = std::time::Duration::from_millis(1);
    options
}

fn open(store: &Path, url: &str) -> GitRemote {
    GitStore::new(store).with_options(options()).remote(&RemoteUrl::parse(url).unwrap()).unwrap()
}

fn resolved(remote: &dyn Source, target: &str) -> String {
    match wait(remote.resolve(&Target::new(target))) {
        Ok(revision) => revision.id.to_string(),
        Err(error) => error.to_string(),
    }
}

fn files(remote: &dyn Source, id: &str) -> Result<Vec<String>, SourceError> {
    wait(async {
        let snapshot = remote.snapshot(&revision(id), &Paths::default(), None).await?;
        let files = snapshot.files();
        let ids: Vec<_> = files.iter().map(|file| file.id.clone()).collect();
        let contents = remote.read(&ids).await?;
        let text = |bytes: Result<Arc<[u8]>, SourceError>| String::from_utf8_lossy(&bytes.unwrap()).into_owned();
        Ok(files.iter().zip(contents).map(|(file, bytes)| format!("{}: {}", file.path, text(bytes))).collect())
    })
}

#[test]
fn every_kind_of_target_leads_where_git_says() {
    for old in [false, true] {
        let scene = Scene::new();
        let repo = &scene.repo;
        let first = repo.write("a.yaml", "1").commit("One");
        repo.git(&["tag", "-a", "-m", "x", "v1.0.0"]);
        let second = repo.write("a.yaml", "2").commit("Two");
        repo.git(&["tag", "v1.1.0-rc.1"]);
        repo.git(&["checkout", "-q", "-b", "feature/x", &first]);
        let third = repo.write("b.yaml", "3").commit("Three");
        repo.git(&["checkout", "-q", "main"]);
        if old {
            scene.server.speak_old_protocol();
        }
        let remote = scene.remote();
        for (target, id) in [
            ("HEAD", &second),
            ("main", &second),
            ("feature/x", &third),
            ("refs/heads/feature/x", &third),
            ("v1.0.0", &first),
            ("main~1", &first),
            ("feature/x~1^{}", &first),
            (&*first, &first),
            ("1.*", &first),
            (">=1.0.0-0", &second),
            (&third[..9], &third),
        ] {
            assert_eq!(&resolved(&remote, target), id, "{target}, old protocol: {old}");
        }
        assert_eq!(files(&remote, &third).unwrap(), ["a.yaml: 1", "b.yaml: 3"]);
        assert!(
            resolved(&remote, "mian").ends_with("does not exist; did you mean `main`?"),
            "{}",
            resolved(&remote, "mian")
        );
        assert!(resolved(&remote, &"5".repeat(40)).contains("does not exist"), "old protocol: {old}");
    }
}

#[test]
fn a_poll_of_what_did_not_change_is_one_request() {
    let scene = Scene::new();
    scene.repo.write("a.yaml", "1").commit("One");
    let remote = scene.remote();
    resolved(&remote, "main");
    let first = scene.server.requests();
    assert_eq!(
        first,
        [
            "GET /.git/info/refs?service=git-upload-pack",
            "POST /.git/git-upload-pack ls-refs",
            "POST /.git/git-upload-pack fetch"
        ]
    );
    for _ in 0..3 {
        resolved(&remote, "main");
    }
    assert_eq!(scene.server.requests(), ["POST /.git/git-upload-pack ls-refs"; 3]);
    let second = scene.repo.write("a.yaml", "2").commit("Two");
    assert_eq!(resolved(&remote, "main"), second);
    assert_eq!(scene.server.requests(), ["POST /.git/git-upload-pack ls-refs", "POST /.git/git-upload-pack fetch"]);
    assert_eq!(resolved(&remote, &second), second);
    assert_eq!(files(&remote, &second).unwrap(), ["a.yaml: 2"]);
    assert_eq!(scene.server.requests(), [""; 0], "what is here is not asked for");
}

#[test]
fn many_applications_ask_together() {
    let scene = Scene::new();
    let id = scene.repo.write("a.yaml", "1").commit("One");
    for number in 0..20 {
        scene.repo.git(&["branch", &format!("team-{number}")]);
    }
    let store = GitStore::new(scene.store.path());
    let url = RemoteUrl::parse(&scene.server.url(".git")).unwrap();
    let remotes: Vec<_> = (0..20).map(|_| store.remote(&url).unwrap()).collect();
    let ask = || {
        let mut asked: Vec<_> = remotes
            .iter()
            .enumerate()
            .map(|(number, remote)| {
                let remote = remote.clone();
                Box::pin(async move { remote.resolve(&Target::new(&format!("team-{number}"))).await })
            })
            .collect();
        // All are under way before any is waited for.
        let mut found = Vec::new();
        for future in &mut asked {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            if let std::task::Poll::Ready(done) = future.as_mut().poll(&mut context) {
                found.push(done.unwrap().id.to_string());
            } else {
                found.push(String::new());
            }
        }
        for (future, found) in asked.into_iter().zip(&mut found) {
            if found.is_empty() {
                *found = wait(future).unwrap().id.to_string();
            }
        }
        assert!(found.iter().all(|found| *found == id));
    };
    ask();
    scene.server.requests();
    ask();
    let requests = scene.server.requests();
    assert!(requests.len() <= 2, "{requests:?}");
}

#[test]
fn history_is_fetched_when_it_is_asked_for() {
    let scene = Scene::new();
    for number in 0..100 {
        scene.repo.write("a.yaml", &format!("{number}\n")).commit(&format!("Change {number}"));
    }
    let id = scene.repo.write("b.yaml", "x\n").commit("Last");
    let remote = scene.remote();
    resolved(&remote, "main");
    let history = remote.history().unwrap();
    let log = wait(history.log(&revision(&id), &Paths::under(["a.yaml"]).unwrap(), 1000)).unwrap();
    let ids: Vec<&str> = log.iter().map(|revision| revision.id.as_str()).collect();
    assert_eq!(ids.join("\n"), scene.repo.git(&["log", "--format=%H", "--", "a.yaml"]));
    let blamed = wait(history.blame(&revision(&id), "b.yaml", 1)).unwrap();
    assert_eq!(blamed.id.as_str(), id);
    // The shallow beginning is gone, and what comes next fits to it.
    let next = scene.repo.write("a.yaml", "next\n").commit("Next");
    assert_eq!(resolved(&remote, "main"), next);
    let log = wait(history.log(&revision(&next), &Paths::default(), 1000)).unwrap();
    assert_eq!(log.len(), 102);
}

#[test]
fn only_what_changed_is_fetched() {
    let scene = Scene::new();
    let noise: String = (0..4000_u32).map(|number| format!("{:08x}", number.wrapping_mul(2_654_435_761))).collect();
    scene.repo.write("big.yaml", &noise).write("a.yaml", "1").commit("One");
    let remote = scene.remote();
    resolved(&remote, "main");
    let size = |store: &Path| -> u64 {
        let packs = walk(store).into_iter().filter(|path| path.extension().is_some_and(|end| end == "pack"));
        packs.map(|path| fs::metadata(path).unwrap().len()).sum()
    };
    let before = size(scene.store.path());
    let second = scene.repo.write("a.yaml", "2").commit("Two");
    assert_eq!(resolved(&remote, "main"), second);
    let grown = size(scene.store.path()) - before;
    assert!(grown < 1000, "{before} bytes, then {grown} more");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(walk(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn many_small_changes_do_not_pile_up() {
    let scene = Scene::new();
    let remote = scene.remote();
    let mut last = String::new();
    for number in 0..60 {
        last = scene.repo.write("a.yaml", &number.to_string()).commit("Change");
        assert_eq!(resolved(&remote, "main"), last);
        assert_eq!(files(&remote, &last).unwrap(), [format!("a.yaml: {number}")]);
    }
    let packs =
        walk(scene.store.path()).iter().filter(|path| path.extension().is_some_and(|end| end == "pack")).count();
    assert!(packs < 100, "{packs}");
    // Somebody else finds what is there without asking.
    scene.server.requests();
    assert_eq!(files(&scene.remote(), &last).unwrap(), ["a.yaml: 59"]);
    assert_eq!(scene.server.requests(), [""; 0]);
}

#[test]
fn rewritten_history_is_followed_and_what_was_pinned_stays() {
    let scene = Scene::new();
    scene.repo.write("a.yaml", "0").commit("Zero");
    let old = scene.repo.write("a.yaml", "1").commit("One");
    let remote = scene.remote();
    assert_eq!(resolved(&remote, "main"), old);
    scene.repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let new = scene.repo.write("a.yaml", "2").commit("Two");
    assert_eq!(resolved(&remote, "main"), new);
    assert_eq!(files(&remote, &old).unwrap(), ["a.yaml: 1"]);
    assert_eq!(files(&remote, &new).unwrap(), ["a.yaml: 2"]);
}

#[test]
fn an_empty_repository_says_so() {
    let scene = Scene::new();
    let text = resolved(&scene.remote(), "HEAD");
    assert_eq!(text, "branch `main` has no commit yet; commit something, or give another revision");
    let id = scene.repo.write("a.yaml", "1").commit("One");
    assert_eq!(resolved(&scene.remote(), "HEAD"), id);
}

#[test]
fn ids_may_be_sha256() {
    let repo = Repo::init(&["--object-format=sha256"]);
    let server = Server::start(repo.path());
    let store = tempfile::tempdir().unwrap();
    let id = repo.write("a.yaml", "1").commit("One");
    let remote = open(store.path(), &server.url(".git"));
    assert_eq!(resolved(&remote, "main"), id);
    assert_eq!(files(&remote, &id).unwrap(), ["a.yaml: 1"]);
    let next = repo.write("a.yaml", "2").commit("Two");
    assert_eq!(resolved(&remote, "HEAD"), next);
}

#[test]
fn a_bundle_is_a_remote() {
    let repo = Repo::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.bundle");
    let first = repo.write("a.yaml", "1").commit("One");
    repo.git(&["tag", "-a", "-m", "x", "v1"]);
    repo.git(&["bundle", "create", "-q", file.to_str().unwrap(), "--all"]);
    let remote = open(&folder.path().join("store"), file.to_str().unwrap());
    for target in ["main", "v1", "HEAD"] {
        assert_eq!(resolved(&remote, target), first, "{target}");
    }
    assert_eq!(files(&remote, &first).unwrap(), ["a.yaml: 1"]);
    let second = repo.write("a.yaml", "2").commit("Two");
    repo.git(&["bundle", "create", "-q", file.to_str().unwrap(), "main~1..main"]);
    assert_eq!(resolved(&remote, "main"), second);
    // One that builds on what is not here.
    let fresh = open(&folder.path().join("other"), file.to_str().unwrap());
    assert!(resolved(&fresh, "main").contains("builds on commit"), "{}", resolved(&fresh, "main"));
}

#[test]
fn ssh_is_run_with_the_host_key_checked_and_nothing_asked() {
    let repo = Repo::new();
    let id = repo.write("a.yaml", "1").commit("One");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ssh");
    // What `ssh` would run on the host, run here; and what it was told.
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}/told\nfor last; do :; done\nexec sh -c \"$last\"\n",
        folder.path().display()
    );
    fs::write(&program, script).unwrap();
    Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    let mut options = options();
    options.ssh.program = program.clone();
    options.ssh.known_hosts = Some("/known".into());
    let url = RemoteUrl::parse(&format!("ssh://git@example.org:2222{}", repo.path().display())).unwrap();
    let store = GitStore::new(folder.path().join("store")).with_options(options.clone());
    let remote = store.remote(&url).unwrap();
    assert_eq!(resolved(&remote, "main"), id);
    assert_eq!(files(&remote, &id).unwrap(), ["a.yaml: 1"]);
    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    for part in
        ["-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oUserKnownHostsFile=/known", "-p\n2222", "git@example.org"]
    {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    // Its last words say what to do.
    for (words, expected) in [
        ("Host key verification failed.", "put its key into the known hosts"),
        ("git@example.org: Permission denied (publickey).", "give a key that the host accepts"),
    ] {
        fs::write(&program, format!("#!/bin/sh\necho '{words}' >&2\nexit 255\n")).unwrap();
        let text = resolved(&store.remote(&url).unwrap(), "main");
        assert!(text.contains(expected) && text.contains(words.trim_end_matches('.')), "{text}");
    }
    options.ssh.program = folder.path().join("none");
    let text = resolved(&store.with_options(options).remote(&url).unwrap(), "main");
    assert!(text.contains("which is not installed"), "{text}");
}

#[test]
fn a_git_daemon_is_spoken_to() {
    let repo = Repo::new();
    let id = repo.write("a.yaml", "1").commit("One");
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let base = format!("--base-path={}", repo.path().display());
    // The program itself, since `git daemon` would leave it behind when it is ended.
    let program =
        Path::new(&git(repo.path(), 0, &["--exec-path"]).output().map(support::succeed).unwrap()).join("git-daemon");
    if !program.exists() {
        println!("skipped: git has no daemon here");
        return;
    }
    let mut daemon = Command::new(program);
    daemon.args(["--export-all", "--reuseaddr", &base, "--listen=127.0.0.1", &format!("--port={port}")]);
    let mut child = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let store = tempfile::tempdir().unwrap();
    let remote = open(store.path(), &format!("git://127.0.0.1:{port}/.git"));
    let mut found = String::new();
    for _ in 0..100 {
        found = resolved(&remote, "main");
        if found == id {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let contents = files(&remote, &id);
    let missing = resolved(&open(store.path(), &format!("git://127.0.0.1:{port}/none")), "main");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found, id);
    assert_eq!(contents.unwrap(), ["a.yaml: 1"]);
    assert!(missing.contains("git://127.0.0.1"), "{missing}");
}

#[test]
fn a_location_is_a_folder_or_a_remote() {
    let scene = Scene::new();
    let id = scene.repo.write("a.yaml", "1").commit("One");
    let store = GitStore::new(scene.store.path());
    let folder = scene.repo.path().display().to_string();
    for location in [folder.clone(), format!("file://{folder}"), scene.server.url(".git")] {
        let source = store.source(&location).unwrap();
        assert_eq!(resolved(&*source, "main"), id, "{location}");
    }
    for location in ["ext::sh -c id", "/no/such/folder", "file:///no/such/folder", "ftp://host/a"] {
        assert!(store.source(location).is_err(), "{location}");
    }
}
