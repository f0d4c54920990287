//! `smd/*.json`: what structured-merge-diff v6.4.2 does, and where v6.4.0 differs, what that does.

mod fields;
mod merge;
mod real;
mod typed;

use std::collections::BTreeMap;
use std::path::Path;

use gitops_core::model::{Schema, TypeRef};
use gitops_core::path::FieldPath;
use gitops_core::ssa::{Emptied, FieldSet, segment_from_text};
use gitops_core::value::Value;

use crate::{Case, recording};

pub(crate) use fields::{
    conflicts, fields_v1, from_value, managers, order, path_element, path_string, set_ops, value_compare, value_json,
};
pub(crate) use merge::{merge, merge_old, merge_random, merge_random_old};
pub(crate) use real::real;
pub(crate) use typed::{
    compare, exclude, merge as typed_merge, reconcile, remove, remove_old, resolve, to_set, validate,
};

type Json = serde_json::Value;
type Verdict = Result<(), String>;

/// The schemas that cases name by id.
pub(crate) struct Schemas(BTreeMap<String, Schema>);

impl Schemas {
    fn read(folder: &Path) -> Option<Self> {
        let recorded = recording(folder, "smd/schemas.json")?;
        let schemas = recorded.as_object()?.iter();
        let load = |schema: &Json| Schema::from_smd(value(&schema["json"]).root()).unwrap();
        Some(Self(schemas.map(|(id, schema)| (id.clone(), load(schema))).collect()))
    }

    fn of(&self, id: &Json) -> &Schema {
        &self.0[id.as_str().unwrap()]
    }

    fn type_of(&self, case: &Json) -> TypeRef<'_> {
        self.of(&case["schema"]).named(case["type"].as_str().unwrap()).unwrap()
    }
}

/// Runs one file; the schemas come with it.
fn suite(folder: &Path, file: &str, check: impl Fn(&Json, &Schemas) -> Verdict) -> Option<Vec<Case>> {
    let schemas = Schemas::read(folder)?;
    let cases = recording(folder, &format!("smd/{file}.json"))?;
    let case = |case: &Json| Case { id: case["id"].as_str().unwrap().to_owned(), verdict: check(case, &schemas) };
    Some(cases.as_array().unwrap().iter().map(case).collect())
}

fn value(json: &Json) -> Value {
    Value::from_serialize(json).unwrap()
}

/// A set as the recordings write it; no set is the empty one.
fn set(json: &Json) -> FieldSet {
    json.as_str().map_or_else(FieldSet::new, |text| FieldSet::from_fields_v1_json(text.as_bytes()).unwrap())
}

fn path(json: &Json) -> FieldPath {
    json.as_array().unwrap().iter().map(|text| segment_from_text(text.as_str().unwrap()).unwrap()).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

/// Sets are compared byte for byte.
fn same_set(what: &str, found: &FieldSet, expected: &Json) -> Verdict {
    same(what, &found.to_fields_v1_json().as_str(), &expected.as_str().unwrap_or("{}"))
}

/// Values are compared as Go compares them: `1` equals `1.0`.
fn same_value(what: &str, found: &Value, expected: &Json) -> Verdict {
    let expected = value(expected);
    let equal = gitops_core::ssa::equal_values(found.root(), expected.root());
    if equal { Ok(()) } else { Err(format!("{what}: found {}, expected {}", found.to_json(), expected.to_json())) }
}

/// What v6.4.2 leaves of emptied maps and lists; v6.4.0 is [`Emptied::Kept`].
const NEW: Emptied = Emptied::Null;
