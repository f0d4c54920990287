//! What autoscalers scale. Rules 17 and 20 of the exact rules.

use std::collections::BTreeSet;

use crate::path::FieldPath;
use crate::resource::{Resource, ResourceKey, split_api_version};
use crate::ssa::FieldSet;
use crate::state::{DesiredState, LiveState};

/// Returns the objects that an autoscaler, declared or live, targets.
///
/// That somebody wrote through the `scale` subresource is no proof: `kubectl scale` does as well, and that is a hand
/// edit. An autoscaler decides (the narrowed rule 20).
#[must_use]
pub fn autoscaled(desired: &DesiredState, live: &LiveState) -> BTreeSet<ResourceKey> {
    let declared = desired.declared.values().map(|declared| &declared.resource);
    declared.chain(live.objects()).filter_map(target).collect()
}

/// Returns the fields that stay with the autoscaler of an object when Git drops them (rule 17).
#[must_use]
pub fn kept_by_autoscaler(key: &ResourceKey, scaled: &BTreeSet<ResourceKey>) -> FieldSet {
    let replicas = FieldPath::fields(&["spec", "replicas"]);
    scaled.contains(key).then_some(replicas).into_iter().collect()
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
