//! Parts of live values that are carried into desired ones which are sent as a whole.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::path::{FieldPath, Segment};
use crate::value::{Draft, List, ValueRef};

/// From which side the indices of a place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Desired,
    Live,
}

/// In which order parts are carried, so that all places stay true: first what moves no items, then items that go, last
/// and inmost first, then items that come, inmost and first first.
pub(super) fn order(inner: &[Segment], side: Side) -> (u8, Reverse<usize>, i64) {
    let depth = Reverse(inner.len());
    match (inner.last(), side) {
        (Some(Segment::Index(index)), Side::Desired) => (1, depth, -i64::from(*index)),
        (Some(Segment::Index(index)), Side::Live) => (2, depth, i64::from(*index)),
        _ => (0, depth, 0),
    }
}

/// Puts parts of live values into desired ones, which are sent as a whole. A part that the cluster does not have is taken
/// out of an item that it has; an item that it does not have keeps Git's.
///
/// Rule 16 of the exact rules: items are matched by a unique name, key or id, else by their place in lists of equal
/// length.
pub(super) struct Carrying<'l> {
    /// By the place of a desired list: which of its items are which of the live one.
    twins: BTreeMap<Vec<Segment>, Twins<'l>>,
}

impl<'l> Carrying<'l> {
    pub(super) fn new() -> Self {
        Self { twins: BTreeMap::new() }
    }

    /// Carries one part of the value at `whole`. `Err` if items cannot be told apart.
    pub(super) fn carry(
        &mut self,
        whole: &FieldPath,
        desired: &mut Draft,
        live: ValueRef<'l>,
        inner: &[Segment],
        side: Side,
    ) -> Result<(), ()> {
        self.part(&mut whole.segments().to_vec(), desired, live, inner, side)
    }

    fn part(
        &mut self,
        place: &mut Vec<Segment>,
        desired: &mut Draft,
        live: ValueRef<'l>,
        inner: &[Segment],
        side: Side,
    ) -> Result<(), ()> {
        let Some((first, rest)) = inner.split_first() else {
            *desired = live.to_draft();
            return Ok(());
        };
        match (first, &mut *desired) {
            (Segment::Field(name), Draft::Map(map)) => match (live.get(name), rest) {
                (Some(live), []) => {
                    map.insert(name.to_string(), live.to_draft());
                }
                (None, []) => drop(map.remove(&**name)),
                (Some(live), rest) => {
                    if let Some(desired) = map.get_mut(&**name) {
                        place.push(first.clone());
                        return self.part(place, desired, live, rest, side);
                    }
                }
                (None, _) => {}
            },
            (Segment::Index(index), Draft::List(items)) => {
                let Some(list) = live.as_list() else { return Ok(()) };
                return self.item(place, items, list, (*index as usize, rest), side);
            }
            _ => {}
        }
        Ok(())
    }

    fn item(
        &mut self,
        place: &mut Vec<Segment>,
        items: &mut Vec<Draft>,
        list: List<'l>,
        (index, rest): (usize, &[Segment]),
        side: Side,
    ) -> Result<(), ()> {
        let twins = self.twins.entry(place.clone()).or_insert_with(|| Twins::of(items, list));
        let other = twins.other(index, side)?;
        let live = |at: usize| twins.live.get(at).copied();
        let (at, live_at) = match side {
            Side::Desired => (Some(index), other),
            Side::Live => (other, Some(index)),
        };
        let desired = at.and_then(|at| Some((u32::try_from(at).ok()?, items.get_mut(at)?)));
        match (desired, live_at.and_then(live)) {
            (Some((at, desired)), Some(live)) => {
                place.push(Segment::Index(at));
                return self.part(place, desired, live, rest, side);
            }
            (None, Some(live)) if rest.is_empty() => items.insert(index.min(items.len()), live.to_draft()),
            (Some(_), None) if rest.is_empty() => drop(items.remove(index)),
            _ => return Ok(()),
        }
        // Places behind have moved.
        self.twins.retain(|list, _| !list.starts_with(place));
        Ok(())
    }
}

/// Which items of two lists are the same one, by place.
struct Twins<'l> {
    live: Vec<ValueRef<'l>>,
    of_desired: Vec<Option<usize>>,
    of_live: Vec<Option<usize>>,
    /// Whether that can be told.
    are_told: bool,
}

impl<'l> Twins<'l> {
    fn of(items: &[Draft], list: List<'l>) -> Self {
        let live: Vec<ValueRef<'l>> = list.iter().collect();
        for key in ["name", "key", "id"] {
            let ours: Option<Vec<&str>> = items.iter().map(|item| item.get(key)?.as_str()).collect();
            let theirs: Option<Vec<&str>> = live.iter().map(|item| item.get(key)?.as_str()).collect();
            let places = |names: Option<&Vec<&str>>| {
                let names = names?;
                let places: BTreeMap<String, usize> =
                    names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at)).collect();
                (places.len() == names.len()).then_some(places)
            };
            if let (Some(at_ours), Some(at_theirs)) = (places(ours.as_ref()), places(theirs.as_ref())) {
                let find = |names: Option<Vec<&str>>, there: &BTreeMap<String, usize>| {
                    names.into_iter().flatten().map(|name| there.get(name).copied()).collect()
                };
                let (of_desired, of_live) = (find(ours, &at_theirs), find(theirs, &at_ours));
                return Self { live, of_desired, of_live, are_told: true };
            }
        }
        let same = |length: usize| (0..length).map(Some).collect();
        let are_told = items.len() == live.len();
        Self { of_desired: same(items.len()), of_live: same(live.len()), live, are_told }
    }

    fn other(&self, index: usize, side: Side) -> Result<Option<usize>, ()> {
        let places = if side == Side::Desired { &self.of_desired } else { &self.of_live };
        if self.are_told { Ok(places.get(index).copied().flatten()) } else { Err(()) }
    }
}
