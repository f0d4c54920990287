//! Which applications there are, and what they follow.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::source::{Revision, Target};
use crate::time::Timestamp;

use super::subject::{Level, Stage, Subject};
use super::{Application, Engine, News, WorkId, shared};

/// A target that applications follow.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub(super) head: Option<Revision>,
    pub(super) apps: BTreeSet<Arc<str>>,
    pub(super) due: Option<Timestamp>,
    /// Which work asks for it.
    pub(super) flying: Option<WorkId>,
    /// Whether it may have changed since it was asked.
    pub(super) is_stale: bool,
    /// Whether another target of its repositories named something new since it was asked.
    pub(super) is_outdated: bool,
    /// The repositories that its source is made of.
    pub(super) repositories: BTreeSet<Arc<str>>,
    pub(super) tries: u32,
}

impl Engine {
    /// Looks after an application from now on, or after one of its name otherwise than before. An operation under way
    /// goes on as it was begun, unless the application is suspended now, or its windows say no.
    pub fn put(&mut self, application: Application, now: Timestamp) {
        self.tell(now);
        let name = Arc::clone(application.name());
        self.forget_unknown(&name);
        let follows = application.follows();
        if let Some(known) = self.subjects.get(&name) {
            let before = Arc::clone(&known.application);
            if before.cluster != application.cluster {
                // Another place is another application; an operation under way is left as recorded.
                self.forget(&name);
            } else {
                self.leave_ranks(&name);
                if before.follows() != follows {
                    self.unfollow(&name, &before.follows());
                }
            }
        }
        match self.subjects.get_mut(&name) {
            Some(known) => {
                if known.application.follows() != follows {
                    known.head = None;
                }
                if known.application.source != application.source {
                    // Names of another source are no names here.
                    known.read = None;
                }
                if known.application.app.ledger_key() != application.app.ledger_key()
                    && !matches!(known.stage, Stage::Running(_))
                {
                    known.ledger = None;
                }
                known.status.info = Arc::clone(&application.app.info);
                known.application = Arc::new(application);
                (known.level, known.load_after) = (Level::Desired, None);
                known.edition = known.edition.saturating_add(1);
            }
            None => drop(self.subjects.insert(Arc::clone(&name), Subject::new(application))),
        }
        self.follow(&name, follows);
        if let Some(subject) = self.subjects.get(&name) {
            for other in &subject.application.depends_on {
                self.dependents.entry(Arc::clone(other)).or_default().insert(Arc::clone(&name));
            }
            let cluster = self.clusters.entry(Arc::clone(&subject.application.cluster)).or_default();
            if cluster.apps.insert(Arc::clone(&name)) {
                cluster.unread.insert(Arc::clone(&name));
                cluster.read_at = self.now;
            }
        }
        self.restrain(&name);
        self.wake(&name, Duration::ZERO);
        self.stir_dependents(&name);
    }

    /// No longer looks after an application. Nothing of it is deleted; an operation under way is left as recorded.
    pub fn remove(&mut self, name: &str, now: Timestamp) {
        self.tell(now);
        self.forget_unknown(name);
        if let Some(name) = self.forget(name) {
            self.board.pin(self.now, &name, News::Gone);
            self.stir_dependents(&name);
            self.next_turn();
        }
    }

    pub(super) fn forget(&mut self, name: &str) -> Option<Arc<str>> {
        self.leave_ranks(name);
        let (name, subject) = self.subjects.remove_entry(name)?;
        self.unfollow(&name, &subject.application.follows());
        self.running.remove(&name);
        if let Stage::Running(running) = &subject.stage {
            self.span_ended(running.turn, false);
        }
        self.forget_awaiting(&name);
        self.places.apps.leave(&name);
        self.called.remove(&name);
        if let Some(due) = subject.due {
            self.ready.remove(&(due, Arc::clone(&name)));
        }
        self.forget_cluster(&name, &subject);
        Some(name)
    }

    /// Takes an application out of the indexes that follow from how it is described.
    fn leave_ranks(&mut self, name: &str) {
        let Some(subject) = self.subjects.get(name) else { return };
        for other in &subject.application.depends_on {
            if let Some(dependents) = self.dependents.get_mut(other) {
                dependents.remove(name);
                if dependents.is_empty() {
                    self.dependents.remove(other);
                }
            }
        }
        let Some(cluster) = self.clusters.get_mut(&subject.application.cluster) else { return };
        cluster.leave(&subject.application.repositories, name);
    }

    pub(super) fn follow(&mut self, name: &Arc<str>, follows: (Arc<str>, Target)) {
        let followed = self.followed.entry(follows.clone()).or_default();
        followed.apps.insert(Arc::clone(name));
        if let Some(subject) = self.subjects.get_mut(name) {
            for repository in &subject.application.repositories {
                if followed.repositories.insert(Arc::clone(repository)) {
                    self.shelves.entry(Arc::clone(repository)).or_default().insert(follows.clone());
                }
            }
            subject.is_outdated = followed.is_outdated;
            subject.head.clone_from(&followed.head);
            subject.status.head.clone_from(&followed.head);
        }
        if followed.due.is_none() && followed.flying.is_none() {
            followed.due = Some(self.now);
            self.resolves.insert((self.now, follows));
        }
    }

    fn unfollow(&mut self, name: &Arc<str>, follows: &(Arc<str>, Target)) {
        let Some(followed) = self.followed.get_mut(follows) else { return };
        followed.apps.remove(name);
        if followed.apps.is_empty() {
            if let Some(due) = followed.due {
                self.resolves.remove(&(due, follows.clone()));
            }
            self.places.targets.leave(follows);
            for repository in std::mem::take(&mut followed.repositories) {
                if let Some(shelf) = self.shelves.get_mut(&repository) {
                    shelf.remove(follows);
                    if shelf.is_empty() {
                        self.shelves.remove(&repository);
                    }
                }
            }
            self.followed.remove(follows);
        }
    }

    /// Takes an application out of its cluster; those look again that had to do with it.
    fn forget_cluster(&mut self, name: &Arc<str>, left: &Subject) {
        let cluster = &left.application.cluster;
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        state.apps.remove(name);
        let was_last = state.unread.remove(name) && state.unread.is_empty();
        shared::reindex(&mut state.concerned, name, &left.concerns, &BTreeSet::new(), |_| {});
        shared::reindex(&mut state.places, name, &left.places, &BTreeSet::new(), |_| {});
        let mut others = BTreeSet::new();
        shared::reindex(&mut state.declared, name, &left.declares, &BTreeSet::new(), |apps| {
            others.extend(apps.iter().cloned());
        });
        others.extend(std::mem::take(&mut state.held));
        if was_last {
            others.extend(state.apps.iter().cloned());
        }
        if state.apps.is_empty() {
            self.clusters.remove(cluster);
        }
        for other in others {
            self.stir(&other, Level::Anew, Duration::ZERO);
        }
    }

    /// Lets the next application begin that waits for its turn.
    pub(super) fn next_turn(&mut self) {
        while let Some(name) = self.queue.pop_front() {
            self.queued.remove(&name);
            let Some(subject) = self.subjects.get(&name) else { continue };
            let is_idle = matches!(subject.stage, Stage::Idle) && subject.is_loaded() && subject.ledger.is_some();
            self.stir(&name, Level::Live, Duration::ZERO);
            // One that waits for an answer anyway comes by itself, and must not keep the others waiting.
            if is_idle {
                self.called.insert(name);
                return;
            }
        }
    }

    /// Whether another one must have its turn first.
    pub(super) fn is_busy(&self, is_called: bool) -> bool {
        let others_wait = !is_called && !self.queue.is_empty();
        self.running.len() >= self.settings.operations || others_wait
    }

    /// Has an application wait for its turn.
    pub(super) fn queue_up(&mut self, name: &Arc<str>, is_called: bool) {
        match self.queued.insert(Arc::clone(name)) {
            // Somebody was faster: it keeps its place.
            true if is_called => self.queue.push_front(Arc::clone(name)),
            true => self.queue.push_back(Arc::clone(name)),
            false => {}
        }
    }
}
