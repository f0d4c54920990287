//! How a server written in Go encodes the fields of its built-in kinds: what is there when nothing was set, and which
//! zero values are dropped.
//!
//! Rule: Go's `encoding/json` over the structs of `k8s.io/api`; the facts are their JSON tags.

use std::borrow::Cow;
use std::sync::Arc;

use super::scalar;
use super::schema::{DEDUCED, MapType, Meaning, Scalar, TypeRef};
use crate::value::{Builder, Draft, Value, ValueRef, View};

/// How one field is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Encoding {
    /// What the Go field holds when nothing was set.
    pub(crate) zero: Zero,
    /// Left out when zero.
    pub(crate) omitted: bool,
}

/// The zero value of a Go field, as it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Zero {
    /// Pointers, times and raw values: `null`, and only that.
    Null,
    /// Slices and maps: `null`; empty ones count as zero where zero is left out.
    Empty,
    /// `""`
    Text,
    /// `0`, also of int-or-string.
    Number,
    /// `false`
    Bool,
    /// `"0"`
    Quantity,
    /// A struct that is not behind a pointer: its own zero value. Never left out.
    Struct,
}

impl Zero {
    /// Whether a value is null or the zero scalar.
    pub(super) fn is(self, value: ValueRef<'_>) -> bool {
        match (self, value.view()) {
            (_, View::Null) => true,
            (Self::Text, View::String(text)) => text.is_empty(),
            (Self::Number, View::Int(number)) => number == 0,
            (Self::Number, View::Float(number)) => number == 0.0,
            (Self::Bool, View::Bool(flag)) => !flag,
            _ => false,
        }
    }
}

const ZEROS: [Zero; 7] = [Zero::Null, Zero::Empty, Zero::Text, Zero::Number, Zero::Bool, Zero::Quantity, Zero::Struct];

/// How far on its way into the store a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In a Go struct, where an empty list or map is not the same as none.
    Held,
    /// Read into a Go struct and encoded from it.
    Decoded,
    /// Written to the store and read again, where empty lists and maps are none.
    Stored,
    /// The one form of all values that mean the same.
    Canonical,
}

impl Encoding {
    /// One byte of the table; 0 stands for not known.
    pub(super) fn to_byte(of: Option<Self>) -> u8 {
        let place = |zero| ZEROS.iter().position(|of| *of == zero).and_then(|place| u8::try_from(place).ok());
        of.map_or(0, |of| 1 + 2 * place(of.zero).unwrap_or(0) + u8::from(of.omitted))
    }

    pub(super) fn of_byte(byte: u8) -> Option<Self> {
        let byte = byte.checked_sub(1)?;
        let zero = ZEROS.get(usize::from(byte / 2)).copied()?;
        Some(Self { zero, omitted: byte % 2 == 1 })
    }
}

/// Structs are nested no deeper than this, and none holds itself without a pointer.
const MAX_DEPTH: usize = 32;

impl TypeRef<'_> {
    /// Adds to an open map what the server encodes of an object in which nothing was set; nothing for custom resources.
    pub(crate) fn write_zero_fields(self, builder: &mut Builder) {
        self.write_zeros(builder, Form::Stored, &|name| matches!(name, "apiVersion" | "kind"), 0);
    }

    fn write_zeros(self, builder: &mut Builder, form: Form, skip: &dyn Fn(&str) -> bool, depth: usize) {
        let fields = self.atom().map.iter().flat_map(|map| &map.fields);
        for field in fields.filter(|field| !skip(&field.name)) {
            let Some(encoding) = field.encoding.filter(|encoding| !encoding.omitted) else { continue };
            // Null is as good as nothing.
            if form == Form::Canonical && matches!(encoding.zero, Zero::Null | Zero::Empty) {
                continue;
            }
            builder.key(&field.name);
            match encoding.zero {
                Zero::Null | Zero::Empty => builder.null(),
                Zero::Text => builder.string(""),
                Zero::Number => builder.int(0),
                Zero::Bool => builder.bool(false),
                Zero::Quantity => builder.string("0"),
                Zero::Struct => {
                    builder.start_map();
                    if depth < MAX_DEPTH {
                        self.to(field.type_id).write_zeros(builder, form, &|_| false, depth + 1);
                    }
                    builder.end();
                }
            }
        }
    }

    /// Returns `value` as the server understands it after reading it into a Go struct: fields of built-in kinds that are
    /// not declared are dropped, and otherwise as [`TypeRef::stored`], but empty lists and maps stay where the struct
    /// tells them from none.
    #[must_use]
    pub fn decoded(self, value: ValueRef<'_>) -> Value {
        self.convert(value, Form::Decoded)
    }

    /// Returns `value` as the server holds it between reading and storing it: as [`TypeRef::decoded`], but all empty
    /// lists and maps are still there.
    pub(crate) fn held(self, value: ValueRef<'_>) -> Value {
        self.convert(value, Form::Held)
    }

    /// Returns `value` as the server stores it.
    ///
    /// Fields of built-in kinds that are not declared are dropped. Zero values are dropped where they are left out, and
    /// filled in where they are always there; quantities, times, durations and base64 take the text they are stored as. Defaults are not filled in. What is not known of a field leaves
    /// it as it is, and so does a text that cannot be read.
    ///
    /// ```
    /// use gitops_core::model::ApiModel;
    /// use gitops_core::resource::GroupKind;
    /// use gitops_core::value::Value;
    ///
    /// let model = ApiModel::builtin();
    /// let quota = model.schema(&GroupKind::new("", "ResourceQuota"), "v1").field("spec");
    /// let given = Value::from_json(br#"{"hard":{"cpu":"1000m","memory":1.5},"scopes":[]}"#)?;
    /// assert_eq!(quota.stored(given.root()).to_json(), r#"{"hard":{"cpu":"1","memory":"1500m"}}"#);
    /// # Ok::<(), gitops_core::value::JsonError>(())
    /// ```
    #[must_use]
    pub fn stored(self, value: ValueRef<'_>) -> Value {
        self.convert(value, Form::Stored)
    }

    /// Whether the server stores nothing for this value of a field, or what it stores of a field that was not sent.
    pub(crate) fn drops(self, name: &str, value: ValueRef<'_>) -> bool {
        if !may_be_zero(value) {
            return false;
        }
        let (Some(map), Some(encoding)) = (&self.atom().map, self.encoding_of(name)) else { return false };
        match (encoding.zero, value.view()) {
            (Zero::Struct, View::Map(entries)) => {
                let of = self.field(name);
                entries.iter().all(|(name, value)| of.drops(name, value))
            }
            (Zero::Quantity, _) => text(Meaning::Quantity, value, Form::Stored).as_deref() == Some("0"),
            _ => !map.keeps(name, value, Form::Stored),
        }
    }

    /// Whether the server stores this value of a field that was not sent: its zero value, which is always there.
    pub(crate) fn encodes(self, name: &str, value: ValueRef<'_>) -> bool {
        self.encoding_of(name).is_some_and(|encoding| !encoding.omitted) && self.drops(name, value)
    }

    /// What Go reads a null as that stands for a scalar of this type among the values of a map.
    pub(crate) fn zero(self) -> Option<Draft> {
        let atom = self.atom();
        match (atom.meaning, atom.scalar.filter(|_| atom.map.is_none() && atom.list.is_none())?) {
            (Meaning::Quantity | Meaning::Amount, _) => Some(Draft::from("0")),
            (_, Scalar::String) => Some(Draft::from("")),
            (_, Scalar::Numeric) => Some(Draft::Int(0)),
            (_, Scalar::Boolean) => Some(Draft::Bool(false)),
            (_, Scalar::Untyped) => None,
        }
    }

    /// Whether a value is read into a Go field of a known type; `None` where the field is not declared by name, so that
    /// what is around it decides.
    pub(crate) fn is_go(self, name: &str) -> Option<bool> {
        Some(self.atom().map.as_ref()?.field(name)?.encoding.is_some())
    }

    fn encoding_of(self, name: &str) -> Option<Encoding> {
        self.atom().map.as_ref()?.field(name)?.encoding
    }

    pub(super) fn convert(self, value: ValueRef<'_>, form: Form) -> Value {
        let mut builder = Builder::new();
        self.store(value, &mut builder, form, &Place::default());
        // A little more than a tree that was held.
        builder.finish().unwrap_or_else(|_| value.to_value())
    }

    fn store(self, value: ValueRef<'_>, builder: &mut Builder, form: Form, place: &Place<'_>) {
        let atom = self.atom();
        match (value.view(), &atom.map, &atom.list) {
            (View::Map(entries), Some(map), _) if place.depth < MAX_VALUE_DEPTH => {
                builder.start_map();
                let is_kept = |name: &str, child| self.keeps(map, name, child, form);
                for (name, child) in entries.iter().filter(|(name, child)| is_kept(name, *child)) {
                    let is_go = map.field(name).map_or(place.is_go, |field| field.encoding.is_some());
                    builder.key(name);
                    let of = self.to(map.type_of(name).unwrap_or(DEDUCED));
                    of.store(child, builder, form, &Place { is_go, keys: &[], depth: place.depth + 1 });
                }
                let is_there = |name: &str| entries.get(name).is_some_and(|child| is_kept(name, child));
                let absent = |name: &str| self.key_default(name).filter(|_| !is_there(name));
                let keys = || place.keys.iter().filter_map(|name| Some((name, absent(name)?)));
                for (name, default) in keys() {
                    builder.key(name);
                    builder.value(default);
                }
                let is_done = |name: &str| is_there(name) || keys().any(|(key, _)| &**key == name);
                self.write_zeros(builder, form, &is_done, 0);
                builder.end();
            }
            (View::List(items), _, Some(list)) if place.depth < MAX_VALUE_DEPTH => {
                builder.start_list();
                let keys = if form == Form::Canonical { &*list.keys } else { &[] };
                let place = Place { is_go: place.is_go, keys, depth: place.depth + 1 };
                items.iter().for_each(|item| self.to(list.element).store(item, builder, form, &place));
                builder.end();
            }
            (View::Null, ..) if place.is_go => match self.zero() {
                Some(zero) if !(atom.meaning == Meaning::Bytes && form == Form::Held) => {
                    builder.value(zero.freeze().root())
                }
                _ => builder.null(),
            },
            _ => match (text(atom.meaning, value, form), value.view()) {
                (Some(text), _) => builder.string(&text),
                (None, View::Float(number)) if form == Form::Canonical => match whole(number) {
                    Some(number) => builder.int(number),
                    None => builder.value(value),
                },
                _ => builder.value(value),
            },
        }
    }

    fn keeps(self, map: &MapType, name: &str, value: ValueRef<'_>, form: Form) -> bool {
        // What a schema does not allow to be null is pruned; what no schema declares stays.
        let of = map.type_of(name).map(|id| self.to(id));
        let is_pruned = || of.is_some_and(|of| !of.is_nullable());
        map.keeps(name, value, form) && !(form == Form::Canonical && value.is_null() && is_pruned())
    }
}

/// Deeper values stay as they are.
const MAX_VALUE_DEPTH: usize = 512;

/// Where a value stands.
#[derive(Default)]
struct Place<'a> {
    /// A Go field of a known type holds this value, so null is its zero value.
    is_go: bool,
    /// The key fields of an item, whose defaults are written.
    keys: &'a [Arc<str>],
    depth: usize,
}

/// A float that is a whole number, as that.
#[expect(clippy::cast_possible_truncation, reason = "only numbers that fit are converted")]
fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number)).then_some(number as i64)
}

/// Whether a value may be the zero value of some type; most are not, which is told without a look at their type.
fn may_be_zero(value: ValueRef<'_>) -> bool {
    match value.view() {
        View::Bool(flag) => !flag,
        View::Int(number) => number == 0,
        // As a quantity, ` +0.0Gi` is zero, too.
        View::String(text) => text.bytes().next().is_none_or(|first| b"0+-. \t\r\n".contains(&first)),
        View::List(list) => list.is_empty(),
        View::Null | View::Float(_) | View::Map(_) => true,
    }
}

/// The text of a scalar, where it is another one.
fn text(meaning: Meaning, value: ValueRef<'_>, form: Form) -> Option<String> {
    match (meaning, value.view()) {
        (Meaning::Quantity | Meaning::Amount, View::String(_) | View::Int(_) | View::Float(_)) => {
            let json = value.as_str().map_or_else(|| value.to_json().into(), Cow::Borrowed);
            let stored = if meaning == Meaning::Amount { scalar::amount(&json) } else { scalar::quantity(&json) }?;
            // The server keeps `1e3` and `1k` apart, which are the same.
            Some(if form == Form::Canonical { scalar::plain(&stored).unwrap_or(stored) } else { stored })
        }
        (Meaning::Time, View::String(text)) => scalar::time(text, 0),
        (Meaning::MicroTime, View::String(text)) => scalar::time(text, 6),
        (Meaning::Duration, View::String(text)) => scalar::duration(text),
        (Meaning::Bytes, View::String(text)) => scalar::base64(text),
        _ => None,
    }
}

impl MapType {
    /// Whether a value of a field says anything: a zero one is the same as none, and so is null. An empty list or map
    /// does not outlive the server's storage.
    fn keeps(&self, name: &str, value: ValueRef<'_>, form: Form) -> bool {
        let Some(encoding) = self.field(name).and_then(|field| field.encoding) else {
            // Go's decoder drops what a struct does not have.
            let is_go_struct = || self.fields.iter().any(|field| field.encoding.is_some());
            return self.type_of(name).is_some() || !is_go_struct();
        };
        let drops_empty = match form {
            Form::Held => false,
            Form::Decoded => encoding.omitted,
            Form::Stored | Form::Canonical => true,
        };
        let is_empty = match (encoding.zero, value.view()) {
            (_, View::Null) => true,
            (Zero::Empty, View::List(list)) => list.is_empty() && drops_empty,
            (Zero::Empty, View::Map(map)) => map.is_empty() && drops_empty,
            (Zero::Empty, _) => false,
            (zero, _) => zero.is(value),
        };
        !is_empty
    }
}
