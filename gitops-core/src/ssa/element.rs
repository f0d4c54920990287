//! Path elements as FieldsV1 writes them, read without making a tree of each.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::fields_v1::FieldsV1Error;
use super::label::{Keys, Label};
use crate::value::{Value, View};

/// A path element that was read from text.
pub(super) enum Element<'t> {
    Field(&'t str),
    Key(KeyFields<'t>),
    Item(Content<'t>),
    Index(u32),
}

impl<'t> Element<'t> {
    pub(super) fn read(text: &'t str) -> Result<Self, FieldsV1Error> {
        let shown = || text.chars().take(64).collect::<String>();
        let bad = || FieldsV1Error::PathElement(shown());
        let bytes = text.as_bytes();
        let (Some(kind), Some(b':'), Some(rest)) = (bytes.first(), bytes.get(1), text.get(2..)) else {
            return Err(bad());
        };
        match kind {
            b'f' => Ok(Self::Field(rest)),
            b'i' => rest.parse().map(Self::Index).map_err(|_| bad()),
            b'v' => serde_json::from_str(rest).map(Self::Item).map_err(|_| bad()),
            b'k' => serde_json::from_str(rest).map(Self::Key).map_err(|_| bad()),
            _ => Err(FieldsV1Error::UnknownKind(shown())),
        }
    }

    pub(super) fn with_label<T>(&self, run: impl FnOnce(Label<'_>) -> T) -> T {
        match self {
            Self::Field(name) => run(Label::Field(name)),
            Self::Key(KeyFields(fields)) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (name.text(), value.view())).collect();
                run(Label::Key(Keys::Borrowed(&fields)))
            }
            Self::Item(value) => run(Label::Item(value.view())),
            Self::Index(index) => run(Label::Index(*index)),
        }
    }
}

/// Key fields of a list item, in byte order of their names; of equal names the last one counts.
pub(super) struct KeyFields<'t>(Vec<(Content<'t>, Content<'t>)>);

/// A JSON value that borrows its text where it can.
pub(super) enum Content<'t> {
    Borrowed(View<'t>),
    Owned(Value),
}

impl Content<'_> {
    fn view(&self) -> View<'_> {
        match self {
            Self::Borrowed(view) => *view,
            Self::Owned(value) => value.root().view(),
        }
    }

    fn text(&self) -> &str {
        if let View::String(text) = self.view() { text } else { "" }
    }
}

impl<'de> Deserialize<'de> for KeyFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadKeys)
    }
}

struct ReadKeys;

impl<'de> Visitor<'de> for ReadKeys {
    type Value = KeyFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of key fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<(Content<'de>, Content<'de>)> = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        fields.reverse();
        fields.sort_by(|(left, _), (right, _)| left.text().cmp(right.text()));
        fields.dedup_by(|(earlier, _), (kept, _)| earlier.text() == kept.text());
        Ok(KeyFields(fields))
    }
}

impl<'de> Deserialize<'de> for Content<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadContent)
    }
}

struct ReadContent;

impl<'de> Visitor<'de> for ReadContent {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Content::Borrowed(View::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Content::Borrowed(View::Bool(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Content::Borrowed(View::Int(number)))
    }

    #[expect(clippy::cast_precision_loss, reason = "Kubernetes holds such numbers as float64")]
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Content::Borrowed(i64::try_from(number).map_or(View::Float(number as f64), View::Int)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Content::Borrowed(View::Float(number)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Borrowed(View::String(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Owned(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(items)).map(Content::Owned)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(entries)).map(Content::Owned)
    }
}
