//! Building a [`Value`] from a stream of events, without recursion and without an intermediate tree.

use super::Value;
use super::keys::{Follow, KeyIndex, KeyMap, Next, same};
use super::tree::{Node, Span, Tag, Tree};

/// Why a tree could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Offsets are 32 bits.
    #[error("more than 4 GiB of text or 500 million nodes in one object")]
    TooLarge,
    /// A caller's mistake: an end without a start, an entry without a key, a root left open or given twice.
    #[error("events do not form one tree")]
    Unbalanced,
    /// A number that JSON cannot hold.
    #[error("not a finite number")]
    NotFinite,
}

/// Builds one [`Value`] from events, such as those of a parser.
///
/// Inside a map, [`Builder::key`] precedes each value. Keys may come in any order; of equal keys the **last** one wins
/// (as Go's decoders have it). Misuse is remembered and answered by [`Builder::finish`], so events need no checks.
///
/// ```
/// use gitops_core::value::Builder;
///
/// let mut builder = Builder::new();
/// builder.start_map();
/// builder.key("replicas");
/// builder.int(3);
/// builder.end();
/// let value = builder.finish()?;
/// assert_eq!(value.to_json(), r#"{"replicas":3}"#);
/// # Ok::<(), gitops_core::value::BuildError>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
    keys: Vec<Span>,
    text: String,
    index: KeyIndex,
    follow: Follow,
    open: Vec<Open>,
    key: u32,
    error: Option<BuildError>,
    duplicates: usize,
    /// Scratch of [`Builder::sort`].
    blocks: Vec<(u32, u32)>,
    sorted: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    at: u32,
    items: u32,
    is_map: bool,
    /// Keys came in strictly rising byte order so far.
    in_order: bool,
    /// 1 + index of the last key.
    last_key: u32,
    /// The key of this map, or of the list that it is an item of.
    name: u32,
}

impl Builder {
    /// Starts an empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts an empty tree with room for an object whose source text has `bytes` bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut builder = Self::default();
        builder.nodes.reserve(bytes / 16);
        builder.text.reserve(bytes / 2);
        builder
    }

    /// Returns whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns how many lists and maps are open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Returns how many entries of closed maps gave way to a later one of equal key.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// Names the next value; only inside a map.
    pub fn key(&mut self, key: &str) {
        let Some(open) = self.open.last().copied().filter(|open| open.is_map && self.key == 0) else {
            self.fail(BuildError::Unbalanced);
            return;
        };
        let expected = self.follow.expected(open.name, open.last_key);
        if expected.key != 0 && same(self.key_text(expected.key).as_bytes(), key.as_bytes()) {
            return self.put_key(expected);
        }
        let id = self.intern(key);
        let rises = open.last_key == 0 || self.key_text(open.last_key).as_bytes() < key.as_bytes();
        let next = Next { key: id, rises };
        self.follow.learn(open.name, open.last_key, next);
        self.put_key(next);
    }

    /// Takes the key that came at this place in the last map that was alike, if `text` begins with it and a quote;
    /// returns its length. Saves looking for its end, and looking it up.
    pub(super) fn expected_key(&mut self, text: &[u8]) -> Option<usize> {
        let open = self.open.last().filter(|open| open.is_map && self.key == 0)?;
        let expected = self.follow.expected(open.name, open.last_key);
        let span = self.keys.get(expected.key.checked_sub(1)? as usize)?;
        let (key, rest) = text.split_at_checked(span.len as usize)?;
        if rest.first() != Some(&b'"') || !same(key, self.text.as_bytes().get(span.range())?) {
            return None;
        }
        self.put_key(expected);
        Some(key.len())
    }

    #[inline]
    fn put_key(&mut self, next: Next) {
        self.key = next.key;
        if let Some(open) = self.open.last_mut() {
            open.last_key = next.key;
            open.in_order &= next.rises;
        }
    }

    /// Returns whether what was opened last is a map, and whether it is empty so far.
    pub(super) fn innermost(&self) -> Option<(bool, bool)> {
        self.open.last().map(|open| (open.is_map, open.items == 0))
    }

    /// Adds `null`.
    pub fn null(&mut self) {
        self.push(Tag::Null, 0, 0);
    }

    /// Adds a boolean.
    pub fn bool(&mut self, flag: bool) {
        self.push(Tag::Bool, 0, u32::from(flag));
    }

    /// Adds a whole number.
    pub fn int(&mut self, number: i64) {
        let node = Node::of_bits(Tag::Int, 0, number.cast_unsigned());
        self.push(Tag::Int, node.a, node.b);
    }

    /// Adds a float; infinities and NaN make [`Builder::finish`] fail.
    pub fn float(&mut self, number: f64) {
        if !number.is_finite() {
            self.fail(BuildError::NotFinite);
        }
        let node = Node::of_bits(Tag::Float, 0, number.to_bits());
        self.push(Tag::Float, node.a, node.b);
    }

    /// Adds a string.
    pub fn string(&mut self, text: &str) {
        let span = self.store(text);
        self.push(Tag::String, span.start, span.len);
    }

    /// Opens a list.
    pub fn start_list(&mut self) {
        self.start(Tag::List);
    }

    /// Opens a map.
    pub fn start_map(&mut self) {
        self.start(Tag::Map);
    }

    /// Closes the list or map opened last.
    pub fn end(&mut self) {
        let Some(open) = self.open.pop() else {
            self.fail(BuildError::Unbalanced);
            return;
        };
        if self.key != 0 {
            self.fail(BuildError::Unbalanced);
            self.key = 0;
        }
        let items = if open.in_order { open.items } else { self.sort(open) };
        let span = self.len().saturating_sub(open.at);
        if let Some(node) = self.nodes.get_mut(open.at as usize) {
            (node.a, node.b) = (items, span);
        }
    }

    /// Adds a copy of a finished tree as the next value.
    pub fn value(&mut self, value: super::ValueRef<'_>) {
        let tree = value.tree;
        let Some((root, below)) = tree.nodes_at(value.at).split_first() else { return self.null() };
        // Maps of a finished tree are in order, so nodes are copied as they are, with new places of their text.
        let mut new_keys = KeyMap::new(below.len(), tree.keys.len());
        let root = self.copied(tree, *root);
        self.push(root.tag(), root.a, root.b);
        if self.nodes.len().saturating_add(below.len()) >= MAX_NODES {
            return self.fail(BuildError::TooLarge);
        }
        self.nodes.reserve(below.len());
        for node in below {
            let key = match node.key() {
                0 => 0,
                old => new_keys.get(old, || self.intern(tree.key_text(old))),
            };
            let node = self.copied(tree, *node).with_key(key);
            self.nodes.push(node);
        }
    }

    /// A node of another tree, its text stored here.
    fn copied(&mut self, tree: &Tree, node: Node) -> Node {
        if node.tag() != Tag::String {
            return node;
        }
        let span = self.store(tree.text_at(Span { start: node.a, len: node.b }));
        Node::new(Tag::String, 0, span.start, span.len)
    }

    /// Returns the tree.
    ///
    /// # Errors
    /// When the events did not form exactly one tree, or it does not fit.
    pub fn finish(mut self) -> Result<Value, BuildError> {
        self.check()?;
        let (nodes, keys, text) = (self.nodes, self.keys, self.text);
        Ok(Value::from_tree(Tree { nodes: nodes.into(), keys: keys.into(), text: text.into() }))
    }

    /// Returns the tree and starts an empty one, whose events reuse the room of this one.
    ///
    /// # Errors
    /// When the events did not form exactly one tree, or it does not fit.
    pub fn take(&mut self) -> Result<Value, BuildError> {
        let result = self.check().map(|()| {
            let (nodes, keys) = (self.nodes.as_slice().into(), self.keys.as_slice().into());
            Value::from_tree(Tree { nodes, keys, text: self.text.as_str().into() })
        });
        self.clear();
        result
    }

    /// Whether the events form exactly one tree.
    fn check(&mut self) -> Result<(), BuildError> {
        let whole = self.nodes.first().is_some_and(|root| root.span() as usize == self.nodes.len());
        if !self.open.is_empty() || !whole {
            self.fail(BuildError::Unbalanced);
        }
        self.error.map_or(Ok(()), Err)
    }

    /// Forgets all events, and keeps the room for those to come.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.keys.clear();
        self.text.clear();
        self.index.clear();
        self.follow.clear();
        self.open.clear();
        (self.key, self.error, self.duplicates) = (0, None, 0);
    }

    fn start(&mut self, tag: Tag) {
        let at = self.len();
        let name = if self.key == 0 { self.open.last().map_or(0, |open| open.name) } else { self.key };
        self.push(tag, 0, 1);
        self.open.push(Open { at, items: 0, is_map: tag == Tag::Map, in_order: true, last_key: 0, name });
    }

    fn push(&mut self, tag: Tag, a: u32, b: u32) {
        let key = std::mem::take(&mut self.key);
        match self.open.last_mut() {
            Some(open) if open.is_map == (key != 0) => open.items = open.items.saturating_add(1),
            None if self.nodes.is_empty() => {}
            _ => self.fail(BuildError::Unbalanced),
        }
        if self.nodes.len() >= MAX_NODES {
            self.fail(BuildError::TooLarge);
            return;
        }
        self.nodes.push(Node::new(tag, key, a, b));
    }

    #[expect(clippy::cast_possible_truncation, reason = "`push` keeps the count below 2^29")]
    fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    fn fail(&mut self, error: BuildError) {
        self.error.get_or_insert(error);
    }

    fn store(&mut self, text: &str) -> Span {
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u32::try_from(text.len())) else {
            self.fail(BuildError::TooLarge);
            return Span { start: 0, len: 0 };
        };
        self.text.push_str(text);
        Span { start, len }
    }

    fn key_text(&self, key: u32) -> &str {
        let span = key.checked_sub(1).and_then(|index| self.keys.get(index as usize));
        span.and_then(|span| self.text.get(span.range())).unwrap_or("")
    }

    /// Returns 1 + the index of `key`, adding it when it is new.
    fn intern(&mut self, key: &str) -> u32 {
        let (keys, text) = (&self.keys, self.text.as_bytes());
        let is_key = |id: u32| {
            let span = id.checked_sub(1).and_then(|index| keys.get(index as usize));
            span.and_then(|span| text.get(span.range())).is_some_and(|known| same(known, key.as_bytes()))
        };
        let slot = match self.index.find(key, is_key) {
            Ok(id) => return id,
            Err(slot) => slot,
        };
        let Ok(id) = u32::try_from(self.keys.len().saturating_add(1)) else {
            self.fail(BuildError::TooLarge);
            return 1;
        };
        let span = self.store(key);
        self.keys.push(span);
        self.index.put(slot, id);
        id
    }

    /// Brings the entries of the map that is being closed into key order; of equal keys the last stays.
    /// Returns how many entries are left.
    fn sort(&mut self, open: Open) -> u32 {
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.clear();
        let first = open.at.saturating_add(1);
        let mut at = first;
        while let Some(node) = self.nodes.get(at as usize) {
            blocks.push((at, node.span()));
            at = at.saturating_add(node.span().max(1));
        }
        let text = |at: u32| self.nodes.get(at as usize).map_or("", |node| self.key_text(node.key())).as_bytes();
        blocks.sort_by(|left, right| text(left.0).cmp(text(right.0)).then(right.0.cmp(&left.0)));
        // Equal keys stand together now, the last one first.
        let all = blocks.len();
        blocks.dedup_by(|later, kept| text(later.0) == text(kept.0));
        self.duplicates = self.duplicates.saturating_add(all.saturating_sub(blocks.len()));
        let mut sorted = std::mem::take(&mut self.sorted);
        sorted.clear();
        for (at, span) in &blocks {
            let range = *at as usize..at.saturating_add(*span) as usize;
            sorted.extend_from_slice(self.nodes.get(range).unwrap_or(&[]));
        }
        self.nodes.truncate(first as usize);
        self.nodes.extend_from_slice(&sorted);
        let items = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
        (self.blocks, self.sorted) = (blocks, sorted);
        items
    }
}

/// The head of a node has 29 bits for its key.
const MAX_NODES: usize = (u32::MAX >> 3) as usize;
