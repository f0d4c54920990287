//! A value against an OpenAPI v3 schema, in the order and with the words of kube-openapi's `validate`.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::{Value, ValueRef, View};

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Invalid, NotSupported, Required, TooLong, TooMany, TypeInvalid};
use super::formats::has_format;
use super::list_type::{child, key_of, map_keys};

/// How deep an object may nest; what lies deeper is not checked.
pub(super) const DEPTH: usize = 128;

/// A value, where it is, and what was there before.
#[derive(Clone, Copy)]
pub(super) struct Checked<'a> {
    pub(super) path: &'a str,
    pub(super) new: ValueRef<'a>,
    pub(super) old: Option<ValueRef<'a>>,
}

impl Checked<'_> {
    fn says(&self, text: &str) -> String {
        format!("{}: {} in body {text}", self.new.to_json(), self.path)
    }
}

/// Checks a value and all below it. What did not change is not checked again.
pub(super) fn check(schema: ValueRef<'_>, at: Checked<'_>, faults: &mut Vec<Fault>, depth: usize) {
    if depth > DEPTH || at.old == Some(at.new) {
        return;
    }
    if !is_of_type(schema, at.new) {
        let wanted = schema.get("type").and_then(ValueRef::as_str).unwrap_or("integer,string");
        let found = at.new.kind_name();
        let text = format!("\"{found}\": {} in body must be of type {wanted}: \"{found}\"", at.path);
        faults.push(fault(at.path, TypeInvalid, &text));
    }
    if at.new.is_null() {
        return;
    }
    combined(schema, at, faults, depth);
    match at.new.view() {
        View::String(text) => string(schema, at, text, faults),
        View::Int(number) => whole(schema, at, number, faults),
        View::Float(number) => limits(schema, at, number, faults),
        View::List(_) => list(schema, at, faults, depth),
        _ => {}
    }
    if let Some(allowed) = schema.get("enum").and_then(ValueRef::as_list)
        && !allowed.iter().any(|allowed| allowed == at.new)
    {
        let allowed: Vec<String> = allowed.iter().map(ValueRef::to_json).collect();
        let text = format!("{}: supported values: {}", at.new.to_json(), allowed.join(", "));
        faults.push(fault(at.path, NotSupported, &text));
    }
    if at.new.as_map().is_some() {
        object(schema, at, faults, depth);
    }
}

fn is_of_type(schema: ValueRef<'_>, value: ValueRef<'_>) -> bool {
    let flag = |name: &str| schema.get(name).and_then(ValueRef::as_bool) == Some(true);
    if flag("x-kubernetes-int-or-string") {
        return matches!(value.view(), View::Int(_) | View::String(_)) || (value.is_null() && flag("nullable"));
    }
    let Some(wanted) = schema.get("type").and_then(ValueRef::as_str) else { return true };
    match value.view() {
        View::Null => flag("nullable"),
        View::Bool(_) => wanted == "boolean",
        View::Int(_) => matches!(wanted, "integer" | "number"),
        View::Float(number) => wanted == "number" || (wanted == "integer" && number.fract() == 0.0),
        View::String(_) => wanted == "string",
        View::List(_) => wanted == "array",
        View::Map(_) => wanted == "object",
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn combined(schema: ValueRef<'_>, at: Checked<'_>, faults: &mut Vec<Fault>, depth: usize) {
    let failing = |schema: ValueRef<'_>| {
        let mut faults = Vec::new();
        check(schema, Checked { old: None, ..at }, &mut faults, depth + 1);
        faults
    };
    let fits = |schema: &ValueRef<'_>| failing(*schema).is_empty();
    let of = |name: &str| schema.get(name).and_then(ValueRef::as_list).filter(|list| !list.is_empty());
    let refuse = |text: &str| fault(at.path, Invalid, &format!("{}: \"{}\" {text}", at.new.to_json(), at.path));
    if of("anyOf").is_some_and(|schemas| !schemas.iter().any(|schema| fits(&schema))) {
        faults.push(refuse("must validate at least one schema (anyOf)"));
    }
    match of("oneOf").map(|schemas| schemas.iter().filter(fits).count()) {
        None | Some(1) => {}
        Some(0) => faults.push(refuse("must validate one and only one schema (oneOf). Found none valid")),
        Some(count) => {
            let text = format!("must validate one and only one schema (oneOf). Found {count} valid alternatives");
            faults.push(refuse(&text));
        }
    }
    for schema in of("allOf").into_iter().flatten() {
        faults.extend(failing(schema));
    }
    if schema.get("not").is_some_and(|schema| fits(&schema)) {
        faults.push(refuse("must not validate the schema (not)"));
    }
}

fn string(schema: ValueRef<'_>, at: Checked<'_>, text: &str, faults: &mut Vec<Fault>) {
    let limit = |name: &str| schema.get(name).and_then(ValueRef::as_i64).and_then(|limit| usize::try_from(limit).ok());
    let letters = text.chars().count();
    if let Some(limit) = limit("maxLength").filter(|limit| letters > *limit) {
        faults.push(fault(at.path, TooLong, &format!("may not be more than {limit} bytes")));
    } else if let Some(limit) = limit("minLength").filter(|limit| letters < *limit) {
        faults.push(fault(at.path, Invalid, &at.says(&format!("should be at least {limit} chars long"))));
    }
    if let Some(format) = schema.get("format").and_then(ValueRef::as_str)
        && !has_format(text, format)
    {
        faults.push(fault(at.path, TypeInvalid, &at.says(&format!("must be of type {format}: {text:?}"))));
    }
}

fn whole(schema: ValueRef<'_>, at: Checked<'_>, number: i64, faults: &mut Vec<Fault>) {
    if schema.get("format").and_then(ValueRef::as_str) == Some("int32") && i32::try_from(number).is_err() {
        // The server forgets here which field it means.
        let text = "\"\": Checked value must be of type integer with format int32";
        faults.push(fault("<nil>", Invalid, text));
    }
    #[expect(clippy::cast_precision_loss, reason = "limits of a schema are floats, as in Go")]
    limits(schema, at, number as f64, faults);
}

fn limits(schema: ValueRef<'_>, at: Checked<'_>, number: f64, faults: &mut Vec<Fault>) {
    let limit = |name: &str| schema.get(name).and_then(to_float);
    let excludes = |name: &str| schema.get(name).and_then(ValueRef::as_bool) == Some(true);
    let mut refuse = |text: &str| faults.push(fault(at.path, Invalid, &at.says(text)));
    if let Some(factor) = limit("multipleOf").filter(|factor| *factor > 0.0)
        && (number / factor).fract() != 0.0
    {
        refuse(&format!("should be a multiple of {factor}"));
    }
    if let Some(most) = limit("maximum") {
        if excludes("exclusiveMaximum") && number >= most {
            refuse(&format!("should be less than {most}"));
        } else if number > most {
            refuse(&format!("should be less than or equal to {most}"));
        }
    }
    if let Some(least) = limit("minimum") {
        if excludes("exclusiveMinimum") && number <= least {
            refuse(&format!("should be greater than {least}"));
        } else if number < least {
            refuse(&format!("should be greater than or equal to {least}"));
        }
    }
}

fn to_float(value: ValueRef<'_>) -> Option<f64> {
    match value.view() {
        #[expect(clippy::cast_precision_loss, reason = "limits of a schema are floats, as in Go")]
        View::Int(number) => Some(number as f64),
        View::Float(number) => Some(number),
        _ => None,
    }
}

fn list(schema: ValueRef<'_>, at: Checked<'_>, faults: &mut Vec<Fault>, depth: usize) {
    let Some(items) = at.new.as_list() else { return };
    if let Some(of) = schema.get("items") {
        let keys = map_keys(schema);
        let before = at.old.map(|old| by_keys(old, &keys)).unwrap_or_default();
        for (place, new) in items.iter().enumerate() {
            let old = before.get(&key_of(new, &keys)).copied();
            check(of, Checked { path: &format!("{}[{place}]", at.path), new, old }, faults, depth + 1);
        }
    }
    let limit = |name: &str| schema.get(name).and_then(ValueRef::as_i64).and_then(|limit| usize::try_from(limit).ok());
    if let Some(limit) = limit("minItems").filter(|limit| items.len() < *limit) {
        faults.push(fault(at.path, Invalid, &at.says(&format!("should have at least {limit} items"))));
    }
    if let Some(limit) = limit("maxItems").filter(|limit| items.len() > *limit) {
        let text = format!("{}: must have at most {limit} items", items.len());
        faults.push(fault(at.path, TooMany, &text));
    }
    let is_unique = schema.get("uniqueItems").and_then(ValueRef::as_bool) == Some(true);
    let mut seen = BTreeSet::new();
    if is_unique && !items.iter().all(|item| seen.insert(item)) {
        faults.push(fault(at.path, Invalid, &at.says("shouldn't contain duplicates")));
    }
}

/// The old items of a keyed list by their keys; none of other lists, of which nobody knows what became of an item.
pub(super) fn by_keys<'a>(old: ValueRef<'a>, keys: &[&str]) -> BTreeMap<Value, ValueRef<'a>> {
    let items = old.as_list().filter(|_| !keys.is_empty()).into_iter().flatten();
    let mut found = BTreeMap::new();
    for item in items.filter(|item| keys.iter().all(|key| item.get(key).is_some())) {
        found.entry(key_of(item, keys)).or_insert(item);
    }
    found
}

fn object(schema: ValueRef<'_>, at: Checked<'_>, faults: &mut Vec<Fault>, depth: usize) {
    let Some(fields) = at.new.as_map() else { return };
    let limit = |name: &str| schema.get(name).and_then(ValueRef::as_i64).and_then(|limit| usize::try_from(limit).ok());
    if let Some(limit) = limit("minProperties").filter(|limit| fields.len() < *limit) {
        faults.push(fault(at.path, Invalid, &at.says(&format!("should have at least {limit} properties"))));
    }
    if let Some(limit) = limit("maxProperties").filter(|limit| fields.len() > *limit) {
        let text = format!("{}: must have at most {limit} properties", fields.len());
        faults.push(fault(at.path, TooMany, &text));
    }
    let properties = schema.get("properties");
    let others = schema.get("additionalProperties").filter(|of| of.as_map().is_some());
    for (name, new) in fields {
        if let Some(of) = properties.and_then(|properties| properties.get(name)).or(others) {
            let old = at.old.and_then(|old| old.get(name));
            check(of, Checked { path: &child(at.path, name), new, old }, faults, depth + 1);
        }
    }
    for name in schema.get("required").and_then(ValueRef::as_list).into_iter().flatten().filter_map(ValueRef::as_str) {
        if fields.get(name).is_none() {
            faults.push(fault(&child(at.path, name), Required, ""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    /// The faults of a value as they are shown, joined by `; `.
    fn faults(schema: &str, new: &str, old: Option<&str>) -> String {
        let read = |text: &str| Value::from_json(text.as_bytes()).unwrap();
        let (schema, new, old) = (read(schema), read(new), old.map(read));
        let mut faults = Vec::new();
        let at = Checked { path: "f", new: new.root(), old: old.as_ref().map(Value::root) };
        check(schema.root(), at, &mut faults, 0);
        faults.into_iter().map(|(path, _, text)| format!("{path}: {text}")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_value_is_refused_by_each_rule_of_the_schema_that_it_breaks() {
        for (schema, good, bad, why) in [
            (r#"{"type":"string"}"#, "\"a\"", "1", "must be of type string: \"number\""),
            (r#"{"type":"integer"}"#, "1.0", "1.5", "must be of type integer: \"number\""),
            (r#"{"type":"string","nullable":true}"#, "null", "true", "must be of type string"),
            (r#"{"type":"string"}"#, "\"\"", "null", "must be of type string: \"null\""),
            (r#"{"x-kubernetes-int-or-string":true}"#, "\"80%\"", "1.5", "must be of type integer,string"),
            (r#"{"minLength":2}"#, "\"ää\"", "\"a\"", "should be at least 2 chars long"),
            (r#"{"maxLength":1}"#, "\"ä\"", "\"ab\"", "Too long: may not be more than 1 bytes"),
            (r#"{"format":"date-time"}"#, "\"2026-01-01T00:00:00Z\"", "\"now\"", "must be of type date-time: \"now\""),
            (r#"{"format":"ipv4"}"#, "\"10.0.0.1\"", "\"10.0.0\"", "must be of type ipv4"),
            (r#"{"format":"no-such"}"#, "\"a\"", "", ""),
            (r#"{"format":"int32"}"#, "2147483647", "2147483648", "must be of type integer with format int32"),
            (r#"{"maximum":3}"#, "3", "4", "should be less than or equal to 3"),
            (r#"{"maximum":3,"exclusiveMaximum":true}"#, "2.5", "3", "should be less than 3"),
            (r#"{"minimum":3}"#, "3", "2", "should be greater than or equal to 3"),
            (r#"{"minimum":3,"exclusiveMinimum":true}"#, "4", "3", "should be greater than 3"),
            (r#"{"multipleOf":5}"#, "10", "7", "should be a multiple of 5"),
            (r#"{"multipleOf":0}"#, "7", "", ""),
            (r#"{"enum":["a",1]}"#, "1", "\"b\"", "Unsupported value: \"b\": supported values: \"a\", 1"),
            (r#"{"minItems":1}"#, "[1]", "[]", "should have at least 1 items"),
            (r#"{"maxItems":1}"#, "[1]", "[1,2]", "Too many: 2: must have at most 1 items"),
            (r#"{"uniqueItems":true}"#, "[1,2]", "[1,1]", "shouldn't contain duplicates"),
            (r#"{"items":{"type":"string"}}"#, "[\"a\"]", "[\"a\",1]", "f[1]: Invalid value: \"number\": f[1] in body"),
            (r#"{"minProperties":1}"#, r#"{"a":1}"#, "{}", "should have at least 1 properties"),
            (r#"{"maxProperties":0}"#, "{}", r#"{"a":1}"#, "must have at most 0 properties"),
            (r#"{"required":["a"]}"#, r#"{"a":null}"#, "{}", "f.a: Required value"),
            (r#"{"properties":{"a":{"type":"string"}}}"#, r#"{"b":1}"#, r#"{"a":1}"#, "f.a: Invalid value"),
            (r#"{"additionalProperties":{"type":"string"}}"#, r#"{"a":"b"}"#, r#"{"a":1}"#, "f.a: Invalid value"),
            (r#"{"allOf":[{"minimum":1},{"maximum":2}]}"#, "1", "3", "should be less than or equal to 2"),
            (r#"{"anyOf":[{"minimum":5},{"maximum":2}]}"#, "1", "3", "must validate at least one schema (anyOf)"),
            (r#"{"oneOf":[{"minimum":2},{"maximum":2}]}"#, "1", "2", "Found 2 valid alternatives"),
            (r#"{"oneOf":[{"minimum":5},{"maximum":2}]}"#, "1", "3", "Found none valid"),
            (r#"{"not":{"minimum":2}}"#, "1", "2", "must not validate the schema (not)"),
        ] {
            assert_eq!(faults(schema, good, None), "", "{schema} {good}");
            if !bad.is_empty() {
                let found = faults(schema, bad, None);
                assert!(found.contains(why), "{schema} {bad}: {found}");
            }
        }
    }

    /// Rule: Kubernetes, "Validation ratcheting" of CustomResourceDefinitions.
    #[test]
    fn what_did_not_change_stays_valid_where_old_and_new_can_be_told_to_be_the_same() {
        let keyed = r#"{"x-kubernetes-list-map-keys":["k"],"items":{"properties":{"v":{"minimum":5}}}}"#;
        for (schema, old, new, is_valid) in [
            (r#"{"minimum":5}"#, "1", "1", true),
            (r#"{"minimum":5}"#, "1", "2", false),
            (r#"{"properties":{"a":{"minimum":5},"b":{}}}"#, r#"{"a":1}"#, r#"{"a":1,"b":2}"#, true),
            (r#"{"items":{"minimum":5}}"#, "[1]", "[1,6]", false),
            (keyed, r#"[{"k":1,"v":1}]"#, r#"[{"k":2,"v":7},{"k":1,"v":1}]"#, true),
            (keyed, r#"[{"k":1,"v":1}]"#, r#"[{"k":2,"v":1}]"#, false),
        ] {
            assert_eq!(faults(schema, new, Some(old)).is_empty(), is_valid, "{schema} {old} {new}");
        }
    }

    #[test]
    fn a_schema_that_is_none_refuses_nothing() {
        for schema in ["1", "[]", r#"{"type":7,"items":1,"properties":[],"required":"a","enum":1}"#] {
            for value in ["[[1]]", r#"{"a":{"b":1}}"#, "\"a\"", "1"] {
                assert_eq!(faults(schema, value, None), "", "{schema} {value}");
            }
        }
    }
}
