use super::{HookDelete, Options, Permission, Phase, Role, options};
use crate::problem::{Problem, Severity};
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::value::Value;

fn object(place: &str, pairs: &[(&str, &str)]) -> Resource {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name:?}:{value:?}")).collect();
    let pairs = pairs.join(",");
    let json = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a","namespace":"n","{place}":{{{pairs}}}}}}}"#
    );
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn read(pairs: &[(&str, &str)]) -> (Options, Vec<Problem>) {
    options(&object("annotations", pairs))
}

/// Options of annotations without a problem.
fn clean(pairs: &[(&str, &str)]) -> Options {
    let (options, problems) = read(pairs);
    assert!(problems.is_empty(), "{pairs:?}: {problems:?}");
    options
}

#[test]
fn an_object_without_annotations_of_ours_has_the_default_options() {
    let nothing = object("labels", &[("app", "web"), ("helm.sh/chart", "web-1")]);
    assert_eq!(options(&nothing), (Options::default(), vec![]));
    assert_eq!(clean(&[("checksum/config", "1")]), Options::default());
    assert_eq!(clean(&[("argocd.argoproj.io/tracking-id", "a:/Pod:n/a")]), Options::default());
}

#[test]
fn a_wave_is_ours_else_argos_else_helms_weight() {
    for (pairs, wave) in [
        (vec![("argocd.argoproj.io/sync-wave", "-1")], -1),
        (vec![("argocd.argoproj.io/sync-wave", "+5")], 5),
        (vec![("helm.sh/hook-weight", "3")], 3),
        (vec![("argocd.argoproj.io/sync-wave", "2"), ("helm.sh/hook-weight", "3")], 2),
        (vec![("gitops.rs/sync-wave", "7"), ("argocd.argoproj.io/sync-wave", "soon")], 7),
    ] {
        assert_eq!(read(&pairs).0.wave, wave, "{pairs:?}");
    }
}

#[test]
fn a_hook_runs_in_its_phases_and_skip_counts_only_alone() {
    use Phase::*;
    let argo = "argocd.argoproj.io/hook";
    for (pairs, role, phases) in [
        (vec![(argo, "PreSync, PostSync")], Role::Hook, vec![PreSync, PostSync]),
        (vec![(argo, "Sync,Sync")], Role::Hook, vec![Sync]),
        (vec![(argo, "Skip")], Role::Ignored, vec![]),
        (vec![(argo, "Skip,PreSync")], Role::Hook, vec![PreSync]),
        (vec![(argo, "PreDelete,PostDelete")], Role::Hook, vec![PreDelete, PostDelete]),
        (vec![("helm.sh/hook", "pre-install,pre-upgrade")], Role::Hook, vec![PreSync]),
        (vec![("helm.sh/hook", "post-install")], Role::Hook, vec![PostSync]),
        (vec![("helm.sh/hook", "test")], Role::Ignored, vec![]),
        (vec![("helm.sh/hook", "crd-install")], Role::Resource, vec![]),
        (vec![("helm.sh/hook", "pre-install"), (argo, "SyncFail")], Role::Hook, vec![SyncFail]),
        (vec![("gitops.rs/hook", "PostSync"), (argo, "PreSync")], Role::Hook, vec![PostSync]),
    ] {
        let (options, _) = read(&pairs);
        assert_eq!(options.role, role, "{pairs:?}");
        let found: Vec<_> = options.hook.into_iter().flat_map(|hook| hook.phases).collect();
        assert_eq!(found, phases, "{pairs:?}");
    }
}

#[test]
fn delete_policies_of_argo_and_helm_are_united_and_ours_wins() {
    use HookDelete::*;
    let (argo, helm) = ("argocd.argoproj.io/hook-delete-policy", "helm.sh/hook-delete-policy");
    for (pairs, policies) in [
        (vec![], vec![BeforeHookCreation]),
        (vec![(argo, "HookSucceeded"), (helm, "before-hook-creation")], vec![BeforeHookCreation, HookSucceeded]),
        (vec![(argo, "HookSucceeded"), ("gitops.rs/hook-delete-policy", "HookFailed")], vec![HookFailed]),
    ] {
        let mut pairs = pairs.clone();
        pairs.push(("argocd.argoproj.io/hook", "Sync"));
        let found: Vec<_> = clean(&pairs).hook.unwrap().delete.into_iter().collect();
        assert_eq!(found, policies, "{pairs:?}");
    }
}

#[test]
fn pruning_is_what_the_most_careful_annotation_says() {
    use Permission::*;
    let argo = "argocd.argoproj.io/sync-options";
    for (pairs, prune, delete) in [
        (vec![(argo, "Prune=false")], Never, Default),
        (vec![(argo, "Prune=confirm,Delete=false")], Confirm, Never),
        (vec![("helm.sh/resource-policy", "keep")], Never, Never),
        (vec![("helm.sh/resource-policy", "keep"), (argo, "Prune=true")], Never, Never),
        (vec![("kustomize.toolkit.fluxcd.io/prune", "Disabled")], Never, Never),
        (vec![("cli-utils.sigs.k8s.io/on-remove", "keep")], Never, Never),
        (vec![("client.lifecycle.config.k8s.io/deletion", "detach")], Never, Never),
        (vec![("kapp.k14s.io/delete-strategy", "orphan")], Never, Never),
        (vec![("kapp.k14s.io/delete-strategy", "")], Default, Default),
        (vec![("gitops.rs/prune", "confirm")], Confirm, Default),
        (vec![("gitops.rs/sync-options", "Prune=true,Delete=true"), (argo, "Prune=true")], Default, Default),
        (vec![("gitops.rs/prune", "disabled"), (argo, "Prune=confirm")], Never, Default),
    ] {
        let options = clean(&pairs);
        assert_eq!((options.prune, options.delete), (prune, delete), "{pairs:?}");
    }
}

#[test]
fn our_word_does_not_overrule_a_word_of_others_that_keeps_more_and_says_so() {
    use Permission::*;
    let (argo, helm, own) = ("argocd.argoproj.io/sync-options", "helm.sh/resource-policy", "gitops.rs/sync-options");
    for (pairs, prune, delete, expected) in [
        (
            vec![("gitops.rs/prune", "enabled"), (argo, "Prune=false")],
            Never,
            Default,
            vec![
                "`metadata.annotations[\"gitops.rs/prune\"]`: says that it may be pruned, and \
                 `argocd.argoproj.io/sync-options` keeps more: that counts; remove \
                 `argocd.argoproj.io/sync-options` if it may go",
            ],
        ),
        (
            vec![(helm, "keep"), (own, "Prune=true,Delete=confirm")],
            Never,
            Never,
            vec![
                "`metadata.annotations[\"gitops.rs/sync-options\"]`: says that it may be pruned, and \
                 `helm.sh/resource-policy` keeps more: that counts; remove `helm.sh/resource-policy` if it may go",
                "`metadata.annotations[\"gitops.rs/sync-options\"]`: says that it may be deleted with its application, \
                 and `helm.sh/resource-policy` keeps more: that counts; remove `helm.sh/resource-policy` if it may go",
            ],
        ),
        (
            vec![("kustomize.toolkit.fluxcd.io/prune", "disabled"), ("gitops.rs/prune", "confirm")],
            Never,
            Never,
            vec![
                "`metadata.annotations[\"gitops.rs/prune\"]`: says that it may be pruned, and \
                 `kustomize.toolkit.fluxcd.io/prune` keeps more: that counts; remove \
                 `kustomize.toolkit.fluxcd.io/prune` if it may go",
            ],
        ),
    ] {
        let (options, problems) = read(&pairs);
        assert_eq!((options.prune, options.delete), (prune, delete), "{pairs:?}");
        assert!(problems.iter().all(|problem| problem.severity == Severity::Warning));
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected, "{pairs:?}");
    }
}

#[test]
fn what_kapp_is_told_to_leave_alone_is_left_alone() {
    for pairs in [[("kapp.k14s.io/noop", "")], [("kapp.k14s.io/exists", "")]] {
        let options = clean(&pairs);
        assert_eq!((options.role, options.prune), (Role::Ignored, Permission::Never), "{pairs:?}");
    }
    let (_, problems) = read(&[("kapp.k14s.io/delete-strategy", "orphans")]);
    assert_eq!(problems.first().map(|problem| problem.severity), Some(Severity::Blocks), "{problems:?}");
}

#[test]
fn sync_options_set_the_options_of_the_object() {
    let options = clean(&[(
        "argocd.argoproj.io/sync-options",
        "PruneLast=true, Replace=true,Force=true,SkipDryRunOnMissingResource=true,PrunePropagationPolicy=orphan,\
         ServerSideApply=true,",
    )]);
    assert!(options.prune_last && options.replace && options.force && options.skip_dry_run_on_missing_resource);
    assert_eq!(options.propagation, Some(Propagation::Orphan));
    assert!(clean(&[("argocd.argoproj.io/ignore-healthcheck", "true")]).ignore_health);
    assert!(clean(&[("client.lifecycle.config.k8s.io/mutation", "ignore")]).create_only);
}

#[test]
fn flux_speaks_in_annotations_and_labels() {
    for (value, expected) in [("IfNotPresent", (Role::Resource, true)), ("Ignore", (Role::Ignored, false))] {
        for place in ["annotations", "labels"] {
            let (options, problems) = options(&object(place, &[("kustomize.toolkit.fluxcd.io/ssa", value)]));
            assert_eq!(((options.role, options.create_only), problems), (expected, vec![]), "{place} {value}");
        }
    }
    assert_eq!(clean(&[("kustomize.toolkit.fluxcd.io/reconcile", "disabled")]).role, Role::Ignored);
}

#[test]
fn dependencies_are_read_as_cli_utils_writes_them() {
    let options = clean(&[("config.kubernetes.io/depends-on", "/namespaces/n/Secret/db, apps/Kind/c")]);
    let expected = [ResourceKey::new("", "Secret", "n", "db"), ResourceKey::new("apps", "Kind", None, "c")];
    assert_eq!(options.depends_on, expected);
}

#[test]
fn dependencies_that_several_annotations_name_add_up() {
    let options = clean(&[
        ("argocd.argoproj.io/depends-on", "/namespaces/n/Secret/db"),
        ("config.kubernetes.io/depends-on", "apps/Kind/c,/namespaces/n/Secret/db"),
    ]);
    let expected = [ResourceKey::new("", "Secret", "n", "db"), ResourceKey::new("apps", "Kind", None, "c")];
    assert_eq!(options.depends_on, expected);
}

#[test]
fn annotations_that_give_way_are_named_where_they_mean_something_else() {
    let told = |pairs: &[(&str, &str)]| {
        let (_, problems) = read(pairs);
        problems.iter().map(|problem| format!("{:?}: {problem}", problem.severity)).collect::<Vec<_>>().join("\n")
    };
    let (own, argo, helm) = ("gitops.rs/hook", "argocd.argoproj.io/hook", "helm.sh/hook");
    assert_eq!(told(&[(argo, "PreSync"), (helm, "pre-install,pre-upgrade")]), "");
    let waves = told(&[("gitops.rs/sync-wave", "1"), ("argocd.argoproj.io/sync-wave", "5")]);
    assert!(waves.starts_with("Warning") && waves.contains("says `5`, and `gitops.rs/sync-wave` says `1`"), "{waves}");
    let hooks = told(&[(own, "PreSync"), (argo, "PostSync"), (helm, "pre-install")]);
    assert!(hooks.contains("says `PostSync`, and `gitops.rs/hook` says `PreSync`, which counts"), "{hooks}");
    assert_eq!(hooks.lines().count(), 1, "{hooks}");
    let charts = told(&[(argo, "PreSync"), (helm, "post-install")]);
    assert!(charts.starts_with("Note") && charts.contains("`post-install`"), "{charts}");
}

#[test]
fn what_cannot_be_read_names_annotation_value_and_what_is_allowed() {
    let argo = |name: &str| format!("argocd.argoproj.io/{name}");
    for (name, value, expected) in [
        (
            argo("sync-wave"),
            "soon",
            "sync wave `soon` is not a whole number; use a whole number in quotes, such as \"-1\" or \"5\"",
        ),
        (
            argo("sync-wave"),
            "99999999999",
            "sync wave `99999999999` is out of range; use a whole number in quotes, such as \"-1\" or \"5\"",
        ),
        (
            argo("hook"),
            "Sync,Later",
            "`Later` is unknown; use `PreSync`, `Sync`, `PostSync`, `SyncFail`, `PreDelete`, `PostDelete` or `Skip`",
        ),
        (
            argo("hook"),
            "",
            "names no phase; use `PreSync`, `Sync`, `PostSync`, `SyncFail`, `PreDelete`, `PostDelete` or `Skip`, \
             or remove the annotation",
        ),
        (
            argo("sync-options"),
            "prune=false",
            "sync option `prune=false` is unknown; use `Prune`, `PruneLast`, `PrunePropagationPolicy`, `Delete`, \
             `Replace`, `Force`, `ServerSideApply`, `Validate` or `SkipDryRunOnMissingResource`, as in `Prune=false`",
        ),
        (argo("sync-options"), "Replace", "sync option `Replace` is unknown; use `true` or `false` as its value"),
        ("gitops.rs/prune".into(), "no", "`no` is not allowed here; use `enabled`, `disabled` or `confirm`"),
        ("gitops.rs/on-remove".into(), "Keep", "`Keep` is not allowed here; use `keep` or `unset`"),
        (
            "gitops.rs/prnue".into(),
            "disabled",
            "there is no annotation `gitops.rs/prnue`; use one of `gitops.rs/deletion-approved`, `gitops.rs/depends-on`, `gitops.rs/hook`, \
             `gitops.rs/hook-delete-policy`, `gitops.rs/ignore-healthcheck`, `gitops.rs/on-remove`, \
             `gitops.rs/operation`, `gitops.rs/prune`, `gitops.rs/sync-options`, `gitops.rs/sync-wave`, `gitops.rs/tracking-id`",
        ),
        (
            "gitops.rs/depends-on".into(),
            "Secret/db",
            "dependency `Secret/db` cannot be read; use `group/namespaces/namespace/kind/name` or `group/kind/name`, \
             separated by commas; the core group is empty, as in `/namespaces/shop/Secret/db`",
        ),
        ("gitops.rs/depends-on".into(), "/namespaces/n/Pod/a", "depends on itself; remove this dependency"),
    ] {
        let (_, problems) = read(&[(&name, value)]);
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [format!("`metadata.annotations[{name:?}]`: {expected}")]);
        assert_eq!(problems[0].severity, Severity::Blocks);
    }
}

#[test]
fn an_annotation_that_is_no_text_is_told_to_be_quoted() {
    let json =
        br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","annotations":{"argocd.argoproj.io/sync-wave":5}}}"#;
    let (_, problems) = options(&Resource::new(Value::from_json(json).unwrap()).unwrap());
    assert_eq!(
        problems[0].to_string(),
        "`metadata.annotations[\"argocd.argoproj.io/sync-wave\"]`: an annotation is a text, not a number; \
         put the value in quotes"
    );
}

#[test]
fn what_cannot_both_be_meant_is_a_warning_and_what_means_nothing_a_note() {
    let options = "argocd.argoproj.io/sync-options";
    let hook = ("argocd.argoproj.io/hook", "Sync");
    for (pairs, severity, text) in [
        (
            vec![hook, (options, "Replace=true")],
            Severity::Warning,
            "options of applying, replacing, forcing and the order of pruning have no effect on a hook",
        ),
        (
            vec![hook, (options, "Force=true")],
            Severity::Warning,
            "options of applying, replacing, forcing and the order of pruning have no effect on a hook",
        ),
        (
            vec![("helm.sh/hook-delete-policy", "hook-failed")],
            Severity::Warning,
            "has no effect: the object is no hook",
        ),
        (
            vec![(options, "Prune=false,PruneLast=true")],
            Severity::Warning,
            "`PruneLast=true` has no effect: the object is never pruned",
        ),
        (
            vec![(options, "CreateNamespace=true")],
            Severity::Note,
            "sync option `CreateNamespace=true` has no effect: it is an option of an application, not of an object",
        ),
        (
            vec![hook, ("gitops.rs/depends-on", "/namespaces/n/Secret/db")],
            Severity::Blocks,
            "a hook cannot depend on single objects",
        ),
    ] {
        let (_, problems) = read(&pairs);
        assert_eq!(problems.iter().map(|p| (p.severity, &*p.text)).collect::<Vec<_>>(), [(severity, text)]);
    }
}

#[test]
fn an_option_with_two_values_in_one_annotation_holds_the_object_back() {
    for name in ["argocd.argoproj.io/sync-options", "gitops.rs/sync-options"] {
        for (value, text) in [
            ("Replace=true,Replace=false", "there are both `Replace=true` and `Replace=false`; remove one"),
            ("Delete=false, Delete=true", "there are both `Delete=false` and `Delete=true`; remove one"),
            ("Prune=confirm,Force=true,Prune=false", "there are both `Prune=confirm` and `Prune=false`; remove one"),
        ] {
            let (_, problems) = read(&[(name, value)]);
            let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(texts, [format!("`metadata.annotations[{name:?}]`: {text}")]);
            assert_eq!(problems[0].severity, Severity::Blocks);
        }
        // Twice the same is meant.
        assert_eq!(clean(&[(name, "Delete=false,Delete=false")]).delete, Permission::Never);
    }
}

#[test]
fn of_two_annotations_of_ours_the_one_that_keeps_more_counts_and_is_told() {
    use Permission::*;
    for (prune, options, counts, expected) in [
        ("enabled", "Prune=false", "Prune=false", Never),
        ("enabled", "Prune=confirm", "Prune=confirm", Confirm),
        ("disabled", "Prune=true", "disabled", Never),
        ("disabled", "Prune=confirm", "disabled", Never),
        ("confirm", "Prune=false", "Prune=false", Never),
        ("confirm", "Prune=true", "confirm", Confirm),
    ] {
        let (found, problems) = read(&[("gitops.rs/prune", prune), ("gitops.rs/sync-options", options)]);
        assert_eq!(found.prune, expected, "{prune}, {options}");
        let text = format!(
            "says `{prune}`, and `gitops.rs/sync-options` says `{options}`: `{counts}` counts, since it keeps more"
        );
        let told: Vec<_> = problems.iter().map(|problem| (problem.severity, &*problem.text)).collect();
        assert_eq!(told, [(Severity::Warning, &*text)]);
    }
    for (prune, options) in [("enabled", "Prune=true"), ("disabled", "Prune=false"), ("confirm", "Prune=confirm")] {
        clean(&[("gitops.rs/prune", prune), ("gitops.rs/sync-options", options)]);
    }
}
