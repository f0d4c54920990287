//! What is as declared, and must be healthy before what comes later begins.

use std::collections::BTreeSet;

use crate::diff::Comparison;
use crate::policy::Phase;

use super::build::as_seen;
use super::depend::{Graph, NeedKind};
use super::node::{Fate, Node, Work};
use super::{Action, Impact, Intent, Reason, Request, SkipReason, backends};

/// Gives a step to each object in place that was found unwell and that something of this plan comes after by its wave:
/// an operation that is tried again, or follows one that was interrupted, must not begin a wave that the first one held
/// back. And nothing is deleted beside an object that may be its replacement and is not well.
///
/// Drift on a revision that was made true once is mended whatever the wave before it is like; there only deletions wait.
/// Whether hooks run makes no difference.
pub(super) fn add(nodes: &mut [Node<'_>], comparison: &Comparison, prunes: bool, request: &Request) {
    if request.unwell.is_empty() || request.scope.intent != Intent::Sync {
        return;
    }
    let makes_true = request.makes_true();
    let places = |node: &Node<'_>| {
        let wave = node.wave;
        node.phases().filter(|phase| *phase < Phase::SyncFail).map(move |phase| (phase, wave)).max()
    };
    let working = || nodes.iter().filter(|node| node.work().is_some());
    let last = working().filter_map(places).max();
    let in_sync = |node: &&Node<'_>| node.phases().any(|phase| phase == Phase::Sync);
    let last_wave = working().filter(in_sync).map(|node| node.wave).max();
    for node in nodes.iter_mut().filter(|node| rests(node) && is_unwell(node, request)) {
        let is_asked = !request.scope.is_partial() || request.chooses(node.key, Some(&node.declared.resource));
        // Somebody said that it may be unwell: it gates what a revision does at first, and what is tried again.
        let deletions_wait = prunes && (makes_true || !node.declared.options.ignore_health);
        if !(deletions_wait || makes_true && is_asked && last > Some((Phase::Sync, node.wave))) {
            continue;
        }
        wait_for(node, comparison);
        if !makes_true {
            // Beside the last of what is mended, so that nothing but the deletions comes after it.
            node.wave = last_wave.map_or(node.wave, |last| last.max(node.wave));
        }
    }
}

/// Gives a step as well to each object that was found unwell and that something of this plan needs to be healthy,
/// whatever the wave, and whether or not the revision was made true before: what an annotation names, a group that a
/// change rule names, the CRD of its kind, and the workloads that the API server calls (rule 35 of the exact rules).
pub(super) fn add_needed(
    nodes: &mut [Node<'_>],
    comparison: &Comparison,
    graph: &Graph,
    providers_first: &[usize],
    request: &Request,
) {
    if request.unwell.is_empty() || request.scope.intent != Intent::Sync {
        return;
    }
    // As gates are made: through groups, and through what has no step and needs others itself.
    let (mut asked, mut needed) = (BTreeSet::new(), called(nodes));
    for at in providers_first.iter().rev() {
        if asked.contains(at) || nodes.get(*at).is_some_and(|node| node.work().is_some()) {
            for need in graph.needs(*at) {
                asked.insert(need.on);
                if !matches!(need.kind, NeedKind::Namespace | NeedKind::Reference) {
                    needed.insert(need.on);
                }
            }
        }
    }
    for at in needed {
        let Some(node) = nodes.get_mut(at) else { continue };
        if (rests(node) || is_left_out(node)) && is_unwell(node, request) {
            wait_for(node, comparison);
        } else if node.work().is_some_and(|work| work.action == Action::Await) {
            // Others than deletions wait for it, and when its own turn is.
            node.wave = node.declared.options.wave;
        }
    }
}

/// The workloads behind what the API server is told to call, as far as they do not come in a later wave.
fn called(nodes: &[Node<'_>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let calls = |node: &&Node<'_>| node.work().is_some() && backends::calls(&node.key.group_kind);
    if !nodes.iter().any(|node| calls(&node)) {
        return found;
    }
    for (at, behind) in backends::of_each(nodes) {
        let Some(caller) = nodes.get(at).filter(calls) else { continue };
        let is_awaited = |node: &Node<'_>| !node.key.is("", "Service") && node.declared.options.wave <= caller.wave;
        found.extend(behind.into_iter().filter(|on| nodes.get(*on).is_some_and(is_awaited)));
    }
    found
}

fn is_unwell(node: &Node<'_>, request: &Request) -> bool {
    node.is_resource() && request.unwell.contains(node.key)
}

/// Whether an object is as it is to be: as declared, or created once and for all.
fn rests(node: &Node<'_>) -> bool {
    matches!(node.fate, Fate::InPlace | Fate::Skip(SkipReason::CreateOnly))
}

/// Whether this operation leaves an object out that is there: it waits for nothing, but what needs it does.
fn is_left_out(node: &Node<'_>) -> bool {
    matches!(node.fate, Fate::Skip(SkipReason::NotSelected | SkipReason::Fought))
}

fn wait_for(node: &mut Node<'_>, comparison: &Comparison) {
    if let Some(requires) = comparison.get(node.key).and_then(as_seen) {
        let (action, reason, impact) = (Action::Await, Reason::Unwell, Impact::Waits);
        node.fate = Fate::Do(Box::new(Work { action, requires, reason, impact, repairs: Vec::new() }));
    }
}
