//! What a verdict was made from.

use crate::resource::Resource;
use crate::state::{Entry, Live, Unreadable};

use super::adapt::Scaled;

/// Everything a verdict depends on, but for what all verdicts of a kind have in common; from equal ones equal verdicts
/// are made. Holds the very objects: most often they are still the same, and nothing of them need be read to see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    desired: Option<Resource>,
    live: Option<Resource>,
    state: State,
    held: Held,
    scaled: Scaled,
    entry: Option<Entry>,
}

/// A [`Memo`] to be, of what is looked at now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<'a> {
    pub(super) desired: Option<&'a Resource>,
    pub(super) live: Live<'a>,
    pub(super) held: Held,
    pub(super) scaled: Scaled,
    pub(super) entry: Option<&'a Entry>,
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
enum State {
    Present,
    MetadataOnly,
    Absent,
    NotServed,
    Unreadable(Unreadable),
    #[default]
    NotLooked,
}

impl Memo {
    /// Returns whether the verdict was made from just this. Follows no pointer of what is the same.
    pub(super) fn is(&self, now: &Inputs<'_>) -> bool {
        let same = |before: &Option<Resource>, now: Option<&Resource>| match (before, now) {
            (Some(before), Some(now)) => before.same(now),
            (before, now) => before.is_none() && now.is_none(),
        };
        same(&self.desired, now.desired) && same(&self.live, now.object()) && self.stands(now)
    }

    /// Returns whether the verdict was made from what says the same, as far as it was declared. What was read of the
    /// live object is left to its facts.
    pub(super) fn says(&self, now: &Inputs<'_>) -> bool {
        self.desired.as_ref().map(Resource::intent) == now.desired.map(Resource::intent) && self.stands(now)
    }

    /// All but the objects.
    fn stands(&self, now: &Inputs<'_>) -> bool {
        self.held == now.held
            && self.scaled == now.scaled
            && self.state.is(now.live)
            && self.entry.as_ref() == now.entry
    }

    /// Returns whether it was made from this live object.
    pub(super) fn saw(&self, live: Live<'_>) -> bool {
        object(live).zip(self.live.as_ref()).is_some_and(|(live, before)| before.same(live))
    }
}

impl<'a> Inputs<'a> {
    /// The live object, if it was read.
    pub(super) fn object(&self) -> Option<&'a Resource> {
        object(self.live)
    }

    pub(super) fn memo(&self) -> Memo {
        Memo {
            desired: self.desired.cloned(),
            live: self.object().cloned(),
            state: self.live.into(),
            held: self.held,
            scaled: self.scaled,
            entry: self.entry.cloned(),
        }
    }
}

fn object(live: Live<'_>) -> Option<&Resource> {
    if let Live::Present(live) | Live::MetadataOnly(live) = live { Some(live) } else { None }
}

impl State {
    fn is(&self, live: Live<'_>) -> bool {
        match (self, live) {
            (Self::Unreadable(before), Live::Unreadable(why)) => before == why,
            (Self::Present, Live::Present(_))
            | (Self::MetadataOnly, Live::MetadataOnly(_))
            | (Self::Absent, Live::Absent)
            | (Self::NotServed, Live::NotServed)
            | (Self::NotLooked, Live::NotLooked) => true,
            _ => false,
        }
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
