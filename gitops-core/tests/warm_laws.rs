//! Laws of comparing again: what is remembered of an earlier comparison changes no verdict.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a law that cannot be set up must fail")]

use std::collections::{BTreeMap, BTreeSet};

use gitops_core::diff::{Comparison, Context, Outcome, compare, recompare, stamp};
use gitops_core::model::ApiModel;
use gitops_core::plan::{HookRun, plan};
use gitops_core::policy::SyncPolicy;
use gitops_core::policy::ignore::{Rule, Rules, Selector, Target};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::ssa::{Apply, apply};
use gitops_core::state::{DesiredState, Entry, Inventory, LiveState, Namespaces, Owner, Standing, Unreadable};
use gitops_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Objects of a world: enough for several chunks.
const OBJECTS: usize = 100;
const KINDS: [(&str, &str); 4] =
    [("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("networking.k8s.io/v1", "Ingress"), ("v1", "Secret")];

/// Something that happens to one object.
#[derive(Clone, Debug)]
enum Edit {
    Declare(u8),
    DeclareTwice,
    DeclareHook,
    Undeclare,
    Applied(u8),
    ByHand(u8),
    Status(u8),
    Foreign,
    Terminating,
    Deleted,
    Recreated(u8),
    SameUidAs(usize),
    Record(bool),
    Forget,
    Scale,
    Unscale,
    Unreadable,
}

fn edit() -> impl Strategy<Value = Edit> {
    let variant = 0..3_u8;
    prop_oneof![
        4 => variant.clone().prop_map(Edit::Declare),
        1 => Just(Edit::DeclareTwice),
        1 => Just(Edit::DeclareHook),
        2 => Just(Edit::Undeclare),
        4 => variant.clone().prop_map(Edit::Applied),
        2 => variant.clone().prop_map(Edit::ByHand),
        3 => variant.clone().prop_map(Edit::Status),
        1 => Just(Edit::Foreign),
        1 => Just(Edit::Terminating),
        2 => Just(Edit::Deleted),
        2 => variant.prop_map(Edit::Recreated),
        2 => (0..OBJECTS).prop_map(Edit::SameUidAs),
        2 => any::<bool>().prop_map(Edit::Record),
        1 => Just(Edit::Forget),
        1 => Just(Edit::Scale),
        1 => Just(Edit::Unscale),
        1 => Just(Edit::Unreadable),
    ]
}

fn owner() -> Owner {
    Owner::new("", "shop").unwrap()
}

fn object(number: usize, variant: u8) -> Value {
    let (version, kind) = KINDS[number % KINDS.len()];
    let metadata =
        json!({"name": format!("app-{}", number / 2), "namespace": "shop", "labels": {"v": variant.to_string()}});
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
    match kind {
        "Deployment" => object["spec"] = json!({"replicas": variant, "paused": variant == 2}),
        "Ingress" => object["spec"] = json!({"ingressClassName": format!("class-{variant}")}),
        _ => object["data"] = json!({"key": if kind == "Secret" { "YQ==" } else { "value" }}),
    }
    object
}

fn resource(tree: &Value) -> Resource {
    Resource::from_typed(tree).unwrap()
}

fn key(number: usize) -> ResourceKey {
    resource(&object(number, 0)).key().clone()
}

#[derive(Default)]
struct World {
    declared: BTreeMap<ResourceKey, Vec<Resource>>,
    live: BTreeMap<ResourceKey, Resource>,
    unreadable: BTreeSet<ResourceKey>,
    entries: BTreeMap<ResourceKey, Entry>,
    unread: Vec<GroupKind>,
    rules: Rules,
    version: u64,
}

impl World {
    /// All is declared, applied, and recorded.
    fn settled() -> Self {
        let mut world = Self::default();
        for number in 0..OBJECTS {
            for edit in [Edit::Declare(0), Edit::Applied(0), Edit::Record(true)] {
                world.edit(number, &edit);
            }
        }
        world
    }

    /// Makes the edit and returns the object that it is about.
    fn edit(&mut self, number: usize, edit: &Edit) -> ResourceKey {
        let mut at = key(number);
        self.version += 1;
        match edit {
            Edit::Declare(variant) => drop(self.declared.insert(at.clone(), vec![resource(&object(number, *variant))])),
            Edit::DeclareTwice => {
                drop(
                    self.declared.insert(at.clone(), vec![resource(&object(number, 0)), resource(&object(number, 1))]),
                );
            }
            Edit::DeclareHook => {
                let mut hook = object(number, 0);
                hook["metadata"]["annotations"] = json!({"argocd.argoproj.io/hook": "PreSync"});
                self.declared.insert(at.clone(), vec![resource(&hook)]);
            }
            Edit::Undeclare => drop(self.declared.remove(&at)),
            Edit::Applied(variant) => self.apply(&at, &object(number, *variant), &format!("uid-{number}")),
            Edit::Recreated(variant) => {
                self.live.remove(&at);
                self.apply(&at, &object(number, *variant), &format!("uid-{number}-{variant}"));
            }
            Edit::ByHand(variant) => {
                self.change(&at, |live| live["metadata"]["labels"]["v"] = json!(variant.to_string()))
            }
            Edit::Status(variant) => self.change(&at, |live| live["status"] = json!({"seen": variant})),
            Edit::Terminating => {
                self.change(&at, |live| live["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
            }
            Edit::SameUidAs(other) => {
                let uid = self.live.get(&key(*other)).and_then(Resource::uid).unwrap_or("gone").to_owned();
                self.change(&at, |live| live["metadata"]["uid"] = json!(uid));
            }
            Edit::Foreign => drop(self.live.insert(at.clone(), resource(&object(number, 0)))),
            Edit::Deleted => drop(self.live.remove(&at)),
            Edit::Record(settles) => {
                let uid = if *settles { format!("uid-{number}") } else { "another".to_owned() };
                self.entries.insert(at.clone(), Entry::held(Standing::Created, &uid, "v1", 0));
            }
            Edit::Forget => drop(self.entries.remove(&at)),
            Edit::Scale | Edit::Unscale => {
                let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": &*at.name});
                let scaler = resource(&json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                    "metadata": {"name": &*at.name, "namespace": "shop"}, "spec": {"scaleTargetRef": target}}));
                at = scaler.key().clone();
                match edit {
                    Edit::Scale => drop(self.live.insert(at.clone(), scaler)),
                    _ => drop(self.live.remove(&at)),
                }
            }
            Edit::Unreadable => drop(self.unreadable.insert(at.clone())),
        }
        if !matches!(edit, Edit::Unreadable) {
            self.unreadable.remove(&at);
        }
        at
    }

    fn apply(&mut self, at: &ResourceKey, tree: &Value, uid: &str) {
        let (owner, model) = (owner(), ApiModel::builtin());
        let (sent, manager) = (stamp(&resource(tree), &owner), owner.manager());
        let live = self.live.get(at).filter(|live| !live.is_terminating());
        let applied = apply(&Apply::new(live, &sent, &manager, Timestamp::EPOCH, &model).force()).unwrap();
        let applied = applied.edit(|draft| {
            draft.entry("metadata").set("uid", uid);
            draft.entry("metadata").set("resourceVersion", self.version.to_string());
        });
        self.live.insert(at.clone(), applied.unwrap());
    }

    fn change(&mut self, at: &ResourceKey, edit: impl FnOnce(&mut Value)) {
        let Some(live) = self.live.get(at) else { return };
        let mut tree: Value = live.expose().to_json().parse().unwrap();
        edit(&mut tree);
        tree["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.live.insert(at.clone(), resource(&tree));
    }

    /// What `work` makes of desired and live state as they are now, read anew.
    fn look<T>(&self, work: impl FnOnce(&DesiredState, &LiveState, &Context<'_>) -> T) -> T {
        let (owner, model) = (owner(), ApiModel::builtin());
        let desired = DesiredState::from_resources(self.declared.values().flatten(), &model, None);
        let mut live = LiveState::default();
        for (version, kind) in KINDS.into_iter().chain([("autoscaling/v2", "HorizontalPodAutoscaler")]) {
            let group = version.split_once('/').map_or("", |(group, _)| group);
            live.listed(&GroupKind::new(group, kind), &Namespaces::All);
        }
        for kind in &self.unread {
            live.unreadable_kind(kind, &Namespaces::All, &Unreadable::new("forbidden"));
        }
        self.live.values().for_each(|object| live.insert(object.clone()));
        for key in &self.unreadable {
            live.absent(key);
            live.unreadable(key, Unreadable::new("forbidden"));
        }
        let inventory = Inventory::whole(self.entries.clone());
        work(&desired, &live, &Context::new(&model, &owner, &inventory).with_rules(&self.rules))
    }

    fn compare(&self, previous: &Comparison) -> Comparison {
        self.look(|desired, live, context| compare(desired, live, context, previous))
    }
}

fn assert_same(left: &Comparison, right: &Comparison, about: &str) {
    for (key, entry) in &right.entries {
        assert_eq!(left.entries.get(key), Some(entry), "{about}: {key}");
    }
    assert_eq!(left.entries, right.entries, "{about}");
    assert_eq!(left.problems, right.problems, "{about}");
    assert_eq!(left.is_synced(), right.is_synced(), "{about}");
    let synced = right.entries.values().all(|entry| entry.outcome == Outcome::Synced);
    assert_eq!(left.is_synced(), synced, "{about}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn comparing_again_is_comparing_anew(
        steps in prop::collection::vec(prop::collection::vec((0..OBJECTS, edit()), 0..12), 1..6),
        rules in prop::collection::vec(prop::option::weighted(0.2, any::<bool>()), 6),
        unread in prop::collection::vec(prop::option::weighted(0.2, any::<bool>()), 6),
    ) {
        let mut world = World::settled();
        let mut warm = world.compare(&Comparison::default());
        for (number, edits) in steps.iter().enumerate() {
            let changed: BTreeSet<ResourceKey> = edits.iter().map(|(at, edit)| world.edit(*at, edit)).collect();
            if let Some(has_rules) = rules[number] {
                let rule = Rule::new(Target::all(), vec![Selector::path("metadata.labels").unwrap()]);
                world.rules = if has_rules { Rules::new([rule.unwrap()]) } else { Rules::default() };
            }
            if let Some(is_unread) = unread[number] {
                let kind = GroupKind::new("autoscaling", "HorizontalPodAutoscaler");
                world.unread = if is_unread { vec![kind] } else { Vec::new() };
            }
            let cold = world.compare(&Comparison::default());
            if unread[number].is_none() {
                // Coverage is as it was: what is told to have changed is all there is to compare.
                let again = world.look(|desired, live, context| recompare(warm.clone(), &changed, desired, live, context));
                assert_same(&again, &cold, "recompare");
                // And what it made is as good a start for the next comparison.
                assert_same(&world.compare(&again), &cold, "compare after recompare");
            }
            warm = world.compare(&warm);
            assert_same(&warm, &cold, "compare");
            let planned = |comparison: &Comparison| world.look(|desired, _, context| {
                plan(comparison, desired, &SyncPolicy::default(), context, HookRun::WithChanges)
            });
            prop_assert_eq!(planned(&warm), planned(&cold));
        }
    }

    #[test]
    fn many_removals_and_returns_keep_every_result_in_order(
        steps in prop::collection::vec((0..OBJECTS, 1..OBJECTS, any::<bool>()), 1..8),
    ) {
        let mut world = World::settled();
        let mut warm = world.compare(&Comparison::default());
        let mut event = warm.clone();
        for (start, count, comes) in steps {
            let edit = if comes { Edit::Declare(0) } else { Edit::Undeclare };
            let numbers = start..OBJECTS.min(start + count);
            let mut changed: BTreeSet<ResourceKey> = numbers.clone().map(|number| world.edit(number, &edit)).collect();
            // They were never ours.
            changed.extend(numbers.map(|number| world.edit(number, &if comes { Edit::Applied(0) } else { Edit::Deleted })));
            let cold = world.compare(&Comparison::default());
            warm = world.compare(&warm);
            assert_same(&warm, &cold, "compare");
            event = world.look(|desired, live, context| recompare(event, &changed, desired, live, context));
            assert_same(&event, &cold, "recompare");
            prop_assert!(event.entries.keys().is_sorted() && event.entries.len() == cold.entries.len());
        }
    }
}
