//! Laws of verdicts, over objects as server-side apply makes them: what acquits is right, and what is applied is in
//! sync.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a law that cannot be set up must fail")]

use gitops_core::arbitrary;
use gitops_core::cluster::{WriteOutcome, Written};
use gitops_core::diff::{
    Answers, Change, ChangeKind, Compared, Context, Outcome, Prediction, Sides, compare_one, lines, stamp,
};
use gitops_core::memory::ApiServer;
use gitops_core::model::ApiModel;
use gitops_core::path::{FieldPath, PathPattern, Segment};
use gitops_core::resource::{GroupKind, Resource};
use gitops_core::ssa::{Apply, Update, apply, update};
use gitops_core::state::{AppliedFields, Entry, Inventory, Live, Owner, Standing};
use gitops_core::time::Timestamp;
use gitops_core::value::ValueRef;
use proptest::prelude::*;
use serde_json::{Value, json};

const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];

fn owner() -> Owner {
    Owner::new("", "shop").unwrap()
}

fn resource(tree: &Value) -> Resource {
    Resource::from_typed(tree).unwrap()
}

fn compare(desired: &Resource, live: &Resource, after: Option<&Resource>) -> Compared {
    compare_remembering(&Inventory::default(), desired, live, after)
}

fn compare_remembering(
    inventory: &Inventory,
    desired: &Resource,
    live: &Resource,
    after: Option<&Resource>,
) -> Compared {
    let (model, owner) = (ApiModel::builtin(), owner());
    let context = Context::new(&model, &owner, inventory);
    let compared = compare_one(desired, Live::Present(live), &context);
    let Some((receipt, after)) = compared.open.zip(after) else { return compared };
    let mut answers = Answers::new();
    answers.take(receipt, Ok(Written::new(WriteOutcome::Changed, Some(after.clone()))));
    compare_one(desired, Live::Present(live), &context.with_answers(&answers))
}

fn changes(compared: &Compared) -> &[Change] {
    match &compared.outcome {
        Outcome::Synced => &[],
        Outcome::OutOfSync(changes) => changes,
        other => panic!("{other:?}"),
    }
}

/// Some names in any order.
fn variables() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(vec!["A", "B", "C", "D", "E"], 1..=5)
        .prop_shuffle()
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

/// A forced apply as `manager`, on what is there; nothing of what a server fills in.
fn applied(live: Option<&Resource>, object: &Resource, manager: &str) -> Resource {
    apply(&Apply::new(live, object, manager, Timestamp::EPOCH, &ApiModel::builtin()).force()).unwrap()
}

fn applied_by_us(live: Option<&Resource>, desired: &Resource) -> Resource {
    applied(live, &stamp(desired, &owner()), &owner().manager())
}

/// The record of the fields that our entry on `live` holds.
fn remembering(live: &Resource) -> Inventory {
    let managed = live.tree().get("metadata").and_then(|metadata| metadata.get("managedFields")).unwrap();
    let is_ours = |entry: &ValueRef<'_>| entry.get("manager").and_then(ValueRef::as_str) == Some(&owner().manager());
    let ours = managed.as_list().unwrap().iter().find(is_ours).unwrap();
    let fields = AppliedFields::of(ours.get("fieldsV1").unwrap().as_map().unwrap());
    let entry = Entry::held(Standing::Created, live.uid().unwrap(), live.version(), 0).with_fields(fields);
    Inventory::whole([(live.key().clone(), entry)])
}

/// The same with a write of the whole object.
fn edited(live: &Resource, edit: impl FnOnce(&mut Value)) -> Resource {
    let mut new: Value = live.expose().to_json().parse().unwrap();
    edit(&mut new);
    update(&Update::new(Some(live), &resource(&new), "kubectl-edit", Timestamp::EPOCH, &ApiModel::builtin()))
}

fn content(object: &Resource) -> Value {
    let mut object: Value = object.expose().to_json().parse().unwrap();
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    object
}

/// Three objects of one kind: what we applied, what somebody else applied, and what Git says now: often the same.
fn objects() -> impl Strategy<Value = (Resource, Resource, Resource)> {
    let kinds = [("apps", "Deployment"), ("", "Service"), ("rbac.authorization.k8s.io", "Role"), ("", "Node")];
    prop::sample::select(kinds.to_vec()).prop_flat_map(|(group, kind)| {
        let object = || arbitrary::object(&ApiModel::builtin(), &GroupKind::new(group, kind), "v1", "web").boxed();
        (object(), object(), object(), any::<bool>()).prop_map(|(before, theirs, desired, same)| {
            let desired = if same { before.clone() } else { desired };
            (before, theirs, desired)
        })
    })
}

fn deployment(containers: &Value) -> Resource {
    resource(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
        },
    }))
}

/// A workload of each kind that has a Pod template.
fn workload(kind: &str, containers: &Value) -> Resource {
    let mut object: Value = deployment(containers).expose().to_json().parse().unwrap();
    object["kind"] = kind.into();
    match kind {
        "StatefulSet" => object["spec"]["serviceName"] = "web".into(),
        "Job" | "CronJob" => {
            object["apiVersion"] = "batch/v1".into();
            object["spec"].as_object_mut().unwrap().remove("selector");
            object["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
            if kind == "CronJob" {
                object["spec"] = json!({"schedule": "0 * * * *", "jobTemplate": {"spec": object["spec"]}});
            }
        }
        _ => {}
    }
    resource(&object)
}

fn containers() -> impl Strategy<Value = Value> {
    let ports = prop::collection::btree_set(1..9_i64, 0..3);
    let command = prop::collection::vec("[a-c]", 0..3);
    let limits = prop::option::of(prop::sample::select(vec!["100m", "1000m", "1", "0.5"]));
    prop::collection::btree_map("[a-d]", (ports, command, limits), 1..4).prop_map(|all| {
        let container = |(name, (ports, command, limit))| {
            let ports: Vec<Value> =
                std::collections::BTreeSet::into_iter(ports).map(|port: i64| json!({"containerPort": port})).collect();
            let mut container = json!({"name": name, "image": "x:1", "ports": ports, "command": command});
            if let Some(limit) = limit {
                container["resources"] = json!({"limits": {"cpu": limit}});
            }
            container
        };
        Value::Array(all.into_iter().map(container).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_acquits_is_right_whatever_others_applied((before, theirs, desired) in objects()) {
        let live = applied(Some(&applied_by_us(None, &before)), &theirs, "other");
        let after = applied_by_us(Some(&live), &desired);
        let compared = compare(&desired, &live, Some(&after));
        if matches!(compared.predicted, Prediction::NoChange | Prediction::Claim) {
            prop_assert_eq!(content(&after), content(&live));
        }
        if compared.outcome == Outcome::Synced {
            // What others own may stand anywhere; what we want is there.
            prop_assert_eq!(compare(&desired, &after, None).outcome, Outcome::Synced);
        }
    }

    #[test]
    fn what_was_applied_is_in_sync_without_a_call((before, theirs, desired) in objects()) {
        let live = applied(Some(&applied_by_us(None, &before)), &theirs, "other");
        let after = applied_by_us(Some(&live), &desired);
        let compared = compare(&desired, &after, None);
        prop_assert_eq!(changes(&compared), &[], "{:?}", lines(&compared));
        prop_assert!(matches!(compared.predicted, Prediction::NoChange | Prediction::Claim), "{:?}", compared.notes);
    }

    #[test]
    fn what_the_server_fills_in_is_no_drift(containers in containers(), kind in prop::sample::select(&WORKLOADS[..])) {
        let desired = workload(kind, &containers);
        let mut server = ApiServer::new(1);
        let answer = server.apply(&stamp(&desired, &owner()), &owner().manager(), Timestamp::EPOCH);
        prop_assert!(answer.refusal().is_none(), "{answer:?}");
        let live = server.get(desired.key()).unwrap();
        let compared = compare(&desired, live, None);
        prop_assert_eq!(compared.predicted, Prediction::NoChange, "{:?} {:?}", lines(&compared), compared.notes);
    }

    #[test]
    fn an_owned_change_is_always_drift(containers in containers(), image in "[y-z]") {
        let desired = deployment(&containers);
        let live = edited(&applied_by_us(None, &desired), |live| {
            live["spec"]["template"]["spec"]["containers"][0]["image"] = image.clone().into();
        });
        let compared = compare(&desired, &live, None);
        let [change] = changes(&compared) else { panic!("{:?}", lines(&compared)) };
        prop_assert_eq!(&*change.pointer, "/spec/template/spec/containers/0/image");
        prop_assert_eq!(&*change.owners[0].manager, "kubectl-edit");
    }

    #[test]
    fn an_owned_field_that_is_removed_comes_back(containers in containers()) {
        let desired = deployment(&containers);
        let live = edited(&applied_by_us(None, &desired), |live| {
            live["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("image");
        });
        let compared = compare(&desired, &live, None);
        let [change] = changes(&compared) else { panic!("{:?}", lines(&compared)) };
        prop_assert_eq!(change.kind, ChangeKind::Added);
    }

    #[test]
    fn live_keyed_items_in_another_order_are_moved_and_no_more(containers in containers(), turn in 0..4_usize) {
        let desired = deployment(&containers);
        let live = edited(&applied_by_us(None, &desired), |live| {
            let items = live["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
            let by = turn % items.len();
            items.rotate_left(by);
        });
        let compared = compare(&desired, &live, None);
        let all_moved = changes(&compared).iter().all(|change| change.kind == ChangeKind::Moved);
        prop_assert!(all_moved && changes(&compared).len() <= 1, "{:?}", lines(&compared));
    }

    #[test]
    fn what_is_shown_of_a_list_is_what_an_apply_leads_to(
        before in variables(),
        theirs in variables(),
        desired in variables(),
        others in any::<bool>(),
    ) {
        let object = |names: &[String], value: &str| {
            let env: Vec<Value> = names.iter().map(|name| json!({"name": name, "value": value})).collect();
            deployment(&json!([{"name": "web", "image": "a:1", "env": env}]))
        };
        let mut live = applied_by_us(None, &object(&before, "before"));
        if others {
            live = applied(Some(&live), &object(&theirs, "theirs"), "they");
        }
        let desired = object(&desired, "wanted");
        let after = applied_by_us(Some(&live), &desired);
        let env = |tree: ValueRef<'_>| {
            let path: PathPattern = "spec.template.spec.containers[0].env".parse().unwrap();
            path.places(tree).unwrap().first().and_then(|path| path.find(tree)).map(|env| env.to_value().to_json())
        };
        for answer in [None, Some(&after)] {
            let compared = compare(&desired, &live, answer);
            let shown = Sides::of(Some(&desired), &compared).after;
            prop_assert_eq!(env(shown.root()), env(after.tree()), "{:?}", lines(&compared));
        }
    }

    #[test]
    fn of_a_set_our_items_come_back_and_those_of_others_stay(
        ours in prop::collection::btree_set("[a-d]/x", 1..4),
        theirs in prop::collection::btree_set("[e-g]/x", 0..3),
        lost in any::<prop::sample::Index>(),
    ) {
        let ours: Vec<String> = ours.into_iter().collect();
        let desired = resource(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "web", "namespace": "default", "finalizers": ours},
        }));
        let all: Vec<String> = ours.iter().chain(&theirs).cloned().collect();
        let live = edited(&applied_by_us(None, &desired), |live| live["metadata"]["finalizers"] = all.clone().into());
        let compared = compare(&desired, &live, Some(&applied_by_us(Some(&live), &desired)));
        prop_assert_eq!(&compared.outcome, &Outcome::Synced, "{:?}", lines(&compared));
        let lost = lost.get(&ours);
        let live = edited(&live, |live| live["metadata"]["finalizers"].as_array_mut().unwrap().retain(|item| item != lost));
        let compared = compare(&desired, &live, Some(&applied_by_us(Some(&live), &desired)));
        let back = FieldPath::fields(&["metadata", "finalizers"]).join(Segment::Item(lost.as_str().into()));
        let is_back = |change: &Change| change.kind == ChangeKind::Added && back.segments().starts_with(change.path.segments());
        prop_assert!(changes(&compared).iter().any(is_back), "{:?}", lines(&compared));
    }

    #[test]
    fn a_field_that_git_drops_is_drift_until_it_is_gone_whatever_became_of_ownership(
        containers in containers(),
        rewritten in prop::sample::select(vec!["cleared", "by another hand", "edited back", "as it was"]),
    ) {
        let desired = deployment(&containers);
        let mut before: Value = desired.expose().to_json().parse().unwrap();
        before["metadata"]["labels"] = json!({"dropped": "x"});
        before["spec"]["minReadySeconds"] = 5.into();
        before["metadata"]["uid"] = "u1".into();
        let applied = applied_by_us(None, &resource(&before));
        let inventory = remembering(&applied);
        let mut live: Value = applied.expose().to_json().parse().unwrap();
        let managed = &mut live["metadata"]["managedFields"];
        let live = match rewritten {
            "cleared" => {
                live["metadata"].as_object_mut().unwrap().remove("managedFields");
                resource(&live)
            }
            "by another hand" => {
                (managed[0]["manager"], managed[0]["operation"]) = ("kubectl-replace".into(), "Update".into());
                resource(&live)
            }
            "edited back" => {
                let there = edited(&applied, |live| {
                    live["metadata"]["labels"]["dropped"] = "y".into();
                    live["spec"]["minReadySeconds"] = 6.into();
                });
                edited(&there, |live| {
                    live["metadata"]["labels"]["dropped"] = "x".into();
                    live["spec"]["minReadySeconds"] = 5.into();
                })
            }
            _ => applied,
        };
        let dropped = [&["metadata", "labels", "dropped"][..], &["spec", "minReadySeconds"]].map(FieldPath::fields);
        let is_dropped = |compared: &Compared, path: &FieldPath| {
            changes(compared).iter().any(|change| change.kind == ChangeKind::Removed && change.path.contains(path))
        };
        let after = applied_by_us(Some(&live), &desired);
        for answer in [None, Some(&after)] {
            let compared = compare_remembering(&inventory, &desired, &live, answer);
            let is_drift = dropped.iter().all(|path| is_dropped(&compared, path));
            prop_assert!(is_drift, "{rewritten}: {:?} {:?}", lines(&compared), compared.notes);
        }
        let gone = edited(&live, |live| {
            live["metadata"].as_object_mut().unwrap().remove("labels");
            live["spec"].as_object_mut().unwrap().remove("minReadySeconds");
        });
        let compared = compare_remembering(&inventory, &desired, &gone, Some(&applied_by_us(Some(&gone), &desired)));
        let is_left = dropped.iter().any(|path| is_dropped(&compared, path));
        prop_assert!(!is_left, "{rewritten}: {:?}", lines(&compared));
    }

    #[test]
    fn atomic_items_in_another_order_are_drift(command in prop::collection::vec("[a-c]", 2..4)) {
        let of = |command: &[String]| deployment(&json!([{"name": "a", "image": "x", "command": command}]));
        let mut turned = command.clone();
        turned.rotate_left(1);
        let live = applied_by_us(None, &of(&turned));
        let compared = compare(&of(&command), &live, None);
        prop_assert_eq!(changes(&compared).is_empty(), turned == command);
    }
}
