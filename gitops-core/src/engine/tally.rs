//! What was counted of one application: all numbers that do not follow from its status.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::sync::Phase;

use super::{AppStatus, Application, Engine};

/// Upper bounds of the classes of [`Durations`], in milliseconds: those of Argo CD's `argocd_app_reconcile`.
pub const CLASSES: [u64; 7] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000];

/// What was counted of one application since the engine began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tally {
    /// Operations that ended, by how.
    pub operations: BTreeMap<&'static str, u64>,
    /// How long operations took altogether, in milliseconds.
    pub operation_millis: u64,
    /// How long it took from when it was looked at until it was judged.
    pub reconciles: Durations,
}

/// Durations, counted by how long they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Durations {
    /// How many there are.
    pub count: u64,
    /// All of them together, in milliseconds.
    pub millis: u64,
    /// How many are no longer than each of [`CLASSES`].
    pub classes: [u64; CLASSES.len()],
}

impl Engine {
    /// Returns what was counted of an application.
    #[must_use]
    pub fn tally(&self, app: &str) -> Option<&Tally> {
        self.subjects.get(app).map(|subject| &subject.tally)
    }

    /// Returns all that is known of each application, in order of their names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Application, &AppStatus, &Tally)> {
        self.subjects.values().map(|subject| (&*subject.application, &subject.status, &subject.tally))
    }
}

impl Durations {
    /// Counts a duration.
    pub fn count(&mut self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.count = self.count.saturating_add(1);
        self.millis = self.millis.saturating_add(millis);
        for (class, most) in self.classes.iter_mut().zip(CLASSES) {
            *class = class.saturating_add(u64::from(millis <= most));
        }
    }

    /// Adds those of another one.
    pub fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.millis = self.millis.saturating_add(other.millis);
        for (class, more) in self.classes.iter_mut().zip(other.classes) {
            *class = class.saturating_add(more);
        }
    }
}

impl Tally {
    pub(super) fn ended(&mut self, phase: Phase, millis: u64) {
        super::Counters::count(&mut self.operations, super::events::phase_name(phase));
        self.operation_millis = self.operation_millis.saturating_add(millis);
    }
}
