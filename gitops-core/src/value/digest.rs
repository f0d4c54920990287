//! SHA-256 digests with the purpose mixed in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::pieces::Pieces;
use super::{ValueRef, View};

/// What a digest is for. Digests of two purposes never compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Purpose {
    /// What a source declares of one object.
    Intent,
    /// What a decision read of a live object.
    Facts,
    /// The bytes of a file.
    Content,
    /// The schema of a kind.
    Schema,
    /// The rules and the owner in force.
    Rules,
    /// A plan.
    Plan,
    /// An identifier made from what it names.
    Identity,
}

/// A SHA-256 digest. Prints and serialises as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Feeds a [`Digest`]. Every piece is length-prefixed, so no two sequences of pieces collide by concatenation.
#[derive(Clone, Debug)]
pub struct Hasher(Sha256);

impl Digest {
    /// Returns the digest of `bytes` for `purpose`.
    #[must_use]
    pub fn of(purpose: Purpose, bytes: &[u8]) -> Self {
        Hasher::new(purpose).bytes(bytes).finish()
    }

    /// Returns the first 16 hex digits, enough to name a thing to a person.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(16).collect()
    }
}

impl Hasher {
    /// Starts a digest for `purpose`.
    #[must_use]
    pub fn new(purpose: Purpose) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([purpose as u8, 1]);
        Self(hasher)
    }

    /// Adds a piece.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.piece(bytes);
        self
    }

    /// Adds a text, or the mark of its absence.
    #[must_use]
    pub fn text<'a>(self, text: impl Into<Option<&'a str>>) -> Self {
        match text.into() {
            Some(text) => self.bytes(text.as_bytes()),
            None => self.mark(b'~'),
        }
    }

    /// Adds another digest.
    #[must_use]
    pub fn digest(self, digest: &Digest) -> Self {
        self.bytes(&digest.0)
    }

    /// Adds a tree.
    #[must_use]
    pub fn value(mut self, value: ValueRef<'_>) -> Self {
        self.walk(value);
        self
    }

    /// Returns the digest.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }

    /// Adds what `feed` adds, in a short form: where most of what is told apart is names, as in `managedFields`, half of
    /// the bytes of [`Hasher::value`] are lengths.
    pub(crate) fn packed(mut self, feed: impl FnOnce(&mut Pieces<'_>)) -> Self {
        let mut pieces = Pieces::new(&mut self.0);
        feed(&mut pieces);
        pieces.flush();
        self
    }

    fn mark(mut self, mark: u8) -> Self {
        self.0.update([mark]);
        self
    }

    fn piece(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds all nodes in preorder, each behind its key. Counts precede contents, so the sequence says the shape.
    fn walk(&mut self, value: ValueRef<'_>) {
        let tree = value.tree;
        let mut pieces = Pieces::new(&mut self.0);
        for at in value.at..value.at.saturating_add(tree.span(value.at)) {
            if at != value.at && tree.has_key(at) {
                pieces.piece(tree.key(at).as_bytes());
            }
            match tree.view(at) {
                View::Null => pieces.add(b"n"),
                View::Bool(flag) => pieces.add(&[b'b', u8::from(flag)]),
                View::Int(number) => {
                    pieces.add(b"i");
                    pieces.add(&number.to_le_bytes());
                }
                View::Float(number) => {
                    pieces.add(b"f");
                    // `-0.0` equals `0.0`, so both have one digest.
                    pieces.add(&(number + 0.0).to_bits().to_le_bytes());
                }
                View::String(text) => {
                    pieces.add(b"s");
                    pieces.piece(text.as_bytes());
                }
                View::List(list) => {
                    pieces.add(b"[");
                    pieces.add(&(list.len() as u64).to_le_bytes());
                }
                View::Map(map) => {
                    pieces.add(b"{");
                    pieces.add(&(map.len() as u64).to_le_bytes());
                }
            }
        }
        pieces.flush();
    }
}

impl ValueRef<'_> {
    /// Returns the digest of this node and all below it.
    #[must_use]
    pub fn digest(self, purpose: Purpose) -> Digest {
        Hasher::new(purpose).value(self).finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidDigest);
        }
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidDigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidDigest)?;
        }
        Ok(Self(digest))
    }
}

/// Not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest has 64 hex digits")]
#[non_exhaustive]
pub struct InvalidDigest;

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Arc::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
