//! Argo, Flux, Tekton and others that deliver: what has run, and what is rolled out.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Any, Because, Differ, False, Has, Is, Label, Lacks, Not, True, Unsure};
use super::{READY, Rule, code, may_say, quiet, says, special};

pub(super) const RULES: &[Rule] = &[
    says(
        "argoproj.io/Application",
        &[
            (Is("status.operationState.phase", "Running|Terminating"), Progressing),
            (Is("status.health.status", "Healthy"), Healthy),
            (Is("status.health.status", "Suspended"), Suspended),
            (Is("status.health.status", "Degraded"), Degraded),
            (Is("status.health.status", "Missing"), super::super::HealthStatus::Missing),
            (Is("status.health.status", "Unknown"), Unknown),
        ],
    ),
    says(
        "argoproj.io/ApplicationSet",
        &[
            (True("ErrorOccurred"), Degraded),
            (False("ResourcesUpToDate"), Degraded),
            (True("RolloutProgressing"), Progressing),
            (True("ResourcesUpToDate"), Healthy),
        ],
    ),
    code("argoproj.io/Rollout", special::rollout),
    says(
        "argoproj.io/AnalysisRun|Experiment",
        &[
            (Is("status.phase", "Successful"), Healthy),
            (Is("status.phase", "Failed|Error"), Degraded),
            (Is("status.phase", "Inconclusive"), Unknown),
            (Is("status.phase", "*"), Progressing),
        ],
    ),
    // Its controller writes nothing before the first run is due.
    quiet("argoproj.io/CronWorkflow", &[(True("SpecError|SubmissionError"), Degraded)]),
    says(
        "argoproj.io/EventBus|EventSource|Sensor",
        &[
            (False("Deployed|SourcesProvided|DependenciesProvided|TriggersProvided"), Degraded),
            (True("Deployed"), Healthy),
        ],
    ),
    quiet("argoproj.io/AppProject|AnalysisTemplate|ClusterAnalysisTemplate|*WorkflowTemplate", &[]),
    // Every kind reports `Ready`; environments are promoted one after the other.
    code("promoter.argoproj.io/PromotionStrategy", special::promotion),
    says(
        "promoter.argoproj.io/ChangeTransferPolicy",
        &[
            (False("Ready"), Degraded),
            (Lacks("status.active.dry.sha"), Progressing),
            (Lacks("status.proposed.dry.sha"), Progressing),
            (Differ("status.active.dry.sha", "status.proposed.dry.sha"), Progressing),
            (True("Ready"), Healthy),
        ],
    ),
    says(
        "promoter.argoproj.io/ArgoCDCommitStatus",
        &[
            (False("Ready"), Degraded),
            (All(&[True("Ready"), Lacks("status.applicationsSelected")]), Degraded),
            (True("Ready"), Healthy),
        ],
    ),
    says(
        "promoter.argoproj.io/GitCommitStatus|TimedCommitStatus|WebRequestCommitStatus",
        &[
            (False("Ready"), Degraded),
            (Unsure("Ready"), Progressing),
            (Any("status.environments", &Is("status.phase", "failure")), Degraded),
            (Any("status.environments", &Not(&Is("status.phase", "success"))), Progressing),
            (True("Ready"), Healthy),
        ],
    ),
    says(
        "promoter.argoproj.io/PullRequest",
        &[(False("Ready|Reconciled"), Degraded), (True("Ready|Reconciled"), Healthy)],
    ),
    quiet("promoter.argoproj.io/ControllerConfiguration", &[]),
    says("promoter.argoproj.io/*", READY),
    says(
        "numaflow.numaproj.io/*",
        &[
            (Lacks("status.observedGeneration"), Progressing),
            (Label("numaplane.numaproj.io/progressive-result-state", "failed"), Degraded),
            (Is("status.phase", "Failed"), Degraded),
            (False("*"), Degraded),
            (Is("status.phase", "Paused|Pausing|Running"), Healthy),
        ],
    ),
    says(
        "numaplane.numaproj.io/*",
        &[
            (Lacks("status.observedGeneration"), Progressing),
            (All(&[Not(&False("ProgressiveUpgradeSucceeded")), Has("status.upgradeInProgress")]), Progressing),
            (All(&[Not(&False("ProgressiveUpgradeSucceeded")), Is("status.phase", "Pending")]), Progressing),
            (All(&[False("ChildResourcesHealthy"), Because("ChildResourcesHealthy", "Progressing")]), Progressing),
            (Is("status.phase", "Failed"), Degraded),
            (False("ProgressiveUpgradeSucceeded"), Degraded),
            (False("ChildResourcesHealthy"), Degraded),
            (True("PipelinePausingOrPaused|MonoVertexPausingOrPaused"), Healthy),
            (True("ChildResourcesHealthy"), Healthy),
        ],
    ),
    // Flux: the conventions of kstatus, and `spec.suspend`.
    quiet("notification.toolkit.fluxcd.io/Alert|Provider", FLUX),
    says(
        "source.toolkit.fluxcd.io/HelmRepository",
        &[
            (Is("spec.suspend", "true"), Suspended),
            // A registry of charts is asked only when a chart is pulled: nothing is ever reported.
            (Is("spec.type", "oci"), Healthy),
            (True("Stalled"), Degraded),
            (Because("Reconciling", "ProgressingWithRetry"), Degraded),
            (Unsure("Ready"), Progressing),
            (False("Ready"), Degraded),
            (True("Ready"), Healthy),
        ],
    ),
    says("*.toolkit.fluxcd.io/*", FLUX),
    // Tekton and Knative: one condition that sums up.
    says(
        "tekton.dev/PipelineRun|TaskRun|CustomRun|Run",
        &[(False("Succeeded"), Degraded), (True("Succeeded"), Healthy)],
    ),
    quiet("tekton.dev/*", &[]),
    says("operator.tekton.dev/*", READY),
    may_say("triggers.tekton.dev/*", &[(False("Ready|Available"), Degraded), (True("Ready"), Healthy)]),
    says(
        "flagger.app/Canary",
        &[
            (Is("status.phase", "Failed"), Degraded),
            (Is("status.phase", "Succeeded|Initialized"), Healthy),
            (Is("status.phase", "Progressing|Finalising|Promoting|Initializing|Waiting|WaitingPromotion"), Progressing),
            (Is("status.phase", "Terminating|Terminated"), Progressing),
        ],
    ),
    says(
        "rollouts.kruise.io/Rollout",
        &[
            (Is("status.phase", "Terminating|Disabled|Disabling"), Degraded),
            (Is("status.canaryStatus.currentStepState", "StepPaused"), Suspended),
            (Is("status.blueGreenStatus.currentStepState", "StepPaused"), Suspended),
            (Is("status.phase", "Healthy"), Healthy),
        ],
    ),
    says(
        "lifecycle.keptn.sh/KeptnAppVersion|KeptnEvaluation|KeptnTask|KeptnWorkloadInstance|KeptnWorkloadVersion",
        &[
            (Is("status.status", "Succeeded"), Healthy),
            (Is("status.overallStatus", "Succeeded"), Healthy),
            (Is("status.status", "Failed"), Degraded),
            (Is("status.overallStatus", "Failed"), Degraded),
        ],
    ),
    says(
        "metrics.keptn.sh/Analysis",
        &[
            (Is("status.pass", "true"), Healthy),
            (Is("status.warning", "true"), Healthy),
            (Is("status.pass", "false"), Degraded),
        ],
    ),
    says("metrics.keptn.sh/KeptnMetric", &[(Has("status.errMsg"), Degraded), (Has("status.value"), Healthy)]),
    says(
        "pulumi.com/Stack",
        &[
            (Lacks("status.observedGeneration"), Progressing),
            (True("Stalled"), Degraded),
            (True("Reconciling"), Progressing),
            (True("Ready"), Healthy),
        ],
    ),
    says(
        "tower.ansible.com/AnsibleJob",
        &[
            (Is("status.ansibleJobResult.status", "successful"), Healthy),
            (Is("status.ansibleJobResult.status", "failed|error|canceled"), Degraded),
        ],
    ),
];

const FLUX: &[Clause] = &[
    (Is("spec.suspend", "true"), Suspended),
    (True("Stalled"), Degraded),
    // A try has failed, and the next one is on its way.
    (Because("Reconciling", "ProgressingWithRetry"), Degraded),
    // What it says of readiness is about the spec before.
    (Because("Reconciling", "NewGeneration|AccessingRepository|Scanning|ApplyingPolicy"), Progressing),
    (Unsure("Ready"), Progressing),
    (False("Ready"), Degraded),
    (True("Ready"), Healthy),
];
