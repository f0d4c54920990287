//! One field, from both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::TypeRef;
use crate::path::{FieldPath, PathPattern, Segment};
use crate::policy::ignore::Rules;
use crate::resource::{Resource, ResourceKey, SERVER_SET};
use crate::ssa::ManagedFields;
use crate::value::{Value, ValueRef, View};

use super::find::{fields, type_of};
use super::{FieldExplanation, FieldVerdict, UnknownField};
use crate::diff::mask::{Mask, Seen, is_secret};
use crate::diff::owned::owns;
use crate::diff::places::Places;
use crate::diff::{Change, ChangeKind, Compared, Context, FieldOwner, Ignored, IgnoredBy, Note, Outcome, stamp};

/// Explains fields of one object: those that `asked` names, or, without it, every field that a sync changes or leaves to
/// somebody. `desired` is the prepared object, `compared` the verdict on it; hooks have none.
///
/// Where the fields are written in Git is not known here: see [`crate::reconcile::explain`].
///
/// # Errors
/// When neither side has such a field, and no schema declares it.
pub fn explain(
    desired: Option<&Resource>,
    compared: Option<&Compared>,
    asked: Option<&PathPattern>,
    context: &Context<'_>,
) -> Result<Vec<FieldExplanation>, UnknownField> {
    let sent = desired.map(|desired| stamp(desired, context.owner));
    let live = compared.and_then(|compared| compared.live.as_ref());
    let Some(any) = sent.as_ref().or(live) else { return Ok(Vec::new()) };
    let root = context.model.schema(&any.key().group_kind, any.version());
    let managed = live.and_then(|live| ManagedFields::read(live).ok()).unwrap_or_default();
    let manager = context.owner.manager();
    // The letters are those of the comparison; what only the tracking id changes comes last.
    let masked = context.rules.masked_annotations();
    let seen = Seen { desired, live, after: sent.as_ref(), annotations: masked };
    let changes = compared.map_or(&[][..], |compared| compared.outcome.changes());
    let mut by_path: BTreeMap<&FieldPath, Vec<&Change>> = BTreeMap::new();
    changes.iter().for_each(|change| by_path.entry(&change.path).or_default().push(change));
    let places = |object: Option<_>| object.map(|object: &Resource| Places::of(object.tree(), root));
    let (ours, theirs) = (places(sent.as_ref()), places(live));
    let mut side_by_side = SideBySide {
        compared,
        ours,
        theirs,
        root,
        changes: by_path,
        noted: compared.map(noted).unwrap_or_default(),
        mask: Mask::of(seen),
        managed,
        manager: &manager,
        rules: context.rules,
    };
    let named: Vec<FieldPath> = match asked {
        Some(asked) => fields(&as_stored(asked, any.key()), live, sent.as_ref(), root)?.into_iter().collect(),
        None => {
            let left = side_by_side.ignored().iter();
            let hidden = left.flat_map(|ignored| &ignored.hidden);
            let changes = changes.iter().chain(hidden).map(|change| &change.path);
            let releases = compared.into_iter().flat_map(|compared| compared.releases.iter());
            let noted = compared.into_iter().flat_map(|compared| compared.notes.iter()).filter_map(about);
            let mut named = BTreeSet::new();
            let paths = changes.chain(releases).chain(noted.map(|(path, _)| path));
            paths.filter(|path| named.insert(*path)).cloned().collect()
        }
    };
    Ok(named.iter().map(|path| side_by_side.field(path)).collect())
}

struct SideBySide<'a> {
    compared: Option<&'a Compared>,
    /// Where fields of both sides are.
    ours: Option<Places<'a>>,
    theirs: Option<Places<'a>>,
    root: TypeRef<'a>,
    changes: BTreeMap<&'a FieldPath, Vec<&'a Change>>,
    noted: BTreeMap<&'a FieldPath, FieldVerdict>,
    mask: Mask<'a>,
    managed: ManagedFields,
    manager: &'a str,
    rules: &'a Rules,
}

impl<'a> SideBySide<'a> {
    /// The change of this field, or of something around it.
    fn change(&self, path: &FieldPath) -> Option<&'a Change> {
        let is_of = |change: &&&Change| change.path == *path || change.kind != ChangeKind::Moved;
        let around = (0..=path.segments().len()).map(|length| path.segments().iter().take(length).cloned().collect());
        around.into_iter().find_map(|around: FieldPath| self.changes.get(&around)?.iter().find(is_of).copied())
    }

    /// How many changes there are of what lies below.
    fn changes_below(&self, path: &FieldPath) -> usize {
        // In order, what lies below a field follows it.
        let from_here = self.changes.range::<&FieldPath, _>(path..);
        from_here.take_while(|(changed, _)| path.contains(changed)).map(|(_, changes)| changes.len()).sum()
    }

    fn ignored(&self) -> &'a [Ignored] {
        self.compared.map_or(&[], |compared| &compared.ignored)
    }

    /// Who says that the field is left alone.
    fn left_alone_by(&self, path: &FieldPath) -> Option<IgnoredBy> {
        // In order, and none below another.
        let before = |ignored: &Ignored| ignored.fields.partition_point(|field| field <= path).checked_sub(1);
        let names = |ignored: &&Ignored| {
            before(ignored).and_then(|at| ignored.fields.get(at)).is_some_and(|field| field.contains(path))
        };
        self.ignored().iter().find(names).map(|ignored| ignored.by)
    }

    fn field(&mut self, path: &FieldPath) -> FieldExplanation {
        let side = |places: &Option<Places<'a>>| {
            places.as_ref()?.locate(path).map(|(place, value)| (place.into_iter().collect(), value))
        };
        let (want, have) = (side(&self.ours), side(&self.theirs));
        let default = self.default(path);
        let verdict = self.verdict(path, value(&want), value(&have), default);
        let is_there = have.is_some();
        // Made of fields and indices a pointer needs no tree.
        let place = have.as_ref().or(want.as_ref()).map_or(path, |(place, _)| place);
        let pointer = place.to_pointer(Value::null().root());
        let owners = if is_there { self.owners(path) } else { Vec::new() };
        FieldExplanation {
            field: path.clone(),
            pointer: pointer.into(),
            verdict,
            reason: self.change(path).map(|change| change.reason),
            desired: value(&want).map(|value| self.mask.shown_at(path, value)),
            written: None,
            dropped_in: None,
            live: value(&have).map(|value| self.mask.shown_at(path, value)),
            owners,
            rule: self.rule(path),
            default: default.map(|value| self.mask.shown_at(path, value)),
            place: want.map(|(place, _)| place),
        }
    }

    fn verdict(
        &self,
        path: &FieldPath,
        want: Option<ValueRef<'a>>,
        have: Option<ValueRef<'a>>,
        default: Option<ValueRef<'a>>,
    ) -> FieldVerdict {
        match self.compared.map(|compared| &compared.outcome) {
            Some(Outcome::Synced | Outcome::OutOfSync(_)) => {}
            Some(Outcome::Missing) if want.is_some() => return FieldVerdict::Created,
            Some(Outcome::Missing) => return FieldVerdict::Absent,
            Some(Outcome::Extra) => return FieldVerdict::GoesWithObject,
            Some(Outcome::Terminating | Outcome::Unknown(_)) | None => return FieldVerdict::NotCompared,
        }
        if let Some(change) = self.change(path) {
            return FieldVerdict::Changes(change.kind);
        }
        match self.left_alone_by(path) {
            Some(IgnoredBy::Autoscaler) => return FieldVerdict::Yielded,
            Some(IgnoredBy::OnRemove) => return FieldVerdict::KeptOnRemove,
            Some(IgnoredBy::Rule(_) | IgnoredBy::Placeholder) => return FieldVerdict::Ignored,
            Some(IgnoredBy::Policy) => return FieldVerdict::Ceded,
            None => {}
        }
        if let Some(verdict) = self.noted.get(path) {
            return *verdict;
        }
        match self.changes_below(path) {
            0 => {}
            count => return FieldVerdict::ChangesBelow(count),
        }
        match (path.segments(), want, have) {
            ([Segment::Field(top), ..], ..) if &**top == "status" => FieldVerdict::Status,
            ([Segment::Field(top), Segment::Field(name), ..], ..)
                if &**top == "metadata" && SERVER_SET.contains(&&**name) =>
            {
                FieldVerdict::ServerSet
            }
            (_, Some(want), Some(have)) if want == have => FieldVerdict::Agrees,
            (_, Some(_), Some(have)) if matches!(have.view(), View::Map(_) | View::List(_)) => FieldVerdict::HoldsMore,
            (_, Some(_), Some(_)) => FieldVerdict::MeansTheSame,
            (_, Some(_), None) => FieldVerdict::NotStored,
            (_, None, Some(have)) => self.undeclared(path, have, default),
            (_, None, None) => FieldVerdict::Absent,
        }
    }

    /// Something that is there and that Git does not declare.
    fn undeclared(&self, path: &FieldPath, have: ValueRef<'a>, default: Option<ValueRef<'a>>) -> FieldVerdict {
        let owners = self.owners(path);
        let is_ours = |owner: &FieldOwner| &*owner.manager == self.manager && owner.operation == "Apply";
        match () {
            () if default == Some(have) => FieldVerdict::Default,
            () if owners.is_empty() => FieldVerdict::FilledIn,
            () if owners.iter().all(is_ours) => FieldVerdict::Kept,
            () => FieldVerdict::OfOthers,
        }
    }

    fn rule(&self, path: &FieldPath) -> Option<Arc<str>> {
        match self.left_alone_by(path)? {
            IgnoredBy::Rule(place) => self.rules.iter().nth(place).map(|rule| rule.to_string().into()),
            IgnoredBy::Placeholder => Some("a placeholder in Git for what something on the cluster fills in".into()),
            IgnoredBy::Autoscaler | IgnoredBy::OnRemove | IgnoredBy::Policy => None,
        }
    }

    fn default(&self, path: &FieldPath) -> Option<ValueRef<'a>> {
        let (Segment::Field(name), parents) = path.segments().split_last()? else { return None };
        let of = parents.iter().fold(self.root, |of, segment| type_of(segment, of));
        of.default_of(name).known().map(|default| default.root())
    }

    /// Who owns the field, or something around it as one value, or something below it.
    fn owners(&self, path: &FieldPath) -> Vec<FieldOwner> {
        let entries = self.managed.entries().iter().filter(|entry| owns(&entry.fields, path));
        let mut owners: Vec<FieldOwner> = entries.map(FieldOwner::of).collect();
        owners.sort();
        owners.dedup();
        owners
    }
}

fn value<'a>(found: &Option<(FieldPath, ValueRef<'a>)>) -> Option<ValueRef<'a>> {
    found.as_ref().map(|(_, value)| *value)
}

/// A field of a Secret by the name under which it is stored: texts are encoded into `data` before anything is compared.
fn as_stored(asked: &PathPattern, key: &ResourceKey) -> PathPattern {
    let text = asked.to_string();
    let (slash, name) = text.strip_prefix('/').map_or(("", &*text), |name| ("/", name));
    let rest = name.strip_prefix("stringData").filter(|rest| !rest.starts_with(char::is_alphanumeric));
    let stored = rest.filter(|_| is_secret(key)).map(|rest| format!("{slash}data{rest}"));
    let read = stored.map(|text| if slash.is_empty() { text.parse() } else { PathPattern::from_pointer(&text) });
    read.and_then(Result::ok).unwrap_or_else(|| asked.clone())
}

/// The fields of which something is worth knowing though they are no drift, and what.
fn noted(compared: &Compared) -> BTreeMap<&FieldPath, FieldVerdict> {
    compared.notes.iter().rev().filter_map(about).collect()
}

fn about(note: &Note) -> Option<(&FieldPath, FieldVerdict)> {
    match note {
        Note::Residue { field, .. } => Some((field, FieldVerdict::Residue)),
        Note::Rewritten { field, .. } => Some((field, FieldVerdict::Rewritten)),
        _ => None,
    }
}
