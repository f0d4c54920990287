//! Crossplane, the clouds' own operators, Cluster API, Karpenter, Karmada, Gardener: what lives outside the cluster.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
use super::super::clause::Clause;
use super::super::clause::Test::{
    All, Any, Because, Differ, False, Has, Is, Label, Lacks, Less, Not, Stale, True, Untrue,
};
use super::{READY, Rule, code, may_say, quiet, says, special};

pub(super) const RULES: &[Rule] = &[
    says(
        "pkg.crossplane.io/Provider|Configuration|Function",
        &[
            // The first package is being unpacked; later on the previous one still runs, and this one does not come.
            (All(&[Because("Installed", "UnpackingPackage"), Lacks("status.currentRevision")]), Progressing),
            (Because("Synced|Installed|Healthy", "ReconcilePaused"), Suspended),
            (Untrue("Installed|Healthy"), Degraded),
            (All(&[True("Installed"), True("Healthy")]), Healthy),
        ],
    ),
    quiet("pkg.crossplane.io/ImageConfig|DeploymentRuntimeConfig|ControllerConfig|Lock", &[]),
    quiet("apiextensions.crossplane.io/Composition|CompositionRevision|EnvironmentConfig|Usage", CROSSPLANE),
    says(
        "stacks.crossplane.io/*",
        &[(
            Any(
                "status.conditionedStatus.conditions",
                &All(&[Is("status.type", "Ready"), Is("status.status", "True")]),
            ),
            Healthy,
        )],
    ),
    quiet("*.crossplane.io/*ProviderConfig|*ProviderConfigUsage|StoreConfig", &[]),
    may_say("*.crossplane.io/*", CROSSPLANE),
    quiet("*.upbound.io/*ProviderConfig|*ProviderConfigUsage|StoreConfig", &[]),
    may_say("*.upbound.io/*", CROSSPLANE),
    may_say(
        "*.services.k8s.aws/*",
        &[
            (True("ACK.Terminal"), Degraded),
            (Untrue("Ready"), Progressing),
            (True("Ready"), Healthy),
            (False("ACK.ResourceSynced"), Progressing),
            (True("ACK.ResourceSynced"), Healthy),
        ],
    ),
    // Azure's operator tells apart what it retries and what it cannot do by the severity of the condition.
    may_say("*.azure.com/*", SEVERITY),
    says(
        "core.cnrm.cloud.google.com/ConfigConnector|ConfigConnectorContext",
        &[(Is("status.healthy", "true"), Healthy), (Is("status.healthy", "false"), Degraded)],
    ),
    may_say(
        "*.cnrm.cloud.google.com/*",
        &[
            (All(&[True("Ready"), Because("Ready", "UpToDate")]), Healthy),
            (Because("Ready", "DependencyNotReady"), Suspended),
            (Because("Ready", "*Failed|DependencyNotFound|DependencyInvalid|ManagementConflict|Unmanaged"), Degraded),
            (Untrue("Ready"), Progressing),
        ],
    ),
    says(
        "services.cloud.sap.com/*",
        &[
            (Stale, Progressing),
            (Because("Succeeded", "*InProgress"), Progressing),
            (False("Succeeded"), Degraded),
            (True("Failed"), Degraded),
            (True("Succeeded|Ready"), Healthy),
        ],
    ),
    says(
        "networking.gke.io/ManagedCertificate",
        &[
            (Any("status.domainStatus", &Is("status.status", "Failed*")), Degraded),
            (Is("status.certificateStatus", "Active"), Healthy),
        ],
    ),
    says(
        "cluster.x-k8s.io/Cluster",
        &[
            (Is("spec.paused", "true"), Suspended),
            (Is("status.phase", "Failed"), Degraded),
            (Any("status.conditions", NOT_READY), Degraded),
            (Is("status.phase", "Provisioned"), Healthy),
        ],
    ),
    says(
        "cluster.x-k8s.io/Machine",
        &[(Is("status.phase", "Failed"), Degraded), (Is("status.phase", "Running"), Healthy)],
    ),
    says(
        "cluster.x-k8s.io/MachineDeployment",
        &[
            (Is("spec.paused", "true"), Suspended),
            (Is("status.phase", "Failed"), Degraded),
            (Is("status.phase", "Running"), Healthy),
        ],
    ),
    says(
        "cluster.x-k8s.io/MachineSet",
        &[(Less("status.readyReplicas", "spec.replicas"), Progressing), (Has("status.replicas"), Healthy)],
    ),
    says(
        "cluster.x-k8s.io/MachinePool",
        &[(Is("status.phase", "Failed|Unknown"), Degraded), (Is("status.phase", "Running|Scaling"), Healthy)],
    ),
    says(
        "cluster.x-k8s.io/MachineHealthCheck",
        &[
            (Lacks("status.currentHealthy"), Progressing),
            (Differ("status.currentHealthy", "status.expectedMachines"), Degraded),
            (Has("status.currentHealthy"), Healthy),
        ],
    ),
    quiet(
        "cluster.x-k8s.io/ClusterClass",
        &[(False("RefVersionsUpToDate|VariablesReady|VariablesReconciled"), Degraded)],
    ),
    says(
        "addons.cluster.x-k8s.io/ClusterResourceSet",
        &[(False("ResourcesApplied"), Degraded), (True("ResourcesApplied"), Healthy)],
    ),
    may_say("addons.cluster.x-k8s.io/*", SEVERITY),
    quiet("*.cluster.x-k8s.io/*Template|*Identity", &[]),
    may_say(
        "*.cluster.x-k8s.io/*",
        &[
            (Has("status.failureMessage"), Degraded),
            (True("EKSControlPlaneUpdating"), Progressing),
            (True("Ready|Available"), Healthy),
            (Any("status.conditions", &All(&[Is("status.status", "False"), Is("status.severity", "Error")])), Degraded),
            (Is("status.ready", "false"), Progressing),
            (All(&[Lacks("status.conditions"), Is("status.ready", "true")]), Healthy),
        ],
    ),
    says(
        "core.gardener.cloud/Shoot",
        &[
            (Label("shoot.gardener.cloud/status", "healthy"), Healthy),
            (Label("shoot.gardener.cloud/status", "unhealthy"), Degraded),
            (Label("shoot.gardener.cloud/status", "unknown"), Unknown),
        ],
    ),
    says(
        "karpenter.sh/NodeClaim",
        &[(True("Disrupting"), Suspended), (False("Ready"), Degraded), (True("Ready"), Healthy)],
    ),
    says("karpenter.sh/NodePool", READY),
    says("karpenter.k8s.aws/*", READY),
    code("work.karmada.io/ResourceBinding|ClusterResourceBinding", special::binding),
    may_say(
        "*.karmada.io/*",
        &[(Untrue("Scheduled|FullyApplied"), Progressing), (True("Ready|FullyApplied|Scheduled"), Healthy)],
    ),
];

/// Managed resources and composites; paused ones are not reconciled until they are unpaused.
const CROSSPLANE: &[Clause] = &[
    (Because("Synced", "ReconcilePaused"), Suspended),
    (False("LastAsyncOperation|Synced"), Degraded),
    (Untrue("Ready"), Progressing),
    (True("Ready|Healthy|Offered|Established|ValidPipeline|RevisionHealthy"), Healthy),
];

const SEVERITY: &[Clause] = &[
    (True("Ready"), Healthy),
    (Any("status.conditions", &All(&[Is("status.type", "Ready"), Is("status.severity", "Error")])), Degraded),
    (Untrue("Ready"), Progressing),
];

const NOT_READY: &super::Test =
    &All(&[Is("status.type", "Ready"), Is("status.status", "False"), Not(&Is("status.severity", "Info"))]);
