//! The short way for plain block YAML: text → events, without tokens and nodes.
//!
//! Handles what nearly all manifests are made of and gives up on everything else. Where it does not give up, it does
//! what the long way does; scalars of more than one line, and those with escapes, are read by the same code.

use super::Mark;
use super::resolve::{Typed, plain};
use crate::manifest::{Dialect, Limits};
use crate::value::Builder;

/// Reads a document into `out` and returns where it starts; `None` means that the long way must be taken.
///
/// `text` holds no line breaks but line feeds and no byte order marks.
pub(in crate::manifest) fn read_fast(text: &str, dialect: Dialect, limits: &Limits, out: &mut Builder) -> Option<Mark> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        column: 0,
        empty_lines: 0,
        dialect,
        limits,
        out,
        open: Vec::new(),
        awaited: false,
    };
    reader.skip_head()?;
    reader.skip_comments()?;
    let (start, column) = (reader.pos, reader.column);
    while reader.byte(0) != 0 {
        reader.line()?;
        reader.skip_comments()?;
    }
    reader.finish();
    let lines = text.as_bytes().get(..start)?.iter().filter(|byte| **byte == b'\n').count();
    Some(Mark { line: u32::try_from(lines).ok()?, column: u32::try_from(column).ok()?, index: 0 })
}

/// A list or map that is open.
#[derive(Clone, Copy)]
pub(super) struct Level {
    column: usize,
    is_map: bool,
}

pub(super) struct Reader<'t, 'b> {
    pub(super) text: &'t str,
    bytes: &'t [u8],
    /// Between lines: the first character of a line that is no space.
    pub(super) pos: usize,
    /// Its column.
    pub(super) column: usize,
    /// Empty lines passed on the way there.
    pub(super) empty_lines: usize,
    pub(super) dialect: Dialect,
    pub(super) limits: &'b Limits,
    pub(super) out: &'b mut Builder,
    pub(super) open: Vec<Level>,
    /// The last key or item has no value yet; what the next line is tells whether it gets one.
    awaited: bool,
}

/// What a line, or the rest of one, starts with.
enum Start<'t> {
    Key(&'t str),
    Value,
}

impl<'t> Reader<'t, '_> {
    /// The byte `ahead` bytes from here; 0 behind the end. No text holds a NUL.
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos.saturating_add(ahead)).copied().unwrap_or(0)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.pos = self.pos.saturating_add(bytes);
    }

    pub(super) fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.pos..).unwrap_or(&[])
    }

    pub(super) fn ahead(&self, end: usize) -> &'t str {
        self.text.get(self.pos..self.pos.saturating_add(end)).unwrap_or("")
    }

    /// Number of spaces here.
    fn spaces(&self) -> usize {
        self.rest().iter().take_while(|byte| **byte == b' ').count()
    }

    /// Passes the `---` that may start the document, and blank lines.
    fn skip_head(&mut self) -> Option<()> {
        if !self.rest().starts_with(b"---") {
            return self.skip_blank_lines();
        }
        self.skip(3);
        self.end_of_line()
    }

    /// Passes the rest of this line, which may hold a comment only, and the blank lines behind it.
    pub(super) fn end_of_line(&mut self) -> Option<()> {
        let spaces = self.spaces();
        self.skip(spaces);
        match self.byte(0) {
            b'\n' => {
                self.skip(1);
                self.skip_blank_lines()
            }
            b'#' if spaces > 0 => self.skip_line(),
            0 => Some(()),
            _ => None,
        }
    }

    pub(super) fn skip_line(&mut self) -> Option<()> {
        let len = self.rest().iter().position(|byte| *byte == b'\n');
        self.skip(len.map_or(usize::MAX, |len| len.saturating_add(1)));
        self.skip_blank_lines()
    }

    /// From the start of a line to the first character that is neither a space nor a line feed.
    fn skip_blank_lines(&mut self) -> Option<()> {
        self.empty_lines = 0;
        loop {
            let spaces = self.spaces();
            self.skip(spaces);
            match self.byte(0) {
                b'\n' => {
                    self.skip(1);
                    self.empty_lines = self.empty_lines.saturating_add(1);
                }
                b'\t' => return None,
                _ => {
                    self.column = spaces;
                    return Some(());
                }
            }
        }
    }

    fn skip_comments(&mut self) -> Option<()> {
        while self.byte(0) == b'#' {
            self.skip_line()?;
        }
        Some(())
    }

    /// Whether a byte is a space, a line feed or the end.
    pub(super) fn is_gap(byte: u8) -> bool {
        matches!(byte, b' ' | b'\n' | 0)
    }

    /// Reads one line, and those that its last value goes on in.
    fn line(&mut self) -> Option<()> {
        let column = self.column;
        if column == 0 && self.rest().starts_with(b"...") {
            return None;
        }
        let is_item = self.byte(0) == b'-' && Self::is_gap(self.byte(1));
        if self.awaited {
            self.awaited = false;
            let top = self.open.last().copied()?;
            let below = column > top.column || (column == top.column && top.is_map && is_item);
            if below && is_item {
                self.open(column, false)?;
                return self.content(column, true);
            }
            if below {
                return self.scalar_or_map(top.column, column);
            }
            self.out.null();
        }
        while self.open.last().is_some_and(|top| top.column > column) {
            self.close();
        }
        // A list may stand in the column of the key it belongs to.
        if !is_item && self.open.last().is_some_and(|top| top.column == column && !top.is_map) {
            self.close();
        }
        match self.open.last() {
            Some(top) if top.column == column && top.is_map != is_item => {}
            // Only the first line opens something by itself.
            None if self.out.is_empty() => self.open(column, !is_item)?,
            _ => return None,
        }
        self.content(column, is_item)
    }

    pub(super) fn open(&mut self, column: usize, is_map: bool) -> Option<()> {
        if self.open.len() >= self.limits.depth {
            return None;
        }
        if is_map {
            self.out.start_map()
        } else {
            self.out.start_list()
        }
        self.open.push(Level { column, is_map });
        Some(())
    }

    pub(super) fn close(&mut self) {
        self.open.pop();
        self.out.end();
    }

    fn finish(&mut self) {
        if self.awaited || self.out.is_empty() {
            self.out.null();
        }
        while !self.open.is_empty() {
            self.close();
        }
    }

    /// Reads an item or an entry of the innermost collection, which stands in `column`.
    fn content(&mut self, mut column: usize, mut is_item: bool) -> Option<()> {
        loop {
            if !is_item {
                let Start::Key(key) = self.start()? else { return None };
                self.out.key(key);
                return self.value(column);
            }
            self.skip(1);
            let spaces = self.spaces();
            if matches!(self.byte(spaces), b'\n' | b'#' | 0) {
                self.awaited = true;
                return self.end_of_line();
            }
            self.skip(spaces);
            let inner = column.saturating_add(spaces).saturating_add(1);
            is_item = self.byte(0) == b'-' && Self::is_gap(self.byte(1));
            if !is_item {
                return self.scalar_or_map(column, inner);
            }
            self.open(inner, false)?;
            column = inner;
        }
    }

    /// Reads a value that starts in `column`, in the collection that stands in `around`: a scalar, or a map's first entry.
    fn scalar_or_map(&mut self, around: usize, column: usize) -> Option<()> {
        match self.start()? {
            Start::Value => self.scalar(around),
            Start::Key(key) => {
                self.open(column, true)?;
                self.out.key(key);
                self.value(column)
            }
        }
    }

    /// Looks whether a key stands here, and passes it and its colon.
    fn start(&mut self) -> Option<Start<'t>> {
        let first = self.byte(0);
        let (len, key) = match first {
            b'"' | b'\'' => {
                let end = self.closing_quote()?;
                match self.rest().get(end..)? {
                    [quote, b':', gap, ..] if *quote == first && Self::is_gap(*gap) => {}
                    // Escapes, and blanks before the colon.
                    _ if self.may_be_key() => return None,
                    _ => return Some(Start::Value),
                }
                (end.saturating_add(1), self.ahead(end).get(1..)?)
            }
            b'-' if Self::is_gap(self.byte(1)) => return None,
            b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@'
            | b'`' | b'\t' => return if self.may_be_key() { None } else { Some(Start::Value) },
            _ => {
                let mut last = 0;
                let mut end = None;
                for (at, byte) in self.rest().iter().enumerate() {
                    match byte {
                        b'\n' => break,
                        b'\t' => return None,
                        b'#' if last == b' ' => break,
                        b':' if Self::is_gap(self.byte(at.saturating_add(1))) => {
                            end = Some(at);
                            break;
                        }
                        b':' if self.byte(at.saturating_add(1)) == b'\t' => return None,
                        _ => last = *byte,
                    }
                }
                let Some(end) = end else { return Some(Start::Value) };
                let key = self.ahead(end);
                if key.ends_with(' ') || !self.is_text(key) {
                    return None;
                }
                (end, key)
            }
        };
        // Go's limit for a key is 1,024 characters.
        if len > 1000 {
            return None;
        }
        self.skip(len.saturating_add(1));
        Some(Start::Key(key))
    }

    /// Offset of the quote that may close the quoted scalar here, or of the escape or line feed before it.
    pub(super) fn closing_quote(&self) -> Option<usize> {
        let quote = self.byte(0);
        let stops = |byte: &u8| *byte == quote || *byte == b'\n' || (*byte == b'\\' && quote == b'"');
        self.rest().get(1..)?.iter().position(stops)?.checked_add(1)
    }

    /// Whether this line holds a colon that could make its start a key.
    fn may_be_key(&self) -> bool {
        let line = self.rest().iter().take_while(|byte| **byte != b'\n');
        line.zip(self.rest().iter().skip(1))
            .any(|(byte, next)| *byte == b':' && (Self::is_gap(*next) || *next == b'\t'))
    }

    /// Whether a plain key is text, and not `<<`.
    fn is_text(&self, key: &str) -> bool {
        match key.as_bytes().first() {
            Some(b'<') => key != "<<",
            Some(b'a'..=b'z' | b'A'..=b'Z') if key.len() > 5 => true,
            _ => matches!(plain(key, self.dialect), Typed::Text(_) | Typed::Date(_)),
        }
    }

    /// Reads what follows the colon of a key in `column`.
    fn value(&mut self, column: usize) -> Option<()> {
        let spaces = self.spaces();
        if matches!(self.byte(spaces), b'\n' | b'#' | 0) {
            self.awaited = true;
            return self.end_of_line();
        }
        self.skip(spaces);
        self.scalar(column)
    }
}
