//! JSON out, without recursion: a tree of any depth can be written.

use super::{ValueRef, View};

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Compact,
    /// Indented by two spaces.
    Pretty,
}

/// A list or map that is being written.
struct Open {
    /// The node behind it.
    end: u32,
    bracket: char,
    is_empty: bool,
}

pub(super) fn write(value: ValueRef<'_>, layout: Layout) -> String {
    let tree = value.tree;
    let end = value.at.saturating_add(tree.span(value.at));
    let mut out = String::with_capacity((end.saturating_sub(value.at) as usize).saturating_mul(16));
    let mut open: Vec<Open> = Vec::new();
    // Nodes stand in preorder; a container is closed when the node behind it is reached.
    for at in value.at..end {
        while open.last().is_some_and(|open| open.end == at) {
            close(&mut out, &mut open, layout);
        }
        if let Some(around) = open.last_mut() {
            if !around.is_empty {
                out.push(',');
            }
            around.is_empty = false;
            let is_map = around.bracket == '}';
            line(&mut out, open.len(), layout);
            if is_map {
                string(&mut out, tree.key(at));
                out.push_str(if layout == Layout::Pretty { ": " } else { ":" });
            }
        }
        match tree.view(at) {
            View::Null => out.push_str("null"),
            View::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
            View::Int(number) => out.push_str(&number.to_string()),
            // A finite float always serialises.
            View::Float(number) => out.push_str(&serde_json::to_string(&number).unwrap_or_default()),
            View::String(text) => string(&mut out, text),
            view @ (View::List(_) | View::Map(_)) => {
                let (left, bracket) = if matches!(view, View::Map(_)) { ('{', '}') } else { ('[', ']') };
                out.push(left);
                open.push(Open { end: at.saturating_add(tree.span(at)), bracket, is_empty: true });
            }
        }
    }
    while !open.is_empty() {
        close(&mut out, &mut open, layout);
    }
    out
}

fn close(out: &mut String, open: &mut Vec<Open>, layout: Layout) {
    let Some(closed) = open.pop() else { return };
    if !closed.is_empty {
        line(out, open.len(), layout);
    }
    out.push(closed.bracket);
}

fn line(out: &mut String, depth: usize, layout: Layout) {
    if layout == Layout::Pretty {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut special = special.chars();
        match special.next().unwrap_or_default() {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            quoted @ ('"' | '\\') => out.extend(['\\', quoted]),
            control => out.push_str(&format!("\\u{:04x}", u32::from(control))),
        }
        rest = special.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
