//! Many applications: what an interval costs in which nothing changes, what one changed object costs, and memory. Only the
//! engine's own time is counted; answers come at once. Objects that are listed are read from bytes, as they come from a
//! real cluster: the engine shares no memory with the one in memory.
//!
//! `cargo bench -p gitops-benches --bench engine`

use std::alloc::System;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use gitops_benches::{Effort, show, timed};
use gitops_core::automation::Automation;
use gitops_core::cluster::{Cluster, Cursor, Interest, PatchStep, Write};
use gitops_core::engine::{Application, Done, Engine, Event, Ports, Settings, Task, WorkId};
use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::path::FieldPath;
use gitops_core::reconcile::{App, SyncStatus};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::source::Paths;
use gitops_core::state::Owner;
use gitops_core::time::Timer as _;
use gitops_core::value::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Two minutes, and a tenth of it: by then each target was resolved.
const INTERVAL: Duration = Duration::from_secs(132);
/// How often something is measured; the fastest counts.
const ROUNDS: usize = 10;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--case") {
        let shape = words.get(at + 1).and_then(|word| Shape::read(word));
        return measure(&shape.ok_or("a case is written as `--case 100x10` or `--case 100x10-distinct`")?);
    }
    match Effort::from_args() {
        Effort::Quick => {
            ["10x10", "10x10-distinct"].into_iter().filter_map(Shape::read).try_for_each(|it| measure(&it))
        }
        Effort::Full => CASES.iter().try_for_each(|case| apart(case)),
    }
}

/// Applications × objects of each; `distinct`: every application follows a target of its own.
const CASES: [&str; 6] = ["100x100", "1000x100", "100x10", "1000x10", "10000x10", "10000x10-distinct"];

/// Measures a case in a process of its own, so that its memory is its own.
fn apart(case: &str) -> Outcome<()> {
    let status = Command::new(std::env::current_exe()?).args(["--bench", "--case", case]).status()?;
    if status.success() { Ok(()) } else { Err(format!("{case}: {status}").into()) }
}

struct Shape {
    apps: usize,
    each: usize,
    is_distinct: bool,
}

impl Shape {
    fn read(text: &str) -> Option<Self> {
        let (sizes, is_distinct) = text.strip_suffix("-distinct").map_or((text, false), |sizes| (sizes, true));
        let (apps, each) = sizes.split_once('x')?;
        Some(Self { apps: apps.parse().ok()?, each: each.parse().ok()?, is_distinct })
    }
}

fn measure(shape: &Shape) -> Outcome<()> {
    let Shape { apps, each, is_distinct } = *shape;
    let name = format!("engine/{apps}x{each}{}", if is_distinct { "-distinct" } else { "" });
    let mut world = World::new(shape);
    let (synced, total) = (world.settle()?, apps * each);
    show(&format!("{name}_first_sync"), &format!("{:.1} µs per object", micros(synced) / total as f64));

    // Another engine, over what is there.
    world.forget();
    let region = Region::new(ALLOCATOR);
    world.restart();
    let started = world.settle()?;
    let change = region.change();
    let kept = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
    let memory = format!("keeps {:.1} MiB, {:.2} KiB per object", mib(kept), kib(kept) / total as f64);
    show(&format!("{name}_restart"), &format!("{:.1} µs per object, {memory}", micros(started) / total as f64));

    let compared = world.engine.counters().compared;
    let mut spent = Vec::new();
    for _ in 0..ROUNDS {
        spent.push(world.pass(INTERVAL)?);
    }
    assert_eq!(world.engine.counters().compared, compared, "nothing changed, and something was compared");
    show(&format!("{name}_unchanged"), &format!("{} µs per interval", fastest(spent)));

    let mut spent = Vec::new();
    for round in 0..ROUNDS {
        world.paint(&format!("m{}-0", round * apps / ROUNDS))?;
        spent.push(world.pass(Duration::from_secs(10))?);
    }
    let looks = world.engine.counters().compared - compared;
    assert!(looks <= 3 * ROUNDS as u64, "{looks} comparisons for {ROUNDS} changes");
    show(&format!("{name}_one_healed"), &format!("{} µs each", fastest(spent)));
    let (compared, ran) = (world.engine.counters().compared, world.operations());
    let mut spent = Vec::new();
    for round in 0..ROUNDS {
        world.commit(round * apps / ROUNDS);
        spent.push(world.pass(INTERVAL)?);
    }
    let looks = world.engine.counters().compared - compared;
    assert!(looks <= 3 * ROUNDS as u64, "{looks} comparisons for {ROUNDS} commits, each to one application");
    assert_eq!(world.operations() - ran, ROUNDS as u64, "each commit is for one application");
    show(&format!("{name}_one_committed"), &format!("{} µs each", fastest(spent)));
    show(&format!("{name}_memory"), &format!("{:.1} MiB at most, world and both engines", mib(peak())));
    Ok(())
}

fn fastest(spent: Vec<Duration>) -> String {
    spent.into_iter().min().map_or_else(String::new, |fastest| format!("{:.1}", micros(fastest)))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}

fn mib(bytes: usize) -> f64 {
    kib(bytes) / 1024.0
}

/// Most bytes that this process had in memory; 0 where the system does not say.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: usize = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default();
    kib * 1024
}

/// What is listed, as objects of its own.
fn own(done: Done) -> Outcome<Done> {
    let Done::Listed(Ok(mut listed)) = done else { return Ok(done) };
    let objects: Vec<Resource> = listed.1.live.objects().cloned().collect();
    for object in objects {
        let text = object.value().to_json();
        listed.1.live.insert(Resource::new(Value::from_json(text.as_bytes())?)?);
    }
    Ok(Done::Listed(Ok(listed)))
}

/// What an application declares, and where.
fn file(app: usize, each: usize, colour: &str) -> (String, String) {
    let mut text = String::new();
    for at in 0..each {
        // It cannot fail: a text takes whatever there is memory for.
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{app}-{at}, labels: {{app: a{app}}}}}\ndata: \
             {{colour: {colour}, size: \"{at}\", text: some words that are a little longer}}\n"
        );
    }
    (format!("a{app}/all.yaml"), text)
}

struct World {
    engine: Engine,
    cluster: MemoryCluster,
    source: MemorySource,
    time: VirtualTime,
    watches: Vec<(WorkId, Interest, Cursor)>,
    spent: Duration,
    apps: usize,
    each: usize,
    is_distinct: bool,
}

impl World {
    fn new(shape: &Shape) -> Self {
        let Shape { apps, each, is_distinct } = *shape;
        let (time, source) = (VirtualTime::default(), MemorySource::default());
        let files: Vec<(String, String)> = (0..apps).map(|app| file(app, each, "blue")).collect();
        let files = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str())));
        source.commit("Ann <ann@example.org>", time.now(), "all", files);
        let (engine, cluster) = (Engine::new(Settings::default()), MemoryCluster::new(1, time.clone()));
        let (watches, spent) = (Vec::new(), Duration::ZERO);
        let mut world = Self { engine, cluster, source, time, watches, spent, apps, each, is_distinct };
        world.engine = world.fresh();
        world
    }

    fn fresh(&self) -> Engine {
        let mut engine = Engine::new(Settings::default());
        for at in 0..self.apps {
            let name = format!("a{at}");
            let Ok(owner) = Owner::new("", &name) else { continue };
            let app = App::new(owner, "main").with_namespace("default");
            let Ok(paths) = Paths::under([name.as_str()]) else { continue };
            let app = app.with_paths(paths);
            // One source under many names: each is asked by itself.
            let source = if self.is_distinct { format!("git{at}") } else { "git".to_owned() };
            engine
                .put(Application::new(app, &source, "cluster").with_automation(Automation::healing()), self.time.now());
        }
        engine
    }

    /// The engine ends.
    fn forget(&mut self) {
        self.watches.clear();
        self.engine = Engine::new(Settings::default());
    }

    fn restart(&mut self) {
        let (engine, spent) = timed(|| self.fresh());
        (self.engine, self.spent) = (engine, spent);
    }

    /// Goes on until all is in sync; returns the time that took.
    fn settle(&mut self) -> Outcome<Duration> {
        let mut spent = std::mem::take(&mut self.spent);
        for _ in 0..100 {
            spent += self.pass(Duration::from_secs(10))?;
            if self.engine.statuses().filter(|status| status.sync == SyncStatus::Synced).count() == self.apps {
                return Ok(spent);
            }
        }
        let synced = self.engine.statuses().filter(|status| status.sync == SyncStatus::Synced).count();
        let (sizes, counters) = (self.engine.sizes(), self.engine.counters());
        Err(format!("{synced} in sync of {} with {} objects each: {sizes:?} {counters:?}", self.apps, self.each).into())
    }

    /// Lets time pass; returns what the engine took.
    fn pass(&mut self, duration: Duration) -> Outcome<Duration> {
        let until = self.time.now() + duration;
        let (source, cluster, time) = (self.source.clone(), self.cluster.clone(), self.time.clone());
        let mut ports = Ports::new(&time).with_cluster("cluster", &cluster).with_source("git", &source);
        for at in 0..if self.is_distinct { self.apps } else { 0 } {
            ports = ports.with_source(&format!("git{at}"), &source);
        }
        loop {
            self.look();
            let (work, spent) = timed(|| self.engine.next_work(self.time.now()));
            self.spent += spent;
            if let Some(work) = work {
                if let Task::Watch { interest, after, .. } = work.task {
                    self.watches.push((work.id, interest, after));
                    continue;
                }
                let done = own(ready(ports.perform(work.task)).ok_or("it waits")?)?;
                self.tell(work.id, done);
                continue;
            }
            while self.engine.next_news().is_some() {}
            let (wake, asked) = timed(|| self.engine.wake_at());
            self.spent += asked;
            match wake.filter(|at| *at <= until) {
                Some(at) => self.time.advance_to(at),
                None => break,
            }
        }
        self.time.advance_to(until);
        Ok(std::mem::take(&mut self.spent))
    }

    fn tell(&mut self, id: WorkId, done: Done) {
        let now = self.time.now();
        let ((), spent) = timed(|| self.engine.handle(Event::Done { id, done }, now));
        self.spent += spent;
    }

    /// Answers watches of which there is news.
    fn look(&mut self) {
        for (id, interest, after) in std::mem::take(&mut self.watches) {
            let version = self.cluster.with_server(|server| server.version().to_string());
            if version == after.as_str() {
                self.watches.push((id, interest, after));
                continue;
            }
            let changes = self.cluster.changes(&interest, &after);
            self.tell(id, Done::Changed(changes));
        }
    }

    /// Somebody changes what one application declares.
    fn commit(&self, app: usize) {
        let (path, text) = file(app, self.each, "green");
        self.source.commit("Ann <ann@example.org>", self.time.now(), "one", [(path.as_str(), Some(text.as_str()))]);
    }

    fn operations(&self) -> u64 {
        self.engine.counters().operations.values().sum()
    }

    fn paint(&self, name: &str) -> Outcome<()> {
        let red = Value::from_json(b"\"red\"")?;
        let steps = vec![PatchStep::Set(FieldPath::fields(&["data", "colour"]), red)];
        let key = ResourceKey::new("", "ConfigMap", "default", name);
        ready(self.cluster.write(&Write::patch(&key, "v1", steps, "kubectl-edit"))).ok_or("it waits")??;
        Ok(())
    }
}
