//! Kafka, RabbitMQ, NATS, Pulsar.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Annotation, Because, Every, False, Is, Lacks, Less, Not, True, Unsure, Untrue};
use super::{READY, Rule, may_say, says};

pub(super) const RULES: &[Rule] = &[
    // Strimzi has a condition for the opposite; a cluster being made is not ready, and that is no failure.
    // Approved by an annotation; until then nothing is moved.
    says(
        "kafka.strimzi.io/KafkaRebalance",
        &[(True("NotReady"), Degraded), (True("ProposalReady|Stopped"), Suspended), (True("Ready"), Healthy)],
    ),
    may_say("kafka.strimzi.io/KafkaNodePool", &[(True("NotReady"), Degraded)]),
    says("kafka.strimzi.io/*", STRIMZI),
    says(
        "core.strimzi.io/StrimziPodSet",
        &[(Less("status.readyPods", "status.pods"), Progressing), (Is("status.pods", "*"), Healthy)],
    ),
    says(
        "kafka.banzaicloud.io/KafkaCluster",
        &[
            (Is("status.state", "ClusterRollingUpgrading"), Progressing),
            (Lacks("status.brokersState"), Progressing),
            (Not(&Every("status.brokersState", BROKER)), Degraded),
            (
                All(&[
                    Is("status.cruiseControlTopicStatus", "CruiseControlTopicReady"),
                    Is("status.state", "ClusterRunning"),
                ]),
                Healthy,
            ),
        ],
    ),
    says("kafka.banzaicloud.io/KafkaTopic|KafkaUser", &[(Is("status.state", "created"), Healthy)]),
    says(
        "platform.confluent.io/Connector",
        &[
            (Is("status.state", "ERROR"), Degraded),
            (Less("", "status.failedTasksCount"), Degraded),
            (All(&[Is("status.state", "CREATED"), Is("status.connectorState", "RUNNING")]), Healthy),
        ],
    ),
    may_say(
        "platform.confluent.io/*",
        &[
            (Is("status.phase", "RUNNING"), Healthy),
            (Is("status.phase", "ERROR|FAILED"), Degraded),
            (Is("status.state", "SUCCESS|SUCCEEDED|CREATED"), Healthy),
            (Is("status.state", "ERROR"), Degraded),
        ],
    ),
    says(
        "rabbitmq.com/RabbitmqCluster",
        &[
            (False("ReconcileSuccess"), Degraded),
            (Untrue("ClusterAvailable|AllReplicasReady"), Progressing),
            (All(&[True("ClusterAvailable"), True("AllReplicasReady")]), Healthy),
        ],
    ),
    says("rabbitmq.com/*", READY),
    may_say("jetstream.nats.io/*", READY),
    may_say(
        "cluster.redpanda.com/*",
        &[(Because("Ready", "*Failed|*Error"), Degraded), (True("Ready|Synced"), Healthy)],
    ),
    may_say("resource.streamnative.io/*", READY),
];

const STRIMZI: &[Clause] = &[
    (Annotation("strimzi.io/pause-reconciliation", "true"), Suspended),
    (True("ReconciliationPaused"), Suspended),
    (Because("NotReady", "Creating"), Progressing),
    (True("NotReady"), Degraded),
    (Unsure("Ready"), Progressing),
    (True("Ready"), Healthy),
];

const BROKER: &super::Test = &All(&[
    Is("status.configurationState", "ConfigInSync"),
    Is("status.gracefulActionState.cruiseControlState", "GracefulUpscaleSucceeded|GracefulDownscaleSucceeded"),
]);
