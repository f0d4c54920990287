//! Remotes that fail, lie or hang, and fetches that are interrupted.

#![allow(clippy::unwrap_used, reason = "tests may fail")]
#![allow(clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use base64::Engine;
use gitops_core::source::{Paths, Source, SourceError, SourceFailure, Target};
use gitops_git::{Asked, Credential, Credentials, GitRemote, GitStore, RemoteOptions, RemoteUrl};
use tempfile::TempDir;

use support::server::{Fault, Server};
use support::{Repo, START, git, revision, wait};

struct Scene {
    repo: Repo,
    server: Server,
    folder: TempDir,
    store: GitStore,
    id: String,
}

impl Scene {
    fn new() -> Self {
        let (repo, folder) = (Repo::new(), tempfile::tempdir().unwrap());
        let id = repo.write("a.yaml", "one: 1\n").commit("One");
        let server = Server::start(repo.path());
        let store = GitStore::new(folder.path().join("store")).with_options(options(1));
        Self { repo, server, folder, store, id }
    }

    fn remote(&self) -> GitRemote {
        self.store.remote(&RemoteUrl::parse(&self.server.url(".git")).unwrap()).unwrap()
    }
}

fn options(attempts: u32) -> RemoteOptions {
    let mut options = RemoteOptions::default();
    options.attempts = attempts;
    options.backoff = Duration::from_millis(1);
    options.stall_timeout = Duration::from_secs(1);
    options
}

fn resolve(remote: &GitRemote, target: &str) -> Result<String, SourceError> {
    wait(remote.resolve(&Target::new(target))).map(|revision| revision.id.to_string())
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn what_goes_wrong_is_named_and_leaves_the_store_as_it_was() {
    type Is = fn(&SourceFailure) -> bool;
    let unavailable: Is = |failure| matches!(failure, SourceFailure::Unavailable { .. });
    let denied: Is = |failure| matches!(failure, SourceFailure::Denied { .. });
    let unsupported: Is = |failure| matches!(failure, SourceFailure::Unsupported { .. });
    let gone: Is = |failure| matches!(failure, SourceFailure::NoRepository { .. });
    for (at, fault, is) in [
        (0, Fault::Close, unavailable),
        (0, Fault::Status(503, "Retry-After: 1"), unavailable),
        (0, Fault::Status(429, "X: y"), unavailable),
        (0, Fault::Status(404, "X: y"), gone),
        (0, Fault::Status(403, "X: y"), denied),
        (
            0,
            Fault::Status(301, "Location: https://u:s3cret@elsewhere.example/shop.git/info/refs?service=x"),
            unsupported,
        ),
        (0, Fault::Garbage, unsupported),
        (0, Fault::Silence(Duration::from_secs(3)), unavailable),
        (0, Fault::Cut(40), unavailable),
        (1, Fault::Cut(20), unavailable),
        (1, Fault::Close, unavailable),
        (2, Fault::Cut(120), unavailable),
        (2, Fault::Cut(0), unavailable),
        (2, Fault::Status(500, "X: y"), unavailable),
        (2, Fault::Garbage, unsupported),
    ] {
        let scene = Scene::new();
        let remote = scene.remote();
        let mut faults = vec![Fault::None; at];
        faults.push(fault.clone());
        scene.server.fail(&faults);
        let failed = resolve(&remote, "main");
        let error = failed.expect_err(&format!("{at} {fault:?}"));
        assert!(is(&error.failure), "{at} {fault:?}: {error} ({:?})", error.cause);
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert_eq!(resolve(&remote, "main").unwrap(), scene.id, "after {at} {fault:?}");
    }
}

#[test]
fn whichever_byte_is_damaged_what_is_kept_is_right() {
    let scene = Scene::new();
    let mut failed = 0;
    for from_end in (1..400).step_by(7) {
        let store = GitStore::new(scene.folder.path().join(from_end.to_string())).with_options(options(1));
        let remote = store.remote(scene.remote().url()).unwrap();
        scene.server.fail(&[Fault::None, Fault::None, Fault::Flip(from_end)]);
        if resolve(&remote, "main").is_err() {
            failed += 1;
            assert_eq!(resolve(&remote, "main").unwrap(), scene.id, "{from_end}");
        }
        let contents = wait(async {
            let snapshot = remote.snapshot(&revision(&scene.id), &Paths::default(), None).await.unwrap();
            remote.read(&[snapshot.files()[0].id.clone()]).await.unwrap().remove(0).unwrap()
        });
        assert_eq!(&*contents, b"one: 1\n", "{from_end}");
    }
    assert!(failed > 10, "{failed}");
}

/// What a server sends that gives these objects of a repository, and nothing else.
fn sent(repo: &Repo, objects: &[&str]) -> Vec<u8> {
    let names = repo.path().join(".git/sent");
    fs::write(&names, objects.iter().map(|id| format!("{id}\n")).collect::<String>()).unwrap();
    let mut packing = git(repo.path(), START, &["pack-objects", "-q", "--stdout"]);
    let pack = packing.stdin(fs::File::open(names).unwrap()).output().unwrap().stdout;
    let packet = |bytes: &[u8]| [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat();
    [packet(b"packfile\n"), packet(&[&b"\x01"[..], &pack].concat()), b"0000".to_vec()].concat()
}

#[test]
fn a_whole_pack_of_something_else_is_not_taken_for_what_was_asked_for() {
    let scene = Scene::new();
    let other = Repo::new();
    let foreign = other.write("x.yaml", "x: 1\n").commit("Other");
    let tree = |id: &str| scene.repo.id(&format!("{id}^{{tree}}"));
    let second = scene.repo.write("a.yaml", "two: 2\n").commit("Two");
    let deep = scene.repo.write("b/c/d.yaml", "three: 3\n").commit("Three");
    let inner = scene.repo.id(&format!("{deep}:b"));
    for (before, wanted, objects) in [
        (None, &scene.id, vec![]),
        (None, &scene.id, vec![&*foreign]),
        (None, &scene.id, vec![&*scene.id]),
        (None, &second, vec![&*second, &*tree(&second)]),
        // Into a store that has what it was built upon.
        (Some(&scene.id), &second, vec![&*second]),
        (Some(&scene.id), &second, vec![&*second, &*tree(&second)]),
        (Some(&second), &deep, vec![&*deep, &*tree(&deep), &*inner]),
    ] {
        let of = if objects.contains(&&*foreign) { &other } else { &scene.repo };
        let body = sent(of, &objects);
        let folder = tempfile::tempdir().unwrap();
        let store = GitStore::new(folder.path()).with_options(options(1));
        let remote = store.remote(scene.remote().url()).unwrap();
        if let Some(before) = before {
            scene.repo.git(&["update-ref", "refs/heads/main", before]);
            assert_eq!(resolve(&remote, "main").unwrap(), *before);
        }
        scene.repo.git(&["update-ref", "refs/heads/main", wanted]);
        let first = if before.is_some() { 1 } else { 2 };
        scene.server.fail(&[vec![Fault::None; first], vec![Fault::Instead(body)]].concat());
        let error = resolve(&remote, "main").unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("does not send the object"), "{error}");
        // What is wrong is not kept, so that it comes whole the next time.
        assert_eq!(resolve(&remote, "main").unwrap(), *wanted);
        let files = wait(remote.snapshot(&revision(wanted), &Paths::default(), None)).unwrap().files();
        let ids: Vec<_> = files.iter().map(|file| file.id.clone()).collect();
        assert!(wait(remote.read(&ids)).unwrap().iter().all(Result::is_ok), "{objects:?}");
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let scene = Scene::new();
    let store = GitStore::new(scene.folder.path().join("other")).with_options(options(3));
    let remote = store.remote(&RemoteUrl::parse(&scene.server.url(".git")).unwrap()).unwrap();
    scene.server.fail(&[Fault::Status(502, "X: y"), Fault::Close]);
    assert_eq!(resolve(&remote, "main").unwrap(), scene.id);
    scene.server.requests();
    scene.server.fail(&[Fault::Status(404, "X: y"), Fault::None]);
    assert!(resolve(&remote, "main").is_err());
    assert_eq!(scene.server.requests().len(), 1);
}

/// Gives one token after the other.
#[derive(Debug)]
struct Tokens(Mutex<Vec<&'static str>>);

impl Credentials for Tokens {
    fn credential(&self, _: &RemoteUrl, _: Asked) -> Result<Option<Credential>, SourceError> {
        Ok(self.0.lock().unwrap().pop().map(|token| Credential::basic("git", token)))
    }
}

#[test]
fn credentials_are_used_renewed_and_told_to_nobody() {
    let scene = Scene::new();
    scene.server.require(&basic("git", "s3cret"));
    let url = RemoteUrl::parse(&scene.server.url(".git")).unwrap();
    let text = |error: SourceError| format!("{error} {error:?}");

    let error = resolve(&scene.remote(), "main").unwrap_err();
    assert!(matches!(error.failure, SourceFailure::Denied { .. }) && error.to_string().contains("give credentials"));

    let wrong = scene.store.clone().with_credentials(Credential::basic("git", "wr0ng"));
    let error = text(resolve(&wrong.remote(&url).unwrap(), "main").unwrap_err());
    assert!(error.contains("wrong, expired or not enough") && !error.contains("wr0ng"), "{error}");

    let right = scene.store.clone().with_credentials(Credential::basic("git", "s3cret"));
    let remote = right.remote(&url).unwrap();
    assert_eq!(resolve(&remote, "main").unwrap(), scene.id);
    assert!(!format!("{right:?} {remote:?}").contains("s3cret"));

    let within = RemoteUrl::parse(&scene.server.url(".git").replace("//", "//git:s3cret@")).unwrap();
    let remote = scene.store.remote(&within).unwrap();
    assert_eq!(resolve(&remote, "main").unwrap(), scene.id);
    assert!(!format!("{:?} {remote:?}", scene.store).contains("s3cret"));

    // The first has expired: the second is asked for, and kept.
    let renewed = scene.store.clone().with_credentials(Tokens(Mutex::new(vec!["s3cret", "expired"])));
    let remote = renewed.remote(&url).unwrap();
    scene.server.requests();
    assert_eq!(resolve(&remote, "main").unwrap(), scene.id);
    assert_eq!(resolve(&remote, "main").unwrap(), scene.id);
    assert_eq!(scene.server.requests().len(), 4, "refused, signed in, asked, asked again");
}

#[test]
fn a_password_is_not_sent_where_everybody_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = GitStore::new(folder.path()).with_options(options(1));
    let remote = store.remote(&RemoteUrl::parse("http://git:s3cret@192.0.2.1/shop.git").unwrap()).unwrap();
    let begin = Instant::now();
    let text = resolve(&remote, "main").unwrap_err().to_string();
    assert!(text.contains("could read the password") && !text.contains("s3cret"), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(5), "nothing was sent");
}

#[test]
fn more_than_the_limit_is_not_taken() {
    let scene = Scene::new();
    let noise: String = (0..4000_u32).map(|number| format!("{:08x}", number.wrapping_mul(2_654_435_761))).collect();
    scene.repo.write("big.yaml", &noise).commit("Big");
    let mut options = options(3);
    options.pack_bytes = 5000;
    let store = GitStore::new(scene.folder.path().join("small")).with_options(options);
    let remote = store.remote(scene.remote().url()).unwrap();
    let error = resolve(&remote, "main").unwrap_err();
    assert!(matches!(error.failure, SourceFailure::TooLarge { .. }), "{error}");
    assert!(resolve(&scene.remote(), "main").is_ok());
}

#[test]
fn what_a_crash_left_is_swept_away() {
    let scene = Scene::new();
    assert_eq!(resolve(&scene.remote(), "main").unwrap(), scene.id);
    let folder = fs::read_dir(scene.folder.path().join("store")).unwrap().next().unwrap().unwrap().path();
    let repository = folder.join("objects-1.git");
    fs::write(repository.join("objects/pack/.tmpAbCdE"), "half a pack").unwrap();
    fs::write(repository.join("shallow.lock"), "").unwrap();
    fs::create_dir_all(folder.join("new-2.git/objects")).unwrap();
    let second = scene.repo.write("a.yaml", "two: 2\n").commit("Two");
    assert_eq!(resolve(&scene.remote(), "main").unwrap(), second);
    for left in ["objects-1.git/objects/pack/.tmpAbCdE", "objects-1.git/shallow.lock", "new-2.git"] {
        assert!(!folder.join(left).exists(), "{left}");
    }
}

#[test]
fn several_processes_may_fetch_into_one_store() {
    let scene = Scene::new();
    let mut ids = vec![scene.id.clone()];
    let root = scene.folder.path().join("store");
    for number in 0..5 {
        // Stores of their own share nothing but the folder, as processes do.
        let open = || {
            let store = GitStore::new(&root).with_options(options(3));
            store.remote(&RemoteUrl::parse(&scene.server.url(".git")).unwrap()).unwrap()
        };
        let remotes: Vec<GitRemote> = (0..4).map(|_| open()).collect();
        std::thread::scope(|scope| {
            let fetch = |remote| scope.spawn(move || resolve(remote, "main").unwrap());
            let threads: Vec<_> = remotes.iter().map(fetch).collect();
            for thread in threads {
                assert_eq!(&thread.join().unwrap(), ids.last().unwrap());
            }
        });
        ids.push(scene.repo.write("a.yaml", &format!("n: {number}\n")).commit("Next"));
    }
}

#[test]
fn a_future_that_is_dropped_cancels_and_leaves_the_remote_usable() {
    let scene = Scene::new();
    let store = GitStore::new(scene.folder.path().join("dropped")).with_options(options(3));
    let remote = store.remote(scene.remote().url()).unwrap();
    scene.server.fail(&[Fault::Silence(Duration::from_millis(300))]);
    let target = Target::new("main");
    {
        let mut asked = remote.resolve(&target);
        let mut context = Context::from_waker(Waker::noop());
        assert!(asked.as_mut().poll(&mut context).is_pending());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(resolve(&remote, "main").unwrap(), scene.id);
}

#[test]
fn a_store_is_trimmed_of_what_is_not_open() {
    let scene = Scene::new();
    let (one, two) = (Server::start(scene.repo.path()), Server::start(scene.repo.path()));
    let open = |server: &Server| scene.store.remote(&RemoteUrl::parse(&server.url(".git")).unwrap()).unwrap();
    resolve(&open(&one), "main").unwrap();
    let kept = open(&two);
    resolve(&kept, "main").unwrap();
    let trimmed = scene.store.trim(0).unwrap();
    assert!(trimmed.freed > 0 && trimmed.kept > 0, "{trimmed:?}");
    let snapshot = wait(kept.snapshot(&revision(&scene.id), &Paths::default(), None)).unwrap();
    assert_eq!(snapshot.files().len(), 1);
    assert_eq!(resolve(&open(&one), "main").unwrap(), scene.id, "what was removed is fetched again");
}

#[test]
fn a_hanging_server_holds_nobody_for_longer_than_the_limit() {
    let scene = Scene::new();
    scene.server.fail(&[Fault::Silence(Duration::from_secs(20))]);
    let begin = Instant::now();
    assert!(resolve(&scene.remote(), "main").unwrap_err().is_transient());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let url = RemoteUrl::parse("https://example.org/shop.git").unwrap();
    let text = GitStore::new(Path::new(&file)).remote(&url).unwrap_err().to_string();
    assert!(text.contains("file"), "{text}");
}

/// Runs `git` in a folder, whatever it says.
fn run(folder: &Path, arguments: &[&str]) {
    assert!(git(folder, START, arguments).status().unwrap().success(), "{arguments:?}");
}

#[test]
fn a_branch_that_is_moved_while_it_is_fetched_is_asked_for_again() {
    for old in [false, true] {
        let scene = Scene::new();
        let first = scene.id.clone();
        let second = scene.repo.write("a.yaml", "two: 2\n").commit("Two");
        if old {
            scene.server.speak_old_protocol();
        }
        let mut options = options(2);
        options.stall_timeout = Duration::from_secs(20);
        let store = GitStore::new(scene.folder.path().join("moved")).with_options(options);
        let remote = store.remote(scene.remote().url()).unwrap();
        // Between the list of refs and the fetch the branch goes back, and what it was is gone for good.
        let gone = Fault::After(|root| {
            run(root, &["reset", "-q", "--hard", "HEAD~1"]);
            run(root, &["reflog", "expire", "--expire=now", "--all"]);
            run(root, &["gc", "-q", "--prune=now"]);
        });
        let before = if old { vec![Fault::None] } else { vec![Fault::None; 2] };
        scene.server.fail(&[before, vec![gone]].concat());
        let found = resolve(&remote, "main").unwrap();
        assert_eq!(found, first, "old protocol: {old}, and not {second}");
    }
}

#[test]
fn a_store_within_a_work_tree_is_never_taken_for_it() {
    let scene = Scene::new();
    let root = scene.repo.inner("cache");
    let store = GitStore::new(&root).with_options(options(1));
    let url = scene.remote().url().clone();
    assert_eq!(resolve(&store.remote(&url).unwrap(), "main").unwrap(), scene.id);
    // Somebody emptied it, but for the folder.
    let folder = fs::read_dir(&root).unwrap().next().unwrap().unwrap().path().join("objects-1.git");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert_eq!(resolve(&store.remote(&url).unwrap(), "main").unwrap(), scene.id, "it is fetched again");
    assert!(folder.with_file_name("objects-2.git").is_dir());
    assert_eq!(scene.repo.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
}
