//! What an application applied, hence may prune.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::resource::{Names, Resource, ResourceKey};
use crate::value::Digest;

use super::{AppliedFields, Handover};

/// Most names that are remembered.
const MANAGERS: usize = 8;

/// What an application applied. Written before acting; entries leave only when their object is confirmed gone.
///
/// The default is an empty inventory that was lost, or never was: nothing is pruned by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// The entries.
    pub entries: BTreeMap<ResourceKey, Entry>,
    /// Whether these are all the entries there should be.
    pub trust: Trust,
    /// The names under which we applied, the latest one last (rule 24).
    pub managers: Vec<Arc<str>>,
    /// Objects that other applications give to this one (rule 32). Never stored: they follow from what all applications
    /// declare, so whoever looks says it anew.
    pub receiving: BTreeMap<ResourceKey, Handover>,
}

/// Whether an inventory says all. Rule 30 of the exact rules: a lost or unreadable inventory prunes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Trust {
    /// It was lost or could not be read, or there has not been one yet.
    #[default]
    Lost,
    /// It was read as it was written.
    Whole,
}

/// One object of an inventory. Rule 26 of the exact rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Entry {
    /// How it came to us.
    pub standing: Standing,
    /// How it is about to leave us; recorded before the write, and until it is known what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
    /// The uid, once an answer told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Arc<str>>,
    /// Its sync wave, so that it can be pruned in the reverse order after Git forgot it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wave: i32,
    /// The API version it was last applied in.
    pub version: Arc<str>,
    /// The fields of the last successful apply; of an object that client-side apply wrote and we are about to apply,
    /// those of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<AppliedFields>,
    /// Names the question to which the cluster, by our last apply or a dry run, answered that nothing would change
    /// (rule 5). Never of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Digest>,
}

/// How an object came to an application, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Standing {
    /// A create was decided by this operation; whether it happened is not known yet.
    Intended(Arc<str>),
    /// We created it.
    Created,
    /// It existed before us.
    Adopted,
    /// The record was lost, and its tracking id says that it is ours: whether we created it cannot be told any more.
    Rebuilt,
}

/// How an object is about to cease to be ours. It stands beside [`Standing`], not in its place: should it stay after all,
/// how it came to us must still be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Leaving {
    /// We are letting it go without deleting it.
    Releasing,
    /// We are deleting it, for good or to create it again.
    Deleting,
}

impl Entry {
    /// States that `operation` is about to create an object.
    #[must_use]
    pub fn intended(operation: &str, version: &str, wave: i32) -> Self {
        let standing = Standing::Intended(operation.into());
        Self { standing, leaving: None, uid: None, wave, version: version.into(), fields: None, settled: None }
    }

    /// States that an object with this uid is ours.
    #[must_use]
    pub fn held(standing: Standing, uid: &str, version: &str, wave: i32) -> Self {
        Self {
            standing,
            leaving: None,
            uid: Some(uid.into()),
            wave,
            version: version.into(),
            fields: None,
            settled: None,
        }
    }

    /// Adds the fields of the last apply.
    #[must_use]
    pub fn with_fields(self, fields: Option<AppliedFields>) -> Self {
        Self { fields, ..self }
    }

    /// Says how it is about to leave us.
    #[must_use]
    pub fn with_leaving(self, leaving: Option<Leaving>) -> Self {
        Self { leaving, ..self }
    }

    /// Returns whether we are deleting the object of this uid.
    pub(crate) fn is_deleting(&self, uid: Option<&str>) -> bool {
        self.leaving == Some(Leaving::Deleting) && self.uid.is_some() && self.uid.as_deref() == uid
    }

    /// Adds the question that was answered.
    #[must_use]
    pub fn with_settled(self, settled: Option<Digest>) -> Self {
        Self { settled, ..self }
    }
}

impl Inventory {
    /// Returns an inventory with these entries and all of them.
    #[must_use]
    pub fn whole(entries: impl IntoIterator<Item = (ResourceKey, Entry)>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            trust: Trust::Whole,
            managers: Vec::new(),
            receiving: BTreeMap::new(),
        }
    }

    /// Remembers the name under which we apply from now on. Of more than eight, the oldest is forgotten.
    #[must_use]
    pub fn applying_as(mut self, manager: &str) -> Self {
        self.managers.retain(|used| **used != *manager);
        self.managers.push(manager.into());
        let surplus = self.managers.len().saturating_sub(MANAGERS);
        self.managers.drain(..surplus);
        self
    }

    /// Returns who gives away an object that is still with that one.
    #[must_use]
    pub fn receives(&self, live: &Resource) -> Option<&Handover> {
        if self.receiving.is_empty() {
            return None;
        }
        self.receiving.get(live.key()).filter(|handover| handover.is_of(live))
    }

    /// Returns the entry of an object.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Returns whether any entry was made anew after the record was lost.
    #[must_use]
    pub fn is_rebuilt(&self) -> bool {
        self.entries.values().any(|entry| entry.standing == Standing::Rebuilt)
    }

    /// Returns whether any object is about to leave us.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.entries.values().any(|entry| entry.leaving.is_some())
    }

    /// Notes how an object is about to leave us, if there is an entry of it; or that it stays.
    pub(crate) fn leave(&mut self, key: &ResourceKey, leaving: Option<Leaving>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.leaving = leaving;
        }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// On the wire a list, since JSON keys are texts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(flatten)]
    key: Cow<'a, ResourceKey>,
    entry: Cow<'a, Entry>,
}

impl Serialize for Inventory {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = |(key, entry)| Row { key: Cow::Borrowed(key), entry: Cow::Borrowed(entry) };
        serializer.collect_seq(self.entries.iter().map(row))
    }
}

impl<'de> Deserialize<'de> for Inventory {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Vec::<Row<'_>>::deserialize(deserializer)?;
        let mut names = Names::default();
        Ok(Self::whole(rows.into_iter().map(|row| (names.key(&row.key), row.entry.into_owned()))))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}
