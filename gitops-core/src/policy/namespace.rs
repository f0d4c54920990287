//! The namespace of an application, where nothing declares it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Whether the namespace of an application is made, where the application does not declare it.
///
/// It is never pruned. Rule: Argo CD's sync option `CreateNamespace`, and its `managedNamespaceMetadata`.
///
/// ```
/// use gitops_core::policy::CreateNamespace;
///
/// let managed = r#"{"managed": {"labels": {"team": "shop"}}}"#;
/// assert!(matches!(serde_json::from_str(managed), Ok(CreateNamespace::Managed(_))));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CreateNamespace {
    /// It is not.
    #[default]
    Never,
    /// It is created where it is missing; one that is there is left alone.
    IfMissing,
    /// It is created where it is missing, and has these labels and annotations, as if the source declared them.
    Managed(NamespaceMetadata),
}

/// What a namespace is labelled and annotated with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NamespaceMetadata {
    /// Labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Annotations; options among them count, as on any object.
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
}
