//! Controllers that keep a number of Pods.

use std::time::Duration;

use crate::resource::{Propagation, Resource};
use crate::time::Timestamp;
use crate::value::{Draft, Purpose, Value, ValueRef};

use super::server::ApiServer;
use super::settle::{MANAGER, set_condition, set_count};

const REVISION: &str = "controller-revision-hash";

/// The most Pods that are made for one workload. They stand for all that it wants, so that a manifest with a million
/// replicas fills no memory.
const PODS: usize = 500;

impl ApiServer {
    pub(super) fn control_replica_set(&mut self, set: &Resource, now: Timestamp) {
        let pods = self.controlled(set, "Pod");
        let wanted = replicas(set);
        for _ in pods.len()..wanted.min(PODS) {
            self.create_pod(set, None, None, now);
        }
        pods.iter().skip(wanted).for_each(|pod| self.delete_now(pod, Propagation::Background, now));
        let pods = self.controlled(set, "Pod");
        let ready = standing_for(wanted, pods.iter().filter(|pod| is_ready(pod)).count());
        let all = standing_for(wanted, pods.len());
        let generation = generation(set);
        self.set_status(set, now, |status| {
            status.set("observedGeneration", generation);
            // The one count that is there when zero.
            status.set("replicas", i64::try_from(all).unwrap_or(i64::MAX));
            set_count(status, "fullyLabeledReplicas", all);
            set_count(status, "readyReplicas", ready);
            set_count(status, "availableReplicas", ready);
        });
    }

    /// A StatefulSet keeps numbered Pods, each with its own claims.
    pub(super) fn control_stateful_set(&mut self, set: &Resource, now: Timestamp) {
        let wanted = replicas(set);
        let name = &set.key().name;
        let hash = template_hash(set);
        let names: Vec<String> = (0..wanted.min(PODS)).map(|number| format!("{name}-{number}")).collect();
        for pod in self.controlled(set, "Pod") {
            if pod.label(REVISION) != Some(&hash) || !names.iter().any(|name| **name == *pod.key().name) {
                self.delete_now(&pod, Propagation::Background, now);
            }
        }
        for pod in &names {
            self.create_claims(set, pod, now);
            self.create_pod(set, Some(pod), Some(&hash), now);
        }
        let pods = self.controlled(set, "Pod");
        let ready = standing_for(wanted, pods.iter().filter(|pod| is_ready(pod)).count());
        let all = standing_for(wanted, pods.len());
        let generation = generation(set);
        self.set_status(set, now, |status| {
            status.set("observedGeneration", generation);
            status.set("replicas", i64::try_from(all).unwrap_or(i64::MAX));
            status.set("collisionCount", 0);
            status.set("availableReplicas", i64::try_from(ready).unwrap_or(i64::MAX));
            set_count(status, "readyReplicas", ready);
            set_count(status, "currentReplicas", all);
            set_count(status, "updatedReplicas", all);
            status.set("currentRevision", format!("{name}-{hash}"));
            status.set("updateRevision", format!("{name}-{hash}"));
        });
    }

    fn create_claims(&mut self, set: &Resource, pod: &str, now: Timestamp) {
        let templates = set.tree().dig(&["spec", "volumeClaimTemplates"]).and_then(ValueRef::as_list);
        for template in templates.into_iter().flatten() {
            let mut claim = template.to_draft();
            claim.set("apiVersion", "v1");
            claim.set("kind", "PersistentVolumeClaim");
            drop(claim.remove("status"));
            let metadata = claim.entry("metadata");
            let name = metadata.get("name").and_then(Draft::as_str).unwrap_or_default();
            let name = format!("{name}-{pod}");
            metadata.set("name", name);
            metadata.set("namespace", set.key().namespace.as_deref().unwrap_or_default());
            if let Ok(claim) = Resource::new(claim.freeze())
                && self.get(claim.key()).is_none()
            {
                self.create(&claim, MANAGER, now);
            }
        }
    }

    /// A DaemonSet keeps a Pod on the one node there is.
    pub(super) fn control_daemon_set(&mut self, set: &Resource, now: Timestamp) {
        let hash = template_hash(set);
        for pod in self.controlled(set, "Pod") {
            if pod.label(REVISION) != Some(&hash) {
                self.delete_now(&pod, Propagation::Background, now);
            }
        }
        if self.controlled(set, "Pod").is_empty() {
            self.create_pod(set, None, Some(&hash), now);
        }
        let ready = self.controlled(set, "Pod").iter().filter(|pod| is_ready(pod)).count();
        let generation = generation(set);
        self.set_status(set, now, |status| {
            status.set("observedGeneration", generation);
            for field in ["currentNumberScheduled", "desiredNumberScheduled", "updatedNumberScheduled"] {
                status.set(field, 1);
            }
            status.set("numberMisscheduled", 0);
            status.set("numberReady", i64::try_from(ready).unwrap_or(i64::MAX));
            set_count(status, "numberAvailable", ready);
            set_count(status, "numberUnavailable", 1 - ready.min(1));
        });
    }

    /// A Job runs its Pods once; the first that fails ends it.
    pub(super) fn control_job(&mut self, job: &Resource, now: Timestamp) {
        let finished = ["Complete", "Failed"].iter().any(|name| super::crd::condition(job, name) == Some("True"));
        if finished {
            self.expire_job(job, now);
            return;
        }
        let number = |field: &str| job.tree().dig(&["spec", field]).and_then(ValueRef::as_i64);
        if job.tree().dig(&["spec", "suspend"]).and_then(ValueRef::as_bool) == Some(true) {
            self.set_status(job, now, |status| {
                set_condition(status, "Suspended", "True", "JobSuspended", "Job suspended", now);
            });
            return;
        }
        let wanted = usize::try_from(number("completions").or_else(|| number("parallelism")).unwrap_or(1)).unwrap_or(0);
        for _ in self.controlled(job, "Pod").len()..wanted.min(PODS) {
            self.create_pod(job, None, None, now);
        }
        let pods = self.controlled(job, "Pod");
        let phase = |name: &str| {
            let is = |pod: &&Resource| pod.tree().dig(&["status", "phase"]).and_then(ValueRef::as_str) == Some(name);
            pods.iter().filter(is).count()
        };
        let (succeeded, failed) = (standing_for(wanted, phase("Succeeded")), phase("Failed"));
        let active = pods.len().saturating_sub(succeeded.saturating_add(failed));
        // Without a number of completions, one success is enough once all others have ended.
        let complete = match number("completions") {
            Some(_) => succeeded >= wanted,
            None => succeeded > 0 && active == 0,
        };
        self.set_status(job, now, |status| {
            if status.get("startTime").is_none() {
                status.set("startTime", now.whole_seconds().to_string());
            }
            status.set("ready", 0);
            status.set("terminating", 0);
            status.set("uncountedTerminatedPods", Draft::map());
            set_count(status, "active", if failed > 0 { 0 } else { active });
            set_count(status, "succeeded", succeeded);
            set_count(status, "failed", failed);
            if failed > 0 {
                let why = "Job has reached the specified backoff limit";
                set_condition(status, "FailureTarget", "True", "BackoffLimitExceeded", why, now);
                set_condition(status, "Failed", "True", "BackoffLimitExceeded", why, now);
            } else if complete {
                status.set("completionTime", now.whole_seconds().to_string());
                let why = "Reached expected number of succeeded pods";
                set_condition(status, "SuccessCriteriaMet", "True", "CompletionsReached", why, now);
                set_condition(status, "Complete", "True", "CompletionsReached", why, now);
            }
        });
    }

    /// Deletes a finished Job when its time is over.
    fn expire_job(&mut self, job: &Resource, now: Timestamp) {
        let seconds = job.tree().dig(&["spec", "ttlSecondsAfterFinished"]).and_then(ValueRef::as_i64);
        let Some(seconds) = seconds.and_then(|seconds| u64::try_from(seconds).ok()) else { return };
        let conditions = job.tree().dig(&["status", "conditions"]).and_then(ValueRef::as_list).into_iter().flatten();
        let times = conditions.filter_map(|condition| condition.get("lastTransitionTime")?.as_str()?.parse().ok());
        let finished: Timestamp = times.max().unwrap_or(now);
        if now >= finished + Duration::from_secs(seconds) {
            self.delete_now(job, Propagation::Background, now);
        } else {
            self.wait(job);
        }
    }

    /// Creates a Pod from the template of `of`; nothing happens when it is there.
    fn create_pod(&mut self, of: &Resource, name: Option<&str>, hash: Option<&str>, now: Timestamp) {
        let mut pod = of.tree().dig(&["spec", "template"]).map_or_else(Draft::map, ValueRef::to_draft);
        pod.set("apiVersion", "v1");
        pod.set("kind", "Pod");
        let metadata = pod.entry("metadata");
        metadata.set("namespace", of.key().namespace.as_deref().unwrap_or_default());
        metadata.set("ownerReferences", vec![reference(of)]);
        match name {
            Some(name) => metadata.set("name", name),
            None => metadata.set("generateName", format!("{}-", of.key().name)),
        }
        if let Some(hash) = hash {
            metadata.entry("labels").set(REVISION, hash);
        }
        if let Ok(pod) = Resource::new(pod.freeze())
            && (name.is_none() || self.get(pod.key()).is_none())
        {
            self.create(&pod, MANAGER, now);
        }
    }
}

pub(super) fn replicas(object: &Resource) -> usize {
    let number = object.tree().dig(&["spec", "replicas"]).and_then(ValueRef::as_i64).unwrap_or(1);
    usize::try_from(number.min(i32::MAX.into())).unwrap_or(0)
}

/// How many of the `wanted` Pods are what `seen` of those that were made are.
fn standing_for(wanted: usize, seen: usize) -> usize {
    if seen < PODS { seen } else { seen.max(wanted) }
}

pub(super) fn count(object: &Resource, field: &str) -> usize {
    let number = object.tree().dig(&["status", field]).and_then(ValueRef::as_i64).unwrap_or(0);
    usize::try_from(number).unwrap_or(0)
}

pub(super) fn generation(object: &Resource) -> i64 {
    object.tree().dig(&["metadata", "generation"]).and_then(ValueRef::as_i64).unwrap_or(0)
}

fn is_ready(pod: &Resource) -> bool {
    super::crd::condition(pod, "Ready") == Some("True")
}

/// Ten letters that stand for a Pod template.
pub(super) fn template_hash(object: &Resource) -> String {
    let template = object.tree().dig(&["spec", "template"]).map_or_else(Value::empty_map, ValueRef::to_value);
    template.root().digest(Purpose::Identity).to_string().chars().take(10).collect()
}

/// The owner reference of a controller.
pub(super) fn reference(owner: &Resource) -> Draft {
    let mut reference = Draft::map();
    reference.set("apiVersion", owner.api_version());
    reference.set("kind", owner.key().kind());
    reference.set("name", &*owner.key().name);
    reference.set("uid", owner.uid().unwrap_or_default());
    reference.set("controller", true);
    reference.set("blockOwnerDeletion", true);
    reference
}
