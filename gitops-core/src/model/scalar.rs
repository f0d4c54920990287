//! The stored text of quantities, times, durations and base64, as a server written in Go stores it.

use super::schema::Meaning;
use crate::time::Timestamp;

/// Returns the text that a Kubernetes server stores for a quantity; `None` when it is none, or has more digits than a
/// 128-bit number.
///
/// Rule: apimachinery's `resource.ParseQuantity` and `CanonicalizeBytes`. Text that is close enough to canonical stays
/// as it is: `1e3` is kept, `1000m` becomes `1`.
pub(super) fn quantity(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let end_of = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = digits.split_at_checked(end_of(digits))?;
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(end_of(rest))?,
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (exponent, mut format) = read_suffix(suffix)?;
    let whole = Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let shifted = format!("{whole}{fraction}");
    let mut number: i128 = shifted.parse().ok()?;
    if number == 0 {
        return Some("0".into());
    }
    let mut scale = -i32::try_from(fraction.len()).ok()?;
    if format == Format::Binary {
        let is_canonical = exponent % 10 == 0 && fraction.is_empty() && number & 7 != 0 && shifted.len() < 12;
        if is_canonical {
            return Some(text.to_owned());
        }
        number = number.checked_mul(1_i128.checked_shl(u32::try_from(exponent).ok()?)?)?;
    } else {
        scale += exponent;
        let fits = shifted.len() < 18 && scale >= -9;
        if fits && scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0') {
            return Some(text.to_owned());
        }
    }
    while scale < -9 {
        // Rounded up to nanos: who asks for a little gets a little.
        number = number / 10 + i128::from(number % 10 != 0);
        scale += 1;
    }
    while number % 10 == 0 {
        (number, scale) = (number / 10, scale + 1);
    }
    if format == Format::Binary {
        let value = u32::try_from(scale).ok().and_then(|zeros| number.checked_mul(10_i128.checked_pow(zeros)?));
        match value {
            Some(value) if value >= 1024 => return Some(format!("{}{}", minus(sign), binary(value))),
            _ => format = Format::Decimal,
        }
    }
    let up = scale.rem_euclid(3);
    number = number.checked_mul(10_i128.pow(up.unsigned_abs()))?;
    let suffix = write_suffix(scale - up, format)?;
    Some(format!("{}{number}{suffix}", minus(sign)))
}

impl Meaning {
    /// Returns what a server written in Go says of a text that does not mean this.
    pub(crate) fn flaw(self, text: &str) -> Option<String> {
        use base64::Engine as _;
        match self {
            // What has more digits than are read here may still be a quantity.
            Self::Quantity | Self::Amount if text.len() < 30 && quantity(text).is_none() => Some(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".into(),
            ),
            Self::Bytes => {
                let text = text.replace(['\r', '\n'], "");
                let error = base64::engine::general_purpose::STANDARD.decode(&text).err()?;
                let at = match error {
                    base64::DecodeError::InvalidByte(at, _) => at,
                    // Go takes what is left over in the last letter.
                    base64::DecodeError::InvalidLastSymbol { .. } => return None,
                    _ => text.len() / 4 * 4,
                };
                Some(format!("error decoding from json: illegal base64 data at input byte {at}"))
            }
            _ => None,
        }
    }
}

/// Returns the text of a quantity of a resource, which the server rounds up to thousandths.
pub(super) fn amount(text: &str) -> Option<String> {
    const MILLI: i128 = 1_000_000;
    let stored = quantity(text)?;
    match nanos(&stored) {
        Some(nanos) if nanos.rem_euclid(MILLI) != 0 => quantity(&format!("{}m", nanos.div_euclid(MILLI) + 1)),
        _ => Some(stored),
    }
}

/// Returns the one text of all quantities of the same size; `None` where that is beyond measure.
pub(super) fn plain(text: &str) -> Option<String> {
    quantity(&format!("{}n", nanos(text)?))
}

/// Compares two stored quantities; `None` where one is none, or beyond measure.
pub(crate) fn compare_quantities(left: &str, right: &str) -> Option<std::cmp::Ordering> {
    Some(nanos(left)?.cmp(&nanos(right)?))
}

/// The size of a stored quantity, in billionths.
fn nanos(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (number, suffix) =
        text.split_at_checked(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (exponent, format) = read_suffix(suffix)?;
    let mut nanos: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mut zeros = 9 - i32::try_from(fraction.len()).ok()?;
    if format == Format::Binary {
        nanos = nanos.checked_mul(1_i128.checked_shl(u32::try_from(exponent).ok()?)?)?;
    } else {
        zeros += exponent;
    }
    // What the server stores has no smaller parts.
    nanos = nanos.checked_mul(10_i128.checked_pow(u32::try_from(zeros).ok()?)?)?;
    Some(if negative { -nanos } else { nanos })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Exponent,
    Binary,
}

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

fn read_suffix(suffix: &str) -> Option<(i32, Format)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((*exponent, Format::Decimal));
    }
    if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
        return Some((10 * (i32::try_from(power).ok()? + 1), Format::Binary));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    ((-99..=99).contains(&exponent)).then_some((exponent, Format::Exponent))
}

fn write_suffix(exponent: i32, format: Format) -> Option<String> {
    match format {
        Format::Exponent if exponent == 0 => Some(String::new()),
        Format::Exponent => Some(format!("e{exponent}")),
        _ => DECIMAL.iter().find(|(_, of)| *of == exponent).map(|(name, _)| (*name).to_owned()),
    }
}

fn minus(sign: i8) -> &'static str {
    if sign < 0 { "-" } else { "" }
}

fn binary(mut value: i128) -> String {
    let mut suffix = "";
    for name in BINARY {
        if value % 1024 != 0 {
            break;
        }
        (value, suffix) = (value / 1024, name);
    }
    format!("{value}{suffix}")
}

/// Returns a time in UTC, with `digits` digits of a second.
pub(super) fn time(text: &str, digits: usize) -> Option<String> {
    let at: Timestamp = text.parse().ok()?;
    let seconds = at.whole_seconds().to_string();
    if digits == 0 {
        return Some(seconds);
    }
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let end = fraction.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(fraction.len());
    let fraction = fraction.get(..end.min(digits))?;
    Some(format!("{}.{fraction:0<digits$}Z", seconds.strip_suffix('Z')?))
}

/// Returns a duration as Go prints it: `60s` becomes `1m0s`, `1.5h` `1h30m0s`.
///
/// Rule: `time.ParseDuration` and `Duration.String` of Go.
pub(super) fn duration(text: &str) -> Option<String> {
    const SECOND: i128 = 1_000_000_000;
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1000),
        ("µs", 1000),
        ("μs", 1000),
        ("ms", SECOND / 1000),
        ("s", SECOND),
        ("m", 60 * SECOND),
        ("h", 3600 * SECOND),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some("0s".into());
    }
    let mut nanos = 0_i128;
    loop {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at_checked(end)?;
        let end = tail.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(end)?;
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || whole.len() > 19 || fraction.len() > 18 {
            return None;
        }
        let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
        nanos = nanos.checked_add(digits * unit / 10_i128.pow(u32::try_from(fraction.len()).ok()?))?;
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    if i64::try_from(nanos).is_err() {
        return None;
    }
    let decimal = |size: i128| {
        let (whole, part) = (nanos % (60 * SECOND) / size, nanos % size);
        let width = size.to_string().len() - 1;
        format!("{whole}.{part:0width$}").trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let (hours, minutes) = (nanos / (3600 * SECOND), nanos / (60 * SECOND) % 60);
    Some(match (hours, minutes) {
        (0, 0) if nanos == 0 => "0s".into(),
        (0, 0) if nanos < 1000 => format!("{sign}{nanos}ns"),
        (0, 0) if nanos < SECOND / 1000 => format!("{sign}{}µs", decimal(1000)),
        (0, 0) if nanos < SECOND => format!("{sign}{}ms", decimal(SECOND / 1000)),
        (0, 0) => format!("{sign}{}s", decimal(SECOND)),
        (0, _) => format!("{sign}{minutes}m{}s", decimal(SECOND)),
        _ => format!("{sign}{hours}h{minutes}m{}s", decimal(SECOND)),
    })
}

/// Returns base64 without the line breaks that Go's decoder skips.
pub(super) fn base64(text: &str) -> Option<String> {
    text.contains(['\r', '\n']).then(|| text.replace(['\r', '\n'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_stored_as_the_recorded_server_stores_them() {
        for (given, stored) in [
            ("1000m", "1"),
            ("2000m", "2"),
            (".5", "500m"),
            ("0.5", "500m"),
            ("1.0", "1"),
            ("1 ", "1"),
            ("1.5", "1500m"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1.50Gi", "1536Mi"),
            ("1024Ki", "1Mi"),
            ("1000000k", "1G"),
            ("1000000", "1M"),
            ("0.15", "150m"),
            ("1e3", "1e3"),
            ("+1", "+1"),
            ("1073741824", "1073741824"),
            ("100m", "100m"),
            ("1Gi", "1Gi"),
            ("0", "0"),
            ("0.000", "0"),
            ("-1000m", "-1"),
            ("0.5Ki", "512"),
            ("0.0000000001", "1n"),
        ] {
            assert_eq!(quantity(given).as_deref(), Some(stored), "{given}");
        }
        for wrong in ["", "x", "1x", "1mi", ".", "-", "1e", "1 Gi", "9999999999999999999999999999999999999999"] {
            assert_eq!(quantity(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_and_durations_are_stored_in_one_form() {
        assert_eq!(time("2024-01-02T03:04:05.120000+02:00", 6).as_deref(), Some("2024-01-02T01:04:05.120000Z"));
        assert_eq!(time("2024-01-02T03:04:05+02:00", 0).as_deref(), Some("2024-01-02T01:04:05Z"));
        for (given, stored) in [
            ("60s", "1m0s"),
            ("1h", "1h0m0s"),
            ("90m", "1h30m0s"),
            ("0s", "0s"),
            ("0", "0s"),
            ("1.5h", "1h30m0s"),
            ("-90s", "-1m30s"),
            ("1h0.5s", "1h0m0.5s"),
            ("1500ms", "1.5s"),
            ("1500us", "1.5ms"),
            (".5s", "500ms"),
            ("1500ns", "1.5µs"),
            ("7ns", "7ns"),
        ] {
            assert_eq!(duration(given).as_deref(), Some(stored), "{given}");
            assert_eq!(duration(stored).as_deref(), Some(stored), "{given}");
        }
        for wrong in ["", "1", "1d", "h", ".s", "1h-", "9999999999h", "1 s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
