//! Which kinds that are not served are gone for good, and their objects with them. Rule 29 of the exact rules: that a kind
//! is not served proves nothing by itself, since it may come back with its objects.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, Interest};
use crate::model::{ApiModel, KindFacts};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::{Inventory, Live, LiveState};
use crate::value::ValueRef;

/// Takes objects of the inventory for absent whose kind is provably gone: no CRD defines it any more, and the API server
/// removes all objects of a CRD before the CRD itself; and nobody else serves its group. Where CRDs and APIServices
/// cannot both be listed completely, nothing is proven. A kind of Kubernetes itself may only be switched off.
pub(super) async fn settle(live: &mut LiveState, inventory: &Inventory, cluster: &dyn Cluster) {
    let unserved = |key: &&ResourceKey| matches!(live.get(key), Live::NotServed);
    let keys: Vec<ResourceKey> = inventory.entries.keys().filter(unserved).cloned().collect();
    if keys.is_empty() {
        return;
    }
    let definitions = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
    let services = GroupKind::new("apiregistration.k8s.io", "APIService");
    let interest = Interest::in_kinds([definitions.clone(), services.clone()]);
    let Ok(observed) = cluster.observe(&interest).await else { return };
    let all = |kind| matches!(observed.live.coverage(kind, None), Live::Absent);
    if !all(&definitions) || !all(&services) {
        return;
    }
    let text = |object: &Resource, path: &[&str]| object.tree().dig(path).and_then(ValueRef::as_str).map(str::to_owned);
    let defined: BTreeSet<(Option<String>, Option<String>)> = observed
        .live
        .objects_of(&definitions)
        .map(|object| (text(object, &["spec", "group"]), text(object, &["spec", "names", "kind"])))
        .collect();
    let delegates = |object: &&Resource| object.tree().dig(&["spec", "service", "name"]).is_some();
    let delegated: BTreeSet<Option<String>> =
        observed.live.objects_of(&services).filter(delegates).map(|object| text(object, &["spec", "group"])).collect();
    let builtin = ApiModel::builtin();
    let is_gone = |key: &&ResourceKey| {
        let (group, kind) = (Some(key.group().to_owned()), Some(key.kind().to_owned()));
        // The group of every CRD has a dot.
        key.group().contains('.')
            && !matches!(builtin.kind(&key.group_kind), KindFacts::Served(_))
            && !delegated.contains(&group)
            && !defined.contains(&(group, kind))
    };
    keys.iter().filter(is_gone).for_each(|key| live.absent(key));
}
