//! What the content of an object names: the configuration that a pod mounts, the role that a binding gives, the service
//! that the API server calls.
//!
//! Nobody asked for these edges by name, so they give way: to waves, and to what would make a circle of them. They are
//! there since a pod that starts before its configuration changes keeps the old one.

use std::collections::BTreeMap;

use crate::resource::ResourceKey;
use crate::value::{Map, ValueRef, View};

use super::depend::{Graph, Group, Need, NeedKind, Subject};

/// Called services of one namespace that are matched with workloads one by one.
const MATCHED_SERVICES: usize = 64;
/// Workloads of one service that are waited for one by one.
const MATCHED_WORKLOADS: usize = 16;

/// What can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    ConfigMap,
    Secret,
    ServiceAccount,
    Claim,
    Service,
    Role,
    ClusterRole,
    Volume,
    StorageClass,
    PriorityClass,
    RuntimeClass,
    IngressClass,
}

impl Thing {
    fn of(key: &ResourceKey) -> Option<Self> {
        Some(match (key.group(), key.kind()) {
            ("", "ConfigMap") => Self::ConfigMap,
            ("", "Secret") => Self::Secret,
            ("", "ServiceAccount") => Self::ServiceAccount,
            ("", "PersistentVolumeClaim") => Self::Claim,
            ("", "Service") => Self::Service,
            ("", "PersistentVolume") => Self::Volume,
            ("rbac.authorization.k8s.io", "Role") => Self::Role,
            ("rbac.authorization.k8s.io", "ClusterRole") => Self::ClusterRole,
            ("storage.k8s.io", "StorageClass") => Self::StorageClass,
            ("scheduling.k8s.io", "PriorityClass") => Self::PriorityClass,
            ("node.k8s.io", "RuntimeClass") => Self::RuntimeClass,
            ("networking.k8s.io", "IngressClass") => Self::IngressClass,
            _ => return None,
        })
    }
}

/// Adds what the content of each object names, as far as both are done at the same turn: what is done earlier is over
/// by then, and what is done later was put there by somebody.
pub(super) fn connect<S: Subject, P: Copy + Ord>(subjects: &[S], turn: impl Fn(usize) -> Option<P>, graph: &mut Graph) {
    let mut index: Index<'_, P> = Index { things: BTreeMap::new(), access: BTreeMap::new(), limits: BTreeMap::new() };
    for (at, subject) in subjects.iter().enumerate() {
        if let Some(turn) = turn(at) {
            index.learn(at, subject, turn);
        }
    }
    if index.things.is_empty() && index.access.is_empty() && index.limits.is_empty() {
        return;
    }
    graph.grow(subjects.len());
    let access = groups(index.access, graph);
    let limits = groups(index.limits, graph);
    let mut stack = Vec::new();
    for (at, subject) in subjects.iter().enumerate() {
        let Some(turn) = turn(at) else { continue };
        let namespace = subject.key().namespace.as_deref().unwrap_or_default();
        let mut needs = Vec::new();
        let mut runs = false;
        names(
            subject,
            &mut stack,
            |thing, name| {
                let cluster = thing >= Thing::ClusterRole;
                let on = index.things.get(&(thing, if cluster { "" } else { namespace }, name));
                needs.extend(on.filter(|(_, other)| *other == turn).map(|(on, _)| *on));
                if thing == Thing::ServiceAccount {
                    needs.extend(access.get(&(turn, namespace, name)));
                }
            },
            &mut runs,
        );
        if runs {
            needs.extend(limits.get(&(turn, namespace, "")));
        }
        needs.sort_unstable();
        needs.dedup();
        needs.into_iter().filter(|on| *on != at).for_each(|on| graph.add(at, Need { on, kind: NeedKind::Reference }));
    }
}

/// Objects by turn, namespace and name.
type Members<'a, P> = BTreeMap<(P, &'a str, &'a str), Vec<usize>>;

struct Index<'a, P> {
    /// By kind, namespace and name.
    things: BTreeMap<(Thing, &'a str, &'a str), (usize, P)>,
    /// The bindings of each service account.
    access: Members<'a, P>,
    /// What limits the pods of each namespace.
    limits: Members<'a, P>,
}

impl<'a, P: Copy + Ord> Index<'a, P> {
    fn learn<S: Subject>(&mut self, at: usize, subject: &'a S, turn: P) {
        let key = subject.key();
        let namespace = key.namespace.as_deref().unwrap_or_default();
        match (key.group(), key.kind()) {
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
                for of in items(subject.resource().tree().get("subjects")) {
                    let is_account = text(of, "kind") == Some("ServiceAccount");
                    if let Some(name) = text(of, "name").filter(|_| is_account) {
                        let namespace = text(of, "namespace").unwrap_or(namespace);
                        self.access.entry((turn, namespace, name)).or_default().push(at);
                    }
                }
            }
            ("", "LimitRange" | "ResourceQuota") | ("networking.k8s.io", "NetworkPolicy") => {
                self.limits.entry((turn, namespace, "")).or_default().push(at);
            }
            _ => {
                if let Some(thing) = Thing::of(key) {
                    self.things.insert((thing, namespace, &key.name), (at, turn));
                }
            }
        }
    }
}

/// Makes a group of each.
fn groups<'a, P: Copy + Ord>(members: Members<'a, P>, graph: &mut Graph) -> BTreeMap<(P, &'a str, &'a str), usize> {
    let mut made = BTreeMap::new();
    for (key, mut members) in members {
        members.dedup();
        let group = graph.group(Group::Found);
        members.into_iter().for_each(|on| graph.add(group, Need { on, kind: NeedKind::Reference }));
        made.insert(key, group);
    }
    made
}

/// Tells what the content of an object names, and whether it makes pods.
fn names<'a, S: Subject>(
    subject: &'a S,
    stack: &mut Vec<ValueRef<'a>>,
    mut found: impl FnMut(Thing, &'a str),
    runs: &mut bool,
) {
    let tree = subject.resource().tree();
    let key = subject.key();
    if key.group() == "rbac.authorization.k8s.io" {
        let role = tree.get("roleRef").and_then(|role| Some((text(role, "kind")?, text(role, "name")?)));
        match role {
            Some(("Role", name)) => found(Thing::Role, name),
            Some(("ClusterRole", name)) => found(Thing::ClusterRole, name),
            _ => {}
        }
        return;
    }
    stack.extend(tree.get("spec"));
    while let Some(value) = stack.pop() {
        match value.view() {
            View::Map(map) => {
                for (name, child) in map {
                    named(name, child, &mut found);
                    let is_open = matches!(child.view(), View::Map(_) | View::List(_));
                    *runs |= name == "containers" && is_open;
                    if is_open {
                        stack.push(child);
                    }
                }
            }
            View::List(list) => stack.extend(list.iter().filter(|item| matches!(item.view(), View::Map(_)))),
            _ => {}
        }
    }
}

/// Reads one field by the name that all kinds use for it.
fn named<'a>(field: &str, value: ValueRef<'a>, found: &mut impl FnMut(Thing, &'a str)) {
    let mut tell = |thing, name: Option<&'a str>| {
        if let Some(name) = name {
            found(thing, name);
        }
    };
    match field {
        "configMapKeyRef" | "configMapRef" | "configMap" => tell(Thing::ConfigMap, text(value, "name")),
        "secretKeyRef" | "secretRef" => tell(Thing::Secret, text(value, "name")),
        "secret" => tell(Thing::Secret, text(value, "secretName").or_else(|| text(value, "name"))),
        "secretName" => tell(Thing::Secret, value.as_str()),
        "imagePullSecrets" => items(Some(value)).for_each(|item| tell(Thing::Secret, text(item, "name"))),
        "serviceAccountName" => tell(Thing::ServiceAccount, value.as_str()),
        "persistentVolumeClaim" => tell(Thing::Claim, text(value, "claimName")),
        "serviceName" => tell(Thing::Service, value.as_str()),
        "service" => tell(Thing::Service, text(value, "name")),
        "volumeName" => tell(Thing::Volume, value.as_str()),
        "storageClassName" => tell(Thing::StorageClass, value.as_str()),
        "priorityClassName" => tell(Thing::PriorityClass, value.as_str()),
        "runtimeClassName" => tell(Thing::RuntimeClass, value.as_str()),
        "ingressClassName" => tell(Thing::IngressClass, value.as_str()),
        _ => {}
    }
}

/// Adds what the API server calls: webhook configurations and API services need their service, and the workloads behind
/// it, healthy. Rule 35 of the exact rules.
///
/// Where nothing tells which workloads these are, they are all of the service's namespace.
pub(super) fn backends<S: Subject, P: Copy + Ord>(
    subjects: &[S],
    turn: impl Fn(usize) -> Option<P>,
    graph: &mut Graph,
) {
    let mut callers: BTreeMap<(P, &str, &str), Vec<usize>> = BTreeMap::new();
    for (at, subject) in subjects.iter().enumerate().filter(|(_, subject)| calls(subject.key())) {
        let Some(turn) = turn(at) else { continue };
        let tree = subject.resource().tree();
        let hooks = items(tree.get("webhooks")).filter_map(|hook| hook.dig(&["clientConfig", "service"]));
        for service in hooks.chain(tree.dig(&["spec", "service"])) {
            if let (Some(namespace), Some(name)) = (text(service, "namespace"), text(service, "name")) {
                callers.entry((turn, namespace, name)).or_default().push(at);
            }
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
            && let Some(labels) = pod_labels(subject)
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
        let selector = service.filter(|_| may_match).and_then(|at| selector(subjects.get(at)?));
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

/// Whether the API server calls a service for objects of this kind.
pub(super) fn calls(key: &ResourceKey) -> bool {
    let hook = matches!(key.kind(), "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration");
    (hook && key.group() == "admissionregistration.k8s.io") || key.is("apiregistration.k8s.io", "APIService")
}

/// The labels of the pods that an object makes; `None` when it makes none.
fn pod_labels<S: Subject>(subject: &S) -> Option<ValueRef<'_>> {
    let tree = subject.resource().tree();
    let key = subject.key();
    match (key.group(), key.kind()) {
        ("", "Pod") => tree.dig(&["metadata", "labels"]),
        ("", "ReplicationController") | ("apps", _) => tree.dig(&["spec", "template", "metadata", "labels"]),
        // Such as a Rollout; a Job or CronJob serves nothing.
        ("batch", _) => None,
        _ => tree.dig(&["spec", "template", "metadata", "labels"]),
    }
}

fn selector<S: Subject>(service: &S) -> Option<Map<'_>> {
    service.resource().tree().dig(&["spec", "selector"])?.as_map().filter(|selector| selector.iter().next().is_some())
}

fn selects(selector: Map<'_>, labels: Option<Map<'_>>) -> bool {
    labels.is_some_and(|labels| selector.iter().all(|(name, value)| labels.get(name) == Some(value)))
}

fn text<'a>(of: ValueRef<'a>, field: &str) -> Option<&'a str> {
    of.get(field)?.as_str()
}

fn items(list: Option<ValueRef<'_>>) -> impl Iterator<Item = ValueRef<'_>> {
    list.and_then(ValueRef::as_list).into_iter().flatten()
}
