//! What of a declared object is compared and sent, where rules say what is left alone. Rules 13 to 17 of the exact rules.
//!
//! Both a comparison and an apply go by the same [`Adapted`], so a rule never hides what an apply would change.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::cluster::{Guard, PatchStep, Write};
use crate::model::KindFacts;
use crate::path::FieldPath;
use crate::policy::Stance;
use crate::policy::ignore::OnCreate;
use crate::resource::Resource;
use crate::ssa::{FieldSet, ManagedFields};
use crate::state::{OPERATION_ANNOTATION, placeholders};

use super::adapting::Adapting;
use super::dropped;
use super::places::Typed;
use super::{Change, ChangeKind, Context};

/// A declared object beside a live one, once the rules have been heard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Adapted {
    /// What an apply sends, tracking id aside. Nothing that is ignored is in it, whether or not the cluster has it; within
    /// values that are sent as a whole, it is there as the cluster has it. New objects and new items get Git's value.
    pub sent: Resource,
    /// What is compared: the same without what is sent only so that it stays.
    pub compared: Resource,
    /// What replaces the live object: the declared one with all that is ignored as the cluster has it.
    pub replacement: Resource,
    /// The live object as it is once `release` is done.
    pub live: Option<Resource>,
    /// What must leave our entry before anything is applied: all that is ignored, on the cluster, and ours.
    pub release: FieldSet,
    /// Whether `sent` holds live values, so that it fits only the very version that was read.
    pub carries: bool,
    /// Which rule left what alone.
    pub ignored: Vec<Ignored>,
}

/// What one rule left alone of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Ignored {
    /// Who said so.
    pub by: IgnoredBy,
    /// The fields, with all below them.
    pub fields: Vec<FieldPath>,
    /// The differences in them, which are no drift.
    pub hidden: Vec<Change>,
    /// Why the rule was not followed to the letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Arc<str>>,
}

/// Who says that fields are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum IgnoredBy {
    /// The rule at this place of the rules in force, counted from 0.
    Rule(usize),
    /// An autoscaler that targets the object: its replicas (rules 17 and 20).
    Autoscaler,
    /// The annotation `gitops.rs/on-remove: keep` of the object: what Git no longer declares (rule 17).
    OnRemove,
    /// A placeholder in Git for a certificate that something on the cluster fills in (rule 2).
    Placeholder,
    /// The policy: its owner is one to whom fields are left (rule 20).
    Policy,
}

/// Whether an autoscaler targets an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Scaled {
    /// None does.
    #[default]
    No,
    /// One does: see [`super::autoscaled`].
    Yes,
}

/// Whether anything of a declared object may be left alone.
pub(crate) fn may_adapt(desired: &Resource, context: &Context<'_>, scaled: Scaled) -> bool {
    context.rules.of(desired).next().is_some()
        || scaled == Scaled::Yes
        || dropped::is_kept(desired)
        || !placeholders(desired).is_empty()
        || context.conflicts.yields()
}

/// Says what of a declared object is compared with and sent to the cluster. `None` if nothing of it is ignored.
#[must_use]
pub fn adapt(desired: &Resource, live: Option<&Resource>, context: &Context<'_>, scaled: Scaled) -> Option<Adapted> {
    if !may_adapt(desired, context, scaled) {
        return None;
    }
    let root = context.model.schema(&desired.key().group_kind, desired.version());
    let manager = context.owner.manager();
    let managed = live.map(ManagedFields::read).transpose();
    let unreadable =
        managed.as_ref().err().map(|error| format!("{error}; nothing of it is left alone until that is repaired"));
    let managed = managed.ok().flatten().unwrap_or_default();
    let mine = managed.applied_by(&manager).map(|entry| entry.fields.clone()).unwrap_or_default();
    let operation = FieldPath::fields(&["metadata", "annotations", OPERATION_ANNOTATION]);
    let marked: FieldSet = context.owner.marked().chain([operation]).collect();
    let mut adapting = Adapting::new(desired, live, root, mine.clone());
    let bundles = placeholders(desired);
    if !bundles.is_empty() {
        let bundles = adapting.declared(&bundles);
        adapting.leave(IgnoredBy::Placeholder, bundles, Vec::new(), OnCreate::Omit, None);
    }
    let mut rules = context.rules.of(desired);
    if let Some(note) = unreadable {
        // What cannot be released must be sent.
        let other = if scaled == Scaled::Yes { IgnoredBy::Autoscaler } else { IgnoredBy::OnRemove };
        let by = rules.next().map_or(other, |(place, _)| IgnoredBy::Rule(place));
        adapting.leave(by, Vec::new(), Vec::new(), OnCreate::Send, Some(note.into()));
        return adapting.finish(&manager, &marked);
    }
    for (place, rule) in rules {
        adapting.follow(place, rule);
    }
    if scaled == Scaled::Yes {
        let scale = match context.model.kind(&desired.key().group_kind) {
            KindFacts::Served(served) => served.scale.clone(),
            KindFacts::NotServed | KindFacts::Unknown => None,
        };
        let replicas = scale.map_or_else(|| FieldPath::fields(&["spec", "replicas"]), |scale| scale.spec_replicas);
        let fields = vec![Typed::granular(replicas)];
        adapting.leave(IgnoredBy::Autoscaler, fields, Vec::new(), OnCreate::Send, None);
    }
    if context.conflicts.yields() {
        let theirs = managed.entries().iter().filter(|entry| context.conflicts.towards(entry) == Stance::Yield);
        let theirs = theirs.filter(|entry| &*entry.api_version == desired.api_version());
        let fields: Vec<Typed> = theirs.flat_map(|entry| entry.fields.leaves().iter().map(Typed::granular)).collect();
        adapting.leave(IgnoredBy::Policy, Vec::new(), fields, OnCreate::Send, None);
    }
    if let Some(live) = live.filter(|_| dropped::is_kept(desired)) {
        let entry = context.inventory.get(live.key());
        let fields = dropped::fields(desired, live, root, &mine, entry, &marked);
        adapting.leave(IgnoredBy::OnRemove, Vec::new(), fields, OnCreate::Send, None);
    }
    adapting.finish(&manager, &marked)
}

impl Adapted {
    /// Notes which differences the rules hid: those that there would be without the rules, and are not there with them.
    pub(super) fn hide(&mut self, without: Vec<Change>, with: &[Change]) {
        let there: BTreeSet<(&FieldPath, ChangeKind)> = with.iter().map(|change| (&change.path, change.kind)).collect();
        for change in without.into_iter().filter(|change| !there.contains(&(&change.path, change.kind))) {
            for ignored in &mut self.ignored {
                // In order, and none below another: what is around the field comes right before it, what is below
                // right behind.
                let behind = ignored.fields.partition_point(|field| *field <= change.path);
                let (before, after) = ignored.fields.split_at_checked(behind).unwrap_or_default();
                if before.last().is_some_and(|field| field.contains(&change.path))
                    || after.first().is_some_and(|field| change.path.contains(field))
                {
                    ignored.hidden.push(change.clone());
                }
            }
        }
    }

    /// Writes the release: our entry without what is ignored, if the object is exactly as it was read.
    #[must_use]
    pub fn release_of(&self, live: &Resource, manager: &str) -> Option<Write> {
        let managed = ManagedFields::read(live).ok().filter(|_| !self.release.is_empty())?;
        let fields = managed.release(manager, &self.release).to_value();
        let step = PatchStep::Set(FieldPath::fields(&["metadata", "managedFields"]), fields);
        Some(Write::patch(live.key(), live.version(), vec![step], manager).guarded(Guard::exactly(live)))
    }

    /// What is released, by the outermost fields that the rules name.
    #[must_use]
    pub fn released(&self) -> Vec<FieldPath> {
        let named: BTreeSet<&FieldPath> = self.ignored.iter().flat_map(|ignored| &ignored.fields).collect();
        named.into_iter().filter(|field| self.release.touches(field)).cloned().collect()
    }
}
