//! Strategies of `proptest` for objects of any kind, made from their schemas. Feature `arbitrary`.
//!
//! What a strategy makes fits its schema, list items are told apart by their keys, and values are few, so that two
//! objects of one strategy often share fields, agree and conflict. No scalar is zero or empty: a server may drop those.
//! It need not pass the further validation of a real server.
//!
//! ```
//! use gitops_core::model::ApiModel;
//! use gitops_core::resource::GroupKind;
//! use gitops_core::ssa::{Apply, apply};
//! use gitops_core::time::Timestamp;
//! use proptest::prelude::*;
//!
//! let model = ApiModel::builtin();
//! let services = gitops_core::arbitrary::object(&model, &GroupKind::new("", "Service"), "v1", "web");
//! proptest!(ProptestConfig::with_cases(16), |(service in services)| {
//!     // Whatever is applied: applying it again changes nothing.
//!     let once = apply(&Apply::new(None, &service, "me", Timestamp::EPOCH, &model)).unwrap();
//!     let twice = apply(&Apply::new(Some(&once), &service, "me", Timestamp::EPOCH, &model)).unwrap();
//!     prop_assert_eq!(once, twice);
//! });
//! ```

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::model::{ApiModel, ListKind, Meaning, Scalar, TypeRef};
use crate::resource::{GroupKind, Resource, SERVER_SET};
use crate::value::{Draft, Value};

/// Types are followed this deep; what lies deeper is left out.
const MAX_DEPTH: usize = 7;

/// Returns objects of a kind with this name: some labels and annotations, and any part of the rest but `status`.
pub fn object(model: &ApiModel, kind: &GroupKind, version: &str, name: &str) -> BoxedStrategy<Resource> {
    let of = model.schema(kind, version);
    let api_version = if kind.group.is_empty() { version.to_owned() } else { format!("{}/{version}", kind.group) };
    let (kind, name) = (kind.kind.to_string(), name.to_owned());
    let skipped = ["apiVersion", "kind", "metadata", "status"];
    let rest = fields(of, &|field| skipped.contains(&field), 0);
    let metadata = of.field("metadata");
    let texts = |field: &str| prop::option::of(of_type(metadata.field(field), 1));
    (rest, texts("labels"), texts("annotations"))
        .prop_map(move |(mut draft, labels, annotations)| {
            draft.set("apiVersion", &*api_version);
            draft.set("kind", &*kind);
            draft.entry("metadata").set("name", &*name);
            for (field, texts) in [("labels", labels), ("annotations", annotations)] {
                if let Some(texts) = texts {
                    draft.entry("metadata").set(field, texts);
                }
            }
            draft.freeze()
        })
        .prop_filter_map("a name, a kind and a version make an object", |value| Resource::new(value).ok())
        .boxed()
}

/// Returns values of a type.
pub fn value(of: TypeRef<'_>) -> BoxedStrategy<Value> {
    of_type(of, 0).prop_map(|draft| draft.freeze()).boxed()
}

fn of_type(of: TypeRef<'_>, depth: usize) -> BoxedStrategy<Draft> {
    if of.is_deduced() {
        return deduced();
    }
    let mut shapes = Vec::new();
    if of.scalar().is_some() {
        shapes.push(scalar(of));
    }
    if depth < MAX_DEPTH && of.has_list() {
        shapes.push(list(of, depth));
    }
    if depth < MAX_DEPTH && of.has_map() {
        shapes.push(map(of, depth));
    }
    if shapes.is_empty() { Just(Draft::Null).boxed() } else { prop::strategy::Union::new(shapes).boxed() }
}

fn map(of: TypeRef<'_>, depth: usize) -> BoxedStrategy<Draft> {
    let declared = fields(of, &|_| false, depth);
    if !of.allows("some other field") {
        return declared;
    }
    let more = prop::collection::btree_map("[a-c]", of_type(of.element(), depth + 1), 0..3);
    (declared, more)
        .prop_map(|(mut draft, more)| {
            more.into_iter().for_each(|(name, value)| draft.set(&name, value));
            draft
        })
        .boxed()
}

/// Each declared field with some probability; the deeper, the less.
fn fields(of: TypeRef<'_>, skip: &dyn Fn(&str) -> bool, depth: usize) -> BoxedStrategy<Draft> {
    let chance = if depth < 2 { 0.6 } else { 0.3 };
    let field = |name: &std::sync::Arc<str>| {
        let name = name.to_string();
        let below = of_type(of.field(&name), depth + 1);
        prop::option::weighted(chance, below).prop_map(move |value| value.map(|value| (name.clone(), value)))
    };
    let wanted = of.fields().filter(|name| !skip(name) && !SERVER_SET.contains(&&***name) && depth < MAX_DEPTH);
    let fields: Vec<_> = wanted.map(field).collect();
    fields.prop_map(|fields| Draft::Map(fields.into_iter().flatten().collect())).boxed()
}

fn list(of: TypeRef<'_>, depth: usize) -> BoxedStrategy<Draft> {
    let keys: Vec<String> = match of.list() {
        ListKind::Map { keys } => keys.iter().map(ToString::to_string).collect(),
        ListKind::Set => Vec::new(),
        ListKind::Atomic => {
            return prop::collection::vec(of_type(of.element(), depth + 1), 0..3).prop_map(Draft::List).boxed();
        }
    };
    let element = of.element();
    let key_values: Vec<_> = keys.iter().map(|key| scalar(element.field(key))).collect();
    let item = (of_type(element, depth + 1), key_values).prop_map(move |(mut item, values)| {
        keys.iter().zip(values).for_each(|(key, value)| item.set(key, value));
        let name: Vec<Draft> = keys.iter().filter_map(|key| item.get(key).cloned()).collect();
        (if keys.is_empty() { vec![item.clone()] } else { name }, item)
    });
    // Never empty: an empty list of this kind is owned by nobody, and goes when its parent's other fields do.
    prop::collection::vec(item, 1..4)
        .prop_map(|items| {
            let mut seen = BTreeSet::new();
            let is_new = |name: Vec<Draft>| seen.insert(Draft::List(name).freeze());
            let items = items.into_iter().filter_map({
                let mut is_new = is_new;
                move |(name, item)| is_new(name).then_some(item)
            });
            Draft::List(items.collect())
        })
        .boxed()
}

fn scalar(of: TypeRef<'_>) -> BoxedStrategy<Draft> {
    let text = |texts: &'static [&'static str]| prop::sample::select(texts).prop_map(Draft::from).boxed();
    let number = (1..5_i64).prop_map(Draft::Int).boxed();
    match (of.meaning(), of.scalar()) {
        (Meaning::Quantity | Meaning::Amount, _) => text(&["1", "100m", "1Gi", "512Mi"]),
        (Meaning::IntOrString, _) => prop_oneof![number, text(&["25%", "http"])].boxed(),
        (Meaning::Time, _) => text(&["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]),
        (Meaning::MicroTime, _) => text(&["2026-01-01T00:00:00.000000Z"]),
        (Meaning::Duration, _) => text(&["1m0s", "1h0m0s"]),
        (Meaning::Bytes, _) => text(&["YQ==", "Yg=="]),
        (_, Some(Scalar::Numeric)) => number,
        (_, Some(Scalar::Boolean)) => any::<bool>().prop_map(Draft::Bool).boxed(),
        (_, Some(Scalar::Untyped)) => prop_oneof![number, text(&["a", "b"])].boxed(),
        _ => text(&["a", "b", "c"]),
    }
}

/// Any small tree.
fn deduced() -> BoxedStrategy<Draft> {
    let leaf = prop_oneof![
        (0..3_i64).prop_map(Draft::Int),
        prop::sample::select(&["a", "b"][..]).prop_map(Draft::from),
        any::<bool>().prop_map(Draft::Bool),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Draft::List),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(Draft::Map),
        ]
    })
    .boxed()
}
