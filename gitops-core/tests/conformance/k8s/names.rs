//! Recorded placeholders and what stands for them here: versions, uids, times, addresses, names that controllers make.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Which actual text each placeholder stands for, learnt where both sides are compared.
#[derive(Clone, Default)]
pub(super) struct Names {
    actual: BTreeMap<String, String>,
    /// Names that end in a hash or in random letters.
    made: BTreeMap<String, String>,
    /// The versions of single objects. Versions of lists may be those of writes elsewhere.
    written: BTreeSet<String>,
}

/// How the time of each write is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Its answer was recorded with it.
    Recorded,
    /// Only from what later answers show.
    Guessed,
}

/// What kind of placeholder a text is.
fn is_placeholder(text: &str) -> bool {
    let version = text.len() >= 4 && text.starts_with('1') && text.bytes().all(|byte| byte.is_ascii_digit());
    version
        || text.starts_with("00000000-0000-4000-8000-0000")
        || text.starts_with("2000-01-01T00:")
        || text.starts_with("10.96.200.")
        || text.starts_with("continue-")
}

impl Names {
    /// The request with actual values.
    pub(super) fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match self.actual.get(text) {
                Some(actual) if is_placeholder(text) => Value::String(actual.clone()),
                _ => Value::String(self.fill_text(text)),
            },
            // Node ports.
            Value::Number(number) => {
                let actual = self.actual.get(&format!("port {number}")).and_then(|port| port.parse::<u32>().ok());
                actual.map_or_else(|| value.clone(), Into::into)
            }
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (self.fill_text(key), self.fill(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    /// Uids and names stand inside longer texts, such as the keys of managed fields.
    fn fill_text(&self, text: &str) -> String {
        // The longer of two names that begin alike comes later.
        let made = self.made.iter().rev().find(|(name, _)| text.contains(*name));
        let text = made.map_or_else(|| text.to_owned(), |(name, actual)| text.replace(name, actual));
        let uids = text.match_indices("00000000-0000-4000-8000-0000").filter_map(|(at, _)| text.get(at..at + 36));
        let uids = uids.filter_map(|uid| Some((uid, self.actual.get(uid)?)));
        uids.fold(text.clone(), |filled, (uid, actual)| filled.replace(uid, actual))
    }

    /// Learns the name that a controller made for an object: it begins with that of its owner.
    pub(super) fn learn_made(&mut self, recorded: &str, object: &Value) {
        let metadata = &object["metadata"];
        let Some(owner) = metadata["ownerReferences"][0]["name"].as_str() else { return };
        let prefix = format!("{owner}-");
        let name = metadata["name"].as_str().unwrap_or_default();
        if self.fill_text(recorded).starts_with(&prefix) && name.starts_with(&prefix) {
            self.made.entry(recorded.to_owned()).or_insert_with(|| name.to_owned());
        }
    }

    /// Says where two values differ first, learning placeholders on the way.
    pub(super) fn differ(&mut self, recorded: &Value, actual: &Value) -> Option<String> {
        self.learn(recorded, actual, "");
        let expected = self.fill(recorded);
        difference("", &expected, actual)
    }

    /// Says which two placeholders stand for the same here: what was written anew is not what was there before.
    pub(super) fn confused(&self, clock: Clock) -> Option<String> {
        let mut seen = BTreeMap::new();
        let is_version = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let counts = |text: &String| match is_placeholder(text) {
            true if text.starts_with("2000-01-01T") => clock == Clock::Recorded,
            true => !is_version(text) || self.written.contains(text),
            false => text.starts_with("port "),
        };
        let stands = self.actual.iter().filter(|(text, _)| counts(text));
        stands.into_iter().find_map(|(text, actual)| {
            let other = seen.insert(actual, text)?;
            Some(format!("`{other}` and `{text}` are both `{actual}`"))
        })
    }

    /// Learns what later requests may start from.
    pub(super) fn learn_version(&mut self, recorded: &str, actual: &str) {
        self.actual.entry(recorded.to_owned()).or_insert_with(|| actual.to_owned());
    }

    fn learn(&mut self, recorded: &Value, actual: &Value, field: &str) {
        match (recorded, actual) {
            (Value::String(text), Value::String(found)) => {
                let by_field = match field {
                    "resourceVersion" | "uid" | "time" | "clusterIP" | "continue" => true,
                    _ => field.ends_with("Timestamp") || field.ends_with("Time"),
                };
                if is_placeholder(text) && by_field {
                    self.actual.entry(text.clone()).or_insert_with(|| found.clone());
                }
            }
            (Value::Number(port), Value::Number(found)) if field == "nodePort" || field == "healthCheckNodePort" => {
                self.actual.entry(format!("port {port}")).or_insert_with(|| found.to_string());
            }
            (Value::Array(left), Value::Array(right)) => {
                left.iter().zip(right).for_each(|(left, right)| self.learn(left, right, field));
            }
            (Value::Object(left), Value::Object(right)) => {
                if let (Some(version), true) = (left.get("resourceVersion"), left.contains_key("uid")) {
                    self.written.extend(version.as_str().map(str::to_owned));
                }
                for (key, value) in left {
                    if let Some(found) = right.get(key) {
                        self.learn(value, found, key);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The first difference, by JSON pointer.
fn difference(path: &str, expected: &Value, actual: &Value) -> Option<String> {
    match (expected, actual) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let path = format!("{path}/{key}");
                match (left.get(key), right.get(key)) {
                    (Some(left), Some(right)) => difference(&path, left, right),
                    (Some(left), None) => Some(format!("{path}: expected {}, got nothing", short(left))),
                    (None, Some(right)) => Some(format!("{path}: expected nothing, got {}", short(right))),
                    (None, None) => None,
                }
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .find_map(|(at, (left, right))| difference(&format!("{path}/{at}"), left, right)),
        // Go writes a whole float without its point.
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => None,
        _ if expected == actual => None,
        _ => Some(format!("{path}: expected {}, got {}", short(expected), short(actual))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 90 { text.chars().take(90).chain(['…']).collect() } else { text }
}
