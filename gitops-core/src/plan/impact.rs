//! What changes of an object mean for what runs.

use crate::diff::{Change, ChangeReason};
use crate::path::FieldPath;
use crate::resource::{Resource, ResourceKey};
use crate::value::ValueRef;

use super::Impact;

/// Returns what a change of fields means.
pub(super) fn of(declared: &Resource, changes: &[Change]) -> Impact {
    let restarts = || changes.iter().any(|change| restarts(declared.key(), &change.path));
    match stops(declared, changes) {
        true => Impact::Stops,
        false if restarts() => Impact::Restarts,
        false => Impact::Changes,
    }
}

/// Returns whether a change does no more than stamp the object as ours.
pub(super) fn is_stamp(change: &Change) -> bool {
    let annotations = ["gitops.rs/tracking-id", "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id"];
    let is_annotation = |name: &&str| {
        let (depth, stamp) = (change.path.segments().len(), ["metadata", "annotations", name]);
        // Where there are no annotations at all, all of them are added.
        change.path.meets(&stamp) && (depth == stamp.len() || (depth < stamp.len() && change.live.is_none()))
    };
    change.reason == ChangeReason::Stamp || annotations.iter().any(is_annotation)
}

/// Returns whether a change leaves nothing running.
fn stops(declared: &Resource, changes: &[Change]) -> bool {
    let is_replicas = |path: &FieldPath| path.segments().len() == 2 && path.meets(&["spec", "replicas"]);
    let replicas = || declared.tree().dig(&["spec", "replicas"]).and_then(ValueRef::as_i64);
    changes.iter().any(|change| is_replicas(&change.path)) && replicas() == Some(0)
}

/// Returns whether a change of this field replaces running processes.
fn restarts(key: &ResourceKey, path: &FieldPath) -> bool {
    let template: &[&str] = match (key.group(), key.kind()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet") => &["spec", "template"],
        ("", "Pod") => &["spec"],
        _ => return false,
    };
    path.meets(template)
}
