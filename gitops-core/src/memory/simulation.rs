//! An engine in a world of its own: virtual time, a seeded schedule, and everything repeatable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Cluster, Failure, Write};
use crate::engine::{Application, Done, Engine, Event, Item, Ports, Recorder, Settings, Task, Work, WorkId};
use crate::resource::{Resource, ResourceKey};
use crate::source::Source;
use crate::sync::Effect;
use crate::time::{Timer, Timestamp};

use super::outage::{NoCluster, NoSource};
use super::{MemoryCluster, MemorySource, VirtualTime, ready};

/// How often watches are looked at while nothing else happens, and the slowest half of an answer.
const LOOKS: Duration = Duration::from_secs(15);
const SLOWEST: u64 = 200;
/// How long a watch waits before it answers that nothing happened.
const LONG_POLL: Duration = Duration::from_secs(300);
/// So often does nothing happen at one moment that will ever end.
const ENDLESS: u32 = 2_000;

/// An [`Engine`] over a [`MemoryCluster`] and a [`MemorySource`], through virtual time.
///
/// Applications name their source `git` and their cluster `cluster`. Work takes effect after a while that is drawn from
/// the seed, up to 0.2 s, and the answer comes after another while: so effects and answers come in another order with
/// each seed, and in the same order with the same seed. A month of nothing takes a moment.
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
    /// Objects that the engine may not write.
    pub denied: BTreeSet<ResourceKey>,
    /// How long work takes besides, by its [verb](Task::verb) and whom it is about: the source of a `resolve`, the
    /// application of a `load` or `ask`, and else the cluster.
    pub slow: BTreeMap<(&'static str, Arc<str>), Duration>,
    applications: BTreeMap<Arc<str>, Application>,
    settings: Settings,
    seed: u64,
    /// How far the clock of the engine is ahead of that of the cluster, in milliseconds.
    ahead: i64,
    /// What is under way, by when it will take effect, and answers on their way.
    pending: BTreeMap<(Timestamp, WorkId), Pending>,
    arriving: BTreeMap<(Timestamp, WorkId), Done>,
    written: Vec<Performed>,
    recorder: Option<Recorder>,
    is_stuck: bool,
    watches: Vec<(WorkId, Task, Timestamp)>,
    looked: Timestamp,
}

/// A piece of work, and who declares what it writes.
type Pending = (Task, Vec<Arc<str>>);

/// A write that was performed, or failed, in a [`Simulation`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Performed {
    /// When.
    pub at: Timestamp,
    /// What was to be done.
    pub write: Write,
    /// The object before.
    pub before: Option<Resource>,
    /// The object after.
    pub after: Option<Resource>,
    /// Which applications declared the object when the engine handed the write out, as far as it knew.
    pub declared_by: Vec<Arc<str>>,
}

impl Simulation {
    /// Begins with nothing, at an instant.
    #[must_use]
    pub fn new(seed: u64, at: Timestamp) -> Self {
        let time = VirtualTime::starting(at);
        let settings = Settings::default();
        Self {
            engine: Engine::new(settings),
            cluster: MemoryCluster::new(seed, time.clone()),
            source: MemorySource::default(),
            time,
            source_is_down: false,
            cluster_is_down: false,
            denied: BTreeSet::new(),
            slow: BTreeMap::new(),
            applications: BTreeMap::new(),
            settings,
            seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            ahead: 0,
            pending: BTreeMap::new(),
            arriving: BTreeMap::new(),
            written: Vec::new(),
            recorder: None,
            is_stuck: false,
            watches: Vec::new(),
            looked: at,
        }
    }

    /// Returns the present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Returns what the clock of the engine shows.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        Timestamp::from_millis(self.time.now().millis().saturating_add(self.ahead))
    }

    /// Sets the clock of the engine ahead of that of the cluster, or behind it.
    pub fn set_clock(&mut self, ahead_millis: i64) {
        self.ahead = ahead_millis;
    }

    /// Records what the engine is told and does, from the beginning on: before anything else happens. News are recorded
    /// as they are fetched, by [`Simulation::next_news`].
    pub fn record(&mut self, recorder: Recorder) {
        recorder.begins(&self.settings);
        self.recorder = Some(recorder);
    }

    /// Returns the next news of the engine, oldest first.
    pub fn next_news(&mut self) -> Option<Item> {
        let item = self.engine.next_news()?;
        self.recorded(|recorder, _| recorder.news(&item));
        Some(item)
    }

    fn recorded(&self, record: impl FnOnce(&Recorder, Timestamp)) {
        if let Some(recorder) = &self.recorder {
            record(recorder, self.clock());
        }
    }

    /// Looks after an application from now on.
    pub fn put(&mut self, application: Application) {
        self.applications.insert(Arc::clone(application.name()), application.clone());
        self.recorded(|recorder, at| recorder.put(application.name(), at));
        self.engine.put(application, self.clock());
    }

    /// No longer looks after an application.
    pub fn remove(&mut self, name: &str) {
        self.applications.remove(name);
        self.recorded(|recorder, at| recorder.removed(name, at));
        self.engine.remove(name, self.clock());
    }

    /// Tells the engine something, such as a wish.
    pub fn tell(&mut self, event: Event) {
        self.recorded(|recorder, at| recorder.told(&event, at));
        self.engine.handle(event, self.clock());
    }

    /// The program dies, and another one begins: what was under way may have had its effect, and is never answered.
    pub fn crash(&mut self) {
        self.pending.clear();
        self.arriving.clear();
        self.watches.clear();
        self.engine = Engine::new(self.settings);
        self.recorded(|recorder, _| recorder.begins(&self.settings));
        for application in self.applications.values() {
            self.recorded(|recorder, at| recorder.put(application.name(), at));
            self.engine.put(application.clone(), self.clock());
        }
    }

    /// Returns the writes of the engine since the last call, dry runs apart, in order.
    pub fn take_writes(&mut self) -> Vec<Performed> {
        std::mem::take(&mut self.written)
    }

    /// Returns whether the engine once wanted to go on and on without time passing. That is a fault of the engine.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Lets time pass; returns how many answers were given.
    pub fn pass(&mut self, duration: Duration) -> usize {
        let until = self.time.now() + duration;
        let (mut answers, mut rounds) = (0, 0);
        while !self.is_stuck {
            self.fetch();
            self.watch();
            self.fetch();
            let effect = self.pending.first_key_value().map(|((at, _), _)| *at);
            let answer = self.arriving.first_key_value().map(|((at, _), _)| *at);
            let wake = self.engine.wake_at();
            let wake = wake.map(|at| Timestamp::from_millis(at.millis().saturating_sub(self.ahead)));
            let look = (!self.watches.is_empty()).then(|| self.looked + LOOKS);
            let next = [effect, answer, wake, look].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            rounds = if next > self.time.now() { 0 } else { rounds + 1 };
            self.is_stuck = rounds > ENDLESS;
            self.time.advance_to(next);
            answers += self.answer();
        }
        self.time.advance_to(until);
        answers
    }

    /// Does what is to take effect by now, and delivers what has arrived.
    fn answer(&mut self) -> usize {
        let (now, mut answers) = (self.time.now(), 0);
        while let Some(due) = self.pending.first_entry().filter(|due| due.key().0 <= now) {
            let ((_, id), (task, declared_by)) = due.remove_entry();
            if let Some(done) = self.perform(id, task, declared_by) {
                let at = now + self.latency();
                self.arriving.insert((at, id), done);
            }
        }
        while let Some(due) = self.arriving.first_entry().filter(|due| due.key().0 <= now) {
            let ((_, id), done) = due.remove_entry();
            answers += 1;
            self.tell(Event::Done { id, done });
        }
        answers
    }

    /// Fetches what the engine wants done.
    fn fetch(&mut self) {
        let now = self.time.now();
        loop {
            let work = self.engine.next_work(self.clock());
            self.recorded(|recorder, at| recorder.gave(work.as_ref(), at));
            let Some(Work { id, task }) = work else { break };
            if matches!(task, Task::Watch { .. }) {
                self.watches.push((id, task, now));
            } else {
                let at = now + self.latency() + self.slowness(&task);
                let declared_by = written(&task).map(|write| self.engine.declarers("cluster", &write.key).cloned());
                let declared_by = declared_by.into_iter().flatten().collect();
                self.pending.insert((at, id), (task, declared_by));
            }
        }
    }

    /// Answers watches of which there is news.
    fn watch(&mut self) {
        let now = self.time.now();
        self.looked = now;
        for (id, task, since) in std::mem::take(&mut self.watches) {
            let Task::Watch { interest, after, .. } = &task else { continue };
            let result = match self.cluster_is_down {
                true => Err(down().into()),
                false => self.cluster.changes(interest, after),
            };
            match result {
                Ok(changes)
                    if changes.changed.is_empty() && changes.gone.is_empty() && now.since(since) < LONG_POLL =>
                {
                    self.watches.push((id, task, since));
                }
                result => {
                    self.recorded(|recorder, _| recorder.changed(id, (interest, after), &result));
                    let at = now + self.latency();
                    self.arriving.insert((at, id), Done::Changed(result));
                }
            }
        }
    }

    /// Does a piece of work; a world in memory waits for nothing.
    fn perform(&mut self, id: WorkId, task: Task, declared_by: Vec<Arc<str>>) -> Option<Done> {
        let Some(write) = written(&task).cloned() else { return self.answered(id, task) };
        let look = |world: &Self| world.cluster.with_server(|server| server.get(&write.key).cloned());
        let before = look(self);
        let done = self.answered(id, task);
        let after = look(self);
        self.written.push(Performed { at: self.time.now(), write, before, after, declared_by });
        done
    }

    fn answered(&self, id: WorkId, task: Task) -> Option<Done> {
        let denied = written(&task).filter(|write| self.denied.contains(&write.key));
        let denied =
            denied.map(|write| Failure::Denied { message: format!("the test denies writes of {}", write.key).into() });
        // Whoever only asks more of what was read is answered.
        let is_down = !matches!(task, Task::Ask { .. });
        let no_cluster = denied.or_else(|| (self.cluster_is_down && is_down).then(down)).map(NoCluster);
        let no_source = (self.source_is_down && is_down).then_some(NoSource);
        let source = no_source.as_ref().map_or(&self.source as &dyn Source, |outage| outage);
        let cluster = no_cluster.as_ref().map_or(&self.cluster as &dyn Cluster, |outage| outage);
        let ports = Ports::new(&self.time).with_source("git", source).with_cluster("cluster", cluster);
        match &self.recorder {
            Some(recorder) => ready(recorder.perform(&ports, id, task)),
            None => ready(ports.perform(task)),
        }
    }

    fn slowness(&self, task: &Task) -> Duration {
        let whom = match task {
            Task::Resolve { source, .. } => source,
            Task::Load { app, .. } | Task::Ask { app, .. } => &app.owner.app,
            Task::List { cluster, .. }
            | Task::Watch { cluster, .. }
            | Task::Look { cluster, .. }
            | Task::Effect { cluster, .. }
            | Task::Store { cluster, .. } => cluster,
        };
        self.slow.get(&(task.verb(), Arc::clone(whom))).copied().unwrap_or_default()
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

fn written(task: &Task) -> Option<&Write> {
    match task {
        Task::Effect { effect: Effect::Write { write, .. } | Effect::Record { write, .. }, .. }
        | Task::Store { write, .. } => Some(write),
        _ => None,
    }
}

fn down() -> Failure {
    Failure::Unavailable { message: "the cluster is down".into() }
}
