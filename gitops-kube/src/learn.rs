//! The model of a cluster: what it serves, with the schemas of the kinds in use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_core::cluster::ClusterError;
use gitops_core::model::ApiModel;
use gitops_core::resource::{GroupKind, Resource};
use gitops_core::value::Value;
use serde::Deserialize;

use crate::discover::{Kind, Served, group_version, read};
use crate::refusal::Refusal;
use crate::talk::{Ask, Silence, Talk};

/// The version of Kubernetes that the table of built-in kinds was made from. Servers of this version need not be asked for
/// the schemas of these kinds.
const TABLE: (&str, &str) = ("1", "36");

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// What was learnt of a cluster so far.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    pub(crate) served: Arc<Served>,
    /// What the server says its version is.
    version: Option<Version>,
    /// The CRD of each kind that has one, and that some have none that can be read.
    crds: BTreeMap<GroupKind, Option<Resource>>,
    /// OpenAPI documents by path, each with the hash in its address.
    documents: BTreeMap<String, (String, Arc<[u8]>)>,
    /// Kinds that somebody asked for.
    asked: BTreeSet<GroupKind>,
    /// The model, and the kinds whose schemas are in it.
    model: Option<(BTreeSet<GroupKind>, ApiModel)>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct Version {
    major: String,
    minor: String,
}

impl Learnt {
    /// Asks what is served now.
    pub(crate) async fn refresh(&mut self, talk: &Talk) -> Result<(), ClusterError> {
        if let Some(served) = self.served.refreshed(talk).await? {
            self.served = Arc::new(served);
            self.model = None;
        }
        Ok(())
    }

    /// Returns what is served, with the schemas of some kinds.
    ///
    /// The types of custom resources come from their CRDs, where these can be read: OpenAPI lags behind them by about a
    /// second (rule 34 of the exact rules). What no schema can be had for is deduced from each value.
    pub(crate) async fn model(&mut self, talk: &Talk, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.refresh(talk).await?;
        if self.version.is_none() {
            let answer = talk.read(&Ask::get("/version")).await.map_err(Silence::into_read_error)?;
            self.version = (answer.code == 200).then(|| read(&answer.body).ok()).flatten();
        }
        let builtin = ApiModel::builtin();
        let own: BTreeSet<&str> = builtin.kinds().map(|kind| &*kind.group_kind.group).collect();
        let is_table = self.version.as_ref().is_some_and(|version| (&*version.major, version.number()) == TABLE);
        let mut wanted = BTreeSet::new();
        for kind in kinds {
            let Kind::Served(served) = self.served.kind(kind) else { continue };
            let is_builtin = own.contains(&*kind.group);
            if !is_builtin && self.learn_crd(talk, kind, &served.plural).await? {
                continue;
            }
            if !(is_builtin && is_table && builtin.has_schemas(kind)) {
                let at = |version: &Arc<str>| match &*kind.group {
                    "" => format!("api/{version}"),
                    group => format!("apis/{group}/{version}"),
                };
                wanted.extend(served.versions.iter().map(at));
            }
        }
        if !wanted.is_empty() {
            self.learn_documents(talk, &wanted).await?;
        }
        if let Some((of, model)) = &self.model
            && kinds.is_subset(of)
        {
            return Ok(model.clone());
        }
        let mut all = self.asked.clone();
        all.extend(kinds.iter().cloned());
        let model = self.assemble(&builtin, &all);
        self.asked.clone_from(&all);
        self.model = Some((all, model.clone()));
        Ok(model)
    }

    fn assemble(&self, builtin: &ApiModel, kinds: &BTreeSet<GroupKind>) -> ApiModel {
        let mut model = builtin.clone();
        for (path, (_, document)) in &self.documents {
            if let Some((group, version)) = group_version(path) {
                let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
                model = model.with_openapi(&name, document);
            }
        }
        let crds: Vec<&Resource> = self.crds.values().flatten().collect();
        let defined: BTreeSet<GroupKind> = crds.iter().filter_map(|crd| defined_by(crd)).collect();
        model = model.with_crds(crds);
        let served = self.served.kinds.iter().filter(|(kind, _)| !defined.contains(*kind));
        model = model.with_kinds(served.map(|(_, served)| served.as_ref().clone()));
        let known = builtin.kinds().map(|kind| &*kind.group_kind).chain(kinds).chain(&defined);
        let gone: BTreeSet<&GroupKind> =
            known.filter(|kind| matches!(self.served.kind(kind), Kind::NotServed)).collect();
        model.without_kinds(gone)
    }

    /// Learns the CRD of a kind; `false` if there is none to be read.
    async fn learn_crd(&mut self, talk: &Talk, kind: &GroupKind, plural: &str) -> Result<bool, ClusterError> {
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{}", kind.group);
        let whole = Ask::get(path);
        if let Some(Some(known)) = self.crds.get(kind) {
            // CRDs are large: first whether it changed.
            let answer = talk.read(&whole.clone().accepting(METADATA)).await;
            let answer = answer.map_err(Silence::into_read_error)?;
            let seen = (answer.code == 200).then(|| Value::from_json(&answer.body).ok()).flatten();
            let version = seen.as_ref().and_then(|seen| seen.root().dig(&["metadata", "resourceVersion"])?.as_str());
            if version.is_some() && version == known.resource_version() {
                return Ok(true);
            }
        }
        let answer = talk.read(&whole).await.map_err(Silence::into_read_error)?;
        let crd = match answer.code {
            200 => Value::from_json(&answer.body).ok().and_then(|value| Resource::new(value).ok()),
            // An aggregated API server has no CRDs, and not everybody may read them.
            403 | 404 => None,
            _ => return Err(Refusal::of(&answer).into_read_failure().into()),
        };
        let is_there = crd.is_some();
        if self.crds.get(kind) != Some(&crd) {
            self.crds.insert(kind.clone(), crd);
            self.model = None;
        }
        Ok(is_there)
    }

    /// Learns OpenAPI documents, those that changed. Without them types are deduced, which is not wrong.
    async fn learn_documents(&mut self, talk: &Talk, wanted: &BTreeSet<String>) -> Result<(), ClusterError> {
        let answer = talk.read(&Ask::get("/openapi/v3")).await.map_err(Silence::into_read_error)?;
        if answer.code != 200 {
            return Ok(());
        }
        let index: Index = read(&answer.body)?;
        for path in wanted {
            let Some(place) = index.paths.get(path) else { continue };
            let address = &place.server_relative_url;
            if self.documents.get(path).is_some_and(|(known, _)| known == address) {
                continue;
            }
            let document = talk.read(&Ask::get(address.as_str())).await.map_err(Silence::into_read_error)?;
            if document.code == 200 {
                self.documents.insert(path.clone(), (address.clone(), document.body.as_ref().into()));
                self.model = None;
            }
        }
        Ok(())
    }
}

impl Version {
    /// Managed servers add a sign to it, such as `36+`.
    fn number(&self) -> &str {
        self.minor.trim_end_matches(|letter: char| !letter.is_ascii_digit())
    }
}

/// The kind that a CRD defines.
fn defined_by(crd: &Resource) -> Option<GroupKind> {
    let text = |path: &[&str]| crd.tree().dig(path)?.as_str();
    Some(GroupKind::new(text(&["spec", "group"])?, text(&["spec", "names", "kind"])?))
}

#[derive(Deserialize)]
struct Index {
    paths: BTreeMap<String, Place>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    #[serde(rename = "serverRelativeURL")]
    server_relative_url: String,
}
