//! The short way for plain block YAML: text → events, without tokens and nodes.
//!
//! Handles what nearly all manifests are made of and gives up on everything else. Where it does not give up, it does
//! what the long way does; scalars of more than one line, and those with escapes, are read by the same code.

use super::Mark;
use super::load::send;
use super::resolve::{Typed, plain};
use super::scan::{Kind, Scanner};
use crate::manifest::fault::Fault;
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
        depth: limits.depth,
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
struct Level {
    column: usize,
    is_map: bool,
}

struct Reader<'t, 'b> {
    text: &'t str,
    bytes: &'t [u8],
    /// Between lines: the first character of a line that is no space.
    pos: usize,
    /// Its column.
    column: usize,
    /// Empty lines passed on the way there.
    empty_lines: usize,
    dialect: Dialect,
    depth: usize,
    out: &'b mut Builder,
    open: Vec<Level>,
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
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos.saturating_add(ahead)).copied().unwrap_or(0)
    }

    fn skip(&mut self, bytes: usize) {
        self.pos = self.pos.saturating_add(bytes);
    }

    fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.pos..).unwrap_or(&[])
    }

    fn ahead(&self, end: usize) -> &'t str {
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
    fn end_of_line(&mut self) -> Option<()> {
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

    fn skip_line(&mut self) -> Option<()> {
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
    fn is_gap(byte: u8) -> bool {
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
            if below {
                self.open(column, !is_item)?;
                return self.content(column, is_item);
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

    fn open(&mut self, column: usize, is_map: bool) -> Option<()> {
        if self.open.len() >= self.depth {
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

    fn close(&mut self) {
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
                return match self.start()? {
                    Start::Value => self.scalar(column),
                    Start::Key(key) => {
                        self.open(inner, true)?;
                        self.out.key(key);
                        self.value(inner)
                    }
                };
            }
            self.open(inner, false)?;
            column = inner;
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
    fn closing_quote(&self) -> Option<usize> {
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

    /// Reads the scalar here; the collection that it is in stands in `column`.
    fn scalar(&mut self, column: usize) -> Option<()> {
        match self.byte(0) {
            b'"' | b'\'' => self.quoted(column),
            b'|' | b'>' => self.slow_scalar(column, |scanner, first| scanner.block_scalar(first == b'|')),
            b'[' if self.byte(1) == b']' => self.empty(false),
            b'{' if self.byte(1) == b'}' => self.empty(true),
            b'-' | b':' if Self::is_gap(self.byte(1)) || self.byte(1) == b'\t' => None,
            b'?' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'\t' => None,
            _ => self.plain(column),
        }
    }

    /// Passes `[]` or `{}`.
    fn empty(&mut self, is_map: bool) -> Option<()> {
        self.open(self.column, is_map)?;
        self.close();
        self.skip(2);
        self.end_of_line()
    }

    fn quoted(&mut self, column: usize) -> Option<()> {
        let quote = self.byte(0);
        let end = self.closing_quote()?;
        let doubled = quote == b'\'' && self.byte(end.saturating_add(1)) == quote;
        if self.byte(end) == quote && !doubled {
            self.out.string(self.ahead(end).get(1..)?);
            self.skip(end.saturating_add(1));
        } else {
            self.slow_scalar(column, |scanner, first| scanner.quoted(first == b'\''))?;
        }
        self.end_of_line()
    }

    /// Reads a scalar with the code of the long way.
    fn slow_scalar(
        &mut self,
        column: usize,
        read: impl FnOnce(&mut Scanner<'t>, u8) -> Result<Kind<'t>, Fault>,
    ) -> Option<()> {
        let indent = i64::try_from(column).ok()?;
        // The column of what starts here matters only for what follows a line feed.
        let start = u32::try_from(column.saturating_add(1)).ok()?;
        let mut scanner = Scanner::at_scalar(self.text, self.pos, start, indent);
        let Kind::Scalar { text, .. } = read(&mut scanner, self.byte(0)).ok()? else { return None };
        self.out.string(&text);
        self.pos = scanner.at.pos();
        self.column = scanner.at.mark.column as usize;
        Some(())
    }

    /// Reads a plain scalar, whose lines are joined by spaces and whose empty lines stay.
    fn plain(&mut self, column: usize) -> Option<()> {
        let (first, mut ended) = self.plain_line()?;
        let mut joined: Option<String> = None;
        while !ended && self.column > column && !matches!(self.byte(0), b'#' | 0) {
            let empty = self.empty_lines;
            let text = joined.get_or_insert_with(|| first.to_owned());
            if empty == 0 {
                text.push(' ');
            }
            text.extend(std::iter::repeat_n('\n', empty));
            let line;
            (line, ended) = self.plain_line()?;
            text.push_str(line);
        }
        let text = joined.as_deref().unwrap_or(first);
        if send(&plain(text, self.dialect), self.out) { Some(()) } else { None }
    }

    /// Reads one line of a plain scalar; returns whether a comment ends the scalar.
    fn plain_line(&mut self) -> Option<(&'t str, bool)> {
        let mut last = 0;
        let mut end = 0;
        let mut comment = false;
        for (at, byte) in self.rest().iter().enumerate() {
            match byte {
                b'\n' => break,
                b'\t' => return None,
                b' ' => {}
                b'#' if last == b' ' => {
                    comment = true;
                    break;
                }
                b':' if matches!(self.byte(at.saturating_add(1)), b' ' | b'\n' | b'\t' | 0) => return None,
                _ => end = at.saturating_add(1),
            }
            last = *byte;
        }
        let text = self.ahead(end);
        self.skip(end);
        self.end_of_line()?;
        Some((text, comment))
    }
}
