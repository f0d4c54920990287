//! What the server demands of a CustomResourceDefinition.
//!
//! Rule: `pkg/apis/apiextensions/validation` of apiextensions-apiserver 1.36, as far as a definition that breaks it
//! could not be served, or its objects not be kept; and "Specifying a structural schema" of the Kubernetes
//! documentation.

use std::collections::BTreeSet;

use crate::resource::Resource;
use crate::value::ValueRef;

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Forbidden, Invalid, NotSupported, Required};
use super::names::{SUBDOMAIN, is_label};

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                     character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
                     validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

pub(super) fn check(object: &Resource, faults: &mut Vec<Fault>) {
    if !object.key().is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return;
    }
    let crd = object.tree();
    let text = |path: &[&str]| crd.dig(path).and_then(ValueRef::as_str).unwrap_or_default();
    let (group, plural) = (text(&["spec", "group"]), text(&["spec", "names", "plural"]));
    if *object.key().name != *format!("{plural}.{group}") {
        let why = format!("\"{}\": must be spec.names.plural+\".\"+spec.group", object.key().name);
        faults.push(fault("metadata.name", Invalid, &why));
    }
    if group.is_empty() {
        faults.push(fault("spec.group", Required, ""));
    } else if !group.split('.').all(is_label) {
        faults.push(fault("spec.group", Invalid, &format!("\"{group}\": {}", SUBDOMAIN)));
    } else if !group.contains('.') {
        let why = format!("\"{group}\": should be a domain with at least one dot");
        faults.push(fault("spec.group", Invalid, &why));
    }
    match text(&["spec", "scope"]) {
        "" => faults.push(fault("spec.scope", Required, "")),
        "Cluster" | "Namespaced" => {}
        other => {
            let why = format!("\"{other}\": supported values: \"Cluster\", \"Namespaced\"");
            faults.push(fault("spec.scope", NotSupported, &why));
        }
    }
    for (field, value) in [("plural", plural), ("kind", text(&["spec", "names", "kind"]))] {
        let path = format!("spec.names.{field}");
        if value.is_empty() {
            faults.push(fault(&path, Required, ""));
        } else if !is_dns_label(&value.to_lowercase()) {
            let mixed = if field == "kind" { "may have mixed case, but should otherwise match: " } else { "" };
            faults.push(fault(&path, Invalid, &format!("\"{value}\": {mixed}{LABEL}")));
        }
    }
    let versions: Vec<ValueRef<'_>> =
        crd.dig(&["spec", "versions"]).and_then(ValueRef::as_list).into_iter().flatten().collect();
    check_versions(&versions, faults);
    check_stored(crd, &versions, faults);
    check_schemas(&versions, faults);
}

fn check_versions(versions: &[ValueRef<'_>], faults: &mut Vec<Fault>) {
    let mut names = BTreeSet::new();
    for (at, version) in versions.iter().enumerate() {
        let name = name_of(*version);
        names.insert(name);
        if !is_dns_label(name) {
            let why = format!("\"{name}\": {LABEL}");
            faults.push(fault(&format!("spec.versions[{at}].name"), Invalid, &why));
        }
    }
    let shown: Vec<&str> = versions.iter().map(|version| name_of(*version)).collect();
    if names.len() < versions.len() {
        faults.push(fault("spec.versions", Invalid, &format!("{shown:?}: must contain unique version names")));
    }
    let is_stored = |version: &&ValueRef<'_>| version.get("storage").and_then(ValueRef::as_bool) == Some(true);
    if versions.iter().filter(is_stored).count() != 1 {
        let why = format!("{shown:?}: must have exactly one version marked as storage version");
        faults.push(fault("spec.versions", Invalid, &why));
    }
}

/// Objects may still be kept in each version that was ever the one of the store.
fn check_stored(crd: ValueRef<'_>, versions: &[ValueRef<'_>], faults: &mut Vec<Fault>) {
    let stored = crd.dig(&["status", "storedVersions"]).and_then(ValueRef::as_list);
    let stored: Vec<&str> = stored.into_iter().flatten().filter_map(ValueRef::as_str).collect();
    if stored.is_empty() {
        faults.push(fault("status.storedVersions", Invalid, "[]: must have at least one stored version"));
    }
    for (at, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| name_of(*version) == *name) {
            let why = format!(
                "\"{name}\": missing from spec.versions; {name} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} \
                 from status.storedVersions"
            );
            faults.push(fault(&format!("status.storedVersions[{at}]"), Invalid, &why));
        }
    }
}

fn check_schemas(versions: &[ValueRef<'_>], faults: &mut Vec<Fault>) {
    for (at, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{at}].schema.openAPIV3Schema");
        match schema_of(*version) {
            None => faults.push(fault(&path, Required, "schemas are required")),
            // The server keeps one that all versions share in one place.
            Some(first) if at == 0 && versions.iter().all(|other| schema_of(*other) == Some(first)) => {
                check_root("spec.validation.openAPIV3Schema", first, faults);
                return;
            }
            Some(schema) => check_root(&path, schema, faults),
        }
    }
}

fn check_root(path: &str, schema: ValueRef<'_>, faults: &mut Vec<Fault>) {
    match schema.get("type").and_then(ValueRef::as_str) {
        Some("object") | None => {}
        Some(other) if TYPES.contains(&other) => {
            faults.push(fault(&format!("{path}.type"), Invalid, &format!("\"{other}\": must be object at the root")));
        }
        Some(_) => {}
    }
    check_schema(path, schema, "must not be empty at the root", faults);
}

/// Checks a schema and all below it: each place has one type, and lists say how their items are told apart.
fn check_schema(path: &str, schema: ValueRef<'_>, untyped: &str, faults: &mut Vec<Fault>) {
    let flag = |name: &str| schema.get(name).and_then(ValueRef::as_bool) == Some(true);
    if schema.get("$ref").is_some() {
        faults.push(fault(&format!("{path}.$ref"), Forbidden, "$ref is not supported"));
    }
    if flag("uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        faults.push(fault(&format!("{path}.uniqueItems"), Forbidden, why));
    }
    let kind = schema.get("type").and_then(ValueRef::as_str).unwrap_or_default();
    let type_path = format!("{path}.type");
    match kind {
        "" if flag("x-kubernetes-int-or-string") || flag("x-kubernetes-preserve-unknown-fields") => {}
        "" => faults.push(fault(&type_path, Required, untyped)),
        "null" => {
            let why = "type cannot be set to null, use nullable as an alternative";
            faults.push(fault(&type_path, Forbidden, why));
        }
        other if !TYPES.contains(&other) => {
            let why = format!("\"{other}\": supported values: {}", quoted(&TYPES));
            faults.push(fault(&type_path, NotSupported, &why));
        }
        _ => {}
    }
    let items = schema.get("items");
    if items.is_some_and(|items| items.as_list().is_some()) {
        let why = "items must be a schema object and not an array";
        faults.push(fault(&format!("{path}.items"), Forbidden, why));
    } else if kind == "array" && items.is_none() {
        faults.push(fault(&format!("{path}.items"), Required, "must be specified"));
    }
    check_list(path, schema, kind, faults);
    let properties = schema.get("properties").and_then(ValueRef::as_map);
    for (name, schema) in properties.into_iter().flatten() {
        let path = format!("{path}.properties[{name}]");
        check_schema(&path, schema, "must not be empty for specified object fields", faults);
    }
    if let Some(items) = items.filter(|items| items.as_map().is_some()) {
        check_schema(&format!("{path}.items"), items, "must not be empty for specified array items", faults);
    }
    if let Some(more) = schema.get("additionalProperties") {
        let path = format!("{path}.additionalProperties");
        if properties.is_some_and(|properties| !properties.is_empty()) && more.as_bool() != Some(true) {
            faults.push(fault(&path, Forbidden, "additionalProperties and properties are mutual exclusive"));
        }
        if more.as_map().is_some() {
            check_schema(&path, more, "must not be empty for specified object fields", faults);
        }
    }
}

fn check_list(path: &str, schema: ValueRef<'_>, kind: &str, faults: &mut Vec<Fault>) {
    let Some(list_type) = schema.get("x-kubernetes-list-type").and_then(ValueRef::as_str) else { return };
    if kind != "array" {
        let why = format!("\"{kind}\": must be array if x-kubernetes-list-type is specified");
        faults.push(fault(&format!("{path}.type"), Invalid, &why));
    }
    let keys_path = format!("{path}.x-kubernetes-list-map-keys");
    match list_type {
        "atomic" | "set" => {}
        "map" => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(ValueRef::as_list);
            let keys: Vec<&str> = keys.into_iter().flatten().filter_map(ValueRef::as_str).collect();
            if keys.is_empty() {
                let why = "must not be empty if x-kubernetes-list-type is map";
                faults.push(fault(&keys_path, Required, why));
            }
            let declared = |key: &str| schema.dig(&["items", "properties", key]).is_some();
            if schema.get("items").is_some() && !keys.iter().all(|key| declared(key)) {
                let why = format!("{keys:?}: entries must all be names of item properties");
                faults.push(fault(&keys_path, Invalid, &why));
            }
        }
        other => {
            let why = format!("\"{other}\": supported values: {}", quoted(&["atomic", "map", "set"]));
            faults.push(fault(&format!("{path}.x-kubernetes-list-type"), NotSupported, &why));
        }
    }
}

fn schema_of(version: ValueRef<'_>) -> Option<ValueRef<'_>> {
    version.dig(&["schema", "openAPIV3Schema"])
}

fn name_of(version: ValueRef<'_>) -> &str {
    version.get("name").and_then(ValueRef::as_str).unwrap_or_default()
}

fn quoted(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ")
}

/// A label that starts with a letter (RFC 1035).
fn is_dns_label(text: &str) -> bool {
    is_label(text) && text.len() <= 63 && text.starts_with(|first: char| first.is_ascii_lowercase())
}
