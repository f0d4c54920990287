//! Repositories: a folder of this machine, or a remote, which is kept in the user's cache directory.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use gitops_core::source::{ContentId, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, Target};
use gitops_git::{
    Asked, Credential, Credentials, Demand, Fetched, GitSource, GitStore, Progress, RemoteOptions, RemoteUrl, Scheme,
    Secret, Submodules, Trust, Upstream,
};

use crate::Failure;
use crate::cli;
use crate::state_file::cache_directory;

/// A repository, wherever it is.
#[derive(Clone, Debug)]
pub(crate) struct Repository(Arc<dyn Source>);

impl Repository {
    pub(crate) fn of(source: impl Source + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// Opens what is named: a folder if there is one, else the address of a remote.
    /// With trust, nothing is resolved but what is signed as it demands.
    pub(crate) fn open(location: &str, trust: Option<&Trust>, submodules: &Submodules) -> Result<Self, SourceError> {
        let is_remote = location.contains(':') || location.ends_with(".bundle");
        if Path::new(location).is_dir() || !is_remote {
            let source = GitSource::open(location)?.with_submodules(submodules.clone());
            return Ok(Self(Arc::new(match trust {
                Some(trust) => source.with_trust(trust.clone()),
                None => source,
            })));
        }
        if let Ok(url) = RemoteUrl::parse(location) {
            NAMED.add(&url);
        }
        Self::store(trust, submodules).source(location).map(Self)
    }

    /// Opens a remote that somebody else names, and no folder: it gets the token only if its host is [`named`] otherwise.
    #[cfg(feature = "kube")]
    pub(crate) fn remote(url: &RemoteUrl, trust: Option<&Trust>, submodules: &Submodules) -> Result<Self, SourceError> {
        Ok(Self(Arc::new(Self::store(trust, submodules).remote(url)?)))
    }

    fn store(trust: Option<&Trust>, submodules: &Submodules) -> GitStore {
        let mut store = store().clone();
        if *submodules != Submodules::default() {
            store = store.with_submodules(submodules.clone());
        }
        if let Some(trust) = trust {
            store = store.with_trust(trust.clone());
        }
        store
    }
}

/// Opens what is pushed to.
pub(crate) fn upstream(location: &str) -> Result<Upstream, SourceError> {
    let upstream = store().upstream(location)?;
    if let Upstream::Remote(remote) = &upstream {
        NAMED.add(remote.url());
    }
    Ok(upstream)
}

/// Lets the host of an address have the token.
#[cfg(feature = "kube")]
pub(crate) fn named(address: &str) -> Result<(), SourceError> {
    NAMED.add(&RemoteUrl::parse(address)?);
    Ok(())
}

/// Reads who is trusted; `None` if nobody asks for signatures.
pub(crate) fn trust(signed: &cli::Signed) -> Result<Option<Trust>, Failure> {
    if signed.signers.is_empty() && signed.path_signers.is_empty() {
        return match signed.revoked_signers {
            Some(_) => Err("`--revoked-signers` demands no signature; give `--signers` or `--path-signers` too".into()),
            None => Ok(None),
        };
    }
    let revoked = signed.revoked_signers.as_deref();
    let demand = if signed.signers.is_empty() { Demand::Paths } else { signed.signed.0.clone() };
    let mut trust = listed(&signed.signers, revoked)?.with_demand(demand);
    let mut by_path: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for entry in &signed.path_signers {
        by_path.entry(&entry.path).or_default().push(entry.file.clone());
    }
    for (path, files) in by_path {
        trust = trust.with_path(path, listed(&files, revoked)?)?;
    }
    Ok(Some(trust))
}

/// Reads lists of signers and keyrings.
fn listed(files: &[PathBuf], revoked: Option<&Path>) -> Result<Trust, Failure> {
    let read = |file: &Path| fs::read(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display()));
    let wrong = |file: &Path, error: &dyn Error| Failure::from(format!("`{}`: {error}", file.display()));
    let (mut list, mut rings) = (Vec::new(), Vec::new());
    for file in files {
        let bytes = read(file)?;
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains("-----BEGIN PGP ") => {
                // Each by itself first, so that a fault is told by file and line.
                Trust::by_signers(&text).map_err(|error| wrong(file, &error))?;
                list.push(text);
            }
            Ok(text) => rings.push((file, text.into_bytes())),
            Err(error) => rings.push((file, error.into_bytes())),
        }
    }
    let mut trust = Trust::by_signers(&list.join("\n"))?;
    for (file, ring) in rings {
        trust = trust.with_keyring(&ring).map_err(|error| wrong(file, &error))?;
    }
    if let Some(file) = revoked {
        let keys = String::from_utf8(read(file)?).map_err(|error| wrong(file, &error))?;
        trust = trust.with_revoked(&keys).map_err(|error| wrong(file, &error))?;
    }
    Ok(trust)
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

/// Shows on a terminal how far a long fetch has come, in a line that goes when it is over.
fn show(url: &RemoteUrl, fetched: Fetched) {
    const LONG: u64 = 1 << 20;
    if fetched.bytes < LONG {
        return;
    }
    let line = format!("\rfetching `{url}`: {} MiB", fetched.bytes >> 20);
    crate::say(if fetched.is_over { "\r\x1b[K" } else { &line });
}

/// Where the repositories are that somebody named, other than as those of submodules.
static NAMED: LazyLock<Hosts> = LazyLock::new(Hosts::default);

/// Scheme, host and port.
type At = (Scheme, String, Option<u16>);

/// Hosts, each with the way it is reached.
#[derive(Clone, Debug, Default)]
struct Hosts(Arc<Mutex<BTreeSet<At>>>);

impl Hosts {
    fn add(&self, url: &RemoteUrl) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(Self::host(url));
    }

    fn has(&self, url: &RemoteUrl) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&Self::host(url))
    }

    fn host(url: &RemoteUrl) -> (Scheme, String, Option<u16>) {
        let port = match url.scheme() {
            Scheme::Https => Some(443),
            Scheme::Http => Some(80),
            _ => None,
        };
        (url.scheme(), url.host().to_ascii_lowercase(), url.port().or(port))
    }
}

/// A token for these hosts. One at which only a submodule is gets what stands in the address of that.
#[derive(Debug)]
struct TokenAt {
    token: Credential,
    hosts: Hosts,
}

impl Credentials for TokenAt {
    fn credential(&self, remote: &RemoteUrl, asked: Asked) -> Result<Option<Credential>, SourceError> {
        if self.hosts.has(remote) { self.token.credential(remote, asked) } else { Ok(None) }
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
        if io::stderr().is_terminal() {
            options.progress = Progress::new(show);
        }
        let store = GitStore::new(folder.join("repositories")).with_options(options);
        match variable(&["GITOPS_GIT_TOKEN"]) {
            // Hosts take any name with a token, or tell which one they want.
            Some(token) => {
                let user = variable(&["GITOPS_GIT_USER"]).unwrap_or_else(|| "git".to_owned());
                let token = Credential::basic(&user, &token);
                store.with_credentials(TokenAt { token, hosts: NAMED.clone() })
            }
            None => store,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_only_at_the_hosts_of_repositories_that_were_named() {
        let hosts = Hosts::default();
        hosts.add(&RemoteUrl::parse("https://git.example/shop.git").unwrap());
        let token = TokenAt { token: Credential::basic("git", "token"), hosts };
        for (address, is_given) in [
            ("https://git.example/shop.git", true),
            ("https://git.example:443/lib", true),
            ("https://git.example:8443/lib", false),
            ("http://git.example/lib", false),
            ("https://other.example/lib", false),
        ] {
            let url = RemoteUrl::parse(address).unwrap();
            assert_eq!(token.credential(&url, Asked::First).unwrap().is_some(), is_given, "{address}");
            assert_eq!(token.credential(&url, Asked::Refused).unwrap(), None, "{address}");
        }
    }
}
