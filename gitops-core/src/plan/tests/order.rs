use super::{World, edges, expect};
use crate::policy::SyncPolicy;

fn plan_of(world: &str) -> crate::plan::Plan {
    World::new(world).plan(&SyncPolicy::default())
}

#[track_caller]
fn expect_order(world: &str, expected: &str) {
    expect(world, &SyncPolicy::default(), expected);
}

#[test]
fn a_first_sync_creates_everything_in_the_order_of_kinds() {
    expect_order(
        "
        apps/v1 Deployment shop/web | missing
        example.org/v1 Widget shop/w | missing
        v1 ConfigMap shop/z | missing
        v1 Service shop/web | missing
        v1 Namespace shop | missing
        admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration hook | missing
        apiextensions.k8s.io/v1 CustomResourceDefinition widgets.example.org defines=example.org/Widget | missing
        ",
        "
        Sync, wave 0
          create  Namespace shop: is missing
          create  ConfigMap shop/z: is missing
          create  apiextensions.k8s.io/CustomResourceDefinition widgets.example.org: is missing
          create  Service shop/web: is missing
          create  apps/Deployment shop/web: is missing
          create  example.org/Widget shop/w: is missing
          create  admissionregistration.k8s.io/ValidatingWebhookConfiguration hook: is missing
        ",
    );
}

#[test]
fn an_application_in_sync_has_nothing_to_do_and_runs_no_hook() {
    expect_order(
        "
        v1 ConfigMap shop/a | synced
        batch/v1 Job shop/migrate hook=PreSync | hook
        ",
        "
        nothing to do
        ",
    );
}

#[test]
fn hooks_run_around_the_resources_and_on_failure() {
    expect_order(
        "
        batch/v1 Job shop/tell hook=SyncFail | hook
        batch/v1 Job shop/check hook=PostSync | hook
        batch/v1 Job shop/backup hook=PreSync wave=-1 | hook
        batch/v1 Job shop/migrate hook=PreSync | hook
        batch/v1 Job shop/both hook=PreSync,PostSync | hook
        batch/v1 Job shop/bye hook=PreDelete | hook
        v1 Pod shop/test hook=Skip | hook
        apps/v1 Deployment shop/web | template
        apps/v1 Deployment shop/late wave=2 | differs
        v1 ConfigMap shop/a | stamp nobody
        ",
        "
        PreSync, wave -1
          run     batch/Job shop/backup: hook
        PreSync, wave 0
          run     batch/Job shop/both: hook
          run     batch/Job shop/migrate: hook
        Sync, wave 0
          apply   ConfigMap shop/a: is not marked as ours yet
          apply   apps/Deployment shop/web: differs; restarts what runs
        Sync, wave 2
          apply   apps/Deployment shop/late: differs
        PostSync, wave 0
          run     batch/Job shop/both: hook
          run     batch/Job shop/check: hook
        SyncFail, wave 0, only if something fails
          run     batch/Job shop/tell: hook
        left alone
          Pod shop/test: is left alone; its annotation says so
          batch/Job shop/bye: is a hook that does not run in a sync
        ",
    );
}

#[test]
fn a_wave_waits_until_the_one_before_is_healthy() {
    let plan = plan_of(
        "
        v1 ConfigMap shop/a | missing
        v1 ConfigMap shop/b wave=1 | missing
        v1 ConfigMap shop/c wave=7 | missing
        batch/v1 Job shop/after hook=PostSync | hook
        batch/v1 Job shop/fail hook=SyncFail | hook
        ",
    );
    assert_eq!(edges(&plan), ["a <- ", "b <- [a healthy]", "c <- [b healthy]", "after <- [c healthy]", "fail <- "]);
}

#[test]
fn in_a_wave_the_order_of_kinds_numbers_the_steps_and_nobody_waits_for_it() {
    let plan = plan_of(
        "
        v1 Namespace shop | missing
        v1 ConfigMap shop/config | missing
        apps/v1 Deployment shop/web | missing
        example.org/v1 Widget shop/w | missing
        apiregistration.k8s.io/v1 APIService api | missing
        ",
    );
    let expected = ["shop <- ", "config <- shop applied", "web <- shop applied", "w <- shop applied", "api <- "];
    assert_eq!(edges(&plan), expected);
}

#[test]
fn custom_resources_wait_for_their_crd_to_be_established() {
    let plan = plan_of(
        "
        apiextensions.k8s.io/v1 CustomResourceDefinition crd defines=example.org/Widget | missing
        example.org/v1 Widget shop/w | missing
        ",
    );
    assert_eq!(edges(&plan), ["crd <- ", "w <- crd healthy"]);
}

#[test]
fn what_others_need_is_pulled_forward_to_the_first_of_them() {
    expect_order(
        "
        v1 Namespace shop wave=5 | missing
        v1 ConfigMap shop/a hook=PreSync wave=-3 | hook
        apiextensions.k8s.io/v1 CustomResourceDefinition crd wave=1 defines=example.org/Widget | missing
        example.org/v1 Widget w wave=0 | missing
        v1 ConfigMap db/first needs=apps/namespaces/db/Deployment/late | missing
        apps/v1 Deployment db/late wave=9 | missing
        ",
        "
        PreSync, wave -3
          create  Namespace shop: is missing
          run     ConfigMap shop/a: hook
        Sync, wave 0
          create  apiextensions.k8s.io/CustomResourceDefinition crd: is missing
          create  apps/Deployment db/late: is missing
          create  example.org/Widget w: is missing
          create  ConfigMap db/first: is missing
        problems
          warning: all.yaml:5: ConfigMap db/first: depends on `apps/Deployment db/late` of wave 9, which is applied in wave 0 for it; give both waves in the order of the dependency
        ",
    );
}

#[test]
fn a_named_dependency_must_be_healthy_first() {
    let plan = plan_of(
        "
        v1 ConfigMap shop/a needs=/namespaces/shop/ConfigMap/b | missing
        v1 ConfigMap shop/b needs=/namespaces/shop/ConfigMap/c | missing
        v1 ConfigMap shop/c | missing
        ",
    );
    assert_eq!(edges(&plan), ["c <- ", "b <- c healthy", "a <- b healthy"]);
}

#[test]
fn a_cycle_is_named_and_held_back_with_what_must_follow_it() {
    expect_order(
        "
        v1 ConfigMap shop/a needs=/namespaces/shop/ConfigMap/b | missing
        v1 ConfigMap shop/b needs=/namespaces/shop/ConfigMap/a | missing
        v1 ConfigMap shop/c needs=/namespaces/shop/ConfigMap/b | missing
        v1 ConfigMap shop/d | missing
        v1 ConfigMap shop/e needs=/namespaces/shop/ConfigMap/x | missing
        ",
        "
        Sync, wave 0
          create  ConfigMap shop/d: is missing
        left alone
          ConfigMap shop/a: held back by a problem
          ConfigMap shop/b: held back by a problem
          ConfigMap shop/c: must follow an object that is held back
          ConfigMap shop/e: held back by a problem
        problems
          error: all.yaml:1: ConfigMap shop/a: must follow itself: `ConfigMap shop/a` (all.yaml:1, `config.kubernetes.io/depends-on`) needs `ConfigMap shop/b` (all.yaml:2, `config.kubernetes.io/depends-on`) needs `ConfigMap shop/a` (also at all.yaml:2); remove one of these dependencies
          error: all.yaml:5: ConfigMap shop/e: depends on `ConfigMap shop/x`, which this application does not declare as a resource; declare it, or remove the dependency; hooks are ordered by phase and wave
        ",
    );
}

#[test]
fn what_must_follow_a_held_object_is_held_and_nothing_else() {
    expect_order(
        "
        v1 Namespace shop | held
        v1 ConfigMap shop/a | missing
        v1 ConfigMap shop/there | synced
        apiextensions.k8s.io/v1 CustomResourceDefinition crd defines=example.org/Widget | unreadable
        example.org/v1 Widget db/w | missing
        v1 ConfigMap db/b needs=example.org/namespaces/db/Widget/w | missing
        v1 ConfigMap db/c wave=9 | missing
        example.com/v1 Odd db/o | unknown-kind
        v1 Namespace old | terminating
        v1 ConfigMap old/a | missing
        ",
        "
        Sync, wave 9
          create  ConfigMap db/c: is missing
        left alone
          ConfigMap db/b: must follow an object that is held back
          ConfigMap old/a: must follow an object that is held back
          ConfigMap shop/a: must follow an object that is held back
          Namespace old: is being deleted
          Namespace shop: held back by a problem
          apiextensions.k8s.io/CustomResourceDefinition crd: could not be read
          example.com/Odd db/o: held back by a problem
          example.org/Widget db/w: must follow an object that is held back
        problems
          note: all.yaml:9: Namespace old: is being deleted; once it is gone, the next sync creates it again
        ",
    );
}

#[test]
fn a_hook_that_is_held_back_holds_back_the_phases_after_its_own() {
    expect_order(
        "
        batch/v1 Job shop/migrate hook=PreSync wave=soon | hook
        batch/v1 Job shop/check hook=PostSync | hook
        v1 ConfigMap shop/a | missing
        ",
        r#"
        nothing to do
        left alone
          ConfigMap shop/a: must follow an object that is held back
          batch/Job shop/check: must follow an object that is held back
          batch/Job shop/migrate: held back by a problem
        problems
          error: batch/Job shop/migrate: `metadata.annotations["argocd.argoproj.io/sync-wave"]`: sync wave `soon` is not a whole number; use a whole number in quotes, such as "-1" or "5"
        "#,
    );
}

#[test]
fn an_object_of_another_application_is_not_touched_but_its_namespace_is_used() {
    expect_order(
        "
        v1 Namespace shop | differs of=platform
        v1 ConfigMap shop/a | missing
        v1 ConfigMap shop/b needs=/Namespace/shop | missing
        ",
        "
        Sync, wave 0
          create  ConfigMap shop/a: is missing
        left alone
          ConfigMap shop/b: must follow an object that is held back
          Namespace shop: belongs to another application
        problems
          error: all.yaml:1: Namespace shop: belongs to application `platform`; remove it from one of the two applications, or take it over from the other one (`gitops transfer --from platform`)
        ",
    );
}

#[test]
fn options_decide_between_apply_replace_and_once() {
    expect_order(
        "
        v1 ConfigMap shop/a options=Replace=true | differs
        v1 ConfigMap shop/b | differs nobody
        ",
        "
        Sync, wave 0
          replace ConfigMap shop/a: differs
          apply   ConfigMap shop/b: differs
        ",
    );
}
