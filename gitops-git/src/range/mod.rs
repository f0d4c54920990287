//! Ranges of versions over tags, as Masterminds' semver (Go, version 3.5) reads them, which Argo CD and Flux use.
//!
//! The rules are those of its `constraints.go` and `version.go`, corner by corner; `answers.txt` holds what it answers.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::source::{SourceError, SourceFailure};

use crate::error::shown;
use crate::resolve::ambiguous;

/// As in Go: a longer text, or more alternatives, is no range.
const LONGEST: usize = 512;
const ALTERNATIVES: usize = 32;
const LONGEST_VERSION: usize = 256;
/// The longest first.
const OPERATORS: [(&str, Operator); 12] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::AtLeast),
    ("=>", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=<", Operator::AtMost),
    ("~>", Operator::Tilde),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::TildeOrEqual),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::TildeOrEqual),
];

/// A range of versions, such as `>=1.2.0 <2.0.0`, `1.2.*`, `^1.4 || ~2.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    text: String,
    any: Vec<Vec<Constraint>>,
}

/// A version as it is written: `v1.2`, `1.2.3-rc.1+build`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    pre: String,
    build: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    NotEqual,
    AtLeast,
    AtMost,
    Greater,
    Less,
    Tilde,
    TildeOrEqual,
    Caret,
}

/// The first number of a version that is left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Major,
    Minor,
    Patch,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Constraint {
    operator: Operator,
    version: Version,
    open: Open,
}

impl Range {
    /// Reads a range. A single version, as `1.2.3` or `v1.2`, is none: it names a tag.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if Version::parse(text).is_some() {
            return None;
        }
        Some(Self { text: text.to_owned(), any: constraints(text)? })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the highest version among tags, with what belongs to it. Tags that are no versions do not count.
    ///
    /// Of versions that differ in their build only, the one whose build is higher by the rules for pre-releases wins,
    /// since semver has no order for them; two tags of the very same version, such as `v1.2.0` and `1.2.0`, are
    /// ambiguous unless they are the same commit.
    pub(crate) fn highest<'t, T: PartialEq>(
        &self,
        tags: impl Iterator<Item = (&'t str, T)>,
    ) -> Result<(&'t str, T), SourceError> {
        let mut best: Option<(Version, Vec<(&str, T)>)> = None;
        for (tag, value) in tags {
            let Some(version) = Version::parse(tag).filter(|version| self.allows(version)) else { continue };
            let order = best.as_ref().map_or(Ordering::Greater, |(known, _)| {
                version.precedence(known).then_with(|| compare_parts(&version.build, &known.build))
            });
            match (order, &mut best) {
                (Ordering::Greater, _) => best = Some((version, vec![(tag, value)])),
                (Ordering::Equal, Some((_, equal))) => equal.push((tag, value)),
                _ => {}
            }
        }
        let unknown = || SourceFailure::UnknownRevision { target: shown(&self.text), similar: Vec::new() };
        let (_, mut equal) = best.ok_or_else(unknown)?;
        let (tag, value) = equal.pop().ok_or_else(unknown)?;
        if equal.iter().any(|(_, other)| *other != value) {
            let names: BTreeMap<&str, ()> = equal.iter().map(|(tag, _)| (*tag, ())).chain([(tag, ())]).collect();
            return Err(ambiguous(&self.text, names.into_keys()));
        }
        Ok((tag, value))
    }

    fn allows(&self, version: &Version) -> bool {
        self.any.iter().any(|all| {
            // One pre-release in a group lets them all in.
            let pre = all.iter().any(|constraint| !constraint.version.pre.is_empty());
            (pre || version.pre.is_empty()) && all.iter().all(|constraint| constraint.allows(version))
        })
    }
}

impl Constraint {
    fn allows(&self, version: &Version) -> bool {
        let order = version.precedence(&self.version);
        let [major, minor, patch] = version.numbers;
        let [of_major, of_minor, of_patch] = self.version.numbers;
        let is_open = self.open != Open::None;
        match self.operator {
            Operator::NotEqual if is_open => {
                let later = || match self.open {
                    Open::Minor => false,
                    _ if minor != of_minor => true,
                    Open::Patch => compare_pre(&version.pre, &self.version.pre) != Ordering::Equal,
                    _ => patch != of_patch || order != Ordering::Equal,
                };
                major != of_major || later()
            }
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Greater if is_open => match (major.cmp(&of_major), self.open) {
                (Ordering::Greater, _) => true,
                (Ordering::Less, _) | (_, Open::Minor) => false,
                (_, Open::Patch) => minor > of_minor,
                _ => order == Ordering::Greater,
            },
            Operator::Greater => order == Ordering::Greater,
            Operator::Less => order == Ordering::Less,
            Operator::AtLeast => order != Ordering::Less,
            Operator::AtMost if is_open => {
                major < of_major || major == of_major && (minor <= of_minor || self.open == Open::Minor)
            }
            Operator::AtMost => order != Ordering::Greater,
            Operator::TildeOrEqual if !is_open => order == Ordering::Equal,
            Operator::Tilde | Operator::TildeOrEqual => {
                let anything =
                    [of_major, of_minor, of_patch] == [0; 3] && matches!(self.open, Open::Major | Open::None);
                let within = major == of_major && (minor == of_minor || self.open == Open::Minor);
                order != Ordering::Less && (anything || within)
            }
            Operator::Caret => {
                let within = if of_major > 0 || self.open == Open::Minor {
                    major == of_major
                } else if of_minor > 0 || self.open == Open::Patch {
                    major == 0 && minor == of_minor
                } else {
                    [major, minor, patch] == [0, 0, of_patch]
                };
                order != Ordering::Less && within
            }
        }
    }

    fn parse(operator: Operator, text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (core, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
        let mut parts = core.split('.');
        let mut numbers = [0_u64; 3];
        let mut open = Open::None;
        for (number, level) in numbers.iter_mut().zip([Open::Major, Open::Minor, Open::Patch]) {
            match parts.next() {
                // What follows an open number does not count, but for being there.
                None | Some("x" | "X" | "*") if open == Open::None => open = level,
                Some(part) if open == Open::None => *number = part.parse().ok()?,
                _ => {}
            }
        }
        // Go leaves out the build when a number is open, and that cannot be told apart.
        let [major, minor, patch] = numbers;
        let version = Version::parse(&format!("{major}.{minor}.{patch}{rest}"))?;
        Some(Self { operator, version, open })
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_VERSION {
            return None;
        }
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let core = core.strip_prefix('v').unwrap_or(core);
        let mut numbers = [0; 3];
        for (place, part) in core.split('.').enumerate() {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            *numbers.get_mut(place)? = Some(part).filter(|_| is_number)?.parse().ok()?;
        }
        let has_zero = |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
        let is_word =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if pre.is_some_and(|pre| !pre.split('.').all(|part| is_word(part) && !has_zero(part)))
            || build.is_some_and(|build| !build.split('.').all(is_word))
        {
            return None;
        }
        let owned = |part: Option<&str>| part.unwrap_or_default().to_owned();
        Some(Self { numbers, pre: owned(pre), build: owned(build) })
    }

    fn precedence(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| compare_pre(&self.pre, &other.pre))
    }
}

/// A release is above its pre-releases.
fn compare_pre(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => compare_parts(left, right),
    }
}

fn compare_parts(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => compare_part(left.unwrap_or_default(), right.unwrap_or_default()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_part(left: &str, right: &str) -> Ordering {
    match (left, right) {
        _ if left == right => Ordering::Equal,
        ("", _) => Ordering::Less,
        (_, "") => Ordering::Greater,
        _ => match (left.parse::<u64>(), right.parse::<u64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => left.cmp(right),
        },
    }
}

fn constraints(text: &str) -> Option<Vec<Vec<Constraint>>> {
    if text.len() > LONGEST {
        return None;
    }
    let text = with_hyphens_replaced(text);
    let alternatives: Vec<&str> = text.split("||").collect();
    if alternatives.len() > ALTERNATIVES {
        return None;
    }
    alternatives.into_iter().map(group).collect()
}

/// Reads constraints that must all hold, between white space or commas.
fn group(text: &str) -> Option<Vec<Constraint>> {
    let mut rest = text.trim_start_matches(is_space);
    let mut all = Vec::new();
    loop {
        let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign))?;
        rest = rest.strip_prefix(sign)?.trim_start_matches(is_space);
        let (version, after) = rest.split_at(version_length(rest)?);
        all.push(Constraint::parse(*operator, version)?);
        rest = after.trim_start_matches(is_space);
        if rest.is_empty() {
            return Some(all);
        }
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start_matches(is_space),
            None if rest.len() < after.len() => rest,
            None => return None,
        };
    }
}

/// Writes `1.2 - 2.0` as `>= 1.2, <= 2.0 `. In Go this comes before anything else, and swallows the space in front.
fn with_hyphens_replaced(text: &str) -> Arc<str> {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        match hyphenated(rest) {
            Some((low, high, after)) => {
                done.push_str(&format!(">= {low}, <= {high} "));
                rest = after;
            }
            None => {
                done.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
    }
    done.into()
}

fn hyphenated(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim_start_matches(is_space);
    let (low, rest) = text.split_at(version_length(text)?);
    let middle = rest.trim_start_matches(is_space).strip_prefix('-')?;
    let after = middle.trim_start_matches(is_space);
    if !rest.starts_with(is_space) || after.len() == middle.len() {
        return None;
    }
    let (high, rest) = after.split_at(version_length(after)?);
    Some((low, high, rest.trim_start_matches(is_space)))
}

/// Returns how long the version at the beginning is, with `x` and `*` in it.
fn version_length(text: &str) -> Option<usize> {
    let run = |at: usize, fits: fn(u8) -> bool| {
        let after = text.as_bytes().get(at..).unwrap_or_default();
        at + after.iter().take_while(|byte| fits(**byte)).count()
    };
    let is_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|');
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let begin = usize::from(text.starts_with('v'));
    let mut end = run(begin, is_number);
    if end == begin {
        return None;
    }
    let next = |at: usize| text.as_bytes().get(at).copied();
    for _ in 0..2 {
        let part = run(end + 1, is_number);
        if next(end) == Some(b'.') && part > end + 1 {
            end = part;
        } else {
            break;
        }
    }
    for sign in [b'-', b'+'] {
        let mut mark = sign;
        loop {
            let part = run(end + 1, is_word);
            if next(end) != Some(mark) || part == end + 1 {
                break;
            }
            (end, mark) = (part, b'.');
        }
    }
    Some(end)
}

/// What `\s` is in Go's expressions.
fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\u{c}' | '\r')
}

#[cfg(test)]
mod tests;
