//! What of an application is to be stored: a rollback, that it is over, and what was given away.

use std::sync::Arc;

use crate::sync::Hold;

use super::flight::Stored;
use super::subject::HoldWish;
use super::{Engine, Flight, Task};

/// What of an application is to be stored.
pub(super) enum ToStore {
    Now(Box<(Task, Flight)>),
    /// Something, before anything else is done; it could not be stored a moment ago.
    First,
    /// Something that holds up nothing; it could not be stored a moment ago.
    Later,
    Nothing,
}

impl Engine {
    /// What must be stored before anything else. What cannot be stored at the moment keeps nobody from reading what the
    /// application declares: others wait for that.
    pub(super) fn store(&mut self, name: &Arc<str>) -> ToStore {
        self.refuse_rollback(name);
        let hold = self.store_hold(name);
        let later = hold.as_ref().is_some_and(Option::is_none);
        let store = if later { hold } else { hold.or_else(|| self.store_given(name)) };
        if store.is_none()
            && let Some(requested) = self.store_requested(name)
        {
            return requested;
        }
        let Some(subject) = self.subjects.get_mut(name) else { return ToStore::Nothing };
        match store {
            Some(Some(store)) => ToStore::Now(Box::new(store)),
            Some(None) => {
                // That a rollback is over holds up nothing else.
                let first = subject.hold.is_some() || !later;
                let at = subject.store_at;
                self.wake_at_time(name, at);
                if first { ToStore::First } else { ToStore::Later }
            }
            None => {
                subject.store_tries = 0;
                // What does not hold need not be lifted, now or ever.
                let holds = subject.ledger.as_ref().is_some_and(|(ledger, _)| ledger.hold.is_some());
                subject.hold.take_if(|wish| matches!(wish, HoldWish::Lift) && !holds);
                ToStore::Nothing
            }
        }
    }

    /// Stores a rollback, or that it holds no longer: somebody says so, or the source names something else by now.
    /// `Some(None)` if that could not be done a moment ago, and is tried again later.
    fn store_hold(&self, name: &Arc<str>) -> Option<Option<(Task, Flight)>> {
        let subject = self.subjects.get(name)?;
        let head = &subject.head.as_ref()?.id;
        // One that is damaged is rebuilt by a sync; to store it now would be to lose what it still says.
        let (stored, _) = subject.ledger.as_ref().filter(|(_, damage)| damage.is_none())?;
        let is_over = stored.hold.is_some() && subject.is_held() == Some(false);
        let hold = match (&subject.hold, &stored.hold) {
            (Some(HoldWish::Set { to, from, by, at }), hold) => {
                let from = from.as_ref().unwrap_or(head);
                let hold = match hold.as_ref().filter(|_| !is_over) {
                    Some(hold) => hold.clone().again(to, from, by, *at),
                    None => Hold::new(to, from, by, *at),
                };
                // Had the source something new to say meanwhile, this would not be wanted any more.
                let names = subject.says().into_iter().flat_map(|says| [head, &says.id]);
                Some(names.fold(hold, Hold::skipping))
            }
            (Some(HoldWish::Lift), Some(_)) => None,
            (None, Some(_)) if is_over => None,
            (Some(HoldWish::Lift) | None, _) => return None,
        };
        if subject.store_at > self.now {
            return Some(None);
        }
        let ended = (is_over && hold.is_none()).then(|| head.clone());
        let mut ledger = stored.clone();
        ledger.hold = hold;
        let write = ledger.write(&subject.application.app.ledger_key()).ok()?;
        let task = Task::Store { cluster: Arc::clone(&subject.application.cluster), write: Box::new(write) };
        Some(Some((task, Flight::Store(Arc::clone(name), Stored { hold: subject.hold.clone(), ended }))))
    }
}
