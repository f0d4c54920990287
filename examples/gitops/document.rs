//! Files with applications and projects, and one application of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gitops_core::app::{self, Catalog};
use gitops_core::engine::Application;
use gitops_core::policy::Prune;
use gitops_core::policy::window::Asked;
use gitops_core::problem::{Problem, nearest};
use gitops_core::reconcile::App;
use gitops_core::time::Timestamp;

use crate::cli::{self, RepoAt};
use crate::joined::Joined;
use crate::part::{How, Part};
use crate::render::{self, Paint};
use crate::repository::Repository;
use crate::{Failure, say};

/// The only cluster there is, by the name that Argo CD gives the cluster that it runs in.
pub(crate) const CLUSTER: &str = "in-cluster";

/// What is wrong, and what to do about it.
pub(crate) type Wrong = (String, &'static str);

/// One application of some files.
#[derive(Debug)]
pub(crate) struct Document {
    application: Application,
    parts: Vec<Part>,
    file: Arc<str>,
    /// Whether it is pruned also where somebody syncs it by hand.
    prune: Prune,
}

impl Document {
    /// Reads the application that is named, or the only one; `None` where no file is named. What is wrong with it, or
    /// with its project, is told.
    pub(crate) fn named(name: &cli::AppName) -> Result<Option<Self>, Failure> {
        if name.files.is_empty() {
            return Ok(None);
        }
        let catalog = catalog(&name.files)?;
        let wanted = wanted(&catalog, name)?;
        let project = catalog.applications.get(&*wanted).map(|described| &described.spec.project);
        let is_about = |problem: &&Problem| match &problem.key {
            Some(key) if key.kind() == "Application" => key.name == wanted,
            Some(key) => Some(&key.name) == project,
            None => true,
        };
        let problems: Vec<Problem> = catalog.problems.iter().filter(is_about).cloned().collect();
        say(&render::problems(&problems, Paint::Off));
        let Some(described) = catalog.applications.get(&*wanted) else {
            let text = "is held back by a problem of its document or project";
            return Err(format!("application `{wanted}` {text}; mend what is named above").into());
        };
        Self::read(described, &catalog).map(Some).map_err(|(text, hint)| format!("`{wanted}`: {text}; {hint}").into())
    }

    fn read(described: &app::Application, catalog: &Catalog) -> Result<Self, Wrong> {
        let parts = Part::all(described, catalog);
        let application = application(described, catalog)?;
        let (file, prune) = (Arc::clone(&described.origin.file), described.spec.policy.prune);
        Ok(Self { application, parts, file, prune })
    }

    /// Describes it to a driver. What a person does prunes only where that is asked for, or the policy itself says so:
    /// `automated` is about what happens by itself. Rule: `argocd app sync --prune`.
    pub(crate) fn app(&self, by_hand: bool) -> App {
        let mut app = self.application.app.clone();
        if by_hand {
            app.policy.prune = self.prune;
        }
        app
    }

    /// Opens its sources; several are one.
    pub(crate) fn open(&self, of: &cli::Source) -> Result<Repository, Failure> {
        let how = How { repos: &repos_at(&of.app.repos)?, signed: &of.signed, submodules: &of.submodules };
        let open = |part: &Part| part.open(&self.file, &how).map_err(|(text, hint)| format!("{text}; {hint}"));
        let mut opened = self.parts.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        match opened.len() {
            1 => opened.pop().ok_or_else(|| "it has no source".into()),
            _ => Ok(Repository::of(Joined::new(self.parts.iter().map(|part| part.source.clone()).zip(opened)))),
        }
    }

    /// The folder of its repository.
    pub(crate) fn folder(&self, repos: &[String]) -> Result<PathBuf, Failure> {
        match &*self.parts {
            [part] => Ok(locate(&part.source.repo_url, &self.file, &repos_at(repos)?).into()),
            _ => {
                Err("a commit is made in one repository, and the application has several; make it there by hand, and \
                      leave out `--revert`"
                    .into())
            }
        }
    }

    pub(crate) fn may_be_written(&self, now: Timestamp) -> Result<(), Failure> {
        let (name, file) = (self.application.name(), &self.file);
        if self.application.automation.suspend.is_on() {
            let text = "is suspended, so nothing is written";
            return Err(format!("application `{name}` {text}; take `suspend` out of `{file}` first").into());
        }
        let permit = self.application.windows.decide(Asked::ByHand, now, None);
        if permit.allowed {
            return Ok(());
        }
        let when = match permit.next_change {
            Some(at) => format!("try again after {}", at.whole_seconds()),
            None => "change the window".to_owned(),
        };
        Err(format!("nothing was done: {}; {when}, or say `manualSync` there", permit.reason).into())
    }
}

/// Which application is meant.
fn wanted(catalog: &Catalog, name: &cli::AppName) -> Result<Arc<str>, Failure> {
    let mut names: Vec<&Arc<str>> = catalog.applications.keys().chain(&catalog.held_back).collect();
    names.sort();
    let files: Vec<String> = name.files.iter().map(|file| format!("`{}`", file.display())).collect();
    let files = files.join(", ");
    let listed = |names: &[&Arc<str>]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match (&name.app, &*names) {
        (_, []) => {
            say(&render::problems(&catalog.problems, Paint::Off));
            Err(format!("there is no application in {files}").into())
        }
        (Some(wanted), names) => match names.iter().find(|name| ****name == **wanted) {
            Some(name) => Ok(Arc::clone(name)),
            None => {
                let near = nearest(wanted, names.iter().map(|name| &***name));
                let hint = match &*near {
                    [] => format!("there are {}", listed(names)),
                    near => format!("did you mean `{}`?", near.join("` or `")),
                };
                Err(format!("there is no application `{wanted}` in {files}; {hint}").into())
            }
        },
        (None, [only]) => Ok(Arc::clone(only)),
        (None, names) => {
            Err(format!("there are several applications in {files}; name one of {} with `--app`", listed(names)).into())
        }
    }
}

/// Reads applications and projects.
pub(crate) fn catalog(paths: &[PathBuf]) -> Result<Catalog, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let name = path.to_string_lossy().into_owned();
        let bytes = fs::read(path)
            .map_err(|error| format!("`{name}` cannot be read: {error}; give a file with applications"))?;
        files.push((name, bytes));
    }
    Ok(Catalog::of(files.iter().map(|(name, bytes)| (&**name, &**bytes))))
}

/// Describes an application that is written down.
pub(crate) fn application(described: &app::Application, catalog: &Catalog) -> Result<Application, Wrong> {
    let (server, name) = described.spec.destination.cluster();
    if name != CLUSTER {
        let named = if name.is_empty() { server } else { name };
        let text = format!("its cluster `{named}` is not known here");
        return Err((text, "use `in-cluster`, the embedded cluster; other clusters cannot be reached yet"));
    }
    let source = source_of(described, catalog).ok_or_else(|| ("it has no source".to_owned(), "set `source`"))?;
    let application = Application::described(described, catalog, &source, CLUSTER);
    application.map_err(|error| (error.to_string(), "see the field that is named"))
}

/// The name that an application has for its source, or for all of them.
pub(crate) fn source_of(described: &app::Application, catalog: &Catalog) -> Option<Arc<str>> {
    match Part::all(described, catalog).as_slice() {
        [] => None,
        [part] => Some(part.name()),
        _ => Some(format!("the sources of {}", described.name).into()),
    }
}

fn repos_at(repos: &[String]) -> Result<Vec<RepoAt>, Failure> {
    let read = |text: &String| text.parse().map_err(|error| Failure::from(format!("`--repo`: {error}")));
    repos.iter().map(read).collect()
}

/// Says where a repository lies: in the folder that is named for it, or where its address leads from `file`, in which it
/// is written.
pub(crate) fn locate(url: &str, file: &str, repos: &[RepoAt]) -> String {
    let beside = |path: &str| Path::new(file).parent().unwrap_or(Path::new("")).join(path);
    let folder = match repos.iter().rev().find(|repo| repo.url == url) {
        Some(repo) => Some(repo.folder.clone()),
        None => {
            url.strip_prefix("file://").map(PathBuf::from).or_else(|| Some(beside(url)).filter(|path| path.exists()))
        }
    };
    let is_remote = url.contains("://") || url.contains('@');
    match folder {
        None if is_remote => url.to_owned(),
        None => beside(url).display().to_string(),
        Some(folder) => folder.display().to_string(),
    }
}
