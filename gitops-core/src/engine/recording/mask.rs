//! Values of Secrets, which no recording holds: each has a name by which only equal values are equal.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diff::{is_plain, is_plain_metadata, is_secret};
use crate::manifest::{Dialect, Limits, ParsedFile, parse};
use crate::path::{FieldPath, Segment};
use crate::problem::{Code, Severity};
use crate::resource::Resource;
use crate::value::{Draft, Value, ValueRef};

/// Most values that are told apart.
const MOST: usize = 100_000;
/// Shorter values are not looked for in the text of a file.
const SHORT: usize = 4;
/// The field of a Secret whose values are in base64.
const ENCODED: &str = "data";
/// Stands for what may hold a value.
const NOT_KEPT: &str = "{\"masked\": \"what cannot be read may hold a Secret\"}";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The names of values, by when they were seen first: they say nothing of the values.
#[derive(Default)]
pub(super) struct Masks {
    names: BTreeMap<Vec<u8>, usize>,
    /// Whether what comes is masked already.
    is_off: bool,
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masks({})", self.names.len())
    }
}

impl Masks {
    /// Leaves everything as it is.
    pub(super) fn off() -> Self {
        Self { is_off: true, ..Self::default() }
    }

    fn name(&mut self, value: &[u8]) -> String {
        let next = self.names.len();
        let number = match self.names.get(value) {
            Some(number) => *number,
            None if next >= MOST => MOST,
            None => {
                self.names.insert(value.to_vec(), next);
                next
            }
        };
        format!("masked-{number}")
    }

    /// Returns an object as JSON.
    pub(super) fn json(&mut self, object: &Resource) -> String {
        self.object(object).to_json()
    }

    fn object(&mut self, object: &Resource) -> Value {
        if self.is_off || !is_secret(object.key()) {
            return object.value().clone();
        }
        let mut draft = object.tree().to_draft();
        self.secret(&mut draft);
        draft.freeze()
    }

    /// Returns what is written to a field of a Secret, as JSON: as it would be written where the Secret is masked already.
    pub(super) fn value<'p>(&mut self, path: &'p FieldPath, value: &Value) -> String {
        if self.is_off {
            return value.to_json();
        }
        let field = |segment: &'p Segment| match segment {
            Segment::Field(name) => Some(&**name),
            _ => None,
        };
        let names: Vec<&str> = path.segments().iter().map_while(field).collect();
        if names.len() < path.segments().len() {
            // No value of a Secret lies in an item of a list.
            let may_hold_values = names.first() != Some(&"metadata");
            return if may_hold_values { self.name(value.to_json().as_bytes()) } else { value.to_json() };
        }
        let mut object = names.iter().rev().fold(value.root().to_draft(), |below, name| {
            let mut map = Draft::map();
            map.set(name, below);
            map
        });
        self.secret(&mut object);
        let masked = names.iter().try_fold(&object, |at, name| at.get(name));
        masked.map_or_else(|| self.name(value.to_json().as_bytes()), |masked| masked.freeze().to_json())
    }

    fn text(&mut self, text: &str, is_encoded: bool) -> String {
        match STANDARD.decode(text).ok().filter(|_| is_encoded) {
            Some(bytes) => STANDARD.encode(self.name(&bytes)),
            None => self.name(text.as_bytes()),
        }
    }

    fn mask(&mut self, value: &mut Draft, is_encoded: bool) {
        let masked = match &*value {
            Draft::Null => return,
            Draft::String(text) if text.is_empty() => return,
            Draft::String(text) => self.text(text, is_encoded),
            other => self.name(other.freeze().to_json().as_bytes()),
        };
        *value = Draft::from(masked);
    }

    fn secret(&mut self, draft: &mut Draft) {
        let Draft::Map(fields) = &mut *draft else { return };
        for (field, value) in fields.iter_mut() {
            match value {
                Draft::Map(metadata) if &**field == "metadata" => {
                    // Managed fields name the fields of a Secret, and none of its values.
                    let is_kept = |name: &str| is_plain_metadata(name) || name == "managedFields";
                    let hidden = metadata.iter_mut().filter(|(name, _)| !is_kept(name));
                    hidden.for_each(|(_, value)| self.mask(value, false));
                }
                value if is_plain(field, value.freeze().root()) => {}
                Draft::Map(values) => values.values_mut().for_each(|value| self.mask(value, &**field == ENCODED)),
                value => self.mask(value, &**field == ENCODED),
            }
        }
        let annotations = draft.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
        let Some(annotation) = annotations.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) else { return };
        let applied = annotation.as_str().and_then(|text| Value::from_json(text.as_bytes()).ok());
        let masked = applied.map_or_else(String::new, |applied| {
            let mut applied = applied.root().to_draft();
            self.secret(&mut applied);
            applied.freeze().to_json()
        });
        *annotation = Draft::from(masked);
    }

    /// Returns a file without the values of its Secrets. Where that can be done, everything else stays where it is.
    pub(super) fn file(&mut self, bytes: &[u8]) -> Vec<u8> {
        if has_no_secret(bytes) {
            return bytes.to_vec();
        }
        let before = read(bytes);
        let is_broken = before.problems.iter().any(|problem| problem.severity == Severity::Blocks);
        if !is_broken && !before.resources.iter().any(|(object, _)| is_secret(object.key())) {
            return bytes.to_vec();
        }
        let mut masked: Vec<String> = before.resources.iter().map(|(object, _)| self.json(object)).collect();
        // An alias may have brought a value to where none is looked for.
        if bytes.contains(&b'&') && bytes.contains(&b'*') {
            let values: Vec<String> = before.resources.iter().flat_map(|(object, _)| texts(object)).collect();
            let holds_one = |json: &&mut String| values.iter().any(|value| json.contains(value.as_str()));
            masked.iter_mut().filter(holds_one).for_each(|json| NOT_KEPT.clone_into(json));
        }
        if !is_broken && let Some(text) = self.in_place(bytes, &before, &masked) {
            return text.into_bytes();
        }
        let rest = is_broken.then(|| NOT_KEPT.to_owned());
        masked.into_iter().chain(rest).collect::<Vec<_>>().join("\n---\n").into_bytes()
    }

    /// The file with each value in its place replaced; `None` if it does not say the same then.
    fn in_place(&mut self, bytes: &[u8], before: &ParsedFile, masked: &[String]) -> Option<String> {
        let mut text = String::from_utf8(bytes.to_vec()).ok()?;
        // A key that is given again, also by a merge, hides a value.
        if text.contains("<<") || before.problems.iter().any(|problem| problem.code == Code::DuplicateKey) {
            return None;
        }
        let mut values: Vec<(String, String)> = Vec::new();
        for (object, _) in before.resources.iter().filter(|(object, _)| is_secret(object.key())) {
            let fields = object.tree().as_map()?.iter();
            for (field, map) in fields.filter(|(name, value)| *name != "metadata" && !is_plain(name, *value)) {
                if map.is_null() {
                    continue;
                }
                for (_, value) in map.as_map()?.iter().filter(|(_, value)| !value.is_null()) {
                    let value = value.as_str()?;
                    if !value.is_empty() {
                        values.push((value.to_owned(), self.text(value, field == ENCODED)));
                    }
                }
            }
        }
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        for (value, name) in &values {
            if value.len() < SHORT {
                return None;
            }
            text = text.replace(value.as_str(), name);
        }
        let after = read(text.as_bytes());
        let same = after.resources.iter().map(|(object, _)| object.value().to_json()).eq(masked.iter().cloned());
        let same =
            same && after.resources.iter().zip(&before.resources).all(|((_, after), (_, before))| after == before);
        (same && after.problems == before.problems && !values.iter().any(|(value, _)| text.contains(value.as_str())))
            .then_some(text)
    }
}

/// Whether a file can be seen to hold no Secret: in UTF-16, or behind an escape or a tag, the word reads otherwise.
fn has_no_secret(bytes: &[u8]) -> bool {
    let ways = ["secret", "\0", "\\", "!!", "!<", "%tag"];
    std::str::from_utf8(bytes).is_ok_and(|text| {
        let text = text.to_ascii_lowercase();
        !ways.iter().any(|way| text.contains(way))
    })
}

/// The values of a Secret that can be told from other text, as JSON has them.
fn texts(object: &Resource) -> Vec<String> {
    let fields = object.tree().as_map().into_iter().flatten().filter(|_| is_secret(object.key()));
    let hidden = fields.filter(|(name, value)| *name != "metadata" && !is_plain(name, *value));
    let values = hidden.flat_map(|(_, values)| values.as_map().into_iter().flatten().map(|(_, value)| value));
    values.filter_map(ValueRef::as_str).filter(|value| value.len() >= SHORT).map(inner_json).collect()
}

fn inner_json(text: &str) -> String {
    Value::from(text).to_json().trim_matches('"').to_owned()
}

fn read(bytes: &[u8]) -> ParsedFile {
    parse(&"recorded".into(), bytes, Dialect::Kubectl, &Limits::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Ours\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData:\n  word: hunter2\n  other: \
                        hunter2\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n";

    #[test]
    fn equal_values_have_equal_names_wherever_they_stand_and_no_value_is_left() {
        let mut masks = Masks::default();
        let live = br#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key","annotations":{
            "kubectl.kubernetes.io/last-applied-configuration":
            "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"stringData\":{\"word\":\"hunter2\"}}"}},
            "data":{"word":"aHVudGVyMg==","more":"aHVudGVyMw=="}}"#;
        let live = Resource::new(Value::from_json(live).unwrap()).unwrap();
        let text = String::from_utf8(masks.file(FILE.as_bytes())).unwrap();
        let json = masks.json(&live);
        for text in [&text, &json] {
            assert!(!text.contains("hunter") && !text.contains("aHVudGVy"), "{text}");
        }
        // Of the file, nothing else changed.
        assert_eq!(text, FILE.replace("hunter2", "masked-0"));
        let name = |number: u32| STANDARD.encode(format!("masked-{number}"));
        assert!(json.contains(&format!(r#""word":"{}""#, name(0))) && json.contains(&name(1)), "{json}");
        assert!(json.contains(r#"\"word\":\"masked-0\""#), "{json}");
    }

    #[test]
    fn no_value_is_left_under_a_misspelt_name_or_kind_or_behind_an_anchor() {
        let kind = FILE.replace("kind: Secret", "kind: secret");
        let field = FILE.replace("stringData", "stringdata");
        let metadata = FILE.replace("{name: key}", "{name: key, data: {word: hunter2}}");
        let word = FILE.replace("stringData:", "type: {word: hunter2}\nstringData:");
        let anchor =
            FILE.replace("{name: key}", "{name: key, labels: {a: &a hunter2}}").replace("word: hunter2", "word: *a");
        for file in [kind, field, metadata, word, anchor] {
            let text = String::from_utf8(Masks::default().file(file.as_bytes())).unwrap();
            assert!(!text.contains("hunter") && text.contains("masked"), "{text}");
        }
    }

    #[test]
    fn what_is_written_to_a_secret_is_recorded_as_a_replay_writes_it() {
        let json = |text: &str| Value::from_json(text.as_bytes()).unwrap();
        let applied = r#"{"kubectl.kubernetes.io/last-applied-configuration":"{\"kind\":\"Secret\",\"data\":{\"word\":\"aHVudGVyMg==\"}}"}"#;
        for (path, value) in [
            (&["data", "word"][..], r#""aHVudGVyMg==""#),
            (&["data"], r#"{"word":"aHVudGVyMg==","none":null,"empty":""}"#),
            (&["data", "word"], r#""no base64 hunter2""#),
            (&["stringData", "word"], r#""hunter2""#),
            (&["stringData", "word"], r#"["hunter2"]"#),
            (&["stringData"], r#""hunter2""#),
            (&["type"], r#""Opaque""#),
            (&["metadata", "labels"], r#"{"a":"b"}"#),
            (&["metadata", "annotations"], applied),
        ] {
            let (path, value) = (FieldPath::fields(path), json(value));
            let mut masks = Masks::default();
            let recorded = masks.value(&path, &value);
            assert!(!recorded.contains("hunter") && !recorded.contains("aHVudGVy"), "{path}: {recorded}");
            // What a replay reads is masked, and what it writes of it is written out as it is.
            let replayed = Masks::off().value(&path, &json(&recorded));
            assert_eq!(recorded, replayed, "{path}");
            let is_secret = value.to_json().contains("hunter") || value.to_json().contains("aHVudGVy");
            assert_eq!(recorded == value.to_json(), !is_secret, "{path}");
            assert_eq!(recorded, masks.value(&path, &value), "equal values have equal names");
        }
        let object = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key"},"data":{"word":"aHVudGVyMg=="}}"#;
        let object = Resource::new(json(object)).unwrap();
        let mut masks = Masks::default();
        let whole = json(&masks.json(&object));
        let part = masks.value(&FieldPath::fields(&["data", "word"]), &json(r#""aHVudGVyMg==""#));
        let read = whole.root().dig(&["data", "word"]).and_then(|word| word.as_str()).map(|word| format!("\"{word}\""));
        assert_eq!(Some(part), read, "it is known by the name that it was read under");
    }

    #[test]
    fn what_cannot_be_masked_in_place_or_read_holds_no_value_either() {
        let short = FILE.replace("hunter2", "x1").into_bytes();
        let block = FILE.replace("word: hunter2", "word: |\n    hunter2\n    hunter3").into_bytes();
        let broken = format!("{FILE}---\nkind: Secret\ndata: [\n").into_bytes();
        for file in [short, block, broken] {
            let text = String::from_utf8(Masks::default().file(&file)).unwrap();
            assert!(!text.contains("hunter") && !text.contains("x1"), "{text}");
            assert!(text.contains("masked-0") && read(text.as_bytes()).resources.len() == 2, "{text}");
        }
    }

    #[test]
    fn a_secret_is_found_however_its_kind_is_written() {
        let first = FILE.split("---").next().unwrap();
        let escaped = first.replace("kind: Secret", "kind: \"\\u0053ecret\"").into_bytes();
        let tagged = first.replace("kind: Secret", "kind: !!binary U2VjcmV0").into_bytes();
        let wide = format!("\u{feff}{first}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        for file in [escaped, tagged, wide] {
            assert!(read(&file).resources[0].0.key().is("", "Secret"));
            let text = String::from_utf8(Masks::default().file(&file)).unwrap();
            assert!(!text.contains("hunter") && text.contains("masked-0"), "{text}");
        }
    }

    #[test]
    fn no_value_is_left_that_another_hides_or_that_is_no_string() {
        let hidden = "stringData: {word: hunter1, word: hunter2}";
        let merged = "stringData: {<<: {word: hunter1}, word: hunter2}";
        let number = "stringData: {pin: 12345678, none: null}";
        let list = "data: {word: [hunter2]}";
        for values in [hidden, merged, number, list, "stringData: hunter2", "data: 12345678"] {
            let file = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: key}}\n{values}\n");
            let text = String::from_utf8(Masks::default().file(file.as_bytes())).unwrap();
            assert!(!text.contains("hunter") && !text.contains("12345678"), "{text}");
            assert!(text.contains("masked-0") && read(text.as_bytes()).resources.len() == 1, "{text}");
        }
    }
}
