//! Looking: complete lists, and single objects past every cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::cluster::{ClusterError, Interest, Observed};
use gitops_core::model::{Scope, ServedKind};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{LiveState, Namespaces, Unreadable};

use crate::cluster::Shared;
use crate::cursor::{self, Place, Since};
use crate::discover::{Kind, Served};
use crate::reading::{Done, Listed, Task, Unread, perform};
use crate::seen::Seen;

/// From how many objects of a kind in a namespace on they are read in one list, not one by one.
const SEVERAL: usize = 10;

/// What was seen so far.
#[derive(Default)]
struct Sight {
    live: LiveState,
    since: BTreeMap<Place, Since>,
    /// Why there was no answer, for each question without one.
    silent: Vec<ClusterError>,
}

/// Reads what is asked for. What could not be read is coverage; an error means that there was no answer at all.
pub(crate) async fn observe(shared: &Arc<Shared>, interest: &Interest) -> Result<Observed, ClusterError> {
    let served = shared.served(interest.kinds.iter().chain(interest.keys.iter().map(|key| &*key.group_kind))).await?;
    let mut sight = Sight::default();
    let mut tasks = sight.lists(&served, interest);
    tasks.extend(sight.lookups(&served, interest));
    let asked = tasks.len();
    let mut one_by_one = Vec::new();
    for done in perform(&shared.talk, tasks).await {
        match done {
            // Who may not list may still look at each.
            Done::Found(kind, keys, Err(Unread::Refused(_))) => {
                one_by_one.extend(keys.into_iter().map(|key| as_preferred(&kind, key)));
            }
            done => sight.take(done, &shared.seen),
        }
    }
    for done in perform(&shared.talk, one_by_one).await {
        sight.take(done, &shared.seen);
    }
    if asked > 0
        && sight.silent.len() >= asked
        && let Some(error) = sight.silent.pop()
    {
        return Err(error);
    }
    Ok(Observed::new(sight.live, cursor::write(&sight.since)))
}

impl Sight {
    /// The lists to read.
    fn lists(&mut self, served: &Served, interest: &Interest) -> Vec<Task> {
        let mut tasks = Vec::new();
        for kind in &interest.kinds {
            match served.kind(kind) {
                Kind::Served(served) if !served.allows("list") => {
                    let why = Unreadable::new("the cluster does not list this kind");
                    self.unreadable(kind, interest, &why);
                }
                Kind::Served(served) => match &interest.namespaces {
                    Namespaces::Only(names) if served.scope == Scope::Namespaced => {
                        tasks.extend(names.iter().map(|name| Task::List(Arc::clone(&served), Some(Arc::clone(name)))));
                    }
                    _ => tasks.push(Task::List(served, None)),
                },
                Kind::NotServed => self.not_served(kind, None),
                Kind::Unknown => self.unreadable(kind, interest, &silent_group(kind)),
            }
        }
        tasks
    }

    /// The objects to look up: each by itself, or many of one kind and namespace in one list.
    fn lookups(&mut self, served: &Served, interest: &Interest) -> Vec<Task> {
        let mut tasks = Vec::new();
        let mut wanted: BTreeMap<Place, (Arc<ServedKind>, Vec<ResourceKey>)> = BTreeMap::new();
        for key in &interest.keys {
            match served.kind(&key.group_kind) {
                Kind::Served(served) => {
                    let version = interest.versions.get(key).filter(|version| served.versions.contains(version));
                    if let Some(version) = version {
                        tasks.push(Task::Get(served, Arc::clone(version), key.clone()));
                        continue;
                    }
                    let place = Place::of(&key.group_kind, key.namespace.clone());
                    wanted.entry(place).or_insert_with(|| (served, Vec::new())).1.push(key.clone());
                }
                Kind::NotServed => self.live.not_served(&key.group_kind),
                Kind::Unknown => self.live.unreadable(key, silent_group(&key.group_kind)),
            }
        }
        for (place, (kind, keys)) in wanted {
            let is_placed = place.namespace.is_some() || kind.scope == Scope::Cluster;
            if is_placed && keys.len() >= SEVERAL && kind.allows("list") {
                tasks.push(Task::Several(kind, place.namespace, keys));
            } else {
                tasks.extend(keys.into_iter().map(|key| as_preferred(&kind, key)));
            }
        }
        tasks
    }

    fn take(&mut self, done: Done, seen: &Seen) {
        match done {
            Done::Listed(kind, namespace, listed) => self.listed(&kind.group_kind, namespace, listed, seen),
            Done::Got(key, Ok(object)) => self.looked_up(&key, object, seen),
            Done::Found(_, keys, Ok(listed)) => {
                let objects = listed.objects.into_iter().map(|object| (object.key().clone(), object));
                let mut objects: BTreeMap<ResourceKey, Resource> = objects.collect();
                keys.iter().for_each(|key| self.looked_up(key, objects.remove(key), seen));
            }
            Done::Got(key, Err(Unread::NotServed)) => self.live.not_served(&key.group_kind),
            Done::Found(kind, _, Err(Unread::NotServed)) => self.live.not_served(&kind.group_kind),
            Done::Got(key, Err(unread)) => {
                let why = unread.why(&mut self.silent);
                self.live.unreadable(&key, why);
            }
            Done::Found(_, keys, Err(unread)) => {
                let why = unread.why(&mut self.silent);
                keys.iter().for_each(|key| self.live.unreadable(key, why.clone()));
            }
        }
    }

    fn listed(&mut self, kind: &GroupKind, namespace: Option<Arc<str>>, listed: Result<Listed, Unread>, seen: &Seen) {
        let namespaces = match &namespace {
            Some(name) => Namespaces::Only([Arc::clone(name)].into()),
            None => Namespaces::All,
        };
        let since = match listed {
            Ok(listed) => {
                for object in listed.objects {
                    seen.note(&object);
                    self.live.insert(object);
                }
                self.live.listed(kind, &namespaces);
                Since::Version(listed.version)
            }
            Err(Unread::NotServed) => return self.not_served(kind, namespace),
            Err(unread) => {
                let why = unread.why(&mut self.silent);
                self.live.unreadable_kind(kind, &namespaces, &why);
                Since::Unread
            }
        };
        self.since.insert(Place::of(kind, namespace), since);
    }

    fn unreadable(&mut self, kind: &GroupKind, interest: &Interest, why: &Unreadable) {
        self.live.unreadable_kind(kind, &interest.namespaces, why);
        self.since.insert(Place::of(kind, None), Since::Unread);
    }

    fn looked_up(&mut self, key: &ResourceKey, object: Option<Resource>, seen: &Seen) {
        match object {
            Some(object) => {
                seen.note(&object);
                self.live.insert(object);
            }
            None => self.live.absent(key),
        }
    }

    fn not_served(&mut self, kind: &GroupKind, namespace: Option<Arc<str>>) {
        self.live.not_served(kind);
        self.since.insert(Place::of(kind, namespace), Since::NotServed);
    }
}

fn as_preferred(kind: &Arc<ServedKind>, key: ResourceKey) -> Task {
    Task::Get(Arc::clone(kind), Arc::clone(&kind.preferred), key)
}

fn silent_group(kind: &GroupKind) -> Unreadable {
    Unreadable::new(&format!("the API group `{}` does not answer", kind.group))
}
