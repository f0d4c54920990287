//! The order of steps: phases, waves, providers before dependents, kinds.
//!
//! Steps form a graph. Waves are barriers: one starts when everything in the one before is healthy. Within a wave a step
//! waits for what it needs, and for nothing else; the order of kinds is only the order in which steps are numbered and
//! begun, so that one object that is refused or slow holds back what needs it and not its neighbours. Deletions follow
//! when everything of the phase is healthy, in the reverse order.

use std::sync::Arc;

use crate::policy::Phase;
use crate::problem::Problem;
use crate::resource::ResourceKey;

use super::depend::{Graph, NeedKind};
use super::kinds::{by_kind, rank};
use super::node::{Node, Work};
use super::places::{Place, Places, places};
use super::prune::Removal;
use super::undo::Undo;
use super::{
    Action, After, Gate, GateId, Impact, Intent, Precondition, Reason, Step, StepId, backends, cycle, recreate, refs,
};

/// A step that is not numbered yet.
#[derive(Clone, Copy)]
struct Item<'a> {
    node: usize,
    key: &'a ResourceKey,
    work: &'a Work,
    place: Place,
    level: u32,
    rank: usize,
}

impl Item<'_> {
    fn step(
        &self,
        id: StepId,
        node: Option<&Node<'_>>,
        (action, requires, reason, impact): (Action, Precondition, Reason, Impact),
        after: Vec<After>,
    ) -> Step {
        let version = node.map_or_else(Arc::default, |node| Arc::clone(node.declared.resource.shared_version()));
        let (key, phase, wave) = (self.key.clone(), self.place.phase, self.place.wave);
        let changes = matches!(action, Action::Apply { .. } | Action::Replace { .. });
        let recreate = node.filter(|_| changes).and_then(|node| recreate::allowed(&node.declared.options));
        Step { id, key, version, phase, wave, action, requires, after, reason, impact, recreate, trial: None }
    }
}

/// Numbers and connects the steps. Every dependency of a step has a smaller number.
pub(super) fn lay_out(
    nodes: &[Node<'_>],
    mut graph: Graph,
    providers_first: Vec<usize>,
    removals: &[Removal<'_>],
    problems: &mut Vec<Problem>,
) -> (Vec<Step>, Vec<Gate>) {
    let places = places(nodes, &graph, &providers_first, problems);
    let providers_first = look_inside(nodes, &mut graph, &places, providers_first);
    let ranks = ranks(nodes);
    let levels = levels(&graph, &ranks, &providers_first, &places);
    let mut items = Vec::with_capacity(nodes.len());
    for (at, ((node, level), rank)) in nodes.iter().zip(levels).zip(ranks).enumerate() {
        let Some(work) = node.work() else { continue };
        let of_node = places.of_node(at).iter();
        items.extend(of_node.map(|place| Item { node: at, key: node.key, work, place: *place, level, rank }));
    }
    // Nodes are sorted by key, so their number is the last word.
    items.sort_by_key(|item| (item.place, item.level, item.rank, item.node));
    let deletes = nodes.iter().any(|node| node.intent == Intent::Delete);
    let last = if deletes { Phase::PreDelete } else { Phase::Sync };
    let after = items.partition_point(|item| item.place.phase <= last);
    let failed = if deletes { items.len() } else { items.partition_point(|item| item.place.phase < Phase::SyncFail) };
    let mut layout = Layout { nodes, reached: Vec::new(), steps: Vec::new(), gates: Vec::new(), ended: None };
    layout.meet(&graph, &providers_first, items.get(..after).unwrap_or(&[]), &places);
    layout.waves(&graph, items.get(..after).unwrap_or(&[]));
    layout.deletions(removals, problems);
    layout.waves(&graph, items.get(after..failed).unwrap_or(&[]));
    // The machine runs these when something failed; they wait for nothing but each other.
    layout.ended = None;
    layout.waves(&graph, items.get(failed..).unwrap_or(&[]));
    (layout.steps, layout.gates)
}

/// Returns the place of each node in the order of kinds.
fn ranks(nodes: &[Node<'_>]) -> Vec<usize> {
    let ranks = by_kind(nodes).into_iter().flat_map(|of| std::iter::repeat_n(rank(of.kind), of.range.len()));
    ranks.collect()
}

/// Adds what objects name in their content. That gives way where it would make a circle.
fn look_inside(nodes: &[Node<'_>], graph: &mut Graph, places: &Places, order: Vec<usize>) -> Vec<usize> {
    let place = |at: usize| places.first(at);
    let before = graph.edges();
    refs::connect(nodes, place, graph);
    backends::connect(nodes, place, graph);
    if graph.edges() == before {
        return order;
    }
    let (order, tangled) = cycle::components(graph);
    if tangled.is_empty() {
        return order;
    }
    for component in tangled {
        graph.drop_needs(&component, |kind| !kind.is_firm());
    }
    cycle::components(graph).0
}

/// Returns how many others precede each node within its place, where the order of kinds does not tell.
fn levels(graph: &Graph, ranks: &[usize], providers_first: &[usize], places: &Places) -> Vec<u32> {
    if providers_first.is_empty() {
        return vec![0; ranks.len()];
    }
    // Behind the last of what it needs; a group stands where its last member stands.
    let mut turns: Vec<Option<(Place, u32, usize)>> = vec![None; graph.len().max(ranks.len())];
    let of_node = |at: usize| Some((places.first(at)?, 0, *ranks.get(at)?));
    for at in providers_first {
        let last = graph
            .needs(*at)
            .iter()
            .filter_map(|need| turns.get(need.on).copied().flatten().or_else(|| of_node(need.on)));
        let last = last.max();
        let own = match (of_node(*at), last) {
            (Some((place, _, rank)), Some((other, level, other_rank))) if other == place => {
                Some((place, level.saturating_add(u32::from(other_rank >= rank)), rank))
            }
            (Some(own), _) => Some(own),
            (None, last) => last,
        };
        if let Some(turn) = turns.get_mut(*at) {
            *turn = own;
        }
    }
    turns.iter().take(ranks.len()).map(|turn| turn.map_or(0, |(_, level, _)| level)).collect()
}

/// How others wait for a member of the graph.
#[derive(Clone, Copy, Debug)]
enum Reached {
    /// By its step.
    Step(StepId),
    /// By the gate of a group, or of what has no step and needs others itself.
    Gate(GateId),
}

struct Layout<'a> {
    nodes: &'a [Node<'a>],
    /// Of what is needed.
    reached: Vec<Option<Reached>>,
    steps: Vec<Step>,
    gates: Vec<Gate>,
    /// What must have happened before the next wave; a gate is made of it when there is one.
    ended: Option<(Phase, i32, Vec<After>)>,
}

impl Layout<'_> {
    /// Numbers the steps that others need, and makes the gates of groups.
    fn meet(&mut self, graph: &Graph, providers_first: &[usize], items: &[Item<'_>], places: &Places) {
        self.reached = vec![None; graph.len()];
        let mut next = 0u32;
        for item in items {
            // Others wait for what follows a step that puts ownership right.
            let id = next.saturating_add(u32::from(!item.work.repairs.is_empty()));
            next = id.saturating_add(1);
            if self.nodes.get(item.node).is_some_and(Node::is_resource)
                && let Some(reached) = self.reached.get_mut(item.node)
            {
                *reached = Some(Reached::Step(StepId(id)));
            }
        }
        // Who is waited for, dependents first: a gate that nobody waits for is not made.
        let mut asked = vec![false; graph.len()];
        for at in providers_first.iter().rev() {
            let works = self.nodes.get(*at).is_some_and(|node| node.work().is_some());
            if works || asked.get(*at) == Some(&true) {
                for need in graph.needs(*at) {
                    if let Some(asked) = asked.get_mut(need.on) {
                        *asked = true;
                    }
                }
            }
        }
        for at in providers_first {
            let has_step = self.nodes.get(*at).is_some_and(|node| node.work().is_some());
            if has_step || asked.get(*at) != Some(&true) {
                continue;
            }
            let opens = self.waits(graph.needs(*at));
            let place = graph.needs(*at).iter().filter_map(|need| places.first(need.on)).max();
            if opens.is_empty() {
                continue;
            }
            let place = place.unwrap_or(Place { phase: Phase::Sync, wave: 0 });
            let gate = self.gate(place.phase, place.wave, opens);
            if let Some(reached) = self.reached.get_mut(*at) {
                *reached = Some(Reached::Gate(gate));
            }
        }
    }

    fn waits(&self, needs: &[super::depend::Need]) -> Vec<After> {
        let mut after: Vec<After> = needs
            .iter()
            .filter_map(|need| {
                Some(match (self.reached.get(need.on).copied()??, need.kind) {
                    (Reached::Gate(gate), _) => After::Gate(gate),
                    (Reached::Step(on), NeedKind::Namespace | NeedKind::Reference) => After::Applied(on),
                    (Reached::Step(on), _) => After::Healthy(on),
                })
            })
            .collect();
        after.sort_unstable();
        after.dedup();
        after
    }

    fn waves(&mut self, graph: &Graph, items: &[Item<'_>]) {
        for wave in items.chunk_by(|a, b| a.place == b.place) {
            let barrier = self.close();
            let ids: Vec<StepId> = wave.iter().map(|item| self.push(graph, item, barrier)).collect();
            let healthy = ids.into_iter().map(After::Healthy).collect();
            self.ended = wave.first().map(|item| (item.place.phase, item.place.wave, healthy));
        }
    }

    fn push(&mut self, graph: &Graph, item: &Item<'_>, barrier: Option<GateId>) -> StepId {
        let node = self.nodes.get(item.node);
        // Nothing but a failure is awaited by what runs on failure.
        let needs = if item.place.phase == Phase::SyncFail { &[] } else { graph.needs(item.node) };
        let mut after = self.waits(needs);
        after.extend(barrier.map(After::Gate));
        after.sort_unstable();
        let Work { action, requires, reason, impact, repairs } = item.work.clone();
        if !repairs.is_empty() {
            // Who owns what is put right by a step of its own, right before.
            let owned = self.next_step();
            let (action, impact, requires) = (Action::Own { repairs }, Impact::Ownership, requires.clone());
            let after = std::mem::replace(&mut after, vec![After::Applied(owned)]);
            self.steps.push(item.step(owned, node, (action, requires, reason, impact), after));
        }
        let id = self.next_step();
        self.steps.push(item.step(id, node, (action, requires, reason, impact), after));
        id
    }

    /// Adds the deletions; each group waits until the one before is gone, and within a group providers for dependents.
    fn deletions(&mut self, removals: &[Removal<'_>], problems: &mut Vec<Problem>) {
        let undo = Undo::of(removals, problems);
        let first = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        for group in undo.order.chunk_by(|a, b| undo.turn(*a) == undo.turn(*b)) {
            let barrier = self.close();
            let mut gone = Vec::with_capacity(group.len());
            let gates = undo.gates(group, |place| StepId(first.saturating_add(place)));
            let gates: Vec<(usize, GateId)> =
                gates.into_iter().map(|(at, opens)| (at, self.gate(Phase::Sync, 0, opens))).collect();
            for at in group {
                let Some(removal) = removals.get(*at) else { continue };
                let id = self.next_step();
                let impact = if undo.deletes_contents(*at) { Impact::DeletesContents } else { Impact::Deletes };
                let mut after = undo.after(*at, |place| StepId(first.saturating_add(place)));
                after.extend(undo.waits_for(*at, &gates).map(After::Gate));
                after.extend(barrier.map(After::Gate));
                after.sort_unstable();
                after.dedup();
                self.steps.push(Step {
                    id,
                    key: removal.key.clone(),
                    version: removal.live.version().into(),
                    phase: Phase::Sync,
                    wave: removal.wave,
                    action: Action::Delete { propagation: removal.propagation },
                    requires: removal.requires.clone(),
                    after,
                    reason: removal.reason,
                    impact,
                    recreate: None,
                    trial: None,
                });
                gone.push(After::Gone(id));
            }
            let wave = group.first().and_then(|at| removals.get(*at)).map_or(0, |removal| removal.wave);
            self.ended = Some((Phase::Sync, wave, gone));
        }
    }

    fn next_step(&self) -> StepId {
        // Four billion steps do not fit the memory of any machine; the count saturates all the same.
        StepId(u32::try_from(self.steps.len()).unwrap_or(u32::MAX))
    }

    /// Makes a gate of what ended.
    fn close(&mut self) -> Option<GateId> {
        let (phase, wave, opens) = self.ended.take()?;
        Some(self.gate(phase, wave, opens))
    }

    fn gate(&mut self, phase: Phase, wave: i32, mut opens: Vec<After>) -> GateId {
        let id = GateId(u32::try_from(self.gates.len()).unwrap_or(u32::MAX));
        opens.sort_unstable();
        self.gates.push(Gate { id, phase, wave, opens });
        id
    }
}
