//! What a cluster serves, as a recording keeps it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{ApiModel, Known};
use crate::resource::{GroupKind, Resource};
use crate::value::{Digest, Value};

/// An [`ApiModel`], all but what is wrong with the schemas of an OpenAPI document.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeptModel {
    /// [`ApiModel::to_table`] in base64.
    table: String,
    /// CRDs, as JSON.
    definitions: Vec<String>,
    not_served: Vec<GroupKind>,
    digests: Vec<(GroupKind, Digest)>,
}

impl KeptModel {
    pub(crate) fn new(model: &ApiModel) -> Self {
        let kinds = &model.0;
        let definitions = kinds.values().filter_map(|known| known.definition.as_ref());
        let not_served = kinds.iter().filter(|(_, known)| known.served.is_none());
        Self {
            table: STANDARD.encode(model.to_table()),
            definitions: definitions.map(|crd| crd.value().to_json()).collect(),
            not_served: not_served.map(|(kind, _)| kind.clone()).collect(),
            digests: kinds.iter().map(|(kind, known)| (kind.clone(), known.digest)).collect(),
        }
    }

    /// Returns the model; `None` if what is kept is none.
    pub(crate) fn restored(&self) -> Option<ApiModel> {
        let table = ApiModel::from_table(&STANDARD.decode(&self.table).ok()?).ok()?;
        let crds = self.definitions.iter().map(|json| Resource::new(Value::from_json(json.as_bytes()).ok()?).ok());
        let crds: Vec<Resource> = crds.collect::<Option<_>>()?;
        let defined = ApiModel::empty().with_crds(&crds);
        Some(table.edit(|kinds| {
            for (kind, known) in defined.0.iter() {
                let served = kinds.get(kind).and_then(|told| told.served.clone());
                kinds.insert(kind.clone(), Known { served, ..known.clone() });
            }
            for kind in &self.not_served {
                kinds.entry(kind.clone()).or_insert_with(Known::not_served).served = None;
            }
            for (kind, digest) in &self.digests {
                if let Some(known) = kinds.get_mut(kind) {
                    known.digest = *digest;
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_was_kept_knows_the_same() {
        let crd = br#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"}, "versions": [{"name": "v1", "served": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"size": {"type": "integer"}}}}}]}}"#;
        let crd = Resource::new(Value::from_json(crd).unwrap()).unwrap();
        let gone = GroupKind::new("apps", "Deployment");
        let model = ApiModel::builtin().with_crds([&crd]).without_kind(&gone);
        let text = serde_json::to_string(&KeptModel::new(&model)).unwrap();
        let again = serde_json::from_str::<KeptModel>(&text).unwrap().restored().unwrap();
        assert!(again.0.keys().eq(model.0.keys()));
        for kind in model.0.keys() {
            assert_eq!(again.kind(kind), model.kind(kind), "{kind:?}");
            assert_eq!(again.digest_of(kind), model.digest_of(kind), "{kind:?}");
            assert_eq!(again.definition(kind), model.definition(kind), "{kind:?}");
        }
        let widget = GroupKind::new("example.com", "Widget");
        assert!(again.declared_schema(&widget, "v1").is_some() && again.declared_schema(&gone, "v1").is_none());
    }
}
