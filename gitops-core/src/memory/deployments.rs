//! The controller of Deployments.

use std::time::Duration;

use crate::resource::{GroupKind, Resource};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::server::ApiServer;
use super::settle::{MANAGER, controller_uid, created_at, set_condition, set_count};
use super::workloads::{count, generation, reference, replicas, template_hash};

/// Tells the Pods of two templates apart.
const HASH: &str = "pod-template-hash";
/// Counts the templates a Deployment had.
const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

impl ApiServer {
    /// A Deployment keeps one ReplicaSet per template and moves over to the newest once that is ready.
    pub(super) fn control_deployment(&mut self, deployment: &Resource, now: Timestamp) {
        let wanted = replicas(deployment);
        let hash = template_hash(deployment);
        self.adopt_replica_sets(deployment, now);
        let sets = self.controlled(deployment, "ReplicaSet");
        let paused = deployment.tree().dig(&["spec", "paused"]).and_then(ValueRef::as_bool) == Some(true);
        let current = sets.iter().find(|set| set.label(HASH) == Some(&hash));
        match current {
            None if paused => {}
            None => {
                self.create_replica_set(deployment, &hash, wanted, sets.len() + 1, now);
                return;
            }
            Some(set) => {
                self.scale_to(set, wanted, now);
                if count(set, "readyReplicas") >= wanted {
                    let old = sets.iter().filter(|old| old.key() != set.key());
                    old.for_each(|old| self.scale_to(old, 0, now));
                }
            }
        }
        let sets = self.controlled(deployment, "ReplicaSet");
        let current = sets.iter().find(|set| set.label(HASH) == Some(&hash));
        let sum = |field: &str| sets.iter().map(|set| count(set, field)).sum::<usize>();
        let (all, ready, updated) =
            (sum("replicas"), sum("readyReplicas"), current.map_or(0, |set| count(set, "replicas")));
        let complete = current.is_some_and(|set| count(set, "readyReplicas") == wanted) && all == wanted;
        let deadline = deployment.tree().dig(&["spec", "progressDeadlineSeconds"]).and_then(ValueRef::as_i64);
        let deadline = Duration::from_secs(deadline.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(600));
        let late = current.is_some_and(|set| now >= created_at(set) + deadline);
        if !complete && !late {
            self.wait(deployment);
        }
        let name = current.map_or_else(|| deployment.key().name.to_string(), |set| set.key().name.to_string());
        let revision = current.and_then(|set| set.annotation(REVISION_ANNOTATION)).map(str::to_owned);
        let generation = generation(deployment);
        let edited = deployment.edit(|draft| {
            if let Some(revision) = revision {
                draft.entry("metadata").entry("annotations").set(REVISION_ANNOTATION, revision);
            }
        });
        self.set_status_of(deployment, edited.unwrap_or_else(|_| deployment.clone()), now, |status| {
            status.set("observedGeneration", generation);
            set_count(status, "replicas", all);
            set_count(status, "updatedReplicas", updated);
            set_count(status, "readyReplicas", ready);
            set_count(status, "availableReplicas", ready);
            set_count(status, "unavailableReplicas", wanted.saturating_sub(ready));
            status.set("terminatingReplicas", 0);
            let (value, reason, message) = if ready >= wanted {
                ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
            } else {
                ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
            };
            set_dated_condition(status, "Available", value, reason, message, now);
            let (value, reason, message) = match (complete, late) {
                (true, _) => ("True", "NewReplicaSetAvailable", "has successfully progressed."),
                (_, true) => ("False", "ProgressDeadlineExceeded", "has timed out progressing."),
                _ => ("True", "ReplicaSetUpdated", "is progressing."),
            };
            let message = format!("ReplicaSet \"{name}\" {message}");
            set_dated_condition(status, "Progressing", value, reason, &message, now);
        });
    }

    /// Takes over the ReplicaSets that somebody else's deletion left behind.
    fn adopt_replica_sets(&mut self, deployment: &Resource, now: Timestamp) {
        let Some(wanted) = deployment.tree().dig(&["spec", "selector", "matchLabels"]).and_then(ValueRef::as_map)
        else {
            return;
        };
        let kind = GroupKind::new("apps", "ReplicaSet");
        let free = self.store.of_kind(&kind, deployment.key().namespace.as_deref()).into_iter().filter(|set| {
            let fits =
                wanted.iter().all(|(name, value)| set.label(name).is_some() && set.label(name) == value.as_str());
            fits && controller_uid(set).is_none() && !set.is_terminating()
        });
        for set in free.cloned().collect::<Vec<_>>() {
            let adopted = set.edit(|draft| {
                let owners = draft.entry("metadata").entry("ownerReferences");
                if owners.as_list_mut().is_none() {
                    *owners = Draft::list();
                }
                owners.as_list_mut().into_iter().for_each(|owners| owners.push(reference(deployment)));
            });
            if let Ok(adopted) = adopted {
                self.update(&adopted, MANAGER, now);
            }
        }
    }

    fn create_replica_set(&mut self, of: &Resource, hash: &str, wanted: usize, revision: usize, now: Timestamp) {
        let mut set = Draft::map();
        set.set("apiVersion", "apps/v1");
        set.set("kind", "ReplicaSet");
        let mut template = of.tree().dig(&["spec", "template"]).map_or_else(Draft::map, ValueRef::to_draft);
        template.entry("metadata").entry("labels").set(HASH, hash);
        let labels = template.entry("metadata").entry("labels").clone();
        let metadata = set.entry("metadata");
        metadata.set("name", format!("{}-{hash}", of.key().name));
        metadata.set("namespace", of.key().namespace.as_deref().unwrap_or_default());
        metadata.set("labels", labels);
        metadata.entry("annotations").set(REVISION_ANNOTATION, revision.to_string());
        metadata.set("ownerReferences", vec![reference(of)]);
        let mut selector = of.tree().dig(&["spec", "selector"]).map_or_else(Draft::map, ValueRef::to_draft);
        selector.entry("matchLabels").set(HASH, hash);
        let spec = set.entry("spec");
        spec.set("replicas", i64::try_from(wanted).unwrap_or(i64::MAX));
        spec.set("selector", selector);
        spec.set("template", template);
        if let Ok(set) = Resource::new(set.freeze()) {
            self.create(&set, MANAGER, now);
        }
    }

    fn scale_to(&mut self, set: &Resource, wanted: usize, now: Timestamp) {
        if replicas(set) != wanted {
            let number = i64::try_from(wanted).unwrap_or(i64::MAX);
            if let Ok(scaled) = set.edit(|draft| draft.entry("spec").set("replicas", number)) {
                self.update(&scaled, MANAGER, now);
            }
        }
    }

    /// Writes status and annotations of an object, if they change.
    fn set_status_of(&mut self, live: &Resource, edited: Resource, now: Timestamp, edit: impl FnOnce(&mut Draft)) {
        if let Ok(edited) = edited.edit(|draft| edit(draft.entry("status")))
            && edited.tree() != live.tree()
        {
            self.update_status(&edited, MANAGER, now);
        }
    }
}

/// Sets a condition that also tells when it was last looked at and found changed.
fn set_dated_condition(status: &mut Draft, name: &str, value: &str, reason: &str, message: &str, now: Timestamp) {
    let known = |status: &Draft| {
        let Some(Draft::List(conditions)) = status.get("conditions") else { return None };
        conditions.iter().find(|condition| condition.get("type").and_then(Draft::as_str) == Some(name)).cloned()
    };
    let said =
        |condition: &Draft, field: &str| condition.get(field).and_then(Draft::as_str).unwrap_or_default().to_owned();
    let same =
        |old: &Draft| said(old, "status") == value && said(old, "reason") == reason && said(old, "message") == message;
    if known(status).is_some_and(|old| same(&old)) {
        return;
    }
    set_condition(status, name, value, reason, message, now);
    let Some(Draft::List(conditions)) = status.get_mut("conditions") else { return };
    let set = conditions.iter_mut().find(|condition| condition.get("type").and_then(Draft::as_str) == Some(name));
    if let Some(condition) = set {
        condition.set("lastUpdateTime", now.whole_seconds().to_string());
    }
}
