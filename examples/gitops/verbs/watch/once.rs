//! Time and sources of a watch that ends: the time of the embedded cluster jumps, but not while something is fetched, which
//! takes as long as it takes.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use async_trait::async_trait;
use gitops_core::memory::VirtualTime;
use gitops_core::source::{
    ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, SourceFailure, Target,
};
use gitops_core::time::{Timer, Timestamp};

use crate::repository::Repository;

/// How many questions to sources have no answer yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<AtomicUsize>);

/// A timer over [`VirtualTime`] that waits while sources are asked.
#[derive(Debug)]
pub(super) struct Patient<'t> {
    pub(super) time: &'t VirtualTime,
    pub(super) asked: &'t Asked,
}

/// A repository that is counted while it is asked.
#[derive(Debug)]
pub(crate) struct Counted {
    repository: Repository,
    asked: Asked,
}

impl Asked {
    async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        /// Counts down also where a question is given up.
        struct Question<'a>(&'a AtomicUsize);
        impl Drop for Question<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        let _question = Question(&self.0);
        answer.await
    }

    fn is_nothing(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

impl Counted {
    pub(super) fn new(repository: Repository, asked: &Asked) -> Self {
        Self { repository, asked: asked.clone() }
    }
}

#[async_trait]
impl Timer for Patient<'_> {
    fn now(&self) -> Timestamp {
        self.time.now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let (begin, from) = (Instant::now(), self.now());
        poll_fn(|_| {
            if self.asked.is_nothing() {
                self.time.advance_to(at);
            } else {
                self.time.advance_to(from + begin.elapsed());
            }
            if self.now() >= at { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[async_trait]
impl Source for Counted {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        self.asked.during(self.repository.resolve(target)).await
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        self.asked.during(self.repository.snapshot(revision, paths, known)).await
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        self.asked.during(self.repository.read(ids)).await
    }

    fn history(&self) -> Option<&dyn History> {
        self.repository.history().map(|_| self as &dyn History)
    }
}

#[async_trait]
impl History for Counted {
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        let Some(history) = self.repository.history() else { return Ok(Vec::new()) };
        self.asked.during(history.log(from, paths, limit)).await
    }

    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        let Some(history) = self.repository.history() else { return Ok(Vec::new()) };
        self.asked.during(history.parents(of)).await
    }

    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        match self.repository.history() {
            Some(history) => self.asked.during(history.blame(at, file, line)).await,
            None => Err(SourceFailure::Unsupported { what: "a history".into() }.into()),
        }
    }
}
