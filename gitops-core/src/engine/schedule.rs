//! What is done next: fair to all, bounded, and everything only once.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::automation::{Trigger, Why};
use crate::cluster::{Failure, Guard, Interest, Mode, Verb};
use crate::policy::window::Asked;
use crate::resource::{GroupKind, ResourceKey};
use crate::sync::{self, Effect};
use crate::time::Timestamp;

use super::subject::{Level, Stage};
use super::{ClusterState, Counters, Engine, Flight, Listing, News, Task, UnderWay, Work, WorkId};

/// How long nothing may be heard of applications that were not read yet, before the others of the cluster go on.
const PATIENCE: Duration = Duration::from_secs(120);

impl Engine {
    /// Returns the next piece of work; `None` when there is nothing to do before [`Engine::wake_at`] or an event.
    pub fn next_work(&mut self, now: Timestamp) -> Option<Work> {
        self.tell(now);
        if self.is_stopping {
            return None;
        }
        self.tick();
        self.give_up_reading();
        if let Some(work) = self.watch() {
            return Some(work);
        }
        if self.counted >= self.settings.in_flight {
            return None;
        }
        // To look at applications may begin operations, and ask for kinds that nobody knows.
        self.pressing().or_else(|| self.look()).or_else(|| self.pressing())
    }

    fn pressing(&mut self) -> Option<Work> {
        self.resolve().or_else(|| self.list()).or_else(|| self.effect())
    }

    /// Returns when something is to be done next, if nothing happens before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.is_stopping {
            return None;
        }
        let machines = self.running.iter().filter_map(|name| match &self.subjects.get(name)?.stage {
            Stage::Running(running) => [running.wake_at(), running.window_at].into_iter().flatten().min(),
            _ => None,
        });
        let watch = self.clusters.values().filter(|cluster| cluster.may_watch());
        let watch = watch.map(|cluster| cluster.retry_at.unwrap_or(self.now));
        let gives_up = self.clusters.values().filter_map(ClusterState::gives_up_at);
        let next = machines.chain(watch).chain(gives_up).min();
        if self.counted >= self.settings.in_flight {
            // An answer comes first.
            return next;
        }
        let resolve = self.resolves.first().map(|(due, _)| *due);
        let look = self.ready.first().map(|(due, _)| *due);
        let list = self.clusters.values().filter_map(|cluster| cluster.list_at(self.now)).min();
        [next, resolve, look, list].into_iter().flatten().min()
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
                    running.handle(sync::Event::Superseded, self.now);
                    self.moved(&name);
                    continue;
                }
            }
            if running.wake_at().is_some_and(|at| at <= self.now) {
                running.handle(sync::Event::Tick, self.now);
                self.moved(&name);
            }
        }
    }

    fn begin(&mut self, task: Task, flight: Flight) -> Work {
        self.last_id = self.last_id.saturating_add(1);
        let id = WorkId(self.last_id);
        Counters::count(&mut self.counters.work, task.verb());
        if !matches!(flight, Flight::Watch(..)) {
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
        followed.due = None;
        let (source, target) = follows.clone();
        let task = Task::Resolve { source: Arc::clone(&source), target: target.clone() };
        let work = self.begin(task, Flight::Resolve(source, target));
        if let Some(followed) = self.followed.get_mut(&follows) {
            followed.flying = Some(work.id);
        }
        Some(work)
    }

    /// Lists what some application needs to know and nobody does.
    fn list(&mut self) -> Option<Work> {
        let now = self.now;
        let due = |(_, cluster): &(&Arc<str>, &mut ClusterState)| cluster.list_at(now).is_some_and(|at| at <= now);
        let (name, cluster) = self.clusters.iter_mut().find(due)?;
        // Kinds that nobody needs any longer are not listed again.
        let subjects = cluster.apps.iter().filter_map(|app| self.subjects.get(app));
        let mut kinds: BTreeSet<GroupKind> = subjects.flat_map(|subject| subject.kinds.iter().cloned()).collect();
        if let Some(cache) = &cluster.cache {
            kinds.extend(crate::diff::autoscaler_kinds(&cache.model));
        }
        cluster.wanted.clone_from(&kinds);
        (cluster.is_lost, cluster.retry_at, cluster.relist_at) = (false, None, None);
        let name = Arc::clone(name);
        let work = self
            .begin(Task::List { cluster: Arc::clone(&name), kinds: kinds.clone() }, Flight::List(Arc::clone(&name)));
        if let Some(cluster) = self.clusters.get_mut(&name) {
            cluster.listing = Some(Listing { id: work.id, kinds, since: Vec::new() });
        }
        Some(work)
    }

    fn watch(&mut self) -> Option<Work> {
        let now = self.now;
        let idle = |(_, cluster): &(&Arc<str>, &mut ClusterState)| {
            cluster.may_watch() && cluster.retry_at.is_none_or(|at| at <= now)
        };
        let (name, cluster) = self.clusters.iter_mut().find(idle)?;
        let cache = cluster.cache.as_ref()?;
        (cluster.is_watching, cluster.retry_at) = (true, None);
        let (name, epoch) = (Arc::clone(name), cluster.epoch);
        let (interest, after) = (Interest::in_kinds(cache.kinds.iter().cloned()), cache.cursor.clone());
        Some(self.begin(Task::Watch { cluster: Arc::clone(&name), interest, after }, Flight::Watch(name, epoch)))
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
            let (cluster, turn) = (Arc::clone(&subject.application.cluster), running.turn);
            self.served = Some(Arc::clone(&name));
            if let Some(refusal) = self.keep(&name, &cluster, &effect) {
                self.answer(&name, refusal);
                continue;
            }
            let deletes = deleted(&effect);
            let writes = match &effect {
                Effect::Write { write, .. } => (write.mode == Mode::Commit).then(|| write.key.clone()),
                _ => None,
            };
            let under_way = UnderWay { app: name, cluster: Arc::clone(&cluster), turn, deletes, writes };
            return Some(self.begin(Task::Effect { cluster, effect }, Flight::Effect(under_way)));
        }
        None
    }

    /// Refuses to delete what another application came to declare since the operation was planned: it is handed over.
    fn keep(&self, name: &Arc<str>, cluster: &Arc<str>, effect: &Effect) -> Option<sync::Event> {
        let Effect::Write { id, write } = effect else { return None };
        let subject = self.subjects.get(name)?;
        let own = subject.declares.contains(&write.key) && !subject.leaves();
        if own || !matches!(write.verb, Verb::Delete { .. }) {
            return None;
        }
        let other = self
            .clusters
            .get(cluster)?
            .declared
            .get(&write.key)?
            .iter()
            .find(|other| *other != name && !self.is_leaving(other))?;
        let message = format!("application `{other}` declares it by now").into();
        Some(sync::Event::Wrote { id: *id, result: Err(Failure::Refused { message }.into()) })
    }

    fn answer(&mut self, name: &Arc<str>, event: sync::Event) {
        if let Some(subject) = self.subjects.get_mut(name)
            && let Stage::Running(running) = &mut subject.stage
        {
            running.handle(event, self.now);
        }
        self.moved(name);
    }

    /// Looks at the next application that is due. What needs no answer from outside is done at once.
    fn look(&mut self) -> Option<Work> {
        while let Some((due, name)) = self.ready.first().cloned().filter(|(due, _)| *due <= self.now) {
            self.ready.remove(&(due, Arc::clone(&name)));
            if let Some(subject) = self.subjects.get_mut(&name) {
                subject.due = None;
            }
            if let Some((task, flight)) = self.advance(&name) {
                let names = match &flight {
                    Flight::Ledgers(names) => names.clone(),
                    _ => [name].into(),
                };
                let work = self.begin(task, flight);
                for name in names {
                    if let Some(subject) = self.subjects.get_mut(&name) {
                        subject.stage = Stage::Away(work.id);
                    }
                }
                return Some(work);
            }
        }
        None
    }

    /// Reads the ledgers of all applications of a cluster that need it.
    pub(super) fn read_ledgers(&self, cluster: &Arc<str>) -> Option<(Task, Flight)> {
        let state = self.clusters.get(cluster)?;
        let (mut keys, mut names) = (BTreeSet::new(), BTreeSet::new());
        for name in &state.bare {
            let Some(subject) = self.subjects.get(name) else { continue };
            if subject.ledger.is_none() && matches!(subject.stage, Stage::Idle) {
                keys.insert(subject.application.app.ledger_key());
                names.insert(Arc::clone(name));
            }
        }
        let task = Task::Look { cluster: Arc::clone(cluster), keys };
        Some((task, Flight::Ledgers(names)))
    }

    /// Has an application looked at again.
    pub(super) fn stir(&mut self, name: &Arc<str>, level: Level, after: Duration) {
        if let Some(subject) = self.subjects.get_mut(name) {
            subject.level = subject.level.max(level);
            if level == Level::Desired {
                subject.edition = subject.edition.saturating_add(1);
            }
        }
        self.wake(name, after);
    }
}

impl ClusterState {
    /// When it is to be listed; `None` if not before something else happens.
    fn list_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.listing.is_some() || self.wanted.is_empty() || (self.cache.is_none() && !self.unread.is_empty()) {
            return None;
        }
        let retry = self.retry_at.unwrap_or(now);
        let lacks = !self.cache.as_ref().is_some_and(|cache| cache.kinds.is_superset(&self.wanted));
        if lacks {
            return Some(retry);
        }
        let lost = self.is_lost.then(|| self.calm_until.unwrap_or(now));
        let next = lost.into_iter().chain(self.relist_at).min();
        next.map(|at| at.max(retry))
    }

    /// When it is waited no longer for those that were not tried to be read, if nothing is heard of them until then.
    pub(super) fn gives_up_at(&self) -> Option<Timestamp> {
        (!self.unread.is_empty()).then(|| self.read_at + PATIENCE)
    }

    fn may_watch(&self) -> bool {
        self.cache.is_some() && !self.is_watching && !self.is_lost && self.listing.is_none()
    }
}

/// The object that a write deletes for good, as far as it is known before.
fn deleted(effect: &Effect) -> Option<(ResourceKey, Arc<str>)> {
    let Effect::Write { write, .. } = effect else { return None };
    match (&write.verb, &write.guard) {
        (Verb::Delete { .. }, Guard::Present { uid, .. }) => Some((write.key.clone(), Arc::clone(uid))),
        _ => None,
    }
}
