//! Time as an argument: instants, and the one clock a driver may have.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. RFC 3339 in text and on the wire, which has four digits for a
/// year: an instant before the year 0, or after 9999, is the first or the last one that can be written.
///
/// ```
/// use gitops_core::time::Timestamp;
///
/// let at: Timestamp = "2026-03-01T12:00:00Z".parse()?;
/// assert_eq!((at + std::time::Duration::from_secs(90)).to_string(), "2026-03-01T12:01:30Z");
/// # Ok::<(), gitops_core::time::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// The clock of a driver. The core itself takes `now` as an argument.
///
/// An implementor promises that [`Timer::sleep_until`] returns no earlier than `at` by [`Timer::now`], and that its
/// future may be dropped at any point.
#[async_trait]
pub trait Timer: fmt::Debug + Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Timestamp;
    /// Returns when `at` has come; at once when it has passed.
    async fn sleep_until(&self, at: Timestamp);
}

impl Timestamp {
    /// The first instant of 1970.
    pub const EPOCH: Self = Self(0);

    /// The first and the last instant that can be written.
    const FIRST: i64 = -62_167_219_200_000;
    const LAST: i64 = 253_402_300_799_999;

    /// Returns the instant `millis` milliseconds after the epoch.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::FIRST, Self::LAST))
    }

    /// Returns milliseconds since the epoch.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Returns the time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns this instant without its part of a second, as Kubernetes stores times.
    #[must_use]
    pub fn whole_seconds(self) -> Self {
        Self(self.0.div_euclid(1000).saturating_mul(1000))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (seconds, part) = (millis / 1000, millis % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if part == 0 { f.write_str("Z") } else { write!(f, ".{part:03}Z") }
    }
}

/// Text that is not an RFC 3339 instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write it as `2026-03-01T12:00:00Z`")]
pub struct InvalidTimestamp(String);

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        parse(text).ok_or_else(|| InvalidTimestamp(text.chars().take(64).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, offset) = rest.split_at_checked(zone)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':').map(digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !valid || year > 9999 {
        return None;
    }
    digits(fraction.get(..fraction.len().min(9))?)?;
    let millis = format!("{fraction:0<3}").get(..3).and_then(digits)?;
    let minutes = match offset {
        "Z" | "z" => 0,
        _ => {
            let (sign, offset) = (if offset.starts_with('-') { -1 } else { 1 }, offset.get(1..)?);
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (digits(hours)?, digits(minutes)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 60 + minutes)
        }
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - minutes * 60;
    // RFC 3339 has four digits for the year, also once the zone is folded into UTC.
    let writable = days_from_civil(0, 1, 1)..days_from_civil(10_000, 1, 1);
    writable.contains(&seconds.div_euclid(86_400)).then_some(Timestamp(seconds * 1000 + millis))
}

/// A short run of decimal digits.
fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch of a date of the Gregorian calendar, counted in eras of 400 years that start on 1 March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_text_and_zones_are_folded_into_utc() {
        for (text, millis, canonical) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2000-02-29T23:59:59.5Z", 951_868_799_500, "2000-02-29T23:59:59.500Z"),
            ("2026-11-22T01:30:00+02:30", 1_795_302_000_000, "2026-11-21T23:00:00Z"),
            ("1969-12-31T23:59:59.999999999Z", -1, "1969-12-31T23:59:59.999Z"),
        ] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!((at.millis(), at.to_string().as_str()), (millis, canonical), "{text}");
        }
    }

    #[test]
    fn an_instant_that_could_not_be_written_is_the_last_or_the_first_that_can() {
        let (last, first) = ("9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00Z");
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let far = now + Duration::from_secs(290_000 * 365 * 86_400);
        for (at, text) in
            [(Timestamp::from_millis(i64::MAX), last), (Timestamp::from_millis(i64::MIN), first), (far, last)]
        {
            assert_eq!(at.to_string(), text);
            assert_eq!(text.parse(), Ok(at));
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2026",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.xZ",
            "é-01-01T00:00:00Z",
            "2026-01-01T00:00:00+24:00",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_converts_both_ways() {
        for day in -150_000..150_000 {
            let (year, month, date) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, date), day);
        }
    }
}
