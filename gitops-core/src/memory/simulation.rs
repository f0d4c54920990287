//! An engine in a world of its own: virtual time, a seeded schedule, and everything repeatable.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::{ClusterError, Failure};
use crate::engine::{Done, Engine, Event, Ports, Task, Work, WorkId};
use crate::reconcile::SyncError;
use crate::source::{SourceError, SourceFailure};
use crate::sync::{self, Effect};
use crate::time::{Timer, Timestamp};

use super::{MemoryCluster, MemorySource, VirtualTime, ready};

/// How often watches are looked at while nothing else happens, and the slowest answer.
const LOOKS: Duration = Duration::from_secs(15);
const SLOWEST: u64 = 400;

/// An [`Engine`] over a [`MemoryCluster`] and a [`MemorySource`], through virtual time.
///
/// Applications name their source `git` and their cluster `cluster`. Every answer takes a while, up to 0.4 s, that is
/// drawn from the seed: so answers come in another order with each seed, and in the same order with the same seed. A
/// month of nothing takes a moment.
///
/// ```
/// use std::time::Duration;
/// use gitops_core::automation::Automation;
/// use gitops_core::engine::{Application, Engine, Settings};
/// use gitops_core::memory::Simulation;
/// use gitops_core::reconcile::{App, SyncStatus};
/// use gitops_core::state::Owner;
///
/// let mut world = Simulation::new(1, "2026-03-01T12:00:00Z".parse()?);
/// let app = App::new(Owner::new("", "shop")?, "main").with_namespace("default");
/// world.put(Application::new(app, "git", "cluster").with_automation(Automation::healing()));
///
/// let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {colour: blue}}";
/// world.source.commit("Ann <ann@example.org>", world.now(), "Open", [("web.yaml", Some(map))]);
/// world.pass(Duration::from_secs(300));
/// assert_eq!(world.engine.status("shop").unwrap().sync, SyncStatus::Synced);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Simulation {
    /// The engine.
    pub engine: Engine,
    /// The cluster, to be changed behind its back.
    pub cluster: MemoryCluster,
    /// The source, to be committed to.
    pub source: MemorySource,
    /// The clock.
    pub time: VirtualTime,
    /// Whether the source gives no answer.
    pub source_is_down: bool,
    /// Whether the cluster gives no answer.
    pub cluster_is_down: bool,
    applications: BTreeMap<std::sync::Arc<str>, crate::engine::Application>,
    settings: crate::engine::Settings,
    seed: u64,
    /// What is under way, by when it will be done.
    pending: BTreeMap<(Timestamp, WorkId), Task>,
    watches: Vec<(WorkId, Task)>,
    looked: Timestamp,
}

impl Simulation {
    /// Begins with nothing, at an instant.
    #[must_use]
    pub fn new(seed: u64, at: Timestamp) -> Self {
        let time = VirtualTime::starting(at);
        let settings = crate::engine::Settings::default();
        Self {
            engine: Engine::new(settings),
            cluster: MemoryCluster::new(seed, time.clone()),
            source: MemorySource::default(),
            time,
            source_is_down: false,
            cluster_is_down: false,
            applications: BTreeMap::new(),
            settings,
            seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            pending: BTreeMap::new(),
            watches: Vec::new(),
            looked: at,
        }
    }

    /// Returns the present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Looks after an application from now on.
    pub fn put(&mut self, application: crate::engine::Application) {
        self.applications.insert(std::sync::Arc::clone(application.name()), application.clone());
        self.engine.put(application, self.time.now());
    }

    /// Tells the engine something, such as a wish.
    pub fn tell(&mut self, event: Event) {
        self.engine.handle(event, self.time.now());
    }

    /// The program dies, and another one begins: what was under way is never answered.
    pub fn crash(&mut self) {
        self.pending.clear();
        self.watches.clear();
        self.engine = Engine::new(self.settings);
        for application in self.applications.values() {
            self.engine.put(application.clone(), self.time.now());
        }
    }

    /// Lets time pass; returns how many answers were given.
    pub fn pass(&mut self, duration: Duration) -> usize {
        let until = self.time.now() + duration;
        let mut answers = 0;
        loop {
            self.fetch();
            self.watch();
            self.fetch();
            let done = self.pending.first_key_value().map(|((at, _), _)| *at);
            let look = (!self.watches.is_empty()).then(|| self.looked + LOOKS);
            let next = [done, self.engine.wake_at(), look].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.time.advance_to(next);
            let now = self.time.now();
            while let Some(due) = self.pending.first_entry().filter(|due| due.key().0 <= now) {
                let ((_, id), task) = due.remove_entry();
                answers += 1;
                if let Some(done) = self.perform(task) {
                    self.engine.handle(Event::Done { id, done }, now);
                }
            }
        }
        self.time.advance_to(until);
        answers
    }

    /// Fetches what the engine wants done.
    fn fetch(&mut self) {
        let now = self.time.now();
        while let Some(Work { id, task }) = self.engine.next_work(now) {
            if matches!(task, Task::Watch { .. }) {
                self.watches.push((id, task));
            } else {
                let at = now + self.latency();
                self.pending.insert((at, id), task);
            }
        }
    }

    /// Answers watches of which there is news.
    fn watch(&mut self) {
        let now = self.time.now();
        self.looked = now;
        for (id, task) in std::mem::take(&mut self.watches) {
            let Task::Watch { interest, after, .. } = &task else { continue };
            let result = match self.cluster_is_down {
                true => Err(down().into()),
                false => self.cluster.changes(interest, after),
            };
            match result {
                Ok(changes) if changes.changed.is_empty() && changes.gone.is_empty() => self.watches.push((id, task)),
                result => self.engine.handle(Event::Done { id, done: Done::Changed(result) }, now),
            }
        }
    }

    /// Does a piece of work; a world in memory waits for nothing.
    fn perform(&self, task: Task) -> Option<Done> {
        let cluster_error = || ClusterError::from(down());
        let source_error = || SourceError::from(SourceFailure::Unavailable { what: "the source is down".into() });
        match &task {
            Task::Resolve { .. } if self.source_is_down => return Some(Done::Resolved(Err(source_error()))),
            Task::Load { .. } if self.source_is_down => {
                return Some(Done::Loaded(Err(SyncError::from(source_error()))));
            }
            Task::List { .. } if self.cluster_is_down => return Some(Done::Listed(Err(cluster_error()))),
            Task::Look { .. } if self.cluster_is_down => return Some(Done::Seen(Err(cluster_error()))),
            Task::Store { .. } if self.cluster_is_down => return Some(Done::Stored(Err(cluster_error()))),
            Task::Load { .. } if self.cluster_is_down => {
                return Some(Done::Loaded(Err(SyncError::from(cluster_error()))));
            }
            Task::Effect { effect, .. } if self.cluster_is_down => {
                return Some(Done::Performed(match effect {
                    Effect::Record { id, .. } => sync::Event::Recorded { id: *id, result: Err(cluster_error()) },
                    Effect::Write { id, .. } => sync::Event::Wrote { id: *id, result: Err(cluster_error()) },
                    Effect::Observe { id, .. } => sync::Event::Observed { id: *id, result: Err(cluster_error()) },
                }));
            }
            _ => {}
        }
        let ports = Ports::new(&self.time).with_source("git", &self.source).with_cluster("cluster", &self.cluster);
        ready(ports.perform(task))
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.draw() % SLOWEST)
    }

    /// Draws a number from the seed (xorshift64*).
    pub fn draw(&mut self) -> u64 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        self.seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }
}

fn down() -> Failure {
    Failure::Unavailable { message: "the cluster is down".into() }
}
