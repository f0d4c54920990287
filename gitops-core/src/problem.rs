//! What is wrong with one thing, as data.
//!
//! A [`Problem`] speaks about one object, file or setting and holds back that thing only. `Result::Err` is kept for
//! "there is no answer at all".

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::path::FieldPath;
use crate::resource::{Origin, ResourceKey};

/// What kind of problem; each says what it holds back. The wire form is the name in kebab case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// A file that could not be read. Holds back all pruning.
    UnreadableFile,
    /// Text that is no YAML or JSON. Holds back the rest of the file and all pruning. In JSON, a byte that is no UTF-8 is
    /// but a warning.
    InvalidSyntax,
    /// A document over a limit. Holds back the rest of the file and all pruning.
    TooLarge,
    /// A document that is no Kubernetes object. Holds back that document and all pruning.
    InvalidResource,
    /// A file that something else would have to render first; it is left out. A warning.
    NotRendered,
    /// A key given twice in one map; the last one won. A warning.
    DuplicateKey,
    /// One object declared twice. Holds back the object.
    DuplicateResource,
    /// A kind the cluster does not serve and no CRD of the set declares. Holds back the object, and pruning of its kind.
    UnknownKind,
    /// A version of a kind that the cluster does not serve. Holds back the object.
    UnknownVersion,
    /// Namespace given for a cluster-scoped object; it is dropped. A warning.
    NamespaceOnClusterScoped,
    /// No namespace given and no default set. Holds back the object.
    MissingNamespace,
    /// A CRD whose schema does not say what stands in some place; it is compared as it is written. A warning.
    InvalidSchema,
    /// Something in Git that only a server sets, or that is never sent; it is dropped. A note.
    Dropped,
    /// The object cannot be applied as it is written. Holds back the object.
    InvalidObject,
    /// Owner references in Git. A warning.
    OwnerReferences,
    /// A sync wave that is no whole number. Holds back the object.
    InvalidWave,
    /// An unknown hook or delete-policy word. Holds back the object.
    InvalidHook,
    /// An unknown or malformed option in an annotation. Holds back the object.
    InvalidOption,
    /// A dependency that is malformed, unknown, or part of a cycle. Holds back the object.
    InvalidDependency,
    /// The object belongs to somebody else. Holds back the object.
    NotOurs,
    /// The source gave nothing, or not everything. Holds back all pruning.
    IncompleteSource,
    /// Part of the cluster could not be read. Holds back what lies in it.
    UnreadableLive,
    /// The inventory could not be read. Holds back all pruning.
    UnreadableInventory,
    /// Ownership data of a live object that could not be read. A warning.
    UnreadableOwnership,
    /// A rule of what to leave alone that is not followed to the letter. A warning.
    IgnoreRule,
    /// A verdict that could not be confirmed by a dry run. A note.
    Predicted,
    /// Something was asked for that the application does not have. The rest of what was asked for goes on.
    NotFound,
    /// Something stands where a hook runs, and may not be deleted for it. Holds back the hook and what follows it.
    HookOccupied,
    /// A guard stopped a deletion. Holds back all pruning.
    PruneGuard,
    /// The object is being deleted: neither there nor gone. A note.
    Terminating,
    /// A change that cannot be made in place.
    Immutable,
    /// The cluster refused a write. Holds back the object and what must follow it.
    Refused,
    /// A document of an application or project that cannot be used. Holds back the application.
    InvalidApplication,
    /// Something in the document of an application that means nothing here. A note or warning.
    NotFollowed,
    /// What the project of an application does not permit. Holds back the application, or the object.
    NotPermitted,
}

/// How far a problem reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing; nothing is held back.
    Note,
    /// Probably not what was meant; nothing is held back.
    Warning,
    /// The object (or the pruning) is held back, the rest goes on.
    Blocks,
}

/// What is wrong with one thing: what, where, and what to do.
///
/// ```
/// use gitops_core::problem::{Code, Problem};
/// use gitops_core::resource::{Origin, ResourceKey};
///
/// let key = ResourceKey::new("batch", "Job", "shop", "migrate");
/// let problem = Problem::blocks(Code::InvalidWave, "sync wave `soon` is not a whole number")
///     .of(&key)
///     .at(&Origin::new(&"jobs.yaml".into(), 0, 7))
///     .hint("use a whole number in quotes, such as \"-1\" or \"5\"");
/// assert_eq!(
///     problem.to_string(),
///     "jobs.yaml:7: batch/Job shop/migrate: sync wave `soon` is not a whole number; \
///      use a whole number in quotes, such as \"-1\" or \"5\"",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Problem {
    /// How far it reaches.
    pub severity: Severity,
    /// What kind of problem.
    pub code: Code,
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<ResourceKey>,
    /// Where it was declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// A second place, such as the first of two declarations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Origin>,
    /// Column of `origin.line`, counted from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldPath>,
    /// What is wrong: one line, lower case, no full stop, values in backticks.
    pub text: Arc<str>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Arc<str>>,
}

impl Problem {
    /// States a problem that holds something back.
    #[must_use]
    pub fn blocks(code: Code, text: impl Into<Arc<str>>) -> Self {
        Self::new(Severity::Blocks, code, text.into())
    }

    /// States a problem that is probably a mistake and holds nothing back.
    #[must_use]
    pub fn warning(code: Code, text: impl Into<Arc<str>>) -> Self {
        Self::new(Severity::Warning, code, text.into())
    }

    /// States something worth knowing.
    #[must_use]
    pub fn note(code: Code, text: impl Into<Arc<str>>) -> Self {
        Self::new(Severity::Note, code, text.into())
    }

    fn new(severity: Severity, code: Code, text: Arc<str>) -> Self {
        Self { severity, code, key: None, origin: None, other: None, column: None, field: None, text, hint: None }
    }

    /// Moves the places of files below a folder.
    pub(crate) fn below(mut self, folder: &str) -> Self {
        for origin in [&mut self.origin, &mut self.other].into_iter().flatten() {
            origin.file = format!("{folder}/{}", origin.file).into();
        }
        self
    }

    /// Adds the object.
    #[must_use]
    pub fn of(self, key: &ResourceKey) -> Self {
        Self { key: Some(key.clone()), ..self }
    }

    /// Adds where it was declared.
    #[must_use]
    pub fn at(self, origin: &Origin) -> Self {
        Self { origin: Some(origin.clone()), ..self }
    }

    /// Adds a second place.
    #[must_use]
    pub fn and_at(self, other: &Origin) -> Self {
        Self { other: Some(other.clone()), ..self }
    }

    /// Adds the column, counted from 1.
    #[must_use]
    pub fn column(self, column: u32) -> Self {
        Self { column: Some(column), ..self }
    }

    /// Adds the field.
    #[must_use]
    pub fn field(self, field: FieldPath) -> Self {
        Self { field: Some(field), ..self }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<Arc<str>>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Returns the names of `known` that `name` was probably meant to be, the nearest first, at most three.
///
/// ```
/// use gitops_core::problem::nearest;
///
/// assert_eq!(nearest("replica", ["paused", "replicas", "selector"]), ["replicas"]);
/// assert!(nearest("spec", ["data"]).is_empty());
/// ```
#[must_use]
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let wanted: Vec<char> = name.chars().flat_map(char::to_lowercase).take(LONGEST_NAME).collect();
    let near = |known: &'n str| {
        let other: Vec<char> = known.chars().flat_map(char::to_lowercase).take(LONGEST_NAME).collect();
        let distance = edits(&wanted, &other);
        // A third of a name may be wrong.
        (distance <= wanted.len().max(other.len()).div_ceil(3)).then_some((distance, known))
    };
    let mut found: Vec<(usize, &str)> = known.into_iter().filter_map(near).collect();
    found.sort_unstable();
    // What is much further away than the first is not meant.
    let limit = found.first().map_or(0, |(distance, _)| distance + 1);
    found.retain(|(distance, _)| *distance <= limit);
    found.into_iter().map(|(_, name)| name).take(3).collect()
}

/// Of longer names only the beginning is compared.
const LONGEST_NAME: usize = 64;

/// How many characters have to be put in, taken out or replaced (Levenshtein's distance).
fn edits(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in left.iter().enumerate() {
        let mut before = at;
        let mut last = at + 1;
        let next = std::iter::once(at + 1).chain(row.iter().skip(1).zip(right).map(|(above, to)| {
            last = (before + usize::from(from != to)).min(above + 1).min(last + 1);
            before = *above;
            last
        }));
        row = next.collect();
    }
    row.last().copied().unwrap_or_default()
}

/// `file:line:column: object: field: text; hint`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(&self.text)?;
        if let Some(other) = &self.other {
            write!(f, " (also at {other})")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
