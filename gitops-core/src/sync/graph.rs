//! The graph of steps and gates: who waits for whom, and how far.

use std::collections::VecDeque;

use crate::plan::{After, Plan};
use crate::policy::{Phase as SyncPhase, WaitFor};

use super::machine::Machine;

/// A step or a gate: what it still waits for, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Node {
    missing: u32,
    dependents: Vec<(Level, u32)>,
}

/// How far a step has come, as far as others wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// It was done.
    Applied,
    /// Its object is healthy, or gone; a hook has succeeded.
    Settled,
}

impl Node {
    /// Whether something that it follows is still to happen.
    pub(super) fn waits(&self) -> bool {
        self.missing > 0
    }
}

impl Machine {
    /// Turns edges around: who waits for whom. SyncFail steps wait for the failure as well.
    pub(super) fn graph(plan: &Plan) -> Vec<Node> {
        let steps = plan.steps.len();
        let mut nodes: Vec<Node> = (0..steps + plan.gates.len()).map(|_| Node::default()).collect();
        let edges = plan.steps.iter().map(|step| &step.after).chain(plan.gates.iter().map(|gate| &gate.opens));
        for (node, after) in (0u32..).zip(edges) {
            for edge in after {
                let (on, level) = match edge {
                    After::Applied(step) => (step.0 as usize, Level::Applied),
                    After::Healthy(step) | After::Gone(step) => (step.0 as usize, Level::Settled),
                    After::Gate(gate) => (steps + gate.0 as usize, Level::Applied),
                };
                // An edge to nowhere is never satisfied; its step ends as not run.
                if let Some(on) = nodes.get_mut(on) {
                    on.dependents.push((level, node));
                }
                if let Some(node) = nodes.get_mut(node as usize) {
                    node.missing = node.missing.saturating_add(1);
                }
            }
        }
        for (node, step) in nodes.iter_mut().zip(&plan.steps) {
            if step.phase == SyncPhase::SyncFail {
                node.missing = node.missing.saturating_add(1);
            }
        }
        nodes
    }

    pub(super) fn roots(&mut self) -> VecDeque<u32> {
        let steps = self.plan.steps.len();
        let mut ready = VecDeque::new();
        for index in 0..self.nodes.len() {
            if self.nodes.get(index).is_some_and(|node| node.missing == 0) {
                let node = u32::try_from(index).unwrap_or(u32::MAX);
                if index < steps { ready.push_back(node) } else { self.reach(node, Level::Applied) }
            }
        }
        ready.append(&mut self.ready);
        ready
    }

    /// Tells those who wait for a step, or a gate, how far it has come.
    pub(super) fn reach(&mut self, node: u32, level: Level) {
        if self.nodes.get(node as usize).is_none_or(|at| at.dependents.is_empty()) {
            return;
        }
        let mut reached = vec![(node, level)];
        while let Some((node, level)) = reached.pop() {
            let Some(at) = self.nodes.get_mut(node as usize) else { continue };
            let (now, later) = std::mem::take(&mut at.dependents).into_iter().partition(|(wanted, _)| *wanted <= level);
            at.dependents = later;
            for (_, dependent) in Vec::<(Level, u32)>::from_iter(now) {
                self.release(dependent, &mut reached);
            }
        }
    }

    pub(super) fn release(&mut self, node: u32, reached: &mut Vec<(u32, Level)>) {
        let Some(waiting) = self.nodes.get_mut(node as usize) else { return };
        waiting.missing = waiting.missing.saturating_sub(1);
        if waiting.missing > 0 {
            return;
        }
        if (node as usize) < self.plan.steps.len() {
            self.ready.push_back(node);
        } else {
            reached.push((node, Level::Applied));
        }
    }

    /// Returns whether anything waits for the object of a step to be healthy or gone.
    pub(super) fn is_awaited(&self, step: u32) -> bool {
        if self.setup.policy.wait == WaitFor::Everything {
            return true;
        }
        self.nodes
            .get(step as usize)
            .is_some_and(|node| node.dependents.iter().any(|(level, _)| *level == Level::Settled))
    }
}
