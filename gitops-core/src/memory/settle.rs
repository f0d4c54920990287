//! Small controllers, so that workloads turn healthy: the frame they run in.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::resource::{Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::server::ApiServer;

/// Says what becomes of a workload: `succeed`, `fail` or `never`. On the workload, or in its Pod template.
pub const OUTCOME_ANNOTATION: &str = "memory.gitops.rs/outcome";
/// Says how many seconds that takes. On the workload, or in its Pod template.
pub const AFTER_ANNOTATION: &str = "memory.gitops.rs/after-seconds";
/// The field manager of all controllers.
pub(super) const MANAGER: &str = "kube-controller-manager";

/// What becomes of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Its Pods run, or finish well.
    #[default]
    Succeed,
    /// Its Pods crash.
    Fail,
    /// Its Pods never start.
    Never,
}

impl ApiServer {
    /// Does what controllers do, until nothing is left to do at this time.
    ///
    /// Deployments get a ReplicaSet and Pods, StatefulSets, DaemonSets and Jobs get Pods (there is one node), claims
    /// are bound, load balancers get an address, and all say so in their status. By default everything goes well and
    /// at once; the annotations [`OUTCOME_ANNOTATION`] and [`AFTER_ANNOTATION`], or [`ApiServer::script`], say
    /// otherwise. Custom resources are left alone.
    pub fn settle(&mut self, now: Timestamp) {
        let waiting = std::mem::take(&mut self.queues.waiting);
        self.queues.workloads.extend(waiting);
        loop {
            self.collect(now);
            let Some(key) = self.queues.workloads.pop_first() else { return };
            match self.store.get(&key).cloned() {
                Some(object) if !object.is_terminating() => self.control(&object, now),
                Some(pod) if pod.key().is("", "Pod") => self.end_pod(&pod, now),
                _ => {}
            }
        }
    }

    /// Decides what becomes of a workload, whatever its annotations say. Forgotten when it is deleted, and on export.
    pub fn script(&mut self, key: &ResourceKey, outcome: Outcome) {
        self.outcomes.insert(key.clone(), outcome);
        self.look_again(key);
    }

    fn control(&mut self, object: &Resource, now: Timestamp) {
        match (object.key().group(), object.key().kind()) {
            ("apps", "Deployment") => self.control_deployment(object, now),
            ("apps", "ReplicaSet") | ("", "ReplicationController") => self.control_replica_set(object, now),
            ("apps", "StatefulSet") => self.control_stateful_set(object, now),
            ("apps", "DaemonSet") => self.control_daemon_set(object, now),
            ("batch", "Job") => self.control_job(object, now),
            ("", "Namespace") => self.furnish_namespace(object, now),
            ("", "Pod") => self.control_pod(object, now),
            ("", "PersistentVolume") => self.offer_volume(object, now),
            ("policy", "PodDisruptionBudget") => self.watch_budget(object, now),
            ("", "PersistentVolumeClaim") => self.bind_claim(object, now),
            ("", "Service") => self.balance_service(object, now),
            ("networking.k8s.io", "Ingress") => self.balance_ingress(object, now),
            ("apiregistration.k8s.io", "APIService") => self.serve_group(object, now),
            ("autoscaling", "HorizontalPodAutoscaler") => self.watch_scale(object, now),
            _ => {}
        }
    }

    /// Has a workload, and all it owns, looked at again. Owners may form a loop: updates can set them to anything.
    fn look_again(&mut self, key: &ResourceKey) {
        let mut seen = BTreeSet::from([key.clone()]);
        let mut left = vec![key.clone()];
        while let Some(uid) = left.pop().map(|key| self.store.get(&key).and_then(Resource::uid)) {
            let owned = uid.map(|uid| self.store.dependents(uid)).unwrap_or_default();
            let owned = owned.iter().map(Resource::key).filter(|key| seen.insert((*key).clone())).cloned();
            left.extend(owned);
        }
        self.queues.workloads.append(&mut seen);
    }

    /// What becomes of an object: said by itself, or by the controller above it.
    pub(super) fn outcome_of(&self, object: &Resource) -> Outcome {
        let said = |object: &Resource| {
            let scripted = self.outcomes.get(object.key()).copied();
            scripted.or_else(|| match object.annotation(OUTCOME_ANNOTATION)? {
                "fail" => Some(Outcome::Fail),
                "never" => Some(Outcome::Never),
                _ => Some(Outcome::Succeed),
            })
        };
        self.first_said(object, said).unwrap_or_default()
    }

    /// When what becomes of an object has come.
    pub(super) fn ready_at(&self, object: &Resource) -> Timestamp {
        let said = |object: &Resource| object.annotation(AFTER_ANNOTATION)?.parse::<u64>().ok();
        let after = self.first_said(object, said).unwrap_or_default();
        created_at(object) + Duration::from_secs(after)
    }

    fn first_said<T>(&self, object: &Resource, said: impl Fn(&Resource) -> Option<T>) -> Option<T> {
        let mut at = object;
        // Pod, ReplicaSet, Deployment.
        for _ in 0..3 {
            if let Some(word) = said(at) {
                return Some(word);
            }
            at = self.store.by_uid(controller_uid(at)?)?;
        }
        None
    }

    /// Has an object looked at once time has come.
    pub(super) fn wait(&mut self, object: &Resource) {
        self.queues.waiting.insert(object.key().clone());
    }

    /// Writes the status of an object, if it changes.
    pub(super) fn set_status(&mut self, object: &Resource, now: Timestamp, edit: impl FnOnce(&mut Draft)) {
        let edited = object.edit(|draft| edit(draft.entry("status")));
        if let Ok(edited) = edited
            && edited.tree() != object.tree()
        {
            self.update_status(&edited, MANAGER, now);
        }
    }

    /// The Pods, ReplicaSets or whatever an object controls, that are not being deleted.
    pub(super) fn controlled(&self, object: &Resource, kind: &str) -> Vec<Resource> {
        let uid = object.uid().unwrap_or_default();
        let mut children = self.store.dependents(uid);
        children.retain(|child| {
            child.key().kind() == kind && controller_uid(child) == Some(uid) && !child.is_terminating()
        });
        children
    }
}

/// When an object was created.
pub(super) fn created_at(object: &Resource) -> Timestamp {
    object.metadata("creationTimestamp").and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The uid of the one owner that controls an object.
pub(super) fn controller_uid(object: &Resource) -> Option<&str> {
    let owners = object.tree().dig(&["metadata", "ownerReferences"])?.as_list()?;
    let controls = |owner: &ValueRef<'_>| owner.get("controller").and_then(ValueRef::as_bool) == Some(true);
    owners.iter().find(controls)?.get("uid")?.as_str()
}

/// Sets a condition; the time of its last transition stays while its status does.
pub(super) fn set_condition(status: &mut Draft, name: &str, value: &str, reason: &str, message: &str, now: Timestamp) {
    let list = status.entry("conditions");
    if list.as_list_mut().is_none() {
        *list = Draft::list();
    }
    let Some(conditions) = list.as_list_mut() else { return };
    let is = |condition: &&mut Draft| condition.get("type").and_then(Draft::as_str) == Some(name);
    let at = conditions.iter_mut().find(is);
    let known = at.as_deref().filter(|old| old.get("status").and_then(Draft::as_str) == Some(value));
    let since = known.and_then(|old| old.get("lastTransitionTime").cloned());
    let mut condition = Draft::map();
    condition.set("type", name);
    condition.set("status", value);
    if !reason.is_empty() {
        condition.set("reason", reason);
        condition.set("message", message);
    }
    condition.set("lastTransitionTime", since.unwrap_or_else(|| now.whole_seconds().to_string().into()));
    match at {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// Sets a count; Kubernetes leaves out zeros.
pub(super) fn set_count(status: &mut Draft, field: &str, count: usize) {
    if count == 0 {
        drop(status.remove(field));
    } else {
        status.set(field, i64::try_from(count).unwrap_or(i64::MAX));
    }
}
