//! What a cluster serves: kinds, their names in URLs, scopes, versions and verbs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_core::cluster::ClusterError;
use gitops_core::model::{Conversion, Freshness, ScalePaths, Scope, ServedKind};
use gitops_core::resource::{GroupKind, split_api_version};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;
use crate::talk::{Ask, Silence, Talk};

/// What is wanted first is one document for all groups; a server older than 1.27 sends the names of the groups.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// What a cluster serves, as it said last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    pub(crate) kinds: BTreeMap<GroupKind, Arc<ServedKind>>,
    /// Groups, or the versions of some, that did not answer: what they serve is not known.
    silent: BTreeSet<String>,
    tags: [Option<Arc<str>>; 2],
}

/// Whether a cluster serves a kind.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Served(Arc<ServedKind>),
    NotServed,
    /// Its group does not answer.
    Unknown,
}

impl Served {
    pub(crate) fn kind(&self, kind: &GroupKind) -> Kind {
        match self.kinds.get(kind) {
            Some(served) => Kind::Served(Arc::clone(served)),
            None if self.silent.contains(&*kind.group) => Kind::Unknown,
            None => Kind::NotServed,
        }
    }

    /// Asks again; `None` when nothing changed.
    pub(crate) async fn refreshed(&self, talk: &Talk) -> Result<Option<Self>, ClusterError> {
        let core = talk.read(&self.ask("/api", 0)).await.map_err(Silence::into_read_error)?;
        let groups = talk.read(&self.ask("/apis", 1)).await.map_err(Silence::into_read_error)?;
        if core.code == 304 && groups.code == 304 {
            return Ok(None);
        }
        if core.code == 304 || groups.code == 304 {
            // One half is new: ask for both, whole.
            return Box::pin(Self::default().refreshed(talk)).await;
        }
        let mut served = Self { tags: [core.etag.clone(), groups.etag.clone()], ..Self::default() };
        for answer in [core, groups] {
            if answer.code != 200 {
                return Err(Refusal::of(&answer).into_read_failure().into());
            }
            match read::<Discovered>(&answer.body)? {
                Discovered::Aggregated { items } => {
                    items.into_iter().for_each(|group| served.add(group));
                }
                Discovered::Core { versions } => {
                    let versions = versions.into_iter().map(|version| (version.clone(), version));
                    served.ask_versions(talk, "", versions.collect()).await?;
                }
                Discovered::Groups { groups } => {
                    for group in groups {
                        let mut versions = group.versions;
                        let preferred = &group.preferred_version.group_version;
                        versions.sort_by_key(|version| version.group_version != *preferred);
                        let versions = versions.into_iter().map(|version| (version.group_version, version.version));
                        served.ask_versions(talk, &group.name, versions.collect()).await?;
                    }
                }
            }
        }
        Ok(Some(served))
    }

    fn ask(&self, path: &str, at: usize) -> Ask {
        Ask::get(path).accepting(AGGREGATED).unless(self.tags.get(at).cloned().flatten())
    }

    /// Adds a group of aggregated discovery.
    fn add(&mut self, group: Group) {
        for version in group.versions {
            if version.freshness == "Stale" {
                self.silent.insert(group.metadata.name.clone());
            }
            for resource in version.resources {
                let Some(kind) = resource.response_kind.filter(|kind| !kind.kind.is_empty()) else { continue };
                // A server may leave out the group of a kind where it is the group itself.
                let of = if kind.group.is_empty() { &group.metadata.name } else { &kind.group };
                let subresources = resource.subresources.into_iter().map(|sub| sub.subresource).collect();
                let is_namespaced = resource.scope == "Namespaced";
                let found = Found { plural: resource.resource, is_namespaced, verbs: resource.verbs, subresources };
                let fresh = if version.freshness == "Stale" { Freshness::Stale } else { Freshness::Current };
                self.found(GroupKind::new(of, &kind.kind), &version.version, found, fresh);
            }
        }
    }

    /// Asks for the kinds of each version, as servers without aggregated discovery want it.
    async fn ask_versions(
        &mut self,
        talk: &Talk,
        group: &str,
        versions: Vec<(String, String)>,
    ) -> Result<(), ClusterError> {
        for (group_version, version) in versions {
            let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group_version}") };
            let answer = talk.read(&Ask::get(path)).await.map_err(Silence::into_read_error)?;
            let Some(list) = (answer.code == 200).then(|| read::<ResourceList>(&answer.body).ok()).flatten() else {
                self.silent.insert(group.to_owned());
                continue;
            };
            let (of_kinds, others): (Vec<_>, Vec<_>) =
                list.resources.into_iter().partition(|resource| !resource.name.contains('/'));
            for resource in of_kinds {
                let below = |name: &str| name.strip_prefix(&resource.name)?.strip_prefix('/').map(str::to_owned);
                let subresources = others.iter().filter_map(|other| below(&other.name)).collect();
                let kind = GroupKind::new(group, &resource.kind);
                let found = Found {
                    plural: resource.name,
                    is_namespaced: resource.namespaced,
                    verbs: resource.verbs,
                    subresources,
                };
                self.found(kind, &version, found, Freshness::Current);
            }
        }
        Ok(())
    }

    fn found(&mut self, group_kind: GroupKind, version: &str, found: Found, freshness: Freshness) {
        // Reviews and bindings, which nobody can look at, are no objects. The first of two names of a kind is it.
        if !found.verbs.iter().any(|verb| verb == "get" || verb == "list") {
            return;
        }
        if let Some(known) = self.kinds.get_mut(&group_kind) {
            if *known.plural == *found.plural && !known.versions.iter().any(|known| **known == *version) {
                let mut kind = ServedKind::clone(known);
                kind.versions.push(version.into());
                kind.conversion = Conversion::Unknown;
                kind.freshness = kind.freshness.max(freshness);
                *known = Arc::new(kind);
            }
            return;
        }
        let scope = if found.is_namespaced { Scope::Namespaced } else { Scope::Cluster };
        let mut kind = ServedKind::new(group_kind.clone(), &found.plural, scope, version);
        let mut verbs: Vec<Arc<str>> = found.verbs.iter().map(|verb| Arc::from(&**verb)).collect();
        verbs.sort();
        kind.verbs = verbs;
        kind.has_status_subresource = found.subresources.iter().any(|name| name == "status");
        kind.scale = found.subresources.iter().any(|name| name == "scale").then(ScalePaths::standard);
        kind.freshness = freshness;
        self.kinds.insert(group_kind, Arc::new(kind));
    }
}

/// Splits the `groupVersion` of an OpenAPI path: `api/v1` or `apis/apps/v1`.
pub(crate) fn group_version(path: &str) -> Option<(&str, &str)> {
    match path.strip_prefix("apis/") {
        Some(rest) => split_api_version(rest).filter(|(group, _)| !group.is_empty()),
        None => path.strip_prefix("api/").map(|version| ("", version)),
    }
}

/// What is found of one kind at one version.
struct Found {
    plural: String,
    is_namespaced: bool,
    verbs: Vec<String>,
    subresources: Vec<String>,
}

pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClusterError> {
    serde_json::from_slice(body).map_err(|error| {
        let message = "the server's answer is not what the API says; is this the address of an API server?".into();
        ClusterError::new(gitops_core::cluster::Failure::Unavailable { message }).caused_by(error)
    })
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Discovered {
    #[serde(rename = "APIGroupDiscoveryList")]
    Aggregated {
        #[serde(default)]
        items: Vec<Group>,
    },
    #[serde(rename = "APIVersions")]
    Core { versions: Vec<String> },
    #[serde(rename = "APIGroupList")]
    Groups { groups: Vec<LegacyGroup> },
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Named,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: String,
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    subresources: Vec<Subresource>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    group: String,
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct Subresource {
    subresource: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyGroup {
    name: String,
    versions: Vec<LegacyVersion>,
    preferred_version: LegacyVersion,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyVersion {
    group_version: String,
    version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
struct LegacyResource {
    name: String,
    namespaced: bool,
    kind: String,
    verbs: Vec<String>,
}
