//! A cluster that answers as recorded: an API server in memory, with refusals laid over it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use gitops_core::cluster::{
    Changes, Cluster, ClusterError, Cursor, Failure, Interest, Mode, Observed, Verb, Write, Written,
};
use gitops_core::memory::MemoryCluster;
use gitops_core::model::ApiModel;
use gitops_core::resource::{GroupKind, ResourceKey};

/// What a write does, as far as recorded refusals tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sends,
    Deletes,
}

/// The parts of a key that a recording names.
pub(super) type Name = (String, String, String);

#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) inner: MemoryCluster,
    refusals: Mutex<Vec<(Kind, Name, Failure)>>,
    blind: Mutex<VecDeque<Failure>>,
    written: Mutex<Vec<(Kind, ResourceKey)>>,
    /// Where the writes begin that were not asked for yet.
    told: Mutex<usize>,
}

impl Scripted {
    pub(super) fn over(inner: MemoryCluster) -> Self {
        Self {
            inner,
            refusals: Mutex::default(),
            blind: Mutex::default(),
            written: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Lays the refusals of one step over the cluster; `blind` is what discovery answers.
    pub(super) fn script(&self, refusals: Vec<(Kind, Name, Failure)>, blind: VecDeque<Failure>) {
        *self.refusals.lock().unwrap() = refusals;
        *self.blind.lock().unwrap() = blind;
    }

    /// The recorded cluster takes every write that it does not refuse. A real one keeps the spec of a Pod as it is.
    fn taken(&self, write: &Write) -> Write {
        let mut write = write.clone();
        let live = self.inner.with_server(|server| server.get(&write.key).cloned());
        if let (Verb::Replace { object, .. }, Some(live), true) = (&mut write.verb, live, write.key.is("", "Pod")) {
            let spec = live.tree().get("spec").map(|spec| spec.to_draft()).unwrap_or_default();
            *object = object.edit(|draft| draft.set("spec", spec)).unwrap();
        }
        write
    }

    fn refusal(&self, kind: Kind, key: &ResourceKey) -> Option<Failure> {
        let refusals = self.refusals.lock().unwrap();
        let name = name_of(key);
        refusals.iter().find(|(refused, of, _)| *refused == kind && *of == name).map(|(_, _, failure)| failure.clone())
    }

    /// All that took effect so far.
    pub(super) fn ever_written(&self) -> Vec<(Kind, ResourceKey)> {
        self.written.lock().unwrap().clone()
    }

    /// What took effect since the last call.
    pub(super) fn written(&self) -> Vec<(Kind, ResourceKey)> {
        let written = self.written.lock().unwrap();
        let from = std::mem::replace(&mut *self.told.lock().unwrap(), written.len());
        written[from..].to_vec()
    }
}

pub(super) fn name_of(key: &ResourceKey) -> Name {
    let namespace = key.namespace.as_deref().unwrap_or_default();
    (key.kind().to_owned(), namespace.to_owned(), key.name.to_string())
}

#[async_trait]
impl Cluster for Scripted {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        let blind = {
            let mut blind = self.blind.lock().unwrap();
            let first = blind.front().cloned();
            // Credentials are renewed meanwhile; what else is wrong stays so.
            if matches!(first, Some(Failure::Denied { .. })) {
                blind.pop_front();
            }
            first
        };
        match blind {
            Some(failure) => Err(failure.into()),
            None => self.inner.model(kinds).await,
        }
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        self.inner.observe(interest).await
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.inner.changed(interest, after).await
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        let kind = if matches!(write.verb, Verb::Delete { .. }) { Kind::Deletes } else { Kind::Sends };
        if let Some(failure) = self.refusal(kind, &write.key) {
            return Err(failure.into());
        }
        let result = self.inner.write(&self.taken(write)).await;
        if result.is_ok() && write.mode == Mode::Commit {
            self.written.lock().unwrap().push((kind, write.key.clone()));
        }
        result
    }
}
