//! The versions of objects that were seen, to tell a write that changed something from one that did not.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use gitops_core::resource::{Resource, ResourceKey};

/// How many are kept. Beyond, all are forgotten: then a write that changed nothing is taken for one that did, for once.
const KEPT: usize = 500_000;

/// The version in which each object was seen last, as few bytes.
///
/// A resource version names one content of one object and never comes again, so a hash of the key is enough.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<BTreeMap<u64, u64>>);

impl Seen {
    pub(crate) fn note(&self, object: &Resource) {
        let Some(version) = object.resource_version().and_then(|version| version.parse().ok()) else { return };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEPT {
            seen.clear();
        }
        seen.insert(place(object.key()), version);
    }

    pub(crate) fn version(&self, key: &ResourceKey) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place(key)).copied()
    }
}

fn place(key: &ResourceKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key.group(), key.kind(), &key.namespace, &key.name).hash(&mut hasher);
    hasher.finish()
}
