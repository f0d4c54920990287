//! Events, which two groups serve: core and `events.k8s.io` show the same object under other field names.

use crate::model::ApiModel;
use crate::resource::{Resource, ResourceKey};

const GROUP: &str = "events.k8s.io";

/// What core calls a field, and what `events.k8s.io` calls it. Rule: `Convert_v1_Event_To_core_Event` of Kubernetes.
const NAMES: [(&str, &str); 7] = [
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("involvedObject", "regarding"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
];

/// The key of the same event in the other group.
pub(super) fn twin_key(key: &ResourceKey) -> Option<ResourceKey> {
    let other = match (key.group(), key.kind()) {
        ("", "Event") => GROUP,
        (GROUP, "Event") => "",
        _ => return None,
    };
    Some(ResourceKey::new(other, "Event", key.namespace.as_deref(), &key.name))
}

/// The same event as the other group shows it. Who owns which field stays as it was written.
pub(super) fn twin(event: &Resource) -> Option<Resource> {
    let key = twin_key(event.key())?;
    let to_core = key.group().is_empty();
    let mut draft = event.tree().to_draft();
    for (core, new) in NAMES {
        let (from, to) = if to_core { (new, core) } else { (core, new) };
        if let Some(value) = draft.remove(from) {
            draft.set(to, value);
        }
    }
    draft.set("apiVersion", if to_core { "v1" } else { "events.k8s.io/v1" });
    let model = ApiModel::builtin();
    let stored = model.schema(&key.group_kind, "v1").stored(draft.freeze().root());
    Resource::new(stored).ok()
}
