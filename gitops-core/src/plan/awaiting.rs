//! What is as declared, and must be healthy before what comes later begins.

use crate::diff::Comparison;
use crate::policy::Phase;

use super::build::{Fate, Node, Work, as_seen};
use super::{Action, HookRun, Impact, Intent, Reason, Request};

/// Gives a step to each object in place that was found unwell and that something of this plan comes after: an operation
/// that is tried again, or follows one that was interrupted, must not begin a wave that the first one held back.
///
/// Drift on a revision that was made true once is mended whatever else is unwell.
pub(super) fn add(nodes: &mut [Node<'_>], comparison: &Comparison, prunes: bool, request: &Request) {
    let makes_true = matches!(request.hooks, HookRun::NewRevision | HookRun::Always);
    if request.unwell.is_empty() || !makes_true || request.scope.intent != Intent::Sync {
        return;
    }
    let places = |node: &Node<'_>| {
        let wave = node.wave;
        node.phases().filter(|phase| *phase < Phase::SyncFail).map(move |phase| (phase, wave)).max()
    };
    let last = nodes.iter().filter(|node| node.work().is_some()).filter_map(places).max();
    let last = if prunes { last.max(Some((Phase::Sync, i32::MAX))) } else { last };
    for node in nodes.iter_mut() {
        let waits = matches!(node.fate, Fate::InPlace)
            && node.is_resource()
            && last > Some((Phase::Sync, node.wave))
            && request.unwell.contains(node.key);
        if let (true, Some(requires)) = (waits, comparison.get(node.key).and_then(as_seen)) {
            let (action, reason, impact) = (Action::Await, Reason::Unwell, Impact::Waits);
            node.fate = Fate::Do(Box::new(Work { action, requires, reason, impact, repairs: Vec::new() }));
        }
    }
}
