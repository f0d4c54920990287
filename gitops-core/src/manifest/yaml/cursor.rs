//! A place in the text, and the character classes of YAML 1.1.

use super::Mark;

/// Walks over one document's text, counting lines and columns.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    pos: usize,
    pub(super) mark: Mark,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self::at(text, 0, Mark::default())
    }

    /// Starts at byte `pos`, whose place is `mark`.
    pub(super) fn at(text: &'t str, pos: usize, mark: Mark) -> Self {
        Self { text, pos, mark }
    }

    /// Byte offset of this place.
    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    /// The text from `start` to here.
    pub(super) fn since(&self, start: usize) -> &'t str {
        self.between(start, self.pos)
    }

    pub(super) fn between(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or("")
    }

    /// The byte `ahead` bytes from here; 0 behind the end. No text holds a NUL.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.pos.saturating_add(ahead)).copied().unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.pos >= self.text.len()
    }

    /// Bytes of the line break `ahead` bytes from here; 0 when there is none.
    pub(super) fn break_len(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\r' if self.byte(ahead.saturating_add(1)) == b'\n' => 2,
            b'\r' | b'\n' => 1,
            0xC2 if self.byte(ahead.saturating_add(1)) == 0x85 => 2,
            0xE2 if self.byte(ahead.saturating_add(1)) == 0x80
                && matches!(self.byte(ahead.saturating_add(2)), 0xA8 | 0xA9) =>
            {
                3
            }
            _ => 0,
        }
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_len(ahead) != 0
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// A line break or the end.
    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b'\r' | b'\n' => true,
            0 => self.pos.saturating_add(ahead) >= self.text.len(),
            0xC2 | 0xE2 => self.is_break(ahead),
            _ => false,
        }
    }

    /// A blank, a line break or the end.
    pub(super) fn is_gap(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// A letter, digit, `_` or `-`.
    pub(super) fn is_word(&self) -> bool {
        matches!(self.byte(0), b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-')
    }

    /// Whether the text starts with a second byte order mark, and this place lies in Go's first block of it.
    pub(super) fn starts_with_bom(&self) -> bool {
        self.pos < 512 && self.text.starts_with('\u{FEFF}')
    }

    /// `---` or `...` at the start of a line.
    pub(super) fn at_document_marker(&self) -> bool {
        self.mark.column == 0
            && matches!((self.byte(0), self.byte(1), self.byte(2)), (b'-', b'-', b'-') | (b'.', b'.', b'.'))
            && self.is_gap(3)
    }

    /// Passes one character.
    pub(super) fn skip(&mut self) {
        let width = match self.byte(0) {
            _ if self.at_end() => return,
            0..=0x7F => 1,
            0x80..=0xDF => 2,
            0xE0..=0xEF => 3,
            _ => 4,
        };
        self.pos = self.pos.saturating_add(width);
        self.mark.column = self.mark.column.saturating_add(1);
        self.mark.index = self.mark.index.saturating_add(1);
    }

    /// Passes characters up to a line break, the end, or an ASCII character for which `stop` holds.
    pub(super) fn skip_run(&mut self, stop: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.pos..).unwrap_or(&[]);
        let (mut len, mut characters) = (0_usize, 0_u32);
        for byte in rest {
            match byte {
                b'\n' | b'\r' => break,
                0xC2 | 0xE2 if self.is_break(len) => break,
                byte if stop(*byte) => break,
                _ => {}
            }
            len = len.saturating_add(1);
            characters = characters.saturating_add(u32::from(byte & 0xC0 != 0x80));
        }
        self.pos = self.pos.saturating_add(len);
        self.mark.column = self.mark.column.saturating_add(characters);
        self.mark.index = self.mark.index.saturating_add(characters);
    }

    pub(super) fn skip_while(&mut self, test: impl Fn(&Self) -> bool) {
        while test(self) && !self.at_end() {
            self.skip();
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        self.skip_while(|at| at.is_blank(0));
    }

    pub(super) fn skip_comment(&mut self) {
        if self.byte(0) == b'#' {
            self.skip_run(|_| false);
        }
    }

    /// Passes a line break and returns what it reads as: `\n`, or itself for the two Unicode separators.
    pub(super) fn take_break(&mut self) -> Option<char> {
        let len = self.break_len(0);
        let is_pair = self.byte(0) == b'\r' && len == 2;
        let read = match (len, self.byte(2)) {
            (0, _) => return None,
            (3, 0xA8) => '\u{2028}',
            (3, _) => '\u{2029}',
            _ => '\n',
        };
        self.pos = self.pos.saturating_add(len);
        let index = self.mark.index.saturating_add(if is_pair { 2 } else { 1 });
        self.mark = Mark { line: self.mark.line.saturating_add(1), column: 0, index };
        Some(read)
    }
}
