//! The scalars of the short way, and its empty collections.

use super::compose::compose_flow;
use super::fast::Reader;
use super::load::{load, send};
use super::resolve::plain;
use super::scan::{Kind, Scanner};
use crate::manifest::Limits;
use crate::manifest::fault::Fault;

impl<'t> Reader<'t, '_> {
    /// Reads the scalar here; the collection that it is in stands in `column`.
    pub(super) fn scalar(&mut self, column: usize) -> Option<()> {
        match self.byte(0) {
            b'"' | b'\'' => self.quoted(column),
            b'|' | b'>' => self.slow_scalar(column, |scanner, first| scanner.block_scalar(first == b'|')),
            b'[' if self.byte(1) == b']' => self.empty(false),
            b'{' if self.byte(1) == b'}' => self.empty(true),
            b'-' | b':' if Self::is_gap(self.byte(1)) || self.byte(1) == b'\t' => None,
            b'[' | b'{' => self.flow(column),
            b'?' | b',' | b']' | b'}' | b'#' | b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'\t' => None,
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

    /// Starts the long way here, inside the collection in `column`.
    fn scanner(&self, column: usize) -> Option<Scanner<'t>> {
        // The column of what starts here matters only for what follows a line feed.
        let start = u32::try_from(column.saturating_add(1)).ok()?;
        Some(Scanner::at_value(self.text, self.pos, start, i64::try_from(column).ok()?, self.limits.depth))
    }

    /// Reads a flow collection with the code of the long way.
    fn flow(&mut self, column: usize) -> Option<()> {
        let left = self.limits.depth.saturating_sub(self.open.len());
        let composed = compose_flow(self.scanner(column)?, left).ok()?;
        load(&composed, self.dialect, &Limits { depth: left, ..self.limits.clone() }, self.out).ok()?;
        self.pos = composed.read;
        self.end_of_line()
    }

    /// Reads a scalar with the code of the long way.
    fn slow_scalar(
        &mut self,
        column: usize,
        read: impl FnOnce(&mut Scanner<'t>, u8) -> Result<Kind<'t>, Fault>,
    ) -> Option<()> {
        let mut scanner = self.scanner(column)?;
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
