//! CustomResourceDefinitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::openapi::Reader;
use super::served::{Conversion, Freshness, ScalePaths, Scope, ServedKind, priority};
use super::{ApiModel, Known, RootType};
use crate::path::{FieldPath, Segment};
use crate::resource::{GroupKind, Resource};
use crate::value::{Hasher, Purpose, ValueRef};

/// Returns the kind that a CRD defines; `None` for other objects and for CRDs without names.
pub(crate) fn defined_by(crd: &Resource) -> Option<GroupKind> {
    let text = |path: &[&str]| crd.tree().dig(path).and_then(ValueRef::as_str);
    let is_crd = crd.key().is("apiextensions.k8s.io", "CustomResourceDefinition");
    is_crd.then(|| Some(GroupKind::new(text(&["spec", "group"])?, text(&["spec", "names", "kind"])?)))?
}

/// Reads what a CRD defines; `None` for other objects and for CRDs without names or versions.
pub(super) fn read(crd: &Resource) -> Option<(GroupKind, Known)> {
    let group_kind = defined_by(crd)?;
    let spec = crd.tree().get("spec")?;
    let text = |path: &[&str]| spec.dig(path).and_then(ValueRef::as_str);
    let scope = if text(&["scope"]) == Some("Cluster") { Scope::Cluster } else { Scope::Namespaced };
    let preserve = spec.get("preserveUnknownFields").and_then(ValueRef::as_bool) == Some(true);

    let model = ApiModel::builtin();
    let meta = model.schema(&GroupKind::new("", "ConfigMap"), "v1").field("metadata");
    let mut reader = Reader::of_crd(meta);
    let (mut roots, mut versions) = (Vec::new(), Vec::<Arc<str>>::new());
    let mut kind = ServedKind::new(group_kind.clone(), text(&["names", "plural"])?, scope, "");
    for (at, version) in (0..).zip(spec.get("versions")?.as_list()?) {
        let Some(name) = version.get("name").and_then(ValueRef::as_str) else { continue };
        let schema = version.dig(&["schema", "openAPIV3Schema"]);
        let base = FieldPath::fields(&["spec", "versions"]).join(Segment::Index(at));
        let base = base.join(Segment::field("schema")).join(Segment::field("openAPIV3Schema"));
        roots.push((Arc::<str>::from(name), reader.custom_resource(schema, preserve, base)));
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
    let root = |(name, (id, flaws))| (name, RootType { schema: Arc::clone(&schema), id, flaws });
    let types: BTreeMap<_, _> = roots.into_iter().map(root).collect();
    let digest = Hasher::new(Purpose::Schema).value(spec).finish();
    Some((group_kind, Known { served: Some(Arc::new(kind)), types, digest, definition: Some(crd.clone()) }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FieldDefault, TypeRef};
    use crate::value::{Draft, Value};

    /// A model with a CRD whose `spec` has this schema.
    fn model(spec: &str) -> ApiModel {
        let crd = format!(
            r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{{"name":"x"}},
            "spec":{{"group":"example.com","scope":"Namespaced","names":{{"kind":"Widget","plural":"widgets"}},
            "versions":[{{"name":"v1","served":true,"schema":{{"openAPIV3Schema":{{"type":"object","properties":{{
            "spec":{spec}}}}}}}}}]}}}}"#
        );
        ApiModel::builtin().with_crds([&Resource::new(Value::from_json(crd.as_bytes()).unwrap()).unwrap()])
    }

    fn spec(model: &ApiModel) -> TypeRef<'_> {
        model.schema(&GroupKind::new("example.com", "Widget"), "v1").field("spec")
    }

    #[test]
    fn a_crd_wins_over_the_openapi_document_whichever_came_first() {
        let document = br#"{"components":{"schemas":{"W":{"type":"object","properties":{"spec":{"type":"object",
            "properties":{"old":{"type":"string"}}}},"x-kubernetes-group-version-kind":[{"group":"example.com",
            "version":"v1","kind":"Widget"}]}}},"paths":{"/apis/example.com/v1/widgets":{"get":{
            "x-kubernetes-group-version-kind":{"group":"example.com","version":"v1","kind":"Widget"}}}}}"#;
        let stale = ApiModel::empty().with_openapi("example.com/v1", document);
        assert!(spec(&stale).declares("old"));
        // What a document does not state is not known.
        assert_eq!(spec(&stale).default_of("old"), &FieldDefault::Unknown);
        let crd = r#"{"type":"object","properties":{"new":{"type":"string"}}}"#;
        let model = model(crd).with_openapi("example.com/v1", document);
        assert!(spec(&model).declares("new") && !spec(&model).declares("old"));
        assert_eq!(spec(&model).default_of("new"), &FieldDefault::None);
    }

    /// The rules are those of "Defaulting" and "Defaulting and Nullable" of the Kubernetes documentation.
    #[test]
    fn defaults_of_a_crd_are_filled_in_where_their_parent_is_in_lists_and_maps_too() {
        let model = model(
            r#"{"type":"object","properties":{
            "a":{"type":"string","default":"x"},
            "nullable":{"type":"string","nullable":true,"default":"x"},
            "outer":{"type":"object","properties":{"b":{"type":"integer","default":1}}},
            "made":{"type":"object","default":{},"properties":{"b":{"type":"integer","default":1}}},
            "list":{"type":"array","items":{"type":"object","properties":{"b":{"type":"integer","default":1}}}},
            "map":{"type":"object","additionalProperties":{"type":"object","properties":{"b":{"default":1}}}},
            "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"b":{"default":1}}},
            "port":{"x-kubernetes-int-or-string":true,"default":80},
            "nulls":{"type":"array","items":{"type":"object","default":{"c":1},"properties":{"b":{"default":1}}}},
            "values":{"type":"object","additionalProperties":{"type":"string","default":"v"}},
            "left":{"type":"array","items":{"type":"string","nullable":true,"default":"v"}}}}"#,
        );
        let always = r#""a":"x","made":{"b":1},"nullable":"x","port":80"#;
        for (given, filled) in [
            ("{}", format!("{{{always}}}")),
            (r#"{"a":null,"nullable":null}"#, r#"{"a":"x","made":{"b":1},"nullable":null,"port":80}"#.into()),
            (r#"{"outer":{}}"#, format!("{{{}}}", always.replace("\"port\"", "\"outer\":{\"b\":1},\"port\""))),
            (
                r#"{"list":[{},{"b":2}]}"#,
                format!("{{{}}}", always.replace("\"made\"", "\"list\":[{\"b\":1},{\"b\":2}],\"made\"")),
            ),
            (
                r#"{"map":{"k":{}}}"#,
                format!("{{{}}}", always.replace("\"nullable\"", "\"map\":{\"k\":{\"b\":1}},\"nullable\"")),
            ),
            (
                r#"{"free":{"z":{}}}"#,
                format!("{{{}}}", always.replace("\"made\"", "\"free\":{\"b\":1,\"z\":{}},\"made\"")),
            ),
            // Defaults of items and of values of maps take the place of nulls, unless these are allowed.
            (
                r#"{"nulls":[null,{}]}"#,
                format!("{{{}}}", always.replace("\"port\"", "\"nulls\":[{\"b\":1,\"c\":1},{\"b\":1}],\"port\"")),
            ),
            (r#"{"values":{"a":null,"b":"w"}}"#, format!("{{{always},\"values\":{{\"a\":\"v\",\"b\":\"w\"}}}}")),
            (r#"{"left":[null]}"#, format!("{{{}}}", always.replace("\"made\"", "\"left\":[null],\"made\""))),
            (r#"{"port":"http"}"#, format!("{{{}}}", always.replace("80", "\"http\""))),
        ] {
            let mut draft = Draft::map();
            draft.set("spec", Value::from_json(given.as_bytes()).unwrap().root());
            model.schema(&GroupKind::new("example.com", "Widget"), "v1").fill_defaults(&mut draft);
            assert_eq!(draft.entry("spec").clone().freeze().to_json(), filled, "{given}");
        }
    }

    #[test]
    fn no_schema_makes_the_model_fall() {
        let deep = r#"{"type":"object","properties":{"a":"#.repeat(50) + "{}" + &"}}".repeat(50);
        for bad in [
            "1",
            "[]",
            r#"{"type":"nonsense"}"#,
            r#"{"type":"array"}"#,
            r#"{"type":7,"properties":[],"default":{}}"#,
            r##"{"$ref":"#/definitions/none"}"##,
            r#"{"type":"array","x-kubernetes-list-type":"map","items":{"type":"object"}}"#,
            r#"{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":7}"#,
            &deep,
        ] {
            let model = model(bad);
            let of = spec(&model);
            let value = Value::from_json(br#"{"a":[{"b":null}]}"#).unwrap();
            assert!(of.equal(of.canonical(value.root()).root(), value.root()), "{bad}");
        }
    }
}
