//! Bytes of one document → text, with the encodings and characters that Go's YAML reader takes.

use std::borrow::Cow;

use super::fault::Fault;
use super::yaml::Mark;

/// The text of one document, up to the first thing that is none.
#[derive(Debug)]
pub(super) struct Text<'b> {
    pub(super) text: Cow<'b, str>,
    bad: Option<Bad>,
}

/// Why a text ends before its bytes do.
#[derive(Clone, Copy, Debug)]
enum Bad {
    /// This follows.
    Here(&'static str),
    /// The bytes end within a character, as one sees who reads up to there.
    AtEnd(&'static str),
}

/// Go reads its input in blocks of this size, and knows nothing of what lies behind the last block it needed.
const BLOCK: usize = 512;

const CUT: &str = "the file is UTF-16 text that cannot be read from here on";
const UNMARKED: &str = "the file looks like UTF-16 text without a byte order mark";
const SEVERAL: &str = "the file is UTF-16 text, of which only one document can be read";

impl<'b> Text<'b> {
    /// Reads UTF-8, or UTF-16 that starts with a byte order mark.
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        match bytes {
            [0xFF, 0xFE, rest @ ..] => Self::from_utf16(rest, u16::from_le_bytes),
            [0xFE, 0xFF, rest @ ..] => Self::from_utf16(rest, u16::from_be_bytes),
            [0xEF, 0xBB, 0xBF, rest @ ..] => Self::from_utf8(rest),
            // No manifest begins with a control character.
            [0, other, ..] | [other, 0, ..] if *other != 0 => {
                Self { text: Cow::Borrowed(""), bad: Some(Bad::Here(UNMARKED)) }
            }
            _ => Self::from_utf8(bytes),
        }
    }

    /// Returns the bytes as text when they hold nothing unusual: UTF-8 with line feeds as the only line breaks.
    pub(super) fn usual(bytes: &'b [u8]) -> Option<&'b str> {
        // Whole blocks at a time, without a branch in the block: nearly all of them are plain ASCII.
        let is_plain = |byte: &u8| (0x20..0x7F).contains(byte) | (*byte == b'\n') | (*byte == b'\t');
        for (at, block) in bytes.chunks(64).enumerate() {
            if block.iter().fold(true, |plain, byte| plain & is_plain(byte)) {
                continue;
            }
            let start = at.saturating_mul(64);
            let suspects = block.iter().zip(start..).filter(|(byte, _)| !is_plain(byte));
            if suspects.map(|(_, at)| at).any(|at| is_unusual(bytes.get(at..).unwrap_or(&[]))) {
                return None;
            }
        }
        std::str::from_utf8(bytes).ok()
    }

    fn from_utf8(bytes: &'b [u8]) -> Self {
        let (text, bad) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let (valid, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
                let width = match rest.first() {
                    Some(0xC0..=0xDF) => 2,
                    Some(0xE0..=0xEF) => 3,
                    Some(0xF0..=0xF7) => 4,
                    _ => 1,
                };
                let text = "the file is not valid UTF-8 from here on";
                let bad = if width > rest.len() { Bad::AtEnd(text) } else { Bad::Here(text) };
                (std::str::from_utf8(valid).unwrap_or(""), Some(bad))
            }
        };
        Self::checked(Cow::Borrowed(text), bad)
    }

    fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Self {
        let units = bytes.chunks(2).map_while(|pair| <[u8; 2]>::try_from(pair).ok()).map(unit);
        let mut text = String::with_capacity(bytes.len());
        let cut = Bad::AtEnd(CUT);
        let mut bad = if bytes.len().is_multiple_of(2) { None } else { Some(cut) };
        for character in char::decode_utf16(units) {
            match character {
                Ok(character) => text.push(character),
                Err(_) => {
                    bad = Some(Bad::Here(CUT));
                    break;
                }
            }
        }
        // Documents are told apart by bytes, so that Go reads the first one and passes over all others without a word. To
        // us they would be objects that are no longer declared.
        if let Some(end) = text.find("\n---") {
            text.truncate(end.saturating_add(1));
            bad = Some(Bad::Here(SEVERAL));
        }
        Self::checked(Cow::Owned(text), bad)
    }

    /// Cuts the text at the first character that YAML does not allow.
    fn checked(text: Cow<'b, str>, bad: Option<Bad>) -> Self {
        let Some(end) = first_forbidden(&text) else { return Self { text, bad } };
        let bad = Some(Bad::Here("a manifest cannot hold control characters"));
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or("")),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        };
        Self { text, bad }
    }

    /// Returns what is wrong with the bytes behind the text, if whoever read `read` bytes of it got to see them.
    pub(super) fn fault(&self, read: usize) -> Option<Fault> {
        let (text, is_seen) = match self.bad? {
            Bad::Here(text) => (text, self.text.len() / BLOCK <= read.saturating_add(3) / BLOCK),
            Bad::AtEnd(text) => (text, self.text.get(read..).is_none_or(|rest| rest.chars().nth(2).is_none())),
        };
        if !is_seen {
            return None;
        }
        let line_start = self.text.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let lines = self.text.bytes().filter(|byte| *byte == b'\n').count();
        let column = self.text.get(line_start..).unwrap_or("").chars().count();
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let mark = Mark { line: narrow(lines), column: narrow(column), index: 0 };
        Some(Fault::syntax(mark, text).hint("save the file as UTF-8 text"))
    }
}

/// Whether bytes that are not printable ASCII start with more than an ordinary character.
fn is_unusual(bytes: &[u8]) -> bool {
    match bytes {
        [0xC2, next, ..] => *next < 0xA0,
        // The separators U+2028 and U+2029; the byte order mark and two that are no characters.
        [0xE2, 0x80, 0xA8 | 0xA9, ..] | [0xEF, 0xBB, 0xBF, ..] | [0xEF, 0xBF, 0xBE..=0xFF, ..] => true,
        [0x80..=0xFF, ..] => false,
        _ => true,
    }
}

/// YAML 1.1 §5.1: all but control characters other than tab, line feed, carriage return and NEL, and two non-characters.
fn first_forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let suspect = |byte: u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127 | 0xC2 | 0xEF);
    let forbidden = |at: &usize| {
        let byte = |ahead: usize| bytes.get(at.saturating_add(ahead)).copied().unwrap_or(0);
        match byte(0) {
            0xC2 => byte(1) < 0xA0 && byte(1) != 0x85,
            0xEF => byte(1) == 0xBF && byte(2) >= 0xBE,
            _ => true,
        }
    };
    bytes.iter().enumerate().filter(|(_, byte)| suspect(**byte)).map(|(at, _)| at).find(forbidden)
}
