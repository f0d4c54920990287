//! The end of an application: hooks, objects, ledger, in this order and each once.

use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::ready;
use gitops_core::plan::{Action, Confirmation, HookRun, Plan, Request, StoredPlan};
use gitops_core::reconcile::{self, App, Report, look_to_delete, perform};
use gitops_core::resource::{Propagation, ResourceKey};
use gitops_core::sync::{Event, Phase};
use gitops_core::time::Timer;
use gitops_core::value::Draft;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

const HOOK: &str = "argocd.argoproj.io/hook";

/// A synced shop with a hook of every sort.
fn shop() -> Shop {
    let shop = Shop::new();
    let files = [
        ("namespace.yaml", NAMESPACE.to_owned()),
        ("a.yaml", config("a", "1")),
        ("b.yaml", config("b", "1")),
        ("web.yaml", deployment("web", 1, "nginx:1.26")),
        ("pre.yaml", job("migrate", &[(HOOK, "PreSync")])),
        ("drain.yaml", job("drain", &[(HOOK, "PreDelete")])),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    shop.commit("first", &files);
    shop.sync();
    shop.written();
    shop
}

fn deleting(shop: &Shop) -> App {
    let confirmed = Confirmation::of_all("ann", shop.time.now());
    shop.app.clone().with_request(Request::to_delete().confirmed(confirmed))
}

fn delete(shop: &Shop, app: &App) -> Report {
    ready(reconcile::delete(app, shop.world())).expect("ready").expect("an answer")
}

fn ledger(shop: &Shop) -> Option<ResourceKey> {
    let key = shop.app.ledger_key();
    shop.cluster.inner.with_server(|server| server.get(&key).map(|object| object.key().clone()))
}

/// Everything left in the namespace of the shop, and the namespace, but what the cluster itself makes.
fn left(shop: &Shop) -> Vec<String> {
    shop.cluster.inner.with_server(|server| {
        let ours = |key: &&ResourceKey| key.namespace.as_deref() == Some("shop") || &*key.name == "shop";
        let made = ["kube-root-ca.crt", "default"];
        let objects = server.objects().map(|object| object.key()).filter(ours);
        objects.filter(|key| !made.contains(&&*key.name) && key.kind() != "Event").map(ToString::to_string).collect()
    })
}

#[test]
fn an_application_leaves_nothing_behind_and_its_ledger_goes_last() {
    let shop = shop();
    let report = delete(&shop, &deleting(&shop));
    let receipt = report.receipt.expect("it was deleted");
    assert_eq!(receipt.phase, Phase::Succeeded, "{receipt:?}");
    assert_eq!((left(&shop), ledger(&shop)), (Vec::<String>::new(), None));
    let written = shop.written();
    let at = |what: &str| {
        written.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {written:?}"))
    };
    assert!(at("Job shop/drain") < at("delete apps/Deployment shop/web"), "{written:?}");
    assert!(at("delete apps/Deployment shop/web") < at("delete ConfigMap shop/a"), "{written:?}");
    assert!(at("delete ConfigMap shop/a") < at("delete Namespace"), "{written:?}");
    let again = delete(&shop, &deleting(&shop));
    assert!(again.receipt.is_none() && again.is_blocked(), "there is nothing to delete");
}

#[test]
fn without_a_yes_to_its_namespace_nothing_of_it_goes_and_the_plan_counts_what_would() {
    let shop = shop();
    shop.create(
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"foreign","namespace":"shop"}}"#,
        "kubectl-create",
    );
    let report = delete(&shop, &shop.app.clone().with_request(Request::to_delete()));
    assert!(report.receipt.is_none() && shop.written().is_empty(), "{:?}", report.receipt);
    let text = report.plan.to_string();
    assert!(
        text.contains("Namespace shop: nothing is deleted: all that is in this Namespace would go with it; "),
        "{text}"
    );
    let looked = ready(look_to_delete(&deleting(&shop), shop.world())).unwrap().unwrap();
    let text = looked.plan.to_string();
    assert!(
        text.contains("objects that are not in this plan die with it")
            || text.contains("1 object that is not in this plan dies with it: `ConfigMap shop/foreign`"),
        "{text}"
    );
}

#[test]
fn without_hooks_the_source_is_not_needed() {
    let shop = shop();
    let mut app = deleting(&shop);
    app.request.hooks = HookRun::Never;
    app.target = gitops_core::source::Target::new("nowhere");
    let report = delete(&shop, &app);
    assert_eq!(report.receipt.map(|receipt| receipt.phase), Some(Phase::Succeeded));
    assert_eq!((left(&shop), ledger(&shop)), (Vec::<String>::new(), None));
    assert!(!shop.written().iter().any(|line| line.contains("Job shop/drain") && line.starts_with("apply")));
}

/// Drives a deletion and stops after `effects` effects; the last one reaches the server or not. Returns whether it ended.
fn delete_and_crash(shop: &Shop, effects: usize, reaches: bool) -> bool {
    let app = deleting(shop);
    let looked = ready(look_to_delete(&app, shop.world())).unwrap().unwrap();
    let Some(mut machine) = looked.machine(&app, shop.time.now()) else { return true };
    let mut count = 0;
    while machine.outcome().is_none() {
        if let Some(effect) = machine.next_effect() {
            count += 1;
            if count > effects && !reaches {
                return false;
            }
            let event = ready(perform(effect, &shop.cluster as &dyn Cluster)).unwrap();
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

#[test]
fn killed_after_any_effect_the_next_deletion_leaves_nothing_and_runs_no_hook_twice() {
    for reaches in [false, true] {
        for effects in 0..200 {
            let shop = shop();
            if delete_and_crash(&shop, effects, reaches) {
                assert!(effects > 8, "there were only {effects} effects to stop after");
                break;
            }
            let about = format!("stopped after {effects} effects, reached: {reaches}");
            delete(&shop, &deleting(&shop));
            assert_eq!((left(&shop), ledger(&shop)), (Vec::<String>::new(), None), "{about}");
            let written = shop.written();
            let runs =
                written.iter().filter(|line| line.starts_with("apply") && line.contains("Job shop/drain")).count();
            assert!(runs <= 1 + usize::from(!reaches), "{about}: {written:?}");
        }
    }
}

#[test]
fn a_sync_after_a_deletion_that_was_interrupted_brings_everything_back() {
    for effects in [3, 6, 9] {
        let shop = shop();
        delete_and_crash(&shop, effects, true);
        let report = shop.sync();
        assert_eq!(report.totals.synced, 4, "stopped after {effects}: {:?}", report.receipt);
    }
}

#[test]
fn what_is_asked_for_wins_over_the_policy_and_not_over_what_an_object_says_of_its_deletion() {
    use gitops_core::policy::{SyncOption, SyncOptions};
    let (foreground, background, orphan) = (Propagation::Foreground, Propagation::Background, Propagation::Orphan);
    let shop = Shop::new();
    let own = config("own", "1").replace(
        "  name: own\n",
        "  name: own\n  annotations: {gitops.rs/sync-options: PrunePropagationPolicy=orphan}\n",
    );
    shop.create(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#, "kubectl-create");
    shop.commit("first", &[("a.yaml", Some(&own)), ("b.yaml", Some(&config("plain", "1")))]);
    shop.sync();
    for (asked, policy, expected) in [
        (Some(foreground), Some(background), foreground),
        (None, Some(background), background),
        (Some(background), None, background),
        (None, None, foreground),
    ] {
        let mut app = deleting(&shop);
        app.request.scope.propagation = asked;
        if let Some(policy) = policy {
            app.policy.sync_options = SyncOptions::default().with(SyncOption::PrunePropagationPolicy(policy));
        }
        let plan = ready(look_to_delete(&app, shop.world())).unwrap().unwrap().plan;
        let found = plan.steps.iter().map(|step| match step.action {
            Action::Delete { propagation } => (&*step.key.name, propagation),
            _ => panic!("{step}"),
        });
        let found: std::collections::BTreeMap<_, _> = found.collect();
        assert_eq!(found, [("own", orphan), ("plain", expected)].into(), "{asked:?} {policy:?}");
    }
}

#[test]
fn a_saved_deletion_plan_is_followed_as_it_was_approved_with_hooks_and_without() {
    for hooks in [HookRun::WithChanges, HookRun::Never] {
        let shop = shop();
        let mut app = deleting(&shop);
        app.request.hooks = hooks;
        app.request.scope.propagation = Some(Propagation::Orphan);
        let looked = ready(look_to_delete(&app, shop.world())).unwrap().unwrap();
        let file = serde_json::to_string(&StoredPlan::new(&looked.plan, &looked.forecasts)).unwrap();
        let plan = Plan::from_file(file.as_bytes()).unwrap();
        let (followed, _) = ready(reconcile::follow(&shop.app, &plan, shop.world())).unwrap().unwrap();
        let propagations = followed.plan.steps.iter().filter_map(|step| match step.action {
            Action::Delete { propagation } => Some(propagation),
            _ => None,
        });
        assert!(propagations.clone().count() > 0 && propagations.clone().all(|it| it == Propagation::Orphan));
        assert_eq!(followed.plan.digest(), looked.plan.digest(), "what is done is what was approved");
        let mut machine = followed.machine(&shop.app, shop.time.now()).unwrap();
        ready(reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
        assert_eq!(machine.outcome().map(|receipt| receipt.phase), Some(Phase::Succeeded));
        assert_eq!(ledger(&shop), None);
        let ran = shop.written().iter().any(|line| line == "apply batch/Job shop/drain");
        assert_eq!(ran, hooks != HookRun::Never);
    }
}

#[test]
fn a_deletion_that_is_tried_again_waits_for_what_is_dying_before_its_namespace_goes() {
    let shop = shop();
    let held = shop.get("ConfigMap", "a").unwrap();
    shop.edit(&held, |draft| draft.entry("metadata").set("finalizers", vec![Draft::from("example.org/hold")]));
    for attempt in ["the first", "the second"] {
        let report = delete(&shop, &deleting(&shop));
        let receipt = report.receipt.expect("it was tried");
        assert_eq!(receipt.phase, Phase::Failed, "{attempt}");
        assert!(receipt.message.contains("its finalizers: example.org/hold"), "{attempt}: {}", receipt.message);
        assert!(shop.get("Namespace", "shop").is_some_and(|namespace| !namespace.is_terminating()), "{attempt}");
        assert!(ledger(&shop).is_some(), "{attempt}: what is still there is not forgotten");
    }
    let held = shop.get("ConfigMap", "a").unwrap();
    shop.edit(&held, |draft| drop(draft.entry("metadata").remove("finalizers")));
    assert_eq!(delete(&shop, &deleting(&shop)).receipt.map(|receipt| receipt.phase), Some(Phase::Succeeded));
    assert_eq!((left(&shop), ledger(&shop)), (Vec::<String>::new(), None));
}

#[test]
fn an_application_whose_ledger_was_lost_is_deleted_whole_once_a_person_says_so() {
    let shop = shop();
    let lose = Write::delete(&shop.app.ledger_key(), "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&lose)).unwrap().unwrap();
    shop.sync();
    shop.written();
    let yes = Confirmation::of("ann", shop.time.now(), ["Namespace/shop".parse().unwrap()]);
    let report = delete(&shop, &shop.app.clone().with_request(Request::to_delete().confirmed(yes)));
    let text = report.plan.to_string();
    assert!(
        text.contains("the record of the application was lost, so that 3 objects may have been here before"),
        "{text}"
    );
    assert!(report.receipt.is_none() && shop.written().is_empty() && ledger(&shop).is_some());
    assert_eq!(delete(&shop, &deleting(&shop)).receipt.map(|receipt| receipt.phase), Some(Phase::Succeeded));
    assert_eq!((left(&shop), ledger(&shop)), (Vec::<String>::new(), None));
}

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.org}\n\
    spec:\n  group: example.org\n  scope: Namespaced\n  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}\n  \
    versions:\n    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}\n";

#[test]
fn what_went_with_its_definition_holds_no_deletion_back_with_hooks_and_without() {
    for hooks in [HookRun::WithChanges, HookRun::Never] {
        let shop = shop();
        let widget = "{apiVersion: example.org/v1, kind: Widget, metadata: {name: small}}";
        shop.commit("widgets", &[("crd.yaml", Some(DEFINITION)), ("w.yaml", Some(widget))]);
        assert_eq!(shop.sync().receipt.map(|receipt| receipt.phase), Some(Phase::Succeeded));
        let key = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, "widgets.example.org");
        ready(shop.cluster.inner.write(&Write::delete(&key, "v1", Propagation::Background))).unwrap().unwrap();
        let mut app = deleting(&shop);
        app.request.hooks = hooks;
        let report = delete(&shop, &app);
        assert_eq!(report.receipt.map(|receipt| receipt.phase), Some(Phase::Succeeded), "{:?}", report.problems);
        assert_eq!((left(&shop), ledger(&shop)), (Vec::<String>::new(), None));
    }
}
