//! CustomResourceDefinitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::openapi::Reader;
use super::served::{Conversion, Freshness, ScalePaths, Scope, ServedKind, priority};
use super::{ApiModel, Known, RootType};
use crate::path::FieldPath;
use crate::resource::{GroupKind, Resource};
use crate::value::{Hasher, Purpose, ValueRef};

/// Reads what a CRD defines; `None` for other objects and for CRDs without names or versions.
pub(super) fn read(crd: &Resource) -> Option<(GroupKind, Known)> {
    if !crd.key().is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let spec = crd.tree().get("spec")?;
    let text = |path: &[&str]| spec.dig(path).and_then(ValueRef::as_str);
    let group_kind = GroupKind::new(text(&["group"])?, text(&["names", "kind"])?);
    let scope = if text(&["scope"]) == Some("Cluster") { Scope::Cluster } else { Scope::Namespaced };
    let preserve = spec.get("preserveUnknownFields").and_then(ValueRef::as_bool) == Some(true);

    let model = ApiModel::builtin();
    let meta = model.schema(&GroupKind::new("", "ConfigMap"), "v1").field("metadata");
    let mut reader = Reader::of_crd(meta);
    let (mut roots, mut versions) = (Vec::new(), Vec::<Arc<str>>::new());
    let mut kind = ServedKind::new(group_kind.clone(), text(&["names", "plural"])?, scope, "");
    for version in spec.get("versions")?.as_list()? {
        let Some(name) = version.get("name").and_then(ValueRef::as_str) else { continue };
        let schema = version.dig(&["schema", "openAPIV3Schema"]);
        roots.push((Arc::<str>::from(name), reader.custom_resource(schema, preserve)));
        if version.get("served").and_then(ValueRef::as_bool) == Some(true) {
            versions.push(name.into());
        }
        let subresources = version.get("subresources");
        kind.has_status_subresource |= subresources.is_some_and(|sub| sub.get("status").is_some());
        if let Some(scale) = subresources.and_then(|sub| sub.get("scale")) {
            kind.scale = read_scale(scale).or(kind.scale);
        }
    }
    versions.sort_by(|left, right| priority(right).cmp(&priority(left)).then(left.cmp(right)));
    kind.preferred = Arc::clone(versions.first()?);
    kind.versions = versions;
    kind.freshness = Freshness::Current;
    kind.conversion = match text(&["conversion", "strategy"]) {
        None | Some("None") => Conversion::Identity,
        Some(_) => Conversion::Unknown,
    };
    let schema = Arc::new(reader.schema);
    let root = |(name, id)| (name, RootType { schema: Arc::clone(&schema), id });
    let types: BTreeMap<_, _> = roots.into_iter().map(root).collect();
    let digest = Hasher::new(Purpose::Schema).value(spec).finish();
    Some((group_kind, Known { served: Some(Arc::new(kind)), types, digest }))
}

fn read_scale(scale: ValueRef<'_>) -> Option<ScalePaths> {
    // A CRD names plain fields only: `.spec.replicas`.
    let path = |field: &str| {
        let text = scale.get(field)?.as_str()?.strip_prefix('.')?;
        Some(FieldPath::fields(&text.split('.').collect::<Vec<_>>()))
    };
    Some(ScalePaths {
        spec_replicas: path("specReplicasPath")?,
        status_replicas: path("statusReplicasPath")?,
        label_selector: path("labelSelectorPath"),
    })
}
