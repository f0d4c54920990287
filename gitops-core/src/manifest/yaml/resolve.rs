//! What a scalar is: the rules of Go's yaml.v2 and yaml.v3, as far as they differ.

use std::borrow::Cow;

use super::Mark;
use super::compose::Scalar;
use crate::manifest::Dialect;
use crate::manifest::fault::Fault;
use crate::manifest::json::push_lossy;

/// A scalar whose type is known.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::manifest) enum Typed<'t> {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Text(Cow<'t, str>),
    /// Reads as text, but no other tag than its own fits it.
    Date(&'t str),
}

const CORE: &str = "tag:yaml.org,2002:";

/// Returns what `scalar` is. A tag forces a type; only a plain scalar without one is looked at.
pub(super) fn resolve<'t>(scalar: &'t Scalar<'t>, dialect: Dialect, mark: Mark) -> Result<Typed<'t>, Fault> {
    let text: &str = &scalar.text;
    let tag = match scalar.tag.as_deref() {
        // yaml.v3 takes `!` for no tag.
        Some("!") if dialect == Dialect::Kustomize => None,
        tag => tag,
    };
    let Some(tag) = tag else {
        let untagged = scalar.plain || (scalar.tag.is_some() && text.is_empty());
        return Ok(if untagged { plain(text, dialect) } else { Typed::Text(Cow::Borrowed(text)) });
    };
    let typed = match tag.strip_prefix(CORE) {
        Some("bool" | "int" | "float" | "null" | "timestamp") => plain(text, dialect),
        Some("binary") => return binary(text, mark),
        _ => return Ok(Typed::Text(Cow::Borrowed(text))),
    };
    match (tag.strip_prefix(CORE).unwrap_or_default(), typed) {
        #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
        ("float", Typed::Int(number)) => Ok(Typed::Float(number as f64)),
        ("bool", typed @ Typed::Bool(_))
        | ("int", typed @ (Typed::Int(_) | Typed::Uint(_)))
        | ("float", typed @ Typed::Float(_))
        | ("null", typed @ Typed::Null)
        | ("timestamp", typed @ Typed::Date(_)) => Ok(typed),
        (name, _) => Err(Fault::syntax(mark, format!("this value is no `!!{name}`"))),
    }
}

/// Returns whether a scalar is the merge key `<<`.
pub(super) fn is_merge(scalar: &Scalar<'_>) -> bool {
    let tag = scalar.tag.as_deref();
    scalar.text == "<<"
        && ((scalar.plain && tag.is_none())
            || tag == Some("!")
            || tag.and_then(|tag| tag.strip_prefix(CORE)) == Some("merge"))
}

/// Returns what a plain scalar is.
pub(in crate::manifest) fn plain(text: &str, dialect: Dialect) -> Typed<'_> {
    match text.as_bytes().first() {
        None | Some(b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O') => word(text, dialect),
        Some(b'.') => match text {
            ".nan" | ".NaN" | ".NAN" => Typed::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" => Typed::Float(f64::INFINITY),
            _ => dotted_float(text).map_or(Typed::Text(Cow::Borrowed(text)), Typed::Float),
        },
        Some(b'+' | b'-' | b'0'..=b'9') => match text {
            "+.inf" | "+.Inf" | "+.INF" => Typed::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Typed::Float(f64::NEG_INFINITY),
            _ if is_date(text) => Typed::Date(text),
            _ => number(text, dialect).unwrap_or(Typed::Text(Cow::Borrowed(text))),
        },
        Some(_) => Typed::Text(Cow::Borrowed(text)),
    }
}

fn word(text: &str, dialect: Dialect) -> Typed<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Typed::Null,
        "true" | "True" | "TRUE" => Typed::Bool(true),
        "false" | "False" | "FALSE" => Typed::Bool(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if dialect == Dialect::Kubectl => Typed::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if dialect == Dialect::Kubectl => Typed::Bool(false),
        _ => Typed::Text(Cow::Borrowed(text)),
    }
}

fn number(text: &str, dialect: Dialect) -> Option<Typed<'static>> {
    let plain: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    let plain: &str = &plain;
    if let Some(number) = prefixed(plain) {
        return Some(number);
    }
    if is_decimal_float(plain) {
        // What overflows is text.
        return plain.parse().ok().filter(|number: &f64| number.is_finite()).map(Typed::Float);
    }
    // Go reads what follows these prefixes once more, with a sign of its own.
    let rest = |prefix: &str, negative: &str, radix: u32| match plain.strip_prefix(prefix) {
        Some(digits) => whole(digits, radix),
        None => match i64::from_str_radix(&format!("-{}", plain.strip_prefix(negative)?), radix) {
            Ok(number) => Some(Typed::Int(number)),
            Err(_) => None,
        },
    };
    let octal = || if dialect == Dialect::Kustomize { rest("0o", "-0o", 8) } else { None };
    rest("0b", "-0b", 2).or_else(octal)
}

/// A whole number with an optional sign and prefix; a leading 0 means octal.
fn prefixed(text: &str) -> Option<Typed<'static>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut lower = unsigned.bytes().map(|byte| byte.to_ascii_lowercase());
    let (radix, skip) = match (lower.next()?, lower.next(), lower.next()) {
        (b'0', Some(b'x'), Some(_)) => (16, 2),
        (b'0', Some(b'o'), Some(_)) => (8, 2),
        (b'0', Some(b'b'), Some(_)) => (2, 2),
        (b'0', None, _) => (10, 0),
        (b'0', Some(_), _) => (8, 1),
        _ => (10, 0),
    };
    let digits = unsigned.get(skip..)?;
    if digits.starts_with(['+', '-']) {
        return None;
    }
    match text.as_bytes().first() {
        Some(b'-') => i64::from_str_radix(&format!("-{digits}"), radix).ok().map(Typed::Int),
        Some(b'+') => i64::from_str_radix(digits, radix).ok().map(Typed::Int),
        _ => whole(digits, radix),
    }
}

fn whole(digits: &str, radix: u32) -> Option<Typed<'static>> {
    match i64::from_str_radix(digits, radix) {
        Ok(number) => Some(Typed::Int(number)),
        Err(_) if digits.starts_with('+') => None,
        Err(_) => u64::from_str_radix(digits, radix).ok().map(Typed::Uint),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(text);
    let mut rest = text.get(whole..).unwrap_or("");
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        fraction = digits(after);
        rest = after.get(fraction..).unwrap_or("");
    }
    if whole == 0 && fraction == 0 {
        return false;
    }
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    !exponent.is_empty() && exponent.bytes().all(|byte| byte.is_ascii_digit())
}

/// A float that starts with a dot, underscores between digits allowed as in Go's source.
fn dotted_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let between = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let before = bytes.iter().take(at).rposition(|byte| *byte != b'_');
        digit(before.filter(|before| before.saturating_add(1) == at)) && digit(at.checked_add(1))
    };
    let underscores = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    if !underscores.clone().all(|(at, _)| between(at)) {
        return None;
    }
    let plain = text.replace('_', "");
    if !is_decimal_float(&plain) {
        return None;
    }
    plain.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A date, or a date and time, in one of the four forms that Go's yaml packages know.
fn is_date(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else { return false };
    let Some((month, rest)) = rest.split_once('-') else { return false };
    let day_len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (day, time) = rest.split_at(day_len);
    let number = |text: &str| if (1..=2).contains(&text.len()) { text.parse::<u32>().ok() } else { None };
    let (Some(month), Some(day)) = (number(month), number(day)) else { return false };
    let Ok(year_number) = year.parse::<u32>() else { return false };
    let leap = year_number % 4 == 0 && (year_number % 100 != 0 || year_number % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && (1..=days).contains(&day) && is_time(time)
}

/// What may follow a date: nothing, or a time, which has a zone exactly when it follows a `T`.
fn is_time(text: &str) -> bool {
    let (zoned, time) = match text.as_bytes().first() {
        None => return true,
        Some(b'T' | b't') => (true, text.get(1..).unwrap_or("")),
        Some(b' ') => (false, text.trim_start_matches(' ')),
        Some(_) => return false,
    };
    let end = time.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b',')).count();
    let (time, zone) = time.split_at(end);
    let (clock, fraction) = match time.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let limits = [23, 59, 59];
    let in_range = |(part, limit): (&&str, u32)| {
        (1..=2).contains(&part.len()) && part.parse::<u32>().is_ok_and(|number| number <= limit)
    };
    parts.len() == 3
        && parts.iter().zip(limits).all(in_range)
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        && if zoned { is_zone(zone) } else { zone.is_empty() }
}

fn is_zone(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>, limit: u32| {
        text.get(range).and_then(|digits| digits.parse::<u32>().ok()).is_some_and(|number| number <= limit)
    };
    text == "Z"
        || (text.len() == 6
            && text.starts_with(['+', '-'])
            && text.get(3..4) == Some(":")
            && number(1..3, 24)
            && number(4..6, 60))
}

/// Base64 as Go decodes it: line feeds are passed over, padding is required. What is not UTF-8 reads as U+FFFD.
fn binary(text: &str, mark: Mark) -> Result<Typed<'_>, Fault> {
    let wrong = || Fault::syntax(mark, "this `!!binary` value is not base64");
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let mut bytes = Vec::new();
    for (at, group) in digits.chunks(4).enumerate() {
        let last = at.saturating_add(1).saturating_mul(4) >= digits.len();
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if group.len() != 4 || padding > 2 || (padding > 0 && !last) {
            return Err(wrong());
        }
        let mut bits = 0_u32;
        for byte in group.iter().take(4_usize.saturating_sub(padding)) {
            let six = match byte {
                b'A'..=b'Z' => byte.wrapping_sub(b'A'),
                b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
                b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
                b'+' => 62,
                b'/' => 63,
                _ => return Err(wrong()),
            };
            bits = (bits << 6) | u32::from(six);
        }
        bits <<= 6_usize.saturating_mul(padding);
        bytes.extend(bits.to_be_bytes().iter().skip(1).take(3_usize.saturating_sub(padding)));
    }
    let mut text = String::new();
    push_lossy(&mut text, &bytes);
    Ok(Typed::Text(text.into()))
}
