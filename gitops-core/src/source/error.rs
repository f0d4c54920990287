//! Why a source gave no answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// No answer from a source: what it means, and the cause for logs.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{failure}")]
#[non_exhaustive]
pub struct SourceError {
    /// The meaning; branch on this.
    pub failure: SourceFailure,
    /// The foreign error behind it.
    #[source]
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What went wrong at a source. Texts name no credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum SourceFailure {
    /// There is no such repository.
    NoRepository {
        /// Where it was looked for.
        location: Arc<str>,
    },
    /// The target names no revision.
    UnknownRevision {
        /// The target.
        target: Arc<str>,
        /// Names that are close to it.
        similar: Vec<Arc<str>>,
    },
    /// The target is a branch on which nothing was committed yet.
    NoCommit {
        /// The branch.
        branch: Arc<str>,
    },
    /// The target names more than one revision.
    AmbiguousRevision {
        /// The target.
        target: Arc<str>,
        /// What it could mean, such as full commit ids or refs.
        candidates: Vec<Arc<str>>,
    },
    /// The revision has no such folder or file.
    UnknownPath {
        /// The path.
        path: Arc<str>,
        /// The revision.
        revision: Arc<str>,
    },
    /// The content is not there, or does not match its id.
    Corrupt {
        /// What.
        what: Arc<str>,
    },
    /// A limit was passed.
    TooLarge {
        /// What, and the limit.
        what: Arc<str>,
    },
    /// Not allowed, or not signed in.
    Denied {
        /// What.
        what: Arc<str>,
    },
    /// It is not signed as is demanded.
    Untrusted {
        /// What, and why.
        what: Arc<str>,
    },
    /// Not reachable now; trying again later may help.
    Unavailable {
        /// What.
        what: Arc<str>,
    },
    /// This source cannot do that.
    Unsupported {
        /// What.
        what: Arc<str>,
    },
}

impl SourceError {
    /// States a failure without a cause.
    #[must_use]
    pub fn new(failure: SourceFailure) -> Self {
        Self { failure, cause: None }
    }

    /// Adds the foreign error behind it.
    #[must_use]
    pub fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }

    /// Returns whether trying the same again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.failure, SourceFailure::Unavailable { .. })
    }
}

impl From<SourceFailure> for SourceError {
    fn from(failure: SourceFailure) -> Self {
        Self::new(failure)
    }
}

impl fmt::Display for SourceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[Arc<str>]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match self {
            Self::NoRepository { location } if location.contains("://") => {
                write!(
                    f,
                    "there is no Git repository at `{location}`, or it is hidden from who does not sign in; check the address and the credentials"
                )
            }
            Self::NoRepository { location } => {
                write!(f, "`{location}` is not a Git repository; give the folder that holds it, or a bare repository")
            }
            Self::UnknownRevision { target, similar } if similar.is_empty() => {
                write!(f, "revision `{target}` does not exist; give a branch, a tag or a commit id")
            }
            Self::UnknownRevision { target, similar } => {
                write!(f, "revision `{target}` does not exist; did you mean {}?", list(similar))
            }
            Self::NoCommit { branch } => {
                write!(f, "branch `{branch}` has no commit yet; commit something, or give another revision")
            }
            Self::AmbiguousRevision { target, candidates } => {
                write!(f, "revision `{target}` is ambiguous; give one of {}", list(candidates))
            }
            Self::UnknownPath { path, revision } => {
                write!(f, "revision `{revision}` has no `{path}`; paths start at the root of the repository")
            }
            Self::Corrupt { what } => write!(f, "{what} is damaged; run `git fsck`, or clone again"),
            Self::TooLarge { what } => write!(f, "{what}"),
            Self::Denied { what } => write!(f, "access to {what} is denied"),
            Self::Untrusted { what } => write!(f, "{what} is not trusted; sign it with a key on the list of signers"),
            Self::Unavailable { what } => write!(f, "{what} cannot be reached now"),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
        }
    }
}
