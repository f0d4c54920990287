//! Kinds whose state must be computed: nothing in their status sums it up.

use crate::value::ValueRef;

use super::super::HealthStatus::{Degraded, Healthy, Missing, Progressing, Unknown};
use super::super::clause::Test::{Always, False, True, Untrue};
use super::super::clause::{self, Clause};
use super::super::reading::{Finding, Reading, degraded, healthy, progressing, suspended, whole};

fn number(value: Option<ValueRef<'_>>) -> Option<i64> {
    let value = value?;
    whole(value).or_else(|| value.as_str()?.parse().ok())
}

fn is_true(value: Option<ValueRef<'_>>) -> bool {
    value.and_then(ValueRef::as_bool) == Some(true)
}

/// Argo Rollouts sums up in `status.phase` since 1.0; before that the counters tell.
pub(super) fn rollout(object: Reading<'_>) -> Finding {
    if let Some(unobserved) = object.older() {
        return Some(unobserved);
    }
    let workload = object.live.annotation("rollout.argoproj.io/workload-generation");
    let seen = object.status(&["workloadObservedGeneration"]).and_then(|seen| seen.as_str()?.parse::<i64>().ok());
    if object.spec(&["workloadRef"]).is_some() && workload.is_some_and(|text| text.parse().ok() != seen) {
        return Some(progressing("waiting for the present workload to be observed"));
    }
    let message = object.text("message").to_owned();
    match object.text("phase") {
        "" => {}
        "Healthy" => return Some(healthy(message)),
        "Paused" => return Some(suspended(message)),
        "Degraded" => return Some(degraded(message)),
        "Progressing" => return Some(progressing(message)),
        phase => return Some((Unknown, format!("unknown phase `{phase}`"))),
    }
    object.status?;
    let broken = object.conditions().find(|condition| {
        condition.name() == "InvalidSpec"
            || condition.name() == "Progressing"
                && matches!(condition.reason(), "RolloutAborted" | "ProgressDeadlineExceeded")
    });
    if let Some(broken) = broken {
        return Some(degraded(broken.message()));
    }
    if object.list(&["pauseConditions"]).is_some() || is_true(object.spec(&["paused"])) {
        return Some(suspended("is paused"));
    }
    let current = object.text("currentPodHash");
    if current.is_empty() {
        return None;
    }
    let (wanted, updated) = (object.replicas(), object.count("updatedReplicas"));
    let (all, available) = (object.count("replicas"), object.count("availableReplicas"));
    let stable = match object.text("stableRS") {
        "" => object.status(&["canary", "stableRS"]).and_then(ValueRef::as_str).unwrap_or_default(),
        stable => stable,
    };
    let active = object.status(&["blueGreen", "activeSelector"]).and_then(ValueRef::as_str);
    let is_blue_green = object.spec(&["strategy", "blueGreen"]).is_some();
    let is_canary = !is_blue_green && object.spec(&["strategy", "canary"]).is_some();
    Some(if updated < wanted {
        progressing(format!("{updated} of {wanted} new pods exist"))
    } else if available < updated {
        progressing(format!("{available} of {updated} pods are available"))
    } else if is_blue_green && active != Some(current) {
        progressing("the active service is still to be switched")
    } else if is_blue_green && !stable.is_empty() && stable != current {
        progressing("waits for its analysis")
    } else if is_canary && all > updated {
        progressing(format!("{} old pods are still to go", all.saturating_sub(updated)))
    } else if is_canary && stable != current {
        progressing("has steps to go")
    } else {
        healthy("")
    })
}

/// The counters of OpenKruise's sets; a partition that is reached waits for somebody to move it.
pub(super) fn kruise_set(object: Reading<'_>) -> Finding {
    object.status?;
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let strategy = object.spec(&["updateStrategy"]);
    let of = |field: &str| {
        let rolling = strategy.and_then(|strategy| strategy.dig(&["rollingUpdate", field]));
        rolling.or_else(|| strategy?.get(field))
    };
    let (all, updated) = (object.count("replicas"), object.count("updatedReplicas"));
    let available = number(object.status(&["updatedAvailableReplicas"]));
    let partition = number(of("partition")).unwrap_or(0);
    let due = number(object.status(&["expectedUpdatedReplicas"])).unwrap_or_else(|| all.saturating_sub(partition));
    Some(match available {
        _ if is_true(of("paused")) => suspended("is paused"),
        None => suspended("does not count updated pods: is paused"),
        Some(_) if partition != 0 && object.generation().unwrap_or(1) > 1 => {
            if updated >= due {
                suspended("waits for its partition to be moved")
            } else {
                progressing("is being updated")
            }
        }
        Some(available) if available == all => healthy(""),
        Some(available) => degraded(format!("{available} of {all} pods are available")),
    })
}

pub(super) fn kruise_daemons(object: Reading<'_>) -> Finding {
    object.status?;
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let of = |field: &str| object.spec(&["updateStrategy", "rollingUpdate", field]);
    let (wanted, available) = (object.count("desiredNumberScheduled"), object.count("numberAvailable"));
    let partition = number(of("partition")).unwrap_or(0);
    Some(match number(object.status(&["updatedNumberScheduled"])) {
        _ if is_true(of("paused")) => suspended("is paused"),
        None => suspended("does not count updated pods: is paused"),
        Some(updated) if partition != 0 && object.generation().unwrap_or(1) > 1 => {
            if updated >= wanted.saturating_sub(partition) {
                suspended("waits for its partition to be moved")
            } else {
                progressing(format!("{updated} of {wanted} pods are updated"))
            }
        }
        Some(updated) if updated == wanted && available == wanted => healthy(""),
        Some(updated) if updated == wanted && object.count("numberUnavailable") == wanted => {
            degraded(format!("{available} of {wanted} pods are available"))
        }
        Some(updated) => progressing(format!("{updated} of {wanted} pods are updated, {available} available")),
    })
}

pub(super) fn game_servers(object: Reading<'_>) -> Finding {
    object.status?;
    if let Some(unobserved) = object.unobserved() {
        return Some(unobserved);
    }
    let of = |field: &str| object.spec(&["updateStrategy", "rollingUpdate", field]);
    let all = object.count("replicas");
    let partition = number(of("partition")).unwrap_or(0);
    Some(if is_true(of("paused")) {
        suspended("is paused")
    } else if partition != 0 && object.count("updatedReplicas") >= all.saturating_sub(partition) {
        suspended("waits for its partition to be moved")
    } else if object.count("updatedReadyReplicas") == all {
        healthy("")
    } else {
        progressing(format!("{} of {all} servers are updated and ready", object.count("updatedReadyReplicas")))
    })
}

/// Elastic's operator: the colour counts once all nodes of all node sets are there.
pub(super) fn elasticsearch(object: Reading<'_>) -> Finding {
    let sets = object.spec(&["nodeSets"]).and_then(ValueRef::as_list);
    let wanted: i64 = sets.into_iter().flatten().filter_map(|set| whole(set.get("count")?)).sum();
    let nodes = object.status(&["availableNodes"]).and_then(whole)?;
    let (phase, colour) = (object.text("phase"), object.text("health"));
    Some(match (phase, colour) {
        _ if nodes < wanted => progressing(format!("{nodes} of {wanted} nodes are available")),
        ("Invalid", _) => degraded("its spec is invalid"),
        ("Ready", "green") => healthy(""),
        ("Ready", "red") => degraded("is red: primary shards are missing"),
        ("Ready", "yellow") => progressing("is yellow: replicas of shards are missing"),
        ("ApplyingChanges" | "MigratingData", _) => progressing(format!("phase is `{phase}`")),
        _ => (Unknown, format!("phase is `{phase}`, health is `{colour}`")),
    })
}

/// The collector of OpenTelemetry reports its pods as `READY/ALL`; as a sidecar it has none.
pub(super) fn collector(object: Reading<'_>) -> Finding {
    object.status?;
    let mode = object.spec(&["mode"]).and_then(ValueRef::as_str).unwrap_or_default();
    let Some(pods) = object.status(&["scale", "statusReplicas"]).and_then(ValueRef::as_str) else {
        return (mode == "sidecar").then(|| healthy("runs beside other containers"));
    };
    let (ready, all) = pods.split_once('/')?;
    let (ready, all) = (ready.trim().parse::<i64>().ok()?, all.trim().parse::<i64>().ok()?);
    Some(match ready {
        0 if all == 0 && mode == "daemonset" => healthy("no node is eligible"),
        0 => degraded(format!("none of {all} pods is ready")),
        _ if ready == all => healthy(""),
        _ => progressing(format!("{ready} of {all} pods are ready")),
    })
}

pub(super) fn spin_app(object: Reading<'_>) -> Finding {
    object.list(&["conditions"])?;
    let progress = object.condition("Progressing");
    let failed = progress.filter(|progress| {
        let message = progress.message().to_lowercase();
        let tells = message.contains("timeout") || message.contains("failed");
        progress.is("False") && (progress.reason() == "ProgressDeadlineExceeded" || tells)
    });
    let (ready, wanted) = (object.count("readyReplicas"), object.replicas());
    Some(match (failed, object.condition("Available")) {
        (Some(failed), _) => degraded(failed.told()),
        (None, None) => degraded("is not available"),
        (None, Some(available)) if !available.is("True") => degraded(available.told()),
        _ if ready < wanted => progressing(format!("{ready} of {wanted} pods are ready")),
        _ if progress.is_some_and(|progress| progress.is("True")) => progressing("is being rolled out"),
        _ => healthy(""),
    })
}

/// Spot's fork of Rollouts.
pub(super) fn spot(object: Reading<'_>) -> Finding {
    object.list(&["conditions"])?;
    let broken = object.conditions().find(|condition| {
        condition.name() == "InvalidSpec"
            || condition.name() == "Progressing"
                && matches!(condition.reason(), "RolloutAborted" | "ProgressDeadlineExceeded")
    });
    Some(match broken {
        Some(broken) => degraded(broken.told()),
        None if object.holds("Paused").is_some() => suspended("is paused"),
        None if object.text("phase") == "Progressing" => progressing("has steps to go"),
        None => healthy(""),
    })
}

/// A Spark application runs once as many executors run as it asks for.
pub(super) fn spark(object: Reading<'_>) -> Finding {
    let state = object.status(&["applicationState", "state"]).and_then(ValueRef::as_str)?;
    let error = object.status(&["applicationState", "errorMessage"]).and_then(ValueRef::as_str).unwrap_or_default();
    Some(match state {
        "COMPLETED" => healthy("has completed"),
        "FAILED" | "SUBMISSION_FAILED" | "FAILING" => degraded(error),
        "INVALIDATING" => (Missing, "is being invalidated".to_owned()),
        "SUSPENDED" => suspended("is suspended"),
        "RUNNING" => {
            let executors = object.status(&["executorState"]).and_then(ValueRef::as_map)?;
            let running =
                executors.iter().map(|(_, state)| state).filter(|state| state.as_str() == Some("RUNNING")).count();
            let (least, most) = executors_wanted(object);
            let running = i64::try_from(running).unwrap_or(i64::MAX);
            if (least..=most).contains(&running) {
                healthy(format!("{running} executors run"))
            } else {
                progressing(format!("{running} of {least} executors run"))
            }
        }
        _ => progressing(format!("is `{state}`")),
    })
}

/// How many executors may run: a fixed number, or what dynamic allocation allows, in the spec or in Spark's own words.
fn executors_wanted(object: Reading<'_>) -> (i64, i64) {
    let fixed = object.spec(&["executor", "instances"]).and_then(whole);
    let dynamic = object.spec(&["dynamicAllocation"]);
    let bounds = |least: Option<ValueRef<'_>>, most: Option<ValueRef<'_>>| {
        (number(least).unwrap_or(0), number(most).unwrap_or(i64::MAX))
    };
    if dynamic.is_some_and(|dynamic| is_true(dynamic.get("enabled"))) {
        return bounds(
            object.spec(&["dynamicAllocation", "minExecutors"]),
            object.spec(&["dynamicAllocation", "maxExecutors"]),
        );
    }
    for prefix in ["spark.streaming.dynamicAllocation", "spark.dynamicAllocation"] {
        let word = |name: &str| object.spec(&["sparkConf"])?.get(&format!("{prefix}.{name}"));
        if word("enabled").and_then(ValueRef::as_str) == Some("true") {
            return bounds(word("minExecutors"), word("maxExecutors"));
        }
    }
    fixed.map_or((1, i64::MAX), |fixed| (fixed, fixed))
}

/// Argo's promoter: the same commit is proposed for every environment, and goes from one to the next.
pub(super) fn promotion(object: Reading<'_>) -> Finding {
    if let Some(older) = object.older() {
        return Some(older);
    }
    let ready = object.condition("Ready")?;
    if ready.is("False") {
        return Some(degraded(ready.told()));
    }
    let Some(environments) = object.list(&["environments"]) else {
        return Some(degraded("has no environments"));
    };
    let text = |environment: ValueRef<'_>, path: &[&str]| {
        environment.dig(path).and_then(|sha| sha.as_str().filter(|sha| !sha.is_empty()).map(str::to_owned))
    };
    // The hydrator notes which commit it has come to.
    let proposed = |environment: ValueRef<'_>| {
        text(environment, &["proposed", "note", "drySha"]).or_else(|| text(environment, &["proposed", "dry", "sha"]))
    };
    let first = environments.get(0).and_then(proposed);
    for environment in environments {
        let branch = text(environment, &["branch"]).unwrap_or_default();
        let (active, dry) =
            (text(environment, &["active", "dry", "sha"]), text(environment, &["proposed", "dry", "sha"]));
        if active.is_none() || proposed(environment).is_none() {
            return Some(progressing(format!("{branch}: no commit is known yet")));
        } else if proposed(environment) != first {
            return Some(progressing(format!("{branch}: is still to be hydrated")));
        } else if dry != active {
            return Some(progressing(format!("{branch}: is being promoted")));
        }
    }
    Some(healthy(ready.message()))
}

/// Routes of the Gateway API: each parent, such as a gateway, judges for itself, and the worst counts. What a parent
/// said that the spec no longer names is left behind; one that is named and has said nothing is waited for.
pub(super) fn route(object: Reading<'_>) -> Finding {
    const PARENT: &[Clause] = &[
        (False("Accepted|ResolvedRefs"), Degraded),
        (Untrue("Accepted|ResolvedRefs|Programmed"), Progressing),
        (True("Accepted"), Healthy),
        (Always("has not judged the present spec yet"), Progressing),
    ];
    let namespace = object.live.key().namespace.as_deref();
    let same = |one: ValueRef<'_>, other: ValueRef<'_>| {
        let place = |parent: ValueRef<'_>| {
            parent.get("namespace").and_then(|name| name.as_str().map(str::to_owned)).or(namespace.map(str::to_owned))
        };
        let text = |parent: ValueRef<'_>, field| parent.get(field).and_then(|text| text.as_str().map(str::to_owned));
        ["name", "sectionName"].iter().all(|field| text(one, field) == text(other, field)) && place(one) == place(other)
    };
    let wanted: Vec<_> = object.spec(&["parentRefs"]).and_then(ValueRef::as_list).into_iter().flatten().collect();
    let said = || object.list(&["parents"]).into_iter().flatten();
    let of = |parent: ValueRef<'_>, wanted: ValueRef<'_>| parent.get("parentRef").is_some_and(|by| same(by, wanted));
    let known = said().any(|parent| wanted.iter().any(|wanted| of(parent, *wanted)));
    let counts = said().filter(|parent| !known || wanted.iter().any(|wanted| of(*parent, *wanted)));
    let silent = wanted.iter().find(|wanted| known && !said().any(|parent| of(parent, **wanted)));
    let name =
        |parent: ValueRef<'_>| parent.get("name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let silent = silent.map(|parent| progressing(format!("{}: has not judged it yet", name(*parent))));
    let judged = counts.filter_map(|parent| {
        let (status, why) = clause::judge(PARENT, object.within(parent))?;
        Some((status, format!("{}: {why}", parent.get("parentRef").map(name).unwrap_or_default())))
    });
    judged.chain(silent).max_by_key(|(status, _)| *status)
}

/// Karmada: one status per member cluster; one that cannot be asked counts by whether the object was applied there.
pub(super) fn binding(object: Reading<'_>) -> Finding {
    let clusters = object.spec(&["clusters"]).and_then(ValueRef::as_list);
    let told = object.list(&["aggregatedStatus"])?;
    if clusters.is_some_and(|clusters| clusters.is_empty() || clusters.len() != told.len()) {
        return Some(progressing(format!("{} clusters have reported", told.len())));
    }
    let failed = told.iter().find(|status| match status.get("health").and_then(ValueRef::as_str) {
        Some("Unhealthy") => true,
        Some("Unknown") => !is_true(status.get("applied")),
        _ => false,
    });
    Some(match failed {
        Some(failed) => {
            let name = failed.get("clusterName").and_then(ValueRef::as_str).unwrap_or_default();
            degraded(format!("is not healthy in cluster `{name}`"))
        }
        None => healthy(""),
    })
}
