//! What was seen of a cluster, as a recording keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::value::Value;

use super::{Coverage, LiveState, Unreadable};

/// A [`LiveState`], with objects as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeptLive {
    objects: Vec<KeptObject>,
    kinds: Vec<KeptCoverage>,
    absent: BTreeSet<ResourceKey>,
    unreadable: Vec<(ResourceKey, Unreadable)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptObject {
    json: String,
    metadata_only: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptCoverage {
    of: GroupKind,
    not_served: bool,
    listed: BTreeSet<Arc<str>>,
    listed_all: bool,
    unreadable: BTreeMap<Arc<str>, Unreadable>,
    unreadable_all: Option<Unreadable>,
}

impl KeptLive {
    /// Keeps what was seen, each object as `json` writes it.
    pub(crate) fn new(live: &LiveState, mut json: impl FnMut(&Resource) -> String) -> Self {
        let objects = live.objects.values();
        let objects =
            objects.map(|seen| KeptObject { json: json(&seen.resource), metadata_only: seen.metadata_only }).collect();
        let kinds = live.kinds.iter().map(|(of, coverage)| KeptCoverage {
            of: of.clone(),
            not_served: coverage.not_served,
            listed: coverage.listed.clone(),
            listed_all: coverage.listed_all,
            unreadable: coverage.unreadable.clone(),
            unreadable_all: coverage.unreadable_all.clone(),
        });
        let unreadable = live.unreadable.iter().map(|(key, why)| (key.clone(), why.clone())).collect();
        Self { objects, kinds: kinds.collect(), absent: live.absent.clone(), unreadable }
    }

    /// Returns what was seen; `None` if what is kept is no object.
    pub(crate) fn restored(self) -> Option<LiveState> {
        let mut live = LiveState::default();
        for KeptObject { json, metadata_only } in self.objects {
            live.see(object(&json)?, metadata_only);
        }
        for kind in self.kinds {
            let coverage = Coverage {
                not_served: kind.not_served,
                listed: kind.listed,
                listed_all: kind.listed_all,
                unreadable: kind.unreadable,
                unreadable_all: kind.unreadable_all,
            };
            live.kinds.insert(kind.of, coverage);
        }
        live.absent = self.absent;
        live.unreadable = self.unreadable.into_iter().collect();
        Some(live)
    }
}

fn object(json: &str) -> Option<Resource> {
    Resource::new(Value::from_json(json.as_bytes()).ok()?).ok()
}
