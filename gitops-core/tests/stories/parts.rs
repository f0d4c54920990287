//! An operation on a part of an application that is interrupted: nobody has asked for the rest.

use gitops_core::memory::ready;
use gitops_core::plan::{HookRun, Request, Selection, Validity};
use gitops_core::reconcile::{Looked, SyncStatus, follow, look, perform, read_desired, run};
use gitops_core::sync::{Machine, Phase};
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

fn looked(shop: &Shop) -> Looked {
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap()
}

/// Two objects differ.
fn shop() -> Shop {
    let shop = Shop::new();
    let of = |value: &str| [config("a", value), config("b", value)];
    let [a, b] = of("1");
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&a)), ("b.yaml", Some(&b))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let [a, b] = of("2");
    shop.commit("second", &[("a.yaml", Some(&a)), ("b.yaml", Some(&b))]);
    shop
}

fn value(shop: &Shop, name: &str) -> String {
    shop.get("ConfigMap", name).unwrap().tree().dig(&["data", "key"]).unwrap().as_str().unwrap().to_owned()
}

/// Performs so many effects; returns whether there were more.
fn crash_after(shop: &Shop, mut machine: Machine, effects: usize) -> bool {
    for _ in 0..effects {
        let Some(effect) = machine.next_effect() else { return false };
        machine.handle(ready(perform(effect, &shop.cluster)).unwrap(), shop.time.now());
    }
    machine.outcome().is_none()
}

#[test]
fn an_interrupted_operation_on_some_objects_is_not_gone_on_with_for_all() {
    for effects in 1.. {
        let mut shop = shop();
        let whole = shop.app.request.clone();
        shop.app.request = Request::default().with_only(Selection::of(["ConfigMap/a".parse().unwrap()]));
        let machine = looked(&shop).machine(&shop.app, shop.time.now()).unwrap();
        let operation = machine.operation().clone();
        if !crash_after(&shop, machine, effects) {
            assert!(effects > 2, "{effects}");
            break;
        }
        assert!(looked(&shop).resumed().is_none(), "it runs no hooks, so it is done anew");
        shop.app.request = whole;
        let looked = looked(&shop);
        assert!(looked.resumed().is_none(), "after {effects} effects");
        assert_eq!(value(&shop, "b"), "1");
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced);
        let (last, given_up) = (&report.history[0], &report.history[1]);
        assert!(last.operation != operation && !last.partial && last.phase == Phase::Succeeded, "{last:?}");
        assert!(given_up.operation == operation && given_up.partial, "{given_up:?}");
    }
}

#[test]
fn an_approved_plan_that_was_interrupted_goes_on_as_that_and_as_nothing_else() {
    let shop = shop();
    let plan = looked(&shop).plan;
    let (followed, _) = ready(follow(&shop.app, &plan, shop.world())).unwrap().unwrap();
    let machine = followed.machine(&shop.app, shop.time.now()).unwrap();
    let operation = machine.operation().clone();
    // The record, and the first of the two objects.
    assert!(crash_after(&shop, machine, 2));
    assert!(looked(&shop).resumed().is_none(), "nobody approved of all that differs by now");
    let (again, _) = ready(follow(&shop.app, &plan, shop.world())).unwrap().unwrap();
    let mut machine = again.machine(&shop.app, shop.time.now()).unwrap();
    assert_eq!(*machine.operation(), operation);
    ready(run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    let receipt = machine.outcome().unwrap();
    assert_eq!((receipt.plan, receipt.began), (again.plan.digest(), Some(plan.digest())));
    assert_eq!(receipt.results.len(), again.plan.steps.len());
}

#[test]
fn an_interrupted_operation_without_hooks_is_not_gone_on_with_as_one_that_runs_them() {
    let mut shop = shop();
    shop.commit("hook", &[("h.yaml", Some(&job("migrate", &[("argocd.argoproj.io/hook", "PostSync")])))]);
    shop.app.request = Request::from(HookRun::Never);
    let machine = looked(&shop).machine(&shop.app, shop.time.now()).unwrap();
    let operation = machine.operation().clone();
    assert!(crash_after(&shop, machine, 2));
    assert_eq!(*looked(&shop).machine(&shop.app, shop.time.now()).unwrap().operation(), operation);
    shop.app.request = Request::default();
    assert!(looked(&shop).resumed().is_none());
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.get("Job", "migrate").is_some());
}

/// What was done of it is not healthy yet: that is waited for still, and is no reason to approve anew.
#[test]
fn an_approved_plan_that_failed_while_it_waited_goes_on_with_the_wait() {
    let shop = Shop::new();
    shop.commit("zeroth", &[("n.yaml", Some(NAMESPACE))]);
    shop.sync();
    let named = |text: String, name: &str, annotation: &str| {
        text.replacen(&format!("  name: {name}\n"), &format!("  name: {name}\n  annotations: {{{annotation}}}\n"), 1)
    };
    let db = named(deployment("db", 1, "nginx:1"), "db", "memory.gitops.rs/after-seconds: '1500'");
    let next = named(config("next", "a"), "next", "argocd.argoproj.io/sync-wave: '1'");
    shop.commit("first", &[("db.yaml", Some(&db)), ("next.yaml", Some(&next))]);
    let plan = looked(&shop).plan;
    for attempt in 0..3 {
        let (followed, validity) = ready(follow(&shop.app, &plan, shop.world())).unwrap().unwrap();
        let verbs: Vec<&str> = followed.plan.steps.iter().map(|step| step.action.verb()).collect();
        assert_eq!(verbs, if attempt == 0 { ["create", "create"] } else { ["await", "create"] }, "{attempt}");
        assert_eq!(matches!(validity, Validity::Narrowed { .. }), attempt > 0, "{attempt}");
        let mut machine = followed.machine(&shop.app, shop.time.now()).unwrap();
        ready(run(&mut machine, &shop.cluster, &shop.time)).unwrap();
        let receipt = machine.outcome().unwrap();
        let phase = if attempt < 2 { Phase::Failed } else { Phase::Succeeded };
        assert_eq!((receipt.phase, receipt.plan), (phase, followed.plan.digest()), "{attempt}: {receipt:?}");
        assert_eq!(receipt.began, (attempt > 0).then(|| plan.digest()), "what was approved: {attempt}");
        assert_eq!(machine.ledger().history[0].plan, plan.digest(), "{attempt}");
        // It is well in the third try, and what comes after it comes.
        assert!(shop.get("Deployment", "db").is_some(), "{attempt}");
        assert_eq!(shop.get("ConfigMap", "next").is_some(), attempt == 2, "{attempt}");
    }
}
