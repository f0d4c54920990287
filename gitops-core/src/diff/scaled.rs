//! What autoscalers scale. Rules 17 and 20 of the exact rules.

use std::collections::BTreeSet;

use crate::resource::{GroupKind, Resource, ResourceKey, split_api_version};
use crate::state::{DesiredState, LiveState};

/// Returns the objects that an autoscaler, declared or live, targets.
///
/// That somebody wrote through the `scale` subresource is no proof: `kubectl scale` does as well, and that is a hand
/// edit. An autoscaler decides (the narrowed rule 20).
#[must_use]
pub fn autoscaled(desired: &DesiredState, live: &LiveState) -> BTreeSet<ResourceKey> {
    // KEDA: the version and kind of the target may be left out for a Deployment.
    let kinds = [("autoscaling", "HorizontalPodAutoscaler", ""), ("keda.sh", "ScaledObject", "apps/v1")];
    let targets = kinds.into_iter().flat_map(|(group, kind, default_version)| {
        let kind = GroupKind::new(group, kind);
        let declared = ResourceKey::of_kind(&desired.declared, &kind).map(|declared| &declared.resource);
        let both: Vec<&Resource> = declared.chain(live.objects_of(&kind)).collect();
        both.into_iter().filter_map(move |autoscaler| target(autoscaler, default_version))
    });
    targets.collect()
}

fn target(autoscaler: &Resource, default_version: &str) -> Option<ResourceKey> {
    let key = autoscaler.key();
    let target = autoscaler.tree().dig(&["spec", "scaleTargetRef"])?;
    let text = |field| target.get(field).and_then(|value| value.as_str());
    let (group, _) = split_api_version(text("apiVersion").unwrap_or(default_version)).unwrap_or_default();
    let kind = text("kind").unwrap_or("Deployment");
    Some(ResourceKey::new(group, kind, key.namespace.as_deref(), text("name")?))
}
