//! Durations as Go writes them: `1h30m`.
//!
//! Rule: `time.ParseDuration` of Go. A sign says nothing here: a duration below zero is refused.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Units and their nanoseconds. The two letters for micro are what Go knows.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let shown = || text.chars().take(40).collect::<String>();
    let wrong = |what: &str| format!("`{}` is no duration: {what}; write it as `30m` or `1h30m`", shown());
    let text = text.strip_prefix('+').unwrap_or(text);
    if text.starts_with('-') {
        return Err(wrong("it is below zero"));
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(wrong("it is empty"));
    }
    let (mut left, mut nanos) = (text, 0_u128);
    while !left.is_empty() {
        let number = left.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(left.len());
        let (amount, rest) = left.split_at(number);
        let unit = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit);
        if unit.is_empty() {
            return Err(wrong(&format!("`{amount}` has no unit")));
        }
        let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(wrong(&format!("there is no unit `{unit}`; the units are `ms`, `s`, `m` and `h`")));
        };
        let part = scaled(amount, *size).ok_or_else(|| wrong(&format!("`{amount}` is no number")))?;
        nanos = nanos.saturating_add(part);
        left = rest;
    }
    // As in Go, about 292 years.
    let fits = u64::try_from(nanos).ok().filter(|nanos| i64::try_from(*nanos).is_ok());
    fits.map(Duration::from_nanos).ok_or_else(|| wrong("it is longer than 292 years"))
}

/// Multiplies a decimal number; what is below a nanosecond is dropped.
fn scaled(amount: &str, size: u128) -> Option<u128> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') {
        return None;
    }
    // More digits than these mean nothing in nanoseconds of an hour, or are beyond any duration.
    let part = part.get(..part.len().min(18))?;
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u128::MAX) };
    let tenths = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part: u128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    Some(whole.saturating_mul(size).saturating_add(part.saturating_mul(size) / tenths))
}

/// Writes a duration, without the parts that are zero.
pub(crate) fn show(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 && nanos > 0 && nanos % 1_000_000 == 0 {
        return format!("{}ms", nanos / 1_000_000);
    }
    let mut text = String::new();
    for (amount, unit) in [(seconds / 3600, "h"), (seconds / 60 % 60, "m")] {
        if amount > 0 {
            text.push_str(&format!("{amount}{unit}"));
        }
    }
    if nanos > 0 {
        let digits = format!("{nanos:09}");
        text.push_str(&format!("{}.{}s", seconds % 60, digits.trim_end_matches('0')));
    } else if seconds % 60 > 0 || text.is_empty() {
        text.push_str(&format!("{}s", seconds % 60));
    }
    text
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&show(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_as_go_reads_it() {
        for (text, nanos, shown) in [
            ("0", 0, "0s"),
            ("5s", 5_000_000_000, "5s"),
            ("1h30m", 5_400_000_000_000, "1h30m"),
            ("1.5h", 5_400_000_000_000, "1h30m"),
            ("+90s", 90_000_000_000, "1m30s"),
            ("1h1ms", 3_600_001_000_000, "1h0.001s"),
            ("300ms", 300_000_000, "300ms"),
            ("1\u{b5}s", 1_000, "0.000001s"),
            (".5s", 500_000_000, "500ms"),
            ("1.s", 1_000_000_000, "1s"),
            ("30m1h", 5_400_000_000_000, "1h30m"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!((duration, &*show(duration)), (Duration::from_nanos(nanos), shown), "{text}");
            assert_eq!(parse(&show(duration)), Ok(duration), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_to_write() {
        for (text, why) in [
            ("", "it is empty"),
            ("-1h", "it is below zero"),
            ("60", "`60` has no unit"),
            ("1d", "there is no unit `d`"),
            ("h", "`` is no number"),
            ("1..5h", "`1..5` is no number"),
            (".h", "`.` is no number"),
            ("9999999h", "longer than 292 years"),
            ("999999999999999999999999999999999999999999999h", "longer than 292 years"),
            ("1h é", "no unit `h é`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why) && error.contains("write it as"), "{text}: {error}");
        }
    }
}
