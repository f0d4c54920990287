//! Repairs of managed fields, as values: release, takeover, renaming, versions that are gone.
//!
//! Rules: 15, 19–22, 24 and 32 of the exact rules (docs/decisions). Each is written with one guarded patch of
//! `metadata.managedFields`, and the answer's entries must be checked: the server drops all of them when it cannot read
//! one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::FieldSet;
use super::algebra::zip;
use super::build::SetBuilder;
use super::managed::{ManagedEntry, ManagedFields, Operation};
use super::set::{Block, Level};
use crate::path::FieldPath;
use crate::time::Timestamp;

impl ManagedFields {
    /// Releases fields, and all below them, from a manager that applies: the next apply without them leaves their
    /// values alone.
    ///
    /// Parents that become empty go as well: an entry that kept one would own it as a whole, and the next apply would
    /// remove it. An entry that becomes empty is dropped; if it was the last one, the next apply by anybody starts
    /// with an entry for what was there before.
    ///
    /// ```
    /// use gitops_core::path::FieldPath;
    /// use gitops_core::ssa::{FieldSet, ManagedEntry, ManagedFields, Operation};
    ///
    /// let fields = [FieldPath::fields(&["spec", "replicas"]), FieldPath::fields(&["spec", "paused"])];
    /// let entry = ManagedEntry::new("gitops", Operation::Apply, "apps/v1", fields.iter().collect());
    /// let released = ManagedFields::new([entry]).release("gitops", &fields[..1].iter().collect());
    /// assert_eq!(released.entries()[0].fields.to_string(), "spec.paused");
    /// ```
    #[must_use]
    pub fn release(&self, manager: &str, fields: &FieldSet) -> Self {
        self.map(|entry| {
            if is_applier(entry, manager) {
                entry.fields = release(&entry.fields, fields);
            }
        })
    }

    /// Gives fields to a manager that applies, whoever else owns them: the next apply without them removes them.
    #[must_use]
    pub fn claim(&self, manager: &str, api_version: &str, fields: &FieldSet) -> Self {
        if fields.is_empty() {
            return self.clone();
        }
        let mut entries = self.entries().to_vec();
        match entries.iter_mut().find(|entry| is_applier(entry, manager)) {
            Some(entry) => entry.fields = entry.fields.union(fields),
            None => entries.push(ManagedEntry::new(manager, Operation::Apply, api_version, fields.clone())),
        }
        Self::new(entries)
    }

    /// Takes fields over: they leave the entries that `from` chooses, and `claimed` ones enter that of `manager`.
    ///
    /// Only what is named moves; the rest of those entries stays with them, since it holds defaults and allocated values.
    #[must_use]
    pub fn take_over(
        &self,
        manager: &str,
        api_version: &str,
        fields: &FieldSet,
        claimed: &FieldSet,
        from: impl Fn(&ManagedEntry) -> bool,
    ) -> Self {
        let left = self.map(|entry| {
            if !is_applier(entry, manager) && from(entry) {
                entry.fields = release(&entry.fields, fields);
            }
        });
        left.claim(manager, api_version, claimed)
    }

    /// Renames a manager that applies. Where the new name has an entry already, both are folded into one: of two
    /// entries of one applier the server keeps only the last.
    #[must_use]
    pub fn rename(&self, from: &str, to: &str) -> Self {
        let (renamed, mut entries): (Vec<_>, Vec<_>) =
            self.entries().iter().cloned().partition(|entry| is_applier(entry, from));
        for entry in renamed {
            fold(&mut entries, ManagedEntry { manager: to.into(), ..entry });
        }
        Self::new(entries)
    }

    /// Folds what a manager owns by other writes into its Apply entry, so that the next apply is one by the same owner.
    #[must_use]
    pub fn fold_updates(&self, manager: &str) -> Self {
        let is_ours = |entry: &ManagedEntry| {
            &*entry.manager == manager && entry.operation == Operation::Update && entry.subresource.is_none()
        };
        let (updates, mut entries): (Vec<_>, Vec<_>) = self.entries().iter().cloned().partition(is_ours);
        for entry in updates {
            fold(&mut entries, ManagedEntry { operation: Operation::Apply, ..entry });
        }
        Self::new(entries)
    }

    /// Rewrites every entry at a version that is not `declared` (any more) to `api_version`.
    ///
    /// All entries at once, those of subresources too: while one is left, every apply fails, and any other write
    /// drops the entries of everybody. Paths stay as they are, which is right where versions differ in nothing but
    /// their name.
    #[must_use]
    pub fn move_versions(&self, api_version: &str, declared: &BTreeSet<&str>) -> Self {
        let mut entries = Vec::new();
        for entry in self.entries() {
            let mut entry = entry.clone();
            if !declared.contains(&*entry.api_version) {
                entry.api_version = api_version.into();
            }
            fold(&mut entries, entry);
        }
        Self::new(entries)
    }

    /// Moves ownership of a Secret's `stringData` to `data`, where the values are: as long as an entry owns
    /// `stringData`, keys that are dropped stay in the Secret.
    #[must_use]
    pub fn move_string_data(&self) -> Self {
        let (from, to) = (FieldPath::fields(&["stringData"]), FieldPath::fields(&["data"]));
        self.map(|entry| {
            let keys = entry.fields.below(&from).moved_below(&to);
            entry.fields = entry.fields.without(&from).union(&keys);
        })
    }

    /// Stamps all entries of a manager that applies.
    #[must_use]
    pub fn stamp(&self, manager: &str, now: Timestamp) -> Self {
        self.map(|entry| {
            if is_applier(entry, manager) {
                entry.time = Some(now.whole_seconds());
            }
        })
    }

    /// Edits all entries; those without fields are dropped.
    fn map(&self, edit: impl Fn(&mut ManagedEntry)) -> Self {
        let mut entries = self.entries().to_vec();
        entries.iter_mut().for_each(edit);
        entries.retain(|entry| !entry.fields.is_empty());
        Self::new(entries)
    }
}

fn is_applier(entry: &ManagedEntry, manager: &str) -> bool {
    &*entry.manager == manager && entry.operation == Operation::Apply && entry.subresource.is_none()
}

/// Adds an entry; where there is one of the same manager, their fields are united.
fn fold(entries: &mut Vec<ManagedEntry>, entry: ManagedEntry) {
    match entries.iter_mut().find(|other| other.key() == entry.key()) {
        Some(other) => {
            other.fields = other.fields.union(&entry.fields);
            other.time = other.time.max(entry.time);
            other.api_version = Arc::clone(&entry.api_version);
        }
        None => entries.push(entry),
    }
}

/// Removes fields and all below them, and parents that have nothing left below.
fn release(from: &FieldSet, fields: &FieldSet) -> FieldSet {
    fn walk(from: Level<'_>, fields: Level<'_>, out: &mut SetBuilder) -> Block {
        let start = out.start();
        for pair in zip(from, fields) {
            match pair {
                (Some(entry), Some(released)) => {
                    let below = walk(entry.below(), released.below(), out);
                    let emptied = !entry.below().is_empty() && below.is_empty();
                    if !released.is_member() && !emptied {
                        out.push(entry.label(), entry.is_member(), below);
                    }
                }
                (Some(entry), None) => out.copy(entry),
                (None, _) => {}
            }
        }
        out.close(start)
    }
    let mut out = SetBuilder::with_room_of(from);
    let top = walk(from.level(), fields.level(), &mut out);
    out.finish(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(json: &str) -> FieldSet {
        FieldSet::from_fields_v1_json(json.as_bytes()).unwrap()
    }

    fn entry(manager: &str, operation: Operation, version: &str, json: &str) -> ManagedEntry {
        ManagedEntry::new(manager, operation, version, set(json))
    }

    fn shown(managed: &ManagedFields) -> Vec<String> {
        let show = |entry: &ManagedEntry| {
            format!("{} {} {} {}", entry.manager, entry.operation, entry.api_version, entry.fields.to_fields_v1_json())
        };
        managed.entries().iter().map(show).collect()
    }

    #[test]
    fn a_release_leaves_no_parent_that_would_own_the_rest() {
        let ours = r#"{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:list":{"k:{\"name\":\"x\"}":{".":{},"f:name":{}}},"f:replicas":{}}}"#;
        for (released, left) in [
            (
                r#"{"f:spec":{"f:replicas":{}}}"#,
                r#"{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:list":{"k:{\"name\":\"x\"}":{".":{},"f:name":{}}}}}"#,
            ),
            (
                r#"{"f:metadata":{"f:labels":{"f:a":{}}}}"#,
                r#"{"f:spec":{"f:list":{"k:{\"name\":\"x\"}":{".":{},"f:name":{}}},"f:replicas":{}}}"#,
            ),
            (
                r#"{"f:spec":{"f:list":{"k:{\"name\":\"x\"}":{}}}}"#,
                r#"{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:replicas":{}}}"#,
            ),
            (r#"{"f:metadata":{},"f:spec":{}}"#, "{}"),
        ] {
            assert_eq!(release(&set(ours), &set(released)).to_fields_v1_json(), left);
        }
    }

    #[test]
    fn a_takeover_moves_only_what_is_named() {
        let managed = ManagedFields::new([
            entry("gitops", Operation::Apply, "apps/v1", r#"{"f:spec":{"f:a":{}}}"#),
            entry("kubectl-edit", Operation::Update, "apps/v1", r#"{"f:spec":{"f:a":{},"f:b":{},"f:c":{}}}"#),
            entry("team", Operation::Apply, "apps/v1", r#"{"f:spec":{"f:b":{}}}"#),
        ]);
        let taken = managed.take_over(
            "gitops",
            "apps/v1",
            &set(r#"{"f:spec":{"f:a":{},"f:b":{}}}"#),
            &set(r#"{"f:spec":{"f:b":{}}}"#),
            |entry| entry.operation == Operation::Update,
        );
        assert_eq!(
            shown(&taken),
            [
                r#"gitops Apply apps/v1 {"f:spec":{"f:a":{},"f:b":{}}}"#,
                r#"team Apply apps/v1 {"f:spec":{"f:b":{}}}"#,
                r#"kubectl-edit Update apps/v1 {"f:spec":{"f:c":{}}}"#,
            ]
        );
    }

    #[test]
    fn entries_that_become_one_are_united() {
        let managed = ManagedFields::new([
            entry("old", Operation::Apply, "v1", r#"{"f:a":{}}"#),
            entry("new", Operation::Apply, "v1", r#"{"f:b":{}}"#),
            entry("new", Operation::Update, "v1", r#"{"f:c":{}}"#),
            entry("x", Operation::Update, "v1alpha1", r#"{"f:d":{}}"#),
            entry("x", Operation::Update, "v1", r#"{"f:e":{}}"#),
        ]);
        let repaired = managed.rename("old", "new").fold_updates("new").move_versions("v1", &["v1"].into());
        assert_eq!(
            shown(&repaired),
            [r#"new Apply v1 {"f:a":{},"f:b":{},"f:c":{}}"#, r#"x Update v1 {"f:d":{},"f:e":{}}"#]
        );
    }

    #[test]
    fn ownership_of_string_data_moves_to_data() {
        let managed = ManagedFields::new([entry(
            "g",
            Operation::Apply,
            "v1",
            r#"{"f:data":{"f:a":{}},"f:stringData":{"f:b":{}}}"#,
        )]);
        assert_eq!(shown(&managed.move_string_data()), [r#"g Apply v1 {"f:data":{"f:a":{},"f:b":{}}}"#]);
    }
}
