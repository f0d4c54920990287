//! What a verdict was made from.

use crate::state::{Entry, Live, Unreadable};
use crate::value::Digest;

use super::Facts;

/// Everything a verdict depends on; from equal ones equal verdicts are made. Compared part by part: a digest of it all
/// would cost more than anything else of an object that did not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memo {
    basis: Basis,
    entry: Option<Entry>,
}

/// A [`Memo`] without the entry of the inventory, which is cloned only where it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Basis {
    /// Owner, rules, and the schema of the kind.
    pub(super) by: Option<Digest>,
    pub(super) intent: Option<Digest>,
    pub(super) facts: Option<Facts>,
    pub(super) state: State,
    pub(super) held: Held,
    pub(super) scaled: bool,
}

/// Whether a problem holds the object back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Held {
    Yes,
    #[default]
    No,
}

/// What is known of the live object, without the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    Present,
    MetadataOnly,
    Absent,
    NotServed,
    Unreadable(Unreadable),
    #[default]
    NotLooked,
}

impl Memo {
    /// Returns whether it was made from just this.
    pub(super) fn is(&self, basis: &Basis, entry: Option<&Entry>) -> bool {
        self.basis == *basis && self.entry.as_ref() == entry
    }
}

impl Basis {
    pub(super) fn with(self, entry: Option<&Entry>) -> Memo {
        Memo { basis: self, entry: entry.cloned() }
    }
}

impl From<Live<'_>> for State {
    fn from(live: Live<'_>) -> Self {
        match live {
            Live::Present(_) => Self::Present,
            Live::MetadataOnly(_) => Self::MetadataOnly,
            Live::Absent => Self::Absent,
            Live::NotServed => Self::NotServed,
            Live::Unreadable(why) => Self::Unreadable(why.clone()),
            Live::NotLooked => Self::NotLooked,
        }
    }
}
