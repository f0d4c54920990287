//! How objects came to the application, where that is not plain: hooks that become ordinary objects, and creates that
//! arrive after somebody gave them up. What is proven to be ours is pruned; what is not, stays.

use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::ready;
use gitops_core::plan::{Confirmation, Request, SkipReason};
use gitops_core::reconcile::{self, Looked, look_at, look_to_orphan, perform};
use gitops_core::resource::Propagation;
use gitops_core::state::{Live, Standing};
use gitops_core::sync::{Effect, Event, Ledger, Machine, Phase};
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config, job};

const HOOK: &str = "argocd.argoproj.io/hook";

fn looked(shop: &Shop) -> Looked {
    ready(look_at(&shop.app, shop.world())).unwrap().unwrap()
}

fn ledger(shop: &Shop) -> Ledger {
    let key = shop.app.ledger_key();
    let live = shop.cluster.inner.with_server(|server| server.get(&key).cloned());
    Ledger::read(&key, live.as_ref().map_or(Live::Absent, Live::Present)).unwrap().0
}

fn standing(shop: &Shop, name: &str) -> Option<Standing> {
    let entries = ledger(shop).inventory.entries;
    entries.into_iter().find(|(key, _)| &*key.name == name).map(|(_, entry)| entry.standing)
}

#[test]
fn a_hook_that_becomes_an_ordinary_object_was_created_by_us_and_is_pruned_like_one() {
    let shop = Shop::new().pruning();
    let hook = job("migrate", &[(HOOK, "PreSync"), ("argocd.argoproj.io/hook-delete-policy", "BeforeHookCreation")]);
    let ordinary = job("migrate", &[("team", "a")]);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1"))), ("h.yaml", Some(&hook))]);
    shop.sync();
    let ran = shop.get("Job", "migrate").unwrap();
    shop.commit("second", &[("h.yaml", Some(&ordinary))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert_eq!(shop.get("Job", "migrate").unwrap().uid(), ran.uid(), "it is the same object");
    assert_eq!(standing(&shop, "migrate"), Some(Standing::Created));

    shop.commit("third", &[("h.yaml", None)]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert!(shop.get("Job", "migrate").is_none(), "{}", looked(&shop).plan);
}

#[test]
fn an_object_of_that_name_that_somebody_else_made_is_adopted_all_the_same() {
    let shop = Shop::new().pruning();
    let ordinary = config("seed", "1");
    let hook = ordinary.replace("metadata:\n", &format!("metadata:\n  annotations: {{{HOOK}: PreSync}}\n"));
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1"))), ("h.yaml", Some(&hook))]);
    shop.sync();
    // Somebody replaces what the hook left by a copy of it, marks and all.
    let ran = shop.get("ConfigMap", "seed").unwrap();
    assert!(ran.annotation("gitops.rs/operation").is_some());
    let copy = ran.edit(|draft| {
        let metadata = draft.entry("metadata");
        for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
            metadata.remove(field);
        }
        metadata.entry("annotations").remove(HOOK);
    });
    let copy = copy.unwrap();
    let gone = Write::delete(ran.key(), "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&gone)).unwrap().unwrap();
    let made = Write::create(&copy, "kubectl-create");
    ready(shop.cluster.inner.write(&made)).unwrap().unwrap();
    shop.commit("second", &[("h.yaml", Some(&ordinary))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert_eq!(standing(&shop, "seed"), Some(Standing::Adopted));
    shop.commit("third", &[("h.yaml", None)]);
    shop.sync();
    assert!(shop.get("ConfigMap", "seed").is_some());
    let plan = looked(&shop).plan;
    assert!(plan.skipped.iter().any(|skipped| skipped.reason == SkipReason::Adopted), "{plan}");
}

/// Drives a machine until it wants to write an object of this name, and returns that effect.
fn until_write(shop: &Shop, machine: &mut Machine, name: &str) -> Effect {
    loop {
        let effect = machine.next_effect().expect("it writes the object before it ends");
        if matches!(&effect, Effect::Write { write, .. } if &*write.key.name == name) {
            return effect;
        }
        let event = ready(perform(effect, &shop.cluster)).unwrap();
        machine.handle(event, shop.time.now());
    }
}

fn finish(shop: &Shop, machine: &mut Machine) {
    while machine.outcome().is_none() {
        match machine.next_effect() {
            Some(effect) => {
                let event = ready(perform(effect, &shop.cluster)).unwrap();
                machine.handle(event, shop.time.now());
            }
            None => machine.handle(Event::Tick, machine.wake_at().expect("it waits for something")),
        }
    }
}

#[test]
fn a_create_that_arrives_after_its_operation_was_given_up_made_an_object_of_ours() {
    let shop = Shop::new().pruning();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1")))]);
    shop.sync();
    shop.commit("second", &[("late.yaml", Some(&config("late", "1")))]);
    let mut lost = looked(&shop).machine(&shop.app, shop.time.now()).unwrap();
    let create = until_write(&shop, &mut lost, "late");
    drop(lost);

    // The program is gone, its request still on its way; another revision comes first.
    shop.commit("third", &[("late.yaml", Some(&config("late", "2")))]);
    let mut next = looked(&shop).machine(&shop.app, shop.time.now()).unwrap();
    let meant = until_write(&shop, &mut next, "late");
    ready(perform(create, &shop.cluster)).unwrap();
    let event = ready(perform(meant, &shop.cluster)).unwrap();
    next.handle(event, shop.time.now());
    finish(&shop, &mut next);
    assert_eq!(next.outcome().unwrap().phase, Phase::Failed, "it does not touch what it did not expect");

    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert_eq!(standing(&shop, "late"), Some(Standing::Created));
    shop.commit("fourth", &[("late.yaml", None)]);
    shop.sync();
    assert!(shop.get("ConfigMap", "late").is_none(), "{}", looked(&shop).plan);
}

#[test]
fn the_end_of_an_application_in_mid_recreate_names_what_is_not_there_to_stay() {
    let shop = Shop::new();
    let forced = |value: &str| {
        let options = "metadata:\n  annotations: {argocd.argoproj.io/sync-options: Force=true}\n";
        config("fixed", value).replace("metadata:\n", options) + "immutable: true\n"
    };
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("f.yaml", Some(&forced("1")))]);
    shop.sync();
    shop.commit("second", &[("f.yaml", Some(&forced("2")))]);
    let mut machine = looked(&shop).machine(&shop.app, shop.time.now()).unwrap();
    while shop.get("ConfigMap", "fixed").is_some() {
        let effect = machine.next_effect().expect("it deletes the object");
        let event = ready(perform(effect, &shop.cluster)).unwrap();
        machine.handle(event, shop.time.now());
    }
    drop(machine);
    let plan = ready(look_to_orphan(&shop.app, shop.world())).unwrap().unwrap().plan;
    let text = plan.to_string();
    assert!(text.contains("warning: ConfigMap shop/fixed: is recorded and not there, so it does not stay"), "{text}");
    assert!(text.contains("orphan  Namespace shop"), "the rest is let go: {text}");
    shop.sync();
    let plan = ready(look_to_orphan(&shop.app, shop.world())).unwrap().unwrap().plan;
    assert!(plan.problems.is_empty(), "{plan}");
    let ended = ready(reconcile::orphan(&shop.app, shop.world())).unwrap().unwrap();
    assert_eq!(ended.receipt.unwrap().phase, Phase::Succeeded);
    assert!(shop.get("ConfigMap", "fixed").is_some());
}

#[test]
fn an_application_that_is_deleted_takes_what_its_hooks_became() {
    let shop = Shop::new();
    let hook = job("migrate", &[(HOOK, "PreSync")]);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1"))), ("h.yaml", Some(&hook))]);
    shop.sync();
    shop.commit("second", &[("h.yaml", Some(&job("migrate", &[("team", "a")])))]);
    shop.sync();
    let mut app = shop.app.clone();
    let all = Confirmation::of_all("ann", shop.time.now());
    app.request = Request::to_delete().confirmed(all);
    let report = ready(reconcile::delete(&app, shop.world())).unwrap().unwrap();
    assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
    assert!(shop.get("Job", "migrate").is_none());
}
