//! Ports that record what they are asked, and what they answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::cluster::{Changes, Cluster, ClusterError, Cursor, Interest, Observed, Write, Written};
use crate::model::ApiModel;
use crate::resource::GroupKind;
use crate::source::{
    ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, SourceFailure, Target,
};

use super::super::WorkId;
use super::answers::Answer;
use super::{Recorder, lines};

#[derive(Debug)]
pub(super) struct RecordedSource<'p> {
    port: &'p dyn Source,
    name: &'p Arc<str>,
    id: WorkId,
    recorder: &'p Recorder,
    history: Option<RecordedHistory<'p>>,
}

#[derive(Debug)]
struct RecordedHistory<'p> {
    port: &'p dyn History,
    id: WorkId,
    recorder: &'p Recorder,
}

#[derive(Debug)]
pub(super) struct RecordedCluster<'p> {
    port: &'p dyn Cluster,
    id: WorkId,
    recorder: &'p Recorder,
}

impl<'p> RecordedSource<'p> {
    pub(super) fn new(port: &'p dyn Source, (name, id): (&'p Arc<str>, WorkId), recorder: &'p Recorder) -> Self {
        let history = port.history().map(|port| RecordedHistory { port, id, recorder });
        Self { port, name, id, recorder, history }
    }
}

impl<'p> RecordedCluster<'p> {
    pub(super) fn new(port: &'p dyn Cluster, id: WorkId, recorder: &'p Recorder) -> Self {
        Self { port, id, recorder }
    }
}

/// What of an answer is recorded.
fn failed<T: Clone>(answer: &Result<T, SourceError>) -> Result<T, SourceFailure> {
    answer.clone().map_err(|error| error.failure)
}

pub(super) fn resolve(target: &Target) -> String {
    format!("resolve {target}")
}

pub(super) fn snapshot(revision: &RevisionId, paths: &Paths) -> String {
    format!("snapshot {revision} {}", serde_json::to_string(paths).unwrap_or_default())
}

pub(super) fn log(from: &RevisionId, paths: &Paths, limit: usize) -> String {
    format!("log {from} {limit} {}", serde_json::to_string(paths).unwrap_or_default())
}

pub(super) fn parents(of: &RevisionId) -> String {
    format!("parents {of}")
}

pub(super) fn blame(at: &RevisionId, file: &str, line: u32) -> String {
    format!("blame {at} {file}:{line}")
}

pub(super) fn model(kinds: &BTreeSet<GroupKind>) -> String {
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("{}/{}", kind.group, kind.kind)).collect();
    format!("model {}", kinds.join(","))
}

/// What is asked where no file can be read at all.
pub(super) const READ: &str = "read";

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Source for RecordedSource<'_> {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        let answer = self.port.resolve(target).await;
        self.recorder.asked(self.id, resolve(target), |_| Answer::Revision(failed(&answer)));
        answer
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        let answer = self.port.snapshot(revision, paths, known).await;
        self.recorder.asked(self.id, snapshot(revision, paths), |state| state.snapshot(&answer));
        answer
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        let answer = self.port.read(ids).await;
        match &answer {
            Ok(files) => {
                for (id, file) in ids.iter().zip(files) {
                    self.recorder.file(self.name, id, file.as_deref().map_err(|error| &error.failure));
                }
            }
            Err(error) => self.recorder.asked(self.id, READ.to_owned(), |_| Answer::NoFiles(error.failure.clone())),
        }
        answer
    }

    fn history(&self) -> Option<&dyn History> {
        self.history.as_ref().map(|history| history as &dyn History)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl History for RecordedHistory<'_> {
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        let answer = self.port.log(from, paths, limit).await;
        self.recorder.asked(self.id, log(from, paths, limit), |_| Answer::Revisions(failed(&answer)));
        answer
    }

    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        let answer = self.port.parents(of).await;
        self.recorder.asked(self.id, parents(of), |_| Answer::Names(failed(&answer)));
        answer
    }

    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        let answer = self.port.blame(at, file, line).await;
        self.recorder.asked(self.id, blame(at, file, line), |_| Answer::Revision(failed(&answer)));
        answer
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Cluster for RecordedCluster<'_> {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        let answer = self.port.model(kinds).await;
        self.recorder.asked(self.id, model(kinds), |state| state.model(&answer));
        answer
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        let answer = self.port.observe(interest).await;
        self.recorder.asked(self.id, lines::observe(interest), |state| state.observed(&answer));
        answer
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        let answer = self.port.changed(interest, after).await;
        self.recorder.changed(self.id, (interest, after), &answer);
        answer
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        let answer = self.port.write(write).await;
        let request = self.recorder.state().masks.write_of(write);
        self.recorder.asked(self.id, request, |state| state.written(&answer));
        answer
    }
}
