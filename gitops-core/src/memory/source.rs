//! A Git-like source in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::source::{
    Commit, ContentId, Folder, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, SourceFailure,
    Target,
};
use crate::time::Timestamp;
use crate::value::{Digest, Purpose};

use super::blame;
use super::repository::{Node, Repository, find, flat};

/// A [`Source`] whose commits are made in memory: a line of commits for each branch, without merges. Clones share it.
///
/// ```
/// use gitops_core::memory::{MemorySource, ready};
/// use gitops_core::source::{Paths, Source, Target};
/// use gitops_core::time::Timestamp;
///
/// let source = MemorySource::default();
/// source.commit("Ann <ann@example.org>", Timestamp::EPOCH, "add web", [("app/web.yaml", Some("a: 1"))]);
/// source.commit("Ben <ben@example.org>", Timestamp::EPOCH, "remove web", [("app/web.yaml", None)]);
///
/// let before = ready(source.resolve(&Target::new("HEAD~1"))).unwrap()?;
/// let files = ready(source.snapshot(&before.id, &Paths::default(), None)).unwrap()?.files();
/// assert_eq!(&*files[0].path, "app/web.yaml");
/// # Ok::<(), gitops_core::source::SourceError>(())
/// ```
#[derive(Clone)]
pub struct MemorySource(Arc<Mutex<Repository>>);

impl Default for MemorySource {
    /// Starts without a commit, on branch `main`.
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Repository::new())))
    }
}

impl MemorySource {
    /// Commits to the present branch: each file gets the content given, or goes away.
    pub fn commit<'f>(
        &self,
        author: &str,
        time: Timestamp,
        message: &str,
        files: impl IntoIterator<Item = (&'f str, Option<&'f str>)>,
    ) -> RevisionId {
        let files = files.into_iter().map(|(path, text)| (path, text.map(str::as_bytes)));
        self.commit_bytes(author, time, message, files)
    }

    /// Commits files that need not be text.
    pub fn commit_bytes<'f>(
        &self,
        author: &str,
        time: Timestamp,
        message: &str,
        files: impl IntoIterator<Item = (&'f str, Option<&'f [u8]>)>,
    ) -> RevisionId {
        let mut repository = self.lock();
        let mut root = repository.tip().map_or_else(BTreeMap::new, |tip| flat(&tip.root));
        for (path, bytes) in files {
            let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            let path: Arc<str> = path.join("/").into();
            match bytes {
                Some(bytes) => {
                    let id = ContentId::new(&Digest::of(Purpose::Content, bytes).to_string());
                    repository.contents.entry(id.clone()).or_insert_with(|| bytes.into());
                    root.insert(path, id);
                }
                None => drop(root.remove(&path)),
            }
        }
        repository.record(Commit::new(author, time, message), &root)
    }

    /// Commits the opposite of `revision`, as `git revert` does; `None` when there is no such revision.
    ///
    /// Each file that `revision` changed becomes what it was before it.
    pub fn revert(&self, author: &str, time: Timestamp, revision: &RevisionId) -> Option<RevisionId> {
        let mut repository = self.lock();
        let node = repository.commits.get(revision)?.clone();
        let before = node.parent.as_ref().and_then(|parent| repository.commits.get(parent));
        let before = before.map_or_else(BTreeMap::new, |parent| flat(&parent.root));
        let after = flat(&node.root);
        let mut root = flat(&repository.tip()?.root);
        let changed = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
        for path in changed {
            match before.get(path) {
                Some(id) => drop(root.insert(Arc::clone(path), id.clone())),
                None => drop(root.remove(path)),
            }
        }
        let message = format!("Revert \"{}\"\n\nThis reverts commit {}.", node.commit.subject(), revision.as_str());
        Some(repository.record(Commit::new(author, time, &message), &root))
    }

    /// Goes to a branch; a new one starts at the present commit.
    pub fn checkout(&self, branch: &str) {
        let mut repository = self.lock();
        if let Some(tip) = repository.branches.get(&repository.head).cloned() {
            repository.branches.entry(branch.into()).or_insert(tip);
        }
        repository.head = branch.into();
    }

    /// Sets the present branch to a revision, as a push by force does; returns whether there is such a revision.
    pub fn reset(&self, revision: &RevisionId) -> bool {
        let mut repository = self.lock();
        let is_known = repository.commits.contains_key(revision);
        if is_known {
            let head = Arc::clone(&repository.head);
            repository.branches.insert(head, revision.clone());
        }
        is_known
    }

    /// Gives a revision a name for ever; `None` takes the name away.
    pub fn tag(&self, name: &str, revision: Option<&RevisionId>) {
        let mut repository = self.lock();
        match revision {
            Some(revision) => drop(repository.tags.insert(name.into(), revision.clone())),
            None => drop(repository.tags.remove(name)),
        }
    }

    /// Makes a file unreadable, or a folder impossible to list, at every revision.
    pub fn make_unreadable(&self, path: &str) {
        self.lock().unreadable.insert(path.into());
    }

    /// Makes everything readable again.
    pub fn make_readable(&self) {
        self.lock().unreadable.clear();
    }

    /// Makes every call fail, until called with `None`.
    pub fn go_down(&self, failure: Option<SourceFailure>) {
        self.lock().down = failure;
    }

    /// A panic elsewhere leaves the repository whole: changes are made in one step at the end.
    fn lock(&self) -> MutexGuard<'_, Repository> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up(&self) -> Result<MutexGuard<'_, Repository>, SourceError> {
        let repository = self.lock();
        match &repository.down {
            Some(failure) => Err(SourceError::new(failure.clone())),
            None => Ok(repository),
        }
    }
}

#[async_trait]
impl Source for MemorySource {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        let repository = self.up()?;
        let id = repository.resolve(target.as_str()).map_err(SourceError::new)?;
        repository.revision(&id, target)
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        let repository = self.up()?;
        let node = repository.node(revision)?;
        for root in paths.roots.iter().filter(|root| !root.is_empty()) {
            if find(&node.root, root).is_none() {
                let revision = revision.as_str().into();
                return Err(SourceError::new(SourceFailure::UnknownPath { path: Arc::clone(root), revision }));
            }
        }
        let known = known.filter(|known| known.paths.as_ref() == Some(paths)).map(|known| &known.root);
        let mut problems = Vec::new();
        let ignoring = repository.ignoring(&node.root, paths, &mut problems);
        let root = repository.list(&node.root, "", (paths, ignoring.as_ref()), known, &mut problems);
        Ok(Snapshot::new(revision, root).with_paths(paths).with_problems(problems))
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        let repository = self.up()?;
        let hidden = repository.hidden();
        let read = |id: &ContentId| {
            let bytes = repository.contents.get(id).filter(|_| !hidden.contains(id));
            let what = || format!("content `{id}`").into();
            bytes.cloned().ok_or_else(|| SourceError::new(SourceFailure::Corrupt { what: what() }))
        };
        Ok(ids.iter().map(read).collect())
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }
}

#[async_trait]
impl History for MemorySource {
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        let repository = self.up()?;
        let mut found = Vec::new();
        let mut at = Some(from.clone());
        while let Some(id) = at {
            if found.len() >= limit {
                break;
            }
            let node = repository.node(&id)?;
            let wanted = |root: &Arc<Folder>| {
                let mut files = flat(root);
                files.retain(|path, _| paths.wants(path));
                files
            };
            let before = node.parent.as_ref().and_then(|parent| repository.commits.get(parent));
            if before.map(|parent| wanted(&parent.root)).unwrap_or_default() != wanted(&node.root) {
                found.push(repository.revision(&id, &Target::new(id.as_str()))?);
            }
            at = node.parent.clone();
        }
        Ok(found)
    }

    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        Ok(self.up()?.node(of)?.parent.iter().cloned().collect())
    }

    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        let repository = self.up()?;
        let unknown = |path: String| {
            SourceError::new(SourceFailure::UnknownPath { path: path.into(), revision: at.as_str().into() })
        };
        let text = |node: &Node| repository.contents.get(&find(&node.root, file)?.0?).cloned();
        let mut id = at.clone();
        let mut content = text(repository.node(&id)?).ok_or_else(|| unknown(file.to_owned()))?;
        let count = blame::lines(&content).len();
        let wanted = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)).filter(|line| *line < count);
        let mut wanted = wanted.ok_or_else(|| unknown(format!("{file}:{line}")))?;
        while let Some(parent) = repository.node(&id)?.parent.clone() {
            let Some(before) = repository.commits.get(&parent).and_then(text) else { break };
            let Some(older) = blame::line_before(&before, &content, wanted) else { break };
            (id, content, wanted) = (parent, before, older);
        }
        repository.revision(&id, &Target::new(id.as_str()))
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemorySource({} commits)", self.lock().commits.len())
    }
}
