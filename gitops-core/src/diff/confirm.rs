//! Confirmation: the live object against the cluster's answer to a dry run, on what we own or want.
//!
//! Rule 8 of the exact rules: any difference on S ∪ R is drift, where S is what Git declares and R what we own and Git
//! does not declare; what differs elsewhere was filled in or injected, and is none.

use std::collections::BTreeSet;

use crate::model::{ListKind, TypeRef};
use crate::resource::Resource;
use crate::value::{Draft, List, Map, ValueRef, View};

use super::equal::same;
use super::lists::item_name;
use super::mask::Seen;
use super::owned::{Claims, Owned, same_key};
use super::step::{Finder, LONG, Step, plain_key};
use super::trail::Trail;
use super::{Change, ChangeKind, ChangeReason, Note};

struct Confirm<'a> {
    trail: Trail<'a>,
    manager: &'a str,
    notes: Vec<Note>,
}

/// What Git says of a place, what is there, and what would be there.
#[derive(Clone, Copy)]
struct Three<T> {
    want: Option<T>,
    live: Option<T>,
    after: Option<T>,
}

/// Returns what the apply that was answered would change, on what we own or want, and what is worth knowing of it.
pub(super) fn changes<'a>(
    sent: &'a Resource,
    live: &'a Resource,
    after: &'a Resource,
    root: TypeRef<'a>,
    manager: &'a str,
    mine: Owned<'a>,
    seen: Seen<'a>,
) -> (Vec<Change>, Vec<Note>) {
    let seen = Seen { after: Some(after), ..seen };
    let mut confirm = Confirm { trail: Trail::new(live, seen), manager, notes: Vec::new() };
    let trees = Three { want: Some(sent.tree()), live: Some(live.tree()), after: Some(after.tree()) };
    confirm.map(trees.map(ValueRef::as_map), root, mine);
    (confirm.trail.changes, confirm.notes)
}

impl<T> Three<T> {
    fn map<U>(self, map: impl Fn(T) -> Option<U>) -> Three<U> {
        Three { want: self.want.and_then(&map), live: self.live.and_then(&map), after: self.after.and_then(&map) }
    }
}

impl<'a> Confirm<'a> {
    fn node(&mut self, at: Three<ValueRef<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        let there = |value: &ValueRef<'a>| !value.is_null();
        let (live, after) = match (at.live.filter(there), at.after.filter(there)) {
            (None, None) => return,
            (None, Some(after)) => {
                return match at.want.and_then(ValueRef::as_map) {
                    Some(_) if self.trail.is_split() => self.map(at.map(ValueRef::as_map), of, mine),
                    _ => self.trail.note(ChangeKind::Added, None, Some(after), ChangeReason::Declared),
                };
            }
            (Some(live), None) => {
                let reason = if at.want.is_some() { ChangeReason::Rewritten } else { ChangeReason::Undeclared };
                return self.trail.note(ChangeKind::Removed, Some(live), None, reason);
            }
            (Some(live), Some(after)) => (live, after),
        };
        match (live.view(), after.view()) {
            _ if self.trail.is_too_deep() => self.whole(at.want, live, after, of, mine),
            (View::Map(_), View::Map(_)) if !of.is_atomic_map() => self.map(at.map(ValueRef::as_map), of, mine),
            (View::List(_), View::List(_)) if of.list() != ListKind::Atomic => {
                self.items(at.map(ValueRef::as_list), of, mine);
            }
            _ => self.whole(at.want, live, after, of, mine),
        }
    }

    fn map(&mut self, at: Three<Map<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        let mut wanted = at.want.into_iter().flatten().peekable();
        let mut owned = mine.fields().peekable();
        loop {
            let name = match (wanted.peek(), owned.peek()) {
                (Some((want, _)), Some((own, _))) => (*want).min(own),
                (Some((name, _)), None) | (None, Some((name, _))) => name,
                (None, None) => return,
            };
            let want = wanted.next_if(|(field, _)| *field == name).map(|(_, value)| value);
            let below = owned.next_if(|(field, _)| *field == name).map_or(mine.inherited(), |(_, below)| below);
            if self.trail.is_exempt(name) {
                continue;
            }
            let value = |map: Option<Map<'a>>| map.and_then(|map| map.get(name));
            self.trail.path.push(Step::Field(name));
            self.node(Three { want, live: value(at.live), after: value(at.after) }, of.field(name), below);
            self.trail.path.pop();
        }
    }

    /// Keyed lists and sets: items that Git declares, and those that we own.
    fn items(&mut self, at: Three<List<'a>>, of: TypeRef<'a>, mine: Owned<'a>) {
        let element = of.element();
        let keys = match of.list() {
            ListKind::Map { keys } => Some(keys),
            _ => None,
        };
        let equal = |left: ValueRef<'a>, right: ValueRef<'a>| match keys {
            Some(keys) => same_key(left, right, keys, element),
            None => same(left, right, element),
        };
        let name = |item: ValueRef<'a>| keys.map_or_else(|| item.to_draft(), |keys| item_name(item, keys, element));
        let step = |item, at| match keys {
            Some(keys) => Step::Keyed { keys, item, element, at },
            None => Step::Valued { item, at },
        };
        let list = |list: Option<List<'a>>| list.into_iter().flatten().collect::<Vec<_>>();
        let (want, live, after) = (list(at.want), list(at.live), list(at.after));
        let plain = |item: ValueRef<'_>| plain_key(item, keys, element);
        let mut owned = Claims::of(mine);
        let (mut in_live, mut in_after) = (Finder::default(), Finder::default());
        let find =
            |finder: &mut Finder, list: &[ValueRef<'a>], wanted: ValueRef<'_>, is_it: &dyn Fn(ValueRef<'a>) -> bool| {
                let item = |at: usize| list.get(at).copied();
                let found =
                    finder.find(list.len(), |at| item(at).is_some_and(is_it), |at| plain(item(at)?), || plain(wanted));
                found.and_then(|at| Some((at, item(at)?)))
            };
        let mut shared = Vec::new();
        for item in &want {
            let is_it = |have: ValueRef<'a>| equal(*item, have);
            let (l, a) = (find(&mut in_live, &live, *item, &is_it), find(&mut in_after, &after, *item, &is_it));
            let here = l.or(a).map_or(step(*item, 0), |(at, item)| step(item, at));
            let ours = owned.take(*item, here, plain, |key| here.is(key));
            self.trail.path.push(here);
            let below = ours.unwrap_or(mine.inherited());
            self.node(Three { want: Some(*item), live: value(l), after: value(a) }, element, below);
            self.trail.path.pop();
            shared.extend(l.zip(a).map(|((l, item), (a, _))| (l, a, item)));
        }
        for item in owned.rest() {
            let is_it = |have: ValueRef<'a>| step(have, 0).is(item.key.root());
            let key = item.key.root();
            let (l, a) = (find(&mut in_live, &live, key, &is_it), find(&mut in_after, &after, key, &is_it));
            let Some((place, found)) = l else { continue };
            self.trail.path.push(step(found, place));
            self.node(Three { want: None, live: l.map(|(_, item)| item), after: value(a) }, element, item.below);
            self.trail.path.pop();
            shared.extend(a.map(|(a, _)| (place, a, found)));
        }
        shared.sort_by_key(|(_, after, _)| *after);
        if !shared.iter().map(|(live, ..)| live).is_sorted() {
            // Those of others as well, since they stand between ours.
            let all = after.iter().filter_map(|item| find(&mut in_live, &live, *item, &|have| equal(*item, have)));
            let mut all: Vec<(usize, ValueRef<'a>)> = all.collect();
            let names =
                |items: &[(usize, ValueRef<'a>)]| Draft::List(items.iter().map(|(_, item)| name(*item)).collect());
            let wanted = names(&all);
            all.sort_by_key(|(at, _)| *at);
            self.trail.moved(names(&all), wanted);
        }
        let texts = |live: &[ValueRef<'a>]| live.iter().map(|item| plain(*item)).collect::<Option<BTreeSet<String>>>();
        let is_unique = || live.len() > LONG && texts(&live).is_some_and(|texts| texts.len() == live.len());
        if live.len() > shared.len() && !is_unique() {
            self.doubles(&live, &after, &shared, equal);
        }
    }

    /// Items that are there twice, and would not be.
    fn doubles(
        &mut self,
        live: &[ValueRef<'a>],
        after: &[ValueRef<'a>],
        shared: &[(usize, usize, ValueRef<'a>)],
        equal: impl Fn(ValueRef<'a>, ValueRef<'a>) -> bool,
    ) {
        for (kept, _, item) in shared {
            let others = live.iter().enumerate().filter(|(at, have)| at != kept && equal(*item, **have));
            let stay = after.iter().filter(|have| equal(*item, **have)).count().saturating_sub(1);
            for (at, other) in others.skip(stay) {
                self.trail.path.push(Step::Index { at });
                self.trail.note(ChangeKind::Removed, Some(*other), None, ChangeReason::Doubled);
                self.trail.path.pop();
            }
        }
    }

    /// A value that is replaced whole.
    fn whole(
        &mut self,
        want: Option<ValueRef<'a>>,
        live: ValueRef<'a>,
        after: ValueRef<'a>,
        of: TypeRef<'a>,
        mine: Owned<'a>,
    ) {
        let is_scalar = !matches!(after.view(), View::Map(_) | View::List(_));
        let rewritten = want.filter(|want| is_scalar && !same(*want, after, of));
        if live == after {
            match (want, rewritten) {
                (None, _) => self.stays(mine),
                (_, Some(want)) => {
                    let (desired, becomes) = (self.trail.shown(want), self.trail.shown(after));
                    self.notes.push(Note::Rewritten { field: self.trail.field(), desired, becomes });
                }
                _ => {}
            }
            return;
        }
        let reason = match (want, rewritten) {
            (None, _) => ChangeReason::Reset,
            (_, Some(_)) => ChangeReason::Rewritten,
            _ => ChangeReason::Declared,
        };
        self.within(live, after, reason);
    }

    /// Names the smallest parts of a value that differ.
    fn within(&mut self, live: ValueRef<'a>, after: ValueRef<'a>, reason: ChangeReason) {
        match (live.view(), after.view()) {
            _ if live == after => {}
            (View::Map(have), View::Map(will)) if !self.trail.is_too_deep() => {
                for (name, value) in have {
                    self.trail.path.push(Step::Field(name));
                    match will.get(name) {
                        Some(after) => self.within(value, after, reason),
                        None => self.trail.note(ChangeKind::Removed, Some(value), None, ChangeReason::Surplus),
                    }
                    self.trail.path.pop();
                }
                for (name, value) in will.iter().filter(|(name, _)| have.get(name).is_none()) {
                    self.trail.path.push(Step::Field(name));
                    self.trail.note(ChangeKind::Added, None, Some(value), reason);
                    self.trail.path.pop();
                }
            }
            (View::List(have), View::List(will)) if !self.trail.is_too_deep() => {
                let (mut have, mut will) = (have.iter(), will.iter());
                for at in 0.. {
                    self.trail.path.push(Step::Index { at });
                    match (have.next(), will.next()) {
                        (Some(live), Some(after)) => self.within(live, after, reason),
                        (Some(live), None) => {
                            self.trail.note(ChangeKind::Removed, Some(live), None, ChangeReason::Surplus);
                        }
                        (None, Some(after)) => self.trail.note(ChangeKind::Added, None, Some(after), reason),
                        (None, None) => break,
                    }
                    self.trail.path.pop();
                }
                self.trail.path.pop();
            }
            _ => self.trail.note(ChangeKind::Value, Some(live), Some(after), reason),
        }
    }

    /// A field that we give up and that stays as it is; where others hold it, see `forgotten`.
    fn stays(&mut self, mine: Owned<'a>) {
        if mine.is_member() && !self.trail.is_held_by_others(self.manager) {
            self.notes.push(Note::KeepsDefault { field: self.trail.field() });
        }
    }
}

fn value<'a>(found: Option<(usize, ValueRef<'a>)>) -> Option<ValueRef<'a>> {
    found.map(|(_, item)| item)
}
