use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::policy::window::{Kind, Schedule, Window, Windows, Zone};
use crate::policy::{CreateNamespace, NamespaceMetadata, Permission, Prune, SyncOption, SyncOptions, SyncPolicy};
use crate::resource::Propagation;
use crate::state::TrackingStyle;
use crate::value::Value;

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![Just(String::new()), "[a-zé:/.*! -]{1,12}", Just("null".to_owned()), Just("0644".to_owned())]
        .prop_map(Arc::from)
}

fn source() -> impl Strategy<Value = AppSource> {
    let directory = (any::<bool>(), text(), text(), any::<bool>())
        .prop_map(|(recurse, include, exclude, source_ignore)| Directory { recurse, include, exclude, source_ignore });
    let submodules = option::of(select(vec![Submodules::Refuse, Submodules::Skip, Submodules::Follow]));
    let modules = (submodules, vec(text(), 0..2));
    (text(), text(), prop_oneof![Just(Arc::from("HEAD")), text()], directory, text(), option::of(signed()), modules)
        .prop_map(|(repo_url, path, target_revision, directory, reference, signed, modules)| AppSource {
            repo_url,
            path,
            target_revision,
            reference,
            directory,
            signed,
            submodules: modules.0,
            submodule_repos: modules.1,
        })
}

fn signed() -> impl Strategy<Value = Signed> {
    let since = text().prop_map(SignedWhat::EveryCommitSince);
    let what = prop_oneof![Just(SignedWhat::Head), Just(SignedWhat::Tag), Just(SignedWhat::TagAndHead), since];
    let who = (text(), text()).prop_map(|(signers, keyring)| Signers { signers, keyring });
    let paths = proptest::collection::btree_map(text(), who, 0..2);
    (what, text(), text(), text(), paths).prop_map(|(what, signers, keyring, revoked, paths)| Signed {
        what,
        signers,
        keyring,
        revoked,
        paths,
    })
}

fn option() -> impl Strategy<Value = SyncOption> {
    let permission = || select(vec![Permission::Default, Permission::Never, Permission::Confirm]);
    let propagation = select(vec![Propagation::Foreground, Propagation::Background, Propagation::Orphan]);
    prop_oneof![
        any::<bool>().prop_map(SyncOption::CreateNamespace),
        any::<bool>().prop_map(SyncOption::FailOnSharedResource),
        any::<bool>().prop_map(SyncOption::RespectIgnoreDifferences),
        any::<bool>().prop_map(SyncOption::ApplyOutOfSyncOnly),
        any::<bool>().prop_map(SyncOption::ServerSideApply),
        any::<bool>().prop_map(SyncOption::ClientSideApplyMigration),
        any::<bool>().prop_map(SyncOption::Validate),
        any::<bool>().prop_map(SyncOption::PruneLast),
        any::<bool>().prop_map(SyncOption::Replace),
        any::<bool>().prop_map(SyncOption::Force),
        any::<bool>().prop_map(SyncOption::SkipDryRunOnMissingResource),
        propagation.prop_map(SyncOption::PrunePropagationPolicy),
        permission().prop_map(SyncOption::Prune),
        permission().prop_map(SyncOption::Delete),
    ]
}

fn metadata() -> impl Strategy<Value = NamespaceMetadata> {
    vec(("[a-z]{1,3}", text()), 0..3).prop_map(|labels| NamespaceMetadata {
        labels: labels.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        ..NamespaceMetadata::default()
    })
}

fn settings() -> impl Strategy<Value = SyncSettings> {
    let automated = any::<(bool, bool, bool, bool)>().prop_map(|(enabled, prune, self_heal, allow_empty)| Automated {
        enabled,
        prune,
        self_heal,
        allow_empty,
    });
    let limit = prop_oneof![Just(RetryLimit::Unlimited), any::<u32>().prop_map(RetryLimit::Times)];
    let pause = || (0_u64..1_000_000_000_000_000).prop_map(std::time::Duration::from_nanos);
    let retry = (limit, pause(), any::<u32>(), pause()).prop_map(|(limit, duration, factor, max_duration)| Retry {
        limit,
        backoff: Backoff { duration, factor, max_duration },
    });
    let options = vec(option(), 0..4).prop_map(|options| SyncOptions::new(options).unwrap_or_default());
    (option::of(automated), options, option::of(retry), option::of(metadata())).prop_map(
        |(automated, sync_options, retry, managed_namespace_metadata)| SyncSettings {
            automated,
            sync_options,
            retry,
            managed_namespace_metadata,
        },
    )
}

fn policy() -> impl Strategy<Value = SyncPolicy> {
    let create = prop_oneof![
        Just(CreateNamespace::Never),
        Just(CreateNamespace::IfMissing),
        metadata().prop_map(CreateNamespace::Managed),
    ];
    (select(vec![Prune::Never, Prune::Owned]), create)
        .prop_map(|(prune, create)| SyncPolicy::default().with_prune(prune).with_create_namespace(create))
}

fn differences() -> impl Strategy<Value = IgnoreDifferences> {
    let rules = [
        "[]",
        r#"[{"kind":"Deployment","jsonPointers":["/spec/replicas"]}]"#,
        r#"[{"kind":"Deployment","paths":["spec.replicas"]},{"group":"*","kind":"*","managedFieldsManagers":["hpa"]}]"#,
    ];
    select(rules.to_vec())
        .prop_map(|text| IgnoreDifferences::read(Value::from_json(text.as_bytes()).unwrap().root()).unwrap())
}

fn spec() -> impl Strategy<Value = AppSpec> {
    let destination =
        (text(), text(), text()).prop_map(|(server, name, namespace)| Destination { server, name, namespace });
    let info = vec((text(), text()).prop_map(|(name, value)| Info { name, value }), 0..2);
    let sources = (option::of(source()), vec(source(), 0..3));
    let tracking = select(vec![TrackingStyle::Own, TrackingStyle::ArgoCd, TrackingStyle::ArgoCdAndLabel]);
    let hooks = (any::<bool>(), option::of(any::<std::num::NonZeroU32>()));
    let ours = (policy(), differences(), btree_set(text(), 0..3), any::<bool>(), tracking, hooks);
    (text(), sources, destination, settings(), option::of(any::<u32>()), info, ours).prop_map(
        |(project, (source, sources), destination, sync_policy, revision_history_limit, info, ours)| {
            let (policy, ignore_differences, depends_on, suspend, tracking, (hooks_on_heal, hook_limit)) = ours;
            AppSpec {
                project,
                source,
                sources,
                destination,
                sync_policy,
                policy,
                ignore_differences,
                revision_history_limit,
                info,
                depends_on,
                suspend,
                tracking,
                hooks_on_heal,
                hook_limit,
            }
        },
    )
}

fn project() -> impl Strategy<Value = Project> {
    let pattern = || {
        let texts = ["*", "https://*", "!prod-[a-z]*", "shop", "!https://{a,b}", "a?c"];
        select(texts.to_vec()).prop_map(|text| text.parse::<Pattern>().unwrap())
    };
    let repository = select(vec!["*", "https://Example.org/Team/*.git", "!git@host:team/**", "a/**/b"])
        .prop_map(|text| text.parse::<Repository>().unwrap());
    let place = (option::of(pattern()), option::of(pattern()), option::of(pattern()))
        .prop_map(|(server, name, namespace)| Place { server, name, namespace });
    let glob = || select(vec!["", "*", "apps", "*.example.org", "a\\*"]).prop_map(|text| text.parse().unwrap());
    let kinds = || (glob(), glob()).prop_map(|(group, kind)| Kinds { group, kind });
    let named = || {
        let name = option::of(select(vec!["*", "team-*"]).prop_map(|text| text.parse().unwrap()));
        (glob(), glob(), name).prop_map(|(group, kind, name)| NamedKinds { group, kind, name })
    };
    let schedule = select(vec!["0 22 * * mon-fri", "@daily", "*/5 0-3 1,15 jan ?"]);
    let window = (any::<bool>(), schedule, 0_u64..1_000_000_000, select(vec!["UTC", "Europe/Berlin"])).prop_map(
        |(allow, schedule, millis, zone)| {
            let kind = if allow { Kind::Allow } else { Kind::Deny };
            let schedule = schedule.parse::<Schedule>().unwrap();
            let window = Window::new(kind, schedule, std::time::Duration::from_millis(millis));
            Window { time_zone: zone.parse::<Zone>().unwrap(), manual_sync: allow, ..window }
        },
    );
    let lists = (vec(named(), 0..2), vec(named(), 0..2), option::of(vec(kinds(), 0..2)), vec(kinds(), 0..2));
    (text(), vec(repository, 0..3), vec(place, 0..3), lists, vec(window, 0..3), option::of(signed())).prop_map(
        |(description, source_repos, destinations, lists, windows, signed)| Project {
            description,
            source_repos,
            destinations,
            cluster_resource_whitelist: lists.0,
            cluster_resource_blacklist: lists.1,
            namespace_resource_whitelist: lists.2,
            namespace_resource_blacklist: lists.3,
            signed,
            sync_windows: Windows::new(windows),
        },
    )
}

/// Reads it back as a document: through the reader that remembers where it is.
fn document(kind: &str, spec: &impl serde::Serialize) -> Documents {
    let spec = serde_json::to_string(spec).unwrap();
    let text = format!("apiVersion: gitops.rs/v1alpha1\nkind: {kind}\nmetadata:\n  name: shop\nspec: {spec}\n");
    read(&"a.yaml".into(), text.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn an_application_survives_text(spec in spec()) {
        let json = serde_json::to_string(&spec).unwrap();
        let back: AppSpec = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&back, &spec, "{}", json);
        let documents = document("Application", &spec);
        match documents.applications.first() {
            Some(application) => prop_assert_eq!(&application.spec, &spec),
            None => prop_assert!(documents.problems.iter().any(|problem| problem.severity == Severity::Blocks)),
        }
    }

    #[test]
    fn a_project_survives_text(project in project()) {
        let json = serde_json::to_string(&project).unwrap();
        let back: Project = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&back, &project, "{}", json);
        let documents = document("Project", &project);
        match documents.projects.first() {
            Some((_, back, _)) => prop_assert_eq!(back, &project),
            None => prop_assert!(documents.problems.iter().any(|problem| problem.severity == Severity::Blocks)),
        }
    }
}
