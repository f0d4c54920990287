//! The JSONPath of printer columns, as kubectl has it: `.status.conditions[?(@.type=="Ready")].status`.
//!
//! Fields, `['quoted']` fields, `\.` in names, indices (also from the end), slices, `*`, and filters that compare one
//! field with a literal or ask for it. What it does not understand finds nothing.

use std::cmp::Ordering;

use crate::value::{ValueRef, View};

/// A column is shown for every object of a list; a path that fans out must not.
const MOST: usize = 1000;

/// The first value at `path`.
pub(super) fn first<'v>(path: &str, root: ValueRef<'v>) -> Option<ValueRef<'v>> {
    let mut found = vec![root];
    let mut rest = path.trim();
    while !rest.is_empty() && !found.is_empty() {
        let (step, after) = step(rest)?;
        found = found.into_iter().flat_map(|value| step.of(value)).take(MOST).collect();
        rest = after;
    }
    found.into_iter().next()
}

enum Step {
    Field(String),
    Every,
    /// From, to, and by how much; an index is a slice of one.
    Slice(Option<i64>, Option<i64>, usize),
    Filter(Vec<String>, Option<(String, String)>),
}

/// Reads one step; returns it and what follows.
fn step(path: &str) -> Option<(Step, &str)> {
    if let Some(rest) = path.strip_prefix('[') {
        let end = closing(rest)?;
        let (inside, after) = (rest.get(..end)?, rest.get(end + 1..)?);
        return Some((bracket(inside.trim())?, after));
    }
    let rest = path.strip_prefix('.')?;
    if rest.starts_with('[') {
        return step(rest);
    }
    let (mut name, mut escaped) = (String::new(), false);
    for (at, letter) in rest.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            '.' | '[' if !escaped => return Some((field(name)?, rest.get(at..)?)),
            _ => {
                name.push(letter);
                escaped = false;
            }
        }
    }
    Some((field(name)?, ""))
}

/// A name; an empty one would be `..`, which is not for columns.
fn field(name: String) -> Option<Step> {
    match name.as_str() {
        "" => None,
        "*" => Some(Step::Every),
        _ => Some(Step::Field(name)),
    }
}

/// Where the bracket closes that was opened before; quotes hide brackets.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, letter) in text.char_indices() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            ('[', None) => depth += 1,
            (']', None) if depth == 0 => return Some(at),
            (']', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(inside: &str) -> Option<Step> {
    if let Some(name) = unquoted(inside) {
        return Some(Step::Field(name.to_owned()));
    }
    if let Some(filter) = inside.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return condition(filter.trim());
    }
    if inside == "*" {
        return Some(Step::Every);
    }
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse::<i64>().ok().map(Some) };
    let mut parts = inside.split(':').map(str::trim);
    let from = number(parts.next()?)?;
    let Some(to) = parts.next() else {
        let from = from?;
        // The item after the last is reached by leaving the end open.
        return Some(Step::Slice(Some(from), from.checked_add(1).filter(|to| *to != 0), 1));
    };
    let by = parts.next().map_or(Some(1), |by| by.parse().ok()).filter(|by| *by > 0)?;
    Some(Step::Slice(from, number(to)?, by))
}

fn condition(filter: &str) -> Option<Step> {
    let operators = ["==", "!=", "<=", ">=", "<", ">"];
    let found = operators.iter().filter_map(|operator| Some((filter.find(operator)?, *operator)));
    // The longer of two at one place stands first in the list.
    let found = found.min_by_key(|(at, _)| *at);
    let fields = |text: &str| {
        let (mut names, mut rest) = (Vec::new(), text.trim().strip_prefix('@')?);
        while !rest.is_empty() {
            let (Step::Field(name), after) = step(rest)? else { return None };
            names.push(name);
            rest = after;
        }
        Some(names)
    };
    match found {
        None => Some(Step::Filter(fields(filter)?, None)),
        Some((at, operator)) => {
            let literal = filter.get(at + operator.len()..)?.trim();
            let literal = unquoted(literal).unwrap_or(literal);
            Some(Step::Filter(fields(filter.get(..at)?)?, Some((operator.to_owned(), literal.to_owned()))))
        }
    }
}

fn unquoted(text: &str) -> Option<&str> {
    let strip = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    strip('"').or_else(|| strip('\''))
}

impl Step {
    fn of<'v>(&self, value: ValueRef<'v>) -> Vec<ValueRef<'v>> {
        match (self, value.view()) {
            (Self::Field(name), View::Map(map)) => map.get(name).into_iter().collect(),
            (Self::Every, View::Map(map)) => map.iter().map(|(_, value)| value).take(MOST).collect(),
            (Self::Every, View::List(list)) => list.iter().take(MOST).collect(),
            (Self::Slice(from, to, by), View::List(list)) => {
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let place = |at: i64| {
                    let at = if at < 0 { at.saturating_add(length) } else { at };
                    usize::try_from(at.clamp(0, length)).unwrap_or(0)
                };
                let (from, to) = (from.map_or(0, place), place(to.unwrap_or(length)));
                list.iter().take(to).skip(from).step_by(*by).take(MOST).collect()
            }
            (Self::Filter(path, test), View::List(list)) => {
                let holds = |item: &ValueRef<'_>| {
                    let found = path.iter().try_fold(*item, |at, name| at.get(name));
                    match (found, test) {
                        (Some(found), Some((operator, literal))) => compares(found, operator, literal),
                        (found, _) => found.is_some() && test.is_none(),
                    }
                };
                list.iter().filter(holds).take(MOST).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn compares(found: ValueRef<'_>, operator: &str, literal: &str) -> bool {
    let order = match found.view() {
        View::String(text) => Some(text.cmp(literal)),
        View::Bool(flag) => literal.parse::<bool>().ok().map(|other| flag.cmp(&other)),
        View::Int(number) => literal.parse::<i64>().ok().map(|other| number.cmp(&other)),
        View::Float(number) => literal.parse::<f64>().ok().and_then(|other| number.partial_cmp(&other)),
        View::Null | View::List(_) | View::Map(_) => None,
    };
    let Some(order) = order else { return false };
    match operator {
        "==" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }
}
