//! What holds of verdicts on any object.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::value::Value;

/// One kind of each shape of rule: built in, tables, functions, families, and none.
const KINDS: [(&str, &str); 24] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("v1", "PersistentVolumeClaim"),
    ("networking.k8s.io/v1", "Ingress"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("argoproj.io/v1alpha1", "CronWorkflow"),
    ("apps.kruise.io/v1alpha1", "CloneSet"),
    ("apps.kruise.io/v1alpha1", "DaemonSet"),
    ("cert-manager.io/v1", "Certificate"),
    ("cluster.x-k8s.io/v1beta1", "Cluster"),
    ("core.spinkube.dev/v1alpha1", "SpinApp"),
    ("datadoghq.com/v1alpha1", "DatadogMetric"),
    ("elasticsearch.k8s.elastic.co/v1", "Elasticsearch"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("kafka.strimzi.io/v1", "Kafka"),
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
    ("opentelemetry.io/v1beta1", "OpenTelemetryCollector"),
    ("policy.open-cluster-management.io/v1", "Policy"),
    ("s3.aws.crossplane.io/v1", "Bucket"),
    ("sparkoperator.k8s.io/v1", "SparkApplication"),
    ("work.karmada.io/v1", "ResourceBinding"),
    ("example.com/v1", "Widget"),
];

fn condition() -> impl Strategy<Value = Json> {
    let kind = prop::sample::select(vec!["Ready", "Available", "Accepted", "Stalled", "Synced", "Degraded", "Paused"]);
    let status = prop::sample::select(vec!["True", "False", "Unknown", "odd"]);
    let reason = prop::sample::select(vec!["", "Failed", "Creating", "ReconcileError"]);
    (kind, status, reason, prop::option::of(0i64..4)).prop_map(|(kind, status, reason, observed)| {
        let mut condition = json!({"type": kind, "status": status, "reason": reason});
        if let Some(observed) = observed {
            condition["observedGeneration"] = observed.into();
        }
        condition
    })
}

/// A status of the usual shape: phase, counters, conditions of different types, parents of a route.
fn status() -> impl Strategy<Value = Json> {
    let conditions = prop::collection::vec(condition(), 0..5).prop_map(|mut list| {
        list.sort_by_key(|condition| condition["type"].to_string());
        list.dedup_by_key(|condition| condition["type"].to_string());
        Json::from(list)
    });
    let phase =
        prop::sample::select(vec!["", "Running", "Ready", "Failed", "Healthy", "Pending", "Compliant", "DEPLOYED"]);
    (conditions, phase, prop::option::of(0i64..4), 0i64..3).prop_map(|(conditions, phase, observed, count)| {
        let mut status = json!({
            "phase": phase, "state": phase, "compliant": phase, "readyReplicas": count, "replicas": count,
            "updatedReplicas": count, "availableReplicas": count, "updatedAvailableReplicas": count,
            "parents": [{"parentRef": {"name": "g"}, "conditions": conditions}], "conditions": conditions,
        });
        if let Some(observed) = observed {
            status["observedGeneration"] = observed.into();
        }
        status
    })
}

fn spec() -> impl Strategy<Value = Json> {
    prop::sample::select(vec![
        json!({}),
        json!({"paused": true}),
        json!({"suspend": true}),
        json!({"disabled": true}),
        json!({"replicas": 1, "parentRefs": [{"name": "g"}]}),
    ])
}

fn object() -> impl Strategy<Value = Json> {
    (0..KINDS.len(), spec(), status()).prop_map(|(kind, spec, status)| {
        let (version, kind) = KINDS[kind];
        let metadata = json!({"name": "x", "generation": 2, "creationTimestamp": "2026-03-01T12:00:00Z"});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": status})
    })
}

fn judge_at(object: &Json, seconds: i64) -> Health {
    let live = Resource::new(Value::from_json(object.to_string().as_bytes()).unwrap()).unwrap();
    let noon: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    assess(&live, &Clues::new(&ApiModel::builtin(), noon + Duration::from_secs(seconds.unsigned_abs())))
}

proptest! {
    #[test]
    fn a_status_about_an_older_spec_never_makes_an_object_healthy(object in object()) {
        let health = judge_at(&object, 3600);
        if object["status"]["observedGeneration"] == 1 {
            prop_assert_ne!(health.status, HealthStatus::Healthy, "{}", object);
        }
    }

    #[test]
    fn the_order_of_conditions_does_not_matter(object in object()) {
        let mut turned = object.clone();
        for pointer in ["/status/conditions", "/status/parents/0/conditions"] {
            turned.pointer_mut(pointer).unwrap().as_array_mut().unwrap().reverse();
        }
        prop_assert_eq!(judge_at(&object, 60).status, judge_at(&turned, 60).status, "{}", object);
    }

    #[test]
    fn what_is_healthy_stays_so_while_it_does_not_change(object in object(), waited in 0i64..600) {
        if judge_at(&object, waited).status == HealthStatus::Healthy {
            prop_assert_eq!(judge_at(&object, 601).status, HealthStatus::Healthy, "{}", object);
        }
    }

    #[test]
    fn one_more_object_never_betters_the_worst(
        statuses in prop::collection::vec(prop::sample::select(STATUSES.to_vec()), 0..6),
        more in prop::sample::select(STATUSES.to_vec()),
    ) {
        let before = worst(statuses.iter().copied());
        let after = worst(statuses.iter().copied().chain([more]));
        prop_assert!(after >= before && after >= more);
    }
}

const STATUSES: [HealthStatus; 6] = [
    HealthStatus::Healthy,
    HealthStatus::Suspended,
    HealthStatus::Progressing,
    HealthStatus::Missing,
    HealthStatus::Degraded,
    HealthStatus::Unknown,
];
