//! The fields of a schedule as they are written.
//!
//! Rule: `parser.go` of `robfig/cron` v3. Stricter: an empty item of a list (`1,,2`) and a range from `*` (`*-5`), which
//! it passes over, are errors here.

use super::schedule::{InvalidSchedule, Times};

/// One field: what it is called, its bounds, and names for its numbers.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", low: 0, high: 59, names: &[] };
const HOUR: Field = Field { name: "hour", low: 0, high: 23, names: &[] };
const DAY: Field = Field { name: "day of month", low: 1, high: 31, names: &[] };
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTH: Field = Field { name: "month", low: 1, high: 12, names: &MONTHS };
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const WEEKDAY: Field = Field { name: "day of week", low: 0, high: 6, names: &WEEKDAYS };

const DESCRIPTORS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Longer schedules are refused.
const LONGEST: usize = 512;

/// What is wrong, at a byte of the text.
struct Wrong {
    at: usize,
    what: String,
    hint: String,
}

/// Reads a schedule.
pub(super) fn read(text: &str) -> Result<Times, InvalidSchedule> {
    times(text).map_err(|wrong| InvalidSchedule {
        schedule: text.chars().take(64).collect(),
        column: text.get(..wrong.at).map_or(1, |before| before.chars().count().saturating_add(1)),
        what: wrong.what,
        hint: wrong.hint,
    })
}

fn wrong<T>(at: usize, what: impl Into<String>, hint: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { at, what: what.into(), hint: hint.into() })
}

fn times(text: &str) -> Result<Times, Wrong> {
    let trimmed = text.trim();
    let start = text.len().saturating_sub(text.trim_start().len());
    if text.len() > LONGEST {
        return wrong(0, format!("it is longer than {LONGEST} bytes"), "use several windows");
    }
    if trimmed.starts_with('@') {
        return match DESCRIPTORS.iter().find(|(name, _)| *name == trimmed) {
            Some((_, fields)) => times(fields),
            None if trimmed.starts_with("@every") => {
                let what = "`@every` counts from the start of the program, so that nobody knows when the window opens";
                wrong(start, what, "use steps, such as `*/15 * * * *`")
            }
            None => {
                let names: Vec<&str> = DESCRIPTORS.iter().map(|(name, _)| *name).collect();
                wrong(
                    start,
                    format!("there is no `{trimmed}`"),
                    format!("use `{}`, or five fields", names.join("`, `")),
                )
            }
        };
    }
    if trimmed.starts_with("TZ=") || trimmed.starts_with("CRON_TZ=") {
        return wrong(start, "a time zone has a place of its own", "set it as `timeZone` of the window");
    }
    let (minutes, _, mut rest) = field(text, start, &MINUTE)?;
    let mut next = |of: &Field| -> Result<(u64, bool), Wrong> {
        let (set, star, after) = field(text, rest, of)?;
        rest = after;
        Ok((set, star))
    };
    let ((hours, _), (days, any_day), (months, _)) = (next(&HOUR)?, next(&DAY)?, next(&MONTH)?);
    let (weekdays, any_weekday) = next(&WEEKDAY)?;
    let end = skip_blanks(text, rest);
    if end < text.len() {
        return wrong(end, "there are more than five fields", FIELDS);
    }
    let times = Times { minutes, hours, days, months, weekdays, both_days: any_day || any_weekday };
    if !times.fits_some_day() {
        return wrong(start, "no day of any year fits it", "give a day that the month has");
    }
    Ok(times)
}

const FIELDS: &str = "give minute, hour, day of month, month and day of week, such as `0 22 * * mon-fri`";

fn skip_blanks(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or("");
    at.saturating_add(rest.len().saturating_sub(rest.trim_start().len()))
}

/// Reads the field that starts at or after `at`: its numbers, whether it says nothing (`*`), and where it ends.
fn field(text: &str, at: usize, field: &Field) -> Result<(u64, bool, usize), Wrong> {
    let start = skip_blanks(text, at);
    let rest = text.get(start..).unwrap_or("");
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let written = rest.get(..end).unwrap_or("");
    if written.is_empty() {
        return wrong(text.len(), format!("the {} is missing", field.name), FIELDS);
    }
    let (mut numbers, mut star, mut item_at) = (0_u64, false, start);
    for item in written.split(',') {
        let (set, any) = range(item, item_at, field)?;
        numbers |= set;
        star |= any;
        item_at = item_at.saturating_add(item.len()).saturating_add(1);
    }
    Ok((numbers, star, start.saturating_add(end)))
}

/// Reads one item of a list: `*`, `N`, `N-M`, each with `/step`.
fn range(item: &str, at: usize, field: &Field) -> Result<(u64, bool), Wrong> {
    let mut parts = item.split('/');
    let (bounds, step, more) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    if more.is_some() {
        return wrong(at, format!("`{item}` has more than one step"), "write a range as `8-18/2`");
    }
    let is_any = matches!(bounds, "*" | "?");
    let (low, high) = match bounds.split_once('-') {
        _ if is_any => (field.low, field.high),
        None => {
            let number = number(bounds, at, field)?;
            (number, if step.is_some() { field.high } else { number })
        }
        Some((low, high)) => {
            let high_at = at.saturating_add(low.len()).saturating_add(1);
            (number(low, at, field)?, number(high, high_at, field)?)
        }
    };
    if low > high {
        return wrong(
            at,
            format!("`{bounds}` ends before it begins"),
            "write it as two ranges with a comma between them",
        );
    }
    let step_at = at.saturating_add(bounds.len()).saturating_add(1);
    let step_by = match step {
        None => 1,
        Some(text) => match digits(text) {
            Some(step) if step > 0 => step,
            _ => return wrong(step_at, format!("`{text}` is no step"), "use a number above 0, such as `*/15`"),
        },
    };
    let numbers = (low..=high).step_by(usize::try_from(step_by).unwrap_or(usize::MAX));
    let set = numbers.fold(0, |set, number| set | 1_u64.checked_shl(number).unwrap_or(0));
    // Rule: `getRange`: with a step above one it is a choice, even from `*`.
    Ok((set, is_any && step_by == 1))
}

fn number(text: &str, at: usize, field: &Field) -> Result<u32, Wrong> {
    let named = field.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    let named = named.and_then(|place| u32::try_from(place).ok()).map(|place| place.saturating_add(field.low));
    let number = named.or_else(|| digits(text)).filter(|number| (field.low..=field.high).contains(number));
    let Some(number) = number else {
        let names = match field.names {
            [first, .., last] => format!(", or `{first}` to `{last}`"),
            _ => String::new(),
        };
        let sunday = if field.high == 6 && text == "7" { "; Sunday is 0" } else { "" };
        let hint = format!("use {} to {}{names}{sunday}", field.low, field.high);
        return wrong(at, format!("`{text}` is no {}", field.name), hint);
    };
    Ok(number)
}

fn digits(text: &str) -> Option<u32> {
    let only = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number beyond any field is beyond it by however much.
    only.then(|| text.parse().unwrap_or(u32::MAX))
}
