//! Circles of objects that must follow each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use crate::policy::{Order, asks_dependency, asks_rule};
use crate::problem::{Code, Problem};
use crate::resource::Origin;
use crate::resource::ordering::CHANGE_RULE;

use super::depend::{Graph, Group, NeedKind};
use super::node::Node;

/// Members of a cycle that a problem names.
const SHOWN: usize = 8;
/// Edges that are followed in search of the shortest cycle of one component.
const EFFORT: usize = 1_000_000;

/// Tarjan's strongly connected components, without recursion: what needs or is needed, what is needed first; and the
/// components of more than one member, each sorted.
pub(super) fn components(graph: &Graph) -> (Vec<usize>, Vec<Vec<usize>>) {
    const NEW: usize = usize::MAX;
    // Per member: number in order of discovery, lowest number reachable, whether it is on `open`.
    let mut state = vec![(NEW, NEW, false); graph.len()];
    let (mut order, mut tangled) = (Vec::new(), Vec::new());
    let (mut open, mut path, mut count) = (Vec::new(), Vec::new(), 0);
    for root in 0..graph.len() {
        if graph.needs(root).is_empty() || state.get(root).is_none_or(|(number, ..)| *number != NEW) {
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
            if let Some(need) = graph.needs(at).get(*next) {
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

/// Returns a shortest cycle of a component, groups among its members. In a component too large to search it is a
/// shortest one through the members that were tried.
pub(super) fn shortest(graph: &Graph, component: &[usize]) -> Vec<usize> {
    let members: BTreeSet<usize> = component.iter().copied().collect();
    let mut best: Option<(usize, Vec<usize>)> = None;
    let mut left = EFFORT;
    for start in component.iter().copied().filter(|at| graph.group_at(*at).is_none()) {
        let limit = best.as_ref().map_or(usize::MAX, |(length, _)| *length);
        if let Some(found) = through(graph, &members, start, limit, &mut left) {
            best = Some(found);
        }
        // None is shorter than a circle of two.
        if left == 0 || best.as_ref().is_some_and(|(length, _)| *length <= 2) {
            break;
        }
    }
    best.map_or_else(|| component.to_vec(), |(_, cycle)| cycle)
}

/// Returns a shortest cycle through `start`, when it has fewer objects than `limit`, and how many it has. Groups are no
/// step of their own.
fn through(
    graph: &Graph,
    members: &BTreeSet<usize>,
    start: usize,
    limit: usize,
    left: &mut usize,
) -> Option<(usize, Vec<usize>)> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([(start, 1_usize)]);
    while let Some((at, length)) = queue.pop_front() {
        if length >= limit {
            return None;
        }
        for need in graph.needs(at) {
            if need.on == start {
                let mut cycle: Vec<usize> = std::iter::successors(Some(at), |at| before.get(at).copied()).collect();
                cycle.reverse();
                return Some((length, cycle));
            }
            if members.contains(&need.on) && !before.contains_key(&need.on) {
                before.insert(need.on, at);
                match graph.group_at(need.on) {
                    Some(_) => queue.push_front((need.on, length)),
                    None => queue.push_back((need.on, length.saturating_add(1))),
                }
            }
            *left = left.saturating_sub(1);
        }
        // The first search is never cut short, so that one cycle is always found.
        if *left == 0 && limit != usize::MAX {
            return None;
        }
    }
    None
}

/// States a cycle: who needs whom, and which annotation says so.
pub(super) fn problem(graph: &Graph, nodes: &[Node<'_>], cycle: &[usize]) -> Problem {
    let objects: Vec<(usize, &Node<'_>)> = cycle.iter().filter_map(|at| Some((*at, nodes.get(*at)?))).collect();
    let mut text = String::from("must follow itself: ");
    for ((at, node), (next, _)) in objects.iter().zip(objects.iter().cycle().skip(1)).take(SHOWN) {
        let Cause { why, place } = cause(graph, nodes, *at, *next);
        // Writing to a string cannot fail.
        let _infallible = match place {
            Some(place) => write!(text, "`{}` ({place}, {why}) needs ", node.key),
            None => write!(text, "`{}` ({why}) needs ", node.key),
        };
    }
    let first = objects.first().map(|(_, node)| *node);
    match (objects.len().checked_sub(SHOWN), first) {
        (Some(more @ 1..), _) => text += &format!("{more} others that lead back here"),
        (_, Some(first)) => text += &format!("`{}`", first.key),
        (_, None) => {}
    }
    // Where the first two of them ask for it.
    let mut places = objects.iter().zip(objects.iter().cycle().skip(1));
    let mut place = || places.next().and_then(|((at, _), (next, _))| cause(graph, nodes, *at, *next).place);
    let (origin, other) = (place(), place());
    let stated = Problem::blocks(Code::InvalidDependency, text).hint("remove one of these dependencies");
    Problem { key: first.map(|first| first.key.clone()), origin, other, ..stated }
}

/// Why one object needs another.
struct Cause {
    why: String,
    /// Where it says so: the line of its annotation, or that of the object.
    place: Option<Origin>,
}

/// Why one object needs another, directly or through a group.
fn cause(graph: &Graph, nodes: &[Node<'_>], at: usize, next: usize) -> Cause {
    let declared = |at: usize| nodes.get(at).map(|node| node.declared);
    let place = |annotation: &str| declared(at).and_then(|declared| declared.place_of(annotation));
    let of_object = |why: String| Cause { why, place: place("") };
    for need in graph.needs(at) {
        let is_member = || graph.needs(need.on).iter().any(|member| member.on == next);
        match (need.kind, graph.group_at(need.on)) {
            (NeedKind::Rule, Some(Group::Change(group, Order::After))) if is_member() => {
                let rule =
                    declared(at).and_then(|declared| asks_rule(&declared.resource, group)).unwrap_or(CHANGE_RULE);
                return Cause { why: format!("`{rule}` on group `{group}`"), place: place(rule) };
            }
            (NeedKind::Rule, Some(Group::Change(group, Order::Before))) if is_member() => {
                let next = declared(next);
                let rule = next.and_then(|next| asks_rule(&next.resource, group)).unwrap_or(CHANGE_RULE);
                let named = next.filter(|next| next.lines.contains_key(rule)).and_then(|next| next.place_of(rule));
                let named = named.map(|named| format!(" at {named}")).unwrap_or_default();
                return of_object(format!("in group `{group}`, named by `{rule}` of the next{named}"));
            }
            (NeedKind::Namespace, None) if need.on == next => {
                return of_object("its namespace".to_owned());
            }
            (NeedKind::Crd, None) if need.on == next => return of_object("its kind".to_owned()),
            (NeedKind::Object, None) if need.on == next => {
                let named = declared(at).zip(declared(next));
                let named = named.map(|(at, next)| asks_dependency(&at.resource, next.resource.key()));
                let named = named.unwrap_or_default();
                return Cause { why: format!("`{named}`"), place: place(named) };
            }
            _ => {}
        }
    }
    of_object("its content".to_owned())
}
