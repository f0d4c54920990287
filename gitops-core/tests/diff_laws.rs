//! Laws of the comparison: what must hold of any two objects.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a law that cannot be set up must fail")]

use gitops_core::diff::{Change, Compared, Context, Outcome, Scaled, Sides, adapt, compare_one, lines, stamp};
use gitops_core::model::ApiModel;
use gitops_core::policy::ignore::{Rule, Rules, Selector, Target};
use gitops_core::resource::Resource;
use gitops_core::ssa::{Apply, apply};
use gitops_core::state::{Inventory, Live, Owner};
use gitops_core::time::Timestamp;
use gitops_core::value::ValueRef;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const KINDS: [(&str, &str); 4] = [
    ("example.com/v1", "Widget"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("rbac.authorization.k8s.io/v1", "Role"),
];
const NAMES: [&str; 14] = [
    "a",
    "b",
    "name",
    "ports",
    "containers",
    "template",
    "spec",
    "env",
    "protocol",
    "port",
    "cpu",
    "rules",
    "limits",
    "x/y~z",
];

fn owner() -> Owner {
    Owner::new("", "shop").unwrap()
}

fn resource(tree: &Value) -> Resource {
    Resource::from_typed(tree).unwrap()
}

fn compare(desired: &Value, live: &Resource) -> Compared {
    let (model, owner, inventory) = (ApiModel::builtin(), owner(), Inventory::default());
    compare_one(&resource(desired), Live::Present(live), &Context::new(&model, &owner, &inventory))
}

/// The same with rules of what is left alone.
fn compare_with(desired: &Value, live: &Resource, rules: &Rules) -> Compared {
    let (model, owner, inventory) = (ApiModel::builtin(), owner(), Inventory::default());
    compare_one(&resource(desired), Live::Present(live), &Context::new(&model, &owner, &inventory).with_rules(rules))
}

fn rules() -> impl Strategy<Value = Rules> {
    let path = prop::sample::select(vec![
        "spec.*",
        "spec.**",
        "**.name",
        "**.ports",
        "**[*].a",
        "spec.template",
        "spec.env[0]",
        "rules",
        "rules[*].a",
        "**.env[name=a]",
        "data.*",
        "metadata.annotations",
        "**",
        "**.limits.cpu",
        "spec.\"x/y~z\"",
    ]);
    let path = path.prop_filter_map("a path", |path| Selector::path(path).ok());
    let selector = prop_oneof![4 => path, 1 => prop::sample::select(vec!["other", "*"]).prop_map(Selector::owned_by)];
    prop::collection::vec(selector, 1..3)
        .prop_filter_map("a rule", |selectors| Some(Rules::new([Rule::new(Target::all(), selectors).ok()?])))
}

/// An object as its owner would find it: with the tracking id, and otherwise as it is.
fn stamped(tree: &Value) -> Resource {
    stamp(&resource(tree), &owner())
}

fn changes(compared: &Compared) -> &[Change] {
    match &compared.outcome {
        Outcome::Synced => &[],
        Outcome::OutOfSync(changes) => changes,
        other => panic!("{other:?}"),
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-2..100_i64).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "TCP", "100m", "1Gi", "2026-01-01T00:00:00Z"]).prop_map(Value::from),
    ]
}

/// Trees that look a little like specs.
fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(&NAMES[..]), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
                .prop_map(Value::from),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    (0..KINDS.len(), tree(), tree()).prop_map(|(kind, spec, rules)| {
        let (version, kind) = KINDS[kind];
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec, "rules": rules})
    })
}

/// FieldsV1 trees, mostly well formed.
fn owned() -> impl Strategy<Value = Value> {
    Just(json!({})).prop_recursive(5, 32, 4, |inner| {
        let name = prop_oneof![
            prop::sample::select(&NAMES[..]).prop_map(|name| format!("f:{name}")),
            prop::sample::select(vec![".", "k:{\"name\":\"a\"}", "v:\"a\"", "i:0", "k:", "v:{", "odd"])
                .prop_map(str::to_owned),
        ];
        prop::collection::btree_map(name, inner, 0..5)
            .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>()))
    })
}

fn with_owned(live: &Value, owned: &Value) -> Value {
    let mut live = live.clone();
    live["metadata"]["managedFields"] = json!([
        {"manager": &*owner().manager(), "operation": "Apply", "apiVersion": live["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": owned, "f:rules": owned}},
        {"manager": "other", "operation": "Update", "apiVersion": live["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": owned}},
    ]);
    live
}

fn find<'a>(tree: ValueRef<'a>, pointer: &str) -> Option<ValueRef<'a>> {
    pointer.split('/').skip(1).try_fold(tree, |at, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        at.get(&step).or_else(|| at.item(step.parse().ok()?))
    })
}

/// Pointers of all scalars.
fn scalars(tree: &Value, at: &str, found: &mut Vec<String>) {
    match tree {
        Value::Object(map) => {
            for (name, value) in map {
                scalars(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| scalars(value, &format!("{at}/{index}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// Adds a field to every map that is not inside a list, which is one value.
fn grow(tree: &mut Value) {
    if let Value::Object(map) = tree {
        map.values_mut().for_each(grow);
        map.insert("of-others".into(), json!({"x": [1]}));
    }
}

proptest! {
    #[test]
    fn an_object_is_in_sync_with_itself(object in object()) {
        let compared = compare(&object, &stamped(&object));
        prop_assert_eq!(&compared.outcome, &Outcome::Synced, "{:?}", lines(&compared));
    }

    #[test]
    fn a_changed_field_is_the_one_difference(mut spec in tree(), at in any::<prop::sample::Index>()) {
        spec = json!({"some": spec, "one": 1});
        let desired = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": spec});
        let mut fields = Vec::new();
        scalars(&spec, "/spec", &mut fields);
        let field = at.get(&fields);
        let mut live = desired.clone();
        *live.pointer_mut(field).unwrap() = json!("changed by hand");
        let compared = compare(&desired, &stamped(&live));
        let changes = changes(&compared);
        prop_assert_eq!(changes.len(), 1);
        prop_assert_eq!(&*changes[0].pointer, field.as_str());
    }

    #[test]
    fn what_others_add_is_no_drift(spec in tree(), owned in owned()) {
        let desired = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": spec});
        let mut live = stamped(&desired).expose().to_json().parse::<Value>().unwrap();
        grow(&mut live["spec"]);
        prop_assert_eq!(compare(&desired, &resource(&live)).outcome, Outcome::Synced);
        // Whatever of it is declared may be ours as well.
        let live = with_owned(&live, &json!({"f:some": owned}));
        prop_assert_eq!(compare(&desired, &resource(&live)).outcome, Outcome::Synced);
    }

    #[test]
    fn the_order_of_keyed_items_does_not_matter_when_both_sides_share_it(
        items in prop::collection::btree_map("[a-e]", (0..3_i64, 0..3_i64), 0..5),
        order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let object = |order: &[usize], pick: fn(&(i64, i64)) -> i64| {
            let items: Vec<_> = items.iter().collect();
            let ports: Vec<Value> = order
                .iter()
                .filter_map(|at| items.get(*at))
                .map(|(name, ports)| json!({"name": name, "ports": [{"containerPort": pick(ports)}]}))
                .collect();
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": ports}})
        };
        let differences = |order: &[usize]| {
            let compared = compare(&object(order, |ports| ports.0), &stamped(&object(order, |ports| ports.1)));
            let mut lines = lines(&compared);
            lines.sort();
            lines
        };
        prop_assert_eq!(differences(&order), differences(&[0, 1, 2, 3, 4]));
    }

    #[test]
    fn any_two_objects_compare_and_every_pointer_leads_somewhere(desired in object(), live in object(), owned in owned()) {
        let mut live = with_owned(&live, &owned);
        for field in ["apiVersion", "kind"] {
            live[field] = desired[field].clone();
        }
        let live = resource(&live);
        let compared = compare(&desired, &live);
        let after = Sides::of(Some(&stamped(&desired)), &compared).after;
        for change in changes(&compared) {
            let tree = if change.live.is_some() { live.tree() } else { after.root() };
            prop_assert!(find(tree, &change.pointer).is_some(), "{change} {}", change.pointer);
            prop_assert!(!change.to_string().is_empty());
        }
    }

    #[test]
    fn rules_only_ever_shrink_a_difference(desired in object(), live in object(), owned in owned(), rules in rules()) {
        let mut live = with_owned(&live, &owned);
        for field in ["apiVersion", "kind"] {
            live[field] = desired[field].clone();
        }
        let live = resource(&live);
        let (without, with) = (compare(&desired, &live), compare_with(&desired, &live, &rules));
        if without.outcome == Outcome::Synced {
            prop_assert_eq!(&with.outcome, &Outcome::Synced, "{:?}", lines(&with));
        }
        for change in changes(&with) {
            let known = |other: &Change| other.path.contains(&change.path) || change.path.contains(&other.path);
            prop_assert!(changes(&without).iter().any(known), "{change}, without rules: {:?}", lines(&without));
        }
    }

    #[test]
    fn an_apply_changes_nothing_of_what_rules_leave_alone_whether_or_not_it_is_there(
        [applied, there, wanted] in [data(), data(), data()],
        left in prop::sample::subsequence(vec!["a", "b", "c"], 1..=3),
    ) {
        let config = |data: &Value| {
            resource(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": data}))
        };
        let (model, owner, inventory, manager) = (ApiModel::builtin(), owner(), Inventory::default(), owner().manager());
        let rules = Rules::new(left.iter().map(|name| {
            Rule::new(Target::all(), vec![Selector::path(&format!("data.{name}")).unwrap()]).unwrap()
        }));
        let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
        let send = |live: Option<&Resource>, object: &Resource| {
            apply(&Apply::new(live, &stamp(object, &owner), &manager, Timestamp::EPOCH, &model)).unwrap()
        };
        // Somebody else writes, one value more than Git ever had.
        let live = send(None, &config(&applied)).edit(|draft| {
            *draft.entry("data") = gitops_core::value::Value::from_serialize(&there).unwrap().root().to_draft();
            draft.entry("data").set("z", "theirs");
        }).unwrap();
        let Some(adapted) = adapt(&config(&wanted), Some(&live), &context, Scaled::No) else { return Ok(()) };
        let after = send(adapted.live.as_ref(), &adapted.sent);
        for name in left {
            let value = |object: &Resource| find(object.tree(), &format!("/data/{name}")).map(ValueRef::to_json);
            prop_assert_eq!(value(&after), value(&live), "{}", name);
        }
    }

    #[test]
    fn no_secret_value_leaves_a_comparison(desired in secret(), live in secret(), rules in rules()) {
        let live = stamped(&live);
        let compared = compare_with(&desired, &live, &rules);
        let mut output = format!("{compared:?} {compared:#?} {:?}", lines(&compared));
        output += &serde_json::to_string(&compared.ignored).unwrap();
        output += &format!("{:?}", Sides::of(Some(&resource(&desired)), &compared));
        for change in changes(&compared) {
            output += &format!("{change} {change:?} {}", serde_json::to_string(change).unwrap());
        }
        prop_assert!(!output.contains("S3CR3T"), "{output}");
    }
}

/// Secrets, also malformed ones, with copies of their values wherever a server or client may put them.
/// What a ConfigMap holds.
fn data() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "d"]), "[12]", 0..4).prop_map(|map| json!(map))
}

fn secret() -> impl Strategy<Value = Value> {
    let value = (0..4_u8).prop_map(|number| Value::from(format!("S3CR3T{number}")));
    let data = value.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    let kinds = prop::sample::select(vec!["Opaque", "odd"]);
    (data.clone(), data, kinds, any::<bool>()).prop_map(|(data, string_data, kind, with_copies)| {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web", "annotations": {"a": "b"}},
            "data": data, "stringData": string_data, "type": kind,
        });
        if with_copies {
            let copy = serde_json::to_string(&secret).unwrap();
            for name in ["kubectl.kubernetes.io/last-applied-configuration", "kapp.k14s.io/original"] {
                secret["metadata"]["annotations"][name] = copy.clone().into();
            }
            let fields = json!({
                "f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}},
                "f:data": {"f:a": {}, "f:b": {}, "f:c": {}, "v:\"S3CR3T1\"": {}, "k:{\"name\":\"S3CR3T2\"}": {}},
                "f:stringData": {},
            });
            secret["metadata"]["managedFields"] = json!([
                {"manager": &*owner().manager(), "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields},
            ]);
        }
        secret
    })
}
