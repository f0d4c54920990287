//! The `scale` subresource: the replicas of an object, and nothing else.

use crate::model::ServedKind;
use crate::path::{FieldPath, Segment};
use crate::resource::Resource;
use crate::value::{Draft, Value, ValueRef};

use super::refuse;
use super::response::{CauseReason, Status};
use super::server::Context;

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
    let number = |path: &FieldPath| path.find(live.tree()).and_then(ValueRef::as_i64);
    scale.set("spec", Draft::map());
    if let Some(replicas) = kind.scale.as_ref().and_then(|paths| number(&paths.spec_replicas)).filter(|n| *n != 0) {
        scale.entry("spec").set("replicas", replicas);
    }
    let present = kind.scale.as_ref().and_then(|paths| number(&paths.status_replicas)).unwrap_or(0);
    scale.entry("status").set("replicas", present);
    let declared = kind.scale.as_ref().and_then(|paths| paths.label_selector.as_ref());
    let selector = match declared {
        Some(path) => path.find(live.tree()).and_then(ValueRef::as_str).map(str::to_owned),
        None => live.tree().dig(&["spec", "selector"]).and_then(selector_text),
    };
    if let Some(selector) = selector {
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
    let paths = context.kind.scale.as_ref().ok_or_else(|| refuse::not_served(&context.endpoint.group))?;
    let mut draft = live.tree().to_draft();
    let mut at = &mut draft;
    for segment in paths.spec_replicas.segments() {
        // The API takes plain fields only.
        if let Segment::Field(name) = segment {
            at = at.entry(name);
        }
    }
    *at = Draft::Int(replicas);
    Ok(draft)
}
