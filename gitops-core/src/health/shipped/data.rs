//! Databases and search.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
use super::super::clause::Clause;
use super::super::clause::Test::{
    All, Annotation, Any, Because, Every, False, Has, Is, Lacks, Less, Not, True, Untrue,
};
use super::{READY, Rule, code, may_say, quiet, says, special};

pub(super) const RULES: &[Rule] = &[
    says(
        "acid.zalan.do/postgresql",
        &[
            (Is("status.PostgresClusterStatus", "Running"), Healthy),
            (Is("status.PostgresClusterStatus", "Creating|Updating"), Progressing),
            (Is("status.PostgresClusterStatus", "*"), Degraded),
        ],
    ),
    says(
        "postgresql.cnpg.io/Cluster",
        &[
            (Annotation("cnpg.io/reconciliationLoop", "disabled"), Suspended),
            (True("cnpg.io/hibernation"), Suspended),
            (False("cnpg.io/hibernation"), Degraded),
            (Is("status.phase", "Cluster in healthy state"), Healthy),
            (Is("status.phase", CNPG_ON_ITS_WAY), Progressing),
            // Writes are interrupted, or somebody must act.
            (Is("status.phase", CNPG_IMPAIRED), Degraded),
            // Its controller has given up until the spec is mended.
            (Is("status.phase", CNPG_HALTED), Suspended),
            (Is("status.phase", "*"), Unknown),
        ],
    ),
    says(
        "postgresql.cnpg.io/Backup",
        &[(Is("status.phase", "completed"), Healthy), (Is("status.phase", "failed|walArchivingFailing"), Degraded)],
    ),
    says(
        "postgresql.cnpg.io/Pooler",
        &[(Less("status.instances", "spec.instances"), Progressing), (Has("status.instances"), Healthy)],
    ),
    quiet("postgresql.cnpg.io/ScheduledBackup|ImageCatalog|ClusterImageCatalog", &[]),
    says(
        "postgresql.cnpg.io/Database|Publication|Subscription",
        &[(Is("status.applied", "true"), Healthy), (Is("status.applied", "false"), Degraded)],
    ),
    says(
        "postgres-operator.crunchydata.com/PostgresCluster",
        &[
            (Is("spec.shutdown", "true"), Suspended),
            (Any("status.instances", &Less("status.readyReplicas", "status.replicas")), Progressing),
            (Any("status.instances", &Less("status.updatedReplicas", "status.replicas")), Progressing),
            (Untrue("ProxyAvailable"), Progressing),
            (Every("status.instances", &Has("status.readyReplicas")), Healthy),
        ],
    ),
    says("psmdb.percona.com/PerconaServerMongoDB", PERCONA),
    says("pxc.percona.com/PerconaXtraDBCluster", PERCONA),
    says("ps.percona.com/PerconaServerMySQL", PERCONA),
    says("pgv2.percona.com/PerconaPGCluster", PERCONA),
    may_say(
        "*.percona.com/*Backup|*Restore",
        &[
            (Is("status.state", "ready|Succeeded"), Healthy),
            (Is("status.state", "error|Failed|rejected"), Degraded),
            (Is("status.state", "*"), Progressing),
        ],
    ),
    says(
        "mysql.oracle.com/InnoDBCluster",
        &[
            (Is("status.cluster.status", "ONLINE"), Healthy),
            (Is("status.cluster.status", "OFFLINE|NO_QUORUM|INVALID|SPLIT_BRAIN*"), Degraded),
            (Is("status.cluster.status", "*"), Progressing),
        ],
    ),
    says("k8s.mariadb.com/MariaDB|MaxScale", MARIADB),
    says("mariadb.mmontes.io/MariaDB", MARIADB),
    says("k8s.mariadb.com/Backup|Restore|PhysicalBackup|SqlJob", JOB),
    says("k8s.mariadb.com/*", READY),
    says("clickhouse.altinity.com/ClickHouseInstallation", CLICKHOUSE),
    says("clickhouse-keeper.altinity.com/ClickHouseKeeperInstallation", CLICKHOUSE),
    code("elasticsearch.k8s.elastic.co/Elasticsearch", special::elasticsearch),
    says("beat.k8s.elastic.co/*", ELASTIC),
    says("logstash.k8s.elastic.co/*", ELASTIC),
    may_say("*.k8s.elastic.co/*", ELASTIC),
    says(
        "opensearch.opster.io/OpenSearchCluster",
        &[
            (Is("status.health", "red"), Degraded),
            (Is("status.phase", "PENDING"), Progressing),
            (Is("status.health", "yellow"), Progressing),
            (Is("status.phase", "RUNNING"), Healthy),
        ],
    ),
    says("solr.apache.org/SolrCloud", &[(Every("status.solrNodes", &Is("status.ready", "true")), Healthy)]),
    says("cassandra.rook.io/Cluster", RACKS),
    says("scylla.scylladb.com/ScyllaCluster|ScyllaDBDatacenter", OPERATOR),
    says("cassandra.datastax.com/CassandraDatacenter", READY),
    says(
        "k8ssandra.io/K8ssandraCluster",
        &[(False("CassandraInitialized"), Progressing), (True("CassandraInitialized"), Healthy)],
    ),
    says("mongodbcommunity.mongodb.com/*", PHASE),
    says("mongodb.com/MongoDB|MongoDBMultiCluster", PHASE),
    may_say(
        "app.redislabs.com/*",
        &[
            (Is("status.state", "Running"), Healthy),
            (Is("status.status", "active"), Healthy),
            (Is("status.state", "Error|InvalidConfiguration"), Degraded),
        ],
    ),
    says(
        "crdb.cockroachlabs.com/*",
        &[(Is("status.clusterStatus", "Finished"), Healthy), (Is("status.clusterStatus", "Failed"), Degraded)],
    ),
    says("pingcap.com/TidbCluster", &[(True("Ready"), Healthy), (Is("spec.paused", "true"), Suspended)]),
    says(
        "db.atlasgo.io/*",
        &[
            (True("Ready"), Healthy),
            (Because("Ready", "Reconciling|GettingDevDB"), Progressing),
            (RECONCILING, Progressing),
            (Untrue("Ready"), Degraded),
        ],
    ),
    says(
        "zookeeper.pravega.io/ZookeeperCluster",
        &[(Less("status.readyReplicas", "status.replicas"), Progressing), (Has("status.readyReplicas"), Healthy)],
    ),
];

const CNPG_ON_ITS_WAY: &str = "Setting up primary|Creating a new replica|Upgrading cluster|Waiting for the instances to become active|Promoting to primary cluster";
const CNPG_IMPAIRED: &str = "Switchover in progress|Failing over|Upgrading Postgres major version|Cluster upgrade delayed|Waiting for user action|Primary instance is being restarted*|Cluster cannot execute instance online upgrade*|Online upgrade in progress|Applying configuration";
const CNPG_HALTED: &str = "Unable to create required cluster objects|Cluster cannot proceed to reconciliation*|Cluster has incomplete or invalid image catalog|Cluster is unrecoverable*";

const PERCONA: &[Clause] = &[
    (Is("status.state", "ready"), Healthy),
    (Is("status.state", "paused"), Suspended),
    (Is("status.state", "error"), Degraded),
    (Is("status.state", "initializing|stopping"), Progressing),
    (Is("status.state", "*"), Unknown),
];

const MARIADB: &[Clause] = &[
    (Is("spec.suspend", "true"), Suspended),
    (Because("*", "Failed"), Degraded),
    (False("*"), Progressing),
    (True("Ready"), Healthy),
];

const JOB: &[Clause] = &[
    (Because("*", "JobFailed|Failed"), Degraded),
    (True("Complete"), Healthy),
    (False("*"), Progressing),
    (True("*"), Healthy),
];

const CLICKHOUSE: &[Clause] = &[
    (Is("status.status", "Completed"), Healthy),
    (Is("status.status", "InProgress"), Progressing),
    (Is("status.status", "*"), Degraded),
];

const ELASTIC: &[Clause] = &[
    (Is("status.health", "green"), Healthy),
    (Is("status.health", "yellow"), Progressing),
    (Is("status.health", "red"), Degraded),
    (Is("status.health", "*"), Unknown),
];

const OPERATOR: &[Clause] = &[
    (True("Degraded"), Degraded),
    (True("Progressing"), Progressing),
    (False("Available"), Progressing),
    (True("Available"), Healthy),
];

const PHASE: &[Clause] = &[
    (Is("status.phase", "Running"), Healthy),
    (Is("status.phase", "Failed"), Degraded),
    (Is("status.phase", "*"), Progressing),
];

const RACKS: &[Clause] = &[
    (Any("status.racks", &Less("status.readyMembers", "status.members")), Progressing),
    (Every("status.racks", &Not(&Lacks("status.members"))), Healthy),
];

const RECONCILING: super::Test =
    Any("status.conditions", &All(&[Is("status.type", "Ready"), Is("status.message", "Reconciling|GettingDevDB")]));
