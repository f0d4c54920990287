//! Field paths, sets and values.

use std::cmp::Ordering;
use std::path::Path;

use gitops_core::path::Segment;
use gitops_core::ssa::{
    FieldSet, FieldsV1Error, Filter, Managers, Owned, Pattern, changed_managers, compare_segments, compare_values,
    path_text, segment_from_text, segment_to_text,
};
use gitops_core::value::Value;

use super::{Json, Verdict, path, same, same_set, same_value, set, suite, value};
use crate::Case;

pub(crate) fn fields_v1(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "fieldpath_fieldsv1", |case, _| {
        let read = FieldSet::from_fields_v1_json(&input(case));
        same("ok", &read.is_ok(), &case["ok"].as_bool().unwrap())?;
        let Ok(read) = read else { return Ok(()) };
        same_set("output", &read, &case["output"])?;
        same("size", &read.len(), &(case["size"].as_u64().unwrap() as usize))?;
        same("empty", &read.is_empty(), &case["empty"].as_bool().unwrap())?;
        same("tree", &FieldSet::from_fields_v1(read.to_fields_v1().root()).unwrap(), &read)
    })
}

pub(crate) fn path_element(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "fieldpath_path_element", |case, _| {
        let read = segment_from_text(case["input"].as_str().unwrap());
        same("ok", &read.is_ok(), &case["ok"].as_bool().unwrap())?;
        let segment = match read {
            Ok(segment) => segment,
            Err(error) => {
                let unknown = matches!(error, FieldsV1Error::UnknownKind(_));
                return same("unknown", &unknown, &case["unknownType"].as_bool().unwrap());
            }
        };
        same("serialized", &segment_to_text(&segment).as_str(), &case["serialized"].as_str().unwrap())?;
        if let Some(text) = case["string"].as_str() {
            same("string", &path_text(&[segment.clone()].into_iter().collect()).as_str(), &text)?;
        }
        let element = &case["element"];
        match &segment {
            Segment::Field(name) => same("field", &&**name, &element["fieldName"].as_str().unwrap()),
            Segment::Index(index) => same("index", &u64::from(*index), &element["index"].as_u64().unwrap()),
            Segment::Item(item) => same_value("value", item, &element["value"]),
            Segment::Key(keys) => {
                keys.iter().zip(element["key"].as_array().unwrap()).try_for_each(|(key, expected)| {
                    same("key", &&*key.0, &expected["name"].as_str().unwrap())?;
                    same_value("key", &key.1, &expected["value"])
                })
            }
        }
    })
}

pub(crate) fn order(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "fieldpath_path_element_order", |case, _| {
        let segment = |side: &str| segment_from_text(case[side].as_str().unwrap()).unwrap();
        check_order(case, compare_segments(&segment("a"), &segment("b")))
    })
}

pub(crate) fn value_compare(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "value_compare", |case, _| {
        check_order(case, compare_values(value(&case["a"]).root(), value(&case["b"]).root()))
    })
}

fn check_order(case: &Json, order: Ordering) -> Verdict {
    same("compare", &i64::from(order as i8), &case["compare"].as_i64().unwrap())?;
    same("equals", &order.is_eq(), &case["equals"].as_bool().unwrap())?;
    case["less"].as_bool().map_or(Ok(()), |less| same("less", &order.is_lt(), &less))
}

pub(crate) fn path_string(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "fieldpath_path_string", |case, _| {
        same("text", &path_text(&path(&case["path"])).as_str(), &case["string"].as_str().unwrap())
    })
}

pub(crate) fn from_value(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "fieldpath_from_value", |case, _| {
        same_set("set", &FieldSet::guessed(value(&case["value"]).root()), &case["set"])
    })
}

pub(crate) fn value_json(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "value_json", |case, _| {
        let read = Value::from_json(&input(case));
        same("ok", &read.is_ok(), &case["ok"].as_bool().unwrap())?;
        let Ok(read) = read else { return Ok(()) };
        let output = output(case);
        let printed = segment_to_text(&Segment::Item(read.clone()));
        if case["inputBase64"].is_null() {
            same("text", &printed.strip_prefix("v:").unwrap(), &&*output)?;
        }
        same("output", &read, &Value::from_json(output.as_bytes()).unwrap())
    })
}

pub(crate) fn managers(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "fieldpath_managers", |case, _| {
        let managers = |side: &str| super::merge::managers(&case[side]);
        let (left, right) = (managers("lhs"), managers("rhs"));
        same("equals", &(left == right), &case["equals"].as_bool().unwrap())?;
        same("difference", &changed_managers(&left, &right), &managers("difference"))
    })
}

pub(crate) fn conflicts(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "conflicts", |case, _| {
        let managers: Managers<String> = super::merge::managers(&case["managers"]);
        let sets = managers.into_iter().map(|(manager, Owned { fields, .. })| (manager, fields)).collect();
        super::merge::check_conflicts(&sets, &case["conflicts"], &case["message"])?;
        let all = sets.values().fold(FieldSet::new(), |all, set| all.union(set));
        same_set("set", &all, &case["set"])
    })
}

pub(crate) fn set_ops(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "fieldpath_set_ops", |case, schemas| {
        let a = set(&case["a"]);
        match case["op"].as_str().unwrap() {
            "has" => same("has", &a.contains(&path(&case["path"])), &case["result"].as_bool().unwrap()),
            "unary" => unary(case, &a),
            "binary" => binary(case, &a, &set(&case["b"])),
            "filter" => same_set("filter", &filter(&case["filter"]).filter(&a), &case["result"]),
            "ensureNamedFieldsAreMembers" => {
                same_set("named", &a.with_named_parents(schemas.type_of(case)), &case["result"])
            }
            other => Err(format!("unknown operation {other}")),
        }
    })
}

fn unary(case: &Json, a: &FieldSet) -> Verdict {
    same("size", &a.len(), &(case["size"].as_u64().unwrap() as usize))?;
    same("empty", &a.is_empty(), &case["empty"].as_bool().unwrap())?;
    same_set("leaves", &a.leaves(), &case["leaves"])?;
    let expected: Vec<_> = case["paths"].as_array().unwrap().iter().map(path).collect();
    same("paths", &a.iter().collect::<Vec<_>>(), &expected)?;
    let expected: Vec<_> = case["pathStrings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let found: Vec<_> = a.iter().map(|path| path_text(&path)).collect();
    same("texts", &found.iter().map(String::as_str).collect::<Vec<_>>(), &expected)
}

fn binary(case: &Json, a: &FieldSet, b: &FieldSet) -> Verdict {
    same_set("union", &a.union(b), &case["union"])?;
    same_set("intersection", &a.intersection(b), &case["intersection"])?;
    same_set("difference", &a.difference(b), &case["difference"])?;
    same_set("differenceReverse", &b.difference(a), &case["differenceReverse"])?;
    same_set("recursiveDifference", &a.recursive_difference(b), &case["recursiveDifference"])?;
    same_set("recursiveDifferenceReverse", &b.recursive_difference(a), &case["recursiveDifferenceReverse"])?;
    same("equals", &(a == b), &case["equals"].as_bool().unwrap())
}

pub(super) fn filter(json: &Json) -> Filter {
    match json["kind"].as_str().unwrap() {
        "exclude" => Filter::Exclude(set(&json["set"])),
        _ => {
            let element = |text: &Json| match text.as_str().unwrap() {
                "*" => None,
                text => Some(segment_from_text(text).unwrap()),
            };
            let pattern = |path: &Json| path.as_array().unwrap().iter().map(element).collect::<Pattern>();
            Filter::Include(json["prefixes"].as_array().unwrap().iter().map(pattern).collect())
        }
    }
}

/// The recorded input, which may not be UTF-8.
fn input(case: &Json) -> Vec<u8> {
    let text = |field: &str| case[field].as_str();
    match text("input") {
        Some(text) => text.as_bytes().to_vec(),
        None => base64(text("inputBase64").unwrap()),
    }
}

fn output(case: &Json) -> String {
    let decoded = || String::from_utf8_lossy(&base64(case["outputBase64"].as_str().unwrap())).into_owned();
    case["output"].as_str().map_or_else(decoded, str::to_owned)
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte)) {
        bits = (bits << 6) | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
