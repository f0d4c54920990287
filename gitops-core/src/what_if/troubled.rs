//! A cluster with failures on purpose, object by object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest, Mode, Observed, Write, Written};
use crate::memory::{MemoryCluster, Moment};
use crate::model::ApiModel;
use crate::resource::{GroupKind, ResourceKey};

use super::Trouble;

#[derive(Debug)]
pub(super) struct Troubled {
    inner: MemoryCluster,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    trouble: Vec<Trouble>,
    /// How often each object was written.
    writes: BTreeMap<ResourceKey, u32>,
}

impl Troubled {
    pub(super) fn new(inner: MemoryCluster, trouble: &[Trouble]) -> Self {
        Self { inner, state: Mutex::new(State { trouble: trouble.to_vec(), writes: BTreeMap::new() }) }
    }

    pub(super) fn inner(&self) -> &MemoryCluster {
        &self.inner
    }

    /// Nothing fails any more.
    pub(super) fn calm(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).trouble.clear();
    }

    /// Says whether a dry run fails: where what is sent would be refused each time it is written.
    fn refuses(&self, write: &Write) -> Option<Trouble> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_verdict = |failure: &Failure| {
            matches!(
                failure,
                Failure::Denied { .. } | Failure::Invalid { .. } | Failure::Refused { .. } | Failure::TooLarge { .. }
            )
        };
        let meant = |trouble: &&Trouble| {
            means(&trouble.object, &write.key) && trouble.nth.is_none() && is_verdict(&trouble.failure)
        };
        state.trouble.iter().find(meant).cloned()
    }

    /// Counts a write and says whether it fails.
    fn next(&self, write: &Write) -> Option<Trouble> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.writes.entry(write.key.clone()).or_default();
        *count = count.saturating_add(1);
        let count = *count;
        let meant =
            |trouble: &&Trouble| means(&trouble.object, &write.key) && trouble.nth.is_none_or(|nth| nth == count);
        state.trouble.iter().find(meant).cloned()
    }
}

/// Whether `object` means `key`: by its name, or by the prefix of a generated one.
fn means(object: &ResourceKey, key: &ResourceKey) -> bool {
    let same_place = object.group_kind == key.group_kind && object.namespace == key.namespace;
    same_place && (object.name == key.name || (object.name.ends_with('-') && key.name.starts_with(&*object.name)))
}

#[async_trait]
impl Cluster for Troubled {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.inner.model(kinds).await
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        self.inner.observe(interest).await
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.inner.changed(interest, after).await
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        let trouble = match write.mode {
            Mode::Commit => self.next(write),
            Mode::DryRun => self.refuses(write),
        };
        match trouble {
            None => self.inner.write(write).await,
            Some(trouble) => {
                if trouble.moment == Moment::After {
                    self.inner.write(write).await?;
                }
                Err(trouble.failure.into())
            }
        }
    }
}
