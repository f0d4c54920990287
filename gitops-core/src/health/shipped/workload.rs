//! What runs, beyond the built-in kinds: functions, services, jobs, games, models, autoscalers.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Always, Any, Differ, False, Has, Is, Lacks, Less, Not, True, Unsure, Untrue};
use super::{READY, Rule, code, may_say, quiet, says, special};

pub(super) const RULES: &[Rule] = &[
    says("serving.knative.dev/Service", KNATIVE),
    may_say("*.knative.dev/*", KNATIVE),
    says(
        "serving.kserve.io/InferenceService",
        &[
            (True("Stopped"), Suspended),
            (Is("status.modelStatus.transitionStatus", "InProgress"), Progressing),
            (All(&[Has("status.modelStatus"), Not(&Is("status.modelStatus.transitionStatus", "UpToDate"))]), Degraded),
            (
                Any("status.conditions", &All(&[Is("status.status", "False"), Not(&Is("status.type", "Stopped"))])),
                Progressing,
            ),
            (Unsure("*"), Progressing),
            (True("*"), Healthy),
        ],
    ),
    quiet("serving.kserve.io/*", READY),
    says(
        "openfaas.com/Function",
        &[
            (True("Stalled"), Degraded),
            (False("Ready"), Degraded),
            (All(&[True("Ready"), Less("", "status.replicas")]), Healthy),
            (True("Ready"), Suspended),
        ],
    ),
    code("core.spinkube.dev/SpinApp", special::spin_app),
    says("camel.apache.org/Integration|IntegrationPlatform|Kamelet|Pipe|KameletBinding", READY),
    code("sparkoperator.k8s.io/SparkApplication", special::spark),
    quiet(
        "sparkoperator.k8s.io/ScheduledSparkApplication",
        &[(Is("spec.suspend", "true"), Suspended), (Is("status.scheduleState", "FailedValidation"), Degraded)],
    ),
    says(
        "flink.apache.org/FlinkDeployment|FlinkSessionJob",
        &[
            (Is("status.reconciliationStatus.success", "true"), Healthy),
            (Is("status.reconciliationStatus.state", "DEPLOYED"), Healthy),
            (Is("status.jobManagerDeploymentStatus", "ERROR"), Degraded),
            (Is("status.jobStatus.state", "FAILED"), Degraded),
        ],
    ),
    says(
        "apps.kruise.io/AdvancedCronJob",
        &[
            (All(&[Is("spec.paused", "true"), Lacks("status.lastScheduleTime")]), Suspended),
            (Has("status.active"), Progressing),
            (Has("status.lastScheduleTime"), Healthy),
            (Always("has not been scheduled yet"), Healthy),
        ],
    ),
    says(
        "apps.kruise.io/BroadcastJob",
        &[
            (Is("status.phase", "completed"), Healthy),
            (Is("status.phase", "failed"), Degraded),
            (Is("status.phase", "paused"), Suspended),
        ],
    ),
    code("apps.kruise.io/CloneSet|StatefulSet", special::kruise_set),
    code("apps.kruise.io/DaemonSet", special::kruise_daemons),
    may_say("apps.kruise.io/*", &[]),
    says(
        "game.kruise.io/GameServer",
        &[
            (Differ("status.currentState", "status.desiredState"), Progressing),
            (
                Any(
                    "status.podStatus.conditions",
                    &All(&[Is("status.type", "KruisePodReady"), Not(&Is("status.status", "True"))]),
                ),
                Degraded,
            ),
            (Is("status.currentState", "Ready"), Healthy),
        ],
    ),
    code("game.kruise.io/GameServerSet", special::game_servers),
    says(
        "keda.sh/ScaledObject",
        &[
            (False("Ready"), Degraded),
            (True("Fallback"), Degraded),
            (True("Paused"), Suspended),
            (True("Ready"), Healthy),
        ],
    ),
    says("keda.sh/ScaledJob", &[(Untrue("Ready"), Degraded), (True("Paused"), Suspended), (True("Ready"), Healthy)]),
    quiet("keda.sh/*", READY),
    quiet("autoscaling.k8s.io/*", &[(True("ConfigUnsupported"), Degraded), (True("RecommendationProvided"), Healthy)]),
    code("spot.io/SpotDeployment", special::spot),
    says(
        "ray.io/RayCluster",
        &[
            (Is("spec.suspend", "true"), Suspended),
            (Is("status.state", "ready"), Healthy),
            (Is("status.state", "suspended"), Suspended),
            (Is("status.state", "failed|unhealthy"), Degraded),
        ],
    ),
    says(
        "ray.io/RayJob",
        &[
            (Is("spec.suspend", "true"), Suspended),
            (Is("status.jobStatus", "SUCCEEDED"), Healthy),
            (Is("status.jobStatus", "FAILED|STOPPED"), Degraded),
            (Is("status.jobDeploymentStatus", "Failed|ValidationFailed"), Degraded),
        ],
    ),
    says("ray.io/RayService", &[(True("Ready"), Healthy), (Is("status.serviceStatus", "Running"), Healthy)]),
    says("kubeflow.org/*Job", RUN),
    may_say("kubeflow.org/*", READY),
    says(
        "batch.volcano.sh/Job",
        &[
            (Is("status.state.phase", "Completed"), Healthy),
            (Is("status.state.phase", "Failed|Aborted|Terminated"), Degraded),
        ],
    ),
    quiet("scheduling.volcano.sh/*", &[]),
    says(
        "jobset.x-k8s.io/JobSet",
        &[(Is("spec.suspend", "true"), Suspended), (True("Failed"), Degraded), (True("Completed"), Healthy)],
    ),
    says(
        "leaderworkerset.x-k8s.io/LeaderWorkerSet",
        &[(True("Progressing|UpdateInProgress"), Progressing), (True("Available"), Healthy)],
    ),
    says(
        "kueue.x-k8s.io/ClusterQueue|LocalQueue|AdmissionCheck",
        &[(False("Active"), Degraded), (True("Active"), Healthy)],
    ),
    quiet("kueue.x-k8s.io/*", &[]),
    quiet("dapr.io/*", &[]),
    quiet("nfd.k8s-sigs.io/*", &[]),
];

/// One condition sums up the others; what is not known yet is on its way, and what is `Info` is
/// no failure, such as a revision without traffic.
const KNATIVE: &[Clause] = &[
    (Any("status.conditions", &All(&[Is("status.status", "False"), Not(&Is("status.severity", "Info"))])), Degraded),
    (Unsure("*"), Progressing),
    (True("Ready|Succeeded"), Healthy),
];

const RUN: &[Clause] = &[
    (True("Failed"), Degraded),
    (True("Succeeded"), Healthy),
    (True("Suspended"), Suspended),
    (True("Created|Running|Restarting"), Progressing),
    (False("*"), Unknown),
];
