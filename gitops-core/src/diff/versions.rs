//! Versions of a kind that a definition no longer declares, in entries of `metadata.managedFields`. Rule 22 of the exact
//! rules.

use std::collections::BTreeSet;

use crate::model::{ApiModel, Conversion, KindFacts, TypeRef};
use crate::path::Segment;
use crate::resource::{Resource, split_api_version};
use crate::ssa::ManagedFields;

/// Which versions of a kind there are.
pub(super) struct Versions<'a> {
    model: &'a ApiModel,
    declared: &'a Resource,
    /// Of a built-in kind the server itself passes over versions that it does not know.
    is_custom: bool,
}

impl<'a> Versions<'a> {
    pub(super) fn of(declared: &'a Resource, model: &'a ApiModel) -> Self {
        Self { model, declared, is_custom: model.definition(&declared.key().group_kind).is_some() }
    }

    pub(super) fn is_gone(&self, api_version: &str) -> bool {
        let kind = &self.declared.key().group_kind;
        let version = split_api_version(api_version).filter(|(group, _)| *group == &*kind.group);
        self.is_custom
            && self.model.declared_schema(kind, self.declared.version()).is_some()
            && version.is_some_and(|(_, version)| self.model.declared_schema(kind, version).is_none())
    }

    /// Rewrites the entries of everybody, those of subresources too. Where a webhook converts, what the version does not
    /// have is dropped: it has another name there, which only the webhook knows.
    pub(super) fn rewrite(&self, managed: &ManagedFields, api_version: &str) -> ManagedFields {
        let kind = &self.declared.key().group_kind;
        let versions = managed.entries().iter().map(|entry| &*entry.api_version);
        let there: BTreeSet<&str> = versions.filter(|version| !self.is_gone(version)).collect();
        let is_identity = match self.model.kind(kind) {
            KindFacts::Served(served) => served.conversion == Conversion::Identity,
            KindFacts::NotServed | KindFacts::Unknown => false,
        };
        if is_identity {
            return managed.move_versions(api_version, &there);
        }
        let of = self.model.schema(kind, self.declared.version());
        let known = managed.entries().iter().filter_map(|entry| {
            let mut entry = entry.clone();
            if self.is_gone(&entry.api_version) {
                entry.fields = entry.fields.iter().filter(|path| is_known(path.segments(), of)).collect();
            }
            (!entry.fields.is_empty()).then_some(entry)
        });
        ManagedFields::new(known).move_versions(api_version, &there)
    }
}

fn is_known(path: &[Segment], of: TypeRef<'_>) -> bool {
    if matches!(path.first(), Some(Segment::Field(name)) if matches!(&**name, "metadata" | "apiVersion" | "kind")) {
        return true;
    }
    let mut of = of;
    path.iter().all(|segment| {
        let known = of.is_deduced() || matches!(segment, Segment::Field(name) if of.allows(name)) || of.has_list();
        of = match segment {
            Segment::Field(name) => of.field(name),
            _ => of.element(),
        };
        known
    })
}
