//! Many small pieces, handed to a hash in whole blocks; and a short form of trees.

use sha2::{Digest as _, Sha256};

use super::{ValueRef, View};

/// How much [`Pieces`] hold back.
const HELD: usize = 512;

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
        for at in value.at..value.at.saturating_add(tree.span(value.at)) {
            if at != value.at && tree.has_key(at) {
                let key = tree.key(at).as_bytes();
                self.part(Part::Key, key.len() as u64);
                self.add(key);
            }
            match tree.view(at) {
                View::Null => self.part(Part::Null, 0),
                View::Bool(flag) => self.part(Part::Bool, u64::from(flag)),
                View::Int(number) => self.part(Part::Int, number.cast_unsigned()),
                View::Float(number) => {
                    // `-0.0` equals `0.0`, so both have one digest.
                    self.part(Part::Float, (number + 0.0).to_bits());
                }
                View::String(text) => self.text(text),
                View::List(list) => self.part(Part::List, list.len() as u64),
                View::Map(map) => self.part(Part::Map, map.len() as u64),
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
