//! Columns of workloads.

use super::pods::POD;
use super::row::{NONE, Row, UNSET, human, or};
use super::{AGE, Column, NAME, Tables};

pub(super) const TABLES: Tables = &[
    ("", "Pod", POD),
    ("", "PodTemplate", POD_TEMPLATE),
    ("", "ReplicationController", REPLICATION_CONTROLLER),
    ("apps", "ControllerRevision", CONTROLLER_REVISION),
    ("apps", "DaemonSet", DAEMON_SET),
    ("apps", "Deployment", DEPLOYMENT),
    ("apps", "ReplicaSet", REPLICA_SET),
    ("apps", "StatefulSet", STATEFUL_SET),
    ("autoscaling", "Scale", SCALE),
    ("batch", "CronJob", CRON_JOB),
    ("batch", "Job", JOB),
    ("policy", "PodDisruptionBudget", POD_DISRUPTION_BUDGET),
];

const CONTAINERS: Column = Column::text("Containers", "Names of each container in the template.", |row| {
    each_container(row, "spec.template", "name").into()
})
.wide();

const IMAGES: Column = Column::text("Images", "Images referenced by each container in the template.", |row| {
    each_container(row, "spec.template", "image").into()
})
.wide();

const DEPLOYMENT: &[Column] = &[
    NAME,
    Column::text("Ready", "Number of the pod with ready state", |row| {
        share(row, "status.readyReplicas", "spec.replicas").into()
    }),
    Column::text(
        "Up-to-date",
        "Total number of non-terminating pods targeted by this deployment that have the desired template spec.",
        |row| row.number("status.updatedReplicas").into(),
    ),
    Column::text(
        "Available",
        "Total number of available non-terminating pods (ready for at least minReadySeconds) targeted by this \
        deployment.",
        |row| row.number("status.availableReplicas").into(),
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    Column::text(
        "Selector",
        "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected by \
        this deployment. It must match the pod template's labels.",
        |row| row.selector("spec.selector").into(),
    )
    .wide(),
];

const REPLICA_SET: &[Column] = &[
    NAME,
    Column::integer(
        "Desired",
        "Replicas is the number of desired pods. This is a pointer to distinguish between explicit zero and \
        unspecified. Defaults to 1. More info: https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        |row| row.number("spec.replicas").into(),
    ),
    Column::integer(
        "Current",
        "Replicas is the most recently observed number of non-terminating pods. More info: \
        https://kubernetes.io/docs/concepts/workloads/controllers/replicaset",
        |row| row.number("status.replicas").into(),
    ),
    Column::integer(
        "Ready",
        "The number of non-terminating pods targeted by this ReplicaSet with a Ready Condition.",
        |row| row.number("status.readyReplicas").into(),
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    Column::text(
        "Selector",
        "Selector is a label query over pods that should match the replica count. Label keys and values that must \
        match in order to be controlled by this replica set. It must match the pod template's labels. More info: \
        https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        |row| or(row.selector("spec.selector"), NONE).into(),
    )
    .wide(),
];

const REPLICATION_CONTROLLER: &[Column] = &[
    NAME,
    Column::integer(
        "Desired",
        "Replicas is the number of desired replicas. This is a pointer to distinguish between explicit zero and \
        unspecified. Defaults to 1. More info: \
        https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller",
        |row| row.number("spec.replicas").into(),
    ),
    Column::integer(
        "Current",
        "Replicas is the most recently observed number of replicas. More info: \
        https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller#what-is-a-replicationcontroller",
        |row| row.number("status.replicas").into(),
    ),
    Column::integer("Ready", "The number of ready replicas for this replication controller.", |row| {
        row.number("status.readyReplicas").into()
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    Column::text(
        "Selector",
        "Selector is a label query over pods that should match the Replicas count. If Selector is empty, it is \
        defaulted to the labels present on the Pod template. Label keys and values that must match in order to be \
        controlled by this replication controller, if empty defaulted to labels on Pod template. More info: \
        https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        |row| row.labels("spec.selector").into(),
    )
    .wide(),
];

const STATEFUL_SET: &[Column] = &[
    NAME,
    Column::text("Ready", "Number of the pod with ready state", |row| {
        share(row, "status.readyReplicas", "spec.replicas").into()
    }),
    AGE,
    CONTAINERS,
    IMAGES,
];

const DAEMON_SET: &[Column] = &[
    NAME,
    Column::integer(
        "Desired",
        "The total number of nodes that should be running the daemon pod (including nodes correctly running the \
        daemon pod). More info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/",
        |row| row.number("status.desiredNumberScheduled").into(),
    ),
    Column::integer(
        "Current",
        "The number of nodes that are running at least 1 daemon pod and are supposed to run the daemon pod. More \
        info: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/",
        |row| row.number("status.currentNumberScheduled").into(),
    ),
    Column::integer(
        "Ready",
        "numberReady is the number of nodes that should be running the daemon pod and have one or more of the daemon \
        pod running with a Ready Condition.",
        |row| row.number("status.numberReady").into(),
    ),
    Column::integer("Up-to-date", "The total number of nodes that are running updated daemon pod", |row| {
        row.number("status.updatedNumberScheduled").into()
    }),
    Column::integer(
        "Available",
        "The number of nodes that should be running the daemon pod and have one or more of the daemon pod running and \
        available (ready for at least spec.minReadySeconds)",
        |row| row.number("status.numberAvailable").into(),
    ),
    Column::text(
        "Node Selector",
        "NodeSelector is a selector which must be true for the pod to fit on a node. Selector which must match a \
        node's labels for the pod to be scheduled on that node. More info: \
        https://kubernetes.io/docs/concepts/configuration/assign-pod-node/",
        |row| row.labels("spec.template.spec.nodeSelector").into(),
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    Column::text(
        "Selector",
        "A label query over pods that are managed by the daemon set. Must match in order to be controlled. It must \
        match the pod template's labels. More info: \
        https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        |row| or(row.selector("spec.selector"), NONE).into(),
    )
    .wide(),
];

const JOB: &[Column] = &[
    NAME,
    Column::text("Status", "Status of the job.", |row| job_status(row).into()),
    Column::text(
        "Completions",
        "The number of pods which reached phase Succeeded. The value increases monotonically for a given spec. \
        However, it may decrease in reaction to scale down of elastic indexed jobs.",
        |row| completions(row).into(),
    ),
    Column::text("Duration", "Time required to complete the job.", |row| duration(row).into()),
    AGE,
    CONTAINERS,
    IMAGES,
    Column::text(
        "Selector",
        "A label query over pods that should match the pod count. Normally, the system sets this field for you. More \
        info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        |row| or(row.selector("spec.selector"), NONE).into(),
    )
    .wide(),
];

const CRON_JOB: &[Column] = &[
    NAME,
    Column::text("Schedule", "The schedule in Cron format, see https://en.wikipedia.org/wiki/Cron.", |row| {
        row.text("spec.schedule").into()
    }),
    Column::text(
        "Timezone",
        "The time zone name for the given schedule, see https://en.wikipedia.org/wiki/List_of_tz_database_time_zones. \
        If not specified, this will default to the time zone of the kube-controller-manager process. The set of \
        valid time zone names and the time zone offset is loaded from the system-wide time zone database by the API \
        server during CronJob validation and the controller manager during execution. If no system-wide time zone \
        database can be found a bundled version of the database is used instead. If the time zone name becomes \
        invalid during the lifetime of a CronJob or due to a change in host configuration, the controller will stop \
        creating new new Jobs and will create a system event with the reason UnknownTimeZone. More information can \
        be found in https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#time-zones",
        |row| row.text_or("spec.timeZone", NONE).into(),
    ),
    Column::boolean(
        "Suspend",
        "This flag tells the controller to suspend subsequent executions, it does not apply to already started \
        executions.  Defaults to false.",
        |row| suspended(row).into(),
    ),
    Column::integer("Active", "A list of pointers to currently running jobs.", |row| row.count("status.active").into()),
    Column::text("Last Schedule", "Information when was the last time the job was successfully scheduled.", |row| {
        last_schedule(row).into()
    }),
    AGE,
    Column::text("Containers", "Names of each container in the template.", |row| {
        each_container(row, "spec.jobTemplate.spec.template", "name").into()
    })
    .wide(),
    Column::text("Images", "Images referenced by each container in the template.", |row| {
        each_container(row, "spec.jobTemplate.spec.template", "image").into()
    })
    .wide(),
    Column::text(
        "Selector",
        "A label query over pods that should match the pod count. Normally, the system sets this field for you. More \
        info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        |row| or(row.selector("spec.jobTemplate.spec.selector"), NONE).into(),
    )
    .wide(),
];

const POD_TEMPLATE: &[Column] = &[
    NAME,
    Column::text("Containers", "Names of each container in the template.", |row| {
        each_container(row, "template", "name").into()
    }),
    Column::text("Images", "Images referenced by each container in the template.", |row| {
        each_container(row, "template", "image").into()
    }),
    Column::text("Pod Labels", "The labels for the pod template.", |row| row.labels("template.metadata.labels").into()),
];

const CONTROLLER_REVISION: &[Column] = &[
    NAME,
    Column::text("Controller", "Controller of the object", |row| controller(row).into()),
    Column::text("Revision", "How recent this state is; the highest is the newest.", |row| {
        row.number("revision").into()
    }),
    AGE,
];

const SCALE: &[Column] = &[
    Column::text("Name", "The name of the object that is scaled.", |row| row.text("metadata.name").into()),
    Column::integer("Desired", "How many pods are wanted.", |row| row.number("spec.replicas").into()),
    Column::integer("Available", "How many pods there are.", |row| row.number("status.replicas").into()),
    AGE,
];

const POD_DISRUPTION_BUDGET: &[Column] = &[
    NAME,
    Column::text("Min Available", "The minimum number of pods that must be available.", |row| {
        or(row.scalar("spec.minAvailable").unwrap_or_default(), "N/A").into()
    }),
    Column::text("Max Unavailable", "The maximum number of pods that may be unavailable.", |row| {
        or(row.scalar("spec.maxUnavailable").unwrap_or_default(), "N/A").into()
    }),
    Column::integer("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time.", |row| {
        row.number("status.disruptionsAllowed").into()
    }),
    AGE,
];

/// One field of every container of a template.
fn each_container(row: Row<'_>, template: &str, field: &str) -> String {
    let containers = row.items(&format!("{template}.spec.containers"));
    containers.map(|container| container.text(field)).collect::<Vec<_>>().join(",")
}

/// `2/3`
fn share(row: Row<'_>, part: &str, whole: &str) -> String {
    format!("{}/{}", row.number(part), row.number(whole))
}

fn job_status(row: Row<'_>) -> &'static str {
    let holds = |name: &str| row.condition("status.conditions", name) == Some("True");
    match () {
        () if holds("Complete") => "Complete",
        () if holds("Failed") => "Failed",
        () if row.is_terminating() => "Terminating",
        () if holds("Suspended") => "Suspended",
        () if holds("FailureTarget") => "FailureTarget",
        () if holds("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(row: Row<'_>) -> String {
    let (done, together) = (row.number("status.succeeded"), row.number("spec.parallelism"));
    match row.at("spec.completions").and_then(crate::value::ValueRef::as_i64) {
        Some(wanted) => format!("{done}/{wanted}"),
        None if together > 1 => format!("{done}/1 of {together}"),
        None => format!("{done}/1"),
    }
}

/// How long it ran, or has been running.
fn duration(row: Row<'_>) -> String {
    let started = row.instant("status.startTime");
    started.map_or_else(String::new, |at| human(at, row.instant("status.completionTime").unwrap_or(row.now)))
}

fn suspended(row: Row<'_>) -> &'static str {
    match row.at("spec.suspend").and_then(crate::value::ValueRef::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => UNSET,
    }
}

fn last_schedule(row: Row<'_>) -> String {
    row.instant("status.lastScheduleTime").map_or_else(|| NONE.to_owned(), |at| human(at, row.now))
}

/// What controls an object: `statefulset.apps/web`.
fn controller(row: Row<'_>) -> String {
    let Some(owner) = row.items("metadata.ownerReferences").find(|owner| owner.flag("controller")) else {
        return NONE.to_owned();
    };
    let group = owner.text("apiVersion").split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
    format!("{}{group}/{}", owner.text("kind").to_lowercase(), owner.text("name"))
}
