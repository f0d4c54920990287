//! Where a remote repository is, without its secrets.

mod read;
#[cfg(test)]
mod tests;

use std::fmt;

use super::credentials::{Credential, Secret};

pub(crate) use read::hidden;

/// The longest address that anybody would write.
const LONGEST: usize = 4096;

/// The address of a remote repository. What it shows never holds a password.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteUrl {
    scheme: Scheme,
    user: Option<String>,
    secret: Option<Secret>,
    host: String,
    port: Option<u16>,
    path: String,
}

/// How a remote is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP in the clear: neither secret nor proof against change on the way.
    Http,
    /// The program `ssh`.
    Ssh,
    /// Git's own protocol over TCP, in the clear.
    Git,
    /// A bundle, a file that `git bundle` made.
    Bundle,
}

impl RemoteUrl {
    /// Returns how it is reached.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host; empty for a bundle.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, if the address says one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the user, if the address says one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the path on the host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether a password would stay on this machine or is encrypted.
    #[cfg(feature = "http")]
    pub(crate) fn is_private(&self) -> bool {
        self.scheme != Scheme::Http || matches!(&*self.host, "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Returns the credential that stood in the address.
    pub(crate) fn credential(&self) -> Option<Credential> {
        let secret = self.secret.clone()?;
        Some(Credential::Basic { user: self.user.clone().unwrap_or_default().into(), password: secret })
    }

    /// Returns the address without user and password: what names the repository, whoever asks.
    pub(crate) fn anonymous(&self) -> Self {
        Self { user: self.user.clone().filter(|_| self.scheme == Scheme::Ssh), secret: None, ..self.clone() }
    }

    /// Returns whether it is reached as the other is: by the same scheme, host, port and, over SSH, user.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        let place = |url: &Self| {
            let port = url.port.or(match url.scheme {
                Scheme::Https => Some(443),
                Scheme::Http => Some(80),
                Scheme::Ssh => Some(22),
                Scheme::Git => Some(9418),
                Scheme::Bundle => None,
            });
            let user = url.user.clone().filter(|_| url.scheme == Scheme::Ssh);
            (url.scheme, url.host.clone(), port, user)
        };
        self.scheme != Scheme::Bundle && place(self) == place(other)
    }

    /// Returns whether both name one repository: nearly all hosts take a `.git` at the end or leave it.
    pub(crate) fn is_same_repository(&self, other: &Self) -> bool {
        let path = |url: &Self| url.path.strip_suffix(".git").unwrap_or(&url.path).to_owned();
        let is_near = self.is_beside(other) || self.scheme == Scheme::Bundle && other.scheme == Scheme::Bundle;
        is_near && path(self) == path(other)
    }

    /// Returns the address that `../lib.git` means seen from here, on the same host; `None` if that leads out of it. As Git
    /// reads the address of a submodule (`relative_url` in its `remote.c`), which would go on to other hosts.
    pub(crate) fn relative(&self, text: &str) -> Option<Self> {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        let mut rest = text;
        loop {
            if let Some(after) = rest.strip_prefix("../") {
                parts.pop().filter(|part| !part.is_empty())?;
                rest = after;
            } else if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else {
                break;
            }
        }
        let rest = rest.trim_end_matches('/');
        let is_odd = |char: char| char.is_control() || char.is_whitespace();
        if rest.contains(is_odd) || rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        parts.push(rest);
        let path = parts.join("/");
        let fits = self.scheme != Scheme::Bundle && path.len() <= LONGEST && !path.starts_with('-');
        fits.then(|| Self { path, ..self.anonymous() })
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
            Scheme::Ssh => "ssh",
            Scheme::Git => "git",
            Scheme::Bundle => return f.write_str(&self.path),
        };
        write!(f, "{scheme}://")?;
        if let Some(user) = self.user.as_ref().filter(|_| self.scheme == Scheme::Ssh) {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        write!(f, "{slash}{}", self.path)
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({self})")
    }
}
