//! What is done next: fair to all, bounded, and everything only once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Interest;
use crate::resource::GroupKind;
use crate::source::Target;
use crate::time::Timestamp;

use super::share::{self, Class, Party};
use super::subject::{Level, Running, Stage};
use super::{ClusterState, Counters, Engine, Flight, Listing, Task, Work, WorkId};

/// How long nothing may be heard of applications that were not read yet, before the others of the cluster go on.
const PATIENCE: Duration = Duration::from_secs(120);

/// CRDs that change within this time are changed again and again.
const REWRITTEN: Duration = Duration::from_secs(60);

impl Engine {
    /// Returns the next piece of work; `None` when there is nothing to do before [`Engine::wake_at`] or an event.
    pub fn next_work(&mut self, now: Timestamp) -> Option<Work> {
        self.tell(now);
        if self.is_stopping {
            return self.last_effects();
        }
        self.tick();
        self.give_up_reading();
        if let Some(work) = self.watch() {
            return Some(work);
        }
        // To look at applications may begin operations, and ask for kinds that nobody knows.
        let again = Class::ALL.into_iter().filter(|class| *class != Class::Look);
        for class in self.turn.onwards().chain(again) {
            if let Some(work) = self.work_of(class) {
                self.turn = class.next();
                return Some(work);
            }
        }
        None
    }

    fn work_of(&mut self, class: Class) -> Option<Work> {
        if !self.places.has_room(&Party::Class(class)) {
            return None;
        }
        match class {
            Class::Resolve => self.resolve(),
            Class::List => self.list(),
            Class::Effect => self.effect(),
            Class::Look => self.look(),
        }
    }

    /// Returns when something is to be done next, if nothing happens before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.is_stopping {
            let until = self.stops_at.filter(|_| self.recreating().next().is_some());
            let machines = self.recreating().filter_map(Running::wake_at);
            return until.map(|until| machines.fold(until, Timestamp::min));
        }
        let machines = self.running.iter().filter_map(|name| match &self.subjects.get(name)?.stage {
            Stage::Running(running) => [running.wake_at(), running.window_at].into_iter().flatten().min(),
            _ => None,
        });
        let watch = self.clusters.values().filter(|cluster| cluster.may_watch());
        let watch = watch.map(|cluster| cluster.retry_at.unwrap_or(self.now));
        let gives_up = self.clusters.values().filter_map(ClusterState::gives_up_at);
        let next = machines.chain(watch).chain(gives_up).min();
        // Where there is no room, an answer comes first.
        let has_room = |class: Class| self.places.has_room(&Party::Class(class));
        let resolve = self.resolves.first().map(|(due, _)| *due);
        let resolve = self.places.may_go_on(&self.places.targets).then_some(self.now).or(resolve);
        let look = self.ready.first().map(|(due, _)| *due);
        let look = self.places.may_go_on(&self.places.apps).then_some(self.now).or(look);
        let open = self.clusters.iter().filter(|(name, _)| self.may_list(name));
        let list = open.filter_map(|(_, cluster)| cluster.list_at(self.now)).min();
        let due = [(Class::Resolve, resolve), (Class::Look, look), (Class::List, list)];
        let due = due.into_iter().filter(|(class, _)| has_room(*class)).filter_map(|(_, due)| due);
        next.into_iter().chain(due).min()
    }

    /// Returns whether it was told to stop, and nothing is left to be done.
    ///
    /// What was deleted to be created again is created before, if that takes no longer than a minute: the next engine
    /// would do so, but nobody knows when there will be one (rule 37 of the exact rules).
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        let is_over = self.stops_at.is_none_or(|at| at <= self.now) || self.recreating().next().is_none();
        self.is_stopping && self.places.taken() == 0 && is_over
    }

    pub(super) fn begin(&mut self, task: Task, flight: Flight) -> Work {
        self.last_id = self.last_id.saturating_add(1);
        let id = WorkId(self.last_id);
        Counters::count(&mut self.counters.work, task.verb());
        let (source, cluster) = (task.source().cloned(), task.cluster().cloned());
        let mut parties = share::parties(&flight, source.as_ref(), cluster.as_ref());
        if let Flight::Resolve(source, target) = &flight
            && self.is_ailing(&(Arc::clone(source), target.clone()))
        {
            parties.push(Party::Ailing);
        }
        if !matches!(flight, Flight::Watch(..)) {
            self.places.take(id, parties);
        }
        self.span_of_work(id, &task, &flight);
        self.flying.insert(id, flight);
        Work { id, task }
    }

    fn resolve(&mut self) -> Option<Work> {
        let follows = self.next_target()?;
        let (source, target) = follows.clone();
        let task = Task::Resolve { source: Arc::clone(&source), target: target.clone() };
        let work = self.begin(task, Flight::Resolve(source, target));
        if let Some(followed) = self.followed.get_mut(&follows) {
            followed.flying = Some(work.id);
        }
        Some(work)
    }

    /// The next target that is due. One that would take a place from others waits for its own.
    fn next_target(&mut self) -> Option<(Arc<str>, Target)> {
        loop {
            if let Some(follows) = self.places.next_target() {
                let Some(followed) = self.followed.get_mut(&follows) else { continue };
                if let Some(due) = followed.due.take() {
                    self.resolves.remove(&(due, follows.clone()));
                }
                if followed.flying.is_none() {
                    return Some(follows);
                }
                continue;
            }
            let (due, follows) = self.resolves.first().filter(|(due, _)| *due <= self.now)?.clone();
            self.resolves.remove(&(due, follows.clone()));
            if let Some(followed) = self.followed.get_mut(&follows) {
                followed.due = None;
            }
            let source = Party::Source(Arc::clone(&follows.0));
            if !self.places.has_room(&source) {
                self.places.targets.wait(&follows, source);
            } else if self.is_ailing(&follows) && !self.places.has_room(&Party::Ailing) {
                self.places.targets.wait(&follows, Party::Ailing);
            } else {
                return Some(follows);
            }
        }
    }

    fn is_ailing(&self, follows: &(Arc<str>, Target)) -> bool {
        self.followed.get(follows).is_some_and(|followed| followed.tries > 0)
    }

    fn may_list(&self, cluster: &Arc<str>) -> bool {
        self.places.has_room(&Party::Cluster(Arc::clone(cluster)))
    }

    /// Lists what some application needs to know and nobody does.
    fn list(&mut self) -> Option<Work> {
        let now = self.now;
        let due = |(name, cluster): &(&Arc<str>, &ClusterState)| {
            cluster.list_at(now).is_some_and(|at| at <= now) && self.may_list(name)
        };
        let name = Arc::clone(self.clusters.iter().find(due)?.0);
        let cluster = self.clusters.get_mut(&name)?;
        // Kinds that nobody needs any longer are not listed again.
        let subjects = cluster.apps.iter().filter_map(|app| self.subjects.get(app));
        let mut kinds: BTreeSet<GroupKind> = subjects.flat_map(|subject| subject.kinds.iter().cloned()).collect();
        if let Some(cache) = &cluster.cache {
            kinds.extend(crate::diff::autoscaler_kinds(&cache.model));
        }
        cluster.wanted.clone_from(&kinds);
        (cluster.is_lost, cluster.retry_at, cluster.relist_at) = (false, None, None);
        if std::mem::take(&mut cluster.has_other_kinds) {
            // Where somebody writes CRDs again and again, that is looked at ever more rarely.
            let soon = cluster.kinds_after.is_some_and(|at| now.since(at) < REWRITTEN);
            cluster.rewrites = if soon { cluster.rewrites.saturating_add(1) } else { 0 };
        }
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

    /// Looks at the next application that is due. What needs no answer from outside is done at once.
    fn look(&mut self) -> Option<Work> {
        while let Some(name) = self.next_app() {
            if let Some((task, flight)) = self.advance(&name) {
                let names = match &flight {
                    Flight::Ledgers(names) => names.clone(),
                    _ => [name].into(),
                };
                let work = self.begin(task, flight);
                for name in names {
                    match self.subjects.get_mut(&name) {
                        Some(subject) if subject.is_running() => subject.reading = Some(work.id),
                        Some(subject) => subject.stage = Stage::Away(work.id),
                        None => {}
                    }
                }
                return Some(work);
            }
        }
        None
    }

    /// The next application that is due. One whose cluster has no place for it waits.
    fn next_app(&mut self) -> Option<Arc<str>> {
        loop {
            let waited = self.places.next_app();
            let name = match waited {
                Some(name) => name,
                None => {
                    let (due, name) = self.ready.first().filter(|(due, _)| *due <= self.now)?.clone();
                    self.ready.remove(&(due, Arc::clone(&name)));
                    if let Some(subject) = self.subjects.get_mut(&name) {
                        subject.due = None;
                    }
                    name
                }
            };
            let Some(subject) = self.subjects.get(&name) else { continue };
            let cluster = Party::Cluster(Arc::clone(&subject.application.cluster));
            if self.places.has_room(&cluster) {
                return Some(name);
            }
            self.places.apps.wait(&name, cluster);
        }
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
        let kinds = self.has_other_kinds.then(|| self.kinds_after.unwrap_or(now));
        let next = lost.into_iter().chain(kinds).chain(self.relist_at).min();
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
