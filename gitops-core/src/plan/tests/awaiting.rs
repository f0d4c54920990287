use super::{World, edges, pruning};
use crate::plan::{HookRun, Plan, Request, SkipReason};
use crate::policy::SyncPolicy;

/// Plans for what was found unwell, of a revision that was made true.
fn plan(world: &str, policy: &SyncPolicy, hooks: HookRun) -> Plan {
    let world = World::new(world);
    let unwell = world.comparison.entries.iter().filter(|(key, _)| key.name.starts_with("bad"));
    let unwell = unwell.map(|(key, _)| key.clone()).collect();
    world.asked(policy, Request { unwell, ..Request::default().with_hooks(hooks) })
}

#[test]
fn drift_is_mended_whatever_an_earlier_wave_is_like_unless_it_needs_it() {
    let world = |needs: &str| {
        format!(
            "
            apps/v1 Deployment shop/bad | synced
            v1 ConfigMap shop/x wave=1 {needs} | differs
            "
        )
    };
    let needs = "needs=apps/namespaces/shop/Deployment/bad";
    for (needs, hooks, expected) in [
        ("", HookRun::WithChanges, vec!["x <- "]),
        ("", HookRun::NewRevision, vec!["bad <- ", "x <- [bad healthy]"]),
        (needs, HookRun::WithChanges, vec!["bad <- ", "x <- bad healthy + [bad healthy]"]),
        (needs, HookRun::Never, vec!["bad <- ", "x <- bad healthy + [bad healthy]"]),
    ] {
        let plan = plan(&world(needs), &SyncPolicy::default(), hooks);
        assert_eq!(edges(&plan), expected, "{needs} {hooks:?}: {plan}");
    }
}

#[test]
fn deletions_wait_for_what_is_unwell_and_what_is_mended_does_not() {
    let world = "
        apps/v1 Deployment shop/bad | synced
        v1 ConfigMap shop/x wave=1 | differs
        v1 ConfigMap shop/y | synced
        v1 ConfigMap shop/old | extra
    ";
    let found = plan(world, &pruning(), HookRun::WithChanges);
    assert_eq!(edges(&found), ["x <- ", "bad <- ", "old <- [x healthy, bad healthy]"], "{found}");
    // Where nothing is deleted there is nothing to wait for.
    assert_eq!(edges(&plan(world, &SyncPolicy::default(), HookRun::WithChanges)), ["x <- "]);
    let idle = plan(&world.replace("differs", "synced"), &SyncPolicy::default(), HookRun::WithChanges);
    assert!(idle.is_empty(), "{idle}");
}

#[test]
fn a_webhook_waits_for_its_backend_also_where_deletions_do() {
    let world = "
        admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration guard calls=shop/svc | differs
        v1 Service shop/svc selects=web | synced
        apps/v1 Deployment shop/bad labels=web | synced
        v1 ConfigMap shop/x wave=1 | differs
        v1 ConfigMap shop/y | synced
        v1 ConfigMap shop/old | extra
    ";
    for policy in [SyncPolicy::default(), pruning()] {
        let plan = plan(world, &policy, HookRun::WithChanges);
        let guard = edges(&plan).into_iter().find(|edge| edge.starts_with("guard")).unwrap();
        assert!(guard.contains("bad healthy"), "{guard}: {plan}");
    }
}

/// As what names a single object of another application.
#[test]
fn a_change_rule_on_what_belongs_to_another_application_holds_back_what_has_it() {
    let world = World::new(
        "
        v1 ConfigMap shop/theirs group=example.org/db | differs of=other
        v1 ConfigMap shop/x rule=upsert_after_upserting_example.org/db | missing
        ",
    );
    let plan = world.plan(&SyncPolicy::default());
    assert!(plan.steps.is_empty(), "{plan}");
    let held: Vec<_> = plan.skipped.iter().map(|skipped| (&*skipped.key.name, skipped.reason)).collect();
    assert_eq!(held, [("theirs", SkipReason::NotOurs), ("x", SkipReason::FollowsHeld)]);
}
