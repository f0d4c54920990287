//! Lists that are sets or maps, and objects inside of objects.

use std::collections::BTreeSet;

use crate::value::{Value, ValueRef};

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Duplicate, Required};
use super::openapi::DEPTH;

/// Refuses items that are there twice. Rule: `listtype.ValidateListSetsAndMaps` of apiextensions-apiserver.
pub(super) fn check(schema: ValueRef<'_>, path: &str, value: ValueRef<'_>, faults: &mut Vec<Fault>, depth: usize) {
    if depth > DEPTH {
        return;
    }
    if let Some(items) = value.as_list() {
        let keys = map_keys(schema);
        let kind = schema.get("x-kubernetes-list-type").and_then(ValueRef::as_str);
        let mut seen: BTreeSet<Value> = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let key = match kind {
                Some("set") => item.to_value(),
                Some("map") => key_of(item, &keys),
                _ => continue,
            };
            if seen.contains(&key) {
                faults.push(fault(&format!("{path}[{at}]"), Duplicate, &key.to_json()));
            }
            seen.insert(key);
        }
    }
    below(schema, path, value, &mut |schema, path, value| check(schema, path, value, faults, depth + 1));
}

/// Refuses embedded objects that do not say what they are.
pub(super) fn embedded(schema: ValueRef<'_>, path: &str, value: ValueRef<'_>, faults: &mut Vec<Fault>, depth: usize) {
    if depth > DEPTH {
        return;
    }
    let is_embedded = schema.get("x-kubernetes-embedded-resource").and_then(ValueRef::as_bool) == Some(true);
    if is_embedded && value.as_map().is_some() {
        for field in ["apiVersion", "kind"] {
            if value.get(field).and_then(ValueRef::as_str).unwrap_or_default().is_empty() {
                faults.push(fault(&child(path, field), Required, ""));
            }
        }
    }
    below(schema, path, value, &mut |schema, path, value| embedded(schema, path, value, faults, depth + 1));
}

/// The fields by which the items of a list are told apart; none for other lists.
pub(super) fn map_keys(schema: ValueRef<'_>) -> Vec<&str> {
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(ValueRef::as_list);
    keys.into_iter().flatten().filter_map(ValueRef::as_str).collect()
}

pub(super) fn key_of(item: ValueRef<'_>, keys: &[&str]) -> Value {
    let mut key = crate::value::Draft::map();
    for field in keys {
        if let Some(value) = item.get(field) {
            key.set(field, value);
        }
    }
    key.freeze()
}

/// Goes down to what the schema declares below a value.
fn below(
    schema: ValueRef<'_>,
    path: &str,
    value: ValueRef<'_>,
    visit: &mut dyn FnMut(ValueRef<'_>, &str, ValueRef<'_>),
) {
    if let (Some(of), Some(items)) = (schema.get("items"), value.as_list()) {
        for (at, item) in items.iter().enumerate() {
            visit(of, &format!("{path}[{at}]"), item);
        }
    }
    let properties = schema.get("properties");
    for (name, value) in value.as_map().into_iter().flatten() {
        if let Some(of) = properties.and_then(|properties| properties.get(name)) {
            visit(of, &child(path, name), value);
        } else if let Some(of) = schema.get("additionalProperties").filter(|of| of.as_map().is_some()) {
            visit(of, &format!("{path}[{name}]"), value);
        }
    }
}

pub(super) fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
