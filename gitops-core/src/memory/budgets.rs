//! The controllers of PodDisruptionBudgets and PersistentVolumes: neither makes anything, and both have a status.

use crate::resource::{GroupKind, Resource};
use crate::time::Timestamp;
use crate::value::ValueRef;

use super::crd;
use super::server::ApiServer;
use super::settle::set_condition;
use super::workloads::generation;

impl ApiServer {
    /// Counts the Pods that a budget is about, as far as `matchLabels` says which these are.
    ///
    /// Rule: the disruption controller of Kubernetes.
    pub(super) fn watch_budget(&mut self, budget: &Resource, now: Timestamp) {
        // Pods come and go without a word to it.
        self.wait(budget);
        let labels = budget.tree().dig(&["spec", "selector", "matchLabels"]).and_then(ValueRef::as_map);
        let is_meant = |pod: &&Resource| {
            let has = |(name, value): (&str, ValueRef<'_>)| {
                value.as_str().is_some_and(|value| pod.label(name) == Some(value))
            };
            !pod.is_terminating() && labels.is_none_or(|labels| labels.iter().all(has))
        };
        let pods = self.store.of_kind(&GroupKind::new("", "Pod"), budget.key().namespace.as_deref());
        let pods: Vec<&Resource> = pods.into_iter().filter(is_meant).collect();
        let healthy = pods.iter().filter(|pod| crd::condition(pod, "Ready") == Some("True")).count();
        let (expected, wanted) = (pods.len(), wanted(budget, pods.len()));
        let allowed = healthy.saturating_sub(wanted);
        let generation = generation(budget);
        self.set_status(budget, now, |status| {
            status.set("observedGeneration", generation);
            for (field, count) in [
                ("currentHealthy", healthy),
                ("desiredHealthy", wanted),
                ("disruptionsAllowed", allowed),
                ("expectedPods", expected),
            ] {
                status.set(field, i64::try_from(count).unwrap_or(i64::MAX));
            }
            let (is_allowed, reason) =
                if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
            set_condition(status, "DisruptionAllowed", is_allowed, reason, "", now);
        });
    }

    /// A volume waits for a claim, or has one.
    pub(super) fn offer_volume(&mut self, volume: &Resource, now: Timestamp) {
        let is_claimed = volume.tree().dig(&["spec", "claimRef"]).is_some();
        let phase = if is_claimed { "Bound" } else { "Available" };
        self.set_status(volume, now, |status| status.set("phase", phase));
    }
}

/// How many Pods have to be healthy.
fn wanted(budget: &Resource, expected: usize) -> usize {
    let count = |field: &str| {
        let value = budget.tree().dig(&["spec", field])?;
        let percent = |text: &str| {
            let percent: usize = text.strip_suffix('%')?.parse().ok()?;
            Some(expected.saturating_mul(percent).div_ceil(100))
        };
        value.as_str().and_then(percent).or_else(|| usize::try_from(value.as_i64()?).ok())
    };
    match (count("minAvailable"), count("maxUnavailable")) {
        (Some(least), _) => least,
        (None, Some(most)) => expected.saturating_sub(most),
        (None, None) => 1,
    }
}
