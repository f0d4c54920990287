//! When the steps of each node run.

use std::ops::Range;

use crate::policy::{Phase, Role};
use crate::problem::{Code, Problem};

use super::depend::{Graph, NeedKind, problem_at};
use super::node::Node;
use super::{Action, Intent};

/// When a step runs. The derived order is the order of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) phase: Phase,
    pub(super) wave: i32,
}

/// Where the steps of each node run; none for what has no step, several for a hook of several phases.
#[derive(Debug)]
pub(super) struct Places {
    all: Vec<Place>,
    /// Where in `all` those of each node end.
    ends: Vec<usize>,
}

impl Places {
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut places = Self { all: Vec::with_capacity(nodes.len()), ends: Vec::with_capacity(nodes.len()) };
        for node in nodes {
            let place = |phase| Place { phase, wave: node.wave };
            match node.role {
                _ if node.work().is_none() => {}
                Role::Resource if node.intent == Intent::Sync => places.all.push(place(Phase::Sync)),
                _ => places.all.extend(node.phases().map(place)),
            }
            places.ends.push(places.all.len());
        }
        places
    }

    fn range(&self, at: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        Some(start..end)
    }

    /// Those of one node, the first one first.
    pub(super) fn of_node(&self, at: usize) -> &[Place] {
        self.range(at).and_then(|range| self.all.get(range)).unwrap_or_default()
    }

    fn of_node_mut(&mut self, at: usize) -> &mut [Place] {
        self.range(at).and_then(|range| self.all.get_mut(range)).unwrap_or_default()
    }

    /// The first one of a node.
    pub(super) fn first(&self, at: usize) -> Option<Place> {
        self.of_node(at).first().copied()
    }
}

/// Returns where the steps of each node run. What others need is pulled forward to the first of them: rule of Argo CD
/// for namespaces and CRDs, which we keep for dependencies that are named, and say so.
pub(super) fn places(
    nodes: &[Node<'_>],
    graph: &Graph,
    providers_first: &[usize],
    problems: &mut Vec<Problem>,
) -> Places {
    let mut places = Places::of(nodes);
    // Of groups, and of what has no step: the first place at which somebody needs them, and who that is.
    let mut passed: Vec<Option<(Place, usize)>> = vec![None; graph.len()];
    let mut pulled: Vec<(usize, usize)> = Vec::new();
    for at in providers_first.iter().rev() {
        let own = places.first(*at).map(|place| (place, *at));
        let Some((first, by)) = own.or_else(|| passed.get(*at).copied().flatten()) else { continue };
        for need in graph.needs(*at) {
            match places.of_node_mut(need.on) {
                own @ [_, ..] => {
                    for place in own.iter_mut().filter(|place| **place > first) {
                        *place = first;
                        if matches!(need.kind, NeedKind::Object | NeedKind::Rule) {
                            pulled.push((need.on, by));
                        }
                    }
                }
                [] => {
                    if let Some(passed) = passed.get_mut(need.on) {
                        *passed = passed.filter(|(place, _)| *place <= first).or(Some((first, by)));
                    }
                }
            }
        }
    }
    // The last one to pull is the one whose place it takes.
    pulled.reverse();
    pulled.sort_by_key(|(on, _)| *on);
    pulled.dedup_by_key(|(on, _)| *on);
    let told = pulled.into_iter().filter_map(|(on, by)| {
        let (on, by, place) = (nodes.get(on)?, nodes.get(by)?, places.first(by)?);
        if on.work().is_some_and(|work| work.action == Action::Await) {
            // Nothing is applied for it.
            return None;
        }
        let wave = on.wave;
        let text = format!("depends on `{}` of wave {wave}, which is applied in wave {} for it", on.key, place.wave);
        let told = problem_at(Problem::warning(Code::InvalidDependency, text), by);
        Some(told.hint("give both waves in the order of the dependency"))
    });
    problems.extend(told);
    places
}
