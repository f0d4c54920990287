//! Repositories that whoever may write an application names.

use std::error::Error;
use std::sync::Arc;

use gitops_core::app::{AppSource, Signed};
use gitops_core::source::{Source, SourceError, SourceFailure};
use gitops_git::{RemoteUrl, Scheme};
use gitops_kube::controller::Sources;

use crate::Failure;
use crate::cli::{self, ControllerRun, RepoAt, SubmoduleArgs};
use crate::part::Part;
use crate::repository::{self, Repository};

/// Opens repositories for a controller. An application can name no file of this machine.
#[derive(Debug)]
pub(super) struct Repositories {
    repos: Vec<RepoAt>,
    signed: cli::Signed,
    submodules: SubmoduleArgs,
}

impl Repositories {
    pub(super) fn of(args: &ControllerRun) -> Result<Self, Failure> {
        for address in &args.token_for {
            repository::named(address).map_err(|error| format!("`--token-for`: {error}"))?;
        }
        // What is wrong with the arguments is told at once.
        repository::trust(&args.signed)?;
        args.submodules.policy()?;
        let (signed, submodules) = (args.signed.clone(), args.submodules.clone());
        Ok(Self { repos: args.repos.clone(), signed, submodules })
    }
}

impl Sources for Repositories {
    fn open(
        &self,
        source: &AppSource,
        signed: Option<&Signed>,
    ) -> Result<Arc<dyn Source>, Box<dyn Error + Send + Sync>> {
        let part = Part::of(source, signed);
        let said = |(text, hint): (String, &str)| format!("{text}; {hint}");
        let trust = part.trust(&self.signed).map_err(said)?;
        for address in &source.submodule_repos {
            remote(address)?;
        }
        let submodules = part.submodules(&self.submodules).map_err(said)?;
        if let Some(repo) = self.repos.iter().rev().find(|repo| *repo.url == *source.repo_url) {
            let folder = repo.folder.display().to_string();
            return Ok(Arc::new(Repository::open(&folder, trust.as_ref(), &submodules)?));
        }
        Ok(Arc::new(Repository::remote(&remote(&source.repo_url)?, trust.as_ref(), &submodules)?))
    }
}

/// Reads an address that is not of this machine.
fn remote(address: &str) -> Result<RemoteUrl, SourceError> {
    let url = RemoteUrl::parse(address)?;
    if url.scheme() == Scheme::Bundle {
        let what = "a file of the machine as the repository of an application; give an address, as it";
        return Err(SourceFailure::Unsupported { what: what.into() }.into());
    }
    Ok(url)
}
