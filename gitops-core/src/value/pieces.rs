//! Many small pieces, handed to a hash in whole blocks; and a short form of trees.

use sha2::{Digest as _, Sha256};

use super::ValueRef;
use super::tree::{Span, Tag};

/// How much [`Pieces`] hold back.
const HELD: usize = 512;
/// Short texts are copied in one go with what happens to lie behind them, which the next part writes over.
const WIDE: usize = 32;

/// Gathers the small pieces of a tree, so that the digest is fed whole blocks.
pub(crate) struct Pieces<'h> {
    to: &'h mut Sha256,
    held: [u8; HELD],
    length: usize,
}

/// What stands next in the short form: the upper three bits of its first byte.
#[derive(Clone, Copy)]
enum Part {
    Null,
    Bool,
    Int,
    Float,
    Text,
    List,
    Map,
    Key,
}

/// Larger numbers do not fit the first byte.
const LARGE: u8 = 31;

impl<'h> Pieces<'h> {
    pub(super) fn new(to: &'h mut Sha256) -> Self {
        Self { to, held: [0; HELD], length: 0 }
    }

    pub(super) fn piece(&mut self, bytes: &[u8]) {
        self.add(&(bytes.len() as u64).to_le_bytes());
        self.add(bytes);
    }

    /// Adds a text in the short form.
    pub(crate) fn text(&mut self, text: &str) {
        self.part(Part::Text, text.len() as u64);
        self.add(text.as_bytes());
    }

    /// Adds a tree in the short form: all nodes in preorder, each behind its key. Each part says how long it is, and
    /// counts precede contents, so no two sequences of trees and texts look alike.
    pub(crate) fn value(&mut self, value: ValueRef<'_>) {
        let tree = value.tree;
        let text = tree.text.as_bytes();
        for (place, node) in tree.nodes_at(value.at).iter().enumerate() {
            if let (1.., Some(key)) = (place, node.key().checked_sub(1)) {
                let key = tree.keys.get(key as usize).copied();
                self.text_of(Part::Key, text, key.unwrap_or(Span { start: 0, len: 0 }));
            }
            match node.tag() {
                Tag::Null => self.part(Part::Null, 0),
                Tag::Bool => self.part(Part::Bool, u64::from(node.b != 0)),
                Tag::Int => self.part(Part::Int, node.bits()),
                // `-0.0` equals `0.0`, so both have one digest.
                Tag::Float => self.part(Part::Float, (f64::from_bits(node.bits()) + 0.0).to_bits()),
                Tag::String => self.text_of(Part::Text, text, Span { start: node.a, len: node.b }),
                Tag::List => self.part(Part::List, u64::from(node.a)),
                Tag::Map => self.part(Part::Map, u64::from(node.a)),
            }
        }
    }

    /// Adds a text that lies among those of a tree.
    #[inline]
    fn text_of(&mut self, part: Part, texts: &[u8], span: Span) {
        let range = span.range();
        let Some(short) = u8::try_from(span.len).ok().filter(|length| *length < LARGE) else {
            self.part(part, u64::from(span.len));
            return self.add(texts.get(range).unwrap_or_default());
        };
        if self.length.saturating_add(WIDE) > HELD {
            self.flush();
        }
        let room = self.held.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut::<WIDE>);
        let wide = texts.get(range.start..).and_then(<[u8]>::first_chunk::<{ WIDE - 1 }>);
        match room.and_then(|room| room.split_first_mut()).zip(wide) {
            Some(((head, room), wide)) => {
                *head = (part as u8) << 5 | short;
                room.copy_from_slice(wide);
                self.length = self.length.saturating_add(1).saturating_add(usize::from(short));
            }
            // The last texts of a tree.
            None => {
                self.part(part, u64::from(short));
                self.add(texts.get(range).unwrap_or_default());
            }
        }
    }

    #[inline]
    fn part(&mut self, part: Part, number: u64) {
        let part = (part as u8) << 5;
        match u8::try_from(number) {
            Ok(small) if small < LARGE => self.add(&[part | small]),
            _ => {
                self.add(&[part | LARGE]);
                self.add(&number.to_le_bytes());
            }
        }
    }

    #[inline]
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        match self.held.get_mut(self.length..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            None => {
                self.flush();
                match self.held.get_mut(..bytes.len()) {
                    Some(room) => {
                        room.copy_from_slice(bytes);
                        self.length = bytes.len();
                    }
                    None => self.to.update(bytes),
                }
            }
        }
    }

    pub(super) fn flush(&mut self) {
        self.to.update(self.held.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Digest, Hasher, Purpose, Value};

    fn packed(json: &str) -> Digest {
        let value = Value::from_json(json.as_bytes()).unwrap();
        Hasher::new(Purpose::Facts).packed(|pieces| pieces.value(value.root())).finish()
    }

    #[test]
    fn the_short_form_of_unlike_trees_is_never_the_same() {
        let long = format!("\"{}\"", "x".repeat(31));
        let longer = format!("\"{}\"", "x".repeat(1000));
        let trees = [
            "null",
            "false",
            "true",
            "0",
            "1",
            "30",
            "31",
            "-1",
            "0.5",
            "1.0",
            "\"\"",
            "\"1\"",
            &long,
            &longer,
            "[]",
            "[[]]",
            "[null]",
            "[[],[]]",
            "{}",
            "{\"a\":null}",
            "{\"a\":{}}",
            "{\"a\":{},\"b\":{}}",
            "{\"a\":{\"b\":{}}}",
            "{\"ab\":{}}",
            "[\"a\",\"b\"]",
            "[\"ab\"]",
            "[\"a\",[\"b\"]]",
            "[[\"a\"],\"b\"]",
        ];
        for (at, one) in trees.iter().enumerate() {
            assert_eq!(packed(one), packed(one), "{one}");
            for other in trees.iter().take(at) {
                assert_ne!(packed(one), packed(other), "{one} {other}");
            }
        }
        assert_eq!(packed("-0.0"), packed("0.0"));
    }

    #[test]
    fn pieces_that_do_not_fit_what_is_held_back_are_hashed_in_their_order() {
        let texts = |texts: &[&str]| {
            Hasher::new(Purpose::Facts).packed(|pieces| texts.iter().for_each(|text| pieces.text(text))).finish()
        };
        let (short, long) = ("a".repeat(500), "b".repeat(5000));
        assert_ne!(texts(&[&short, &long, &short]), texts(&[&long, &short, &short]));
        assert_ne!(texts(&[&short, &long]), texts(&[&short, &long, ""]));
    }
}
