//! Whether changes are those that a recording names by JSON Pointer, with the values that it shows.

use gitops_core::diff::{Change, ChangeKind, ChangeReason, Shown};
use gitops_core::model::{ListKind, TypeRef};
use gitops_core::path::{FieldPath, Segment};
use gitops_core::resource::Resource;
use gitops_core::value::ValueRef;

use crate::scope::{Scope, name};

/// The object before and after what was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) live: &'a Resource,
    pub(crate) after: &'a Resource,
}

impl Sides<'_> {
    /// Fails where a change is not among the recorded ones, a recorded one within the scope is no change, or a value is
    /// another. Returns how many of the changes have the very pointer that was recorded.
    ///
    /// The recording compares lists by place. Where an item does not stand at the same place on both sides, what is
    /// recorded may be anything within its list.
    pub(crate) fn agree(self, changes: &[Change], recorded: &[&str], scope: &Scope<'_>) -> Result<usize, String> {
        let places: Vec<String> = changes.iter().map(|change| self.place(change, scope.of)).collect();
        for (change, place) in changes.iter().zip(&places) {
            if !recorded.iter().any(|pointer| is_same(place, pointer)) {
                return Err(format!("not recorded at {place}: {change}"));
            }
            self.values(change)?;
        }
        let missed = |pointer: &&&str| {
            let is_ours = self.path(pointer, scope.of).is_some_and(|path| scope.covers(path.segments()));
            is_ours && !places.iter().any(|place| is_same(place, pointer))
        };
        match recorded.iter().find(missed) {
            Some(pointer) => Err(format!("recorded at {pointer}, and no change")),
            None => Ok(changes.iter().filter(|change| recorded.contains(&&*change.pointer)).count()),
        }
    }

    /// The pointer of a change, or of the first list on its path in which items do not stand at the same place.
    fn place(self, change: &Change, of: TypeRef<'_>) -> String {
        let (mut live, mut after) = (Some(self.live.tree()), Some(self.after.tree()));
        let (mut of, mut path) = (of, FieldPath::root());
        for segment in change.path.segments() {
            if let Segment::Key(_) | Segment::Item(_) = segment {
                let place = |list: Option<ValueRef<'_>>| {
                    list.and_then(ValueRef::as_list)?.iter().position(|item| name(item, of) == *segment)
                };
                if place(live) != place(after) {
                    let tree = if live.is_some() { self.live } else { self.after };
                    return path.to_pointer(tree.tree());
                }
            }
            of = match segment {
                Segment::Field(name) => of.field(name),
                _ => of.element(),
            };
            let below = |parent: Option<_>| parent.and_then(|parent| segment.of(parent));
            (live, after) = (below(live), below(after));
            path = path.join(segment.clone());
        }
        change.pointer.to_string()
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

/// Whether one of two pointers leads to the other, or to what it is a part of.
fn is_same(one: &str, other: &str) -> bool {
    let is_within =
        |part: &str, whole: &str| part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_within(one, other) || is_within(other, one)
}
