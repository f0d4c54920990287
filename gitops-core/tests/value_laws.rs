//! Laws of `Value`: however a tree was made, equality, order, digest, JSON and copies agree on it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use gitops_core::value::{Builder, Draft, Purpose, Value, ValueRef, View};
use proptest::prelude::*;

/// Few keys and texts, so that trees resemble each other.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab]{0,3}", 1 => any::<String>()]
}

fn number() -> impl Strategy<Value = Draft> {
    let near = (-2..3_i64, prop::sample::select(vec![0, 1 << 53, i64::MAX - 2, i64::MIN + 2]));
    prop_oneof![
        near.clone().prop_map(|(step, base)| Draft::Int(base + step)),
        near.prop_map(|(step, base)| Draft::Float((base + step) as f64)),
        prop::sample::select(vec![0.0, -0.0, 0.5, 1e300, -1e-300, 1.0]).prop_map(Draft::Float),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let leaf =
        prop_oneof![Just(Draft::Null), any::<bool>().prop_map(Draft::Bool), number(), text().prop_map(Draft::String),];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Draft::List),
            prop::collection::btree_map(text(), inner, 0..5).prop_map(Draft::Map),
        ]
    })
}

fn all_nodes(root: ValueRef<'_>) -> Vec<ValueRef<'_>> {
    let mut nodes = vec![root];
    let mut at = 0;
    while let Some(node) = nodes.get(at).copied() {
        match node.view() {
            View::List(list) => nodes.extend(list),
            View::Map(map) => nodes.extend(map.iter().map(|(_, value)| value)),
            _ => {}
        }
        at += 1;
    }
    nodes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_tree_survives_draft_json_serde_and_copying(draft in draft()) {
        let value = draft.freeze();
        prop_assert_eq!(&value.root().to_draft().freeze(), &value);
        prop_assert_eq!(&value.root().to_draft(), &draft);
        prop_assert_eq!(&Value::from_json(value.to_json().as_bytes()).unwrap(), &value);
        prop_assert_eq!(&Value::from_json(value.root().to_json_pretty().as_bytes()).unwrap(), &value);
        prop_assert_eq!(&Value::from_serialize(&value).unwrap(), &value);
        prop_assert_eq!(serde_json::to_string(&value).unwrap(), value.to_json());
        prop_assert_eq!(serde_json::to_string_pretty(&value).unwrap(), value.root().to_json_pretty());
        let mut builder = Builder::new();
        builder.value(value.root());
        prop_assert_eq!(&builder.take().unwrap(), &value);
        for node in all_nodes(value.root()) {
            let copy = node.to_value();
            prop_assert!(copy.root() == node);
            prop_assert_eq!(copy.to_json(), node.to_json());
            prop_assert_eq!(copy.root().digest(Purpose::Facts), node.digest(Purpose::Facts));
        }
    }

    #[test]
    fn equality_order_and_digest_agree(left in draft(), right in draft()) {
        let (left, right) = (left.freeze(), right.freeze());
        let equal = left == right;
        prop_assert_eq!(equal, left.cmp(&right) == Ordering::Equal);
        prop_assert_eq!(equal, left.root().digest(Purpose::Intent) == right.root().digest(Purpose::Intent));
        prop_assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
        prop_assert!(left.root().digest(Purpose::Intent) != left.root().digest(Purpose::Facts));
    }

    #[test]
    fn the_order_is_total(drafts in prop::collection::vec(draft(), 3)) {
        let values: Vec<Value> = drafts.iter().map(Draft::freeze).collect();
        let [a, b, c] = [&values[0], &values[1], &values[2]];
        if a <= b && b <= c {
            prop_assert!(a <= c, "{} {} {}", a.to_json(), b.to_json(), c.to_json());
        }
        prop_assert_eq!(a.cmp(a), Ordering::Equal);
    }

    #[test]
    fn maps_are_sorted_and_the_last_of_equal_keys_wins(entries in prop::collection::vec((text(), draft()), 0..40)) {
        let mut builder = Builder::new();
        for _ in 0..2 {
            builder.start_map();
            for (key, value) in &entries {
                builder.key(key);
                builder.value(value.freeze().root());
            }
            builder.end();
            let model: BTreeMap<String, Draft> = entries.iter().cloned().collect();
            prop_assert_eq!(builder.duplicates(), entries.len() - model.len());
            let value = builder.take().unwrap();
            let keys: Vec<&str> = value.root().as_map().unwrap().iter().map(|(key, _)| key).collect();
            prop_assert_eq!(keys, model.keys().map(String::as_str).collect::<Vec<_>>());
            for (key, expected) in &model {
                prop_assert_eq!(&value.root().get(key).unwrap().to_value(), &expected.freeze());
            }
        }
    }
}

#[test]
fn misuse_of_a_builder_is_an_error_and_is_forgotten_with_its_tree() {
    let misuses: [fn(&mut Builder); 7] = [
        |_| {},
        |builder| builder.end(),
        |builder| builder.start_map(),
        |builder| builder.key("a"),
        |builder| {
            builder.start_map();
            builder.null();
            builder.end();
        },
        |builder| {
            builder.start_map();
            builder.key("a");
            builder.end();
        },
        |builder| {
            builder.int(1);
            builder.int(2);
        },
    ];
    let mut builder = Builder::new();
    for misuse in misuses {
        misuse(&mut builder);
        assert!(builder.take().is_err());
        builder.int(1);
        assert_eq!(builder.take().unwrap(), Value::from(1));
    }
    builder.float(f64::NAN);
    assert!(builder.finish().is_err());
}

#[test]
fn neither_json_nor_digest_of_a_deep_tree_exhausts_a_small_stack() {
    let work = || {
        let mut builder = Builder::new();
        for _ in 0..20_000 {
            builder.start_map();
            builder.key("a");
            builder.start_list();
        }
        for _ in 0..40_000 {
            builder.end();
        }
        let value = builder.finish().unwrap();
        assert_eq!(value.to_json().len(), 20_000 * r#"{"a":[]}"#.len());
        assert_eq!(value.root().to_value(), value);
        assert_eq!(value.root().digest(Purpose::Facts), value.root().to_value().root().digest(Purpose::Facts));
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}
