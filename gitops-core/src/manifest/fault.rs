//! Why reading stopped.

use std::borrow::Cow;

use super::yaml::Mark;

/// Why a document could not be read. Positions are relative to the document until [`Fault::below`] moves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) mark: Mark,
    pub(super) kind: FaultKind,
    pub(super) text: Cow<'static, str>,
    pub(super) hint: Option<&'static str>,
}

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The text is not YAML or JSON.
    Syntax,
    /// It ends too early.
    CutOff,
    /// The text asks for more than a limit allows.
    TooLarge,
}

impl Fault {
    pub(super) fn syntax(mark: Mark, text: impl Into<Cow<'static, str>>) -> Self {
        Self { mark, kind: FaultKind::Syntax, text: text.into(), hint: None }
    }

    pub(super) fn too_large(mark: Mark, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: FaultKind::TooLarge, ..Self::syntax(mark, text) }
    }

    pub(super) fn cut_off(mark: Mark, text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: FaultKind::CutOff, ..Self::syntax(mark, text) }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Moves the position down by `lines`.
    pub(super) fn below(mut self, lines: u32) -> Self {
        self.mark.line = self.mark.line.saturating_add(lines);
        self
    }
}
