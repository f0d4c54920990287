//! Building a set level by level, the innermost first.

use std::cmp::Ordering;
use std::sync::Arc;

use super::FieldSet;
use super::label::Label;
use super::set::{Arena, Block, Entry, KeyField, Level, Node, Packed, Scalar};
use crate::path::Segment;
use crate::value::View;

/// A set under construction.
///
/// A level is begun with [`SetBuilder::start`], its path elements are added, each after all that is below it, and it
/// is packed by one of the `close` methods, which name it for the element above.
#[derive(Debug, Default)]
pub(crate) struct SetBuilder {
    /// The elements of all levels that are not closed yet, the innermost last.
    open: Vec<Node>,
    arena: Arena,
}

/// What two elements with the same label become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twins {
    /// One element with what is below either.
    Unite,
    /// One element that is owned as a whole.
    Whole,
}

impl SetBuilder {
    /// Starts a set that is about as large as another.
    pub(crate) fn with_room_of(other: &FieldSet) -> Self {
        let other = other.arena();
        let mut out = Self::default();
        out.reserve(other.nodes.len(), other.text.len());
        out.arena.keys.reserve(other.keys.len());
        out
    }

    fn reserve(&mut self, nodes: usize, text: usize) {
        self.open.reserve(nodes);
        self.arena.nodes.reserve(nodes);
        self.arena.text.reserve(text);
    }

    /// Builds the set of some paths.
    pub(crate) fn of_paths<'p>(paths: impl Iterator<Item = &'p [Segment]>) -> FieldSet {
        let mut out = Self::default();
        let start = out.start();
        for path in paths {
            let Some((last, above)) = path.split_last() else { continue };
            let of_last = (Label::of(last), true, Block::default());
            let (label, is_member, below) = above.iter().rev().fold(of_last, |(label, is_member, below), segment| {
                let start = out.start();
                out.push(label, is_member, below);
                (Label::of(segment), false, out.close(start))
            });
            out.push(label, is_member, below);
        }
        let top = out.close_sorting(start, Twins::Unite);
        out.finish(top)
    }

    /// Begins a level.
    pub(crate) fn start(&self) -> usize {
        self.open.len()
    }

    /// Adds an element to the level begun last, unless it is no member and none is below it.
    pub(crate) fn push(&mut self, label: Label<'_>, is_member: bool, below: Block) {
        if is_member || !below.is_empty() {
            if self.open.capacity() == 0 {
                self.reserve(32, 256);
            }
            let label = self.pack(label);
            self.open.push(Node { label, is_member, below });
        }
    }

    /// Adds an element of another set, with all below it.
    pub(crate) fn copy(&mut self, entry: Entry<'_>) {
        let below = self.copy_level(entry.below());
        self.push(entry.label(), entry.is_member(), below);
    }

    pub(crate) fn copy_level(&mut self, level: Level<'_>) -> Block {
        let start = self.start();
        level.iter().for_each(|entry| self.copy(entry));
        self.close(start)
    }

    /// Packs a level whose elements were added in order.
    pub(crate) fn close(&mut self, start: usize) -> Block {
        if self.open.len() == start {
            return Block::default();
        }
        let before = self.arena.nodes.len();
        self.arena.nodes.extend(self.open.drain(start..));
        Block::since(before, self.arena.nodes.len())
    }

    /// Packs a level whose elements were added in any order.
    pub(crate) fn close_sorting(&mut self, start: usize, twins: Twins) -> Block {
        if self.open.len() < start.saturating_add(2) {
            return self.close(start);
        }
        let Self { open, arena } = self;
        let order = |left: &Node, right: &Node| arena.label(left.label).cmp(arena.label(right.label));
        let level = open.get_mut(start..).unwrap_or_default();
        if level.is_sorted_by(|left, right| order(left, right) == Ordering::Less) {
            return self.close(start);
        }
        level.sort_by(order);
        let level: Vec<Node> = open.drain(start..).collect();
        let runs: Vec<usize> =
            level.chunk_by(|left, right| order(left, right) == Ordering::Equal).map(<[Node]>::len).collect();
        let mut rest = level.as_slice();
        for len in runs {
            let (run, others) = rest.split_at(len);
            rest = others;
            let Some(first) = run.first() else { continue };
            let is_member = run.iter().any(|node| node.is_member);
            let below = match (run, twins) {
                ([one], _) => one.below,
                (_, Twins::Whole) => Block::default(),
                (_, Twins::Unite) => {
                    let start = self.start();
                    for node in run {
                        let below = self.arena.nodes.get(node.below.range()).unwrap_or_default();
                        self.open.extend_from_slice(below);
                    }
                    self.close_sorting(start, twins)
                }
            };
            self.open.push(Node { is_member, below, ..*first });
        }
        self.close(start)
    }

    /// Returns the set whose outermost level is `top`.
    pub(crate) fn finish(self, top: Block) -> FieldSet {
        if top.is_empty() { FieldSet::new() } else { FieldSet::of_arena(Some(Arc::new(self.arena)), top) }
    }

    fn pack(&mut self, label: Label<'_>) -> Packed {
        match label {
            Label::Field(name) => Packed::Field(self.text(name)),
            Label::Key(fields) => {
                let before = self.arena.keys.len();
                fields.iter().for_each(|(name, value)| self.key_field(name, value));
                Packed::Key(Block::since(before, self.arena.keys.len()))
            }
            Label::Item(value) => {
                let before = self.arena.keys.len();
                self.key_field("", value);
                Packed::Item(Block::since(before, self.arena.keys.len()))
            }
            Label::Index(index) => Packed::Index(index),
        }
    }

    fn key_field(&mut self, name: &str, value: View<'_>) {
        let name = self.text(name);
        let value = match value {
            View::Null => Scalar::Null,
            View::Bool(flag) => Scalar::Bool(flag),
            View::Int(number) => Scalar::Int(number),
            View::Float(number) => Scalar::Float(number),
            View::String(text) => Scalar::Text(self.text(text)),
            View::List(_) | View::Map(_) => Scalar::Tree(value.to_value()),
        };
        self.arena.keys.push(KeyField { name, value });
    }

    fn text(&mut self, text: &str) -> Block {
        let before = self.arena.text.len();
        self.arena.text.push_str(text);
        Block::since(before, self.arena.text.len())
    }
}
