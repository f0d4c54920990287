//! What is refused before anything is merged: every error names the field, and nothing is kept of what was refused.

#![expect(clippy::unwrap_used, reason = "a malformed input of a test must stop it")]

use gitops_core::model::Schema;
use gitops_core::ssa::{Duplicates, FieldSet, Typed};
use gitops_core::value::Value;

fn value(json: &str) -> Value {
    Value::from_json(json.as_bytes()).unwrap()
}

/// A schema with a cycle (`node`), a reference that leads nowhere (`lost`), and each kind of list.
fn schema() -> Schema {
    let json = r#"{"types":[
        {"name":"node","map":{"fields":[
            {"name":"next","type":{"namedType":"node"}},
            {"name":"text","type":{"scalar":"string"}},
            {"name":"count","type":{"scalar":"numeric"}},
            {"name":"on","type":{"scalar":"boolean"}},
            {"name":"lost","type":{"namedType":"nowhere"}},
            {"name":"set","type":{"list":{"elementRelationship":"associative","elementType":{"scalar":"string"}}}},
            {"name":"ports","type":{"list":{"elementRelationship":"associative","keys":["name"],
                "elementType":{"namedType":"port"}}}}]}},
        {"name":"port","map":{"fields":[
            {"name":"name","type":{"scalar":"string"}},{"name":"number","type":{"scalar":"numeric"}}]}}]}"#;
    Schema::from_smd(value(json).root()).unwrap()
}

#[test]
fn a_value_that_does_not_fit_its_type_is_an_error_with_the_field() {
    let schema = schema();
    let of = schema.named("node").unwrap();
    for (json, errors) in [
        (r#"{"next":{"next":{"text":1}}}"#, vec!["`next.next.text` must be a string, not a number"]),
        (
            r#"{"count":"1","on":0}"#,
            vec!["`count` must be a number, not a string", "`on` must be a boolean, not a number"],
        ),
        (r#"{"next":[]}"#, vec!["`next` must be a map, not a list"]),
        (r#"{"ports":{}}"#, vec!["`ports` must be a list, not a map"]),
        (r#"{"next":{"other":1}}"#, vec!["`next.other` is not declared in the schema"]),
        (r#"{"next":{"lost":1}}"#, vec!["`next.lost` has a type that the schema does not define: `nowhere`"]),
        (r#"{"ports":[{"number":1}]}"#, vec![r#"`ports` item 0 has none of the key fields ["name"]"#]),
        (r#"{"ports":[1]}"#, vec!["`ports` item 0 must be a map, not a number"]),
        (r#"{"ports":[{"name":"a"},{"name":"b"},{"name":"a"}]}"#, vec![r#"`ports` has more than one item [name=a]"#]),
        (r#"{"set":["a","b","a"]}"#, vec![r#"`set` has more than one item [=a]"#]),
        (r#"{"set":[{}]}"#, vec!["`set` item 0 must be a scalar, not a map"]),
    ] {
        let refused = Typed::new(value(json), of, Duplicates::Refuse).unwrap_err();
        assert_eq!(refused.iter().map(ToString::to_string).collect::<Vec<_>>(), errors, "{json}");
    }
}

#[test]
fn a_schema_that_leads_back_to_itself_takes_values_down_to_a_limit() {
    let schema = schema();
    let of = schema.named("node").unwrap();
    let nested = |levels: usize| {
        let mut builder = gitops_core::value::Builder::new();
        (0..levels).for_each(|_| {
            builder.start_map();
            builder.key("next");
        });
        builder.null();
        (0..levels).for_each(|_| builder.end());
        Typed::new(builder.finish().unwrap(), of, Duplicates::Refuse)
    };
    assert!(nested(500).is_ok());
    let refused = nested(600).unwrap_err();
    assert!(refused[0].to_string().ends_with("is nested deeper than 512 levels"), "{}", refused[0]);
}

#[test]
fn numbers_beyond_what_json_holds_are_refused_and_those_beyond_i64_are_floats() {
    assert!(Value::from_json(br#"{"count":1e999}"#).is_err());
    assert!(Value::from_json(br#"{"count":-1e999}"#).is_err());
    assert_eq!(value("9223372036854775807").root().as_i64(), Some(i64::MAX));
    assert_eq!(value("9223372036854775808").root().as_i64(), None);
    assert_eq!(value("-9223372036854775809").root().kind_name(), "number");
}

#[test]
fn broken_fields_v1_is_an_error() {
    for json in [
        "",
        "[]",
        "1",
        "{",
        r#"{"f:a":1}"#,
        r#"{"k:{":{}}"#,
        r#"{"k:[]":{}}"#,
        r#"{"i:a":{}}"#,
        r#"{"v:":{}}"#,
        r#"{"a":{}}"#,
    ] {
        assert!(FieldSet::from_fields_v1_json(json.as_bytes()).is_err(), "{json}");
    }
}
