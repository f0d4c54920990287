//! Prediction of keyed lists and sets: items match by key, and their order is Git's.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{ListKind, TypeRef};
use crate::value::{Draft, List, ValueRef};

use super::equal::same;
use super::owned::{Claims, Owned, OwnedItem, key_field, same_key};
use super::step::{Finder, LONG, Step, pair, plain_key};
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
        let plain = |item: ValueRef<'_>| plain_key(item, Some(keys), element);
        let pairs = pair(desired, live, plain, |want, have| same_key(want, have, keys, element));
        let mut owned = Claims::of(mine);
        for (at, (want, found)) in desired.iter().zip(&pairs).enumerate() {
            let item = found.map_or(want, |(_, item)| item);
            let step = Step::Keyed { keys, item, element, live: found.map_or(0, |(at, _)| at), desired: at };
            let ours = owned.take(item, plain, |key| step.is(key));
            self.trail.path.push(step);
            self.node(want, found.map(|(_, item)| item), element, ours.map_or_else(Owned::default, |item| item.below));
            self.trail.path.pop();
        }
        self.order(desired, &pairs, |item| item_name(item, keys, element));
        self.doubles(live, &pairs, keys, element);
        self.removed_items(live, of, owned.rest());
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
        let is_taken = |at: usize| taken.binary_search(&at).is_ok();
        // The keys of long lists as texts, if they all have one.
        let texts: Option<Vec<String>> = (live.len() > LONG)
            .then(|| live.iter().map(|item| plain_key(item, Some(keys), element)).collect())
            .flatten();
        let kept_texts: BTreeSet<&String> =
            texts.iter().flatten().enumerate().filter(|(at, _)| is_taken(*at)).map(|(_, text)| text).collect();
        let (mut others, mut other_texts): (Vec<ValueRef<'a>>, BTreeSet<&String>) = (Vec::new(), BTreeSet::new());
        for (at, item) in live.iter().enumerate().filter(|(at, _)| !is_taken(*at)) {
            let text = texts.as_ref().and_then(|texts| texts.get(at));
            let is_kept = match text {
                Some(text) => kept_texts.contains(text),
                None => pairs.iter().flatten().any(|(_, kept)| same_key(*kept, item, keys, element)),
            };
            if is_kept {
                // The key names the item that stays.
                self.trail.path.push(Step::Index { at });
                self.trail.note(ChangeKind::Removed, Some(item), None, ChangeReason::Doubled);
                self.trail.path.pop();
                continue;
            }
            let is_double = match text {
                Some(text) => !other_texts.insert(text),
                None => others.iter().any(|other| same_key(*other, item, keys, element)),
            };
            if is_double {
                self.found.doubts.push(Doubt::Duplicates(self.trail.field()));
            } else if text.is_none() {
                others.push(item);
            }
        }
    }

    pub(super) fn set(&mut self, desired: List<'a>, live: List<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let element = of.element();
        let plain = |item: ValueRef<'_>| plain_key(item, None, element);
        let pairs = pair(desired, live, plain, |want, have| same(want, have, element));
        let mut owned = Claims::of(mine);
        for (at, (item, found)) in desired.iter().zip(&pairs).enumerate() {
            match owned.take(item, plain, |key| same(item, key, element)) {
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
        self.removed_items(live, of, owned.rest());
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
        let keys = match of.list() {
            ListKind::Map { keys } => Some(keys),
            _ => None,
        };
        let there: Vec<ValueRef<'a>> = live.iter().collect();
        let mut finder = Finder::default();
        let plain = |item: ValueRef<'_>| plain_key(item, keys, element);
        for owned in items {
            (self.found.unclaimed, self.found.gives_up) = (true, true);
            let step = |at: usize| {
                let item = *there.get(at)?;
                Some(match keys {
                    Some(keys) => Step::Keyed { keys, item, element, live: at, desired: 0 },
                    None => Step::Valued { item, live: at, desired: 0 },
                })
            };
            let is_it = |at: usize| step(at).is_some_and(|step| step.is(owned.key.root()));
            let wanted = || plain(owned.key.root());
            let found = finder.find(there.len(), is_it, |at| plain(*there.get(at)?), wanted);
            if let Some((step, item)) = found.and_then(|at| Some((step(at)?, *there.get(at)?))) {
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
