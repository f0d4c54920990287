//! The packed form of a tree: 12 bytes a node in preorder, key and string text kept once beside them.

use std::cmp::Ordering;
use std::ops::Range;

use super::{Draft, Items, List, Map, Value, ValueRef, View};

/// What a [`Node`] is. Fits three bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    String,
    List,
    Map,
}

/// One node. `tag` shares a word with the key of the map entry this node is; the two payload words hold the number,
/// the text range, or the item count and the span (number of nodes from here to the next sibling).
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Low 3 bits: tag. The rest: 1 + index of the key in `Tree::keys`; 0 means no key.
    pub(super) head: u32,
    pub(super) a: u32,
    pub(super) b: u32,
}

impl Node {
    pub(super) fn new(tag: Tag, key: u32, a: u32, b: u32) -> Self {
        Self { head: (key << 3) | tag as u32, a, b }
    }

    #[inline]
    pub(super) fn tag(self) -> Tag {
        match self.head & 7 {
            1 => Tag::Bool,
            2 => Tag::Int,
            3 => Tag::Float,
            4 => Tag::String,
            5 => Tag::List,
            6 => Tag::Map,
            _ => Tag::Null,
        }
    }

    /// 1 + index of the key; 0 means no key.
    #[inline]
    pub(super) fn key(self) -> u32 {
        self.head >> 3
    }

    pub(super) fn with_key(self, key: u32) -> Self {
        Self { head: (key << 3) | (self.head & 7), ..self }
    }

    pub(super) fn bits(self) -> u64 {
        (u64::from(self.a) << 32) | u64::from(self.b)
    }

    pub(super) fn of_bits(tag: Tag, key: u32, bits: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
        Self::new(tag, key, (bits >> 32) as u32, bits as u32)
    }

    /// Number of nodes from this one to its next sibling.
    #[inline]
    pub(super) fn span(self) -> u32 {
        if matches!(self.tag(), Tag::List | Tag::Map) { self.b } else { 1 }
    }
}

/// A range of `Tree::text`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..(self.start as usize).saturating_add(self.len as usize)
    }
}

/// The packed tree. Node 0 is the root.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) nodes: Box<[Node]>,
    pub(super) keys: Box<[Span]>,
    pub(super) text: Box<str>,
}

impl Tree {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.keys) + self.text.len() + size_of::<Self>() + 16
    }

    #[inline]
    pub(super) fn node(&self, at: u32) -> Node {
        self.nodes.get(at as usize).copied().unwrap_or(Node { head: 0, a: 0, b: 0 })
    }

    #[inline]
    pub(super) fn span(&self, at: u32) -> u32 {
        self.node(at).span()
    }

    pub(super) fn has_key(&self, at: u32) -> bool {
        self.node(at).key() != 0
    }

    #[inline]
    pub(super) fn key(&self, at: u32) -> &str {
        self.key_text(self.node(at).key())
    }

    /// Whether the key of the map entry `at` is this one. Those of another length are not read.
    #[inline]
    pub(super) fn is_key(&self, at: u32, key: &str) -> bool {
        let index = self.node(at).key().checked_sub(1);
        let span = index.and_then(|index| self.keys.get(index as usize)).filter(|span| span.len as usize == key.len());
        span.is_some_and(|span| self.text.as_bytes().get(span.range()) == Some(key.as_bytes()))
    }

    /// The text of a key by [`Node::key`].
    #[inline]
    pub(super) fn key_text(&self, key: u32) -> &str {
        let span = key.checked_sub(1).and_then(|index| self.keys.get(index as usize));
        span.map_or("", |span| self.text_at(*span))
    }

    #[inline]
    pub(super) fn text_at(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// The node `at` and all below it.
    pub(super) fn nodes_at(&self, at: u32) -> &[Node] {
        let end = at.saturating_add(self.span(at));
        self.nodes.get(at as usize..end as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn view(&self, at: u32) -> View<'_> {
        let node = self.node(at);
        let items = || Items { tree: self, next: at.saturating_add(1), left: node.a };
        match node.tag() {
            Tag::Null => View::Null,
            Tag::Bool => View::Bool(node.b != 0),
            Tag::Int => View::Int(node.bits().cast_signed()),
            Tag::Float => View::Float(f64::from_bits(node.bits())),
            Tag::String => View::String(self.text_at(Span { start: node.a, len: node.b })),
            Tag::List => View::List(List { items: items() }),
            Tag::Map => View::Map(Map { items: items() }),
        }
    }

    /// Copies the node `at` and all below it.
    pub(super) fn subtree(&self, at: u32) -> Self {
        if self.span(at) == 1 && !matches!(self.node(at).tag(), Tag::List | Tag::Map) {
            return self.leaf(at);
        }
        let mut copy = Copy { from: self, keys: vec![0; self.keys.len()], spans: Vec::new(), text: String::new() };
        let end = at.saturating_add(self.span(at));
        let nodes = (at..end).map(|index| copy.node(index, index == at)).collect();
        Self { nodes, keys: copy.spans.into_boxed_slice(), text: copy.text.into_boxed_str() }
    }
}

impl Tree {
    /// Copies a scalar, with no more allocations than it needs.
    fn leaf(&self, at: u32) -> Self {
        let node = self.node(at).with_key(0);
        let (node, text) = match self.view(at) {
            // No longer than the text it is a part of, which has 32-bit offsets.
            View::String(text) => (Node::new(Tag::String, 0, 0, u32::try_from(text.len()).unwrap_or(0)), text),
            _ => (node, ""),
        };
        Self { nodes: Box::new([node]), keys: Box::default(), text: text.into() }
    }
}

/// State of [`Tree::subtree`].
struct Copy<'a> {
    from: &'a Tree,
    /// Old key index → 1 + new key index.
    keys: Vec<u32>,
    spans: Vec<Span>,
    text: String,
}

impl Copy<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "a part of a tree whose offsets fit 32 bits")]
    fn push(&mut self, text: &str) -> Span {
        let span = Span { start: self.text.len() as u32, len: text.len() as u32 };
        self.text.push_str(text);
        span
    }

    #[expect(clippy::cast_possible_truncation, reason = "no more keys than the tree has")]
    fn node(&mut self, at: u32, is_root: bool) -> Node {
        let node = self.from.node(at);
        let mut new_key = 0;
        if let (false, Some(old)) = (is_root, node.key().checked_sub(1)) {
            new_key = self.keys.get(old as usize).copied().unwrap_or(0);
            if new_key == 0 {
                let span = self.push(self.from.key(at));
                self.spans.push(span);
                new_key = self.spans.len() as u32;
                if let Some(slot) = self.keys.get_mut(old as usize) {
                    *slot = new_key;
                }
            }
        }
        if let View::String(text) = self.from.view(at) {
            let span = self.push(text);
            return Node::new(Tag::String, new_key, span.start, span.len);
        }
        node.with_key(new_key)
    }
}

impl<'a> ValueRef<'a> {
    /// The key of the map entry that this node is; empty for any other.
    pub(crate) fn key(self) -> &'a str {
        self.tree.key(self.at)
    }

    /// What this node is, without its content.
    #[inline]
    pub(crate) fn tag(self) -> Tag {
        self.tree.node(self.at).tag()
    }

    /// A number that tells the keys of one tree apart; 0 for a node that is no map entry.
    pub(crate) fn key_id(self) -> u32 {
        self.tree.node(self.at).key()
    }

    /// Returns whether both views are of the same node of one tree; cheaper than `==` and never wrong when `true`.
    #[must_use]
    pub fn same_node(self, other: ValueRef<'_>) -> bool {
        std::ptr::eq(self.tree, other.tree) && self.at == other.at
    }
}

impl<'a> Map<'a> {
    /// The values, in byte order of their keys.
    pub(crate) fn values(self) -> Items<'a> {
        self.items
    }
}

impl View<'_> {
    /// Copies what was viewed into a tree of its own.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::null(),
            Self::Bool(flag) => flag.into(),
            Self::Int(number) => number.into(),
            Self::Float(number) => Draft::Float(number).freeze(),
            Self::String(text) => text.into(),
            // The items follow their list or map.
            Self::List(List { items }) | Self::Map(Map { items }) => {
                Value::from_tree(items.tree.subtree(items.next.saturating_sub(1)))
            }
        }
    }
}

/// Structural equality; walks both trees node by node, without recursion.
pub(super) fn equal(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    let (from, to) = (left.tree.nodes_at(left.at), right.tree.nodes_at(right.at));
    let (Some((a, from)), Some((b, to))) = (from.split_first(), to.split_first()) else { return false };
    // Most are scalars, or differ at once.
    if from.len() != to.len() || !equal_nodes(left.tree, a, right.tree, b) {
        return false;
    }
    if from.is_empty() {
        return true;
    }
    let mut keys = SameKeys { left: left.tree, right: right.tree, known: [(0, 0); 64] };
    let equal = |(a, b): (&Node, &Node)| keys.equal(a.key(), b.key()) && equal_nodes(left.tree, a, right.tree, b);
    from.iter().zip(to).all(equal)
}

/// Whether two nodes are equal, apart from their keys and from what is below them.
#[inline]
fn equal_nodes(left: &Tree, a: &Node, right: &Tree, b: &Node) -> bool {
    a.tag() == b.tag()
        && match a.tag() {
            Tag::String => {
                let text = |tree, node: &Node| text_bytes(tree, Span { start: node.a, len: node.b });
                a.b == b.b && text(left, a) == text(right, b)
            }
            Tag::Float => f64::from_bits(a.bits()) == f64::from_bits(b.bits()),
            _ => (a.a, a.b) == (b.a, b.b),
        }
}

/// Compares keys of two trees, and remembers pairs that were equal: the same few keys come again and again.
struct SameKeys<'a> {
    left: &'a Tree,
    right: &'a Tree,
    known: [(u32, u32); 64],
}

impl SameKeys<'_> {
    fn equal(&mut self, left: u32, right: u32) -> bool {
        let Some(known) = self.known.get_mut(left as usize % 64) else { return false };
        if *known == (left, right) {
            return true;
        }
        let equal = self.left.key_text(left) == self.right.key_text(right);
        if equal {
            *known = (left, right);
        }
        equal
    }
}

fn text_bytes(tree: &Tree, span: Span) -> Option<&[u8]> {
    tree.text.as_bytes().get(span.range())
}

/// The total order behind `Ord`; walks both trees node by node, without recursion.
pub(super) fn order(left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    // In preorder the first difference decides. Where tags and counts agree up to there, offsets agree too.
    let spans = left.tree.span(left.at).max(right.tree.span(right.at));
    for offset in 0..spans {
        let (l, r) = (left.at.saturating_add(offset), right.at.saturating_add(offset));
        if offset > 0 {
            let keys = left.tree.key(l).as_bytes().cmp(right.tree.key(r).as_bytes());
            if keys != Ordering::Equal {
                return keys;
            }
        }
        let here = match (left.tree.view(l), right.tree.view(r)) {
            (View::Bool(a), View::Bool(b)) => a.cmp(&b),
            (View::String(a), View::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (View::List(a), View::List(b)) => a.len().cmp(&b.len()),
            (View::Map(a), View::Map(b)) => a.len().cmp(&b.len()),
            (a, b) => rank(a).cmp(&rank(b)).then_with(|| numbers(a, b)),
        };
        if here != Ordering::Equal {
            return here;
        }
    }
    Ordering::Equal
}

fn rank(view: View<'_>) -> u8 {
    match view {
        View::Null => 0,
        View::Bool(_) => 1,
        View::Int(_) | View::Float(_) => 2,
        View::String(_) => 3,
        View::List(_) => 4,
        View::Map(_) => 5,
    }
}

fn numbers(left: View<'_>, right: View<'_>) -> Ordering {
    #[expect(clippy::cast_precision_loss, reason = "only orders numbers of unlike kind")]
    match (left, right) {
        (View::Int(a), View::Int(b)) => a.cmp(&b),
        // `-0.0 == 0.0` must order as equal too.
        (View::Float(a), View::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (View::Int(a), View::Float(b)) => (a as f64).partial_cmp(&b).unwrap_or(Ordering::Equal).then(Ordering::Less),
        (View::Float(a), View::Int(b)) => a.partial_cmp(&(b as f64)).unwrap_or(Ordering::Equal).then(Ordering::Greater),
        _ => Ordering::Equal,
    }
}
