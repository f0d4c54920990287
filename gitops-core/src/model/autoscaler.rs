//! HorizontalPodAutoscalers between `autoscaling/v2`, as which they are stored, and `autoscaling/v1`, which keeps in
//! annotations what it has no fields for.
//!
//! Rule: `pkg/apis/autoscaling/v1/conversion.go` of Kubernetes 1.36.

use crate::value::{Draft, Value};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// A name in v1, and the path in v2.
type Parts = &'static [(&'static str, &'static [&'static str])];

/// The parts of a metric by its source, in the order of the Go struct: the names in v1, and where v2 has them.
const SOURCES: [(&str, Parts); 5] = [
    (
        "object",
        &[
            ("target", &["describedObject"]),
            ("metricName", &["metric", "name"]),
            ("targetValue", &["target", "value"]),
            ("selector", &["metric", "selector"]),
            ("averageValue", &["target", "averageValue"]),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", &["metric", "name"]),
            ("targetAverageValue", &["target", "averageValue"]),
            ("selector", &["metric", "selector"]),
        ],
    ),
    (
        "resource",
        &[
            ("name", &["name"]),
            ("targetAverageUtilization", &["target", "averageUtilization"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", &["name"]),
            ("targetAverageUtilization", &["target", "averageUtilization"]),
            ("targetAverageValue", &["target", "averageValue"]),
            ("container", &["container"]),
        ],
    ),
    (
        "external",
        &[
            ("metricName", &["metric", "name"]),
            ("metricSelector", &["metric", "selector"]),
            ("targetValue", &["target", "value"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
];

/// The names of what behavior holds, as Go's internal struct has them.
const RULES: [(&str, &str); 7] = [
    ("scaleUp", "ScaleUp"),
    ("scaleDown", "ScaleDown"),
    ("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    ("selectPolicy", "SelectPolicy"),
    ("type", "Type"),
    ("value", "Value"),
    ("periodSeconds", "PeriodSeconds"),
];

/// Turns a `v2` autoscaler into a `v1` one.
pub(super) fn to_v1(draft: &mut Draft) {
    let spec = draft.entry("spec");
    let metrics = items(spec.remove("metrics"));
    let behavior = spec.remove("behavior");
    let cpu = metrics.iter().find_map(cpu_utilization);
    if let Some(percent) = cpu {
        spec.set("targetCPUUtilizationPercentage", percent);
    }
    let others: Vec<String> =
        metrics.iter().filter(|metric| cpu_utilization(metric).is_none()).map(metric_to_v1).collect();
    let status = draft.entry("status");
    drop(status.remove("currentMetrics"));
    let conditions = status.remove("conditions").filter(|list| matches!(list, Draft::List(list) if !list.is_empty()));
    let mut set = |name: &str, text: String| draft.entry("metadata").entry("annotations").set(name, text);
    if !others.is_empty() {
        set(METRICS, format!("[{}]", others.join(",")));
    }
    if let Some(conditions) = conditions {
        set(CONDITIONS, conditions.freeze().to_json());
    }
    if let Some(behavior) = behavior.filter(|behavior| *behavior != Draft::Null) {
        set(BEHAVIOR, renamed(behavior, |(here, there)| (here, there)).freeze().to_json());
    }
}

/// Turns a `v1` autoscaler into a `v2` one.
pub(super) fn to_v2(draft: &mut Draft) {
    let metadata = draft.entry("metadata");
    let mut taken = [METRICS, BEHAVIOR, CONDITIONS, CURRENT]
        .map(|name| metadata.get_mut("annotations").and_then(|annotations| annotations.remove(name)));
    if matches!(metadata.get("annotations"), Some(Draft::Map(annotations)) if annotations.is_empty()) {
        drop(metadata.remove("annotations"));
    }
    let mut read = |at: usize| {
        let text = taken.get_mut(at)?.take()?;
        Some(Value::from_json(text.as_str()?.as_bytes()).ok()?.root().to_draft())
    };
    let (metrics, behavior, conditions) = (read(0), read(1), read(2));
    let spec = draft.entry("spec");
    let mut metrics: Vec<Draft> = items(metrics).iter().map(metric_to_v2).collect();
    let wanted = spec.remove("targetCPUUtilizationPercentage").filter(|percent| *percent != Draft::Null);
    // The one default that is filled in while converting: only here it is known that there is no other metric.
    let wanted = wanted.or_else(|| metrics.is_empty().then_some(Draft::Int(80)));
    if let Some(percent) = wanted {
        let mut metric = Draft::map();
        metric.set("type", "Resource");
        let resource = metric.entry("resource");
        resource.set("name", "cpu");
        resource.entry("target").set("type", "Utilization");
        resource.entry("target").set("averageUtilization", percent);
        metrics.push(metric);
    }
    spec.set("metrics", metrics);
    if let Some(behavior) = behavior {
        spec.set("behavior", renamed(behavior, |(here, there)| (there, here)));
    }
    let status = draft.entry("status");
    drop(status.remove("currentCPUUtilizationPercentage"));
    if let Some(conditions) = conditions {
        status.set("conditions", conditions);
    }
}

fn items(list: Option<Draft>) -> Vec<Draft> {
    match list {
        Some(Draft::List(items)) => items,
        _ => Vec::new(),
    }
}

fn dig<'d>(draft: &'d Draft, path: &[&str]) -> Option<&'d Draft> {
    path.iter().try_fold(draft, |at, name| at.get(name)).filter(|found| **found != Draft::Null)
}

/// What `v1` has a field for.
fn cpu_utilization(metric: &Draft) -> Option<Draft> {
    let is_cpu = dig(metric, &["resource", "name"]).and_then(Draft::as_str) == Some("cpu");
    dig(metric, &["resource", "target", "averageUtilization"]).filter(|_| is_cpu).cloned()
}

/// A metric as Go writes it: the fields of a struct keep their order.
fn metric_to_v1(metric: &Draft) -> String {
    let record = |fields: Vec<(&str, String)>| {
        let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    };
    let kind = metric.get("type").cloned().unwrap_or_default();
    let mut fields = vec![("type", kind.freeze().to_json())];
    for (source, parts) in SOURCES {
        let Some(of) = metric.get(source) else { continue };
        let found = parts.iter().filter_map(|(name, path)| Some((*name, dig(of, path)?.freeze().to_json())));
        fields.push((source, record(found.collect())));
    }
    record(fields)
}

fn metric_to_v2(metric: &Draft) -> Draft {
    let mut out = Draft::map();
    out.set("type", metric.get("type").cloned().unwrap_or_default());
    for (source, parts) in SOURCES {
        let Some(of) = metric.get(source) else { continue };
        let converted = out.entry(source);
        for (name, path) in parts {
            let Some(value) = of.get(name) else { continue };
            let place = path.iter().fold(&mut *converted, |at, name| at.entry(name));
            *place = value.clone();
        }
        let target = |name: &str| dig(of, &[name]).is_some();
        let kind = if target("targetAverageUtilization") {
            "Utilization"
        } else if target("targetAverageValue") || target("averageValue") {
            "AverageValue"
        } else {
            "Value"
        };
        converted.entry("target").set("type", kind);
    }
    out
}

/// Behavior with the names of its fields replaced.
fn renamed(draft: Draft, pair: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str) + Copy) -> Draft {
    match draft {
        Draft::Map(map) => {
            let mut out = Draft::map();
            for (name, value) in map {
                let known = [("policies", "Policies"), ("tolerance", "Tolerance")].into_iter().chain(RULES);
                let new = known.map(pair).find(|(from, _)| *from == name).map(|(_, to)| to);
                out.set(new.unwrap_or(&name), renamed(value, pair));
            }
            out
        }
        Draft::List(items) => items.into_iter().map(|item| renamed(item, pair)).collect::<Vec<_>>().into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_v1_has_no_field_for_comes_back_from_its_annotations() {
        let v2 =
            br#"{"metadata":{"name":"a"},"spec":{"maxReplicas":3,"behavior":{"scaleUp":{"policies":[{"type":"Pods",
            "value":4,"periodSeconds":15}]}},"metrics":[{"type":"Pods","pods":{"metric":{"name":"m"},"target":
            {"type":"AverageValue","averageValue":"1"}}},{"type":"Resource","resource":{"name":"cpu","target":
            {"type":"Utilization","averageUtilization":50}}}]},"status":{}}"#;
        let before = Value::from_json(v2).unwrap().root().to_draft();
        let mut draft = before.clone();
        to_v1(&mut draft);
        let annotations = draft.get("metadata").unwrap().get("annotations").unwrap();
        let metrics = r#"[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"1"}}]"#;
        assert_eq!(annotations.get(METRICS).and_then(Draft::as_str), Some(metrics));
        assert_eq!(draft.get("spec").unwrap().get("targetCPUUtilizationPercentage"), Some(&Draft::Int(50)));
        to_v2(&mut draft);
        assert_eq!(draft, before);
    }
}
