//! Columns of configuration, namespaces, events and autoscalers.

use super::row::{NONE, Row, UNKNOWN, UNSET};
use super::{AGE, Column, NAME, Tables};

pub(super) const TABLES: Tables = &[
    ("", "ConfigMap", CONFIG_MAP),
    ("", "Event", EVENT),
    ("", "Namespace", NAMESPACE),
    ("", "ResourceQuota", RESOURCE_QUOTA),
    ("", "Secret", SECRET),
    ("", "ServiceAccount", SERVICE_ACCOUNT),
    ("autoscaling", "HorizontalPodAutoscaler", AUTOSCALER),
    ("events.k8s.io", "Event", EVENT),
];

const CONFIG_MAP: &[Column] = &[
    NAME,
    Column::text(
        "Data",
        "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. \
        Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap \
        with the keys in the BinaryData field, this is enforced during validation process.",
        |row| row.count("data").saturating_add(row.count("binaryData")).into(),
    ),
    AGE,
];

const SECRET: &[Column] = &[
    NAME,
    Column::text(
        "Type",
        "Used to facilitate programmatic handling of secret data. More info: \
        https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
        |row| row.text("type").into(),
    ),
    Column::text(
        "Data",
        "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The \
        serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly \
        non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4",
        |row| row.count("data").into(),
    ),
    AGE,
];

const SERVICE_ACCOUNT: &[Column] = &[
    NAME,
    Column::text("Secrets", "How many secrets pods of this account may use.", |row| row.count("secrets").into()),
    AGE,
];

const NAMESPACE: &[Column] =
    &[NAME, Column::text("Status", "The status of the namespace", |row| row.text("status.phase").into()), AGE];

const EVENT: &[Column] = &[
    Column::text("Last Seen", "The time at which the most recent occurrence of this event was recorded.", |row| {
        last_seen(row).into()
    }),
    Column::text("Type", "Type of this event (Normal, Warning), new types could be added in the future", |row| {
        row.text("type").into()
    }),
    Column::text(
        "Reason",
        "This should be a short, machine understandable string that gives the reason for the transition into the \
        object's current status.",
        |row| row.text("reason").into(),
    ),
    Column::text("Object", "The object that this event is about.", |row| subject(row).into()),
    Column::text(
        "Subobject",
        "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go \
        field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is \
        to a container within a pod, this would take on a value like: \"spec.containers{name}\" (where \"name\" \
        refers to the name of the container that triggered the event) or if no container name is specified \
        \"spec.containers[2]\" (container with index 2 in this pod). This syntax is chosen only to have some \
        well-defined way of referencing a part of an object.",
        |row| about(row).text("fieldPath").into(),
    )
    .wide(),
    Column::text(
        "Source",
        "The component reporting this event. Should be a short machine understandable string.",
        |row| source(row).into(),
    )
    .wide(),
    Column::text("Message", "A human-readable description of the status of this operation.", |row| {
        row.text_or("message", row.text("note")).trim().into()
    }),
    Column::text(
        "First Seen",
        "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
        |row| first_seen(row).into(),
    )
    .wide(),
    Column::text("Count", "The number of times this event has occurred.", |row| count(row).into()).wide(),
    NAME.wide(),
];

const AUTOSCALER: &[Column] = &[
    NAME,
    Column::text(
        "Reference",
        "scaleTargetRef points to the target resource to scale, and is used to the pods for which metrics should be \
        collected, as well as to actually change the replica count.",
        |row| reference(row).into(),
    ),
    Column::text(
        "Targets",
        "metrics contains the specifications for which to use to calculate the desired replica count (the maximum \
        replica count across all metrics will be used).  The desired replica count is calculated multiplying the \
        ratio between the target value and the current value by the current number of pods.  Ergo, metrics used must \
        decrease as the pod count is increased, and vice-versa.  See the individual metric source types for more \
        information about how each type of metric must respond. If not set, the default metric will be set to 80% \
        average CPU utilization.",
        |row| targets(row).into(),
    ),
    Column::text(
        "MinPods",
        "minReplicas is the lower limit for the number of replicas to which the autoscaler can scale down.  It \
        defaults to 1 pod.  minReplicas is allowed to be 0 if the alpha feature gate HPAScaleToZero is enabled and \
        at least one Object or External metric is configured.  Scaling is active as long as at least one metric \
        value is available.",
        |row| row.scalar("spec.minReplicas").unwrap_or_else(|| UNSET.to_owned()).into(),
    ),
    Column::text(
        "MaxPods",
        "maxReplicas is the upper limit for the number of replicas to which the autoscaler can scale up. It cannot be \
        less that minReplicas.",
        |row| row.number("spec.maxReplicas").into(),
    ),
    Column::text(
        "Replicas",
        "currentReplicas is current number of replicas of pods managed by this autoscaler, as last seen by the \
        autoscaler.",
        |row| row.number("status.currentReplicas").into(),
    ),
    AGE,
];

const RESOURCE_QUOTA: &[Column] = &[
    NAME,
    Column::text("Request", "Request represents a minimum amount of cpu/memory that a container may consume.", |row| {
        quota(row, Part::Requests).into()
    }),
    Column::text(
        "Limit",
        "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the \
        node.",
        |row| quota(row, Part::Limits).into(),
    ),
    AGE,
];

// Events have two forms: the fields of `events.k8s.io` have other names.

/// The object that an event is about.
fn about(row: Row<'_>) -> Row<'_> {
    let object = row.at("involvedObject").or_else(|| row.at("regarding"));
    Row { object: object.unwrap_or(row.object), ..row }
}

fn subject(row: Row<'_>) -> String {
    let object = about(row);
    let kind = object.text("kind").to_lowercase();
    match object.text("name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn first_seen(row: Row<'_>) -> String {
    let fields = ["firstTimestamp", "deprecatedFirstTimestamp", "eventTime"];
    fields.into_iter().find(|field| row.at(field).is_some()).map_or_else(|| UNKNOWN.to_owned(), |field| row.ago(field))
}

fn last_seen(row: Row<'_>) -> String {
    if row.at("series").is_some() {
        return row.ago("series.lastObservedTime");
    }
    let mut fields = ["lastTimestamp", "deprecatedLastTimestamp"].into_iter();
    fields.find(|field| row.at(field).is_some()).map_or_else(|| first_seen(row), |field| row.ago(field))
}

fn count(row: Row<'_>) -> i64 {
    if row.at("series").is_some() {
        return row.number("series.count");
    }
    let counted = row.number("count").max(row.number("deprecatedCount"));
    if counted == 0 { 1 } else { counted }
}

/// Who saw it, and on which host.
fn source(row: Row<'_>) -> String {
    let first = |fields: [&str; 4]| fields.map(|field| row.text(field)).into_iter().find(|text| !text.is_empty());
    let component =
        first(["source.component", "deprecatedSource.component", "reportingComponent", "reportingController"]);
    let host = first(["source.host", "deprecatedSource.host", "reportingInstance", ""]);
    [component, host].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn reference(row: Row<'_>) -> String {
    format!("{}/{}", row.text("spec.scaleTargetRef.kind"), row.text("spec.scaleTargetRef.name"))
}

/// Every metric with its present and wanted value; two at most.
fn targets(row: Row<'_>) -> String {
    let present: Vec<Row<'_>> = row.items("status.currentMetrics").collect();
    let metrics = row.items("spec.metrics").enumerate().map(|(at, metric)| target(metric, present.get(at).copied()));
    let mut metrics: Vec<String> = metrics.collect();
    // The old version knows one metric only.
    if let (true, Some(wanted)) = (metrics.is_empty(), row.scalar("spec.targetCPUUtilizationPercentage")) {
        let present = row.scalar("status.currentCPUUtilizationPercentage");
        let present = present.map_or_else(|| UNKNOWN.to_owned(), |present| format!("{present}%"));
        metrics.push(format!("cpu: {present}/{wanted}%"));
    }
    let shown = metrics.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
    match metrics.len() {
        0 => NONE.to_owned(),
        total @ 3.. => format!("{shown} + {} more...", total - 2),
        _ => shown,
    }
}

fn target(metric: Row<'_>, present: Option<Row<'_>>) -> String {
    let field = match metric.text("type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let wanted = |name: &str| metric.scalar(&format!("{field}.target.{name}"));
    let found = |name: &str| present.and_then(|present| present.scalar(&format!("{field}.current.{name}")));
    let known = |name: &str| found(name).unwrap_or_else(|| UNKNOWN.to_owned());
    let average = wanted("averageValue");
    if matches!(field, "resource" | "containerResource") {
        let name = metric.text(&format!("{field}.name"));
        return match average {
            Some(average) => format!("{name}: {}/{average}", known("averageValue")),
            None => {
                let present = found("averageUtilization").map_or_else(|| UNKNOWN.to_owned(), |now| format!("{now}%"));
                let wanted = wanted("averageUtilization").map_or_else(|| "<auto>".to_owned(), |at| format!("{at}%"));
                format!("{name}: {present}/{wanted}")
            }
        };
    }
    match average {
        Some(average) if field == "pods" => format!("{}/{average}", known("averageValue")),
        Some(average) => format!("{}/{average} (avg)", known("averageValue")),
        None => format!("{}/{}", known("value"), wanted("value").unwrap_or_default()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Requests,
    Limits,
}

/// What is used of what may be: `cpu: 1/2, memory: 0/4Gi`.
fn quota(row: Row<'_>, part: Part) -> String {
    let hard = row.at("status.hard").and_then(crate::value::ValueRef::as_map).into_iter().flatten();
    let text = |value: Option<crate::value::ValueRef<'_>>| {
        value.map_or_else(|| "0".to_owned(), |value| value.as_str().map_or_else(|| value.to_json(), str::to_owned))
    };
    let used = row.at("status.used");
    let wanted = hard.filter(|(name, _)| name.starts_with("limits.") == (part == Part::Limits));
    let lines = wanted
        .map(|(name, hard)| format!("{name}: {}/{}", text(used.and_then(|used| used.get(name))), text(Some(hard))));
    lines.collect::<Vec<_>>().join(", ")
}
