//! The applications of some files, and their repositories.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gitops_core::app::{self, Catalog};
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
use crate::part::{How, Part};

const HELD_BACK: &str = "is held back by a problem of its document or project";

/// What is to be looked after.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) applications: Vec<Application>,
    /// Those that are declared and cannot be looked after, and why.
    pub(super) unknown: BTreeMap<Arc<str>, &'static str>,
    pub(crate) sources: BTreeMap<Arc<str>, Counted>,
    /// How many of their answers are waited for.
    pub(super) asked: Asked,
    /// Several sources that are one for an application, by the name that it has for them.
    joined: BTreeMap<Arc<str>, Vec<Part>>,
    /// The addresses of the repositories, by the names of the sources.
    addresses: BTreeMap<Arc<str>, Arc<str>>,
    pub(crate) problems: Vec<Problem>,
}

impl Declared {
    /// Reads the files. An application that cannot be used is a problem, and the others are looked after all the same.
    pub(super) fn read(args: &cli::Watch) -> Result<Self, Failure> {
        let how = How { repos: &args.repos, signed: &args.signed, submodules: &args.submodules };
        Self::of(&args.files, &how)
    }

    /// Reads these files, with what the arguments say of repositories.
    pub(crate) fn of(files: &[PathBuf], how: &How<'_>) -> Result<Self, Failure> {
        let catalog = document::catalog(files)?;
        let mut declared = Self {
            applications: Vec::new(),
            unknown: catalog.held_back.iter().map(|name| (Arc::clone(name), HELD_BACK)).collect(),
            sources: BTreeMap::new(),
            asked: Asked::default(),
            joined: BTreeMap::new(),
            addresses: BTreeMap::new(),
            problems: catalog.problems.clone(),
        };
        if catalog.incomplete {
            declared.unknown.insert("?".into(), "may be in what cannot be read of the files of applications");
        }
        for described in catalog.applications.values() {
            match declared.describe(described, &catalog, how) {
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
    pub(crate) fn joined(&self) -> Vec<(&str, Several<'_>)> {
        let part = |part: &Part| Some(joined::part(&part.source, self.sources.get(&part.name())?));
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
            Some(parts) => {
                let parts = parts.iter().map(|part| &part.source);
                parts.map(|source| of(&source.repo_url, Target::new(source.target()))).collect()
            }
            None => vec![of(self.addresses.get(source).unwrap_or(source), application.app.target.clone())],
        }
    }

    /// Whether all that is declared can be looked after.
    pub(crate) fn is_whole(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != Severity::Blocks)
    }

    fn describe(
        &mut self,
        described: &app::Application,
        catalog: &Catalog,
        how: &How<'_>,
    ) -> Result<Application, Wrong> {
        let application = document::application(described, catalog)?;
        let parts = Part::all(described, catalog);
        for part in &parts {
            let name = part.name();
            if !self.sources.contains_key(&name) {
                let opened = part.open(&described.origin.file, how)?;
                self.sources.insert(Arc::clone(&name), Counted::new(opened, &self.asked));
                self.addresses.insert(name, Arc::clone(&part.source.repo_url));
            }
        }
        if parts.len() > 1 {
            self.joined.insert(Arc::clone(&application.source), parts);
        }
        Ok(application)
    }
}
