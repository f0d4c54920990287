//! What the engine knows of one cluster: one list of each kind in use, kept true by one watch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::cluster::{Changes, Cursor, Observed};
use crate::model::ApiModel;
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::{Live, LiveState, Tracking};
use crate::value::ValueRef;

/// How much of an object differs from what was known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// Nothing that anybody looks at: its version, or when an entry was written.
    Nothing,
    /// What it says of itself.
    Status,
    /// Something that may be drift.
    Change,
    /// It is there, and was not.
    New,
}

/// Most uids of deleted objects that are remembered.
const BURIED: usize = 10_000;

/// The objects of the kinds in use.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) live: LiveState,
    pub(super) model: ApiModel,
    pub(super) kinds: BTreeSet<GroupKind>,
    pub(super) cursor: Cursor,
    /// What carries the tracking id of an application, by the application.
    claimed: BTreeMap<Arc<str>, BTreeSet<ResourceKey>>,
    /// Uids of objects that we saw go: an older piece of news must not bring them back.
    buried: BTreeSet<Arc<str>>,
    /// The same, oldest first.
    graves: VecDeque<Arc<str>>,
}

impl Cache {
    pub(super) fn new(kinds: BTreeSet<GroupKind>, model: ApiModel, observed: Observed) -> Self {
        let mut claimed: BTreeMap<Arc<str>, BTreeSet<ResourceKey>> = BTreeMap::new();
        for object in observed.live.objects() {
            if let Some(tracking) = Tracking::of(object) {
                claimed.entry(tracking.app).or_default().insert(object.key().clone());
            }
        }
        Self {
            live: observed.live,
            model,
            kinds,
            cursor: observed.cursor,
            claimed,
            buried: BTreeSet::new(),
            graves: VecDeque::new(),
        }
    }

    /// Returns the objects that carry the tracking id of an application of this name.
    pub(super) fn claimed(&self, app: &str) -> impl Iterator<Item = &ResourceKey> {
        self.claimed.get(app).into_iter().flatten()
    }

    /// Returns the application whose tracking id an object carries.
    pub(super) fn claimant(&self, key: &ResourceKey) -> Option<Arc<str>> {
        match self.live.get(key) {
            Live::Present(object) | Live::MetadataOnly(object) => Tracking::of(object).map(|tracking| tracking.app),
            _ => None,
        }
    }

    /// Takes news of a watch, and tells what changed, with who claimed it before.
    pub(super) fn take(&mut self, changes: Changes) -> Vec<(ResourceKey, Told, Option<Arc<str>>)> {
        let mut told = Vec::new();
        for (key, uid) in changes.gone {
            let before = self.claimant(&key);
            if self.bury(&key, &uid) {
                told.push((key, Told::Change, before));
            }
        }
        for object in changes.changed {
            let (key, before) = (object.key().clone(), self.claimant(object.key()));
            match self.put(object) {
                Told::Nothing => {}
                change => told.push((key, change, before)),
            }
        }
        self.cursor = changes.cursor;
        told
    }

    /// Takes an object as it was seen, unless something newer is known.
    pub(super) fn put(&mut self, object: Resource) -> Told {
        if !self.kinds.contains(&*object.key().group_kind) || object.uid().is_some_and(|uid| self.buried.contains(uid))
        {
            return Told::Nothing;
        }
        let told = match self.live.get(object.key()) {
            Live::Present(known) if is_older(&object, known) => return Told::Nothing,
            Live::Present(known) => difference(known, &object),
            _ => Told::New,
        };
        if told >= Told::Change {
            self.unclaim(&object.key().clone());
            if let Some(tracking) = Tracking::of(&object) {
                self.claimed.entry(tracking.app).or_default().insert(object.key().clone());
            }
        }
        self.live.insert(object);
        told
    }

    /// Takes note that the object with this uid is gone; returns whether that is news.
    pub(super) fn bury(&mut self, key: &ResourceKey, uid: &Arc<str>) -> bool {
        if self.buried.insert(Arc::clone(uid)) {
            self.graves.push_back(Arc::clone(uid));
        }
        while self.graves.len() > BURIED {
            let oldest = self.graves.pop_front();
            oldest.map(|uid| self.buried.remove(&uid));
        }
        let known = match self.live.get(key) {
            Live::Present(known) | Live::MetadataOnly(known) => known.uid() == Some(&**uid),
            _ => false,
        };
        if known {
            self.unclaim(key);
            self.live.gone(key);
        }
        known
    }

    /// Returns whether a later version of an object is known than the one that was read.
    pub(super) fn knows_newer(&self, key: &ResourceKey, read: Live<'_>) -> bool {
        matches!((read, self.live.get(key)), (Live::Present(read), Live::Present(known)) if is_older(read, known))
    }

    /// Returns how many uids of deleted objects are remembered.
    pub(super) fn buried(&self) -> usize {
        self.buried.len()
    }

    fn unclaim(&mut self, key: &ResourceKey) {
        let Some(app) = self.claimant(key) else { return };
        if let Some(keys) = self.claimed.get_mut(&app) {
            keys.remove(key);
            if keys.is_empty() {
                self.claimed.remove(&app);
            }
        }
    }
}

/// Whether an object is an older version of what is known. Versions are numbers that grow, as Kubernetes promises since
/// 1.35 (KEP-5504) and did before; where they are not, what came last counts.
fn is_older(object: &Resource, known: &Resource) -> bool {
    let version = |object: &Resource| object.resource_version().and_then(|version| version.parse::<u128>().ok());
    object.uid() == known.uid() && version(object).zip(version(known)).is_some_and(|(new, old)| new < old)
}

/// Tells noise from news: a status flips far more often than anything else.
fn difference(known: &Resource, object: &Resource) -> Told {
    let (Some(before), Some(after)) = (known.tree().as_map(), object.tree().as_map()) else { return Told::Change };
    let mut told = Told::Nothing;
    let names = before.iter().chain(after.iter()).map(|(name, _)| name);
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if same(old, new) {
            continue;
        }
        match name {
            "status" => told = Told::Status,
            "metadata" if same_metadata(old, new) => {}
            _ => return Told::Change,
        }
    }
    told
}

fn same(old: Option<ValueRef<'_>>, new: Option<ValueRef<'_>>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old.same_node(new) || old == new,
        (None, None) => true,
        _ => false,
    }
}

/// Compares metadata but for the version, and for entries of those who write the status.
fn same_metadata(old: Option<ValueRef<'_>>, new: Option<ValueRef<'_>>) -> bool {
    let (Some(old), Some(new)) = (old.and_then(ValueRef::as_map), new.and_then(ValueRef::as_map)) else { return false };
    old.iter().chain(new.iter()).all(|(name, _)| match name {
        "resourceVersion" => true,
        "managedFields" => entries(old.get(name)).eq(entries(new.get(name))),
        _ => same(old.get(name), new.get(name)),
    })
}

/// Who owns which fields, without status and times.
fn entries(fields: Option<ValueRef<'_>>) -> impl Iterator<Item = [Option<ValueRef<'_>>; 4]> {
    let list = fields.and_then(ValueRef::as_list).into_iter().flatten();
    let main = list.filter(|entry| entry.get("subresource").and_then(ValueRef::as_str) != Some("status"));
    main.map(|entry| ["manager", "operation", "apiVersion", "fieldsV1"].map(|name| entry.get(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cursor;
    use crate::value::Value;

    fn deployment(text: &str) -> Resource {
        let object = format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"shop",{text}"#
        );
        Resource::new(Value::from_json(object.as_bytes()).unwrap()).unwrap()
    }

    fn cache() -> Cache {
        let mut live = LiveState::default();
        live.insert(deployment(r#""uid":"1","resourceVersion":"5"},"spec":{"replicas":1},"status":{"replicas":1}}"#));
        let kinds = [GroupKind::new("apps", "Deployment")].into();
        Cache::new(kinds, ApiModel::builtin(), Observed::new(live, Cursor::new("5")))
    }

    #[test]
    fn a_status_is_told_from_a_change_and_both_from_noise() {
        for (text, expected) in [
            (r#""uid":"1","resourceVersion":"6"},"spec":{"replicas":1},"status":{"replicas":1}}"#, Told::Nothing),
            (r#""uid":"1","resourceVersion":"6"},"spec":{"replicas":1},"status":{"replicas":2}}"#, Told::Status),
            (r#""uid":"1","resourceVersion":"6"},"spec":{"replicas":1}}"#, Told::Status),
            (r#""uid":"1","resourceVersion":"6"},"spec":{"replicas":2},"status":{"replicas":2}}"#, Told::Change),
            (r#""uid":"1","resourceVersion":"6","labels":{"a":"b"}},"spec":{"replicas":1}}"#, Told::Change),
            (
                r#""uid":"1","resourceVersion":"6","managedFields":[{"manager":"c","subresource":"status"}]},"spec":{"replicas":1}}"#,
                Told::Status,
            ),
            (
                r#""uid":"1","resourceVersion":"6","managedFields":[{"manager":"me","operation":"Apply"}]},"spec":{"replicas":1},"status":{"replicas":1}}"#,
                Told::Change,
            ),
            (r#""uid":"1","resourceVersion":"4"},"spec":{"replicas":9}}"#, Told::Nothing),
            (r#""uid":"2","resourceVersion":"7"},"spec":{"replicas":1},"status":{"replicas":1}}"#, Told::Change),
        ] {
            assert_eq!(cache().put(deployment(text)), expected, "{text}");
        }
    }

    #[test]
    fn old_news_brings_nothing_back() {
        let mut cache = cache();
        let key = ResourceKey::new("apps", "Deployment", "shop", "web");
        assert!(cache.bury(&key, &"1".into()));
        assert_eq!(cache.put(deployment(r#""uid":"1","resourceVersion":"6"}}"#)), Told::Nothing);
        assert!(!matches!(cache.live.get(&key), Live::Present(_)));
        assert_eq!(cache.put(deployment(r#""uid":"2","resourceVersion":"7"}}"#)), Told::New);
        assert!(!cache.bury(&key, &"1".into()), "another object by now");
        assert!(matches!(cache.live.get(&key), Live::Present(_)));
    }

    #[test]
    fn what_an_application_claims_is_found_without_a_search() {
        let mut cache = cache();
        let id = |app: &str, version: u32| {
            deployment(&format!(
                r#""uid":"1","resourceVersion":"{version}","annotations":{{"gitops.rs/tracking-id":"{app}:apps/Deployment:shop/web"}}}}}}"#
            ))
        };
        cache.put(id("shop", 6));
        assert_eq!(cache.claimed("shop").count(), 1);
        cache.put(id("other", 7));
        assert_eq!((cache.claimed("shop").count(), cache.claimed("other").count()), (0, 1));
        cache.bury(&ResourceKey::new("apps", "Deployment", "shop", "web"), &"1".into());
        assert_eq!(cache.claimed("other").count(), 0);
    }
}
