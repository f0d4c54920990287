//! The `scale` subresource: the replicas of an object, and nothing else.

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::value::{Draft, Value, ValueRef};

use super::refuse;
use super::response::{CauseReason, Status};
use super::server::Context;

/// Where the numbers are: wanted and present.
pub(super) fn paths(kind: &ServedKind) -> Option<[&'static [&'static str]; 2]> {
    let standard: [&[&str]; 2] = [&["spec", "replicas"], &["status", "replicas"]];
    let (group, name) = (&*kind.group_kind.group, &*kind.group_kind.kind);
    matches!((group, name), ("apps", "Deployment" | "ReplicaSet" | "StatefulSet") | ("", "ReplicationController"))
        .then_some(standard)
}

/// The `Scale` of an object.
pub(super) fn read(kind: &ServedKind, live: &Resource) -> Value {
    let mut scale = Draft::map();
    scale.set("kind", "Scale");
    scale.set("apiVersion", "autoscaling/v1");
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(text) = live.metadata(field) {
            scale.entry("metadata").set(field, text);
        }
    }
    let [wanted, present] = paths(kind).unwrap_or_default();
    scale.set("spec", Draft::map());
    if let Some(replicas) = live.tree().dig(wanted).and_then(ValueRef::as_i64).filter(|replicas| *replicas != 0) {
        scale.entry("spec").set("replicas", replicas);
    }
    scale.entry("status").set("replicas", live.tree().dig(present).and_then(ValueRef::as_i64).unwrap_or(0));
    if let Some(selector) = live.tree().dig(&["spec", "selector"]).and_then(selector_text) {
        scale.entry("status").set("selector", selector);
    }
    scale.freeze()
}

/// A label selector as text: `app=web,tier in (a,b)`.
fn selector_text(selector: ValueRef<'_>) -> Option<String> {
    let labels = selector.get("matchLabels")?.as_map()?;
    let pair = |(key, value): (&str, ValueRef<'_>)| format!("{key}={}", value.as_str().unwrap_or_default());
    Some(labels.iter().map(pair).collect::<Vec<_>>().join(","))
}

/// The object with the replicas of a `Scale`.
pub(super) fn write(context: &Context<'_>, live: &Resource, scale: &Draft) -> Result<Draft, Status> {
    let replicas = scale.get("spec").and_then(|spec| spec.get("replicas")).and_then(Draft::as_i64).unwrap_or(0);
    if replicas < 0 {
        let text = format!("{replicas}: must be greater than or equal to 0");
        let fault = refuse::fault("spec.replicas", CauseReason::Invalid, &text);
        return Err(refuse::invalid_of("autoscaling", "Scale", &live.key().name, vec![fault]));
    }
    let [wanted, _] = paths(context.kind).ok_or_else(refuse::not_served)?;
    let mut draft = live.tree().to_draft();
    wanted.iter().fold(&mut draft, |at, field| at.entry(field));
    if let Some(parent) = wanted.split_last().map(|(last, parents)| (last, parents)) {
        let (last, parents) = parent;
        parents.iter().fold(&mut draft, |at, field| at.entry(field)).set(last, replicas);
    }
    Ok(draft)
}
