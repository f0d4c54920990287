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
fn by_keys<'a>(old: ValueRef<'a>, keys: &[&str]) -> BTreeMap<Value, ValueRef<'a>> {
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
