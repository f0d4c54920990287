//! Metrics, logs, traces, dashboards.

use super::super::HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Always, Because, False, Has, Is, Lacks, True, Untrue};
use super::{READY, Rule, code, may_say, quiet, says, special};

pub(super) const RULES: &[Rule] = &[
    says(
        "monitoring.coreos.com/Prometheus|PrometheusAgent|Alertmanager|ThanosRuler",
        &[
            (Is("spec.paused", "true"), Suspended),
            (Because("Available", "SomePodsNotReady"), Progressing),
            (Untrue("Available"), Degraded),
            (False("Reconciled"), Degraded),
            (True("Available"), Healthy),
        ],
    ),
    quiet("monitoring.coreos.com/*", &[]),
    says(
        "operator.victoriametrics.com/*",
        &[
            (Is("status.updateStatus", "operational"), Healthy),
            (Is("status.updateStatus", "paused"), Suspended),
            (Is("status.updateStatus", "failed"), Degraded),
            (Is("status.updateStatus", "*"), Progressing),
        ],
    ),
    says(
        "grafana.integreatly.org/Grafana",
        &[
            (Is("status.stageStatus", "failed"), Degraded),
            (All(&[Is("status.stage", "complete"), Is("status.stageStatus", "success")]), Healthy),
        ],
    ),
    says(
        "grafana.integreatly.org/GrafanaDatasource",
        &[
            (Is("status.NoMatchingInstances", "true"), Degraded),
            (True("NoMatchingInstance"), Degraded),
            (False("*"), Degraded),
            (Has("status.uid"), Healthy),
            (True("*"), Healthy),
        ],
    ),
    says(
        "grafana.integreatly.org/*",
        &[
            (Is("spec.suspend", "true"), Suspended),
            (False("*"), Degraded),
            (True("NoMatchingInstance|InvalidSpec"), Degraded),
            (True("*"), Healthy),
        ],
    ),
    says("grafana-org-operator.kubitus-project.gitlab.io/*", READY),
    says("loki.grafana.com/LokiStack", STACK),
    says("tempo.grafana.com/*", STACK),
    may_say("loki.grafana.com/*", STACK),
    code("opentelemetry.io/OpenTelemetryCollector", special::collector),
    quiet("opentelemetry.io/*", &[]),
    says(
        "jaegertracing.io/Jaeger",
        &[(Is("status.phase", "Running"), Healthy), (Is("status.phase", "Failed"), Degraded)],
    ),
    says("kiali.io/*", ANSIBLE),
    says("awx.ansible.com/*", ANSIBLE),
    may_say("coralogix.com/*", &[(False("RemoteSynced"), Degraded), (True("RemoteSynced"), Healthy)]),
    says(
        "datadoghq.com/DatadogMetric",
        &[(True("Error"), Degraded), (False("Valid"), Degraded), (Always("reports no error"), Healthy)],
    ),
    may_say(
        "datadoghq.com/*",
        &[
            (True("Error|ReconcileError|DatadogAgentReconcileError"), Degraded),
            (True("Active|Created|Reconcile|DatadogAgentReconcile"), Healthy),
        ],
    ),
    says(
        "core.humio.com/*",
        &[
            (Is("status.state", "Running|Exists|Ready"), Healthy),
            (Is("status.state", "NotFound"), Missing),
            (Is("status.state", "ConfigError"), Degraded),
            (Is("status.state", "Unknown"), Unknown),
        ],
    ),
    says(
        "logging.banzaicloud.io/Flow|ClusterFlow|Output|ClusterOutput",
        &[
            (Has("status.problems"), Degraded),
            (Is("status.active", "true"), Healthy),
            (Is("status.active", "false"), Degraded),
        ],
    ),
    may_say("logging.banzaicloud.io/*", &[(Has("status.problems"), Degraded)]),
];

const STACK: &[Clause] =
    &[(True("Failed|Degraded|ConfigurationError"), Degraded), (True("Pending"), Progressing), (True("Ready"), Healthy)];

/// Operators written in Ansible: the last run.
const ANSIBLE: &[Clause] = &[
    (True("Failure"), Degraded),
    (All(&[True("Running"), Because("Running", "Running")]), Progressing),
    (True("Successful"), Healthy),
    (Lacks("status.conditions"), Progressing),
];
