//! What is left alone: rules that name fields which others decide about.
//!
//! A rule says which objects it is for, and which of their fields. One set of rules governs comparing and applying:
//! such a field is no drift, it is not sent where the cluster has it, and it leaves our ownership before it is not sent
//! any more, so that adding a rule never changes a live value. Rules 13 to 18 of the exact rules.
//!
//! What an object is cannot be ignored: `apiVersion`, `kind`, its name and namespace, and the keys of list items.

mod argo;
mod digest;
mod flux;
#[cfg(feature = "jq")]
mod jq;
mod own;
mod read;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::path::{FieldPath, InvalidPath, PathPattern};
use crate::resource::Resource;
use crate::value::{Digest, ValueRef};

#[cfg(feature = "jq")]
pub use jq::{Gone, InvalidProgram, Program};
pub(crate) use read::Fields;
pub(super) use target::check_glob;
pub use target::{Names, Pattern, Target};

/// The rules in force for one application. Cloning shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    rules: Arc<[Rule]>,
    /// Annotations of Secrets whose values are not shown; sorted.
    masked: Arc<[Arc<str>]>,
    digest: Digest,
}

/// One rule: for which objects, and which fields of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Rule {
    /// Whether it is for every application or for one.
    pub scope: Scope,
    /// Which objects.
    pub target: Target,
    /// Which fields: those that any of these name.
    pub fields: Vec<Selector>,
    /// What a new object gets.
    pub on_create: OnCreate,
}

/// For whom a rule is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scope {
    /// For every application.
    System,
    /// For one.
    #[default]
    Application,
}

/// Names fields of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// By their path, or by a JSON Pointer.
    Path(PathPattern),
    /// By a jq program.
    #[cfg(feature = "jq")]
    Jq(Program),
    /// All that somebody owns.
    OwnedBy(Manager),
}

/// Somebody who owns fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manager {
    /// Glob over the name of the field manager.
    pub name: Arc<str>,
    /// Only what was written through this subresource, such as `scale`.
    pub subresource: Option<Arc<str>>,
}

/// What becomes of an ignored field when the object, or the list item it is in, is created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum OnCreate {
    /// It gets Git's value (rule 13).
    #[default]
    Send,
    /// It is left out.
    Omit,
}

/// A rule that cannot be read. Says which one, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}: {what}")]
#[non_exhaustive]
pub struct InvalidRule {
    /// Which one, counted from 1.
    pub rule: usize,
    /// What is wrong.
    pub what: String,
}

/// Fields that make an object what it is.
const IDENTITY: [&[&str]; 4] = [&["apiVersion"], &["kind"], &["metadata", "name"], &["metadata", "namespace"]];

impl Rules {
    /// Gathers rules; earlier ones are named first.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self::of_parts(rules.into_iter().collect(), Arc::new([]))
    }

    fn of_parts(rules: Arc<[Rule]>, masked: Arc<[Arc<str>]>) -> Self {
        let digest = Self::digest_of(&rules, &masked);
        Self { rules, masked, digest }
    }

    /// Adds annotations of Secrets whose values are never shown, as those of `data` are not: letters stand for them.
    /// They are compared and applied as ever. Argo CD's `resource.sensitive.mask.annotations`.
    #[must_use]
    pub fn with_masked_annotations<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: BTreeSet<Arc<str>> = self.masked.iter().cloned().chain(names.into_iter().map(Arc::from)).collect();
        Self::of_parts(Arc::clone(&self.rules), names.into_iter().collect())
    }

    /// Returns the annotations of Secrets whose values are not shown, in order.
    #[must_use]
    pub fn masked_annotations(&self) -> &Arc<[Arc<str>]> {
        &self.masked
    }

    /// Reads rules in whatever form: a list in our own form, Argo CD's or Flux's, or an object that holds such a list.
    ///
    /// Our own form is a list of maps with the keys `group`, `kind`, `namespace` and `name` (globs; all by default),
    /// `paths` (see [`PathPattern`]), `pointers` (JSON Pointers), `jq`, `managers` (names, or `{name, subresource}`)
    /// and `onCreate` (`send` or `omit`). Argo CD's forms are `ignoreDifferences` and the keys
    /// `resource.customizations.ignoreDifferences.*` of its ConfigMap, which are for every application; Flux's is
    /// `spec.ignore`. Groups and kinds are compared as each of them does.
    ///
    /// ```
    /// use gitops_core::policy::ignore::Rules;
    /// use gitops_core::value::Value;
    ///
    /// let read = |json: &str| Rules::read(Value::from_json(json.as_bytes()).unwrap().root());
    /// let rules = read(r#"[{"kind":"Deployment","paths":["spec.replicas"]}]"#)?;
    /// assert_eq!(rules.iter().next().unwrap().to_string(), "`spec.replicas` of */Deployment */*");
    /// assert_eq!(
    ///     read(r#"[{"pointers":["/spec/~replicas"]}]"#).unwrap_err().to_string(),
    ///     "rule 1: path `/spec/~replicas` cannot be read: column 7: `~` is written `~0`, and a `/` within a name `~1`",
    /// );
    /// # Ok::<(), gitops_core::policy::ignore::InvalidRule>(())
    /// ```
    ///
    /// # Errors
    /// When a rule cannot be read, or names what cannot be ignored.
    pub fn read(value: ValueRef<'_>) -> Result<Self, InvalidRule> {
        let rules = read::rules(value).map(Self::new)?;
        Ok(rules.with_masked_annotations(argo::masked(value)))
    }

    /// Reads Argo CD's `spec.ignoreDifferences`.
    ///
    /// # Errors
    /// When a rule cannot be read, or names what cannot be ignored.
    pub fn from_argo(ignore_differences: ValueRef<'_>) -> Result<Self, InvalidRule> {
        read::each(ignore_differences, argo::rule).map(Self::new)
    }

    /// Reads the keys `resource.customizations.ignoreDifferences.*` of Argo CD's ConfigMap: rules for every application;
    /// and `resource.sensitive.mask.annotations`, a list of names with commas between them.
    ///
    /// # Errors
    /// When a rule cannot be read, or names what cannot be ignored.
    pub fn from_argo_settings(config_map: ValueRef<'_>) -> Result<Self, InvalidRule> {
        let rules = argo::settings(config_map).map(Self::new)?;
        Ok(rules.with_masked_annotations(argo::masked(config_map)))
    }

    /// Reads Flux's `spec.ignore`.
    ///
    /// # Errors
    /// When a rule cannot be read, or names what cannot be ignored.
    pub fn from_flux(ignore: ValueRef<'_>) -> Result<Self, InvalidRule> {
        read::each(ignore, flux::rule).map(Self::new)
    }

    /// Returns these rules as rules for every application.
    #[must_use]
    pub fn for_all(&self) -> Self {
        let rules = self.rules.iter().map(|rule| Rule { scope: Scope::System, ..rule.clone() });
        Self::of_parts(rules.collect(), Arc::clone(&self.masked))
    }

    /// Returns these rules and `others`.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        if others.rules.is_empty() && others.masked.is_empty() {
            return self.clone();
        }
        let all = Self::of_parts(self.rules.iter().chain(&*others.rules).cloned().collect(), Arc::clone(&self.masked));
        all.with_masked_annotations(others.masked.iter().map(|name| &**name))
    }

    /// Returns the rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Returns the rules that are for this object, and their places in the order.
    pub fn of<'a>(&'a self, object: &Resource) -> impl Iterator<Item = (usize, &'a Rule)> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.target.matches(object))
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the digest of all that they say.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new([])
    }
}

impl Rule {
    /// Leaves fields of some objects alone.
    ///
    /// # Errors
    /// With the selector that names what cannot be ignored.
    pub fn new(target: Target, fields: Vec<Selector>) -> Result<Self, Selector> {
        match fields.iter().find(|selector| selector.is_of_identity()) {
            Some(selector) => Err(selector.clone()),
            None => Ok(Self { scope: Scope::default(), target, fields, on_create: OnCreate::default() }),
        }
    }

    /// Sets what a new object gets.
    #[must_use]
    pub fn with_on_create(self, on_create: OnCreate) -> Self {
        Self { on_create, ..self }
    }

    /// Returns whether what it names depends on values anywhere in the object, `status` among them.
    pub(crate) fn reads_values(&self) -> bool {
        self.fields.iter().any(|selector| match selector {
            #[cfg(feature = "jq")]
            Selector::Jq(_) => true,
            Selector::Path(_) | Selector::OwnedBy(_) => false,
        })
    }
}

impl Selector {
    /// Names fields by their path.
    ///
    /// # Errors
    /// When the path cannot be read.
    pub fn path(text: &str) -> Result<Self, InvalidPath> {
        text.parse().map(Self::Path)
    }

    /// Names a field by its JSON Pointer.
    ///
    /// # Errors
    /// When the pointer cannot be read.
    pub fn pointer(text: &str) -> Result<Self, InvalidPath> {
        PathPattern::from_pointer(text).map(Self::Path)
    }

    /// Names all fields of a manager.
    #[must_use]
    pub fn owned_by(manager: &str) -> Self {
        Self::OwnedBy(Manager { name: manager.into(), subresource: None })
    }

    /// Whether it names, by its very words, what makes an object what it is.
    fn is_of_identity(&self) -> bool {
        match self {
            Self::Path(pattern) => pattern.fixed().is_some_and(|path| is_of_identity(&path)),
            #[cfg(feature = "jq")]
            Self::Jq(_) => false,
            Self::OwnedBy(_) => false,
        }
    }
}

/// Returns whether a field, or something in it, makes the object what it is, so that it cannot be ignored as a whole.
#[must_use]
pub fn is_of_identity(path: &FieldPath) -> bool {
    IDENTITY.iter().any(|field| {
        let field = FieldPath::fields(field);
        field.contains(path) || path.contains(&field)
    })
}

impl Manager {
    /// Returns whether it is this owner.
    #[must_use]
    pub fn is(&self, name: &str, subresource: Option<&str>) -> bool {
        fast_glob::glob_match(&*self.name, name)
            && self.subresource.as_deref().is_none_or(|wanted| subresource == Some(wanted))
    }
}

/// `` `spec.replicas`, all of `hpa` of apps/Deployment shop/* ``
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, selector) in self.fields.iter().enumerate() {
            write!(f, "{}{selector}", if at == 0 { "" } else { ", " })?;
        }
        write!(f, " of {}", self.target)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(pattern) => write!(f, "`{pattern}`"),
            #[cfg(feature = "jq")]
            Self::Jq(program) => write!(f, "jq `{program}`"),
            Self::OwnedBy(Manager { name, subresource: None }) => write!(f, "all of `{name}`"),
            Self::OwnedBy(Manager { name, subresource: Some(subresource) }) => {
                write!(f, "all of `{name}` through `{subresource}`")
            }
        }
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
