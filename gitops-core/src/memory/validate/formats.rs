//! Formats of texts, as the schema of a CRD names them.
//!
//! Rule: `kube-openapi/pkg/validation/strfmt` of apiextensions-apiserver 1.36.

use crate::time::Timestamp;

use super::super::url::is_duration;

/// Whether a text is of a format. Formats that are not known here are not checked (see LIMITATIONS.md).
pub(super) fn has_format(text: &str, format: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<Timestamp>().is_ok(),
        "date" => text.len() == 10 && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok(),
        "duration" => is_duration(text) || has_amount_of_time(text),
        "uri" => is_uri(text),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => {
            let is_place = |at: usize| matches!(at, 8 | 13 | 18 | 23);
            let fits = |(at, byte): (usize, u8)| if is_place(at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
            text.len() == 36 && text.bytes().enumerate().all(fits)
        }
        _ => true,
    }
}

/// Whether somewhere a number stands before a unit of time, as in `3 days`; all else is passed over.
fn has_amount_of_time(text: &str) -> bool {
    const UNITS: [&str; 11] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "week"];
    const LONG: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "wk"];
    let after = text.split(|letter: char| letter.is_ascii_digit()).skip(1);
    after.map(|rest| rest.trim_start_matches(char::is_whitespace)).any(|rest| {
        let unit = rest.split(|letter: char| !letter.is_ascii_alphabetic() && letter != 'µ').next();
        let unit = unit.unwrap_or_default().to_lowercase();
        UNITS.contains(&&*unit) || LONG.iter().any(|long| unit.starts_with(long))
    })
}

/// Whether Go takes a text for the URI of a request: a path from the root, or something behind a scheme.
fn is_uri(text: &str) -> bool {
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if !text.starts_with('/') => (Some(scheme), rest),
        _ => (None, text),
    };
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    };
    let host = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| rest.len() > 1 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    !text.chars().any(char::is_control)
        && scheme.map_or(text.starts_with('/'), is_scheme)
        && !host.unwrap_or_default().contains(char::is_whitespace)
        && (!rest.starts_with('/') || escapes.clone().all(is_escape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_takes_what_it_names_and_nothing_else() {
        for (format, good, bad) in [
            ("date", ["2026-02-28", "2024-02-29"].as_slice(), ["2026-02-30", "today", "2026-1-1"].as_slice()),
            ("duration", &["1h30m", "3 days", "5s", "2 w"], &["soon", "5", "days", ""]),
            (
                "uri",
                &["https://example.com/a?b#c", "/a/b", "mailto:me@example.com"],
                &["a b", "", "example.com", ":x", "http://a b/", "/%zz"],
            ),
            ("uuid", &["00000000-0000-4000-8000-000000000001"], &["0", "000000000000-4000-8000-0000-00000001"]),
            ("date-time", &["2026-02-28T12:00:00Z"], &["2026-02-28"]),
            ("unheard-of", &["anything"], &[]),
        ] {
            good.iter().for_each(|text| assert!(has_format(text, format), "{format}: {text}"));
            bad.iter().for_each(|text| assert!(!has_format(text, format), "{format}: {text}"));
        }
    }
}
