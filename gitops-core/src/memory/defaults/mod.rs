//! What the server fills in when it reads an object.

mod builtin;
mod custom;
mod pod;
mod structural;

pub(super) use builtin::fill as builtin;
pub(super) use custom::{prune, prune_nulls};
pub(super) use structural::prune as prune_custom;

use crate::value::Draft;

/// Sets a field that is not there.
fn unset(draft: &mut Draft, field: &str, value: impl Into<Draft>) {
    if draft.get(field).is_none_or(|old| *old == Draft::Null) {
        draft.set(field, value);
    }
}

/// Edits a field that is there.
fn within(draft: &mut Draft, field: &str, edit: impl FnOnce(&mut Draft)) {
    if let Some(child) = draft.get_mut(field).filter(|child| **child != Draft::Null) {
        edit(child);
    }
}

/// Edits every item of a list that is there.
fn each(draft: &mut Draft, field: &str, edit: impl FnMut(&mut Draft)) {
    within(draft, field, |list| list.as_list_mut().into_iter().flatten().for_each(edit));
}

/// Whether a list or map is absent or empty.
fn is_empty(draft: &Draft, field: &str) -> bool {
    match draft.get(field) {
        None | Some(Draft::Null) => true,
        Some(Draft::List(items)) => items.is_empty(),
        Some(Draft::Map(map)) => map.is_empty(),
        Some(_) => false,
    }
}
