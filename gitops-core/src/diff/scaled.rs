//! What autoscalers scale. Rules 17 and 20 of the exact rules.

use std::collections::BTreeSet;

use crate::model::{ApiModel, KindFacts};
use crate::resource::{GroupKind, Resource, ResourceKey, split_api_version};
use crate::state::{DesiredState, Live, LiveState, Unreadable};

const AUTOSCALERS: [(&str, &str); 2] = [("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")];

/// Returns the objects that an autoscaler, declared or live, targets, and those of which nobody can tell, since
/// autoscalers could not be read.
///
/// That somebody wrote through the `scale` subresource is no proof: `kubectl scale` does as well, and that is a hand
/// edit. An autoscaler decides (the narrowed rule 20).
#[must_use]
pub fn autoscaled(desired: &DesiredState, live: &LiveState, model: &ApiModel) -> BTreeSet<ResourceKey> {
    let declared = desired.declared.values().map(|declared| &declared.resource);
    let targets = declared.chain(live.objects()).filter_map(target);
    let nobody_knows = |key: &&ResourceKey| is_scalable(&key.group_kind, model) && unread_beside(key, live).is_some();
    targets.chain(desired.declared.keys().filter(nobody_knows).cloned()).collect()
}

/// Returns the kinds of autoscalers that a cluster serves.
pub(crate) fn autoscaler_kinds(model: &ApiModel) -> impl Iterator<Item = GroupKind> {
    let kinds = AUTOSCALERS.map(|(group, kind)| GroupKind::new(group, kind));
    kinds.into_iter().filter(|kind| matches!(model.kind(kind), KindFacts::Served(_)))
}

/// Whether an autoscaler can target objects of a kind: it goes through their `scale` subresource.
pub(crate) fn is_scalable(kind: &GroupKind, model: &ApiModel) -> bool {
    matches!(model.kind(kind), KindFacts::Served(served) if served.scale.is_some())
}

/// Why autoscalers of what is declared could not be read, if they could not.
pub(crate) fn unread_autoscalers<'l>(
    desired: &DesiredState,
    live: &'l LiveState,
    model: &ApiModel,
) -> Option<&'l Unreadable> {
    let scalable = desired.declared.keys().filter(|key| is_scalable(&key.group_kind, model));
    scalable.into_iter().find_map(|key| unread_beside(key, live))
}

fn unread_beside<'l>(key: &ResourceKey, live: &'l LiveState) -> Option<&'l Unreadable> {
    AUTOSCALERS.iter().find_map(|(group, kind)| {
        // No object has this name: the answer is what is known of its kind and namespace.
        match live.get(&ResourceKey::new(group, kind, key.namespace.as_deref(), "")) {
            Live::Unreadable(why) => Some(why),
            _ => None,
        }
    })
}

fn target(autoscaler: &Resource) -> Option<ResourceKey> {
    let key = autoscaler.key();
    let default_version = match (key.group(), key.kind()) {
        ("autoscaling", "HorizontalPodAutoscaler") => "",
        // KEDA: the version and kind may be left out for a Deployment.
        ("keda.sh", "ScaledObject") => "apps/v1",
        _ => return None,
    };
    let target = autoscaler.tree().dig(&["spec", "scaleTargetRef"])?;
    let text = |field| target.get(field).and_then(|value| value.as_str());
    let (group, _) = split_api_version(text("apiVersion").unwrap_or(default_version)).unwrap_or_default();
    let kind = text("kind").unwrap_or("Deployment");
    Some(ResourceKey::new(group, kind, key.namespace.as_deref(), text("name")?))
}
