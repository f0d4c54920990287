//! Who signs in at a remote, and with what.

use std::fmt;
use std::sync::Arc;

use gitops_core::source::SourceError;

use super::RemoteUrl;

/// A password or token. It is shown nowhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(Arc<str>);

/// What to sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A user and a password or token, as most Git servers want it.
    Basic {
        /// The user. For tokens, hosts differ: any name will do at GitHub, `oauth2` at GitLab.
        user: Arc<str>,
        /// The password or token.
        password: Secret,
    },
    /// A token of its own kind of HTTP authentication.
    Bearer(Secret),
}

/// Why credentials are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// For the first request.
    First,
    /// The server refused what was given last: it may have expired, and a new one is wanted.
    Refused,
}

/// Gives credentials for remotes, such as from a file, a Secret or a token service.
///
/// It is called from the thread that fetches and may block. A [`Credential`] is one that always gives itself.
pub trait Credentials: fmt::Debug + Send + Sync {
    /// Returns what to sign in with at `remote`; `None` to go on without.
    ///
    /// # Errors
    /// When there should be one and cannot be had. The text must not hold it.
    fn credential(&self, remote: &RemoteUrl, asked: Asked) -> Result<Option<Credential>, SourceError>;
}

/// Signs in nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Anonymous;

impl Secret {
    /// Wraps a password or token.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns it, to be used and not shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Credential {
    /// Returns a user with a password or token.
    #[must_use]
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic { user: user.into(), password: Secret::new(password) }
    }

    /// Returns a bearer token.
    #[must_use]
    pub fn bearer(token: &str) -> Self {
        Self::Bearer(Secret::new(token))
    }
}

impl Credentials for Credential {
    fn credential(&self, _: &RemoteUrl, asked: Asked) -> Result<Option<Credential>, SourceError> {
        Ok((asked == Asked::First).then(|| self.clone()))
    }
}

impl Credentials for Anonymous {
    fn credential(&self, _: &RemoteUrl, _: Asked) -> Result<Option<Credential>, SourceError> {
        Ok(None)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
