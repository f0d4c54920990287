//! Paths and values as structured-merge-diff prints them; the texts of the API server's conflicts hold them.

use std::fmt::Write;

use crate::path::{FieldPath, Segment};
use crate::value::{ValueRef, View};

use super::{TypedError, TypedProblem};

/// Returns a path as the API server prints it, such as `.spec.containers[name="web"].image`.
#[must_use]
pub fn path_text(path: &FieldPath) -> String {
    let mut out = String::new();
    for segment in path.segments() {
        write_segment(segment, &mut out);
    }
    out
}

/// Returns what is wrong with a value, in the words of the API server where they need no value.
/// Rule: the errors of structured-merge-diff, `typed.ValidationError`.
pub(crate) fn fault_text(fault: &TypedError) -> String {
    let what = match &fault.problem {
        TypedProblem::Undeclared => "field not declared in schema".to_owned(),
        TypedProblem::Duplicate(segment) => {
            let mut what = "duplicate entries for key ".to_owned();
            write_segment(segment, &mut what);
            what
        }
        other => other.to_string(),
    };
    format!("{}: {what}", path_text(&fault.field))
}

fn write_segment(segment: &Segment, out: &mut String) {
    match segment {
        Segment::Field(name) => {
            out.push('.');
            out.push_str(name);
        }
        Segment::Key(keys) => {
            for (at, (name, value)) in keys.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                out.push_str(name);
                out.push('=');
                write_value(value.root(), out);
            }
            out.push(']');
        }
        Segment::Item(value) => {
            out.push_str("[=");
            write_value(value.root(), out);
            out.push(']');
        }
        Segment::Index(index) => {
            // Writing to a string does not fail.
            write!(out, "[{index}]").unwrap_or_default();
        }
    }
}

fn write_value(value: ValueRef<'_>, out: &mut String) {
    match value.view() {
        View::String(text) => quote(text, out),
        View::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        // Go joins the entries of a map with nothing.
        View::Map(entries) => entries.iter().for_each(|(name, value)| {
            out.push_str(name);
            out.push('=');
            write_value(value, out);
        }),
        View::Float(number) => super::fields_v1::go_float(number, out),
        _ => out.push_str(&value.to_json()),
    }
}

/// Go's `%q`, for text that can be printed.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..'\u{20}' | '\u{7f}' => write!(out, "\\x{:02x}", u32::from(letter)).unwrap_or_default(),
            _ => out.push(letter),
        }
    }
    out.push('"');
}
