//! JSON schemas as a CRD may have them: structural ones.
//!
//! Rule: "Specifying a structural schema" of the Kubernetes documentation. There are no references, no schema without a
//! type but where anything may stand, and a list of which no item occurs twice says so by its list type. No default is
//! kept: the server would write it into the object, so that a later version could not mean another one. `null` is not
//! allowed: what is not said is left out.

use serde_json::{Map, Value, json};

/// Deeper than this, anything may stand. No schema of ours is recursive, or half as deep.
const DEPTH: usize = 32;

/// What a structural schema may keep of a place as it is.
const KEPT: [&str; 12] = [
    "description",
    "enum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
];

/// Makes a JSON schema structural.
pub(super) fn structural(schema: &Value) -> Value {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    Reading { definitions }.place(schema, 0)
}

struct Reading<'s> {
    definitions: &'s Map<String, Value>,
}

impl Reading<'_> {
    fn place(&self, schema: &Value, depth: usize) -> Value {
        let Some(schema) = self.resolved(schema, depth) else { return anything(None) };
        let description = schema.get("description");
        if let Some(options) = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array()) {
            return self.choice(options, description, depth);
        }
        let mut made = Map::new();
        for (key, value) in schema.iter().filter(|(key, _)| KEPT.contains(&key.as_str())) {
            made.insert(key.clone(), value.clone());
        }
        if let Some(only) = schema.get("const") {
            made.insert("enum".to_owned(), json!([only]));
        }
        match type_of(&schema) {
            Some("object") => self.object(&schema, &mut made, depth),
            Some("array") => self.array(&schema, &mut made, depth),
            Some("integer") => {
                made.insert("type".to_owned(), json!("integer"));
                made.insert("format".to_owned(), json!(integer(schema.get("format").and_then(Value::as_str))));
            }
            Some(other) => drop(made.insert("type".to_owned(), json!(other))),
            None if made.contains_key("enum") => drop(made.insert("type".to_owned(), json!("string"))),
            None => return anything(description),
        }
        Value::Object(made)
    }

    /// Follows references, and what stands beside them.
    fn resolved(&self, schema: &Value, depth: usize) -> Option<Map<String, Value>> {
        if depth > DEPTH {
            return None;
        }
        let mut all = schema.as_object()?.clone();
        let referred = all.remove("$ref").and_then(|name| {
            let name = name.as_str()?.strip_prefix("#/$defs/")?.to_owned();
            self.resolved(self.definitions.get(&name)?, depth + 1)
        });
        let parts = all.remove("allOf").and_then(|parts| parts.as_array().cloned()).unwrap_or_default();
        let parts = parts.iter().filter_map(|part| self.resolved(part, depth + 1));
        for part in referred.into_iter().chain(parts).collect::<Vec<_>>() {
            // What is said at the place itself is more to the point.
            part.into_iter().for_each(|(key, value)| {
                all.entry(key).or_insert(value);
            });
        }
        Some(all)
    }

    /// One of several: a word of some, a number or a text, or something that may be left out.
    fn choice(&self, options: &[Value], description: Option<&Value>, depth: usize) -> Value {
        let said: Vec<Value> = options.iter().filter(|option| !is_null(option)).cloned().collect();
        let mut places: Vec<Value> = said.iter().map(|option| self.place(option, depth + 1)).collect();
        let mut made = match places.as_mut_slice() {
            [only] => only.take(),
            several => {
                let of = |name: &'static str| several.iter().all(move |place| place.get("type") == Some(&json!(name)));
                let words: Vec<Value> =
                    several.iter().filter_map(|place| place.get("enum")?.as_array()).flatten().cloned().collect();
                let has_words = several.iter().all(|place| place.get("enum").is_some());
                let has = |name: &str| several.iter().any(|place| place.get("type") == Some(&json!(name)));
                if of("string") && has_words {
                    json!({"type": "string", "enum": words})
                } else if several.len() == 2 && has("integer") && has("string") {
                    json!({"x-kubernetes-int-or-string": true})
                } else {
                    anything(None)
                }
            }
        };
        if let (Some(description), Some(made)) = (description, made.as_object_mut()) {
            made.insert("description".to_owned(), description.clone());
        }
        made
    }

    fn object(&self, schema: &Map<String, Value>, made: &mut Map<String, Value>, depth: usize) {
        made.insert("type".to_owned(), json!("object"));
        if let Some(fields) = schema.get("properties").and_then(Value::as_object).filter(|fields| !fields.is_empty()) {
            let fields = fields.iter().map(|(name, field)| (name.clone(), self.place(field, depth + 1)));
            made.insert("properties".to_owned(), Value::Object(fields.collect()));
            return;
        }
        match schema.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => drop(made.insert("additionalProperties".to_owned(), self.place(values, depth + 1))),
            // Else the server would take out all that stands in it.
            None => drop(made.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true))),
        }
    }

    fn array(&self, schema: &Map<String, Value>, made: &mut Map<String, Value>, depth: usize) {
        let items = schema.get("items").map_or_else(|| anything(None), |items| self.place(items, depth + 1));
        let is_scalar = matches!(items.get("type").and_then(Value::as_str), Some("string" | "integer"));
        let is_set = schema.get("uniqueItems") == Some(&json!(true)) && is_scalar;
        made.insert("type".to_owned(), json!("array"));
        made.insert("x-kubernetes-list-type".to_owned(), json!(if is_set { "set" } else { "atomic" }));
        made.insert("items".to_owned(), items);
    }
}

/// The type of a place; `null` beside another one means that it may be left out.
fn type_of(schema: &Map<String, Value>) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.next().filter(|_| names.next().is_none())
        }
        _ => None,
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type") == Some(&json!("null")) || schema.get("const") == Some(&Value::Null)
}

/// The formats that Kubernetes knows. All else it warns of.
fn integer(format: Option<&str>) -> &'static str {
    if matches!(format, Some("int32" | "int16" | "int8" | "uint16" | "uint8")) { "int32" } else { "int64" }
}

fn anything(description: Option<&Value>) -> Value {
    let mut made = json!({"x-kubernetes-preserve-unknown-fields": true});
    if let (Some(description), Some(made)) = (description, made.as_object_mut()) {
        made.insert("description".to_owned(), description.clone());
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_becomes_one_that_a_definition_may_have() {
        let of = |schema| structural(&schema);
        let made = of(json!({
            "$schema": "x", "title": "x", "type": "object", "additionalProperties": false,
            "required": ["name"],
            "$defs": {
                "Mode": {"description": "How.", "oneOf": [
                    {"description": "Off.", "type": "string", "const": "off"}, {"type": "string", "enum": ["on", "auto"]},
                ]},
                "Part": {"type": "object", "properties": {"a": {"type": "integer", "format": "uint32", "minimum": 0}}},
            },
            "properties": {
                "name": {"type": ["string", "null"], "default": "x"},
                "mode": {"description": "Here.", "$ref": "#/$defs/Mode", "default": "off"},
                "part": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]},
                "names": {"type": "array", "uniqueItems": true, "items": {"type": "string"}},
                "parts": {"type": "array", "uniqueItems": true, "items": {"$ref": "#/$defs/Part"}},
                "share": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "rules": {"type": "array", "items": {"type": "object"}},
                "any": true,
            },
        }));
        let part = json!({"type": "object", "properties": {"a": {"type": "integer", "format": "int64", "minimum": 0}}});
        let wanted = json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "mode": {"type": "string", "enum": ["off", "on", "auto"], "description": "Here."},
                "part": part,
                "names": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "parts": {"type": "array", "x-kubernetes-list-type": "atomic", "items": part},
                "share": {"x-kubernetes-int-or-string": true},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "rules": {"type": "array", "x-kubernetes-list-type": "atomic",
                    "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "any": {"x-kubernetes-preserve-unknown-fields": true},
            },
        });
        assert_eq!(made, wanted, "{made:#}");
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}},
            "B": {"$ref": "#/$defs/B"}}});
        assert!(structural(&schema).to_string().contains("preserve"));
        assert_eq!(
            structural(&json!({"$ref": "#/$defs/B", "$defs": schema["$defs"]})),
            json!({"x-kubernetes-preserve-unknown-fields": true})
        );
    }
}
