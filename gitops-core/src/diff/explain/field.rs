//! One field, from both sides.

use std::sync::Arc;

use crate::model::TypeRef;
use crate::path::{FieldPath, PathPattern, Segment};
use crate::policy::ignore::Rules;
use crate::resource::{Resource, ResourceKey, SERVER_SET};
use crate::ssa::ManagedFields;
use crate::value::{Value, ValueRef, View};

use super::find::{fields, locate, type_of};
use super::{FieldExplanation, FieldVerdict, UnknownField};
use crate::diff::mask::{Mask, Seen, is_secret};
use crate::diff::owned::owns;
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
    let mut side_by_side = SideBySide {
        compared,
        sent: sent.as_ref(),
        live,
        root,
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
            let changes = side_by_side.changes().iter().chain(hidden).map(|change| &change.path);
            let mut paths: Vec<FieldPath> = Vec::new();
            let releases = compared.into_iter().flat_map(|compared| compared.releases.iter());
            for path in changes.chain(releases).chain(side_by_side.noted().map(|(path, _)| path)) {
                if !paths.contains(path) {
                    paths.push(path.clone());
                }
            }
            paths
        }
    };
    Ok(named.iter().map(|path| side_by_side.field(path)).collect())
}

struct SideBySide<'a> {
    compared: Option<&'a Compared>,
    sent: Option<&'a Resource>,
    live: Option<&'a Resource>,
    root: TypeRef<'a>,
    mask: Mask<'a>,
    managed: ManagedFields,
    manager: &'a str,
    rules: &'a Rules,
}

impl<'a> SideBySide<'a> {
    fn changes(&self) -> &'a [Change] {
        self.compared.map_or(&[], |compared| compared.outcome.changes())
    }

    /// The fields of which something is worth knowing though they are no drift, and what.
    fn noted(&self) -> impl Iterator<Item = (&'a FieldPath, FieldVerdict)> {
        let notes = self.compared.into_iter().flat_map(|compared| compared.notes.iter());
        notes.filter_map(|note| match note {
            Note::Residue { field, .. } => Some((field, FieldVerdict::Residue)),
            Note::Rewritten { field, .. } => Some((field, FieldVerdict::Rewritten)),
            _ => None,
        })
    }

    fn ignored(&self) -> &'a [Ignored] {
        self.compared.map_or(&[], |compared| &compared.ignored)
    }

    /// Who says that the field is left alone.
    fn left_alone_by(&self, path: &FieldPath) -> Option<IgnoredBy> {
        let names = |ignored: &&Ignored| ignored.fields.iter().any(|field| field.contains(path));
        self.ignored().iter().find(names).map(|ignored| ignored.by)
    }

    fn field(&mut self, path: &FieldPath) -> FieldExplanation {
        let side = |object: Option<&'a Resource>| locate(path, object?.tree(), self.root);
        let (want, have) = (side(self.sent), side(self.live));
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
            reason: self.changes().iter().find(|change| is_of(change, path)).map(|change| change.reason),
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
        if let Some(change) = self.changes().iter().find(|change| is_of(change, path)) {
            return FieldVerdict::Changes(change.kind);
        }
        match self.left_alone_by(path) {
            Some(IgnoredBy::Autoscaler) => return FieldVerdict::Yielded,
            Some(IgnoredBy::OnRemove) => return FieldVerdict::KeptOnRemove,
            Some(IgnoredBy::Rule(_) | IgnoredBy::Placeholder) => return FieldVerdict::Ignored,
            Some(IgnoredBy::Policy) => return FieldVerdict::Ceded,
            None => {}
        }
        if let Some((_, verdict)) = self.noted().find(|(field, _)| **field == *path) {
            return verdict;
        }
        match self.changes().iter().filter(|change| path.contains(&change.path)).count() {
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

/// Whether a change is one of this field, or of something around it.
fn is_of(change: &Change, path: &FieldPath) -> bool {
    change.path == *path || change.kind != ChangeKind::Moved && change.path.contains(path)
}
