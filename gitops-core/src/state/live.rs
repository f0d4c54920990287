//! What a cluster holds, and how far somebody looked.

mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::resource::{GroupKind, Names, Resource, ResourceKey};

pub(crate) use kept::KeptLive;

/// Objects of a cluster together with the coverage they were read with.
///
/// Absence is derived from coverage, never from a missing entry: [`LiveState::get`] answers [`Live::Absent`] only where
/// the object itself was looked up, or its kind and namespace were listed completely.
///
/// ```
/// use gitops_core::resource::{GroupKind, ResourceKey};
/// use gitops_core::state::{Live, LiveState, Namespaces};
///
/// let key = ResourceKey::new("", "ConfigMap", "shop", "web");
/// let mut live = LiveState::default();
/// assert!(matches!(live.get(&key), Live::NotLooked));
/// live.listed(&GroupKind::new("", "ConfigMap"), &Namespaces::All);
/// assert!(matches!(live.get(&key), Live::Absent));
/// ```
#[derive(Clone, Debug, Default)]
pub struct LiveState {
    objects: BTreeMap<ResourceKey, Seen>,
    kinds: BTreeMap<GroupKind, Coverage>,
    absent: BTreeSet<ResourceKey>,
    unreadable: BTreeMap<ResourceKey, Unreadable>,
    names: Names,
}

#[derive(Clone, Debug)]
struct Seen {
    resource: Resource,
    metadata_only: bool,
}

#[derive(Clone, Debug, Default)]
struct Coverage {
    not_served: bool,
    listed: BTreeSet<Arc<str>>,
    listed_all: bool,
    unreadable: BTreeMap<Arc<str>, Unreadable>,
    unreadable_all: Option<Unreadable>,
}

/// What is known of one object.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "every decision must tell these apart")]
pub enum Live<'a> {
    /// It is there.
    Present(&'a Resource),
    /// It is there; only its metadata was read.
    MetadataOnly(&'a Resource),
    /// It is not there: somebody looked, completely.
    Absent,
    /// The cluster serves no such kind (now).
    NotServed,
    /// Somebody looked and could not read it.
    Unreadable(&'a Unreadable),
    /// Nobody looked.
    NotLooked,
}

/// Why a part of the cluster could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unreadable(Arc<str>);

/// A set of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all or some")]
pub enum Namespaces {
    /// All, and cluster-scoped objects.
    #[default]
    All,
    /// Some.
    Only(BTreeSet<Arc<str>>),
}

impl Unreadable {
    /// States why.
    #[must_use]
    pub fn new(why: &str) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl LiveState {
    /// Adds an object that was read.
    pub fn insert(&mut self, resource: Resource) {
        self.see(resource, false);
    }

    /// Adds an object of which only metadata was read.
    pub fn insert_metadata(&mut self, resource: Resource) {
        self.see(resource, true);
    }

    fn see(&mut self, mut resource: Resource, metadata_only: bool) {
        let key = self.names.share(&mut resource);
        self.absent.remove(&key);
        self.unreadable.remove(&key);
        self.objects.insert(key, Seen { resource, metadata_only });
    }

    /// States that an object was looked up and is not there.
    pub fn absent(&mut self, key: &ResourceKey) {
        self.objects.remove(key);
        self.unreadable.remove(key);
        self.absent.insert(key.clone());
    }

    /// States that an object was looked up and could not be read.
    pub fn unreadable(&mut self, key: &ResourceKey, why: Unreadable) {
        self.unreadable.insert(key.clone(), why);
    }

    /// States that a kind was listed completely in some namespaces.
    pub fn listed(&mut self, kind: &GroupKind, namespaces: &Namespaces) {
        let coverage = self.kinds.entry(kind.clone()).or_default();
        match namespaces {
            Namespaces::All => coverage.listed_all = true,
            Namespaces::Only(names) => coverage.listed.extend(names.iter().cloned()),
        }
    }

    /// States that a kind could not be listed, everywhere or in some namespaces.
    pub fn unreadable_kind(&mut self, kind: &GroupKind, namespaces: &Namespaces, why: &Unreadable) {
        let coverage = self.kinds.entry(kind.clone()).or_default();
        match namespaces {
            Namespaces::All => coverage.unreadable_all = Some(why.clone()),
            Namespaces::Only(names) => {
                coverage.unreadable.extend(names.iter().map(|name| (Arc::clone(name), why.clone())));
            }
        }
    }

    /// States that the cluster serves no such kind now.
    pub fn not_served(&mut self, kind: &GroupKind) {
        self.kinds.entry(kind.clone()).or_default().not_served = true;
    }

    /// Returns what is known of one object.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Live<'_> {
        if let Some(seen) = self.objects.get(key) {
            return seen.live();
        }
        if let Some(why) = self.unreadable.get(key) {
            return Live::Unreadable(why);
        }
        if self.absent.contains(key) {
            return Live::Absent;
        }
        self.coverage(&key.group_kind, key.namespace.as_ref())
    }

    /// Returns what is known of an object of a kind in a namespace that was neither seen nor looked up itself.
    pub(crate) fn coverage(&self, kind: &GroupKind, namespace: Option<&Arc<str>>) -> Live<'_> {
        self.kinds.get(kind).map_or(Live::NotLooked, |coverage| coverage.of(namespace))
    }

    /// Returns whether a kind could not be read, here or there.
    pub(crate) fn is_unread_somewhere(&self, kind: &GroupKind) -> bool {
        self.kinds
            .get(kind)
            .is_some_and(|coverage| coverage.unreadable_all.is_some() || !coverage.unreadable.is_empty())
    }

    /// Returns what was read of each object, in order of their keys.
    pub fn read(&self) -> impl Iterator<Item = (&ResourceKey, Live<'_>)> {
        self.objects.iter().map(|(key, seen)| (key, seen.live()))
    }

    /// Returns the objects that were read, in order of their keys.
    pub fn objects(&self) -> impl Iterator<Item = &Resource> {
        self.objects.values().map(|seen| &seen.resource)
    }

    /// Returns the objects of one kind that were read, in order of their keys.
    pub fn objects_of(&self, kind: &GroupKind) -> impl Iterator<Item = &Resource> {
        ResourceKey::of_kind(&self.objects, kind).map(|seen| &seen.resource)
    }

    /// Returns the objects of one kind in one namespace that were read, in order of their keys.
    pub(crate) fn objects_in<'a>(&'a self, kind: &GroupKind, namespace: &str) -> impl Iterator<Item = &'a Resource> {
        let first = ResourceKey::new(&kind.group, &kind.kind, namespace, "");
        let (kind, namespace) = (Arc::clone(&first.group_kind), first.namespace.clone());
        let near = self.objects.range(first..);
        let near = near.take_while(move |(key, _)| key.group_kind == kind && key.namespace == namespace);
        near.map(|(_, seen)| &seen.resource)
    }

    /// Returns what is known of some objects, with the coverage of their kinds.
    pub(crate) fn narrowed<'k>(
        &self,
        kinds: &BTreeSet<GroupKind>,
        keys: impl IntoIterator<Item = &'k ResourceKey>,
    ) -> Self {
        let mut narrow = Self::default();
        for kind in kinds {
            narrow.kinds.extend(self.kinds.get(kind).map(|coverage| (kind.clone(), coverage.clone())));
        }
        for key in keys {
            if let Some((key, seen)) = self.objects.get_key_value(key) {
                narrow.objects.insert(key.clone(), seen.clone());
            } else if let Some(why) = self.unreadable.get(key) {
                narrow.unreadable.insert(key.clone(), why.clone());
            } else if self.absent.contains(key) {
                narrow.absent.insert(key.clone());
            }
        }
        narrow
    }

    /// Takes out an object that is gone, where its kind was listed.
    pub(crate) fn gone(&mut self, key: &ResourceKey) {
        self.objects.remove(key);
        self.unreadable.remove(key);
    }

    /// Adds all that `newer` knows; where both speak, `newer` wins.
    pub fn merge(&mut self, newer: Self) {
        for (kind, coverage) in newer.kinds {
            // What a newer complete list does not show is gone.
            self.objects.retain(|key, _| {
                *key.group_kind != kind || !matches!(coverage.of(key.namespace.as_ref()), Live::Absent)
            });
            self.unreadable.retain(|key, _| *key.group_kind != kind);
            self.absent.retain(|key| *key.group_kind != kind);
            self.kinds.insert(kind, coverage);
        }
        for key in &newer.absent {
            self.absent(key);
        }
        for (key, why) in newer.unreadable {
            self.objects.remove(&key);
            self.absent.remove(&key);
            self.unreadable.insert(key, why);
        }
        for (_, seen) in newer.objects {
            self.see(seen.resource, seen.metadata_only);
        }
    }
}

impl Seen {
    fn live(&self) -> Live<'_> {
        if self.metadata_only { Live::MetadataOnly(&self.resource) } else { Live::Present(&self.resource) }
    }
}

impl Coverage {
    fn of(&self, namespace: Option<&Arc<str>>) -> Live<'_> {
        if self.not_served {
            return Live::NotServed;
        }
        let unreadable = namespace.and_then(|namespace| self.unreadable.get(namespace));
        let listed = namespace.is_some_and(|namespace| self.listed.contains(namespace));
        match (unreadable, listed, &self.unreadable_all, self.listed_all) {
            (Some(why), ..) => Live::Unreadable(why),
            (None, true, ..) => Live::Absent,
            (None, false, Some(why), _) => Live::Unreadable(why),
            (None, false, None, true) => Live::Absent,
            (None, false, None, false) => Live::NotLooked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(name: &str) -> ResourceKey {
        ResourceKey::new("", "ConfigMap", "shop", name)
    }

    #[test]
    fn absence_is_claimed_only_where_somebody_looked_completely() {
        let kind = GroupKind::new("", "ConfigMap");
        let only = |name: &str| Namespaces::Only([Arc::from(name)].into());
        type Setup = fn(&mut LiveState, &GroupKind, &dyn Fn(&str) -> Namespaces);
        let table: [(&str, Setup, &str); 7] = [
            ("nobody looked", |_, _, _| {}, "NotLooked"),
            ("listed everywhere", |live, kind, _| live.listed(kind, &Namespaces::All), "Absent"),
            ("listed here", |live, kind, only| live.listed(kind, &only("shop")), "Absent"),
            ("listed elsewhere", |live, kind, only| live.listed(kind, &only("other")), "NotLooked"),
            ("looked up", |live, _, _| live.absent(&config_map("web")), "Absent"),
            ("not served", |live, kind, _| live.not_served(kind), "NotServed"),
            (
                "listed everywhere but here",
                |live, kind, only| {
                    live.listed(kind, &Namespaces::All);
                    live.unreadable_kind(kind, &only("shop"), &Unreadable::new("forbidden"));
                },
                "Unreadable",
            ),
        ];
        for (about, setup, expected) in table {
            let mut live = LiveState::default();
            setup(&mut live, &kind, &only);
            assert!(format!("{:?}", live.get(&config_map("web"))).starts_with(expected), "{about}");
        }
    }
}
