//! What happened, and what follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{ClusterError, WriteOutcome, Written};
use crate::reconcile::Looked;
use crate::source::{Revision, SourceError, Target};
use crate::state::LiveState;
use crate::sync::{self, Ledger, Phase};
use crate::value::{Hasher, Purpose};

use super::flight::Stored;
use super::status::{ConditionKind, OperationState};
use super::subject::{Level, Stage, pause};
use super::{Counters, Done, Engine, Event, Flight, News, UnderWay, WorkId};

/// How long what is half done may take to be done, once the engine shall stop.
const LAST: Duration = Duration::from_secs(60);

impl Engine {
    /// Takes an event. Answers to unknown work are ignored. A clock may be set back: what is due comes that
    /// much earlier then.
    pub fn handle(&mut self, event: Event, now: crate::time::Timestamp) {
        self.tell(now);
        match event {
            Event::Done { id, done } => {
                let Some(flight) = self.flying.remove(&id) else { return };
                self.places.release(id);
                if !matches!(flight, Flight::Watch(..)) {
                    self.span_ended(id, done.has_failed());
                }
                self.done(id, flight, done);
            }
            Event::Wish { app, wish } => self.wished(&app, wish),
            Event::SourceChanged { source } => self.source_changed(&source),
            Event::Stop => {
                self.is_stopping = true;
                self.stops_at.get_or_insert(self.now + LAST);
            }
        }
    }

    fn done(&mut self, id: WorkId, flight: Flight, done: Done) {
        match (flight, done) {
            (Flight::Resolve(source, target), Done::Resolved(result)) => self.resolved(id, (source, target), result),
            (Flight::Load(name, loading), Done::Loaded(result)) => self.loaded(&name, id, &loading, result),
            (Flight::List(cluster), Done::Listed(result)) => self.listed(&cluster, id, result),
            (Flight::Watch(cluster, epoch), Done::Changed(result)) => self.changed(&cluster, epoch, result),
            (Flight::Ledgers(names), Done::Seen(result)) => self.saw_ledgers(id, &names, &result),
            (Flight::Ask(name), Done::Asked(looked)) => self.answered(&name, id, *looked),
            (Flight::Effect(under_way), Done::Performed(event)) => self.performed(&under_way, event),
            (Flight::Store(name, stored), Done::Stored(result)) => self.stored(&name, id, stored, &result),
            // A driver that answers with something else than was asked for is not believed.
            (Flight::Ledgers(names), _) => names.iter().for_each(|name| self.unanswered(name, id)),
            (Flight::Load(name, _), _) => self.unloaded(&name, id),
            (Flight::Ask(name) | Flight::Store(name, _), _) => self.unanswered(&name, id),
            _ => {}
        }
    }

    fn answered(&mut self, name: &Arc<str>, id: WorkId, looked: Looked) {
        if !self.at_rest(name, id) {
            return;
        }
        let Some(subject) = self.subjects.get_mut(name) else { return };
        if subject.level > Level::Live || subject.ledger.is_none() || !subject.is_loaded() {
            // It is about something else by now: what was learned is kept, and compared with what is there now.
            subject.comparison = looked.comparison;
            return self.wake(name, Duration::ZERO);
        }
        // What changed on the cluster meanwhile comes next. To wait until nothing changes would be to wait for ever where
        // something always does; each write carries what was read.
        self.judged(name, looked);
        if self.subjects.get(name).is_some_and(|subject| subject.level > Level::None && subject.due.is_none()) {
            self.wake(name, Duration::ZERO);
        }
    }

    fn stored(&mut self, name: &Arc<str>, id: WorkId, stored: Stored, result: &Result<Written, ClusterError>) {
        if !self.at_rest(name, id) {
            return;
        }
        let Some(subject) = self.subjects.get_mut(name) else { return };
        if stored.ended.is_some() && result.is_ok() {
            subject.withdraw_rollback();
        }
        subject.ledger = None;
        match result {
            Ok(_) => {
                subject.store_tries = 0;
                subject.hold.take_if(|hold| Some(&*hold) == stored.hold.as_ref());
                if let Some(id) = stored.ended {
                    self.board.pin(self.now, name, News::HoldEnded { id });
                }
                self.stir(name, Level::Live, Duration::ZERO);
            }
            Err(error) => {
                subject.store_tries = subject.store_tries.saturating_add(1);
                let after = pause(subject.store_tries);
                subject.store_at = self.now + after;
                self.fault("store");
                self.condition(name, ConditionKind::LedgerError, Some(error.to_string().into()));
                self.stir(name, Level::Live, after);
                // The others need not wait for it.
                self.tried_to_read(name);
            }
        }
    }

    pub(super) fn fault(&mut self, what: &'static str) {
        Counters::count(&mut self.counters.failed, what);
    }

    /// The answer to this work came; returns whether the application still waits for it.
    pub(super) fn at_rest(&mut self, name: &Arc<str>, id: WorkId) -> bool {
        let Some(subject) = self.subjects.get_mut(name) else { return false };
        let waited = matches!(subject.stage, Stage::Away(awaited) if awaited == id);
        if waited {
            subject.stage = Stage::Idle;
        }
        waited
    }

    pub(super) fn unanswered(&mut self, name: &Arc<str>, id: WorkId) {
        if self.at_rest(name, id) {
            self.stir(name, Level::Live, pause(1));
        }
    }

    /// The time until a target is resolved again: the interval, and up to a tenth of it, by its name, so that not all
    /// are due at once.
    fn interval(&self, (source, target): &(Arc<str>, Target)) -> Duration {
        let digest = Hasher::new(Purpose::Identity).text(&**source).text(target.as_str()).finish().short();
        let share = u32::from_str_radix(digest.get(..4).unwrap_or("0"), 16).unwrap_or_default();
        self.settings.interval.saturating_add(self.settings.interval.saturating_mul(share) / 655_360)
    }

    fn resolved(&mut self, id: WorkId, follows: (Arc<str>, Target), result: Result<Revision, SourceError>) {
        let interval = self.interval(&follows);
        let Some(followed) = self.followed.get_mut(&follows) else { return };
        // Nobody followed it any longer meanwhile, and then somebody did again: another answer is under way.
        if followed.flying.take_if(|flying| *flying == id).is_none() {
            return;
        }
        let had_failed = followed.tries > 0;
        followed.tries = if result.is_ok() { 0 } else { followed.tries.saturating_add(1) };
        let is_stale = std::mem::take(&mut followed.is_stale);
        let after = match &result {
            _ if is_stale => Duration::ZERO,
            Ok(_) => interval,
            Err(_) => pause(followed.tries),
        };
        let due = self.now + after;
        followed.due = Some(due);
        // What it named before, and gave, concerns nobody, however many follow it.
        let is_known = !had_failed && result.as_ref().is_ok_and(|revision| followed.head.as_ref() == Some(revision));
        let apps = if is_known { BTreeSet::new() } else { followed.apps.clone() };
        let mut is_news = false;
        if let Ok(revision) = &result {
            is_news = followed.head.as_ref().is_none_or(|head| head.id != revision.id);
            followed.head = Some(revision.clone());
        }
        self.resolves.insert((due, follows.clone()));
        if is_news {
            self.outdate_others(&follows);
        }
        if result.is_ok() && !is_stale {
            self.set_outdated(&follows, false);
        }
        match result {
            Ok(revision) => {
                for name in apps {
                    // A source that names a revision and does not give it is as broken as before.
                    if self.subjects.get(&name).is_some_and(|subject| subject.load_tries == 0) {
                        self.condition(&name, ConditionKind::SourceError, None);
                    }
                    self.headed(&name, &revision);
                }
            }
            Err(error) => {
                self.fault("resolve");
                let text: Arc<str> = error.to_string().into();
                for name in apps {
                    self.condition(&name, ConditionKind::SourceError, Some(Arc::clone(&text)));
                    self.tried_to_read(&name);
                }
            }
        }
    }

    fn saw_ledgers(&mut self, id: WorkId, names: &BTreeSet<Arc<str>>, result: &Result<LiveState, ClusterError>) {
        for name in names {
            if !self.at_rest(name, id) {
                continue;
            }
            let Some(subject) = self.subjects.get_mut(name) else { continue };
            let key = subject.application.app.ledger_key();
            let cache = self.clusters.get(&subject.application.cluster).and_then(|cluster| cluster.cache.as_ref());
            if cache.zip(result.as_ref().ok()).is_some_and(|(cache, live)| cache.knows_newer(&key, live.get(&key))) {
                // It was written since it was read.
                self.wake(name, self.settings.gather);
                continue;
            }
            let read = match result {
                Ok(live) => Ledger::read(&key, live.get(&key)).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok((ledger, damage)) => {
                    subject.ledger_tries = 0;
                    subject.status.hold.clone_from(&ledger.hold);
                    if subject.fights.is_empty() {
                        // Another program, or this one before it was started again, had them.
                        subject.fights = ledger.fights.clone().recalled(self.now);
                    }
                    subject.status.history.clone_from(&ledger.history);
                    subject.ledger = Some((ledger, damage));
                    self.concern(name);
                    self.wake(name, Duration::ZERO);
                    self.stir_sharing(name);
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

    fn performed(&mut self, under_way: &UnderWay, event: sync::Event) {
        let UnderWay { app: name, cluster, turn, deletes, writes } = under_way;
        let mut seen = None;
        let mut is_gone = false;
        match &event {
            sync::Event::Wrote { result: Ok(written), .. } | sync::Event::Recorded { result: Ok(written), .. } => {
                is_gone = written.outcome == WriteOutcome::Gone;
                seen = written.object.clone();
            }
            sync::Event::Wrote { result: Err(_), .. } | sync::Event::Recorded { result: Err(_), .. } => {
                Counters::count(&mut self.counters.failed, "effect");
            }
            _ => {}
        }
        // An answer to an operation that is over says what is there, and nothing else.
        if let Some(subject) = self.subjects.get_mut(name)
            && let Stage::Running(running) = &mut subject.stage
            && running.turn == *turn
        {
            let healed = writes.as_ref().filter(|_| matches!(&event, sync::Event::Wrote { result: Ok(_), .. }));
            let healed = healed.and_then(|key| running.heals.remove_entry(key));
            running.handle(event, self.now);
            if let Some((key, changes)) = healed {
                self.healed(name, &key, &changes);
            }
        }
        if let Some(object) = seen {
            self.wrote(cluster, object);
        }
        if let Some((key, uid)) = deletes.as_ref().filter(|_| is_gone) {
            self.deleted(cluster, key, uid);
        }
        self.moved(name);
    }

    /// Something moved in an operation: tells of it, and ends it when it is over.
    pub(super) fn moved(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let Stage::Running(running) = &mut subject.stage else { return };
        let operation = running.machine.operation().clone();
        while let Some(progress) = running.machine.next_progress() {
            let (operation, at) = (operation.clone(), progress.at.min(self.now));
            self.board.pin(at, name, News::Progress { operation, progress });
        }
        let Some(receipt) = running.machine.outcome() else {
            let (trigger, waits) = (running.trigger.to_string().into(), running.machine.waits());
            let intent = running.machine.plan().scope.intent;
            let state = OperationState::new(&operation, trigger, running.started, intent, running.steps, waits);
            subject.status.operation = Some(state);
            return;
        };
        let (phase, message, turn) = (receipt.phase, Arc::clone(&receipt.message), running.turn);
        let millis = u64::try_from(self.now.since(running.started).as_millis()).unwrap_or(u64::MAX);
        subject.stage = Stage::Idle;
        subject.status.operation = None;
        (subject.errors, subject.error_at) = match phase {
            Phase::Error => (subject.errors.saturating_add(1), self.now),
            _ => (0, self.now),
        };
        subject.tally.ended(phase, millis);
        self.running.remove(name);
        Counters::count(&mut self.counters.operations, phase_name(phase));
        self.board.pin(self.now, name, News::Ended { operation, phase, message, millis });
        subject.ledger = None;
        self.span_ended(turn, matches!(phase, Phase::Failed | Phase::Error));
        self.stir(name, Level::Live, Duration::ZERO);
        self.stir_dependents(name);
        self.next_turn();
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
