//! What happened, and what follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Changes, ClusterError, Failure, Observed, WriteOutcome};
use crate::model::ApiModel;
use crate::reconcile::SyncError;
use crate::resource::ResourceKey;
use crate::source::{Revision, RevisionId, SourceError, Target};
use crate::state::{DesiredState, LiveState};
use crate::sync::{self, Ledger, Phase};
use crate::value::{Hasher, Purpose};

use super::cache::{Cache, Told};
use super::status::{ConditionKind, OperationState};
use super::subject::{HoldWish, Level, Stage, pause};
use super::{Counters, Done, Engine, Event, Flight, News, Wish};

impl Engine {
    /// Takes an event. Answers to unknown work are ignored. A clock that runs back stands still for the engine.
    pub fn handle(&mut self, event: Event, now: crate::time::Timestamp) {
        self.tell(now);
        match event {
            Event::Done { id, done } => {
                let Some(flight) = self.flying.remove(&id) else { return };
                if !matches!(flight, Flight::Watch(_)) {
                    self.counted = self.counted.saturating_sub(1);
                }
                self.done(flight, done);
            }
            Event::Wish { app, wish } => self.wished(&app, wish),
            Event::SourceChanged { source } => self.source_changed(&source),
            Event::Stop => self.is_stopping = true,
        }
    }

    fn done(&mut self, flight: Flight, done: Done) {
        match (flight, done) {
            (Flight::Resolve(source, target), Done::Resolved(result)) => self.resolved((source, target), result),
            (Flight::Load(name, id), Done::Loaded(result)) => self.loaded(&name, id, result),
            (Flight::List(cluster), Done::Listed(result)) => self.listed(&cluster, result),
            (Flight::Watch(cluster), Done::Changed(result)) => self.changed(&cluster, result),
            (Flight::Ledgers(names), Done::Seen(result)) => self.saw_ledgers(&names, &result),
            (Flight::Ask(name), Done::Asked(looked)) => {
                self.at_rest(&name);
                let stale = self.subjects.get(&name).is_none_or(|subject| subject.level > Level::None);
                match stale {
                    // Something changed meanwhile: what was learned is kept, and compared with what is there now.
                    true => {
                        if let Some(subject) = self.subjects.get_mut(&name) {
                            subject.comparison = looked.comparison;
                        }
                        self.wake(&name, Duration::ZERO);
                    }
                    false => self.judged(&name, *looked),
                }
            }
            (Flight::Effect(name, deleted), Done::Performed(event)) => self.performed(&name, deleted, event),
            (Flight::Store(name), Done::Stored(result)) => {
                self.at_rest(&name);
                match &result {
                    Ok(_) => {
                        if let Some(subject) = self.subjects.get_mut(&name) {
                            subject.hold = None;
                        }
                    }
                    Err(error) => {
                        self.fault("store");
                        self.condition(&name, ConditionKind::LedgerError, Some(error.to_string().into()));
                    }
                }
                self.forget_ledger(&name, if result.is_ok() { 0 } else { 1 });
            }
            // A driver that answers with something else than was asked for is not believed.
            (Flight::Ledgers(names), _) => names.iter().for_each(|name| self.at_rest(name)),
            (Flight::Load(name, _) | Flight::Ask(name) | Flight::Store(name), _) => self.at_rest(&name),
            _ => {}
        }
    }

    fn fault(&mut self, what: &'static str) {
        Counters::count(&mut self.counters.failed, what);
    }

    fn at_rest(&mut self, name: &Arc<str>) {
        if let Some(subject) = self.subjects.get_mut(name)
            && matches!(subject.stage, Stage::Away)
        {
            subject.stage = Stage::Idle;
        }
    }

    fn forget_ledger(&mut self, name: &Arc<str>, tries: u32) {
        if let Some(subject) = self.subjects.get_mut(name) {
            subject.ledger = None;
            subject.ledger_tries = if tries == 0 { 0 } else { subject.ledger_tries.saturating_add(tries) };
            let after = if tries == 0 { Duration::ZERO } else { pause(subject.ledger_tries) };
            self.stir(name, Level::Live, after);
        }
    }

    /// The time until a target is resolved again: the interval, and up to a tenth of it, by its name, so that not all
    /// are due at once.
    fn interval(&self, (source, target): &(Arc<str>, Target)) -> Duration {
        let digest = Hasher::new(Purpose::Identity).text(&**source).text(target.as_str()).finish().short();
        let share = u32::from_str_radix(digest.get(..4).unwrap_or("0"), 16).unwrap_or_default();
        self.settings.interval.saturating_add(self.settings.interval.saturating_mul(share) / 655_360)
    }

    fn resolved(&mut self, follows: (Arc<str>, Target), result: Result<Revision, SourceError>) {
        let interval = self.interval(&follows);
        let Some(followed) = self.followed.get_mut(&follows) else { return };
        followed.is_flying = false;
        let apps = followed.apps.clone();
        let after = match &result {
            Ok(_) => interval,
            Err(_) => pause(followed.tries.saturating_add(1)),
        };
        let due = self.now + after;
        followed.due = Some(due);
        match result {
            Ok(revision) => {
                followed.tries = 0;
                let before = followed.head.replace(revision.clone());
                self.resolves.insert((due, follows));
                for name in apps {
                    self.condition(&name, ConditionKind::SourceError, None);
                    self.headed(&name, &revision, before.as_ref().map(|before| &before.id));
                }
            }
            Err(error) => {
                followed.tries = followed.tries.saturating_add(1);
                self.resolves.insert((due, follows));
                self.fault("resolve");
                let text: Arc<str> = error.to_string().into();
                for name in apps {
                    self.condition(&name, ConditionKind::SourceError, Some(Arc::clone(&text)));
                    self.tried_to_read(&name);
                }
            }
        }
    }

    /// The source of an application names a revision.
    fn headed(&mut self, name: &Arc<str>, revision: &Revision, before: Option<&RevisionId>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let known = subject.head.as_ref().map(|head| head.id.clone());
        if known.as_ref() == Some(&revision.id) {
            return;
        }
        subject.head = Some(revision.clone());
        subject.status.head = Some(revision.clone());
        subject.load_tries = 0;
        let newer = subject.wanted().map(|wanted| wanted.id);
        let is_other = newer != subject.desired.as_ref().map(|(id, _)| id.clone());
        // Somebody who asked for an operation gets it, at the revision that was asked for.
        if let Stage::Running(running) = &mut subject.stage
            && is_other
            && !matches!(running.trigger, crate::automation::Trigger::Asked { .. })
            && subject.application.automation.sync.is_on()
        {
            running.machine.handle(sync::Event::Superseded, self.now);
        }
        let (id, before) = (revision.id.clone(), before.cloned());
        self.board.pin(self.now, name, News::Revision { id, before });
        self.stir(name, Level::Live, Duration::ZERO);
        self.moved(name);
    }

    fn loaded(&mut self, name: &Arc<str>, id: RevisionId, result: Result<Box<DesiredState>, SyncError>) {
        self.at_rest(name);
        let Some(subject) = self.subjects.get_mut(name) else { return };
        match result {
            Ok(desired) => {
                subject.desired = Some((id, Arc::new(*desired)));
                subject.load_tries = 0;
                subject.level = Level::Live;
                self.condition(name, ConditionKind::SourceError, None);
                self.declare(name);
                self.wake(name, Duration::ZERO);
            }
            Err(error) => {
                subject.load_tries = subject.load_tries.saturating_add(1);
                let after = pause(subject.load_tries);
                self.fault("load");
                let kind = match &error {
                    SyncError::Cluster(_) => ConditionKind::ClusterError,
                    _ => ConditionKind::SourceError,
                };
                self.condition(name, kind, Some(error.to_string().into()));
                self.stir(name, Level::Live, after);
            }
        }
        self.tried_to_read(name);
    }

    /// It was tried to read what an application declares. Once that is so of all, those that waited for it go on.
    fn tried_to_read(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get(name) else { return };
        let Some(cluster) = self.clusters.get_mut(&subject.application.cluster) else { return };
        cluster.unread.remove(name);
        if cluster.unread.is_empty() {
            let apps = cluster.apps.clone();
            for app in apps {
                self.wake(&app, Duration::ZERO);
            }
        }
    }

    fn listed(&mut self, name: &Arc<str>, result: Result<Box<(ApiModel, Observed)>, ClusterError>) {
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        cluster.is_listing = false;
        let apps = cluster.apps.clone();
        match result {
            Ok(listed) => {
                let (model, observed) = *listed;
                // The one that was asked for: what came to be wanted meanwhile is listed next.
                let kinds = std::mem::take(&mut cluster.asked);
                cluster.cache = Some(Cache::new(kinds, model, observed));
                (cluster.is_lost, cluster.tries) = (false, 0);
                for app in apps {
                    self.condition(&app, ConditionKind::ClusterError, None);
                    self.stir(&app, Level::Live, Duration::ZERO);
                }
            }
            Err(error) => self.cluster_failed(name, &error, "list"),
        }
    }

    fn cluster_failed(&mut self, name: &Arc<str>, error: &ClusterError, what: &'static str) {
        self.fault(what);
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        cluster.tries = cluster.tries.saturating_add(1);
        cluster.retry_at = Some(self.now + pause(cluster.tries));
        let (apps, text) = (cluster.apps.clone(), Arc::<str>::from(error.to_string()));
        for app in apps {
            self.condition(&app, ConditionKind::ClusterError, Some(Arc::clone(&text)));
        }
    }

    fn changed(&mut self, name: &Arc<str>, result: Result<Changes, ClusterError>) {
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        cluster.is_watching = false;
        match result {
            Ok(changes) => {
                if std::mem::take(&mut cluster.tries) > 0 {
                    let apps = cluster.apps.clone();
                    apps.iter().for_each(|app| self.condition(app, ConditionKind::ClusterError, None));
                }
                self.took(name, changes);
            }
            Err(ClusterError { failure: Failure::CursorExpired, .. }) => cluster.is_lost = true,
            Err(error) => self.cluster_failed(name, &error, "watch"),
        }
    }

    fn took(&mut self, name: &Arc<str>, changes: Changes) {
        let Some(cache) = self.clusters.get_mut(name).and_then(|cluster| cluster.cache.as_mut()) else { return };
        let count = changes.changed.len().saturating_add(changes.gone.len()) as u64;
        let told = cache.take(changes);
        self.counters.watched = self.counters.watched.saturating_add(count);
        self.counters.noise = self.counters.noise.saturating_add(count.saturating_sub(told.len() as u64));
        for (key, told, before) in told {
            self.touch(name, &key, told, before);
        }
    }

    /// Has those look that an object concerns.
    fn touch(&mut self, cluster: &Arc<str>, key: &ResourceKey, told: Told, before: Option<Arc<str>>) {
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        if key.is("apiextensions.k8s.io", "CustomResourceDefinition") && told == Told::Change {
            // Kinds may have come or gone, or their schemas changed.
            state.is_lost = true;
        }
        let mut apps: BTreeSet<Arc<str>> = state.concerned.get(key).cloned().unwrap_or_default();
        let claimant = state.cache.as_ref().and_then(|cache| cache.claimant(key));
        apps.extend(before.into_iter().chain(claimant).filter(|app| state.apps.contains(app)));
        if crate::diff::is_autoscaler(&key.group_kind) && told == Told::Change {
            let near = state.concerned.range(..).filter(|(other, _)| other.namespace == key.namespace);
            apps.extend(near.flat_map(|(_, apps)| apps.iter().cloned()));
        }
        let after = match told {
            Told::Status => {
                self.counters.statuses = self.counters.statuses.saturating_add(1);
                self.settings.gather_statuses
            }
            _ => self.settings.gather,
        };
        for app in apps {
            if !self.saw_ledger(&app, cluster, key) {
                self.stir(&app, Level::Live, after);
            }
        }
    }

    /// A watch told of the ledger of an application, unless that is no ledger: somebody else may have written it.
    fn saw_ledger(&mut self, app: &Arc<str>, cluster: &Arc<str>, key: &ResourceKey) -> bool {
        let Some(cache) = self.clusters.get(cluster).and_then(|state| state.cache.as_ref()) else { return false };
        let Some(subject) = self.subjects.get_mut(app) else { return false };
        if !key.is("", "ConfigMap") || subject.application.app.ledger_key() != *key {
            return false;
        }
        let known = subject.ledger.as_ref().is_some_and(|(ledger, _)| ledger.is_stored_as(cache.live.get(key)));
        if !known && matches!(subject.stage, Stage::Idle) {
            subject.ledger = None;
            self.stir(app, Level::Live, Duration::ZERO);
        }
        true
    }

    fn saw_ledgers(&mut self, names: &BTreeSet<Arc<str>>, result: &Result<LiveState, ClusterError>) {
        for name in names {
            self.at_rest(name);
            let Some(subject) = self.subjects.get_mut(name) else { continue };
            let key = subject.application.app.ledger_key();
            let read = match result {
                Ok(live) => Ledger::read(&key, live.get(&key)).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok((ledger, damage)) => {
                    subject.ledger_tries = 0;
                    subject.status.hold.clone_from(&ledger.hold);
                    subject.status.history.clone_from(&ledger.history);
                    subject.ledger = Some((ledger, damage));
                    self.concern(name);
                    self.wake(name, Duration::ZERO);
                }
                Err(text) => {
                    subject.ledger_tries = subject.ledger_tries.saturating_add(1);
                    let after = pause(subject.ledger_tries);
                    self.fault("look");
                    self.condition(name, ConditionKind::LedgerError, Some(text.into()));
                    self.tried_to_read(name);
                    self.stir(name, Level::Live, after);
                }
            }
        }
    }

    fn performed(&mut self, name: &Arc<str>, deleted: Option<(ResourceKey, Arc<str>)>, event: sync::Event) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let cluster = Arc::clone(&subject.application.cluster);
        let Stage::Running(running) = &mut subject.stage else { return };
        let mut seen = None;
        match &event {
            sync::Event::Wrote { result: Ok(written), .. } | sync::Event::Recorded { result: Ok(written), .. } => {
                seen = written.object.clone();
                if written.outcome == WriteOutcome::Gone
                    && let Some((key, uid)) = deleted
                    && let Some(cache) = self.clusters.get_mut(&cluster).and_then(|state| state.cache.as_mut())
                    && cache.bury(&key, &uid)
                {
                    running.machine.handle(event, self.now);
                    self.touch(&cluster, &key, Told::Change, None);
                    return self.moved(name);
                }
            }
            sync::Event::Wrote { result: Err(_), .. } | sync::Event::Recorded { result: Err(_), .. } => {
                Counters::count(&mut self.counters.failed, "effect");
            }
            _ => {}
        }
        running.machine.handle(event, self.now);
        // A comparison that follows must not be older than our own writes.
        if let Some(object) = seen
            && let Some(cache) = self.clusters.get_mut(&cluster).and_then(|state| state.cache.as_mut())
        {
            let key = object.key().clone();
            match cache.put(object) {
                Told::Nothing => {}
                told => self.touch(&cluster, &key, told, None),
            }
        }
        self.moved(name);
    }

    /// Something moved in an operation: tells of it, and ends it when it is over.
    pub(super) fn moved(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let Stage::Running(running) = &mut subject.stage else { return };
        let operation = running.machine.operation().clone();
        while let Some(progress) = running.machine.next_progress() {
            let (operation, at) = (operation.clone(), progress.at);
            self.board.pin(at, name, News::Progress { operation, progress });
        }
        let Some(receipt) = running.machine.outcome() else {
            let (trigger, waits) = (running.trigger.to_string().into(), running.machine.waits());
            let state = OperationState::new(&operation, trigger, running.started, running.steps, waits);
            subject.status.operation = Some(state);
            return;
        };
        let (phase, message) = (receipt.phase, Arc::clone(&receipt.message));
        let millis = u64::try_from(self.now.since(running.started).as_millis()).unwrap_or(u64::MAX);
        subject.stage = Stage::Idle;
        subject.status.operation = None;
        (subject.errors, subject.error_at) = match phase {
            Phase::Error => (subject.errors.saturating_add(1), self.now),
            _ => (0, self.now),
        };
        self.running.remove(name);
        Counters::count(&mut self.counters.operations, phase_name(phase));
        self.board.pin(self.now, name, News::Ended { operation, phase, message, millis });
        self.forget_ledger(name, 0);
        self.stir_dependents(name);
    }

    fn source_changed(&mut self, source: &Arc<str>) {
        let follows: Vec<_> = self.followed.keys().filter(|(name, _)| name == source).cloned().collect();
        for follows in follows {
            let Some(followed) = self.followed.get_mut(&follows) else { continue };
            if let Some(due) = followed.due.filter(|_| !followed.is_flying) {
                self.resolves.remove(&(due, follows.clone()));
                followed.due = Some(self.now);
                self.resolves.insert((self.now, follows));
            }
        }
    }

    fn wished(&mut self, app: &str, wish: Wish) {
        let Some((name, subject)) = self.subjects.get_key_value(app) else { return };
        let (name, source) = (Arc::clone(name), Arc::clone(&subject.application.source));
        match wish {
            Wish::Refresh => {
                self.source_changed(&source);
                self.stir(&name, Level::Desired, Duration::ZERO);
            }
            Wish::Sync { by, request } => {
                if let Some(subject) = self.subjects.get_mut(&name) {
                    Self::ask_of(subject, by, *request);
                    subject.errors = 0;
                }
                self.stir(&name, Level::Live, Duration::ZERO);
            }
            Wish::Rollback { by, to } => self.roll_back(&name, &by, &to),
            Wish::Resume => {
                if let Some(subject) = self.subjects.get_mut(&name) {
                    subject.hold = Some(HoldWish::Lift);
                }
                self.stir(&name, Level::Live, Duration::ZERO);
            }
            Wish::Terminate => {
                if let Some(subject) = self.subjects.get_mut(&name)
                    && let Stage::Running(running) = &mut subject.stage
                {
                    running.machine.handle(sync::Event::Terminate, self.now);
                    self.moved(&name);
                }
            }
        }
    }

    fn roll_back(&mut self, name: &Arc<str>, by: &Arc<str>, to: &RevisionId) {
        let now = self.now;
        let Some(subject) = self.subjects.get_mut(name) else { return };
        subject.hold = Some(HoldWish::Set { to: to.clone(), by: Arc::clone(by), at: now });
        Self::ask_of(subject, Arc::clone(by), crate::plan::Request::default());
        if let Stage::Running(running) = &mut subject.stage {
            running.machine.handle(sync::Event::Superseded, now);
        }
        self.stir(name, Level::Live, Duration::ZERO);
    }
}

pub(super) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Superseded => "superseded",
        Phase::Terminated => "terminated",
        Phase::Error => "error",
    }
}
