//! The place in the stream of changes: a version for each list that was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::cluster::Cursor;
use gitops_core::resource::GroupKind;
use serde::{Deserialize, Serialize};

/// A kind, in a namespace or everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) kind: GroupKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<Arc<str>>,
}

/// Since when changes of a place are to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Since {
    /// Since this version.
    Version(String),
    /// It could not be read: there is nothing to go on from.
    Unread,
    /// The kind was not served.
    NotServed,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    place: Place,
    since: Since,
}

impl Place {
    pub(crate) fn of(kind: &GroupKind, namespace: Option<Arc<str>>) -> Self {
        Self { kind: kind.clone(), namespace }
    }
}

pub(crate) fn write(places: &BTreeMap<Place, Since>) -> Cursor {
    let entries = places.iter().map(|(place, since)| Entry { place: place.clone(), since: since.clone() });
    // Texts and maps of texts always serialise.
    Cursor::new(&serde_json::to_string(&entries.collect::<Vec<_>>()).unwrap_or_default())
}

/// Reads a cursor; `None` if it is none of ours.
pub(crate) fn read(cursor: &Cursor) -> Option<BTreeMap<Place, Since>> {
    let entries: Vec<Entry> = serde_json::from_str(cursor.as_str()).ok()?;
    Some(entries.into_iter().map(|entry| (entry.place, entry.since)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let places = BTreeMap::from([
            (Place::of(&GroupKind::new("", "ConfigMap"), Some("shop".into())), Since::Version("7".to_owned())),
            (Place::of(&GroupKind::new("apps", "Deployment"), None), Since::Unread),
            (Place::of(&GroupKind::new("x", "Y"), None), Since::NotServed),
        ]);
        assert_eq!(read(&write(&places)), Some(places));
        assert_eq!(read(&Cursor::new("no cursor of this cluster")), None);
    }
}
