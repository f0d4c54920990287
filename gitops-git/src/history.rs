//! Who changed a path.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use gitops_core::source::{Entry, Folder, Paths, Revision, RevisionId, SourceError, Target};
use gix::{ObjectId, Repository};

use crate::GitLimits;
use crate::error::beyond;
use crate::objects::{self, ParsedCommit};
use crate::submodules::Rule;
use crate::tree::{Known, Lister};

/// A commit and the wanted files in it.
struct Listed {
    id: ObjectId,
    commit: ParsedCommit,
    files: Arc<Folder>,
}

/// Reads the wanted files of one commit after the other.
pub(crate) struct Files<'r> {
    repository: &'r Repository,
    lister: Lister<'r>,
    last: Option<Arc<Folder>>,
    /// By tree: a commit is often looked at as the parent of others as well.
    listed: BTreeMap<ObjectId, Arc<Folder>>,
}

/// Trees that are remembered.
const LISTED: usize = 4096;

impl<'r> Files<'r> {
    pub(crate) fn new(repository: &'r Repository, limits: &'r GitLimits, paths: &'r Paths, rule: Rule<'r>) -> Self {
        let lister = Lister::new(repository, limits, paths).with_rule(rule);
        Self { repository, lister, last: None, listed: BTreeMap::new() }
    }

    fn of(&mut self, commit: ObjectId) -> Result<Arc<Folder>, SourceError> {
        let tree = objects::commit(self.repository, commit)?.tree;
        if let Some(files) = self.listed.get(&tree) {
            return Ok(Arc::clone(files));
        }
        let files = list(&mut self.lister, tree, self.last.as_ref())?;
        if self.listed.len() >= LISTED {
            self.listed.clear();
        }
        self.listed.insert(tree, Arc::clone(&files));
        self.last = Some(Arc::clone(&files));
        Ok(files)
    }

    /// Returns whether two commits have the same.
    pub(crate) fn are_same(&mut self, left: ObjectId, right: ObjectId) -> Result<bool, SourceError> {
        Ok(same_files(&self.of(left)?, &self.of(right)?))
    }

    /// Returns whether a commit has what none of its parents had.
    pub(crate) fn are_new(&mut self, commit: ObjectId) -> Result<bool, SourceError> {
        let files = self.of(commit)?;
        let parents = objects::commit(self.repository, commit)?.parents;
        for parent in &parents {
            if same_files(&self.of(*parent)?, &files) {
                return Ok(false);
            }
        }
        Ok(!parents.is_empty() || !files.entries.is_empty())
    }
}

/// What to do where a shallow clone ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// Take the last commit for the first one.
    Stop,
    /// Fail, for more to be fetched.
    Fail,
}

pub(crate) fn log(
    repository: &Repository,
    limits: &GitLimits,
    from: &RevisionId,
    paths: &Paths,
    limit: usize,
    at_end: AtEnd,
    rule: Rule<'_>,
) -> Result<Vec<Revision>, SourceError> {
    let ends = objects::boundary(repository)?;
    let mut lister = Lister::new(repository, limits, paths).with_rule(rule);
    let (id, commit) = objects::pinned(repository, from)?;
    let files = list(&mut lister, commit.tree, None)?;

    let mut queue = BinaryHeap::from([(commit.committed, Reverse(0), id)]);
    let mut waiting = BTreeMap::from([(id, Listed { id, commit, files })]);
    let mut queued = BTreeSet::from([id]);
    let mut revisions = Vec::new();
    while let Some((_, _, id)) = queue.pop().filter(|_| revisions.len() < limit) {
        let Some(child) = waiting.remove(&id) else { continue };
        let mut parents = Vec::new();
        if ends.contains(&id) {
            if at_end == AtEnd::Fail {
                return Err(beyond("the rest of the history", id));
            }
        } else {
            for id in child.commit.parents.iter().copied() {
                let commit = objects::commit(repository, id)?;
                let files = list(&mut lister, commit.tree, Some(&child.files))?;
                parents.push(Listed { id, commit, files });
            }
        }
        // History simplification, see "History Simplification" in git-log(1).
        match parents.iter().position(|parent| same_files(&parent.files, &child.files)) {
            Some(same) => parents = vec![parents.swap_remove(same)],
            None if parents.is_empty() && child.files.entries.is_empty() => {}
            None => revisions.push(revision(child.id, child.commit)),
        }
        for parent in parents {
            if queued.insert(parent.id) {
                queue.push((parent.commit.committed, Reverse(queued.len()), parent.id));
                waiting.insert(parent.id, parent);
            }
        }
    }
    Ok(revisions)
}

pub(crate) fn parents(repository: &Repository, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
    let (id, commit) = objects::pinned(repository, of)?;
    if objects::boundary(repository)?.contains(&id) {
        return Err(beyond("what came before", id));
    }
    Ok(commit.parents.iter().map(|id| RevisionId::new(&id.to_string())).collect())
}

pub(crate) fn revision(id: ObjectId, commit: ParsedCommit) -> Revision {
    let id = id.to_string();
    Revision::new(&RevisionId::new(&id), &Target::new(&id)).with_commit(commit.about)
}

/// Returns whether two folders hold the same wanted files, whatever else their trees hold.
fn same_files(left: &Arc<Folder>, right: &Arc<Folder>) -> bool {
    let same = |(left, right): (&Entry, &Entry)| match (left, right) {
        (Entry::File { id: left }, Entry::File { id: right }) => left == right,
        (Entry::Folder(left), Entry::Folder(right)) => same_files(left, right),
        _ => false,
    };
    Arc::ptr_eq(left, right)
        || left.entries.keys().eq(right.entries.keys()) && left.entries.values().zip(right.entries.values()).all(same)
}

/// Lists a tree of which nothing may be missing: what cannot be read must not look like a change.
fn list(lister: &mut Lister<'_>, tree: ObjectId, known: Option<&Arc<Folder>>) -> Result<Arc<Folder>, SourceError> {
    let files = lister.list(tree, known.map(Known::SamePaths))?;
    match lister.damage.take() {
        Some(error) => Err(error),
        None => Ok(files),
    }
}
