use proptest::prelude::*;

use super::*;
use crate::value::Value;

const NOW: &str = "2026-03-01T12:00:00Z";

fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

/// `kind` as `apiVersion/Kind`, with a generation of 2, and the rest of the object.
pub(super) fn live(kind: &str, rest: &str) -> Resource {
    let (api_version, kind) = kind.rsplit_once('/').unwrap();
    let rest = if rest.is_empty() { String::new() } else { format!(",{rest}") };
    object(&format!(
        r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"x","generation":2}}{rest}}}"#
    ))
}

pub(super) fn judge(live: &Resource) -> Health {
    assess(live, &Clues::new(&ApiModel::builtin(), NOW.parse().unwrap()))
}

fn check(kind: &str, rest: &str, status: HealthStatus, message: &str) {
    let health = judge(&live(kind, rest));
    assert_eq!((health.status, health.confidence), (status, Confidence::Reported), "{kind} {rest}");
    assert!(health.message.contains(message), "{kind} {rest}: {}", health.message);
}

#[test]
fn a_deployment_is_healthy_once_its_present_spec_runs_completely() {
    use HealthStatus::{Degraded, Healthy, Progressing, Suspended};
    for (kind, rest, status, message) in [
        ("apps/v1/Deployment", r#""spec":{"replicas":2,"paused":true}"#, Suspended, "is paused"),
        ("apps/v1/Deployment", "", Progressing, "waiting for the present spec"),
        (
            "apps/v1/Deployment",
            r#""status":{"observedGeneration":1,"updatedReplicas":1,"availableReplicas":1,"replicas":1}"#,
            Progressing,
            "waiting for the present spec",
        ),
        (
            "apps/v1/Deployment",
            r#""status":{"observedGeneration":2,"conditions":[{"type":"ReplicaFailure","status":"True","message":"quota"}]}"#,
            Progressing,
            "0 of 1 new pods exist: quota",
        ),
        (
            "apps/v1/Deployment",
            r#""status":{"observedGeneration":2,"updatedReplicas":1,"replicas":2}"#,
            Progressing,
            "1 old pods",
        ),
        (
            "apps/v1/Deployment",
            r#""status":{"observedGeneration":2,"updatedReplicas":1,"replicas":1}"#,
            Progressing,
            "0 of 1 pods are available",
        ),
        (
            "apps/v1/Deployment",
            r#""status":{"observedGeneration":2,"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded","message":"m"}]}"#,
            Degraded,
            "exceeded its progress deadline: m",
        ),
        (
            "apps/v1/Deployment",
            r#""status":{"observedGeneration":2,"updatedReplicas":1,"availableReplicas":1,"replicas":1}"#,
            Healthy,
            "",
        ),
    ] {
        check(kind, rest, status, message);
    }
}

#[test]
fn stateful_and_daemon_sets_are_healthy_once_all_due_pods_are_updated_and_up() {
    use HealthStatus::{Degraded, Healthy, Progressing};
    for (kind, rest, status, message) in [
        (
            "apps/v1/StatefulSet",
            r#""status":{"observedGeneration":2,"readyReplicas":1,"replicas":1,"currentRevision":"a","updateRevision":"b"}"#,
            Progressing,
            "0 of 1 pods are updated",
        ),
        (
            "apps/v1/StatefulSet",
            r#""spec":{"replicas":1,"updateStrategy":{"rollingUpdate":{"partition":0}}},"status":{"observedGeneration":2,"readyReplicas":1,"replicas":1,"currentRevision":"a","updateRevision":"b"}"#,
            Progressing,
            "0 of 1 pods are updated",
        ),
        (
            "apps/v1/StatefulSet",
            r#""spec":{"replicas":3,"updateStrategy":{"rollingUpdate":{"partition":2}}},"status":{"observedGeneration":2,"readyReplicas":3,"replicas":3,"updatedReplicas":1,"currentRevision":"a","updateRevision":"b"}"#,
            Healthy,
            "1 pods are updated, as the partition asks",
        ),
        (
            "apps/v1/StatefulSet",
            r#""spec":{"replicas":1},"status":{"observedGeneration":2,"readyReplicas":1,"replicas":2}"#,
            Progressing,
            "1 pods are still to go",
        ),
        (
            "apps/v1/StatefulSet",
            r#""spec":{"minReadySeconds":9},"status":{"observedGeneration":2,"readyReplicas":1,"replicas":1,"availableReplicas":0}"#,
            Progressing,
            "0 of 1 pods are available",
        ),
        (
            "apps/v1/StatefulSet",
            r#""spec":{"updateStrategy":{"type":"OnDelete"}},"status":{"observedGeneration":2,"readyReplicas":1,"replicas":1,"currentRevision":"a","updateRevision":"b"}"#,
            Healthy,
            "when they are deleted",
        ),
        (
            "apps/v1/DaemonSet",
            r#""spec":{"updateStrategy":{"type":"OnDelete"}},"status":{"observedGeneration":2,"desiredNumberScheduled":2,"numberAvailable":1}"#,
            Progressing,
            "1 of 2 pods are available",
        ),
        (
            "apps/v1/DaemonSet",
            r#""status":{"observedGeneration":2,"desiredNumberScheduled":2,"numberAvailable":2,"updatedNumberScheduled":2}"#,
            Healthy,
            "",
        ),
        (
            "apps/v1/ReplicaSet",
            r#""status":{"observedGeneration":2,"conditions":[{"type":"ReplicaFailure","status":"True","message":"quota"}]}"#,
            Degraded,
            "quota",
        ),
        ("apps/v1/ReplicaSet", r#""spec":{"replicas":0},"status":{"observedGeneration":2}"#, Healthy, ""),
    ] {
        check(kind, rest, status, message);
    }
}

#[test]
fn what_runs_is_judged_by_its_pods_and_its_end() {
    use HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
    let waiting = r#"[{"name":"c","state":{"waiting":{"reason":"ImagePullBackOff","message":"no such image"}}}]"#;
    for (kind, rest, status, message) in [
        ("v1/Pod", format!(r#""status":{{"phase":"Pending","containerStatuses":{waiting}}}"#), Degraded, "no such image"),
        ("v1/Pod", format!(r#""status":{{"phase":"Pending","initContainerStatuses":{waiting}}}"#), Degraded, "no such image"),
        ("v1/Pod", format!(r#""spec":{{"restartPolicy":"Never"}},"status":{{"phase":"Pending","containerStatuses":{waiting}}}"#), Progressing, ""),
        ("v1/Pod", r#""status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/3 nodes"}]}"#.into(), Progressing, "0/3 nodes"),
        ("v1/Pod", r#""status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}"#.into(), Healthy, ""),
        ("v1/Pod", r#""status":{"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":3}}}]}"#.into(), Degraded, "exit code 3"),
        ("v1/Pod", r#""status":{"phase":"Failed","containerStatuses":[{"name":"c","state":{"terminated":{"reason":"OOMKilled"}}}]}"#.into(), Degraded, "ran out of memory"),
        ("v1/Pod", r#""status":{"phase":"Odd"}"#.into(), Unknown, "unknown phase `Odd`"),
        ("batch/v1/Job", r#""status":{"active":1}"#.into(), Progressing, "1 run"),
        ("batch/v1/Job", r#""status":{"conditions":[{"type":"Failed","status":"False"},{"type":"Complete","status":"True"}]}"#.into(), Healthy, ""),
        ("batch/v1/Job", r#""status":{"conditions":[{"type":"Failed","status":"True","message":"backoff"}]}"#.into(), Degraded, "backoff"),
        ("batch/v1/Job", r#""spec":{"suspend":true}"#.into(), Suspended, "is suspended"),
        ("batch/v1/Job", r#""spec":{"suspend":false},"status":{"conditions":[{"type":"Suspended","status":"True"}]}"#.into(), Progressing, ""),
        ("batch/v1/CronJob", r#""status":{}"#.into(), Healthy, "not been scheduled"),
        ("batch/v1/CronJob", r#""status":{"lastScheduleTime":"2026-01-01T10:00:00Z","lastSuccessfulTime":"2026-01-01T11:00:00+02:00"}"#.into(), Degraded, "did not succeed"),
        ("batch/v1/CronJob", r#""status":{"active":[{}],"lastScheduleTime":"2026-01-01T10:00:00Z","lastSuccessfulTime":"2026-01-01T09:00:00Z"}"#.into(), Healthy, "under way"),
        ("batch/v1/CronJob", r#""status":{"lastScheduleTime":"2026-01-01T10:00:00Z","lastSuccessfulTime":"2026-01-01T10:00:05Z"}"#.into(), Healthy, ""),
    ] {
        check(kind, &rest, status, message);
    }
}

#[test]
fn other_built_in_kinds_are_judged_by_what_they_wait_for() {
    use HealthStatus::{Degraded, Healthy, Progressing, Unknown};
    const HPA: &str = "autoscaling/v2/HorizontalPodAutoscaler";
    const CRD: &str = "apiextensions.k8s.io/v1/CustomResourceDefinition";
    for (kind, rest, status) in [
        ("v1/Service", "", Healthy),
        ("v1/Service", r#""spec":{"type":"LoadBalancer"}"#, Progressing),
        (
            "v1/Service",
            r#""spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}"#,
            Healthy,
        ),
        ("v1/PersistentVolumeClaim", r#""status":{"phase":"Pending"}"#, Progressing),
        ("v1/PersistentVolumeClaim", r#""status":{"phase":"Lost"}"#, Degraded),
        ("v1/PersistentVolumeClaim", r#""status":{"phase":"Odd"}"#, Unknown),
        ("v1/Namespace", r#""status":{"phase":"Active"}"#, Healthy),
        (HPA, "", Progressing),
        (
            HPA,
            r#""status":{"conditions":[{"type":"AbleToScale","status":"True"},{"type":"ScalingActive","status":"False","reason":"FailedGetResourceMetric"}]}"#,
            Degraded,
        ),
        (HPA, r#""status":{"conditions":[{"type":"AbleToScale","status":"True"}]}"#, Healthy),
        (
            "policy/v1/PodDisruptionBudget",
            r#""status":{"observedGeneration":2,"conditions":[{"type":"DisruptionAllowed","status":"False","reason":"InsufficientPods"}]}"#,
            Healthy,
        ),
        (
            "policy/v1/PodDisruptionBudget",
            r#""status":{"observedGeneration":1,"conditions":[{"type":"DisruptionAllowed","status":"True"}]}"#,
            Progressing,
        ),
        (
            "apiregistration.k8s.io/v1/APIService",
            r#""status":{"conditions":[{"type":"Available","status":"False"}]}"#,
            Progressing,
        ),
        (CRD, "", Progressing),
        (
            CRD,
            r#""status":{"conditions":[{"type":"Established","status":"True"},{"type":"NamesAccepted","status":"False"}]}"#,
            Degraded,
        ),
        (
            CRD,
            r#""status":{"conditions":[{"type":"NamesAccepted","status":"True"},{"type":"Established","status":"False","reason":"Installing"}]}"#,
            Progressing,
        ),
        (
            CRD,
            r#""status":{"conditions":[{"type":"NamesAccepted","status":"True"},{"type":"Established","status":"True"}]}"#,
            Healthy,
        ),
        ("v1/ConfigMap", "", Healthy),
    ] {
        assert_eq!(judge(&live(kind, rest)).status, status, "{kind} {rest}");
    }
}

#[test]
fn any_other_kind_is_judged_by_its_conditions_whatever_their_order() {
    use HealthStatus::{Degraded, Healthy, Progressing};
    for (rest, status, rule) in [
        (r#""status":{"conditions":[{"type":"Ready","status":"True"}]}"#, Healthy, "conditions"),
        (r#""status":{"conditions":[{"type":"Ready","status":"Unknown"}]}"#, Progressing, "conditions"),
        (
            r#""status":{"conditions":[{"type":"Available","status":"True"},{"type":"Ready","status":"False"}]}"#,
            Progressing,
            "conditions",
        ),
        (r#""status":{"conditions":[{"type":"Available","status":"True"}]}"#, Healthy, "conditions"),
        (
            r#""status":{"conditions":[{"type":"Reconciling","status":"True"},{"type":"Stalled","status":"True"}]}"#,
            Degraded,
            "conditions",
        ),
        (
            r#""status":{"conditions":[{"type":"Stalled","status":"True"},{"type":"Reconciling","status":"True"}]}"#,
            Degraded,
            "conditions",
        ),
        (
            r#""status":{"observedGeneration":1,"conditions":[{"type":"Ready","status":"True"}]}"#,
            Progressing,
            "conditions",
        ),
        // Stale for this condition alone: it is no evidence, and nothing else is.
        (r#""status":{"conditions":[{"type":"Ready","status":"True","observedGeneration":1}]}"#, Healthy, "silence"),
        (r#""status":{"observedGeneration":2}"#, Healthy, "observed-generation"),
        (r#""status":"odd""#, HealthStatus::Unknown, "malformed"),
    ] {
        let health = judge(&live("example.com/v1/Widget", rest));
        assert_eq!((health.status, health.rule), (status, rule), "{rest}");
    }
}

#[test]
fn silence_counts_as_health_only_after_the_settle_time_and_is_told_apart() {
    let now: Timestamp = NOW.parse().unwrap();
    let model = ApiModel::builtin();
    let widget = live("example.com/v1/Widget", "");
    let ingress = live("networking.k8s.io/v1/Ingress", r#""status":{"loadBalancer":{}}"#);
    let created = object(
        r#"{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"x","creationTimestamp":"2026-03-01T11:59:59Z"}}"#,
    );
    for (live, changed, status) in [
        (&widget, Some("2026-03-01T11:59:31Z"), HealthStatus::Progressing),
        (&widget, Some("2026-03-01T11:59:30Z"), HealthStatus::Healthy),
        (&widget, None, HealthStatus::Healthy),
        (&created, None, HealthStatus::Progressing),
        (&ingress, Some("2026-03-01T11:55:01Z"), HealthStatus::Progressing),
        (&ingress, Some("2026-03-01T11:55:00Z"), HealthStatus::Healthy),
    ] {
        let clues = Clues { changed: changed.map(|at| at.parse().unwrap()), ..Clues::new(&model, now) };
        let health = assess(live, &clues);
        assert_eq!(health.status, status, "{live:?} {changed:?}");
        assert_eq!(health.confidence == Confidence::Unconfirmed, status == HealthStatus::Healthy, "{live:?}");
    }
    assert_eq!(judge(&live("v1/Secret", "")).confidence, Confidence::NothingToReport);
}

/// What we changed a moment ago is not silent yet, however old it is; what others do to it does not count.
#[test]
fn silence_counts_from_our_last_apply_where_nobody_says_when_we_changed_the_object() {
    let widget = |manager: &str, operation: &str, subresource: &str, time: &str| {
        let entry = format!(
            r#"{{"manager":"{manager}","operation":"{operation}","apiVersion":"example.com/v1","subresource":"{subresource}","time":"{time}"}}"#
        );
        object(&format!(
            r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"x","creationTimestamp":"2026-02-01T11:59:59Z","managedFields":[{entry}]}}}}"#
        ))
    };
    let (model, lately) = (ApiModel::builtin(), "2026-03-01T11:59:50Z");
    for (live, status) in [
        (widget("us", "Apply", "", lately), HealthStatus::Progressing),
        (widget("us", "Apply", "", "2026-03-01T11:58:00Z"), HealthStatus::Healthy),
        (widget("us", "Apply", "", "soon"), HealthStatus::Healthy),
        (widget("us", "Update", "", lately), HealthStatus::Healthy),
        (widget("us", "Apply", "status", lately), HealthStatus::Healthy),
        (widget("others", "Apply", "", lately), HealthStatus::Healthy),
    ] {
        let clues = Clues::new(&model, NOW.parse().unwrap());
        assert_eq!(assess(&live, &clues.applied_by("us")).status, status, "{live:?}");
        assert_eq!(assess(&live, &clues).status, HealthStatus::Healthy, "{live:?}");
    }
}

/// Rule 40 of the exact rules.
#[test]
fn what_has_no_status_has_not_told_that_nothing_is_wrong() {
    let metadata = r#""metadata":{"name":"x","creationTimestamp":"2026-03-01T11:59:59Z"}"#;
    for of in [
        r#""apiVersion":"datadoghq.com/v1alpha1","kind":"DatadogMetric""#,
        r#""apiVersion":"astra.netapp.io/v1","kind":"Schedule""#,
        r#""apiVersion":"batch/v1","kind":"CronJob""#,
    ] {
        for (status, expected) in [("", HealthStatus::Progressing), (r#","status":{}"#, HealthStatus::Healthy)] {
            let health = judge(&object(&format!("{{{of},{metadata}{status}}}")));
            assert_eq!((health.status, health.confidence), (expected, Confidence::Reported), "{of} {status}");
        }
    }
}

#[test]
fn a_terminating_object_is_progressing_whatever_it_says() {
    let live = object(
        r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"x","deletionTimestamp":"2026-03-01T11:59:59Z"},"status":{"conditions":[{"type":"Failed","status":"True"}]}}"#,
    );
    let health = judge(&live);
    assert_eq!((health.status, &*health.message), (HealthStatus::Progressing, "pending deletion"));
}

#[test]
fn the_worst_status_wins() {
    use HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
    assert_eq!(worst([]), Healthy);
    assert_eq!(worst([Healthy, Suspended, Progressing]), Progressing);
    assert_eq!(worst([Missing, Progressing]), Missing);
    assert_eq!(worst([Degraded, Unknown, Missing]), Unknown);
}

fn anything() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        Just("1e300".to_owned()),
        prop::sample::select(vec![
            "\"True\"",
            "\"Ready\"",
            "\"Running\"",
            "\"Err\"",
            "\"2026-01-01T00:00:00Z\"",
            "\"\""
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(prop::sample::select(FIELDS.to_vec()), inner, 0..6).prop_map(|map| {
                let entries: Vec<_> = map.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

const FIELDS: [&str; 16] = [
    "conditions",
    "type",
    "status",
    "reason",
    "message",
    "replicas",
    "readyReplicas",
    "phase",
    "observedGeneration",
    "containerStatuses",
    "state",
    "waiting",
    "terminated",
    "lastScheduleTime",
    "loadBalancer",
    "ingress",
];

proptest! {
    #[test]
    fn nothing_malformed_makes_a_rule_panic(spec in anything(), status in anything(), kind in 0..KINDS.len()) {
        let rest = format!(r#""spec":{spec},"status":{status}"#);
        judge(&live(KINDS[kind], &rest));
    }
}

const KINDS: [&str; 18] = [
    "apps/v1/Deployment",
    "apps/v1/StatefulSet",
    "apps/v1/DaemonSet",
    "apps/v1/ReplicaSet",
    "v1/Pod",
    "batch/v1/Job",
    "batch/v1/CronJob",
    "v1/Service",
    "networking.k8s.io/v1/Ingress",
    "v1/PersistentVolumeClaim",
    "v1/Namespace",
    "autoscaling/v1/HorizontalPodAutoscaler",
    "apiregistration.k8s.io/v1/APIService",
    "policy/v1/PodDisruptionBudget",
    "apiextensions.k8s.io/v1/CustomResourceDefinition",
    "argoproj.io/v1alpha1/Workflow",
    "example.com/v1/Widget",
    "v1/ReplicationController",
];
