//! All applications and projects there are, each name once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::read::Declared;
use super::{AppSource, Application, Documents, Project, Signed, read};
use crate::policy::window::{Placed, Windows};
use crate::problem::{Code, Problem};
use crate::resource::{Origin, ResourceKey};

/// All applications and projects there are, each name once, and what keeps some of them back.
///
/// What is held back is not used, and not forgotten: an engine leaves it as it is. That is so for a document that cannot
/// be read, for both of two with the same name, and for an application whose project is not known, or does not permit
/// its source or destination.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Catalog {
    /// The applications that may be synced, by name.
    pub applications: BTreeMap<Arc<str>, Application>,
    /// The projects, by name. Where `default` is not declared, it permits everything, as in Argo CD.
    pub projects: BTreeMap<Arc<str>, Project>,
    /// Names of applications that are declared, and held back.
    pub held_back: BTreeSet<Arc<str>>,
    /// Whether part of a file could not be read, so that there may be applications that are not named here at all.
    pub incomplete: bool,
    /// What is wrong, in order.
    pub problems: Vec<Problem>,
}

impl Catalog {
    /// Reads files: of each its path and its bytes.
    #[must_use]
    pub fn of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Self {
        let mut all = Documents::default();
        for (file, bytes) in files {
            let one = read(&file.into(), bytes);
            all.applications.extend(one.applications);
            all.projects.extend(one.projects);
            all.held_back.extend(one.held_back);
            all.incomplete |= one.incomplete;
            all.problems.extend(one.problems);
        }
        Self::gather(all)
    }

    /// Gathers what was read.
    #[must_use]
    pub fn gather(documents: Documents) -> Self {
        let mut catalog =
            Self { problems: documents.problems.clone(), incomplete: documents.incomplete, ..Self::default() };
        catalog.find_equal_names(&documents);
        let held = |declared| documents.held_back.iter().filter(move |held| held.0 == declared).map(|held| &held.1);
        catalog.held_back.extend(held(Declared::Application).cloned());
        let mut broken: BTreeSet<Arc<str>> = held(Declared::Project).cloned().collect();
        for (name, project, _) in &documents.projects {
            if catalog.projects.insert(Arc::clone(name), project.clone()).is_some() {
                broken.insert(Arc::clone(name));
            }
        }
        catalog.projects.retain(|name, _| !broken.contains(name));
        if !broken.contains("default") {
            catalog.projects.entry("default".into()).or_insert_with(Project::unrestricted);
        }
        for application in documents.applications {
            if catalog.held_back.contains(&application.name) {
                continue;
            }
            match catalog.objection(&application, &broken) {
                Some(problem) => {
                    catalog.problems.push(problem);
                    catalog.held_back.insert(application.name);
                }
                None => drop(catalog.applications.insert(Arc::clone(&application.name), application)),
            }
        }
        catalog.find_unknown_dependencies();
        catalog.find_circles();
        catalog
    }

    /// Returns the project of an application.
    #[must_use]
    pub fn project_of(&self, application: &Application) -> Option<&Project> {
        self.projects.get(&application.spec.project)
    }

    /// Returns the sync windows that are for an application.
    #[must_use]
    pub fn windows_of(&self, application: &Application) -> Windows {
        let Some(project) = self.project_of(application) else { return Windows::default() };
        let destination = &application.spec.destination;
        let (server, cluster) = destination.cluster();
        let namespace = &destination.namespace;
        project.sync_windows.of(&Placed { application: &application.name, namespace, server, cluster })
    }

    /// Returns who must have signed what an application is made from: as its project says, or else the source itself.
    #[must_use]
    pub fn signed<'a>(&'a self, application: &'a Application, source: &'a AppSource) -> Option<&'a Signed> {
        let project = self.project_of(application).and_then(|project| project.signed.as_ref());
        project.or(source.signed.as_ref())
    }

    /// Names both places of two documents with the same name, and holds both back.
    fn find_equal_names(&mut self, documents: &Documents) {
        let applications = documents.applications.iter().map(|one| (Declared::Application, &one.name, &one.origin));
        let projects = documents.projects.iter().map(|(name, _, origin)| (Declared::Project, name, origin));
        let held = documents.held_back.iter().map(|(declared, name, origin)| (*declared, name, origin));
        let mut first: BTreeMap<(Declared, &Arc<str>), &Origin> = BTreeMap::new();
        for (declared, name, origin) in applications.chain(projects).chain(held) {
            let Some(other) = first.insert((declared, name), origin) else { continue };
            let (word, kind) = match declared {
                Declared::Application => ("application", "Application"),
                Declared::Project => ("project", "Project"),
            };
            let (here, there) = if origin < other { (other, origin) } else { (origin, other) };
            let text = format!("{word} `{name}` is declared twice, and neither is used");
            let problem = Problem::blocks(Code::DuplicateResource, text).at(here).and_at(there);
            self.problems.push(problem.of(&ResourceKey::new("", kind, None, name)).hint("rename or remove one"));
            if declared == Declared::Application {
                self.held_back.insert(Arc::clone(name));
            }
        }
    }

    /// What the project of an application has against it.
    fn objection(&self, application: &Application, broken: &BTreeSet<Arc<str>>) -> Option<Problem> {
        let spec = &application.spec;
        let name = &spec.project;
        let objection = |text: String, hint: &str| {
            let key = ResourceKey::new("", "Application", None, &application.name);
            Some(Problem::blocks(Code::NotPermitted, text).of(&key).at(&application.origin).hint(hint))
        };
        let Some(project) = self.projects.get(name) else {
            let known: Vec<&str> = self.projects.keys().map(|name| &**name).collect();
            return if broken.contains(name) {
                objection(format!("its project `{name}` cannot be used"), "see what is wrong with the project")
            } else {
                let hint = format!("declare it, or use one of `{}`", known.join("`, `"));
                objection(format!("there is no project `{name}`"), &hint)
            };
        };
        if project.signed.is_some() && spec.sources().iter().any(|source| source.signed.is_some()) {
            let text = format!("project `{name}` says who must have signed what is read, and so does the application");
            return objection(text, "take `signed` out of its sources");
        }
        let submodules = spec.sources().iter().flat_map(|source| &source.submodule_repos);
        let sources = spec.sources().iter().map(|source| &source.repo_url).chain(submodules);
        let sources = sources.map(|url| project.permits_source(url));
        let destination = project.permits_destination(&spec.destination);
        let refused = sources.chain([destination]).find(|answer| !answer.permitted)?;
        objection(
            format!("project `{name}`: {}", refused.reason),
            "change the application, or what its project permits",
        )
    }

    /// Names each circle of dependencies once, at the application of it that comes first: none of them is ever ready
    /// before the others.
    fn find_circles(&mut self) {
        let mut told: BTreeSet<Arc<str>> = BTreeSet::new();
        for application in self.applications.values().filter(|one| !one.spec.depends_on.contains(&one.name)) {
            if told.contains(&application.name) {
                continue;
            }
            let Some(circle) = self.circle(&application.name) else { continue };
            let names: Vec<&str> = circle.iter().chain([&application.name]).map(|name| &**name).collect();
            let text = format!("`dependsOn` goes in a circle: {}", names.join(" → "));
            let key = ResourceKey::new("", "Application", None, &application.name);
            let problem = Problem::warning(Code::InvalidDependency, text).of(&key).at(&application.origin);
            self.problems.push(problem.hint("none of them is synced by itself; take one of these dependencies out"));
            told.extend(circle);
        }
    }

    /// The shortest way from an application over what it depends on back to itself.
    fn circle(&self, name: &Arc<str>) -> Option<Vec<Arc<str>>> {
        let mut came_from: BTreeMap<&Arc<str>, &Arc<str>> = BTreeMap::new();
        let mut next: VecDeque<&Arc<str>> = [name].into();
        while let Some(at) = next.pop_front() {
            for needed in &self.applications.get(at)?.spec.depends_on {
                if needed == name {
                    let mut way = vec![Arc::clone(at)];
                    let mut before = at;
                    while let Some(earlier) = came_from.get(before).filter(|_| before != name) {
                        way.push(Arc::clone(earlier));
                        before = earlier;
                    }
                    way.reverse();
                    return Some(way);
                }
                if self.applications.contains_key(needed) && !came_from.contains_key(needed) {
                    came_from.insert(needed, at);
                    next.push_back(needed);
                }
            }
        }
        None
    }

    fn find_unknown_dependencies(&mut self) {
        for application in self.applications.values() {
            for needed in &application.spec.depends_on {
                let known = self.applications.contains_key(needed) || self.held_back.contains(needed);
                if known && needed != &application.name {
                    continue;
                }
                let text = if known { "it depends on itself" } else { "there is no such application" };
                let problem =
                    Problem::warning(Code::InvalidDependency, format!("`dependsOn` names `{needed}`: {text}"));
                let key = ResourceKey::new("", "Application", None, &application.name);
                let problem = problem.of(&key).at(&application.origin);
                self.problems.push(problem.hint("nothing is synced by itself before it is ready; name another one"));
            }
        }
    }
}
