//! A clock that may be set, forwards and backwards.

use std::time::Duration;

use crate::time::Timestamp;

use super::Engine;
use super::subject::{Running, Stage};

/// A clock that runs back by less than this stands still for the engine.
const SLACK: Duration = Duration::from_secs(5);

impl Engine {
    /// Takes the time. A clock that was set back takes everything that is due with it, so that nothing waits for the old
    /// time to come again.
    pub(super) fn tell(&mut self, now: Timestamp) {
        let back = self.now.since(now);
        if back > SLACK {
            self.set_back(back);
            self.now = now;
        } else {
            self.now = self.now.max(now);
        }
    }

    fn set_back(&mut self, by: Duration) {
        self.resolves = std::mem::take(&mut self.resolves).into_iter().map(|(due, of)| (before(due, by), of)).collect();
        self.ready = std::mem::take(&mut self.ready).into_iter().map(|(due, of)| (before(due, by), of)).collect();
        for followed in self.followed.values_mut() {
            followed.due = followed.due.map(|due| before(due, by));
        }
        self.stops_at = self.stops_at.map(|at| before(at, by));
        for cluster in self.clusters.values_mut() {
            cluster.read_at = before(cluster.read_at, by);
            cluster.retry_at = cluster.retry_at.map(|at| before(at, by));
            cluster.calm_until = cluster.calm_until.map(|at| before(at, by));
            cluster.kinds_after = cluster.kinds_after.map(|at| before(at, by));
            cluster.relist_at = cluster.relist_at.map(|at| before(at, by));
        }
        for subject in self.subjects.values_mut() {
            subject.due = subject.due.map(|due| before(due, by));
            subject.load_after = subject.load_after.map(|at| before(at, by));
            subject.looked_at = before(subject.looked_at, by);
            subject.eased_at = subject.eased_at.map(|at| before(at, by));
            subject.error_at = before(subject.error_at, by);
            subject.store_at = before(subject.store_at, by);
            subject.fights.set_back(by);
            if let Stage::Running(running) = &mut subject.stage {
                running.set_back(by);
            }
        }
    }
}

impl Running {
    /// The machine goes on in its own time, which never runs back.
    fn set_back(&mut self, by: Duration) {
        self.ahead = self.ahead.saturating_add(by);
        self.started = before(self.started, by);
        self.window_at = self.window_at.map(|at| before(at, by));
    }

    pub(super) fn handle(&mut self, event: crate::sync::Event, now: Timestamp) {
        self.machine.handle(event, now + self.ahead);
    }

    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.machine.wake_at().map(|at| before(at, self.ahead))
    }
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.millis().saturating_sub(by))
}
