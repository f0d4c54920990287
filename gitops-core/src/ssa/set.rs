//! Sets of fields.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::build::SetBuilder;
use super::label::{Keys, Label};
use crate::path::{FieldPath, Segment};
use crate::value::{Value, View};

/// A set of fields of one object: what a manager owns, or what changed. Cloning shares it.
///
/// A field may be a member without the fields around it. Paths come out in structured-merge-diff's order: at each
/// level the members, then what lies below them.
///
/// ```
/// use gitops_core::path::FieldPath;
/// use gitops_core::ssa::FieldSet;
///
/// let set: FieldSet = [FieldPath::fields(&["spec", "replicas"]), FieldPath::fields(&["data"])].into_iter().collect();
/// assert!(set.contains(&FieldPath::fields(&["data"])));
/// assert!(!set.contains(&FieldPath::fields(&["spec"])));
/// assert_eq!(set.to_string(), "data, spec.replicas");
/// assert_eq!(set.to_fields_v1_json(), r#"{"f:data":{},"f:spec":{"f:replicas":{}}}"#);
/// ```
#[derive(Clone, Default)]
pub struct FieldSet {
    /// None when the set is empty.
    arena: Option<Arc<Arena>>,
    /// The outermost path elements.
    top: Block,
}

/// The path elements of a set, packed: those of one level stand together, in order, after all levels below them.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(super) nodes: Vec<Node>,
    pub(super) keys: Vec<KeyField>,
    pub(super) text: String,
}

/// A range of nodes, of key fields, or of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// One path element: whether it is a member itself, and the members below it. Never neither.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) label: Packed,
    pub(super) is_member: bool,
    pub(super) below: Block,
}

/// A [`Label`] whose content is in the arena.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packed {
    /// A range of text.
    Field(Block),
    /// A range of key fields.
    Key(Block),
    /// One key field, without a name.
    Item(Block),
    Index(u32),
}

#[derive(Debug)]
pub(super) struct KeyField {
    pub(super) name: Block,
    pub(super) value: Scalar,
}

#[derive(Debug)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Block),
    /// A list or a map. No schema has such keys, but FieldsV1 can hold them.
    Tree(Value),
}

/// The path elements at one place of a set.
#[derive(Clone, Copy)]
pub(crate) struct Level<'a> {
    arena: &'a Arena,
    nodes: &'a [Node],
}

/// One path element of a set.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    arena: &'a Arena,
    node: &'a Node,
}

/// Longer paths are not taken into a set.
pub(crate) const MAX_DEPTH: usize = 512;

impl FieldSet {
    /// Returns the empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. The fields around it are not added; the whole object is no field.
    ///
    /// Copies the set: for many fields collect them, or use [`Extend`], which copies it once. A path of more than 512 elements is not taken, no API object has
    /// one.
    pub fn insert(&mut self, path: &FieldPath) {
        *self = self.union(&[path].into_iter().collect());
    }

    /// Returns whether a field is a member.
    #[must_use]
    pub fn contains(&self, path: &FieldPath) -> bool {
        let Some((last, above)) = path.segments().split_last() else { return false };
        self.level_at(above).and_then(|level| level.find(Label::of(last))).is_some_and(Entry::is_member)
    }

    /// Returns whether a member lies at `path` or below it.
    #[must_use]
    pub fn touches(&self, path: &FieldPath) -> bool {
        self.contains(path) || self.level_at(path.segments()).is_some_and(|level| !level.is_empty())
    }

    /// Returns the members below `path`, as paths that start there.
    #[must_use]
    pub fn below(&self, path: &FieldPath) -> Self {
        let mut top = self.top;
        for segment in path.segments() {
            match self.arena().level(top).find(Label::of(segment)) {
                Some(entry) => top = entry.node.below,
                None => return Self::new(),
            }
        }
        Self::of_arena(self.arena.clone(), top)
    }

    /// Returns the set of all members of this one, moved below `path`.
    #[must_use]
    pub fn moved_below(&self, path: &FieldPath) -> Self {
        if self.is_empty() || path.segments().len() > MAX_DEPTH {
            return Self::new();
        }
        let mut out = SetBuilder::with_room_of(self);
        let copy = out.copy_level(self.level());
        let top = path.segments().iter().rev().fold(copy, |below, segment| {
            let start = out.start();
            out.push(Label::of(segment), false, below);
            out.close(start)
        });
        out.finish(top)
    }

    /// Returns whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.arena.is_none()
    }

    /// Returns the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.level().members()
    }

    /// Returns the members in structured-merge-diff's order.
    pub fn iter(&self) -> impl Iterator<Item = FieldPath> + use<> {
        let mut paths = Vec::new();
        self.level().gather(&mut Vec::new(), &mut paths);
        paths.into_iter()
    }

    /// Returns the members that have no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        fn leaves(of: Level<'_>, out: &mut SetBuilder) -> Block {
            let start = out.start();
            for entry in of.iter() {
                let below = leaves(entry.below(), out);
                out.push(entry.label(), entry.is_member() && entry.below().is_empty(), below);
            }
            out.close(start)
        }
        let mut out = SetBuilder::with_room_of(self);
        let top = leaves(self.level(), &mut out);
        out.finish(top)
    }

    pub(super) fn of_arena(arena: Option<Arc<Arena>>, top: Block) -> Self {
        if top.len == 0 { Self::new() } else { Self { arena, top } }
    }

    pub(crate) fn level(&self) -> Level<'_> {
        self.arena().level(self.top)
    }

    pub(super) fn arena(&self) -> &Arena {
        static EMPTY: Arena = Arena { nodes: Vec::new(), keys: Vec::new(), text: String::new() };
        self.arena.as_deref().unwrap_or(&EMPTY)
    }

    fn level_at(&self, path: &[Segment]) -> Option<Level<'_>> {
        path.iter().try_fold(self.level(), |level, segment| Some(level.find(Label::of(segment))?.below()))
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.arena, &other.arena) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right) && self.top == other.top,
            (None, None) => true,
            _ => false,
        }
    }
}

impl Arena {
    pub(super) fn level(&self, block: Block) -> Level<'_> {
        Level { arena: self, nodes: self.nodes.get(block.range()).unwrap_or_default() }
    }

    pub(super) fn label(&self, packed: Packed) -> Label<'_> {
        match packed {
            Packed::Field(name) => Label::Field(self.text(name)),
            Packed::Key(fields) => Label::Key(Keys::Packed(self, fields)),
            Packed::Item(field) => Label::Item(self.key_field(field, 0).map_or(View::Null, |(_, value)| value)),
            Packed::Index(index) => Label::Index(index),
        }
    }

    /// Returns number `at` of some key fields.
    pub(super) fn key_field(&self, fields: Block, at: usize) -> Option<(&str, View<'_>)> {
        let field = self.keys.get(fields.range())?.get(at)?;
        let value = match &field.value {
            Scalar::Null => View::Null,
            Scalar::Bool(flag) => View::Bool(*flag),
            Scalar::Int(number) => View::Int(*number),
            Scalar::Float(number) => View::Float(*number),
            Scalar::Text(text) => View::String(self.text(*text)),
            Scalar::Tree(value) => value.root().view(),
        };
        Some((self.text(field.name), value))
    }

    fn text(&self, block: Block) -> &str {
        self.text.get(block.range()).unwrap_or_default()
    }
}

impl Block {
    /// What was added to a list of `len` elements since it had `start`.
    #[expect(clippy::cast_possible_truncation, reason = "the names of one object's fields are far below 4 GiB")]
    pub(super) fn since(start: usize, len: usize) -> Self {
        Self { start: start as u32, len: len.saturating_sub(start) as u32 }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start as usize).saturating_add(self.len as usize)
    }
}

impl<'a> Level<'a> {
    /// Returns the path elements in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Entry<'a>> {
        self.nodes.iter().map(move |node| Entry { arena: self.arena, node })
    }

    pub(crate) fn is_empty(self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn find(self, label: Label<'_>) -> Option<Entry<'a>> {
        let at = self.nodes.binary_search_by(|node| self.arena.label(node.label).cmp(label)).ok()?;
        self.nodes.get(at).map(|node| Entry { arena: self.arena, node })
    }

    fn members(self) -> usize {
        self.iter().map(|entry| usize::from(entry.is_member()) + entry.below().members()).sum()
    }

    fn gather(self, prefix: &mut Vec<Segment>, paths: &mut Vec<FieldPath>) {
        for entry in self.iter().filter(|entry| entry.is_member()) {
            paths.push(prefix.iter().cloned().chain([entry.label().to_segment()]).collect());
        }
        for entry in self.iter().filter(|entry| !entry.below().is_empty()) {
            prefix.push(entry.label().to_segment());
            entry.below().gather(prefix, paths);
            prefix.pop();
        }
    }

    fn equals(self, other: Level<'_>) -> bool {
        self.nodes.len() == other.nodes.len()
            && self.iter().zip(other.iter()).all(|(left, right)| {
                left.is_member() == right.is_member()
                    && left.label().cmp(right.label()) == Ordering::Equal
                    && left.below().equals(right.below())
            })
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn label(self) -> Label<'a> {
        self.arena.label(self.node.label)
    }

    pub(crate) fn is_member(self) -> bool {
        self.node.is_member
    }

    pub(crate) fn below(self) -> Level<'a> {
        self.arena.level(self.node.below)
    }
}

impl FromIterator<FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = FieldPath>>(paths: I) -> Self {
        let paths: Vec<FieldPath> = paths.into_iter().collect();
        paths.iter().collect()
    }
}

impl<'p> FromIterator<&'p FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = &'p FieldPath>>(paths: I) -> Self {
        let paths = paths.into_iter().map(FieldPath::segments);
        SetBuilder::of_paths(paths.filter(|path| path.len() <= MAX_DEPTH))
    }
}

impl Extend<FieldPath> for FieldSet {
    fn extend<I: IntoIterator<Item = FieldPath>>(&mut self, paths: I) {
        *self = self.union(&paths.into_iter().collect());
    }
}

impl PartialEq for FieldSet {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.level().equals(other.level())
    }
}

impl Eq for FieldSet {}

/// All members, in order, with commas.
impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, path) in self.iter().enumerate() {
            write!(f, "{}{path}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldSet({self})")
    }
}
