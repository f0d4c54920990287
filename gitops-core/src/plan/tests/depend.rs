//! Who waits for whom, and what is wrong with that.

use super::{World, edges, expect, pruning};
use crate::plan::Plan;
use crate::policy::SyncPolicy;

fn plan_of(world: &str) -> Plan {
    World::new(world).plan(&SyncPolicy::default())
}

fn undo_of(world: &str) -> Plan {
    let policy = SyncPolicy { prune_budget_percent: 100, ..pruning() };
    World::new(&format!("v1 ConfigMap shop/stays | synced\n{world}")).plan(&policy)
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_workload_waits_for_what_its_pods_mount_and_may_do_and_for_nothing_else() {
    let plan = plan_of(
        "
        v1 ConfigMap shop/config | differs
        v1 ConfigMap shop/other | differs
        v1 ConfigMap db/config | differs
        v1 ServiceAccount shop/web | missing
        rbac.authorization.k8s.io/v1 Role shop/reader | missing
        rbac.authorization.k8s.io/v1 RoleBinding shop/reads role=reader for=web | missing
        v1 LimitRange shop/limits | missing
        apps/v1 Deployment shop/web mounts=config sa=web | template
        example.org/v1 Rollout shop/roll mounts=config | differs
        ",
    );
    assert_eq!(
        edges(&plan)[3..],
        [
            "config <- ",
            "other <- ",
            "reader <- ",
            "reads <- reader applied",
            "web <- web applied + config applied + [reads applied] + [limits applied]",
            "roll <- config applied + [limits applied]",
        ]
    );
}

#[test]
fn what_content_names_never_moves_to_another_wave_nor_outweighs_an_annotation() {
    let plan = plan_of(
        "
        v1 ConfigMap shop/late wave=3 | missing
        v1 ConfigMap shop/after needs=apps/namespaces/shop/Deployment/b | missing
        apps/v1 Deployment shop/a mounts=late | missing
        apps/v1 Deployment shop/b mounts=after | missing
        ",
    );
    let expected = ["a <- ", "b <- ", "after <- b healthy", "late <- [a healthy, b healthy, after healthy]"];
    assert_eq!(edges(&plan), expected);
    assert_eq!(texts(&plan), [""; 0]);
}

#[test]
fn a_webhook_configuration_waits_until_the_workloads_it_calls_are_healthy() {
    let plan = plan_of(
        "
        v1 Service shop/hook selects=hook | missing
        v1 Service shop/blind | missing
        apps/v1 Deployment shop/hook labels=hook | missing
        apps/v1 Deployment shop/web labels=web | missing
        admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration precise calls=shop/hook | missing
        admissionregistration.k8s.io/v1 MutatingWebhookConfiguration all calls=shop/blind | missing
        admissionregistration.k8s.io/v1 MutatingWebhookConfiguration elsewhere calls=db/hook | missing
        ",
    );
    assert_eq!(
        edges(&plan)[4..],
        [
            "all <- blind applied + [hook healthy, web healthy]",
            "elsewhere <- ",
            "precise <- hook applied + [hook healthy]"
        ]
    );
}

#[test]
fn a_dependency_that_is_in_place_hands_on_what_it_waits_for_itself() {
    let plan = plan_of(
        "
        v1 ConfigMap shop/a needs=/namespaces/shop/ConfigMap/b | differs
        v1 ConfigMap shop/b needs=/namespaces/shop/ConfigMap/c | synced
        v1 ConfigMap shop/c | differs
        ",
    );
    assert_eq!(edges(&plan), ["c <- ", "a <- [c healthy]"]);
}

#[test]
fn change_rules_of_kapp_order_single_objects() {
    let plan = plan_of(
        "
        batch/v1 Job shop/migrate group=apps.example.org/{kind}-{name} rule=upsert_after_upserting_apps.example.org/db | missing
        apps/v1 StatefulSet shop/db group=apps.example.org/db | missing
        apps/v1 Deployment shop/web rule=upsert_after_upserting_apps.example.org/Job-migrate | missing
        v1 ConfigMap shop/first rule=upsert_before_upserting_apps.example.org/db | missing
        v1 ConfigMap shop/roles rule=upsert_after_upserting_change-groups.kapp.k14s.io/rbac | missing
        rbac.authorization.k8s.io/v1 Role shop/reader | missing
        ",
    );
    assert_eq!(
        edges(&plan),
        [
            "first <- ",
            "reader <- ",
            "db <- [first healthy]",
            "migrate <- [db healthy]",
            "roles <- [reader healthy]",
            "web <- [migrate healthy]",
        ]
    );
    assert_eq!(texts(&plan), [""; 0]);
}

#[test]
fn change_groups_and_rules_that_mean_nothing_are_told_and_harm_nobody_else() {
    for (line, expected) in [
        (
            "rule=upsert_after_upserting_none | missing",
            "warning all.yaml:1: ConfigMap shop/a: no resource is in change group `none`, which \
             `kapp.k14s.io/change-rule.upsert_after_upserting_none` names; check its spelling",
        ),
        (
            "rule=upsert_after_deleting_b | missing",
            "warning ConfigMap shop/a: `metadata.annotations[\"kapp.k14s.io/change-rule.upsert_after_deleting_b\"]`: \
             `upsert after deleting b` has no effect: nothing is deleted before all that is declared works",
        ),
        (
            "group=own rule=upsert_after_upserting_own | missing",
            "blocks ConfigMap shop/a: `metadata.annotations[\"kapp.k14s.io/change-rule.upsert_after_upserting_own\"]`: \
             must go after itself: it is in change group `own`; take it out of the group, or remove the rule",
        ),
        (
            "rule=install_after_upserting_b | missing",
            "blocks ConfigMap shop/a: `metadata.annotations[\"kapp.k14s.io/change-rule.install_after_upserting_b\"]`: \
             change rule `install after upserting b` cannot be read; write `upsert` or `delete`, `before` or `after`, \
             `upserting` or `deleting`, and a change group, as in `upsert after upserting apps.example.org/db`",
        ),
        (
            "group=a/b/c | missing",
            "blocks ConfigMap shop/a: `metadata.annotations[\"kapp.k14s.io/change-group\"]`: `a/b/c` is no name of a \
             change group; use letters, digits, `-`, `_` and `.`, with a domain and a slash before it where you like, \
             as in `apps.example.org/db`; placeholders are `{api-group}`, `{kind}`, `{name}`, `{namespace}`, \
             `{crd-group}` and `{crd-kind}`",
        ),
    ] {
        let plan = plan_of(&format!("v1 ConfigMap shop/a {line}\nv1 ConfigMap shop/b group=b | missing"));
        let found: Vec<String> = plan
            .problems
            .iter()
            .map(|problem| format!("{} {problem}", format!("{:?}", problem.severity).to_lowercase()))
            .collect();
        assert_eq!(found, [expected]);
        let blocked = expected.starts_with("blocks");
        assert_eq!(plan.steps.len(), if blocked { 1 } else { 2 }, "{line}");
    }
}

#[test]
fn one_shortest_cycle_is_named_with_the_cause_of_each_edge_and_all_that_is_in_it_waits() {
    expect(
        "
        v1 ConfigMap shop/a needs=/namespaces/shop/ConfigMap/b | missing
        v1 ConfigMap shop/b needs=/namespaces/shop/ConfigMap/c | missing
        v1 ConfigMap shop/c needs=/namespaces/shop/ConfigMap/a,/namespaces/shop/ConfigMap/d | missing
        v1 ConfigMap shop/d group=d rule=upsert_before_upserting_e | missing
        v1 ConfigMap shop/e group=e rule=upsert_before_upserting_d | missing
        v1 ConfigMap shop/f needs=/namespaces/shop/ConfigMap/a | missing
        v1 ConfigMap shop/g | missing
        ",
        &SyncPolicy::default(),
        "
        Sync, wave 0
          create  ConfigMap shop/g: is missing
        left alone
          ConfigMap shop/a: held back by a problem
          ConfigMap shop/b: held back by a problem
          ConfigMap shop/c: held back by a problem
          ConfigMap shop/d: held back by a problem
          ConfigMap shop/e: held back by a problem
          ConfigMap shop/f: must follow an object that is held back
        problems
          error: all.yaml:1: ConfigMap shop/a: must follow itself: `ConfigMap shop/a` (all.yaml:1, `config.kubernetes.io/depends-on`) needs `ConfigMap shop/b` (all.yaml:2, `config.kubernetes.io/depends-on`) needs `ConfigMap shop/c` (all.yaml:3, `config.kubernetes.io/depends-on`) needs `ConfigMap shop/a` (also at all.yaml:2); remove one of these dependencies
          error: all.yaml:4: ConfigMap shop/d: must follow itself: `ConfigMap shop/d` (all.yaml:4, in group `d`, named by `kapp.k14s.io/change-rule.upsert_before_upserting_d` of the next) needs `ConfigMap shop/e` (all.yaml:5, in group `e`, named by `kapp.k14s.io/change-rule.upsert_before_upserting_e` of the next) needs `ConfigMap shop/d` (also at all.yaml:5); remove one of these dependencies
        ",
    );
}

#[test]
fn of_a_tangle_the_shortest_cycle_is_named_and_no_member_slips_through() {
    let need = |names: &[&str]| {
        names.iter().map(|name| format!("/namespaces/shop/ConfigMap/{name}")).collect::<Vec<_>>().join(",")
    };
    // a → b → c → a is one, c ⇄ d the shorter one.
    let lines = [("a", need(&["b"])), ("b", need(&["c"])), ("c", need(&["a", "d"])), ("d", need(&["c"]))];
    let world: String =
        lines.iter().map(|(name, needs)| format!("v1 ConfigMap shop/{name} needs={needs} | missing\n")).collect();
    let plan = plan_of(&world);
    assert!(plan.steps.is_empty(), "{plan}");
    let [only] = plan.problems.as_slice() else { panic!("{plan}") };
    assert!(only.text.starts_with("must follow itself: `ConfigMap shop/c` (all.yaml:3,"), "{only}");
    assert!(!only.text.contains("shop/a") && !only.text.contains("shop/b"), "{only}");
}

#[test]
fn dependents_are_deleted_before_what_they_need() {
    let plan = undo_of(
        "
        v1 ConfigMap shop/a needs=/namespaces/shop/ConfigMap/b | extra
        v1 ConfigMap shop/b | extra
        apps/v1 Deployment shop/web mounts=config | extra
        v1 ConfigMap shop/config | extra
        v1 ConfigMap shop/free | extra
        apps/v1 StatefulSet shop/db group=db rule=delete_before_deleting_disk | extra
        v1 PersistentVolumeClaim shop/disk prune=enabled group=disk rule=delete_after_deleting_net | extra
        v1 Service shop/net group=net | extra
        ",
    );
    assert_eq!(
        edges(&plan),
        [
            "db <- ",
            "web <- ",
            "net <- ",
            "disk <- [db gone] + [net gone]",
            "a <- ",
            "config <- web gone",
            "free <- ",
            "b <- a gone",
        ]
    );
}

#[test]
fn a_webhook_configuration_is_gone_before_its_workloads_whatever_their_waves() {
    let plan = undo_of(
        "
        v1 Service shop/hook selects=hook wave=5 | extra
        apps/v1 Deployment shop/hook labels=hook wave=5 | extra
        apps/v1 Deployment shop/other labels=other wave=5 | extra
        example.org/v1 Widget shop/w wave=5 | extra
        admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration config calls=shop/hook | extra
        ",
    );
    assert_eq!(
        edges(&plan),
        [
            "w <- ",
            "other <- [w gone]",
            "config <- [other gone]",
            "hook <- [other gone] + [config gone]",
            "hook <- config gone + [other gone]",
        ]
    );
}

#[test]
fn a_circle_of_what_goes_is_deleted_all_the_same() {
    let plan = undo_of(
        "
        v1 ConfigMap shop/a needs=/namespaces/shop/ConfigMap/b | extra
        v1 ConfigMap shop/b needs=/namespaces/shop/ConfigMap/a | extra
        ",
    );
    assert_eq!(edges(&plan), ["a <- ", "b <- "]);
    let text = "ConfigMap shop/a: is deleted in no particular order: its annotations and those of others make a circle";
    assert_eq!(texts(&plan), [text]);
}

#[test]
fn what_exists_and_is_nobodys_is_left_alone_where_the_policy_says_so() {
    expect(
        "
        v1 ConfigMap shop/there | differs nobody
        v1 ConfigMap shop/ours | differs
        v1 ConfigMap shop/new | missing
        ",
        &SyncPolicy { adopt: crate::policy::Adopt::Never, ..SyncPolicy::default() },
        "
        Sync, wave 0
          create  ConfigMap shop/new: is missing
          apply   ConfigMap shop/ours: differs
        left alone
          ConfigMap shop/there: was not created by this application
        problems
          error: all.yaml:1: ConfigMap shop/there: exists, and was not created by this application; remove one of the two, or set `adopt` to `unclaimed`
        ",
    );
}

#[test]
fn steps_that_put_ownership_right_move_no_edge() {
    let plan = plan_of(
        "
        v1 ServiceAccount shop/robot | mend
        v1 ConfigMap shop/config | missing
        v1 ConfigMap shop/other | mend
        apps/v1 Deployment shop/web mounts=config | missing
        apps/v1 Deployment shop/after needs=/namespaces/shop/ConfigMap/other | missing
        ",
    );
    assert_eq!(
        edges(&plan),
        [
            "robot <- ",
            "robot <- robot applied",
            "config <- ",
            "other <- ",
            "other <- other applied",
            "after <- other healthy",
            "web <- config applied",
        ]
    );
}
