//! What applications may declare that nobody has read: nothing is pruned that it may be. Rule 28 of the exact rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::is_container;
use crate::problem::Severity;
use crate::resource::ResourceKey;
use crate::source::Target;
use crate::state::{Completeness, DesiredState};
use crate::time::Timestamp;

use super::status::ConditionKind;
use super::subject::{Level, Subject};
use super::{ClusterState, Engine, News};

/// An application that is declared, and cannot be looked after.
#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) cluster: Arc<str>,
    pub(super) why: Arc<str>,
}

impl Engine {
    /// Takes note of an application of a cluster that is declared and cannot be looked after, such as one whose document
    /// has an error. `why` says so after its name, as in `is held back`.
    ///
    /// It may declare anything: until it is [`put`](Self::put) or [`remove`](Self::remove)d, nothing is pruned on that
    /// cluster. One that was looked after so far no longer is. What is under way on the cluster goes on.
    pub fn put_unknown(&mut self, name: &str, cluster: &str, why: &str, now: Timestamp) {
        self.tell(now);
        self.forget_unknown(name);
        if let Some(name) = self.forget(name) {
            self.board.pin(self.now, &name, News::Gone);
            self.stir_dependents(&name);
            self.next_turn();
        }
        self.unknown.insert(name.into(), Unknown { cluster: cluster.into(), why: why.into() });
        // What was asked before this was known is asked anew.
        for app in self.clusters.get(cluster).map(|state| state.apps.clone()).unwrap_or_default() {
            self.stir(&app, Level::Anew, self.settings.gather);
        }
    }

    /// It is known by now what an application declares, or that there is none.
    pub(super) fn forget_unknown(&mut self, name: &str) {
        if let Some(unknown) = self.unknown.remove(name) {
            self.ease(&unknown.cluster);
        }
    }

    /// Notes what is not known of an application that others must know, and has those look again that waited for it.
    pub(super) fn reckon(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get(name) else { return };
        let Some(cluster) = self.clusters.get_mut(&subject.application.cluster) else { return };
        set(&mut cluster.bare, name, subject.ledger.is_none());
        let is_unsure = subject.desired.as_ref().is_none_or(|(_, desired)| hides_something(desired));
        let mut eased = set(&mut cluster.undeclared, name, is_unsure);
        let repositories = &subject.application.repositories;
        if subject.is_loaded() && !subject.is_outdated {
            eased |= cluster.catch_up(repositories, name);
        } else {
            for repository in repositories {
                cluster.behind.entry(Arc::clone(repository)).or_default().insert(Arc::clone(name));
            }
        }
        if eased {
            let cluster = Arc::clone(&subject.application.cluster);
            self.ease(&cluster);
        }
    }

    /// Has those look again that prune nothing for want of what may be known by now.
    pub(super) fn ease(&mut self, cluster: &str) {
        let Some(cluster) = self.clusters.get_mut(cluster) else { return };
        let at = self.now + self.settings.gather;
        for other in std::mem::take(&mut cluster.held) {
            if let Some(held) = self.subjects.get_mut(&other) {
                held.level = held.level.max(Level::Live);
            }
            self.wake_at_time(&other, at);
        }
    }

    /// Which application may declare something that this one no longer does, and why that is not known. One whose source
    /// broke down after it was read counts by what it declared then, unless it shares a repository with this one and is
    /// behind: an object may just be moving from one to the other.
    pub(super) fn who_may_declare(&self, subject: &Subject, cluster: &ClusterState) -> Option<Arc<str>> {
        let application = &subject.application;
        let name = application.name();
        let claimed = cluster.cache.iter().flat_map(|cache| cache.claimed(name));
        let recorded = subject.ledger.iter().flat_map(|(ledger, _)| ledger.inventory.entries.keys());
        let all = subject.wants_nothing();
        let left = claimed.chain(recorded).filter(|key| all || !subject.declares.contains(*key));
        let left: BTreeSet<&ResourceKey> = left.collect();
        let others = |names: &BTreeSet<Arc<str>>, why: fn(&Subject, &BTreeSet<&ResourceKey>) -> Option<String>| {
            let others = names.iter().filter(|other| *other != name).filter_map(|other| self.subjects.get(other));
            others.filter(|other| other.may_have_any(&left, cluster)).find_map(|other| why(other, &left))
        };
        let behind = application.repositories.iter().filter_map(|repository| cluster.behind.get(repository));
        let why = others(&cluster.undeclared, Subject::hides_any)
            .or_else(|| behind.into_iter().find_map(|behind| others(behind, |other, _| Some(other.lags()))));
        let unknown = || self.unknown.iter().find(|(_, unknown)| unknown.cluster == application.cluster);
        let why = why.or_else(|| unknown().map(|(other, unknown)| format!("application `{other}` {}", unknown.why)));
        why.map(Arc::from)
    }

    /// A target names something new: what others of its repositories name may be older than that. They are asked again,
    /// and count as behind until they answer.
    pub(super) fn outdate_others(&mut self, follows: &(Arc<str>, Target)) {
        let Some(followed) = self.followed.get(follows) else { return };
        let shelves = followed.repositories.iter().filter_map(|repository| self.shelves.get(repository));
        let others: BTreeSet<_> = shelves.flatten().filter(|other| *other != follows).cloned().collect();
        for other in others {
            self.ask_again(&other);
            self.set_outdated(&other, true);
        }
    }

    /// Notes whether what a target names may be older than what another one of its repositories names.
    pub(super) fn set_outdated(&mut self, follows: &(Arc<str>, Target), is_outdated: bool) {
        let Some(followed) = self.followed.get_mut(follows).filter(|one| one.is_outdated != is_outdated) else {
            return;
        };
        followed.is_outdated = is_outdated;
        for app in followed.apps.clone() {
            if let Some(subject) = self.subjects.get_mut(&app) {
                subject.is_outdated = is_outdated;
            }
            self.reckon(&app);
            if !is_outdated {
                self.stir_waiting(&app);
            }
        }
    }
}

impl Subject {
    /// Whether its project lets it have one of these objects at all, or what may lie in one of them.
    fn may_have_any(&self, keys: &BTreeSet<&ResourceKey>, cluster: &ClusterState) -> bool {
        let (Some(restriction), Some(cache)) = (&self.application.app.restriction, &cluster.cache) else { return true };
        keys.iter().any(|key| is_container(key) || restriction.permits(key, &cache.model))
    }

    /// Why one of these objects may be among what it declares, if that is so.
    fn hides_any(&self, keys: &BTreeSet<&ResourceKey>) -> Option<String> {
        let name = self.application.name();
        let Some((_, desired)) = &self.desired else {
            return Some(format!("application `{name}` was not read yet{}", self.trouble()));
        };
        if desired.completeness == Completeness::Partial {
            let first =
                desired.problems.iter().find(|problem| problem.severity == Severity::Blocks && problem.key.is_none());
            let first = first.map(|problem| format!(": {problem}")).unwrap_or_default();
            return Some(format!("part of what application `{name}` declares cannot be read{first}"));
        }
        let key = keys.iter().find(|key| desired.unplaced_kinds().contains(&*key.group_kind))?;
        let kind = key.kind();
        Some(format!("application `{name}` declares a {kind}, and whether those have a namespace is not known"))
    }

    fn lags(&self) -> String {
        format!(
            "application `{}` was not read yet at what its source names now{}",
            self.application.name(),
            self.trouble()
        )
    }

    /// Why it cannot be read, if something is known.
    fn trouble(&self) -> String {
        let trouble = self.status.conditions.iter().find(|one| one.kind <= ConditionKind::LedgerError);
        trouble.map(|one| format!(": {}", one.message)).unwrap_or_default()
    }
}

impl ClusterState {
    pub(super) fn leave(&mut self, repositories: &BTreeSet<Arc<str>>, name: &str) {
        self.bare.remove(name);
        self.undeclared.remove(name);
        self.catch_up(repositories, name);
    }

    fn catch_up(&mut self, repositories: &BTreeSet<Arc<str>>, name: &str) -> bool {
        let mut was = false;
        for repository in repositories {
            let Some(behind) = self.behind.get_mut(repository) else { continue };
            was |= behind.remove(name);
            if behind.is_empty() {
                self.behind.remove(repository);
            }
        }
        was
    }
}

/// Whether more may be declared than is known.
fn hides_something(desired: &DesiredState) -> bool {
    desired.completeness == Completeness::Partial || !desired.unplaced_kinds().is_empty()
}

/// Puts a name into a set or takes it out; returns whether it was taken out.
fn set(names: &mut BTreeSet<Arc<str>>, name: &Arc<str>, is_in: bool) -> bool {
    if is_in {
        names.insert(Arc::clone(name));
        return false;
    }
    names.remove(name)
}
