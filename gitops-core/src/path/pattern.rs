//! Paths as people write them, with wildcards, and JSON Pointers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FieldPath, Segment, reading};
use crate::value::{Hasher, ValueRef, View};

/// Paths of API objects are far shorter.
const MAX_PARTS: usize = 128;
/// Each may walk the whole object once.
const MAX_ANY_DEPTH: usize = 4;

/// How many segments may be looked at on one object: a few hundred thousand places at the depth of most.
const STEPS: usize = 4_000_000;

/// A path that takes too many steps on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gave up: it takes too many steps on this object; name fewer fields")]
#[non_exhaustive]
pub struct TooManySteps;

/// A path of which some steps may be anything.
///
/// It is written as a [`FieldPath`] is shown, and three words more:
///
/// | part | means |
/// |---|---|
/// | `name`, `["any name"]` | a field |
/// | `[name=web]`, `[port=80,protocol=TCP]` | the items of a list that have these fields |
/// | `[="x"]`, `[3]` | the items that equal a value; the item at a place, counted from 0 |
/// | `*` | every field of a map |
/// | `[*]` | every item of a list |
/// | `**` | any number of levels, none too |
///
/// ```
/// use gitops_core::path::PathPattern;
/// use gitops_core::value::Value;
///
/// let pods = Value::from_json(br#"{"containers":[{"name":"a","image":"x"},{"name":"web","image":"y"}]}"#)?;
/// let found = |pattern: &str| -> Vec<String> {
///     let pattern: PathPattern = pattern.parse().unwrap();
///     pattern.places(pods.root()).unwrap().iter().map(ToString::to_string).collect()
/// };
/// assert_eq!(found("containers[name=web].image"), ["containers[1].image"]);
/// assert_eq!(found("**.image"), ["containers[0].image", "containers[1].image"]);
/// # Ok::<(), gitops_core::value::JsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: Arc<str>,
    parts: Arc<[Part]>,
}

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Step(Segment),
    /// A token of a JSON Pointer: a field of a map, or a place in a list.
    Token(Arc<str>),
    AnyField,
    AnyItem,
    AnyDepth,
}

/// How much of a text is quoted, in characters.
const QUOTED: usize = 200;

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path `{}` cannot be read: column {column}: {why}", quotable(text))]
#[non_exhaustive]
pub struct InvalidPath {
    /// The path.
    pub text: Arc<str>,
    /// Where, in characters counted from 1.
    pub column: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// A text that somebody wrote as one line that can be read: control characters are spaces, and the rest is left out.
pub(crate) fn quotable(text: &str) -> String {
    let shown = |char: char| if char.is_control() { ' ' } else { char };
    let mut line: String = text.chars().take(QUOTED).map(shown).collect();
    if text.chars().nth(QUOTED).is_some() {
        line.push('…');
    }
    line
}

impl InvalidPath {
    pub(super) fn new(text: &str, at: usize, why: &'static str) -> Self {
        let column = text.char_indices().take_while(|(start, _)| *start < at).count() + 1;
        Self { text: text.into(), column, why }
    }
}

impl PathPattern {
    /// Reads a JSON Pointer (RFC 6901). A number names the item of a list, or the field of a map.
    ///
    /// # Errors
    /// When it does not begin with `/`, or a `~` is followed by neither `0` nor `1`.
    pub fn from_pointer(text: &str) -> Result<Self, InvalidPath> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(InvalidPath::new(text, 0, "a JSON pointer begins with `/`"));
        }
        for (at, _) in text.match_indices('~') {
            if !matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1')) {
                return Err(InvalidPath::new(text, at, "`~` is written `~0`, and a `/` within a name `~1`"));
            }
        }
        let token = |token: &str| Part::Token(token.replace("~1", "/").replace("~0", "~").into());
        Self::new(text, text.split('/').skip(1).map(token).collect())
    }

    fn new(text: &str, mut parts: Vec<Part>) -> Result<Self, InvalidPath> {
        if parts.len() > MAX_PARTS {
            return Err(InvalidPath::new(text, 0, "it has more than 128 parts"));
        }
        parts.dedup_by(|next, part| *next == Part::AnyDepth && *part == Part::AnyDepth);
        if parts.iter().filter(|part| **part == Part::AnyDepth).count() > MAX_ANY_DEPTH {
            return Err(InvalidPath::new(text, 0, "it has more than 4 `**`"));
        }
        Ok(Self { text: text.into(), parts: parts.into() })
    }

    /// Returns the place of everything in `tree` that this path names, by fields and indices alone, in order.
    ///
    /// # Errors
    /// When it takes too many steps: some hundred thousand for each `*` or `**`.
    pub fn places(&self, tree: ValueRef<'_>) -> Result<Vec<FieldPath>, TooManySteps> {
        self.within(tree, STEPS)
    }

    /// The same, however many steps it takes.
    pub(crate) fn all_places(&self, tree: ValueRef<'_>) -> Vec<FieldPath> {
        self.within(tree, usize::MAX).unwrap_or_default()
    }

    pub(super) fn within(&self, tree: ValueRef<'_>, mut steps: usize) -> Result<Vec<FieldPath>, TooManySteps> {
        let mut found = BTreeMap::from([(FieldPath::root(), tree)]);
        for part in &*self.parts {
            let mut next = BTreeMap::new();
            for (path, value) in found {
                part.follow(path, value, &mut next, &mut steps)?;
            }
            found = next;
        }
        Ok(found.into_keys().collect())
    }

    /// Returns the one path that it names, if it has no wildcard and leads through no list.
    pub(crate) fn fixed(&self) -> Option<FieldPath> {
        let name = |part: &Part| match part {
            Part::Step(Segment::Field(name)) | Part::Token(name) => Some(Segment::Field(Arc::clone(name))),
            _ => None,
        };
        self.parts.iter().map(name).collect()
    }
}

impl PathPattern {
    /// Adds what it names to a digest; how it was written does not matter.
    pub(crate) fn feed(&self, hasher: Hasher) -> Hasher {
        self.parts.iter().fold(hasher, |hasher, part| match part {
            Part::Step(Segment::Field(name)) => hasher.text("field").text(&**name),
            Part::Step(Segment::Index(index)) => hasher.text("index").text(&*index.to_string()),
            Part::Step(Segment::Item(value)) => hasher.text("item").value(value.root()),
            Part::Step(Segment::Key(keys)) => keys
                .iter()
                .fold(hasher.text("key"), |hasher, (name, value)| hasher.text("=").text(&**name).value(value.root())),
            Part::Token(name) => hasher.text("token").text(&**name),
            Part::AnyField => hasher.text("*"),
            Part::AnyItem => hasher.text("[*]"),
            Part::AnyDepth => hasher.text("**"),
        })
    }
}

impl Part {
    fn follow<'a>(
        &self,
        path: FieldPath,
        value: ValueRef<'a>,
        found: &mut BTreeMap<FieldPath, ValueRef<'a>>,
        steps: &mut usize,
    ) -> Result<(), TooManySteps> {
        if *self == Self::AnyDepth {
            return descend(path, value, found, steps);
        }
        if let Some((segment, child)) = self.only(value) {
            found.extend(child.map(|child| (path.join(segment), child)));
            return Ok(());
        }
        for (segment, child) in children(value) {
            spend(&path, steps)?;
            if self.takes(&segment, child) {
                found.insert(path.join(segment), child);
            }
        }
        Ok(())
    }

    /// The one child that it can name, where no other needs to be looked at.
    fn only<'a>(&self, value: ValueRef<'a>) -> Option<(Segment, Option<ValueRef<'a>>)> {
        let segment = match (self, value.as_list()) {
            (Self::Step(segment @ (Segment::Field(_) | Segment::Index(_))), _) => segment.clone(),
            (Self::Token(name), None) => Segment::Field(Arc::clone(name)),
            (Self::Token(name), Some(_)) => {
                // No zeros lead and no sign: one name for each place.
                let place = name.parse().ok().filter(|place: &u32| place.to_string() == **name);
                place.map_or_else(|| Segment::Field(Arc::clone(name)), Segment::Index)
            }
            _ => return None,
        };
        let child = segment.of(value);
        Some((segment, child))
    }

    fn takes(&self, segment: &Segment, child: ValueRef<'_>) -> bool {
        match (self, segment) {
            (Self::AnyField, Segment::Field(_)) | (Self::AnyItem, Segment::Index(_)) => true,
            (Self::Step(Segment::Key(keys)), Segment::Index(_)) => {
                keys.iter().all(|(name, value)| child.get(name) == Some(value.root()))
            }
            (Self::Step(Segment::Item(value)), Segment::Index(_)) => child == value.root(),
            _ => false,
        }
    }
}

/// The fields of a map or the items of a list, by their places.
fn children<'a>(value: ValueRef<'a>) -> Box<dyn Iterator<Item = (Segment, ValueRef<'a>)> + 'a> {
    match value.view() {
        View::Map(map) => Box::new(map.iter().map(|(name, child)| (Segment::field(name), child))),
        View::List(list) => {
            let place = |index| Segment::Index(u32::try_from(index).unwrap_or(u32::MAX));
            Box::new(list.iter().enumerate().map(move |(index, child)| (place(index), child)))
        }
        _ => Box::new(std::iter::empty()),
    }
}

fn descend<'a>(
    path: FieldPath,
    value: ValueRef<'a>,
    found: &mut BTreeMap<FieldPath, ValueRef<'a>>,
    steps: &mut usize,
) -> Result<(), TooManySteps> {
    let mut open = vec![(path, value)];
    while let Some((path, value)) = open.pop() {
        if let Entry::Vacant(place) = found.entry(path) {
            spend(place.key(), steps)?;
            open.extend(children(value).map(|(segment, child)| (place.key().join(segment), child)));
            place.insert(value);
        }
    }
    Ok(())
}

/// A step is as dear as the path to its place is long.
fn spend(path: &FieldPath, steps: &mut usize) -> Result<(), TooManySteps> {
    *steps = steps.checked_sub(1 + path.segments().len()).ok_or(TooManySteps)?;
    Ok(())
}

impl FromStr for PathPattern {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::new(text, reading::parts(text)?)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads the form that `Display` writes.
impl FromStr for FieldPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let step = |part| match part {
            Part::Step(segment) => Ok(segment),
            _ => Err(InvalidPath::new(text, 0, "a wildcard names many fields, and this must be one")),
        };
        reading::parts(text)?.into_iter().map(step).collect()
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
