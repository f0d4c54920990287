//! When a window opens and shuts, as instants.

use super::zone::known;
use super::{Kind, Window};
use crate::time::Timestamp;

/// As far as an opening is looked for: the 29th of February is eight years apart around 1900, 2100 and so on.
const HORIZON: i64 = 9 * 366 * 86_400;

/// No clock was ever changed by more.
const LARGEST_CHANGE: i64 = 86_400;

/// So many openings that overlap are followed to find where an opening ends.
const OVERLAPS: usize = 64;

impl Window {
    /// Returns whether it is open at an instant: from each opening on, up to but not at its end.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.opening(at).is_some()
    }

    /// Returns when it opens next after an instant; `None` beyond all times that calendars are known for.
    #[must_use]
    pub fn next_opening(&self, after: Timestamp) -> Option<Timestamp> {
        if self.duration.as_millis() == 0 {
            return None;
        }
        self.next_start(seconds(after)).map(instant).filter(|next| *next > after)
    }

    /// Returns the next instant at which it may open or shut; never later than when it does.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let Some(opened) = self.opening(now) else { return self.next_opening(now) };
        self.end(opened).filter(|end| *end > now)
    }

    /// Returns the latest opening up to `at`, if the window is still open then.
    fn opening(&self, at: Timestamp) -> Option<i64> {
        let (at, length) = (within_calendars(at), i64::try_from(self.duration.as_millis()).unwrap_or(i64::MAX));
        let second = seconds(at);
        let opened = self.last_start(second, second.saturating_sub(HORIZON.min(length / 1000 + 1)))?;
        (at.millis() < instant(opened).millis().saturating_add(length)).then_some(opened)
    }

    /// Returns when the window that opened at a second shuts, if no other opening comes before.
    fn end(&self, mut opened: i64) -> Option<Timestamp> {
        for _ in 0..OVERLAPS {
            let end = instant(opened) + self.duration;
            if within_calendars(end) != end {
                return None;
            }
            let second = seconds(end);
            match self.last_start(second, opened.saturating_add(1).max(second.saturating_sub(HORIZON))) {
                Some(next) => opened = next,
                None => return Some(end),
            }
        }
        Some(instant(opened) + self.duration)
    }

    /// Returns the latest opening up to and with a second, and not before `first`.
    fn last_start(&self, second: i64, first: i64) -> Option<i64> {
        let times = &self.schedule.times;
        let mut at = known(second);
        loop {
            let stretch = self.time_zone.stretch(at);
            let from = stretch.from.unwrap_or(i64::MIN).max(first);
            let wall = |second: i64| second.saturating_add(stretch.offset);
            if let Some(found) = times.last(wall(at), wall(from)) {
                return Some(found.saturating_sub(stretch.offset));
            }
            let change = stretch.from.filter(|change| *change >= first)?;
            let before = self.time_zone.stretch(change.saturating_sub(1)).offset;
            if times.next(change.saturating_add(before), wall(change)).is_some() {
                return Some(change);
            }
            at = change.saturating_sub(1);
        }
    }

    /// Returns the first opening after a second.
    fn next_start(&self, second: i64) -> Option<i64> {
        let times = &self.schedule.times;
        let (mut from, limit) = (known(second).saturating_add(1), known(second).saturating_add(HORIZON));
        loop {
            let stretch = self.time_zone.stretch(from);
            let until = stretch.until.unwrap_or(i64::MAX).min(limit);
            let wall = |second: i64| second.saturating_add(stretch.offset);
            if let Some(found) = times.next(wall(from), wall(until)) {
                return Some(found.saturating_sub(stretch.offset));
            }
            let change = stretch.until.filter(|change| *change < limit)?;
            let after = self.time_zone.stretch(change).offset;
            if times.next(wall(change), change.saturating_add(after)).is_some() {
                return Some(change);
            }
            from = change;
        }
    }

    /// Returns whether this window denies, for all that the other one is for, whenever that one allows. It may be so
    /// where this says that it is not.
    pub(super) fn always_shuts(&self, allow: &Self) -> bool {
        let same_times = self.time_zone == allow.time_zone && self.schedule.times.cover(&allow.schedule.times);
        let same_applications = self.applications == allow.applications
            && self.namespaces == allow.namespaces
            && self.clusters == allow.clusters
            && self.and_operator == allow.and_operator;
        let for_all = !self.and_operator && self.applications.iter().any(|glob| glob.as_str() == "*");
        self.kind == Kind::Deny
            && allow.kind == Kind::Allow
            && (same_applications || for_all)
            && (same_times && self.duration >= allow.duration || self.is_always_open())
    }

    /// Returns whether it is plainly open at any time: it opens again before it shuts, also where clocks are changed.
    fn is_always_open(&self) -> bool {
        let spare = if self.time_zone.is_utc() { 0 } else { LARGEST_CHANGE };
        let length = i64::try_from(self.duration.as_secs()).unwrap_or(i64::MAX);
        self.schedule.times.widest_gap().is_some_and(|gap| length >= gap.saturating_add(spare))
    }
}

/// Brings an instant into the times that calendars are known for.
fn within_calendars(at: Timestamp) -> Timestamp {
    let second = at.millis().div_euclid(1000);
    if known(second) == second { at } else { instant(known(second)) }
}

/// The second that an instant is in.
fn seconds(at: Timestamp) -> i64 {
    known(at.millis().div_euclid(1000))
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_millis(second.saturating_mul(1000))
}
