//! The canonical text of quantities, times, durations and base64, as a server written in Go stores it.

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
            Self::Quantity if text.len() < 30 && quantity(text).is_none() => Some(
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

/// Returns a duration as Go prints it: `60s` becomes `1m0s`. Parts of a second are left as they are.
pub(super) fn duration(text: &str) -> Option<String> {
    let (mut rest, mut seconds) = (text, 0_u64);
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|end| *end > 0)?;
        let (number, tail) = rest.split_at_checked(end)?;
        let number: u64 = number.parse().ok()?;
        let (unit, tail) = tail.split_at_checked(1)?;
        let unit = match unit {
            "h" => 3600,
            "m" if !tail.starts_with('s') => 60,
            "s" => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = tail;
    }
    let (hours, minutes, left) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(match (hours, minutes) {
        (0, 0) => format!("{left}s"),
        (0, _) => format!("{minutes}m{left}s"),
        _ => format!("{hours}h{minutes}m{left}s"),
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
        for (given, stored) in [("60s", "1m0s"), ("1h", "1h0m0s"), ("90m", "1h30m0s"), ("0s", "0s")] {
            assert_eq!(duration(given).as_deref(), Some(stored), "{given}");
        }
        assert_eq!(duration("1.5h"), None);
    }
}
