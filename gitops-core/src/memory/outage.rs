//! A source and a cluster that give no answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest, Observed, Write, Written};
use crate::model::ApiModel;
use crate::resource::GroupKind;
use crate::source::SourceFailure;
use crate::source::{ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, Target};

/// A source that cannot be reached.
#[derive(Debug)]
pub(super) struct NoSource;

/// A cluster that fails in one way, whatever it is asked.
#[derive(Debug)]
pub(super) struct NoCluster(pub(super) Failure);

fn down() -> SourceError {
    SourceFailure::Unavailable { what: "the source is down".into() }.into()
}

#[async_trait]
impl Source for NoSource {
    async fn resolve(&self, _: &Target) -> Result<Revision, SourceError> {
        Err(down())
    }

    async fn snapshot(&self, _: &RevisionId, _: &Paths, _: Option<&Snapshot>) -> Result<Snapshot, SourceError> {
        Err(down())
    }

    async fn read(&self, _: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        Err(down())
    }

    fn history(&self) -> Option<&dyn History> {
        None
    }
}

#[async_trait]
impl Cluster for NoCluster {
    async fn model(&self, _: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        Err(self.0.clone().into())
    }

    async fn observe(&self, _: &Interest) -> Result<Observed, ClusterError> {
        Err(self.0.clone().into())
    }

    async fn changed(&self, _: &Interest, _: &Cursor) -> Result<Changes, ClusterError> {
        Err(self.0.clone().into())
    }

    async fn write(&self, _: &Write) -> Result<Written, ClusterError> {
        Err(self.0.clone().into())
    }
}
