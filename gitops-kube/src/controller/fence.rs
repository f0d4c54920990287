//! What lets writes through only while this replica leads.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gitops_core::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest, Mode, Observed, Write, Written};
use gitops_core::model::ApiModel;
use gitops_core::resource::GroupKind;
use gitops_core::time::{Timer, Timestamp};

use super::Moment;

/// Two clocks. One is asked at each write.
pub trait Clocks: fmt::Debug + Send + Sync {
    /// Returns the present moment.
    fn moment(&self) -> Moment;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineClocks {
    begin: Instant,
}

/// A gate that is open until a moment. Clones share it; it begins closed.
#[derive(Clone, Debug)]
pub struct Fence {
    clocks: Arc<dyn Clocks>,
    until: Arc<Mutex<Option<Moment>>>,
}

/// A cluster that is written to only while a fence is open. What is read passes.
///
/// A write that is under way when the fence closes cannot be called back: a lease lasts longer than its holder takes it
/// for its own by as long as that may take, and what an engine writes names the object that it has seen.
#[derive(Clone, Debug)]
pub struct Fenced<C> {
    cluster: C,
    fence: Fence,
}

impl Default for MachineClocks {
    fn default() -> Self {
        Self { begin: Instant::now() }
    }
}

impl Clocks for MachineClocks {
    fn moment(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { steady: self.begin.elapsed(), wall: Timestamp::EPOCH + wall }
    }
}

#[async_trait]
impl Timer for MachineClocks {
    fn now(&self) -> Timestamp {
        self.moment().wall
    }

    async fn sleep_until(&self, at: Timestamp) {
        // It may be woken a moment early, or the clock be set back meanwhile.
        while self.now() < at {
            tokio::time::sleep(at.since(self.now())).await;
        }
    }
}

impl Fence {
    /// Begins closed.
    #[must_use]
    pub fn new(clocks: Arc<dyn Clocks>) -> Self {
        Self { clocks, until: Arc::default() }
    }

    /// Opens it until a moment, instead of what was said before; `None` closes it.
    pub fn set(&self, until: Option<Moment>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Returns whether it is open at this very moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| !self.clocks.moment().reaches(until))
    }
}

impl<C: Cluster> Fenced<C> {
    /// Puts a fence before a cluster.
    #[must_use]
    pub fn new(cluster: C, fence: Fence) -> Self {
        Self { cluster, fence }
    }

    /// Returns what is behind the fence.
    #[must_use]
    pub fn inner(&self) -> &C {
        &self.cluster
    }

    /// Says no unless the fence is open.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        if self.fence.is_open() {
            return Ok(());
        }
        let message = "this replica does not lead, so that it writes nothing; another one does, or will".into();
        Err(Failure::Unavailable { message }.into())
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<C: Cluster> Cluster for Fenced<C> {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.cluster.model(kinds).await
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        self.cluster.observe(interest).await
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.cluster.changed(interest, after).await
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        if write.mode == Mode::Commit {
            self.check()?;
        }
        self.cluster.write(write).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gitops_core::cluster::Force;
    use gitops_core::memory::{MemoryCluster, VirtualTime, ready};
    use gitops_core::resource::Resource;
    use gitops_core::value::Value;

    use super::*;

    /// Clocks that are set by hand.
    #[derive(Debug, Default)]
    struct Set(Mutex<Moment>);

    impl Clocks for Set {
        fn moment(&self) -> Moment {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn nothing_is_written_before_a_lease_is_held_or_after_it_has_ended_by_either_clock() {
        let clocks = Arc::new(Set::default());
        let fence = Fence::new(Arc::clone(&clocks) as Arc<dyn Clocks>);
        let memory = MemoryCluster::new(1, VirtualTime::starting(Timestamp::EPOCH));
        let cluster = Fenced::new(memory, fence.clone());
        let map = Value::from_json(
            br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"}}"#,
        );
        let write = Write::apply(&Resource::new(map.unwrap()).unwrap(), "me", Force::No);
        let refused = |write: &Write| ready(cluster.write(write)).unwrap().is_err();
        let at = |seconds| Moment {
            steady: Duration::from_secs(seconds),
            wall: Timestamp::EPOCH + Duration::from_secs(seconds),
        };
        assert!(refused(&write), "it was never opened");
        assert!(!refused(&write.clone().dry_run()), "which changes nothing");
        fence.set(Some(at(10)));
        assert!(!refused(&write));
        for (steady, wall, is_refused) in [(9, 9, false), (10, 9, true), (9, 10, true), (70, 70, true)] {
            *clocks.0.lock().unwrap() = Moment { steady: at(steady).steady, wall: at(wall).wall };
            assert_eq!(refused(&write), is_refused, "{steady} s by one clock, {wall} s by the other");
        }
        *clocks.0.lock().unwrap() = at(0);
        fence.set(None);
        assert!(refused(&write));
    }
}
