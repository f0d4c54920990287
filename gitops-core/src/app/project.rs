//! What the applications of a project may do: sources, destinations, kinds, and when.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Signed;
use crate::policy::window::Windows;
use crate::policy::{Glob, InvalidGlob};

/// What the applications of a project may do: `spec` of its document. What is not permitted is forbidden.
///
/// Rule: Argo CD's `AppProject`. See [`Project::permits_source`], [`Project::permits_destination`] and
/// [`Project::permits`].
///
/// ```
/// use gitops_core::app::{Destination, Project};
///
/// let project: Project = serde_json::from_str(
///     r#"{"sourceRepos": ["https://example.org/team/*"], "destinations": [{"server": "*", "namespace": "team-*"}]}"#,
/// )?;
/// assert!(project.permits_source("https://example.org/team/shop.git").permitted);
/// let answer = project.permits_destination(&Destination::default().in_namespace("kube-system"));
/// assert_eq!(
///     (answer.permitted, &*answer.reason),
///     (false, "no destination permits namespace `kube-system` of cluster `in-cluster` (https://kubernetes.default.svc)"),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Project {
    /// What it is for.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: Arc<str>,
    /// Repositories that applications may be made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_repos: Vec<Repository>,
    /// Clusters and namespaces that applications may go to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<Place>,
    /// Kinds without namespace that are permitted. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_whitelist: Vec<NamedKinds>,
    /// Kinds without namespace that are forbidden, whatever permits them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_blacklist: Vec<NamedKinds>,
    /// Kinds with a namespace that are permitted. Default: all; an empty list permits none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_resource_whitelist: Option<Vec<Kinds>>,
    /// Kinds with a namespace that are forbidden, whatever permits them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespace_resource_blacklist: Vec<Kinds>,
    /// Who must have signed what its applications are made from; then none of them says so itself. Argo CD names keys by
    /// their ids (`signatureKeys`), and has them elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// When its applications may be synced.
    #[serde(skip_serializing_if = "Windows::is_empty")]
    pub sync_windows: Windows,
}

/// Clusters and namespaces. What is not given matches nothing, except for a namespace of an application without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Place {
    /// Addresses of clusters.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub server: Option<Pattern>,
    /// Names of clusters.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub name: Option<Pattern>,
    /// Namespaces.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub namespace: Option<Pattern>,
}

/// Kinds, by globs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Kinds {
    /// API groups; the core group is empty.
    #[serde(default)]
    pub group: Glob,
    /// Kinds.
    pub kind: Glob,
}

/// Kinds, and names of objects of them, by globs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct NamedKinds {
    /// API groups; the core group is empty.
    #[serde(default)]
    pub group: Glob,
    /// Kinds.
    pub kind: Glob,
    /// Names. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "named")]
    pub name: Option<Glob>,
}

/// A glob, or with `!` before it all that it does not match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    pub(super) negated: bool,
    pub(super) glob: Glob,
}

/// A pattern of addresses of repositories, in which `*` stops at a `/` and `**` does not.
///
/// Addresses are compared in small letters, without `.git` at the end, and `git@host:path` is `ssh://git@host/path`.
/// Rule: `NormalizeGitURL` of Argo CD. There, addresses that it cannot read are all equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    text: Arc<str>,
    pub(super) pattern: Pattern,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPattern(String);

impl Project {
    /// Describes a project that permits everything, as `default` does where nobody declares it.
    #[must_use]
    pub fn unrestricted() -> Self {
        let pattern = || Pattern { negated: false, glob: Glob::any() };
        Self {
            source_repos: vec![Repository { text: "*".into(), pattern: pattern() }],
            // A cluster may be known by its address or by its name alone.
            destinations: vec![Place { server: Some(pattern()), name: Some(pattern()), namespace: Some(pattern()) }],
            cluster_resource_whitelist: vec![NamedKinds { group: Glob::any(), kind: Glob::any(), name: None }],
            ..Self::default()
        }
    }
}

impl Repository {
    /// Returns whether its glob, whatever stands before it, matches an address.
    pub(super) fn glob_matches(&self, address: &str) -> bool {
        self.pattern.glob.matches_path(&normal(address))
    }
}

/// An address of a repository as it is compared.
fn normal(address: &str) -> String {
    let address = address.trim().to_lowercase();
    let scheme = address.contains("://");
    let address = match address.split_once('@') {
        // The path of `git@host:path` starts at its first colon.
        Some((user, rest)) if !scheme && !user.contains(['/', ':']) && !rest.contains('@') => {
            format!("{user}@{}", rest.replacen(':', "/", 1))
        }
        _ => address,
    };
    let address = address.strip_suffix(".git").unwrap_or(&address);
    address.strip_prefix("ssh://").unwrap_or(address).to_owned()
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let (negated, glob) = text.strip_prefix('!').map_or((false, text), |glob| (true, glob));
        if negated && glob == "*" {
            return Err(InvalidPattern("`!*` forbids everything; name what is forbidden".to_owned()));
        }
        let glob = glob.parse().map_err(|InvalidGlob(what)| InvalidPattern(what))?;
        Ok(Self { negated, glob })
    }
}

impl FromStr for Repository {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let (mark, glob) = text.strip_prefix('!').map_or(("", text), |glob| ("!", glob));
        for (at, _) in glob.match_indices("**") {
            let (before, after) = (glob.get(..at).unwrap_or(""), glob.get(at..).unwrap_or(""));
            let alone =
                matches!(before.chars().last(), None | Some('/')) && matches!(after.get(2..3), None | Some("/"));
            if !alone {
                let shown: String = text.chars().take(64).collect();
                return Err(InvalidPattern(format!(
                    "`**` in `{shown}` touches other letters; write it between slashes"
                )));
            }
        }
        Ok(Self { text: text.into(), pattern: format!("{mark}{}", normal(glob)).parse()? })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negated { "!" } else { "" }, self.glob)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Repository {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Repository {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An empty pattern is none.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Pattern>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

/// An empty glob of names is none.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Glob>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}
