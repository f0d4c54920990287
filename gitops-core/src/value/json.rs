//! JSON in and out, and the bridge to serde.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use super::read::read;
use super::write::{Layout, write};
use super::{BuildError, Builder, Value, ValueRef, View};

/// Bytes that are not one JSON value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON.
    #[error("not valid JSON")]
    Syntax(#[source] serde_json::Error),
    /// The text is JSON, but too large to hold.
    #[error("JSON value cannot be held")]
    Build(#[source] BuildError),
}

impl Value {
    /// Reads one JSON value. Whole numbers beyond 64 signed bits become floats, as in Kubernetes; bytes that are not
    /// UTF-8 become U+FFFD each, as in Go.
    ///
    /// # Errors
    /// When the bytes are not exactly one JSON value, or nest deeper than 128 levels.
    pub fn from_json(bytes: &[u8]) -> Result<Self, JsonError> {
        Self::from_json_counting(bytes).map(|(value, _)| value)
    }

    /// Reads JSON, and returns how many keys were given again, of which the last one counts.
    pub(crate) fn from_json_counting(bytes: &[u8]) -> Result<(Self, usize), JsonError> {
        let mut builder = Builder::with_capacity(bytes.len());
        let text = str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
        if read(&text, &mut builder).is_none() {
            builder.clear();
            feed(&text, &mut builder).map_err(JsonError::Syntax)?;
        }
        let repeated = builder.duplicates();
        Ok((builder.finish().map_err(JsonError::Build)?, repeated))
    }

    /// Reads any serialisable value, such as a typed Kubernetes object.
    ///
    /// # Errors
    /// When its `Serialize` fails, or makes something JSON cannot hold.
    pub fn from_serialize(object: &impl Serialize) -> Result<Self, JsonError> {
        // Through text: it is what the object would be on the wire, and it needs no second serializer of our own.
        Self::from_json(&serde_json::to_vec(object).map_err(JsonError::Syntax)?)
    }

    /// Returns compact JSON, maps in byte order of their keys.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.root().to_json()
    }
}

impl ValueRef<'_> {
    /// Returns compact JSON, maps in byte order of their keys.
    #[must_use]
    pub fn to_json(self) -> String {
        write(self, Layout::Compact)
    }

    /// Returns JSON indented by two spaces, maps in byte order of their keys.
    #[must_use]
    pub fn to_json_pretty(self) -> String {
        write(self, Layout::Pretty)
    }
}

/// Serialises a view. Not an impl on `ValueRef` itself, so that content leaves only where somebody asks for it.
pub(crate) struct Exact<'a>(pub(crate) ValueRef<'a>);

impl Serialize for Exact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.view() {
            View::Null => serializer.serialize_unit(),
            View::Bool(flag) => serializer.serialize_bool(flag),
            View::Int(number) => serializer.serialize_i64(number),
            View::Float(number) => serializer.serialize_f64(number),
            View::String(text) => serializer.serialize_str(text),
            View::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|item| seq.serialize_element(&Exact(item)))?;
                seq.end()
            }
            View::Map(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                map.iter().try_for_each(|(key, value)| out.serialize_entry(key, &Exact(value)))?;
                out.end()
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Exact(self.root()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut builder = Builder::new();
        Feed(&mut builder).deserialize(deserializer)?;
        builder.finish().map_err(serde::de::Error::custom)
    }
}

/// Feeds one JSON value into a builder, as serde_json reads it.
pub(super) fn feed(text: &str, builder: &mut Builder) -> Result<(), serde_json::Error> {
    let mut input = serde_json::Deserializer::from_str(text);
    Feed(builder).deserialize(&mut input)?;
    input.end()
}

/// Feeds whatever a deserializer holds into a builder.
struct Feed<'a>(&'a mut Builder);

impl<'de> DeserializeSeed<'de> for Feed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Feed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.null();
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.0.null();
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.0.bool(flag);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.int(number);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "Kubernetes holds such numbers as float64")]
    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.0.int(number),
            Err(_) => self.0.float(number as f64),
        }
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.0.float(number);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.string(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.start_list();
        while items.next_element_seed(Feed(self.0))?.is_some() {}
        self.0.end();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.start_map();
        while entries.next_key_seed(FeedKey(self.0))?.is_some() {
            entries.next_value_seed(Feed(self.0))?;
        }
        self.0.end();
        Ok(())
    }
}

/// Feeds a map key, borrowed or not, without copying it first.
struct FeedKey<'a>(&'a mut Builder);

impl<'de> DeserializeSeed<'de> for FeedKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FeedKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.key(key);
        Ok(())
    }
}
