//! The way from one side to the other, for programs.

use crate::value::{Draft, Value, ValueRef};

use super::Sides;

impl Sides {
    /// Returns what a sync changes as a JSON Patch (RFC 6902) of the live object. Of a Secret it names the fields, and
    /// letters instead of values.
    #[must_use]
    pub fn json_patch(&self) -> Value {
        let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
        let patch = json_patch::diff(&json(&self.live), &json(&self.after));
        // A patch of values is a value.
        serde_json::to_vec(&patch).ok().and_then(|json| Value::from_json(&json).ok()).unwrap_or_else(Value::null)
    }

    /// Returns the same as a merge patch (RFC 7396): lists are replaced whole, null removes.
    #[must_use]
    pub fn merge_patch(&self) -> Value {
        merge(self.live.root(), self.after.root()).unwrap_or_else(Draft::map).freeze()
    }
}

/// What to merge into `live` to get `after`; `None` if they are equal.
fn merge(live: ValueRef<'_>, after: ValueRef<'_>) -> Option<Draft> {
    if live == after {
        return None;
    }
    let (Some(have), Some(want)) = (live.as_map(), after.as_map()) else { return Some(after.to_draft()) };
    let mut patch = Draft::map();
    for (name, _) in have.iter().filter(|(name, _)| want.get(name).is_none()) {
        patch.set(name, Draft::Null);
    }
    for (name, value) in want {
        let change = match have.get(name) {
            Some(before) => merge(before, value),
            None => Some(value.to_draft()),
        };
        if let Some(change) = change {
            patch.set(name, change);
        }
    }
    Some(patch)
}
