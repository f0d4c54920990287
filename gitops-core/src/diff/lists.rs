//! Prediction of keyed lists and sets: items match by key, and their order is Git's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{ListKind, TypeRef};
use crate::value::{Draft, List, ValueRef};

use super::equal::same;
use super::merged::{Source, merged};
use super::owned::{Claims, Owned, OwnedItem, key_field, same_key};
use super::step::{Finder, LONG, Step, pair, plain_key};
use super::tree::Walk;
use super::{ChangeKind, ChangeReason, Doubt};

/// For each declared item the live one, with its place.
type Pairs<'a> = [Option<(usize, ValueRef<'a>)>];

/// A list whose items have names: by keys, or, in a set, by what they are.
#[derive(Clone, Copy)]
struct Named<'a> {
    live: List<'a>,
    keys: Option<&'a [Arc<str>]>,
    element: TypeRef<'a>,
}

impl<'a> Named<'a> {
    fn of(live: List<'a>, of: TypeRef<'a>) -> Self {
        let keys = if let ListKind::Map { keys } = of.list() { Some(keys) } else { None };
        Self { live, keys, element: of.element() }
    }

    fn plain(self, item: ValueRef<'_>) -> Option<String> {
        plain_key(item, self.keys, self.element)
    }

    fn is_same(self, left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
        match self.keys {
            Some(keys) => same_key(left, right, keys, self.element),
            None => same(left, right, self.element),
        }
    }

    fn is_in_step(self, desired: List<'a>) -> bool {
        desired.len() == self.live.len() && desired.iter().zip(self.live).all(|(want, have)| self.is_same(want, have))
    }

    fn step(self, item: ValueRef<'a>, at: usize) -> Step<'a> {
        match self.keys {
            Some(keys) => Step::Keyed { keys, item, element: self.element, at },
            None => Step::Valued { item, at },
        }
    }

    fn pair(self, desired: List<'a>) -> Vec<Option<(usize, ValueRef<'a>)>> {
        pair(desired, self.live, |item| self.plain(item), |want, have| self.is_same(want, have))
    }

    /// What is owned of an item, which is taken from what is owned of the list.
    fn take(self, owned: &mut Claims<'a>, item: ValueRef<'a>) -> Option<Owned<'a>> {
        let step = self.step(item, 0);
        owned.take(item, step, |item| self.plain(item), |key| step.is(key))
    }

    fn name(self, item: ValueRef<'_>) -> Draft {
        self.keys.map_or_else(|| item.to_draft(), |keys| item_name(item, keys, self.element))
    }
}

impl<'a> Walk<'a> {
    pub(super) fn keyed(&mut self, desired: List<'a>, live: List<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let list = Named::of(live, of);
        if list.is_in_step(desired) {
            return self.in_step(list, desired, of, mine);
        }
        let pairs = list.pair(desired);
        let doubled = self.doubles(list, &pairs);
        let order = self.order(list, desired, &pairs, &doubled, mine);
        let (places, mut owned) = (places(&order), Claims::of(mine));
        for (at, (want, found)) in desired.iter().zip(&pairs).enumerate() {
            let item = found.map_or(want, |(_, item)| item);
            let below = list.take(&mut owned, item).unwrap_or_default();
            self.trail.path.push(list.step(item, found.map_or_else(|| place(&places, at), |(at, _)| at)));
            match found {
                Some((_, item)) => self.node(want, *item, list.element, below),
                None => self.absent(want, list.element, below),
            }
            self.trail.path.pop();
        }
        self.moved(list, &pairs, &order);
        self.removed_doubles(list, doubled);
        self.removed_items(live, of, owned.rest());
    }

    /// Each declared item stands where the live one of its name stands: none is added, none moves, none is there twice
    /// that is not declared twice.
    fn in_step(&mut self, list: Named<'a>, desired: List<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let mut owned = Claims::of(mine);
        for (at, (want, item)) in desired.iter().zip(list.live).enumerate() {
            let below = list.take(&mut owned, item).unwrap_or_default();
            self.trail.path.push(list.step(item, at));
            self.node(want, item, list.element, below);
            self.trail.path.pop();
        }
        self.removed_items(list.live, of, owned.rest());
    }

    fn removed_doubles(&mut self, list: Named<'a>, doubled: Vec<usize>) {
        for at in doubled {
            // The key names the item that stays.
            self.trail.path.push(Step::Index { at });
            self.trail.note(ChangeKind::Removed, list.live.get(at), None, ChangeReason::Doubled);
            self.trail.path.pop();
        }
    }

    /// Finds what a live list holds twice, as older clients could write it: an apply keeps one of a declared item
    /// (recorded); what becomes of the others only the server can tell.
    fn doubles(&mut self, list: Named<'a>, pairs: &Pairs<'a>) -> Vec<usize> {
        let mut taken: Vec<usize> = pairs.iter().flatten().map(|(at, _)| *at).collect();
        taken.sort_unstable();
        let is_taken = |at: usize| taken.binary_search(&at).is_ok();
        // The keys of long lists as texts, if they all have one.
        let texts: Option<Vec<String>> =
            (list.live.len() > LONG).then(|| list.live.iter().map(|item| list.plain(item)).collect()).flatten();
        let kept_texts: BTreeSet<&String> =
            texts.iter().flatten().enumerate().filter(|(at, _)| is_taken(*at)).map(|(_, text)| text).collect();
        let (mut others, mut other_texts): (Vec<ValueRef<'a>>, BTreeSet<&String>) = (Vec::new(), BTreeSet::new());
        let mut doubled = Vec::new();
        for (at, item) in list.live.iter().enumerate().filter(|(at, _)| !is_taken(*at)) {
            let text = texts.as_ref().and_then(|texts| texts.get(at));
            let is_kept = match text {
                Some(text) => kept_texts.contains(text),
                None => pairs.iter().flatten().any(|(_, kept)| list.is_same(*kept, item)),
            };
            if is_kept {
                doubled.push(at);
                continue;
            }
            let is_double = match text {
                Some(text) => !other_texts.insert(text),
                None => others.iter().any(|other| list.is_same(*other, item)),
            };
            if is_double {
                self.found.doubts.push(Doubt::Duplicates(self.trail.field()));
            } else if text.is_none() {
                others.push(item);
            }
        }
        doubled
    }

    pub(super) fn set(&mut self, desired: List<'a>, live: List<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        let list = Named::of(live, of);
        let pairs = list.pair(desired);
        let doubled = self.doubles(list, &pairs);
        let order = self.order(list, desired, &pairs, &doubled, mine);
        let (places, mut owned) = (places(&order), Claims::of(mine));
        for (at, (item, found)) in desired.iter().zip(&pairs).enumerate() {
            let step = list.step(item, 0);
            let ours = owned.take(item, step, |item| list.plain(item), |key| same(item, key, list.element));
            self.agree(ours.unwrap_or(mine.inherited()));
            if found.is_none() {
                self.trail.path.push(list.step(item, place(&places, at)));
                self.trail.note(ChangeKind::Added, None, Some(item), ChangeReason::Declared);
                self.trail.path.pop();
            }
        }
        self.moved(list, &pairs, &order);
        self.removed_doubles(list, doubled);
        self.removed_items(live, of, owned.rest());
    }

    /// The list that a sync leads to; empty where nothing is added and nothing moves.
    fn order(
        &mut self,
        list: Named<'a>,
        desired: List<'a>,
        pairs: &Pairs<'a>,
        doubled: &[usize],
        mine: Owned<'a>,
    ) -> Vec<Source> {
        if pairs.iter().all(Option::is_some) && pairs.iter().flatten().map(|(at, _)| at).is_sorted() {
            return Vec::new();
        }
        let places: Vec<Option<usize>> = pairs.iter().map(|pair| pair.map(|(at, _)| at)).collect();
        let mut owned = Claims::of(mine);
        for (want, found) in desired.iter().zip(pairs) {
            list.take(&mut owned, found.map_or(want, |(_, item)| item));
        }
        let mut gone: BTreeSet<usize> = doubled.iter().copied().collect();
        self.each_item(list, owned.rest(), |walk, at, item, mine| {
            if walk.is_wholly_ours(item, mine) && !walk.stays(mine) {
                gone.insert(at);
            }
        });
        let stays = |source: &Source| !matches!(source, Source::Live(at) if gone.contains(at));
        merged(&places, list.live.len()).into_iter().filter(stays).collect()
    }

    /// An apply puts the items of keyed lists and sets into Git's order (recorded; foreign items may stand between).
    fn moved(&mut self, list: Named<'a>, pairs: &Pairs<'a>, order: &[Source]) {
        if pairs.iter().flatten().map(|(at, _)| at).is_sorted() {
            return;
        }
        let live = |source: &Source| if let Source::Live(at) = source { Some(*at) } else { None };
        let wanted: Vec<usize> = order.iter().filter_map(live).collect();
        let mut before = wanted.clone();
        before.sort_unstable();
        let names = |places: Vec<usize>| {
            let items = places.into_iter().filter_map(|at| list.live.get(at));
            Draft::List(items.map(|item| list.name(item)).collect())
        };
        self.trail.moved(names(before), names(wanted));
    }

    /// Items that we own and that are not declared.
    pub(super) fn removed_items(
        &mut self,
        live: List<'a>,
        of: TypeRef<'a>,
        items: impl Iterator<Item = OwnedItem<'a>>,
    ) {
        let list = Named::of(live, of);
        let mut any = false;
        self.each_item(list, items.inspect(|_| any = true), |walk, _, item, mine| {
            walk.removed(item, list.element, mine);
        });
        // Also what is not there any more.
        self.found.unclaimed |= any;
        self.found.gives_up |= any;
    }

    /// Goes to each live item of which something is owned.
    fn each_item(
        &mut self,
        list: Named<'a>,
        items: impl Iterator<Item = OwnedItem<'a>>,
        mut work: impl FnMut(&mut Self, usize, ValueRef<'a>, Owned<'a>),
    ) {
        let there: Vec<ValueRef<'a>> = list.live.iter().collect();
        let mut finder = Finder::default();
        for owned in items {
            let key = owned.key.root();
            let is_it = |at: usize| there.get(at).is_some_and(|item| list.step(*item, at).is(key));
            let found = finder.find(there.len(), is_it, |at| list.plain(*there.get(at)?), || list.plain(key));
            if let Some((at, item)) = found.and_then(|at| Some((at, *there.get(at)?))) {
                self.trail.path.push(list.step(item, at));
                work(self, at, item, owned.below);
                self.trail.path.pop();
            }
        }
    }
}

/// The places that declared items get which are not live yet.
fn places(order: &[Source]) -> BTreeMap<usize, usize> {
    let place = |(at, source): (usize, &Source)| match source {
        Source::Declared(declared) => Some((*declared, at)),
        Source::Live(_) => None,
    };
    order.iter().enumerate().filter_map(place).collect()
}

fn place(places: &BTreeMap<usize, usize>, declared: usize) -> usize {
    places.get(&declared).copied().unwrap_or(declared)
}

/// The name of a list item for people: the value of its key, or all of them.
pub(super) fn item_name(item: ValueRef<'_>, keys: &[Arc<str>], element: TypeRef<'_>) -> Draft {
    let fields = keys.iter().filter_map(|name| Some((name, key_field(item, name, element)?)));
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.to_string(), value.to_draft())).collect();
    if keys.len() == 1 { fields.pop().unwrap_or_default().1 } else { Draft::Map(fields.into_iter().collect()) }
}
