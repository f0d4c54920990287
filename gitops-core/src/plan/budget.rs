//! How much one sync may disturb.

use crate::policy::{Phase, SyncPolicy};

use super::build::{Fate, Node};
use super::{Impact, SkipReason};

/// Leaves to the next sync what would restart more workloads than one sync may: the first in the order of waves go now.
/// What waits for all to be synced waits as well.
pub(super) fn ration(nodes: &mut [Node<'_>], policy: &SyncPolicy) {
    let Some(budget) = policy.rollout_budget else { return };
    let workloads = nodes.iter().filter(|node| is_workload(node)).count();
    let disturbs = |impact| matches!(impact, Impact::Restarts | Impact::Recreates);
    let restarts = |node: &Node<'_>| is_workload(node) && node.work().is_some_and(|work| disturbs(work.impact));
    let mut restarting: Vec<(i32, usize)> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| restarts(node))
        .map(|(at, n)| (n.declared.options.wave, at))
        .collect();
    restarting.sort_unstable();
    let beyond = restarting.get(budget.of(workloads).min(restarting.len())..).unwrap_or_default();
    if beyond.is_empty() {
        return;
    }
    for (_, at) in beyond {
        if let Some(node) = nodes.get_mut(*at) {
            node.fate = Fate::Skip(SkipReason::RolloutBudget);
        }
    }
    for node in nodes.iter_mut().filter(|node| node.work().is_some() && !node.is_resource()) {
        if node.phases().all(|phase| phase == Phase::PostSync) {
            node.fate = Fate::Skip(SkipReason::RolloutBudget);
        }
    }
}

fn is_workload(node: &Node<'_>) -> bool {
    let key = node.key;
    key.is("", "Pod") || (key.group() == "apps" && matches!(key.kind(), "Deployment" | "StatefulSet" | "DaemonSet"))
}
