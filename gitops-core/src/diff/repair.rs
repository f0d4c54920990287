//! What must change in `metadata.managedFields` before an object is applied, or so that it can be. Rules 15, 19, 21, 22
//! and 24 of the exact rules.
//!
//! All of it is one patch, which changes no value and tests uid and resource version. A verdict is made on the object as
//! it is once that is done, so that what an old name of ours holds, and Git dropped, is drift like anything else.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::{Guard, PatchStep, Verb, Write};
use crate::path::FieldPath;
use crate::policy::Conflicts;
use crate::resource::Resource;
use crate::ssa::{FieldSet, ManagedEntry, ManagedFields, Operation};
use crate::state::Handover;
use crate::value::{Draft, Value, ValueRef};

use super::adapt::{Scaled, adapt};
use super::forgotten;
use super::handing;
use super::mask::{self, Seen};
use super::owned::entries;
use super::subject::Subject;
use super::versions::Versions;
use super::{Context, stamp};

/// One change of who owns what. No value changes by it, tracking ids apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Repair {
    /// Entries of versions that the CRD no longer declares name the version that is applied: while one is left, every
    /// apply fails, and any other write drops the entries of everybody (rule 22).
    Rewrite {
        /// The versions that are gone, such as `example.org/v1alpha1`.
        from: Vec<Arc<str>>,
    },
    /// Our entry gets the name under which we apply now (rule 24).
    Rename {
        /// The names it had.
        from: Vec<Arc<str>>,
    },
    /// Another application gives the object away: its entry gets our name, and the tracking id becomes ours, in one
    /// patch (rule 32).
    HandOver {
        /// That application.
        from: Arc<str>,
    },
    /// Another tool held the object, or nobody: what of its ownership is meant moves to our entry, its marks go, and the
    /// object gets our tracking id, in one patch (rules 21 and 32).
    Adopt {
        /// Who held it; `None` where nothing says that anybody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Arc<str>>,
    },
    /// What our name wrote otherwise becomes part of our Apply entry (rule 19).
    Fold,
    /// Fields that are left alone leave our entry: the next apply without them leaves their values (rule 15).
    Release {
        /// The fields.
        fields: Vec<FieldPath>,
    },
    /// Fields that were applied and Git dropped become ours alone, so that the next apply removes them (rule 21).
    TakeOver {
        /// The fields.
        fields: Vec<FieldPath>,
        /// From whom; nobody where nobody owned them any more.
        from: Vec<Arc<str>>,
    },
    /// Our tracking id and all our entries go: the object is nobody's (rule 32).
    Orphan,
}

/// The write that repairs the ownership of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mending {
    /// The patch, for exactly the object that was read.
    pub write: Write,
    /// What it does, in order.
    pub repairs: Vec<Repair>,
    pub(super) before: ManagedFields,
    pub(super) after: ManagedFields,
}

impl Mending {
    /// Returns whether the answer to the write shows what was asked for. A server that cannot read an entry drops them
    /// all, and says 200 all the same (recorded).
    #[must_use]
    pub fn is_done_in(&self, answer: &Resource) -> bool {
        let Ok(found) = ManagedFields::read(answer) else { return false };
        // Of an applier the version is no part of the key, and may be all that changes.
        let is = |one: &ManagedEntry, other: &ManagedEntry| {
            one.key() == other.key() && one.api_version == other.api_version && one.fields == other.fields
        };
        let has = |managed: &ManagedFields, wanted: &ManagedEntry| managed.entries().iter().any(|e| is(e, wanted));
        let made = self.after.entries().iter().filter(|entry| !has(&self.before, entry));
        let gone = self.before.entries().iter().filter(|entry| !has(&self.after, entry));
        let is_dropped = found.is_empty() && !self.after.is_empty();
        !is_dropped
            && made.into_iter().all(|entry| has(&found, entry))
            && gone.into_iter().all(|entry| !has(&found, entry))
    }
}

impl fmt::Display for Mending {
    /// Line by line: whose entries hold how many fields before and after, and which marks go and come.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.before.entries().iter().chain(self.after.entries());
        let keys: BTreeSet<_> = entries.map(ManagedEntry::key).collect();
        for key in keys {
            let of = |managed: &ManagedFields| managed.entries().iter().find(|entry| entry.key() == key).cloned();
            let (before, after) = (of(&self.before), of(&self.after));
            let fields = |entry: Option<ManagedEntry>| entry.map(|entry| entry.fields).unwrap_or_default();
            let (before, after) = (fields(before), fields(after));
            if before != after {
                let (manager, operation) = (&key.manager, key.operation);
                writeln!(f, "`{manager}` ({operation}): {} → {} fields", before.len(), after.len())?;
            }
        }
        let Verb::Patch { steps, .. } = &self.write.verb else { return Ok(()) };
        for step in steps {
            match step {
                PatchStep::Set(path, _) if path.meets(&["metadata", "managedFields"]) => {}
                PatchStep::Set(path, value) => {
                    writeln!(f, "sets `{path}` to `{}`", value.root().as_str().unwrap_or(""))?
                }
                PatchStep::Remove(path) => writeln!(f, "removes `{path}`")?,
            }
        }
        Ok(())
    }
}

/// Returns the write that must come before `declared` is applied over `live`; `None` if there is nothing to repair.
#[must_use]
pub fn repair(declared: &Resource, live: &Resource, context: &Context<'_>, scaled: Scaled) -> Option<Mending> {
    let manager = context.owner.manager();
    let before = ManagedFields::read(live).ok()?;
    let (mended, mut repairs) = mended(live, declared, context, &manager).unwrap_or_else(|| (live.clone(), Vec::new()));
    let adapted = adapt(declared, Some(&mended), context, scaled);
    let fields = adapted.as_ref().map(super::Adapted::released).unwrap_or_default();
    if !fields.is_empty() {
        repairs.push(Repair::Release { fields });
    }
    // Not what an apply would be sent for, but what it would leave behind.
    let Subject { wanted, live: left, kept, .. } = Subject::of(declared, &mended, context, &manager, scaled);
    let of = context.model.schema(&declared.key().group_kind, declared.version());
    let entry = context.inventory.get(live.key());
    let wanted = stamp(&wanted, context.owner);
    let found = forgotten::find(&wanted, &left, of, entry, &kept, Seen::of(&wanted, &left, context.rules), context);
    repairs.extend(found.takes(live, &manager));
    if repairs.is_empty() {
        return None;
    }
    // Once again on the entries: what is sent of the object does not matter here.
    let mut after = ManagedFields::read(&mended).ok()?;
    if let Some(adapted) = &adapted {
        after = after.release(&manager, &adapted.release);
    }
    if let Some(taken) = found.taken(&after, &manager, declared.api_version(), context.conflicts) {
        after = taken;
    }
    let mut steps = vec![PatchStep::Set(FieldPath::fields(&["metadata", "managedFields"]), entries_value(&after))];
    if let Some(given) = context.inventory.receives(live) {
        steps.extend(handing::marking(live, declared, given, context));
    }
    let write = Write::patch(live.key(), declared.version(), steps, &manager).guarded(Guard::exactly(live));
    Some(Mending { write, repairs, before, after })
}

/// Returns the object with entries that the next apply can work with: of versions that are there, under our name, and
/// one of us. `None` if they are like that.
pub(super) fn mended(
    live: &Resource,
    declared: &Resource,
    context: &Context<'_>,
    manager: &str,
) -> Option<(Resource, Vec<Repair>)> {
    let given = context.inventory.receives(live);
    let due = Due { manager, given, context, versions: Versions::of(declared, context.model) };
    if given.is_none() && !entries(live).into_iter().flatten().any(|entry| due.is_for(entry)) {
        return None;
    }
    let (mut managed, mut repairs) = (ManagedFields::read(live).ok()?, Vec::new());
    let gone: BTreeSet<Arc<str>> = managed.entries().iter().map(|entry| Arc::clone(&entry.api_version)).collect();
    let gone: Vec<Arc<str>> = gone.into_iter().filter(|version| due.versions.is_gone(version)).collect();
    if !gone.is_empty() {
        managed = due.versions.rewrite(&managed, declared.api_version());
        repairs.push(Repair::Rewrite { from: gone });
    }
    let applied = managed.entries().iter().filter(|entry| entry.operation == Operation::Apply);
    let names: BTreeSet<Arc<str>> = applied.map(|entry| Arc::clone(&entry.manager)).collect();
    let names: Vec<Arc<str>> = names.into_iter().filter(|name| due.is_former(name)).collect();
    for name in &names {
        managed = managed.rename(name, manager);
    }
    if let Some(given) = given {
        managed = handing::migrated(&managed, live, declared, given, context);
        repairs.push(handing::repair(live, given));
    } else if !names.is_empty() {
        repairs.push(Repair::Rename { from: names });
    }
    let folded = managed.fold_updates(manager);
    if folded != managed {
        managed = folded;
        repairs.push(Repair::Fold);
    }
    (!repairs.is_empty()).then(|| (managed.write_to(live), repairs))
}

/// Entries as a patch sends them. An empty list counts as that of a client that knows no entries, and is ignored; only
/// one empty entry asks for none (recorded).
pub(super) fn entries_value(managed: &ManagedFields) -> Value {
    if managed.is_empty() { Draft::List(vec![Draft::map()]).freeze() } else { managed.to_value() }
}

/// What an entry is looked at for.
struct Due<'a> {
    manager: &'a str,
    /// Who gives the object away, if anybody does.
    given: Option<&'a Handover>,
    context: &'a Context<'a>,
    versions: Versions<'a>,
}

impl Due<'_> {
    /// Looked at in place: nearly every object has nothing of the kind.
    fn is_for(&self, entry: ValueRef<'_>) -> bool {
        let text = |field: &str| entry.get(field).and_then(ValueRef::as_str).unwrap_or_default();
        let is_main = entry.get("subresource").is_none();
        let by_name = match text("operation") {
            "Apply" => self.is_former(text("manager")),
            "Update" => text("manager") == self.manager,
            _ => false,
        };
        (is_main && by_name) || self.versions.is_gone(text("apiVersion"))
    }

    fn is_former(&self, name: &str) -> bool {
        let Context { inventory, conflicts, .. } = self.context;
        let is_given = || self.given.is_some_and(|given| given.managers.contains(name));
        let is_ours = || conflicts.is_former(name) || inventory.managers.iter().any(|used| **used == *name);
        name != self.manager && (is_given() || is_ours())
    }
}

impl forgotten::Forgotten {
    /// What is taken over, as people read it.
    pub(super) fn takes(&self, live: &Resource, manager: &str) -> Option<Repair> {
        if self.take.is_empty() {
            return None;
        }
        let fields = self.changes.iter().map(|change| mask::nameable(live.key(), &change.path)).collect();
        let owners = self.changes.iter().flat_map(|change| &change.owners).map(|owner| Arc::clone(&owner.manager));
        let from: BTreeSet<Arc<str>> = owners.filter(|owner| **owner != *manager).collect();
        Some(Repair::TakeOver { fields, from: from.into_iter().collect() })
    }

    /// Takes over what an apply would leave behind: it leaves the entries of hands and enters ours. What they hold beyond
    /// stays with them, and so do the entries of everybody else.
    pub(super) fn taken(
        &self,
        managed: &ManagedFields,
        manager: &str,
        api_version: &str,
        conflicts: &Conflicts,
    ) -> Option<ManagedFields> {
        if self.take.is_empty() {
            return None;
        }
        let is_ours = |entry: &ManagedEntry| {
            &*entry.manager == manager && entry.operation == Operation::Apply && entry.subresource.is_none()
        };
        let left = managed.entries().iter().filter_map(|entry| {
            let gives = !is_ours(entry) && conflicts.gives_way(entry);
            let fields: FieldSet = if gives { entry.fields.difference(&self.take) } else { entry.fields.clone() };
            (!fields.is_empty()).then(|| ManagedEntry { fields, ..entry.clone() })
        });
        Some(ManagedFields::new(left).claim(manager, api_version, &self.take))
    }
}

/// ``takes `data.b` from `kubectl-edit` ``
impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rewrite { from } => {
                write!(f, "moves the ownership of everybody from {} to this version", list(from))
            }
            Self::Rename { from } => write!(f, "takes the place of {}", list(from)),
            Self::Orphan => f.write_str("stays, and is nobody's"),
            Self::HandOver { from } => {
                write!(f, "takes it over from application `{from}`")
            }
            Self::Adopt { from: Some(from) } => write!(f, "takes it over from {from}"),
            Self::Adopt { from: None } => f.write_str("makes it ours"),
            Self::Fold => f.write_str("folds what we wrote otherwise into what we apply"),
            Self::Release { fields } => write!(f, "gives up {}", list(fields)),
            Self::TakeOver { fields, from } if from.is_empty() => {
                write!(f, "claims {}, to remove it", list(fields))
            }
            Self::TakeOver { fields, from } => write!(f, "takes {} from {}, to remove it", list(fields), list(from)),
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::tests::{object, us};
    use crate::model::ApiModel;
    use crate::state::Inventory;

    const DESIRED: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}"#;

    fn live(entries: &str) -> Resource {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c","uid":"1","resourceVersion":"7",
                "managedFields":[{entries}]}},"data":{{"a":"1","b":"2"}}}}"#
        ))
    }

    fn entry(manager: &str, operation: &str, fields: &str) -> String {
        format!(
            r#"{{"manager":"{manager}","operation":"{operation}","apiVersion":"v1","fieldsType":"FieldsV1",
                "fieldsV1":{{"f:data":{{{fields}}}}}}}"#
        )
    }

    fn mend(entries: &str) -> Option<Mending> {
        let (model, owner) = (ApiModel::builtin(), us());
        let inventory = Inventory::default().applying_as("gitops:before");
        repair(&object(DESIRED), &live(entries), &Context::new(&model, &owner, &inventory), Scaled::No)
    }

    #[test]
    fn a_name_that_the_ledger_remembers_is_ours_and_becomes_the_one_we_have() {
        let entries = [entry("gitops:before", "Apply", r#""f:a":{}"#), entry("gitops:shop", "Apply", r#""f:b":{}"#)];
        let mending = mend(&entries.join(",")).unwrap();
        assert_eq!(mending.repairs, [Repair::Rename { from: vec!["gitops:before".into()] }]);
        let ours = mending.after.applied_by("gitops:shop").unwrap();
        assert_eq!((ours.fields.to_string(), mending.after.entries().len()), ("data.a, data.b".to_owned(), 1));
        // What somebody else of that name updates is theirs, and what is right is left alone.
        for entries in [entry("gitops:before", "Update", r#""f:a":{}"#), entry("gitops:shop", "Apply", r#""f:a":{}"#)] {
            assert_eq!(mend(&entries), None, "{entries}");
        }
    }

    #[test]
    fn an_answer_that_dropped_everything_or_kept_the_version_that_is_gone_does_not_count() {
        let of = |version: &str| entry("x", "Apply", r#""f:a":{}"#).replace(r#""apiVersion":"v1""#, version);
        let managed = |entries: &str| ManagedFields::read(&live(entries)).unwrap();
        let (old, new) = (of(r#""apiVersion":"v1alpha1""#), of(r#""apiVersion":"v1""#));
        let write = Write::patch(object(DESIRED).key(), "v1", Vec::new(), "us");
        let from = vec!["v1alpha1".into()];
        let mending =
            Mending { write, repairs: vec![Repair::Rewrite { from }], before: managed(&old), after: managed(&new) };
        for (answer, is_done) in [(&*new, true), (&*old, false), ("", false)] {
            assert_eq!(mending.is_done_in(&live(answer)), is_done, "{answer}");
        }
    }

    #[test]
    fn an_object_that_nobody_owns_any_more_is_patched_with_the_one_entry_that_clears_them() {
        assert_eq!(entries_value(&ManagedFields::default()).to_json(), "[{}]");
    }

    #[test]
    fn only_an_answer_that_shows_the_change_counts() {
        let before = [entry("gitops:shop", "Update", r#""f:a":{}"#), entry("x", "Update", r#""f:b":{}"#)].join(",");
        let mending = mend(&before).unwrap();
        assert_eq!(mending.repairs, [Repair::Fold]);
        let folded = entry("gitops:shop", "Apply", r#""f:a":{}"#);
        let with_time = folded.replace(r#""apiVersion""#, r#""time":"2026-03-01T12:00:00Z","apiVersion""#);
        for (answer, is_done) in [
            (format!("{with_time},{}", entry("x", "Update", r#""f:b":{}"#)), true),
            (before.clone(), false),
            (String::new(), false),
            (format!("{folded},{}", entry("gitops:shop", "Update", r#""f:a":{}"#)), false),
        ] {
            assert_eq!(mending.is_done_in(&live(&answer)), is_done, "{answer}");
        }
    }
}
