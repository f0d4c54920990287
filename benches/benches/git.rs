//! Git: a first read of all manifests of a commit, a commit that touches one file, and a poll of a remote.
//!
//! `cargo bench -p gitops-benches --bench git`; `-- 10000` for this number of manifests. `git archive | tar x` reads the
//! same commit in the same run; with `GITOPS_BENCH_PEER=1` so does go-git, which Flux uses
//! (`benches/peers/go-git`). What a poll allocates must not grow with the files, nor with the refs that nobody follows:
//! the bench fails if it does.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a bench that cannot do its work must stop")]

#[path = "../../gitops-git/tests/support/mod.rs"]
mod support;

use std::alloc::System;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gitops_benches::{Effort, each, peak_mib, peer, show, timed, yaml};
use gitops_core::manifest::{Dialect, Limits, parse};
use gitops_core::source::{ContentId, Paths, Snapshot, Source, Target};
use gitops_git::{GitRemote, GitSource, GitStore, RemoteUrl};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::server::Server;
use support::{Repo, answer, wait};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Manifests in one folder.
const FOLDER: usize = 20;

fn main() {
    let effort = Effort::from_args();
    for count in effort.sizes().into_iter().filter(|size| *size <= 20_000) {
        let bench = Bench::new(effort, count);
        bench.first_read();
        bench.remote();
    }
}

/// A working copy, and a bare clone of it in one pack that everybody reads.
struct Bench {
    effort: Effort,
    count: usize,
    work: Repo,
    served: TempDir,
}

impl Bench {
    fn new(effort: Effort, count: usize) -> Self {
        let work = Repo::new();
        for (index, manifest) in yaml(count).split("---\n").filter(|manifest| !manifest.is_empty()).enumerate() {
            work.write(&format!("team-{}/app-{index}.yaml", index / FOLDER), manifest);
        }
        work.commit("All");
        let served = tempfile::tempdir().unwrap();
        let bench = Self { effort, count, work, served };
        let bare = bench.bare().display().to_string();
        bench.work.git(&["clone", "-q", "--bare", "--no-local", ".", &bare]);
        bench.work.git(&["remote", "add", "origin", &bare]);
        bench
    }

    fn bare(&self) -> PathBuf {
        self.served.path().join("shop.git")
    }

    fn show(&self, of: &str, numbers: &str) {
        show(&format!("git/{}_{of}", self.count), numbers);
    }

    /// Reads everything, again and again, and so do others.
    fn first_read(&self) {
        let bare = self.bare();
        let (bytes, cold) = self.effort.fastest(|| read_all(&bare));
        self.show("first_read", &format!("{} for {bytes} bytes", each(cold, self.count)));
        let (objects, parsed) = self.effort.fastest(|| parse_all(&bare));
        assert_eq!(objects, self.count, "every manifest is read");
        self.show("first_read_and_parse", &each(parsed, self.count));
        let (_, archive) = self.effort.fastest(|| archive(&bare));
        self.show("git_archive_tar", &format!("{}, {}", each(archive, self.count), times(archive, cold)));
        for (of, numbers) in peer("go-git", &[&bare.display().to_string()]) {
            let [nanoseconds, read] = *numbers.as_slice() else { panic!("two numbers of {of}") };
            assert_eq!(usize::try_from(read).unwrap(), bytes, "the peer reads the same");
            let time = Duration::from_nanos(nanoseconds);
            self.show(&format!("go_git_{of}"), &format!("{}, {}", each(time, self.count), times(time, cold)));
        }
    }

    /// Fetches from a server, after commits that touch one file, and asks it when there is nothing new.
    fn remote(&self) {
        let server = Server::start(self.served.path());
        let store = tempfile::tempdir().unwrap();
        let url = RemoteUrl::parse(&server.url("shop.git")).unwrap();
        let remote = GitStore::new(store.path()).remote(&url).unwrap();
        let (mut known, fetch) = timed(|| look(&remote, "main", None));
        let (packed, kept) = (size(&self.bare()), size(store.path()));
        self.show("first_fetch", &format!("{}, {kept} bytes kept of {packed}", millis(fetch)));

        let (mut fetched, mut read) = (Duration::MAX, Duration::MAX);
        for round in 0..5 {
            let text =
                format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{n: \"{round}\"}}}}\n");
            self.work.write("team-0/app-0.yaml", &text).commit("One");
            self.work.git(&["push", "-q", "origin", "main"]);
            let (revision, time) = timed(|| wait(remote.resolve(&Target::new("main"))).unwrap());
            let (next, reading) = timed(|| {
                let next = wait(remote.snapshot(&revision.id, &Paths::default(), Some(&known))).unwrap();
                let changes = next.changes_since(&known);
                let ids: Vec<ContentId> = changes.iter().filter_map(|change| change.new.clone()).collect();
                let contents = wait(remote.read(&ids)).unwrap();
                let bytes = contents.into_iter().map(Result::unwrap);
                let count: usize = bytes.map(|bytes| objects(&bytes)).sum();
                assert_eq!((changes.len(), count), (1, 1), "one file changed");
                next
            });
            (known, fetched, read) = (next, fetched.min(time), read.min(reading));
        }
        self.show("one_file_fetch", &millis(fetched));
        self.show("one_file_after_fetch", &millis(read));

        let (few, bytes) = self.poll(&remote, &server, "main", "poll");
        let refs = if self.effort == Effort::Full { 100_000 } else { 1_000 };
        add_tags(&self.bare(), refs);
        let (_, many) = self.poll(&remote, &server, "main", &format!("poll_{refs}_refs"));
        // Threads and their timing make it differ by a little.
        assert!(many < bytes + 64 * 1024, "a poll of a branch takes no more among many refs: {bytes}, then {many}");
        wait(remote.resolve(&Target::new(">=1.0.0 <2"))).unwrap();
        let (range, _) = self.poll(&remote, &server, ">=1.0.0 <2", &format!("poll_range_{refs}_refs"));
        // The server, which is part of this process, makes its whole answer at once: that is bytes, but few pieces.
        assert!(range < few + 200, "a poll of a range allocates nothing for each ref: {few}, then {range}");
        self.show("memory_at_most", &format!("{} MiB", peak_mib().unwrap_or_default()));
    }

    /// Asks for a target that did not change, and returns how many allocations that takes, and bytes.
    fn poll(&self, remote: &GitRemote, server: &Server, target: &str, of: &str) -> (usize, usize) {
        let ask = || wait(remote.resolve(&Target::new(target))).unwrap();
        ask();
        server.requests();
        let region = Region::new(ALLOCATOR);
        ask();
        let cost = region.change();
        assert_eq!(server.requests().len(), 1, "one round trip");
        let ((), time) = self.effort.fastest(|| drop(ask()));
        let allocations = cost.allocations + cost.reallocations;
        self.show(of, &format!("{}, {allocations} allocations of {} bytes", millis(time), cost.bytes_allocated));
        (allocations, cost.bytes_allocated)
    }
}

/// Reads every manifest, beginning with opening the repository.
fn read_all(folder: &Path) -> usize {
    contents(folder, |bytes| bytes.len())
}

fn parse_all(folder: &Path) -> usize {
    contents(folder, objects)
}

fn contents(folder: &Path, of: impl Fn(&[u8]) -> usize) -> usize {
    let source = GitSource::open(folder).unwrap();
    let revision = answer(source.resolve(&Target::new("main"))).unwrap();
    let snapshot = answer(source.snapshot(&revision.id, &Paths::default(), None)).unwrap();
    let ids: Vec<_> = snapshot.files().into_iter().map(|file| file.id).collect();
    let contents = answer(source.read(&ids)).unwrap();
    contents.into_iter().map(|bytes| of(&bytes.unwrap())).sum()
}

fn objects(bytes: &[u8]) -> usize {
    parse(&"a.yaml".into(), bytes, Dialect::Kubectl, &Limits::default()).resources.len()
}

fn look(remote: &GitRemote, target: &str, known: Option<&Snapshot>) -> Snapshot {
    let revision = wait(remote.resolve(&Target::new(target))).unwrap();
    wait(remote.snapshot(&revision.id, &Paths::default(), known)).unwrap()
}

/// Writes the files of the commit with what Git has for that. The folder is removed when the result is dropped.
fn archive(folder: &Path) -> TempDir {
    let target = tempfile::tempdir().unwrap();
    let mut git = support::git(folder, support::START, &["archive", "main"]).stdout(Stdio::piped()).spawn().unwrap();
    let output = git.stdout.take().expect("its output is taken");
    let done = Command::new("tar").arg("x").current_dir(target.path()).stdin(output).status().unwrap();
    assert!(done.success() && git.wait().unwrap().success(), "`git archive | tar x` works");
    target
}

fn add_tags(bare: &Path, count: usize) {
    let id = support::succeed(support::git(bare, support::START, &["rev-parse", "main"]).output().unwrap());
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    let mut names: Vec<String> =
        (0..count).map(|number| format!("refs/tags/v1.{}.{}", number / 100, number % 100)).collect();
    names.push("refs/heads/main".to_owned());
    names.sort();
    names.iter().for_each(|name| writeln!(packed, "{id} {name}").unwrap());
    std::fs::write(bare.join("packed-refs"), packed).unwrap();
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let of = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        about if about.is_dir() => size(&entry.path()),
        about => about.len(),
    };
    entries.map(of).sum()
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn times(theirs: Duration, ours: Duration) -> String {
    format!("{:.1} times ours", theirs.as_secs_f64() / ours.as_secs_f64())
}
