//! Repositories elsewhere: fetched into a store of this machine, read from there.

mod bundle_file;
mod credential_helper;
mod credentials;
#[cfg(feature = "http")]
mod http;
mod listing;
mod modules;
mod options;
mod pipe;
mod progress;
mod push;
mod received;
mod shared;
mod store;
mod upstream;
mod url;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use async_trait::async_trait;
use gitops_core::source::{ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, Target};

use crate::history::{self, AtEnd};
use crate::relation::{self, Relation};
use crate::submodules::Rule;
use crate::{GitSource, Submodules, batch, blame, objects, tree};

pub use credential_helper::CredentialHelper;
pub use credentials::{Asked, Credential, Credentials, Secret};
pub use options::RemoteOptions;
pub use pipe::SshOptions;
pub use progress::{Fetched, Progress};
pub use push::{Push, Pushed};
pub use store::Trimmed;
pub use upstream::Upstream;
pub(crate) use url::hidden;
pub use url::{RemoteUrl, Scheme};

use credentials::Anonymous;
use modules::{Followed, Wanted};
use shared::Shared;

/// A folder in which remotes are kept, one bare repository for each.
///
/// Several processes may use one folder at the same time. What is in it can be had again: it may be deleted whenever no
/// process uses it. Whoever can read it can read every repository in it, and whoever has a [`GitStore`] gets from it what
/// was fetched with the credentials of others: give those who must not see each other's repositories a folder each.
#[derive(Clone, Debug)]
pub struct GitStore {
    root: PathBuf,
    options: RemoteOptions,
    credentials: Arc<dyn Credentials>,
    submodules: Submodules,
    open: Arc<Mutex<BTreeMap<RemoteUrl, Weak<Shared>>>>,
    #[cfg(feature = "signatures")]
    trust: Option<Arc<crate::Trust>>,
}

/// A remote Git repository as a [`Source`]. Its clones, and all that one [`GitStore`] gives for one address, share what was
/// fetched, the connection, and the answers of the remote.
///
/// # Fetching
///
/// - [`Source::resolve`] asks the remote; where the target leads to is what it says after the call began. Calls that wait
///   at the same time are answered by one question. Where nothing changed that is one round trip and nothing else. A full
///   commit id that is here is not asked for.
/// - What is new comes in one more round trip, without history. [`History`], and targets such as `main~3`, fetch as much
///   history as they need. The start of an id fetches all of it, since nothing less tells what the id is.
/// - [`Source::snapshot`] and [`Source::read`] do not ask the remote for what is here.
/// - What is sent is checked, object by object, before it is kept.
/// - Failures that may pass (`Unavailable`) are tried again as [`RemoteOptions`] says.
///
/// Targets mean what they mean for a [`GitSource`], but for `refs/remotes`, and except that a range of versions needs only
/// the tags of the remote. Redirects are not followed.
///
/// Fetching is done on a thread that lives as long as there is something to fetch, so the futures need no particular
/// runtime; dropping one cancels what it waits for.
#[derive(Clone)]
pub struct GitRemote {
    shared: Arc<Shared>,
}

impl GitStore {
    /// Keeps remotes below `root`, which is made when needed.
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self {
            root: root.as_ref().to_owned(),
            options: RemoteOptions::default(),
            credentials: Arc::new(Anonymous),
            submodules: Submodules::default(),
            open: Arc::default(),
            #[cfg(feature = "signatures")]
            trust: None,
        }
    }

    /// Lets remotes that are opened from now on resolve to nothing but what is signed as `trust` demands, as
    /// [`GitSource::with_trust`] does.
    #[cfg(feature = "signatures")]
    #[must_use]
    pub fn with_trust(self, trust: crate::Trust) -> Self {
        Self { trust: Some(Arc::new(trust)), open: Arc::default(), ..self }
    }

    /// Sets how remotes are reached, for those that are opened from now on.
    #[must_use]
    pub fn with_options(self, options: RemoteOptions) -> Self {
        Self { options, open: Arc::default(), ..self }
    }

    /// Sets who signs in, for remotes that are opened from now on. A password in an address goes before.
    #[must_use]
    pub fn with_credentials(self, credentials: impl Credentials + 'static) -> Self {
        Self { credentials: Arc::new(credentials), open: Arc::default(), ..self }
    }

    /// Sets what is done about submodules, in repositories that are opened from now on.
    #[must_use]
    pub fn with_submodules(self, submodules: Submodules) -> Self {
        Self { submodules, open: Arc::default(), ..self }
    }

    /// Opens a remote. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn remote(&self, url: &RemoteUrl) -> Result<GitRemote, SourceError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = open.get(url).and_then(Weak::upgrade) {
            return Ok(GitRemote { shared });
        }
        open.retain(|_, shared| shared.strong_count() > 0);
        let credentials = match url.credential() {
            Some(credential) => Arc::new(credential),
            None => Arc::clone(&self.credentials),
        };
        let shared = Shared::open(&self.root, url, &self.options, credentials)?;
        let shared = shared.following(&self.submodules, self.followed());
        #[cfg(feature = "signatures")]
        let shared = shared.trusting(self.trust.clone());
        let shared = Arc::new(shared);
        open.insert(url.clone(), Arc::downgrade(&shared));
        Ok(GitRemote { shared })
    }

    /// Returns how submodules of a remote are followed, if they are. Those within are followed by it, too.
    fn followed(&self) -> Option<Arc<Followed>> {
        let Submodules::Follow(follow) = &self.submodules else { return None };
        let store = Self {
            root: self.root.clone(),
            options: self.options.clone(),
            credentials: Arc::clone(&self.credentials),
            submodules: Submodules::Skip,
            open: Arc::default(),
            #[cfg(feature = "signatures")]
            trust: None,
        };
        Some(Followed::new(store, follow.clone()))
    }

    /// Removes the remotes that were not used for the longest time, until at most `most` bytes are taken up. What a
    /// process has open stays.
    ///
    /// # Errors
    /// When the folder cannot be read, or something in it cannot be removed.
    pub fn trim(&self, most: u64) -> Result<Trimmed, SourceError> {
        store::trim(&self.root, most)
    }
}

impl GitRemote {
    /// Returns where it is.
    #[must_use]
    pub fn url(&self) -> &RemoteUrl {
        &self.shared.url
    }

    /// Returns how a revision stands to one that was followed before, and fetches the history it needs. A forced push is
    /// seen by it.
    ///
    /// # Errors
    /// When one of them is gone from the remote and not here, or the remote cannot be reached.
    pub async fn relation(&self, old: &RevisionId, new: &RevisionId) -> Result<Relation, SourceError> {
        self.holding(old).await?;
        self.holding(new).await?;
        let (shared, old, new) = (Arc::clone(&self.shared), old.clone(), new.clone());
        let relate = move |cancelled: &Arc<_>| {
            shared.with_history(&new, cancelled, |source| relation::relation(&source.local(), &old, &new))
        };
        self.shared.worker.run(relate).await
    }

    /// Puts a commit of a repository on this machine on a branch of the remote, with what the remote lacks of it. Nothing is
    /// ever forced, and the remote moves the branch only if it still is where it was said to be.
    ///
    /// # Errors
    /// When the branch is elsewhere, when the remote refuses it, or cannot be reached. Where an answer is lost it may have
    /// been done: pushing again tells, and changes nothing then.
    pub async fn push(&self, from: &GitSource, push: &Push) -> Result<Pushed, SourceError> {
        let (shared, from, push) = (Arc::clone(&self.shared), from.clone(), push.clone());
        self.shared.worker.run(move |cancelled| shared.push(&from, &push, cancelled)).await
    }

    /// Fails unless what is wanted was signed as is demanded of its paths. Fetches the history it needs.
    #[cfg(feature = "signatures")]
    async fn check_paths(&self, revision: &RevisionId, paths: &Paths) -> Result<(), SourceError> {
        let trust = self.shared.trust.clone().filter(|trust| trust.is_by_path() && self.shared.resolved.has(revision));
        let Some(trust) = trust else { return Ok(()) };
        let (shared, revision, paths) = (Arc::clone(&self.shared), revision.clone(), paths.clone());
        let check = move |cancelled: &Arc<_>| {
            shared.with_history(&revision, cancelled, |source| {
                let (limits, rule) = (&shared.options.limits, Rule::of_history(&shared.submodules));
                trust.check_paths(&source.local(), limits, &revision, &paths, rule)
            })
        };
        self.shared.worker.run(check).await
    }

    /// Returns a repository that holds the commit `id`, fetching it if there is none.
    async fn holding(&self, id: &RevisionId) -> Result<GitSource, SourceError> {
        let is_here = |source: &GitSource| objects::pinned(&source.local(), id).is_ok();
        if let Some(source) = self.shared.sources()?.into_iter().find(is_here) {
            return Ok(source);
        }
        self.resolve(&Target::new(id.as_str())).await?;
        let found = self.shared.sources()?.into_iter().find(is_here);
        found.ok_or_else(|| crate::error::unknown(id.as_str(), Vec::new()))
    }
}

#[async_trait]
impl Source for GitRemote {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        if let Some(revision) = self.shared.pinned(target) {
            return Ok(revision);
        }
        let (shared, target, asked) = (Arc::clone(&self.shared), target.clone(), Instant::now());
        self.shared.worker.run(move |cancelled| shared.resolve(&target, asked, cancelled)).await
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        let source = self.holding(revision).await?;
        #[cfg(feature = "signatures")]
        self.check_paths(revision, paths).await?;
        let (root, limits) = (&self.shared.url, &self.shared.options.limits);
        match &self.shared.followed {
            Some(followed) => followed.snapshot(&source, Wanted { root, limits, revision, paths, known }).await,
            None => tree::snapshot(
                &source.local(),
                limits,
                revision,
                paths,
                known,
                Rule::unfollowed(&self.shared.submodules),
            ),
        }
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        let mut sources = self.shared.sources()?;
        for remote in self.shared.followed.iter().flat_map(|followed| followed.remotes()) {
            sources.extend(remote.shared.sources()?);
        }
        Ok(batch::contents(&sources, &self.shared.options.limits, ids))
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }
}

#[async_trait]
impl History for GitRemote {
    /// Lists as a [`GitSource`] does, and fetches the history it needs.
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        self.holding(from).await?;
        let (shared, from, paths) = (Arc::clone(&self.shared), from.clone(), paths.clone());
        let log = move |cancelled: &Arc<_>| {
            shared.with_history(&from, cancelled, |source| {
                let (repository, limits) = (source.local(), &shared.options.limits);
                history::log(
                    &repository,
                    limits,
                    &from,
                    &paths,
                    limit,
                    AtEnd::Fail,
                    Rule::of_history(&shared.submodules),
                )
            })
        };
        self.shared.worker.run(log).await
    }

    /// Names the parents of a commit, and fetches the history it needs.
    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        self.holding(of).await?;
        let (shared, of) = (Arc::clone(&self.shared), of.clone());
        let parents = move |cancelled: &Arc<_>| {
            shared.with_history(&of, cancelled, |source| history::parents(&source.local(), &of))
        };
        self.shared.worker.run(parents).await
    }

    /// Blames as a [`GitSource`] does, and fetches the history it needs.
    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        self.holding(at).await?;
        let (shared, at, file) = (Arc::clone(&self.shared), at.clone(), file.to_owned());
        let blame = move |cancelled: &Arc<_>| {
            shared.with_history(&at, cancelled, |source| {
                blame::blame(&source.local(), &shared.options.limits, &at, &file, line)
            })
        };
        self.shared.worker.run(blame).await
    }
}

impl fmt::Debug for GitRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitRemote").field("url", &self.shared.url).finish_non_exhaustive()
    }
}
