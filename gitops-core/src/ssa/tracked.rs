//! Managed fields while they are worked on: sets and times by manager.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::FieldSet;
use super::managed::{ManagedEntry, ManagedFields, ManagerKey, Operation};
use super::updater::{Managers, Owned};
use crate::path::FieldPath;
use crate::time::Timestamp;

/// Entries for updates beyond this number are folded together.
const MAX_UPDATE_MANAGERS: usize = 10;

/// Name of the entries into which old updates are folded.
pub const ANCIENT_CHANGES: &str = "ancient-changes";

#[derive(Clone, Debug, Default)]
pub(super) struct Tracked {
    pub(super) fields: Managers<ManagerKey>,
    pub(super) times: BTreeMap<ManagerKey, Timestamp>,
}

impl Tracked {
    pub(super) fn of(managed: &ManagedFields) -> Self {
        let mut tracked = Self::default();
        for entry in managed.entries() {
            let is_applied = entry.operation == Operation::Apply;
            let owned = Owned::new(entry.fields.clone(), &entry.api_version, is_applied);
            // Of two entries of one manager the last one counts.
            match entry.time {
                Some(time) => tracked.times.insert(entry.key(), time),
                None => tracked.times.remove(&entry.key()),
            };
            tracked.fields.insert(entry.key(), owned);
        }
        tracked
    }

    pub(super) fn entries(&self) -> ManagedFields {
        ManagedFields::new(self.fields.iter().map(|(key, owned)| ManagedEntry {
            manager: Arc::clone(&key.manager),
            operation: if owned.is_applied { Operation::Apply } else { key.operation },
            api_version: Arc::clone(&owned.version),
            subresource: key.subresource.clone(),
            time: self.times.get(key).copied(),
            fields: owned.fields.clone(),
        }))
    }

    /// Drops from an entry what nobody owns.
    ///
    /// Rule: apimachinery's `stripMetaManager`.
    pub(super) fn strip_meta(&mut self, key: &ManagerKey) {
        static NOBODYS: OnceLock<FieldSet> = OnceLock::new();
        let nobodys = NOBODYS.get_or_init(|| {
            let of_metadata = [
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            ];
            let top = ["apiVersion", "kind", "metadata"].map(|name| FieldPath::fields(&[name]));
            let below = of_metadata.map(|name| FieldPath::fields(&["metadata", name]));
            top.into_iter().chain(below).collect()
        });
        if let Some(owned) = self.fields.get_mut(key) {
            owned.fields = owned.fields.difference(nobodys);
            if owned.fields.is_empty() {
                self.fields.remove(key);
            }
        }
    }

    /// Folds the oldest updates of each version together until no more than ten are left.
    ///
    /// Rule: apimachinery's `capManagersManager`. The first update of a version keeps its name until a second one of
    /// that version is folded.
    pub(super) fn cap_update_managers(&mut self) {
        let mut updates: Vec<ManagerKey> =
            self.fields.iter().filter(|(_, owned)| !owned.is_applied).map(|(key, _)| key.clone()).collect();
        let mut left = updates.len();
        if left <= MAX_UPDATE_MANAGERS {
            return;
        }
        let seconds = |key: &ManagerKey| self.times.get(key).map_or(0, |time| time.millis().div_euclid(1000));
        updates.sort_by(|a, b| seconds(a).cmp(&seconds(b)).then_with(|| a.cmp(b)));
        let mut first_of = BTreeMap::<Arc<str>, ManagerKey>::new();
        for key in updates {
            if left <= MAX_UPDATE_MANAGERS {
                return;
            }
            let Some(owned) = self.fields.get(&key).cloned() else { continue };
            let Some(first) = first_of.get(&owned.version) else {
                first_of.insert(Arc::clone(&owned.version), key);
                continue;
            };
            let bucket = ManagerKey {
                manager: ANCIENT_CHANGES.into(),
                operation: Operation::Update,
                api_version: Some(Arc::clone(&owned.version)),
                subresource: None,
            };
            if !self.fields.contains_key(&bucket)
                && let Some(oldest) = self.fields.remove(first)
            {
                self.fields.insert(bucket.clone(), oldest);
            }
            let so_far = self.fields.get(&bucket).map(|owned| owned.fields.clone()).unwrap_or_default();
            let time = self.times.get(&key).copied();
            self.fields.remove(&key);
            self.fields.insert(bucket.clone(), Owned { fields: owned.fields.union(&so_far), ..owned });
            if let Some(time) = time {
                self.times.insert(bucket, time);
            }
            left -= 1;
        }
    }
}
