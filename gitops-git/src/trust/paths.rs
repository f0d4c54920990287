//! Who must have signed what lies below a path.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use gitops_core::source::{InvalidPaths, Paths, RevisionId, SourceError};
use gix::objs::Kind;
use gix::{ObjectId, Repository};

use super::{Trust, Verdict, untrusted};
use crate::error::shown;
use crate::history::{self, AtEnd, Files};
use crate::relation::{self, Relation};
use crate::submodules::Rule;
use crate::{GitLimits, objects};

/// Commits that are looked for in another history, and merges that may say what counts.
const ASKED: usize = 64;
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
    /// A merge of what was signed once with what came later could bring the old files back. So nothing in the history of the
    /// revision may have made these files other than they are, unless that is in the history of the commit that counts: a
    /// merge that drops such a change must be signed itself. A branch that is set back to an older commit is not seen by
    /// this, since nothing is left of what came later.
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
            Verdict::Good { .. } => {}
            verdict => return Err(untrusted(format!("{}, last changed by commit `{id}` ({verdict}),", named(root)))),
        }
        let (head, _) = objects::pinned(repository, revision)?;
        let mut later = Later { repository, files: Files::new(repository, limits, paths, rule), head, asked: 0 };
        let Some(dropped) = later.dropped(id)? else { return Ok(true) };
        for merge in later.merges(id)? {
            let is_signed = matches!(self.verdict(repository, Kind::Commit, merge)?, Verdict::Good { .. });
            if is_signed && later.dropped(merge)?.is_none() {
                return Ok(true);
            }
        }
        let (root, why) = (named(root), "and no signed merge says so");
        Err(untrusted(format!("{root}, which is as in commit `{id}` and not as `{dropped}` made it ({why}),")))
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

/// What is in the history of a revision, and not in that of the commit whose files it has.
struct Later<'r> {
    repository: &'r Repository,
    files: Files<'r>,
    head: ObjectId,
    /// Commits that were looked for in another history.
    asked: usize,
}

impl Later<'_> {
    /// Returns a commit that came to other files than the revision has, without being known to `base`.
    fn dropped(&mut self, base: ObjectId) -> Result<Option<ObjectId>, SourceError> {
        for id in relation::since(self.repository, base, self.head)? {
            if !self.files.are_same(id, self.head)? && self.files.are_new(id)? && !self.is_below(id, base)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Returns the merges among what came after `base` that have the files of the revision.
    fn merges(&mut self, base: ObjectId) -> Result<Vec<ObjectId>, SourceError> {
        let mut merges = Vec::new();
        for id in relation::since(self.repository, base, self.head)? {
            let is_merge = objects::commit(self.repository, id)?.parents.len() > 1;
            if is_merge && merges.len() < ASKED && self.files.are_same(id, self.head)? {
                merges.push(id);
            }
        }
        Ok(merges)
    }

    /// Returns whether `base` was built upon a commit after all. Where clocks are that wrong, few are looked for.
    fn is_below(&mut self, id: ObjectId, base: ObjectId) -> Result<bool, SourceError> {
        self.asked += 1;
        let named = |id: ObjectId| RevisionId::new(&id.to_string());
        Ok(self.asked <= ASKED && relation::relation(self.repository, &named(id), &named(base))? == Relation::Forward)
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
