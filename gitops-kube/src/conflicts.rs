//! Field conflicts, as a server writes them.

use std::sync::Arc;

use gitops_core::cluster::FieldConflict;
use gitops_core::path::{FieldPath, Segment};
use gitops_core::value::{Value, ValueRef};

/// Reads one cause of a conflict: `conflict with "MANAGER" with subresource "scale" using apps/v1`, and a field such as
/// `.spec.containers[name="web"].image`. `applied` is what was applied: names with dots are told by it.
pub(crate) fn read(message: &str, field: &str, applied: Option<ValueRef<'_>>) -> FieldConflict {
    let manager = quoted_after(message, "conflict with ").unwrap_or_default();
    let subresource = quoted_after(message, " with subresource ");
    FieldConflict::new(&manager, path(field, applied)).under(subresource.as_deref())
}

/// A text in quotes, as Go's `%q` writes it; escapes are those of JSON, but for bytes that no manager may have.
fn quoted_after(message: &str, words: &str) -> Option<Arc<str>> {
    let (_, rest) = message.split_once(words)?;
    let value = Value::from_json(quoted(rest)?.as_bytes()).ok()?;
    value.root().as_str().map(Arc::from)
}

/// The text in quotes at the start, with its quotes.
fn quoted(text: &str) -> Option<&str> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return text.starts_with('"').then(|| text.get(..=at))?,
            _ => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    None
}

/// Reads a path as structured-merge-diff prints it. Field names are not quoted there: `.metadata.annotations.a.b/c` may
/// be a field `a.b/c`, and is if `tree` has it.
fn path(text: &str, tree: Option<ValueRef<'_>>) -> FieldPath {
    let (mut segments, mut rest, mut at) = (Vec::new(), text, tree);
    while !rest.is_empty() {
        let (segment, left) = match rest.strip_prefix('.') {
            Some(named) => {
                let length = field_length(named, at);
                let (name, left) = named.split_at_checked(length).unwrap_or((named, ""));
                (Segment::field(name), left)
            }
            None => match item(rest) {
                Some(found) => found,
                // Not a path at all: better one odd name than none.
                None => (Segment::field(rest), ""),
            },
        };
        at = at.and_then(|at| segment.of(at));
        segments.push(segment);
        rest = left;
    }
    segments.into_iter().collect()
}

/// How long the name of the field at the start is: the longest one that the map has, else up to a dot or bracket.
fn field_length(text: &str, map: Option<ValueRef<'_>>) -> usize {
    let ends =
        |name: &&str| text.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let names = map.and_then(ValueRef::as_map).into_iter().flatten().map(|(name, _)| name);
    let known = names.filter(ends).map(str::len).max();
    known.unwrap_or_else(|| text.find(['.', '[']).unwrap_or(text.len()))
}

/// `[name="web",port=80]`, `[="x"]` or `[3]` at the start, and what follows.
fn item(text: &str) -> Option<(Segment, &str)> {
    let mut rest = text.strip_prefix('[')?;
    if let Some(valued) = rest.strip_prefix('=') {
        let (value, rest) = scalar(valued)?;
        return Some((Segment::Item(value), rest.strip_prefix(']')?));
    }
    if let Some((index, after)) = rest.split_once(']')
        && let Ok(index) = index.parse()
    {
        return Some((Segment::Index(index), after));
    }
    let mut keys: Vec<(&str, Value)> = Vec::new();
    loop {
        let (name, valued) = rest.split_once('=')?;
        let (value, after) = scalar(valued)?;
        keys.push((name, value));
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((Segment::key(keys), after.strip_prefix(']')?)),
        }
    }
}

/// A JSON scalar at the start, and what follows.
fn scalar(text: &str) -> Option<(Value, &str)> {
    let length = match quoted(text) {
        Some(quoted) => quoted.len(),
        None => text.find([',', ']'])?,
    };
    let (scalar, rest) = text.split_at_checked(length)?;
    Some((Value::from_json(scalar.as_bytes()).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_read_as_recorded() {
        let applied =
            br#"{"metadata":{"annotations":{"a.b/c":"x","a":"y"}},"spec":{"ports":[{"port":1,"protocol":"TCP"}]}}"#;
        let applied = Value::from_json(applied).unwrap();
        for (message, field, expected) in [
            ("conflict with \"gitops\"", ".data.a", "`data.a` (owned by `gitops`)"),
            (
                "conflict with \"hpa\" with subresource \"scale\" using apps/v1",
                ".spec.replicas",
                "`spec.replicas` (owned by `hpa` through scale)",
            ),
            (
                "conflict with \"a \\\"b\\\"\" using apps/v1 at 2000-01-01T00:00:00Z",
                ".spec.ports[port=1,protocol=\"TCP\"].weight",
                "`spec.ports[port=1,protocol=TCP].weight` (owned by `a \"b\"`)",
            ),
            ("conflict with \"x\"", ".metadata.annotations.a.b/c", "`metadata.annotations[\"a.b/c\"]` (owned by `x`)"),
            ("conflict with \"x\"", ".metadata.annotations.a", "`metadata.annotations.a` (owned by `x`)"),
            ("conflict with \"x\"", ".spec.set[=\"a]b\"]", "`spec.set[=\"a]b\"]` (owned by `x`)"),
            ("conflict with \"x\"", ".spec.list[3].y", "`spec.list[3].y` (owned by `x`)"),
            ("something else", "[odd", "`[\"[odd\"]` (owned by ``)"),
        ] {
            assert_eq!(read(message, field, Some(applied.root())).to_string(), expected);
        }
    }
}
