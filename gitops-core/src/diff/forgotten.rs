//! What was applied before, is no longer declared, and would stay: an apply removes only what we alone own.
//!
//! Rules 11, 17 and 21 of the exact rules. That it was applied is known from our own entry, from the inventory, and,
//! before our first apply, from the annotation of client-side apply. Where nobody holds the field, or only somebody who
//! wrote it by hand, it is taken over and removed; what another applier holds stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Guard, PatchStep, Write};
use crate::model::{ListKind, TypeRef};
use crate::path::{FieldPath, Segment};
use crate::policy::Conflicts;
use crate::resource::{Resource, SERVER_SET};
use crate::ssa::{Duplicates, FieldSet, ManagedEntry, ManagedFields, Operation, Typed};
use crate::state::{ARGO_INSTALLATION_ANNOTATION, AppliedFields, Entry, OPERATION_ANNOTATION};
use crate::value::{Draft, Value, ValueRef};

use super::adapt::Scaled;
use super::equal::{Fill, fill, same};
use super::mask::{LAST_APPLIED, Seen};
use super::owned::{applied, key_field};
use super::step::{LONG, Step, plain_key};
use super::subject::Subject;
use super::trail::Trail;
use super::{Change, ChangeKind, ChangeReason, Context, Doubt, FieldOwner, Note, stamp};

/// What an apply alone would leave behind.
#[derive(Default)]
pub(super) struct Forgotten {
    pub(super) changes: Vec<Change>,
    pub(super) notes: Vec<Note>,
    /// What must enter our entry, so that an apply removes it.
    pub(super) take: FieldSet,
    /// The same field by field, as it is found: thousands may go at once.
    found: Vec<FieldSet>,
    /// Why there may be more.
    pub(super) doubt: Option<Doubt>,
}

/// Finds what an apply of `sent` would leave behind of what was applied before.
pub(super) fn find(
    sent: &Resource,
    live: &Resource,
    of: TypeRef<'_>,
    entry: Option<&Entry>,
    kept: &FieldSet,
    seen: Seen<'_>,
    context: &Context<'_>,
) -> Forgotten {
    let manager = &*context.owner.manager();
    let conflicts = context.conflicts;
    let (managed, doubt) = match ManagedFields::read(live) {
        Ok(managed) => (managed, None),
        // What was ours is still known from the inventory; who else holds it is not.
        Err(_) => (ManagedFields::default(), Some(Doubt::UnreadableOwnership)),
    };
    let mine = managed.applied_by(manager).map(|entry| entry.fields.clone());
    let before = remembered(live, of, applied(live, manager).is_some(), entry);
    let mine = mine.unwrap_or_default();
    let nothing = Forgotten { doubt, ..Forgotten::default() };
    let Some(wanted) = fields_of(sent.value(), of) else { return nothing };
    let mut ours = mine.union(&before);
    if sent.key().is("rbac.authorization.k8s.io", "ClusterRole") && sent.tree().get("aggregationRule").is_some() {
        // The aggregation controller writes them (rule 2).
        ours = ours.without(&FieldPath::fields(&["rules"]));
    }
    if ours.difference(&wanted).is_empty() {
        return nothing;
    }
    let search = Search { wanted, mine, managed, manager, kept, conflicts };
    let mut found = nothing;
    let mut trail = Trail::new(live, seen);
    search.below(&ours, live.tree(), of, &mut trail, &FieldPath::root(), &mut found);
    found.changes = trail.changes;
    found.take = FieldSet::union_of(std::mem::take(&mut found.found));
    found
}

/// Returns the write that makes what an apply left behind ours, so that the next apply removes it; `None` if there is
/// nothing of that. Values stay as they are, and so do the entries of others beyond these fields (rule 21).
#[must_use]
pub fn takeover(declared: &Resource, live: &Resource, context: &Context<'_>, scaled: Scaled) -> Option<Write> {
    let manager = context.owner.manager();
    let of = context.model.schema(&declared.key().group_kind, declared.version());
    let Subject { wanted, kept, .. } = Subject::of(declared, live, context, &manager, scaled);
    let sent = stamp(&wanted, context.owner);
    let entry = context.inventory.get(live.key());
    let found = find(&sent, live, of, entry, &kept, Seen::of(&sent, live, context.rules), context);
    let managed = ManagedFields::read(live).ok()?;
    // Without an entry of ours there was no apply that could have left something.
    managed.applied_by(&manager)?;
    let value = found.taken(&managed, &manager, declared.api_version(), context.conflicts)?.to_value();
    let step = PatchStep::Set(FieldPath::fields(&["metadata", "managedFields"]), value);
    Some(Write::patch(live.key(), live.version(), vec![step], &manager).guarded(Guard::exactly(live)))
}

/// Returns what the inventory should remember of an object that was just applied, or is about to be for the first time:
/// the fields of our entry, or of client-side apply.
#[must_use]
pub fn applied_fields(live: &Resource, context: &Context<'_>) -> Option<AppliedFields> {
    let manager = context.owner.manager();
    if let Some(entry) = applied(live, &manager) {
        return AppliedFields::of(entry.get("fieldsV1")?.as_map()?);
    }
    let of = context.model.schema(&live.key().group_kind, live.version());
    AppliedFields::of(last_applied(live, of)?.to_fields_v1().root().as_map()?)
}

/// Returns what the inventory should remember of an object that is replaced by what is declared, and not applied.
pub(crate) fn sent_fields(declared: &Resource, context: &Context<'_>) -> Option<AppliedFields> {
    let of = context.model.schema(&declared.key().group_kind, declared.version());
    let sent = stamp(declared, context.owner);
    AppliedFields::of(fields_of(sent.value(), of)?.to_fields_v1().root().as_map()?)
}

fn remembered(live: &Resource, of: TypeRef<'_>, applied: bool, entry: Option<&Entry>) -> FieldSet {
    // The entry must speak of this very object.
    let entry = entry.filter(|entry| entry.uid.is_some() && entry.uid.as_deref() == live.uid());
    let fields = entry.and_then(|entry| entry.fields.as_ref());
    let fields = fields.and_then(|fields| FieldSet::from_fields_v1(fields.to_fields_v1().root()).ok());
    let kubectls = if applied { None } else { last_applied(live, of) };
    fields.unwrap_or_default().union(&kubectls.unwrap_or_default())
}

/// What client-side apply wrote last. Lists are told apart by the keys of the schema, as its own strategic merge does.
pub(super) fn last_applied(live: &Resource, of: TypeRef<'_>) -> Option<FieldSet> {
    let last = Value::from_json(live.annotation(LAST_APPLIED)?.as_bytes()).ok()?;
    let text = |field: &str| last.root().get(field).and_then(ValueRef::as_str).unwrap_or_default();
    if text("apiVersion") != live.api_version() || text("kind") != live.key().kind() {
        return None;
    }
    fields_of(&last, of)
}

pub(super) fn fields_of(value: &Value, of: TypeRef<'_>) -> Option<FieldSet> {
    Typed::new(value.clone(), of, Duplicates::Allow).ok()?.field_set().ok()
}

fn is_ours(entry: &ManagedEntry, manager: &str) -> bool {
    &*entry.manager == manager && entry.operation == Operation::Apply && entry.subresource.is_none()
}

/// A field that was ours.
struct Was<'s, 'a> {
    path: &'s FieldPath,
    below: &'s FieldSet,
    default: Fill<'a>,
}

struct Search<'s> {
    wanted: FieldSet,
    mine: FieldSet,
    managed: ManagedFields,
    manager: &'s str,
    kept: &'s FieldSet,
    conflicts: &'s Conflicts,
}

impl Search<'_> {
    /// Looks at the fields of `set` below `path`, which were ours.
    fn below<'a>(
        &self,
        set: &FieldSet,
        live: ValueRef<'a>,
        of: TypeRef<'a>,
        trail: &mut Trail<'a>,
        path: &FieldPath,
        found: &mut Forgotten,
    ) {
        if trail.is_too_deep() {
            return;
        }
        let heads: BTreeSet<Segment> = set.iter().filter_map(|path| path.segments().first().cloned()).collect();
        let items = Items::of(live, of, heads.len());
        for segment in &heads {
            if matches!(segment, Segment::Field(name) if is_exempt(trail, name)) {
                continue;
            }
            let Some((step, value, child)) = items.locate(segment, live, of) else { continue };
            let at = path.join(segment.clone());
            if self.kept.contains(&at) {
                continue;
            }
            let default = match segment {
                Segment::Field(name) => fill(of, name, trail.path.first()),
                _ => Fill::Nothing,
            };
            trail.path.push(step);
            let head: FieldPath = [segment.clone()].into_iter().collect();
            let inner = set.below(&head);
            if set.contains(&head) && !self.wanted.touches(&at) {
                let was = Was { path: &at, below: &inner, default };
                self.left_behind(value, child, &was, trail, found);
            } else {
                self.below(&inner, value, child, trail, &at, found);
            }
            trail.path.pop();
        }
    }

    /// A field that was ours and is not wanted.
    fn left_behind<'a>(
        &self,
        live: ValueRef<'a>,
        of: TypeRef<'a>,
        was: &Was<'_, 'a>,
        trail: &mut Trail<'a>,
        found: &mut Forgotten,
    ) {
        let path = was.path;
        let holders = self.managed.entries().iter().filter(|entry| !is_ours(entry, self.manager));
        let holders: Vec<&ManagedEntry> = holders.filter(|entry| entry.fields.contains(path)).collect();
        if holders.is_empty() && self.mine.contains(path) {
            // An apply removes it.
            return;
        }
        let set_to = match was.default {
            Fill::With(default) if same(default, live, of) => {
                return found.notes.push(Note::KeepsDefault { field: trail.field() });
            }
            Fill::With(default) => Some(default),
            Fill::Nothing | Fill::Unknown => None,
        };
        if holders.iter().all(|entry| self.conflicts.gives_way(entry)) {
            let kind = if set_to.is_some() { ChangeKind::Value } else { ChangeKind::Removed };
            let reason = if set_to.is_some() { ChangeReason::Reset } else { ChangeReason::Remembered };
            trail.note(kind, Some(live), set_to, reason);
            let whole: FieldSet = [path].into_iter().collect();
            found.found.extend([whole, was.below.moved_below(path)]);
        } else {
            let owners = holders.iter().map(|entry| FieldOwner::of(entry)).collect();
            found.notes.push(Note::Residue { field: trail.field(), owners });
        }
    }
}

/// What names the object, what only a server sets, and the annotations that tell of an apply.
fn is_exempt(trail: &Trail<'_>, name: &str) -> bool {
    match trail.path.as_slice() {
        [] => matches!(name, "apiVersion" | "kind" | "status"),
        [Step::Field("metadata")] => SERVER_SET.contains(&name) || matches!(name, "name" | "namespace"),
        _ => {
            let marks = [OPERATION_ANNOTATION, LAST_APPLIED, ARGO_INSTALLATION_ANNOTATION];
            trail.at_annotations() && (marks.contains(&name) || name.ends_with("/tracking-id"))
        }
    }
}

/// The items of a long list by the texts of their keys.
struct Items<'a>(Option<BTreeMap<String, (usize, ValueRef<'a>)>>);

impl<'a> Items<'a> {
    /// None where few are looked for, or their keys have no texts of their own.
    fn of(live: ValueRef<'a>, of: TypeRef<'a>, wanted: usize) -> Self {
        let (keys, element) = (keys_of(of), of.element());
        let list = live.as_list().filter(|list| wanted > LONG && list.len() > LONG);
        let items = list.and_then(|list| {
            let text = |(at, item)| Some((plain_key(item, keys, element)?, (at, item)));
            let items: BTreeMap<_, _> = list.iter().enumerate().map(text).collect::<Option<_>>()?;
            (items.len() == list.len()).then_some(items)
        });
        Self(items)
    }

    /// Finds a child of a live value.
    fn locate(
        &self,
        segment: &Segment,
        live: ValueRef<'a>,
        of: TypeRef<'a>,
    ) -> Option<(Step<'a>, ValueRef<'a>, TypeRef<'a>)> {
        let element = of.element();
        let text = match (segment, keys_of(of)) {
            (Segment::Key(parts), Some(keys)) if self.0.is_some() => {
                let mut key = Draft::map();
                parts.iter().for_each(|(name, value)| key.set(name, value));
                plain_key(key.freeze().root(), Some(keys), element)
            }
            (Segment::Item(value), None) => plain_key(value.root(), None, element),
            _ => None,
        };
        let Some((items, text)) = self.0.as_ref().zip(text) else { return locate(segment, live, of) };
        let (at, item) = *items.get(&text)?;
        let step = match of.list() {
            ListKind::Map { keys } => Step::Keyed { keys, item, element, at },
            ListKind::Set => Step::Valued { item, at },
            _ => return None,
        };
        Some((step, item, element))
    }
}

fn keys_of(of: TypeRef<'_>) -> Option<&[Arc<str>]> {
    if let ListKind::Map { keys } = of.list() { Some(keys) } else { None }
}

/// Finds a child of a live value.
fn locate<'a>(segment: &Segment, live: ValueRef<'a>, of: TypeRef<'a>) -> Option<(Step<'a>, ValueRef<'a>, TypeRef<'a>)> {
    let element = of.element();
    match segment {
        Segment::Field(name) => {
            let (name, value) = live.as_map()?.iter().find(|(field, _)| *field == &**name)?;
            (!value.is_null()).then_some((Step::Field(name), value, of.field(name)))
        }
        Segment::Key(key) => {
            let ListKind::Map { keys } = of.list() else { return None };
            let wanted = |name: &str| {
                let named = key.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.root());
                named.or_else(|| element.key_default(name))
            };
            let is_it = |item: ValueRef<'a>| {
                keys.iter().all(|name| match (key_field(item, name, element), wanted(name)) {
                    (Some(found), Some(wanted)) => same(found, wanted, element.field(name)),
                    (found, wanted) => found.is_none() && wanted.is_none(),
                })
            };
            let (at, item) = live.as_list()?.iter().enumerate().find(|(_, item)| is_it(*item))?;
            Some((Step::Keyed { keys, item, element, at }, item, element))
        }
        Segment::Item(value) => {
            let is_it = |item: ValueRef<'_>| same(value.root(), item, element);
            let (at, item) = live.as_list()?.iter().enumerate().find(|(_, item)| is_it(*item))?;
            (of.list() == ListKind::Set).then_some((Step::Valued { item, at }, item, element))
        }
        Segment::Index(_) => None,
    }
}
