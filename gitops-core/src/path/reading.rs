//! Reads paths as people write them: `spec.containers[name=web].image`, with `*` and `**`.

use super::Segment;
use super::pattern::{InvalidPath, Part};
use crate::value::Value;

/// Reads the steps of a path or pattern.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, InvalidPath> {
    Reader { text, at: 0 }.parts()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn parts(mut self) -> Result<Vec<Part>, InvalidPath> {
        let mut parts = Vec::new();
        loop {
            parts.push(if self.rest().starts_with('[') { self.bracket()? } else { self.name()? });
            match self.rest().chars().next() {
                None => return Ok(parts),
                Some('.') => self.at += 1,
                Some('[') => {}
                Some(_) => return Err(self.wrong("a `.` or a `[` is expected")),
            }
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, why: &'static str) -> InvalidPath {
        InvalidPath::new(self.text, self.at, why)
    }

    fn name(&mut self) -> Result<Part, InvalidPath> {
        let rest = self.rest();
        let name = rest.find(['.', '[', ']', '"', '=']).and_then(|end| rest.get(..end)).unwrap_or(rest);
        let part = match name {
            "" => return Err(self.wrong("a field name is missing")),
            "*" => Part::AnyField,
            "**" => Part::AnyDepth,
            _ if name.contains('*') => {
                return Err(self.wrong("`*` stands alone; a name that holds one is written `[\"a*\"]`"));
            }
            _ => Part::Step(Segment::field(name)),
        };
        self.at += name.len();
        Ok(part)
    }

    fn bracket(&mut self) -> Result<Part, InvalidPath> {
        let Some(length) = end_of_bracket(self.rest()) else { return Err(self.wrong("a `]` is missing")) };
        let inside = self.rest().get(1..length).unwrap_or_default();
        let part = match inside {
            "*" => Some(Part::AnyItem),
            _ if inside.starts_with('"') => {
                serde_json::from_str::<String>(inside).ok().map(|name| Part::Step(Segment::field(&name)))
            }
            _ => segment(inside).map(Part::Step),
        };
        let part = part.ok_or_else(|| {
            self.wrong("in brackets stand an item as `name=web`, a place as `0`, `*`, or a name in quotes")
        })?;
        self.at += length + 1;
        Ok(part)
    }
}

/// Finds the bracket that closes the first one; those within quotes do not count.
pub(super) fn end_of_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0usize);
    for (at, char) in text.char_indices() {
        match char {
            '"' if !escaped => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
        escaped = char == '\\' && !escaped;
    }
    None
}

/// `name=web` is an item by its keys, `=7` one by its value, `4` one by its place.
fn segment(inside: &str) -> Option<Segment> {
    if let Some(item) = inside.strip_prefix('=') {
        return Some(Segment::Item(scalar(item)?));
    }
    if !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit()) {
        return inside.parse().ok().map(Segment::Index);
    }
    let mut keys = Vec::new();
    let mut rest = inside;
    loop {
        let (name, value) = rest.split_once('=').filter(|(name, _)| !name.is_empty())?;
        let end = end_of_value(value);
        keys.push((name, scalar(value.get(..end)?)?));
        match value.get(end + 1..) {
            Some(more) if value.as_bytes().get(end) == Some(&b',') => rest = more,
            _ => return Some(Segment::key(keys)),
        }
    }
}

/// Finds the comma behind a value; those within quotes or brackets do not count.
fn end_of_value(text: &str) -> usize {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0usize);
    for (at, char) in text.char_indices() {
        match char {
            '"' if !escaped => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => return at,
            _ => {}
        }
        escaped = char == '\\' && !escaped;
    }
    text.len()
}

/// What is JSON is meant so, such as `80`, `true` and `"80"`; everything else is a text.
fn scalar(text: &str) -> Option<Value> {
    match Value::from_json(text.as_bytes()) {
        Ok(value) => Some(value),
        Err(_) if text.contains('"') => None,
        Err(_) => Some(Value::from(text)),
    }
}
