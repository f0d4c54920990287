//! Whether a sync is allowed now, why, and until when.

use std::sync::Arc;

use super::{Kind, Window, Windows};
use crate::time::Timestamp;

/// Who asks for a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Asked {
    /// The engine itself.
    Automatically,
    /// A person.
    ByHand,
}

/// Whether a sync is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permit {
    /// Whether it is.
    pub allowed: bool,
    /// The window that decided: its number in the list of the project, counted from 1. `None` where none did.
    pub window: Option<usize>,
    /// Why, in one sentence.
    pub reason: String,
    /// The next instant at which the answer may be another; never later than when it is. `None` for never.
    pub next_change: Option<Timestamp>,
}

/// Whether a sync began while it was allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Began {
    No,
    Allowed,
}

/// So many openings and ends are passed over that do not change the answer.
const PASSED_OVER: usize = 16;

/// The windows that matter at an instant.
struct Moment<'w> {
    /// Those that deny, and are open.
    denying: Vec<&'w (usize, Arc<Window>)>,
    /// One that allows, and is open.
    allowing: Option<&'w (usize, Arc<Window>)>,
    /// Those that allow, if all of them are shut.
    shut: Vec<&'w (usize, Arc<Window>)>,
}

/// Why a window that is in the way is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spared {
    ByHand,
    Overrun,
}

impl Windows {
    /// Decides whether a sync may be started now, or go on if it was `started` earlier.
    ///
    /// To ask for one application, take the windows that are for it: [`Windows::of`].
    #[must_use]
    pub fn decide(&self, asked: Asked, now: Timestamp, started: Option<Timestamp>) -> Permit {
        // What began while it was not allowed overruns nothing.
        let began = started.filter(|started| *started <= now && self.allows(asked, *started, Began::No));
        let began = if began.is_some() { Began::Allowed } else { Began::No };
        let (allowed, window, reason) = self.judge(asked, now, began);
        Permit { allowed, window, reason, next_change: self.next_change(asked, now, began, allowed) }
    }

    fn judge(&self, asked: Asked, now: Timestamp, began: Began) -> (bool, Option<usize>, String) {
        let moment = self.moment(now);
        let until = |window: &Window| match window.next_change(now) {
            Some(end) => format!("is open until {end}"),
            None => "is open".to_owned(),
        };
        let named = |kind: &str, (number, window): &(usize, Arc<Window>)| {
            (Some(*number), format!("{kind} window {number} ({}) {}", window.times(), until(window)))
        };
        let why = |spared| match spared {
            Spared::ByHand => "a person may sync in spite of it (`manualSync`)",
            Spared::Overrun => "a sync that began before may go on (`syncOverrun`)",
        };
        let mut spared = None;
        if let Some(first) = moment.denying.first() {
            spared = is_spared(&moment.denying, asked, began).map(|why| (why, named("deny", first)));
            if spared.is_none() {
                let in_the_way = moment.denying.iter().find(|one| is_spared(&[one], asked, began).is_none());
                let (window, text) = named("deny", in_the_way.unwrap_or(first));
                return (false, window, text);
            }
        }
        if let Some(first) = moment.shut.first() {
            let next =
                moment.shut.iter().filter_map(|one| Some((one.1.next_opening(now)?, one.0, one.1.times()))).min();
            let window = Some(next.as_ref().map_or(first.0, |next| next.1));
            let next = next.map(|(at, number, times)| format!("; the next is window {number} ({times}) at {at}"));
            let next = next.unwrap_or_default();
            match is_spared(&moment.shut, asked, began) {
                None => return (false, window, format!("no allow window is open{next}")),
                Some(reason) if spared.is_none() => {
                    return (true, window, format!("no allow window is open, but {}{next}", why(reason)));
                }
                Some(_) => {}
            }
        }
        match (spared, moment.allowing) {
            (Some((reason, (window, text))), _) => (true, window, format!("{text}, but {}", why(reason))),
            (None, Some(allowing)) => {
                let (window, text) = named("allow", allowing);
                (true, window, text)
            }
            (None, None) if self.is_empty() => (true, None, "no sync window is set".to_owned()),
            (None, None) => (true, None, "no deny window is open".to_owned()),
        }
    }

    fn allows(&self, asked: Asked, at: Timestamp, began: Began) -> bool {
        let moment = self.moment(at);
        [moment.denying, moment.shut].iter().all(|group| group.is_empty() || is_spared(group, asked, began).is_some())
    }

    fn moment(&self, at: Timestamp) -> Moment<'_> {
        let open = |kind: Kind| self.list.iter().filter(move |one| one.1.kind == kind && one.1.is_open(at));
        let allowing = open(Kind::Allow).next();
        let shut = self.list.iter().filter(|one| allowing.is_none() && one.1.kind == Kind::Allow);
        Moment { denying: open(Kind::Deny).collect(), allowing, shut: shut.collect() }
    }

    /// Finds when the answer may change. Openings and ends that change nothing are passed over, a few of them.
    fn next_change(&self, asked: Asked, now: Timestamp, began: Began, allowed: bool) -> Option<Timestamp> {
        let mut at = now;
        for _ in 0..PASSED_OVER {
            at = self.iter().filter_map(|window| window.next_change(at)).min()?;
            if self.allows(asked, at, began) != allowed {
                break;
            }
        }
        Some(at)
    }
}

/// Whether windows in the way are not in the way of this sync. Rule: `CanSync`: all of them must say so.
fn is_spared(windows: &[&(usize, Arc<Window>)], asked: Asked, began: Began) -> Option<Spared> {
    let all = |spares: fn(&Window) -> bool| windows.iter().all(|one| spares(&one.1));
    if asked == Asked::ByHand && all(|window| window.manual_sync) {
        return Some(Spared::ByHand);
    }
    (began == Began::Allowed && all(|window| window.sync_overrun)).then_some(Spared::Overrun)
}
