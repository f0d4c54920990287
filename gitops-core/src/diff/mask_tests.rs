use super::tests::{object, us};
use super::*;
use crate::state::Live;

/// A Secret; `extra` goes into its metadata.
fn secret(data: &str, extra: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"web","namespace":"shop"{extra}}},"data":{data}}}"#
    ))
}

#[test]
fn a_letter_means_one_value_in_everything_that_is_told_of_an_object() {
    // `a` is hidden by a rule, `b` differs, `c` is as it should be; values are shared crosswise.
    let desired = secret(r#"{"a":"T05F","b":"VFdP","c":"VFdP"}"#, "");
    let live = secret(r#"{"a":"VFdP","b":"T05F","c":"VFdP"}"#, r#","uid":"1""#);
    let rules = Rules::read(Value::from_json(br#"[{"kind":"Secret","paths":["data.a"]}]"#).unwrap().root()).unwrap();
    let (model, owner, inventory) = (ApiModel::builtin(), us(), Inventory::default());
    let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
    let compared = compare_one(&desired, Live::Present(&live), &context);

    let letters = |changes: &[Change], key: &str| {
        let path = FieldPath::fields(&["data", key]);
        let change = changes.iter().find(|change| change.path == path).unwrap();
        [&change.live, &change.desired].map(|shown| match shown {
            Some(Shown::Masked(letter)) => *letter,
            other => panic!("{other:?}"),
        })
    };
    let (one, two) = {
        let [live, desired] = letters(compared.outcome.changes(), "b");
        (live, desired)
    };
    assert_ne!(one, two);
    assert_eq!(letters(&compared.ignored[0].hidden, "a"), [two, one], "what a rule hid");
    let fields = explain(Some(&desired), Some(&compared), Some(&"data.*".parse().unwrap()), &context).unwrap();
    let shown = |field: &FieldExplanation| [&field.live, &field.desired].map(|side| side.clone().unwrap());
    let masked = |letters: [char; 2]| letters.map(Shown::Masked);
    let explained: Vec<[Shown; 2]> = fields.iter().map(shown).collect();
    assert_eq!(explained, [masked([two, one]), masked([one, two]), masked([two, two])], "explanations");
}

#[test]
fn the_annotations_that_somebody_named_are_masked_in_secrets_and_nowhere_else() {
    let rules = Rules::default().with_masked_annotations(["token"]);
    let (model, owner, inventory) = (ApiModel::builtin(), us(), Inventory::default());
    let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
    for (kind, is_masked) in [("Secret", true), ("ConfigMap", false)] {
        let side = |token: &str| {
            object(&format!(
                r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"web","namespace":"shop","uid":"1",
                "annotations":{{"token":"{token}","plain":"{token}-plain"}}}}}}"#
            ))
        };
        let (desired, live) = (side("wanted"), side("found"));
        let compared = compare_one(&desired, Live::Present(&live), &context);
        let text = Sides::of(Some(&desired), &compared).unified("web", &Unified::default().with_context(9));
        let told = format!("{} {text}", lines(&compared).join("\n"));
        assert!(told.contains("found-plain") && told.contains("wanted-plain"), "{told}");
        for value in ["wanted", "found"] {
            let shows = [format!("\"{value}\""), format!("token: {value}\n")].iter().any(|form| told.contains(form));
            assert_eq!(shows, !is_masked, "{kind} {value}: {told}");
        }
    }
}

#[test]
fn a_value_under_a_misspelt_name_is_not_shown() {
    let (model, owner, inventory) = (ApiModel::builtin(), us(), Inventory::default());
    let context = Context::new(&model, &owner, &inventory);
    for (kind, field) in [
        ("Secret", r#""stringdata":{"a":"VALUE"}"#),
        ("Secret", r#""Data":"VALUE""#),
        ("Secret", r#""spec":{"list":["VALUE"]}"#),
        ("Secret", r#""type":{"a":"VALUE"}"#),
        ("secret", r#""data":{"a":"VALUE"}"#),
    ] {
        let side = |field: &str| {
            let metadata = r#"{"name":"web","namespace":"shop","uid":"1"}"#;
            object(&format!(r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{metadata},{field}}}"#))
        };
        let (desired, live) = (side(&field.replace("VALUE", "hunter2")), side(&field.replace("VALUE", "hunter1")));
        let mut told = Sides::between(Some(&live), Some(&desired), &[]).unified("web", &Unified::default());
        for edit in edits(&live, &desired, &model, &[]) {
            told += &format!("{edit:?}\n");
        }
        let compared = compare_one(&desired, Live::Present(&live), &context);
        told += &format!("{} {:?}", lines(&compared).join("\n"), Sides::of(Some(&desired), &compared));
        told += &format!("{:?}", explain(Some(&desired), Some(&compared), None, &context));
        assert!(!told.contains("hunter"), "{field}: {told}");
    }
}
