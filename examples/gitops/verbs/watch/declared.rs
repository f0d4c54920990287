//! The applications of some files, and their repositories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gitops_core::app::{self, AppSource, Catalog};
use gitops_core::engine::Application;
use gitops_core::problem::{Code, Problem, Severity};
use gitops_core::resource::ResourceKey;
use gitops_core::source::{Part, Several, Target};

use super::once::{Asked, Counted};
use super::webhooks::Followed;
use crate::Failure;
use crate::cli;
use crate::repository::{self, Repository};

/// The only cluster there is, by the name that Argo CD gives the cluster that it runs in.
pub(super) const CLUSTER: &str = "in-cluster";

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
        let catalog = catalog(&args.files)?;
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
        let part = |source: &AppSource| {
            // Both were seen to be right when the application was described.
            let paths = source.paths().unwrap_or_default();
            let opened = self.sources.get(&source.repo_url)?;
            Some(Part::new(source.short_name(), opened, source.target()).with_paths(paths))
        };
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
    ) -> Result<Application, (String, &'static str)> {
        let (server, name) = described.spec.destination.cluster();
        if name != CLUSTER {
            let named = if name.is_empty() { server } else { name };
            let text = format!("its cluster `{named}` is not known here");
            return Err((text, "use `in-cluster`, the embedded cluster; other clusters cannot be reached yet"));
        }
        let sources: Vec<AppSource> = described.spec.read_sources().cloned().collect();
        for url in sources.iter().map(|source| &source.repo_url) {
            if !self.sources.contains_key(url) {
                let opened = open(url, &described.origin.file, args)?;
                self.sources.insert(Arc::clone(url), Counted::new(opened, &self.asked));
            }
        }
        let name = source_of(described).ok_or_else(|| ("it has no source".to_owned(), "set `source`"))?;
        let application = Application::described(described, catalog, &name, CLUSTER);
        let application = application.map_err(|error| (error.to_string(), "see the field that is named"))?;
        if sources.len() > 1 {
            self.joined.insert(name, sources);
        }
        Ok(application)
    }
}

/// Reads applications and projects.
pub(super) fn catalog(paths: &[PathBuf]) -> Result<Catalog, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let name = path.to_string_lossy().into_owned();
        let bytes = fs::read(path)
            .map_err(|error| format!("`{name}` cannot be read: {error}; give a file with applications"))?;
        files.push((name, bytes));
    }
    Ok(Catalog::of(files.iter().map(|(name, bytes)| (&**name, &**bytes))))
}

/// The name that an application has for its source, or for all of them.
pub(super) fn source_of(described: &app::Application) -> Option<Arc<str>> {
    let sources: Vec<&AppSource> = described.spec.read_sources().collect();
    match sources.as_slice() {
        [] => None,
        [source] => Some(Arc::clone(&source.repo_url)),
        _ => Some(format!("the sources of {}", described.name).into()),
    }
}

fn open(url: &str, file: &str, args: &cli::Watch) -> Result<Repository, (String, &'static str)> {
    const HINT: &str = "say where it is with `--repo URL=FOLDER`, or give an address that can be reached";
    let shown = AppSource::new(url).shown_repository();
    let beside = |path: &str| Path::new(file).parent().unwrap_or(Path::new("")).join(path);
    let folder = match args.repos.iter().rev().find(|repo| repo.url == url) {
        Some(repo) => Some(repo.folder.clone()),
        None => {
            url.strip_prefix("file://").map(PathBuf::from).or_else(|| Some(beside(url)).filter(|path| path.exists()))
        }
    };
    let is_remote = url.contains("://") || url.contains('@');
    let location = match folder {
        None if is_remote => url.to_owned(),
        None => beside(url).display().to_string(),
        Some(folder) => folder.display().to_string(),
    };
    let trust = repository::trust(&args.signed).map_err(|error| (error.to_string(), "mend what `--signers` names"))?;
    let submodules = args.submodules.policy().map_err(|error| (error.to_string(), "mend `--submodule-repo`"))?;
    let opened = Repository::open(&location, trust.as_ref(), &submodules);
    opened.map_err(|error| (format!("its repository `{shown}` cannot be opened: {error}"), HINT))
}
