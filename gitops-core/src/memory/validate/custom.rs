//! What the schema of a CRD demands of its objects.
//!
//! Rule: `customresource.validator` of apiextensions-apiserver 1.36: the OpenAPI schema, then lists of sets and maps,
//! embedded objects and replicas, then the rules in CEL ([`rules`]). Of the schema `pattern` is passed over (see
//! LIMITATIONS.md). What was stored before a schema became stricter stays valid while it does not change.

use crate::resource::Resource;
use crate::value::ValueRef;

use super::super::crd;
use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::{Invalid, NotSupported, Required, TooLong, TooMany, TypeInvalid};
use super::super::server::Context;
use super::list_type;
use super::openapi::{self, Checked};
use super::rules;

pub(super) fn check(
    definition: &Resource,
    context: &Context<'_>,
    live: Option<&Resource>,
    object: &Resource,
    faults: &mut Vec<Fault>,
) {
    let Some(schema) = crd::schema(definition, &context.endpoint.version) else { return };
    let (new, old) = (object.tree(), live.map(Resource::tree));
    let mut found = Vec::new();
    openapi::check(schema, Checked { path: "", new, old }, &mut found, 0);
    let mut lists = Vec::new();
    list_type::check(schema, "", new, &mut lists, 0);
    let mut before = Vec::new();
    old.iter().for_each(|old| list_type::check(schema, "", *old, &mut before, 0));
    if before.is_empty() {
        found.append(&mut lists);
    }
    list_type::embedded(schema, "", new, &mut found, 0);
    if context.endpoint.subresource.as_deref() != Some("status")
        && let Some(scale) = &context.kind.scale
    {
        replicas(&scale.spec_replicas, new, &mut found);
    }
    if has_rules(schema, 0) {
        // What is so wrong that a rule could not be asked.
        let blocks = |fault: &Fault| matches!(fault.1, NotSupported | Required | TooLong | TooMany | TypeInvalid);
        if found.iter().any(blocks) {
            let text = "null: some validation rules were not checked because the object was invalid; correct the \
                        existing errors to complete validation";
            found.push(fault("<nil>", Invalid, text));
        } else {
            rules::check(schema, Checked { path: "", new, old }, &mut found);
        }
    }
    faults.append(&mut found);
}

fn replicas(path: &crate::path::FieldPath, object: ValueRef<'_>, faults: &mut Vec<Fault>) {
    let Some(found) = path.find(object) else { return };
    let path = format!(".{path}");
    match found.as_i64() {
        None => {
            let text = format!("0: {path} accessor error: {} is of another type, expected int64", found.to_json());
            faults.push(fault(&path, Invalid, &text));
        }
        Some(count) if count < 0 => {
            faults.push(fault(&path, Invalid, &format!("{count}: should be a non-negative integer")));
        }
        Some(count) if count > i64::from(i32::MAX) => {
            let text = format!("{count}: should be less than or equal to {}", i32::MAX);
            faults.push(fault(&path, Invalid, &text));
        }
        Some(_) => {}
    }
}

fn has_rules(schema: ValueRef<'_>, depth: usize) -> bool {
    let below = |name: &str| schema.get(name).is_some_and(|schema| has_rules(schema, depth + 1));
    let properties = schema.get("properties").and_then(ValueRef::as_map);
    depth < openapi::DEPTH
        && (schema.get("x-kubernetes-validations").is_some()
            || below("items")
            || below("additionalProperties")
            || properties.into_iter().flatten().any(|(_, schema)| has_rules(schema, depth + 1)))
}
