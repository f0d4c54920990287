//! What must follow what: contents their namespace, custom resources their CRD, objects what they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy::{Options, Order, Verb, asks_dependency, asks_rule};
use crate::problem::{Code, Problem};
use crate::resource::ordering::CHANGE_RULE;
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::Declared;
use crate::value::ValueRef;

use super::SkipReason;
use super::kinds::{OfKind, by_kind};
use super::node::{Fate, Node};
use super::{backends, cycle};

/// Where kapp's own groups live. Rule: kapp's default `changeGroupBindings`.
const KAPP_GROUPS: &str = "change-groups.kapp.k14s.io/";

/// An object in a graph: one that is declared, or one that goes.
pub(super) trait Subject {
    fn key(&self) -> &ResourceKey;
    fn resource(&self) -> &Resource;
    fn options(&self) -> &Options;
    /// Whether something is done to it.
    fn works(&self) -> bool;
    /// Whether its annotations say what it must follow.
    fn asks(&self) -> bool {
        asks(self.options())
    }
}

pub(super) fn asks(options: &Options) -> bool {
    !options.depends_on.is_empty() || !options.change_rules.is_empty()
}

/// Returns whether an object may have to wait until another one is healthy, or others for it, whatever the waves.
pub(crate) fn may_await(declared: &Declared) -> bool {
    let kind = &declared.resource.key().group_kind;
    asks(&declared.options) || backends::calls(kind) || is_definition(kind)
}

/// Who needs whom. Objects come first, by their index; behind them groups, so that the number of edges stays small
/// where many follow many.
#[derive(Debug, Default)]
pub(super) struct Graph {
    needs: Vec<Vec<Need>>,
    groups: Vec<Group>,
}

/// Several objects that come first.
#[derive(Debug)]
pub(super) enum Group {
    /// A change group of kapp; whether the rule stands at those that are in it, or at those that follow it.
    Change(Arc<str>, Order),
    /// Found by looking into objects.
    Found,
}

/// Something that must come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    /// Index in the graph.
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
    /// A change rule of kapp: the objects of the group must be healthy.
    Rule,
    /// Its content names this object, which must be applied.
    Reference,
    /// The API server calls this object for it, which must be healthy.
    Backend,
}

/// What an annotation names and nobody declares.
#[derive(Debug)]
pub(super) struct Loose {
    pub(super) at: usize,
    named: Named,
}

#[derive(Debug)]
enum Named {
    Object(ResourceKey),
    Group(Arc<str>),
}

impl NeedKind {
    /// Whether it was asked for by name, or is demanded by the server. What was only found by looking into an object
    /// gives way to that, and to waves.
    pub(super) fn is_firm(self) -> bool {
        !matches!(self, Self::Reference | Self::Backend)
    }
}

impl Graph {
    fn of(objects: usize) -> Self {
        Self { needs: (0..objects).map(|_| Vec::new()).collect(), groups: Vec::new() }
    }

    /// The number of objects and groups; 0 where nothing needs anything.
    pub(super) fn len(&self) -> usize {
        self.needs.len()
    }

    pub(super) fn needs(&self, at: usize) -> &[Need] {
        self.needs.get(at).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add(&mut self, at: usize, need: Need) {
        if let Some(needs) = self.needs.get_mut(at) {
            needs.push(need);
        }
    }

    /// The number of all needs.
    pub(super) fn edges(&self) -> usize {
        self.needs.iter().map(Vec::len).sum()
    }

    /// Makes room for `objects`, should there be none yet.
    pub(super) fn grow(&mut self, objects: usize) {
        if self.needs.is_empty() {
            *self = Self::of(objects);
        }
    }

    /// Adds a group; returns its index.
    pub(super) fn group(&mut self, group: Group) -> usize {
        self.needs.push(Vec::new());
        self.groups.push(group);
        self.needs.len().saturating_sub(1)
    }

    /// Returns the group at an index; objects are none.
    pub(super) fn group_at(&self, at: usize) -> Option<&Group> {
        self.groups.get(at.checked_sub(self.needs.len().saturating_sub(self.groups.len()))?)
    }

    /// Takes out of the needs of some what a predicate names.
    pub(super) fn drop_needs(&mut self, of: &[usize], dropped: impl Fn(NeedKind) -> bool) {
        for at in of {
            if let Some(needs) = self.needs.get_mut(*at) {
                needs.retain(|need| !dropped(need.kind));
            }
        }
    }
}

/// Finds what each object must follow by its place, its kind and its annotations.
///
/// Only what has a step waits for its namespace and its CRD. `subjects` are sorted by key. For deletions the graph is
/// the same, to be read backwards.
pub(super) fn connect<S: Subject>(subjects: &[S], verb: Verb) -> (Graph, Vec<Loose>) {
    let (mut graph, mut loose) = (Graph::default(), Vec::new());
    if subjects.iter().any(|subject| subject.works() || subject.asks()) {
        contain(subjects, &mut graph);
        for (at, subject) in subjects.iter().enumerate().filter(|(_, subject)| subject.asks()) {
            for named in &subject.options().depends_on {
                let on = subjects.binary_search_by_key(&named, |subject| subject.key()).ok();
                match on.filter(|on| subjects.get(*on).is_some_and(|subject| subject.options().is_resource())) {
                    Some(on) => {
                        graph.grow(subjects.len());
                        graph.add(at, Need { on, kind: NeedKind::Object });
                    }
                    None => loose.push(Loose { at, named: Named::Object(named.clone()) }),
                }
            }
        }
        rules(subjects, verb, &mut graph, &mut loose);
    }
    (graph, loose)
}

/// Adds what lives in a namespace, or is of the kind of a CRD.
fn contain<S: Subject>(subjects: &[S], graph: &mut Graph) {
    let mut namespaces: BTreeMap<&str, usize> = BTreeMap::new();
    let mut crds: BTreeMap<GroupKind, usize> = BTreeMap::new();
    for OfKind { kind, range } in by_kind(subjects) {
        let is_namespace = (&*kind.group, &*kind.kind) == ("", "Namespace");
        if !is_namespace && !is_definition(kind) {
            continue;
        }
        let of_kind = range.filter_map(|at| Some((at, subjects.get(at)?)));
        for (at, subject) in of_kind.filter(|(_, subject)| subject.options().is_resource()) {
            if is_namespace {
                namespaces.insert(&subject.key().name, at);
            } else if let Some(defined) = defines(subject.resource()) {
                crds.insert(defined, at);
            }
        }
    }
    if namespaces.is_empty() && crds.is_empty() {
        return;
    }
    graph.grow(subjects.len());
    for (at, subject) in subjects.iter().enumerate().filter(|(_, subject)| subject.works()) {
        let namespace = subject.key().namespace.as_deref().and_then(|name| namespaces.get(name));
        let crd = crds.get(&*subject.key().group_kind);
        for (on, kind) in [(namespace, NeedKind::Namespace), (crd, NeedKind::Crd)] {
            if let Some(on) = on.copied().filter(|on| *on != at) {
                graph.add(at, Need { on, kind });
            }
        }
    }
}

/// Follows kapp's change rules. Deleting before the objects of a group is the reverse of applying after them.
fn rules<S: Subject>(subjects: &[S], verb: Verb, graph: &mut Graph, loose: &mut Vec<Loose>) {
    let mut asked: BTreeMap<(&Arc<str>, Order), Vec<usize>> = BTreeMap::new();
    let asking = subjects.iter().enumerate().filter(|(_, subject)| subject.asks());
    for (at, subject) in asking.filter(|(_, subject)| subject.options().is_resource()) {
        for rule in subject.options().change_rules.iter().filter(|rule| (rule.verb, rule.target) == (verb, verb)) {
            let order = match (verb, rule.order) {
                (Verb::Upsert, order) => order,
                (Verb::Delete, Order::Before) => Order::After,
                (Verb::Delete, Order::After) => Order::Before,
            };
            asked.entry((&rule.group, order)).or_default().push(at);
        }
    }
    if asked.is_empty() {
        return;
    }
    graph.grow(subjects.len());
    let names: BTreeSet<&str> = asked.keys().map(|(group, _)| &***group).collect();
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, subject) in subjects.iter().enumerate().filter(|(_, subject)| subject.options().is_resource()) {
        let own = subject.options().change_groups.iter().map(|group| group.to_string());
        for group in own.chain(kapp_groups(subject)) {
            if let Some(name) = names.get(&*group) {
                members.entry(name).or_default().push(at);
            }
        }
    }
    for ((group, order), mut holders) in asked {
        holders.dedup();
        let Some(members) = members.get(&**group) else {
            loose.extend(holders.iter().map(|at| Loose { at: *at, named: Named::Group(Arc::clone(group)) }));
            continue;
        };
        let hub = graph.group(Group::Change(Arc::clone(group), order));
        let (first, later) = match order {
            Order::After => (members, &holders),
            Order::Before => (&holders, members),
        };
        first.iter().for_each(|on| graph.add(hub, Need { on: *on, kind: NeedKind::Rule }));
        later.iter().for_each(|at| graph.add(*at, Need { on: hub, kind: NeedKind::Rule }));
    }
}

/// The groups that kapp puts an object into by itself.
fn kapp_groups<S: Subject>(subject: &S) -> impl Iterator<Item = String> {
    let key = subject.key();
    let named: &[&str] = match (key.group(), key.kind()) {
        ("", "Namespace") => &["namespaces", "namespaces-{}"],
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &["crds", "crds-{}"],
        ("storage.k8s.io", "StorageClass") => &["storage-class"],
        ("", "PersistentVolume" | "PersistentVolumeClaim") => &["storage"],
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => &["rbac-roles", "rbac"],
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &["rbac-role-bindings", "rbac"],
        ("", "ServiceAccount") => &["serviceaccount", "pod-related"],
        ("", "ResourceQuota" | "LimitRange" | "Secret" | "ConfigMap")
        | ("networking.k8s.io", "NetworkPolicy")
        | ("policy", "PodDisruptionBudget")
        | ("scheduling.k8s.io", "PriorityClass")
        | ("node.k8s.io", "RuntimeClass") => &["pod-related"],
        _ => &[],
    };
    let fill = match defines(subject.resource()) {
        Some(defined) => format!("{}-{}", defined.group, defined.kind),
        None => key.name.to_string(),
    };
    named.iter().map(move |name| format!("{KAPP_GROUPS}{}", name.replace("{}", &fill)))
}

/// Returns the kind that a CRD defines.
pub(crate) fn defines(resource: &Resource) -> Option<GroupKind> {
    if !is_definition(&resource.key().group_kind) {
        return None;
    }
    let text = |path: &[&str]| resource.tree().dig(path).and_then(ValueRef::as_str);
    Some(GroupKind::new(text(&["spec", "group"])?, text(&["spec", "names", "kind"])?))
}

fn is_definition(kind: &GroupKind) -> bool {
    (&*kind.group, &*kind.kind) == ("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// States what is named and not declared. Who names an object is held back; a group may be empty.
pub(super) fn report(nodes: &mut [Node<'_>], loose: Vec<Loose>, problems: &mut Vec<Problem>) {
    for Loose { at, named } in loose {
        let Some(node) = nodes.get_mut(at) else { continue };
        match named {
            Named::Object(named) => {
                let text = format!("depends on `{named}`, which this application does not declare as a resource");
                let hint = "declare it, or remove the dependency; hooks are ordered by phase and wave";
                let asked = asks_dependency(&node.declared.resource, &named);
                problems.push(asked_at(Problem::blocks(Code::InvalidDependency, text), node, asked).hint(hint));
                node.fate = Fate::Skip(SkipReason::Held);
            }
            Named::Group(group) => {
                let rule = asks_rule(&node.declared.resource, &group).unwrap_or(CHANGE_RULE);
                let text = format!("no resource is in change group `{group}`, which `{rule}` names");
                let told = asked_at(Problem::warning(Code::InvalidDependency, text), node, rule);
                problems.push(told.hint("check its spelling"));
            }
        }
    }
}

/// The same, and where its annotation asks for what is wrong.
fn asked_at(problem: Problem, node: &Node<'_>, annotation: &str) -> Problem {
    Problem { origin: node.declared.place_of(annotation), ..problem.of(node.key) }
}

/// Says which object a problem is about, and where that is declared.
pub(super) fn problem_at(problem: Problem, node: &Node<'_>) -> Problem {
    match &node.declared.origin {
        Some(origin) => problem.of(node.key).at(origin),
        None => problem.of(node.key),
    }
}

/// Returns what needs or is needed, what is needed first. Members of a cycle are held back with what leads into it, and
/// a problem names one shortest cycle of each.
pub(super) fn sort(graph: &Graph, nodes: &mut [Node<'_>], problems: &mut Vec<Problem>) -> Vec<usize> {
    let (order, tangled) = cycle::components(graph);
    for component in tangled {
        let cycle = cycle::shortest(graph, &component);
        problems.push(cycle::problem(graph, nodes, &cycle));
        for at in component {
            let reason = if cycle.contains(&at) { SkipReason::Held } else { SkipReason::FollowsHeld };
            if let Some(node) = nodes.get_mut(at).filter(|node| !matches!(node.fate, Fate::Skip(_))) {
                node.fate = Fate::Skip(reason);
            }
        }
    }
    order
}
