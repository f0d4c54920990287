//! Prediction of keyed lists and sets: items match by key, and their order is Git's.

use std::sync::Arc;

use crate::model::{ListKind, TypeRef};
use crate::value::{Draft, List, ValueRef};

use super::equal::same;
use super::owned::{Owned, OwnedItem, key_field, same_key};
use super::step::{Step, pair};
use super::tree::Walk;
use super::{ChangeKind, ChangeReason, Doubt};

impl<'a> Walk<'a> {
    pub(super) fn keyed(
        &mut self,
        desired: List<'a>,
        live: List<'a>,
        keys: &'a [Arc<str>],
        of: TypeRef<'a>,
        mine: Owned<'a>,
    ) {
        let element = of.element();
        let pairs = pair(desired, live, |want, have| same_key(want, have, keys, element));
        let mut owned: Vec<OwnedItem<'a>> = mine.items().collect();
        for (at, (want, found)) in desired.iter().zip(&pairs).enumerate() {
            let item = found.map_or(want, |(_, item)| item);
            let step = Step::Keyed { keys, item, element, live: found.map_or(0, |(at, _)| at), desired: at };
            let ours = owned.iter().position(|owned| step.is(owned.key.root())).map(|at| owned.swap_remove(at));
            self.trail.path.push(step);
            self.node(want, found.map(|(_, item)| item), element, ours.map_or_else(Owned::default, |item| item.below));
            self.trail.path.pop();
        }
        self.order(desired, &pairs, |item| item_name(item, keys, element));
        self.doubles(live, &pairs, keys, element);
        self.removed_items(live, of, owned.into_iter());
    }

    /// A live list that holds an item twice, as older clients could write it: an apply keeps one of a declared item
    /// (recorded); what becomes of the others only the server can tell.
    fn doubles(
        &mut self,
        live: List<'a>,
        pairs: &[Option<(usize, ValueRef<'a>)>],
        keys: &'a [Arc<str>],
        element: TypeRef<'a>,
    ) {
        let mut taken: Vec<usize> = pairs.iter().flatten().map(|(at, _)| *at).collect();
        taken.sort_unstable();
        let mut others: Vec<ValueRef<'a>> = Vec::new();
        for (at, item) in live.iter().enumerate().filter(|(at, _)| taken.binary_search(at).is_err()) {
            if pairs.iter().flatten().any(|(_, kept)| same_key(*kept, item, keys, element)) {
                // The key names the item that stays.
                self.trail.path.push(Step::Index { at });
                self.trail.note(ChangeKind::Removed, Some(item), None, ChangeReason::Doubled);
                self.trail.path.pop();
            } else if others.iter().any(|other| same_key(*other, item, keys, element)) {
                self.found.doubts.push(Doubt::Duplicates(self.trail.field()));
            } else {
                others.push(item);
            }
        }
    }

    pub(super) fn set(&mut self, desired: List<'a>, live: List<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let element = of.element();
        let pairs = pair(desired, live, |want, have| same(want, have, element));
        let mut owned: Vec<OwnedItem<'a>> = mine.items().collect();
        for (at, (item, found)) in desired.iter().zip(&pairs).enumerate() {
            let ours = owned.iter().position(|owned| same(item, owned.key.root(), element));
            match ours.map(|at| owned.swap_remove(at)) {
                Some(ours) => self.agree(ours.below),
                None => self.agree(mine.inherited()),
            }
            if found.is_none() {
                self.trail.path.push(Step::Valued { item, live: 0, desired: at });
                self.trail.note(ChangeKind::Added, None, Some(item), ChangeReason::Declared);
                self.trail.path.pop();
            }
        }
        self.order(desired, &pairs, ValueRef::to_draft);
        self.removed_items(live, of, owned.into_iter());
    }

    /// An apply puts the items of keyed lists and sets into Git's order (recorded; foreign items may stand between).
    fn order(
        &mut self,
        desired: List<'a>,
        pairs: &[Option<(usize, ValueRef<'a>)>],
        name: impl Fn(ValueRef<'a>) -> Draft,
    ) {
        if pairs.iter().flatten().map(|(at, _)| at).is_sorted() {
            return;
        }
        let shared = desired.iter().zip(pairs).filter_map(|(item, found)| Some((found.as_ref()?.0, item)));
        let mut shared: Vec<(usize, ValueRef<'a>)> = shared.collect();
        let names = |items: &[(usize, ValueRef<'a>)]| Draft::List(items.iter().map(|(_, item)| name(*item)).collect());
        let wanted = names(&shared);
        shared.sort_by_key(|(at, _)| *at);
        self.trail.moved(names(&shared), wanted);
    }

    /// Items that we own and that are not declared.
    pub(super) fn removed_items(
        &mut self,
        live: List<'a>,
        of: TypeRef<'a>,
        items: impl Iterator<Item = OwnedItem<'a>>,
    ) {
        let element = of.element();
        for owned in items {
            (self.found.unclaimed, self.found.gives_up) = (true, true);
            let found = live.iter().enumerate().find_map(|(at, item)| {
                let step = match of.list() {
                    ListKind::Map { keys } => Step::Keyed { keys, item, element, live: at, desired: 0 },
                    _ => Step::Valued { item, live: at, desired: 0 },
                };
                step.is(owned.key.root()).then_some((step, item))
            });
            if let Some((step, item)) = found {
                self.trail.path.push(step);
                self.removed(item, element, owned.below);
                self.trail.path.pop();
            }
        }
    }
}

/// The name of a list item for people: the value of its key, or all of them.
pub(super) fn item_name(item: ValueRef<'_>, keys: &[Arc<str>], element: TypeRef<'_>) -> Draft {
    let fields = keys.iter().filter_map(|name| Some((name, key_field(item, name, element)?)));
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.to_string(), value.to_draft())).collect();
    if keys.len() == 1 { fields.pop().unwrap_or_default().1 } else { Draft::Map(fields.into_iter().collect()) }
}
