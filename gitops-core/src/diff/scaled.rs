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
    let targets = AUTOSCALERS.into_iter().flat_map(|(group, kind)| {
        // KEDA: the version and kind of the target may be left out for a Deployment.
        let default_version = if group == "keda.sh" { "apps/v1" } else { "" };
        let kind = GroupKind::new(group, kind);
        let declared = ResourceKey::of_kind(&desired.declared, &kind).map(|declared| &declared.resource);
        let both: Vec<&Resource> = declared.chain(live.objects_of(&kind)).collect();
        both.into_iter().filter_map(move |autoscaler| target(autoscaler, default_version))
    });
    let unread = unread_kinds(live);
    let nobody_knows = |key: &&ResourceKey| unread_beside(key, live, &unread).is_some();
    // Most often all could be read, and then no declared object need be looked at.
    let may_be = (!unread.is_empty()).then(|| scalable(desired, model).filter(nobody_knows).cloned());
    targets.chain(may_be.into_iter().flatten()).collect()
}

/// Whether an autoscaler is of this kind.
pub(crate) fn is_autoscaler(kind: &GroupKind) -> bool {
    AUTOSCALERS.contains(&(&kind.group, &kind.kind))
}

/// Whether autoscalers could not be read, here or there.
pub(super) fn is_unread_somewhere(live: &LiveState) -> bool {
    !unread_kinds(live).is_empty()
}

/// The kinds of autoscalers that could not be read everywhere.
fn unread_kinds(live: &LiveState) -> Vec<GroupKind> {
    let kinds = AUTOSCALERS.map(|(group, kind)| GroupKind::new(group, kind));
    kinds.into_iter().filter(|kind| live.is_unread_somewhere(kind)).collect()
}

/// The declared objects that an autoscaler may target.
fn scalable<'d>(desired: &'d DesiredState, model: &'d ApiModel) -> impl Iterator<Item = &'d ResourceKey> {
    // Keys are in order of their kinds.
    let mut last: Option<(&GroupKind, bool)> = None;
    desired.declared.keys().filter(move |key| match last {
        Some((kind, is_scalable)) if *kind == *key.group_kind => is_scalable,
        _ => {
            let found = is_scalable(&key.group_kind, model);
            last = Some((&key.group_kind, found));
            found
        }
    })
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
    let unread = unread_kinds(live);
    if unread.is_empty() {
        return None;
    }
    scalable(desired, model).find_map(|key| unread_beside(key, live, &unread))
}

fn unread_beside<'l>(key: &ResourceKey, live: &'l LiveState, unread: &[GroupKind]) -> Option<&'l Unreadable> {
    unread.iter().find_map(|kind| match live.coverage(kind, key.namespace.as_ref()) {
        Live::Unreadable(why) => Some(why),
        _ => None,
    })
}

fn target(autoscaler: &Resource, default_version: &str) -> Option<ResourceKey> {
    let key = autoscaler.key();
    let target = autoscaler.tree().dig(&["spec", "scaleTargetRef"])?;
    let text = |field| target.get(field).and_then(|value| value.as_str());
    let (group, _) = split_api_version(text("apiVersion").unwrap_or(default_version)).unwrap_or_default();
    let kind = text("kind").unwrap_or("Deployment");
    Some(ResourceKey::new(group, kind, key.namespace.as_deref(), text("name")?))
}
