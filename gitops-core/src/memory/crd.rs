//! CustomResourceDefinitions: from declared to served.

use std::sync::Arc;

use crate::model::ServedKind;
use crate::resource::{Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::server::ApiServer;

impl ApiServer {
    /// The CRD that made a kind.
    pub(super) fn definition_of(&self, kind: &ServedKind) -> Option<&Resource> {
        let name = format!("{}.{}", kind.plural, kind.group_kind.group);
        self.store.get(&ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, &name))
    }
}

/// Gives a new CRD the status it has before anybody looked at it.
pub(super) fn prepare_new(draft: &mut Draft) {
    let versions = draft.get("spec").and_then(|spec| spec.get("versions")).map(Draft::freeze);
    let versions = versions.as_ref().and_then(|versions| versions.root().as_list());
    let storage = |version: &ValueRef<'_>| version.get("storage").and_then(ValueRef::as_bool) == Some(true);
    let name = versions.and_then(|versions| versions.iter().find(storage)?.get("name")?.as_str().map(str::to_owned));
    draft.entry("status").set("storedVersions", name.into_iter().map(Draft::from).collect::<Vec<_>>());
}

/// The schema of a version of its kind.
pub(super) fn schema<'c>(crd: &'c Resource, version: &str) -> Option<ValueRef<'c>> {
    let versions = crd.tree().dig(&["spec", "versions"]).and_then(ValueRef::as_list).into_iter().flatten();
    let is = |of: &ValueRef<'_>| of.get("name").and_then(ValueRef::as_str) == Some(version);
    { versions }.find(is)?.dig(&["schema", "openAPIV3Schema"])
}

/// The schema by which objects of a kind are pruned, if they are.
pub(super) fn pruning_schema<'c>(crd: Option<&'c Resource>, version: &str) -> Option<ValueRef<'c>> {
    let keeps = |crd: &Resource| crd.tree().dig(&["spec", "preserveUnknownFields"]).and_then(ValueRef::as_bool);
    schema(crd.filter(|crd| keeps(crd) != Some(true))?, version)
}

/// Remembers that objects may be kept in the storage version from now on. Rule: `PrepareForUpdate` of its strategy.
pub(super) fn prepare_changed(draft: &mut Draft) {
    let versions = draft.get("spec").and_then(|spec| spec.get("versions")).map(Draft::freeze);
    let versions = versions.as_ref().and_then(|versions| versions.root().as_list());
    let storage = |version: &ValueRef<'_>| version.get("storage").and_then(ValueRef::as_bool) == Some(true);
    let Some(name) = versions.and_then(|versions| versions.iter().find(storage)?.get("name")?.as_str()) else { return };
    if let Some(stored) = draft.entry("status").entry("storedVersions").as_list_mut()
        && !stored.iter().any(|other| other.as_str() == Some(name))
    {
        stored.push(name.into());
    }
}

/// The fields that a version of its kind can be selected by.
pub(super) fn selectable(crd: &Resource, version: &str) -> Vec<String> {
    let versions = crd.tree().dig(&["spec", "versions"]).and_then(ValueRef::as_list).into_iter().flatten();
    let is = |of: &ValueRef<'_>| of.get("name").and_then(ValueRef::as_str) == Some(version);
    let fields = versions.filter(is).filter_map(|version| version.get("selectableFields")?.as_list()).flatten();
    fields.filter_map(|field| Some(field.get("jsonPath")?.as_str()?.trim_start_matches('.').to_owned())).collect()
}

/// The warning to users of a deprecated version, in the words of the CRD if it has some.
pub(super) fn deprecation(crd: &Resource, kind: &ServedKind, version: &str) -> Option<Arc<str>> {
    let versions = || crd.tree().dig(&["spec", "versions"]).and_then(ValueRef::as_list).into_iter().flatten();
    let is = |of: &ValueRef<'_>, name: &str| of.get("name").and_then(ValueRef::as_str) == Some(name);
    let deprecated = |of: &ValueRef<'_>| of.get("deprecated").and_then(ValueRef::as_bool) == Some(true);
    let this = versions().find(|of| is(of, version)).filter(deprecated)?;
    if let Some(text) = this.get("deprecationWarning").and_then(ValueRef::as_str) {
        return Some(text.into());
    }
    // The served versions are in order, the best first.
    let better = kind.versions.iter().take_while(|name| ***name != *version);
    let better = better.into_iter().find(|name| versions().any(|of| is(&of, name) && !deprecated(&of)));
    let named = |version: &str| format!("{} {}", kind.api_version(version), kind.group_kind.kind);
    let instead = better.map(|name| format!("; use {}", named(name))).unwrap_or_default();
    Some(format!("{} is deprecated{instead}", named(version)).into())
}

/// Whether its kind is served.
pub(super) fn is_established(crd: &Resource) -> bool {
    condition(crd, "Established") == Some("True")
}

pub(super) fn condition<'r>(object: &'r Resource, name: &str) -> Option<&'r str> {
    let conditions = object.tree().dig(&["status", "conditions"])?.as_list()?;
    let found = conditions.iter().find(|condition| condition.get("type").and_then(ValueRef::as_str) == Some(name))?;
    found.get("status")?.as_str()
}

/// The status that the server's own controllers give a CRD whose names nobody else has.
pub(super) fn accepted(crd: &Resource, now: Timestamp) -> Draft {
    let mut status = crd.tree().get("status").map_or_else(Draft::map, ValueRef::to_draft);
    if let Some(names) = crd.tree().dig(&["spec", "names"]) {
        status.set("acceptedNames", names);
    }
    let versions = crd.tree().dig(&["spec", "versions"]).and_then(ValueRef::as_list);
    let storage = |version: &ValueRef<'_>| version.get("storage").and_then(ValueRef::as_bool) == Some(true);
    let stored = versions.and_then(|versions| versions.iter().find(storage)?.get("name")?.as_str().map(str::to_owned));
    if status.get("storedVersions").is_none() {
        status.set("storedVersions", stored.into_iter().map(Draft::from).collect::<Vec<_>>());
    }
    let conditions = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    let conditions = conditions.map(|(name, reason, message)| {
        let mut condition = Draft::map();
        condition.set("type", name);
        condition.set("status", "True");
        condition.set("reason", reason);
        condition.set("message", message);
        condition.set("lastTransitionTime", now.whole_seconds().to_string());
        condition
    });
    status.set("conditions", conditions.to_vec());
    status
}
