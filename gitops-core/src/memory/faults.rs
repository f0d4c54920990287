//! Failures on purpose.

use std::collections::BTreeMap;

use crate::cluster::Failure;
use crate::resource::GroupKind;
use crate::state::Unreadable;

/// Failures that a [`super::MemoryCluster`] shall have. Each is used up when it strikes, but for unreadable kinds,
/// which stay so.
///
/// ```
/// use gitops_core::cluster::{Cluster, Failure, Force, Write};
/// use gitops_core::memory::{MemoryCluster, Moment, VirtualTime, ready};
/// # use gitops_core::{resource::Resource, value::Value};
///
/// # let map = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"default"}}"#;
/// # let map = Resource::new(Value::from_json(map)?)?;
/// let cluster = MemoryCluster::new(1, VirtualTime::default());
/// let lost = Failure::InDoubt { message: "connection reset".into() };
/// cluster.with_faults(|faults| faults.fail_write(1, Moment::After, lost.clone()));
///
/// let error = ready(cluster.write(&Write::apply(&map, "me", Force::No))).unwrap().unwrap_err();
/// assert_eq!(error.failure, lost);
/// assert!(cluster.with_server(|server| server.get(map.key()).is_some()), "it happened all the same");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults {
    writes: BTreeMap<u64, (Moment, Failure)>,
    observes: BTreeMap<u64, Failure>,
    pub(super) unreadable: BTreeMap<GroupKind, Unreadable>,
    dry_runs: BTreeMap<u64, Failure>,
    written: u64,
    observed: u64,
    asked: u64,
}

/// When a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "before or after")]
pub enum Moment {
    /// Before it has an effect.
    Before,
    /// After it had its effect: only the answer is lost.
    After,
}

impl Faults {
    /// Makes the `nth` write from now fail; 1 is the next one. Dry runs do not count.
    pub fn fail_write(&mut self, nth: u64, moment: Moment, failure: Failure) {
        self.writes.insert(self.written.saturating_add(nth), (moment, failure));
    }

    /// Makes the `nth` dry run from now fail; 1 is the next one.
    pub fn fail_dry_run(&mut self, nth: u64, failure: Failure) {
        self.dry_runs.insert(self.asked.saturating_add(nth), failure);
    }

    /// Makes the `nth` observation from now fail as a whole; 1 is the next one.
    pub fn fail_observe(&mut self, nth: u64, failure: Failure) {
        self.observes.insert(self.observed.saturating_add(nth), failure);
    }

    /// Makes a kind unreadable, until [`Faults::readable`].
    pub fn unreadable(&mut self, kind: &GroupKind, why: &str) {
        self.unreadable.insert(kind.clone(), Unreadable::new(why));
    }

    /// Makes a kind readable again.
    pub fn readable(&mut self, kind: &GroupKind) {
        self.unreadable.remove(kind);
    }

    /// Forgets all failures to come.
    pub fn clear(&mut self) {
        let Self { written, observed, asked, .. } = *self;
        *self = Self { written, observed, asked, ..Self::default() };
    }

    /// Returns how many writes were asked for so far, dry runs apart.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.written
    }

    /// Returns how many dry runs were asked for so far.
    #[must_use]
    pub fn dry_runs(&self) -> u64 {
        self.asked
    }

    /// Counts a dry run and says whether it fails.
    pub(super) fn next_dry_run(&mut self) -> Option<(Moment, Failure)> {
        self.asked += 1;
        self.dry_runs.remove(&self.asked).map(|failure| (Moment::Before, failure))
    }

    /// Counts a write and says whether it fails.
    pub(super) fn next_write(&mut self) -> Option<(Moment, Failure)> {
        self.written += 1;
        self.writes.remove(&self.written)
    }

    /// Counts an observation and says whether it fails.
    pub(super) fn next_observe(&mut self) -> Option<Failure> {
        self.observed += 1;
        self.observes.remove(&self.observed)
    }
}
