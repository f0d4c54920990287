//! Both sides of one object, made from what was compared.

use std::sync::Arc;

use crate::diff::{Compared, Outcome, Shown};
use crate::resource::{Resource, SERVER_SET};
use crate::value::{Draft, Value};

use super::Sides;
use super::edits::{Edit, Edits};
use crate::diff::mask::{LAST_APPLIED, is_hidden, is_plain, is_plain_metadata, is_secret};

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
                let letters = changes.iter().filter(|change| matches!(change.live, Some(Shown::Masked(_))));
                Edits::of(letters.map(|change| (change, Edit::Set(change.live.as_ref())))).carry_out(&mut live);
                let mut after = live.clone();
                Edits::of(changes.iter().map(|change| (change, Edit::of(change)))).carry_out(&mut after);
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
            && is_secret(after.key())
        {
            let values = after.tree().as_map().into_iter().flatten();
            for (field, values) in values.filter(|(field, value)| *field != "metadata" && !is_plain(field, *value)) {
                for (name, value) in values.as_map().into_iter().flatten() {
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
    let is_secret = is_secret(object.key());
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
    if is_secret {
        hide_values(object, &mut draft);
    }
    draft
}

/// Hides what may be a value of a Secret.
fn hide_values(object: &Resource, draft: &mut Draft) {
    for (field, value) in object.tree().as_map().into_iter().flatten() {
        match draft.get_mut(field) {
            Some(Draft::Map(metadata)) if field == "metadata" => {
                let hidden = metadata.iter_mut().filter(|(name, _)| !is_plain_metadata(name));
                hidden.for_each(|(_, value)| *value = HIDDEN.into());
            }
            Some(_) if is_plain(field, value) => {}
            Some(Draft::Map(values)) => values.values_mut().for_each(|value| *value = HIDDEN.into()),
            Some(value) => *value = HIDDEN.into(),
            None => {}
        }
    }
}
