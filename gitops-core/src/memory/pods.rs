//! Controllers of single objects: Pods, claims, load balancers.

use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::request::DeleteOptions;
use super::server::ApiServer;
use super::settle::{MANAGER, Outcome, set_condition};

impl ApiServer {
    /// A Pod runs, or finishes when it is not to be restarted.
    pub(super) fn control_pod(&mut self, pod: &Resource, now: Timestamp) {
        let phase = pod.tree().dig(&["status", "phase"]).and_then(ValueRef::as_str);
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return;
        }
        let outcome = self.outcome_of(pod);
        if now < self.ready_at(pod) || outcome == Outcome::Never {
            if outcome != Outcome::Never {
                self.wait(pod);
            }
            self.set_status(pod, now, |status| {
                status.set("phase", "Pending");
                let why = if outcome == Outcome::Never { "no node takes this Pod" } else { "starting" };
                set_condition(status, "Ready", "False", "ContainersNotReady", why, now);
            });
            return;
        }
        let policy = pod.tree().dig(&["spec", "restartPolicy"]).and_then(ValueRef::as_str).unwrap_or("Always");
        let phase = match (policy, outcome) {
            ("Always", _) => "Running",
            (_, Outcome::Fail) => "Failed",
            _ => "Succeeded",
        };
        let ready = phase == "Running" && outcome == Outcome::Succeed;
        self.set_status(pod, now, |status| {
            status.set("phase", phase);
            if status.get("startTime").is_none() {
                status.set("startTime", now.whole_seconds().to_string());
            }
            let value = if ready { "True" } else { "False" };
            let (reason, message) = match phase {
                "Succeeded" => ("PodCompleted", ""),
                _ if ready => ("", ""),
                _ => ("ContainersNotReady", "containers crash"),
            };
            for name in ["PodScheduled", "Initialized"] {
                set_condition(status, name, "True", "", "", now);
            }
            for name in ["ContainersReady", "Ready"] {
                set_condition(status, name, value, reason, message, now);
            }
            let containers = pod.tree().dig(&["spec", "containers"]).and_then(ValueRef::as_list);
            let containers = containers.into_iter().flatten();
            let states = containers.map(|container| container_status(container, phase, ready, now));
            status.set("containerStatuses", states.collect::<Vec<_>>());
        });
    }

    /// The node ends a Pod at once, and says so by deleting it without grace.
    pub(super) fn end_pod(&mut self, pod: &Resource, now: Timestamp) {
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        self.delete_by(pod, &options, now);
    }

    /// A claim is bound to a volume made for it.
    pub(super) fn bind_claim(&mut self, claim: &Resource, now: Timestamp) {
        let phase = claim.tree().dig(&["status", "phase"]).and_then(ValueRef::as_str);
        if phase == Some("Bound") || self.outcome_of(claim) != Outcome::Succeed {
            return;
        }
        if now < self.ready_at(claim) {
            self.wait(claim);
            return;
        }
        // A claim may name the volume it wants.
        let named =
            claim.tree().dig(&["spec", "volumeName"]).and_then(ValueRef::as_str).filter(|name| !name.is_empty());
        let volume = named.map_or_else(|| format!("pvc-{}", claim.uid().unwrap_or_default()), str::to_owned);
        let Ok(bound) = claim.edit(|draft| draft.entry("spec").set("volumeName", volume)) else { return };
        let answer = self.update(&bound, MANAGER, now);
        let Some(bound) = answer.as_object().cloned() else { return };
        self.set_status(&bound, now, |status| {
            status.set("phase", "Bound");
            for (field, path) in
                [("accessModes", ["spec", "accessModes"].as_slice()), ("capacity", &["spec", "resources", "requests"])]
            {
                if let Some(value) = claim.tree().dig(path) {
                    status.set(field, value);
                }
            }
        });
    }

    /// A Service of type LoadBalancer gets an address for documentation (RFC 5737).
    pub(super) fn balance_service(&mut self, service: &Resource, now: Timestamp) {
        let text = |path: &[&str]| service.tree().dig(path).and_then(ValueRef::as_str).unwrap_or_default();
        if text(&["spec", "type"]) == "LoadBalancer" {
            let last = text(&["spec", "clusterIP"]).rsplit('.').next().unwrap_or("1").to_owned();
            self.balance(service, &format!("192.0.2.{last}"), now);
        }
    }

    pub(super) fn balance_ingress(&mut self, ingress: &Resource, now: Timestamp) {
        self.balance(ingress, "192.0.2.1", now);
    }

    fn balance(&mut self, object: &Resource, address: &str, now: Timestamp) {
        if self.outcome_of(object) != Outcome::Succeed {
            return;
        }
        if now < self.ready_at(object) {
            self.wait(object);
            return;
        }
        self.set_status(object, now, |status| {
            let mut entry = Draft::map();
            entry.set("ip", address);
            status.entry("loadBalancer").set("ingress", vec![entry]);
        });
    }

    pub(super) fn serve_group(&mut self, service: &Resource, now: Timestamp) {
        if self.outcome_of(service) == Outcome::Succeed {
            self.set_status(service, now, |status| {
                set_condition(status, "Available", "True", "Passed", "all checks passed", now);
            });
        }
    }

    /// An autoscaler sees its target and changes nothing.
    pub(super) fn watch_scale(&mut self, scaler: &Resource, now: Timestamp) {
        self.set_status(scaler, now, |status| {
            set_condition(
                status,
                "AbleToScale",
                "True",
                "ReadyForNewScale",
                "recommended size matches current size",
                now,
            );
            set_condition(status, "ScalingActive", "True", "ValidMetricFound", "the metrics are as wanted", now);
            set_condition(status, "ScalingLimited", "False", "DesiredWithinRange", "the count is within range", now);
            for field in ["currentReplicas", "desiredReplicas"] {
                if status.get(field).is_none() {
                    status.set(field, 0);
                }
            }
        });
    }
}

fn container_status(container: ValueRef<'_>, phase: &str, ready: bool, now: Timestamp) -> Draft {
    let text = |field: &str| container.get(field).and_then(ValueRef::as_str).unwrap_or_default();
    let mut status = Draft::map();
    status.set("name", text("name"));
    status.set("image", text("image"));
    status.set("imageID", "");
    status.set("ready", ready);
    status.set("started", ready);
    status.set("restartCount", 0);
    let state = status.entry("state");
    match phase {
        "Succeeded" | "Failed" => {
            let failed = phase == "Failed";
            let state = state.entry("terminated");
            state.set("exitCode", i64::from(failed));
            state.set("reason", if failed { "Error" } else { "Completed" });
            state.set("finishedAt", now.whole_seconds().to_string());
        }
        _ if ready => state.entry("running").set("startedAt", now.whole_seconds().to_string()),
        _ => {
            let state = state.entry("waiting");
            state.set("reason", "CrashLoopBackOff");
            state.set("message", "back-off restarting failed container");
        }
    }
    status
}
