//! Hooks whose end nobody saw: they are never forgotten, and never run side by side.

use gitops_core::cluster::{Failure, Verb, Write};
use gitops_core::memory::ready;
use gitops_core::reconcile::{Looked, SyncStatus, look, perform, read_desired, run};
use gitops_core::resource::Resource;
use gitops_core::state::{HookResult, Live};
use gitops_core::sync::{Effect, Event, Ledger, Machine, Phase, Receipt};
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config, job};

const HOOK: &str = "argocd.argoproj.io/hook";
const OUTCOME: &str = "memory.gitops.rs/outcome";
const AFTER: &str = "memory.gitops.rs/after-seconds";

fn looked(shop: &Shop) -> Looked {
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap()
}

fn machine(shop: &Shop) -> Machine {
    looked(shop).machine(&shop.app, shop.time.now()).unwrap()
}

fn end(shop: &Shop, mut machine: Machine) -> Receipt {
    ready(run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    machine.outcome().unwrap().clone()
}

/// Drives a machine until `stop` says so of what it would do next; that is not done.
fn drive_until(shop: &Shop, machine: &mut Machine, stop: impl Fn(&Effect) -> bool) {
    while machine.outcome().is_none() {
        if let Some(effect) = machine.next_effect() {
            if stop(&effect) {
                return;
            }
            let event = ready(perform(effect, &shop.cluster)).unwrap();
            machine.handle(event, shop.time.now());
        } else {
            ready(shop.time.sleep_until(machine.wake_at().expect("a machine waits for something"))).unwrap();
            machine.handle(Event::Tick, shop.time.now());
        }
    }
    panic!("it ended: {:?}", machine.outcome());
}

fn jobs(shop: &Shop) -> Vec<Resource> {
    let of = |object: &&Resource| object.key().is("batch", "Job");
    shop.cluster.inner.with_server(|server| server.objects().filter(of).cloned().collect())
}

/// Starts an operation that ends without a word once the hook of this name runs.
fn crash_while_it_runs(shop: &Shop, name: &str) {
    let mut first = machine(shop);
    let runs = |effect: &Effect| {
        let Effect::Observe { keys, .. } = effect else { return false };
        keys.iter().any(|key| key.name.starts_with(name) && shop.get("Job", &key.name).is_some())
    };
    drive_until(shop, &mut first, runs);
}

fn generated(name: &str, annotations: &[(&str, &str)]) -> String {
    job(name, annotations).replace(&format!("  name: {name}\n"), &format!("  generateName: {name}\n"))
}

fn shop_with(hook: &str) -> Shop {
    let shop = Shop::new();
    let files = [("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&*config("a", "1"))), ("hook.yaml", Some(hook))];
    shop.commit("first", &files);
    shop
}

/// The hook objects that the ledger knows.
fn known(shop: &Shop) -> Vec<HookResult> {
    let key = shop.app.ledger_key();
    let stored = shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap();
    Ledger::read(&key, Live::Present(&stored)).unwrap().0.hooks
}

/// Where the first line that starts so stands among what was written.
fn place(written: &[String], verb: &str) -> usize {
    let is = |line: &String| line.starts_with(&format!("{verb} batch/Job shop/migrate-"));
    written.iter().position(is).unwrap_or_else(|| panic!("{verb}: {written:?}"))
}

#[test]
fn an_operation_that_goes_on_and_is_stopped_at_once_deletes_the_hook_that_runs_since_before() {
    let shop = shop_with(&generated("migrate-", &[(HOOK, "PreSync"), (OUTCOME, "never")]));
    crash_while_it_runs(&shop, "migrate-");
    let mut second = machine(&shop);
    second.handle(Event::Terminate, shop.time.now());
    assert_eq!(end(&shop, second).phase, Phase::Terminated);
    assert!(jobs(&shop).iter().all(Resource::is_terminating), "{:?}", jobs(&shop));
    assert!(known(&shop).is_empty());
}

#[test]
fn an_operation_that_goes_on_and_makes_room_at_once_knows_the_hook_that_runs_since_before() {
    let shop = shop_with(&generated("migrate-", &[(HOOK, "PreSync"), (OUTCOME, "never")]));
    crash_while_it_runs(&shop, "migrate-");
    let mut second = machine(&shop);
    second.handle(Event::Superseded, shop.time.now());
    assert_eq!(end(&shop, second).phase, Phase::Superseded);
    let left = known(&shop);
    assert!(left.len() == 1 && left[0].running, "{left:?}");
    // The next one does not run beside it.
    shop.written();
    shop.commit("second", &[("hook.yaml", Some(&generated("migrate-", &[(HOOK, "PreSync")])))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    let written = shop.written();
    assert!(place(&written, "delete") < place(&written, "apply"), "{written:?}");
    assert_eq!(jobs(&shop).len(), 1);
}

#[test]
fn an_operation_that_cannot_look_for_a_hook_that_may_run_does_not_end_and_the_next_one_finds_it() {
    let shop = shop_with(&generated("migrate-", &[(HOOK, "PreSync"), (OUTCOME, "never")]));
    crash_while_it_runs(&shop, "migrate-");
    let mut second = machine(&shop);
    second.handle(Event::Terminate, shop.time.now());
    shop.cluster.inner.with_faults(|faults| {
        let gone = || Failure::Unavailable { message: "connection refused".into() };
        (1..8).for_each(|nth| faults.fail_observe(nth, gone()));
    });
    let receipt = end(&shop, second);
    assert_eq!(receipt.phase, Phase::Error, "{}", receipt.message);
    assert!(receipt.message.contains("hooks of it may still run"), "{}", receipt.message);
    shop.cluster.inner.with_faults(|faults| faults.clear());
    let mut third = machine(&shop);
    third.handle(Event::Terminate, shop.time.now());
    assert_eq!(end(&shop, third).phase, Phase::Terminated);
    assert!(jobs(&shop).iter().all(Resource::is_terminating), "{:?}", jobs(&shop));
}

#[test]
fn a_syncfail_hook_that_runs_since_before_is_known_when_the_operation_succeeds_after_all() {
    let shop = shop_with(&generated("alarm-", &[(HOOK, "SyncFail"), (OUTCOME, "never")]));
    *shop.cluster.meets.lock().unwrap() = Some(("a", Failure::Refused { message: "policy".into() }));
    crash_while_it_runs(&shop, "alarm-");
    *shop.cluster.meets.lock().unwrap() = None;
    let receipt = end(&shop, machine(&shop));
    assert_eq!(receipt.phase, Phase::Succeeded, "{}", receipt.message);
    let left = known(&shop);
    assert!(left.len() == 1 && left[0].running && left[0].object == *jobs(&shop)[0].key(), "{left:?}");
}

#[test]
fn a_hook_that_was_created_after_all_its_answers_were_lost_is_known() {
    // How often it is tried, and then: the last of these creates takes effect late.
    let mut tries = 0;
    for lands in [false, true] {
        let shop = shop_with(&job("migrate", &[(HOOK, "PreSync"), (OUTCOME, "never")]));
        let mut machine = machine(&shop);
        let (mut count, mut late) = (0, None);
        while machine.outcome().is_none() {
            let Some(effect) = machine.next_effect() else {
                ready(shop.time.sleep_until(machine.wake_at().unwrap())).unwrap();
                machine.handle(Event::Tick, shop.time.now());
                continue;
            };
            if let Effect::Write { id, write } = &effect
                && let (Verb::Apply { .. }, true) = (&write.verb, write.key.is("batch", "Job"))
            {
                count += 1;
                late = Some(Write::clone(write));
                let lost = Failure::InDoubt { message: "connection reset".into() };
                machine.handle(Event::Wrote { id: *id, result: Err(lost.into()) }, shop.time.now());
                continue;
            }
            if let Some(write) = late.take_if(|_| lands && count == tries) {
                ready(gitops_core::cluster::Cluster::write(&shop.cluster.inner, &write)).unwrap().unwrap();
            }
            let event = ready(perform(effect, &shop.cluster)).unwrap();
            machine.handle(event, shop.time.now());
        }
        assert_eq!(machine.outcome().unwrap().phase, Phase::Failed);
        tries = count;
        let left = known(&shop);
        assert_eq!(left.iter().map(|hook| hook.running).collect::<Vec<_>>(), vec![true; usize::from(lands)]);
    }
}

#[test]
fn a_hook_that_is_given_up_on_goes_before_the_same_hook_runs_again() {
    let shop = shop_with(&generated("migrate-", &[(HOOK, "PreSync"), (OUTCOME, "never")]));
    let receipt = shop.sync().receipt.unwrap();
    assert!(receipt.phase == Phase::Failed && receipt.message.contains("waited 1800 s"), "{}", receipt.message);
    assert!(known(&shop).iter().all(|hook| hook.running) && known(&shop).len() == 1, "{:?}", known(&shop));
    shop.written();
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Failed);
    let written = shop.written();
    assert!(place(&written, "delete") < place(&written, "apply"), "{written:?}");
    assert_eq!(jobs(&shop).len(), 1);
}

#[test]
fn a_hook_that_ended_badly_is_not_taken_for_one_that_runs() {
    let shop = shop_with(&generated("migrate-", &[(HOOK, "PreSync"), (OUTCOME, "fail")]));
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Failed);
    assert!(known(&shop).iter().all(|hook| !hook.running) && known(&shop).len() == 1, "{:?}", known(&shop));
}

/// Rule 38 of the exact rules.
#[test]
fn looks_that_fail_while_something_is_waited_for_end_nothing_before_its_deadline() {
    let now_and_then: Vec<u64> = (4..20).step_by(2).collect();
    for (way, fails) in [("now and then", now_and_then), ("for minutes", (4..16).collect())] {
        let shop = shop_with(&job("migrate", &[(HOOK, "PreSync"), (AFTER, "600")]));
        let machine = machine(&shop);
        shop.cluster.inner.with_faults(|faults| {
            let gone = || Failure::Unavailable { message: "connection refused".into() };
            fails.iter().for_each(|nth| faults.fail_observe(*nth, gone()));
        });
        let receipt = end(&shop, machine);
        assert_eq!(receipt.phase, Phase::Succeeded, "{way}: {}", receipt.message);
    }
}

#[test]
fn looks_that_fail_until_the_deadline_end_what_is_waited_for_and_a_hook_counts_as_running() {
    let shop = shop_with(&job("migrate", &[(HOOK, "PreSync"), (AFTER, "600")]));
    let (machine, began) = (machine(&shop), shop.time.now());
    shop.cluster.inner.with_faults(|faults| {
        let gone = || Failure::Throttled { retry_after: Some(std::time::Duration::from_secs(86_400)) };
        (4..400).for_each(|nth| faults.fail_observe(nth, gone()));
    });
    let receipt = end(&shop, machine);
    assert_eq!(receipt.phase, Phase::Failed);
    let waited = shop.time.now().since(began).as_secs();
    assert!((1800..1900).contains(&waited), "{waited} s");
    assert!(known(&shop).iter().all(|hook| hook.running) && known(&shop).len() == 1, "{:?}", known(&shop));
}

#[test]
fn a_hook_is_not_waited_for_longer_than_a_week_because_it_says_so_itself() {
    for seconds in ["2000000", "9223372036854775807"] {
        let limits = format!("spec:\n  suspend: true\n  activeDeadlineSeconds: {seconds}\n");
        let shop = shop_with(&job("migrate", &[(HOOK, "PreSync")]).replacen("spec:\n", &limits, 1));
        let (machine, began) = (machine(&shop), shop.time.now());
        assert_eq!(end(&shop, machine).phase, Phase::Failed);
        let waited = shop.time.now().since(began).as_secs() / 86_400;
        assert_eq!(waited, 7, "{seconds}");
    }
}
