//! What one application keeps on the cluster: inventory, running operation, history. One object, one fence.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::{Guard, Write};
use crate::plan::Intent;
use crate::problem::{Code, Problem};
use crate::resource::{InvalidResource, Propagation, Resource, ResourceKey};
use crate::source::RevisionId;
use crate::state::{HookResult, Inventory, LEDGER_MANAGER, Live, Owner, Trust};
use crate::value::{Draft, Hasher, Purpose, ValueRef};

use super::packed::{pack, unpack};
use super::{Fights, HistoryEntry, Hold, Record, Requested};

/// The version of the stored form that is written. 2 came with the fields that entries of the inventory remember, what
/// settled them, and hooks that are planned or begun: a program that knows 1 alone would drop them, or take the ledger
/// for damaged. Whatever is added to the stored form, and must not get lost, makes a new version.
const VERSION: u32 = 2;
/// Written while the application is being deleted: a program that knows only syncs would bring back what is gone.
const DELETING: u32 = 3;
/// Written while a rollback holds: a program that does not know of it would sync again what was rolled back.
const HOLDING: u32 = 4;
/// Written while entries are rebuilt from tracking ids: a program that does not know them would take the ledger for
/// damaged, and rebuild it again, as adopted objects.
const REBUILT: u32 = 5;
/// Written while the application ends and its objects stay: a program that knows only of deleting would delete them.
const ORPHANING: u32 = 6;
/// Written while objects are fought over: a program that does not know of it would take the ledger for damaged.
const FOUGHT: u32 = 7;
/// Written while an operation on a part of an application runs: a program that does not know of parts would go on with
/// all of it.
const IN_PART: u32 = 8;
/// Written in place of a long text, which lies packed beside it.
const PACKED: u32 = 9;
/// Written while an object that was deleted to be created again may not be there yet: a program that does not know of it
/// would take the record for one of a newer program anyway.
const RECREATING: u32 = 10;
/// Written while objects are about to be deleted, or let go: a program that does not know of it would take the ledger for
/// damaged.
const LEAVING: u32 = 11;
/// Written while something that somebody asked for is not done: for the same reason.
const REQUESTED: u32 = 12;
/// Written while objects change hands and nothing else: a program that does not know of it would take the record for one of
/// a newer program anyway.
const OWNING: u32 = 13;
/// The newest version of a text that is understood.
const NEWEST: u32 = OWNING;
/// Longer texts are packed: an object holds 1 MiB, which is 4,000 entries in the clear and some 15,000 packed. Shorter ones
/// stay what people can read.
const LONG: usize = 128 << 10;
/// Most history entries kept, where nobody says otherwise.
pub const HISTORY: usize = 10;
/// Most that are kept in any case.
const MOST_HISTORY: usize = 100;
pub(super) const MANAGER: &str = LEDGER_MANAGER;
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const OURS: &str = "gitops.rs";
const FIELD: &str = "ledger";
/// Where the text lies packed, in `binaryData`. No key may stand in `data` as well.
const PACKED_FIELD: &str = "ledger.z";
const UNREAD: &str = "allow `get` of it; nothing is synced until it can be read";

/// What one application keeps on the cluster, in one ConfigMap whose resource version is the fence: a writer that finds
/// it changed stops.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Ledger {
    /// What we applied.
    pub inventory: Inventory,
    /// The operation that has not ended yet.
    pub running: Option<Record>,
    /// What was done, newest first.
    pub history: Vec<HistoryEntry>,
    /// Hook objects that are still there.
    pub hooks: Vec<HookResult>,
    /// The rollback that holds.
    pub hold: Option<Hold>,
    /// Objects that were healed again and again, when the last operation began.
    pub fights: Fights,
    /// What somebody asked for that is not done yet.
    pub requested: Option<Requested>,
    /// Uid and resource version of the stored object, if there is one.
    stored: Option<(Arc<str>, Arc<str>)>,
    /// Why it is not known what is stored.
    obstacle: Option<Arc<str>>,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored<'a> {
    version: u32,
    inventory: Cow<'a, Inventory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<serde_json::Value>,
    #[serde(default)]
    history: Vec<HistoryEntry>,
    /// Came later, within version 1: a program that does not know it loses nothing but the names before its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    managers: Vec<Arc<str>>,
    #[serde(default)]
    hooks: Vec<HookResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "Fights::is_empty")]
    fights: Fights,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested: Option<Requested>,
}

/// A ledger written by a newer program. The application is left alone, never started from nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger `{0}` was written by a newer version of this program; update this one")]
pub struct TooNew(pub(crate) Arc<str>);

impl Ledger {
    /// Returns where the ledger of an application lies. No two applications share one.
    ///
    /// `gitops.APP` or `gitops.INSTALLATION.APP`; names that an object cannot carry as they are, or that hold a dot,
    /// are told apart by their digest: `gitops.x.DIGEST.d`.
    #[must_use]
    pub fn key(owner: &Owner, namespace: &str) -> ResourceKey {
        let name = match (&*owner.installation, &*owner.app) {
            ("", app) if is_label(app) => format!("gitops.{app}"),
            (installation, app) if is_label(installation) && is_label(app) => format!("gitops.{installation}.{app}"),
            (installation, app) => {
                format!("gitops.x.{}.d", Hasher::new(Purpose::Identity).text(installation).text(app).finish().short())
            }
        };
        ResourceKey::new("", "ConfigMap", namespace, &name)
    }

    /// Reads what was stored. A ledger that is damaged counts as lost, with a problem: nothing is pruned then.
    ///
    /// # Errors
    /// When a newer program wrote it.
    pub fn read(key: &ResourceKey, live: Live<'_>) -> Result<(Self, Option<Problem>), TooNew> {
        let unreadable = |text: String| {
            Problem::blocks(Code::UnreadableInventory, text)
                .of(key)
                .hint("nothing is pruned until it is whole again; the next sync rebuilds it from what it finds")
        };
        let unknown = |text: String, hint: &str| {
            let ledger = Self { obstacle: Some(text.as_str().into()), ..Self::default() };
            Ok((ledger, Some(Problem { hint: Some(hint.into()), ..unreadable(text) })))
        };
        let object = match live {
            Live::Present(object) => object,
            Live::Absent | Live::NotServed => return Ok((Self::default(), None)),
            Live::Unreadable(why) => {
                return unknown(format!("could not be read: {why}"), UNREAD);
            }
            Live::MetadataOnly(_) | Live::NotLooked => {
                return unknown("was not looked up".to_owned(), UNREAD);
            }
        };
        if object.label(MANAGED_BY) != Some(OURS) {
            let text = "is not a ledger, and stands where the ledger of this application would be".to_owned();
            return unknown(text, "rename or remove it; it is not touched");
        }
        let stored = object.uid().zip(object.resource_version()).map(|(uid, at)| (uid.into(), at.into()));
        let too_new = || TooNew(key.to_string().into());
        let lost = |why: &dyn fmt::Display| {
            (Self { stored: stored.clone(), ..Self::default() }, Some(unreadable(format!("is damaged: {why}"))))
        };
        if version_of(Self::field(object).unwrap_or("")).is_some_and(|version| version > NEWEST) {
            return Err(too_new());
        }
        let text = match Self::stored_text(object) {
            Ok(text) => text,
            Err(why) => return Ok(lost(&why)),
        };
        if version_of(&text).is_some_and(|version| version > NEWEST) {
            return Err(too_new());
        }
        let read: Stored<'_> = match serde_json::from_str(&text) {
            Ok(read) => read,
            Err(error) => return Ok(lost(&error)),
        };
        let running = match read.running {
            None => None,
            // A record we cannot read belongs to somebody who knows more.
            Some(record) => Some(serde_json::from_value(record).map_err(|_| too_new())?),
        };
        let inventory = Inventory { managers: read.managers, ..read.inventory.into_owned() };
        let (history, hooks, hold, fights, requested) =
            (read.history, read.hooks, read.hold, read.fights, read.requested);
        let ledger = Self { inventory, running, history, hooks, hold, fights, requested, stored, obstacle: None };
        Ok((ledger, None))
    }

    /// Returns why no operation may start: it is not known what is stored.
    pub(crate) fn obstacle(&self) -> Option<String> {
        self.obstacle.as_ref().map(|why| format!("the ledger {why}; nothing was written"))
    }

    /// Returns the write that stores this ledger, guarded by the version it was read at.
    ///
    /// # Errors
    /// Never for a key from [`Ledger::key`].
    pub fn write(&self, key: &ResourceKey) -> Result<Write, InvalidResource> {
        let object = Resource::new(self.object(key).freeze())?;
        Ok(match &self.stored {
            None => Write::create(&object, MANAGER),
            Some((uid, version)) => Write::replace(&object, MANAGER)
                .guarded(Guard::Present { uid: Arc::clone(uid), version: Some(Arc::clone(version)) }),
        })
    }

    /// Returns whether there is a stored object.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.stored.is_some()
    }

    /// Returns whether what was read is the version that is known of the stored object.
    pub(crate) fn is_stored_as(&self, live: Live<'_>) -> bool {
        let (Live::Present(object) | Live::MetadataOnly(object)) = live else { return self.stored.is_none() };
        let known = self.stored.as_ref().map(|(uid, version)| (Some(&**uid), Some(&**version)));
        known == Some((object.uid(), object.resource_version()))
    }

    /// Returns the write that deletes the stored object, guarded as [`Ledger::write`]; `None` if there is none.
    #[must_use]
    pub fn deletion(&self, key: &ResourceKey) -> Option<Write> {
        let (uid, version) = self.stored.as_ref()?;
        let guard = Guard::Present { uid: Arc::clone(uid), version: Some(Arc::clone(version)) };
        Some(Write::delete(key, "v1", Propagation::Background).guarded(guard))
    }

    /// Remembers the version of the stored object.
    pub fn stored_as(&mut self, object: &Resource) {
        self.stored = object.uid().zip(object.resource_version()).map(|(uid, at)| (uid.into(), at.into()));
        self.inventory.trust = Trust::Whole;
    }

    /// Returns whether `object` is the stored form of exactly this ledger.
    #[must_use]
    pub fn is_stored_in(&self, object: &Resource) -> bool {
        Self::stored_text(object).is_ok_and(|text| *text == *self.text())
    }

    fn field(object: &Resource) -> Option<&str> {
        object.tree().dig(&["data", FIELD])?.as_str()
    }

    /// Returns the text that a stored ledger, or one that is about to be stored, holds; or what is wrong with it.
    pub(super) fn stored_text(object: &Resource) -> Result<Cow<'_, str>, &'static str> {
        let text = Self::field(object).unwrap_or("");
        if version_of(text) != Some(PACKED) {
            return Ok(Cow::Borrowed(text));
        }
        let packed = object.tree().dig(&["binaryData", PACKED_FIELD]).and_then(ValueRef::as_str);
        unpack(packed.ok_or("what it holds is missing")?).map(Cow::Owned)
    }

    /// Adds an entry to the history. What was tried again by itself takes the place of the try before. See
    /// [`Ledger::keep_history`].
    pub fn remember(&mut self, entry: HistoryEntry) {
        // Causes may alternate: then it is not the last one that is tried again.
        let since = self.history.iter().take_while(|earlier| earlier.goes_on(&entry)).count();
        let tried = self.history.iter().take(since.max(1));
        let before = tried.enumerate().find_map(|(at, earlier)| Some((at, earlier.again(&entry)?)));
        let entry = match before {
            Some((at, folded)) => {
                self.history.remove(at);
                folded
            }
            None => entry,
        };
        self.history.insert(0, entry);
        self.keep_history(MOST_HISTORY);
    }

    /// Drops the oldest entries beyond so many, but never the last that made a revision true, nor the latest. At least 2
    /// and at most 100 are kept.
    pub fn keep_history(&mut self, most: usize) {
        while self.history.len() > most.clamp(2, MOST_HISTORY) {
            let synced = self.history.iter().position(HistoryEntry::made_true);
            let last = self.history.len().saturating_sub(1);
            self.history.remove(if synced == Some(last) { last.saturating_sub(1) } else { last });
        }
    }

    /// Returns the number of the next operation.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.history.first().map_or(1, |last| last.number.saturating_add(1))
    }

    /// Returns the revisions that were made true last.
    #[must_use]
    pub fn last_synced(&self) -> Option<Vec<RevisionId>> {
        let last = self.history.iter().find(|entry| entry.made_true())?;
        Some(last.revisions.iter().map(|revision| revision.id.clone()).collect())
    }

    /// The oldest version that says all that is to be stored, so that no program is shut out that could go on.
    fn version(&self) -> u32 {
        match &self.running {
            Some(Record::V1(running)) if running.intent.is_about_owners() => OWNING,
            _ if self.requested.is_some() => REQUESTED,
            _ if self.inventory.is_leaving() => LEAVING,
            Some(Record::V1(running)) if !running.recreating.is_empty() => RECREATING,
            Some(Record::V1(running)) if running.part.is_some() => IN_PART,
            _ if !self.fights.is_empty() => FOUGHT,
            Some(Record::V1(running)) if running.intent == Intent::Orphan => ORPHANING,
            _ if self.inventory.is_rebuilt() => REBUILT,
            _ if self.hold.is_some() => HOLDING,
            Some(Record::V1(running)) if !running.intent.is_sync() => DELETING,
            _ => VERSION,
        }
    }

    fn text(&self) -> String {
        let running = self.running.as_ref().and_then(|record| serde_json::to_value(record).ok());
        let stored = Stored {
            version: self.version(),
            inventory: Cow::Borrowed(&self.inventory),
            managers: self.inventory.managers.clone(),
            running,
            history: self.history.clone(),
            hooks: self.hooks.clone(),
            hold: self.hold.clone(),
            fights: self.fights.clone(),
            requested: self.requested.clone(),
        };
        // Nothing in it has a `Serialize` that fails, or keys that are no text.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    fn object(&self, key: &ResourceKey) -> Draft {
        let mut object = Draft::map();
        object.set("apiVersion", "v1");
        object.set("kind", "ConfigMap");
        let metadata = object.entry("metadata");
        metadata.set("name", &*key.name);
        if let Some(namespace) = &key.namespace {
            metadata.set("namespace", &**namespace);
        }
        metadata.entry("labels").set(MANAGED_BY, OURS);
        let text = self.text();
        if text.len() > LONG {
            object.entry("data").set(FIELD, format!("{{\"version\":{PACKED}}}"));
            object.entry("binaryData").set(PACKED_FIELD, pack(&text));
        } else {
            object.entry("data").set(FIELD, text);
        }
        object
    }
}

/// Whether a name can be one label of an object's name (RFC 1123).
fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().last()];
    name.len() <= 63
        && ends.iter().all(|end| end.is_some_and(plain))
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
}

fn version_of(text: &str) -> Option<u32> {
    serde_json::from_str::<Version>(text).ok().map(|stored| stored.version)
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_applications_share_a_ledger_and_every_name_is_one_an_object_may_have() {
        let owners = [("", "shop"), ("", "Shop"), ("", "my_app"), ("", "my-app"), ("", "shop-"), ("", "a..b")];
        let dotted = [("", "a.b"), ("a", "b"), ("a.b", "c"), ("a", "b.c"), ("", "a.b.c")];
        let long = "n".repeat(200);
        let long = [("", &*long), (&*long, "shop"), (&*long, &*long)];
        let mut names = std::collections::BTreeSet::new();
        for (installation, app) in owners.into_iter().chain(dotted).chain(long) {
            let key = Ledger::key(&Owner::new(installation, app).unwrap(), "gitops-system");
            assert!(key.name.len() <= 253 && key.name.split('.').all(is_label), "{key}");
            assert!(names.insert(key.name.clone()), "{key}");
        }
        assert!(names.contains("gitops.shop") && names.contains("gitops.a.b"), "{names:?}");
    }
}
