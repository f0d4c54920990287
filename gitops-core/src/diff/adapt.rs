//! What of a declared object is compared and sent, where rules say what is left alone. Rules 13 to 17 of the exact rules.
//!
//! Both a comparison and an apply go by the same [`Adapted`], so a rule never hides what an apply would change.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::cluster::{Guard, PatchStep, Write};
use crate::model::{KindFacts, TypeRef};
use crate::path::{FieldPath, Segment};
use crate::policy::ignore::{OnCreate, Rule, Selector, is_of_identity};
use crate::resource::{Resource, SERVER_SET};
use crate::ssa::{FieldSet, ManagedFields};
use crate::state::OPERATION_ANNOTATION;
use crate::value::Draft;

use super::dropped;
use super::places::{Absent, Side, Typed, carry, locate, order, put, without};
use super::{Change, Context};

/// A declared object beside a live one, once the rules have been heard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Adapted {
    /// What an apply sends, tracking id aside. What is ignored and on the cluster is not in it; within values that are
    /// sent as a whole, it is there as the cluster has it.
    pub sent: Resource,
    /// What is compared: the same without what is ignored and not on the cluster.
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

/// Says what of a declared object is compared with and sent to the cluster. `None` if nothing of it is ignored.
#[must_use]
pub fn adapt(desired: &Resource, live: Option<&Resource>, context: &Context<'_>, scaled: Scaled) -> Option<Adapted> {
    let mut rules = context.rules.of(desired).peekable();
    if rules.peek().is_none() && scaled == Scaled::No && !dropped::is_kept(desired) {
        return None;
    }
    let root = context.model.schema(&desired.key().group_kind, desired.version());
    let manager = context.owner.manager();
    let managed = live.map(ManagedFields::read).transpose();
    let unreadable =
        managed.as_ref().err().map(|error| format!("{error}; nothing of it is left alone until that is repaired"));
    let managed = managed.ok().flatten().unwrap_or_default();
    let mine = managed.applied_by(&manager).map(|entry| entry.fields.clone()).unwrap_or_default();
    let mut adapting = Adapting {
        mine,
        desired,
        live,
        root,
        fields: FieldSet::new(),
        omitted: FieldSet::new(),
        within: BTreeSet::new(),
        ignored: Vec::new(),
    };
    if let Some(note) = unreadable {
        // What cannot be released must be sent.
        let other = if scaled == Scaled::Yes { IgnoredBy::Autoscaler } else { IgnoredBy::OnRemove };
        let by = rules.next().map_or(other, |(place, _)| IgnoredBy::Rule(place));
        adapting.leave(by, Vec::new(), Vec::new(), OnCreate::Send, Some(note.into()));
        return adapting.finish(&manager, context.owner.annotation());
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
    if let Some(live) = live.filter(|_| dropped::is_kept(desired)) {
        let entry = context.inventory.get(live.key());
        let fields = dropped::fields(desired, live, root, &adapting.mine, entry, context.owner.annotation());
        adapting.leave(IgnoredBy::OnRemove, Vec::new(), fields, OnCreate::Send, None);
    }
    adapting.finish(&manager, context.owner.annotation())
}

struct Adapting<'a> {
    desired: &'a Resource,
    live: Option<&'a Resource>,
    root: TypeRef<'a>,
    /// What our entry owns.
    mine: FieldSet,
    /// What can be owned apart.
    fields: FieldSet,
    /// Of that, what a new object does not get.
    omitted: FieldSet,
    /// What lies within values that are owned as a whole.
    within: BTreeSet<(FieldPath, Vec<Segment>, Side)>,
    ignored: Vec<Ignored>,
}

impl Adapting<'_> {
    fn follow(&mut self, place: usize, rule: &Rule) {
        let mut note = None;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for selector in &rule.fields {
            if let Selector::OwnedBy(manager) = selector {
                let managed = self.live.and_then(|live| ManagedFields::read(live).ok()).unwrap_or_default();
                let entries = managed.entries().iter();
                let theirs_of = entries
                    .filter(|entry| manager.is(&entry.manager, entry.subresource.as_deref()))
                    .filter(|entry| &*entry.api_version == self.desired.api_version())
                    .flat_map(|entry| entry.fields.leaves().iter().collect::<Vec<_>>());
                theirs.extend(theirs_of.map(Typed::granular));
                continue;
            }
            for (object, found) in [(Some(self.desired), &mut ours), (self.live, &mut theirs)] {
                let Some(object) = object else { continue };
                match places(selector, object) {
                    Ok(places) => {
                        found.extend(places.iter().filter_map(|place| Typed::of(place, object.tree(), self.root)));
                    }
                    Err(why) => note = Some(Arc::from(format!("{selector} {why}"))),
                }
            }
        }
        self.leave(IgnoredBy::Rule(place), ours, theirs, rule.on_create, note);
    }

    fn leave(
        &mut self,
        by: IgnoredBy,
        ours: Vec<Typed>,
        theirs: Vec<Typed>,
        on_create: OnCreate,
        mut note: Option<Arc<str>>,
    ) {
        let (mut fields, mut whole) = (BTreeSet::new(), Vec::new());
        let sides = ours.into_iter().map(|typed| (typed, Side::Desired));
        for (typed, side) in sides.chain(theirs.into_iter().map(|typed| (typed, Side::Live))) {
            if is_of_server(&typed.path) || self.tells_a_secret(&typed.path) {
                continue;
            }
            if is_of_identity(&typed.path) || typed.is_key() {
                let text =
                    format!("`{}` makes the object or an item of it what it is, so it is not ignored", typed.path);
                note = Some(text.into());
                continue;
            }
            match typed.split() {
                Some((around, inner)) => drop(self.within.insert((around, inner, side))),
                None => whole.push(typed.path.clone()),
            }
            fields.insert(typed.path);
        }
        if on_create == OnCreate::Omit {
            self.omitted.extend(whole.iter().cloned());
        }
        self.fields.extend(whole);
        // In order, what lies below a field follows it.
        let mut outermost: Vec<FieldPath> = Vec::new();
        for field in fields {
            if outermost.last().is_none_or(|last| !last.contains(&field)) {
                outermost.push(field);
            }
        }
        self.ignored.push(Ignored { by, fields: outermost, hidden: Vec::new(), note });
    }

    /// Whether a path names an item of a Secret's data by its value. No data that a server takes has items.
    fn tells_a_secret(&self, path: &FieldPath) -> bool {
        let is_data = |name: &str| FieldPath::fields(&[name]).contains(path);
        self.desired.key().is("", "Secret")
            && (is_data("data") || is_data("stringData"))
            && path.segments().iter().any(|segment| !matches!(segment, Segment::Field(_)))
    }

    fn finish(mut self, manager: &str, annotation: &str) -> Option<Adapted> {
        if self.ignored.iter().all(|ignored| ignored.fields.is_empty() && ignored.note.is_none()) {
            return None;
        }
        self.let_dropped_items_go();
        let (there, missing): (FieldSet, FieldSet) = self.by_presence();
        let sent = self.desired_without(&there.union(&missing.intersection(&self.omitted)));
        let compared = self.desired_without(&there.union(&self.unneeded(&missing)));
        let (sent, _) = self.with_live_parts(sent, Absent::Keep);
        let (compared, has_parts) = self.with_live_parts(compared, Absent::Drop);
        let at_risk = self.at_risk(&there, &sent);
        let sent = self.with_live(&sent, &at_risk);
        let release = self.owned(&there.difference(&at_risk), annotation);
        let (whole, _) = self.with_live_parts(self.desired.clone(), Absent::Keep);
        let replacement = self.with_live(&whole, &there);
        let given_up = self.owned(&there, annotation);
        let live = self.live.map(|live| match ManagedFields::read(live) {
            Ok(managed) if !given_up.is_empty() => managed.release(manager, &given_up).write_to(live),
            _ => live.clone(),
        });
        let carries = has_parts || !at_risk.is_empty();
        Some(Adapted { sent, compared, replacement, live, release, carries, ignored: self.ignored })
    }

    /// An item that Git drops goes with all that is in it: no rule says that the item itself stays.
    fn let_dropped_items_go(&mut self) {
        let goes = |path: &FieldPath| {
            let mut items = parents(path).filter(|parent| !matches!(parent.segments().last(), Some(Segment::Field(_))));
            let is_kept = |item: &FieldPath| {
                self.fields.contains(item) || parents(item).any(|parent| self.fields.contains(&parent))
            };
            let is_declared = |item: &FieldPath| locate(item, self.desired.tree(), self.root).is_some();
            items.any(|item| self.mine.contains(&item) && !is_declared(&item) && !is_kept(&item))
        };
        let gone: FieldSet = self.fields.iter().filter(goes).collect();
        if gone.is_empty() {
            return;
        }
        self.fields = self.fields.difference(&gone);
        for ignored in &mut self.ignored {
            ignored.fields.retain(|field| !gone.contains(field));
        }
    }

    /// Of what is left alone, what an apply without it would take away: it drops the last other field that we own of a
    /// map, and with it goes the map, whoever wrote the rest (structured-merge-diff, `EnsureNamedFieldsAreMembers`).
    /// These are sent as they are live, and stay ours until the next apply.
    fn at_risk(&self, there: &FieldSet, sent: &Resource) -> FieldSet {
        let Ok(sent) = FieldSet::of(sent.tree(), self.root) else { return FieldSet::new() };
        let rest = self.mine.recursive_difference(there);
        let is_at_risk = |path: &FieldPath| {
            let maps = parents(path).filter(|parent| matches!(parent.segments().last(), Some(Segment::Field(_))));
            maps.into_iter().any(|map| rest.touches(&map) && !sent.touches(&map))
        };
        there.iter().filter(is_at_risk).collect()
    }

    /// What is ignored and on the cluster, and what is ignored and not.
    fn by_presence(&self) -> (FieldSet, FieldSet) {
        let is_there = |path: &FieldPath| self.live.is_some_and(|live| locate(path, live.tree(), self.root).is_some());
        let (there, missing): (Vec<_>, Vec<_>) = self.fields.iter().partition(is_there);
        (there.into_iter().collect(), missing.into_iter().collect())
    }

    /// Of what is missing, all but what a list item or map that has to be made anew gets of Git (rule 13).
    fn unneeded(&self, missing: &FieldSet) -> FieldSet {
        let Some(live) = self.live else { return FieldSet::new() };
        let rest = self.desired_without(&self.fields);
        let is_unneeded = |path: &FieldPath| {
            let absent = parents(path).find(|parent| locate(parent, live.tree(), self.root).is_none());
            absent.is_none_or(|absent| locate(&absent, rest.tree(), self.root).is_none())
        };
        missing.iter().filter(is_unneeded).collect()
    }

    fn desired_without(&self, fields: &FieldSet) -> Resource {
        let left = without(self.desired.tree(), self.root, fields, &self.mine);
        // What makes it an object is never ignored.
        left.and_then(|left| Resource::new(left.freeze()).ok()).unwrap_or_else(|| self.desired.clone())
    }

    /// Puts the live parts of values that are sent as a whole into `object`; says whether there are any.
    fn with_live_parts(&mut self, object: Resource, absent: Absent) -> (Resource, bool) {
        let Some(live) = self.live.filter(|_| !self.within.is_empty()) else { return (object, false) };
        let mut draft = object.tree().to_draft();
        let (mut carries, mut unclear) = (false, BTreeSet::new());
        let mut within: Vec<_> = self.within.iter().collect();
        within.sort_by_key(|(_, inner, side)| order(inner, *side));
        for (whole, inner, side) in within {
            let ours = locate(whole, object.tree(), self.root);
            let theirs = locate(whole, live.tree(), self.root);
            let (Some((place, _)), Some((_, live))) = (ours, theirs) else { continue };
            let Some(value) = descend(&mut draft, &place) else { continue };
            carries = true;
            if carry(value, live, inner, *side, absent).is_err() {
                unclear.insert(whole.clone());
            }
        }
        for whole in unclear {
            let text = format!(
                "the items of `{whole}` cannot be told apart, so Git's value is sent; give each a unique name, key or id"
            );
            let of = |ignored: &&mut Ignored| ignored.fields.iter().any(|field| whole.contains(field));
            if let Some(ignored) = self.ignored.iter_mut().find(of) {
                ignored.note = Some(text.into());
            }
        }
        (Resource::new(draft.freeze()).unwrap_or(object), carries)
    }

    /// Puts `fields` into an object as they are live.
    fn with_live(&self, object: &Resource, fields: &FieldSet) -> Resource {
        let Some(live) = self.live.filter(|_| !fields.is_empty()) else { return object.clone() };
        let edited = object.edit(|draft| {
            for path in fields.iter() {
                if let Some((_, value)) = locate(&path, live.tree(), self.root) {
                    put(draft, self.root, &path, value);
                }
            }
        });
        edited.unwrap_or_else(|_| object.clone())
    }

    /// What of `fields` our entry owns; what only we write stays ours.
    fn owned(&self, fields: &FieldSet, annotation: &str) -> FieldSet {
        let of_engine =
            [annotation, OPERATION_ANNOTATION].map(|name| FieldPath::fields(&["metadata", "annotations", name]));
        self.mine.recursive_intersection(fields).difference(&of_engine.iter().collect())
    }
}

/// The paths of everything around a field, outermost first.
fn parents(path: &FieldPath) -> impl Iterator<Item = FieldPath> {
    (1..path.segments().len()).map(|length| path.segments().iter().take(length).cloned().collect())
}

/// Whether only a server sets it; that is never compared.
fn is_of_server(path: &FieldPath) -> bool {
    SERVER_SET.iter().any(|name| FieldPath::fields(&["metadata", name]).contains(path))
}

fn places(selector: &Selector, object: &Resource) -> Result<Vec<FieldPath>, String> {
    match selector {
        Selector::Path(pattern) => Ok(pattern.places(object.tree())),
        #[cfg(feature = "jq")]
        Selector::Jq(program) => program.places(object.tree()).map_err(|error| error.to_string()),
        Selector::OwnedBy(_) => Ok(Vec::new()),
    }
}

fn descend<'d>(draft: &'d mut Draft, place: &[Segment]) -> Option<&'d mut Draft> {
    place.iter().try_fold(draft, |at, segment| match (segment, at) {
        (Segment::Field(name), Draft::Map(map)) => map.get_mut(&**name),
        (Segment::Index(index), Draft::List(items)) => items.get_mut(*index as usize),
        _ => None,
    })
}

impl Adapted {
    /// Notes which differences the rules hid: those that there would be without the rules, and are not there with them.
    pub(super) fn hide(&mut self, without: Vec<Change>, with: &[Change]) {
        let hidden = without
            .into_iter()
            .filter(|change| !with.iter().any(|other| other.path == change.path && other.kind == change.kind));
        for change in hidden {
            for ignored in &mut self.ignored {
                if ignored.fields.iter().any(|field| field.contains(&change.path) || change.path.contains(field)) {
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
