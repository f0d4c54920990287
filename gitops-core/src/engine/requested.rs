//! What somebody asked for: until it begins, and over restarts.

use std::sync::Arc;
use std::time::Duration;

use crate::automation::Why;
use crate::plan::{Intent, Request};
use crate::sync::Requested;
use crate::time::Timestamp;

use super::flight::Stored;
use super::store::ToStore;
use super::subject::{Asked, Level, ROLLBACK, Subject};
use super::{Engine, Flight, Task};

impl Asked {
    pub(super) fn requested(&self) -> Requested {
        Requested::new(&self.by, self.at, &self.request)
    }
}

impl Subject {
    pub(super) fn ask(&mut self, by: Arc<str>, request: Request, now: Timestamp) {
        self.asked = Some(Asked { by, at: now, request, waits: false, completes: false });
        self.withdrawn = false;
        self.level = self.level.max(Level::Anew);
    }

    /// What somebody asked for is not wanted any more.
    pub(super) fn withdraw(&mut self) {
        self.asked = None;
        self.withdrawn = true;
    }

    /// The operation that was asked for with a rollback is not wanted any more: what it held is not held.
    pub(super) fn withdraw_rollback(&mut self) {
        let by = self.asked.as_ref().map(|asked| &asked.by).or(self.kept().map(|kept| &kept.by));
        if by.is_some_and(|by| by.ends_with(ROLLBACK)) {
            self.withdraw();
        }
    }

    /// What the ledger keeps of what somebody asked for.
    pub(super) fn kept(&self) -> Option<&Requested> {
        self.ledger.as_ref().and_then(|(ledger, _)| ledger.requested.as_ref())
    }

    /// Whether nothing is asked for that the ledger does not keep.
    pub(super) fn asks_only_what_is_kept(&self) -> bool {
        self.asked.as_ref().is_none_or(|asked| !asked.completes && self.kept() == Some(&asked.requested()))
    }

    /// Whether it wants none of its objects any more, as far as it is asked itself.
    pub(super) fn wants_nothing(&self) -> bool {
        let asked = self.asked.as_ref().is_some_and(|asked| asked.request.scope.intent == Intent::Delete);
        asked || self.leaves()
    }
}

impl Engine {
    /// Goes on with what was asked for before a restart, or before something else had to be done first.
    pub(super) fn recall(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        if subject.asked.is_some() || subject.withdrawn {
            return;
        }
        let Some(Requested { by, at, .. }) = subject.kept().cloned() else { return };
        let Some(request) = subject.kept().map(Requested::request) else { return };
        subject.asked = Some(Asked { by, at, request, waits: true, completes: false });
        subject.level = subject.level.max(Level::Anew);
    }

    /// Nothing starts. What somebody asked for waits, and is kept meanwhile; what there is no more to do for, or is asked
    /// of an application that is suspended, is not done. Only to be deleted, and what was kept before, waits also for the
    /// end of that.
    pub(super) fn put_off(&mut self, name: &Arc<str>, why: &Why, passes: bool) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let is_kept = subject.asks_only_what_is_kept();
        let Some(asked) = &mut subject.asked else { return };
        let outlasts = is_kept || asked.request.scope.intent.ends_app();
        if !(passes || matches!(why, Why::Suspended) && outlasts) {
            let completes = asked.completes;
            subject.asked = None;
            subject.withdrawn |= !completes;
            if subject.kept().is_some() {
                self.wake(name, Duration::ZERO);
            }
        } else if !std::mem::replace(&mut asked.waits, true) && !is_kept {
            self.wake(name, Duration::ZERO);
        }
    }

    /// Stores what somebody asked for and has to wait, or that it is not wanted any more. `None` if nothing is to be
    /// stored. That holds up nothing: whatever begins stores the same.
    pub(super) fn store_requested(&mut self, name: &Arc<str>) -> Option<ToStore> {
        let subject = self.subjects.get_mut(name)?;
        // Where there is no ledger yet there is nothing that others could hold or take.
        let (stored, _) = subject.ledger.as_ref().filter(|(ledger, damage)| ledger.is_stored() && damage.is_none())?;
        let requested = match &subject.asked {
            Some(asked) if asked.waits && !asked.completes => Some(asked.requested()),
            None if subject.withdrawn => None,
            _ => return None,
        };
        if requested == stored.requested {
            subject.withdrawn = false;
            return None;
        }
        if subject.store_at > self.now {
            let at = subject.store_at;
            self.wake_at_time(name, at);
            return Some(ToStore::Later);
        }
        let mut ledger = stored.clone();
        ledger.requested = requested;
        let write = ledger.write(&subject.application.app.ledger_key()).ok()?;
        let task = Task::Store { cluster: Arc::clone(&subject.application.cluster), write: Box::new(write) };
        Some(ToStore::Now(Box::new((task, Flight::Store(Arc::clone(name), Stored::default())))))
    }
}
