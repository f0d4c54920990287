//! Submodules of a remote: repositories that are fetched when they are needed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use gitops_core::source::{Paths, RevisionId, Snapshot, Source, SourceError, SourceFailure, Target};
use gix::ObjectId;

use super::store::has_commit;
use super::{GitRemote, GitStore, RemoteUrl};
use crate::error::{shown, unsupported};
use crate::submodules::{Budget, Follow, Module, Modules, NotFound, Opened, Rule, Submodule};
use crate::{GitLimits, GitSource, tree};

/// How the submodules of one remote are followed.
#[derive(Debug)]
pub(super) struct Followed {
    /// Where they are kept. What is signed names them by commit, so their own signatures are not asked for.
    store: GitStore,
    follow: Follow,
    opened: Opened<GitRemote>,
}

/// A snapshot that is wanted.
pub(super) struct Wanted<'w> {
    pub(super) root: &'w RemoteUrl,
    pub(super) limits: &'w GitLimits,
    pub(super) revision: &'w RevisionId,
    pub(super) paths: &'w Paths,
    pub(super) known: Option<&'w Snapshot>,
}

/// Commits that must be fetched, with a path at which each is wanted.
type Lacking = BTreeMap<(PathBuf, ObjectId), (GitRemote, String)>;

impl Followed {
    pub(super) fn new(store: GitStore, follow: Follow) -> Arc<Self> {
        Arc::new(Self { store, follow, opened: Opened::default() })
    }

    /// Returns what was followed so far.
    pub(super) fn remotes(&self) -> Vec<GitRemote> {
        self.opened.all()
    }

    /// Lists a commit with its submodules. Those that are not here are fetched, level by level.
    pub(super) async fn snapshot(
        self: &Arc<Self>,
        source: &GitSource,
        wanted: Wanted<'_>,
    ) -> Result<Snapshot, SourceError> {
        self.opened.begin();
        for _ in 0..self.follow.depth.saturating_add(2) {
            let (snapshot, lacking) = self.list(source, &wanted);
            // A path that is not there may lie in what is lacking.
            let is_unknown = |error: &SourceError| matches!(error.failure, SourceFailure::UnknownPath { .. });
            if lacking.is_empty() || snapshot.as_ref().is_err_and(|error| !is_unknown(error)) {
                return snapshot;
            }
            for ((_, commit), (remote, path)) in lacking {
                let target = Target::new(&commit.to_string());
                remote.resolve(&target).await.map_err(|error| explained(error, &path, commit, remote.url()))?;
            }
        }
        Err(unsupported("following submodules that vanish while they are read".into()))
    }

    fn list(self: &Arc<Self>, source: &GitSource, wanted: &Wanted<'_>) -> (Result<Snapshot, SourceError>, Lacking) {
        let modules = RemoteModules {
            followed: Arc::clone(self),
            root: wanted.root.anonymous(),
            base: wanted.root.anonymous(),
            budget: Budget::of(&self.follow),
            lacking: Rc::default(),
        };
        let Wanted { limits, revision, paths, known, .. } = *wanted;
        let rule = Rule::Follow(&modules);
        let snapshot = tree::snapshot(&source.local(), limits, revision, paths, known, rule);
        (snapshot, modules.lacking.take())
    }

    /// Returns a remote, which is kept open.
    fn remote(&self, url: &RemoteUrl) -> Result<GitRemote, NotFound> {
        let place = PathBuf::from(url.anonymous().to_string());
        if let Some(remote) = self.opened.get(&place) {
            return Ok(remote);
        }
        let remote = self.store.remote(url).map_err(NotFound::Failed)?;
        match self.opened.keep(place, remote.clone()) {
            true => Ok(remote),
            false => Err(NotFound::too_many()),
        }
    }
}

struct RemoteModules {
    followed: Arc<Followed>,
    /// The remote that was asked for.
    root: RemoteUrl,
    /// The one whose `.gitmodules` is read.
    base: RemoteUrl,
    budget: Budget,
    lacking: Rc<RefCell<Lacking>>,
}

impl Modules for RemoteModules {
    fn find(&self, path: &str, submodule: &Submodule, commit: ObjectId) -> Result<Module, NotFound> {
        let refused = |why: String| NotFound::Refused { why, hint: "list its repository if you trust it" };
        let url = submodule.url(&self.base).map_err(|error| refused(error.to_string()))?;
        let Some(url) = self.followed.follow.allowed(&self.root, &url) else {
            return Err(refused(format!("its repository `{url}` is not where `{}` is", self.root)));
        };
        let budget = self.budget.spend()?;
        let remote = self.followed.remote(&url)?;
        let sources = remote.shared.sources().map_err(NotFound::Failed)?;
        match sources.into_iter().find(|source| has_commit(&source.local(), commit)) {
            Some(source) => {
                let within = Self {
                    followed: Arc::clone(&self.followed),
                    root: self.root.clone(),
                    base: url,
                    budget,
                    lacking: Rc::clone(&self.lacking),
                };
                Ok(Module { source, within: Box::new(within) })
            }
            None => {
                let place = (PathBuf::from(url.anonymous().to_string()), commit);
                self.lacking.borrow_mut().insert(place, (remote, path.to_owned()));
                Err(NotFound::Later)
            }
        }
    }
}

/// Says which submodule an error is about.
fn explained(error: SourceError, path: &str, commit: ObjectId, url: &RemoteUrl) -> SourceError {
    let path = shown(path);
    let of = |what: &str| format!("{what}, for the submodule `{path}`,").into();
    let failure = match &error.failure {
        // It is usual to push the repository that names a commit before the one that has it.
        SourceFailure::UnknownRevision { .. } => SourceFailure::Unavailable {
            what: format!("commit `{commit}` of the submodule `{path}`, which `{url}` does not have (push it there),")
                .into(),
        },
        SourceFailure::NoRepository { .. } => SourceFailure::Denied {
            what: format!("the submodule `{path}` (there is no repository `{url}`, or it is hidden from who signs in)")
                .into(),
        },
        SourceFailure::Unavailable { what } => SourceFailure::Unavailable { what: of(what) },
        SourceFailure::Denied { what } => SourceFailure::Denied { what: of(what) },
        SourceFailure::Unsupported { what } => SourceFailure::Unsupported { what: of(what) },
        _ => return error,
    };
    SourceError::from(failure).caused_by(error)
}
