use super::{World, pruning, shows};
use crate::plan::{Extent, HookRun, Request, Selection};
use crate::policy::SyncPolicy;

const SHOP: &str = "
    v1 Namespace shop | synced
    v1 ConfigMap shop/web label=web | differs
    v1 ConfigMap shop/db label=db | missing
    apps/v1 Deployment shop/web label=web | template
    v1 Service shop/web label=web | synced
    batch/v1 Job shop/migrate hook=PreSync | hook
    v1 ConfigMap shop/old label=web | extra
    v1 Secret shop/old label=db | extra
";

fn only(objects: &[&str], labels: Option<&str>) -> Request {
    let only = Selection::of(objects.iter().map(|text| text.parse().unwrap()));
    let only = match labels {
        Some(labels) => only.with_labels(labels.parse().unwrap()),
        None => only,
    };
    Request::default().with_only(only)
}

#[test]
fn a_selection_changes_and_prunes_nothing_else_runs_no_hook_and_says_what_it_leaves_out() {
    let plan = World::new(SHOP).asked(&pruning(), only(&["cm/*", "configmap/shop/*"], Some("app=web")));
    shows(
        &plan,
        "
        only `cm/*`, `configmap/shop/*`, of them what has the labels `app=web`: not a sync of the application
        Sync, wave 0
          apply   ConfigMap shop/web: differs
        Sync, once all is healthy
          delete  ConfigMap shop/old: not declared any more
        left alone
          ConfigMap shop/db: was not asked for
          Secret shop/old: was not asked for
          apps/Deployment shop/web: was not asked for
          batch/Job shop/migrate: was not asked for
        problems
          error: `cm/*` was asked for, and the application has no such object; `gitops status` lists what it has
        ",
    );
}

#[test]
fn labels_that_nothing_has_are_named_and_nothing_is_done() {
    let problems = |labels| {
        let plan = World::new(SHOP).asked(&pruning(), only(&[], Some(labels)));
        assert_eq!(plan.steps.is_empty(), labels == "app=wbe", "{plan}");
        plan.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = "labels `app=wbe` were asked for, and no such object of the application has them; \
                    write them as they stand in the manifests, such as `app=web`";
    assert_eq!(problems("app=wbe"), [expected]);
    assert!(problems("app=db").is_empty());
}

#[test]
fn what_is_asked_for_waits_for_what_is_missing_and_not_asked_for() {
    let world = World::new(
        "
        v1 Namespace shop | missing
        v1 ConfigMap shop/web | missing
        v1 ConfigMap shop/next needs=/namespaces/shop/ConfigMap/web | missing
        v1 Namespace live | differs
        v1 ConfigMap live/web | missing
        ",
    );
    shows(
        &world.asked(&SyncPolicy::default(), only(&["ConfigMap"], None)),
        "
        only `ConfigMap`: not a sync of the application
        Sync, wave 0
          create  ConfigMap live/web: is missing
        left alone
          ConfigMap shop/next: must follow an object that is missing and was not asked for
          ConfigMap shop/web: must follow an object that is missing and was not asked for
          Namespace live: was not asked for
          Namespace shop: was not asked for
        ",
    );
}

#[test]
fn hooks_run_in_a_selection_only_where_they_are_asked_for_and_can_be_left_out() {
    let runs = |request: Request| {
        let plan = World::new(SHOP).asked(&SyncPolicy::default(), request);
        plan.steps.iter().any(|step| step.action.verb() == "run")
    };
    assert!(runs(Request::default()));
    assert!(!runs(Request::default().with_hooks(HookRun::Never)));
    assert!(!runs(only(&["*/*"], None)));
    assert!(runs(only(&["*/*"], None).with_hooks(HookRun::Always)));
    assert!(!runs(only(&["ConfigMap"], None).with_hooks(HookRun::Always)));
    let held = SHOP.replace("hook=PreSync", "hook=PreSync wave=x");
    let plan = World::new(&held).asked(&SyncPolicy::default(), only(&["ConfigMap/db"], None));
    assert_eq!(plan.steps.len(), 1, "a hook that does not run holds nothing back: {plan}");
}

#[test]
fn everything_is_applied_again_on_request() {
    let plan = World::new(SHOP).asked(&SyncPolicy::default(), Request::default().with_extent(Extent::Everything));
    let again = plan.steps.iter().filter(|step| step.reason == crate::plan::Reason::Asked);
    let names: Vec<String> = again.map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["apply   Namespace shop: is applied again, as asked", "apply   Service shop/web: is applied again, as asked"]
    );
}

/// An object that moves to another namespace is there before it goes from the old one.
#[test]
fn a_selection_prunes_nothing_while_what_was_selected_is_held_back() {
    let world = World::new(
        "
        v1 Namespace ns2 | missing
        v1 ConfigMap ns2/web | missing
        v1 ConfigMap shop/other | synced
        v1 ConfigMap default/web | extra
        ",
    );
    shows(
        &world.asked(&pruning(), only(&["ConfigMap/web"], None)),
        "
        only `ConfigMap/web`: not a sync of the application
        nothing to do
        left alone
          ConfigMap default/web: must follow an object that is held back
          ConfigMap ns2/web: must follow an object that is missing and was not asked for
          Namespace ns2: was not asked for
        ",
    );
}
