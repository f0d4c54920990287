//! Repositories: a folder of this machine, or a remote, which is kept in the user's cache directory.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use gitops_core::source::{ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, Target};
use gitops_git::{Credential, GitSource, GitStore, RemoteOptions, Secret};

use crate::state_file::cache_directory;

/// A repository, wherever it is.
#[derive(Clone, Debug)]
pub(crate) struct Repository(Arc<dyn Source>);

impl Repository {
    /// Opens what is named: a folder if there is one, else the address of a remote.
    pub(crate) fn open(location: &str) -> Result<Self, SourceError> {
        let is_remote = location.contains(':') || location.ends_with(".bundle");
        match Path::new(location).is_dir() || !is_remote {
            true => Ok(Self(Arc::new(GitSource::open(location)?))),
            false => store().source(location).map(Self),
        }
    }
}

#[async_trait]
impl Source for Repository {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        self.0.resolve(target).await
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        self.0.snapshot(revision, paths, known).await
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        self.0.read(ids).await
    }

    fn history(&self) -> Option<&dyn History> {
        self.0.history()
    }
}

/// The one store of this run, so that all applications of one repository share what is fetched.
fn store() -> &'static GitStore {
    static STORE: OnceLock<GitStore> = OnceLock::new();
    STORE.get_or_init(|| {
        let folder = cache_directory().map_or_else(|| PathBuf::from(".gitops"), |folder| folder.join("gitops"));
        let variable =
            |names: &[&str]| names.iter().find_map(|name| env::var(name).ok().filter(|text| !text.is_empty()));
        let mut options = RemoteOptions::default();
        options.proxy =
            variable(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]).map(|proxy| Secret::new(&proxy));
        options.ssh.program = variable(&["GIT_SSH"]).map_or(options.ssh.program, PathBuf::from);
        let store = GitStore::new(folder.join("repositories")).with_options(options);
        match variable(&["GITOPS_GIT_TOKEN"]) {
            // Hosts take any name with a token, or tell which one they want.
            Some(token) => {
                let user = variable(&["GITOPS_GIT_USER"]).unwrap_or_else(|| "git".to_owned());
                store.with_credentials(Credential::basic(&user, &token))
            }
            None => store,
        }
    })
}
