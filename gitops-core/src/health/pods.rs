//! Pod, Job, CronJob: what runs.

use crate::policy::{self, Role};
use crate::time::Timestamp;
use crate::value::ValueRef;

use super::HealthStatus;
use super::reading::{Finding, Reading, degraded, healthy, progressing, suspended, whole};

/// Rule: Argo CD's check; containers that start before the others are looked at too.
pub(super) fn pod(object: Reading<'_>) -> Finding {
    let long_running = is_long_running(object);
    if long_running {
        let stuck: Vec<&str> = containers(object).filter_map(stuck).collect();
        if !stuck.is_empty() {
            return Some(degraded(stuck.join(", ")));
        }
    }
    let message = object.text("message");
    match object.text("phase") {
        "" => Some(progressing("waits to be started")),
        "Pending" => {
            let unscheduled = object.condition("PodScheduled").filter(|condition| condition.is("False"));
            Some(progressing(unscheduled.map_or_else(|| message.to_owned(), |condition| condition.message())))
        }
        "Running" if !long_running => Some(progressing("runs to its end")),
        "Running" if object.holds("Ready").is_some() => Some(healthy("")),
        "Running" => Some(match containers(object).find(|container| terminated(*container, "lastState").is_some()) {
            Some(container) => degraded(format!("container `{}` failed before and is not ready", name(container))),
            None => progressing("is not ready"),
        }),
        "Succeeded" => Some(healthy(message)),
        "Failed" if !message.is_empty() => Some(degraded(message)),
        "Failed" => Some(degraded(containers(object).find_map(failure).unwrap_or_default())),
        phase => Some((HealthStatus::Unknown, format!("unknown phase `{phase}`"))),
    }
}

/// Whether it is meant to run for ever. Argo CD's annotation says so of pods that do not restart, but never of hooks.
fn is_long_running(object: Reading<'_>) -> bool {
    let policy = object.spec(&["restartPolicy"]).and_then(ValueRef::as_str);
    matches!(policy, None | Some("Always"))
        || object.live.annotation("argocd.argoproj.io/ignore-restart-policy") == Some("true")
            && policy::options(object.live).0.role != Role::Hook
}

fn containers(object: Reading<'_>) -> impl Iterator<Item = ValueRef<'_>> {
    let of = move |list: &str| object.list(&[list]).into_iter().flatten();
    of("initContainerStatuses").chain(of("containerStatuses"))
}

fn name(container: ValueRef<'_>) -> &str {
    container.get("name").and_then(ValueRef::as_str).unwrap_or_default()
}

/// Returns why a container waits for something that may never come.
fn stuck(container: ValueRef<'_>) -> Option<&str> {
    let waiting = container.dig(&["state", "waiting"])?;
    let reason = waiting.get("reason")?.as_str()?;
    (reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff"))
        .then(|| waiting.get("message").and_then(ValueRef::as_str).filter(|text| !text.is_empty()).unwrap_or(reason))
}

fn terminated<'a>(container: ValueRef<'a>, state: &str) -> Option<ValueRef<'a>> {
    container.dig(&[state, "terminated"]).filter(|terminated| terminated.as_map().is_some())
}

fn failure(container: ValueRef<'_>) -> Option<String> {
    let end = terminated(container, "state")?;
    let text = |field: &str| end.get(field).and_then(ValueRef::as_str).filter(|text| !text.is_empty());
    let code = end.get("exitCode").and_then(whole).unwrap_or(0);
    match (text("message"), text("reason")) {
        (Some(message), _) => Some(message.to_owned()),
        (None, Some("OOMKilled")) => Some(format!("container `{}` ran out of memory", name(container))),
        _ => (code != 0).then(|| format!("container `{}` failed with exit code {code}", name(container))),
    }
}

/// Differs from Argo CD on purpose: a condition counts only while its status is `True`; and one that is asked to pause is
/// on its way there while its controller says that it is not.
pub(super) fn job(object: Reading<'_>) -> Finding {
    let asked = object.spec(&["suspend"]).and_then(ValueRef::as_bool);
    Some(if let Some(failed) = object.holds("Failed") {
        degraded(failed.message())
    } else if let Some(complete) = object.holds("Complete") {
        healthy(complete.message())
    } else if asked.unwrap_or(object.holds("Suspended").is_some()) {
        match object.condition("Suspended").is_some_and(|told| told.status() == "False") {
            true => progressing("is being suspended"),
            false => suspended("is suspended"),
        }
    } else {
        let (active, failed) = (object.count("active"), object.count("failed"));
        progressing(format!("{} pods succeeded, {active} run, {failed} failed", object.count("succeeded")))
    })
}

/// Differs from Argo CD on purpose: times are compared as times, not as text.
pub(super) fn cron_job(object: Reading<'_>) -> Finding {
    if object.spec(&["suspend"]).and_then(ValueRef::as_bool) == Some(true) {
        return Some(healthy("is suspended"));
    }
    // The server gives every CronJob a status, be it an empty one.
    object.status?;
    let time = |field: &str| object.text(field).parse::<Timestamp>().ok();
    let (scheduled, succeeded) = (time("lastScheduleTime"), time("lastSuccessfulTime"));
    Some(match (scheduled, succeeded) {
        (None, _) => healthy("has not been scheduled yet"),
        (Some(_), None) => healthy("has not succeeded yet"),
        (Some(_), Some(_)) if object.list(&["active"]).is_some() => healthy("a run is under way"),
        (Some(scheduled), Some(succeeded)) if succeeded < scheduled => degraded("the last run did not succeed"),
        _ => healthy(""),
    })
}
