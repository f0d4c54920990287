//! What is wrong with a schema, and where.

use std::fmt;
use std::sync::Arc;

use crate::path::{FieldPath, Segment};
use crate::value::{ValueRef, View};

/// A place of a schema that does not say what stands there; it is deduced from each value.
///
/// A server refuses a CRD with such a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SchemaFlaw {
    /// Where: in a CRD below `spec.versions[0].schema.openAPIV3Schema`, in an OpenAPI document below
    /// `components.schemas`.
    pub at: FieldPath,
    /// What is wrong: one line, lower case, no full stop, values in backticks.
    pub text: Arc<str>,
}

impl fmt::Display for SchemaFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.at, self.text)
    }
}

/// More are not listed.
const MAX_FLAWS: usize = 100;

/// Where a reader stands in a schema, and what it found wrong.
#[derive(Default)]
pub(super) struct Trail<'a> {
    /// Where the schema is.
    pub(super) base: FieldPath,
    /// Where in the schema.
    pub(super) steps: Vec<&'a str>,
    flaws: Vec<SchemaFlaw>,
    count: usize,
}

impl<'a> Trail<'a> {
    /// Notes what is wrong here, with `keyword` where that is given.
    pub(super) fn note(&mut self, keyword: Option<&'a str>, text: impl Into<Arc<str>>) {
        self.count += 1;
        if self.count <= MAX_FLAWS {
            let steps = self.steps.iter().copied().chain(keyword).map(Segment::field);
            let at = self.base.segments().iter().cloned().chain(steps).collect();
            self.flaws.push(SchemaFlaw { at, text: text.into() });
        }
    }

    /// Returns what was noted since this was last asked.
    pub(super) fn take(&mut self) -> Vec<SchemaFlaw> {
        std::mem::take(&mut self.flaws)
    }

    /// Notes keywords that hold something else than they should; returns whether there is a schema at all.
    pub(super) fn check(&mut self, of: ValueRef<'a>) -> bool {
        let Some(keywords) = of.as_map() else {
            self.note(None, format!("a schema is a map, not {}", of.kind_name()));
            return false;
        };
        for (keyword, value) in keywords.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(wanted) = wanted(keyword, value) {
                self.note(Some(keyword), format!("must be {wanted}, not {}", shown(value)));
            }
        }
        true
    }
}

/// What a keyword should hold, if it holds something else. Keywords that no type depends on are not looked at.
fn wanted(keyword: &str, value: ValueRef<'_>) -> Option<&'static str> {
    let text = value.as_str();
    let (wanted, fits) = match keyword {
        "type" => (
            "`array`, `boolean`, `integer`, `number`, `object` or `string`",
            matches!(text, Some("array" | "boolean" | "integer" | "number" | "object" | "string")),
        ),
        "x-kubernetes-list-type" => ("`atomic`, `map` or `set`", matches!(text, Some("atomic" | "map" | "set"))),
        "x-kubernetes-map-type" => ("`atomic` or `granular`", matches!(text, Some("atomic" | "granular"))),
        "$ref" | "format" | "x-kubernetes-patch-merge-key" | "x-kubernetes-patch-strategy" => {
            ("a string", text.is_some())
        }
        "nullable"
        | "x-kubernetes-embedded-resource"
        | "x-kubernetes-int-or-string"
        | "x-kubernetes-preserve-unknown-fields" => ("a boolean", value.as_bool().is_some()),
        "properties" => ("a map", value.as_map().is_some()),
        "additionalProperties" => ("a schema or a boolean", matches!(value.view(), View::Map(_) | View::Bool(_))),
        "allOf" => ("a list", value.as_list().is_some()),
        "x-kubernetes-list-map-keys" => {
            ("a list of strings", value.as_list().is_some_and(|keys| keys.iter().all(|key| key.as_str().is_some())))
        }
        _ => return None,
    };
    (!fits).then_some(wanted)
}

fn shown(value: ValueRef<'_>) -> String {
    value.as_str().map_or_else(|| value.kind_name().to_owned(), |text| format!("`{text}`"))
}

#[cfg(test)]
mod tests {
    use super::super::ApiModel;
    use crate::resource::{GroupKind, Resource};
    use crate::value::{Draft, Value};

    const BASE: &str = "spec.versions[0].schema.openAPIV3Schema.properties.spec";

    fn widget() -> GroupKind {
        GroupKind::new("example.com", "Widget")
    }

    /// A model with a CRD whose `spec` has this schema.
    fn model_of(spec: Draft) -> ApiModel {
        let crd = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"x"},
            "spec":{"group":"example.com","names":{"kind":"Widget","plural":"widgets"},"versions":[]}}"#;
        let mut crd = Value::from_json(crd.as_bytes()).unwrap().root().to_draft();
        let mut version = Draft::map();
        version.set("name", "v1");
        version.set("served", true);
        let root = version.entry("schema").entry("openAPIV3Schema");
        root.set("type", "object");
        root.entry("properties").set("spec", spec);
        crd.entry("spec").set("versions", vec![version]);
        ApiModel::builtin().with_crds([&Resource::new(crd.freeze()).unwrap()])
    }

    #[test]
    fn a_bad_schema_says_where_and_why_and_only_that_place_is_deduced() {
        for (spec, at, text) in [
            (r#"{"type":"object"}"#, "", ""),
            (r#"{"type":"object","items":null,"nullable":null,"properties":{"nullable":{"type":"string"}}}"#, "", ""),
            ("1", "", "a schema is a map, not number"),
            (r#"{"type":"object","properties":{"a":[]}}"#, ".properties.a", "a schema is a map, not list"),
            (r#"{"type":"array","items":[]}"#, ".items", "a schema is a map, not list"),
            (r#"{"type":"array"}"#, "", "an array needs `items`"),
            (
                r#"{"type":["string","null"]}"#,
                ".type",
                "must be `array`, `boolean`, `integer`, `number`, `object` or `string`, not list",
            ),
            (r#"{"properties":[]}"#, ".properties", "must be a map, not list"),
            (r#"{"additionalProperties":"yes"}"#, ".additionalProperties", "must be a schema or a boolean, not `yes`"),
            (r#"{"nullable":"true"}"#, ".nullable", "must be a boolean, not `true`"),
            (
                r#"{"type":"object","x-kubernetes-map-type":"set"}"#,
                ".x-kubernetes-map-type",
                "must be `atomic` or `granular`, not `set`",
            ),
            (
                r#"{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"map"}"#,
                "",
                "a list of type `map` needs `x-kubernetes-list-map-keys`",
            ),
            (
                r#"{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}},
                    "x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a","b"]}"#,
                ".x-kubernetes-list-map-keys",
                "the items do not declare the key `b`",
            ),
            (
                r##"{"type":"object","properties":{"a":{"$ref":"#/definitions/none"}}}"##,
                ".properties.a",
                "refers to `none`, which is not defined",
            ),
        ] {
            let spec = Value::from_json(spec.as_bytes()).unwrap();
            let model = model_of(spec.root().to_draft());
            let found: Vec<String> = model.flaws(&widget()).map(ToString::to_string).collect();
            let expected = if text.is_empty() { vec![] } else { vec![format!("`{BASE}{at}`: {text}")] };
            assert_eq!(found, expected, "{}", spec.to_json());
            assert!(model.schema(&widget(), "v1").declares("spec"), "{}", spec.to_json());
        }
    }

    #[test]
    fn a_schema_however_deep_is_read_to_a_limit_and_the_rest_is_deduced() {
        for (levels, expected) in [(100, 0), (129, 1), (300, 1), (480, 1)] {
            let mut spec = Draft::map();
            for _ in 0..levels {
                let mut outer = Draft::map();
                outer.set("type", "object");
                outer.entry("properties").set("a", spec);
                spec = outer;
            }
            let model = model_of(spec);
            let found: Vec<String> = model.flaws(&widget()).map(ToString::to_string).collect();
            assert_eq!(found.len(), expected, "{levels}");
            assert!(found.iter().all(|text| text.ends_with("nests deeper than 128 schemas")), "{levels}");
        }
    }

    /// What is wrong with the kind `Widget` of a document with these components, of which it is `W`.
    fn flaws_of(components: &str) -> Vec<String> {
        let kind = r#"{"group":"example.com","version":"v1","kind":"Widget"}"#;
        let document = format!(
            r#"{{"components":{{"schemas":{{{components}}}}},"paths":{{"/apis/example.com/v1/widgets":{{"get":{{
            "x-kubernetes-group-version-kind":{kind}}}}}}}}}"#
        );
        let document = document.replacen("GVK", &format!("\"x-kubernetes-group-version-kind\":[{kind}]"), 1);
        let model = ApiModel::empty().with_openapi("example.com/v1", document.as_bytes());
        assert!(model.has_schemas(&widget()), "{components}");
        model.flaws(&widget()).map(ToString::to_string).collect()
    }

    #[test]
    fn references_are_followed_however_they_lead_and_cycles_of_them_are_told() {
        let to = |name: &str| format!("{{\"$ref\":\"#/components/schemas/{name}\"}}");
        let w = |to: &str| format!(r#""W":{{"type":"object","properties":{{"a":{to}}},GVK}}"#);
        let chain = |link: &dyn Fn(usize) -> String| {
            (0..10_000).map(|at| format!(r#","C{at}":{}"#, link(at))).collect::<String>()
        };
        let text = r#"{"type":"string"}"#;
        let nested = |at| format!(r#"{{"type":"object","properties":{{"b":{}}}}}"#, to(&format!("C{}", at + 1)));
        for (components, expected) in [
            (w(&to("W")), None),
            (format!(r#"{},"B":{}"#, w(&to("B")), to("W")), None),
            (
                format!(r#"{},"B":{},"C":{}"#, w(&to("B")), to("C"), to("B")),
                Some("`components.schemas.W.properties.a`: refers to `B`, which refers to nothing but itself"),
            ),
            (w(&to("B")), Some("`components.schemas.W.properties.a`: refers to `B`, which is not defined")),
            // Of another component, to which the kind does not lead.
            (format!(r#"{},"B":{{"type":"array"}}"#, w(text)), None),
            (
                format!("{}{}", w(&to("C0")), chain(&|at| to(&format!("C{}", at + 1)))),
                Some("`components.schemas.W.properties.a`: refers to `C10000`, which is not defined"),
            ),
            (
                format!("{}{}", w(&to("C0")), chain(&nested)),
                Some("`components.schemas.C9999.properties.b`: refers to `C10000`, which is not defined"),
            ),
        ] {
            let head: String = components.chars().take(200).collect();
            assert_eq!(flaws_of(&components), expected.into_iter().collect::<Vec<_>>(), "{head}");
        }
    }
}
