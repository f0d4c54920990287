//! What an application is: its source, its destination, and how it is synced.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{IgnoreDifferences, Signed, Submodules, SyncSettings};
use crate::policy::SyncPolicy;
use crate::source::{Globs, IgnoreFiles, InvalidPaths, Paths, Recurse};
use crate::state::TrackingStyle;

/// What an application is: `spec` of its document.
///
/// The fields are those of Argo CD's `Application`, and mean the same, except for `policy`, `dependsOn`, `suspend`,
/// `tracking`, `hooksOnHeal` and `hookLimit`, which are ours.
///
/// ```
/// use gitops_core::app::AppSpec;
///
/// let spec: AppSpec = serde_json::from_str(
///     r#"{"source": {"repoURL": "https://example.org/shop.git", "path": "deploy"}, "destination": {"namespace": "shop"}}"#,
/// )?;
/// assert_eq!((&*spec.project, spec.automated()), ("default", None));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AppSpec {
    /// The project that it belongs to. Default: `default`.
    pub project: Arc<str>,
    /// What it is made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<AppSource>,
    /// What it is made from, where that is more than one. Then `source` means nothing, as in Argo CD.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<AppSource>,
    /// Where it goes.
    pub destination: Destination,
    /// What it does by itself, and how it is synced.
    #[serde(skip_serializing_if = "SyncSettings::is_default")]
    pub sync_policy: SyncSettings,
    /// How it is synced, in our own terms. What `syncPolicy` says as well wins.
    #[serde(skip_serializing_if = "is_default")]
    pub policy: SyncPolicy,
    /// What is left alone.
    #[serde(skip_serializing_if = "IgnoreDifferences::is_empty")]
    pub ignore_differences: IgnoreDifferences,
    /// Most operations kept in the history. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<u32>,
    /// What people should know about it. It is shown with its state, and has no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
    /// Names of applications that must be synced and healthy before this one is synced by itself.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub depends_on: BTreeSet<Arc<str>>,
    /// Whether it is left alone altogether: looked at and reported, never written. Default: no.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
    /// By what its objects are marked as its own. Default: our own annotation, which names the installation as well.
    #[serde(skip_serializing_if = "is_default")]
    pub tracking: TrackingStyle,
    /// Whether hooks run when changes on the cluster are undone. Default: no, since they ran for that revision.
    #[serde(skip_serializing_if = "is_default")]
    pub hooks_on_heal: bool,
    /// Most tries of a revision whose hooks fail, the first included. Default: as many as `syncPolicy.retry` allows, or 5
    /// where that says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_limit: Option<NonZeroU32>,
}

/// A repository, and which of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct AppSource {
    /// Address of the repository.
    #[serde(rename = "repoURL")]
    pub repo_url: Arc<str>,
    /// A folder of it. Default: its root.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub path: Arc<str>,
    /// Branch, tag or commit. Default: `HEAD`.
    #[serde(default = "head", skip_serializing_if = "is_head")]
    pub target_revision: Arc<str>,
    /// A name by which charts of other sources refer to its files. With one, and without a path, nothing is made from it:
    /// Argo CD's rule.
    #[serde(rename = "ref", default, skip_serializing_if = "str::is_empty")]
    pub reference: Arc<str>,
    /// Which files of the folder.
    #[serde(default, skip_serializing_if = "is_default")]
    pub directory: Directory,
    /// Who must have signed what is read; Argo CD knows nothing of it. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// What is done about its submodules; Argo CD follows them. Default: what whoever opens the repository says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submodules: Option<Submodules>,
    /// Addresses of submodules that are followed at other hosts than that of the repository.
    #[serde(rename = "submoduleRepos", default, skip_serializing_if = "Vec::is_empty")]
    pub submodule_repos: Vec<Arc<str>>,
}

/// Which files of a folder. In its globs `*` also stands for `/`. Rule: Argo CD user guide, "Directory".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Directory {
    /// Whether folders in it are read. Default: no.
    #[serde(skip_serializing_if = "is_default")]
    pub recurse: bool,
    /// Glob of the files that are read, several as `{a,b}`. Default: those that end in `.yaml`, `.yml` or `.json`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub include: Arc<str>,
    /// Glob of files that are not read.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub exclude: Arc<str>,
    /// Whether files called `.sourceignore`, as Flux has them, say what is not read. Default: no. Argo CD knows nothing of it.
    #[serde(skip_serializing_if = "is_default")]
    pub source_ignore: bool,
}

/// Where an application goes. Without address and name: to the cluster that the engine runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Destination {
    /// Address of the cluster.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub server: Arc<str>,
    /// Name of the cluster, instead of its address.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: Arc<str>,
    /// Namespace of objects that name none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Arc<str>,
}

/// Something that people should know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Info {
    /// What it is, such as `url`.
    pub name: Arc<str>,
    /// What it says.
    pub value: Arc<str>,
}

/// Address and name of the cluster that the engine runs in. Rule: Argo CD.
const IN_CLUSTER: (&str, &str) = ("https://kubernetes.default.svc", "in-cluster");

impl Default for AppSpec {
    fn default() -> Self {
        Self {
            project: "default".into(),
            source: None,
            sources: Vec::new(),
            destination: Destination::default(),
            sync_policy: SyncSettings::default(),
            policy: SyncPolicy::default(),
            ignore_differences: IgnoreDifferences::default(),
            revision_history_limit: None,
            info: Vec::new(),
            depends_on: BTreeSet::new(),
            suspend: false,
            tracking: TrackingStyle::default(),
            hooks_on_heal: false,
            hook_limit: None,
        }
    }
}

impl AppSpec {
    /// Returns what it is made from: `sources`, or `source` where there are none.
    #[must_use]
    pub fn sources(&self) -> &[AppSource] {
        if self.sources.is_empty() { self.source.as_slice() } else { &self.sources }
    }

    /// Returns what of it is read: its sources, without those that are there only for others to refer to.
    pub fn read_sources(&self) -> impl Iterator<Item = &AppSource> {
        self.sources().iter().filter(|source| !source.is_reference())
    }

    /// Returns what it does by itself, if it does anything.
    #[must_use]
    pub fn automated(&self) -> Option<&super::Automated> {
        self.sync_policy.automated.as_ref().filter(|automated| automated.enabled)
    }

    /// Returns most operations kept in the history.
    #[must_use]
    pub fn history_limit(&self) -> usize {
        self.revision_history_limit.map_or(10, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

impl AppSource {
    /// Names a repository; its root at `HEAD` is meant.
    #[must_use]
    pub fn new(repo_url: &str) -> Self {
        Self { repo_url: repo_url.into(), target_revision: head(), ..Self::default() }
    }

    /// Returns which files are wanted.
    ///
    /// # Errors
    /// When the path leaves the repository, or a glob can match nothing.
    pub fn paths(&self) -> Result<Paths, InvalidPaths> {
        let recurse = if self.directory.recurse { Recurse::Yes } else { Recurse::No };
        let mut paths = Paths::under([&*self.path])?.with_recurse(recurse).with_globs(Globs::AcrossFolders);
        if !self.directory.include.is_empty() {
            paths = paths.with_include(&self.directory.include);
        }
        if !self.directory.exclude.is_empty() {
            paths = paths.with_exclude(&self.directory.exclude);
        }
        if self.directory.source_ignore {
            paths = paths.with_ignore_files(IgnoreFiles::SourceIgnore);
        }
        paths.check()?;
        Ok(paths)
    }

    /// Returns whether nothing is made from it: it is there for charts of other sources to refer to.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        !self.reference.is_empty() && self.path.is_empty()
    }

    /// Returns a name for it: the last part of its address.
    #[must_use]
    pub fn short_name(&self) -> &str {
        let name = self.repo_url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or("");
        let name = name.strip_suffix(".git").unwrap_or(name);
        if matches!(name, "" | "." | "..") { "source" } else { name }
    }

    /// Returns what is followed: the branch, tag or commit, or `HEAD`.
    #[must_use]
    pub fn target(&self) -> &str {
        if self.target_revision.is_empty() { "HEAD" } else { &self.target_revision }
    }

    /// Returns what names the repository, however its address is spelled: two addresses that differ only by protocol, user,
    /// case, or a `.git` or `/` at the end are taken for the same.
    ///
    /// ```
    /// use gitops_core::app::AppSource;
    ///
    /// let one = AppSource::new("https://example.org/Team/shop.git").repository();
    /// assert_eq!(one, AppSource::new("git@example.org:team/shop").repository());
    /// assert_ne!(one, AppSource::new("https://example.org/team/other.git").repository());
    /// ```
    #[must_use]
    pub fn repository(&self) -> Arc<str> {
        let address = self.repo_url.trim().to_lowercase();
        let (address, is_short) = match address.split_once("://") {
            Some((_, rest)) => (rest, false),
            None => (&*address, true),
        };
        let host_end = address.find('/').unwrap_or(address.len());
        let host = address.get(..host_end).unwrap_or_default();
        let host_start = host.rfind('@').map_or(0, |at| at.saturating_add(1));
        let place = address.get(host_start..).unwrap_or_default();
        // `host:path`, as ssh has it.
        let place = if is_short { place.replacen(':', "/", 1) } else { place.to_owned() };
        let place = place.trim_end_matches('/');
        place.strip_suffix(".git").unwrap_or(place).into()
    }

    /// Returns the address without what somebody may have written before the `@`.
    #[must_use]
    pub fn shown_repository(&self) -> String {
        shown(&self.repo_url)
    }
}

/// An address without user and password, also where it lacks a slash.
pub(super) fn shown(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        // `git@host:path` tells nobody's password.
        let has_password = address.split_once('@').is_some_and(|(user, _)| user.contains(':'));
        let (_, place) = address.rsplit_once('@').filter(|_| has_password).unwrap_or(("", address));
        return place.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => address.to_owned(),
    }
}

impl Destination {
    /// Returns address and name of the cluster as far as they are known: one without the other, except for the cluster
    /// that the engine runs in.
    #[must_use]
    pub fn cluster(&self) -> (&str, &str) {
        match (&*self.server, &*self.name) {
            ("", "") => IN_CLUSTER,
            (server, "") if server == IN_CLUSTER.0 => IN_CLUSTER,
            ("", name) if name == IN_CLUSTER.1 => IN_CLUSTER,
            known => known,
        }
    }

    /// Returns this cluster with another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: namespace.into(), ..self.clone() }
    }
}

fn head() -> Arc<str> {
    "HEAD".into()
}

fn is_head(revision: &Arc<str>) -> bool {
    &**revision == "HEAD"
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
