//! When two scalars are the same to the API server, which stores some of them in another form.

use crate::model::Meaning;
use crate::time::Timestamp;
use crate::value::{ValueRef, View};

/// Returns whether the server makes of `desired` what `live` is.
///
/// Whole numbers equal floats of their size; quantities equal by amount (recorded: `1000m` is stored as `1`, `1024Mi`
/// as `1Gi`, amounts below a thousandth are rounded up), times by instant, base64 without its line breaks. Where no
/// schema says what a text means, only equal texts are the same.
pub(super) fn same(desired: ValueRef<'_>, live: ValueRef<'_>, meaning: Meaning) -> bool {
    if desired == live {
        return true;
    }
    match (desired.view(), live.view()) {
        #[expect(clippy::cast_precision_loss, reason = "beyond 53 bits a float cannot hold the number anyway")]
        (View::Int(whole), View::Float(float)) | (View::Float(float), View::Int(whole)) => whole as f64 == float,
        // Go reads null as the zero value, and stores an empty list or map and none at all alike.
        (View::Null, _) => is_zero(live),
        (_, View::Null) => is_empty(desired),
        _ => match meaning {
            Meaning::Quantity => same_amount(desired, live),
            Meaning::Time => texts(desired, live, |text| Some(text.parse::<Timestamp>().ok()?.whole_seconds())),
            Meaning::MicroTime => texts(desired, live, micros),
            Meaning::Bytes => texts(desired, live, |text| Some(text.replace(['\r', '\n'], ""))),
            _ => false,
        },
    }
}

/// Returns whether a value is what Go writes as absence: `false`, `0`, `""`, `{}`, `[]`, or nothing but such.
pub(super) fn is_zero(value: ValueRef<'_>) -> bool {
    match value.view() {
        View::Null => true,
        View::Bool(flag) => !flag,
        View::Int(number) => number == 0,
        View::Float(number) => number == 0.0,
        View::String(text) => text.is_empty(),
        View::List(list) => list.is_empty(),
        View::Map(map) => map.iter().all(|(_, value)| is_zero(value)),
    }
}

/// Returns whether a value is null, `{}` or `[]`.
pub(super) fn is_empty(value: ValueRef<'_>) -> bool {
    match value.view() {
        View::Null => true,
        View::List(list) => list.is_empty(),
        View::Map(map) => map.is_empty(),
        _ => false,
    }
}

fn texts<T: PartialEq>(desired: ValueRef<'_>, live: ValueRef<'_>, read: impl Fn(&str) -> Option<T>) -> bool {
    let read = |value: ValueRef<'_>| read(value.as_str()?);
    read(desired).is_some_and(|desired| read(live) == Some(desired))
}

/// An instant with all digits of its fraction, of which a [`Timestamp`] keeps three.
fn micros(text: &str) -> Option<(Timestamp, String)> {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.chars().take_while(char::is_ascii_digit).collect::<String>();
    Some((text.parse().ok()?, digits.trim_end_matches('0').to_owned()))
}

fn same_amount(desired: ValueRef<'_>, live: ValueRef<'_>) -> bool {
    const MILLI: i128 = NANO / 1000;
    let (Some(desired), Some(live)) = (amount(desired), amount(live)) else { return false };
    desired == live || round_up(desired, MILLI) == Some(live)
}

const NANO: i128 = 1_000_000_000;

/// An amount in billionths, rounded up as the server rounds; `None` where it is none, or too large to tell.
fn amount(value: ValueRef<'_>) -> Option<i128> {
    match value.view() {
        View::Int(number) => i128::from(number).checked_mul(NANO),
        View::Float(number) => quantity(&number.to_string()),
        View::String(text) => quantity(text),
        _ => None,
    }
}

/// Reads `[sign]digits[.digits][suffix]`. Rule: Kubernetes API, "Quantity".
fn quantity(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || fraction.contains('.') {
        return None;
    }
    let digits: i128 = digits.parse().ok()?;
    let (binary, decimal) = scale(suffix)?;
    let exponent = decimal.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let digits = digits.checked_mul(1_i128.checked_shl(binary)?)?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let amount =
        if exponent >= 0 { digits.checked_mul(power)? } else { round_up(digits, power)?.checked_div(power)? };
    Some(if negative { -amount } else { amount })
}

/// Powers of two and of ten of a suffix.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

fn round_up(number: i128, step: i128) -> Option<i128> {
    let rest = number.checked_rem_euclid(step)?;
    if rest == 0 { Some(number) } else { number.checked_sub(rest)?.checked_add(step) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_value_is_the_same_in_every_form_the_server_may_store_it_in() {
        use Meaning::{Bytes, MicroTime, Plain, Quantity, Time};
        for (desired, live, meaning, expected) in [
            ("1", "1.0", Plain, true),
            ("1", "\"1\"", Plain, false),
            ("\"1000m\"", "\"1\"", Plain, false),
            ("\"1000m\"", "\"1\"", Quantity, true),
            ("1", "\"1\"", Quantity, true),
            ("0.5", "\"500m\"", Quantity, true),
            ("\"1024Mi\"", "\"1Gi\"", Quantity, true),
            ("\"1e3\"", "\"1k\"", Quantity, true),
            ("\"1E\"", "\"1000P\"", Quantity, true),
            ("\"1E3\"", "\"1k\"", Quantity, true),
            ("\"0.0001\"", "\"1m\"", Quantity, true),
            ("\"-0.5\"", "\"-500m\"", Quantity, true),
            ("\"1Mi\"", "\"1M\"", Quantity, false),
            ("\"abc\"", "\"0\"", Quantity, false),
            ("\"1..5\"", "\"1\"", Quantity, false),
            ("\"1e99999999999\"", "\"1\"", Quantity, false),
            ("\"2026-01-01T01:00:00+01:00\"", "\"2026-01-01T00:00:00Z\"", Time, true),
            ("\"2026-01-01T00:00:00.5Z\"", "\"2026-01-01T00:00:00Z\"", Time, true),
            ("\"2026-01-01T01:00:00.12+01:00\"", "\"2026-01-01T00:00:00.120000Z\"", MicroTime, true),
            ("\"2026-01-01T00:00:00.000001Z\"", "\"2026-01-01T00:00:00.000002Z\"", MicroTime, false),
            ("\"YW\\nJj\"", "\"YWJj\"", Bytes, true),
            ("null", "{}", Plain, true),
            ("null", "\"\"", Plain, true),
            ("false", "null", Plain, false),
        ] {
            assert_eq!(same(json(desired).root(), json(live).root(), meaning), expected, "{desired} {live}");
        }
    }
}
