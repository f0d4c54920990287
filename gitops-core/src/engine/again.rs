//! When an application is looked at again though nothing was told of it.

use std::sync::Arc;
use std::time::Duration;

use crate::automation::Backoff;
use crate::health::HealthStatus;
use crate::reconcile::{Looked, Report};
use crate::value::Digest;

use super::Engine;
use super::subject::{Level, Stage};

/// How often what says nothing of its health is looked at in the end.
const SILENT: Duration = Duration::from_secs(3600);

impl Engine {
    /// Looks again where something passes by itself that nobody tells of.
    pub(super) fn look_again(&mut self, name: &Arc<str>, looked: &Looked) {
        if let Some(peace) = self.subjects.get(name).and_then(|subject| subject.fights.peace_at()) {
            self.stir(name, Level::Live, peace.since(self.now));
        }
        if looked.history_is_unread {
            self.stir(name, Level::Live, self.settings.health);
        }
    }

    /// When health may be another without anybody telling. What says nothing of itself is looked at ever more rarely while
    /// nothing changes: it may do so for ever.
    pub(super) fn health_pause(&mut self, name: &Arc<str>, report: &Report, before: Digest) -> Option<Duration> {
        let subject = self.subjects.get_mut(name)?;
        let is_moving = report.health == HealthStatus::Progressing || subject.status.resources != before;
        subject.silent = if is_moving { 0 } else { subject.silent.saturating_add(1) };
        let waits = report.health == HealthStatus::Progressing || report.unconfirmed > 0;
        let first = self.settings.health;
        waits.then(|| Backoff::new(first, 2, first.max(SILENT)).pause(subject.silent))
    }

    pub(super) fn wake_for_health(&mut self, name: &Arc<str>, pause: Duration) {
        let idle = self.subjects.get(name).is_some_and(|subject| matches!(subject.stage, Stage::Idle));
        if idle {
            self.stir(name, Level::Live, pause);
        }
    }
}
