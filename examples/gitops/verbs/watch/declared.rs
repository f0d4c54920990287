//! The applications of some files, and their repositories.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::app::{self, AppSource, Catalog};
use gitops_core::engine::Application;
use gitops_core::problem::{Code, Problem, Severity};
use gitops_core::resource::ResourceKey;
use gitops_core::source::{Several, Target};

use super::once::{Asked, Counted};
use super::webhooks::Followed;
use crate::Failure;
use crate::cli;
use crate::document::{self, Wrong};
use crate::joined;
use crate::repository::{self, Repository};

const HELD_BACK: &str = "is held back by a problem of its document or project";

/// What is to be looked after.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) applications: Vec<Application>,
    /// Those that are declared and cannot be looked after, and why.
    pub(super) unknown: BTreeMap<Arc<str>, &'static str>,
    pub(super) sources: BTreeMap<Arc<str>, Counted>,
    /// How many of their answers are waited for.
    pub(super) asked: Asked,
    /// Several sources that are one for an application, by the name that it has for them.
    joined: BTreeMap<Arc<str>, Vec<AppSource>>,
    pub(super) problems: Vec<Problem>,
}

impl Declared {
    /// Reads the files. An application that cannot be used is a problem, and the others are looked after all the same.
    pub(super) fn read(args: &cli::Watch) -> Result<Self, Failure> {
        let catalog = document::catalog(&args.files)?;
        let mut declared = Self {
            applications: Vec::new(),
            unknown: catalog.held_back.iter().map(|name| (Arc::clone(name), HELD_BACK)).collect(),
            sources: BTreeMap::new(),
            asked: Asked::default(),
            joined: BTreeMap::new(),
            problems: catalog.problems.clone(),
        };
        if catalog.incomplete {
            declared.unknown.insert("?".into(), "may be in what cannot be read of the files of applications");
        }
        for described in catalog.applications.values() {
            match declared.describe(described, &catalog, args) {
                Ok(application) => declared.applications.push(application),
                Err((text, hint)) => {
                    declared.unknown.insert(Arc::clone(&described.name), "cannot be looked after");
                    let key = ResourceKey::new("", "Application", None, &described.name);
                    let problem = Problem::blocks(Code::InvalidApplication, text).of(&key).at(&described.origin);
                    declared.problems.push(problem.hint(hint));
                }
            }
        }
        Ok(declared)
    }

    /// Several sources as one, by the name that an application has for them.
    pub(super) fn joined(&self) -> Vec<(&str, Several<'_>)> {
        let part = |source: &AppSource| Some(joined::part(source, self.sources.get(&source.repo_url)?));
        let joined = self.joined.iter();
        joined.map(|(name, sources)| (&**name, Several::new(sources.iter().filter_map(part)))).collect()
    }

    /// What the applications follow, and where they have it from.
    pub(super) fn followed(&self) -> Vec<Followed> {
        self.applications.iter().flat_map(|application| self.followed_by(application)).collect()
    }

    fn followed_by(&self, application: &Application) -> Vec<Followed> {
        let source = &application.source;
        let of = |repository: &Arc<str>, target| {
            let (source, repository) = (Arc::clone(source), Arc::clone(repository));
            Followed { source, repository, target }
        };
        match self.joined.get(source) {
            Some(parts) => parts.iter().map(|part| of(&part.repo_url, Target::new(part.target()))).collect(),
            None => vec![of(source, application.app.target.clone())],
        }
    }

    /// Whether all that is declared can be looked after.
    pub(super) fn is_whole(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != Severity::Blocks)
    }

    fn describe(
        &mut self,
        described: &app::Application,
        catalog: &Catalog,
        args: &cli::Watch,
    ) -> Result<Application, Wrong> {
        let application = document::application(described, catalog, document::source_of(described))?;
        let sources: Vec<AppSource> = described.spec.read_sources().cloned().collect();
        for url in sources.iter().map(|source| &source.repo_url) {
            if !self.sources.contains_key(url) {
                let opened = open(url, &described.origin.file, args)?;
                self.sources.insert(Arc::clone(url), Counted::new(opened, &self.asked));
            }
        }
        if let Some(name) = document::source_of(described).filter(|_| sources.len() > 1) {
            self.joined.insert(name, sources);
        }
        Ok(application)
    }
}

fn open(url: &str, file: &str, args: &cli::Watch) -> Result<Repository, Wrong> {
    let trust = repository::trust(&args.signed).map_err(|error| (error.to_string(), "mend what `--signers` names"))?;
    let submodules = args.submodules.policy().map_err(|error| (error.to_string(), "mend `--submodule-repo`"))?;
    let location = document::locate(url, file, &args.repos);
    document::open(url, &location, trust.as_ref(), &submodules)
}
