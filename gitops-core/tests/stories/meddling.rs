//! What others do to an object after it was compared, and before its step comes: nobody's yes covers that.

use gitops_core::cluster::{Cluster, Force, Write};
use gitops_core::memory::ready;
use gitops_core::plan::{Confirmation, Request};
use gitops_core::policy::Adopt;
use gitops_core::reconcile::{Looked, follow, look, perform, read_desired, run};
use gitops_core::resource::{Propagation, Resource, ResourceKey};
use gitops_core::state::{Owner, TrackingStyle};
use gitops_core::sync::{Effect, Event, Machine, Phase, Receipt, StepOutcome};
use gitops_core::time::Timer;
use gitops_core::value::{Draft, Value};

use crate::rules::rules;
use crate::world::{NAMESPACE, Shop, config, deployment, job};

const TRACKING: &str = "gitops.rs/tracking-id";
const REPLACE: &str = "  name: a\n  annotations: {argocd.argoproj.io/sync-options: Replace=true}\n";

fn looked(shop: &Shop) -> Looked {
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap()
}

/// Carries out what was planned, after somebody did something.
fn carry_out(shop: &Shop, looked: &Looked) -> Receipt {
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    ready(run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    machine.outcome().unwrap().clone()
}

/// The ConfigMap `a` was synced, and Git says something else by now.
fn shop(metadata: &str) -> Shop {
    let shop = Shop::new();
    let of = |value: &str| config("a", value).replace("  name: a\n", metadata);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&of("1")))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    shop.commit("second", &[("a.yaml", Some(&of("2")))]);
    shop
}

fn value(shop: &Shop) -> String {
    shop.get("ConfigMap", "a").unwrap().tree().dig(&["data", "key"]).unwrap().as_str().unwrap().to_owned()
}

fn key() -> ResourceKey {
    ResourceKey::new("", "ConfigMap", "shop", "a")
}

fn delete(shop: &Shop, key: &ResourceKey) {
    let delete = Write::delete(key, "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&delete)).unwrap().unwrap();
}

/// What another application makes in its place.
fn of_another(style: TrackingStyle) -> Resource {
    let json =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{"key":"9"}}"#;
    let object = Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap();
    let other = Owner::new("", "other").unwrap().with_style(style);
    object.annotated(&[(other.annotation(), &other.tracking_id(&key()))])
}

#[test]
fn an_object_that_another_application_made_in_the_place_of_ours_is_not_replaced() {
    let shop = shop(REPLACE);
    let looked = looked(&shop);
    delete(&shop, &key());
    ready(shop.cluster.inner.write(&Write::apply(&of_another(TrackingStyle::Own), "gitops:other", Force::No)))
        .unwrap()
        .unwrap();
    let receipt = carry_out(&shop, &looked);
    assert_eq!(receipt.phase, Phase::Failed);
    assert!(receipt.message.contains("is no longer the object that was compared"), "{}", receipt.message);
    assert_eq!(value(&shop), "9");
}

#[test]
fn an_object_that_another_application_took_after_it_was_compared_is_not_replaced() {
    for style in [TrackingStyle::Own, TrackingStyle::ArgoCd] {
        let shop = shop(REPLACE);
        let looked = looked(&shop);
        shop.edit(&shop.get("ConfigMap", "a").unwrap(), |draft| {
            draft.entry("metadata").entry("annotations").remove(TRACKING);
        });
        ready(shop.cluster.inner.write(&Write::apply(&of_another(style), "gitops:other", Force::Yes)))
            .unwrap()
            .unwrap();
        let receipt = carry_out(&shop, &looked);
        assert_eq!(receipt.phase, Phase::Failed);
        let told = "belongs to application `other`; remove it from one of the two applications, or take it over from the \
                    other one (`gitops transfer --from other`)";
        assert!(receipt.message.contains(told), "{}", receipt.message);
        assert_eq!(value(&shop), "9");
    }
}

#[test]
fn an_object_that_appeared_in_the_place_of_ours_is_not_taken_over_by_force() {
    let theirs =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{"key":"9"}}"#;
    for (adopt, after_the_refusal) in [(Adopt::Never, false), (Adopt::Never, true), (Adopt::Unclaimed, true)] {
        let mut shop = shop("  name: a\n");
        shop.app.policy.adopt = adopt;
        // By hand: a field that is taken over.
        shop.edit(&shop.get("ConfigMap", "a").unwrap(), |draft| draft.entry("data").set("key", "8"));
        let mut machine = looked(&shop).machine(&shop.app, shop.time.now()).unwrap();
        let mut is_swapped = false;
        while machine.outcome().is_none() {
            let effect = machine.next_effect().expect("nothing has to be waited for");
            let is_look = matches!(effect, Effect::Observe { .. });
            if !is_swapped && is_look == after_the_refusal {
                is_swapped = true;
                delete(&shop, &key());
                shop.create(theirs, "kubectl-create");
            }
            machine.handle(ready(perform(effect, &shop.cluster)).unwrap(), shop.time.now());
        }
        let receipt = machine.outcome().unwrap();
        assert_eq!(receipt.phase, Phase::Failed);
        assert!(receipt.message.contains("is no longer the object that was compared"), "{}", receipt.message);
        assert_eq!(value(&shop), "9");
        assert!(shop.get("ConfigMap", "a").unwrap().annotation(TRACKING).is_none());
    }
}

/// Rule 12 of the exact rules.
#[test]
fn an_object_that_is_being_deleted_by_now_is_not_written_and_the_step_says_so() {
    for (way, metadata) in [("apply", "  name: a\n"), ("rules", "  name: a\n"), ("replace", REPLACE)] {
        let mut shop = shop(metadata);
        if way == "rules" {
            shop.app.rules = rules(&["/data/free"]);
            let live = shop.get("ConfigMap", "a").unwrap();
            shop.edit(&live, |draft| draft.entry("data").set("free", "x"));
        }
        let looked = looked(&shop);
        let live = shop.get("ConfigMap", "a").unwrap();
        shop.edit(&live, |draft| draft.entry("metadata").set("finalizers", &Value::from_json(b"[\"a.b/c\"]").unwrap()));
        delete(&shop, &key());
        shop.written();
        let receipt = carry_out(&shop, &looked);
        assert_eq!(receipt.phase, Phase::Failed, "{way}");
        assert!(receipt.message.contains("is being deleted; sync again once it is gone"), "{way}: {}", receipt.message);
        assert!(way == "apply" || shop.written().is_empty(), "{way}");
    }
}

#[test]
fn a_yes_that_is_taken_back_before_the_deletion_counts_no_more() {
    let confirmed = Request::default().confirmed(Confirmation::of_all("Ann", "2026-03-01T08:00:00Z".parse().unwrap()));
    let annotated = "  annotations: {gitops.rs/prune: enabled}\n";
    for (annotation, request, goes) in [(annotated, Request::default(), false), ("", confirmed, true)] {
        let mut shop = Shop::new().pruning();
        shop.app.request = request;
        let extra = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: extra\n{annotation}");
        shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("extra.yaml", Some(&extra))]);
        shop.sync();
        shop.commit("second", &[("extra.yaml", None)]);
        let looked = looked(&shop);
        let key = ResourceKey::new("", "Namespace", None, "extra");
        let live = || shop.cluster.inner.with_server(|server| server.get(&key).cloned());
        shop.edit(&live().unwrap(), |draft| {
            drop(draft.entry("metadata").entry("annotations").remove("gitops.rs/prune"));
        });
        let receipt = carry_out(&shop, &looked);
        assert_eq!(live().is_none_or(|live| live.is_terminating()), goes, "{receipt:?}");
        if !goes {
            assert!(receipt.message.contains("asks for a person's yes"), "{}", receipt.message);
        }
    }
}

#[test]
fn the_object_of_a_hook_may_have_the_owner_that_git_gives_it() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1")))]);
    shop.sync();
    let uid = shop.get("ConfigMap", "a").unwrap().uid().unwrap().to_owned();
    let owner = format!("  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: a, uid: {uid}}}]\nspec:\n");
    let hook = job("migrate", &[("argocd.argoproj.io/hook", "PreSync")]).replacen("spec:\n", &owner, 1);
    for value in ["2", "3"] {
        shop.commit("again", &[("a.yaml", Some(&config("a", value))), ("hook.yaml", Some(&hook))]);
        let receipt = shop.sync().receipt.unwrap();
        assert_eq!(receipt.phase, Phase::Succeeded, "{}", receipt.message);
    }
}

/// Drives a machine until it waits for time to pass.
fn until_it_waits(shop: &Shop, machine: &mut Machine) {
    while let Some(effect) = machine.next_effect() {
        machine.handle(ready(perform(effect, &shop.cluster)).unwrap(), shop.time.now());
    }
}

#[test]
fn a_deletion_that_was_taken_is_not_said_to_be_undone_where_the_operation_is_stopped() {
    let force = "  name: a\n  annotations: {argocd.argoproj.io/sync-options: Force=true}\n";
    let immutable = |value: &str| format!("{}immutable: true\n", config("a", value).replace("  name: a\n", force));
    for (second, told) in
        [(None, "is being deleted, as was asked for"), (Some(immutable("2")), "was not created again")]
    {
        let shop = Shop::new().pruning();
        let (other, first) = (config("other", "1"), immutable("1"));
        shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("o.yaml", Some(&other)), ("a.yaml", Some(&first))]);
        shop.sync();
        shop.edit(&shop.get("ConfigMap", "a").unwrap(), |draft| {
            draft.entry("metadata").set("finalizers", Draft::from(vec![Draft::from("example.org/hold")]));
        });
        shop.commit("second", &[("a.yaml", second.as_deref())]);
        let mut machine = looked(&shop).machine(&shop.app, shop.time.now()).unwrap();
        until_it_waits(&shop, &mut machine);
        machine.handle(Event::Terminate, shop.time.now());
        until_it_waits(&shop, &mut machine);
        let receipt = machine.outcome().unwrap();
        assert_eq!(receipt.phase, Phase::Terminated);
        let result = receipt.results.iter().find(|result| &*result.key.name == "a").unwrap();
        assert_eq!(result.outcome, StepOutcome::Failed, "{result:?}");
        assert!(result.message.contains(told), "{result:?}");
        assert!(shop.get("ConfigMap", "a").unwrap().is_terminating());
    }
}

/// What somebody changes while an approved plan is carried out was not approved to be overwritten.
#[test]
fn what_is_changed_while_an_approved_plan_waits_is_left_alone() {
    for options in ["Replace=true", "Force=false"] {
        let metadata = format!(
            "  name: a\n  annotations: {{argocd.argoproj.io/sync-options: {options}, argocd.argoproj.io/sync-wave: '1'}}\n"
        );
        let shop = shop(&metadata);
        let slow = "  name: web\n  annotations: {memory.gitops.rs/after-seconds: '30'}\n";
        let slow = deployment("web", 1, "nginx:1").replacen("  name: web\n", slow, 1);
        shop.commit("slow", &[("w.yaml", Some(&slow))]);
        let plan = looked(&shop).plan;
        let (followed, _) = ready(follow(&shop.app, &plan, shop.world())).unwrap().unwrap();
        let mut machine = followed.machine(&shop.app, shop.time.now()).unwrap();
        until_it_waits(&shop, &mut machine);
        assert!(shop.get("Deployment", "web").is_some() && value(&shop) == "1");
        shop.edit(&shop.get("ConfigMap", "a").unwrap(), |draft| draft.entry("data").set("key", "hotfix"));
        ready(run(&mut machine, &shop.cluster, &shop.time)).unwrap();
        let receipt = machine.outcome().unwrap();
        assert_eq!((receipt.phase, value(&shop)), (Phase::Failed, "hotfix".to_owned()), "{options}");
        assert!(receipt.message.contains("was changed on the cluster since the plan was approved"), "{receipt:?}");
    }
}
