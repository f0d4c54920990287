//! From what is declared to what the engine looks after.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use gitops_core::app::{self, AppSource, Catalog, Signed};
use gitops_core::automation::Automation;
use gitops_core::engine::{Application, Engine};
use gitops_core::policy::window::Windows;
use gitops_core::problem::Severity;
use gitops_core::reconcile::App;
use gitops_core::source::{Paths, Source};
use gitops_core::state::Owner;
use gitops_core::time::Timestamp;
use gitops_core::value::{Digest, Hasher, Purpose};
use serde_json::json;

use super::Settings;
use super::declared::{Declared, Ending, ending, problems_of};

/// The only cluster there is, by the name that Argo CD gives the cluster that it runs in.
pub(super) const CLUSTER: &str = "in-cluster";

/// Opens repositories: what stands between a controller and Git.
pub trait Sources: fmt::Debug + Send + Sync {
    /// Opens the repository of a source, as it says about submodules. Nothing may be resolved of it but what is signed by
    /// whom `signed` names, which the project says, or else the source itself. It need not be reached yet; that it cannot
    /// be is told when it is read.
    ///
    /// # Errors
    /// When the address cannot be one of a repository, or it cannot be read as it is wanted. The text stands in a status.
    fn open(
        &self,
        source: &AppSource,
        signed: Option<&Signed>,
    ) -> Result<Arc<dyn Source>, Box<dyn Error + Send + Sync>>;
}

/// A source, and the name of the repository that is opened for it.
#[derive(Clone, Debug)]
struct Described {
    source: AppSource,
    name: Arc<str>,
}

/// What the engine looks after, and why not the rest.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Those in the engine, by how they were put there.
    placed: BTreeMap<Arc<str>, Digest>,
    /// Those that are declared and cannot be looked after, and why.
    pub(super) held_back: BTreeMap<Arc<str>, Arc<str>>,
    /// Those that are being deleted, and what for.
    pub(super) endings: BTreeMap<Arc<str>, Ending>,
    /// By address, and how they are read.
    opened: BTreeMap<Arc<str>, Arc<dyn Source>>,
    /// What an application has its objects from, by the name that the engine has for it.
    parts: BTreeMap<Arc<str>, Vec<Described>>,
    /// Those that ended, of which the resource is not gone yet.
    pub(super) ended: BTreeSet<Arc<str>>,
}

impl Members {
    /// Puts into the engine what is declared, and takes out what no longer is. Returns the names of all about whom
    /// something is new.
    pub(super) fn settle(
        &mut self,
        declared: &Declared,
        catalog: &Catalog,
        sources: &dyn Sources,
        engine: &mut Engine,
        (settings, now): (&Settings, Timestamp),
    ) -> BTreeSet<Arc<str>> {
        let mut news = BTreeSet::new();
        let held_back = std::mem::take(&mut self.held_back);
        self.endings = endings(declared);
        // Another one may have its name by now.
        self.ended.retain(|name| declared.is_terminating(name));
        self.parts.clear();
        let mut wanted = BTreeSet::new();
        for described in catalog.applications.values() {
            let name = &described.name;
            if self.is_left(declared, name) {
                continue;
            }
            match self.describe(described, catalog, sources, settings) {
                Ok((application, digest)) => {
                    wanted.insert(Arc::clone(name));
                    if self.placed.get(name) != Some(&digest) {
                        engine.put(application, now);
                        self.placed.insert(Arc::clone(name), digest);
                        news.insert(Arc::clone(name));
                    }
                }
                Err(why) => drop(self.held_back.insert(Arc::clone(name), why)),
            }
        }
        for name in &catalog.held_back {
            let blocked = problems_of(&catalog.problems, "Application", name);
            let blocked = blocked.first().filter(|problem| problem.severity == Severity::Blocks);
            let why = blocked.map_or_else(|| "its document cannot be used".into(), |problem| Arc::clone(&problem.text));
            self.held_back.insert(Arc::clone(name), why);
        }
        for (name, why) in &self.held_back {
            // The engine must know that it is there: it may declare anything (rule 28).
            if held_back.get(name) != Some(why) {
                engine.put_unknown(name, CLUSTER, &format!("is held back: {why}"), now);
                news.insert(Arc::clone(name));
            }
        }
        for name in self.placed.keys().chain(held_back.keys()) {
            if !wanted.contains(name) && !self.held_back.contains_key(name) {
                engine.remove(name, now);
                news.insert(Arc::clone(name));
            }
        }
        self.placed.retain(|name, _| wanted.contains(name));
        self.close();
        news
    }

    /// Whether nothing is done about an application that is still there: it is being deleted, and nobody asked that its
    /// objects go as well, or they are gone.
    fn is_left(&self, declared: &Declared, name: &Arc<str>) -> bool {
        declared.is_terminating(name) && !self.endings.contains_key(name) || self.ended.contains(name)
    }

    fn describe(
        &mut self,
        described: &app::Application,
        catalog: &Catalog,
        sources: &dyn Sources,
        settings: &Settings,
    ) -> Result<(Application, Digest), Arc<str>> {
        let (server, cluster) = described.spec.destination.cluster();
        if cluster != CLUSTER {
            let named = if cluster.is_empty() { server } else { cluster };
            return Err(
                format!("its cluster `{named}` is not the one that the controller runs in; use `{CLUSTER}`").into()
            );
        }
        let mut parts = Vec::new();
        for source in described.spec.read_sources() {
            let signed = catalog.signed(described, source);
            let name = name_of(source, signed);
            if !self.opened.contains_key(&name) {
                let shown = source.shown_repository();
                let opened = sources.open(source, signed);
                let opened = opened.map_err(|error| format!("its repository `{shown}` cannot be opened: {error}"))?;
                self.opened.insert(Arc::clone(&name), opened);
            }
            parts.push(Described { source: source.clone(), name });
        }
        let source = match parts.as_slice() {
            [one] => Arc::clone(&one.name),
            _ => joined(&described.name, &parts),
        };
        let ending = self.endings.get(&described.name);
        let project = catalog.project_of(described);
        let said = json!([described.spec, project, source, format!("{ending:?}")]).to_string();
        let digest = Hasher::new(Purpose::Identity).text(&*said).finish();
        let application = Application::described(described, catalog, &source, CLUSTER);
        let mut application = application.map_err(|error| Arc::from(error.to_string()))?;
        let owner = described.app(&settings.installation).map_err(|error| Arc::from(error.to_string()))?.owner;
        application.app = owned(application.app, owner, settings);
        if ending.is_some() {
            // Nothing is made any more, and what is to go does not wait for a time to sync.
            application.automation = Automation::default();
            application.windows = Windows::default();
        }
        self.parts.insert(source, parts);
        Ok((application, digest))
    }

    /// The sources that have something of the repository at an address.
    pub(super) fn with(&self, address: &str) -> Vec<Arc<str>> {
        let has = |parts: &[Described]| parts.iter().any(|part| *part.source.repo_url == *address);
        self.parts.iter().filter(|(_, parts)| has(parts)).map(|(name, _)| Arc::clone(name)).collect()
    }

    /// What is followed: addresses of repositories, and which branch, tag or commit.
    pub(super) fn followed(&self) -> BTreeSet<(Arc<str>, Arc<str>)> {
        let parts = self.parts.values().flatten().map(|part| &part.source);
        parts.map(|part| (Arc::clone(&part.repo_url), part.target().into())).collect()
    }

    /// Closes repositories that nobody needs any more.
    fn close(&mut self) {
        let needed: BTreeSet<&Arc<str>> = self.parts.values().flatten().map(|part| &part.name).collect();
        self.opened.retain(|name, _| needed.contains(name));
    }

    /// What a source is made of, by the name that the engine has for it.
    pub(super) fn sources(&self, name: &str) -> Vec<(AppSource, Arc<dyn Source>)> {
        let parts = self.parts.get(name).into_iter().flatten();
        parts.filter_map(|part| Some((part.source.clone(), Arc::clone(self.opened.get(&part.name)?)))).collect()
    }
}

/// An application of this installation.
fn owned(mut app: App, owner: Owner, settings: &Settings) -> App {
    app.owner = owner;
    app.ledger_namespace = Arc::clone(&settings.namespace);
    app
}

/// The name of a repository that is read in a way: its address where nothing is said of that. No address is the name of
/// another one, or else who writes an application could have one read as they say that is signed for somebody else.
fn name_of(source: &AppSource, signed: Option<&Signed>) -> Arc<str> {
    let AppSource { repo_url, submodules, submodule_repos, .. } = source;
    if signed.is_none() && submodules.is_none() && !repo_url.contains('#') {
        return Arc::clone(repo_url);
    }
    let said = json!([signed, submodules, submodule_repos]).to_string();
    format!("{repo_url}#{}", Hasher::new(Purpose::Identity).text(&*said).finish().short()).into()
}

/// The name of several sources as one: another one for others, since what is kept of a source goes by its name.
fn joined(app: &str, parts: &[Described]) -> Arc<str> {
    let said: Vec<_> = parts.iter().map(|part| json!([part.source, part.name])).collect();
    let said = json!(said).to_string();
    let digest = Hasher::new(Purpose::Identity).text(&*said).finish().short();
    format!("the sources of {app} ({digest})").into()
}

/// Which files of a source are wanted; they were looked at when the application was described.
pub(super) fn paths(part: &AppSource) -> Paths {
    part.paths().unwrap_or_default()
}

fn endings(declared: &Declared) -> BTreeMap<Arc<str>, Ending> {
    let all = declared.ours("Application");
    all.filter_map(|resource| Some((Arc::clone(&resource.key().name), ending(resource)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_opened_once_for_each_way_in_which_it_is_read() {
        const URL: &str = "git@example.org:shop.git";
        let source =
            |said: &str| -> AppSource { serde_json::from_str(&format!(r#"{{"repoURL":"{URL}"{said}}}"#)).unwrap() };
        let plain = source("");
        assert_eq!(&*name_of(&plain, None), URL);
        let signed = source(r#","signed":{"signers":"ann@example.org ssh-ed25519 AAAA"}"#);
        let other = source(r#","signed":{"signers":"ben@example.org ssh-ed25519 AAAA"}"#);
        let follow = source(r#","submodules":"follow""#);
        let names: BTreeSet<Arc<str>> = [
            name_of(&plain, None),
            name_of(&plain, signed.signed.as_ref()),
            name_of(&plain, other.signed.as_ref()),
            name_of(&follow, None),
            name_of(&follow, signed.signed.as_ref()),
        ]
        .into();
        assert_eq!(names.len(), 5, "{names:?}");
        for name in names.iter().filter(|name| ***name != *URL) {
            assert_ne!(name_of(&AppSource::new(name), None), *name, "an address that looks like a name is another one");
        }
    }
}
