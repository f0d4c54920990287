//! What applications have to do with each other: the same objects, and one waiting for another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::automation::{Decision, Why};
use crate::diff::Outcome;
use crate::health::HealthStatus;
use crate::problem::{Code, Problem};
use crate::reconcile::SyncStatus;
use crate::resource::ResourceKey;
use crate::state::{DesiredState, Live};

use super::status::Decided;
use super::subject::{Level, Subject};
use super::{ClusterState, Engine};

/// Most applications on the way of a circle.
const DEPTH: usize = 64;

impl Engine {
    /// Returns which applications declare an object of a cluster, as far as they were read; in order of their names. One
    /// that is being deleted, or to be deleted for certain, does not count.
    pub fn declarers(&self, cluster: &str, key: &ResourceKey) -> impl Iterator<Item = &Arc<str>> {
        let declared = self.clusters.get(cluster).and_then(|state| state.declared.get(key));
        declared.into_iter().flatten().filter(|name| !self.is_leaving(name))
    }

    /// Takes note of what an application declares, and has those compared again that declare or hold the same.
    pub(super) fn declare(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let Some(cluster) = self.clusters.get_mut(&subject.application.cluster) else { return };
        let declared = subject.desired.iter().flat_map(|(_, desired)| &desired.declared);
        let declared: BTreeSet<ResourceKey> =
            declared.filter(|(_, declared)| declared.options.is_resource()).map(|(key, _)| key.clone()).collect();
        let mut concerned = BTreeSet::new();
        reindex(&mut cluster.declared, name, &subject.declares, &declared, |apps| {
            concerned.extend(apps.iter().cloned());
        });
        subject.declares = declared;
        self.concern(name);
        concerned.remove(name);
        let pause = self.settings.gather;
        for other in concerned {
            self.stir(&other, Level::Anew, pause);
        }
    }

    /// Takes note of which objects concern an application, without what it declares.
    pub(super) fn concern(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let Some(cluster) = self.clusters.get_mut(&subject.application.cluster) else { return };
        let keys = subject.keys();
        let places = keys.iter().map(|key| key.namespace.clone()).collect();
        reindex(&mut cluster.concerned, name, &subject.concerns, &keys, |_| {});
        reindex(&mut cluster.places, name, &subject.places, &places, |_| {});
        let kinds = subject.kinds();
        let has_left = !subject.places.is_subset(&places) || !subject.kinds.is_subset(&kinds);
        (subject.kinds, subject.concerns, subject.places) = (kinds, keys, places);
        if has_left {
            // Others may have kept a namespace or a CRD for it.
            let cluster = Arc::clone(&subject.application.cluster);
            self.ease(&cluster);
        }
    }

    /// Whether every application of a cluster was tried to be read once, so that what two declare is known.
    pub(super) fn all_were_read(&self, cluster: &Arc<str>) -> bool {
        self.clusters.get(cluster).is_some_and(|cluster| cluster.unread.is_empty())
    }

    /// Holds back what another application declares as well: it stays with the one that holds it on the cluster, and if
    /// none does, nobody applies it.
    pub(super) fn contest(&self, subject: &Subject, desired: &Arc<DesiredState>) -> Arc<DesiredState> {
        let name = subject.application.name();
        let Some(cluster) = self.clusters.get(&subject.application.cluster) else { return Arc::clone(desired) };
        if subject.wants_nothing() {
            return Arc::clone(desired);
        }
        let mut contested = Vec::new();
        for (key, declared) in &desired.declared {
            let Some(apps) = cluster.declared.get(key).filter(|_| declared.options.is_resource()) else { continue };
            let Some(other) = apps.iter().find(|other| *other != name && !self.is_leaving(other)) else { continue };
            let holder = holder(cluster, key).filter(|holder| apps.contains(holder) && !self.is_leaving(holder));
            if holder.as_ref() == Some(name) {
                continue;
            }
            let text = match holder {
                Some(holder) => format!("is declared by application `{holder}` as well, which holds it"),
                None => format!("is declared by application `{other}` as well, and neither holds it yet"),
            };
            let problem = Problem::blocks(Code::NotOurs, text).of(key).hint("declare it in one application only");
            contested.push(match &declared.origin {
                Some(origin) => problem.at(origin),
                None => problem,
            });
        }
        if contested.is_empty() {
            return Arc::clone(desired);
        }
        Arc::new(contested.into_iter().fold(DesiredState::clone(desired), DesiredState::held_by))
    }

    /// Why an application must wait for another one, if it must.
    pub(super) fn dependency(&self, subject: &Subject) -> Option<Arc<str>> {
        if let Some(circle) = self.circle(subject.application.name()) {
            return Some(format!("itself, in a circle: {circle}; take one of them out of `dependsOn`").into());
        }
        if let Some(text) = self.missing_place(subject) {
            return Some(text);
        }
        let mut lacking = subject.application.depends_on.iter().filter_map(|other| Some((other, self.lacks(other)?)));
        lacking.next().map(|(other, why)| format!("application `{other}`, which {why}").into())
    }

    /// A namespace that is not there yet, and that another application makes: to begin before would fail.
    fn missing_place(&self, subject: &Subject) -> Option<Arc<str>> {
        let cluster = self.clusters.get(&subject.application.cluster)?;
        let cache = cluster.cache.as_ref()?;
        let declared = subject.declares.iter().filter_map(|key| key.namespace.as_ref());
        let places: BTreeSet<&Arc<str>> = declared.collect();
        places.into_iter().find_map(|place| {
            let key = ResourceKey::new("", "Namespace", None, place);
            let maker = cluster.declared.get(&key)?.iter().find(|other| *other != subject.application.name())?;
            let is_missing = !subject.declares.contains(&key) && matches!(cache.live.get(&key), Live::Absent);
            is_missing.then(|| format!("namespace `{place}`, which application `{maker}` makes").into())
        })
    }

    /// What an application lacks to be ready. The contract: it is compared at what its source names now, in sync,
    /// healthy, and no operation is under way. What it has left over and gives to others holds nothing up: it is there until
    /// they take it, and they may wait for the one that asks; neither does one that is to be deleted, once others have what
    /// they take from it.
    fn lacks(&self, name: &str) -> Option<&'static str> {
        let Some(subject) = self.subjects.get(name) else { return Some("is not known here") };
        let status = &subject.status;
        match () {
            // It waits itself until what it has was taken, and is never in sync again.
            () if subject.leaves() && self.has_for_others(subject) => None,
            () if subject.is_running() => Some("is being synced"),
            () if !subject.is_judged() => Some("was not compared yet at its revision"),
            () if status.sync != SyncStatus::Synced && !self.only_gives_away(subject) => Some("is not in sync"),
            () if status.health != HealthStatus::Healthy => Some("is not healthy"),
            () => None,
        }
    }

    /// Whether its record has objects that another application declares.
    fn has_for_others(&self, subject: &Subject) -> bool {
        let recorded = subject.ledger.iter().flat_map(|(ledger, _)| ledger.inventory.entries.keys());
        recorded.into_iter().any(|key| self.is_declared_elsewhere(subject, key))
    }

    /// Whether all that keeps it from being in sync are objects that other applications declare by now.
    fn only_gives_away(&self, subject: &Subject) -> bool {
        let differs = subject.comparison.entries.iter().filter(|(_, compared)| compared.outcome != Outcome::Synced);
        let mut differs = differs.peekable();
        differs.peek().is_some()
            && differs
                .all(|(key, compared)| compared.outcome == Outcome::Extra && self.is_declared_elsewhere(subject, key))
    }

    fn is_declared_elsewhere(&self, subject: &Subject, key: &ResourceKey) -> bool {
        let cluster = self.clusters.get(&subject.application.cluster);
        let declarers = cluster.and_then(|cluster| cluster.declared.get(key));
        declarers.is_some_and(|apps| apps.iter().any(|app| app != subject.application.name()))
    }

    /// The applications on the way from one back to itself.
    fn circle(&self, name: &Arc<str>) -> Option<String> {
        let mut ways = vec![vec![Arc::clone(name)]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let Some(subject) = way.last().and_then(|last| self.subjects.get(last)) else { continue };
            for next in &subject.application.depends_on {
                if next == name {
                    let names: Vec<&str> = way.iter().chain([name]).map(|name| &**name).collect();
                    return Some(names.join(" → "));
                }
                if way.len() < DEPTH && seen.insert(Arc::clone(next)) {
                    ways.push(way.iter().cloned().chain([Arc::clone(next)]).collect());
                }
            }
        }
        None
    }

    /// Has those looked at that wait for an application.
    pub(super) fn stir_dependents(&mut self, name: &Arc<str>) {
        for other in self.dependents.get(name).cloned().unwrap_or_default() {
            self.stir(&other, Level::Live, std::time::Duration::ZERO);
        }
    }

    /// Has those looked at that rest because they wait for another one: it was just compared.
    pub(super) fn stir_waiting(&mut self, name: &Arc<str>) {
        for other in self.dependents.get(name).cloned().unwrap_or_default() {
            let decision = self.subjects.get(&other).and_then(|subject| subject.status.decision.as_ref());
            let waits =
                |decided: &Decided| matches!(decided.decision, Decision::Rest { why: Why::Dependency { .. }, .. });
            if decision.is_some_and(waits) && self.lacks(name).is_none() {
                self.stir(&other, Level::Live, std::time::Duration::ZERO);
            }
        }
    }
}

/// Puts `name`, which was under the keys `before`, under exactly these keys. `beside` sees who is under one that changed:
/// they may be all there are, as with a namespace.
pub(super) fn reindex<K: Clone + Ord>(
    index: &mut BTreeMap<K, BTreeSet<Arc<str>>>,
    name: &Arc<str>,
    before: &BTreeSet<K>,
    keys: &BTreeSet<K>,
    mut beside: impl FnMut(&BTreeSet<Arc<str>>),
) {
    for key in before.difference(keys) {
        let Some(apps) = index.get_mut(key) else { continue };
        apps.remove(name);
        beside(apps);
        if apps.is_empty() {
            index.remove(key);
        }
    }
    for key in keys.difference(before) {
        let apps = index.entry(key.clone()).or_default();
        apps.insert(Arc::clone(name));
        beside(apps);
    }
}

/// The application that holds an object on the cluster, by its tracking id.
fn holder(cluster: &ClusterState, key: &ResourceKey) -> Option<Arc<str>> {
    cluster.cache.as_ref()?.claimant(key)
}
