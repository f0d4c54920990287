//! Who must have signed what lies below a path.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use gitops_core::source::{InvalidPaths, Paths, RevisionId, SourceError};
use gix::objs::Kind;
use gix::{ObjectId, Repository};

use super::{Trust, Verdict, untrusted};
use crate::error::shown;
use crate::history::{self, AtEnd};
use crate::submodules::Rule;
use crate::{GitLimits, objects};

/// Resolved commits that are remembered.
const RESOLVED: usize = 1024;

impl Trust {
    /// Demands besides that what is read at `path` and below it was last changed by a commit that somebody signed whom `trust`
    /// lists. What `trust` demands otherwise does not matter.
    ///
    /// Once there is such an entry, every path that is read must be below one. The entry with the longest path counts, and
    /// besides it those for paths within what is read. What is read through links, wherever it lies, and of submodules, by the
    /// commit that is named, is part of what must have been signed. Since the signature is by whoever changed these
    /// files last, commits to other parts of the repository need none, unless the demand says so.
    ///
    /// # Errors
    /// When the path is absolute, or has a `..`.
    pub fn with_path(mut self, path: &str, trust: Self) -> Result<Self, InvalidPaths> {
        let roots = Paths::under([path])?.roots;
        self.paths.extend(roots.into_iter().map(|root| (root, Arc::new(trust.clone()))));
        Ok(self)
    }

    /// Returns whether something is demanded path by path.
    pub(crate) fn is_by_path(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Fails unless all that is wanted of a commit was last changed by whom its path demands.
    pub(crate) fn check_paths(
        &self,
        repository: &Repository,
        limits: &GitLimits,
        revision: &RevisionId,
        paths: &Paths,
        rule: Rule<'_>,
    ) -> Result<(), SourceError> {
        for root in paths.roots.iter().filter(|_| self.is_by_path()) {
            let covering = self.paths.iter().filter(|(path, _)| holds(path, root));
            let Some((_, trust)) = covering.max_by_key(|(path, _)| path.len()) else {
                return Err(untrusted(format!("{} (no list of signers is for this path)", named(root))));
            };
            let mut wanted = paths.clone();
            wanted.roots = vec![Arc::clone(root)];
            if !trust.check_last(repository, limits, revision, &wanted, root, rule)? {
                trust.check_nothing(repository, revision, root)?;
            }
            for (path, trust) in self.paths.iter().filter(|(path, _)| path != root && holds(root, path)) {
                let mut within = paths.clone();
                (within.roots, within.include, within.exclude) =
                    (vec![Arc::clone(path)], vec!["**".into()], Vec::new());
                trust.check_last(repository, limits, revision, &within, path, rule)?;
            }
        }
        Ok(())
    }

    /// Returns whether there ever was something, as far as history simplification tells.
    fn check_last(
        &self,
        repository: &Repository,
        limits: &GitLimits,
        revision: &RevisionId,
        paths: &Paths,
        root: &str,
        rule: Rule<'_>,
    ) -> Result<bool, SourceError> {
        // The files are what they are in the commit that is found, so that its signature is for them.
        let log = history::log(repository, limits, revision, paths, 1, AtEnd::Fail, rule)?;
        let Some(last) = log.first() else { return Ok(false) };
        let (id, _) = objects::pinned(repository, &last.id)?;
        match self.verdict(repository, Kind::Commit, id)? {
            Verdict::Good { .. } => Ok(true),
            verdict => Err(untrusted(format!("{}, last changed by commit `{id}` ({verdict}),", named(root)))),
        }
    }

    /// Fails unless the commit itself is signed, for there to be nothing: a merge with a history that never had anything
    /// takes all away, and no commit is found that did so.
    fn check_nothing(&self, repository: &Repository, revision: &RevisionId, root: &str) -> Result<(), SourceError> {
        let (id, _) = objects::pinned(repository, revision)?;
        match self.verdict(repository, Kind::Commit, id)? {
            Verdict::Good { .. } => Ok(()),
            verdict => Err(untrusted(format!("{}, of which commit `{id}` ({verdict}) has nothing,", named(root)))),
        }
    }
}

/// Returns whether `path` is `root` or below it.
fn holds(root: &str, path: &str) -> bool {
    root.is_empty() || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn named(root: &str) -> String {
    if root.is_empty() { "the whole repository".to_owned() } else { format!("`{}`", shown(root)) }
}

/// The commits that a source has resolved to. Of these the paths are checked; others are only looked at.
#[derive(Clone, Debug)]
pub(crate) struct Resolved(Arc<Mutex<Option<BTreeSet<ObjectId>>>>);

impl Default for Resolved {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(BTreeSet::new()))))
    }
}

impl Resolved {
    /// Remembers a commit. Once there are too many, all count as resolved.
    pub(crate) fn add(&self, id: ObjectId) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ids.as_mut() {
            known.insert(id);
        }
        if ids.as_ref().is_some_and(|known| known.len() > RESOLVED) {
            *ids = None;
        }
    }

    pub(crate) fn has(&self, id: &RevisionId) -> bool {
        let ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ObjectId::from_hex(id.as_str().as_bytes());
        ids.as_ref().is_none_or(|known| id.is_ok_and(|id| known.contains(&id)))
    }
}
