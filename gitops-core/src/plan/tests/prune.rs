use super::{World, edges, expect, pruning};
use crate::plan::SkipReason::{self, *};
use crate::plan::{Action, Plan, Request, Selection};
use crate::policy::{PruneAdopted, SyncPolicy};
use crate::state::Completeness;

/// Something that stays, so that never all entries go.
const STAYS: &str = "v1 ConfigMap shop/stays | synced\n";

fn fate(plan: &Plan, name: &str) -> Result<(), SkipReason> {
    let deleted = |step: &&crate::plan::Step| matches!(step.action, Action::Delete { .. });
    if plan.steps.iter().filter(deleted).any(|step| &*step.key.name == name) {
        return Ok(());
    }
    Err(plan.skipped.iter().find(|skipped| &*skipped.key.name == name).expect("a fate").reason)
}

#[test]
fn an_extra_is_deleted_only_if_pruning_is_on_and_it_is_provably_ours() {
    let adopting = SyncPolicy { prune_adopted: PruneAdopted::Yes, ..pruning() };
    for (line, policy, expected) in [
        ("| extra created", SyncPolicy::default(), Err(PruneOff)),
        ("| extra created", pruning(), Ok(())),
        ("| extra applied", pruning(), Ok(())),
        ("| extra tracked", pruning(), Err(NoProof)),
        ("| extra nobody", pruning(), Err(NoProof)),
        ("| extra of=other", pruning(), Err(NotOurs)),
        ("| extra of=other", SyncPolicy::default(), Err(NotOurs)),
        ("| extra child", pruning(), Err(OwnedByAnother)),
        ("| extra adopted", pruning(), Err(Adopted)),
        ("| extra adopted", adopting.clone(), Ok(())),
        ("| extra rebuilt", pruning(), Err(Rebuilt)),
        ("| extra rebuilt", adopting, Ok(())),
        ("options=Prune=false | extra created", pruning(), Err(PruneForbidden)),
        ("options=Prune=confirm | extra created", pruning(), Err(PruneUnconfirmed)),
        ("options=Prune=maybe | extra created", pruning(), Err(Held)),
        ("hook=PreSync | extra created", pruning(), Err(PruneForbidden)),
        ("uid=twin | extra created", pruning(), Err(SameObject)),
    ] {
        let world = format!("{STAYS}v1 ConfigMap shop/twin uid=twin | synced\nv1 ConfigMap shop/old {line}");
        assert_eq!(fate(&World::new(&world).plan(&policy), "old"), expected, "{line}");
    }
}

#[test]
fn an_object_that_moves_to_another_api_group_is_not_deleted() {
    for (declared, expected) in [
        // The same uid under both groups, or nobody could look.
        ("networking.k8s.io/v1 Ingress shop/web uid=one | synced", Err(SameObject)),
        ("networking.k8s.io/v1 Ingress shop/web uid=one | differs", Err(SameObject)),
        ("networking.k8s.io/v1 Ingress shop/web | unreadable", Err(SameObject)),
        ("networking.k8s.io/v1 Ingress shop/web | held", Err(SameObject)),
        // Another object of the same name.
        ("networking.k8s.io/v1 Ingress shop/web uid=two | synced", Ok(())),
        ("networking.k8s.io/v1 Ingress shop/web | missing", Ok(())),
        // Nor is it this one, but nobody knows whether it needs this one.
        ("networking.k8s.io/v1 Ingress db/web | unreadable", Err(FollowsHeld)),
        ("networking.k8s.io/v1 Thing shop/web | unreadable", Err(FollowsHeld)),
    ] {
        let world = format!("{STAYS}{declared}\nextensions/v1beta1 Ingress shop/web uid=one | extra");
        let plan = World::new(&world).plan(&pruning());
        let deleted = plan.steps.iter().any(|step| step.key.group() == "extensions");
        let kept = plan.skipped.iter().find(|skipped| skipped.key.group() == "extensions").map(|kept| kept.reason);
        assert_eq!(kept.map_or(Ok(()), Err), expected, "{declared}");
        assert_eq!(deleted, expected.is_ok(), "{declared}");
    }
}

#[test]
fn an_incomplete_or_empty_source_prunes_nothing() {
    let mut world = World::new(&format!("{STAYS}v1 ConfigMap shop/old | extra"));
    world.desired.completeness = Completeness::Partial;
    let plan = world.plan(&pruning());
    assert_eq!(fate(&plan, "old"), Err(SourceIncomplete));
    assert_eq!(
        plan.problems[0].to_string(),
        "nothing is pruned: a part of the source could not be read; solve the problems of the source first"
    );

    expect(
        "
        v1 ConfigMap shop/a | extra
        v1 ConfigMap shop/b | extra
        ",
        &pruning(),
        "
        nothing to do
        left alone
          ConfigMap shop/a: not declared any more; a guard stopped pruning
          ConfigMap shop/b: not declared any more; a guard stopped pruning
        problems
          error: nothing is pruned: the source declares nothing, and 2 objects would go; check repository, revision and path; to remove the application, delete it; if this is meant, set `whenEmpty` to `prune`
        ",
    );
}

#[test]
fn never_all_entries_go_nor_more_than_the_budget() {
    let lines = |stay: usize, go: usize| {
        let stay = (0..stay).map(|at| format!("v1 ConfigMap shop/stay{at} | synced\n"));
        let go = (0..go).map(|at| format!("v1 ConfigMap shop/go{at} | extra\n"));
        stay.chain(go).collect::<String>() + "v1 ConfigMap shop/new | missing"
    };
    let raised = SyncPolicy { prune_budget_percent: 100, ..pruning() };
    for (stay, go, policy, expected) in [
        (1, 5, pruning(), true),
        (0, 1, pruning(), false),
        (0, 9, raised.clone(), false),
        (1, 6, pruning(), false),
        (1, 6, raised, true),
        (14, 6, pruning(), true),
        (13, 6, pruning(), false),
    ] {
        let plan = World::new(&lines(stay, go)).plan(&policy);
        let expected = if expected { Ok(()) } else { Err(Guarded) };
        assert_eq!(fate(&plan, "go0"), expected, "{stay} stay, {go} go");
        assert_eq!(plan.problems.len(), usize::from(expected.is_err()), "{:?}", plan.problems);
    }
}

#[test]
fn deletions_follow_when_all_is_healthy_in_the_reverse_order() {
    let world = "
        v1 ConfigMap shop/new | missing
        batch/v1 Job shop/check hook=PostSync | hook
        v1 Namespace old prune=enabled | extra
        apiextensions.k8s.io/v1 CustomResourceDefinition crd defines=example.org/Widget prune=enabled | extra
        example.org/v1 Widget old/w | extra
        v1 ConfigMap old/last options=PruneLast=true | extra
        v1 ConfigMap old/c | extra
        ";
    let mut lines = world.to_owned();
    for at in 0..20 {
        lines += &format!("v1 ConfigMap shop/stay{at} | synced\n");
    }
    lines += "v1 Service old/s wave=3 | extra\n";
    expect(
        &lines,
        &pruning(),
        "
        Sync, wave 0
          create  ConfigMap shop/new: is missing
        Sync, once all is healthy
          delete  Service old/s: not declared any more
          delete  example.org/Widget old/w: not declared any more
          delete  ConfigMap old/c: not declared any more
          delete  ConfigMap old/last: not declared any more
          delete  apiextensions.k8s.io/CustomResourceDefinition crd: not declared any more; all that is in it goes too
          delete  Namespace old: not declared any more; all that is in it goes too
        PostSync, wave 0
          run     batch/Job shop/check: hook
        problems
          warning: Namespace old: is a Namespace: everything in it is deleted with it
          warning: apiextensions.k8s.io/CustomResourceDefinition crd: is a CustomResourceDefinition: everything in it is deleted with it
        ",
    );
    let plan = World::new(&lines).plan(&pruning());
    assert_eq!(
        edges(&plan),
        [
            "new <- ",
            "s <- [new healthy]",
            "w <- [s gone]",
            "c <- [w gone]",
            "last <- [c gone]",
            "crd <- [last gone]",
            "old <- [last gone]",
            "check <- [crd gone, old gone]",
        ]
    );
}

#[test]
fn a_namespace_or_crd_that_holds_something_that_stays_is_kept() {
    expect(
        &format!(
            "{STAYS}
            v1 Namespace shop prune=enabled | extra
            v1 Namespace old prune=enabled | extra
            v1 PersistentVolumeClaim old/data options=Prune=false | extra
            apiextensions.k8s.io/v1 CustomResourceDefinition crd defines=example.org/Widget prune=enabled | extra
            example.org/v1 Widget db/w | synced
            v1 Namespace gone prune=enabled | extra"
        ),
        &pruning(),
        "
        Sync, once all is healthy
          delete  Namespace gone: not declared any more; all that is in it goes too
        left alone
          Namespace old: not declared any more; a guard stopped pruning
          Namespace shop: not declared any more; a guard stopped pruning
          PersistentVolumeClaim old/data: not declared any more; its annotation forbids pruning
          apiextensions.k8s.io/CustomResourceDefinition crd: not declared any more; a guard stopped pruning
        problems
          note: Namespace old: is not pruned: the Namespace holds objects that stay; declare it again, or remove what is in it first
          note: Namespace shop: is not pruned: the Namespace holds objects that stay; declare it again, or remove what is in it first
          note: apiextensions.k8s.io/CustomResourceDefinition crd: is not pruned: the CustomResourceDefinition holds objects that stay; declare it again, or remove what is in it first
          warning: Namespace gone: is a Namespace: everything in it is deleted with it
        ",
    );
}

#[test]
fn a_namespace_or_crd_is_deleted_only_where_its_own_annotation_says_so() {
    expect(
        &format!(
            "{STAYS}
            v1 Namespace old | extra created
            apiextensions.k8s.io/v1 CustomResourceDefinition crd defines=example.org/Widget | extra created"
        ),
        &pruning(),
        "
        nothing to do
        left alone
          Namespace old: not declared any more; pruning it must be confirmed
          apiextensions.k8s.io/CustomResourceDefinition crd: not declared any more; pruning it must be confirmed
        problems
          note: Namespace old: is not pruned: whatever is in it would be deleted with it; confirm it (`--confirm`), or set its annotation `gitops.rs/prune` to `enabled`
          note: apiextensions.k8s.io/CustomResourceDefinition crd: is not pruned: whatever is in it would be deleted with it; confirm it (`--confirm`), or set its annotation `gitops.rs/prune` to `enabled`
        ",
    );
}

#[test]
fn a_hook_that_is_held_back_stops_pruning() {
    let world = format!("{STAYS}v1 ConfigMap shop/old | extra\nbatch/v1 Job shop/j hook=PreSync wave=x | hook");
    let plan = World::new(&world).plan(&pruning());
    assert!(plan.is_empty());
    assert_eq!(fate(&plan, "old"), Err(FollowsHeld));
}

const OLD: &str = "
    v1 ConfigMap shop/stays | synced
    v1 Namespace old prune=enabled | extra
    v1 ConfigMap old/last options=PruneLast=true | extra
    v1 ConfigMap old/c | extra
";

#[test]
fn what_is_being_deleted_already_goes_before_what_it_needs() {
    let first = edges(&World::new(OLD).plan(&pruning()));
    for dying in ["ConfigMap old/c", "ConfigMap old/last options=PruneLast=true"] {
        let lines = OLD.replace(&format!("{dying} | extra"), &format!("{dying} | terminating"));
        let mut world = World::new(&lines);
        world.undeclare_dying();
        let plan = world.plan(&pruning());
        assert_eq!(edges(&plan), first, "{dying}");
    }
}

#[test]
fn what_is_being_deleted_is_not_waited_for_where_nothing_follows_it_or_pruning_is_off() {
    let lines = "v1 ConfigMap shop/stays | synced\nv1 ConfigMap shop/old | terminating";
    for policy in [pruning(), SyncPolicy::default()] {
        let mut world = World::new(lines);
        world.undeclare_dying();
        let plan = world.plan(&policy);
        assert!(plan.is_empty(), "{plan}");
        assert_eq!(fate(&plan, "old"), Err(Terminating));
    }
}

#[test]
fn a_namespace_stays_while_another_application_deletes_what_is_in_it() {
    let mut world = World::new(&OLD.replace("old/c | extra", "old/c | terminating of=other"));
    world.undeclare_dying();
    let plan = world.plan(&pruning());
    assert_eq!(fate(&plan, "old"), Err(Guarded), "{plan}");
    assert_eq!(fate(&plan, "last"), Ok(()));
}

#[test]
fn a_selected_namespace_stays_as_long_as_it_holds_what_was_not_selected() {
    let only = |text: &str| Request::default().with_only(Selection::of([text.parse().unwrap()]));
    let plan = World::new(OLD).asked(&pruning(), only("Namespace/old"));
    assert_eq!(fate(&plan, "old"), Err(Guarded), "{plan}");
    assert!(
        plan.is_empty() && plan.to_string().contains("is not pruned: the Namespace holds objects that stay"),
        "{plan}"
    );
    let plan = World::new(OLD).asked(&pruning(), only("ConfigMap/old/*"));
    assert_eq!((fate(&plan, "c"), fate(&plan, "old")), (Ok(()), Err(NotSelected)));
    let crd = "
        v1 ConfigMap shop/stays | synced
        apiextensions.k8s.io/v1 CustomResourceDefinition crd defines=example.org/Widget prune=enabled | extra
        example.org/v1 Widget shop/w | extra
    ";
    let plan = World::new(crd).asked(&pruning(), only("CustomResourceDefinition"));
    assert_eq!((fate(&plan, "crd"), fate(&plan, "w")), (Err(Guarded), Err(NotSelected)), "{plan}");
}

#[test]
fn nothing_goes_while_what_is_declared_is_not_made_true_since_it_may_still_be_in_use() {
    let kept = "ConfigMap shop/old: must follow an object that is held back";
    for (line, stays) in [
        ("apps/v1 Deployment shop/web | synced", false),
        ("apps/v1 Deployment shop/web | missing", false),
        ("apps/v1 Deployment shop/web | differs of=other", false),
        ("apps/v1 Deployment shop/web | held", true),
        ("apps/v1 Deployment shop/web wave=soon | differs", true),
        ("apps/v1 Deployment shop/web | unreadable", true),
        ("apps/v1 Deployment shop/web | terminating", true),
        ("batch/v1 Job shop/copy hook=Sync wave=soon | hook", true),
        ("batch/v1 Job shop/copy hook=PreSync wave=soon | hook", true),
        ("batch/v1 Job shop/copy hook=PostSync wave=soon | hook", false),
    ] {
        let world = World::new(&format!("v1 ConfigMap shop/stays | differs\n{line}\nv1 ConfigMap shop/old | extra"));
        let plan = world.plan(&pruning());
        assert_eq!(plan.to_string().contains(kept), stays, "{line}\n{plan}");
        let goes = plan.steps.iter().any(|step| &*step.key.name == "old");
        assert_eq!(goes, !stays, "{line}\n{plan}");
    }
    let world = World::new(
        "
        apps/v1 Deployment shop/a mounts=new | template
        apps/v1 Deployment shop/b mounts=new | template
        v1 ConfigMap shop/new | missing
        v1 ConfigMap shop/old | extra
        ",
    );
    let rationed = SyncPolicy { rollout_budget: Some("50%".parse().unwrap()), ..pruning() };
    assert!(world.plan(&rationed).to_string().contains(kept), "the other still uses it");
}

#[test]
fn everything_goes_with_an_empty_source_only_where_that_is_wished() {
    use crate::policy::WhenEmpty;
    let world = World::new("v1 ConfigMap shop/one | extra created\nv1 ConfigMap shop/two | extra created");
    assert_eq!(fate(&world.plan(&pruning()), "one"), Err(Guarded));
    let all = world.plan(&SyncPolicy { when_empty: WhenEmpty::Prune, ..pruning() });
    assert_eq!((fate(&all, "one"), fate(&all, "two")), (Ok(()), Ok(())));
    // Where anything is declared, nothing changes.
    let most = World::new(&format!(
        "{STAYS}{}",
        (0..7).map(|at| format!("v1 ConfigMap shop/m{at} | extra created\n")).collect::<String>()
    ));
    assert_eq!(fate(&most.plan(&SyncPolicy { when_empty: WhenEmpty::Prune, ..pruning() }), "m0"), Err(Guarded));
}

#[test]
fn what_the_project_does_not_permit_is_not_pruned() {
    let world = World::new(&format!("{STAYS}v1 ConfigMap shop/old | extra created"));
    let key = crate::resource::ResourceKey::new("", "ConfigMap", "shop", "old");
    let request = Request { not_permitted: [(key, "project `team`: no".into())].into(), ..Request::default() };
    let plan = world.asked(&pruning(), request);
    assert_eq!(fate(&plan, "old"), Err(NotPermitted));
    assert!(plan.problems.iter().any(|problem| problem.to_string().contains("is not deleted: project `team`: no")));
}

#[test]
fn a_few_objects_may_always_go_unless_the_budget_is_nothing() {
    let world = World::new(&format!("{STAYS}v1 ConfigMap shop/a | extra\nv1 ConfigMap shop/b | extra"));
    for (percent, deleted) in [(0, 0), (1, 2), (30, 2)] {
        let plan = world.plan(&SyncPolicy { prune_budget_percent: percent, ..pruning() });
        assert_eq!(plan.steps.len(), deleted, "{percent}: {plan}");
    }
}
