//! Whether changes are those that a recording names by JSON Pointer, with the values that it shows.

use std::collections::BTreeSet;

use gitops_core::diff::{Change, ChangeKind, ChangeReason, Shown, Sides as Rendered};
use gitops_core::model::{ListKind, TypeRef};
use gitops_core::path::{FieldPath, Segment};
use gitops_core::resource::Resource;
use gitops_core::value::{ValueRef, View};

use crate::scope::{Scope, name};

/// The object before and after what was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) live: &'a Resource,
    pub(crate) after: &'a Resource,
}

impl Sides<'_> {
    /// Fails where the changes, carried out on the live object, are not exactly what was recorded of it within the
    /// scope, or a value is another. Returns how many of the changes have the very pointer that was recorded.
    ///
    /// The recording compares lists by place, so that an item that comes in, goes or moves is recorded as differences
    /// between items that have nothing to do with each other; both sides of the verdict are compared in the same way.
    pub(crate) fn agree(
        self,
        changes: &[Change],
        rendered: &Rendered,
        recorded: &[&str],
        scope: &Scope<'_>,
    ) -> Result<usize, String> {
        changes.iter().try_for_each(|change| self.values(change))?;
        let (mut found, mut at) = (BTreeSet::new(), String::new());
        by_place(Some(rendered.live.root()), Some(rendered.after.root()), &mut at, &mut found);
        if let Some(pointer) = found.iter().find(|pointer| !recorded.contains(&&***pointer)) {
            return Err(format!("differs at {pointer}, and was not recorded"));
        }
        let missed = |pointer: &&&str| {
            let path = self.path(pointer, scope.of);
            !found.contains(**pointer) && path.is_none_or(|path| scope.covers(path.segments()))
        };
        match recorded.iter().find(missed) {
            Some(pointer) => Err(format!("recorded at {pointer}, and differs not")),
            None => Ok(changes.iter().filter(|change| recorded.contains(&&*change.pointer)).count()),
        }
    }

    /// The path of a recorded pointer; none where it means one item before and another one after.
    fn path(self, pointer: &str, of: TypeRef<'_>) -> Option<FieldPath> {
        let (mut live, mut after) = (Some(self.live.tree()), Some(self.after.tree()));
        let (mut of, mut path) = (of, FieldPath::root());
        for step in pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")) {
            let is_list = live.or(after).is_some_and(|parent| parent.as_list().is_some());
            let (before, behind) = (child(live, &step), child(after, &step));
            let segment = match (is_list, of.list()) {
                (false, _) => Segment::field(&step),
                (true, ListKind::Atomic) => Segment::Index(step.parse().ok()?),
                (true, _) => {
                    let (before, behind) = (before.map(|item| name(item, of)), behind.map(|item| name(item, of)));
                    if before.is_some() && behind.is_some() && before != behind {
                        return None;
                    }
                    before.or(behind)?
                }
            };
            of = if is_list { of.element() } else { of.field(&step) };
            (live, after) = (before, behind);
            path = path.join(segment);
        }
        Some(path)
    }

    /// A change says what was there and what there will be.
    fn values(self, change: &Change) -> Result<(), String> {
        if change.kind == ChangeKind::Moved || change.reason == ChangeReason::Doubled {
            return Ok(());
        }
        for (side, shown, object) in [("before", &change.live, self.live), ("after", &change.desired, self.after)] {
            let there = change.path.find(object.tree()).filter(|value| !value.is_null());
            let is_right = match (shown, there) {
                (Some(Shown::Plain(value)), Some(there)) => value.root() == there,
                (Some(Shown::Masked(_)), there) => there.is_some(),
                (None, there) => there.is_none(),
                (Some(Shown::Plain(value)), None) => value.root().is_null(),
            };
            if !is_right {
                let there = there.map(|there| there.to_value().to_json());
                return Err(format!("{change}: recorded {side} is {there:?}"));
            }
        }
        Ok(())
    }
}

/// What one step of a pointer leads to.
fn child<'a>(parent: Option<ValueRef<'a>>, step: &str) -> Option<ValueRef<'a>> {
    let parent = parent?;
    parent.get(step).or_else(|| parent.item(step.parse().ok()?))
}

/// Where two trees differ as the recording has it: lists by place, and what only one of them has as a whole.
fn by_place(live: Option<ValueRef<'_>>, after: Option<ValueRef<'_>>, at: &mut String, found: &mut BTreeSet<String>) {
    let step = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    let mut below = |step: String, live: Option<ValueRef<'_>>, after: Option<ValueRef<'_>>| {
        let length = at.len();
        at.push_str(&step);
        by_place(live, after, at, found);
        at.truncate(length);
    };
    match (live, after) {
        (Some(live), Some(after)) if live == after => {}
        (Some(live), Some(after)) => match (live.view(), after.view()) {
            (View::Map(live), View::Map(after)) => {
                let names: BTreeSet<&str> = live.iter().chain(after).map(|(name, _)| name).collect();
                names.into_iter().for_each(|name| below(step(name), live.get(name), after.get(name)));
            }
            (View::List(live), View::List(after)) => {
                (0..live.len().max(after.len()))
                    .for_each(|at| below(step(&at.to_string()), live.get(at), after.get(at)));
            }
            _ => drop(found.insert(at.clone())),
        },
        (None, None) => {}
        _ => drop(found.insert(at.clone())),
    }
}
