//! A file → its documents, cut the way Kubernetes' decoder cuts: a JSON stream, or YAML split at lines of `---`.

use std::borrow::Cow;
use std::ops::Range;

use super::events::Events;
use super::fault::{Fault, FaultKind};
use super::json::{self, JsonFaultKind};
use super::text::Text;
use super::yaml::{self, Mark};
use super::{Dialect, Limits};
use crate::value::{Builder, Value};

/// One document that is not null.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) value: Value,
    /// Where its root starts, in the file.
    pub(super) start: Mark,
    /// Whether a map of it has a key twice.
    pub(super) repeats: bool,
    pub(super) place: Place,
}

/// Where in the file a document is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Json(json::At),
    Yaml(Chunk),
}

impl Place {
    /// The place in the file of a mark that [`replay`] gave out with `lines`.
    pub(super) fn in_file(&self, bytes: &[u8], mark: Mark, lines: u32) -> Mark {
        match self {
            Self::Json(_) => json::in_characters(bytes, mark),
            Self::Yaml(_) => Mark { line: mark.line.saturating_add(lines), ..mark },
        }
    }
}

/// The lines of one YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    bytes: Range<usize>,
    /// Lines before it.
    lines: u32,
}

/// The bytes of a file and how to read them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) dialect: Dialect,
    pub(super) limits: &'b Limits,
}

/// How many bytes decide whether a file is JSON.
const PEEK: usize = 4096;

impl<'b> Input<'b> {
    /// Reads all documents up to the first fault; its position is that in the file.
    pub(super) fn read(self) -> (Vec<Piece>, Option<Fault>) {
        let mut pieces = Vec::new();
        let (size, limit) = (self.bytes.len(), self.limits.bytes);
        let fault = if size > limit {
            let fault = Fault::too_large(Mark::default(), format!("the file has {size} bytes; the limit is {limit}"));
            Some(fault.hint("split the file, or raise the limit"))
        } else {
            self.read_into(&mut pieces).err()
        };
        (pieces, fault)
    }

    /// Reads all documents as YAML, even where they look like JSON, up to the first fault.
    pub(super) fn read_as_yaml(self) -> (Vec<Piece>, Option<Fault>) {
        let mut pieces = Vec::new();
        let fault = self.read_yaml(&mut pieces, 0).err();
        (pieces, fault)
    }

    fn read_into(self, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        let peeked = self.slice(0..self.bytes.len().min(PEEK));
        // kustomize reads JSON as the YAML that it nearly is.
        if self.dialect == Dialect::Kustomize || first_rune(peeked) != Some('{') {
            return self.read_yaml(pieces, 0);
        }
        let Some((end, json)) = self.read_json(pieces)? else { return Ok(()) };
        let Some(rest) = yaml_start(self.bytes, end) else { return Err(json) };
        // Neither JSON nor YAML: of the two faults the later one says more.
        self.read_yaml(pieces, rest).map_err(|fault| {
            let json_is_later = (json.mark.line, json.mark.column) > (fault.mark.line, fault.mark.column);
            if json_is_later { json } else { fault }
        })
    }

    fn slice(self, range: Range<usize>) -> &'b [u8] {
        self.bytes.get(range).unwrap_or(&[])
    }

    /// Reads JSON values. Returns where YAML may begin, and why, when the values end before the bytes do.
    fn read_json(self, pieces: &mut Vec<Piece>) -> Result<Option<(usize, Fault)>, Fault> {
        let (mut at, mut count) = (json::At::default(), 0_usize);
        let mut builder = Builder::new();
        loop {
            match json::value(self.bytes, at, self.limits, &mut builder) {
                Ok(None) => return Ok(None),
                Ok(Some((start, end))) => {
                    self.push(pieces, &mut builder, start, Place::Json(at))?;
                    (at, count) = (end, count.saturating_add(1));
                }
                Err(fault) => {
                    let is_final = fault.kind != JsonFaultKind::Syntax || count > 1;
                    let mark = json::in_characters(self.bytes, fault.mark);
                    let fault = match fault.kind {
                        JsonFaultKind::TooLarge => Fault::too_large(mark, fault.text),
                        JsonFaultKind::Syntax | JsonFaultKind::Value => Fault::syntax(mark, fault.text),
                    };
                    return if is_final { Err(fault) } else { Ok(Some((at.pos, fault))) };
                }
            }
        }
    }

    /// Keeps a document unless it is null.
    fn push(self, pieces: &mut Vec<Piece>, builder: &mut Builder, start: Mark, place: Place) -> Result<(), Fault> {
        let repeats = builder.duplicates() > 0;
        let value = builder.take().map_err(|error| Fault::too_large(start, error.to_string()))?;
        if value.root().is_null() {
            return Ok(());
        }
        if pieces.len() >= self.limits.documents {
            return Err(Fault::too_large(start, format!("the file has more than {} documents", self.limits.documents)));
        }
        pieces.push(Piece { value, start, repeats, place });
        Ok(())
    }

    /// Cuts the bytes behind `from` at lines of `---`, before any YAML is looked at.
    fn read_yaml(self, pieces: &mut Vec<Piece>, from: usize) -> Result<(), Fault> {
        let mut builder = Builder::new();
        let mut chunk = Chunk { bytes: from..from, lines: count_lines(self.slice(0..from)) };
        let mut at = from;
        while let Some(separator) = self.separator(at, from) {
            let rest = self.slice(separator..self.bytes.len());
            let len = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end.saturating_add(1));
            at = separator.saturating_add(len);
            let line = count_lines(self.slice(chunk.bytes.start..separator)).saturating_add(chunk.lines);
            // A bad separator takes the document before it along, as in Go.
            check_separator(rest.get(3..len).unwrap_or(&[]), line)?;
            // With nothing before it, the separator belongs to the document it starts.
            if separator > chunk.bytes.start {
                chunk.bytes.end = separator;
                self.read_chunk(pieces, &mut builder, chunk)?;
                chunk = Chunk { bytes: at..at, lines: line.saturating_add(1) };
            }
        }
        chunk.bytes.end = self.bytes.len();
        if chunk.bytes.is_empty() { Ok(()) } else { self.read_chunk(pieces, &mut builder, chunk) }
    }

    /// Finds the next line that starts with `---`; `at` and `from` are starts of lines.
    fn separator(self, mut at: usize, from: usize) -> Option<usize> {
        loop {
            let rest = self.slice(at..self.bytes.len());
            let found = at.saturating_add(three_dashes(rest)?);
            let starts_line = found == from || self.slice(0..found).last() == Some(&b'\n');
            // kustomize takes a first line of `---` for content. Rule: `splitDocuments` of its kyaml/kio.
            if starts_line && (self.dialect == Dialect::Kubectl || found > 0) {
                return Some(found);
            }
            at = found.saturating_add(1);
        }
    }

    fn read_chunk(self, pieces: &mut Vec<Piece>, builder: &mut Builder, chunk: Chunk) -> Result<(), Fault> {
        let bytes = self.lines(&chunk);
        let start = match self.read_fast(&bytes, builder) {
            Some(start) => start,
            None => {
                builder.clear();
                self.feed(&bytes, builder).map_err(|fault| fault.below(chunk.lines))?
            }
        };
        let start = Mark { line: start.line.saturating_add(chunk.lines), ..start };
        self.push(pieces, builder, start, Place::Yaml(chunk))
    }

    /// Reads plain block YAML the short way.
    fn read_fast(self, chunk: &[u8], builder: &mut Builder) -> Option<Mark> {
        let start = yaml::read_fast(Text::usual(chunk)?, self.dialect, self.limits, builder)?;
        // For kustomize, equal keys are a fault, which the long way words.
        if self.dialect == Dialect::Kustomize && builder.duplicates() > 0 { None } else { Some(start) }
    }

    /// The lines of a chunk as Go hands them on: ended by a line feed each, without the carriage return before it.
    fn lines(self, chunk: &Chunk) -> Cow<'b, [u8]> {
        let bytes = self.slice(chunk.bytes.clone());
        let is_ended = bytes.last() == Some(&b'\n') || self.dialect == Dialect::Kustomize;
        if is_ended && !(bytes.contains(&b'\r') && bytes.windows(2).any(|pair| pair == b"\r\n")) {
            return Cow::Borrowed(bytes);
        }
        let mut lines = Vec::with_capacity(bytes.len().saturating_add(1));
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
        Cow::Owned(lines)
    }

    /// Sends the events of one YAML document; returns where its root starts.
    fn feed(self, chunk: &[u8], out: &mut impl Events) -> Result<Mark, Fault> {
        let text = Text::new(chunk);
        let composed = yaml::compose(&text.text, self.limits.depth);
        let read = composed.as_ref().map_or(text.text.len(), |composed| composed.read);
        let composed = match (composed, text.fault(read)) {
            (Ok(composed), None) => composed,
            // A fault of the syntax comes first, unless it is that the text was cut off.
            (Err(fault), Some(cut))
                if fault.kind != FaultKind::CutOff
                    && (fault.mark.line, fault.mark.column) < (cut.mark.line, cut.mark.column) =>
            {
                return Err(fault);
            }
            (_, Some(cut)) => return Err(cut),
            (Err(fault), None) => return Err(fault),
        };
        yaml::load(&composed, self.dialect, self.limits, out)?;
        Ok(composed.start().unwrap_or_default())
    }

    /// Sends the events of one document again; returns how many lines stand before those that its marks count.
    pub(super) fn replay(self, place: &Place, out: &mut impl Events) -> u32 {
        // What was read once reads again, so there is no fault to report.
        match place {
            Place::Json(at) => {
                drop(json::value(self.bytes, *at, self.limits, out));
                0
            }
            Place::Yaml(chunk) => {
                drop(self.feed(&self.lines(chunk), out));
                chunk.lines
            }
        }
    }
}

/// Go's `unicode.IsSpace`.
fn is_space(rune: char) -> bool {
    matches!(rune, '\t'..='\r' | ' ' | '\u{85}' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}')
        || matches!(rune, '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}')
}

/// The first character that is no white space; U+FFFD for what is not UTF-8.
fn first_rune(bytes: &[u8]) -> Option<char> {
    for chunk in bytes.utf8_chunks() {
        if let Some(rune) = chunk.valid().chars().find(|rune| !is_space(*rune)) {
            return Some(rune);
        }
        if !chunk.invalid().is_empty() {
            return Some(char::REPLACEMENT_CHARACTER);
        }
    }
    None
}

fn count_lines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// Where YAML begins after JSON up to `from`: behind white space, at most one line of it. Go looks four bytes ahead,
/// and gives up where there are fewer.
fn yaml_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let ahead = bytes.get(at..at.saturating_add(4))?;
        let rune = ahead.utf8_chunks().next()?.valid().chars().next()?;
        if rune == char::REPLACEMENT_CHARACTER {
            return None;
        }
        if !is_space(rune) {
            return Some(at);
        }
        at = at.saturating_add(rune.len_utf8());
        if rune == '\n' {
            return Some(at);
        }
    }
}

/// Offset of the first `---`.
fn three_dashes(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    let is_hit = |window: &[u8]| window == b"---";
    let mut at = 0_usize;
    // Whole blocks at a time, without a branch in the block: few of them hold two dashes in a row.
    while let Some(block) = bytes.get(at..at.saturating_add(BLOCK).saturating_add(1)) {
        let (left, right) = (block.get(..BLOCK)?, block.get(1..)?);
        let pairs = left.iter().zip(right).fold(false, |hit, (a, b)| hit | ((*a == b'-') & (*b == b'-')));
        if pairs {
            let window = bytes.get(at..at.saturating_add(BLOCK).saturating_add(2)).unwrap_or(block);
            if let Some(hit) = window.windows(3).position(is_hit) {
                return Some(at.saturating_add(hit));
            }
        }
        at = at.saturating_add(BLOCK);
    }
    bytes.get(at..)?.windows(3).position(is_hit).map(|hit| at.saturating_add(hit))
}

fn check_separator(tail: &[u8], line: u32) -> Result<(), Fault> {
    match first_rune(tail) {
        None | Some('#') => Ok(()),
        Some(_) => {
            Err(Fault::syntax(Mark { line, column: 3, index: 0 }, "nothing but a comment may follow `---` on its line")
                .hint("write the document on the next line"))
        }
    }
}
