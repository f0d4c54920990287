//! Desired state from Git: a [`Source`] over repositories on this machine, and one over remotes.
//!
//! [`GitSource`] opens a repository itself, without a `git` program, and reads commits, trees and blobs. It never looks
//! at the work tree or the index: what is not committed does not exist. The configuration of the user and of the
//! machine, environment variables and `safe.directory` play no part either, so the same repository gives the same
//! answers everywhere; objects are only read, nothing in a repository is ever executed.
//!
//! This crate parses no manifest and decides nothing: which files matter is said by
//! [`Paths`], what they mean by `gitops-core`.
//!
//! - [`GitSource::open`] finds the repository of a folder.
//! - [`GitStore::remote`] fetches from `https`, `ssh`, `git` and bundles, as little as is needed, and shares it.
//! - [`Source::resolve`] pins a branch, tag or commit: see [`GitSource`] for the rules.
//! - [`Source::snapshot`] names the files of a commit by blob id, and shares the folders that did not change.
//! - [`Source::read`] gives their bytes.
//! - [`Source::history`] tells who changed a path or a line, and when.
//! - [`GitSource::restore`] makes a commit that takes files back, for people to review; [`GitRemote::push`] sends it to
//!   them.
//! - [`webhook`] reads what Git hosts send when somebody pushes.
//!
//! ```
//! use gitops_core::source::{Paths, Source, Target};
//! use gitops_git::GitSource;
//!
//! # async fn example(folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let source = GitSource::open(folder)?;
//! let revision = source.resolve(&Target::new("HEAD")).await?;
//! let files = source.snapshot(&revision.id, &Paths::under(["apps"])?, None).await?.files();
//! let bytes = source.read(&[files[0].id.clone()]).await?.remove(0)?;
//!
//! assert_eq!(&*files[0].path, "apps/web.yaml");
//! assert_eq!(&*bytes, b"kind: Pod\n");
//! assert_eq!(revision.commit.unwrap().subject(), "Add the web shop");
//! # Ok(())
//! # }
//! #
//! # let folder = tempfile::tempdir().unwrap();
//! # std::fs::create_dir(folder.path().join("apps")).unwrap();
//! # std::fs::write(folder.path().join("apps/web.yaml"), "kind: Pod\n").unwrap();
//! # for arguments in ["init -q", "add .", "-c user.name=Ann -c user.email=ann@example.org commit -qm"] {
//! #     let mut git = std::process::Command::new("git");
//! #     git.current_dir(folder.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
//! #     git.args(arguments.split(' '));
//! #     assert!(git.args(arguments.ends_with("-qm").then_some("Add the web shop")).status().unwrap().success());
//! # }
//! # let example = std::pin::pin!(example(folder.path()));
//! # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! # assert!(matches!(std::future::Future::poll(example, &mut context), std::task::Poll::Ready(Ok(()))));
//! ```
//!
//! # Blocking
//!
//! Reading a repository is file I/O and unpacking, done at once inside the `async` methods: their futures are ready at
//! the first poll. Most calls take well under a millisecond; a first snapshot of a large repository, `log` and `blame`
//! may take longer. Where that would disturb other tasks, call them from a thread for blocking work, such as
//! `tokio::task::spawn_blocking`. No lock is held across an `await`. A [`GitRemote`] fetches on a thread of its own, which its
//! futures wait for; what is here it reads at once as well.

mod bases;
mod batch;
mod blame;
mod branches;
mod error;
mod history;
mod ignored;
mod lines;
mod links;
mod objects;
mod open;
mod range;
mod relation;
mod remote;
mod renames;
mod resolve;
mod restore;
mod submodules;
mod tree;
#[cfg(feature = "signatures")]
mod trust;
pub mod webhook;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gitops_core::source::{ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, Target};

pub use open::GitLimits;
pub use relation::Relation;
pub use remote::{
    Asked, Credential, CredentialHelper, Credentials, Fetched, GitRemote, GitStore, Progress, Push, Pushed,
    RemoteOptions, RemoteUrl, Scheme, Secret, SshOptions, Trimmed, Upstream,
};

pub use restore::Restore;
pub use submodules::{Follow, Hosts, InvalidSubmodule, InvalidSubmodules, Submodule, SubmoduleList, Submodules};
#[cfg(feature = "signatures")]
pub use trust::{Demand, InvalidKeyring, InvalidSigners, Trust, Verdict};

use history::AtEnd;
use submodules::{LocalModules, Opened, Rule};

/// A Git repository on this machine as a [`Source`].
///
/// # Revisions
///
/// | target | means |
/// |---|---|
/// | `HEAD`, `@`, empty | the commit that is checked out; for a bare repository its default branch |
/// | `main`, `v1.2.0`, `origin/main` | a branch, tag or remote branch |
/// | `refs/heads/main`, `heads/main` | exactly this reference |
/// | 40 (SHA-256: 64) hex digits | exactly this object |
/// | 4 or more hex digits | the one commit or tag whose id starts so |
/// | `>=1.2.0 <2`, `^1.4`, `1.2.*`, `*` | the highest tag in this range of versions |
/// | any of these followed by `~`, `~3`, `^`, `^2`, `^{}` | ancestors, parents of a merge |
///
/// - A full id always means the object. Otherwise a reference is preferred to the start of an id, so a branch named
///   `deadbeef` wins (as in Git and Argo CD).
/// - A short name that is, for instance, both a branch and a tag is ambiguous, unless both lead to the same commit.
///   Git prefers the tag with a warning nobody reads; Argo CD takes what the server lists first. Give the full reference.
/// - Ranges are read as Go's Masterminds semver reads them, as in Argo CD and Flux: pre-releases count only if the range
///   names one; tags that are no versions do not count; a lone version such as `1.2` is the name of a tag. A reference
///   that is called like a range, such as a branch `1.x`, goes first. Two tags of one version that lead to different
///   commits are ambiguous.
/// - Tags are followed to their commit. What leads to no commit is refused.
/// - Reflogs (`@{..}`), ranges, searches (`:/text`) and paths (`HEAD:file`) are refused: they name no commit, or a
///   different one in each clone.
///
/// # Files
///
/// - Content ids are blob ids, folder ids are tree ids. `refs/replace` is ignored, so equal ids stay equal bytes.
/// - Links are followed within the commit, to files and to folders. A link that leads outside, to nothing or back to a
///   folder around it is a problem of the snapshot.
/// - Submodules are read, refused or left out as [`Submodules`] says; without it, a warning says that they are not read.
/// - What cannot be listed is a blocking problem; a root that cannot be read is an error.
#[derive(Clone)]
pub struct GitSource {
    repository: gix::ThreadSafeRepository,
    location: PathBuf,
    limits: GitLimits,
    submodules: Submodules,
    /// The repositories of submodules that were followed.
    opened: Opened<Self>,
    #[cfg(feature = "signatures")]
    trust: Option<Arc<Trust>>,
    #[cfg(feature = "signatures")]
    resolved: trust::Resolved,
}

#[async_trait]
impl Source for GitSource {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        let repository = self.local();
        let id = resolve::resolve(&repository, target.as_str())?;
        let commit = objects::commit(&repository, id)?;
        let revision = Revision::new(&RevisionId::new(&id.to_string()), target).with_commit(commit.about);
        #[cfg(feature = "signatures")]
        if let Some(trust) = &self.trust {
            let signed = trust.check(&repository, id, resolve::tag(&repository, target.as_str())?.as_ref())?;
            self.resolved.add(id);
            return Ok(revision.with_signature(signed.as_deref()));
        }
        Ok(revision)
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        let repository = self.local();
        #[cfg(feature = "signatures")]
        if let Some(trust) = self.trust.as_ref().filter(|_| self.resolved.has(revision)) {
            let rule = Rule::of_history(&self.submodules);
            trust.check_paths(&repository, &self.limits, revision, paths, rule)?;
        }
        let list = |rule| tree::snapshot(&repository, &self.limits, revision, paths, known, rule);
        match &self.submodules {
            Submodules::Follow(follow) => list(Rule::Follow(&LocalModules::new(&repository, follow, &self.opened))),
            policy => list(Rule::unfollowed(policy)),
        }
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        let mut sources = vec![self.clone()];
        sources.extend(self.opened.all());
        Ok(batch::contents(&sources, &self.limits, ids))
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }
}

#[async_trait]
impl History for GitSource {
    /// Lists the commits that changed a file under `paths`, as `git log -- path` does: at a merge that left the files
    /// as one parent had them, only that parent is followed; otherwise all are, newest commit first. A merge is listed
    /// if it differs from every parent. In a shallow clone the last commit counts as the first one.
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        let rule = Rule::of_history(&self.submodules);
        history::log(&self.local(), &self.limits, from, paths, limit, AtEnd::Stop, rule)
    }

    /// Names the parents of a commit. Where a shallow clone ends there is an error: that it has none is not known.
    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        history::parents(&self.local(), of)
    }

    /// Names the commit that last changed a line, as `git blame` does: through merges, and through renames of the file. Lines
    /// that were copied or moved to another file count as new there (no `-M`, no `-C`). A link is followed to its file, of
    /// which renames are not. Where a shallow clone ends before the answer is known there is an error, not a guess.
    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        blame::blame(&self.local(), &self.limits, at, file, line)
    }
}

impl fmt::Debug for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitSource").field("location", &self.location).field("limits", &self.limits).finish()
    }
}

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
