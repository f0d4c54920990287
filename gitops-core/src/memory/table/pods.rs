//! Pods: one state out of many.
//!
//! The rules are those of `kubectl get pods`: what a pod does is told by the init container that holds it up, else by
//! its containers, else by its phase.

use crate::time::Timestamp;
use crate::value::Draft;

use super::row::{NONE, Row, human};
use super::{AGE, Column, NAME};

/// What is told of a pod.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

pub(super) const POD: &[Column] = &[
    NAME,
    Column::text("Ready", "The aggregate readiness state of this pod for accepting traffic.", |row| ready(row).into()),
    Column::text("Status", "The aggregate status of the containers in this pod.", |row| summary(row).reason.into()),
    Column::text(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod \
        has restarted.",
        |row| restarts(row).into(),
    ),
    AGE,
    Column::text(
        "IP",
        "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.",
        |row| first_ip(row).into(),
    )
    .wide(),
    Column::text(
        "Node",
        "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by \
        the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes \
        responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to \
        be scheduled on a specific node. \
        https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename",
        |row| row.text_or("spec.nodeName", NONE).into(),
    )
    .wide(),
    Column::text(
        "Nominated Node",
        "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled \
        right away as preemption victims receive their graceful termination periods. This field does not guarantee \
        that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes \
        become available sooner. Scheduler may also decide to give the resources on this node to a higher priority \
        pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when \
        the pod is scheduled.",
        |row| row.text_or("status.nominatedNodeName", NONE).into(),
    )
    .wide(),
    Column::text(
        "Readiness Gates",
        "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its \
        containers are ready AND all conditions specified in the readiness gates have status equal to \"True\" More \
        info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates",
        |row| gates(row).into(),
    )
    .wide(),
];

/// Says that a pod will not run again.
pub(super) fn completed(row: Row<'_>) -> Option<Draft> {
    let (reason, message) = match row.text("status.phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    let mut condition = Draft::map();
    for (field, text) in [("type", "Completed"), ("status", "True"), ("reason", reason), ("message", message)] {
        condition.set(field, text);
    }
    Some(condition)
}

fn restarts(row: Row<'_>) -> String {
    let summary = summary(row);
    match summary.last_restart {
        Some(at) if summary.restarts != 0 => format!("{} ({} ago)", summary.restarts, human(at, row.now)),
        _ => summary.restarts.to_string(),
    }
}

/// How many of the wanted conditions hold.
fn gates(row: Row<'_>) -> String {
    let gates = row.items("spec.readinessGates");
    let total = gates.len();
    let holds = |gate: &Row<'_>| row.condition("status.conditions", gate.text("conditionType")) == Some("True");
    if total == 0 { NONE.to_owned() } else { format!("{}/{total}", gates.filter(holds).count()) }
}

fn summary(row: Row<'_>) -> Summary {
    let mut summary = Summary {
        ready: 0,
        total: row.items("spec.containers").len() + row.items("spec.initContainers").filter(|c| is_sidecar(*c)).count(),
        reason: row.text_or("status.reason", row.text("status.phase")).to_owned(),
        restarts: 0,
        last_restart: None,
    };
    let gated =
        |condition: Row<'_>| condition.text("type") == "PodScheduled" && condition.text("reason") == "SchedulingGated";
    if row.items("status.conditions").any(gated) {
        "SchedulingGated".clone_into(&mut summary.reason);
    }
    let holds_up = initialize(row, &mut summary);
    if !holds_up || row.condition("status.conditions", "Initialized") == Some("True") {
        run(row, &mut summary);
    }
    let ended = matches!(row.text("status.phase"), "Succeeded" | "Failed");
    if row.is_terminating() && row.text("status.reason") == "NodeLost" {
        "Unknown".clone_into(&mut summary.reason);
    } else if row.is_terminating() && !ended {
        "Terminating".clone_into(&mut summary.reason);
    }
    summary
}

/// Whether an init container runs beside the others.
fn is_sidecar(container: Row<'_>) -> bool {
    container.text("restartPolicy") == "Always"
}

fn sidecar_named(row: Row<'_>, name: &str) -> bool {
    row.items("spec.initContainers").any(|container| container.text("name") == name && is_sidecar(container))
}

/// Looks at the init containers; returns whether one of them holds the pod up.
fn initialize(row: Row<'_>, summary: &mut Summary) -> bool {
    let total = row.items("spec.initContainers").len();
    for (at, status) in row.items("status.initContainerStatuses").enumerate() {
        summary.restarted(status);
        let terminated = status.at("state.terminated").is_some();
        if terminated && status.number("state.terminated.exitCode") == 0 {
            continue;
        }
        if sidecar_named(row, status.text("name")) && status.flag("started") {
            summary.ready += usize::from(status.flag("ready"));
            continue;
        }
        let waiting = status.text("state.waiting.reason");
        summary.reason = if terminated {
            format!("Init:{}", exit(status))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{at}/{total}")
        };
        return true;
    }
    false
}

/// Looks at the containers, the last one first, so that the first one has the last word.
fn run(row: Row<'_>, summary: &mut Summary) {
    (summary.restarts, summary.last_restart) = (0, None);
    let sidecars = row.items("status.initContainerStatuses");
    sidecars.filter(|status| sidecar_named(row, status.text("name"))).for_each(|status| summary.restarted(status));
    let mut running = false;
    for status in row.items("status.containerStatuses").rev() {
        summary.restarted(status);
        let waiting = status.text("state.waiting.reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut summary.reason);
        } else if status.at("state.terminated").is_some() {
            summary.reason = exit(status);
        } else if status.flag("ready") && status.at("state.running").is_some() {
            running = true;
            summary.ready += 1;
        }
    }
    if running && summary.reason == "Completed" {
        let ready = row.condition("status.conditions", "Ready") == Some("True");
        if ready { "Running" } else { "NotReady" }.clone_into(&mut summary.reason);
    }
}

/// Why a container ended.
fn exit(status: Row<'_>) -> String {
    let (reason, signal) = (status.text("state.terminated.reason"), status.number("state.terminated.signal"));
    match () {
        () if !reason.is_empty() => reason.to_owned(),
        () if signal != 0 => format!("Signal:{signal}"),
        () => format!("ExitCode:{}", status.number("state.terminated.exitCode")),
    }
}

impl Summary {
    fn restarted(&mut self, status: Row<'_>) {
        self.restarts = self.restarts.saturating_add(status.number("restartCount"));
        self.last_restart = self.last_restart.max(status.instant("lastState.terminated.finishedAt"));
    }
}

fn ready(row: Row<'_>) -> String {
    let summary = summary(row);
    format!("{}/{}", summary.ready, summary.total)
}

fn first_ip(row: Row<'_>) -> &str {
    row.items("status.podIPs").next().map_or(NONE, |ip| ip.text_or("ip", NONE))
}
