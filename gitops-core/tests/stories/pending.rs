//! Deletions that do not end, what is not well, and what waits for them: at the first try and at later ones.

use gitops_core::cluster::Verb;
use gitops_core::memory::ready;
use gitops_core::plan::HookRun;
use gitops_core::reconcile::{Report, Watcher, Wish, look_at, perform, run_watched};
use gitops_core::resource::Propagation;
use gitops_core::sync::{Effect, Event, Machine, News, Phase, Progress, Receipt, StepOutcome};
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

const HOOK: &str = "argocd.argoproj.io/hook";
const OPTIONS: &str = "gitops.rs/sync-options";

/// An object that does not go until somebody takes its finalizer off.
fn lasting(manifest: &str) -> String {
    manifest.replacen("metadata:\n", "metadata:\n  finalizers: [example.org/hold]\n", 1)
}

fn annotated(manifest: &str, annotations: &str) -> String {
    manifest.replacen("metadata:\n", &format!("metadata:\n  annotations: {{{annotations}}}\n"), 1)
}

fn let_go(shop: &Shop, kind: &str, name: &str) {
    let live = shop.get(kind, name).unwrap();
    shop.edit(&live, |draft| drop(draft.entry("metadata").remove("finalizers")));
}

fn commit(shop: &Shop, files: &[(&str, &str)]) {
    shop.commit("change", &files.iter().map(|(path, text)| (*path, Some(*text))).collect::<Vec<_>>());
}

fn machine(shop: &Shop) -> Machine {
    let looked = ready(look_at(&shop.app, shop.world())).unwrap().unwrap();
    looked.machine(&shop.app, shop.time.now()).unwrap()
}

fn phase(report: &Report) -> Option<Phase> {
    report.receipt.as_ref().map(|receipt| receipt.phase)
}

fn uid(shop: &Shop, kind: &str, name: &str) -> String {
    shop.get(kind, name).and_then(|object| object.uid().map(str::to_owned)).unwrap_or_default()
}

/// A shop with an object that is removed from Git and does not go, and a hook after the sync.
fn shop_that_prunes() -> Shop {
    let shop = Shop::new().pruning();
    let (check, fin) = (job("check", &[(HOOK, "PostSync")]), lasting(&config("fin", "1")));
    commit(&shop, &[("n.yaml", NAMESPACE), ("a.yaml", &config("a", "1")), ("fin.yaml", &fin), ("check.yaml", &check)]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    shop.commit("remove it", &[("fin.yaml", None)]);
    shop
}

#[test]
fn hooks_after_the_sync_wait_for_a_deletion_also_when_it_is_tried_again() {
    let shop = shop_that_prunes();
    let first_run = uid(&shop, "Job", "check");
    for attempt in ["the first", "the second"] {
        let report = shop.sync();
        assert_eq!(phase(&report), Some(Phase::Failed), "{attempt}: {:?}", report.receipt);
        assert_eq!(uid(&shop, "Job", "check"), first_run, "{attempt}");
    }
    let_go(&shop, "ConfigMap", "fin");
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_ne!(uid(&shop, "Job", "check"), first_run);
}

/// Gives way to a newer revision as soon as anything waits for a deletion.
struct Impatient(bool);

impl Watcher for Impatient {
    fn saw(&mut self, progress: &Progress) {
        self.0 |= matches!(&progress.news, News::Waits { what, .. } if what.contains("example.org/hold"));
    }

    fn wish(&mut self) -> Wish {
        if self.0 { Wish::Supersede } else { Wish::GoOn }
    }
}

/// Rule 37 of the exact rules: what only waits for a deletion is at a safe point.
#[track_caller]
fn gives_way(shop: &Shop) -> Receipt {
    let (mut machine, began) = (machine(shop), shop.time.now());
    ready(run_watched(&mut machine, &shop.cluster, &shop.time, &mut Impatient(false))).unwrap();
    let receipt = machine.outcome().unwrap().clone();
    assert_eq!(receipt.phase, Phase::Superseded, "{receipt:?}");
    let waited = shop.time.now().since(began).as_secs();
    assert!(waited < 30, "{waited} s");
    receipt
}

#[test]
fn a_newer_revision_does_not_wait_for_a_deletion() {
    let shop = shop_that_prunes();
    let receipt = gives_way(&shop);
    let fin = receipt.results.iter().find(|result| &*result.key.name == "fin").unwrap();
    let told = "is being deleted, as was asked for, and was not gone before the stop";
    assert_eq!((fin.outcome, &*fin.message), (StepOutcome::NotRun, told));
    let_go(&shop, "ConfigMap", "fin");
    commit(&shop, &[("a.yaml", &config("a", "2"))]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    let ledger = ready(look_at(&shop.app, shop.world())).unwrap().unwrap().ledger;
    assert!(ledger.inventory.entries.keys().all(|key| &*key.name != "fin"));
}

/// A shop whose hook left an object that does not go, and is to run again.
fn shop_with_a_stuck_hook() -> Shop {
    let shop = Shop::new();
    let migrate = lasting(&job("migrate", &[(HOOK, "PreSync")]));
    commit(&shop, &[("n.yaml", NAMESPACE), ("a.yaml", &config("a", "1")), ("migrate.yaml", &migrate)]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    commit(&shop, &[("a.yaml", &config("a", "2"))]);
    shop
}

#[test]
fn a_newer_revision_does_not_wait_for_what_an_earlier_run_of_a_hook_left() {
    let shop = shop_with_a_stuck_hook();
    let receipt = gives_way(&shop);
    assert!(receipt.results.iter().all(|result| result.outcome == StepOutcome::NotRun), "{receipt:?}");
    let_go(&shop, "Job", "migrate");
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
}

/// Rule 38 of the exact rules.
#[test]
fn a_deletion_has_its_own_deadline_whatever_waits_for_it() {
    let shop = shop_with_a_stuck_hook();
    let began = shop.time.now();
    let receipt = shop.sync().receipt.unwrap();
    assert!(receipt.message.contains("waited 300 s for its finalizers: example.org/hold"), "{receipt:?}");
    let waited = shop.time.now().since(began).as_secs();
    assert!((300..360).contains(&waited), "{waited} s");
}

#[test]
fn a_wave_that_is_not_well_holds_the_next_one_back_however_it_is_tried_again() {
    let ignored = "memory.gitops.rs/outcome: never, argocd.argoproj.io/ignore-healthcheck: 'true'";
    for (annotations, hooks) in [
        ("memory.gitops.rs/outcome: never", HookRun::Never),
        (ignored, HookRun::WithChanges),
        (ignored, HookRun::Never),
    ] {
        let mut shop = Shop::new();
        let db = annotated(&deployment("db", 1, "nginx:1"), annotations);
        let next = annotated(&config("next", "1"), "argocd.argoproj.io/sync-wave: '5'");
        commit(&shop, &[("n.yaml", NAMESPACE), ("db.yaml", &db), ("next.yaml", &next)]);
        for attempt in ["the first", "the second"] {
            let report = shop.sync();
            assert_eq!(phase(&report), Some(Phase::Failed), "{attempt} {annotations}: {:?}", report.receipt);
            assert!(shop.get("ConfigMap", "next").is_none(), "{attempt} {annotations}");
            shop.app.request.hooks = hooks;
        }
    }
}

#[test]
fn hooks_of_an_application_that_declares_nothing_else_run_also_while_something_is_left() {
    let shop = Shop::new();
    shop.create(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#, "kubectl-create");
    let check = |image: &str| job("check", &[(HOOK, "PostSync")]).replace("image: busybox", &format!("image: {image}"));
    commit(&shop, &[("a.yaml", &config("a", "1")), ("check.yaml", &check("one"))]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    shop.commit("drop a", &[("a.yaml", None)]);
    shop.sync();
    let before = uid(&shop, "Job", "check");
    commit(&shop, &[("check.yaml", &check("two"))]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_ne!(uid(&shop, "Job", "check"), before);
    assert!(shop.get("ConfigMap", "a").is_some(), "nothing is pruned");
    let report = shop.sync();
    assert!(report.receipt.is_none(), "once per revision: {}", report.plan);
}

/// What deletes name for what their object owns, in their order.
fn propagations(shop: &Shop) -> Vec<Propagation> {
    let (mut machine, mut found) = (machine(shop), Vec::new());
    while machine.outcome().is_none() {
        let Some(effect) = machine.next_effect() else {
            ready(shop.time.sleep_until(machine.wake_at().unwrap())).unwrap();
            machine.handle(Event::Tick, shop.time.now());
            continue;
        };
        if let Effect::Write { write, .. } = &effect
            && let Verb::Delete { propagation } = write.verb
        {
            found.push(propagation);
        }
        let event = ready(perform(effect, &shop.cluster)).unwrap();
        machine.handle(event, shop.time.now());
    }
    found
}

#[test]
fn what_the_object_of_a_hook_owns_goes_as_the_object_says() {
    use Propagation::{Background, Foreground, Orphan};
    let before = "gitops.rs/hook-delete-policy";
    for (said, before_it_runs, after_it_ran) in
        [(None, Foreground, Background), (Some("PrunePropagationPolicy=orphan"), Orphan, Orphan)]
    {
        for (policy, expected) in [("BeforeHookCreation", before_it_runs), ("HookSucceeded", after_it_ran)] {
            let shop = Shop::new();
            let hook = [(HOOK, "PreSync"), (before, policy)].into_iter().chain(said.map(|said| (OPTIONS, said)));
            let migrate = job("migrate", &hook.collect::<Vec<_>>());
            commit(&shop, &[("n.yaml", NAMESPACE), ("a.yaml", &config("a", "1"))]);
            shop.sync();
            commit(&shop, &[("a.yaml", &config("a", "2")), ("migrate.yaml", &migrate)]);
            let first = propagations(&shop);
            commit(&shop, &[("a.yaml", &config("a", "3"))]);
            let second = propagations(&shop);
            let found = if policy == "HookSucceeded" { first } else { second };
            assert_eq!(found, [expected], "{said:?} {policy}");
        }
    }
}

#[test]
fn an_object_that_others_keep_is_not_pruned_whatever_our_annotation_says() {
    let shop = Shop::new().pruning();
    let kept = annotated(&config("kept", "1"), "helm.sh/resource-policy: keep, gitops.rs/prune: enabled");
    commit(&shop, &[("n.yaml", NAMESPACE), ("a.yaml", &config("a", "1")), ("kept.yaml", &kept)]);
    let report = shop.sync();
    let told = "`helm.sh/resource-policy` keeps more: that counts";
    assert!(report.problems.iter().any(|problem| problem.text.contains(told)), "{:?}", report.problems);
    shop.commit("drop it", &[("kept.yaml", None)]);
    shop.sync();
    assert!(shop.get("ConfigMap", "kept").is_some());
}

/// `generateName: web` once took the ConfigMap `web` of somebody else.
#[test]
fn an_object_without_a_name_takes_nobody_elses() {
    let shop = Shop::new();
    shop.create(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#, "kubectl-create");
    let theirs = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"},"data":{"key":"theirs"}}"#;
    shop.create(theirs, "kubectl-create");
    let before = shop.get("ConfigMap", "web").unwrap();
    commit(&shop, &[("web.yaml", &config("web", "1").replace("  name: web\n", "  generateName: web\n"))]);
    let report = shop.sync();
    assert!(report.is_blocked() && shop.written().is_empty(), "{}", report.plan);
    assert_eq!(shop.get("ConfigMap", "web").unwrap(), before);
}
