//! What is claimed by us, or was, and not declared. Rule 28 of the exact rules.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy::{self, Role};
use crate::resource::{Resource, ResourceKey};
use crate::state::{DesiredState, Entry, Live, LiveState, Tracking};

use super::adapt::Scaled;
use super::compare::{Known, Made, Pass};
use super::entries::{Place, Row, Weave};
use super::judge::Verdict;
use super::memo::{Held, Inputs};
use super::{Claim, Comparison, Outcome, Why, claim};

/// Live objects that we claim and that are not declared, with their uids; those that are not in the result, too.
pub(super) type Claimed = BTreeMap<ResourceKey, Option<Arc<str>>>;

/// The search for what is not declared.
pub(super) struct Undeclared<'l> {
    pub(super) desired: &'l DesiredState,
    pub(super) live: &'l LiveState,
    /// Uids of what is declared: one object that is served in two groups has one uid.
    uids: Option<BTreeSet<&'l str>>,
    pub(super) claimed: Claimed,
}

impl<'l> Undeclared<'l> {
    pub(super) fn new(desired: &'l DesiredState, live: &'l LiveState) -> Self {
        Self { desired, live, uids: None, claimed: Claimed::new() }
    }

    /// Adds the rows of objects and of entries of the inventory that nothing declares; both in order.
    pub(super) fn weave(
        &mut self,
        there: Vec<(&ResourceKey, Live<'_>)>,
        ours: Vec<(&ResourceKey, &Entry)>,
        pass: &mut Pass<'_>,
        rows: &mut Weave<'_>,
        previous: &Comparison,
    ) {
        if there.is_empty() && ours.is_empty() {
            return;
        }
        let (mut there, mut ours) = (there.into_iter().peekable(), ours.into_iter().peekable());
        loop {
            let order = match (there.peek(), ours.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((left, _)), Some((right, _))) => left.cmp(right),
            };
            let object = if order == Ordering::Greater { None } else { there.next() };
            let entry = if order == Ordering::Less { None } else { ours.next() };
            let Some(key) = object.map(|(key, _)| key).or(entry.map(|(key, _)| key)) else { return };
            let read = object.map_or_else(|| self.live.get(key), |(_, read)| read);
            self.weave_one(key, read, entry.map(|(_, entry)| entry), pass, rows, previous);
        }
    }

    fn weave_one(
        &mut self,
        key: &ResourceKey,
        read: Live<'_>,
        entry: Option<&Entry>,
        pass: &mut Pass<'_>,
        rows: &mut Weave<'_>,
        previous: &Comparison,
    ) {
        if entry.is_none() && !may_be_claimed(read) {
            return;
        }
        let known: Option<(Place, &Row)> = previous.entries.row(key);
        match (self.row(key, read, entry, pass, known.map(|(_, row)| row)), known) {
            (Some(Made::Kept), Some((place, row))) => rows.keep(place, row),
            (Some(Made::New(row)), _) => rows.push(*row),
            (Some(Made::Kept), None) | (None, _) => {}
        }
    }

    /// Returns the row of an object that is not declared, if it has one.
    pub(super) fn row(
        &mut self,
        key: &ResourceKey,
        read: Live<'_>,
        entry: Option<&Entry>,
        pass: &mut Pass<'_>,
        known: Option<&Row>,
    ) -> Option<Made> {
        let inputs = Inputs { desired: None, live: read, held: Held::No, scaled: Scaled::No, entry };
        let (outcome, claim) = match read {
            Live::Present(object) | Live::MetadataOnly(object) => {
                let claim = claim::of(object, None, pass.context, &pass.manager);
                let is_claimed = claim.standing.is_some() || claim.tracked && !claim.owned;
                if !is_claimed || is_hook(object, &claim) {
                    return None;
                }
                self.claimed.insert(key.clone(), object.uid().map(Arc::from));
                if object.uid().is_some_and(|uid| self.is_declared(uid)) {
                    return None;
                }
                (if object.is_terminating() { Outcome::Terminating } else { Outcome::Extra }, claim)
            }
            _ => {
                entry?;
                (unread(read)?, Claim::default())
            }
        };
        Some(match pass.known(key, &inputs, known) {
            Known::Same => Made::Kept,
            Known::Moved(row) => Made::New(row),
            Known::Nothing(facts) => {
                let compared = Verdict::of(outcome).on(claim, inputs.object(), facts, pass.masked(key));
                Made::New(Box::new(Row::new(key.clone(), Arc::new(compared), inputs.memo())))
            }
        })
    }

    /// Whether an object that is declared has this uid.
    fn is_declared(&mut self, uid: &str) -> bool {
        let (desired, live) = (self.desired, self.live);
        let uids = self.uids.get_or_insert_with(|| {
            let resources = desired.declared.iter().filter(|(_, declared)| declared.options.is_resource());
            resources
                .filter_map(|(key, _)| match live.get(key) {
                    Live::Present(object) | Live::MetadataOnly(object) => object.uid(),
                    _ => None,
                })
                .collect()
        });
        uids.contains(uid)
    }
}

/// Whether an object that the inventory does not have may be ours.
pub(super) fn may_be_claimed(read: Live<'_>) -> bool {
    let (Live::Present(object) | Live::MetadataOnly(object)) = read else { return false };
    Tracking::of(object).is_some()
}

/// What is to be said of an object of the inventory of which nobody knows whether it is there.
fn unread(read: Live<'_>) -> Option<Outcome> {
    Some(Outcome::Unknown(match read {
        Live::Unreadable(why) => Why::Unreadable(why.clone()),
        Live::NotLooked => Why::NotLooked,
        // A kind that is not served now may come back with its objects (rule 29).
        Live::NotServed => Why::UnknownKind,
        Live::Absent | Live::Present(_) | Live::MetadataOnly(_) => return None,
    }))
}

fn is_hook(object: &Resource, claim: &Claim) -> bool {
    claim.standing.is_none() && policy::options(object).0.role != Role::Resource
}
