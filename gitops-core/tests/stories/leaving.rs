//! That an object is about to go is recorded before it goes, and until it is known what became of it. Rule 26 of the exact
//! rules.

use std::cell::Cell;

use gitops_core::cluster::{Cluster, Failure, Verb, Write};
use gitops_core::memory::ready;
use gitops_core::policy::Confirm;
use gitops_core::reconcile::{Looked, SyncStatus, look, perform, read_desired};
use gitops_core::resource::{Propagation, ResourceKey};
use gitops_core::state::{Entry, Leaving, Live, Standing};
use gitops_core::sync::{Effect, Event, Ledger, Machine, Phase};
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config};

fn looked(shop: &Shop) -> Looked {
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap()
}

fn machine(shop: &Shop) -> Machine {
    looked(shop).machine(&shop.app, shop.time.now()).expect("something to do")
}

/// Goes on until `stops` says so of an effect, which is not performed.
fn run_until(shop: &Shop, machine: &mut Machine, stops: impl Fn(&Effect) -> bool) -> Option<Effect> {
    while machine.outcome().is_none() {
        let Some(effect) = machine.next_effect() else {
            ready(shop.time.sleep_until(machine.wake_at().expect("it waits for something"))).unwrap();
            machine.handle(Event::Tick, shop.time.now());
            continue;
        };
        if stops(&effect) {
            return Some(effect);
        }
        let event = ready(perform(effect, &shop.cluster)).unwrap();
        machine.handle(event, shop.time.now());
    }
    None
}

fn deletes(effect: &Effect) -> bool {
    matches!(effect, Effect::Write { write, .. } if matches!(write.verb, Verb::Delete { .. }))
}

fn entry(shop: &Shop, name: &str) -> Option<Entry> {
    let key = shop.app.ledger_key();
    let live = shop.cluster.inner.with_server(|server| server.get(&key).cloned());
    let (ledger, damage) = Ledger::read(&key, live.as_ref().map_or(Live::Absent, Live::Present)).unwrap();
    assert_eq!(damage, None);
    ledger.inventory.get(&ResourceKey::new("", "ConfigMap", "shop", name)).cloned()
}

fn leaving(shop: &Shop, name: &str) -> Option<Leaving> {
    entry(shop, name).expect("an entry").leaving
}

/// A synced application, of which the next revision drops `old`.
fn dropping() -> Shop {
    let shop = Shop::new().pruning();
    let files = [("n.yaml", NAMESPACE.to_owned()), ("old.yaml", config("old", "1")), ("web.yaml", config("web", "1"))];
    shop.commit("first", &files.each_ref().map(|(path, text)| (*path, Some(text.as_str()))));
    shop.sync();
    shop.commit("drop", &[("old.yaml", None)]);
    shop
}

#[test]
fn a_deletion_is_recorded_before_it_is_sent_and_taken_back_where_the_object_stays() {
    let shop = dropping();
    let mut machine = machine(&shop);
    run_until(&shop, &mut machine, deletes).expect("a deletion");
    assert_eq!(leaving(&shop, "old"), Some(Leaving::Deleting));
    assert_eq!(leaving(&shop, "web"), None);
    // The program stops here, and Git wants it again.
    shop.commit("keep", &[("old.yaml", Some(&config("old", "1")))]);
    shop.sync();
    let entry = entry(&shop, "old").unwrap();
    assert_eq!((entry.leaving, entry.standing), (None, Standing::Created), "it is ours as it was");

    let shop = dropping();
    *shop.cluster.meets.lock().unwrap() = Some(("old", Failure::Denied { message: "no".into() }));
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Failed);
    assert_eq!(leaving(&shop, "old"), None, "it was refused");

    let lost = Failure::InDoubt { message: "lost".into() };
    *shop.cluster.meets.lock().unwrap() = Some(("old", lost));
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Failed);
    let fate = leaving(&shop, "old");
    assert!(fate.is_none_or(|leaving| leaving == Leaving::Deleting), "{fate:?}");
    *shop.cluster.meets.lock().unwrap() = None;
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert!(shop.get("ConfigMap", "old").is_none() && self::entry(&shop, "old").is_none());
}

/// A ConfigMap that cannot change, and is created again, once nobody holds it any more.
fn fixed(value: &str) -> String {
    let metadata =
        "metadata:\n  finalizers: [example.org/held]\n  annotations: {argocd.argoproj.io/sync-options: Force=true}\n";
    config("fixed", value).replace("metadata:\n", metadata) + "immutable: true\n"
}

fn recreating(confirm: Confirm) -> Shop {
    let mut shop = Shop::new();
    shop.app.policy.confirm = confirm;
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("fixed.yaml", Some(&fixed("1")))]);
    shop.sync();
    shop.commit("second", &[("fixed.yaml", Some(&fixed("2")))]);
    shop
}

#[test]
fn what_is_deleted_to_be_created_again_is_recorded_before_also_where_no_plan_foresaw_it() {
    for confirm in [Confirm::DryRun, Confirm::Never] {
        let shop = recreating(confirm);
        let mut machine = machine(&shop);
        run_until(&shop, &mut machine, deletes).expect("a deletion");
        assert_eq!(leaving(&shop, "fixed"), Some(Leaving::Deleting), "{confirm:?}");
    }
}

#[test]
fn an_object_that_a_crash_left_dying_is_waited_for_and_created_again_by_the_next_run() {
    for confirm in [Confirm::DryRun, Confirm::Never] {
        let shop = recreating(confirm);
        let mut first = machine(&shop);
        let effect = run_until(&shop, &mut first, deletes).expect("a deletion");
        ready(perform(effect, &shop.cluster)).unwrap();
        drop(first);
        let dying = shop.get("ConfigMap", "fixed").unwrap();
        assert!(dying.is_terminating());

        let found = looked(&shop);
        assert!(found.plan.to_string().contains("create  ConfigMap shop/fixed"), "{}", found.plan);
        let mut next = machine(&shop);
        let looks = Cell::new(0);
        run_until(&shop, &mut next, |effect| {
            looks.set(looks.get() + u32::from(matches!(effect, Effect::Observe { .. })));
            looks.get() > 3
        });
        assert!(looks.get() > 3 && next.outcome().is_none(), "{:?}", next.outcome());
        let told: Vec<String> = next.waits().map(|wait| wait.what.to_string()).collect();
        assert_eq!(told, ["its finalizers: example.org/held"]);
        assert_eq!(leaving(&shop, "fixed"), Some(Leaving::Deleting));
        drop(next);

        shop.edit(&dying, |draft| drop(draft.entry("metadata").remove("finalizers")));
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
        let again = shop.get("ConfigMap", "fixed").unwrap();
        assert!(again.uid() != dying.uid() && !again.is_terminating());
        let entry = entry(&shop, "fixed").unwrap();
        assert_eq!((entry.leaving, entry.standing), (None, Standing::Created));
        assert!(shop.sync().receipt.is_none(), "nothing is left to do");
    }
}

#[test]
fn what_somebody_else_deletes_is_not_recorded_as_ours_to_delete() {
    let shop = Shop::new();
    let held = config("held", "1").replace("metadata:\n", "metadata:\n  finalizers: [example.org/held]\n");
    shop.commit(
        "first",
        &[("n.yaml", Some(NAMESPACE)), ("held.yaml", Some(&held)), ("a.yaml", Some(&config("a", "1")))],
    );
    shop.sync();
    let live = shop.get("ConfigMap", "held").unwrap();
    let write = Write::delete(live.key(), "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&write)).unwrap().unwrap();
    shop.commit("second", &[("a.yaml", Some(&config("a", "2")))]);
    let report = shop.sync();
    assert!(report.plan.to_string().contains("is being deleted"), "{}", report.plan);
    assert_eq!(leaving(&shop, "held"), None);
}
