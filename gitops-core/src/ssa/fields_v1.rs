//! FieldsV1, the form in which `metadata.managedFields` keeps sets.
//!
//! Rules: structured-merge-diff v6.4, `fieldpath/serialize.go` and `serialize-pe.go`. Path elements are `f:<name>`,
//! `k:<JSON of the key fields>`, `v:<JSON value>` and `i:<index>`; `.` marks a member that has members below it;
//! elements of a kind not known here are dropped.

use std::fmt::Write;

use super::build::{SetBuilder, Twins};
use super::element::Element;
use super::label::Label;
use super::set::{Block, FieldSet, Level, MAX_DEPTH};
use crate::manifest::json_value;
use crate::path::Segment;
use crate::value::{Builder, Value, ValueRef, View};

/// Why FieldsV1 cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldsV1Error {
    /// The text is not JSON.
    #[error("managed fields are not JSON")]
    Json,
    /// A node is no map.
    #[error("managed fields must be a map, not a {0}")]
    NotAMap(&'static str),
    /// A key is no path element.
    #[error("`{0}` is not a path element; it starts with `f:`, `k:`, `v:` or `i:`")]
    PathElement(String),
    /// The path element has a kind that is not known.
    #[error("`{0}` is a path element of an unknown kind")]
    UnknownKind(String),
    /// Nested deeper than any object.
    #[error("managed fields are nested deeper than 512 levels")]
    TooDeep,
}

impl FieldSet {
    /// Reads FieldsV1 from a tree.
    ///
    /// # Errors
    /// When it is not FieldsV1.
    pub fn from_fields_v1(fields: ValueRef<'_>) -> Result<Self, FieldsV1Error> {
        let mut out = SetBuilder::default();
        let (top, _) = read(fields, 0, &mut out)?;
        Ok(out.finish(top))
    }

    /// Reads FieldsV1 from its JSON text.
    ///
    /// # Errors
    /// When it is not JSON, or not FieldsV1.
    pub fn from_fields_v1_json(text: &[u8]) -> Result<Self, FieldsV1Error> {
        // Reading it takes no recursion; what is too deep is told below.
        let value = json_value(text, usize::MAX).ok_or(FieldsV1Error::Json)?;
        Self::from_fields_v1(value.root())
    }

    /// Returns FieldsV1 as a tree.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        let mut builder = Builder::new();
        self.write_fields_v1(&mut builder);
        // Only more than 4 GiB of text can fail.
        builder.finish().unwrap_or_else(|_| Value::empty_map())
    }

    pub(crate) fn write_fields_v1(&self, builder: &mut Builder) {
        build(self.level(), false, builder, &mut String::new());
    }

    /// Returns FieldsV1 as JSON text, byte for byte as Kubernetes writes it.
    #[must_use]
    pub fn to_fields_v1_json(&self) -> String {
        // Marks, quotes and braces of one path element are about ten bytes.
        let room = self.arena().text.len().saturating_add(self.arena().nodes.len().saturating_mul(10));
        let mut out = String::with_capacity(room);
        print(self.level(), false, &mut out, &mut String::with_capacity(64));
        out
    }
}

fn build(level: Level<'_>, is_member: bool, builder: &mut Builder, text: &mut String) {
    builder.start_map();
    if is_member && !level.is_empty() {
        builder.key(".");
        builder.start_map();
        builder.end();
    }
    for entry in level.iter() {
        text.clear();
        write_label(entry.label(), text);
        builder.key(text);
        build(entry.below(), entry.is_member(), builder, text);
    }
    builder.end();
}

fn print(level: Level<'_>, is_member: bool, out: &mut String, text: &mut String) {
    out.push('{');
    let mut first = true;
    if is_member && !level.is_empty() {
        out.push_str("\".\":{}");
        first = false;
    }
    for entry in level.iter() {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        text.clear();
        write_label(entry.label(), text);
        go_string(text, out);
        out.push(':');
        print(entry.below(), entry.is_member(), out, text);
    }
    out.push('}');
}

/// Returns the members below, and whether the node itself is one.
fn read(fields: ValueRef<'_>, depth: usize, out: &mut SetBuilder) -> Result<(Block, bool), FieldsV1Error> {
    let map = match fields.view() {
        View::Map(map) => map,
        View::Null => return Ok((Block::default(), true)),
        _ => return Err(FieldsV1Error::NotAMap(fields.kind_name())),
    };
    if depth > MAX_DEPTH {
        return Err(FieldsV1Error::TooDeep);
    }
    let mut is_member = false;
    let start = out.start();
    for (key, value) in map {
        if key == "." {
            is_member = true;
            continue;
        }
        let element = match Element::read(key) {
            Ok(element) => element,
            Err(FieldsV1Error::UnknownKind(_)) => continue,
            Err(error) => return Err(error),
        };
        let (below, is_member) = read(value, depth + 1, out)?;
        element.with_label(|label| out.push(label, is_member, below));
    }
    let below = out.close_sorting(start, Twins::Unite);
    Ok((below, is_member || below.is_empty()))
}

/// Reads one path element, such as `f:spec` or `k:{"name":"web"}`.
///
/// # Errors
/// When the text is no path element, or one of an unknown kind.
pub fn segment_from_text(text: &str) -> Result<Segment, FieldsV1Error> {
    Element::read(text).map(|element| element.with_label(|label| label.to_segment()))
}

/// Returns the text of one path element, as it is written in FieldsV1.
#[must_use]
pub fn segment_to_text(segment: &Segment) -> String {
    let mut text = String::new();
    write_label(Label::of(segment), &mut text);
    text
}

fn write_label(label: Label<'_>, out: &mut String) {
    match label {
        Label::Field(name) => {
            out.push_str("f:");
            out.push_str(name);
        }
        Label::Key(keys) => {
            out.push_str("k:{");
            for (at, (name, value)) in keys.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                go_string(name, out);
                out.push(':');
                go_json(value, out);
            }
            out.push('}');
        }
        Label::Item(value) => {
            out.push_str("v:");
            go_json(value, out);
        }
        Label::Index(index) => {
            // Writing to a string does not fail.
            write!(out, "i:{index}").unwrap_or_default();
        }
    }
}

/// JSON as Go's encoders write it: HTML characters escaped, whole floats without a point.
pub(crate) fn go_json(value: View<'_>, out: &mut String) {
    match value {
        View::Null => out.push_str("null"),
        View::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        // Writing to a string does not fail.
        View::Int(number) => write!(out, "{number}").unwrap_or_default(),
        View::String(text) => go_string(text, out),
        View::Float(number) => go_float(number, out),
        View::List(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                go_json(item.view(), out);
            }
            out.push(']');
        }
        View::Map(map) => {
            out.push('{');
            for (at, (key, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                go_string(key, out);
                out.push(':');
                go_json(item.view(), out);
            }
            out.push('}');
        }
    }
}

/// Go writes floats like JavaScript: plain between 1e-6 and 1e21, with an exponent beyond.
pub(crate) fn go_float(number: f64, out: &mut String) {
    let size = number.abs();
    let plain = size == 0.0 || (1e-6..1e21).contains(&size);
    let text = if plain { format!("{number}") } else { format!("{number:e}") };
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => {
            write!(out, "{digits}e+{exponent:0>2}").unwrap_or_default();
        }
        _ => out.push_str(&text),
    }
}

fn go_string(text: &str, out: &mut String) {
    out.push('"');
    let is_special =
        |letter: char| matches!(letter, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\u{20}');
    let mut rest = text;
    while let Some((plain, letter, after)) = rest.find(is_special).and_then(|at| {
        let (plain, tail) = rest.split_at(at);
        let mut letters = tail.chars();
        Some((plain, letters.next()?, letters.as_str()))
    }) {
        out.push_str(plain);
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => write!(out, "\\u{:04x}", u32::from(letter)).unwrap_or_default(),
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}
