//! The hearing of rules under way: which fields each names, and what is sent, compared and released for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::TypeRef;
use crate::path::{FieldPath, Segment};
use crate::policy::ignore::{OnCreate, Rule, Selector, is_of_identity};
use crate::resource::{Resource, SERVER_SET};
use crate::ssa::{FieldSet, ManagedFields};
use crate::value::Draft;

use super::adapt::{Adapted, Ignored, IgnoredBy};
use super::carry::{Carrying, Side, order};
use super::places::{Places, Putting, Typed, without};

/// A declared object beside a live one, and what was named so far.
pub(super) struct Adapting<'a> {
    desired: &'a Resource,
    live: Option<&'a Resource>,
    /// Where fields of both are.
    ours: Places<'a>,
    theirs: Option<Places<'a>>,
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

impl<'a> Adapting<'a> {
    /// Types places of the declared object.
    pub(super) fn declared(&self, places: &[FieldPath]) -> Vec<Typed> {
        places.iter().filter_map(|place| Typed::of(place, &self.ours)).collect()
    }

    /// `mine`: what our entry owns.
    pub(super) fn new(desired: &'a Resource, live: Option<&'a Resource>, root: TypeRef<'a>, mine: FieldSet) -> Self {
        let (fields, omitted) = (FieldSet::new(), FieldSet::new());
        let (ours, theirs) = (Places::of(desired.tree(), root), live.map(|live| Places::of(live.tree(), root)));
        let (within, ignored) = (BTreeSet::new(), Vec::new());
        Self { desired, live, ours, theirs, root, mine, fields, omitted, within, ignored }
    }

    pub(super) fn follow(&mut self, place: usize, rule: &Rule) {
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
            let sides =
                [(Some(self.desired), Some(&self.ours), &mut ours), (self.live, self.theirs.as_ref(), &mut theirs)];
            for (object, tree, found) in sides {
                let (Some(object), Some(tree)) = (object, tree) else { continue };
                match places(selector, object) {
                    Ok(places) => found.extend(places.iter().filter_map(|place| Typed::of(place, tree))),
                    Err(why) => note = Some(Arc::from(format!("{selector} {why}"))),
                }
            }
        }
        self.leave(IgnoredBy::Rule(place), ours, theirs, rule.on_create, note);
    }

    pub(super) fn leave(
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

    pub(super) fn finish(mut self, manager: &str, marked: &FieldSet) -> Option<Adapted> {
        if self.ignored.iter().all(|ignored| ignored.fields.is_empty() && ignored.note.is_none()) {
            return None;
        }
        self.let_dropped_items_go();
        self.tell_what_goes_whole();
        let (there, missing): (FieldSet, FieldSet) = self.by_presence();
        // Rule 14: what the cluster does not have is left alone like what it has, or the next apply, for whatever other
        // reason, would put back what no comparison tells of.
        let missing = self.unneeded(&missing).union(&missing.intersection(&self.omitted));
        let compared = self.desired_without(&there.union(&missing));
        let (compared, has_parts) = self.with_live_parts(compared);
        let at_risk = self.at_risk(&there, &compared);
        let sent = self.with_live(&compared, &at_risk);
        let release = self.owned(&there.difference(&at_risk), marked);
        let (whole, _) = self.with_live_parts(self.desired_without(&missing));
        let replacement = self.with_live(&whole, &there);
        let given_up = self.owned(&there, marked);
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
            let is_declared = |item: &FieldPath| self.ours.has(item);
            items.any(|item| self.mine.contains(&item) && !is_declared(&item) && !is_kept(&item))
        };
        let gone: FieldSet = self.fields.iter().filter(goes).collect();
        if gone.is_empty() {
            return;
        }
        self.fields = self.fields.difference(&gone);
        for ignored in &mut self.ignored {
            if let Some(field) = ignored.fields.iter().find(|field| gone.contains(field)) {
                let text = format!("Git no longer declares the item with `{field}`, which goes with it");
                ignored.note.get_or_insert(text.into());
            }
            ignored.fields.retain(|field| !gone.contains(field));
        }
    }

    /// A value that is owned as a whole goes as a whole when Git drops it, as rule 17 has it: nothing of it can be
    /// released apart. That is said, since the rule names something in it.
    fn tell_what_goes_whole(&mut self) {
        let Some(live) = &self.theirs else { return };
        for (whole, ..) in &self.within {
            if self.ours.has(whole) || !self.mine.contains(whole) || !live.has(whole) {
                continue;
            }
            let named = |ignored: &&mut Ignored| ignored.fields.iter().any(|field| whole.contains(field));
            if let Some(ignored) = self.ignored.iter_mut().find(named) {
                let text = format!(
                    "Git no longer declares `{whole}`, which goes as a whole, with the field in it; name `{whole}` to keep it"
                );
                ignored.note.get_or_insert(text.into());
            }
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
        let is_there = |path: &FieldPath| self.theirs.as_ref().is_some_and(|live| live.has(path));
        let (there, missing): (Vec<_>, Vec<_>) = self.fields.iter().partition(is_there);
        (there.into_iter().collect(), missing.into_iter().collect())
    }

    /// Of what is missing, all but what a list item or map that has to be made anew gets of Git (rule 13).
    fn unneeded(&self, missing: &FieldSet) -> FieldSet {
        let Some(live) = &self.theirs else { return FieldSet::new() };
        let rest = self.desired_without(&self.fields);
        let rest = Places::of(rest.tree(), self.root);
        let is_unneeded = |path: &FieldPath| {
            let absent = parents(path).find(|parent| !live.has(parent));
            absent.is_none_or(|absent| !rest.has(&absent))
        };
        missing.iter().filter(is_unneeded).collect()
    }

    fn desired_without(&self, fields: &FieldSet) -> Resource {
        let left = without(self.desired.tree(), self.root, fields, &self.mine);
        // What makes it an object is never ignored.
        left.and_then(|left| Resource::new(left.freeze()).ok()).unwrap_or_else(|| self.desired.clone())
    }

    /// Puts the live parts of values that are sent as a whole into `object`; says whether there are any.
    fn with_live_parts(&mut self, object: Resource) -> (Resource, bool) {
        let Some(live) = self.theirs.as_ref().filter(|_| !self.within.is_empty()) else { return (object, false) };
        let here = Places::of(object.tree(), self.root);
        let mut carrying = Carrying::new();
        let mut draft = object.tree().to_draft();
        let (mut carries, mut unclear) = (false, BTreeSet::new());
        let mut within: Vec<_> = self.within.iter().collect();
        within.sort_by_key(|(_, inner, side)| order(inner, *side));
        for (whole, inner, side) in within {
            let (Some((place, _)), Some((_, live))) = (here.locate(whole), live.locate(whole)) else { continue };
            let Some(value) = descend(&mut draft, &place) else { continue };
            carries = true;
            if carrying.carry(whole, value, live, inner, *side).is_err() {
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
        drop(here);
        (Resource::new(draft.freeze()).unwrap_or(object), carries)
    }

    /// Puts `fields` into an object as they are live.
    fn with_live(&self, object: &Resource, fields: &FieldSet) -> Resource {
        let Some(live) = self.theirs.as_ref().filter(|_| !fields.is_empty()) else { return object.clone() };
        let edited = object.edit(|draft| {
            let mut putting = Putting::into(draft);
            for path in fields.iter() {
                if let Some((_, value)) = live.locate(&path) {
                    putting.put(self.root, &path, value);
                }
            }
        });
        edited.unwrap_or_else(|_| object.clone())
    }

    /// What of `fields` our entry owns; what only we write, `marked`, stays ours.
    fn owned(&self, fields: &FieldSet, marked: &FieldSet) -> FieldSet {
        self.mine.recursive_intersection(fields).difference(marked)
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
        Selector::Path(pattern) => pattern.places(object.tree()).map_err(|error| error.to_string()),
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
