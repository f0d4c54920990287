//! A repository that an application is made from, and how it is read.

use std::fs;
use std::sync::Arc;

use gitops_core::app::{self, AppSource, Catalog, Signed, SignedWhat};
use gitops_core::source::RevisionId;
use gitops_core::value::{Hasher, Purpose};
use gitops_git::{Demand, Follow, RemoteUrl, Submodules, Trust};

use crate::cli::{self, RepoAt};
use crate::document::{self, Wrong};
use crate::repository::{self, Repository};

/// A source, and who must have signed what is read of it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) source: AppSource,
    signed: Option<Signed>,
}

/// How repositories are read of which nothing else is written down.
#[derive(Debug)]
pub(crate) struct How<'a> {
    pub(crate) repos: &'a [RepoAt],
    pub(crate) signed: &'a cli::Signed,
    pub(crate) submodules: &'a cli::SubmoduleArgs,
}

impl Part {
    /// Returns what is read of an application.
    pub(crate) fn all(described: &app::Application, catalog: &Catalog) -> Vec<Self> {
        let sources = described.spec.read_sources();
        sources
            .map(|source| Self { source: source.clone(), signed: catalog.signed(described, source).cloned() })
            .collect()
    }

    /// A source of which it is known who must have signed it.
    #[cfg(feature = "kube")]
    pub(crate) fn of(source: &AppSource, signed: Option<&Signed>) -> Self {
        Self { source: source.clone(), signed: signed.cloned() }
    }

    /// A name for it: those of one repository that are read in the same way share it.
    pub(crate) fn name(&self) -> Arc<str> {
        let url = &self.source.repo_url;
        let AppSource { submodules, submodule_repos, .. } = &self.source;
        if self.signed.is_none() && submodules.is_none() && !url.contains('#') {
            return Arc::clone(url);
        }
        let how = serde_json::to_string(&(&self.signed, submodules, submodule_repos)).unwrap_or_default();
        format!("{url}#{}", Hasher::new(Purpose::Identity).text(&*how).finish().short()).into()
    }

    /// Opens the repository, which is written down in `file`.
    pub(crate) fn open(&self, file: &str, how: &How<'_>) -> Result<Repository, Wrong> {
        const HINT: &str = "say where it is with `--repo URL=FOLDER`, or give an address that can be reached";
        let location = document::locate(&self.source.repo_url, file, how.repos);
        let opened = Repository::open(&location, self.trust(how.signed)?.as_ref(), &self.submodules(how.submodules)?);
        let shown = self.source.shown_repository();
        opened.map_err(|error| (format!("its repository `{shown}` cannot be opened: {error}"), HINT))
    }

    /// Who must have signed it.
    pub(crate) fn trust(&self, given: &cli::Signed) -> Result<Option<Trust>, Wrong> {
        let given_wrong = |error: crate::Failure| (error.to_string(), "mend what `--signers` names");
        let Some(signed) = &self.signed else { return repository::trust(given).map_err(given_wrong) };
        if !given.signers.is_empty() || !given.path_signers.is_empty() {
            let text = "`signed` of the application or its project says who must have signed, and so does `--signers`";
            return Err((text.to_owned(), "leave one of them out"));
        }
        let trust = demanded(signed).map_err(|text| (text, "mend it where it is written down"))?;
        let Some(file) = &given.revoked_signers else { return Ok(Some(trust)) };
        let wrong =
            |error: &dyn std::fmt::Display| (format!("`{}`: {error}", file.display()), "mend `--revoked-signers`");
        let keys = fs::read_to_string(file).map_err(|error| wrong(&error))?;
        trust.with_revoked(&keys).map(Some).map_err(|error| wrong(&error))
    }

    /// What is done about its submodules.
    pub(crate) fn submodules(&self, given: &cli::SubmoduleArgs) -> Result<Submodules, Wrong> {
        match self.source.submodules {
            None => given.policy().map_err(|error| (error.to_string(), "mend `--submodule-repo`")),
            Some(app::Submodules::Refuse) => Ok(Submodules::Refuse),
            Some(app::Submodules::Follow) => {
                let mut follow = Follow::default();
                for url in &self.source.submodule_repos {
                    let url = RemoteUrl::parse(url)
                        .map_err(|error| (format!("`submoduleRepos`: {error}"), "give the address of a repository"))?;
                    follow = follow.with_listed(url);
                }
                Ok(Submodules::Follow(follow))
            }
            Some(_) => Ok(Submodules::Skip),
        }
    }
}

/// Reads the keys that are written down.
fn demanded(signed: &Signed) -> Result<Trust, String> {
    let keys = |place: &str, signers: &str, keyring: &str| {
        let mut trust = Trust::by_signers(signers).map_err(|error| format!("`{place}signers`: {error}"))?;
        if !keyring.is_empty() {
            trust = trust.with_keyring(keyring.as_bytes()).map_err(|error| format!("`{place}keyring`: {error}"))?;
        }
        let revoked = trust.with_revoked(&signed.revoked);
        revoked.map_err(|error| format!("`signed.revoked`: {error}"))
    };
    let demand = match &signed.what {
        _ if signed.is_by_path_only() => Demand::Paths,
        SignedWhat::Head => Demand::Head,
        SignedWhat::Tag => Demand::Tag,
        SignedWhat::TagAndHead => Demand::TagAndHead,
        SignedWhat::EveryCommitSince(id) => Demand::EveryCommitSince(RevisionId::new(&id.to_ascii_lowercase())),
        other => return Err(format!("`signed.what`: {other:?} is not known to this program")),
    };
    let mut trust = keys("signed.", &signed.signers, &signed.keyring)?.with_demand(demand);
    for (path, who) in &signed.paths {
        let place = format!("signed.paths[{path}].");
        let below = keys(&place, &who.signers, &who.keyring)?;
        trust = trust.with_path(path, below).map_err(|error| format!("`signed.paths`: {error}"))?;
    }
    Ok(trust)
}
