//! Pruning of custom resources.
//!
//! Rule: `pruning.Prune` of apiextensions-apiserver 1.36 and Kubernetes, "Field pruning" of
//! CustomResourceDefinitions. It does not go by the types of server-side apply: there, what is unknown is allowed in all
//! of an object that preserves unknown fields somewhere above, and where a schema declares no fields at all.

use crate::model::ApiModel;
use crate::resource::GroupKind;
use crate::value::{Draft, ValueRef, View};

use super::custom::{DEPTH, ENVELOPE};

/// Takes away what the schema of a CRD does not specify; returns the paths of what it took, in byte order.
///
/// `x-kubernetes-preserve-unknown-fields` keeps what its own schema does not specify; in `properties` and
/// `additionalProperties` below, pruning starts again. Embedded objects and the root keep what makes them objects.
pub(in super::super) fn prune(schema: ValueRef<'_>, object: &mut Draft) -> Vec<String> {
    let mut pruner = Pruner { path: String::new(), taken: Vec::new() };
    pruner.see(Some(schema), object, Unknown::Taken, 0);
    pruner.taken.sort();
    pruner.taken
}

/// What becomes of fields that a schema does not specify.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Taken,
    Kept,
}

struct Pruner {
    path: String,
    taken: Vec<String>,
}

impl Pruner {
    /// Looks at a value; without a schema nothing is specified.
    fn see(&mut self, schema: Option<ValueRef<'_>>, value: &mut Draft, unknown: Unknown, depth: usize) {
        let get = |name: &str| schema.and_then(|schema| schema.get(name)).filter(|value| !value.is_null());
        let flag = |name: &str| get(name).and_then(ValueRef::as_bool) == Some(true);
        let unknown = if flag("x-kubernetes-preserve-unknown-fields") { Unknown::Kept } else { unknown };
        if depth > DEPTH || (schema.is_none() && unknown == Unknown::Kept) {
            return;
        }
        match value {
            Draft::Map(map) => {
                let is_object = depth == 0 || flag("x-kubernetes-embedded-resource");
                map.retain(|name, value| {
                    if is_object && ENVELOPE.contains(&&**name) {
                        if depth > 0 && name == "metadata" {
                            prune_metadata(value);
                        }
                        return true;
                    }
                    let property = get("properties").and_then(|properties| properties.get(name));
                    let below = property.map(Some).or_else(|| match get("additionalProperties")?.view() {
                        View::Map(_) => Some(get("additionalProperties")),
                        // Whatever the boolean says, nothing is specified below.
                        _ => Some(None),
                    });
                    let length = self.path.len();
                    self.path.push_str(if length == 0 { "" } else { "." });
                    self.path.push_str(name);
                    match below {
                        Some(schema) => self.see(schema, value, Unknown::Taken, depth + 1),
                        None if unknown == Unknown::Taken => self.taken.push(self.path.clone()),
                        None => {}
                    }
                    self.path.truncate(length);
                    below.is_some() || unknown == Unknown::Kept
                });
            }
            Draft::List(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    let length = self.path.len();
                    self.path.push_str(&format!("[{at}]"));
                    self.see(get("items"), item, unknown, depth + 1);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }
}

/// Metadata of an embedded object is that of any object. Rule: `objectmeta.Coerce`.
fn prune_metadata(metadata: &mut Draft) {
    let of = ApiModel::builtin();
    super::prune(of.schema(&GroupKind::new("", "ConfigMap"), "v1").field("metadata"), metadata, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn what_a_schema_does_not_specify_is_pruned_unless_it_is_preserved_right_there() {
        const PRESERVE: &str = r#""x-kubernetes-preserve-unknown-fields":true"#;
        let a = r#""properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}}}"#;
        let given = r#"{"a":{"b":"1","c":"2"},"z":{"y":"3"}}"#;
        for (schema, given, kept, taken) in [
            (format!("{{{a}}}"), given, r#"{"a":{"b":"1"}}"#, "s.a.c s.z"),
            // Pruning starts again in what is specified below.
            (format!("{{{PRESERVE},{a}}}"), given, r#"{"a":{"b":"1"},"z":{"y":"3"}}"#, "s.a.c"),
            (format!("{{{PRESERVE}}}"), given, given, ""),
            (r#"{"type":"object"}"#.into(), given, "{}", "s.a s.z"),
            (r#"{"additionalProperties":true}"#.into(), given, r#"{"a":{},"z":{}}"#, "s.a.b s.a.c s.z.y"),
            (
                r#"{"additionalProperties":{"properties":{"b":{}}}}"#.into(),
                given,
                r#"{"a":{"b":"1"},"z":{}}"#,
                "s.a.c s.z.y",
            ),
            (format!("{{{PRESERVE},\"additionalProperties\":{{}}}}"), given, r#"{"a":{},"z":{}}"#, "s.a.b s.a.c s.z.y"),
            // In lists it goes on until something is specified.
            (format!("{{{PRESERVE}}}"), r#"[{"a":[{"b":1}]}]"#, r#"[{"a":[{"b":1}]}]"#, ""),
            (
                format!("{{{PRESERVE},\"items\":{{{a}}}}}"),
                r#"[{"a":{"c":1},"z":1}]"#,
                r#"[{"a":{},"z":1}]"#,
                "s[0].a.c",
            ),
            (r#"{"type":"array"}"#.into(), r#"[{"a":1},2]"#, "[{},2]", "s[0].a"),
            // Embedded objects keep what makes them objects; of their metadata what every object has.
            (
                r#"{"type":"object","x-kubernetes-embedded-resource":true}"#.into(),
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","wrong":1},"spec":{}}"#,
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}"#,
                "s.spec",
            ),
            (
                r#"{"type":"object","properties":{"a":{"type":"string"}}}"#.into(),
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{},"a":null}"#,
                r#"{"a":null}"#,
                "s.apiVersion s.kind s.metadata",
            ),
        ] {
            let root = format!(r#"{{"type":"object","properties":{{"s":{schema}}}}}"#);
            let mut draft = Draft::map();
            draft.set("kind", "Widget");
            draft.entry("metadata").set("whatever", 1);
            draft.set("s", Value::from_json(given.as_bytes()).unwrap().root());
            let found = prune(Value::from_json(root.as_bytes()).unwrap().root(), &mut draft);
            assert_eq!(draft.entry("s").clone().freeze().to_json(), kept, "{schema} {given}");
            assert_eq!(found.join(" "), taken, "{schema} {given}");
            assert!(draft.get("kind").is_some() && draft.entry("metadata").get("whatever").is_some());
        }
    }
}
