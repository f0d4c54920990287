//! What the server keeps: objects, one counter of versions, and the last changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::value::ValueRef;

use super::events;
use super::ranges::Ranges;

/// How many changes are remembered. A watch from before the oldest of them is told that it comes too late.
const HISTORY: usize = 10_000;

/// The version before the first write. The versions `0` and `1` mean something of their own in requests.
const FIRST: u64 = 100;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Store {
    objects: BTreeMap<ResourceKey, Resource>,
    version: u64,
    history: VecDeque<Change>,
    /// Changes up to and with this version are forgotten.
    forgotten: u64,
    /// Objects by uid.
    uids: BTreeMap<Arc<str>, ResourceKey>,
    /// Objects by the uids of their owners.
    dependents: BTreeMap<Arc<str>, BTreeSet<ResourceKey>>,
    /// What Services hold.
    pub(super) ranges: Ranges,
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: ResourceKey,
    pub(super) before: Option<Resource>,
    pub(super) after: Option<Resource>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self::restore(FIRST, BTreeMap::new())
    }

    /// A store with these objects and no memory of how they came to be.
    pub(super) fn restore(version: u64, objects: BTreeMap<ResourceKey, Resource>) -> Self {
        let mut store = Self {
            objects: BTreeMap::new(),
            version,
            history: VecDeque::new(),
            forgotten: version,
            uids: BTreeMap::new(),
            dependents: BTreeMap::new(),
            ranges: Ranges::default(),
        };
        objects.values().for_each(|object| store.index(object));
        store.objects = objects;
        store
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &ResourceKey) -> Option<&Resource> {
        self.objects.get(key)
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Resource> {
        self.objects.values()
    }

    /// The objects of a kind, in the byte order of `namespace/name`, as etcd has them.
    pub(super) fn of_kind(&self, kind: &GroupKind, namespace: Option<&str>) -> Vec<&Resource> {
        let first = ResourceKey::new(&kind.group, &kind.kind, namespace, "");
        let wanted = |(key, _): &(&ResourceKey, &Resource)| {
            *key.group_kind == *kind && (namespace.is_none() || key.namespace.as_deref() == namespace)
        };
        let found: Vec<&Resource> = self.objects.range(first..).take_while(wanted).map(|(_, object)| object).collect();
        // They come by namespace and name; but `a-b/x` is before `a/x`.
        let mut parts: Vec<&[&Resource]> = found.chunk_by(|a, b| a.key().namespace == b.key().namespace).collect();
        parts.sort_by_cached_key(|part| part.first().map(|object| etcd_prefix(object.key())));
        parts.concat()
    }

    /// Stores an object under the next version, in all groups that serve it.
    pub(super) fn put(&mut self, object: &Resource) -> Resource {
        self.version += 1;
        let version = self.version.to_string();
        let object = versioned(object, &version);
        if let Some(twin) = events::twin(&object) {
            self.insert(twin);
        }
        self.insert(object.clone());
        object
    }

    pub(super) fn remove(&mut self, key: &ResourceKey) {
        if self.objects.contains_key(key) {
            self.version += 1;
            events::twin_key(key).iter().chain([key]).for_each(|key| self.take(key));
        }
    }

    fn insert(&mut self, object: Resource) {
        let before = self.objects.insert(object.key().clone(), object.clone());
        before.iter().for_each(|before| self.unindex(before));
        self.index(&object);
        self.remember(object.key().clone(), before, Some(object));
    }

    fn take(&mut self, key: &ResourceKey) {
        if let Some(before) = self.objects.remove(key) {
            self.unindex(&before);
            self.remember(key.clone(), Some(before), None);
        }
    }

    /// The changes after `version`; `None` when some of them are forgotten.
    pub(super) fn changes_after(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        let from = self.history.partition_point(|change| change.version <= version);
        (version >= self.forgotten).then(|| self.history.range(from..))
    }

    /// The objects of a kind as they were at a version, in the same order; `None` when that is forgotten.
    pub(super) fn of_kind_at(&self, kind: &GroupKind, namespace: Option<&str>, version: u64) -> Option<Vec<&Resource>> {
        let mut before = BTreeMap::new();
        for change in self.changes_after(version)?.filter(|change| *change.key.group_kind == *kind) {
            if namespace.is_none() || change.key.namespace.as_deref() == namespace {
                before.entry(&change.key).or_insert(change.before.as_ref());
            }
        }
        let mut found = self.of_kind(kind, namespace);
        if !before.is_empty() {
            found.retain(|object| !before.contains_key(object.key()));
            found.extend(before.into_values().flatten());
            found.sort_by_cached_key(|object| etcd_key(object.key()));
        }
        Some(found)
    }

    /// Forgets all changes up to now, as an API server does after some minutes.
    pub(super) fn forget(&mut self) {
        self.history.clear();
        self.forgotten = self.version;
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<&Resource> {
        self.objects.get(self.uids.get(uid)?)
    }

    /// The objects that name `uid` as an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Resource> {
        let keys = self.dependents.get(uid).into_iter().flatten();
        keys.filter_map(|key| self.objects.get(key).cloned()).collect()
    }

    fn index(&mut self, object: &Resource) {
        self.ranges.index(object);
        if let Some(uid) = object.uid() {
            self.uids.insert(uid.into(), object.key().clone());
        }
        for owner in owners(object) {
            self.dependents.entry(owner.into()).or_default().insert(object.key().clone());
        }
    }

    fn unindex(&mut self, object: &Resource) {
        self.ranges.unindex(object);
        if let Some(uid) = object.uid() {
            self.uids.remove(uid);
        }
        for owner in owners(object) {
            if let Some(keys) = self.dependents.get_mut(owner) {
                keys.remove(object.key());
                if keys.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    fn remember(&mut self, key: ResourceKey, before: Option<Resource>, after: Option<Resource>) {
        self.history.push_back(Change { version: self.version, key, before, after });
        if self.history.len() > HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.forgotten = oldest.version;
        }
    }
}

/// The uids of an object's owners.
pub(super) fn owners(object: &Resource) -> impl Iterator<Item = &str> {
    let owners = object.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list);
    owners.into_iter().flatten().filter_map(|owner| owner.get("uid")?.as_str())
}

/// The object with another resource version.
pub(super) fn versioned(object: &Resource, version: &str) -> Resource {
    let edited = object.edit(|draft| draft.entry("metadata").set("resourceVersion", version));
    // Its name and kind are untouched.
    edited.unwrap_or_else(|_| object.clone())
}

pub(super) fn etcd_key(key: &ResourceKey) -> String {
    format!("{}{}", etcd_prefix(key), key.name)
}

fn etcd_prefix(key: &ResourceKey) -> String {
    format!("{}/", key.namespace.as_deref().unwrap_or_default())
}
