//! The fields of the last apply, kept beside the object.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::{Builder, Map, Value};

use super::OPERATION_ANNOTATION;

/// The fields of the last successful apply of one object: F of the exact rules.
///
/// `metadata.managedFields` says the same until somebody clears it or takes fields over; then only this tells that a
/// field was ours. Names only, no values, and without [`OPERATION_ANNOTATION`]. Short, since every object of an application has one in the ledger:
/// `{"f:spec":{".":{},"f:replicas":{}}}` is written `spec(.,replicas)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
pub struct AppliedFields(Arc<str>);

/// Deeper sets are cut off: no API object is nested like that.
const MAX_DEPTH: usize = 256;

impl AppliedFields {
    /// Takes the fields of a FieldsV1 tree; `None` when there are none.
    #[must_use]
    pub fn of(fields_v1: Map<'_>) -> Option<Self> {
        // Grown once or twice for most objects.
        let mut text = String::with_capacity(256);
        write(fields_v1, &mut text, 0);
        (!text.is_empty()).then(|| Arc::<str>::from(text).into())
    }

    /// Returns the fields as a FieldsV1 tree. What is damaged is left out.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        let mut builder = Builder::new();
        builder.start_map();
        read(&mut self.0.chars(), &mut builder);
        // A few more characters than a text that was held.
        builder.finish().unwrap_or_else(|_| Value::empty_map())
    }

    /// Returns whether each of these fields is among those of a FieldsV1 tree. Names are compared as texts: a list item
    /// that is written otherwise is not found.
    #[must_use]
    pub fn is_within(&self, fields_v1: Map<'_>) -> bool {
        let mut reading = Within { at: fields_v1, around: Vec::new(), name: PLAIN.into() };
        let mut rest = &*self.0;
        while let Some(at) = rest.find([',', '(', ')', '\\']) {
            let (plain, more) = rest.split_at(at);
            reading.name.push_str(plain);
            let mut letters = more.chars();
            let is_there = match letters.next() {
                Some(',') => reading.has_field(),
                Some('(') => reading.enters(),
                Some(')') => reading.leaves(),
                _ => {
                    reading.name.extend(letters.next());
                    true
                }
            };
            if !is_there {
                return false;
            }
            rest = letters.as_str();
        }
        reading.name.push_str(rest);
        reading.has_field()
    }
}

impl From<Arc<str>> for AppliedFields {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl From<AppliedFields> for Arc<str> {
    fn from(fields: AppliedFields) -> Self {
        fields.0
    }
}

impl fmt::Display for AppliedFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How most names begin in FieldsV1.
const PLAIN: &str = "f:";

/// A search for each field of a text among those of a tree.
struct Within<'a> {
    at: Map<'a>,
    around: Vec<Map<'a>>,
    /// The name that is being read, behind [`PLAIN`].
    name: String,
}

impl<'a> Within<'a> {
    /// Whether the field that was named is there itself. So it is where none was named.
    fn has_field(&mut self) -> bool {
        let is_member = |field: Map<'_>| field.is_empty() || field.get(".").is_some();
        let is_there = match self.name.strip_prefix(PLAIN).unwrap_or_default() {
            "" => true,
            "." => is_member(self.at),
            _ => self.named().is_some_and(is_member),
        };
        self.name.truncate(PLAIN.len());
        is_there
    }

    fn enters(&mut self) -> bool {
        if self.name.len() == PLAIN.len() || self.around.len() >= MAX_DEPTH {
            return false;
        }
        let below = self.named();
        self.name.truncate(PLAIN.len());
        below.is_some_and(|below| {
            self.around.push(std::mem::replace(&mut self.at, below));
            true
        })
    }

    fn leaves(&mut self) -> bool {
        let is_there = self.has_field();
        if let Some(around) = self.around.pop() {
            self.at = around;
        }
        is_there
    }

    fn named(&self) -> Option<Map<'a>> {
        let bare = self.name.strip_prefix(PLAIN).unwrap_or_default();
        self.at.get(if is_marked(bare) { bare } else { &self.name })?.as_map()
    }
}

fn write(fields: Map<'_>, text: &mut String, depth: usize) {
    let begin = text.len();
    for (name, below) in fields.iter().filter(|(name, _)| depth < MAX_DEPTH && !is_mark(name, depth)) {
        let end = text.len();
        if end > begin {
            text.push(',');
        }
        // Most are plain fields; what looks like something else keeps its letter.
        let has_colon = |name: &str| name.bytes().any(|byte| byte == b':');
        let plain = name.strip_prefix(PLAIN).filter(|name| !name.is_empty() && *name != "." && !has_colon(name));
        let name = plain.unwrap_or(name);
        if name.bytes().any(|byte| matches!(byte, b'(' | b')' | b',' | b'\\')) {
            for letter in name.chars() {
                text.extend(matches!(letter, '(' | ')' | ',' | '\\').then_some('\\'));
                text.push(letter);
            }
        } else {
            text.push_str(name);
        }
        if let Some(below) = below.as_map().filter(|below| !below.is_empty()) {
            text.push('(');
            let inner = text.len();
            write(below, text, depth + 1);
            if text.len() > inner { text.push(')') } else { text.truncate(end) }
        }
    }
}

/// Whether it is the annotation with the operation that created an object: the next apply takes it away, and where that
/// cannot, nothing is lost.
fn is_mark(name: &str, depth: usize) -> bool {
    const ANNOTATIONS: usize = 2;
    depth == ANNOTATIONS && name.strip_prefix(PLAIN) == Some(OPERATION_ANNOTATION)
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
    if is_marked(name) { builder.key(name) } else { builder.key(&format!("{PLAIN}{name}")) }
}

/// Whether a name is written as FieldsV1 has it.
fn is_marked(name: &str) -> bool {
    name == "." || matches!(name.split_at_checked(2), Some(("f:" | "k:" | "v:" | "i:", _)))
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
    fn the_mark_of_an_operation_is_not_remembered() {
        for (annotations, expected) in [
            (r#"{"f:a":{},"f:gitops.rs/operation":{},"f:z":{}}"#, "metadata(annotations(a,z)),spec"),
            (r#"{"f:gitops.rs/operation":{}}"#, "spec"),
        ] {
            let fields = format!(r#"{{"f:metadata":{{"f:annotations":{annotations}}},"f:spec":{{}}}}"#);
            let fields = Value::from_json(fields.as_bytes()).unwrap();
            assert_eq!(AppliedFields::of(fields.root().as_map().unwrap()).unwrap().to_string(), expected);
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
