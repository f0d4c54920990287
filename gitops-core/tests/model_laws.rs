//! Laws of equality and canonical form, for types of built-in and custom kinds.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a law that cannot be set up must fail")]

use gitops_core::arbitrary;
use gitops_core::model::{ApiModel, TypeRef};
use gitops_core::resource::{GroupKind, Resource};
use gitops_core::value::{Draft, Value};
use proptest::prelude::*;

const CRD: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"x"},
    "spec":{"group":"example.com","scope":"Namespaced","names":{"kind":"Widget","plural":"widgets"},"versions":[{
    "name":"v1","served":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
    "properties":{"a":{"type":"string","default":"x"},"n":{"type":"integer","nullable":true},
    "items":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["id","p"],"items":{"type":
    "object","properties":{"id":{"type":"string"},"p":{"type":"string","default":"TCP"},"v":{"type":"number"}}}},
    "any":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}}}]}}"#;

fn model() -> ApiModel {
    let crd = Resource::new(Value::from_json(CRD.as_bytes()).unwrap()).unwrap();
    ApiModel::builtin().with_crds([&crd])
}

const TYPES: [(&str, &str); 6] = [
    ("", "Service"),
    ("", "Secret"),
    ("", "ResourceQuota"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("coordination.k8s.io", "Lease"),
    ("example.com", "Widget"),
];

/// Changes values here and there into such as often mean the same: zero values, and other texts of the same amount.
fn noise(value: &mut Draft, of: TypeRef<'_>, dice: &mut impl Iterator<Item = u8>) {
    match value {
        Draft::Map(map) => {
            for name in of.fields() {
                let zero = match dice.next() {
                    Some(0) => Draft::Null,
                    Some(1) => Draft::from(""),
                    Some(2) => Draft::Int(0),
                    Some(3) => Draft::list(),
                    Some(4) => Draft::map(),
                    Some(5) => Draft::Float(0.0),
                    Some(6) => Draft::from("TCP"),
                    _ => continue,
                };
                map.entry(name.to_string()).or_insert(zero);
            }
            map.iter_mut().for_each(|(name, value)| noise(value, of.field(name), dice));
        }
        Draft::List(items) => items.iter_mut().for_each(|item| noise(item, of.element(), dice)),
        Draft::String(text) => {
            let same: &[&str] = match text.as_str() {
                "1" => &["1000m", "1.0", "+1", "1"],
                "1Gi" => &["1024Mi", "1073741824", "1Gi"],
                "100m" => &["0.1", "99900u", "100m"],
                _ => return,
            };
            let at = usize::from(dice.next().unwrap_or(0)) % same.len();
            *text = same[at].to_owned();
        }
        Draft::Int(number) if dice.next().is_some_and(|dice| dice % 2 == 0) => *value = Draft::Float(*number as f64),
        _ => {}
    }
}

/// A type, and three values of it that are near each other.
fn near() -> impl Strategy<Value = (usize, [Value; 3])> {
    let of = |at: usize| {
        let (group, kind) = TYPES[at];
        let value = arbitrary::value(model().schema(&GroupKind::new(group, kind), "v1"));
        let dice = prop::collection::vec(0..24_u8, 100);
        (Just(at), value, [dice.clone(), dice.clone(), dice])
    };
    (0..TYPES.len()).prop_flat_map(of).prop_map(|(at, value, dice)| {
        let (group, kind) = TYPES[at];
        let model = model();
        let of = model.schema(&GroupKind::new(group, kind), "v1");
        let noisy = |dice: Vec<u8>| {
            let mut draft = value.root().to_draft();
            noise(&mut draft, of, &mut dice.into_iter());
            draft.freeze()
        };
        (at, dice.map(noisy))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn equality_is_an_equivalence_and_the_canonical_form_its_name((at, values) in near()) {
        let (group, kind) = TYPES[at];
        let model = model();
        let of = model.schema(&GroupKind::new(group, kind), "v1");
        let equal = |left: &Value, right: &Value| of.equal(left.root(), right.root());
        for one in &values {
            prop_assert!(equal(one, one));
            let canonical = of.canonical(one.root());
            prop_assert_eq!(of.canonical(canonical.root()).to_json(), canonical.to_json());
            prop_assert!(equal(one, &canonical));
            for other in &values {
                prop_assert_eq!(equal(one, other), equal(other, one));
                prop_assert_eq!(equal(one, other), canonical == of.canonical(other.root()));
            }
        }
        let [first, second, third] = &values;
        prop_assert!(!(equal(first, second) && equal(second, third)) || equal(first, third));
    }

    #[test]
    fn what_is_stored_is_stored_as_it_is_and_filled_in_once((at, values) in near()) {
        let (group, kind) = TYPES[at];
        let model = model();
        let of = model.schema(&GroupKind::new(group, kind), "v1");
        let stored = of.stored(values[0].root());
        prop_assert_eq!(of.stored(stored.root()).to_json(), stored.to_json());
        let mut once = stored.root().to_draft();
        of.fill_defaults(&mut once);
        let mut twice = once.clone();
        of.fill_defaults(&mut twice);
        prop_assert_eq!(once, twice);
    }
}
