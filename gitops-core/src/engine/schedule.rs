//! What is done next: fair to all, bounded, and everything only once.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::automation::{Trigger, Why};
use crate::cluster::{Guard, Interest};
use crate::policy::window::Asked;
use crate::resource::ResourceKey;
use crate::sync::{self, Effect};
use crate::time::Timestamp;

use super::subject::{Level, Stage};
use super::{Counters, Engine, Flight, News, Task, Work, WorkId};

impl Engine {
    /// Returns the next piece of work; `None` when there is nothing to do before [`Engine::wake_at`] or an event.
    pub fn next_work(&mut self, now: Timestamp) -> Option<Work> {
        self.tell(now);
        if self.is_stopping {
            return None;
        }
        self.tick();
        if let Some(work) = self.watch() {
            return Some(work);
        }
        if self.counted >= self.settings.in_flight {
            return None;
        }
        self.resolve().or_else(|| self.list()).or_else(|| self.effect()).or_else(|| self.look())
    }

    /// Returns when something is to be done next, if nothing happens before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.is_stopping {
            return None;
        }
        let resolve = self.resolves.first().map(|(due, _)| *due);
        let look = self.ready.first().map(|(due, _)| *due);
        let list = self.clusters.values().filter_map(|cluster| cluster.retry_at).min();
        let machines = self.running.iter().filter_map(|name| match &self.subjects.get(name)?.stage {
            Stage::Running(running) => [running.machine.wake_at(), running.window_at].into_iter().flatten().min(),
            _ => None,
        });
        [resolve, look, list, machines.min()].into_iter().flatten().min()
    }

    /// Tells machines that time has passed.
    fn tick(&mut self) {
        let names: Vec<Arc<str>> = self.running.iter().cloned().collect();
        for name in names {
            let Some(subject) = self.subjects.get_mut(&name) else { continue };
            let Stage::Running(running) = &mut subject.stage else { continue };
            if running.window_at.is_some_and(|at| at <= self.now) {
                let by_hand = matches!(running.trigger, Trigger::Asked { .. });
                let by = if by_hand { Asked::ByHand } else { Asked::Automatically };
                let permit = subject.application.windows.decide(by, self.now, Some(running.started));
                running.window_at = permit.next_change;
                if !permit.allowed {
                    // What was written stays; the rest waits for the window.
                    self.board.pin(self.now, &name, News::Rests { why: Why::Window { text: permit.reason.into() } });
                    running.machine.handle(sync::Event::Superseded, self.now);
                    self.moved(&name);
                    continue;
                }
            }
            if running.machine.wake_at().is_some_and(|at| at <= self.now) {
                running.machine.handle(sync::Event::Tick, self.now);
                self.moved(&name);
            }
        }
    }

    fn begin(&mut self, task: Task, flight: Flight) -> Work {
        self.last_id = self.last_id.saturating_add(1);
        let id = WorkId(self.last_id);
        Counters::count(&mut self.counters.work, task.verb());
        if !matches!(flight, Flight::Watch(_)) {
            self.counted = self.counted.saturating_add(1);
        }
        self.flying.insert(id, flight);
        Work { id, task }
    }

    fn resolve(&mut self) -> Option<Work> {
        let (due, follows) = self.resolves.first()?.clone();
        if due > self.now {
            return None;
        }
        self.resolves.remove(&(due, follows.clone()));
        let followed = self.followed.get_mut(&follows)?;
        (followed.due, followed.is_flying) = (None, true);
        let (source, target) = follows;
        let task = Task::Resolve { source: Arc::clone(&source), target: target.clone() };
        Some(self.begin(task, Flight::Resolve(source, target)))
    }

    /// Lists what some application needs to know and nobody does.
    fn list(&mut self) -> Option<Work> {
        let now = self.now;
        let missing = |(_, cluster): &(&Arc<str>, &mut super::ClusterState)| {
            let known = cluster.cache.as_ref().is_some_and(|cache| cache.kinds.is_superset(&cluster.wanted));
            let due = cluster.retry_at.is_none_or(|at| at <= now);
            !cluster.is_listing && due && !cluster.wanted.is_empty() && (!known || cluster.is_lost)
        };
        let (name, cluster) = self.clusters.iter_mut().find(missing)?;
        cluster.is_listing = true;
        cluster.retry_at = None;
        cluster.asked.clone_from(&cluster.wanted);
        let (name, kinds) = (Arc::clone(name), cluster.wanted.clone());
        Some(self.begin(Task::List { cluster: Arc::clone(&name), kinds }, Flight::List(name)))
    }

    fn watch(&mut self) -> Option<Work> {
        let now = self.now;
        let idle = |(_, cluster): &(&Arc<str>, &mut super::ClusterState)| {
            let due = cluster.retry_at.is_none_or(|at| at <= now);
            cluster.cache.is_some() && !cluster.is_watching && !cluster.is_lost && !cluster.is_listing && due
        };
        let (name, cluster) = self.clusters.iter_mut().find(idle)?;
        let cache = cluster.cache.as_ref()?;
        (cluster.is_watching, cluster.retry_at) = (true, None);
        let name = Arc::clone(name);
        let (interest, after) = (Interest::in_kinds(cache.kinds.iter().cloned()), cache.cursor.clone());
        Some(self.begin(Task::Watch { cluster: Arc::clone(&name), interest, after }, Flight::Watch(name)))
    }

    /// Serves the operations under way one after the other.
    fn effect(&mut self) -> Option<Work> {
        let after = match &self.served {
            Some(served) => Bound::Excluded(Arc::clone(served)),
            None => Bound::Unbounded,
        };
        let later = self.running.range((after, Bound::Unbounded));
        let names: Vec<Arc<str>> = later.chain(self.running.iter()).take(self.running.len()).cloned().collect();
        for name in names {
            let Some(subject) = self.subjects.get_mut(&name) else { continue };
            let Stage::Running(running) = &mut subject.stage else { continue };
            let Some(effect) = running.machine.next_effect() else { continue };
            let cluster = Arc::clone(&subject.application.cluster);
            let deletes = deleted(&effect);
            self.served = Some(Arc::clone(&name));
            return Some(self.begin(Task::Effect { cluster, effect }, Flight::Effect(name, deletes)));
        }
        None
    }

    /// Looks at the next application that is due. What needs no answer from outside is done at once.
    fn look(&mut self) -> Option<Work> {
        while let Some((due, name)) = self.ready.first().cloned().filter(|(due, _)| *due <= self.now) {
            self.ready.remove(&(due, Arc::clone(&name)));
            if let Some(subject) = self.subjects.get_mut(&name) {
                subject.due = None;
            }
            if let Some((task, flight)) = self.advance(&name) {
                if let Some(subject) = self.subjects.get_mut(&name)
                    && matches!(subject.stage, Stage::Idle)
                {
                    subject.stage = Stage::Away;
                }
                return Some(self.begin(task, flight));
            }
        }
        None
    }

    /// Reads the ledgers of all applications of a cluster that need it.
    pub(super) fn read_ledgers(&mut self, cluster: &Arc<str>) -> Option<(Task, Flight)> {
        let state = self.clusters.get(cluster)?;
        let mut keys: BTreeSet<ResourceKey> = BTreeSet::new();
        let mut names = BTreeSet::new();
        for name in &state.apps {
            let Some(subject) = self.subjects.get_mut(name) else { continue };
            if subject.ledger.is_none() && matches!(subject.stage, Stage::Idle) {
                keys.insert(subject.application.app.ledger_key());
                names.insert(Arc::clone(name));
                subject.stage = Stage::Away;
            }
        }
        let task = Task::Look { cluster: Arc::clone(cluster), keys };
        Some((task, Flight::Ledgers(names)))
    }

    /// Has an application looked at again.
    pub(super) fn stir(&mut self, name: &Arc<str>, level: Level, after: std::time::Duration) {
        if let Some(subject) = self.subjects.get_mut(name) {
            subject.level = subject.level.max(level);
        }
        self.wake(name, after);
    }
}

/// The object that a write deletes for good, as far as it is known before.
fn deleted(effect: &Effect) -> Option<(ResourceKey, Arc<str>)> {
    let Effect::Write { write, .. } = effect else { return None };
    match (&write.verb, &write.guard) {
        (crate::cluster::Verb::Delete { .. }, Guard::Present { uid, .. }) => Some((write.key.clone(), Arc::clone(uid))),
        _ => None,
    }
}
