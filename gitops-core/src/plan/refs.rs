//! What the content of an object names: the configuration that a pod mounts, the role that a binding gives.
//!
//! Nobody asked for these edges by name, so they give way: to waves, and to what would make a circle of them. They are
//! there since a pod that starts before its configuration changes keeps the old one.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::resource::GroupKind;
use crate::value::{Tag, ValueRef};

use super::depend::{Graph, Group, Need, NeedKind, Subject};
use super::kinds::{OfKind, by_kind};

/// The field that tells what makes pods.
const PODS: &str = "containers";

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

/// How many kinds of things there are.
const THINGS: usize = 12;

impl Thing {
    fn of(kind: &GroupKind) -> Option<Self> {
        Some(match (&*kind.group, &*kind.kind) {
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

    fn is_of_cluster(self) -> bool {
        self >= Self::ClusterRole
    }
}

/// Adds what the content of each object names, as far as both are done at the same turn: what is done earlier is over
/// by then, and what is done later was put there by somebody.
pub(super) fn connect<S: Subject, P: Copy + Ord>(subjects: &[S], turn: impl Fn(usize) -> Option<P>, graph: &mut Graph) {
    let kinds = by_kind(subjects);
    let mut index = Index::of(subjects, &kinds, &turn);
    if index.names_nothing() {
        return;
    }
    let access = groups(std::mem::take(&mut index.access), subjects.len(), graph);
    let limits = groups(std::mem::take(&mut index.limits), subjects.len(), graph);
    let mut needs: Vec<usize> = Vec::new();
    for OfKind { kind, range } in kinds.iter().filter(|of| may_name(of.kind)) {
        for at in range.clone() {
            let Some((subject, turn_now)) = subjects.get(at).zip(turn(at)) else { continue };
            let namespace = subject.key().namespace.as_deref();
            index.go_to(namespace);
            let mut runs = false;
            let found = |thing: Thing, name| {
                needs.extend(index.find(subjects, thing, name).filter(|on| turn(*on) == Some(turn_now)));
                if thing == Thing::ServiceAccount {
                    needs.extend(access.get(&(turn_now, namespace.unwrap_or_default(), name)));
                }
            };
            names(kind, subject.resource().tree(), found, &mut runs);
            if runs {
                needs.extend(limits.get(&(turn_now, namespace.unwrap_or_default(), "")));
            }
            needs.sort_unstable();
            needs.dedup();
            for on in needs.drain(..).filter(|on| *on != at) {
                graph.grow(subjects.len());
                graph.add(at, Need { on, kind: NeedKind::Reference });
            }
        }
    }
}

/// Objects by turn, namespace and name.
type Members<'a, P> = BTreeMap<(P, &'a str, &'a str), Vec<usize>>;

/// What can be named. Objects of a kind stand in order of namespace and name, so that they are found without a map; and
/// who names them comes in that order too, so that those of one namespace are looked for once.
struct Index<'a, P> {
    /// Where the things of each kind stand.
    things: [Range<usize>; THINGS],
    /// The namespace that is looked at.
    namespace: Option<&'a str>,
    /// Where the things that can be named from there stand, once they were looked for.
    near: [Option<Range<usize>>; THINGS],
    /// The bindings of each service account.
    access: Members<'a, P>,
    /// What limits the pods of each namespace.
    limits: Members<'a, P>,
}

impl<'a, P: Copy + Ord> Index<'a, P> {
    fn of<S: Subject>(subjects: &'a [S], kinds: &[OfKind<'_>], turn: impl Fn(usize) -> Option<P>) -> Self {
        let (things, near) = (std::array::from_fn(|_| 0..0), std::array::from_fn(|_| None));
        let mut index = Self { things, namespace: None, near, access: BTreeMap::new(), limits: BTreeMap::new() };
        for OfKind { kind, range } in kinds {
            if let Some(of_thing) = Thing::of(kind).and_then(|thing| index.things.get_mut(thing as usize)) {
                *of_thing = range.clone();
            }
            let learn = match (&*kind.group, &*kind.kind) {
                ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => Self::binding,
                ("", "LimitRange" | "ResourceQuota") | ("networking.k8s.io", "NetworkPolicy") => Self::limit,
                _ => continue,
            };
            for at in range.clone() {
                if let Some((subject, turn)) = subjects.get(at).zip(turn(at)) {
                    learn(&mut index, at, subject, turn);
                }
            }
        }
        index
    }

    fn binding<S: Subject>(&mut self, at: usize, binding: &'a S, turn: P) {
        let own = binding.key().namespace.as_deref().unwrap_or_default();
        for of in items(binding.resource().tree().get("subjects")) {
            let is_account = text(of, "kind") == Some("ServiceAccount");
            if let Some(name) = text(of, "name").filter(|_| is_account) {
                let namespace = text(of, "namespace").unwrap_or(own);
                self.access.entry((turn, namespace, name)).or_default().push(at);
            }
        }
    }

    fn limit<S: Subject>(&mut self, at: usize, limit: &'a S, turn: P) {
        let namespace = limit.key().namespace.as_deref().unwrap_or_default();
        self.limits.entry((turn, namespace, "")).or_default().push(at);
    }

    fn names_nothing(&self) -> bool {
        self.things.iter().all(Range::is_empty) && self.access.is_empty() && self.limits.is_empty()
    }

    /// Looks from a namespace from now on, or from none.
    fn go_to(&mut self, namespace: Option<&'a str>) {
        if self.namespace != namespace {
            self.namespace = namespace;
            self.near = std::array::from_fn(|_| None);
        }
    }

    /// Returns the thing that a name means here.
    fn find<S: Subject>(&mut self, subjects: &[S], thing: Thing, name: &str) -> Option<usize> {
        let all = self.things.get(thing as usize).filter(|range| !range.is_empty())?;
        let namespace = self.namespace.filter(|_| !thing.is_of_cluster());
        let near = self.near.get_mut(thing as usize)?.get_or_insert_with(|| {
            let of = |subject: &S| subject.key().namespace.as_deref().cmp(&namespace);
            let of_kind = subjects.get(all.clone()).unwrap_or_default();
            let before = of_kind.partition_point(|subject| of(subject).is_lt());
            let count = of_kind.get(before..).unwrap_or_default().partition_point(|subject| of(subject).is_eq());
            let start = all.start.saturating_add(before);
            start..start.saturating_add(count)
        });
        let found = subjects.get(near.clone())?.binary_search_by(|subject| (*subject.key().name).cmp(name)).ok()?;
        Some(near.start.saturating_add(found))
    }
}

/// Makes a group of each.
fn groups<'a, P: Copy + Ord>(
    members: Members<'a, P>,
    objects: usize,
    graph: &mut Graph,
) -> BTreeMap<(P, &'a str, &'a str), usize> {
    let mut made = BTreeMap::new();
    for (key, mut members) in members {
        members.dedup();
        graph.grow(objects);
        let group = graph.group(Group::Found);
        members.into_iter().for_each(|on| graph.add(group, Need { on, kind: NeedKind::Reference }));
        made.insert(key, group);
    }
    made
}

/// Whether objects of a kind have anything in them that names others: what is looked at is their `spec`, and the role of
/// a binding.
fn may_name(kind: &GroupKind) -> bool {
    !matches!((&*kind.group, &*kind.kind), ("", "ConfigMap" | "Secret" | "ServiceAccount"))
}

/// Tells what the content of an object names, and whether it makes pods.
fn names<'a>(kind: &GroupKind, tree: ValueRef<'a>, mut found: impl FnMut(Thing, &'a str), runs: &mut bool) {
    if &*kind.group == "rbac.authorization.k8s.io" {
        let role = tree.get("roleRef").and_then(|role| Some((text(role, "kind")?, text(role, "name")?)));
        match role {
            Some(("Role", name)) => found(Thing::Role, name),
            Some(("ClusterRole", name)) => found(Thing::ClusterRole, name),
            _ => {}
        }
        return;
    }
    let is_read = |field: &str| field == PODS || naming(field).is_some();
    for entry in tree.get("spec").into_iter().flat_map(|spec| spec.entries_called(is_read)) {
        match naming(entry.key()) {
            Some(naming) => named(naming, entry, &mut found),
            None => *runs |= matches!(entry.tag(), Tag::Map | Tag::List),
        }
    }
}

/// Where in the value of a field a name stands.
#[derive(Clone, Copy)]
enum At {
    /// It is the name.
    Itself,
    Field(&'static str),
    /// In the first of them that is there.
    Either(&'static str, &'static str),
    /// In each item.
    Items(&'static str),
}

/// Returns what a field names, by the name of the field that all kinds use for it.
fn naming(field: &str) -> Option<(Thing, At)> {
    Some(match field {
        "configMapKeyRef" | "configMapRef" | "configMap" => (Thing::ConfigMap, At::Field("name")),
        "secretKeyRef" | "secretRef" => (Thing::Secret, At::Field("name")),
        "secret" => (Thing::Secret, At::Either("secretName", "name")),
        "secretName" => (Thing::Secret, At::Itself),
        "imagePullSecrets" => (Thing::Secret, At::Items("name")),
        "serviceAccountName" => (Thing::ServiceAccount, At::Itself),
        "persistentVolumeClaim" => (Thing::Claim, At::Field("claimName")),
        "serviceName" => (Thing::Service, At::Itself),
        "service" => (Thing::Service, At::Field("name")),
        "volumeName" => (Thing::Volume, At::Itself),
        "storageClassName" => (Thing::StorageClass, At::Itself),
        "priorityClassName" => (Thing::PriorityClass, At::Itself),
        "runtimeClassName" => (Thing::RuntimeClass, At::Itself),
        "ingressClassName" => (Thing::IngressClass, At::Itself),
        _ => return None,
    })
}

/// Reads one field that names something.
fn named<'a>((thing, at): (Thing, At), value: ValueRef<'a>, found: &mut impl FnMut(Thing, &'a str)) {
    let name = match at {
        At::Itself => value.as_str(),
        At::Field(field) => text(value, field),
        At::Either(field, other) => text(value, field).or_else(|| text(value, other)),
        At::Items(field) => {
            return items(Some(value)).filter_map(|item| text(item, field)).for_each(|name| found(thing, name));
        }
    };
    name.into_iter().for_each(|name| found(thing, name));
}

pub(super) fn text<'a>(of: ValueRef<'a>, field: &str) -> Option<&'a str> {
    of.get(field)?.as_str()
}

pub(super) fn items(list: Option<ValueRef<'_>>) -> impl Iterator<Item = ValueRef<'_>> {
    list.and_then(ValueRef::as_list).into_iter().flatten()
}
