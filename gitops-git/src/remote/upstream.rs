//! Repositories by what people call them, wherever they are.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gitops_core::source::{Source, SourceError};

use super::url::hidden;
use super::{GitRemote, GitStore, Push, Pushed, RemoteUrl};
use crate::GitSource;
use crate::error::{shown, unsupported};

/// A repository that can be pushed to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Upstream {
    /// One elsewhere.
    Remote(GitRemote),
    /// One on this machine.
    Local(Box<GitSource>),
}

impl Upstream {
    /// Pushes as [`GitRemote::push`] and [`GitSource::receive`] do.
    ///
    /// # Errors
    /// See there.
    pub async fn push(&self, from: &GitSource, push: &Push) -> Result<Pushed, SourceError> {
        match self {
            Self::Remote(remote) => remote.push(from, push).await,
            Self::Local(source) => source.receive(from, push),
        }
    }
}

/// Its address or folder, without a password.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(remote) => remote.url().fmt(f),
            Self::Local(source) => source.location.display().fmt(f),
        }
    }
}

impl GitStore {
    /// Opens what a person calls a repository: a folder, `file://` and a folder, or the address of a remote.
    ///
    /// A repository on this machine is read where it is.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn source(&self, location: &str) -> Result<Arc<dyn Source>, SourceError> {
        Ok(match self.upstream(location)? {
            Upstream::Remote(remote) => Arc::new(remote),
            Upstream::Local(source) => Arc::new(*source),
        })
    }

    /// Opens what a person calls a repository, to push to it.
    ///
    /// # Errors
    /// When it is none. That nothing can be pushed to a bundle is told by [`Upstream::push`].
    pub fn upstream(&self, location: &str) -> Result<Upstream, SourceError> {
        let folder = location.strip_prefix("file://").map(|rest| rest.strip_prefix("localhost").unwrap_or(rest));
        match folder.unwrap_or(location) {
            // What stands before the path is a host, and might hold a password.
            path if folder.is_some() && !path.starts_with('/') => {
                let what = format!("`file://{}` is on another machine, which", shown(&hidden(path)));
                Err(unsupported(what))
            }
            // A folder by that name is what is meant, even if it looks like an address.
            path if Path::new(path).is_dir() || folder.is_some() && !path.ends_with(".bundle") => {
                let source = GitSource::open(path)?.with_limits(self.options.limits.clone());
                let source = source.with_submodules(self.submodules.clone());
                #[cfg(feature = "signatures")]
                let source = GitSource { trust: self.trust.clone(), ..source };
                Ok(Upstream::Local(Box::new(source)))
            }
            _ => Ok(Upstream::Remote(self.remote(&RemoteUrl::parse(location)?)?)),
        }
    }
}
