//! The port to desired state: revisions and files, never objects.

mod error;
mod glob;
mod ignoring;
mod paths;
mod several;
mod snapshot;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

pub use error::{SourceError, SourceFailure};
pub use ignoring::{IGNORE_FILE, Ignoring, Kind, Standing};
pub use paths::{Globs, IgnoreFiles, InvalidPaths, Paths, Recurse};
pub use several::{Part, Several};
pub use snapshot::{ContentId, Entry, File, FileChange, Folder, Snapshot};

/// What somebody wants to follow: a branch, tag, commit or range, such as `main`, `v1.2.0`, `HEAD~1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(Arc<str>);

/// One immutable revision: for Git the full commit id in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionId(Arc<str>);

/// A revision and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Revision {
    /// Which one.
    pub id: RevisionId,
    /// What it was resolved from.
    pub target: Target,
    /// Who made it, when and why; `None` where the source does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// By whom it is signed, in the words of the source; `None` where signatures are not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Arc<str>>,
}

/// Who made a revision, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Commit {
    /// Name and address of the author, such as `Ann <ann@example.org>`.
    pub author: Arc<str>,
    /// When it was authored.
    pub time: Timestamp,
    /// The whole message, without trailing white space.
    pub message: Arc<str>,
}

/// Port to desired state. It gives files, not objects, so that parsing, its cache and its errors stay pure.
///
/// An implementor promises:
/// 1. A full revision id resolves to itself.
/// 2. Equal content ids give equal bytes for ever; equal folder ids hold equal entries.
/// 3. A snapshot is complete, or says in its problems what is missing. What could not be read is never left out silently.
/// 4. `read` answers in the order of `ids`, one result each.
/// 5. Every future may be dropped at any point.
/// 6. No credential appears in an error or in `Debug`.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// Pins `target` to one immutable revision.
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError>;

    /// Names the files under `paths` by content id. Folders equal to those of `known` share their storage.
    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError>;

    /// Reads files by content id.
    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError>;

    /// Returns the history behind this source, if it has one. Required, so that a wrapper cannot lose it.
    fn history(&self) -> Option<&dyn History>;
}

/// Who changed what, and when.
#[async_trait]
pub trait History: fmt::Debug + Send + Sync {
    /// Lists the revisions from `from` backwards that changed a file under `paths`, newest first, at most `limit`.
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError>;

    /// Names the revisions that a revision was made from, the one it continues first: none for the first of all, several
    /// for a merge.
    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError>;

    /// Names the revision that last changed a line (counted from 1) of a file.
    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError>;
}

impl Target {
    /// Names what to follow.
    #[must_use]
    pub fn new(target: &str) -> Self {
        Self(target.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RevisionId {
    /// Names a revision.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first 12 characters, enough to name it to a person.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl Revision {
    /// Names a revision of which nothing else is known.
    #[must_use]
    pub fn new(id: &RevisionId, target: &Target) -> Self {
        Self { id: id.clone(), target: target.clone(), commit: None, signature: None }
    }

    /// Adds who made it.
    #[must_use]
    pub fn with_commit(self, commit: Commit) -> Self {
        Self { commit: Some(commit), ..self }
    }

    /// Adds by whom it is signed.
    #[must_use]
    pub fn with_signature(self, signature: Option<&str>) -> Self {
        Self { signature: signature.map(Arc::from), ..self }
    }
}

impl Commit {
    /// States who made a revision, when and why.
    #[must_use]
    pub fn new(author: &str, time: Timestamp, message: &str) -> Self {
        Self { author: author.into(), time, message: message.trim_end().into() }
    }

    /// Returns the first line of the message.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or("")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
