//! What answers the API server where it calls: webhook configurations and API services need their service, and the
//! workloads behind it. Rule 35 of the exact rules.

use std::collections::BTreeMap;

use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::value::{Map, ValueRef};

use super::depend::{Graph, Group, Need, NeedKind, Subject};
use super::kinds::by_kind;
use super::refs::{items, text};

/// Called services of one namespace that are matched with workloads one by one.
const MATCHED_SERVICES: usize = 64;
/// Workloads of one service that are waited for one by one.
const MATCHED_WORKLOADS: usize = 16;

/// Adds what the API server calls: webhook configurations and API services need their service, and the workloads behind
/// it, healthy. Rule 35 of the exact rules.
///
/// Where nothing tells which workloads these are, they are all of the service's namespace.
pub(super) fn connect<S: Subject, P: Copy + Ord>(subjects: &[S], turn: impl Fn(usize) -> Option<P>, graph: &mut Graph) {
    let mut callers: BTreeMap<(P, &str, &str), Vec<usize>> = BTreeMap::new();
    let calling = by_kind(subjects).into_iter().filter(|of| calls(of.kind)).flat_map(|of| of.range);
    for at in calling {
        let Some((subject, turn)) = subjects.get(at).zip(turn(at)) else { continue };
        for (namespace, name) in called_by(subject.resource()) {
            callers.entry((turn, namespace, name)).or_default().push(at);
        }
    }
    if callers.is_empty() {
        return;
    }
    graph.grow(subjects.len());
    let mut workloads: BTreeMap<&str, Vec<(usize, Option<Map<'_>>)>> =
        callers.keys().map(|(_, namespace, _)| (*namespace, Vec::new())).collect();
    for (at, subject) in subjects.iter().enumerate() {
        let namespace = subject.key().namespace.as_deref();
        if let Some(list) = namespace.and_then(|namespace| workloads.get_mut(namespace))
            && let Some(labels) = pod_labels(subject.resource())
        {
            list.push((at, labels.as_map()));
        }
    }
    let mut called: BTreeMap<&str, usize> = BTreeMap::new();
    callers.keys().for_each(|(_, namespace, _)| *called.entry(namespace).or_default() += 1);
    let mut whole: BTreeMap<(P, &str), usize> = BTreeMap::new();
    for ((at_turn, namespace, name), mut callers) in callers {
        let service = subjects.binary_search_by_key(&&ResourceKey::new("", "Service", namespace, name), |s| s.key());
        let service = service.ok();
        let all = workloads.get(namespace).map_or(&[][..], Vec::as_slice);
        let may_match = called.get(namespace).is_none_or(|called| *called <= MATCHED_SERVICES);
        let selector = service.filter(|_| may_match).and_then(|at| selector(subjects.get(at)?.resource()));
        let matching: Option<Vec<usize>> = selector
            .map(|selector| all.iter().filter(|(_, labels)| selects(selector, *labels)).map(|(at, _)| *at).collect());
        let matching = matching.filter(|found| !found.is_empty() && found.len() <= MATCHED_WORKLOADS);
        let is_now = |at: &usize| turn(*at) == Some(at_turn);
        let need = |on| Need { on, kind: NeedKind::Backend };
        let mut fill = |members: &mut dyn Iterator<Item = usize>| {
            let group = graph.group(Group::Found);
            members.for_each(|on| graph.add(group, need(on)));
            group
        };
        let group = match matching {
            Some(found) => fill(&mut found.into_iter().filter(is_now)),
            None => *whole
                .entry((at_turn, namespace))
                .or_insert_with(|| fill(&mut all.iter().map(|(at, _)| *at).filter(is_now))),
        };
        callers.dedup();
        for at in callers {
            graph.add(at, need(group));
            if let Some(on) = service.filter(is_now) {
                graph.add(at, Need { on, kind: NeedKind::Reference });
            }
        }
    }
}

/// The services that the API server calls for each object, and the workloads behind them, in whatever wave.
pub(super) fn of_each<S: Subject>(subjects: &[S]) -> BTreeMap<usize, Vec<usize>> {
    let mut graph = Graph::default();
    connect(subjects, |at| subjects.get(at).filter(|subject| subject.options().is_resource()).map(|_| ()), &mut graph);
    let behind = |need: &Need| match graph.group_at(need.on) {
        Some(_) => graph.needs(need.on).iter().map(|need| need.on).collect(),
        None => vec![need.on],
    };
    let of = |at: usize| graph.needs(at).iter().flat_map(behind).collect::<Vec<_>>();
    (0..subjects.len()).map(|at| (at, of(at))).filter(|(_, called)| !called.is_empty()).collect()
}

/// Whether the API server calls a service for objects of this kind.
pub(super) fn calls(kind: &GroupKind) -> bool {
    matches!(
        (&*kind.group, &*kind.kind),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration")
            | ("apiregistration.k8s.io", "APIService")
    )
}

/// The services that the API server calls for an object, by namespace and name.
pub(super) fn called_by(object: &Resource) -> impl Iterator<Item = (&str, &str)> {
    let tree = Some(object).filter(|object| calls(&object.key().group_kind)).map(Resource::tree);
    let hooks = items(tree.and_then(|tree| tree.get("webhooks")));
    let services = hooks.filter_map(|hook| hook.dig(&["clientConfig", "service"]));
    let services = services.chain(tree.and_then(|tree| tree.dig(&["spec", "service"])));
    services.filter_map(|service| Some((text(service, "namespace")?, text(service, "name")?)))
}

/// Whether the pods of a workload are those of a service, in the same namespace.
pub(super) fn serves(service: &Resource, workload: &Resource) -> bool {
    let (selector, labels) = (selector(service), pod_labels(workload));
    selector.zip(labels).is_some_and(|(selector, labels)| selects(selector, labels.as_map()))
}

/// The labels of the pods that an object makes; `None` when it makes none.
fn pod_labels(object: &Resource) -> Option<ValueRef<'_>> {
    let (tree, key) = (object.tree(), object.key());
    match (key.group(), key.kind()) {
        ("", "Pod") => tree.dig(&["metadata", "labels"]),
        // A Job or CronJob serves nothing; others do, such as a Rollout.
        ("batch", _) => None,
        _ => tree.dig(&["spec", "template", "metadata", "labels"]),
    }
}

fn selector(service: &Resource) -> Option<Map<'_>> {
    service.tree().dig(&["spec", "selector"])?.as_map().filter(|selector| selector.iter().next().is_some())
}

fn selects(selector: Map<'_>, labels: Option<Map<'_>>) -> bool {
    labels.is_some_and(|labels| selector.iter().all(|(name, value)| labels.get(name) == Some(value)))
}
