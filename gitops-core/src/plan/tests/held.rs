//! What is held back with a hook, or until a deletion that is under way has ended.

use super::{World, edges, expect, pruning};
use crate::plan::{HookRun, Request, SkipReason};
use crate::policy::SyncPolicy;

#[track_caller]
fn expect_plan(world: &str, expected: &str) {
    expect(world, &SyncPolicy::default(), expected);
}

#[test]
fn a_hook_of_several_phases_loses_only_the_runs_that_are_held_back() {
    expect_plan(
        "
        batch/v1 Job shop/around hook=PreSync,PostSync | hook
        batch/v1 Job shop/either hook=PostSync,SyncFail | hook
        batch/v1 Job shop/after hook=PostSync | hook
        v1 ConfigMap shop/a | missing
        v1 ConfigMap shop/b | held
        ",
        "
        PreSync, wave 0
          run     batch/Job shop/around: hook
        Sync, wave 0
          create  ConfigMap shop/a: is missing
        SyncFail, wave 0, only if something fails
          run     batch/Job shop/either: hook
        left alone
          ConfigMap shop/b: held back by a problem
          batch/Job shop/after: must follow an object that is held back
        ",
    );
}

#[test]
fn a_rollout_budget_leaves_no_run_after_the_sync_either() {
    let policy = SyncPolicy { rollout_budget: Some("1".parse().unwrap()), ..SyncPolicy::default() };
    expect(
        "
        batch/v1 Job shop/around hook=PreSync,PostSync | hook
        apps/v1 Deployment shop/a | template
        apps/v1 Deployment shop/b | template
        ",
        &policy,
        "
        PreSync, wave 0
          run     batch/Job shop/around: hook
        Sync, wave 0
          apply   apps/Deployment shop/a: differs; restarts what runs
        left alone
          apps/Deployment shop/b: waits for the next sync: this one may restart no more
        ",
    );
}

#[test]
fn a_hook_that_is_held_back_holds_back_later_waves_of_its_phase() {
    expect_plan(
        "
        batch/v1 Job shop/early hook=Sync | hook
        batch/v1 Job shop/held hook=Sync wave=1 | held
        batch/v1 Job shop/late hook=Sync wave=2 | hook
        v1 ConfigMap shop/a | missing
        v1 ConfigMap shop/b wave=1 | missing
        v1 Namespace db wave=2 | missing
        v1 ConfigMap db/c | missing
        batch/v1 Job shop/tell hook=SyncFail wave=3 | hook
        ",
        "
        Sync, wave 0
          create  ConfigMap shop/a: is missing
          run     batch/Job shop/early: hook
        Sync, wave 1
          create  ConfigMap shop/b: is missing
        SyncFail, wave 3, only if something fails
          run     batch/Job shop/tell: hook
        left alone
          ConfigMap db/c: must follow an object that is held back
          Namespace db: must follow an object that is held back
          batch/Job shop/held: held back by a problem
          batch/Job shop/late: must follow an object that is held back
        ",
    );
    expect_plan(
        "
        batch/v1 Job shop/one hook=PostSync | held
        batch/v1 Job shop/same hook=PostSync | hook
        batch/v1 Job shop/two hook=PostSync wave=1 | hook
        v1 ConfigMap shop/a wave=5 | missing
        ",
        "
        Sync, wave 5
          create  ConfigMap shop/a: is missing
        PostSync, wave 0
          run     batch/Job shop/same: hook
        left alone
          batch/Job shop/one: held back by a problem
          batch/Job shop/two: must follow an object that is held back
        ",
    );
}

#[test]
fn hooks_after_the_sync_wait_for_a_deletion_that_is_under_way() {
    let mut world = World::new(
        "
        batch/v1 Job shop/check hook=PostSync | hook
        v1 ConfigMap shop/stays | synced
        v1 ConfigMap shop/old | terminating
        ",
    );
    world.undeclare_dying();
    assert_eq!(edges(&world.asked(&pruning(), HookRun::Always)), ["old <- ", "check <- [old gone]"]);
    // Nothing else is to be done, and a hook need not run again for it.
    for (policy, hooks) in [(pruning(), HookRun::WithChanges), (pruning(), HookRun::Never)] {
        let plan = world.asked(&policy, hooks);
        assert!(plan.is_empty(), "{plan}");
    }
    let plan = world.asked(&SyncPolicy::default(), HookRun::Always);
    assert_eq!(edges(&plan), ["check <- "], "what is not pruned is not waited for");
}

#[test]
fn what_is_unwell_gates_later_waves_of_a_new_revision_also_without_hooks() {
    let world = World::new("apps/v1 Deployment shop/bad | synced\nv1 ConfigMap shop/x wave=5 | missing");
    let unwell = || world.comparison.entries.iter().map(|(key, _)| key.clone()).filter(|key| &*key.name == "bad");
    let asked = |is_new| Request { unwell: unwell().collect(), is_new, ..HookRun::Never.into() };
    let plan = world.asked(&SyncPolicy::default(), asked(true));
    assert_eq!(edges(&plan), ["bad <- ", "x <- [bad healthy]"]);
    assert_eq!(edges(&world.asked(&SyncPolicy::default(), asked(false))), ["x <- "]);
    let only_x = asked(true).with_only(crate::plan::Selection::of(["ConfigMap/x".parse().unwrap()]));
    let plan = world.asked(&SyncPolicy::default(), only_x);
    assert_eq!(edges(&plan), ["x <- "], "what was not asked for gates nothing: {plan}");
    assert!(plan.skipped.iter().all(|skipped| skipped.reason != SkipReason::FollowsHeld));
}
