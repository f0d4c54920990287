//! What is held back with what must come before it: objects, hooks, and the phases after a hook.

use std::collections::BTreeSet;

use crate::policy::Phase;

use super::SkipReason;
use super::backends;
use super::depend::{Graph, NeedKind};
use super::node::{Fate, Node};

/// Holds back what must follow an object that is held back. What is in place already needs nothing.
pub(super) fn hold(graph: &Graph, nodes: &mut [Node<'_>], providers_first: &[usize]) {
    // Within a circle nobody comes first, so what is known of its objects is known from the start.
    let known = |is: fn(&Node<'_>) -> bool| -> BTreeSet<usize> {
        nodes.iter().enumerate().filter(|(_, node)| is(node)).map(|(at, _)| at).collect()
    };
    let (mut blocking, foreign) = (known(is_blocked), known(is_foreign));
    for at in providers_first {
        let follows = graph.needs(*at).iter().any(|need| {
            // A namespace or CRD of somebody else is there, and that is all its contents need.
            blocking.contains(&need.on)
                || (matches!(need.kind, NeedKind::Object | NeedKind::Rule) && foreign.contains(&need.on))
        });
        let Some(node) = nodes.get_mut(*at) else {
            if follows {
                blocking.insert(*at);
            }
            continue;
        };
        if follows && matches!(node.fate, Fate::Do(_)) {
            node.fate = Fate::Skip(SkipReason::FollowsHeld);
        }
        if is_blocked(node) {
            blocking.insert(*at);
        }
    }
}

fn is_foreign(node: &Node<'_>) -> bool {
    matches!(node.fate, Fate::Skip(SkipReason::NotOurs | SkipReason::NotAdopted))
}

fn is_blocked(node: &Node<'_>) -> bool {
    matches!(node.fate, Fate::Skip(reason) if reason.passes())
}

fn blocked_hook(nodes: &[Node<'_>], phase: Phase) -> bool {
    nodes.iter().any(|node| {
        is_blocked(node) && node.declared.options.hook.as_ref().is_some_and(|hook| hook.phases.contains(&phase))
    })
}

/// Returns whether a hook that runs before everything is held back. Then nothing runs, as if it had failed.
pub(super) fn stopped_by_hook(nodes: &[Node<'_>]) -> bool {
    blocked_hook(nodes, Phase::PreSync)
}

/// Whether anything that is declared is not made true by this plan and could be by a later one: then nothing is deleted
/// yet that it may still use. What is never ours to apply does not count.
pub(super) fn leaves_undone(nodes: &[Node<'_>]) -> bool {
    blocked_hook(nodes, Phase::Sync) || nodes.iter().any(|node| node.is_resource() && is_blocked(node))
}

/// Holds back what comes after a hook that is held back, as if that had failed: later waves of its phase, and later
/// phases. Returns whether it held back anything. Before everything else the other hooks wait as well, so that an
/// operation that comes to nothing does not run them again and again.
///
/// What runs on failure stays, as long as anything runs that can fail.
pub(super) fn hold_after_hooks(nodes: &mut [Node<'_>]) -> bool {
    let runs = |phase: &Phase| *phase < Phase::SyncFail;
    let blocked = nodes.iter().filter(|node| is_blocked(node)).filter_map(|node| {
        let phases = &node.declared.options.hook.as_ref()?.phases;
        Some((phases.iter().copied().find(runs)?, node.wave))
    });
    let Some(first) = blocked.min() else { return false };
    let nothing_runs = first.0 == Phase::PreSync;
    let mut holds = false;
    for node in nodes.iter_mut().filter(|node| node.work().is_some()) {
        let wave = node.wave;
        node.drop_phases(|phase| nothing_runs || runs(&phase) && (phase, wave) > first, SkipReason::FollowsHeld);
        holds |= node.work().is_none();
    }
    holds
}

/// Holds back what the API server would call in vain: of which the service, or a workload behind it that does not come in a
/// later wave, is held back, or is `absent` and not asked for. Returns whether it held back anything. Rule 35 of the exact
/// rules.
pub(super) fn hold_unanswered(nodes: &mut [Node<'_>], absent: &BTreeSet<usize>) -> bool {
    let calls = |node: &Node<'_>| node.work().is_some() && backends::calls(&node.key.group_kind);
    if !nodes.iter().any(calls) || (absent.is_empty() && !nodes.iter().any(is_blocked)) {
        return false;
    }
    let mut unanswered = Vec::new();
    for (at, called) in backends::of_each(nodes) {
        let Some(caller) = nodes.get(at).filter(|node| calls(node)) else { continue };
        let called = || called.iter().filter_map(|on| Some((on, nodes.get(*on)?)));
        let services: Vec<&Node<'_>> =
            called().map(|(_, node)| node).filter(|node| node.key.is("", "Service")).collect();
        // Without the service nothing tells which workloads are behind it.
        let answers = |node: &Node<'_>| {
            let serves = |service: &&Node<'_>| backends::serves(&service.declared.resource, &node.declared.resource);
            node.key.is("", "Service") || services.iter().any(serves)
        };
        // What is only waited for, before deletions, has the wave of these.
        let wave = |node: &Node<'_>| node.wave.min(node.declared.options.wave);
        let in_time = called().filter(|(_, node)| wave(node) <= caller.wave && answers(node));
        let why = in_time.filter_map(|(on, node)| match absent.contains(on) {
            true => Some(SkipReason::FollowsNotSelected),
            false => is_blocked(node).then_some(SkipReason::FollowsHeld),
        });
        unanswered.extend(why.max().map(|why| (at, why)));
    }
    for (at, why) in &unanswered {
        if let Some(node) = nodes.get_mut(*at) {
            node.fate = Fate::Skip(*why);
        }
    }
    !unanswered.is_empty()
}

/// Holds back the hooks after the sync where anything is held back: after a sync means after all of it.
pub(super) fn hold_phases(nodes: &mut [Node<'_>]) {
    if leaves_undone(nodes) {
        drop_after_sync(nodes, SkipReason::FollowsHeld);
    }
}

/// Takes back the runs of hooks after the sync.
pub(super) fn drop_after_sync(nodes: &mut [Node<'_>], reason: SkipReason) {
    for node in nodes.iter_mut().filter(|node| !node.is_resource()) {
        node.drop_phases(|phase| phase == Phase::PostSync, reason);
    }
}
