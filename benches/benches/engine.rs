//! Many applications: what an interval costs in which nothing changes, what one changed object costs, and memory. Only the
//! engine's own time is counted; answers come at once.
//!
//! `cargo bench -p gitops-benches --bench engine`

use std::fmt::Write as _;
use std::time::Duration;

use gitops_benches::{Effort, show, timed};
use gitops_core::automation::Automation;
use gitops_core::cluster::{Cluster, Cursor, Interest, PatchStep, Write};
use gitops_core::engine::{Application, Done, Engine, Event, Ports, Settings, Task, WorkId};
use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::path::FieldPath;
use gitops_core::reconcile::{App, SyncStatus};
use gitops_core::resource::ResourceKey;
use gitops_core::source::Paths;
use gitops_core::state::Owner;
use gitops_core::time::Timer as _;
use gitops_core::value::Value;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Two minutes, and a tenth of it: by then each target was resolved.
const INTERVAL: Duration = Duration::from_secs(132);

fn main() -> Outcome<()> {
    let shapes: &[(usize, usize)] = match Effort::from_args() {
        Effort::Quick => &[(10, 10)],
        Effort::Full => &[(100, 100), (1_000, 100), (100, 10), (1_000, 10), (10_000, 10)],
    };
    shapes.iter().try_for_each(|(apps, each)| measure(*apps, *each))
}

fn measure(apps: usize, each: usize) -> Outcome<()> {
    let name = format!("engine/{apps}x{each}");
    let mut world = World::new(apps, each);
    let (synced, total) = (world.settle(apps)?, apps * each);
    show(&format!("{name}_first_sync"), &format!("{:.1} µs per object", micros(synced) / total as f64));

    // Another engine, over what is there: what it takes is what it keeps.
    let before = resident();
    world.restart(apps);
    let started = world.settle(apps)?;
    let grown = resident().saturating_sub(before);
    let memory = format!("{grown} KiB, {:.2} KiB per object", grown as f64 / total as f64);
    show(&format!("{name}_restart"), &format!("{:.1} µs per object, {memory}", micros(started) / total as f64));

    let compared = world.engine.counters().compared;
    world.spent = Duration::ZERO;
    for _ in 0..10 {
        world.pass(INTERVAL)?;
    }
    assert_eq!(world.engine.counters().compared, compared, "nothing changed, and something was compared");
    show(&format!("{name}_unchanged"), &format!("{:.1} µs per interval", micros(world.spent) / 10.0));

    world.spent = Duration::ZERO;
    let rounds = 10;
    for round in 0..rounds {
        world.paint(&format!("m{}-0", round * apps / rounds))?;
        world.pass(Duration::from_secs(10))?;
    }
    let looks = world.engine.counters().compared - compared;
    assert!(looks <= 3 * rounds as u64, "{looks} comparisons for {rounds} changes");
    show(&format!("{name}_one_healed"), &format!("{:.1} µs each", micros(world.spent) / rounds as f64));
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// KiB in memory now; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

struct World {
    engine: Engine,
    cluster: MemoryCluster,
    source: MemorySource,
    time: VirtualTime,
    watches: Vec<(WorkId, Interest, Cursor)>,
    spent: Duration,
    each: usize,
}

impl World {
    fn new(apps: usize, each: usize) -> Self {
        let (time, source) = (VirtualTime::default(), MemorySource::default());
        let texts = (0..apps).map(|app| {
            let mut text = String::new();
            for at in 0..each {
                // It cannot fail: a text takes whatever there is memory for.
                let _ = write!(
                    text,
                    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{app}-{at}, labels: {{app: a{app}}}}}\ndata: \
                     {{colour: blue, size: \"{at}\", text: some words that are a little longer}}\n"
                );
            }
            (format!("a{app}/all.yaml"), text)
        });
        let files: Vec<(String, String)> = texts.collect();
        let files = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str())));
        source.commit("Ann <ann@example.org>", time.now(), "all", files);
        let (engine, cluster) = (Engine::new(Settings::default()), MemoryCluster::new(1, time.clone()));
        let mut world = Self { engine, cluster, source, time, watches: Vec::new(), spent: Duration::ZERO, each };
        world.engine = world.fresh(apps);
        world
    }

    fn fresh(&self, apps: usize) -> Engine {
        let mut engine = Engine::new(Settings::default());
        for at in 0..apps {
            let name = format!("a{at}");
            let Ok(owner) = Owner::new("", &name) else { continue };
            let app = App::new(owner, "main").with_namespace("default");
            let Ok(paths) = Paths::under([name.as_str()]) else { continue };
            let app = app.with_paths(paths);
            engine.put(Application::new(app, "git", "cluster").with_automation(Automation::healing()), self.time.now());
        }
        engine
    }

    fn restart(&mut self, apps: usize) {
        self.watches.clear();
        self.engine = Engine::new(Settings::default());
        let (engine, spent) = timed(|| self.fresh(apps));
        (self.engine, self.spent) = (engine, spent);
    }

    /// Goes on until all is in sync; returns the time that took.
    fn settle(&mut self, apps: usize) -> Outcome<Duration> {
        for _ in 0..100 {
            self.pass(Duration::from_secs(10))?;
            if self.engine.statuses().filter(|status| status.sync == SyncStatus::Synced).count() == apps {
                return Ok(std::mem::take(&mut self.spent));
            }
        }
        Err(format!("not in sync: {:?} of {} objects each", self.engine.statuses().next(), self.each).into())
    }

    fn pass(&mut self, duration: Duration) -> Outcome<()> {
        let until = self.time.now() + duration;
        loop {
            self.look();
            let ports = Ports::new(&self.time).with_source("git", &self.source).with_cluster("cluster", &self.cluster);
            let (work, spent) = timed(|| self.engine.next_work(self.time.now()));
            self.spent += spent;
            if let Some(work) = work {
                if let Task::Watch { interest, after, .. } = work.task {
                    self.watches.push((work.id, interest, after));
                    continue;
                }
                let done = ready(ports.perform(work.task)).ok_or("it waits")?;
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
        Ok(())
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

    fn paint(&self, name: &str) -> Outcome<()> {
        let red = Value::from_json(b"\"red\"")?;
        let steps = vec![PatchStep::Set(FieldPath::fields(&["data", "colour"]), red)];
        let key = ResourceKey::new("", "ConfigMap", "default", name);
        ready(self.cluster.write(&Write::patch(&key, "v1", steps, "kubectl-edit"))).ok_or("it waits")??;
        Ok(())
    }
}
