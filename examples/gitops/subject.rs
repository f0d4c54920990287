//! The application that a verb is about: described by arguments, or by a document.

use std::path::{Path, PathBuf};

use gitops_core::policy::{self, SyncOptions};
use gitops_core::reconcile::App;
use gitops_core::source::{Paths, Target};
use gitops_core::state::Owner;
use gitops_core::time::Timestamp;

use crate::Failure;
use crate::cli;
use crate::document::Document;
use crate::repository::{self, Repository};
use crate::rule_files;
use crate::world::initiator;

/// Which application, and what says so.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    of: &'a cli::Source,
    document: Option<Document>,
}

impl<'a> Subject<'a> {
    /// Reads the document, if there is one. Neither a repository nor a cluster is asked.
    pub(crate) fn of(of: &'a cli::Source) -> Result<Self, Failure> {
        Ok(Self { of, document: Document::named(&of.app)? })
    }

    /// Describes it to a driver. Without arguments about pruning, what is no longer declared goes as it is written down.
    pub(crate) fn app(&self, prune: Option<&cli::Prune>) -> Result<App, Failure> {
        let mut app = match &self.document {
            Some(document) => document.app(prune.is_some()),
            None => described(self.of)?,
        };
        app = app.with_initiator(&initiator());
        if let Some(revision) = &self.of.revision {
            app.target = Target::new(revision);
        }
        for path in &self.of.health {
            app.checks = app.checks.and(&rule_files::checks(path)?);
        }
        if let Some(prune) = prune {
            if prune.prune {
                app.policy.prune = policy::Prune::Owned;
            }
            if let Some(budget) = prune.prune_budget {
                app.policy.prune_budget_percent = budget;
            }
        }
        Ok(app)
    }

    /// Opens what it is made from.
    pub(crate) fn source(&self) -> Result<Repository, Failure> {
        if let Some(document) = &self.document {
            return document.open(self.of);
        }
        let trust = repository::trust(&self.of.signed)?;
        let submodules = self.of.submodules.policy()?;
        Ok(Repository::open(self.of.app.repo()?, trust.as_ref(), &submodules)?)
    }

    /// The folder of the one repository that it is made from.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        match &self.document {
            Some(document) => document.folder(&self.of.app.repos),
            None => Ok(PathBuf::from(self.of.app.repo()?)),
        }
    }

    /// Sees that a person may have it written to at this time, as far as it is written down who may.
    pub(crate) fn may_be_written(&self, now: Timestamp) -> Result<(), Failure> {
        self.document.as_ref().map_or(Ok(()), |document| document.may_be_written(now))
    }
}

/// Names the application.
pub(crate) fn owner(app: &cli::AppName) -> Result<Owner, Failure> {
    match Document::named(app)? {
        Some(document) => Ok(document.app(true).owner),
        None => owner_by_arguments(app),
    }
}

fn owner_by_arguments(app: &cli::AppName) -> Result<Owner, Failure> {
    let name = match &app.app {
        Some(name) => name.clone(),
        None => derived_name(Path::new(app.repo()?), &app.paths),
    };
    Owner::new("", &name).map_err(|error| format!("{error}; set it with `--app`"))?;
    let owner = Owner::new(&app.installation, &name).map_err(|error| format!("`--installation`: {error}"))?;
    Ok(owner.with_style(app.tracking.into()))
}

/// Describes the application that the arguments mean.
fn described(source: &cli::Source) -> Result<App, Failure> {
    let mut paths = Paths::under(source.app.paths.iter().map(String::as_str))?;
    paths = source.include.iter().fold(paths, |paths, glob| paths.with_include(glob));
    paths = source.exclude.iter().fold(paths, |paths, glob| paths.with_exclude(glob));
    paths.check()?;
    let mut app = App::new(owner_by_arguments(&source.app)?, "HEAD").with_paths(paths);
    if let Some(namespace) = &source.namespace {
        app = app.with_namespace(namespace);
    }
    for file in &source.ignore {
        app.rules = app.rules.and(&rule_files::rules(file)?);
    }
    app.policy = app.policy.with_sync_options(&SyncOptions::new(source.sync_options.iter().copied())?);
    Ok(app)
}

/// Names an application after the folder it lies in.
fn derived_name(repo: &Path, paths: &[String]) -> String {
    let folder = match paths {
        [path] => path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    if !matches!(&*folder, "" | ".") {
        let name = [".yaml", ".yml", ".json"].iter().find_map(|end| folder.strip_suffix(end));
        return sanitised(name.unwrap_or(&folder));
    }
    let repo = repo.canonicalize().unwrap_or_else(|_| repo.to_owned());
    let root = repo.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&repo);
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A remote may be called `host:repository`.
    let name = name.rsplit(':').next().unwrap_or_default();
    sanitised(name.strip_suffix(".git").unwrap_or(name))
}

/// Makes a name that field managers and tracking ids can carry, and the name of the ledger as well.
fn sanitised(name: &str) -> String {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let name: String = name.chars().map(|char| if fits(char) { char } else { '-' }).take(63).collect();
    let name = name.trim_matches(|char: char| !char.is_ascii_alphanumeric());
    if name.is_empty() { "app".to_owned() } else { name.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_named_after_its_only_path_or_its_repository() {
        let name = |repo: &str, paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            derived_name(Path::new(repo), &paths)
        };
        for (repo, paths, expected) in [
            ("/srv/none/Web Shop", &[][..], "web-shop"),
            ("/srv/none/shop.git", &[], "shop"),
            ("/srv/none/shop", &["apps/guestbook/"], "guestbook"),
            ("/srv/none/shop", &["./web.yaml"], "web"),
            ("/srv/none/shop", &["."], "shop"),
            ("/srv/none/shop", &["a", "b"], "shop"),
            ("/srv/none/_", &[], "app"),
            ("https://example.org/team/Shop.git", &[], "shop"),
            ("git@example.org:shop.git", &[], "shop"),
        ] {
            assert_eq!(name(repo, paths), expected, "{repo} {paths:?}");
        }
    }
}
