//! The one way to edit: thaw a [`Value`], change the [`Draft`], freeze it again.

use std::collections::BTreeMap;

use super::{Builder, Value, ValueRef, View};

/// An editable tree. Patches and merges build one; [`Draft::freeze`] packs it.
///
/// ```
/// use gitops_core::value::{Draft, Value};
///
/// let value = Value::from_json(br#"{"metadata":{"name":"web"}}"#)?;
/// let mut draft = value.root().to_draft();
/// draft.entry("metadata").entry("labels").set("app", "web");
/// assert_eq!(draft.freeze().to_json(), r#"{"metadata":{"labels":{"app":"web"},"name":"web"}}"#);
/// # Ok::<(), gitops_core::value::JsonError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the JSON data model is closed")]
pub enum Draft {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite float; anything else freezes to `null`, as JavaScript writes it.
    Float(f64),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Self>),
    /// A map.
    Map(BTreeMap<String, Self>),
}

impl Draft {
    /// Returns an empty map.
    #[must_use]
    pub fn map() -> Self {
        Self::Map(BTreeMap::new())
    }

    /// Returns an empty list.
    #[must_use]
    pub fn list() -> Self {
        Self::List(Vec::new())
    }

    /// Returns the entry `key`, as `null` when it is new. Anything but a map becomes an empty map first.
    pub fn entry(&mut self, key: &str) -> &mut Self {
        self.make_map().entry(key.to_owned()).or_default()
    }

    /// Sets the entry `key`. Anything but a map becomes an empty map first.
    pub fn set(&mut self, key: &str, value: impl Into<Self>) {
        self.make_map().insert(key.to_owned(), value.into());
    }

    /// Removes the entry `key` and returns it.
    pub fn remove(&mut self, key: &str) -> Option<Self> {
        self.as_map_mut()?.remove(key)
    }

    /// Returns the entry `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        if let Self::Map(map) = self { map.get(key) } else { None }
    }

    /// Returns the entry `key` for editing, if it is there.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_map_mut()?.get_mut(key)
    }

    /// Returns the text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Returns a whole number.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// Returns the entries of a map for editing.
    pub fn as_map_mut(&mut self) -> Option<&mut BTreeMap<String, Self>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// Returns the items of a list for editing.
    pub fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The text of the entry `key`, empty if there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Self::as_str).unwrap_or_default()
    }

    /// The whole number of the entry `key`.
    pub(crate) fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_i64()
    }

    /// The items of the list at the entry `key`, none if there is no list.
    pub(crate) fn items(&self, key: &str) -> &[Self] {
        if let Some(Self::List(items)) = self.get(key) { items } else { &[] }
    }

    /// Packs this tree into an immutable value.
    #[must_use]
    pub fn freeze(&self) -> Value {
        let mut builder = Builder::new();
        self.feed(&mut builder);
        // A draft is one well-formed tree; only more than 4 GiB of text can fail.
        builder.finish().unwrap_or_else(|_| Value::null())
    }

    fn feed(&self, builder: &mut Builder) {
        match self {
            Self::Null => builder.null(),
            Self::Bool(flag) => builder.bool(*flag),
            Self::Int(number) => builder.int(*number),
            Self::Float(number) if number.is_finite() => builder.float(*number),
            Self::Float(_) => builder.null(),
            Self::String(text) => builder.string(text),
            Self::List(items) => {
                builder.start_list();
                items.iter().for_each(|item| item.feed(builder));
                builder.end();
            }
            Self::Map(entries) => {
                builder.start_map();
                for (key, value) in entries {
                    builder.key(key);
                    value.feed(builder);
                }
                builder.end();
            }
        }
    }

    fn make_map(&mut self) -> &mut BTreeMap<String, Self> {
        if !matches!(self, Self::Map(_)) {
            *self = Self::map();
        }
        match self {
            Self::Map(map) => map,
            // Made a map above.
            _ => unreachable!(),
        }
    }
}

impl ValueRef<'_> {
    /// Copies this node and all below it into an editable tree.
    #[must_use]
    pub fn to_draft(self) -> Draft {
        match self.view() {
            View::Null => Draft::Null,
            View::Bool(flag) => Draft::Bool(flag),
            View::Int(number) => Draft::Int(number),
            View::Float(number) => Draft::Float(number),
            View::String(text) => Draft::String(text.to_owned()),
            View::List(list) => Draft::List(list.iter().map(Self::to_draft_ref).collect()),
            View::Map(map) => Draft::Map(map.iter().map(|(key, value)| (key.to_owned(), value.to_draft())).collect()),
        }
    }

    fn to_draft_ref(item: ValueRef<'_>) -> Draft {
        item.to_draft()
    }
}

impl From<&str> for Draft {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Draft {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Draft {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Draft {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<ValueRef<'_>> for Draft {
    fn from(value: ValueRef<'_>) -> Self {
        value.to_draft()
    }
}

impl From<&Value> for Draft {
    fn from(value: &Value) -> Self {
        value.root().to_draft()
    }
}

impl From<Vec<Self>> for Draft {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Draft::from(text).freeze()
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Draft::Int(number).freeze()
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Draft::Bool(flag).freeze()
    }
}
