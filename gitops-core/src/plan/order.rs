//! The order of steps: phases, waves, providers before dependents, kinds.
//!
//! Steps form a graph. Within a wave a step waits for its namespace, its CRD and what it names, and for one of two
//! barriers: configuration, permissions and storage are applied before workloads, and webhook configurations and API
//! services after the workloads they call are healthy. A wave starts when everything in the one before is healthy.
//! Deletions follow when everything of the phase is healthy, in the reverse order. Barriers are gates, so that the
//! number of edges grows with the number of steps.

use std::cmp::Reverse;

use crate::policy::Phase;
use crate::resource::{GroupKind, ResourceKey};

use super::build::{Node, Work};
use super::depend::NeedKind;
use super::prune::{Removal, is_container};
use super::{Action, After, Gate, GateId, Impact, Reason, Step, StepId};

/// Rule: Argo CD's order of kinds, with the group in the key; kinds that are not listed come last.
const KINDS: [(&str, &str); 34] = [
    ("", "Namespace"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("policy", "PodSecurityPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("", "ServiceAccount"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("storage.k8s.io", "StorageClass"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("", "Service"),
    ("apps", "DaemonSet"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("apps", "ReplicaSet"),
    ("apps", "Deployment"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "Ingress"),
    ("apiregistration.k8s.io", "APIService"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
];
const FIRST_WORKLOAD: usize = 19;
const FIRST_HOOKED_IN: usize = 31;
const UNLISTED: usize = KINDS.len();

/// A part of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Namespaces, CRDs, configuration, permissions, storage: applied before the rest.
    Ground,
    /// Workloads and all other kinds.
    Work,
    /// What the API server calls into workloads for: rule 35 of the exact rules.
    HookedIn,
}

/// When a step runs. The derived order is the order of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    phase: Phase,
    wave: i32,
    stage: Stage,
}

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

/// Numbers and connects the steps. Every dependency of a step has a smaller number.
pub(super) fn lay_out(
    nodes: &[Node<'_>],
    providers_first: &[usize],
    removals: &[Removal<'_>],
) -> (Vec<Step>, Vec<Gate>) {
    // Of what has no step, the rank does not matter.
    let rank_of = |node: &Node<'_>| if node.work().is_some() { rank(&node.key.group_kind) } else { UNLISTED };
    let ranks: Vec<usize> = nodes.iter().map(rank_of).collect();
    let places = places(nodes, &ranks, providers_first);
    let levels = levels(nodes, &ranks, providers_first, &places);
    let mut items = Vec::new();
    for (at, (((node, places), level), rank)) in nodes.iter().zip(&places).zip(levels).zip(ranks).enumerate() {
        let Some(work) = node.work() else { continue };
        items.extend(places.iter().map(|place| Item { node: at, key: node.key, work, place: *place, level, rank }));
    }
    // Nodes are sorted by key, so their number is the last word.
    items.sort_by_key(|item| (item.place, item.level, item.rank, item.node));
    let mut layout = Layout { nodes, steps: Vec::new(), gates: Vec::new(), ids: vec![None; nodes.len()], ended: None };
    let after = items.partition_point(|item| item.place.phase <= Phase::Sync);
    let failed = items.partition_point(|item| item.place.phase < Phase::SyncFail);
    layout.waves(items.get(..after).unwrap_or(&[]));
    layout.deletions(removals);
    layout.waves(items.get(after..failed).unwrap_or(&[]));
    // The machine runs these when something failed; they wait for nothing but each other.
    layout.ended = None;
    layout.waves(items.get(failed..).unwrap_or(&[]));
    (layout.steps, layout.gates)
}

/// Returns where the steps of each node run. What others need is pulled forward to the first of them: rule of Argo CD
/// for namespaces and CRDs, which we keep for dependencies that are named.
fn places(nodes: &[Node<'_>], ranks: &[usize], providers_first: &[usize]) -> Vec<Vec<Place>> {
    let own = |(node, rank): (&Node<'_>, &usize)| {
        if node.work().is_none() {
            return Vec::new();
        }
        let (wave, stage) = (node.declared.options.wave, Stage::of(*rank));
        node.phases().map(|phase| Place { phase, wave, stage }).collect()
    };
    let mut places: Vec<_> = nodes.iter().zip(ranks).map(own).collect();
    for at in providers_first.iter().rev() {
        let first = places.get(*at).and_then(|places| places.first().copied());
        let (Some(node), Some(first)) = (nodes.get(*at), first) else { continue };
        for need in &node.needs {
            for place in places.get_mut(need.on).into_iter().flatten().filter(|place| **place > first) {
                *place = Place { stage: place.stage.min(first.stage), ..first };
            }
        }
    }
    places
}

/// Returns how many others precede each node within its place, where the order of kinds does not tell.
fn levels(nodes: &[Node<'_>], ranks: &[usize], providers_first: &[usize], places: &[Vec<Place>]) -> Vec<u32> {
    let place = |at: usize| places.get(at).and_then(|places| places.first());
    let mut levels = vec![0; nodes.len()];
    for at in providers_first {
        let Some(node) = nodes.get(*at) else { continue };
        let level =
            node.needs.iter().filter(|need| place(need.on).is_some() && place(need.on) == place(*at)).map(|need| {
                let told_by_kind = need.kind != NeedKind::Object && ranks.get(need.on) < ranks.get(*at);
                levels.get(need.on).copied().unwrap_or(0) + u32::from(!told_by_kind)
            });
        if let (Some(level), Some(own)) = (level.max(), levels.get_mut(*at)) {
            *own = level;
        }
    }
    levels
}

struct Layout<'a> {
    nodes: &'a [Node<'a>],
    steps: Vec<Step>,
    gates: Vec<Gate>,
    /// The step of each resource.
    ids: Vec<Option<StepId>>,
    /// What must have happened before the next wave; a gate is made of it when there is one.
    ended: Option<(Phase, i32, Vec<After>)>,
}

impl Layout<'_> {
    fn waves(&mut self, items: &[Item<'_>]) {
        for wave in items.chunk_by(|a, b| (a.place.phase, a.place.wave) == (b.place.phase, b.place.wave)) {
            let mut current = self.close();
            let mut stages = wave.chunk_by(|a, b| a.place.stage == b.place.stage).peekable();
            let mut all = Vec::with_capacity(wave.len());
            while let Some(stage) = stages.next() {
                let ids: Vec<StepId> = stage.iter().map(|item| self.push(item, current)).collect();
                all.extend(ids.iter().map(|id| After::Healthy(*id)));
                let (Some(item), Some([next, ..])) = (stage.first(), stages.peek()) else { continue };
                let opens = |id: &StepId| match (item.place.stage, next.place.stage) {
                    (Stage::Work, Stage::HookedIn) => After::Healthy(*id),
                    _ => After::Applied(*id),
                };
                let opens = ids.iter().map(opens).collect();
                current = Some(self.gate(item.place.phase, item.place.wave, opens));
            }
            self.ended = wave.first().map(|item| (item.place.phase, item.place.wave, all));
        }
    }

    fn push(&mut self, item: &Item<'_>, barrier: Option<GateId>) -> StepId {
        let id = self.next_step();
        let node = self.nodes.get(item.node);
        // Nothing but a failure is awaited by what runs on failure.
        let needs = node.filter(|_| item.place.phase != Phase::SyncFail).map_or(&[][..], |node| &node.needs);
        let mut after: Vec<After> = needs
            .iter()
            .filter_map(|need| {
                let on = (*self.ids.get(need.on)?)?;
                Some(match need.kind {
                    NeedKind::Namespace => After::Applied(on),
                    NeedKind::Crd | NeedKind::Object => After::Healthy(on),
                })
            })
            .chain(barrier.map(After::Gate))
            .collect();
        after.sort_unstable();
        after.dedup();
        if let (Some(own), true) = (self.ids.get_mut(item.node), node.is_some_and(Node::is_resource)) {
            *own = Some(id);
        }
        let version = node.map_or("", |node| node.declared.resource.version()).into();
        let Work { action, requires, reason, impact } = item.work.clone();
        let (key, phase, wave) = (item.key.clone(), item.place.phase, item.place.wave);
        self.steps.push(Step { id, key, version, phase, wave, action, requires, after, reason, impact });
        id
    }

    /// Adds the deletions; each group waits until the one before is gone.
    fn deletions(&mut self, removals: &[Removal<'_>]) {
        let turn = |removal| (Turn::of(removal), removal);
        let mut removals: Vec<((Turn, Reverse<usize>), &Removal<'_>)> = removals.iter().map(turn).collect();
        // Removals are sorted by key already, and the sort keeps that.
        removals.sort_by_key(|(turn, _)| *turn);
        for group in removals.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
            let barrier = self.close();
            let mut gone = Vec::with_capacity(group.len());
            for ((turn, _), removal) in group {
                let id = self.next_step();
                let contents = if turn.tier == Tier::Container { Impact::DeletesContents } else { Impact::Deletes };
                self.steps.push(Step {
                    id,
                    key: removal.key.clone(),
                    version: removal.live.version().into(),
                    phase: Phase::Sync,
                    wave: removal.wave,
                    action: Action::Delete { propagation: removal.propagation },
                    requires: removal.requires.clone(),
                    after: barrier.map(After::Gate).into_iter().collect(),
                    reason: Reason::NotDeclared,
                    impact: contents,
                });
                gone.push(After::Gone(id));
            }
            self.ended = group.first().map(|(_, removal)| (Phase::Sync, removal.wave, gone));
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

/// When an object is deleted: the reverse of the order it was applied in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
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
    /// They would stop working, and stop the API server, once their workloads are gone.
    HookedIn,
    /// Custom resources: their controllers may have to finalize them.
    Unlisted,
    Work,
    Ground,
}

impl Stage {
    fn of(rank: usize) -> Self {
        match rank {
            ..FIRST_WORKLOAD => Self::Ground,
            FIRST_HOOKED_IN..UNLISTED => Self::HookedIn,
            _ => Self::Work,
        }
    }
}

impl Turn {
    /// Returns the group of a removal, and its place in it.
    fn of(removal: &Removal<'_>) -> (Self, Reverse<usize>) {
        let rank = rank(&removal.key.group_kind);
        let part = match Stage::of(rank) {
            Stage::HookedIn => Part::HookedIn,
            _ if rank == UNLISTED => Part::Unlisted,
            Stage::Work => Part::Work,
            Stage::Ground => Part::Ground,
        };
        let (tier, wave) = match removal.last {
            _ if is_container(removal.key) => (Tier::Container, 0),
            true => (Tier::Last, removal.wave),
            false => (Tier::Normal, removal.wave),
        };
        (Self { tier, wave: Reverse(wave), part }, Reverse(rank))
    }
}

/// Returns the place of a kind in the order of kinds.
fn rank(kind: &GroupKind) -> usize {
    KINDS.iter().position(|listed| *listed == (&*kind.group, &*kind.kind)).unwrap_or(UNLISTED)
}
