//! How much one sync may disturb.

use crate::diff::{Comparison, Note};
use crate::policy::SyncPolicy;

use super::depend::Graph;
use super::node::{Fate, Node};
use super::{Impact, SkipReason, held};

/// Leaves to the next sync what would restart more workloads than one sync may. What waits for all to be synced waits as
/// well.
///
/// The first in the order of waves go now; an object that others need before any of them, whatever its wave, else it
/// would wait for a budget that they hold and cannot use. What the cluster was heard to refuse comes last, with what needs
/// it: it would take the same place again at each sync. What is held back has no step any more, and takes none.
pub(super) fn ration(
    nodes: &mut [Node<'_>],
    policy: &SyncPolicy,
    comparison: &Comparison,
    graph: &Graph,
    providers_first: &[usize],
) {
    let Some(budget) = policy.rollout_budget else { return };
    let workloads = nodes.iter().filter(|node| is_workload(node)).count();
    let turns = turns(nodes, comparison, graph, providers_first);
    let restarting = nodes.iter().enumerate().filter(|(_, node)| restarts(node));
    let mut restarting: Vec<(Turn, usize)> =
        restarting.map(|(at, _)| (turns.get(at).copied().unwrap_or_default(), at)).collect();
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
    held::drop_after_sync(nodes, SkipReason::RolloutBudget);
}

/// When an object has its turn. Whatever it needs has an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// Whether it would be refused, or needs what would be.
    refused: bool,
    /// The first wave of those that restart: its own, and those of what needs it.
    wave: i32,
    /// Its place among those that need each other.
    place: usize,
}

/// Returns the turn of each object, and behind them of each group.
fn turns(nodes: &[Node<'_>], comparison: &Comparison, graph: &Graph, providers_first: &[usize]) -> Vec<Turn> {
    let is_refused = |node: &Node<'_>| {
        let told = |note: &Note| matches!(note, Note::Refused(_) | Note::Immutable(_));
        let changes = node.work().is_some_and(|work| work.impact != Impact::Recreates);
        changes && restarts(node) && comparison.get(node.key).is_some_and(|of| of.notes.iter().any(told))
    };
    // What does not restart takes no place, and gives what it needs none.
    let wave = |node: &Node<'_>| if restarts(node) { node.wave } else { i32::MAX };
    let turn = |node| Turn { refused: is_refused(node), wave: wave(node), place: 0 };
    let mut turns: Vec<Turn> = nodes.iter().map(turn).collect();
    turns.resize(graph.len().max(nodes.len()), Turn { refused: false, wave: i32::MAX, place: 0 });
    for (place, at) in providers_first.iter().enumerate() {
        let refused = graph.needs(*at).iter().any(|need| turns.get(need.on).is_some_and(|turn| turn.refused));
        if let Some(turn) = turns.get_mut(*at) {
            (turn.refused, turn.place) = (turn.refused || refused, place);
        }
    }
    for at in providers_first.iter().rev() {
        let Some(wave) = turns.get(*at).map(|turn| turn.wave) else { continue };
        for need in graph.needs(*at) {
            if let Some(turn) = turns.get_mut(need.on) {
                turn.wave = turn.wave.min(wave);
            }
        }
    }
    turns
}

fn restarts(node: &Node<'_>) -> bool {
    let disturbs = |impact| matches!(impact, Impact::Restarts | Impact::Recreates);
    is_workload(node) && node.work().is_some_and(|work| disturbs(work.impact))
}

fn is_workload(node: &Node<'_>) -> bool {
    let key = node.key;
    key.is("", "Pod") || (key.group() == "apps" && matches!(key.kind(), "Deployment" | "StatefulSet" | "DaemonSet"))
}
