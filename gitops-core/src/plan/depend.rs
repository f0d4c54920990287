//! What must follow what: contents their namespace, custom resources their CRD, objects what they name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use crate::policy::Phase;
use crate::problem::{Code, Problem};
use crate::resource::{GroupKind, Resource};
use crate::value::ValueRef;

use super::SkipReason;
use super::build::{Fate, Node};

/// Members of a cycle that a problem names.
const SHOWN: usize = 8;

/// Something that must come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    /// Index of the node.
    pub(super) on: usize,
    pub(super) kind: NeedKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NeedKind {
    /// It lives in this namespace, which must be there.
    Namespace,
    /// It is of the kind that this CRD defines, which must be established.
    Crd,
    /// Its annotation names this object, which must be healthy.
    Object,
}

/// Finds what each node must follow. What is named and not declared is a problem.
///
/// Only what has a step waits for its namespace and its CRD.
pub(super) fn connect(nodes: &mut [Node<'_>], problems: &mut Vec<Problem>) {
    if nodes.iter().all(|node| node.work().is_none() && node.declared.options.depends_on.is_empty()) {
        return;
    }
    let mut namespaces: BTreeMap<&str, usize> = BTreeMap::new();
    let mut crds: BTreeMap<GroupKind, usize> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate().filter(|(_, node)| node.is_resource()) {
        if node.key.is("", "Namespace") {
            namespaces.insert(&node.key.name, at);
        } else if let Some(defined) = defines(&node.declared.resource) {
            crds.insert(defined, at);
        }
    }
    for at in 0..nodes.len() {
        let Some(node) = nodes.get(at) else { continue };
        let (working, named) = (node.work().is_some(), &node.declared.options.depends_on);
        if !working && named.is_empty() {
            continue;
        }
        let namespace = node.key.namespace.as_deref().and_then(|name| namespaces.get(name));
        let implied = [(namespace, NeedKind::Namespace), (crds.get(&*node.key.group_kind), NeedKind::Crd)];
        let mut needs: Vec<Need> = Vec::new();
        needs.extend(implied.into_iter().filter_map(|(on, kind)| Some(Need { on: *on?, kind })));
        needs.retain(|need| working && need.on != at);
        let mut unknown = false;
        for named in named {
            let on = nodes.binary_search_by_key(&named, |node| node.key).ok();
            match on.filter(|on| nodes.get(*on).is_some_and(Node::is_resource)) {
                Some(on) => needs.push(Need { on, kind: NeedKind::Object }),
                None => {
                    let text = format!("depends on `{named}`, which this application does not declare as a resource");
                    let hint = "declare it, or remove the dependency; hooks are ordered by phase and wave";
                    problems.push(problem(node, text).hint(hint));
                    unknown = true;
                }
            }
        }
        if let Some(node) = nodes.get_mut(at) {
            node.needs = needs;
            if unknown {
                node.fate = Fate::Skip(SkipReason::Held);
            }
        }
    }
}

/// Returns the kind that a CRD defines.
pub(super) fn defines(resource: &Resource) -> Option<GroupKind> {
    if !resource.key().is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    let text = |path: &[&str]| resource.tree().dig(path).and_then(ValueRef::as_str);
    Some(GroupKind::new(text(&["spec", "group"])?, text(&["spec", "names", "kind"])?))
}

fn problem(node: &Node<'_>, text: String) -> Problem {
    let problem = Problem::blocks(Code::InvalidDependency, text).of(node.key);
    match &node.declared.origin {
        Some(origin) => problem.at(origin),
        None => problem,
    }
}

/// Returns the nodes that need or are needed, what is needed first. Members of a cycle are held back, and a problem names them.
pub(super) fn sort(nodes: &mut [Node<'_>], problems: &mut Vec<Problem>) -> Vec<usize> {
    let (order, tangled) = components(nodes);
    for component in tangled {
        let cycle = shortest_cycle(nodes, &component);
        problems.push(cycle_problem(nodes, &cycle));
        for at in cycle {
            if let Some(node) = nodes.get_mut(at) {
                node.fate = Fate::Skip(SkipReason::Held);
            }
        }
    }
    order
}

/// Tarjan's strongly connected components, without recursion: the nodes that need or are needed, what is needed first;
/// and the components of more than one node.
fn components(nodes: &[Node<'_>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    const NEW: usize = usize::MAX;
    let needs = |at: usize| nodes.get(at).map_or(&[][..], |node| &node.needs);
    // Per node: number in order of discovery, lowest number reachable, whether it is on `open`.
    let mut state = vec![(NEW, NEW, false); nodes.len()];
    let (mut order, mut tangled) = (Vec::new(), Vec::new());
    let (mut open, mut path, mut count) = (Vec::new(), Vec::new(), 0);
    for root in 0..nodes.len() {
        if needs(root).is_empty() || state.get(root).is_none_or(|(number, ..)| *number != NEW) {
            continue;
        }
        path.push((root, 0));
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            if let Some(entry) = state.get_mut(at).filter(|(number, ..)| *number == NEW) {
                *entry = (count, count, true);
                open.push(at);
                count += 1;
            }
            if let Some(need) = needs(at).get(*next) {
                *next += 1;
                match state.get(need.on).copied() {
                    Some((NEW, ..)) => path.push((need.on, 0)),
                    Some((number, _, true)) => lower(&mut state, at, number),
                    _ => {}
                }
                continue;
            }
            path.pop();
            let Some((number, lowest, _)) = state.get(at).copied() else { continue };
            if let Some((parent, _)) = path.last() {
                lower(&mut state, *parent, lowest);
            }
            if number == lowest {
                let start = open.iter().rposition(|member| *member == at).unwrap_or(0);
                let mut component = open.split_off(start);
                component.iter().for_each(|member| {
                    if let Some(entry) = state.get_mut(*member) {
                        entry.2 = false;
                    }
                });
                order.extend_from_slice(&component);
                if component.len() > 1 {
                    component.sort_unstable();
                    tangled.push(component);
                }
            }
        }
    }
    (order, tangled)
}

fn lower(state: &mut [(usize, usize, bool)], at: usize, number: usize) {
    if let Some(entry) = state.get_mut(at) {
        entry.1 = entry.1.min(number);
    }
}

/// Returns a shortest cycle through the first member of a component.
fn shortest_cycle(nodes: &[Node<'_>], component: &[usize]) -> Vec<usize> {
    let Some(start) = component.first().copied() else { return Vec::new() };
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for need in nodes.get(at).map_or(&[][..], |node| &node.needs) {
            if need.on == start {
                let mut cycle: Vec<usize> = std::iter::successors(Some(at), |at| before.get(at).copied()).collect();
                cycle.reverse();
                return cycle;
            }
            if component.binary_search(&need.on).is_ok() && !before.contains_key(&need.on) {
                before.insert(need.on, at);
                queue.push_back(need.on);
            }
        }
    }
    component.to_vec()
}

fn cycle_problem(nodes: &[Node<'_>], cycle: &[usize]) -> Problem {
    let members: Vec<&Node<'_>> = cycle.iter().filter_map(|at| nodes.get(*at)).collect();
    let mut text = String::from("must follow itself: ");
    for node in members.iter().take(SHOWN) {
        // Writing to a string cannot fail.
        let _infallible = match &node.declared.origin {
            Some(origin) => write!(text, "`{}` ({origin}) needs ", node.key),
            None => write!(text, "`{}` needs ", node.key),
        };
    }
    let first = members.first();
    match (members.len().checked_sub(SHOWN), first) {
        (Some(more @ 1..), _) => text += &format!("{more} others that lead back here"),
        (_, Some(first)) => text += &format!("`{}`", first.key),
        (_, None) => {}
    }
    let stated = match first {
        Some(first) => problem(first, text),
        None => Problem::blocks(Code::InvalidDependency, text),
    };
    let second = members.get(1).and_then(|node| node.declared.origin.as_ref());
    let stated = stated.hint("remove one of these dependencies");
    if let Some(second) = second { stated.and_at(second) } else { stated }
}

/// Holds back what must follow an object that is held back. What is in place already needs nothing.
pub(super) fn hold(nodes: &mut [Node<'_>], providers_first: &[usize]) {
    let mut blocking: BTreeSet<usize> = BTreeSet::new();
    let mut foreign: BTreeSet<usize> = BTreeSet::new();
    for at in providers_first {
        let Some(node) = nodes.get_mut(*at) else { continue };
        let follows = node.needs.iter().any(|need| {
            // A namespace or CRD of somebody else is there, and that is all its contents need.
            blocking.contains(&need.on) || (need.kind == NeedKind::Object && foreign.contains(&need.on))
        });
        if follows && matches!(node.fate, Fate::Do(_)) {
            node.fate = Fate::Skip(SkipReason::FollowsHeld);
        }
        match node.fate {
            Fate::Skip(SkipReason::NotOurs) => drop(foreign.insert(*at)),
            _ if is_blocked(node) => drop(blocking.insert(*at)),
            _ => {}
        }
    }
}

fn is_blocked(node: &Node<'_>) -> bool {
    use SkipReason::{FollowsHeld, Held, Terminating, Unknown};
    matches!(node.fate, Fate::Skip(Held | FollowsHeld | Unknown | Terminating))
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

/// Holds back the phases after one whose hook is held back. What runs on failure stays.
pub(super) fn hold_phases(nodes: &mut [Node<'_>]) {
    let Some(blocked) = [Phase::PreSync, Phase::Sync].into_iter().find(|phase| blocked_hook(nodes, *phase)) else {
        return;
    };
    for node in nodes.iter_mut().filter(|node| node.work().is_some()) {
        let later = node.phases().all(|phase| phase > blocked);
        if later && node.phases().any(|phase| phase != Phase::SyncFail) {
            node.fate = Fate::Skip(SkipReason::FollowsHeld);
        }
    }
}
