//! Versions of a kind, and how an object of one becomes an object of another.

use super::{ApiModel, autoscaler};
use crate::resource::{GroupKind, split_api_version};
use crate::value::{Draft, Value, ValueRef};

impl ApiModel {
    /// Returns an object at another version, as far as that is known: of most kinds only `apiVersion` changes.
    pub(crate) fn at_version(&self, kind: &GroupKind, object: ValueRef<'_>, api_version: &str) -> Value {
        let from = object.get("apiVersion").and_then(ValueRef::as_str).unwrap_or_default();
        let mut draft = object.to_draft();
        draft.set("apiVersion", api_version);
        let converts: Option<fn(&mut Draft)> = match (&*kind.kind, from, api_version) {
            ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v1") => Some(autoscaler::to_v1),
            ("HorizontalPodAutoscaler", "autoscaling/v1", "autoscaling/v2") => Some(autoscaler::to_v2),
            _ => None,
        };
        let Some(convert) = converts else { return draft.freeze() };
        convert(&mut draft);
        let version = split_api_version(api_version).map_or(api_version, |(_, version)| version);
        // The structs of both versions leave out different zeros.
        self.schema(kind, version).decoded(draft.freeze().root())
    }

    /// Returns the version in which the server stores a built-in kind, where that loses or adds something.
    pub(crate) fn storage_version(kind: &GroupKind) -> Option<&'static str> {
        (&*kind.group == "autoscaling" && &*kind.kind == "HorizontalPodAutoscaler").then_some("autoscaling/v2")
    }
}
