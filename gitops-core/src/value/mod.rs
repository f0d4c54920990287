//! One immutable, shared tree for manifests, live objects, merge and diff.
//!
//! A [`Value`] is built once, by a [`Builder`] or by freezing a [`Draft`], and never changes; cloning it counts a
//! reference. Walkers take a [`ValueRef`], which is a `Copy` view, and allocate nothing. Maps are kept in byte order
//! of their keys, so equal maps look equal however they were written.

mod below;
mod builder;
mod digest;
mod draft;
mod json;
mod keys;
mod pieces;
mod read;
mod splice;
mod tree;
mod write;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

pub use builder::{BuildError, Builder};
pub use digest::{Digest, Hasher, InvalidDigest, Purpose};
pub use draft::Draft;
pub use json::JsonError;

pub(crate) use pieces::Pieces;
pub(crate) use tree::Tag;
use tree::Tree;

/// An immutable JSON-like tree. Cloning shares it.
///
/// `Debug` prints what it is and how large, never its content.
///
/// ```
/// use gitops_core::value::Value;
///
/// let value = Value::from_json(br#"{"spec":{"replicas":3}}"#)?;
/// let replicas = value.root().get("spec").and_then(|spec| spec.get("replicas"));
/// assert_eq!(replicas.and_then(|v| v.as_i64()), Some(3));
/// # Ok::<(), gitops_core::value::JsonError>(())
/// ```
#[derive(Clone)]
pub struct Value(Arc<Tree>);

/// What one node of a [`Value`] is.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the JSON data model is closed")]
pub enum View<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other finite number, and a whole number that was written as a float.
    Float(f64),
    /// A string.
    String(&'a str),
    /// A list.
    List(List<'a>),
    /// A map, in byte order of its keys.
    Map(Map<'a>),
}

/// A view of one node of a [`Value`]; `Copy`, walks without allocating.
#[derive(Clone, Copy)]
pub struct ValueRef<'a> {
    tree: &'a Tree,
    at: u32,
}

/// A view of a list.
#[derive(Clone, Copy)]
pub struct List<'a> {
    items: Items<'a>,
}

/// A view of a map.
#[derive(Clone, Copy)]
pub struct Map<'a> {
    items: Items<'a>,
}

/// The items of a list, in order.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    tree: &'a Tree,
    next: u32,
    left: u32,
}

/// The entries of a map, in byte order of their keys.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    items: Items<'a>,
}

impl Value {
    /// Returns the view of the whole tree.
    #[must_use]
    #[inline]
    pub fn root(&self) -> ValueRef<'_> {
        ValueRef { tree: &self.0, at: 0 }
    }

    /// Returns `null`.
    #[must_use]
    pub fn null() -> Self {
        Draft::Null.freeze()
    }

    /// Returns an empty map.
    #[must_use]
    pub fn empty_map() -> Self {
        Draft::map().freeze()
    }

    /// Returns a copy with these texts in the map `inner` of the map `outer`; `None` where these are no maps.
    pub(crate) fn with_texts(&self, outer: &str, inner: &str, texts: &[(&str, &str)]) -> Option<Self> {
        self.0.with_texts(outer, inner, texts).map(|tree| Self(Arc::new(tree)))
    }

    /// Returns the bytes this tree keeps on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// Returns whether both handles share one tree; cheaper than `==` and never wrong when `true`.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn from_tree(tree: Tree) -> Self {
        Self(Arc::new(tree))
    }
}

impl<'a> ValueRef<'a> {
    /// Returns what this node is.
    #[must_use]
    #[inline]
    pub fn view(self) -> View<'a> {
        self.tree.view(self.at)
    }

    /// Returns the entry `key` of a map; `None` for anything else.
    #[must_use]
    #[inline]
    pub fn get(self, key: &str) -> Option<Self> {
        self.as_map()?.get(key)
    }

    /// Follows `keys` through nested maps.
    #[must_use]
    #[inline]
    pub fn dig(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |at, key| at.get(key))
    }

    /// Returns item `index` of a list; `None` for anything else.
    #[must_use]
    pub fn item(self, index: usize) -> Option<Self> {
        self.as_list()?.get(index)
    }

    /// Returns the text of a string node.
    #[must_use]
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        if let View::String(text) = self.view() { Some(text) } else { None }
    }

    /// Returns a whole number.
    #[must_use]
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        if let View::Int(number) = self.view() { Some(number) } else { None }
    }

    /// Returns a boolean.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        if let View::Bool(flag) = self.view() { Some(flag) } else { None }
    }

    /// Returns a list.
    #[must_use]
    #[inline]
    pub fn as_list(self) -> Option<List<'a>> {
        if let View::List(list) = self.view() { Some(list) } else { None }
    }

    /// Returns a map.
    #[must_use]
    #[inline]
    pub fn as_map(self) -> Option<Map<'a>> {
        if let View::Map(map) = self.view() { Some(map) } else { None }
    }

    /// Returns whether this is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        matches!(self.view(), View::Null)
    }

    /// Returns the JSON name of what this node is, for messages.
    #[must_use]
    pub fn kind_name(self) -> &'static str {
        match self.view() {
            View::Null => "null",
            View::Bool(_) => "boolean",
            View::Int(_) | View::Float(_) => "number",
            View::String(_) => "string",
            View::List(_) => "list",
            View::Map(_) => "map",
        }
    }

    /// Copies this node and all below it into a tree of its own.
    #[must_use]
    pub fn to_value(self) -> Value {
        Value::from_tree(self.tree.subtree(self.at))
    }
}

impl<'a> List<'a> {
    /// Returns the number of items.
    #[must_use]
    pub fn len(self) -> usize {
        self.items.left as usize
    }

    /// Returns whether there are no items.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.items.left == 0
    }

    /// Returns the items in order.
    #[must_use]
    #[inline]
    pub fn iter(self) -> Items<'a> {
        self.items
    }

    /// Returns item `index`.
    #[must_use]
    pub fn get(self, index: usize) -> Option<ValueRef<'a>> {
        self.iter().nth(index)
    }
}

impl<'a> Map<'a> {
    /// Returns the number of entries.
    #[must_use]
    pub fn len(self) -> usize {
        self.items.left as usize
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.items.left == 0
    }

    /// Returns the entries in byte order of their keys.
    #[must_use]
    #[inline]
    pub fn iter(self) -> Entries<'a> {
        Entries { items: self.items }
    }

    /// Returns the value of `key`.
    #[must_use]
    #[inline]
    pub fn get(self, key: &str) -> Option<ValueRef<'a>> {
        self.items.into_iter().find(|item| item.tree.is_key(item.at, key))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = ValueRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let item = ValueRef { tree: self.tree, at: self.next };
        self.next = self.next.saturating_add(self.tree.span(self.next));
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, ValueRef<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let value = self.items.next()?;
        Some((value.tree.key(value.at), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}

impl<'a> IntoIterator for List<'a> {
    type Item = ValueRef<'a>;
    type IntoIter = Items<'a>;
    #[inline]
    fn into_iter(self) -> Items<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for Map<'a> {
    type Item = (&'a str, ValueRef<'a>);
    type IntoIter = Entries<'a>;
    #[inline]
    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({}, {} nodes)", self.kind_name(), self.tree.span(self.at))
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({} items)", self.len())
    }
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map({} entries)", self.len())
    }
}

impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        tree::equal(*self, *other)
    }
}

impl Eq for ValueRef<'_> {}

/// A total order: null, booleans, numbers, strings, lists, maps. A whole number precedes the float of equal size.
impl Ord for ValueRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        tree::order(*self, *other)
    }
}

impl PartialOrd for ValueRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.root() == other.root()
    }
}

impl Eq for Value {}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.root().cmp(&other.root())
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
