use std::time::Duration;

use super::*;
use crate::policy::{CreateNamespace, Prune, Shared};

const WHOLE: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: guestbook
  namespace: argocd
  labels: {team: shop}
  annotations: {notifications.argoproj.io/subscribe.on-sync-failed.slack: shop}
  finalizers: [resources-finalizer.argocd.argoproj.io]
spec:
  project: default
  source:
    repoURL: https://github.com/argoproj/argocd-example-apps.git
    targetRevision: v1.2.0
    path: guestbook
    directory: {recurse: true, jsonnet: {}, include: '*.yaml', exclude: 'test-*'}
  destination: {server: https://kubernetes.default.svc, namespace: guestbook}
  info: [{name: url, value: https://example.org}]
  syncPolicy:
    automated: {prune: true, selfHeal: true, allowEmpty: false}
    syncOptions: [Validate=false, CreateNamespace=true, FailOnSharedResource=true, RespectIgnoreDifferences=true]
    managedNamespaceMetadata: {labels: {team: shop}, annotations: {}}
    retry: {limit: 3, backoff: {duration: '10', factor: 3, maxDuration: 1m}, refresh: true}
  ignoreDifferences:
  - {group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}
  revisionHistoryLimit: 7
status: {sync: {status: Synced}, history: []}
";

#[test]
fn a_source_says_whether_its_files_called_sourceignore_are_heeded() {
    use crate::source::IgnoreFiles::{NotRead, SourceIgnore};
    let whole = "{recurse: true, jsonnet: {}, include: '*.yaml', exclude: 'test-*'}";
    for (directory, expected) in [("{}", NotRead), (whole, NotRead), ("{sourceIgnore: true}", SourceIgnore)] {
        let application = one(&WHOLE.replace(whole, directory));
        assert_eq!(application.app("").unwrap().paths.ignore_files, expected, "{directory}");
    }
}

#[test]
fn an_application_of_argo_cd_is_read_as_it_is() {
    let application = one(WHOLE);
    let spec = &application.spec;
    let app = application.app("").unwrap();
    assert_eq!(
        (&*application.name, app.target.as_str(), app.namespace.as_deref()),
        ("guestbook", "v1.2.0", Some("guestbook"))
    );
    assert!(app.paths.wants("guestbook/a/b.yaml") && !app.paths.wants("guestbook/test-a.yaml"));
    assert_eq!((app.policy.prune, app.policy.shared), (Prune::Owned, Shared::Stop));
    assert!(matches!(&app.policy.create_namespace, CreateNamespace::Managed(metadata) if metadata.labels.len() == 1));
    assert_eq!(app.rules.iter().count(), 1);
    let retry = spec.sync_policy.retry.unwrap();
    let pauses: Vec<_> = (0..4).map(|tried| retry.pause(tried).map(|pause| pause.as_secs())).collect();
    assert_eq!(pauses, [Some(10), Some(30), Some(60), None]);
    assert!(spec.automated().is_some_and(|automated| automated.self_heal) && !spec.suspend);
    assert_eq!((spec.history_limit(), spec.info.len()), (7, 1));
    assert_eq!(
        problems(WHOLE),
        [
            "a.yaml:9:3: argoproj.io/Application guestbook: `metadata.finalizers`: objects are deleted when that is asked for, never because this document is gone",
            "a.yaml:23:78: argoproj.io/Application guestbook: `spec.syncPolicy.retry.refresh`: a new revision is always taken up",
        ]
    );
}

#[test]
fn an_application_of_ours_has_more() {
    let text = "
apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  source: {repoURL: https://example.org/shop.git}
  dependsOn: [db, cache, db]
  suspend: true
  hooksOnHeal: true
  hookLimit: 2
  info: [{name: docs, value: https://example.org/shop}]
  policy: {prune: owned, waveTimeoutSeconds: 60, createNamespace: {managed: {labels: {team: shop}}}, rolloutBudget: 25%}
  ignoreDifferences: [{kind: Deployment, paths: [spec.replicas]}]
";
    let application = one(text);
    let app = application.app("blue").unwrap();
    assert_eq!((app.target.as_str(), app.namespace, app.policy.prune), ("HEAD", None, Prune::Owned));
    assert_eq!(app.policy.wave_timeout, Duration::from_secs(60));
    assert!(matches!(app.policy.create_namespace, CreateNamespace::Managed(_)));
    assert!(application.spec.suspend && application.spec.depends_on.len() == 2);
    assert_eq!((application.spec.hooks_on_heal, application.spec.hook_limit.map(u32::from)), (true, Some(2)));
    assert_eq!(app.info.iter().map(|info| &*info.name).collect::<Vec<_>>(), ["docs"]);
    assert_eq!(application.spec.destination.cluster(), ("https://kubernetes.default.svc", "in-cluster"));
}

#[test]
fn what_is_wrong_is_said_with_line_and_field() {
    let rows = [
        ("sorce: {}", "a.yaml:7:3: argoproj.io/Application shop: `spec.sorce`: there is no such field"),
        (
            "suspend: sometimes",
            "a.yaml:7:3: argoproj.io/Application shop: `spec.suspend`: a text is written, and a boolean is expected",
        ),
        (
            "syncPolicy:\n  automated:\n    prun: true",
            "a.yaml:9:7: argoproj.io/Application shop: `spec.syncPolicy.automated.prun`: there is no such field",
        ),
        (
            "syncPolicy:\n  syncOptions:\n  - Prune=fasle",
            "a.yaml:8:5: argoproj.io/Application shop: `spec.syncPolicy.syncOptions`: `Prune=fasle` is no sync option",
        ),
        (
            "syncPolicy: {syncOptions: [Replace=true, Replace=false]}",
            "a.yaml:7:16: argoproj.io/Application shop: `spec.syncPolicy.syncOptions`: there are both `Replace=true` and `Replace=false`",
        ),
        (
            "syncPolicy: {retry: {limit: 99999999999}}",
            "a.yaml:7:24: argoproj.io/Application shop: `spec.syncPolicy.retry.limit`: `99999999999` tries are too many",
        ),
        (
            "syncPolicy: {retry: {backoff: {duration: 5x}}}",
            "a.yaml:7:34: argoproj.io/Application shop: `spec.syncPolicy.retry.backoff.duration`: `5x` is no duration: there is no unit `x`",
        ),
        (
            "ignoreDifferences:\n- {kind: Pod, jsonPointers: ['x']}",
            "a.yaml:7:3: argoproj.io/Application shop: `spec.ignoreDifferences`: rule 1: path `x` cannot be read: column 1: a JSON pointer begins with `/`",
        ),
        (
            "ignoreDifferences: {}",
            "a.yaml:7:3: argoproj.io/Application shop: `spec.ignoreDifferences`: rule 1: a list of rules is expected, not a map",
        ),
        (
            "hookLimit: 0",
            "a.yaml:7:3: argoproj.io/Application shop: `spec.hookLimit`: invalid value: integer `0`, expected a nonzero u32",
        ),
        (
            "hooksOnHeal: often",
            "a.yaml:7:3: argoproj.io/Application shop: `spec.hooksOnHeal`: a text is written, and a boolean is expected",
        ),
        ("info:\n- name: a", "a.yaml:8:5: argoproj.io/Application shop: `spec.info[0]`: `value` is missing"),
        (
            "revisionHistoryLimit: -1",
            "a.yaml:7:3: argoproj.io/Application shop: `spec.revisionHistoryLimit`: invalid value: integer `-1`, expected u32",
        ),
        (
            "policy: {prune: sometimes}",
            "a.yaml:7:12: argoproj.io/Application shop: `spec.policy.prune`: `sometimes` is not known",
        ),
    ];
    for (spec, problem) in rows {
        let text = argo(&format!("{PLAIN}{spec}"));
        assert_eq!(problems(&text), [problem], "{spec}");
        let documents = read(&"a.yaml".into(), text.as_bytes());
        assert_eq!((documents.applications.len(), documents.held_back.len()), (0, 1), "{spec}");
    }
}

#[test]
fn what_only_the_whole_tells_is_checked_as_well() {
    let rows = [
        ("destination: {}", "a.yaml:4:1: argoproj.io/Application shop: `spec`: the application has no source"),
        ("source: {repoURL: ''}", "a.yaml:5:3: argoproj.io/Application shop: `spec.source`: `repoURL` is empty"),
        ("source: {path: x}", "a.yaml:5:3: argoproj.io/Application shop: `spec.source`: `repoURL` is missing"),
        (
            "source: {repoURL: a, path: ../x}",
            "a.yaml:5:3: argoproj.io/Application shop: `spec.source`: path `../x` leaves the repository",
        ),
        (
            "source: {repoURL: a, directory: {include: '{a'}}",
            "a.yaml:5:3: argoproj.io/Application shop: `spec.source`: glob `{a` can match nothing: it is empty, or a bracket is not closed",
        ),
        (
            "sources: [{repoURL: a, ref: values}]",
            "a.yaml:5:3: argoproj.io/Application shop: `spec.sources`: nothing is made from it: it only has a `ref`",
        ),
        (
            "source: {repoURL: a}\ndestination: {server: 'https://me:pass@prod', name: prod}",
            "a.yaml:6:3: argoproj.io/Application shop: `spec.destination`: both a server (https://prod) and a name (`prod`) are given",
        ),
    ];
    for (spec, problem) in rows {
        assert_eq!(problems(&argo(spec)), [problem], "{spec}");
    }
}

#[test]
fn what_would_change_the_objects_blocks_and_the_rest_is_noted() {
    for (spec, words, blocks) in [
        ("source: {repoURL: a, helm: {}}", "Helm charts are not rendered", true),
        ("source: {repoURL: a, chart: redis}", "Helm charts are not fetched", true),
        ("source: {repoURL: a, kustomize: {namePrefix: a-}}", "kustomizations are not built", true),
        ("source: {repoURL: a, plugin: {name: cue}}", "plugins are not run", true),
        ("sources: [{repoURL: a}, {repoURL: b, chart: redis}]", "Helm charts are not fetched", true),
        ("source: {repoURL: a, directory: {jsonnet: {libs: [lib]}}}", "Jsonnet is not evaluated", true),
        (
            "source: {repoURL: a, directory: {disableExtensionFilter: true}}",
            "are read only where `include` names them",
            true,
        ),
        ("source: {repoURL: a, tagPrefix: web/}", "tags are not searched by prefix", true),
        ("sourceHydrator: {drySource: {}}\nsource: {repoURL: a}", "sources are not hydrated", true),
        ("source: {repoURL: a, name: web}", "sources have no names", false),
        ("source: {repoURL: a}\nsources: [{repoURL: b}]", "`source` means nothing where there are `sources`", false),
        (
            "source: {repoURL: a}\nsyncPolicy: {syncOptions: [ServerSideApply=false]}",
            "`ServerSideApply=false` has no effect: what it turns off is always done",
            false,
        ),
    ] {
        let documents = read(&"a.yaml".into(), argo(spec).as_bytes());
        assert!(
            problems(&argo(spec)).iter().any(|problem| problem.contains(words)),
            "{spec}: {:?}",
            documents.problems
        );
        assert_eq!(documents.applications.is_empty(), blocks, "{spec}");
        assert_eq!(documents.held_back.len(), usize::from(blocks), "{spec}");
    }
    for spec in [
        "source: {repoURL: a, helm: null, chart: '', directory: {jsonnet: {}, disableExtensionFilter: false}}",
        "source: {repoURL: a}\nsyncPolicy: null\nignoreDifferences: null\ninfo: null",
        "source: {repoURL: a}\nsyncPolicy: {syncOptions: [ServerSideApply=true, Validate=false, Prune=true, Replace=false]}",
    ] {
        assert_eq!(problems(&argo(spec)), [""; 0], "{spec}");
    }
}

#[test]
fn one_document_that_cannot_be_used_stops_only_itself() {
    let other = argo(PLAIN).replace("name: shop", "name: other");
    let foreign = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let old = argo(PLAIN).replace("v1alpha1", "v1beta1").replace("name: shop", "name: old");
    let text = format!("{}---\n{foreign}---\n{other}---\n{old}---\nkind: X\n", argo("helm: {}"));
    let documents = read(&"a.yaml".into(), text.as_bytes());
    let names: Vec<_> = documents.applications.iter().map(|application| &*application.name).collect();
    let held: Vec<_> = documents.held_back.iter().map(|(_, name, _)| &**name).collect();
    assert_eq!((names, held), (vec!["other"], vec!["shop", "old"]));
    assert_eq!(documents.applications[0].origin.line, 11);
    assert_eq!(documents.problems.len(), 4, "{:?}", documents.problems);
    assert!(documents.incomplete, "a document without a name may be an application");
    assert!(!read(&"a.yaml".into(), other.as_bytes()).incomplete);
}

#[test]
fn options_of_an_application_are_those_of_its_objects_and_its_own_are_its_policy() {
    for (sync_policy, policy, expected) in [
        ("{}", "{}", (Prune::Never, vec![])),
        ("{automated: {prune: true}}", "{}", (Prune::Owned, vec![])),
        ("{}", "{prune: owned}", (Prune::Owned, vec![])),
        ("{automated: {prune: true}, syncOptions: [Prune=false]}", "{}", (Prune::Owned, vec!["Prune=false"])),
        ("{syncOptions: [Prune=confirm]}", "{prune: owned}", (Prune::Owned, vec!["Prune=confirm"])),
        (
            "{syncOptions: [Force=true]}",
            "{syncOptions: [Prune=true]}",
            (Prune::Never, vec!["Force=true", "Prune=true"]),
        ),
        ("{syncOptions: [Force=true]}", "{syncOptions: [Force=false]}", (Prune::Never, vec!["Force=true"])),
        ("{syncOptions: [CreateNamespace=true, ServerSideApply=true]}", "{}", (Prune::Never, vec![])),
    ] {
        let application = one(&argo(&format!("{PLAIN}syncPolicy: {sync_policy}\npolicy: {policy}")));
        let found = application.spec.sync_policy();
        let options: Vec<_> = found.sync_options.iter().map(|option| option.to_string()).collect();
        assert_eq!((found.prune, options), (expected.0, expected.1.iter().map(ToString::to_string).collect()));
    }
    let off = one(&argo(&format!("{PLAIN}syncPolicy: {{automated: {{enabled: false, prune: true}}}}")));
    assert_eq!((off.spec.automated(), off.spec.sync_policy().prune), (None, Prune::Never));
    let made = one(&argo(&format!(
        "{PLAIN}syncPolicy: {{syncOptions: [CreateNamespace=true], managedNamespaceMetadata: {{labels: {{a: b}}}}}}"
    )));
    assert!(matches!(made.spec.sync_policy().create_namespace, CreateNamespace::Managed(_)));
    let text = argo(&format!("{PLAIN}policy: {{syncOptions: [FailOnSharedResource=true]}}"));
    let wrong = problems(&text);
    assert!(wrong[0].contains("`FailOnSharedResource=true` is no option of objects"), "{wrong:?}");
}

#[test]
fn a_pause_grows_up_to_its_limit_and_never_overflows() {
    let retry = |limit, seconds: u64, factor, most: u64| Retry {
        limit,
        backoff: Backoff { duration: Duration::from_secs(seconds), factor, max_duration: Duration::from_secs(most) },
    };
    for (retry, tried, pause) in [
        (Retry::default(), 0, None),
        (retry(RetryLimit::Times(1), 5, 2, 180), 0, Some(5)),
        (retry(RetryLimit::Times(1), 5, 2, 180), 1, None),
        (retry(RetryLimit::Unlimited, 5, 2, 180), 5, Some(160)),
        (retry(RetryLimit::Unlimited, 5, 2, 180), 6, Some(180)),
        (retry(RetryLimit::Unlimited, 5, 2, 180), u32::MAX, Some(180)),
        (retry(RetryLimit::Unlimited, 5, 0, 180), 9, Some(5)),
        (retry(RetryLimit::Unlimited, 5, 2, 0), 3, Some(40)),
        (retry(RetryLimit::Unlimited, 0, 2, 0), 3, Some(1)),
        (retry(RetryLimit::Unlimited, u64::MAX, u32::MAX, 0), u32::MAX, Some(604_800)),
    ] {
        assert_eq!(retry.pause(tried).map(|pause| pause.as_secs()), pause, "{retry:?} {tried}");
    }
}

#[test]
fn several_sources_are_read_and_what_only_others_refer_to_is_left_out() {
    let spec = "sources:\n  - {repoURL: 'https://example.org/shop.git', path: deploy, targetRevision: v1}\n  - {repoURL: b, path: common}\n  - {repoURL: c, ref: values}";
    let documents = read(&"a.yaml".into(), argo(spec).as_bytes());
    assert!(documents.problems.is_empty(), "{:?}", documents.problems);
    let application = documents.applications.first().unwrap();
    let names: Vec<_> = application.spec.read_sources().map(AppSource::short_name).collect();
    assert_eq!(names, ["shop", "b"]);
    assert_eq!(application.app("").unwrap().target.as_str(), "v1+HEAD");
    // Which of them is wrong is said with its line.
    let wrong = argo(&spec.replace("path: common", "chart: redis"));
    let problem = read(&"a.yaml".into(), wrong.as_bytes()).problems.first().unwrap().to_string();
    assert!(
        problem.starts_with("a.yaml:7:") && problem.contains("`spec.sources[1].chart`: Helm charts are not fetched"),
        "{problem}"
    );
}

/// Argo CD's controller leaves such an application alone altogether; to sync it all the same was a fault.
#[test]
fn what_argo_cd_is_told_to_skip_is_suspended() {
    for (value, suspended) in [("'true'", true), ("'1'", true), ("'false'", false), ("'yes'", false)] {
        let name = format!("{{name: shop, annotations: {{argocd.argoproj.io/skip-reconcile: {value}}}}}");
        let text = argo(PLAIN).replace("{name: shop}", &name);
        assert_eq!(one(&text).spec.suspend, suspended, "{value}");
        let said = problems(&text).iter().any(|problem| problem.contains("the application is suspended"));
        assert_eq!(said, suspended, "{value}");
    }
}

#[test]
fn annotations_of_an_application_that_mean_nothing_here_are_named() {
    for annotation in ["sync-wave: '3'", "compare-options: ServerSideDiff=true", "deletion-approved: now"] {
        let name = format!("{{name: shop, annotations: {{argocd.argoproj.io/{annotation}}}}}");
        let found = problems(&argo(PLAIN).replace("{name: shop}", &name));
        assert_eq!(found.len(), 1, "{annotation}: {found:?}");
        assert!(found[0].starts_with("a.yaml:3:"), "{found:?}");
    }
}

#[test]
fn metadata_of_a_namespace_that_is_not_made_are_named() {
    for (options, expected) in [("[]", 1), ("[CreateNamespace=true]", 0)] {
        let text = argo(&format!(
            "{PLAIN}syncPolicy: {{syncOptions: {options}, managedNamespaceMetadata: {{labels: {{a: b}}}}}}"
        ));
        let found = problems(&text);
        assert_eq!(found.len(), expected, "{found:?}");
    }
}
