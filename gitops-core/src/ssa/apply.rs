//! Apply and update of whole objects, as the API server does them around structured-merge-diff.
//!
//! Rules: apimachinery `pkg/util/managedfields` of Kubernetes 1.36: the order of its managers (last-applied,
//! skip-non-applied, cap, build-info, updater, strip-meta) is the order of the steps here. Defaulting, validation and
//! admission are the server's own and come after.

use std::sync::Arc;

use super::kubectl;
use super::managed::{ManagedFieldsError, Operation};
use super::typed::TypedError;
use super::updater::{ConvertError, Force};
use super::write::{self, Merged};
use crate::model::ApiModel;
use crate::path::FieldPath;
use crate::resource::{InvalidResource, Resource};
use crate::time::Timestamp;

/// A server-side apply.
///
/// ```
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::Resource;
/// use gitops_core::ssa::{Apply, ApplyError, apply};
/// use gitops_core::time::Timestamp;
/// use gitops_core::value::Value;
///
/// let config_map = |data: &str| {
///     let json = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c"}},"data":{data}}}"#);
///     Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
/// };
/// let model = ApiModel::builtin();
/// let ours = config_map(r#"{"a":"1","b":"1"}"#);
/// let live = apply(&Apply::new(None, &ours, "gitops", Timestamp::EPOCH, &model))?;
///
/// // Applying the same again changes nothing, not even a time.
/// let again = apply(&Apply::new(Some(&live), &ours, "gitops", Timestamp::from_millis(5000), &model))?;
/// assert_eq!(again, live);
///
/// // Somebody else's value for a field of ours is a conflict, unless forced.
/// let theirs = config_map(r#"{"a":"2"}"#);
/// let request = Apply::new(Some(&live), &theirs, "other", Timestamp::EPOCH, &model);
/// let Err(ApplyError::Conflict(conflicts)) = apply(&request) else { panic!("a conflict") };
/// assert_eq!(conflicts[0].to_string(), "conflict with `gitops`: data.a");
/// assert!(apply(&request.force()).is_ok());
/// # Ok::<(), ApplyError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Apply<'a> {
    /// The object as stored, read at the version of `applied`; `None` when there is none.
    pub live: Option<&'a Resource>,
    /// What is applied.
    pub applied: &'a Resource,
    /// Name of the manager.
    pub manager: &'a str,
    /// Whether fields are taken from other managers.
    pub force: Force,
    /// The subresource it goes through, such as `status`.
    pub subresource: Option<&'a str>,
    /// When it happens.
    pub now: Timestamp,
    /// What the API means.
    pub model: &'a ApiModel,
}

/// Any other write: `new` is what is to be stored in place of `live`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Update<'a> {
    /// The object as stored, read at the version of `new`; `None` when it is created.
    pub live: Option<&'a Resource>,
    /// The whole new object.
    pub new: &'a Resource,
    /// Name of the manager.
    pub manager: &'a str,
    /// The subresource it goes through, such as `status`.
    pub subresource: Option<&'a str>,
    /// When it happens.
    pub now: Timestamp,
    /// What the API means.
    pub model: &'a ApiModel,
}

/// A field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// Name of the other manager.
    pub manager: Arc<str>,
    /// How it came to own the field.
    pub operation: Operation,
    /// Version in which it names the field.
    pub api_version: Arc<str>,
    /// The subresource it wrote through.
    pub subresource: Option<Arc<str>>,
    /// The field.
    pub field: FieldPath,
}

/// Why nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Other managers own fields with other values.
    #[error("{} fields are owned by other managers; the first is a {}", .0.len(), first(.0))]
    Conflict(Vec<Conflict>),
    /// What is applied, or what is stored, does not fit its schema.
    #[error("the object does not fit its schema: {}", first(.0))]
    Invalid(Vec<TypedError>),
    /// The stored managed fields cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ManagedFieldsError),
    /// What is applied names managed fields itself.
    #[error("`metadata.managedFields` must not be applied; leave it out")]
    ManagedFieldsGiven,
    /// What is left is no object.
    #[error(transparent)]
    NotAnObject(#[from] InvalidResource),
    /// An entry is at a version to which the object cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

fn first<T: std::fmt::Display>(all: &[T]) -> String {
    all.first().map(ToString::to_string).unwrap_or_default()
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "conflict with `{}`", self.manager)?;
        if let Some(subresource) = &self.subresource {
            write!(f, " with subresource `{subresource}`")?;
        }
        if self.operation == Operation::Update {
            write!(f, " using {}", self.api_version)?;
        }
        write!(f, ": {}", self.field)
    }
}

impl<'a> Apply<'a> {
    /// Starts an unforced apply to the main resource.
    #[must_use]
    pub fn new(
        live: Option<&'a Resource>,
        applied: &'a Resource,
        manager: &'a str,
        now: Timestamp,
        model: &'a ApiModel,
    ) -> Self {
        Self { live, applied, manager, force: Force::No, subresource: None, now, model }
    }

    /// Takes fields from other managers.
    #[must_use]
    pub fn force(self) -> Self {
        Self { force: Force::Yes, ..self }
    }

    /// Goes through a subresource.
    #[must_use]
    pub fn through(self, subresource: &'a str) -> Self {
        Self { subresource: Some(subresource), ..self }
    }
}

impl<'a> Update<'a> {
    /// Starts a write of the main resource.
    #[must_use]
    pub fn new(
        live: Option<&'a Resource>,
        new: &'a Resource,
        manager: &'a str,
        now: Timestamp,
        model: &'a ApiModel,
    ) -> Self {
        Self { live, new, manager, subresource: None, now, model }
    }

    /// Goes through a subresource.
    #[must_use]
    pub fn through(self, subresource: &'a str) -> Self {
        Self { subresource: Some(subresource), ..self }
    }
}

/// Applies an object: merges it, moves ownership, removes what the manager does not apply any more.
///
/// The result carries the new `metadata.managedFields` and is in the form in which the server stores it. It is `live`
/// when nothing changed. Defaults are not filled in, and `resourceVersion` and `generation` are as they were.
///
/// # Errors
/// On conflicts unless forced, and when something cannot be read; nothing is applied then.
pub fn apply(request: &Apply<'_>) -> Result<Resource, ApplyError> {
    let merged = merge(request)?;
    let object = if merged.is_changed { stored(request, &merged.object)? } else { merged.object };
    Ok(match request.live {
        Some(live) => write::keep_times(live, object),
        None => object,
    })
}

fn stored(request: &Apply<'_>, object: &Resource) -> Result<Resource, InvalidResource> {
    let schema = request.model.schema(&object.key().group_kind, object.version());
    Resource::new(schema.stored(object.tree()))
}

/// Applies an object without encoding the result, for a server that goes on with it.
///
/// # Errors
/// As [`apply`].
pub(crate) fn merge(request: &Apply<'_>) -> Result<Merged, ApplyError> {
    let merged = match write::apply(request) {
        Err(ApplyError::Conflict(conflicts)) if request.manager == kubectl::MANAGER => {
            let left = kubectl::without_last_applied(request, conflicts);
            if left.is_empty() { write::apply(&request.force()) } else { Err(ApplyError::Conflict(left)) }
        }
        result => result,
    }?;
    let is_kubectl = request.manager == kubectl::MANAGER;
    let Merged { object, is_changed } = merged;
    let object = if is_kubectl { kubectl::refresh_last_applied(request, object) } else { object };
    Ok(Merged { object, is_changed })
}

/// Returns `new` with the `metadata.managedFields` that the server would store: the manager owns what it changed.
///
/// As on the server this never fails: when ownership cannot be tracked (an object that does not fit its schema, an
/// entry at a version that is gone), **all** managed fields are dropped.
#[must_use]
pub fn update(request: &Update<'_>) -> Resource {
    write::update(request)
}
