//! Several repositories as one, each with its own files.

use std::sync::Arc;

use async_trait::async_trait;
use gitops_core::app::AppSource;
use gitops_core::source::{
    ContentId, History, Part, Paths, Revision, RevisionId, Several, Snapshot, Source, SourceError, Target,
};

use crate::repository::Repository;

/// The sources of an application.
#[derive(Debug)]
pub(crate) struct Joined(Vec<(AppSource, Repository)>);

impl Joined {
    pub(crate) fn new(sources: impl IntoIterator<Item = (AppSource, Repository)>) -> Self {
        Self(sources.into_iter().collect())
    }

    fn several(&self) -> Several<'_> {
        Several::new(self.0.iter().map(|(described, opened)| part(described, opened)))
    }
}

/// One of several sources.
pub(crate) fn part<'s>(described: &AppSource, opened: &'s dyn Source) -> Part<'s> {
    // They were seen to be right when the application was described.
    let paths = described.paths().unwrap_or_default();
    Part::new(described.short_name(), opened, described.target()).with_paths(paths)
}

#[async_trait]
impl Source for Joined {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        self.several().resolve(target).await
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        self.several().snapshot(revision, paths, known).await
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        self.several().read(ids).await
    }

    fn history(&self) -> Option<&dyn History> {
        self.several().history().is_some().then_some(self as &dyn History)
    }
}

#[async_trait]
impl History for Joined {
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        self.several().log(from, paths, limit).await
    }

    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        self.several().parents(of).await
    }

    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        self.several().blame(at, file, line).await
    }
}
