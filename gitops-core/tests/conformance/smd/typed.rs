//! Typed values.

use std::path::Path;

use gitops_core::model::{ListKind, Scalar, Schema, TypeRef};
use gitops_core::ssa::{Comparison, Duplicates, Emptied, FieldSet, Typed};

use super::{Json, NEW, Schemas, Verdict, same, same_set, same_value, set, suite, value};
use crate::Case;

fn read<'s>(case: &Json, field: &str, schemas: &'s Schemas) -> Result<Typed<'s>, String> {
    Typed::new(value(&case[field]), schemas.type_of(case), Duplicates::Allow).map_err(|error| format!("{error:?}"))
}

/// A case that records Go's failure must fail.
fn outcome<T>(case: &Json, result: Result<T, String>, check: impl FnOnce(T) -> Verdict) -> Verdict {
    match (result, case["error"].is_null()) {
        (Ok(result), true) => check(result),
        (Err(_), false) => Ok(()),
        (Ok(_), false) => Err(format!("no error, but Go says {}", case["error"])),
        (Err(error), true) => Err(error),
    }
}

pub(crate) fn validate(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "typed_validate", |case, schemas| {
        let valid = |duplicates| match schemas.of(&case["schema"]).named(case["type"].as_str().unwrap()) {
            Some(of) => Typed::new(value(&case["object"]), of, duplicates).is_ok(),
            None => false,
        };
        same("valid", &valid(Duplicates::Refuse), &case["valid"].as_bool().unwrap())?;
        same("with duplicates", &valid(Duplicates::Allow), &case["validAllowDuplicates"].as_bool().unwrap())
    })
}

pub(crate) fn to_set(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "typed_toset", |case, schemas| {
        let found =
            read(case, "object", schemas).and_then(|typed| typed.field_set().map_err(|error| format!("{error:?}")));
        outcome(case, found, |found| same_set("set", &found, &case["set"]))
    })
}

pub(crate) fn merge(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "typed_merge", |case, schemas| {
        let found = read(case, "lhs", schemas).and_then(|left| {
            let right = read(case, "rhs", schemas)?;
            left.merge(&right).map_err(|error| format!("{error:?}"))
        });
        outcome(case, found, |found| same_value("result", found.value(), &case["result"]))
    })
}

pub(crate) fn compare(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "typed_compare", |case, schemas| {
        let found = read(case, "lhs", schemas).and_then(|left| {
            let right = read(case, "rhs", schemas)?;
            left.compare(&right).map_err(|error| format!("{error:?}"))
        });
        outcome(case, found, |found| check_comparison(&found, case))
    })
}

fn check_comparison(found: &Comparison, expected: &Json) -> Verdict {
    same_set("removed", &found.removed, &expected["removed"])?;
    same_set("modified", &found.modified, &expected["modified"])?;
    same_set("added", &found.added, &expected["added"])
}

pub(crate) fn exclude(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "typed_exclude_fields", |case, _| {
        let part = |name: &str| set(&case["comparison"][name]);
        let comparison = Comparison::new(part("removed"), part("modified"), part("added"));
        check_comparison(&comparison.without(&set(&case["exclude"])), &case["result"])
    })
}

pub(crate) fn reconcile(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "typed_reconcile", |case, schemas| {
        let found = read(case, "live", schemas)
            .and_then(|live| live.reconcile(&set(&case["set"])).map_err(|error| format!("{error:?}")));
        outcome(case, found, |found| match found {
            None => same("result", &case["result"], &Json::Null),
            Some(found) => same("result", &Json::from(found.to_fields_v1_json()), &case["result"]),
        })
    })
}

pub(crate) fn remove(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "typed_remove_extract", |case, schemas| check_remove(case, schemas, NEW))
}

pub(crate) fn remove_old(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "v6_4_0/typed_remove_extract", |case, schemas| check_remove(case, schemas, Emptied::Kept))
}

fn check_remove(case: &Json, schemas: &Schemas, emptied: Emptied) -> Verdict {
    let object = read(case, "object", schemas)?;
    if case["op"] == "removeExtract" {
        let set = set(&case["set"]);
        same_value("removed", object.remove(&set, emptied).value(), &case["removed"])?;
        same_value("extracted", object.extract(&set).value(), &case["extracted"])?;
        return same_value("with keys", object.extract_with_keys(&set).value(), &case["extractedWithKeys"]);
    }
    let partial = read(case, "pso", schemas)?;
    let errors = |error| format!("{error:?}");
    let merged = object.merge(&partial).map_err(errors)?;
    same_value("merged", merged.value(), &case["merged"])?;
    let fields: FieldSet = partial.field_set().map_err(errors)?;
    same_set("psoSet", &fields, &case["psoSet"])?;
    same_set("leaves", &fields.leaves(), &case["leaves"])?;
    same_value("extracted", merged.extract(&fields.leaves()).value(), &case["extracted"])
}

pub(crate) fn resolve(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "schema_resolve", |case, _| {
        // The reference is made the type of a field, and read back through it.
        let mut types = case["schema"]["types"].as_array().cloned().unwrap_or_default();
        types.push(serde_json::json!({"name": "probe", "map": {"fields": [{"name": "it", "type": case["typeRef"]}]}}));
        let schema = Schema::from_smd(value(&serde_json::json!({ "types": types })).root()).unwrap();
        let found = schema.named("probe").unwrap().field("it");
        same("exists", &found.is_defined(), &case["exists"].as_bool().unwrap())?;
        if found.is_defined() { same("atom", &describe(found), &expected(&case["atom"])) } else { Ok(()) }
    })
}

/// Scalar, kind of the list, whether a map is atomic.
type Described = (Option<Scalar>, String, bool);

fn describe(of: TypeRef<'_>) -> Described {
    let list = match of.list() {
        ListKind::Map { keys } => format!("map {keys:?}"),
        ListKind::Set => "set".to_owned(),
        _ => "atomic".to_owned(),
    };
    (of.scalar(), list, of.is_atomic_map())
}

fn expected(atom: &Json) -> Described {
    let scalar = match atom["scalar"].as_str() {
        Some("string") => Some(Scalar::String),
        Some("numeric") => Some(Scalar::Numeric),
        Some("boolean") => Some(Scalar::Boolean),
        Some(_) => Some(Scalar::Untyped),
        None => None,
    };
    let keys: Vec<_> = atom["list"]["keys"].as_array().into_iter().flatten().map(|key| key.as_str().unwrap()).collect();
    let list = match (atom["list"]["elementRelationship"] == "associative", keys.is_empty()) {
        (true, true) => "set".to_owned(),
        (true, false) => format!("map {keys:?}"),
        _ => "atomic".to_owned(),
    };
    (scalar, list, atom["map"]["elementRelationship"] == "atomic")
}
