//! Why a cluster gave no answer, or refused.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::path::FieldPath;

/// No answer from a cluster, or a refusal: what it means, and the cause for logs.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{failure}")]
#[non_exhaustive]
pub struct ClusterError {
    /// The meaning; branch on this.
    pub failure: Failure,
    /// The foreign error behind it.
    #[source]
    pub cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a failure means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum Failure {
    /// Others own fields that an unforced apply wants to change.
    FieldConflict {
        /// The fields and their owners.
        conflicts: Vec<FieldConflict>,
    },
    /// The guard does not match: the object is another, or has changed.
    Stale,
    /// There is such an object already.
    AlreadyExists,
    /// There is no such object.
    NotFound,
    /// The namespace does not exist.
    NamespaceMissing {
        /// The namespace.
        namespace: Arc<str>,
    },
    /// The namespace is being deleted.
    NamespaceTerminating {
        /// The namespace.
        namespace: Arc<str>,
    },
    /// The cluster serves no such kind (now).
    KindNotServed,
    /// Not allowed.
    Denied {
        /// What the server said.
        message: Arc<str>,
    },
    /// The object is not valid, or changes what cannot change.
    Invalid {
        /// What the server said.
        message: Arc<str>,
        /// The fields it named.
        causes: Vec<Cause>,
    },
    /// An admission policy or webhook refused it.
    Refused {
        /// What it said.
        message: Arc<str>,
    },
    /// A webhook that must be asked cannot be reached.
    WebhookUnavailable {
        /// What the server said.
        message: Arc<str>,
    },
    /// The object is larger than the cluster takes.
    TooLarge {
        /// What the server said.
        message: Arc<str>,
    },
    /// Too many requests.
    Throttled {
        /// When to come back.
        #[serde(rename = "retryAfterMillis", with = "millis", default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<Duration>,
    },
    /// Not reachable, or failing; certainly nothing happened.
    Unavailable {
        /// What is known.
        message: Arc<str>,
    },
    /// The answer was lost: it may have happened.
    InDoubt {
        /// What is known.
        message: Arc<str>,
    },
    /// The cursor is too old; observe again.
    CursorExpired,
    /// This cluster cannot do that.
    Unsupported {
        /// What.
        message: Arc<str>,
    },
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(of: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        of.map(|of| u64::try_from(of.as_millis()).unwrap_or(u64::MAX)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldConflict {
    /// Who.
    pub manager: Arc<str>,
    /// Under which subresource, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<Arc<str>>,
    /// The field.
    pub field: FieldPath,
}

/// One field a server complained of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cause {
    /// The field, as the server names it.
    pub field: Arc<str>,
    /// What is wrong with it.
    pub message: Arc<str>,
}

impl ClusterError {
    /// States a failure without a cause.
    #[must_use]
    pub fn new(failure: Failure) -> Self {
        Self { failure, cause: None }
    }

    /// Adds the foreign error behind it.
    #[must_use]
    pub fn caused_by(self, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }
}

impl FieldConflict {
    /// Names a field and its owner.
    #[must_use]
    pub fn new(manager: &str, field: FieldPath) -> Self {
        Self { manager: manager.into(), subresource: None, field }
    }

    /// Adds the subresource.
    #[must_use]
    pub fn under(self, subresource: Option<&str>) -> Self {
        Self { subresource: subresource.map(Arc::from), ..self }
    }
}

impl Cause {
    /// Names a field and what is wrong with it.
    #[must_use]
    pub fn new(field: &str, message: &str) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl Failure {
    /// Returns whether trying the same again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::Unavailable { .. }
                | Self::InDoubt { .. }
                | Self::WebhookUnavailable { .. }
                | Self::NamespaceTerminating { .. }
        )
    }
}

/// What the server says of fields that cannot change once set. Rule: the validation of each kind in kube-apiserver 1.36,
/// as recorded.
const IMMUTABLE: [&str; 7] = [
    "field is immutable",
    "is immutable after creation",
    "may not change once set",
    "may not be changed in an update",
    "updates may not change fields other than",
    "cannot change roleRef",
    "updates to ",
];

impl Failure {
    /// Returns the complaints, if every one of them is that a field cannot change once set: then, and only then, the same
    /// object would be taken if it were new.
    #[must_use]
    pub fn immutable(&self) -> &[Cause] {
        let is_immutable = |cause: &Cause| {
            let said = |words: &&str| cause.message.contains(*words);
            // Of a StatefulSet, "updates to statefulset spec for fields other than ... are forbidden".
            IMMUTABLE
                .iter()
                .find(|words| said(words))
                .is_some_and(|words| *words != "updates to " || cause.message.contains("forbidden"))
        };
        match self {
            Self::Invalid { causes, .. } if causes.iter().all(is_immutable) => causes,
            _ => &[],
        }
    }
}

impl From<Failure> for ClusterError {
    fn from(failure: Failure) -> Self {
        Self::new(failure)
    }
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subresource {
            Some(subresource) => write!(f, "`{}` (owned by `{}` through {subresource})", self.field, self.manager),
            None => write!(f, "`{}` (owned by `{}`)", self.field, self.manager),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldConflict { conflicts } => {
                let fields: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
                write!(f, "others own {}", fields.join(", "))
            }
            Self::Stale => f.write_str("the object changed in between"),
            Self::AlreadyExists => f.write_str("the object exists already"),
            Self::NotFound => f.write_str("the object does not exist"),
            Self::NamespaceMissing { namespace } => {
                write!(f, "namespace `{namespace}` does not exist; declare it with the rest, or create it")
            }
            Self::NamespaceTerminating { namespace } => write!(f, "namespace `{namespace}` is being deleted"),
            Self::KindNotServed => f.write_str("the cluster serves no such kind"),
            Self::Denied { message } => write!(f, "not allowed: {message}"),
            Self::Invalid { message, causes } if causes.is_empty() => write!(f, "not valid: {message}"),
            Self::Invalid { causes, .. } => {
                let causes: Vec<String> =
                    causes.iter().map(|cause| format!("`{}`: {}", cause.field, cause.message)).collect();
                write!(f, "not valid: {}", causes.join("; "))
            }
            Self::Refused { message } => write!(f, "refused by the cluster: {message}"),
            Self::WebhookUnavailable { message } => write!(f, "a webhook cannot be reached: {message}"),
            Self::TooLarge { message } => write!(f, "too large: {message}"),
            Self::Throttled { .. } => f.write_str("the cluster asks to slow down"),
            Self::Unavailable { message } => write!(f, "the cluster cannot be reached: {message}"),
            Self::InDoubt { message } => write!(f, "the answer was lost, the write may have happened: {message}"),
            Self::CursorExpired => f.write_str("too much changed since the last look; look again"),
            Self::Unsupported { message } => write!(f, "not supported: {message}"),
        }
    }
}
