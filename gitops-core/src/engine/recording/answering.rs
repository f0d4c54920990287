//! Ports that answer what was recorded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest, Observed, Write, Written};
use crate::model::ApiModel;
use crate::resource::GroupKind;
use crate::source::{
    ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, SourceFailure, Target,
};
use crate::time::{Timer, Timestamp};
use crate::value::Digest;

use super::answers::{self, Answer};
use super::mask::Masks;
use super::replay::Otherwise;
use super::{lines, ports};

/// The content of a file, or why there is none.
type Content = Result<Arc<[u8]>, SourceFailure>;

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// By the work for which it was asked, in order.
    asked: BTreeMap<u64, VecDeque<(String, String)>>,
    files: BTreeMap<(Arc<str>, ContentId), Content>,
    stored: BTreeMap<Digest, String>,
    /// For which work it is asked now.
    work: u64,
    otherwise: Option<Otherwise>,
}

/// A clock that stands still.
#[derive(Debug)]
pub(super) struct Still(pub(super) Timestamp);

#[derive(Debug)]
pub(super) struct AnsweringSource<'a> {
    name: Arc<str>,
    answers: &'a Answers,
}

#[derive(Debug)]
pub(super) struct AnsweringCluster<'a>(pub(super) &'a Answers);

impl Answers {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked by an engine that is no more is never answered.
    pub(super) fn forget(&self) {
        self.book().asked.clear();
    }

    pub(super) fn asked(&self, id: u64, request: &str, answer: &Answer) {
        let answer = serde_json::to_string(answer).unwrap_or_default();
        self.book().asked.entry(id).or_default().push_back((request.to_owned(), answer));
    }

    pub(super) fn file(&self, source: &Arc<str>, id: &ContentId, content: Content) {
        self.book().files.insert((Arc::clone(source), id.clone()), content);
    }

    pub(super) fn store(&self, digest: Digest, text: &str) {
        self.book().stored.insert(digest, text.to_owned());
    }

    pub(super) fn begin(&self, id: u64) {
        self.book().work = id;
    }

    /// The work is done; returns what was asked otherwise than recorded.
    pub(super) fn end(&self) -> Option<Otherwise> {
        let mut book = self.book();
        let id = book.work;
        let left = book.asked.remove(&id).into_iter().flatten().next();
        let left = left.map(|(request, _)| Otherwise { recorded: request, now: "that is not asked".to_owned() });
        book.otherwise.take().or(left)
    }

    fn otherwise(&self, recorded: String, now: String) {
        self.book().otherwise.get_or_insert(Otherwise { recorded, now });
    }

    /// The answer to a request. Those of one piece of work may have been asked at once, so their order does not count.
    fn answer<T>(&self, request: String, take: impl FnOnce(Answer) -> Option<T>) -> Option<T> {
        let found = {
            let mut book = self.book();
            let id = book.work;
            let asked = book.asked.entry(id).or_default();
            let at = asked.iter().position(|(recorded, _)| *recorded == request);
            let next = || asked.front().map_or_else(|| "nothing is asked".to_owned(), |(request, _)| request.clone());
            match at {
                None => Err(next()),
                Some(at) => Ok(asked.remove(at)),
            }
        };
        let answer = match found {
            Ok(answer) => answer,
            Err(next) => {
                self.otherwise(next, request);
                return None;
            }
        };
        let answer = answer.and_then(|(_, answer)| take(serde_json::from_str(&answer).ok()?));
        if answer.is_none() {
            self.otherwise("another answer".to_owned(), request);
        }
        answer
    }

    fn stored<T>(&self, digest: Digest, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.book().stored.get(&digest).cloned();
        text.and_then(|text| read(&text))
    }

    fn source<T>(
        &self,
        request: String,
        take: impl FnOnce(Answer) -> Option<Result<T, SourceFailure>>,
    ) -> Result<T, SourceError> {
        let unknown = || Err(SourceFailure::Unavailable { what: "the recording".into() });
        self.answer(request, take).unwrap_or_else(unknown).map_err(SourceError::from)
    }

    fn cluster<T>(
        &self,
        request: String,
        take: impl FnOnce(Answer) -> Option<Result<T, Failure>>,
    ) -> Result<T, ClusterError> {
        let unknown = || Err(Failure::Unavailable { message: "it is not in the recording".into() });
        self.answer(request, take).unwrap_or_else(unknown).map_err(ClusterError::from)
    }
}

/// Goes on with what was kept of an answer, if it was one.
fn restored<K, T, E>(kept: Result<K, E>, restore: impl FnOnce(K) -> Option<T>) -> Option<Result<T, E>> {
    match kept {
        Ok(kept) => restore(kept).map(Ok),
        Err(failure) => Some(Err(failure)),
    }
}

#[async_trait]
impl Timer for Still {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

impl<'a> AnsweringSource<'a> {
    pub(super) fn new(name: Arc<str>, answers: &'a Answers) -> Self {
        Self { name, answers }
    }
}

#[async_trait]
impl Source for AnsweringSource<'_> {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        self.answers.source(ports::resolve(target), |answer| match answer {
            Answer::Revision(answer) => Some(answer),
            _ => None,
        })
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        _: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        self.answers.source(ports::snapshot(revision, paths), |answer| match answer {
            Answer::Snapshot(kept) => restored(kept, |digest| self.answers.stored(digest, answers::snapshot)),
            _ => None,
        })
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        let has_failed = {
            let book = self.answers.book();
            let asked = book.asked.get(&book.work);
            asked.is_some_and(|asked| asked.iter().any(|(request, _)| request == ports::READ))
        };
        if has_failed {
            return self.answers.source(ports::READ.to_owned(), |answer| match answer {
                Answer::NoFiles(failure) => Some(Err(failure)),
                _ => None,
            });
        }
        let content = |id: &ContentId| {
            let content = self.answers.book().files.get(&(Arc::clone(&self.name), id.clone())).cloned();
            content.unwrap_or_else(|| {
                self.answers.otherwise("no such file was read".to_owned(), format!("file {id} of {}", self.name));
                Err(SourceFailure::Unavailable { what: "the recording".into() })
            })
        };
        Ok(ids.iter().map(|id| content(id).map_err(SourceError::from)).collect())
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }
}

#[async_trait]
impl History for AnsweringSource<'_> {
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        self.answers.source(ports::log(from, paths, limit), |answer| match answer {
            Answer::Revisions(answer) => Some(answer),
            _ => None,
        })
    }

    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        self.answers.source(ports::parents(of), |answer| match answer {
            Answer::Names(answer) => Some(answer),
            _ => None,
        })
    }

    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        self.answers.source(ports::blame(at, file, line), |answer| match answer {
            Answer::Revision(answer) => Some(answer),
            _ => None,
        })
    }
}

#[async_trait]
impl Cluster for AnsweringCluster<'_> {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.0.cluster(ports::model(kinds), |answer| match answer {
            Answer::Model(kept) => restored(kept, |digest| self.0.stored(digest, answers::model)),
            _ => None,
        })
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        self.0.cluster(lines::observe(interest), |answer| match answer {
            Answer::Observed(kept) => restored(kept, super::kept::KeptObserved::restored),
            _ => None,
        })
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.0.cluster(lines::changed(interest, after), |answer| match answer {
            Answer::Changes(kept) => restored(kept, super::kept::KeptChanges::restored),
            _ => None,
        })
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        self.0.cluster(Masks::off().write_of(write), |answer| match answer {
            Answer::Written(kept) => restored(kept, super::kept::KeptWritten::restored),
            _ => None,
        })
    }
}
