//! Which objects a rule is for.

use std::fmt;
use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};
use serde::{Serialize, Serializer};

use crate::resource::{LabelSelector, Resource};

/// Patterns that compile to more bytes are refused.
const MAX_REGEX: usize = 1 << 16;

/// Which objects a rule is for: those that all of these match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// API group; the core group is empty.
    pub group: Names,
    /// API version.
    pub version: Names,
    /// Kind.
    pub kind: Names,
    /// Namespace; empty for objects that have none.
    pub namespace: Names,
    /// Name.
    pub name: Names,
    /// Labels.
    pub labels: Option<LabelSelector>,
    /// Annotations, in the language of label selectors.
    pub annotations: Option<LabelSelector>,
}

/// Which names.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Names {
    /// All.
    #[default]
    Any,
    /// Those that match a glob, such as `shop-*`.
    Like(Arc<str>),
    /// This one.
    Only(Arc<str>),
    /// Those that match a regular expression from beginning to end.
    Matching(Pattern),
}

/// A regular expression over whole names.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    regex: Regex,
}

impl Pattern {
    /// Returns the expression as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Target {
    /// Chooses all objects.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Chooses a kind by globs.
    #[must_use]
    pub fn kind(group: &str, kind: &str) -> Self {
        Self { group: Names::like(group), kind: Names::like(kind), ..Self::default() }
    }

    /// Chooses names by globs.
    #[must_use]
    pub fn named(self, namespace: &str, name: &str) -> Self {
        Self { namespace: Names::like(namespace), name: Names::like(name), ..self }
    }

    /// Returns whether an object is among them.
    #[must_use]
    pub fn matches(&self, object: &Resource) -> bool {
        let key = object.key();
        self.kind.match_name(key.kind())
            && self.group.match_name(key.group())
            && self.name.match_name(&key.name)
            && self.namespace.match_name(key.namespace.as_deref().unwrap_or(""))
            && self.version.match_name(object.version())
            && self.labels.as_ref().is_none_or(|labels| labels.matches(|name| object.label(name)))
            && self.annotations.as_ref().is_none_or(|wanted| wanted.matches(|name| object.annotation(name)))
    }
}

impl Names {
    /// Chooses names by a glob.
    #[must_use]
    pub fn like(glob: &str) -> Self {
        match glob {
            "*" => Self::Any,
            _ if glob.contains(['*', '?', '[', '{', '\\', '!']) => Self::Like(glob.into()),
            _ => Self::Only(glob.into()),
        }
    }

    /// Reads a glob.
    pub(super) fn glob(glob: &str) -> Result<Self, String> {
        check_glob(glob).map(|()| Self::like(glob))
    }

    /// Chooses names by a regular expression that must match from beginning to end.
    ///
    /// # Errors
    /// With what is wrong with the expression.
    pub fn matching(pattern: &str) -> Result<Self, String> {
        // Groups keep `a|b` together.
        let regex = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_REGEX).build();
        let wrong = |error| format!("`{pattern}` is no regular expression: {error}");
        Ok(Self::Matching(Pattern { text: pattern.into(), regex: regex.map_err(wrong)? }))
    }

    pub(crate) fn match_name(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Like(glob) => fast_glob::glob_match(&**glob, name),
            Self::Only(only) => **only == *name,
            Self::Matching(pattern) => pattern.regex.is_match(name),
        }
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) => true,
            (Self::Like(left), Self::Like(right)) | (Self::Only(left), Self::Only(right)) => left == right,
            (Self::Matching(left), Self::Matching(right)) => left.text == right.text,
            _ => false,
        }
    }
}

impl Eq for Names {}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Like(text) | Self::Only(text) | Self::Matching(Pattern { text, .. }) => text,
        })
    }
}

/// `apps/Deployment shop/*`
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if matches!(&self.group, Names::Only(group) if group.is_empty()) { "" } else { "/" };
        write!(f, "{}{dot}{} {}/{}", self.group, self.kind, self.namespace, self.name)?;
        for (word, selector) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if let Some(selector) = selector {
                write!(f, " with {word} {selector}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Says what is wrong with a glob that would match nothing.
pub(in crate::policy) fn check_glob(glob: &str) -> Result<(), String> {
    let wrong = |at: usize, why: &str| Err(format!("`{glob}` is no glob: column {}: {why}", at + 1));
    let (mut open, mut letters) = (Vec::new(), glob.chars().enumerate());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if letters.next().is_none() => return wrong(at, "nothing follows the `\\`"),
            '[' => {
                // A `]` that comes first is one of the letters.
                let mut rest = letters.by_ref().skip_while(|(_, letter)| matches!(letter, '!' | '^')).skip(1);
                if !rest.any(|(_, letter)| letter == ']') {
                    return wrong(at, "a `]` is missing");
                }
            }
            '{' => open.push(at),
            '}' => drop(open.pop()),
            _ => {}
        }
    }
    open.first().map_or(Ok(()), |at| wrong(*at, "a `}` is missing"))
}
