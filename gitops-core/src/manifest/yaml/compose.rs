//! Tokens → a flat tree of nodes, anchors and tags resolved.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Mark;
use super::scan::{Kind, Scanner, Token};
use crate::manifest::fault::Fault;

/// One node. The nodes of a document stand in preorder; a map's children are key, value, key, value.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) shape: Shape<'t>,
    /// Index of the next sibling.
    pub(super) end: usize,
    pub(super) mark: Mark,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Shape<'t> {
    Scalar(Scalar<'t>),
    List,
    Map,
    /// Stands for the node with this index, which may be one that holds this alias.
    Alias(usize),
}

/// A scalar before its type is known.
#[derive(Debug, Default)]
pub(super) struct Scalar<'t> {
    pub(super) text: Cow<'t, str>,
    /// Written without quotes, or left out.
    pub(super) plain: bool,
    pub(super) tag: Option<Box<str>>,
}

/// The first document of a text.
#[derive(Debug)]
pub(in crate::manifest) struct Composed<'t> {
    /// Empty when the text holds no document.
    pub(super) nodes: Vec<Node<'t>>,
    /// Bytes that were looked at; less than all when the document ends before its text.
    pub(in crate::manifest) read: usize,
}

impl Composed<'_> {
    /// Returns where the root starts.
    pub(in crate::manifest) fn start(&self) -> Option<Mark> {
        self.nodes.first().map(|root| root.mark)
    }
}

/// Reads the first document of `text`. What follows it is not looked at, as Go has it.
pub(in crate::manifest) fn compose(text: &str, depth: usize) -> Result<Composed<'_>, Fault> {
    let mut composer = Composer::new(Scanner::new(text, depth), depth);
    if composer.start()? {
        composer.finish()?;
        // The token behind the root must be one, whatever it is.
        composer.tokens.peek()?;
    }
    Ok(Composed { nodes: composer.nodes, read: composer.tokens.at.pos() })
}

/// Reads the flow collection at which `tokens` stands, and nothing behind it.
pub(super) fn compose_flow(tokens: Scanner<'_>, depth: usize) -> Result<Composed<'_>, Fault> {
    let mut composer = Composer::new(tokens, depth);
    composer.node(Place::Flow)?;
    composer.finish()?;
    Ok(Composed { nodes: composer.nodes, read: composer.tokens.at.pos() })
}

pub(super) struct Composer<'t> {
    pub(super) tokens: Scanner<'t>,
    nodes: Vec<Node<'t>>,
    open: Vec<Open>,
    anchors: BTreeMap<&'t str, usize>,
    handles: Vec<(&'t str, String)>,
    depth: usize,
}

/// A collection that is being read, and what may come next in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    node: usize,
    pub(super) next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    BlockItem,
    /// An item of a list that is not indented deeper than the key it belongs to.
    FlatItem,
    BlockKey,
    BlockValue,
    FirstFlowItem,
    FlowItem,
    /// Of a pair that stands in a flow list without braces.
    PairKey,
    PairValue,
    PairEnd,
    FirstFlowKey,
    FlowKey,
    FlowValue,
    /// The value of a flow key without `:`.
    NoValue,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Block,
    /// A key or value of a block map, where a list need not be indented.
    BlockEntry,
    Flow,
}

impl<'t> Composer<'t> {
    fn new(tokens: Scanner<'t>, depth: usize) -> Self {
        let (nodes, open, anchors, handles) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        Self { tokens, nodes, open, anchors, handles, depth }
    }

    /// Reads until everything that was opened is closed.
    fn finish(&mut self) -> Result<(), Fault> {
        while let Some(open) = self.open.last().copied() {
            self.step(open)?;
        }
        Ok(())
    }

    /// Reads up to and including the root's first token; returns whether there is a document.
    fn start(&mut self) -> Result<bool, Fault> {
        let mut explicit = false;
        let mut version = false;
        loop {
            let token = self.tokens.peek()?;
            let mark = token.mark;
            match &token.kind {
                Kind::StreamEnd if !explicit => return Ok(false),
                Kind::Version(..) if version => return Err(Fault::syntax(mark, "a second `%YAML` line")),
                Kind::Version(1, 1) => (explicit, version) = (true, true),
                Kind::Version(..) => {
                    return Err(Fault::syntax(mark, "only YAML 1.1 is read").hint("remove the `%YAML` line"));
                }
                Kind::TagDirective { handle, prefix } => {
                    if self.handles.iter().any(|(known, _)| known == handle) {
                        return Err(Fault::syntax(mark, "a second `%TAG` line for one handle"));
                    }
                    self.handles.push((handle, prefix.clone()));
                    explicit = true;
                }
                Kind::DocumentStart => {
                    self.tokens.take()?;
                    let token = self.tokens.peek()?;
                    let mark = token.mark;
                    match token.kind {
                        Kind::Version(..)
                        | Kind::TagDirective { .. }
                        | Kind::DocumentStart
                        | Kind::DocumentEnd
                        | Kind::StreamEnd => self.empty(mark),
                        _ => self.node(Place::Block)?,
                    }
                    return Ok(true);
                }
                _ if explicit => {
                    return Err(Fault::syntax(mark, "no `---` follows the directives"));
                }
                _ => {
                    self.node(Place::Block)?;
                    return Ok(true);
                }
            }
            self.tokens.take()?;
        }
    }

    fn push(&mut self, shape: Shape<'t>, mark: Mark) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Node { shape, end: at.saturating_add(1), mark });
        at
    }

    /// A value that was left out.
    pub(super) fn empty(&mut self, mark: Mark) {
        self.push(Shape::Scalar(Scalar { plain: true, ..Scalar::default() }), mark);
    }

    fn open(&mut self, shape: Shape<'t>, mark: Mark, next: Next) -> Result<usize, Fault> {
        if self.open.len() >= self.depth {
            return Err(Fault::too_large(mark, format!("more than {} levels of nesting", self.depth)));
        }
        let node = self.push(shape, mark);
        self.open.push(Open { node, next });
        Ok(node)
    }

    pub(super) fn close(&mut self) {
        let end = self.nodes.len();
        if let Some(node) = self.open.pop().and_then(|open| self.nodes.get_mut(open.node)) {
            node.end = end;
        }
    }

    pub(super) fn expect(&mut self, next: Next) {
        if let Some(open) = self.open.last_mut() {
            open.next = next;
        }
    }

    /// Reads one node, or opens it when it is a collection.
    pub(super) fn node(&mut self, place: Place) -> Result<(), Fault> {
        let mark = self.tokens.peek()?.mark;
        let (mut anchor, mut tag) = (None, None);
        if let Kind::Alias(name) = self.tokens.peek()?.kind {
            self.tokens.take()?;
            let target = self.anchors.get(name).copied();
            // The name may be a password that begins with `*`.
            let target = target.ok_or_else(|| Fault::syntax(mark, "no anchor of this name precedes this alias"));
            self.push(Shape::Alias(target?), mark);
            return Ok(());
        }
        // An anchor and a tag, in either order.
        for _ in 0..2 {
            match &self.tokens.peek()?.kind {
                Kind::Anchor(name) if anchor.is_none() => anchor = Some(*name),
                Kind::Tag { handle, suffix } if tag.is_none() => {
                    tag = Some(Self::resolve_tag(&self.handles, handle, suffix, mark)?);
                }
                _ => break,
            }
            self.tokens.take()?;
        }
        let at = self.nodes.len();
        let token = self.tokens.peek()?;
        match token.kind {
            Kind::BlockEntry if place == Place::BlockEntry => {
                self.open(Shape::List, mark, Next::FlatItem)?;
            }
            Kind::Scalar { .. } => {
                if let Token { kind: Kind::Scalar { text, plain }, .. } = self.tokens.take()? {
                    self.push(Shape::Scalar(Scalar { text, plain, tag }), mark);
                }
            }
            Kind::FlowListStart => self.open_with_token(Shape::List, mark, Next::FirstFlowItem)?,
            Kind::FlowMapStart => self.open_with_token(Shape::Map, mark, Next::FirstFlowKey)?,
            Kind::BlockListStart if place != Place::Flow => self.open_with_token(Shape::List, mark, Next::BlockItem)?,
            Kind::BlockMapStart if place != Place::Flow => self.open_with_token(Shape::Map, mark, Next::BlockKey)?,
            _ if anchor.is_some() || tag.is_some() => {
                // `!` alone on a value that was left out is an empty text, not null.
                self.push(Shape::Scalar(Scalar { plain: tag.is_none(), tag, text: Cow::Borrowed("") }), mark);
            }
            _ => return Err(Fault::syntax(token.mark, "a value is expected here")),
        }
        if let Some(name) = anchor {
            self.anchors.insert(name, at);
        }
        Ok(())
    }

    pub(super) fn open_with_token(&mut self, shape: Shape<'t>, mark: Mark, next: Next) -> Result<(), Fault> {
        self.tokens.take()?;
        self.open(shape, mark, next)?;
        Ok(())
    }

    fn resolve_tag(handles: &[(&'t str, String)], handle: &str, suffix: &str, mark: Mark) -> Result<Box<str>, Fault> {
        let own = handles.iter().find(|(known, _)| *known == handle).map(|(_, prefix)| prefix.as_str());
        let prefix = match (own, handle) {
            (_, "") => "",
            (Some(prefix), _) => prefix,
            (None, "!") => "!",
            (None, "!!") => "tag:yaml.org,2002:",
            _ => return Err(Fault::syntax(mark, format!("no `%TAG` line declares the handle `{handle}`"))),
        };
        Ok(format!("{prefix}{suffix}").into())
    }
}
