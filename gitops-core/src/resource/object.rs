//! The object itself.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};

use super::{ResourceKey, split_api_version};
use crate::value::{Digest, Draft, JsonError, Purpose, Value, ValueRef, View};

/// One Kubernetes object. Cloning shares it; `Debug` prints the key; it cannot be serialised by accident.
///
/// ```
/// use gitops_core::resource::Resource;
/// use gitops_core::value::Value;
///
/// let value = Value::from_json(br#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"}}"#)?;
/// let resource = Resource::new(value)?;
/// assert_eq!(resource.key().to_string(), "apps/Deployment shop/web");
/// assert_eq!(resource.version(), "v1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Resource(Arc<Inner>);

struct Inner {
    key: ResourceKey,
    version: Arc<str>,
    tree: Value,
    intent: OnceLock<Digest>,
}

/// A tree that is no Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResource {
    /// Not a map at all.
    #[error("a Kubernetes object is a map, not a {0}")]
    NotAMap(&'static str),
    /// A required text field is absent.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A required text field is empty or holds something else.
    #[error("`{field}` must be a non-empty string, not {found}")]
    NotText {
        /// The field.
        field: &'static str,
        /// What it holds instead.
        found: &'static str,
    },
    /// `apiVersion` has more than one slash, or an empty part.
    #[error("`apiVersion` must be `version` or `group/version`")]
    ApiVersion,
    /// The typed object did not serialise to JSON.
    #[error("the object does not serialise to JSON: {0}")]
    Json(Arc<str>),
}

impl Resource {
    /// Reads the identity of an object.
    ///
    /// # Errors
    /// When `apiVersion`, `kind`, or both `metadata.name` and `metadata.generateName` are missing or no texts.
    pub fn new(tree: Value) -> Result<Self, InvalidResource> {
        let root = tree.root();
        if root.as_map().is_none() {
            return Err(InvalidResource::NotAMap(root.kind_name()));
        }
        let api_version = text(root, &["apiVersion"], "apiVersion")?;
        let (group, version) = split_api_version(api_version).ok_or(InvalidResource::ApiVersion)?;
        let kind = text(root, &["kind"], "kind")?;
        let name = match text(root, &["metadata", "name"], "metadata.name") {
            Err(InvalidResource::Missing(_)) => {
                match text(root, &["metadata", "generateName"], "metadata.generateName") {
                    Err(InvalidResource::Missing(_)) => return Err(InvalidResource::Missing("metadata.name")),
                    prefix => prefix?,
                }
            }
            name => name?,
        };
        let namespace = match text(root, &["metadata", "namespace"], "metadata.namespace") {
            Ok(namespace) => Some(namespace),
            // Go reads an absent, a null and an empty namespace alike.
            Err(InvalidResource::Missing(_) | InvalidResource::NotText { found: "an empty string", .. }) => None,
            Err(error) => return Err(error),
        };
        let key = ResourceKey::new(group, kind, namespace, name);
        let version = version.into();
        Ok(Self(Arc::new(Inner { key, version, tree, intent: OnceLock::new() })))
    }

    /// Reads a typed object: a `k8s_openapi` type, or a struct of your own.
    ///
    /// # Errors
    /// When it does not serialise, or has no kind or name.
    pub fn from_typed(object: &impl Serialize) -> Result<Self, InvalidResource> {
        let tree = Value::from_serialize(object).map_err(|error| {
            let cause = match error {
                JsonError::Syntax(cause) => cause.to_string(),
                JsonError::Build(cause) => cause.to_string(),
            };
            InvalidResource::Json(cause.into())
        })?;
        Self::new(tree)
    }

    /// Returns what object this is.
    #[must_use]
    pub fn key(&self) -> &ResourceKey {
        &self.0.key
    }

    /// Takes an equal key and version, unless somebody else holds the object.
    pub(super) fn take_names(&mut self, key: &ResourceKey, version: impl FnOnce(&Arc<str>) -> Arc<str>) {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.key = key.clone();
            inner.version = version(&inner.version);
        }
    }

    /// Returns whether both handles share one content; cheaper than `==` and never wrong when `true`.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.tree.same(&other.0.tree)
    }

    /// Returns the version it is written in, such as `v1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    pub(crate) fn shared_version(&self) -> &Arc<str> {
        &self.0.version
    }

    /// Returns `apiVersion`, such as `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.tree().get("apiVersion").and_then(ValueRef::as_str).unwrap_or_default()
    }

    /// Returns the tree, for walking.
    #[must_use]
    pub fn tree(&self) -> ValueRef<'_> {
        self.0.tree.root()
    }

    /// Returns the whole value; cloning it shares it.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.tree
    }

    /// Returns a text field of `metadata`.
    #[must_use]
    pub fn metadata(&self, field: &str) -> Option<&str> {
        self.tree().dig(&["metadata", field])?.as_str()
    }

    /// Returns the uid the server gave it.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        self.metadata("uid")
    }

    /// Returns the version the server gave its present content.
    #[must_use]
    pub fn resource_version(&self) -> Option<&str> {
        self.metadata("resourceVersion")
    }

    /// Returns an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.tree().dig(&["metadata", "annotations", name])?.as_str()
    }

    /// Returns a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.tree().dig(&["metadata", "labels", name])?.as_str()
    }

    /// Returns the prefix of an object whose name the server, or the planner, completes.
    #[must_use]
    pub fn generate_name(&self) -> Option<&str> {
        let metadata = self.tree().get("metadata")?;
        metadata.get("name").is_none_or(ValueRef::is_null).then(|| metadata.get("generateName")?.as_str())?
    }

    /// Returns whether it is being deleted: neither present nor absent.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.tree().dig(&["metadata", "deletionTimestamp"]).is_some_and(|at| !at.is_null())
    }

    /// Returns the digest of what a source declares: everything but what only a server sets.
    #[must_use]
    pub fn intent(&self) -> Digest {
        *self.0.intent.get_or_init(|| {
            let server_set = self
                .tree()
                .get("metadata")
                .and_then(ValueRef::as_map)
                .is_some_and(|metadata| metadata.iter().any(|(name, _)| SERVER_SET.contains(&name)));
            if !server_set && self.tree().get("status").is_none() {
                return self.tree().digest(Purpose::Intent);
            }
            let mut draft = self.tree().to_draft();
            draft.remove("status");
            if let Some(metadata) = draft.get_mut("metadata") {
                SERVER_SET.iter().for_each(|name| drop(metadata.remove(name)));
            }
            draft.freeze().root().digest(Purpose::Intent)
        })
    }

    /// Returns the raw content. The one door: every place where content leaves is found by searching for this name.
    #[must_use]
    pub fn expose(&self) -> Exposed<'_> {
        Exposed(self)
    }

    /// Returns a copy with these annotations, each replacing one of its name. Costs little: what an object is stays.
    #[must_use]
    pub fn annotated(&self, annotations: &[(&str, &str)]) -> Self {
        self.with_texts("annotations", annotations)
    }

    /// The same with labels.
    pub(crate) fn labelled(&self, labels: &[(&str, &str)]) -> Self {
        self.with_texts("labels", labels)
    }

    fn with_texts(&self, map: &str, texts: &[(&str, &str)]) -> Self {
        let Some(tree) = self.0.tree.with_texts("metadata", map, texts) else {
            // Something else stands where a text would.
            let edited = self.edit(|draft| {
                let place = draft.entry("metadata").entry(map);
                texts.iter().for_each(|(name, text)| place.set(name, *text));
            });
            return edited.unwrap_or_else(|_| self.clone());
        };
        let (key, version) = (self.0.key.clone(), Arc::clone(&self.0.version));
        Self(Arc::new(Inner { key, version, tree, intent: OnceLock::new() }))
    }

    /// Edits a copy.
    ///
    /// # Errors
    /// When the edit took away what makes it an object.
    pub fn edit(&self, edit: impl FnOnce(&mut Draft)) -> Result<Self, InvalidResource> {
        let mut draft = self.tree().to_draft();
        edit(&mut draft);
        Self::new(draft.freeze())
    }
}

/// Metadata that only a server sets. Rule 2 of the exact rules (docs/decisions) drops it from what Git says.
pub const SERVER_SET: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Raw content of a [`Resource`], as its [`Resource::expose`] gave it out.
#[derive(Clone, Copy)]
pub struct Exposed<'a>(&'a Resource);

impl Exposed<'_> {
    /// Returns compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.0.tree().to_json()
    }
}

impl fmt::Debug for Exposed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Exposed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.value().serialize(serializer)
    }
}

fn text<'a>(root: ValueRef<'a>, path: &[&str], field: &'static str) -> Result<&'a str, InvalidResource> {
    match root.dig(path).map(ValueRef::view) {
        None | Some(View::Null) => Err(InvalidResource::Missing(field)),
        Some(View::String("")) => Err(InvalidResource::NotText { field, found: "an empty string" }),
        Some(View::String(text)) => Ok(text),
        Some(View::Bool(_)) => Err(InvalidResource::NotText { field, found: "a boolean" }),
        Some(View::Int(_) | View::Float(_)) => Err(InvalidResource::NotText { field, found: "a number" }),
        Some(View::List(_)) => Err(InvalidResource::NotText { field, found: "a list" }),
        Some(View::Map(_)) => Err(InvalidResource::NotText { field, found: "a map" }),
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({})", self.key())
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.0.tree == other.0.tree
    }
}

impl Eq for Resource {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotating_is_editing_the_annotations() {
        for metadata in [
            r#"{"name":"web"}"#,
            r#"{"annotations":{"a":"1","b":"2"},"name":"web","uid":"u"}"#,
            r#"{"annotations":null,"generateName":"web-","labels":{"x":"y"}}"#,
            r#"{"annotations":{},"name":"web"}"#,
            r#"{"annotations":{"b":["list"],"z":"1"},"name":"web"}"#,
            r#"{"annotations":{"b":[],"c":{"b":"c"},"data":"v"},"c":"b","name":"web"}"#,
        ] {
            let text = format!(r#"{{"apiVersion":"v1","data":{{"k":"v"}},"kind":"ConfigMap","metadata":{metadata}}}"#);
            let object = Resource::new(Value::from_json(text.as_bytes()).unwrap()).unwrap();
            let annotated = object.annotated(&[("b", "new"), ("c", "3")]);
            let edited = object.edit(|draft| {
                let annotations = draft.entry("metadata").entry("annotations");
                annotations.set("b", "new");
                annotations.set("c", "3");
            });
            assert_eq!(Ok(&annotated), edited.as_ref(), "{metadata}");
            assert_eq!((annotated.key(), annotated.intent()), (object.key(), edited.as_ref().unwrap().intent()));
        }
    }
}
