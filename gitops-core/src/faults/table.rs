//! The table as it is documented, and every meaning an error can have.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use crate::cluster::{Failure, FieldConflict};

/// The documentation of the module `sync`.
const DOCUMENTED: &str = include_str!("../sync/refusals.md");

/// One way to fail, under its name in the table.
pub(super) struct Meaning {
    pub(super) name: &'static str,
    /// Whether the effect took place before.
    pub(super) done: bool,
    pub(super) failure: Failure,
}

/// Every meaning an error can have.
pub(super) fn meanings() -> Vec<Meaning> {
    let text = || "told by the test".into();
    let namespace = || "shop".into();
    let conflicts = vec![FieldConflict::new("kubectl-edit", "data.key".parse().unwrap())];
    let not_done = [
        ("FieldConflict", Failure::FieldConflict { conflicts }),
        ("Stale", Failure::Stale),
        ("AlreadyExists", Failure::AlreadyExists),
        ("NotFound", Failure::NotFound),
        ("NamespaceMissing", Failure::NamespaceMissing { namespace: "gitops-system".into() }),
        ("NamespaceTerminating", Failure::NamespaceTerminating { namespace: namespace() }),
        ("KindNotServed", Failure::KindNotServed),
        ("Denied", Failure::Denied { message: text() }),
        ("Invalid", Failure::Invalid { message: text(), causes: Vec::new() }),
        ("Refused", Failure::Refused { message: text() }),
        ("WebhookUnavailable", Failure::WebhookUnavailable { message: text() }),
        ("TooLarge", Failure::TooLarge { message: text() }),
        ("Throttled", Failure::Throttled { retry_after: None }),
        ("Unavailable", Failure::Unavailable { message: text() }),
        ("InDoubt, not done", Failure::InDoubt { message: text() }),
        ("CursorExpired", Failure::CursorExpired),
        ("Unsupported", Failure::Unsupported { message: text() }),
    ];
    let done = [("InDoubt, done", Failure::InDoubt { message: text() })];
    let of = |done| move |(name, failure)| Meaning { name, done, failure };
    not_done.into_iter().map(of(false)).chain(done.into_iter().map(of(true))).collect()
}

/// The words that serde knows for the variants of an enum: all of them.
pub(super) fn variants<T: DeserializeOwned>(none: &str) -> BTreeSet<String> {
    let said = serde_json::from_str::<T>(none).err().unwrap().to_string();
    let (_, known) = said.split_once("expected one of ").unwrap();
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Meaning and column → word. There are several tables; each begins with its columns.
pub(super) fn table() -> BTreeMap<(String, String), String> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let lines: Vec<&str> = DOCUMENTED.lines().collect();
    let tables = lines.split(|line| !line.starts_with('|')).filter(|lines| !lines.is_empty());
    let mut words = BTreeMap::new();
    for lines in tables {
        let (head, rows) = (cells(lines[0]), lines.iter().skip(2).map(|line| cells(line)));
        for row in rows {
            assert_eq!(row.len(), head.len(), "{row:?}");
            for (column, word) in head.iter().zip(&row).skip(1) {
                let known = words.insert((row[0].clone(), column.clone()), word.clone());
                assert_eq!(known, None, "{} × {column} is there twice", row[0]);
            }
        }
    }
    words
}
