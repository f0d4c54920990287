//! Plain, quoted and block scalars: where they end and how their lines are joined.

use std::borrow::Cow;

use super::Mark;
use super::cursor::Cursor;
use super::scan::{Kind, Scanner};
use crate::manifest::fault::Fault;

/// The line breaks between two lines of a folded scalar.
#[derive(Debug, Default)]
struct Breaks {
    first: Option<char>,
    more: String,
}

impl Breaks {
    fn add(&mut self, read: char) {
        if self.first.is_none() { self.first = Some(read) } else { self.more.push(read) }
    }

    /// Writes them folded: one line feed is a space, further ones stay. The Unicode separators never fold.
    fn fold_into(&mut self, text: &mut String) {
        match self.first.take() {
            Some('\n') if self.more.is_empty() => text.push(' '),
            Some('\n') => text.push_str(&self.more),
            first => {
                text.extend(first);
                text.push_str(&self.more);
            }
        }
        self.more.clear();
    }
}

impl<'t> Scanner<'t> {
    /// Reads a plain scalar.
    pub(super) fn plain(&mut self) -> Result<Kind<'t>, Fault> {
        let indent = self.indent.saturating_add(1);
        let mut joined: Option<String> = None;
        // The part of the current line that is not in `joined` yet.
        let (mut start, mut end) = (self.at.pos(), self.at.pos());
        let mut breaks = Breaks::default();
        while !self.at.at_document_marker() && self.at.byte(0) != b'#' {
            let word = self.at.pos();
            self.skip_plain_word();
            if self.at.pos() > word {
                if breaks.first.is_some() {
                    let joined = joined.get_or_insert_default();
                    joined.push_str(self.at.between(start, end));
                    breaks.fold_into(joined);
                    start = word;
                }
                end = self.at.pos();
            }
            if !self.at.is_blank(0) && !self.at.is_break(0) {
                break;
            }
            self.skip_gap(&mut breaks, Some(indent))?;
            if self.flow == 0 && i64::from(self.at.mark.column) < indent {
                break;
            }
        }
        if breaks.first.is_some() {
            self.key_allowed = true;
        }
        let last = self.at.between(start, end);
        let text = match joined {
            None => Cow::Borrowed(last),
            Some(joined) => Cow::Owned(joined + last),
        };
        Ok(Kind::Scalar { text, plain: true })
    }

    fn skip_plain_word(&mut self) {
        let in_flow = self.flow > 0;
        let stop = |byte| match byte {
            b' ' | b'\t' | b':' => true,
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => in_flow,
            _ => false,
        };
        self.at.skip_run(stop);
        // A colon ends it only before a gap.
        while self.at.byte(0) == b':' && !self.at.is_gap(1) {
            self.at.skip();
            self.at.skip_run(stop);
        }
    }

    /// Passes blanks and line breaks. In a plain scalar no tab may stand left of `indent`.
    fn skip_gap(&mut self, breaks: &mut Breaks, indent: Option<i64>) -> Result<(), Fault> {
        loop {
            if self.at.is_blank(0) {
                let left = indent.is_some_and(|indent| i64::from(self.at.mark.column) < indent);
                if breaks.first.is_some() && left && self.at.byte(0) == b'\t' {
                    return Err(Fault::syntax(self.at.mark, "a tab cannot indent").hint("indent with spaces"));
                }
                self.at.skip();
            } else if let Some(read) = self.at.take_break() {
                breaks.add(read);
            } else {
                return Ok(());
            }
        }
    }

    /// Reads a quoted scalar.
    pub(super) fn quoted(&mut self, single: bool) -> Result<Kind<'t>, Fault> {
        let mark = self.at.mark;
        let quote = if single { b'\'' } else { b'"' };
        self.at.skip();
        let start = self.at.pos();
        // Most quoted scalars hold their value as it is.
        self.at.skip_run(|byte| byte == quote || matches!(byte, b'\\' | b'\t'));
        if self.at.byte(0) == quote && (!single || self.at.byte(1) != quote) {
            let text = self.at.since(start);
            self.at.skip();
            return Ok(Kind::Scalar { text: Cow::Borrowed(text), plain: false });
        }
        let mut text = self.at.since(start).to_owned();
        // Blanks before a line break are dropped, so those read so far are looked at again.
        let blanks = text.len().saturating_sub(text.trim_end_matches(' ').len());
        if self.at.is_gap(0) {
            text.truncate(text.len().saturating_sub(blanks));
            self.fold_quoted(&mut text, blanks)?;
        }
        loop {
            if self.at.at_document_marker() {
                return Err(Fault::syntax(mark, "no closing quote before the end of the document"));
            }
            if self.at.at_end() {
                return Err(Fault::cut_off(mark, "no closing quote ends this text"));
            }
            let escaped_break = self.quoted_run(quote, &mut text, mark)?;
            if self.at.byte(0) == quote {
                self.at.skip();
                return Ok(Kind::Scalar { text: Cow::Owned(text), plain: false });
            }
            if escaped_break {
                let mut breaks = Breaks::default();
                self.skip_gap(&mut breaks, None)?;
                text.extend(breaks.first);
                text.push_str(&breaks.more);
            } else {
                self.fold_quoted(&mut text, 0)?;
            }
        }
    }

    /// Reads blanks and line breaks between two words of a quoted scalar; `before` blanks were passed already.
    fn fold_quoted(&mut self, text: &mut String, before: usize) -> Result<(), Fault> {
        let start = self.at.pos().saturating_sub(before);
        self.at.skip_blanks();
        let blanks = self.at.since(start);
        let mut breaks = Breaks::default();
        self.skip_gap(&mut breaks, None)?;
        if breaks.first.is_none() {
            text.push_str(blanks);
        } else {
            breaks.fold_into(text);
        }
        Ok(())
    }

    /// Reads up to the next blank, line break or closing quote; returns whether an escaped line break ended it.
    fn quoted_run(&mut self, quote: u8, text: &mut String, mark: Mark) -> Result<bool, Fault> {
        loop {
            let start = self.at.pos();
            self.at.skip_run(|byte| byte == quote || matches!(byte, b'\\' | b' ' | b'\t'));
            text.push_str(self.at.since(start));
            match self.at.byte(0) {
                b'\\' if quote == b'\'' => {
                    text.push('\\');
                    self.at.skip();
                }
                b'\\' if self.at.is_break(1) => {
                    self.at.skip();
                    self.at.take_break();
                    return Ok(true);
                }
                b'\\' => self.escape(text, mark)?,
                b'\'' if quote == b'\'' && self.at.byte(1) == b'\'' => {
                    text.push('\'');
                    self.at.skip();
                    self.at.skip();
                }
                _ => return Ok(false),
            }
        }
    }

    /// Reads one escape. `\/` is none: it came with YAML 1.2.
    fn escape(&mut self, text: &mut String, mark: Mark) -> Result<(), Fault> {
        let here = self.at.mark;
        let code = self.at.byte(1);
        let digits = match code {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let plain = match code {
            b'0' => '\0',
            b'a' => '\x07',
            b'b' => '\x08',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\x0B',
            b'f' => '\x0C',
            b'r' => '\r',
            b'e' => '\x1B',
            b' ' | b'"' | b'\'' | b'\\' => char::from(code),
            b'N' => '\u{85}',
            b'_' => '\u{A0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            _ if digits > 0 => '\0',
            _ if self.at.at_end() => return Err(Fault::cut_off(mark, "no closing quote ends this text")),
            _ => {
                return Err(Fault::syntax(here, "no such escape in double quotes")
                    .hint("write `\\\\` for a backslash, or use single quotes"));
            }
        };
        self.at.skip();
        self.at.skip();
        if digits == 0 {
            text.push(plain);
            return Ok(());
        }
        let hex = self.at.between(self.at.pos(), self.at.pos().saturating_add(digits));
        let hex = Some(hex).filter(|hex| hex.len() == digits && hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        text.push(code.ok_or_else(|| Fault::syntax(here, "this escape names no character"))?);
        (0..digits).for_each(|_| self.at.skip());
        Ok(())
    }

    /// Reads a `|` or `>` scalar.
    pub(super) fn block_scalar(&mut self, literal: bool) -> Result<Kind<'t>, Fault> {
        let mark = self.at.mark;
        self.at.skip();
        let (chomp, increment) = self.block_header()?;
        self.at.skip_blanks();
        self.at.skip_comment();
        if !self.at.is_break_or_end(0) {
            return Err(Fault::syntax(self.at.mark, "nothing but a comment may follow `|` or `>` on its line"));
        }
        self.at.take_break();
        let mut indent = increment.map_or(0, |increment| self.indent.max(0).saturating_add(increment));
        let mut text = String::new();
        // Line breaks before the current line: the one that ended the last line with text, and empty lines.
        let (mut ending, mut empty) = (None, String::new());
        self.block_breaks(&mut indent, &mut empty, mark)?;
        let mut led_by_blank = false;
        while i64::from(self.at.mark.column) == indent && !self.at.at_end() {
            let starts_blank = self.at.is_blank(0);
            if !literal && !led_by_blank && !starts_blank && ending == Some('\n') {
                if empty.is_empty() {
                    text.push(' ');
                }
            } else {
                text.extend(ending);
            }
            text.push_str(&empty);
            empty.clear();
            led_by_blank = starts_blank;
            let start = self.at.pos();
            self.at.skip_run(|_| false);
            text.push_str(self.at.since(start));
            ending = self.at.take_break();
            self.block_breaks(&mut indent, &mut empty, mark)?;
        }
        if chomp != Some(b'-') {
            text.extend(ending);
        }
        if chomp == Some(b'+') {
            text.push_str(&empty);
        }
        Ok(Kind::Scalar { text: Cow::Owned(text), plain: false })
    }

    /// Reads the chomping and indentation indicators, in either order.
    fn block_header(&mut self) -> Result<(Option<u8>, Option<i64>), Fault> {
        let chomp = |at: &mut Cursor<'t>| {
            let sign = Some(at.byte(0)).filter(|byte| matches!(byte, b'+' | b'-'));
            sign.inspect(|_| at.skip())
        };
        let before = chomp(&mut self.at);
        let mut increment = None;
        let digit = self.at.byte(0);
        if digit.is_ascii_digit() {
            if digit == b'0' {
                return Err(Fault::syntax(self.at.mark, "the indentation of a block cannot be 0"));
            }
            increment = Some(i64::from(digit.saturating_sub(b'0')));
            self.at.skip();
        }
        let chomp = if before.is_none() && increment.is_some() { chomp(&mut self.at) } else { before };
        Ok((chomp, increment))
    }

    /// Passes empty lines and the indentation of the next line; settles an `indent` of 0 by what it finds.
    fn block_breaks(&mut self, indent: &mut i64, empty: &mut String, mark: Mark) -> Result<(), Fault> {
        let mut widest = 0;
        loop {
            let open = *indent == 0;
            let limit = *indent;
            self.at.skip_while(|at| (open || i64::from(at.mark.column) < limit) && at.byte(0) == b' ');
            let column = i64::from(self.at.mark.column);
            widest = column.max(widest);
            if (open || column < limit) && self.at.byte(0) == b'\t' {
                return Err(Fault::syntax(mark, "a tab indents this block of text").hint("indent with spaces"));
            }
            match self.at.take_break() {
                Some(read) => empty.push(read),
                None => break,
            }
        }
        if *indent == 0 {
            *indent = widest.max(self.indent.saturating_add(1)).max(1);
        }
        Ok(())
    }
}
