//! The fields of the last apply, kept beside the object.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::{Builder, Digest, Map, Purpose, Value, ValueRef};

/// The fields of the last successful apply of one object: F of the exact rules.
///
/// `metadata.managedFields` says the same until somebody clears it or takes fields over; then only this tells that a
/// field was ours. Names only, no values. Short, since every object of an application has one in the ledger:
/// `{"f:spec":{".":{},"f:replicas":{}}}` is written `spec(.,replicas)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
pub struct AppliedFields {
    text: Arc<str>,
    digest: Digest,
}

/// Deeper sets are cut off: no API object is nested like that.
const MAX_DEPTH: usize = 256;

impl AppliedFields {
    /// Takes the fields of a FieldsV1 tree; `None` when there are none.
    #[must_use]
    pub fn of(fields_v1: Map<'_>) -> Option<Self> {
        let mut text = String::new();
        write(fields_v1, &mut text, 0);
        (!text.is_empty()).then(|| Arc::<str>::from(text).into())
    }

    /// Returns the fields as a FieldsV1 tree. What is damaged is left out.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        let mut builder = Builder::new();
        builder.start_map();
        read(&mut self.text.chars(), &mut builder);
        // A few more characters than a text that was held.
        builder.finish().unwrap_or_else(|_| Value::empty_map())
    }

    /// Returns whether each of these fields is among those of a FieldsV1 tree. Names are compared as texts: a list item
    /// that is written otherwise is not found.
    #[must_use]
    pub fn is_within(&self, fields_v1: Map<'_>) -> bool {
        self.to_fields_v1().root().as_map().is_some_and(|fields| is_within(fields, fields_v1, 0))
    }

    /// Returns the digest of the fields.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl From<Arc<str>> for AppliedFields {
    fn from(text: Arc<str>) -> Self {
        Self { digest: Digest::of(Purpose::Facts, text.as_bytes()), text }
    }
}

impl From<AppliedFields> for Arc<str> {
    fn from(fields: AppliedFields) -> Self {
        fields.text
    }
}

impl fmt::Display for AppliedFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_within(fields: Map<'_>, all: Map<'_>, depth: usize) -> bool {
    let is_member = |field: Map<'_>| field.is_empty() || field.get(".").is_some();
    let has = |name: &str, below: ValueRef<'_>| {
        if name == "." {
            return is_member(all);
        }
        let Some(there) = all.get(name).and_then(ValueRef::as_map) else { return false };
        match below.as_map().filter(|below| !below.is_empty()) {
            Some(below) => is_within(below, there, depth + 1),
            None => is_member(there),
        }
    };
    depth < MAX_DEPTH && fields.iter().all(|(name, below)| has(name, below))
}

fn write(fields: Map<'_>, text: &mut String, depth: usize) {
    for (at, (name, below)) in fields.iter().filter(|_| depth < MAX_DEPTH).enumerate() {
        if at > 0 {
            text.push(',');
        }
        // Most are plain fields; what looks like something else keeps its letter.
        let plain = name.strip_prefix("f:").filter(|name| !name.is_empty() && *name != "." && !name.contains(':'));
        for letter in plain.unwrap_or(name).chars() {
            if matches!(letter, '(' | ')' | ',' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
        if let Some(below) = below.as_map().filter(|below| !below.is_empty()) {
            text.push('(');
            write(below, text, depth + 1);
            text.push(')');
        }
    }
}

fn read(letters: &mut std::str::Chars<'_>, builder: &mut Builder) {
    let mut name = String::new();
    let mut depth = 0;
    // Whether a name stands that nothing was written for yet.
    let leaf = |name: &mut String, builder: &mut Builder| {
        if !name.is_empty() {
            key(name, builder);
            builder.start_map();
            builder.end();
            name.clear();
        }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next()),
            ',' => leaf(&mut name, builder),
            '(' if depth < MAX_DEPTH && !name.is_empty() => {
                key(&name, builder);
                builder.start_map();
                name.clear();
                depth += 1;
            }
            ')' => {
                leaf(&mut name, builder);
                if depth > 0 {
                    builder.end();
                    depth -= 1;
                }
            }
            '(' => {}
            letter => name.push(letter),
        }
    }
    leaf(&mut name, builder);
    (0..=depth).for_each(|_| builder.end());
}

fn key(name: &str, builder: &mut Builder) {
    let is_marked = name == "." || matches!(name.split_at_checked(2), Some(("f:" | "k:" | "v:" | "i:", _)));
    if is_marked { builder.key(name) } else { builder.key(&format!("f:{name}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_the_ledger_whatever_their_names() {
        for (json, text) in [
            (r#"{"f:spec":{".":{},"f:replicas":{}}}"#, "spec(.,replicas)"),
            (r#"{"f:a,b(c)\\":{},"f:x":{}}"#, r"a\,b\(c\)\\,x"),
            (r#"{"f:.":{},"f:k:x":{}}"#, "f:.,f:k:x"),
            (
                r#"{"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{}}}}"#,
                r#"ports(k:{"containerPort":80\,"protocol":"TCP"}(.,name))"#,
            ),
            (r#"{"f:finalizers":{"v:\"a/b\"":{}}}"#, r#"finalizers(v:"a/b")"#),
        ] {
            let fields = Value::from_json(json.as_bytes()).unwrap();
            let applied = AppliedFields::of(fields.root().as_map().unwrap()).unwrap();
            assert_eq!(applied.to_string(), text);
            assert_eq!(applied.to_fields_v1(), fields, "{text}");
        }
        assert_eq!(AppliedFields::of(Value::empty_map().root().as_map().unwrap()), None);
    }

    #[test]
    fn fields_are_within_others_where_each_of_them_is_there_itself() {
        let all = r#"{"f:spec":{".":{},"f:replicas":{},"f:template":{"f:metadata":{}}},"f:data":{}}"#;
        let all = Value::from_json(all.as_bytes()).unwrap();
        for (text, expected) in [
            ("data", true),
            ("spec", true),
            ("spec(.)", true),
            ("spec(.,replicas)", true),
            ("spec(template(metadata))", true),
            // Only what is below it is there, not the field itself.
            ("spec(template)", false),
            ("spec(template(.))", false),
            ("spec(paused)", false),
            ("data(f:a)", false),
            ("status", false),
        ] {
            let fields = AppliedFields::from(Arc::<str>::from(text));
            assert_eq!(fields.is_within(all.root().as_map().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_damaged_record_loses_what_is_damaged_and_nothing_more() {
        for text in ["a(b", "a)b", "(a", "a((b))", r"a\", ")))", ",,"] {
            let fields = AppliedFields::from(Arc::<str>::from(text)).to_fields_v1();
            assert!(fields.root().as_map().is_some(), "{text}");
        }
    }
}
