//! Storing the ledger: the record that comes before every write, and what to do when it is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{ClusterError, Failure, Verb, Write, Written};
use crate::resource::Resource;
use crate::state::{Live, LiveState};
use crate::time::Timestamp;
use crate::value::Draft;

use super::ledger::MANAGER;
use super::machine::{Flight, Machine, Stage};
use super::{Effect, Ledger, Phase, Record};

impl Machine {
    pub(super) fn store(&mut self, hooks: Vec<u32>, now: Timestamp) {
        if self.stage != Stage::Ending {
            self.setup.ledger.running = Some(Record::V1(self.record.clone()));
        }
        if self.stage == Stage::Ending && self.forgets() {
            return self.forget(now);
        }
        match self.setup.ledger.write(&self.setup.ledger_key) {
            Ok(write) => {
                self.record_flying = true;
                let id = self.fly(Flight::Record(hooks, sent(&write)));
                self.effects.push_back(Effect::Record { id, write: Box::new(write) });
            }
            Err(error) => self.give_up(format!("the ledger cannot be stored: {error}"), now),
        }
    }

    /// Deletes the ledger, exactly as it was stored last.
    fn forget(&mut self, now: Timestamp) {
        match self.setup.ledger.deletion(&self.setup.ledger_key) {
            Some(write) => {
                self.record_flying = true;
                let id = self.fly(Flight::Record(Vec::new(), None));
                self.effects.push_back(Effect::Record { id, write: Box::new(write) });
            }
            None => self.record_stored(&[], now),
        }
    }

    pub(super) fn recorded(
        &mut self,
        hooks: Vec<u32>,
        sent: Option<Resource>,
        result: Result<Written, ClusterError>,
        now: Timestamp,
    ) {
        let error = match result {
            Ok(written) => {
                if let Some(object) = written.object.as_ref().filter(|_| !self.forgets()) {
                    self.setup.ledger.stored_as(object);
                }
                self.record_stored(&hooks, now);
                return;
            }
            Err(error) => error,
        };
        match &error.failure {
            // With its namespace it is gone as well.
            Failure::NamespaceMissing { .. } if self.stage == Stage::Ending && self.forgets() => {
                self.record_stored(&hooks, now);
            }
            Failure::NamespaceMissing { namespace } if self.record_tries < self.setup.policy.retries => {
                self.record_tries = self.record_tries.saturating_add(1);
                self.unrecorded.extend(hooks);
                let id = self.fly(Flight::Namespace);
                if let Ok(object) = Resource::new(namespace_object(namespace)) {
                    let write = Box::new(Write::create(&object, MANAGER));
                    self.effects.push_back(Effect::Write { id, write });
                }
            }
            Failure::InDoubt { .. } => {
                let keys = BTreeSet::from([self.setup.ledger_key.clone()]);
                let id = self.fly(Flight::Ledger(hooks, sent));
                self.effects.push_back(Effect::Observe { id, keys });
            }
            failure if failure.is_transient() => self.store_later(hooks, &error, now),
            // The answer to an earlier try was lost.
            Failure::NotFound if self.stage == Stage::Ending && self.forgets() => self.record_stored(&hooks, now),
            Failure::Stale | Failure::AlreadyExists | Failure::NotFound => {
                let message = "another program changed the ledger; only one may sync an application at a time";
                self.give_up(message.to_owned(), now);
            }
            failure => self.give_up(format!("the ledger cannot be stored: {failure}"), now),
        }
    }

    fn record_stored(&mut self, hooks: &[u32], now: Timestamp) {
        self.record_flying = false;
        self.record_tries = 0;
        for step in hooks {
            self.hook_recorded(*step);
        }
        match self.stage {
            Stage::Starting => self.stage = Stage::Running,
            Stage::Ending => self.close(now),
            _ => {}
        }
    }

    fn store_later(&mut self, hooks: Vec<u32>, error: &ClusterError, now: Timestamp) {
        if self.record_tries >= self.setup.policy.retries {
            self.give_up(format!("the ledger cannot be stored: {error}"), now);
            return;
        }
        self.record_flying = false;
        self.unrecorded.extend(hooks);
        self.record_at = Some(now + backoff(self.record_tries));
        self.record_tries = self.record_tries.saturating_add(1);
    }

    pub(super) fn namespace_made(&mut self, result: Result<Written, ClusterError>, now: Timestamp) {
        if let Ok(Written { object: Some(made), .. }) = &result {
            self.home = made.uid().map(Arc::from);
        }
        match result.map_err(|error| error.failure) {
            Ok(_) | Err(Failure::AlreadyExists) => {
                let hooks = std::mem::take(&mut self.unrecorded);
                self.store(hooks, now);
            }
            // In doubt as well: the next try to store finds out.
            Err(failure) if failure.is_transient() => self.store_later(Vec::new(), &failure.into(), now),
            Err(failure) => self.give_up(format!("the namespace of the ledger cannot be created: {failure}"), now),
        }
    }

    /// The answer to a record was lost; the stored ledger says whether it took effect. It is compared with what was
    /// sent: the inventory may have moved on since.
    pub(super) fn ledger_seen(
        &mut self,
        hooks: Vec<u32>,
        sent: Option<&Resource>,
        result: Result<LiveState, ClusterError>,
        now: Timestamp,
    ) {
        let live = match &result {
            Ok(live) => live.get(&self.setup.ledger_key),
            Err(error) => return self.store_later(hooks, error, now),
        };
        match live {
            Live::Absent if self.stage == Stage::Ending && self.forgets() => self.record_stored(&hooks, now),
            Live::Present(object) if sent.is_some_and(|sent| holds_same(sent, object)) => {
                let object = object.clone();
                self.setup.ledger.stored_as(&object);
                self.record_stored(&hooks, now);
            }
            // It did not, or somebody else wrote: the guard of the next try tells.
            _ => self.store_later(hooks, &Failure::Stale.into(), now),
        }
    }

    /// The ledger is lost to us: what is written stays, and the next run begins with what it finds.
    pub(super) fn give_up(&mut self, message: String, now: Timestamp) {
        self.flying.clear();
        self.end = Some((Phase::Error, message));
        self.close(now);
    }
}

/// Whether two stored ledgers say the same.
fn holds_same(one: &Resource, other: &Resource) -> bool {
    Ledger::stored_text(one).is_ok_and(|text| Ledger::stored_text(other) == Ok(text))
}

/// The ledger that a write stores.
fn sent(write: &Write) -> Option<Resource> {
    match &write.verb {
        Verb::Create { object, .. } | Verb::Replace { object, .. } => Some(object.clone()),
        _ => None,
    }
}

/// 1 s doubling to 30 s.
pub(super) fn backoff(tries: u32) -> Duration {
    Duration::from_secs(1u64.checked_shl(tries).unwrap_or(30).min(30))
}

fn namespace_object(name: &str) -> crate::value::Value {
    let mut object = Draft::map();
    object.set("apiVersion", "v1");
    object.set("kind", "Namespace");
    object.entry("metadata").set("name", name);
    object.freeze()
}
