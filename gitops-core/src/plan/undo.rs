//! The order of deletions: the reverse of the order of applying, dependents first.

use std::cmp::Reverse;

use crate::policy::{Options, Verb};
use crate::problem::{Code, Problem};
use crate::resource::{Resource, ResourceKey};

use super::contents::is_container;
use super::depend::{self, Graph, NeedKind, Subject};
use super::kinds::{is_deleted_early, rank};
use super::prune::Removal;
use super::{After, GateId, StepId, backends, cycle, refs};

/// When an object is deleted. Turns are barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    tier: Tier,
    wave: Reverse<i32>,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    Normal,
    /// By its annotation.
    Last,
    /// Namespaces and CRDs, whose contents go with them.
    Container,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// What stops the API server once its workloads are gone, and custom resources, which their controllers may have to
    /// finalize: all before any workload.
    Early,
    Rest,
}

impl Subject for Removal<'_> {
    fn key(&self) -> &ResourceKey {
        self.key
    }
    fn resource(&self) -> &Resource {
        self.live
    }
    fn options(&self) -> &Options {
        &self.options
    }
    fn works(&self) -> bool {
        true
    }
}

/// Deletions in their order.
#[derive(Debug)]
pub(super) struct Undo {
    /// Indices of the removals, in the order in which they are deleted.
    pub(super) order: Vec<usize>,
    containers: Vec<bool>,
    turns: Vec<Turn>,
    /// The place of each removal in `order`.
    places: Vec<u32>,
    /// Who must be gone before each removal and group: those that need it.
    waits: Vec<Vec<usize>>,
}

impl Undo {
    pub(super) fn of(removals: &[Removal<'_>], problems: &mut Vec<Problem>) -> Self {
        let (mut graph, _) = depend::connect(removals, Verb::Delete);
        backends::connect(removals, |_| Some(()), &mut graph);
        let order = untangled(removals, &mut graph, problems);
        let mut turns: Vec<Turn> = removals.iter().map(turn).collect();
        delay(&graph, &order, &mut turns);
        let edges = graph.edges();
        refs::connect(removals, |at| turns.get(at).copied(), &mut graph);
        let order = if graph.edges() == edges { order } else { untangled(removals, &mut graph, problems) };
        let mut waits: Vec<Vec<usize>> = vec![Vec::new(); graph.len().max(removals.len())];
        for at in 0..graph.len() {
            for need in graph.needs(at) {
                if let Some(waits) = waits.get_mut(need.on) {
                    waits.push(at);
                }
            }
        }
        let mut undo = Self {
            order: (0..removals.len()).collect(),
            containers: removals.iter().map(|removal| is_container(removal.key)).collect(),
            places: vec![0; removals.len()],
            turns,
            waits,
        };
        let levels = undo.levels(removals, &order);
        let rank = |at: usize| removals.get(at).map(|removal| Reverse(rank(&removal.key.group_kind)));
        // Removals are sorted by key already, and the sort keeps that.
        undo.order.sort_by_key(|at| (undo.turns.get(*at).copied(), levels.get(*at).copied(), rank(*at)));
        for (place, at) in (0u32..).zip(&undo.order) {
            if let Some(own) = undo.places.get_mut(*at) {
                *own = place;
            }
        }
        undo
    }

    pub(super) fn turn(&self, at: usize) -> Option<Turn> {
        self.turns.get(at).copied()
    }

    pub(super) fn deletes_contents(&self, at: usize) -> bool {
        self.containers.get(at) == Some(&true)
    }

    /// What must be gone before a removal of the same turn.
    pub(super) fn after(&self, at: usize, step: impl Fn(u32) -> StepId) -> Vec<After> {
        self.gone(at, at, step)
    }

    /// The groups that must be gone before members of one turn, with what that means.
    pub(super) fn gates(&self, turn: &[usize], step: impl Fn(u32) -> StepId) -> Vec<(usize, Vec<After>)> {
        let waits = turn.iter().filter_map(|at| Some((*at, self.waits.get(*at)?)));
        let mut groups: Vec<(usize, usize)> = waits
            .flat_map(|(at, waits)| waits.iter().map(move |group| (*group, at)))
            .filter(|(group, _)| *group >= self.places.len())
            .collect();
        groups.sort_unstable();
        groups.dedup_by_key(|(group, _)| *group);
        let opens = groups.into_iter().map(|(group, at)| (group, self.gone(group, at, &step)));
        opens.filter(|(_, opens)| !opens.is_empty()).collect()
    }

    /// The gates of groups that must be gone before a removal.
    pub(super) fn waits_for(&self, at: usize, gates: &[(usize, GateId)]) -> impl Iterator<Item = GateId> {
        let waits = self.waits.get(at).map_or(&[][..], Vec::as_slice);
        let gate = |group: &usize| {
            let found = gates.binary_search_by_key(group, |(group, _)| *group).ok()?;
            gates.get(found).map(|(_, gate)| *gate)
        };
        waits.iter().filter_map(gate).collect::<Vec<_>>().into_iter()
    }

    /// Who waits for `of` and goes in the turn of `at`; earlier turns are over by then.
    fn gone(&self, of: usize, at: usize, step: impl Fn(u32) -> StepId) -> Vec<After> {
        let waits = self.waits.get(of).map_or(&[][..], Vec::as_slice);
        let now = waits.iter().filter(|other| **other != at && self.turn(**other) == self.turn(at));
        now.filter_map(|other| self.places.get(*other)).map(|place| After::Gone(step(*place))).collect()
    }

    /// How many others precede each within its turn, where the order of kinds does not tell.
    fn levels(&self, removals: &[Removal<'_>], providers_first: &[usize]) -> Vec<u32> {
        let own = |at: usize| {
            let removal = removals.get(at)?;
            Some((self.turn(at)?, 0_u32, Reverse(rank(&removal.key.group_kind))))
        };
        let mut turns: Vec<Option<(Turn, u32, Reverse<usize>)>> = vec![None; self.waits.len()];
        for at in providers_first.iter().rev() {
            let waits = self.waits.get(*at).map_or(&[][..], Vec::as_slice);
            let last =
                waits.iter().filter_map(|other| turns.get(*other).copied().flatten().or_else(|| own(*other))).max();
            let found = match (own(*at), last) {
                (Some((turn, _, rank)), Some((other, level, other_rank))) if other == turn => {
                    Some((turn, level.saturating_add(u32::from(other_rank >= rank)), rank))
                }
                (Some(own), _) => Some(own),
                (None, last) => last,
            };
            if let Some(turn) = turns.get_mut(*at) {
                *turn = found;
            }
        }
        turns.iter().take(removals.len()).map(|turn| turn.map_or(0, |(_, level, _)| level)).collect()
    }
}

/// When an object would be deleted if nothing needed it.
fn turn(removal: &Removal<'_>) -> Turn {
    let part = if is_deleted_early(&removal.key.group_kind) { Part::Early } else { Part::Rest };
    let (tier, wave) = match removal.last {
        _ if is_container(removal.key) => (Tier::Container, 0),
        true => (Tier::Last, removal.wave),
        false => (Tier::Normal, removal.wave),
    };
    Turn { tier, wave: Reverse(wave), part }
}

/// Puts off what others need until they are gone, as applying pulls it forward to them.
fn delay(graph: &Graph, providers_first: &[usize], turns: &mut [Turn]) {
    let objects = turns.len();
    let mut latest: Vec<Option<Turn>> = vec![None; graph.len()];
    for at in providers_first.iter().rev() {
        let Some(turn) = turns.get(*at).copied().or_else(|| latest.get(*at).copied().flatten()) else { continue };
        for need in graph.needs(*at) {
            if let Some(other) = turns.get_mut(need.on) {
                *other = (*other).max(turn);
            } else if let Some(latest) = latest.get_mut(need.on).filter(|_| need.on >= objects) {
                *latest = (*latest).max(Some(turn));
            }
        }
    }
}

/// Sorts what needs and is needed, and takes edges out of circles: first those that nobody asked for, then all that
/// annotations asked for. What is deleted cannot be held back for an annotation that nobody can correct any more.
fn untangled(removals: &[Removal<'_>], graph: &mut Graph, problems: &mut Vec<Problem>) -> Vec<usize> {
    let (order, tangled) = cycle::components(graph);
    if tangled.is_empty() {
        return order;
    }
    tangled.iter().for_each(|component| graph.drop_needs(component, |kind| !kind.is_firm()));
    let (_, tangled) = cycle::components(graph);
    for component in &tangled {
        let first = component.iter().find_map(|at| removals.get(*at));
        let text = "is deleted in no particular order: its annotations and those of others make a circle";
        problems.extend(first.map(|first| Problem::note(Code::InvalidDependency, text).of(first.key)));
        graph.drop_needs(component, |kind| matches!(kind, NeedKind::Object | NeedKind::Rule));
    }
    cycle::components(graph).0
}
