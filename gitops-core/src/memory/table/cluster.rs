//! Columns of what a cluster consists of: nodes, leases, priorities, devices.

use super::row::{NONE, Row, UNKNOWN};
use super::{AGE, Column, NAME, Tables};

pub(super) const TABLES: Tables = &[
    ("", "Node", NODE),
    ("coordination.k8s.io", "Lease", LEASE),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", FLOW_SCHEMA),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", PRIORITY_LEVEL),
    ("node.k8s.io", "RuntimeClass", RUNTIME_CLASS),
    ("resource.k8s.io", "DeviceClass", NAME_AND_AGE),
    ("resource.k8s.io", "ResourceClaim", RESOURCE_CLAIM),
    ("resource.k8s.io", "ResourceClaimTemplate", NAME_AND_AGE),
    ("resource.k8s.io", "ResourceSlice", RESOURCE_SLICE),
    ("scheduling.k8s.io", "PriorityClass", PRIORITY_CLASS),
];

const NAME_AND_AGE: &[Column] = &[NAME, AGE];

const LEASE: &[Column] = &[
    NAME,
    Column::text(
        "Holder",
        "holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader Election is \
        used, the holder identity must be equal to the elected LeaseCandidate.metadata.name field.",
        |row| row.text("spec.holderIdentity").into(),
    ),
    AGE,
];

const NODE: &[Column] = &[
    NAME,
    Column::text("Status", "The status of the node", |row| node_status(row).into()),
    Column::text("Roles", "The roles of the node", |row| roles(row).into()),
    AGE,
    Column::text("Version", "The version of its kubelet.", |row| row.text("status.nodeInfo.kubeletVersion").into()),
    Column::text("Internal-IP", "Its address in the cluster.", |row| address(row, "InternalIP").into()).wide(),
    Column::text("External-IP", "Its address outside.", |row| address(row, "ExternalIP").into()).wide(),
    Column::text("OS-Image", "Its operating system.", |row| row.text_or("status.nodeInfo.osImage", UNKNOWN).into())
        .wide(),
    Column::text("Kernel-Version", "Its kernel.", |row| row.text_or("status.nodeInfo.kernelVersion", UNKNOWN).into())
        .wide(),
    Column::text("Container-Runtime", "What runs its containers.", |row| {
        row.text_or("status.nodeInfo.containerRuntimeVersion", UNKNOWN).into()
    })
    .wide(),
];

const PRIORITY_CLASS: &[Column] = &[
    NAME,
    Column::integer("Value", "The priority of pods of this class.", |row| row.number("value").into()),
    Column::boolean("Global-Default", "Whether pods that name no class get this one.", |row| {
        row.flag("globalDefault").into()
    }),
    AGE,
    Column::text("PreemptionPolicy", "Whether such pods push others away.", |row| row.text("preemptionPolicy").into()),
];

const RUNTIME_CLASS: &[Column] = &[
    NAME,
    Column::text("Handler", "The configuration of the container runtime.", |row| row.text("handler").into()),
    AGE,
];

const FLOW_SCHEMA: &[Column] = &[
    NAME,
    Column::text("PriorityLevel", "The priority level of matching requests.", |row| {
        row.text("spec.priorityLevelConfiguration.name").into()
    }),
    Column::text("MatchingPrecedence", "Which of several matching schemas wins: the lowest.", |row| {
        row.number("spec.matchingPrecedence").into()
    }),
    Column::text("DistinguisherMethod", "What tells flows apart.", |row| {
        row.text_or("spec.distinguisherMethod.type", NONE).into()
    }),
    AGE,
    Column::text("MissingPL", "references a broken or non-existent PriorityLevelConfiguration", |row| {
        row.condition("status.conditions", "Dangling").unwrap_or("?").into()
    }),
];

const PRIORITY_LEVEL: &[Column] = &[
    NAME,
    Column::text("Type", "Whether requests are limited.", |row| row.text("spec.type").into()),
    Column::text("NominalConcurrencyShares", "Its share of all seats.", |row| {
        limit(row, "spec.limited.nominalConcurrencyShares").into()
    }),
    Column::text("Queues", "How many queues it has.", |row| {
        limit(row, "spec.limited.limitResponse.queuing.queues").into()
    }),
    Column::text("HandSize", "How many queues a flow is spread over.", |row| {
        limit(row, "spec.limited.limitResponse.queuing.handSize").into()
    }),
    Column::text("QueueLengthLimit", "How many requests may wait in a queue.", |row| {
        limit(row, "spec.limited.limitResponse.queuing.queueLengthLimit").into()
    }),
    AGE,
];

const RESOURCE_CLAIM: &[Column] = &[
    NAME,
    Column::text("State", "A summary of the current state (allocated, pending, reserved, etc.).", |row| {
        claim_state(row).into()
    }),
    AGE,
];

const RESOURCE_SLICE: &[Column] = &[
    NAME,
    Column::text("Node", "The node whose devices these are.", |row| row.text("spec.nodeName").into()),
    Column::text("Driver", "The driver of the devices.", |row| row.text("spec.driver").into()),
    Column::text("Pool", "The pool of the devices.", |row| row.text("spec.pool.name").into()),
    AGE,
];

fn node_status(row: Row<'_>) -> String {
    let ready = match row.condition("status.conditions", "Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    format!("{ready}{}", if row.flag("spec.unschedulable") { ",SchedulingDisabled" } else { "" })
}

fn roles(row: Row<'_>) -> String {
    let labels = row.at("metadata.labels").and_then(crate::value::ValueRef::as_map).into_iter().flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => value.as_str().filter(|_| key == "kubernetes.io/role"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
}

fn address<'r>(row: Row<'r>, kind: &str) -> &'r str {
    let found = row.items("status.addresses").find(|address| address.text("type") == kind);
    found.map_or(NONE, |address| address.text("address"))
}

fn limit(row: Row<'_>, path: &str) -> String {
    row.scalar(path).unwrap_or_else(|| NONE.to_owned())
}

fn claim_state(row: Row<'_>) -> String {
    let states = [
        ("deleted", row.is_terminating()),
        ("allocated", row.at("status.allocation").is_some()),
        ("reserved", row.count("status.reservedFor") > 0),
    ];
    let states: Vec<&str> = states.into_iter().filter(|(_, holds)| *holds).map(|(state, _)| state).collect();
    if states.is_empty() { "pending".to_owned() } else { states.join(",") }
}
