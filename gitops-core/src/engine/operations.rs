//! Operations under way: whose turn it is, when time has passed, and what none of them may do by now.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::automation::Why;
use crate::cluster::{Failure, Guard, Mode, Verb};
use crate::resource::ResourceKey;
use crate::sync::{self, Effect};

use super::share::Party;
use super::subject::{Running, Stage};
use super::{Engine, Flight, News, Task, UnderWay, Work, WorkId};

impl Engine {
    pub(super) fn last_effects(&mut self) -> Option<Work> {
        if self.stops_at.is_none_or(|at| at <= self.now) {
            return None;
        }
        let due = |running: &&Running| running.wake_at().is_some_and(|at| at <= self.now);
        let turns: BTreeSet<WorkId> = self.recreating().filter(due).map(|running| running.turn).collect();
        for name in self.running.iter().cloned().collect::<Vec<_>>() {
            let Some(subject) = self.subjects.get_mut(&name) else { continue };
            let Stage::Running(running) = &mut subject.stage else { continue };
            if turns.contains(&running.turn) {
                running.handle(sync::Event::Tick, self.now);
                self.moved(&name);
            }
        }
        self.effect()
    }

    /// Operations that deleted an object which they have not created again yet.
    pub(super) fn recreating(&self) -> impl Iterator<Item = &Running> {
        let running = self.running.iter().filter_map(|name| match &self.subjects.get(name)?.stage {
            Stage::Running(running) => Some(&**running),
            Stage::Idle | Stage::Away(_) => None,
        });
        running.filter(|running| running.machine.is_recreating())
    }

    /// Tells machines that time has passed.
    pub(super) fn tick(&mut self) {
        let names: Vec<Arc<str>> = self.running.iter().cloned().collect();
        for name in names {
            let Some(subject) = self.subjects.get_mut(&name) else { continue };
            let Stage::Running(running) = &mut subject.stage else { continue };
            if running.window_at.is_some_and(|at| at <= self.now) {
                let permit = subject.application.windows.decide(running.by, self.now, Some(running.started));
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

    /// An application was described anew: one that is suspended is written no longer, and the windows may be others.
    pub(super) fn restrain(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let is_suspended = subject.application.automation.suspend.is_on();
        let Stage::Running(running) = &mut subject.stage else { return };
        running.window_at = Some(self.now);
        if is_suspended {
            running.handle(sync::Event::Superseded, self.now);
            self.moved(name);
        }
    }

    /// Serves the operations under way one after the other.
    pub(super) fn effect(&mut self) -> Option<Work> {
        let after = match &self.served {
            Some(served) => Bound::Excluded(Arc::clone(served)),
            None => Bound::Unbounded,
        };
        let later = self.running.range((after, Bound::Unbounded));
        let names: Vec<Arc<str>> = later.chain(self.running.iter()).take(self.running.len()).cloned().collect();
        for name in names {
            let Some(subject) = self.subjects.get_mut(&name) else { continue };
            let Stage::Running(running) = &mut subject.stage else { continue };
            let cluster = Arc::clone(&subject.application.cluster);
            let parties = [Party::Operation(Arc::clone(&name)), Party::Cluster(Arc::clone(&cluster))];
            if !parties.iter().all(|party| self.places.has_room(party)) {
                continue;
            }
            let effect = if self.is_stopping {
                running.machine.next_effect_of_recreates()
            } else {
                running.machine.next_effect()
            };
            let Some(effect) = effect else { continue };
            let turn = running.turn;
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
}

/// The object that a write deletes for good, as far as it is known before.
fn deleted(effect: &Effect) -> Option<(ResourceKey, Arc<str>)> {
    let Effect::Write { write, .. } = effect else { return None };
    match (&write.verb, &write.guard) {
        (Verb::Delete { .. }, Guard::Present { uid, .. }) => Some((write.key.clone(), Arc::clone(uid))),
        _ => None,
    }
}
