//! What a schema takes away when the server reads an object.

use crate::model::TypeRef;
use crate::value::Draft;

/// How deep an object may nest; what lies deeper stays as it is.
pub(super) const DEPTH: usize = 128;

/// Fields of an object that no schema of a CRD declares.
pub(super) const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Takes away nulls that the schema of a custom resource does not allow, as the server does once defaults are filled in.
///
/// Rule: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions", "Defaulting and Nullable".
pub(in super::super) fn prune_nulls(schema: TypeRef<'_>, draft: &mut Draft, depth: usize) {
    if depth > DEPTH || schema.is_deduced() {
        return;
    }
    match draft {
        Draft::Map(map) => {
            map.retain(|name, value| {
                let (is_own, of) = (depth > 0 || !ENVELOPE.contains(&&**name), schema.field(name));
                let is_pruned = *value == Draft::Null && !of.is_deduced() && !of.is_nullable();
                if is_own {
                    prune_nulls(of, value, depth + 1);
                }
                !(is_own && is_pruned)
            });
        }
        Draft::List(items) => items.iter_mut().for_each(|item| prune_nulls(schema.element(), item, depth + 1)),
        _ => {}
    }
}

/// Takes away fields that the type does not have, as Go's decoder does with those of built-in kinds.
pub(in super::super) fn prune(schema: TypeRef<'_>, draft: &mut Draft, depth: usize) {
    if depth > DEPTH || schema.is_deduced() {
        return;
    }
    match draft {
        Draft::Map(map) => {
            if depth > 0 {
                map.retain(|name, _| schema.allows(name));
            } else {
                map.retain(|name, _| schema.allows(name) || ENVELOPE.contains(&&**name));
            }
            for (name, value) in map {
                if depth > 0 || !ENVELOPE.contains(&&**name) {
                    prune(schema.field(name), value, depth + 1);
                }
            }
        }
        Draft::List(items) => items.iter_mut().for_each(|item| prune(schema.element(), item, depth + 1)),
        _ => {}
    }
}
