//! What lies in namespaces, and is of the kinds of CRDs, and dies with them: rule 31 of the exact rules.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cluster::Interest;
use crate::model::{ApiModel, Scope, ServedKind};
use crate::policy::SyncPolicy;
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::{LiveState, Namespaces};
use crate::value::ValueRef;

use super::depend::defines;
use super::prune::Removal;
use super::{Action, Impact, Leftover, Plan, Precondition, Request, Step};

/// Most names that a text shows.
const SHOWN: usize = 3;

/// What dies with a namespace or CRD that a plan deletes: what whoever approves the plan agrees to. A plan without such
/// an entry says nothing of it, since it could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Contents {
    /// The namespace or CRD.
    pub of: ResourceKey,
    /// What is in it and has no step of its own; in order.
    pub dies: BTreeSet<ResourceKey>,
}

/// Whether all of something else dies with an object.
pub(crate) fn is_container(key: &ResourceKey) -> bool {
    key.is("", "Namespace") || key.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// Returns what has to be listed to know what dies with a namespace or CRD; `None` of anything else.
pub(crate) fn contents_of(live: &Resource, model: &ApiModel) -> Option<Interest> {
    if live.key().is("", "Namespace") {
        let lists = |kind: &ServedKind| kind.verbs.iter().any(|verb| &**verb == "list");
        let listed = model.kinds().filter(|kind| kind.scope == Scope::Namespaced && lists(kind));
        let mut interest = Interest::in_kinds(listed.map(|kind| GroupKind::clone(&kind.group_kind)));
        interest.namespaces = Namespaces::Only([live.key().name.clone()].into());
        return Some(interest);
    }
    defines(live).map(|kind| Interest::in_kinds([kind]))
}

/// Returns what dies with a container by what was listed; `None` where that could not all be read.
///
/// What others own dies with its owner, and what every namespace has is nobody's loss.
pub(crate) fn found_in(
    container: &ResourceKey,
    interest: &Interest,
    live: &LiveState,
) -> Option<BTreeSet<ResourceKey>> {
    if interest.kinds.iter().any(|kind| live.is_unread_somewhere(kind)) {
        return None;
    }
    let is_within =
        |object: &&Resource| !container.is("", "Namespace") || object.key().namespace.as_ref() == Some(&container.name);
    let found = live.objects().filter(is_within).filter(|object| counts(object));
    Some(found.map(|object| object.key().clone()).collect())
}

fn counts(object: &Resource) -> bool {
    let key = object.key();
    let owned = object.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list);
    let made_by_cluster = (key.is("", "ConfigMap") && &*key.name == "kube-root-ca.crt")
        || (key.is("", "ServiceAccount") && &*key.name == "default")
        || key.kind() == "Event";
    owned.is_none_or(|owners| owners.is_empty()) && !made_by_cluster
}

/// Whether an object holds what another one of its name would not have: data, or all that lives in it. Such objects are
/// deleted only when a person says so, and never to be created again.
pub(super) fn is_protected(key: &ResourceKey, policy: &SyncPolicy) -> bool {
    is_container(key) || policy.protected.contains(&*key.group_kind)
}

/// Returns what dies with the containers among the removals that are not dying already, with those that make room for a
/// hook, and with those that hooks left.
pub(super) fn contents(
    request: &Request,
    removals: &[Removal<'_>],
    steps: &[Step],
    leftovers: &[Leftover],
) -> Vec<Contents> {
    let going: BTreeSet<&ResourceKey> = removals.iter().map(|removal| removal.key).collect();
    let removed = removals.iter().filter(|removal| !removal.is_under_way()).map(|removal| removal.key);
    let replaced = steps.iter().filter(|step| makes_room(step)).map(|step| &step.key);
    let left = leftovers.iter().map(|left| &left.key);
    let containers: BTreeSet<&ResourceKey> =
        removed.chain(replaced).chain(left).filter(|key| is_container(key)).collect();
    let known = containers.into_iter().filter_map(|container| {
        let dies = request.contents.get(container)?.iter().filter(|key| !going.contains(key));
        Some(Contents { of: container.clone(), dies: dies.cloned().collect() })
    });
    known.collect()
}

/// Whether what stands where a hook runs is deleted first.
fn makes_room(step: &Step) -> bool {
    matches!((&step.action, &step.requires), (Action::Hook { .. }, Precondition::Present { .. }))
}

impl Request {
    /// Says how many objects die with a namespace or CRD and are not among `going`; empty where that is not known.
    pub(super) fn dying(&self, container: &ResourceKey, going: &BTreeSet<&ResourceKey>) -> String {
        let Some(contents) = self.contents.get(container) else { return String::new() };
        let others: Vec<&ResourceKey> = contents.iter().filter(|key| !going.contains(key)).collect();
        match others.len() {
            0 => "; nothing is in it that is not in this plan".to_owned(),
            1 => format!("; 1 object that is not in this plan dies with it: {}", named(&others)),
            many => format!("; {many} objects that are not in this plan die with it: {}", named(&others)),
        }
    }
}

/// Names some objects, and counts the others.
pub(super) fn named(keys: &[&ResourceKey]) -> String {
    let names: Vec<String> = keys.iter().take(SHOWN).map(|key| format!("`{key}`")).collect();
    match keys.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

impl Plan {
    /// Says what dies with the object of a step by now and was not told when this plan was approved.
    pub(super) fn unapproved(&self, step: &Step, fresh: &Self) -> Option<String> {
        if step.impact != Impact::DeletesContents && !(makes_room(step) && is_container(&step.key)) {
            return None;
        }
        self.more_dies(&step.key, fresh)
    }

    /// The same of a namespace or CRD.
    pub(super) fn more_dies(&self, container: &ResourceKey, fresh: &Self) -> Option<String> {
        match (self.dies_with(container), fresh.dies_with(container)) {
            (None, None) => None,
            (Some(_), None) => Some("what dies with it cannot be told by now".to_owned()),
            (_, Some(now)) => {
                Some(format!("more would die with it than was approved: {}", self.untold(container, now)?))
            }
        }
    }

    /// What this plan says that dies with a container; `None` where it says nothing of it.
    fn dies_with(&self, container: &ResourceKey) -> Option<&BTreeSet<ResourceKey>> {
        let found = self.contents.binary_search_by(|contents| contents.of.cmp(container)).ok()?;
        self.contents.get(found).map(|contents| &contents.dies)
    }

    /// Names what dies with a container and has no step of its own; `None` where nothing does, or nothing is said of it.
    pub(crate) fn lost_with(&self, container: &ResourceKey) -> Option<String> {
        let dies: Vec<&ResourceKey> = self.dies_with(container)?.iter().collect();
        match dies.len() {
            0 => None,
            1 => Some(format!("1 object that was in it died with it: {}", named(&dies))),
            many => Some(format!("{many} objects that were in it died with it: {}", named(&dies))),
        }
    }

    /// Returns whether this plan says what dies with a container.
    pub(crate) fn told_of(&self, container: &ResourceKey) -> bool {
        self.dies_with(container).is_some()
    }

    /// Names what dies with a container and is neither told of in this plan nor deleted by it.
    pub(crate) fn untold(&self, container: &ResourceKey, dies: &BTreeSet<ResourceKey>) -> Option<String> {
        let told = self.dies_with(container);
        let steps = self.steps.iter().map(|step| &step.key);
        let own: BTreeSet<&ResourceKey> = steps.chain(self.leftovers.iter().map(|left| &left.key)).collect();
        let is_told = |key: &ResourceKey| told.is_some_and(|told| told.contains(key)) || own.contains(key);
        let more: Vec<&ResourceKey> = dies.iter().filter(|key| !is_told(key)).collect();
        (!more.is_empty()).then(|| named(&more))
    }
}
