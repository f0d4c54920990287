//! Repositories made to exhaust memory or time: they are refused, soon, and in little memory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use gitops_core::source::{ContentId, Paths, Source, SourceError, SourceFailure, Target};
use gitops_core::time::Timestamp;
use gitops_git::{GitLimits, GitStore, RemoteOptions, RemoteUrl, Restore};
use gix::zlib::Compression;
use gix::zlib::stream::deflate;
use support::{Repo, answer, revision, snapshot, under, wait};

const GIB: u64 = 1 << 30;
/// What the whole of these tests may take beyond what they begin with. Nothing in them needs a tenth of it.
const MEMORY: u64 = 256 << 20;
const SOON: Duration = Duration::from_secs(60);

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut packed = deflate::Write::new(Vec::new(), Compression::DEFAULT);
    packed.write_all(bytes).unwrap();
    packed.flush().unwrap();
    packed.into_inner()
}

/// The most memory that this process took so far, in bytes; 0 where that is not told.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Does something, and fails if it took long or much memory.
fn cheaply<T>(work: impl FnOnce() -> T) -> T {
    let (before, begin) = (peak(), Instant::now());
    let done = work();
    assert!(begin.elapsed() < SOON, "it took {:?}", begin.elapsed());
    let grown = peak().saturating_sub(before);
    assert!(grown < MEMORY, "it took {grown} bytes");
    done
}

fn is_too_large(error: &SourceError) -> bool {
    matches!(error.failure, SourceFailure::TooLarge { .. })
}

#[test]
fn a_file_that_says_it_has_ten_gigabytes_is_refused_by_its_head() {
    let repo = Repo::new();
    repo.write("small.yaml", "a").commit("One");
    let id = "1234567890123456789012345678901234567890";
    let head = deflated(format!("blob {}\0 and no more", 10 * GIB).as_bytes());
    fs::create_dir_all(repo.object(id).parent().unwrap()).unwrap();
    fs::write(repo.object(id), head).unwrap();
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{id},large.yaml")]);
    let tree = repo.git(&["write-tree", "--missing-ok"]);
    let commit = repo.git(&["commit-tree", "-m", "Two", &tree]);
    let source = repo.source();
    let read = cheaply(|| answer(source.read(&[ContentId::new(id)])).unwrap().remove(0));
    let error = read.unwrap_err();
    assert!(is_too_large(&error) && error.to_string().contains("10737418240 bytes"), "{error}");
    // The others are read all the same.
    let listing = snapshot(&source, &commit, &Paths::default()).unwrap();
    let small = listing.files().into_iter().find(|file| &*file.path == "small.yaml").unwrap();
    assert_eq!(&*answer(source.read(&[small.id])).unwrap().remove(0).unwrap(), b"a");
}

/// A bundle whose pack has one object of kind `kind`, which says that it has `size` bytes.
fn bundle(kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let (mut head, mut rest) = (vec![kind << 4 | u8::try_from(size & 0x0f).unwrap()], size >> 4);
    while rest > 0 {
        *head.last_mut().unwrap() |= 0x80;
        head.push(u8::try_from(rest & 0x7f).unwrap());
        rest >>= 7;
    }
    let pack = [b"PACK\0\0\0\x02\0\0\0\x01", &*head, &deflated(content)].concat();
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    let sum = hasher.try_finalize().unwrap();
    let refs = b"# v2 git bundle\n1234567890123456789012345678901234567890 refs/heads/main\n\n";
    [&refs[..], &pack, sum.as_slice()].concat()
}

#[test]
fn a_pack_that_promises_more_than_it_holds_is_refused_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.bundle");
    let url = RemoteUrl::parse(&file.to_string_lossy()).unwrap();
    for (size, content) in [(10 * GIB, &b"x"[..]), (GIB - 1, b"x"), (u64::MAX >> 4, b"x"), (3, &[0; 1 << 20])] {
        fs::write(&file, bundle(3, size, content)).unwrap();
        let mut options = RemoteOptions::default();
        options.attempts = 1;
        let store = GitStore::new(folder.path().join("store")).with_options(options);
        let remote = store.remote(&url).unwrap();
        let error = cheaply(|| wait(remote.resolve(&Target::new("main")))).unwrap_err();
        assert!(!error.to_string().contains("broke the reading"), "{size}: {error}");
    }
}

#[test]
fn a_stream_that_does_not_end_is_cut_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.bundle");
    let head = bundle(3, 3, b"abc");
    // A file with a hole: it has four gigabytes, and takes up nothing.
    fs::write(&file, &head[..head.len() - 20]).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_len(4 * GIB).unwrap();
    let mut options = RemoteOptions::default();
    (options.attempts, options.pack_bytes) = (1, 1 << 20);
    let store = GitStore::new(folder.path().join("store")).with_options(options);
    let remote = store.remote(&RemoteUrl::parse(&file.to_string_lossy()).unwrap()).unwrap();
    cheaply(|| wait(remote.resolve(&Target::new("main")))).unwrap_err();
}

/// A tree of ten entries, each of which is the same tree of ten entries, and so on: ten objects that say they are ten
/// thousand million files.
fn bomb(repo: &Repo, name: &str, text: &str) -> String {
    let blob = repo.git_with(&["hash-object", "-w", "--stdin"], text.as_bytes());
    let lines =
        |kind: &str, id: &str, end: &str| -> String { (0..10).map(|at| format!("{kind} {id}\t{at}{end}\n")).collect() };
    let mut tree = repo.git_with(&["mktree"], lines("100644 blob", &blob, name).as_bytes());
    for _ in 0..9 {
        tree = repo.git_with(&["mktree"], lines("040000 tree", &tree, "").as_bytes());
    }
    tree
}

#[test]
fn ten_thousand_million_files_in_ten_trees_are_refused_soon() {
    let repo = Repo::new();
    let mut limits = GitLimits::default();
    (limits.entries, limits.files) = (50_000, 20_000);
    let commit = |name: &str, text: &str, parent: Option<&str>| {
        let tree = bomb(&repo, name, text);
        let parent: Vec<&str> = parent.into_iter().flat_map(|parent| ["-p", parent]).collect();
        repo.git(&[&["commit-tree", "-m", "x", &*tree], &*parent].concat())
    };
    let wanted = commit(".yaml", "a", None);
    let unwanted = commit(".txt", "a", Some(&wanted));
    let other = commit(".yaml", "b", Some(&unwanted));
    let source = repo.source().with_limits(limits);
    for id in [&wanted, &unwanted, &other] {
        let error = cheaply(|| snapshot(&source, id, &Paths::default())).unwrap_err();
        assert!(is_too_large(&error), "{error}");
        let log = cheaply(|| answer(source.history().unwrap().log(&revision(id), &Paths::default(), 9)));
        assert!(is_too_large(&log.unwrap_err()));
    }
    let restore = Restore::new(&revision(&other), &revision(&wanted), &Paths::default(), "back");
    let error = cheaply(|| source.restore(&restore.by("A <a@x>", Timestamp::from_millis(0)))).unwrap_err();
    assert!(is_too_large(&error), "{error}");
    // What is asked for by its place is found without looking at the rest.
    let narrow = under("0/1/2/3/4/5/6/7/8");
    assert_eq!(cheaply(|| snapshot(&source, &wanted, &narrow)).unwrap().files().len(), 10);
}
