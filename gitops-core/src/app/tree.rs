//! Reads typed things from a tree, and remembers where in it something is wrong.

use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use crate::path::{FieldPath, Segment};
use crate::problem::nearest;
use crate::value::{Entries, Items, ValueRef, View};

/// A tree to read from. A map has no entries that are null: that is how Kubernetes reads.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a>(pub(super) ValueRef<'a>);

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) text: String,
    pub(super) hint: Option<String>,
    /// Innermost first.
    path: Vec<Segment>,
}

impl Wrong {
    pub(super) fn path(&self) -> FieldPath {
        self.path.iter().rev().cloned().collect()
    }

    fn at(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }

    fn new(text: String) -> Self {
        Self { text, hint: None, path: Vec::new() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Bool(_) => "a boolean",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) => "a whole number",
            de::Unexpected::Float(_) => "a fraction",
            de::Unexpected::Str(_) => "a text",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Map => "a map",
            de::Unexpected::Unit => "nothing",
            _ => "something else",
        };
        Self::new(format!("{found} is written, and {expected} is expected"))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let found: String = found.chars().take(64).collect();
        let hint = Some(format!("use `{}`", expected.join("`, `")));
        Self { hint, ..Self::new(format!("`{found}` is not known")) }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = match &*nearest(field, expected.iter().copied()) {
            [] => format!("use `{}`", expected.join("`, `")),
            names => format!("did you mean `{}`?", names.join("`, `")),
        };
        Self { hint: Some(hint), ..Self::new("there is no such field".to_owned()) }.at(Segment::field(field))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"))
    }
}

impl<'de> Deserializer<'de> for Tree<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0.view() {
            View::Null => visitor.visit_unit(),
            View::Bool(flag) => visitor.visit_bool(flag),
            View::Int(number) => visitor.visit_i64(number),
            View::Float(number) => visitor.visit_f64(number),
            View::String(text) => visitor.visit_borrowed_str(text),
            View::List(list) => visitor.visit_seq(List { items: list.iter(), next: 0 }),
            View::Map(map) => visitor.visit_map(Map { entries: map.iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0.view() {
            View::String(text) => visitor.visit_enum(Variant { name: text, content: None }),
            View::Map(map) => match (map.iter().next(), map.len()) {
                (Some((name, content)), 1) => visitor.visit_enum(Variant { name, content: Some(content) }),
                _ => Err(Wrong::new("a map with one key is expected".to_owned())),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct List<'a> {
    items: Items<'a>,
    next: u32,
}

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let place = self.next;
        self.next = place.saturating_add(1);
        seed.deserialize(Tree(item)).map(Some).map_err(|wrong| wrong.at(Segment::Index(place)))
    }
}

struct Map<'a> {
    entries: Entries<'a>,
    value: Option<(&'a str, ValueRef<'a>)>,
}

impl<'de> MapAccess<'de> for Map<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.value = self.entries.find(|(_, value)| !value.is_null());
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let Some((key, value)) = self.value.take() else { return Err(Wrong::new("a value is missing".to_owned())) };
        seed.deserialize(Tree(value)).map_err(|wrong| wrong.at(Segment::field(key)))
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<ValueRef<'a>>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let name: de::value::StrDeserializer<'_, Wrong> = self.name.into_deserializer();
        seed.deserialize(name).map(|variant| (variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Wrong::new(format!("`{}` is a word of its own, without content", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        let (name, content) = (self.name, self.content());
        seed.deserialize(Tree(content?)).map_err(|wrong| wrong.at(Segment::field(name)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        let (name, content) = (self.name, self.content());
        Tree(content?).deserialize_any(visitor).map_err(|wrong| wrong.at(Segment::field(name)))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        let (name, content) = (self.name, self.content());
        Tree(content?).deserialize_any(visitor).map_err(|wrong| wrong.at(Segment::field(name)))
    }
}

impl<'a> Variant<'a> {
    fn content(&self) -> Result<ValueRef<'a>, Wrong> {
        self.content.ok_or_else(|| Wrong::new(format!("`{}` needs content", self.name)))
    }
}
