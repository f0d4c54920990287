//! Answers of a cluster as they are kept: objects as JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::{Changes, Cursor, Observed, WriteOutcome, Written};
use crate::resource::{Resource, ResourceKey};
use crate::state::KeptLive;
use crate::value::Value;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeptObserved {
    pub(super) live: KeptLive,
    pub(super) cursor: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeptChanges {
    pub(super) changed: Vec<String>,
    pub(super) gone: Vec<(ResourceKey, Arc<str>)>,
    pub(super) cursor: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeptWritten {
    pub(super) outcome: WriteOutcome,
    pub(super) object: Option<String>,
    pub(super) warnings: Vec<Arc<str>>,
}

impl KeptObserved {
    pub(super) fn restored(self) -> Option<Observed> {
        Some(Observed::new(self.live.restored()?, Cursor::new(&self.cursor)))
    }
}

impl KeptChanges {
    pub(super) fn restored(self) -> Option<Changes> {
        let changed = self.changed.iter().map(|json| object(json)).collect::<Option<_>>()?;
        Some(Changes { changed, gone: self.gone, cursor: Cursor::new(&self.cursor) })
    }
}

impl KeptWritten {
    pub(super) fn restored(self) -> Option<Written> {
        let object = match &self.object {
            Some(json) => Some(object(json)?),
            None => None,
        };
        Some(Written { outcome: self.outcome, object, warnings: self.warnings })
    }
}

fn object(json: &str) -> Option<Resource> {
    Resource::new(Value::from_json(json.as_bytes()).ok()?).ok()
}
