//! A copy of a tree with a few more texts: what is there is copied as it lies, not built anew.

use super::tree::{Node, Span, Tag, Tree};

impl Tree {
    /// Copies the tree with these texts in the map `inner` of the map `outer` of the root, each replacing what has its
    /// name. `None` where these are no maps, or the offsets do not fit: then it must be built.
    pub(super) fn with_texts(&self, outer: &str, inner: &str, texts: &[(&str, &str)]) -> Option<Self> {
        let mut copy = Splice::of(self, texts)?;
        let (outer_at, is_there) = copy.place(0, outer)?;
        let (mut inner_at, inner_is_there) = copy.place(outer_at, inner).filter(|_| is_there)?;
        if !inner_is_there {
            let key = copy.key(inner)?;
            inner_at = copy.insert(&[0, outer_at], inner_at, Node::new(Tag::Map, key, 0, 1))?;
        }
        for (name, text) in texts {
            let (at, is_there) = copy.place(inner_at, name)?;
            let (key, Span { start, len }) = (copy.key(name)?, copy.push(text)?);
            let node = Node::new(Tag::String, key, start, len);
            if !is_there {
                copy.insert(&[0, outer_at, inner_at], at, node)?;
            } else if copy.node(at)?.span() == 1 {
                *copy.nodes.get_mut(at as usize)? = node;
            } else {
                return None;
            }
        }
        Some(Self {
            nodes: copy.nodes.into_boxed_slice(),
            keys: copy.keys.into_boxed_slice(),
            text: copy.text.into_boxed_str(),
        })
    }
}

/// A tree that is being copied.
struct Splice {
    nodes: Vec<Node>,
    keys: Vec<Span>,
    text: String,
}

impl Splice {
    fn of(tree: &Tree, texts: &[(&str, &str)]) -> Option<Self> {
        let more: usize = texts.iter().map(|(name, text)| name.len() + text.len()).sum();
        let mut nodes = Vec::with_capacity(tree.nodes.len() + texts.len() + 1);
        let mut keys = Vec::with_capacity(tree.keys.len() + texts.len() + 1);
        let mut text = String::with_capacity(tree.text.len() + more + 16);
        nodes.extend_from_slice(&tree.nodes);
        keys.extend_from_slice(&tree.keys);
        text.push_str(&tree.text);
        (tree.node(0).tag() == Tag::Map).then_some(Self { nodes, keys, text })
    }

    fn node(&self, at: u32) -> Option<Node> {
        self.nodes.get(at as usize).copied()
    }

    fn key_text(&self, key: u32) -> Option<&[u8]> {
        let span = self.keys.get(key.checked_sub(1)? as usize)?;
        self.text.as_bytes().get(span.range())
    }

    /// Where the entry `name` of a map stands, or where it would; and whether it does. `None` for anything but a map.
    fn place(&self, map: u32, name: &str) -> Option<(u32, bool)> {
        let node = self.node(map).filter(|node| node.tag() == Tag::Map)?;
        let mut at = map.checked_add(1)?;
        for _ in 0..node.a {
            let entry = self.node(at)?;
            let key = self.key_text(entry.key())?;
            if key >= name.as_bytes() {
                return Some((at, key == name.as_bytes()));
            }
            at = at.checked_add(entry.span())?;
        }
        Some((at, false))
    }

    /// The number of a key; those of a tree are all different.
    fn key(&mut self, name: &str) -> Option<u32> {
        let is_it = |span: &Span| self.text.as_bytes().get(span.range()) == Some(name.as_bytes());
        let found = self.keys.iter().position(|span| span.len as usize == name.len() && is_it(span));
        let index = match found {
            Some(index) => index,
            None => {
                let span = self.push(name)?;
                self.keys.push(span);
                self.keys.len().checked_sub(1)?
            }
        };
        // Three bits of a node's head are its tag.
        u32::try_from(index).ok()?.checked_add(1).filter(|key| key.leading_zeros() >= 3)
    }

    fn push(&mut self, text: &str) -> Option<Span> {
        let (start, len) = (u32::try_from(self.text.len()).ok()?, u32::try_from(text.len()).ok()?);
        start.checked_add(len)?;
        self.text.push_str(text);
        Some(Span { start, len })
    }

    /// Inserts a node without children into the last of these maps, each of which holds the next.
    fn insert(&mut self, maps: &[u32], at: u32, node: Node) -> Option<u32> {
        for map in maps {
            let map = self.nodes.get_mut(*map as usize)?;
            map.b = map.b.checked_add(1)?;
        }
        let last = self.nodes.get_mut(*maps.last()? as usize)?;
        last.a = last.a.checked_add(1)?;
        if at as usize > self.nodes.len() {
            return None;
        }
        self.nodes.insert(at as usize, node);
        Some(at)
    }
}
