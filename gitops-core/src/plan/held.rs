//! What is held back with what must come before it: objects, hooks, and the phases after a hook.

use std::collections::BTreeSet;

use crate::policy::Phase;

use super::SkipReason;
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

/// Holds back the phases after one of which anything is held back, as if that had failed. Before everything else the
/// other hooks wait as well, so that an operation that comes to nothing does not run them again and again. What runs on
/// failure stays, as long as anything runs that can fail.
pub(super) fn hold_phases(nodes: &mut [Node<'_>]) {
    let first = [Phase::PreSync, Phase::Sync].into_iter().find(|phase| blocked_hook(nodes, *phase));
    // After a sync means after all of it.
    let Some(blocked) = first.or_else(|| leaves_undone(nodes).then_some(Phase::Sync)) else { return };
    for node in nodes.iter_mut().filter(|node| node.work().is_some()) {
        let later = node.phases().all(|phase| phase > blocked) && node.phases().any(|phase| phase != Phase::SyncFail);
        if later || blocked == Phase::PreSync {
            node.fate = Fate::Skip(SkipReason::FollowsHeld);
        }
    }
}
