//! Bytes of a file → resources. Total: what cannot be read becomes a [`Problem`] beside what can.
//!
//! Reads what kubectl and Argo CD read, the way they read it: Go's yaml.v2 dialect, its splitting of documents, merge
//! keys and alias budget, and JSON streams. Rule: `YAMLOrJSONDecoder` of k8s.io/apimachinery, sigs.k8s.io/yaml and
//! go.yaml.in/yaml/v2, as recorded case by case.
//!
//! Documents are counted as if every `List` were written out: a document that holds nothing has no number, and each
//! item of a `List` has one of its own. So file and number name one object.

mod events;
mod fault;
mod json;
mod kept;
#[cfg(test)]
mod laws;
mod places;
mod resources;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::path::FieldPath;
use crate::problem::Problem;
use crate::resource::{Origin, Resource};
use crate::value::{Builder, Value};

pub use kept::{Kept, Place};

/// Which reader the text is written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// As kubectl, Argo CD and Flux's last step read: YAML 1.1 scalars (`yes`, `0644`), the last of equal keys wins.
    #[default]
    Kubectl,
    /// As kustomize reads: YAML 1.2 core scalars, equal keys are an error.
    Kustomize,
}

/// What to do with one key given twice in a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duplicates {
    /// The last one wins, as in Go, and a warning names both lines.
    #[default]
    LastWins,
    /// The document is refused.
    Refuse,
}

/// How much one file may ask for. Beyond a limit there is a problem with file, line and column, never a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the file. Default: 64 MiB.
    pub bytes: usize,
    /// Documents, the items of a `List` counted. Default: 100,000.
    pub documents: usize,
    /// Levels of nesting. Default: 256, which the smallest stacks walk. Go stops at 10,000; no manifest comes near either.
    pub depth: usize,
    /// What to do with equal keys.
    pub duplicates: Duplicates,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, documents: 100_000, depth: 256, duplicates: Duplicates::LastWins }
    }
}

/// What one file holds. A pure function of its bytes, so it is cached by content id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParsedFile {
    /// Path of the file, as given.
    pub file: Arc<str>,
    /// The objects, in order of appearance, `List`s flattened.
    pub resources: Vec<(Resource, Origin)>,
    /// What is wrong with the rest.
    pub problems: Vec<Problem>,
    /// Where objects ask to go before or after others, by their place among the objects.
    pub(crate) lines: BTreeMap<usize, Lines>,
}

/// The lines on which annotations of an object are written, by their names.
pub(crate) type Lines = BTreeMap<Arc<str>, u32>;

/// Line and column, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Position {
    /// Line of the file.
    pub line: u32,
    /// Column of that line.
    pub column: u32,
}

/// One document of a file, whatever it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Its content; never null.
    pub value: Value,
    /// Line on which it starts, counted from 1.
    pub line: u32,
}

/// Why the rest of a file was not read. Of what precedes it, the documents are sound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {text}", position.line, position.column)]
#[non_exhaustive]
pub struct Stopped {
    /// Where.
    pub position: Position,
    /// What is wrong: one line, lower case, no full stop.
    pub text: Arc<str>,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// Whether a limit was reached; otherwise the text is not YAML or JSON.
    pub too_large: bool,
}

/// Reads one file as Kubernetes objects.
///
/// Total: what cannot be read is a problem beside what can. A syntax error holds back the rest of the file, a document
/// that is no object only itself. Empty documents are passed over, `List`s are flattened.
///
/// ```
/// use gitops_core::manifest::{Dialect, Limits, parse};
///
/// let parsed = parse(&"web.yaml".into(), b"apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\nkind: Job\n",
///     Dialect::Kubectl, &Limits::default());
/// assert_eq!(parsed.resources[0].0.key().to_string(), "Service web");
/// assert_eq!(
///     parsed.problems[0].to_string(),
///     "web.yaml:5: `apiVersion` is missing; a manifest needs `apiVersion`, `kind` and `metadata.name`; \
///      leave files that are no manifests out of the source's paths",
/// );
/// ```
#[must_use]
pub fn parse(file: &Arc<str>, bytes: &[u8], dialect: Dialect, limits: &Limits) -> ParsedFile {
    resources::parse(file, bytes, dialect, limits)
}

/// Reads the documents of one file, whatever they hold, up to the first that cannot be read.
#[must_use]
pub fn documents(bytes: &[u8], dialect: Dialect, limits: &Limits) -> (Vec<Document>, Option<Stopped>) {
    let (pieces, fault) = stream::Input { bytes, dialect, limits }.read();
    let documents =
        pieces.into_iter().map(|piece| Document { value: piece.value, line: Position::of(piece.start).line });
    (documents.collect(), fault.map(Stopped::from))
}

/// Finds where a field of one object is written: its key, or its item for lists.
///
/// `document` is [`Origin::document`]. A second pass over the file, on demand, so that reading need not keep positions.
/// A field that an alias or merge brings in is found where it is written.
#[must_use]
pub fn locate(bytes: &[u8], dialect: Dialect, document: u32, field: &FieldPath) -> Option<Position> {
    resources::locate(bytes, dialect, document, field)
}

/// Reads one JSON value that nests up to `depth` levels, without recursion; `None` when it is none.
pub(crate) fn json_value(bytes: &[u8], depth: usize) -> Option<Value> {
    json_body(bytes, depth).map(|(value, _)| value)
}

/// The same, and whether a map in it has a key twice.
pub(crate) fn json_body(bytes: &[u8], depth: usize) -> Option<(Value, bool)> {
    let limits = Limits { depth, ..Limits::default() };
    let mut builder = Builder::with_capacity(bytes.len());
    let (_, end) = json::value(bytes, json::At::default(), &limits, &mut builder).ok()??;
    let repeats = builder.duplicates() > 0;
    // Nothing but white space may follow.
    json::value(bytes, end, &limits, &mut Builder::new())
        .ok()?
        .is_none()
        .then(|| builder.finish().ok())?
        .map(|value| (value, repeats))
}

/// Reads one document as YAML even if it looks like JSON, and whether a map in it has a key twice.
pub(crate) fn yaml_body(bytes: &[u8], depth: usize) -> Result<Option<(Value, bool)>, Stopped> {
    let limits = Limits { depth, ..Limits::default() };
    let (pieces, fault) = stream::Input { bytes, dialect: Dialect::Kubectl, limits: &limits }.read_as_yaml();
    match (pieces.into_iter().next(), fault) {
        (None, Some(fault)) => Err(fault.into()),
        (piece, _) => Ok(piece.map(|piece| (piece.value, piece.repeats))),
    }
}

impl Position {
    /// The position of a mark in a file.
    fn of(mark: yaml::Mark) -> Self {
        Self { line: mark.line.saturating_add(1), column: mark.column.saturating_add(1) }
    }
}

impl From<fault::Fault> for Stopped {
    fn from(fault: fault::Fault) -> Self {
        Self {
            position: Position::of(fault.mark),
            text: fault.text.into(),
            hint: fault.hint,
            too_large: fault.kind == fault::FaultKind::TooLarge,
        }
    }
}
