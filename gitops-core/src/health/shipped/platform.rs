//! OpenShift, OLM, Rancher, virtual machines, 3scale, Knative's operator, and operators' operators.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Any, Because, False, Has, Is, Lacks, Not, True, Unsure, Untrue};
use super::{Rule, may_say, quiet, says};

pub(super) const RULES: &[Rule] = &[
    says(
        "config.openshift.io/ClusterOperator|ClusterVersion",
        &[
            (True("Degraded|Failing|Invalid"), Degraded),
            (False("Available"), Degraded),
            (True("Progressing"), Progressing),
            (True("Available"), Healthy),
        ],
    ),
    quiet("config.openshift.io/*", &[]),
    says(
        "operator.openshift.io/IngressController",
        &[
            (True("Degraded"), Degraded),
            (False("DeploymentReplicasAllAvailable"), Progressing),
            (True("Progressing"), Progressing),
            (True("Available"), Healthy),
        ],
    ),
    may_say("operator.openshift.io/*", OPERATOR),
    says(
        "machineconfiguration.openshift.io/MachineConfigPool",
        &[
            (True("Degraded|NodeDegraded|RenderDegraded"), Degraded),
            (Is("spec.paused", "true"), Suspended),
            (True("Updating"), Progressing),
            (True("Updated"), Healthy),
        ],
    ),
    quiet("machineconfiguration.openshift.io/MachineConfig", &[]),
    says(
        "apps.openshift.io/DeploymentConfig",
        &[
            (Is("status.replicas", "0"), Healthy),
            (Lacks("status.conditions"), Progressing),
            (
                All(&[
                    True("Available"),
                    All(&[True("Progressing"), Because("Progressing", "NewReplicationControllerAvailable")]),
                ]),
                Healthy,
            ),
            (True("Available"), Progressing),
            (All(&[True("Progressing"), Because("Progressing", "NewReplicationControllerAvailable")]), Progressing),
            (False("Available|Progressing"), Degraded),
        ],
    ),
    says(
        "build.openshift.io/Build",
        &[(Is("status.phase", "Complete"), Healthy), (Is("status.phase", "Failed|Error|Cancelled"), Degraded)],
    ),
    quiet("build.openshift.io/*", &[]),
    quiet("image.openshift.io/*", &[]),
    quiet("security.openshift.io/*", &[]),
    quiet("template.openshift.io/*", &[]),
    quiet("console.openshift.io/*", &[]),
    says("project.openshift.io/Project", &[(Is("status.phase", "Active"), Healthy)]),
    says("ocs.openshift.io/StorageCluster", OPERATOR),
    // OLM: an upgrade that a person must approve is no failure of what is installed.
    says(
        "operators.coreos.com/Subscription",
        &[
            (True("CatalogSourcesUnhealthy|InstallPlanFailed|ResolutionFailed"), Degraded),
            (Is("status.state", "UpgradeFailed"), Degraded),
            (
                All(&[
                    True("InstallPlanMissing"),
                    Not(&Because("InstallPlanMissing", "ReferencedInstallPlanNotFound")),
                ]),
                Degraded,
            ),
            (AWAITS_APPROVAL, Healthy),
            (True("InstallPlanPending"), Progressing),
            (Is("status.state", "UpgradeAvailable|UpgradePending"), Progressing),
            (Is("status.state", "*"), Healthy),
        ],
    ),
    says(
        "operators.coreos.com/ClusterServiceVersion",
        &[(Is("status.phase", "Succeeded"), Healthy), (Is("status.phase", "Failed"), Degraded)],
    ),
    says(
        "operators.coreos.com/InstallPlan",
        &[
            (Is("status.phase", "Complete"), Healthy),
            (Is("status.phase", "Failed"), Degraded),
            (Is("status.phase", "RequiresApproval"), Suspended),
        ],
    ),
    may_say(
        "operators.coreos.com/CatalogSource",
        &[
            (Is("status.connectionState.lastObservedState", "READY"), Healthy),
            (Is("status.connectionState.lastObservedState", "TRANSIENT_FAILURE"), Degraded),
        ],
    ),
    quiet("operators.coreos.com/*", &[]),
    says(
        "olm.operatorframework.io/ClusterExtension|ClusterCatalog",
        &[
            (Because("Progressing", "Blocked|InvalidConfiguration"), Degraded),
            (Because("Progressing", "Retrying|RollingOut"), Progressing),
            (True("Installed|Serving"), Healthy),
            (Because("Installed", "Failed"), Degraded),
        ],
    ),
    says(
        "operator.knative.dev/*",
        &[
            (False("Ready|DeploymentsAvailable"), Progressing),
            (Unsure("*"), Progressing),
            (False("*"), Degraded),
            (All(&[True("Ready"), True("InstallSucceeded")]), Healthy),
        ],
    ),
    says(
        "apps.3scale.net/APIManager",
        &[
            (
                All(&[
                    Has("status.deployments.ready"),
                    Lacks("status.deployments.starting"),
                    Lacks("status.deployments.stopped"),
                ]),
                Healthy,
            ),
            (True("Available"), Healthy),
            (All(&[Untrue("Available"), Because("Available", "*")]), Degraded),
        ],
    ),
    says(
        "capabilities.3scale.net/Application",
        &[
            (Is("status.state", "suspended"), Suspended),
            (True("Ready"), Healthy),
            (All(&[Untrue("Ready"), Lacks("status.adminId")]), Degraded),
        ],
    ),
    says(
        "capabilities.3scale.net/Tenant",
        &[(Untrue("Ready"), Degraded), (All(&[True("Ready"), Has("status.tenantId"), Has("status.adminId")]), Healthy)],
    ),
    says(
        "capabilities.3scale.net/DeveloperUser",
        &[(Is("status.developerUserState", "suspended"), Suspended), THREESCALE_FAILED, (True("Ready"), Healthy)],
    ),
    says(
        "capabilities.3scale.net/*",
        &[
            THREESCALE_FAILED,
            (True("Waiting"), Suspended),
            (True("In-progress"), Progressing),
            (True("Ready|Synced"), Healthy),
        ],
    ),
    may_say("helm.cattle.io/HelmChart", &[(True("Failed"), Degraded), (Lacks("status.jobName"), Progressing)]),
    may_say(
        "fleet.cattle.io/*",
        &[(False("Ready"), Progressing), (True("Stalled"), Degraded), (True("Ready"), Healthy)],
    ),
    may_say("upgrade.cattle.io/*", &[(False("Validated"), Degraded), (True("Complete"), Healthy)]),
    says(
        "kubevirt.io/VirtualMachine",
        &[
            (True("Paused"), Suspended),
            (Is("status.printableStatus", "*Error|*BackOff|ErrorUnschedulable|ErrImagePull"), Degraded),
            (True("Ready"), Healthy),
            (All(&[Untrue("Ready"), Not(&Is("status.created", "true"))]), Suspended),
        ],
    ),
    says(
        "kubevirt.io/VirtualMachineInstance",
        &[
            (Is("status.phase", "Failed"), Degraded),
            (Is("status.phase", "Succeeded"), Suspended),
            (Is("status.phase", "Unknown"), Unknown),
            (Is("status.phase", "Pending|Scheduling|Scheduled"), Progressing),
            (True("Paused"), Suspended),
            (True("Ready"), Healthy),
            (Untrue("Ready"), Degraded),
        ],
    ),
    says("kubevirt.io/KubeVirt", OPERATOR),
    says(
        "cdi.kubevirt.io/DataVolume",
        &[
            (Is("status.phase", "Succeeded"), Healthy),
            (Is("status.phase", "Failed|Unknown"), Degraded),
            (Is("status.phase", "Paused"), Suspended),
            (All(&[False("Running"), Because("Running", "Error")]), Degraded),
        ],
    ),
    says("cdi.kubevirt.io/CDI", OPERATOR),
    quiet("instancetype.kubevirt.io/*", &[]),
    says(
        "nvidia.com/ClusterPolicy|NVIDIADriver",
        &[(Is("status.state", "ready"), Healthy), (Is("status.state", "ignored"), Suspended)],
    ),
    says("app.k8s.io/Application", &[(True("Error"), Degraded), (True("Ready"), Healthy)]),
];

/// What OpenShift's operators report, and operators modelled after them.
const OPERATOR: &[Clause] = &[
    (True("Degraded"), Degraded),
    (True("Progressing"), Progressing),
    (False("Available"), Degraded),
    (True("Available"), Healthy),
];

const AWAITS_APPROVAL: super::Test = All(&[
    Is("spec.installPlanApproval", "Manual"),
    Has("status.installedCSV"),
    Is("status.state", "UpgradePending"),
    Any(
        "status.conditions",
        &All(&[
            Is("status.type", "InstallPlanPending"),
            Is("status.status", "True"),
            Is("status.reason", "RequiresApproval"),
        ]),
    ),
]);

const THREESCALE_FAILED: (super::Test, super::super::HealthStatus) = (True("Invalid|Orphan|Failed"), Degraded);
