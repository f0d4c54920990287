//! Where in an object: one path type for origins, schemas, ownership, changes, rules and errors.

mod pattern;
#[cfg(test)]
mod pattern_tests;
mod reading;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::value::{Value, ValueRef, View};

#[cfg(feature = "jq")]
pub(crate) use pattern::quotable;
pub use pattern::{InvalidPath, PathPattern, TooManySteps};

/// The path of a field, such as `spec.containers[name=web].image`. Cloning shares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Arc<[Segment]>);

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "the four path elements of Kubernetes' field ownership")]
pub enum Segment {
    /// A field of a map or struct.
    Field(Arc<str>),
    /// The item of a keyed list whose key fields have these values, in byte order of the field names.
    Key(Arc<[(Arc<str>, Value)]>),
    /// The item of a set that equals this value.
    Item(Value),
    /// The item of an ordered list at this place.
    Index(u32),
}

impl Segment {
    /// Names a field.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// Names the item of a keyed list; sorts `keys` by name.
    #[must_use]
    pub fn key<'k>(keys: impl IntoIterator<Item = (&'k str, Value)>) -> Self {
        let mut keys: Vec<(Arc<str>, Value)> = keys.into_iter().map(|(name, value)| (name.into(), value)).collect();
        keys.sort();
        Self::Key(keys.into())
    }

    /// Returns the child of `parent` that this segment names.
    #[must_use]
    pub fn of<'a>(&self, parent: ValueRef<'a>) -> Option<ValueRef<'a>> {
        self.place(parent).map(|(_, child)| child)
    }

    /// Returns the child and, for list items, its index.
    fn place<'a>(&self, parent: ValueRef<'a>) -> Option<(Option<usize>, ValueRef<'a>)> {
        let found = |test: &dyn Fn(ValueRef<'a>) -> bool| {
            parent.as_list()?.iter().enumerate().find(|(_, item)| test(*item)).map(|(at, item)| (Some(at), item))
        };
        match self {
            Self::Field(name) => parent.get(name).map(|child| (None, child)),
            Self::Index(index) => parent.item(*index as usize).map(|child| (Some(*index as usize), child)),
            Self::Item(value) => found(&|item| item == value.root()),
            Self::Key(keys) => found(&|item| keys.iter().all(|(name, value)| item.get(name) == Some(value.root()))),
        }
    }
}

impl FieldPath {
    /// Returns the path of the whole object.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Returns the path of nested fields.
    ///
    /// ```
    /// use gitops_core::path::FieldPath;
    /// assert_eq!(FieldPath::fields(&["spec", "replicas"]).to_string(), "spec.replicas");
    /// ```
    #[must_use]
    pub fn fields(names: &[&str]) -> Self {
        names.iter().map(|name| Segment::field(name)).collect()
    }

    /// Returns the segments, outermost first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns whether this is the path of the whole object.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns this path with `segment` at its end.
    #[must_use]
    pub fn join(&self, segment: Segment) -> Self {
        self.0.iter().cloned().chain([segment]).collect()
    }

    /// Returns whether `other` is this path or lies below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Returns whether this is the path of nested fields, or lies around or below it.
    pub(crate) fn meets(&self, fields: &[&str]) -> bool {
        self.0.iter().zip(fields).all(|(segment, name)| matches!(segment, Segment::Field(field) if **field == **name))
    }

    /// Returns what this path names in `tree`.
    #[must_use]
    pub fn find<'a>(&self, tree: ValueRef<'a>) -> Option<ValueRef<'a>> {
        self.0.iter().try_fold(tree, |at, segment| segment.of(at))
    }

    /// Returns this path as a JSON Pointer into `tree` (RFC 6901).
    ///
    /// Items that `tree` does not have are named `-`, the place behind the last item.
    #[must_use]
    pub fn to_pointer(&self, tree: ValueRef<'_>) -> String {
        let mut pointer = String::new();
        let mut at = Some(tree);
        for segment in &*self.0 {
            pointer.push('/');
            let place = at.and_then(|at| segment.place(at));
            match (segment, place) {
                (Segment::Field(name), _) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                (_, Some((Some(index), _))) => pointer.push_str(&index.to_string()),
                (Segment::Index(index), _) => pointer.push_str(&index.to_string()),
                _ => pointer.push('-'),
            }
            at = place.map(|(_, child)| child);
        }
        pointer
    }
}

impl FromIterator<Segment> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(whole object)");
        }
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if is_plain(name) => write!(f, "{}{name}", if at == 0 { "" } else { "." })?,
                // As JSON, so that it reads back.
                Segment::Field(name) => write!(f, "[{}]", Value::from(&**name).to_json())?,
                segment => write!(f, "{segment}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Key(keys) => {
                f.write_str("[")?;
                for (at, (name, value)) in keys.iter().enumerate() {
                    write!(f, "{}{name}=", if at == 0 { "" } else { "," })?;
                    scalar(f, value.root())?;
                }
                f.write_str("]")
            }
            Self::Item(value) => {
                f.write_str("[=")?;
                scalar(f, value.root())?;
                f.write_str("]")
            }
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A field name that reads well after a dot.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$' | b':'))
}

fn scalar(f: &mut fmt::Formatter<'_>, value: ValueRef<'_>) -> fmt::Result {
    match value.view() {
        // A text that would read as a number or a boolean keeps its quotes.
        View::String(text) if is_plain(text) && Value::from_json(text.as_bytes()).is_err() => f.write_str(text),
        _ => f.write_str(&value.to_json()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it_and_as_a_json_pointer() {
        let tree =
            Value::from_json(br#"{"spec":{"c":[{"name":"a"},{"name":"web","image":"x"}],"a/b":{"x.y":1}}}"#).unwrap();
        let keyed = Segment::key([("name", Value::from("web"))]);
        for (path, text, pointer, found) in [
            (
                FieldPath::fields(&["spec", "c"]).join(keyed.clone()).join(Segment::field("image")),
                "spec.c[name=web].image",
                "/spec/c/1/image",
                true,
            ),
            (FieldPath::fields(&["spec", "a/b", "x.y"]), "spec[\"a/b\"][\"x.y\"]", "/spec/a~1b/x.y", true),
            (FieldPath::fields(&["spec", "c"]).join(Segment::Index(4)), "spec.c[4]", "/spec/c/4", false),
            (FieldPath::fields(&["spec", "c"]).join(Segment::Item(Value::from(7))), "spec.c[=7]", "/spec/c/-", false),
            (FieldPath::root(), "(whole object)", "", true),
        ] {
            assert_eq!(path.to_string(), text);
            assert_eq!(path.to_pointer(tree.root()), pointer);
            assert_eq!(path.find(tree.root()).is_some(), found, "{text}");
        }
    }
}
