//! Crashes, lost answers and races: after every single effect, before and after the server took it.

use std::sync::Arc;

use gitops_core::cluster::{Cluster, Failure};
use gitops_core::memory::{MemoryCluster, Moment, ready};
use gitops_core::reconcile::{self, SyncStatus, look, perform, read_desired};
use gitops_core::sync::{Event, Machine, Phase, Setup};
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config, job};

const HOOK: &str = "argocd.argoproj.io/hook";

fn shop() -> Shop {
    let shop = Shop::new().pruning();
    shop.commit("first", &[("old.yaml", Some(&config("old", "1"))), ("namespace.yaml", Some(NAMESPACE))]);
    shop.sync();
    let pre = job("migrate-", &[(HOOK, "PreSync")]).replace("  name: migrate-", "  generateName: migrate-");
    let succeeded = [(HOOK, "PostSync"), ("argocd.argoproj.io/hook-delete-policy", "HookSucceeded")];
    let files = [
        ("old.yaml", None),
        ("a.yaml", Some(config("a", "1"))),
        ("b.yaml", Some(config("b", "1"))),
        ("pre.yaml", Some(pre)),
        ("post.yaml", Some(job("smoke", &succeeded))),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_deref())).collect();
    shop.commit("second", &files);
    shop.written();
    shop
}

/// Drives a sync and stops after `effects` effects; the last one reaches the server or not. Returns whether it ended.
fn run_and_crash(shop: &Shop, effects: usize, reaches: bool) -> bool {
    let cluster = &shop.cluster;
    let desired = ready(read_desired(&shop.app, &shop.source, cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired, cluster)).unwrap().unwrap();
    let Some(mut machine) = looked.machine(&shop.app, shop.time.now()) else { return true };
    let mut count = 0;
    while machine.outcome().is_none() {
        if let Some(effect) = machine.next_effect() {
            count += 1;
            if count > effects && !reaches {
                return false;
            }
            let event = ready(perform(effect, cluster)).unwrap();
            if count > effects {
                return false;
            }
            machine.handle(event, shop.time.now());
        } else {
            ready(shop.time.sleep_until(machine.wake_at().expect("a machine waits for something"))).unwrap();
            machine.handle(Event::Tick, shop.time.now());
        }
    }
    true
}

fn hook_runs(shop: &Shop) -> Vec<String> {
    shop.cluster.inner.with_server(|server| {
        let jobs = server.objects().filter(|object| object.key().is("batch", "Job"));
        jobs.map(|job| job.key().name.to_string()).collect()
    })
}

#[test]
fn killed_after_any_effect_the_next_run_converges_and_no_hook_runs_twice() {
    for reaches in [false, true] {
        for effects in 0..200 {
            let shop = shop();
            if run_and_crash(&shop, effects, reaches) {
                assert!(effects > 8, "there were only {effects} effects to stop after");
                break;
            }
            let report = shop.sync();
            let about = format!("stopped after {effects} effects, reached: {reaches}");
            assert_eq!(report.sync, SyncStatus::Synced, "{about}: {:?}", report.receipt);
            let applied: Vec<String> = shop.written().into_iter().filter(|line| line.contains("Job")).collect();
            let creates =
                |name: &str| applied.iter().filter(|line| line.starts_with("apply") && line.contains(name)).count();
            // A create that was lost before it reached the server is made again; that is one run all the same.
            assert!(creates("migrate") <= 1 + usize::from(!reaches), "{about}: {applied:?}");
            assert!(shop.get("ConfigMap", "a").is_some() && shop.get("ConfigMap", "old").is_none(), "{about}");
            let jobs = hook_runs(&shop);
            assert_eq!(jobs.len(), 1, "{about}: only the PreSync hook is left: {jobs:?}");
            let report = shop.sync();
            assert!(report.receipt.is_none(), "{about}: nothing is left to do");
            let ledger_says: usize = report.totals.synced;
            assert_eq!(ledger_says, 3, "{about}");
        }
    }
}

#[test]
fn every_write_may_lose_its_answer_or_fail_once_and_the_sync_still_ends() {
    let failures = [
        Failure::InDoubt { message: "connection reset".into() },
        Failure::Unavailable { message: "connection refused".into() },
        Failure::Throttled { retry_after: None },
    ];
    for failure in failures {
        for moment in [Moment::Before, Moment::After] {
            if moment == Moment::After && !matches!(failure, Failure::InDoubt { .. }) {
                continue;
            }
            for nth in 1..15 {
                let shop = shop();
                shop.cluster.inner.with_faults(|faults| faults.fail_write(nth, moment, failure.clone()));
                let report = shop.sync();
                let about = format!("write {nth} failed {moment:?} with {failure:?}");
                let receipt = report.receipt.as_ref().unwrap();
                assert_eq!(receipt.phase, Phase::Succeeded, "{about}: {receipt:?}");
                assert_eq!(report.sync, SyncStatus::Synced, "{about}");
                assert_eq!(hook_runs(&shop).len(), 1, "{about}");
            }
        }
    }
}

#[test]
fn what_somebody_writes_after_a_create_whose_answer_was_lost_is_drift() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE))]);
    shop.sync();
    shop.commit("second", &[("a.yaml", Some(&config("a", "1")))]);
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    // The first write is the ledger's.
    let lost = Failure::InDoubt { message: "connection reset".into() };
    shop.cluster.inner.with_faults(|faults| faults.fail_write(2, Moment::After, lost));
    let mut is_edited = false;
    while machine.outcome().is_none() {
        let effect = machine.next_effect().expect("nothing has to be waited for");
        let event = ready(perform(effect, &shop.cluster)).unwrap();
        machine.handle(event, shop.time.now());
        if let (Some(live), false) = (shop.get("ConfigMap", "a"), is_edited) {
            shop.edit(&live, |draft| draft.entry("data").set("key", "edited"));
            is_edited = true;
        }
    }
    assert_eq!(machine.outcome().unwrap().phase, Phase::Succeeded);
    assert_eq!(shop.preview().sync, SyncStatus::OutOfSync);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let live = shop.get("ConfigMap", "a").unwrap();
    assert_eq!(live.tree().dig(&["data", "key"]).unwrap().as_str(), Some("1"));
}

#[test]
fn a_refused_object_fails_the_sync_and_nothing_that_others_wait_for_is_lost() {
    let failures = [
        Failure::Denied { message: "forbidden".into() },
        Failure::Invalid { message: "no".into(), causes: Vec::new() },
        Failure::Refused { message: "policy".into() },
    ];
    for failure in failures {
        // Record, PreSync hook, record of its end, then the first object.
        let shop = shop();
        shop.cluster.inner.with_faults(|faults| faults.fail_write(4, Moment::Before, failure.clone()));
        let report = shop.sync();
        assert_eq!(report.receipt.as_ref().unwrap().phase, Phase::Failed, "{failure:?}");
        assert!(shop.get("ConfigMap", "old").is_some(), "nothing is pruned when something failed");
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{failure:?}: {:?}", report.receipt);
    }
}

#[test]
fn a_foreign_object_that_appears_between_plan_and_create_is_not_adopted_not_stamped_and_not_pruned() {
    let shop = shop();
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    shop.create(
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{"key":"1"}}"#,
        "somebody",
    );
    let mut machine: Machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    ready(reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    assert_eq!(machine.outcome().unwrap().phase, Phase::Failed);
    assert!(machine.outcome().unwrap().message.contains("is not ours"), "{:?}", machine.outcome());
    let foreign = shop.get("ConfigMap", "a").unwrap();
    assert!(foreign.annotation("gitops.rs/tracking-id").is_none());
    shop.commit("drop it", &[("a.yaml", None)]);
    shop.sync();
    assert!(shop.get("ConfigMap", "a").is_some());
}

#[test]
fn a_stored_plan_never_sends_content_that_it_was_not_made_for() {
    let shop = shop();
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let approved = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    shop.commit("another a", &[("a.yaml", Some(&config("a", "2")))]);
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let (app, ledger) = (&shop.app, approved.ledger.clone());
    let key = app.ledger_key();
    let setup = Setup::new(Arc::new(desired), approved.model, app.owner.clone(), app.policy.clone(), key, ledger);
    let mut machine = Machine::start(approved.plan, setup, shop.time.now());
    ready(reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    assert!(shop.get("ConfigMap", "a").is_none() && shop.get("ConfigMap", "b").is_some());
    assert!(machine.outcome().unwrap().message.contains("plan again"), "{:?}", machine.outcome());
}

#[test]
fn a_second_program_that_changes_the_ledger_stops_the_first() {
    let shop = shop();
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    let mut first = looked.machine(&shop.app, shop.time.now()).unwrap();
    shop.sync();
    shop.written();
    ready(reconcile::run(&mut first, &shop.cluster, &shop.time)).unwrap();
    assert_eq!(first.outcome().unwrap().phase, Phase::Error);
    assert!(shop.written().is_empty(), "it wrote nothing");
}

#[test]
fn an_export_between_two_syncs_changes_nothing() {
    let shop = shop();
    shop.sync();
    let bytes = shop.cluster.inner.with_server(|server| server.export());
    let server = gitops_core::memory::ApiServer::import(&bytes).unwrap();
    let again = MemoryCluster::over(server, shop.time.clone());
    let report = ready(reconcile::sync(&shop.app, reconcile::World::new(&shop.source, &again, &shop.time)));
    assert!(report.unwrap().unwrap().receipt.is_none());
    let _: &dyn Cluster = &again;
}

#[test]
fn an_object_of_somebody_else_in_the_place_of_the_ledger_is_not_touched() {
    let shop = Shop::new();
    shop.commit("first", &[("namespace.yaml", Some(NAMESPACE))]);
    let name = shop.app.ledger_key().name;
    shop.create(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"gitops-system"}}"#, "somebody");
    let theirs = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"NAME","namespace":"gitops-system"},"data":{"a":"b"}}"#;
    shop.create(&theirs.replace("NAME", &name), "somebody");
    let before = shop.cluster.inner.with_server(|server| server.get(&shop.app.ledger_key()).cloned());
    let report = shop.sync();
    assert_eq!(report.receipt.unwrap().phase, Phase::Error);
    assert!(report.problems.iter().any(|problem| problem.text.contains("is not a ledger")), "{:?}", report.problems);
    assert_eq!(shop.cluster.inner.with_server(|server| server.get(&shop.app.ledger_key()).cloned()), before);
    assert!(shop.get("Namespace", "shop").is_none(), "nothing is written");
}
