//! Both sides of one object, made from what was compared.

use std::sync::Arc;

use crate::diff::{Change, ChangeKind, Compared, Outcome, Shown};
use crate::path::Segment;
use crate::resource::{Resource, SERVER_SET};
use crate::value::{Draft, Value, ValueRef};

use super::Sides;
use crate::diff::mask::{LAST_APPLIED, is_hidden};

/// Stands for a secret value that is not among the changes.
const HIDDEN: &str = "(secret)";
/// The same for one that is another than before.
const OTHER: &str = "(another secret)";

impl Sides {
    /// Makes both sides of a verdict; `desired` is the prepared object it was made from.
    #[must_use]
    pub fn of(desired: Option<&Resource>, compared: &Compared) -> Self {
        let live = compared.live.as_ref().map(|live| shown(live, &compared.masked));
        match (&compared.outcome, live) {
            (Outcome::Missing, _) => Self {
                live: Value::null(),
                after: desired.map_or_else(Value::null, |desired| shown(desired, &compared.masked).freeze()),
            },
            (Outcome::Extra, Some(live)) => Self { live: live.freeze(), after: Value::null() },
            (Outcome::OutOfSync(changes), Some(mut live)) => {
                for change in changes.iter().filter(|change| matches!(change.live, Some(Shown::Masked(_)))) {
                    put(&mut live, change.path.segments(), draft(change.live.as_ref()));
                }
                let mut after = live.clone();
                // A removal moves what follows it in its list, so those by place come last and from the end.
                let (by_place, others): (Vec<&Change>, Vec<_>) = changes.iter().partition(|change| is_by_place(change));
                others.into_iter().chain(by_place.into_iter().rev()).for_each(|change| make(&mut after, change));
                Self { live: live.freeze(), after: after.freeze() }
            }
            (_, live) => {
                let live = live.map_or_else(Value::null, |live| live.freeze());
                Self { after: live.clone(), live }
            }
        }
    }

    /// Makes both sides from an object as it was and as it is. Of values of a Secret only whether they differ is shown,
    /// and nothing of its annotations named `masked`.
    #[must_use]
    pub fn between(before: Option<&Resource>, after: Option<&Resource>, masked: &[Arc<str>]) -> Self {
        let side = |object: Option<&Resource>| object.map_or(Draft::Null, |object| shown(object, masked));
        let (live, mut later) = (side(before), side(after));
        if let (Some(before), Some(after)) = (before, after)
            && after.key().is("", "Secret")
        {
            for field in ["data", "stringData"] {
                let values = after.tree().get(field).and_then(ValueRef::as_map).into_iter().flatten();
                for (name, value) in values {
                    let was = before.tree().dig(&[field, name]);
                    if was.is_some_and(|was| was != value) {
                        later.entry(field).set(name, OTHER);
                    }
                }
            }
        }
        Self { live: live.freeze(), after: later.freeze() }
    }
}

/// What may be shown of an object: what was declared of it, or could have been.
fn shown(object: &Resource, masked: &[Arc<str>]) -> Draft {
    let mut draft = object.tree().to_draft();
    draft.remove("status");
    let is_secret = object.key().is("", "Secret");
    if let Some(metadata) = draft.get_mut("metadata") {
        for field in SERVER_SET {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations") {
            annotations.remove(LAST_APPLIED);
            if let Draft::Map(annotations) = annotations
                && is_secret
            {
                annotations
                    .iter_mut()
                    .filter(|(name, _)| is_hidden(name, masked))
                    .for_each(|(_, value)| *value = HIDDEN.into());
            }
        }
    }
    for field in ["data", "stringData"].into_iter().filter(|_| is_secret) {
        match draft.get_mut(field) {
            Some(Draft::Map(values)) => values.values_mut().for_each(|value| *value = HIDDEN.into()),
            Some(value) => *value = HIDDEN.into(),
            None => {}
        }
    }
    draft
}

fn is_by_place(change: &Change) -> bool {
    change.kind == ChangeKind::Removed && matches!(change.path.segments().last(), Some(Segment::Index(_)))
}

fn draft(shown: Option<&Shown>) -> Draft {
    match shown {
        Some(Shown::Plain(value)) => value.into(),
        Some(masked) => masked.to_string().into(),
        None => Draft::Null,
    }
}

/// Carries out one change.
fn make(object: &mut Draft, change: &Change) {
    let path = change.path.segments();
    match change.kind {
        ChangeKind::Value | ChangeKind::Added => put(object, path, draft(change.desired.as_ref())),
        ChangeKind::Removed => remove(object, path),
        ChangeKind::Moved => {
            if let (Some(Draft::List(items)), Draft::List(names)) = (find(object, path), draft(change.desired.as_ref()))
            {
                reorder(items, &names);
            }
        }
    }
}

fn put(object: &mut Draft, path: &[Segment], value: Draft) {
    let mut at = object;
    for segment in path {
        at = match segment {
            Segment::Field(name) => at.entry(name),
            segment => {
                if !matches!(at, Draft::List(_)) {
                    *at = Draft::list();
                }
                let Draft::List(items) = at else { return };
                let place = place(items, segment).unwrap_or(items.len());
                if place >= items.len() {
                    items.push(Draft::Null);
                }
                let Some(item) = items.get_mut(place) else { return };
                item
            }
        };
    }
    *at = value;
}

fn remove(object: &mut Draft, path: &[Segment]) {
    let Some((last, parents)) = path.split_last() else { return };
    match (find(object, parents), last) {
        (Some(parent), Segment::Field(name)) => drop(parent.remove(name)),
        (Some(Draft::List(items)), segment) => {
            if let Some(place) = place(items, segment).filter(|place| *place < items.len()) {
                items.remove(place);
            }
        }
        _ => {}
    }
}

fn find<'d>(object: &'d mut Draft, path: &[Segment]) -> Option<&'d mut Draft> {
    path.iter().try_fold(object, |at, segment| match (segment, at) {
        (Segment::Field(name), at) => at.get_mut(name),
        (segment, Draft::List(items)) => {
            let place = place(items, segment)?;
            items.get_mut(place)
        }
        _ => None,
    })
}

/// The place of an item in a list, which may lie behind its end.
fn place(items: &[Draft], segment: &Segment) -> Option<usize> {
    let is = |draft: &Draft, value: &Value| *draft == value.into();
    match segment {
        Segment::Field(_) => None,
        Segment::Index(place) => Some(*place as usize),
        Segment::Item(value) => items.iter().position(|item| is(item, value)),
        Segment::Key(keys) => {
            let has =
                |item: &Draft| keys.iter().all(|(name, value)| item.get(name).is_some_and(|have| is(have, value)));
            items.iter().position(has)
        }
    }
}

/// Puts the named items into the order of their names; others stay where they are.
fn reorder(items: &mut [Draft], names: &[Draft]) {
    let key = names.iter().all(|name| !matches!(name, Draft::Map(_))).then(|| key_of(items, names)).flatten();
    let is = |item: &Draft, name: &Draft| match (name, &key) {
        (Draft::Map(keys), _) => keys.iter().all(|(field, value)| item.get(field) == Some(value)),
        (name, Some(key)) => item.get(key) == Some(name),
        (name, None) => item == name,
    };
    let places: Vec<usize> = names.iter().filter_map(|name| items.iter().position(|item| is(item, name))).collect();
    let wanted: Vec<Draft> = places.iter().filter_map(|place| items.get(*place).cloned()).collect();
    let mut free = places;
    free.sort_unstable();
    for (place, item) in free.into_iter().zip(wanted) {
        if let Some(slot) = items.get_mut(place) {
            *slot = item;
        }
    }
}

/// The field that holds these names, in a list whose items have one key.
fn key_of(items: &[Draft], names: &[Draft]) -> Option<String> {
    let Some(Draft::Map(fields)) = items.first() else { return None };
    let holds = |field: &&String| names.iter().all(|name| items.iter().any(|item| item.get(field) == Some(name)));
    fields.keys().find(holds).cloned()
}
