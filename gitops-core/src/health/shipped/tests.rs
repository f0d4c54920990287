use std::collections::BTreeSet;

use super::*;

/// `(group, kind)` of each name of a rule, with `*` in a kind replaced by a word.
fn kinds_of(rule: &Rule) -> impl Iterator<Item = (String, String)> {
    let (group, kinds) = rule.names.split_once('/').unwrap();
    kinds.split('|').map(move |kind| (group.replace('*', "any"), kind.replace('*', "Any")))
}

#[test]
fn no_rule_hides_another() {
    let mut seen = BTreeSet::new();
    for rule in TABLES.into_iter().flatten() {
        for (group, kind) in kinds_of(rule) {
            let found = rule_of(&group, &kind).map(|rule| rule.names);
            assert_eq!(found, Some(rule.names), "{group}/{kind}");
            assert!(seen.insert((group, kind)), "{} is there twice", rule.names);
        }
    }
}

#[test]
fn the_rule_of_a_group_comes_before_that_of_its_family() {
    for (group, kind, names) in [
        ("s3.aws.crossplane.io", "Bucket", Some("*.crossplane.io/*")),
        ("pkg.crossplane.io", "Provider", Some("pkg.crossplane.io/Provider|Configuration|Function")),
        (
            "aws.crossplane.io",
            "ProviderConfig",
            Some("*.crossplane.io/*ProviderConfig|*ProviderConfigUsage|StoreConfig"),
        ),
        ("crossplane.io", "Thing", None),
        ("example.com", "Widget", None),
        ("", "Pod", None),
    ] {
        assert_eq!(rule_of(group, kind).map(|rule| rule.names), names, "{group}/{kind}");
    }
}

#[test]
fn kinds_are_judged_by_what_their_controllers_write() {
    use crate::health::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
    for (kind, rest, status) in [
        ("acme.cert-manager.io/v1/Challenge", r#""status":{"state":"pending"}"#, Progressing),
        ("acme.cert-manager.io/v1/Order", r#""status":{"state":"invalid"}"#, Degraded),
        ("argoproj.io/v1alpha1/Application", r#""status":{"health":{"status":"Healthy"}}"#, Healthy),
        (
            "argoproj.io/v1alpha1/Application",
            r#""status":{"health":{"status":"Healthy"},"operationState":{"phase":"Running"}}"#,
            Progressing,
        ),
        (
            "cert-manager.io/v1/CertificateRequest",
            r#""status":{"conditions":[{"type":"Ready","status":"False","reason":"Pending"}]}"#,
            Progressing,
        ),
        (
            "cert-manager.io/v1/CertificateRequest",
            r#""status":{"conditions":[{"type":"Ready","status":"False","reason":"Failed"}]}"#,
            Degraded,
        ),
        (
            "config.openshift.io/v1/ClusterOperator",
            r#""status":{"conditions":[{"type":"Available","status":"True"},{"type":"Progressing","status":"True"}]}"#,
            Progressing,
        ),
        // Azure retries what is a warning, and gives up on what is an error.
        (
            "storage.azure.com/v1api20230101/StorageAccount",
            r#""status":{"conditions":[{"type":"Ready","status":"False","severity":"Warning"}]}"#,
            Progressing,
        ),
        (
            "storage.azure.com/v1api20230101/StorageAccount",
            r#""status":{"conditions":[{"type":"Ready","status":"False","severity":"Error"}]}"#,
            Degraded,
        ),
        // A revision without traffic is scaled to nothing, which is no failure.
        (
            "serving.knative.dev/v1/Revision",
            r#""status":{"conditions":[{"type":"Active","status":"False","severity":"Info"},{"type":"Ready","status":"True"}]}"#,
            Healthy,
        ),
        (
            "kustomize.toolkit.fluxcd.io/v1/Kustomization",
            r#""status":{"conditions":[{"type":"Reconciling","status":"True"},{"type":"Ready","status":"Unknown"}]}"#,
            Progressing,
        ),
        ("kustomize.toolkit.fluxcd.io/v1/Kustomization", r#""spec":{"suspend":true}"#, Suspended),
        ("longhorn.io/v1beta2/Volume", r#""status":{"state":"attached","robustness":"degraded"}"#, Degraded),
        ("networking.istio.io/v1/VirtualService", "", Healthy),
        ("monitoring.coreos.com/v1/ServiceMonitor", "", Healthy),
        (
            "s3.services.k8s.aws/v1alpha1/Bucket",
            r#""status":{"conditions":[{"type":"ACK.ResourceSynced","status":"True"}]}"#,
            Healthy,
        ),
        (
            "tekton.dev/v1/PipelineRun",
            r#""status":{"conditions":[{"type":"Succeeded","status":"Unknown","reason":"Running"}]}"#,
            Progressing,
        ),
        ("velero.io/v1/Backup", r#""status":{"phase":"PartiallyFailed"}"#, Degraded),
        ("velero.io/v1/Backup", r#""status":{"phase":"InProgress"}"#, Progressing),
        // One parent is named, and another has judged: left behind from an older spec.
        (
            "gateway.networking.k8s.io/v1/HTTPRoute",
            r#""spec":{"parentRefs":[{"name":"b"}]},"status":{"parents":[{"parentRef":{"name":"a"},"conditions":[{"type":"Accepted","status":"False"}]},{"parentRef":{"name":"b"},"conditions":[{"type":"Accepted","status":"True"}]}]}"#,
            Healthy,
        ),
        (
            "gateway.networking.k8s.io/v1/HTTPRoute",
            r#""spec":{"parentRefs":[{"name":"a"},{"name":"b"}]},"status":{"parents":[{"parentRef":{"name":"b"},"conditions":[{"type":"Accepted","status":"True"}]}]}"#,
            Progressing,
        ),
    ] {
        let health = crate::health::tests::judge(&crate::health::tests::live(kind, rest));
        assert_eq!(health.status, status, "{kind} {rest}: {} `{}`", health.rule, health.message);
    }
}

#[test]
fn a_kind_that_is_known_to_report_is_waited_for_however_long_it_is_silent() {
    use crate::health::Confidence;
    use crate::health::HealthStatus::{Healthy, Progressing};
    for (kind, status, confidence) in [
        ("cert-manager.io/v1/Certificate", Progressing, Confidence::Reported),
        ("istio.io/v1/Widget", Healthy, Confidence::Unconfirmed),
        ("security.istio.io/v1/PeerAuthentication", Healthy, Confidence::NothingToReport),
    ] {
        let health = crate::health::tests::judge(&crate::health::tests::live(kind, ""));
        assert_eq!((health.status, health.confidence), (status, confidence), "{kind}");
    }
}
