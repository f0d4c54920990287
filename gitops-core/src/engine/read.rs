//! What the source of an application names, what that says, and what is wanted of it.
//!
//! A commit is a new revision for every application of its repository. What decides is what it says: it is read first,
//! and one that says what was known before goes by the name that this has already. So nothing starts for it, nothing
//! under way gives way to it, and no rollback ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::automation::Trigger;
use crate::reconcile::{Known, Read, SyncError};
use crate::source::{Revision, RevisionId, Target};
use crate::state::DesiredState;
use crate::sync::{self, Hold, Ledger, Record};
use crate::value::Digest;

use super::share::Party;
use super::status::ConditionKind;
use super::subject::{HoldWish, Level, Stage, Subject, pause};
use super::{Engine, Flight, News, Task, WorkId};

/// What was read of what the source names.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Which revision it named.
    pub(super) revision: Revision,
    /// The name that its content goes by.
    says: Revision,
    desired: Arc<DesiredState>,
    files: Option<Digest>,
    /// What the application was like then.
    edition: u64,
}

/// What is being read.
#[derive(Clone, Debug)]
pub(super) struct Loading {
    /// What the application was like then.
    edition: u64,
    of: Of,
}

/// Whose revision it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Source,
    Rollback,
}

impl Subject {
    /// The name of what the source says now, if that was read.
    pub(super) fn says(&self) -> Option<&Revision> {
        let head = self.head.as_ref()?;
        self.read.as_ref().filter(|read| read.revision.id == head.id).map(|read| &read.says)
    }

    /// Whether a rollback holds, by what the source names now; `None` if it must be read for that.
    pub(super) fn is_held(&self) -> Option<bool> {
        let head = self.head.as_ref()?;
        let (ledger, _) = self.ledger.as_ref()?;
        match &ledger.hold {
            None => Some(false),
            Some(hold) if hold.holds(&head.id) => Some(true),
            Some(hold) => self.says().map(|says| hold.holds(&says.id)),
        }
    }

    fn hold(&self) -> Option<&Hold> {
        let is_held = self.is_held() == Some(true);
        self.ledger.as_ref().and_then(|(ledger, _)| ledger.hold.as_ref()).filter(|_| is_held)
    }

    /// The revision that is wanted: what a rollback holds, or the name of what the source says; `None` until it is known.
    pub(super) fn wanted_id(&self) -> Option<&RevisionId> {
        self.hold().map(|hold| &hold.to).or_else(|| self.says().map(|says| &says.id))
    }

    /// Returns whether what was read is what is wanted.
    pub(super) fn is_loaded(&self) -> bool {
        let wanted = self.wanted_id();
        wanted.is_some() && self.desired.as_ref().map(|(id, _)| id) == wanted && self.level < Level::Desired
    }

    /// Returns whether nothing is to be read of what the source names.
    pub(super) fn is_read(&self) -> bool {
        self.head.is_none() || self.says().is_some() || self.is_held() == Some(true)
    }

    /// The revision to show for what was compared: the newest that says it. `None` if that is the one it goes by.
    pub(super) fn shown(&self) -> Option<Revision> {
        self.says().filter(|_| self.is_held() != Some(true)).and(self.head.clone())
    }

    /// The revisions under whose name the source may say the same again: what it said before; what was rolled back; and
    /// after a restart, what the last operation was about. An earlier one does not count: to come back to what it said is
    /// news.
    fn known(&self, head: &RevisionId) -> Vec<Known> {
        let mut known = Vec::new();
        if let Some(read) = &self.read {
            // Whoever wants it read anew wants more than the same files.
            let files = read.files.filter(|_| read.edition == self.edition && self.level < Level::Desired);
            known.push(Known { revision: read.says.clone(), desired: Some(Arc::clone(&read.desired)), files });
        }
        let Some((ledger, _)) = &self.ledger else { return known };
        let skipped = ledger.hold.iter().flat_map(|hold| &hold.skipped);
        let skipped = skipped.map(|id| Revision::new(id, &Target::new(id.as_str())));
        let last = last(ledger).filter(|_| self.read.is_none()).cloned();
        for revision in skipped.chain(last) {
            if revision.id != *head && known.iter().all(|one| one.revision.id != revision.id) {
                known.push(Known { revision, desired: None, files: None });
            }
        }
        known
    }
}

/// The revision that the last operation was about.
fn last(ledger: &Ledger) -> Option<&Revision> {
    let revisions = match (&ledger.running, ledger.history.first()) {
        (Some(Record::V1(running)), _) => &running.revisions,
        (None, last) => &last?.revisions,
    };
    revisions.first().filter(|_| revisions.len() == 1)
}

impl Engine {
    /// The source of an application names a revision. What it says is read next.
    pub(super) fn headed(&mut self, name: &Arc<str>, revision: &Revision) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        if subject.head.as_ref().is_some_and(|head| head.id == revision.id) {
            return;
        }
        subject.head = Some(revision.clone());
        subject.status.head = Some(revision.clone());
        (subject.load_tries, subject.load_after) = (0, None);
        self.wake(name, Duration::ZERO);
    }

    /// Reads what is wanted of an application.
    pub(super) fn load(&mut self, name: &Arc<str>) -> Option<(Task, Flight)> {
        let subject = self.subjects.get_mut(name)?;
        if subject.level < Level::Desired
            && let Some(read) = &subject.read
            && subject.wanted_id() == Some(&read.says.id)
            && read.edition == subject.edition
        {
            // A rollback ended meanwhile.
            subject.desired = Some((read.says.id.clone(), Arc::clone(&read.desired)));
            subject.level = subject.level.max(Level::Live);
            self.declare(name);
            self.wake(name, Duration::ZERO);
            return None;
        }
        let to = subject.hold().map(|hold| Revision::new(&hold.to, &Target::new(hold.to.as_str())));
        match to {
            Some(to) => self.load_at(name, to, Of::Rollback),
            None => {
                let head = subject.head.clone()?;
                self.load_at(name, head, Of::Source)
            }
        }
    }

    /// Reads what the source names while an operation is under way: it gives way only to what is different.
    pub(super) fn read_ahead(&mut self, name: &Arc<str>) -> Option<(Task, Flight)> {
        let subject = self.subjects.get(name)?;
        if subject.ledger.is_none() || subject.is_read() {
            return None;
        }
        let head = subject.head.clone()?;
        self.load_at(name, head, Of::Source)
    }

    fn load_at(&mut self, name: &Arc<str>, revision: Revision, of: Of) -> Option<(Task, Flight)> {
        let subject = self.subjects.get(name)?;
        if subject.reading.is_some() {
            return None;
        }
        if let Some(at) = subject.load_after.filter(|at| *at > self.now) {
            self.wake_at_time(name, at);
            return None;
        }
        let application = Arc::clone(&subject.application);
        let (source, cluster) = (Arc::clone(&application.source), Arc::clone(&application.cluster));
        if !self.places.has_room(&Party::Source(Arc::clone(&source))) {
            self.places.apps.wait(name, Party::Source(source));
            return None;
        }
        let known = if of == Of::Source { subject.known(&revision.id) } else { Vec::new() };
        let loading = Loading { edition: subject.edition, of };
        let app = Box::new(application.app.clone());
        Some((Task::Load { app, source, cluster, revision, known }, Flight::Load(Arc::clone(name), loading)))
    }

    pub(super) fn loaded(
        &mut self,
        name: &Arc<str>,
        work: WorkId,
        loading: &Loading,
        result: Result<Box<Read>, SyncError>,
    ) {
        if !self.ends_reading(name, work) {
            return;
        }
        match result {
            Ok(read) => self.take_read(name, loading, *read),
            Err(error) => self.not_loaded(name, &error),
        }
        self.tried_to_read(name);
    }

    /// A driver that answers with something else than was asked for is asked again.
    pub(super) fn unloaded(&mut self, name: &Arc<str>, work: WorkId) {
        if self.ends_reading(name, work) {
            self.stir(name, Level::Live, pause(1));
        }
    }

    fn ends_reading(&mut self, name: &Arc<str>, work: WorkId) -> bool {
        let reading = self.subjects.get_mut(name).and_then(|subject| subject.reading.take_if(|id| *id == work));
        self.at_rest(name, work) || reading.is_some()
    }

    fn take_read(&mut self, name: &Arc<str>, loading: &Loading, read: Read) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        (subject.load_tries, subject.load_after) = (0, None);
        let Read { revision, says, desired, files, is_unread } = read;
        let (id, before) = (says.id.clone(), subject.read.as_ref().map(|read| &read.says.id));
        let is_news = loading.of == Of::Source && before != Some(&id);
        if loading.of == Of::Source {
            let (desired, edition) = (Arc::clone(&desired), loading.edition);
            let read = Heard { revision: revision.clone(), says, desired, files, edition };
            let before = subject.read.replace(read).map(|before| before.revision.id);
            if is_news {
                self.heard(name, revision.id, before);
            }
        }
        let Some(subject) = self.subjects.get_mut(name) else { return };
        // Not if the source names something else by now, or a rollback holds.
        let is_wanted = subject.wanted_id() == Some(&id);
        let is_new = is_wanted && (!is_unread || subject.desired.as_ref().is_none_or(|(known, _)| *known != id));
        if is_new {
            subject.desired = Some((id, desired));
        }
        // Somebody may have described it otherwise meanwhile, or asked to look again.
        match subject.edition == loading.edition {
            true if is_new => subject.level = Level::Live,
            true => {}
            false => subject.level = Level::Desired,
        }
        if let Some(shown) = subject.shown().filter(|_| is_wanted && subject.status.compared.is_some()) {
            subject.status.revisions = vec![shown];
        }
        let is_up = self.clusters.get(&subject.application.cluster).is_none_or(|cluster| cluster.tries == 0);
        self.condition(name, ConditionKind::SourceError, None);
        if is_up {
            self.condition(name, ConditionKind::ClusterError, None);
        }
        if is_new {
            self.declare(name);
        }
        self.wake(name, Duration::ZERO);
        self.give_way(name);
        if !is_new {
            // It is not judged anew: whoever waits until it is need not wait for that.
            self.stir_waiting(name);
            self.stir_awaiting(name);
        }
    }

    /// The source says something else than before.
    fn heard(&mut self, name: &Arc<str>, id: RevisionId, before: Option<RevisionId>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        subject.errors = 0;
        let is_outdated = matches!(&subject.hold, Some(HoldWish::Set { from: Some(from), .. }) if *from != id);
        if is_outdated && subject.take_rollback().is_some() {
            self.board.pin(self.now, name, News::HoldEnded { id: id.clone() });
        }
        self.board.pin(self.now, name, News::Revision { id, before });
    }

    /// An operation gives way to what is wanted, unless it is about that already. Somebody who asked for one gets it.
    fn give_way(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let Some(wanted) = subject.wanted_id().cloned() else { return };
        let syncs = subject.application.automation.sync.is_on();
        let Stage::Running(running) = &mut subject.stage else { return };
        let is_about = *running.machine.plan().revisions == [wanted];
        if !is_about && syncs && !matches!(running.trigger, Trigger::Asked { .. }) {
            running.handle(sync::Event::Superseded, self.now);
            self.moved(name);
        }
    }

    fn not_loaded(&mut self, name: &Arc<str>, error: &SyncError) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        subject.load_tries = subject.load_tries.saturating_add(1);
        // An outage is not the time it takes to look.
        subject.began = None;
        let after = pause(subject.load_tries);
        subject.load_after = Some(self.now + after);
        self.fault("load");
        let kind = match error {
            SyncError::Cluster(_) => ConditionKind::ClusterError,
            _ => ConditionKind::SourceError,
        };
        self.condition(name, kind, Some(error.to_string().into()));
        self.stir(name, Level::Live, after);
    }

    /// It was tried to read what an application declares. Once that is so of all, those that waited for it go on.
    pub(super) fn tried_to_read(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get(name) else { return };
        let Some(cluster) = self.clusters.get_mut(&subject.application.cluster) else { return };
        // Only the last one: what fails again and again must not wake the others, nor itself, each time.
        if !cluster.unread.remove(name) {
            return;
        }
        cluster.read_at = self.now;
        if cluster.unread.is_empty() {
            let apps = cluster.apps.clone();
            apps.iter().for_each(|app| self.wake(app, Duration::ZERO));
        }
    }

    /// Waits no longer for applications of which nothing is heard at all: a source, or a cluster, may never answer.
    pub(super) fn give_up_reading(&mut self) {
        let now = self.now;
        let mut apps = BTreeSet::new();
        for cluster in self.clusters.values_mut().filter(|cluster| cluster.gives_up_at().is_some_and(|at| at <= now)) {
            cluster.unread.clear();
            apps.extend(cluster.apps.iter().cloned());
        }
        apps.iter().for_each(|app| self.wake(app, Duration::ZERO));
    }
}
