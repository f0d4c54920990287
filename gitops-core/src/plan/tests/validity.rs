use super::{World, pruning, shows};
use crate::plan::{Confirmation, Plan, Request, Validity};
use crate::policy::SyncPolicy;
use crate::resource::ResourceKey;
use crate::source::RevisionId;
use crate::state::Owner;

const BEFORE: &str = "
    v1 Namespace shop | missing
    v1 ConfigMap shop/web | differs
    apps/v1 Deployment shop/web wave=1 | missing
    batch/v1 Job shop/migrate hook=PreSync | hook
    v1 ConfigMap shop/stays | synced
    v1 ConfigMap shop/old | extra
";

/// What becomes of the plan of one world in another.
fn revalidated(before: &str, now: &str) -> (Plan, Validity) {
    let plan = World::new(before).plan(&pruning());
    let now = World::new(now);
    let fresh = now.asked(&pruning(), Request::following(&plan));
    let validity = plan.revalidate(&fresh, &now.comparison);
    (plan, validity)
}

#[track_caller]
fn stale(before: &str, now: &str) -> Vec<String> {
    let (plan, validity) = revalidated(before, now);
    let Validity::Stale(reasons) = validity else { panic!("{validity:?}") };
    let name = |step: Option<crate::plan::StepId>| step.map(|id| plan.step(id).unwrap().key.to_string());
    reasons.into_iter().map(|(step, why)| format!("{}: {why}", name(step).unwrap_or_default())).collect()
}

#[test]
fn a_plan_holds_while_everything_is_as_it_was_whatever_else_differs() {
    assert_eq!(revalidated(BEFORE, BEFORE).1, Validity::StillValid);
    let more = BEFORE.to_owned() + "v1 ConfigMap shop/new | missing\nv1 ConfigMap shop/more | extra\n";
    assert_eq!(revalidated(BEFORE, &more).1, Validity::StillValid);
}

#[test]
fn of_a_plan_that_is_done_in_part_the_rest_is_left_in_its_order_and_nothing_is_added() {
    let now = BEFORE
        .replace("Namespace shop | missing", "Namespace shop | synced")
        .replace("v1 ConfigMap shop/old | extra\n", "v1 ConfigMap shop/late | missing\n");
    let (approved, validity) = revalidated(BEFORE, &now);
    let Validity::Narrowed { plan, of } = validity else { panic!("{validity:?}") };
    assert_eq!(of, approved.digest());
    shows(
        &Plan { skipped: Vec::new(), problems: Vec::new(), ..Plan::clone(&plan) },
        "
        PreSync, wave 0
          run     batch/Job shop/migrate: hook
        Sync, wave 0
          apply   ConfigMap shop/web: differs
        Sync, wave 1
          create  apps/Deployment shop/web: is missing
        ",
    );
    assert_eq!(
        super::edges(&plan),
        ["migrate <- ", "web <- [migrate healthy]", "web <- [web healthy]"],
        "what is done is not waited for"
    );
}

#[test]
fn of_a_plan_that_is_done_nothing_is_left_and_its_hooks_rest() {
    let now = BEFORE
        .replace("| missing", "| synced")
        .replace("| differs", "| synced")
        .replace("v1 ConfigMap shop/old | extra\n", "");
    let Validity::Narrowed { plan, .. } = revalidated(BEFORE, &now).1 else { panic!("not narrowed") };
    assert!(plan.is_empty(), "{plan}");
}

#[test]
fn a_step_whose_object_is_not_as_it_was_makes_the_plan_stale_with_the_reason() {
    for (from, to, expected) in [
        (
            "ConfigMap shop/web | differs",
            "ConfigMap shop/web uid=other | differs",
            "ConfigMap shop/web: another object of that name stands there now",
        ),
        (
            "ConfigMap shop/web | differs",
            "ConfigMap shop/web | missing",
            "ConfigMap shop/web: it was there, and is missing now",
        ),
        (
            "ConfigMap shop/web | differs",
            "ConfigMap shop/web | differs of=other",
            "ConfigMap shop/web: belongs to another application",
        ),
        ("ConfigMap shop/web | differs", "ConfigMap shop/web | unreadable", "ConfigMap shop/web: could not be read"),
        ("ConfigMap shop/web | differs", "ConfigMap shop/web | held", "ConfigMap shop/web: held back by a problem"),
        (
            "ConfigMap shop/web | differs",
            "ConfigMap shop/web label=new | differs",
            "ConfigMap shop/web: what is declared is not what was approved",
        ),
        (
            "ConfigMap shop/old | extra",
            "ConfigMap shop/old | extra tracked",
            "ConfigMap shop/old: not declared any more; no proof that it is ours",
        ),
        (
            "ConfigMap shop/old | extra",
            "ConfigMap shop/old options=Prune=false | extra",
            "ConfigMap shop/old: not declared any more; its annotation forbids pruning",
        ),
        ("ConfigMap shop/old | extra", "ConfigMap shop/old | synced", "ConfigMap shop/old: it is not"),
        ("Namespace shop | missing", "Namespace shop | differs", "Namespace shop: it was missing, and is there now"),
        (
            "    batch/v1 Job shop/migrate hook=PreSync | hook",
            "    batch/v1 Job shop/migrate hook=PreSync wave=x | hook",
            "held back",
        ),
    ] {
        let now = BEFORE.replace(from, to);
        assert_ne!(now, BEFORE, "{from}");
        let reasons = stale(BEFORE, &now);
        assert!(reasons.iter().any(|reason| reason.contains(expected)), "{to}: {reasons:?}");
    }
}

#[test]
fn a_plan_of_another_owner_revision_or_scope_is_stale_as_a_whole() {
    let world = World::new(BEFORE);
    let plan = world.plan(&pruning());
    let because = |other: Plan| match plan.revalidate(&other, &world.comparison) {
        Validity::Stale(reasons) => reasons.into_iter().map(|(step, why)| (step, why.to_string())).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let owner = |installation, app| Plan { owner: Owner::new(installation, app).unwrap(), ..plan.clone() };
    assert_eq!(because(owner("", "b")), [(None, "it is a plan of application `app`, and this is `b`".to_owned())]);
    assert!(because(owner("x", "app"))[0].1.contains("another installation"));
    let later = Plan { revisions: vec![RevisionId::new("b")], ..plan.clone() };
    assert_eq!(because(later), [(None, "it is for revision ``, and `b` was read".to_owned())]);
}

/// What becomes of the approved deletion of an application.
fn still_deletes(before: &str, now: &str) -> Validity {
    let policy = SyncPolicy::default();
    let yes = Request::to_delete().confirmed(Confirmation::of_all("ann", crate::time::Timestamp::EPOCH));
    let plan = World::new(before).asked(&policy, yes);
    let now = World::new(now);
    plan.revalidate(&now.asked(&policy, Request::following(&plan)), &now.comparison)
}

#[test]
fn a_deletion_of_an_application_holds_until_it_would_leave_something_behind_as_nobodys() {
    let app = "
        v1 Namespace shop | synced
        v1 ConfigMap shop/web | synced
        v1 Secret shop/key options=Delete=confirm | synced
        v1 Secret shop/found | synced adopted
    ";
    assert_eq!(still_deletes(app, app), Validity::StillValid, "a namespace that stays asks nobody");
    let done = app.replace("v1 ConfigMap shop/web | synced", "v1 ConfigMap shop/web | missing");
    assert!(matches!(still_deletes(app, &done), Validity::Stale(_) | Validity::Narrowed { .. }));
    let freed = app.replace("v1 Secret shop/found | synced adopted", "");
    for later in [
        app.to_owned() + "v1 ConfigMap shop/later | synced",
        app.to_owned() + "v1 Secret shop/later options=Delete=confirm | synced",
        freed,
    ] {
        assert!(matches!(still_deletes(app, &later), Validity::Stale(_)), "{later}");
    }
    let asked = World::new(app).asked(&SyncPolicy::default(), Request::to_delete());
    let asks = |name: &str| {
        asked.problems.iter().any(|problem| {
            problem.text.contains("nothing is deleted") && problem.key.as_ref().is_some_and(|key| &*key.name == name)
        })
    };
    assert_eq!((asks("key"), asks("shop"), asked.is_empty()), (true, false, true), "{asked}");
    // What was approved while nothing could be done is no leave to forget what can be done by now.
    let nothing = World::new(app).asked(&SyncPolicy::default(), Request::to_delete());
    let fresh = World::new(app).asked(&SyncPolicy::default(), {
        Request::to_delete().confirmed(Confirmation::of_all("ann", crate::time::Timestamp::EPOCH))
    });
    let seen = World::new(app).comparison;
    assert!(matches!(nothing.revalidate(&fresh, &seen), Validity::Stale(_)));
}

#[test]
fn an_approved_deletion_that_is_under_way_still_holds_and_is_waited_for() {
    let before = "
        v1 ConfigMap shop/stays | synced
        v1 Namespace old prune=enabled | extra
        v1 ConfigMap old/a | extra
        v1 ConfigMap old/b | extra
    ";
    let plan = World::new(before).plan(&pruning());
    let dying = before.replace("old/a | extra", "old/a | terminating");
    let all = dying.replace("old/b | extra", "old/b | terminating").replace("enabled | extra", "enabled | terminating");
    for (now, expected) in [(&dying, true), (&all, true), (&dying.replace("old/a |", "old/a uid=other |"), false)] {
        let mut now = World::new(now);
        now.undeclare_dying();
        let fresh = now.asked(&pruning(), Request::following(&plan));
        let validity = plan.revalidate(&fresh, &now.comparison);
        assert_eq!(validity == Validity::StillValid, expected, "{validity:?}");
    }
}

/// What becomes of the plan that deletes the namespace `old`, approved with and followed with these contents of it.
fn followed(approved: Option<&[&str]>, now: Option<&[&str]>) -> Validity {
    let world = World::new(
        "
        v1 ConfigMap shop/stays | synced
        v1 Namespace old prune=enabled | extra
        v1 ConfigMap old/a | extra
        ",
    );
    let with = |mut request: Request, names: Option<&[&str]>| {
        let keys = names.map(|names| names.iter().map(|name| ResourceKey::new("", "ConfigMap", "old", name)).collect());
        request.contents.extend(keys.map(|keys| (ResourceKey::new("", "Namespace", None, "old"), keys)));
        request
    };
    let plan = world.asked(&pruning(), with(Request::default(), approved));
    let fresh = world.asked(&pruning(), with(Request::following(&plan), now));
    plan.revalidate(&fresh, &world.comparison)
}

#[test]
fn a_namespace_dies_only_with_what_was_told_when_it_was_approved() {
    for (approved, now, expected) in [
        (None, None, None),
        (None, Some(&["a"][..]), None),
        (None, Some(&["a", "b"]), Some("more would die with it than was approved: `ConfigMap old/b`")),
        (Some(&["a", "b"][..]), Some(&["a", "b"]), None),
        (Some(&["a", "b"]), Some(&["b"]), None),
        (
            Some(&["a", "b"]),
            Some(&["b", "c", "d", "e", "f"]),
            Some(
                "more would die with it than was approved: `ConfigMap old/c`, `ConfigMap old/d`, `ConfigMap old/e` and 1 more",
            ),
        ),
        (Some(&["a"]), None, Some("what dies with it cannot be told by now")),
    ] {
        let reason = match followed(approved, now) {
            Validity::Stale(reasons) => Some(reasons.into_iter().map(|(_, why)| why.to_string()).collect::<String>()),
            _ => None,
        };
        assert_eq!(reason.as_deref(), expected, "{approved:?}, {now:?}");
    }
}
