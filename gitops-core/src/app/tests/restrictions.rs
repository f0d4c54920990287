use super::*;
use crate::model::Scope;
use crate::resource::ResourceKey;

fn project(json: &str) -> Project {
    serde_json::from_str(json).unwrap()
}

/// Rows of `TestAppProject_IsSourcePermitted` and `…IsNegatedSourcePermitted` of Argo CD, and some more.
#[test]
fn a_source_is_permitted_if_a_pattern_matches_and_none_forbids_it() {
    for (patterns, repository, permitted) in [
        (&[][..], "https://github.com/argoproj/test.git", false),
        (&["*"], "https://github.com/argoproj/test.git", true),
        (&["https://github.com/argoproj/test.git"], "https://github.com/argoproj/test.git", true),
        (&["https://github.com/argoproj/test"], "https://GitHub.com/argoproj/test.git", true),
        (&["https://github.com/argoproj/test1.git"], "https://github.com/argoproj/test.git", false),
        (&["https://github.com/argoproj/*"], "https://github.com/argoproj/test.git", true),
        (&["https://github.com/argoproj/foo*"], "https://github.com/argoproj/foo1", true),
        (&["https://gitlab.com/group/*"], "https://gitlab.com/group/sub-group/repo", false),
        (&["https://gitlab.com/group/*/*"], "https://gitlab.com/group/sub-group/repo", true),
        (&["https://gitlab.com/group/**"], "https://gitlab.com/group/sub-group/repo/owner", true),
        (&["ssh://git@github.com/argoproj/test"], "git@github.com:argoproj/test.git", true),
        (&["git@github.com:argoproj/*"], "ssh://git@github.com/argoproj/test", true),
        (&["!https://github.com/argoproj/test.git"], "https://github.com/argoproj/test.git", false),
        (&["!ssh://git@GITHUB.com:argoproj/test"], "ssh://git@github.com:argoproj/test", false),
        (&["!https://github.com/argoproj/*"], "https://github.com/argoproj/argoproj.git", false),
        (&["!https://gitlab.com/group/**"], "https://gitlab.com/group/sub-group/repo/owner", false),
        (&["!https://github.com/argoproj/*.git", "*"], "https://github.com/argoproj1/test2.git", true),
        (&["*", "!https://github.com/argoproj/*"], "https://github.com/argoproj/test2.git", false),
        (&["!https://github.com/argoproj/*"], "https://github.com/other/test.git", true),
        // Addresses that Argo CD cannot read are all equal there.
        (&["ssh://git@github.com:argoproj/test"], "ssh://git@github.com:other/evil", false),
    ] {
        let project = project(&format!(r#"{{"sourceRepos": {}}}"#, serde_json::to_string(patterns).unwrap()));
        let answer = project.permits_source(repository);
        assert_eq!(answer.permitted, permitted, "{patterns:?} {repository}: {}", answer.reason);
    }
    let answer = Project::default().permits_source("https://me:hunter2@example.org/shop");
    assert_eq!(answer.reason, "no source repository permits `https://example.org/shop`");
}

/// Rows of `TestAppProject_IsNegatedDestinationPermitted` of Argo CD, and some more. A destination is server, name and
/// namespace.
#[test]
fn a_destination_is_permitted_if_a_place_matches_and_none_forbids_it() {
    const HERE: &str = "https://kubernetes.default.svc";
    for (places, destination, permitted) in [
        (&[][..], (HERE, "", "default"), false),
        (&[(HERE, "", "default")], (HERE, "", "default"), true),
        (&[(HERE, "", "default")], (HERE, "", "kube-system"), false),
        (&[(HERE, "", "*")], ("", "", "default"), true),
        (&[("", "in-cluster", "*")], (HERE, "", "default"), true),
        (&[("https://*.svc", "", "d*")], (HERE, "", "default"), true),
        (&[("*", "", "")], (HERE, "", ""), true),
        (&[("*", "", "")], (HERE, "", "default"), false),
        (&[("!https://kubernetes.default.svc", "", "default")], (HERE, "", "default"), false),
        (&[(HERE, "", "!default")], (HERE, "", "kube-system"), true),
        (&[("!https://my-cluster", "", "default")], (HERE, "", "default"), true),
        (&[("!https://*.default.svc", "", "default")], (HERE, "", "default"), false),
        (&[("!https://team1-*", "", "default")], ("https://test2-dev-cluster", "", "default"), true),
        (&[(HERE, "", "!test-*")], (HERE, "", "test-foo"), false),
        (&[(HERE, "", "!test-*")], (HERE, "", "test"), true),
        (&[("", "!test", "*")], ("", "test", "test"), false),
        (&[("", "!test2", "*")], ("", "test", "test"), true),
        (&[("*", "", "kube-system"), ("*", "", "!kube-system")], (HERE, "", "kube-system"), false),
        (&[("*", "", "*"), ("*", "", "!kube-system")], (HERE, "", "kube-system"), false),
        (&[(HERE, "", "*"), ("!https://kubernetes.default.svc", "", "*")], (HERE, "", "kube-system"), false),
        (&[("*", "", "*"), ("!https://kubernetes.default.svc", "", "kube-system")], (HERE, "", "default"), true),
        (&[("", "test", "*"), ("", "!test", "*")], ("", "test", "test"), false),
        (&[("*", "", "test"), ("!https://test-server", "", "other")], ("https://test-server", "", "test"), true),
        (&[("*", "", "*"), ("https://test-server", "", "!other")], ("https://other-test-server", "", "other"), true),
        // A place that names its cluster by its name forbids as well; in Argo CD it does not.
        (&[("", "*", "*"), ("", "prod", "!kube-system")], ("", "prod", "kube-system"), false),
        (&[("*", "!prod", "*")], ("https://prod", "prod", "shop"), false),
        // What cannot be told is forbidden.
        (&[("*", "!prod", "*")], ("https://somewhere", "", "shop"), false),
    ] {
        let text = |text: &str| if text.is_empty() { None } else { Some(text.parse().unwrap()) };
        let place = |(server, name, namespace): &(&str, &str, &str)| Place {
            server: text(server),
            name: text(name),
            namespace: text(namespace),
        };
        let project = Project { destinations: places.iter().map(place).collect(), ..Project::default() };
        let (server, name, namespace) = destination;
        let asked = Destination { server: server.into(), name: name.into(), namespace: namespace.into() };
        let answer = project.permits_destination(&asked);
        assert_eq!(answer.permitted, permitted, "{places:?} {destination:?}: {}", answer.reason);
    }
}

#[test]
fn a_kind_is_permitted_by_lists_that_differ_for_kinds_with_and_without_namespace() {
    use Scope::{Cluster, Namespaced};
    let key = |kind: &str, name: &str| match kind.split_once('/') {
        Some((group, kind)) => ResourceKey::new(group, kind, None, name),
        None => ResourceKey::new("", kind, None, name),
    };
    for (lists, scope, kind, name, permitted) in [
        ("{}", Namespaced, "Secret", "a", true),
        ("{}", Cluster, "Namespace", "a", false),
        (r#"{"clusterResourceWhitelist": []}"#, Cluster, "Namespace", "a", false),
        (r#"{"namespaceResourceWhitelist": []}"#, Namespaced, "Secret", "a", false),
        (r#"{"namespaceResourceWhitelist": null}"#, Namespaced, "Secret", "a", true),
        (r#"{"namespaceResourceWhitelist": [{"group": "", "kind": "Secret"}]}"#, Namespaced, "Secret", "a", true),
        (r#"{"namespaceResourceWhitelist": [{"kind": "Secret"}]}"#, Namespaced, "apps/Secret", "a", false),
        (
            r#"{"namespaceResourceWhitelist": [{"group": "apps", "kind": "*"}]}"#,
            Namespaced,
            "apps/Deployment",
            "a",
            true,
        ),
        (
            r#"{"namespaceResourceBlacklist": [{"group": "*", "kind": "*Quota"}]}"#,
            Namespaced,
            "ResourceQuota",
            "a",
            false,
        ),
        (
            r#"{"namespaceResourceWhitelist": [{"group": "*", "kind": "*"}], "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]}"#,
            Namespaced,
            "Secret",
            "a",
            false,
        ),
        (r#"{"clusterResourceWhitelist": [{"group": "*", "kind": "*"}]}"#, Cluster, "Namespace", "a", true),
        (
            r#"{"clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": "team-*"}]}"#,
            Cluster,
            "Namespace",
            "team-a",
            true,
        ),
        (
            r#"{"clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": "team-*"}]}"#,
            Cluster,
            "Namespace",
            "kube-system",
            false,
        ),
        (
            r#"{"clusterResourceWhitelist": [{"group": "", "kind": "Namespace", "name": ""}]}"#,
            Cluster,
            "Namespace",
            "kube-system",
            true,
        ),
        (
            r#"{"clusterResourceWhitelist": [{"group": "*", "kind": "*"}], "clusterResourceBlacklist": [{"group": "", "kind": "Namespace", "name": "kube-*"}]}"#,
            Cluster,
            "Namespace",
            "kube-system",
            false,
        ),
        // A list of one scope says nothing of the other.
        (r#"{"clusterResourceBlacklist": [{"group": "*", "kind": "*"}]}"#, Namespaced, "Secret", "a", true),
    ] {
        let answer = project(lists).permits(&key(kind, name), scope);
        assert_eq!(answer.permitted, permitted, "{lists} {kind} {name}: {}", answer.reason);
    }
    let all = Project::unrestricted();
    assert!(
        all.permits(&key("Namespace", "a"), Cluster).permitted && all.permits(&key("Pod", "a"), Namespaced).permitted
    );
    assert!(all.permits_source("x").permitted);
    for place in ["{}", r#"{"server": "https://prod"}"#, r#"{"name": "prod", "namespace": "shop"}"#] {
        let destination: Destination = serde_json::from_str(place).unwrap();
        assert!(all.permits_destination(&destination).permitted, "{place}");
    }
}

#[test]
fn a_pattern_that_forbids_everything_or_cannot_be_read_is_refused() {
    for (json, error) in [
        (r#"{"sourceRepos": ["!*"]}"#, "`!*` forbids everything; name what is forbidden"),
        (r#"{"destinations": [{"server": "!*"}]}"#, "`!*` forbids everything; name what is forbidden"),
        (r#"{"destinations": [{"server": "a["}]}"#, "`a[` is no glob: column 2: a `]` is missing"),
        (
            r#"{"destinations": [{"server": "!!a"}]}"#,
            "`!a` starts with `!`, which says nothing here; name what is meant",
        ),
        (
            r#"{"sourceRepos": ["https://a/b**"]}"#,
            "`**` in `https://a/b**` touches other letters; write it between slashes",
        ),
        (r#"{"clusterResourceWhitelist": [{"group": ""}]}"#, "missing field `kind`"),
        (r#"{"sourceRepo": []}"#, "unknown field `sourceRepo`"),
    ] {
        let found = serde_json::from_str::<Project>(json).unwrap_err().to_string();
        assert!(found.starts_with(error), "{json}: {found}");
    }
}
