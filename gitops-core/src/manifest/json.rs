//! JSON values as Go's `encoding/json` reads them, one after the other.

use std::borrow::Cow;

use super::Limits;
use super::events::Events;
use super::yaml::Mark;

/// Why there is no JSON value. Its mark has a byte column, see [`in_characters`].
#[derive(Debug)]
pub(super) struct JsonFault {
    pub(super) mark: Mark,
    pub(super) kind: JsonFaultKind,
    pub(super) text: Cow<'static, str>,
}

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonFaultKind {
    /// Not JSON; it may be YAML.
    Syntax,
    /// JSON that no manifest may hold.
    Value,
    /// Over a limit.
    TooLarge,
}

/// A place between two values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) pos: usize,
    line: usize,
    /// Where that line starts.
    line_start: usize,
}

impl At {
    fn mark(self) -> Mark {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let column = narrow(self.pos.saturating_sub(self.line_start));
        Mark { line: narrow(self.line), column, index: narrow(self.pos) }
    }
}

/// Reads the value behind the white space at `at`, and returns where it starts and ends; `None` when there is only
/// white space left. All marks have byte columns.
pub(super) fn value(
    bytes: &[u8],
    at: At,
    limits: &Limits,
    out: &mut impl Events,
) -> Result<Option<(Mark, At)>, JsonFault> {
    let mut reader = Reader { bytes, at, out, open: Vec::new(), late: None, scratch: String::new() };
    reader.skip_space();
    if reader.byte().is_none() {
        return Ok(None);
    }
    let start = reader.at.mark();
    while reader.item(limits)? {}
    match reader.late {
        None => Ok(Some((start, reader.at))),
        Some(fault) => Err(fault),
    }
}

/// Turns a byte column, counted from the line that holds byte `mark.index`, into a character column.
pub(super) fn in_characters(bytes: &[u8], mark: Mark) -> Mark {
    let end = mark.index as usize;
    let line = bytes.get(end.saturating_sub(mark.column as usize)..end).unwrap_or(&[]);
    let characters = line.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    Mark { column: u32::try_from(characters).unwrap_or(u32::MAX), ..mark }
}

struct Reader<'b, E> {
    bytes: &'b [u8],
    at: At,
    out: &'b mut E,
    /// The lists and maps that are open; `true` for a map.
    open: Vec<bool>,
    /// A fault in a value whose syntax is sound; bad syntax behind it comes first.
    late: Option<JsonFault>,
    scratch: String,
}

impl<'b, E: Events> Reader<'b, E> {
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at.pos).copied()
    }

    fn step(&mut self) {
        self.at.pos = self.at.pos.saturating_add(1);
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.byte() {
            match byte {
                b'\n' => {
                    self.at.line = self.at.line.saturating_add(1);
                    self.at.line_start = self.at.pos.saturating_add(1);
                }
                b' ' | b'\t' | b'\r' => {}
                _ => return,
            }
            self.step();
        }
    }

    fn fault(&self, text: impl Into<Cow<'static, str>>) -> JsonFault {
        JsonFault { mark: self.at.mark(), kind: JsonFaultKind::Syntax, text: text.into() }
    }

    fn unexpected(&self, expected: &'static str) -> JsonFault {
        match self.byte() {
            None => self.fault("the JSON text ends too early"),
            Some(_) => self.fault(format!("{expected} is expected here")),
        }
    }

    fn place(&mut self) {
        self.out.place(self.at.mark());
    }

    /// Reads one scalar or opening bracket and all closing brackets behind it; returns whether more must follow.
    fn item(&mut self, limits: &Limits) -> Result<bool, JsonFault> {
        self.skip_space();
        self.place();
        match self.byte() {
            Some(open @ (b'{' | b'[')) => {
                if self.open.len() >= limits.depth {
                    let text = format!("more than {} levels of nesting", limits.depth);
                    return Err(JsonFault { kind: JsonFaultKind::TooLarge, ..self.fault(text) });
                }
                let is_map = open == b'{';
                self.step();
                self.open.push(is_map);
                if is_map {
                    self.out.start_map()
                } else {
                    self.out.start_list()
                }
                self.skip_space();
                if self.byte() != Some(if is_map { b'}' } else { b']' }) {
                    if is_map {
                        self.key()?;
                    }
                    return Ok(true);
                }
            }
            Some(b'"') => {
                let text = self.string()?;
                self.out.string(&text);
                self.give_back(text);
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", |out| out.bool(true))?,
            Some(b'f') => self.word("false", |out| out.bool(false))?,
            Some(b'n') => self.word("null", |out| out.null())?,
            _ => return Err(self.unexpected("a value")),
        }
        self.after_item()
    }

    fn after_item(&mut self) -> Result<bool, JsonFault> {
        while let Some(is_map) = self.open.last().copied() {
            self.skip_space();
            match (self.byte(), is_map) {
                (Some(b','), true) => {
                    self.step();
                    self.skip_space();
                    self.key()?;
                    return Ok(true);
                }
                (Some(b','), false) => {
                    self.step();
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.step();
                    self.open.pop();
                    self.out.end();
                }
                (_, true) => return Err(self.unexpected("`,` or `}`")),
                (_, false) => return Err(self.unexpected("`,` or `]`")),
            }
        }
        Ok(false)
    }

    fn key(&mut self) -> Result<(), JsonFault> {
        self.place();
        if self.byte() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        self.out.key(&key);
        self.give_back(key);
        self.skip_space();
        if self.byte() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.step();
        Ok(())
    }

    fn word(&mut self, word: &'static str, send: impl FnOnce(&mut E)) -> Result<(), JsonFault> {
        if !self.bytes.get(self.at.pos..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.unexpected("`true`, `false` or `null`"));
        }
        self.at.pos = self.at.pos.saturating_add(word.len());
        send(self.out);
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        let (start, mark) = (self.at.pos, self.at.mark());
        if self.byte() == Some(b'-') {
            self.step();
        }
        if self.byte() == Some(b'0') {
            self.step()
        } else {
            self.digits()?
        }
        let mut is_float = false;
        if self.byte() == Some(b'.') {
            is_float = true;
            self.step();
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            is_float = true;
            self.step();
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        let text = self.bytes.get(start..self.at.pos).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("0");
        let whole = if is_float { None } else { text.parse().ok() };
        match (whole, text.parse::<f64>()) {
            (Some(whole), _) => self.out.int(whole),
            (None, Ok(number)) if number.is_finite() => self.out.float(number),
            _ => {
                self.out.null();
                let text = format!("the number `{text}` is too large");
                self.late.get_or_insert(JsonFault { mark, kind: JsonFaultKind::Value, text: text.into() });
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        if !self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.unexpected("a digit"));
        }
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
        Ok(())
    }

    /// Keeps the buffer of an unescaped text for the next one.
    fn give_back(&mut self, text: Cow<'b, str>) {
        if let Cow::Owned(text) = text {
            self.scratch = text;
        }
    }

    /// Reads a text in double quotes. What is not UTF-8, and half a surrogate pair, reads as U+FFFD.
    fn string(&mut self) -> Result<Cow<'b, str>, JsonFault> {
        self.step();
        let start = self.at.pos;
        self.skip_run();
        let run = self.bytes.get(start..self.at.pos).unwrap_or(&[]);
        if let (Some(b'"'), Ok(text)) = (self.byte(), std::str::from_utf8(run)) {
            self.step();
            return Ok(Cow::Borrowed(text));
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        push_lossy(&mut text, run);
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.step();
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(_) => return Err(self.fault("a text cannot hold a control character; escape it")),
                None => return Err(self.unexpected("a closing quote")),
            }
            let start = self.at.pos;
            self.skip_run();
            push_lossy(&mut text, self.bytes.get(start..self.at.pos).unwrap_or(&[]));
        }
    }

    fn skip_run(&mut self) {
        let rest = self.bytes.get(self.at.pos..).unwrap_or(&[]);
        let run = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1F)).count();
        self.at.pos = self.at.pos.saturating_add(run);
    }

    fn escape(&mut self, text: &mut String) -> Result<(), JsonFault> {
        self.step();
        let plain = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0C',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.step();
                let first = self.hex()?;
                text.push(self.character(first));
                return Ok(());
            }
            None => return Err(self.unexpected("an escape")),
            Some(_) => return Err(self.fault("no such escape in JSON")),
        };
        self.step();
        text.push(plain);
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, JsonFault> {
        let digits =
            self.bytes.get(self.at.pos..self.at.pos.saturating_add(4)).and_then(|text| std::str::from_utf8(text).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.fault("four hexadecimal digits must follow `\\u`"))?;
        self.at.pos = self.at.pos.saturating_add(4);
        Ok(code)
    }

    /// The character of one `\u` escape, or of two when they are a surrogate pair.
    fn character(&mut self, first: u32) -> char {
        if (0xD800..0xDC00).contains(&first)
            && self.bytes.get(self.at.pos..).is_some_and(|rest| rest.starts_with(b"\\u"))
        {
            let back = self.at.pos;
            self.at.pos = self.at.pos.saturating_add(2);
            match self.hex() {
                Ok(second @ 0xDC00..=0xDFFF) => {
                    let code = 0x1_0000_u32.saturating_add((first & 0x3FF) << 10).saturating_add(second & 0x3FF);
                    return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                }
                _ => self.at.pos = back,
            }
        }
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Adds bytes that should be UTF-8; each byte that is not becomes U+FFFD.
pub(super) fn push_lossy(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|_| text.push(char::REPLACEMENT_CHARACTER));
    }
}
