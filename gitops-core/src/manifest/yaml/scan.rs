//! Text → tokens: indentation, simple keys and flow brackets.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::Mark;
use super::cursor::Cursor;
use crate::manifest::fault::Fault;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    StreamEnd,
    Version(u8, u8),
    TagDirective { handle: &'t str, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockListStart,
    BlockMapStart,
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'t str),
    Anchor(&'t str),
    Tag { handle: &'t str, suffix: String },
    Scalar { text: Cow<'t, str>, plain: bool },
}

/// A token and where it starts.
#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) mark: Mark,
}

/// A token that may turn out to be a key once a `:` follows it.
#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    possible: bool,
    /// It stands where only a key may stand.
    required: bool,
    /// The token waits until it is settled whether it is a key.
    waits: bool,
    token: usize,
    mark: Mark,
}

/// The tokens of one document.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    pub(super) at: Cursor<'t>,
    queue: VecDeque<Token<'t>>,
    /// Tokens handed out so far.
    taken: usize,
    /// Open flow brackets.
    pub(super) flow: usize,
    /// One per open flow bracket, and one for the block around them. Their token numbers rise.
    keys: Vec<SimpleKey>,
    pub(super) key_allowed: bool,
    /// Column of the innermost block collection; -1 outside of any.
    pub(super) indent: i64,
    indents: Vec<i64>,
    depth: usize,
}

impl<'t> Scanner<'t> {
    /// Starts on `text`; deeper nesting than `depth` is a fault.
    pub(super) fn new(text: &'t str, depth: usize) -> Self {
        Self {
            at: Cursor::new(text),
            queue: VecDeque::new(),
            taken: 0,
            flow: 0,
            keys: vec![SimpleKey::default()],
            key_allowed: true,
            indent: -1,
            indents: Vec::new(),
            depth,
        }
    }

    /// Starts at byte `pos` of `text`, inside a block collection at column `indent`, to read one value that is no key.
    pub(super) fn at_value(text: &'t str, pos: usize, column: u32, indent: i64, depth: usize) -> Self {
        let mark = Mark { column, ..Mark::default() };
        Self { at: Cursor::at(text, pos, mark), keys: Vec::new(), indent, ..Self::new(text, depth) }
    }

    /// Returns the next token without taking it.
    pub(super) fn peek(&mut self) -> Result<&Token<'t>, Fault> {
        while self.needs_more()? {
            self.fetch()?;
        }
        self.queue.front().ok_or_else(|| Fault::syntax(self.at.mark, "the text ends too early"))
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Result<Token<'t>, Fault> {
        self.peek()?;
        self.taken = self.taken.saturating_add(1);
        self.queue.pop_front().ok_or_else(|| Fault::syntax(self.at.mark, "the text ends too early"))
    }

    /// Whether the first token of the queue may still become a key.
    fn needs_more(&mut self) -> Result<bool, Fault> {
        if self.queue.is_empty() {
            return Ok(true);
        }
        let taken = self.taken;
        let at = self.keys.partition_point(|key| key.token < taken);
        if self.keys.get(at).is_some_and(|key| key.waits && key.token == taken) { self.is_valid(at) } else { Ok(false) }
    }

    /// A simple key lies on one line and within 1,024 characters.
    fn is_valid(&mut self, key: usize) -> Result<bool, Fault> {
        let here = self.at.mark;
        let Some(key) = self.keys.get_mut(key).filter(|key| key.possible) else { return Ok(false) };
        if key.mark.line == here.line && key.mark.index.saturating_add(1024) >= here.index {
            return Ok(true);
        }
        key.possible = false;
        if key.required { Err(no_colon(key.mark)) } else { Ok(false) }
    }

    fn next_token_number(&self) -> usize {
        self.taken.saturating_add(self.queue.len())
    }

    fn save_key(&mut self) -> Result<(), Fault> {
        if self.key_allowed {
            self.drop_key()?;
            let required = self.flow == 0 && self.indent == i64::from(self.at.mark.column);
            let (token, mark) = (self.next_token_number(), self.at.mark);
            let key = SimpleKey { possible: true, required, waits: true, token, mark };
            if let Some(slot) = self.keys.last_mut() {
                *slot = key;
            }
        }
        Ok(())
    }

    fn drop_key(&mut self) -> Result<(), Fault> {
        match self.keys.last_mut() {
            Some(key) if key.possible && key.required => Err(no_colon(key.mark)),
            Some(key) => {
                key.possible = false;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn push(&mut self, kind: Kind<'t>, mark: Mark) {
        self.queue.push_back(Token { kind, mark });
    }

    /// Queues a token of `width` characters that starts here.
    fn push_marker(&mut self, kind: Kind<'t>, width: usize) {
        self.push(kind, self.at.mark);
        for _ in 0..width {
            self.at.skip();
        }
    }

    fn too_deep(&self, mark: Mark) -> Fault {
        Fault::too_large(mark, format!("more than {} levels of nesting", self.depth))
    }

    /// Opens a block collection at `mark` when it is indented deeper than the current one; `token` is the number of the
    /// token it starts with, when that is queued already.
    fn indent_to(&mut self, mark: Mark, token: Option<usize>, kind: Kind<'t>) -> Result<(), Fault> {
        let column = i64::from(mark.column);
        if self.flow > 0 || self.indent >= column {
            return Ok(());
        }
        if self.indents.len() >= self.depth {
            return Err(self.too_deep(mark));
        }
        self.indents.push(self.indent);
        self.indent = column;
        self.insert(token, Token { kind, mark });
        Ok(())
    }

    /// Queues a token before the one numbered `before`; at the end when that is not there.
    fn insert(&mut self, before: Option<usize>, token: Token<'t>) {
        let at = before.and_then(|before| before.checked_sub(self.taken)).unwrap_or(usize::MAX);
        self.queue.insert(at.min(self.queue.len()), token);
    }

    /// Closes the block collections that are indented deeper than `column`.
    fn dedent_to(&mut self, column: i64) {
        while self.flow == 0 && self.indent > column {
            self.push(Kind::BlockEnd, self.at.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn skip_to_token(&mut self) {
        loop {
            // A slip of yaml.v2: it looks for a byte order mark at the start of its buffer, not at this line.
            if self.at.mark.column == 0 && self.at.starts_with_bom() {
                self.at.skip();
            }
            let tabs = self.flow > 0 || !self.key_allowed;
            self.at.skip_while(|at| at.byte(0) == b' ' || (tabs && at.byte(0) == b'\t'));
            self.at.skip_comment();
            if self.at.take_break().is_none() {
                return;
            }
            if self.flow == 0 {
                self.key_allowed = true;
            }
        }
    }

    /// Queues at least one token.
    fn fetch(&mut self) -> Result<(), Fault> {
        self.skip_to_token();
        self.dedent_to(i64::from(self.at.mark.column));
        let byte = self.at.byte(0);
        if self.at.at_end() {
            return self.fetch_end();
        }
        if self.at.mark.column == 0 && byte == b'%' {
            self.leave_block()?;
            let (mark, kind) = (self.at.mark, self.directive()?);
            self.push(kind, mark);
            return Ok(());
        }
        if self.at.at_document_marker() {
            self.leave_block()?;
            self.push_marker(if byte == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd }, 3);
            return Ok(());
        }
        let before_gap = self.at.is_gap(1);
        match byte {
            b'[' => self.fetch_open(Kind::FlowListStart),
            b'{' => self.fetch_open(Kind::FlowMapStart),
            b']' => self.fetch_close(Kind::FlowListEnd),
            b'}' => self.fetch_close(Kind::FlowMapEnd),
            b',' => self.fetch_indicator(Kind::FlowEntry, true),
            b'-' if before_gap => self.fetch_entry(),
            b'?' if self.flow > 0 || before_gap => self.fetch_key(),
            b':' if self.flow > 0 || before_gap => self.fetch_value(),
            b'*' | b'&' => self.fetch_named(byte == b'*'),
            b'!' => self.fetch_scalar(Self::tag),
            b'|' | b'>' if self.flow == 0 => {
                self.drop_key()?;
                self.key_allowed = true;
                let (mark, kind) = (self.at.mark, self.block_scalar(byte == b'|')?);
                self.push(kind, mark);
                Ok(())
            }
            b'\'' => self.fetch_scalar(|scanner| scanner.quoted(true)),
            b'"' => self.fetch_scalar(|scanner| scanner.quoted(false)),
            b'-' if !self.at.is_blank(1) => self.fetch_scalar(Self::plain),
            b'?' | b':' if !before_gap => self.fetch_scalar(Self::plain),
            b'-' | b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => Err(self.no_token(byte)),
            _ => self.fetch_scalar(Self::plain),
        }
    }

    fn no_token(&self, byte: u8) -> Fault {
        let here = self.at.mark;
        if byte == b'\t' {
            return Fault::syntax(here, "a tab cannot indent").hint("indent with spaces");
        }
        let text = format!("no value can start with `{}`", char::from(byte));
        Fault::syntax(here, text).hint("put the value in quotes")
    }

    fn fetch_end(&mut self) -> Result<(), Fault> {
        let mark = &mut self.at.mark;
        if mark.column != 0 {
            *mark = Mark { line: mark.line.saturating_add(1), column: 0, ..*mark };
        }
        self.leave_block()?;
        self.push(Kind::StreamEnd, self.at.mark);
        Ok(())
    }

    fn leave_block(&mut self) -> Result<(), Fault> {
        self.dedent_to(-1);
        self.drop_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn fetch_open(&mut self, kind: Kind<'t>) -> Result<(), Fault> {
        self.save_key()?;
        let mark = self.at.mark;
        self.keys.push(SimpleKey { token: self.next_token_number(), ..SimpleKey::default() });
        self.flow = self.flow.saturating_add(1);
        if self.flow > self.depth {
            return Err(self.too_deep(mark));
        }
        self.key_allowed = true;
        self.push_marker(kind, 1);
        Ok(())
    }

    fn fetch_close(&mut self, kind: Kind<'t>) -> Result<(), Fault> {
        self.drop_key()?;
        if self.flow > 0 {
            self.flow = self.flow.saturating_sub(1);
            let inner = self.keys.pop().unwrap_or_default();
            // A slip of yaml.v2: empty brackets do not wait to become a key, so `[]: x` reads as `[]`.
            if let Some(outer) = self.keys.last_mut().filter(|outer| outer.token == inner.token) {
                outer.waits = false;
            }
        }
        self.key_allowed = false;
        self.push_marker(kind, 1);
        Ok(())
    }

    fn fetch_indicator(&mut self, kind: Kind<'t>, key_allowed: bool) -> Result<(), Fault> {
        self.drop_key()?;
        self.key_allowed = key_allowed;
        self.push_marker(kind, 1);
        Ok(())
    }

    fn fetch_entry(&mut self) -> Result<(), Fault> {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err(Fault::syntax(self.at.mark, "a list item cannot start here"));
            }
            self.indent_to(self.at.mark, None, Kind::BlockListStart)?;
        }
        self.fetch_indicator(Kind::BlockEntry, true)
    }

    fn fetch_key(&mut self) -> Result<(), Fault> {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err(Fault::syntax(self.at.mark, "a key cannot start here"));
            }
            self.indent_to(self.at.mark, None, Kind::BlockMapStart)?;
        }
        self.fetch_indicator(Kind::Key, self.flow == 0)
    }

    fn fetch_value(&mut self) -> Result<(), Fault> {
        let last = self.keys.len().saturating_sub(1);
        if self.is_valid(last)? {
            let key = self.keys.get(last).copied().unwrap_or_default();
            self.insert(Some(key.token), Token { kind: Kind::Key, mark: key.mark });
            self.indent_to(key.mark, Some(key.token), Kind::BlockMapStart)?;
            if let Some(key) = self.keys.last_mut() {
                key.possible = false;
            }
            self.key_allowed = false;
        } else {
            if self.flow == 0 {
                if !self.key_allowed {
                    return Err(Fault::syntax(self.at.mark, "a `:` cannot stand here")
                        .hint("put a value that holds `: ` in quotes, and check the indentation"));
                }
                self.indent_to(self.at.mark, None, Kind::BlockMapStart)?;
            }
            self.key_allowed = self.flow == 0;
        }
        self.push_marker(Kind::Value, 1);
        Ok(())
    }

    fn fetch_named(&mut self, alias: bool) -> Result<(), Fault> {
        self.fetch_scalar(|scanner| scanner.name().map(if alias { Kind::Alias } else { Kind::Anchor }))
    }

    /// Queues a token that may start a simple key.
    fn fetch_scalar(&mut self, scan: impl FnOnce(&mut Self) -> Result<Kind<'t>, Fault>) -> Result<(), Fault> {
        self.save_key()?;
        self.key_allowed = false;
        let (mark, kind) = (self.at.mark, scan(self)?);
        self.push(kind, mark);
        Ok(())
    }
}

fn no_colon(key: Mark) -> Fault {
    Fault::syntax(key, "no `:` follows this key").hint("write `key: value` on one line, and check the indentation")
}
