//! What dies with a namespace or a CRD: rule 31 of the exact rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Cluster, Interest};
use crate::diff::{Comparison, Outcome};
use crate::model::{ApiModel, Scope, ServedKind};
use crate::plan::{Intent, is_container};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::Namespaces;
use crate::value::ValueRef;

/// Returns the objects of a comparison that may go.
pub(super) fn going(comparison: &Comparison, intent: Intent) -> Vec<Resource> {
    let goes = |outcome: &Outcome| intent == Intent::Delete || matches!(outcome, Outcome::Extra);
    let going = comparison.entries.values().filter(|compared| goes(&compared.outcome));
    going.filter_map(|compared| compared.live.clone()).filter(|live| is_container(live.key())).collect()
}

/// Reads what lies in the namespaces, and is of the kinds of the CRDs, that may go. Of one that cannot be read whole
/// nothing is returned: the plan then says nothing of it, rather than too little.
pub(super) async fn contents(
    may_go: Vec<Resource>,
    model: &ApiModel,
    cluster: &dyn Cluster,
) -> BTreeMap<ResourceKey, BTreeSet<ResourceKey>> {
    let mut contents = BTreeMap::new();
    // Gathered first: what walks the objects cannot be held while somebody is asked.
    for (key, interest) in interests(&may_go, model) {
        let Ok(observed) = cluster.observe(&interest).await else { continue };
        if interest.kinds.iter().any(|kind| observed.live.is_unread_somewhere(kind)) {
            continue;
        }
        let within =
            |object: &&Resource| !key.is("", "Namespace") || object.key().namespace.as_ref() == Some(&key.name);
        let found = observed.live.objects().filter(within).filter(|object| counts(object));
        let found: BTreeSet<ResourceKey> = found.map(|object| object.key().clone()).collect();
        contents.insert(key, found);
    }
    contents
}

/// What has to be read to know what dies with what may go.
fn interests(may_go: &[Resource], model: &ApiModel) -> Vec<(ResourceKey, Interest)> {
    let mut interests = Vec::new();
    for live in may_go {
        let key = live.key();
        let interest = if key.is("", "Namespace") {
            let lists = |kind: &ServedKind| kind.verbs.iter().any(|verb| &**verb == "list");
            let listed = model.kinds().filter(|kind| kind.scope == Scope::Namespaced && lists(kind));
            let kinds = listed.map(|kind| GroupKind::clone(&kind.group_kind));
            let mut interest = Interest::in_kinds(kinds);
            interest.namespaces = Namespaces::Only([key.name.clone()].into());
            interest
        } else if let Some(kind) = defined(live) {
            Interest::in_kinds([kind])
        } else {
            continue;
        };
        interests.push((key.clone(), interest));
    }
    interests
}

/// What others own dies with its owner, and what every namespace has is nobody's loss.
fn counts(object: &Resource) -> bool {
    let key = object.key();
    let owned = object.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list);
    let made_by_cluster = (key.is("", "ConfigMap") && &*key.name == "kube-root-ca.crt")
        || (key.is("", "ServiceAccount") && &*key.name == "default")
        || key.kind() == "Event";
    owned.is_none_or(|owners| owners.is_empty()) && !made_by_cluster
}

fn defined(object: &Resource) -> Option<GroupKind> {
    if !object.key().is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let text = |path: &[&str]| object.tree().dig(path).and_then(ValueRef::as_str);
    Some(GroupKind::new(text(&["spec", "group"])?, text(&["spec", "names", "kind"])?))
}
