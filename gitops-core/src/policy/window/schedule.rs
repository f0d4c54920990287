//! When a window opens: a schedule of cron.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fields;
use crate::time::{civil_from_days, days_in_month};

/// When a window opens: the five fields of cron, minute, hour, day of month, month and day of week.
///
/// They are read as `robfig/cron` reads them, which Argo CD and Kubernetes use: `*` and `?`, ranges, steps (`N/step` is
/// `N-max/step`), lists, and the names of months and days. Days of the week are 0 (Sunday) to 6. Where both day of month
/// and day of week are given, either is enough. `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and
/// `@annually` stand for five fields. `@every` is refused: it counts from the start of the program, so that two runs
/// differ. So is a schedule that no day fits; there, Argo CD takes the window to be open for ever.
///
/// ```
/// use gitops_core::policy::window::Schedule;
///
/// assert!("0 22 * * mon-fri".parse::<Schedule>().is_ok());
/// assert_eq!(
///     "0 25 * * *".parse::<Schedule>().unwrap_err().to_string(),
///     "schedule `0 25 * * *` cannot be read: column 3: `25` is no hour; use 0 to 23",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    text: Arc<str>,
    pub(super) times: Times,
}

/// A text that is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schedule `{schedule}` cannot be read: column {column}: {what}; {hint}")]
#[non_exhaustive]
pub struct InvalidSchedule {
    /// The schedule, or its beginning.
    pub schedule: String,
    /// Where, in characters counted from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// The sets that the fields name: a bit for each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) days: u64,
    pub(super) months: u64,
    pub(super) weekdays: u64,
    /// Whether both kinds of day must fit; otherwise either does. Rule: `dayMatches` of `robfig/cron`.
    pub(super) both_days: bool,
}

const DAY: i64 = 86_400;

impl Schedule {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Times {
    /// Returns the latest time of a wall clock that fits, up to and with `latest`, and not before `first`. All are
    /// seconds as if the clock were never changed.
    pub(super) fn last(&self, latest: i64, first: i64) -> Option<i64> {
        let mut day = latest.div_euclid(DAY);
        let mut minute = u32::try_from(latest.rem_euclid(DAY) / 60).unwrap_or(0);
        while day.saturating_mul(DAY).saturating_add(DAY) > first {
            let (_, month, of_month) = civil_from_days(day);
            if !has(self.months, month) {
                day -= of_month;
            } else {
                let fits = self.fits_day(day, of_month);
                if let Some(minute) = self.last_minute(minute).filter(|_| fits) {
                    let found = day * DAY + i64::from(minute) * 60;
                    return (found >= first).then_some(found);
                }
                day -= 1;
            }
            minute = 24 * 60 - 1;
        }
        None
    }

    /// Returns the first time of a wall clock that fits, from `first` on, and before `end`.
    pub(super) fn next(&self, first: i64, end: i64) -> Option<i64> {
        // A time within a minute is past its beginning.
        let first = first.saturating_add(59).div_euclid(60).saturating_mul(60);
        let mut day = first.div_euclid(DAY);
        let mut minute = u32::try_from(first.rem_euclid(DAY) / 60).unwrap_or(0);
        while day.saturating_mul(DAY) < end {
            let (year, month, of_month) = civil_from_days(day);
            if !has(self.months, month) {
                day += days_in_month(year, month) - of_month + 1;
            } else {
                let fits = self.fits_day(day, of_month);
                if let Some(minute) = self.next_minute(minute).filter(|_| fits) {
                    let found = day * DAY + i64::from(minute) * 60;
                    return (found < end).then_some(found);
                }
                day += 1;
            }
            minute = 0;
        }
        None
    }

    /// Whether a day fits: the days since 1970, and its number in the month.
    fn fits_day(&self, day: i64, of_month: i64) -> bool {
        // 1970 began on a Thursday.
        let (of_month, of_week) = (has(self.days, of_month), has(self.weekdays, (day + 4).rem_euclid(7)));
        if self.both_days { of_month && of_week } else { of_month || of_week }
    }

    /// The latest fitting minute of a day, up to and with `latest`.
    fn last_minute(&self, latest: u32) -> Option<u32> {
        let (hour, minute) = (latest / 60, latest % 60);
        if let Some(minute) = highest(self.minutes, minute).filter(|_| has(self.hours, i64::from(hour))) {
            return Some(hour * 60 + minute);
        }
        let hour = highest(self.hours, hour.checked_sub(1)?)?;
        Some(hour * 60 + highest(self.minutes, 59)?)
    }

    /// The first fitting minute of a day, from `first` on.
    fn next_minute(&self, first: u32) -> Option<u32> {
        let (hour, minute) = (first / 60, first % 60);
        if let Some(minute) = lowest(self.minutes, minute).filter(|_| has(self.hours, i64::from(hour))) {
            return Some(hour * 60 + minute);
        }
        let hour = lowest(self.hours, hour + 1)?;
        Some(hour * 60 + lowest(self.minutes, 0)?)
    }

    /// Returns whether some day of some year fits.
    pub(super) fn fits_some_day(&self) -> bool {
        let some = |month| (1..=days_in_month(2000, month)).any(|day| has(self.days, day));
        // Either kind of day fits, and every month has all days of the week.
        !self.both_days || (1..=12).any(|month| has(self.months, month) && some(month))
    }

    /// Returns whether each time of `other` is one of these.
    pub(super) fn cover(&self, other: &Self) -> bool {
        let within = |ours: u64, theirs: u64| theirs & !ours == 0;
        let days = within(self.days, other.days) && within(self.weekdays, other.weekdays);
        within(self.minutes, other.minutes)
            && within(self.hours, other.hours)
            && within(self.months, other.months)
            && (self.every_day() || days && self.both_days == other.both_days)
    }

    /// Returns the longest time from one to the next, if they are the same every day.
    pub(super) fn widest_gap(&self) -> Option<i64> {
        let first = self.next(0, DAY).filter(|_| self.every_day() && (1..=12).all(|month| has(self.months, month)))?;
        let (mut at, mut widest) = (first, 0);
        while at < first + DAY {
            let next = self.next(at + 1, first + DAY + 1)?;
            widest = widest.max(next - at);
            at = next;
        }
        Some(widest)
    }

    /// Returns whether every day of its months fits.
    fn every_day(&self) -> bool {
        let all = |set: u64, from: i64, to: i64| (from..=to).all(|number| has(set, number));
        let (days, weekdays) = (all(self.days, 1, 31), all(self.weekdays, 0, 6));
        if self.both_days { days && weekdays } else { days || weekdays }
    }
}

fn has(set: u64, number: i64) -> bool {
    u32::try_from(number).ok().and_then(|number| set.checked_shr(number)).is_some_and(|rest| rest & 1 == 1)
}

/// The highest number of a set up to and with `latest`.
fn highest(set: u64, latest: u32) -> Option<u32> {
    let below = set & u64::MAX.checked_shr(63_u32.saturating_sub(latest)).unwrap_or(0);
    below.checked_ilog2()
}

/// The lowest number of a set from `first` on.
fn lowest(set: u64, first: u32) -> Option<u32> {
    let above = set & u64::MAX.checked_shl(first).unwrap_or(0);
    (above != 0).then(|| above.trailing_zeros())
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let times = fields::read(text)?;
        Ok(Self { text: text.trim().into(), times })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
