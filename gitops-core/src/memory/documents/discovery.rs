//! Which kinds are served: in one document for all, or group by group.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Scope, ServedKind, version_priority};
use crate::resource::Resource;
use crate::value::{Draft, Value};

use super::super::accept::{Accept, Media};
use super::super::refuse;
use super::super::response::Status;
use super::super::server::ApiServer;
use super::super::url::HttpRequest;
use super::super::wire::Wire;
use super::names::Names;
use super::{group_version, tag, texts, unacceptable};

/// The built-in groups in the order in which they are listed: of two kinds of one name the first is meant. Custom groups
/// come after them, by name.
const GROUPS: [&str; 20] = [
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// The verbs of custom kinds, in the order in which they are listed.
const CUSTOM: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
/// The verbs of `status` and `scale`.
const BELOW: [&str; 3] = ["get", "patch", "update"];

/// The form of the document that lists all groups.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Aggregated,
    Legacy(Media),
}

/// A kind at one version.
struct Served<'s> {
    kind: &'s ServedKind,
    version: &'s str,
    names: Names,
    is_custom: bool,
}

/// A subresource that is served.
struct Below {
    name: &'static str,
    /// Group, version and kind, where they are not those of the resource.
    of: Option<(&'static str, &'static str, &'static str)>,
    verbs: &'static [&'static str],
}

impl ApiServer {
    pub(super) fn core_discovery(&self, http: &HttpRequest<'_>, accept: &Accept) -> Result<Wire, Status> {
        match form(accept, true)? {
            Form::Aggregated => Ok(self.aggregated(&[""], http)),
            Form::Legacy(media) => {
                let mut draft = Draft::map();
                draft.set("kind", "APIVersions");
                draft.set("versions", texts(["v1"]));
                let mut address = Draft::map();
                address.set("clientCIDR", "0.0.0.0/0");
                // A client goes on with the address it has.
                address.set("serverAddress", "");
                draft.set("serverAddressByClientCIDRs", vec![address]);
                Ok(Wire { media, ..Wire::document(draft.freeze()) })
            }
        }
    }

    pub(super) fn group_discovery(&self, http: &HttpRequest<'_>, accept: &Accept) -> Result<Wire, Status> {
        let groups = self.groups();
        match form(accept, false)? {
            Form::Aggregated => {
                let names: Vec<&str> = groups.iter().map(|(name, _)| &**name).collect();
                Ok(self.aggregated(&names, http))
            }
            Form::Legacy(media) => {
                let mut draft = Draft::map();
                draft.set("kind", "APIGroupList");
                draft.set("apiVersion", "v1");
                draft.set("groups", groups.iter().map(|(name, of)| about(name, of)).collect::<Vec<_>>());
                Ok(Wire { media, ..Wire::document(draft.freeze()) })
            }
        }
    }

    /// One group.
    pub(super) fn group(&self, name: &str) -> Result<Value, Status> {
        let groups = self.groups();
        let found = groups.iter().find(|(group, _)| **group == *name).ok_or_else(|| refuse::not_served(name))?;
        let mut draft = about(&found.0, &found.1);
        draft.set("kind", "APIGroup");
        draft.set("apiVersion", "v1");
        Ok(draft.freeze())
    }

    /// The kinds of one version of a group.
    pub(super) fn kinds_of(&self, group: &str, version: &str) -> Result<Value, Status> {
        let kinds = self.served_at(group, version);
        if kinds.is_empty() {
            return Err(refuse::not_served(group));
        }
        let mut draft = Draft::map();
        draft.set("kind", "APIResourceList");
        // The core group says no more of itself, as recorded.
        if !group.is_empty() {
            draft.set("apiVersion", "v1");
        }
        draft.set("groupVersion", &*group_version(group, version));
        draft.set("resources", kinds.iter().flat_map(Served::lines).collect::<Vec<_>>());
        Ok(draft.freeze())
    }

    /// All groups but the core group, in order, each with its versions.
    pub(super) fn groups(&self) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        let mut groups: BTreeMap<&Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        for kind in self.model.kinds().filter(|kind| !kind.group_kind.group.is_empty()) {
            let versions = groups.entry(&kind.group_kind.group).or_default();
            versions.extend(kind.versions.iter().cloned());
        }
        let mut groups: Vec<(Arc<str>, Vec<Arc<str>>)> =
            groups.into_iter().map(|(name, versions)| (Arc::clone(name), versions)).collect();
        for (_, versions) in &mut groups {
            versions.sort_by(|a, b| version_priority(b).cmp(&version_priority(a)).then_with(|| a.cmp(b)));
            versions.dedup();
        }
        let place = |name: &str| GROUPS.iter().position(|group| *group == name).unwrap_or(GROUPS.len());
        groups.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
        groups
    }

    fn served_at<'s>(&'s self, group: &str, version: &'s str) -> Vec<Served<'s>> {
        let of_group = self.model.kinds().filter(|kind| *kind.group_kind.group == *group);
        let mut found: Vec<Served<'s>> = of_group
            .filter(|kind| kind.versions.iter().any(|served| **served == *version))
            .map(|kind| {
                let crd: Option<&Resource> = self.definition_of(kind);
                Served { kind, version, names: Names::of(kind, crd), is_custom: crd.is_some() }
            })
            .collect();
        found.sort_by(|a, b| a.kind.plural.cmp(&b.kind.plural));
        found
    }

    fn aggregated(&self, groups: &[&str], http: &HttpRequest<'_>) -> Wire {
        let all = self.groups();
        let items = groups.iter().map(|group| {
            let versions = all.iter().find(|(name, _)| **name == **group).map(|(_, versions)| versions.as_slice());
            let core = [Arc::from("v1")];
            let versions = versions.unwrap_or(&core).iter().map(|version| {
                let kinds = self.served_at(group, version);
                let mut draft = Draft::map();
                draft.set("version", &**version);
                draft.set("resources", kinds.iter().map(Served::aggregated).collect::<Vec<_>>());
                draft.set("freshness", "Current");
                draft
            });
            let mut draft = Draft::map();
            draft.set("versions", versions.collect::<Vec<_>>());
            draft.set("metadata", Draft::map());
            if !group.is_empty() {
                draft.entry("metadata").set("name", *group);
            }
            draft
        });
        let mut draft = Draft::map();
        draft.set("kind", "APIGroupDiscoveryList");
        draft.set("apiVersion", "apidiscovery.k8s.io/v2");
        draft.set("metadata", Draft::map());
        draft.set("items", items.collect::<Vec<_>>());
        let content = draft.freeze();
        let tag = tag(&content);
        Wire { media: Media::Discovery, ..Wire::document(content) }.tagged(&tag, http)
    }
}

impl Served<'_> {
    fn verbs(&self) -> Draft {
        if self.is_custom { texts(CUSTOM) } else { texts(self.kind.verbs.iter()) }
    }

    fn below(&self) -> Vec<Below> {
        let mut below = Vec::new();
        if &*self.kind.group_kind.kind == "Pod" && self.kind.group_kind.group.is_empty() {
            below.push(Below { name: "binding", of: Some(("", "", "Binding")), verbs: &["create"] });
        }
        if self.kind.scale.is_some() {
            below.push(Below { name: "scale", of: Some(("autoscaling", "v1", "Scale")), verbs: &BELOW });
        }
        if self.kind.has_status_subresource {
            below.push(Below { name: "status", of: None, verbs: &BELOW });
        }
        if self.is_custom {
            below.reverse();
        }
        below
    }

    fn names(&self, draft: &mut Draft) {
        for (field, names) in [("shortNames", &self.names.short), ("categories", &self.names.categories)] {
            if !names.is_empty() {
                draft.set(field, texts(names));
            }
        }
    }

    /// The kind of the answers; built-in kinds leave out group and version where they are those of the resource.
    fn response_kind(&self, of: Option<(&str, &str, &str)>) -> Draft {
        let own = (&*self.kind.group_kind.group, self.version);
        let (group, version) = if self.is_custom { own } else { ("", "") };
        let (group, version, kind) = of.unwrap_or((group, version, &self.kind.group_kind.kind));
        let mut draft = Draft::map();
        draft.set("group", group);
        draft.set("version", version);
        draft.set("kind", kind);
        draft
    }

    fn aggregated(&self) -> Draft {
        let mut draft = Draft::map();
        draft.set("resource", &*self.kind.plural);
        draft.set("responseKind", self.response_kind(None));
        draft.set("scope", if self.kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" });
        draft.set("singularResource", self.names.singular.as_str());
        draft.set("verbs", self.verbs());
        self.names(&mut draft);
        let below = self.below().into_iter().map(|below| {
            let mut draft = Draft::map();
            draft.set("subresource", below.name);
            draft.set("responseKind", self.response_kind(below.of));
            draft.set("verbs", texts(below.verbs));
            draft
        });
        let below: Vec<Draft> = below.collect();
        if !below.is_empty() {
            draft.set("subresources", below);
        }
        draft
    }

    /// The kind and what is below it, as the list of one version has them.
    fn lines(&self) -> Vec<Draft> {
        let line = |name: &str, singular: &str, kind: &str, verbs: Draft| {
            let mut draft = Draft::map();
            draft.set("name", name);
            draft.set("singularName", singular);
            draft.set("namespaced", self.kind.scope == Scope::Namespaced);
            draft.set("kind", kind);
            draft.set("verbs", verbs);
            draft
        };
        let own = &*self.kind.group_kind.kind;
        let mut first = line(&self.kind.plural, &self.names.singular, own, self.verbs());
        self.names(&mut first);
        let below = self.below().into_iter().map(|below| {
            let (group, version, kind) = below.of.unwrap_or(("", "", own));
            let mut draft = line(&format!("{}/{}", self.kind.plural, below.name), "", kind, texts(below.verbs));
            for (field, text) in [("group", group), ("version", version)] {
                if !text.is_empty() {
                    draft.set(field, text);
                }
            }
            draft
        });
        [first].into_iter().chain(below).collect()
    }
}

/// A group as lists have it.
fn about(name: &str, versions: &[Arc<str>]) -> Draft {
    let versions: Vec<Draft> = versions
        .iter()
        .map(|version| {
            let mut draft = Draft::map();
            draft.set("groupVersion", &*group_version(name, version));
            draft.set("version", &**version);
            draft
        })
        .collect();
    let mut draft = Draft::map();
    draft.set("name", name);
    if let Some(first) = versions.first() {
        draft.set("preferredVersion", first.clone());
    }
    draft.set("versions", versions);
    draft
}

/// The first form that the client takes and that there is.
fn form(accept: &Accept, is_core: bool) -> Result<Form, Status> {
    let header = accept.header.as_deref().filter(|header| !header.trim().is_empty()).unwrap_or("*/*");
    for clause in header.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.collect();
        let is_aggregated =
            ["g=apidiscovery.k8s.io", "as=APIGroupDiscoveryList"].iter().all(|p| parameters.contains(p));
        match media {
            "application/json" if is_aggregated && parameters.contains(&"v=v2") => return Ok(Form::Aggregated),
            _ if is_aggregated => {}
            "application/json" | "*/*" | "application/*" => return Ok(Form::Legacy(Media::Json)),
            "application/yaml" => return Ok(Form::Legacy(Media::Yaml)),
            _ => {}
        }
    }
    // The oldest of the routes has a wording of its own, where no clause names a type that it knows.
    let known = |clause: &str| clause.trim().starts_with("application/json");
    match is_core && !header.split(',').any(known) {
        true => Err(super::super::accept::not_routed(false)),
        false => Err(unacceptable()),
    }
}
