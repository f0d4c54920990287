//! What the errors of gix mean here; the original is kept as the cause.

use std::sync::Arc;

use gitops_core::source::{SourceError, SourceFailure};
use gix::objs::Kind;
use gix::{ObjectId, Repository};

/// The longest part of a target or name that an error repeats.
const SHOWN: usize = 80;

pub(crate) fn because(failure: SourceFailure, cause: gix::Error) -> SourceError {
    SourceError::from(failure).caused_by(cause)
}

/// Something of the repository that is missing or cannot be decoded.
pub(crate) fn damaged(what: String, cause: gix::Error) -> SourceError {
    because(SourceFailure::Corrupt { what: what.into() }, cause)
}

/// An object that is not there. A partial clone lacks some on purpose.
pub(crate) fn missing(repository: &Repository, kind: Kind, id: ObjectId) -> SourceError {
    let config = repository.config_snapshot();
    let remotes = config.plumbing().sections_by_name("remote");
    if remotes.into_iter().flatten().any(|remote| remote.value("promisor").is_some()) {
        return unsupported(format!("the {kind} `{id}` was left out of this partial clone; fetching it when needed"));
    }
    SourceFailure::Corrupt { what: format!("the {kind} `{id}` is missing: the repository").into() }.into()
}

pub(crate) fn unsupported(what: String) -> SourceError {
    SourceFailure::Unsupported { what: what.into() }.into()
}

/// States that `what` lies before commit `end`, the last one of a shallow clone.
pub(crate) fn beyond(what: &str, end: ObjectId) -> SourceError {
    let hint = "`git fetch --unshallow` gets the rest";
    let error =
        unsupported(format!("{what} lies before commit `{end}`, where this shallow clone ends ({hint}); going there"));
    error.caused_by(Boundary)
}

/// Returns whether a shallow clone ended before the answer was known.
pub(crate) fn is_boundary(error: &SourceError) -> bool {
    error.cause.as_ref().is_some_and(|cause| cause.is::<Boundary>())
}

/// Marks an error of [`beyond`].
#[derive(Debug, thiserror::Error)]
#[error("the history that is here ends")]
struct Boundary;

pub(crate) fn cannot_write(cause: gix::Error) -> SourceError {
    because(SourceFailure::Denied { what: "writing to the repository".into() }, cause)
}

pub(crate) fn too_large(what: String) -> SourceError {
    SourceFailure::TooLarge { what: what.into() }.into()
}

pub(crate) fn unknown(target: &str, similar: Vec<Arc<str>>) -> SourceError {
    SourceFailure::UnknownRevision { target: shown(target), similar }.into()
}

/// A text of somebody else, fit for one line of an error: without control characters and not too long.
pub(crate) fn shown(text: &str) -> Arc<str> {
    shown_within(text, SHOWN)
}

/// The same, of so many characters at most.
pub(crate) fn shown_within(text: &str, most: usize) -> Arc<str> {
    let mut shown: String = text.chars().take(most).flat_map(visible).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown.into()
}

fn visible(char: char) -> impl Iterator<Item = char> {
    let escaped = (char.is_control()
        || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    .then(|| char.escape_default());
    let plain = escaped.is_none().then_some(char);
    escaped.into_iter().flatten().chain(plain)
}
