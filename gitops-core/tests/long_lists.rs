//! Comparing and applying long lists, with rules and without, takes time in proportion to their length.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a law that cannot be set up must fail")]
#![expect(clippy::disallowed_methods, reason = "measures how long something takes")]

use std::time::{Duration, Instant};

use gitops_core::cluster::{WriteOutcome, Written};
use gitops_core::diff::{
    Answers, Context, Evidence, Outcome, Scaled, Sides, Unified, adapt, compare_one, explain, lines, stamp, table,
};
use gitops_core::model::ApiModel;
use gitops_core::policy::ignore::{Rule, Rules, Selector, Target};
use gitops_core::resource::Resource;
use gitops_core::ssa::{Apply, apply};
use gitops_core::state::{Inventory, Live, Owner};
use gitops_core::time::Timestamp;
use serde_json::{Value, json};

/// Makes an object with a list of so many items, with this value each, in steps through the list.
type Make = fn(usize, &str, usize) -> Value;

fn resource(tree: &Value) -> Resource {
    Resource::from_typed(tree).unwrap()
}

/// A Deployment with one long list of environment variables, in an order of its own.
fn keyed(length: usize, value: &str, step: usize) -> Value {
    let item = |at: usize| json!({"name": format!("N{}", at * step % length), "value": value});
    let env: Vec<Value> = (0..length).map(item).collect();
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "a:1", "env": env}]}},
    }})
}

/// An object without schema with one long list, which is one value.
fn whole(length: usize, value: &str, _: usize) -> Value {
    let items: Vec<Value> = (0..length).map(|at| json!({"name": format!("N{at}"), "value": value})).collect();
    json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"items": items}})
}

/// The best of a few runs.
fn time(run: impl Fn()) -> Duration {
    let once = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..2).map(|_| once()).min().unwrap()
}

fn check(name: &str, make: Make, rule: Option<&str>) {
    let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "shop").unwrap(), Inventory::default());
    let rules = Rules::new(rule.map(|path| Rule::new(Target::all(), vec![Selector::path(path).unwrap()]).unwrap()));
    let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
    in_proportion(name, |length| {
        let (desired, live) = pair(make, length, &owner, &model);
        time(|| {
            let compared = compare_one(&desired, Live::Present(&live), &context);
            assert!(matches!(compared.outcome, Outcome::Synced | Outcome::OutOfSync(_)));
            let adapted = adapt(&desired, Some(&live), &context, Scaled::No);
            assert_eq!(adapted.is_some(), !rules.is_empty());
        })
    });
}

/// We applied all of it, somebody changed every item, and Git wants other values in another order.
fn pair(make: Make, length: usize, owner: &Owner, model: &ApiModel) -> (Resource, Resource) {
    let before = stamp(&resource(&make(length, "before", 1)), owner);
    let live = apply(&Apply::new(None, &before, &owner.manager(), Timestamp::EPOCH, model)).unwrap();
    let theirs = resource(&make(length, "theirs", 1));
    let live = apply(&Apply::new(Some(&live), &theirs, "somebody", Timestamp::EPOCH, model).force()).unwrap();
    // 7 is prime to the lengths, so all items are there.
    (resource(&make(length, "wanted", 7)), live)
}

fn in_proportion(name: &str, taken: impl Fn(usize) -> Duration) {
    let (short, long) = (taken(150), taken(1_200));
    // Eight times the length: 64 times the time where it grows with the square, 8 where it does not.
    let ratio = long.as_secs_f64() / short.as_secs_f64();
    assert!(ratio < 24.0, "{name}: 8 times the items take {ratio:.1} times the time ({short:?}, {long:?})");
}

#[test]
fn comparing_long_keyed_lists_takes_time_in_proportion() {
    check("keyed", keyed, None);
}

#[test]
fn rules_over_items_of_long_keyed_lists_take_time_in_proportion() {
    check("keyed, a rule for a leaf of each item", keyed, Some("**.env[*].value"));
    check("keyed, a rule for each item", keyed, Some("spec.template.spec.containers[*].env[*]"));
}

#[test]
fn rules_over_items_of_long_lists_that_are_one_value_take_time_in_proportion() {
    check("whole, a rule for a leaf of each item", whole, Some("spec.items[*].value"));
}

/// Half of the items, so that the others are to be added, or to go.
fn half(length: usize, value: &str, step: usize) -> Value {
    let mut object = keyed(length, value, step);
    let env = &mut object["spec"]["template"]["spec"]["containers"][0]["env"];
    env.as_array_mut()
        .unwrap()
        .retain(|item| item["name"].as_str().is_some_and(|name| name.ends_with(['1', '3', '5', '7', '9'])));
    object
}

#[test]
fn confirming_long_keyed_lists_takes_time_in_proportion() {
    let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "shop").unwrap(), Inventory::default());
    let context = Context::new(&model, &owner, &inventory);
    // All items change and move; half of them go; half of them come.
    for (name, before, after) in
        [("moved", keyed as Make, keyed as Make), ("removed", keyed, half), ("added", half, keyed)]
    {
        in_proportion(name, |length| {
            let (_, live) = pair(before, length, &owner, &model);
            let desired = resource(&after(length, "wanted", 7));
            let open = compare_one(&desired, Live::Present(&live), &context).open.unwrap();
            let sent = stamp(&desired, &owner);
            let apply = apply(&Apply::new(Some(&live), &sent, &owner.manager(), Timestamp::EPOCH, &model).force());
            let mut answers = Answers::new();
            answers.take(open, Ok(Written::new(WriteOutcome::Changed, Some(apply.unwrap()))));
            let context = context.with_answers(&answers);
            time(|| {
                let compared = compare_one(&desired, Live::Present(&live), &context);
                assert_eq!(compared.evidence, Evidence::Confirmed);
            })
        });
    }
}

#[test]
fn explaining_changes_of_long_keyed_lists_takes_time_in_proportion() {
    let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "shop").unwrap(), Inventory::default());
    let context = Context::new(&model, &owner, &inventory);
    in_proportion("keyed", |length| {
        let (desired, live) = pair(keyed, length, &owner, &model);
        let compared = compare_one(&desired, Live::Present(&live), &context);
        time(|| {
            let fields = explain(Some(&desired), Some(&compared), None, &context).unwrap();
            assert!(fields.len() >= length);
        })
    });
}

#[test]
fn rendering_changes_of_long_lists_takes_time_in_proportion() {
    let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "shop").unwrap(), Inventory::default());
    let context = Context::new(&model, &owner, &inventory);
    let kinds: [(&str, Make, Make); 4] =
        [("moved", keyed, keyed as Make), ("removed", keyed, half), ("added", half, keyed), ("whole", whole, whole)];
    for (name, before, after) in kinds {
        in_proportion(name, |length| {
            let (_, live) = pair(before, length, &owner, &model);
            let desired = resource(&after(length, "wanted", 7));
            let compared = compare_one(&desired, Live::Present(&live), &context);
            time(|| {
                let sides = Sides::of(Some(&desired), &compared);
                assert_ne!(sides.live, sides.after);
                assert!(!sides.unified("web", &Unified::default()).is_empty());
                assert!(sides.json_patch().root().as_list().is_some_and(|steps| !steps.is_empty()));
                assert!(sides.merge_patch().root().as_map().is_some());
                assert!(!table(compared.outcome.changes(), 80).is_empty());
                assert!(!lines(&compared).is_empty());
            })
        });
    }
}
