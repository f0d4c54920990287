//! What clusters say: lists, and what watches tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::automation::Backoff;
use crate::cluster::{Changes, ClusterError, Failure, Observed};
use crate::model::ApiModel;
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::Live;
use crate::time::Timestamp;

use super::cache::{Cache, Told};
use super::heat::{self, Heats};
use super::status::ConditionKind;
use super::subject::{Level, Stage, pause};
use super::{Engine, WorkId};

/// How long after a list the next one is made only because a watch missed something, or kinds changed.
const CALM: Duration = Duration::from_secs(10);

/// When kinds are listed again that could not be read.
fn again(tries: u32) -> Duration {
    let seconds = Duration::from_secs;
    Backoff::new(seconds(30), 2, seconds(900)).pause(tries.max(1))
}

/// A cluster with applications.
#[derive(Debug, Default)]
pub(super) struct ClusterState {
    pub(super) cache: Option<Cache>,
    /// Which listing made the cache: what an older watch tells moves it on no further.
    pub(super) epoch: WorkId,
    pub(super) apps: BTreeSet<Arc<str>>,
    /// Those of which nobody has tried yet to read what they declare.
    pub(super) unread: BTreeSet<Arc<str>>,
    /// When one of them came, or it was tried to read one of them.
    pub(super) read_at: Timestamp,
    /// Those of which it is not known what they declare, or not all of it.
    pub(super) undeclared: BTreeSet<Arc<str>>,
    /// By their repositories, those of which it is not known what they declare now.
    pub(super) behind: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Those that prune less until more is known of others, or these have left a namespace or a kind.
    pub(super) held: BTreeSet<Arc<str>>,
    /// Those whose ledger must be read.
    pub(super) bare: BTreeSet<Arc<str>>,
    /// Which kinds must be known.
    pub(super) wanted: BTreeSet<GroupKind>,
    /// Whether everything must be listed anew.
    pub(super) is_lost: bool,
    /// Whether kinds may have come or gone, or their schemas changed; from when on it is listed anew for that; and how often
    /// it was in a row.
    pub(super) has_other_kinds: bool,
    pub(super) kinds_after: Option<Timestamp>,
    pub(super) rewrites: u32,
    /// The listing under way, of which kinds, and what was written and seen since it began.
    pub(super) listing: Option<Listing>,
    pub(super) is_watching: bool,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) tries: u32,
    /// When kinds are listed again that could not be read, and how often that was tried in a row.
    pub(super) relist_at: Option<Timestamp>,
    /// Until when it is not listed again only because something was missed.
    pub(super) calm_until: Option<Timestamp>,
    pub(super) relists: u32,
    /// How often objects change.
    pub(super) heats: Heats,
    /// Whom a change of an object concerns.
    pub(super) concerned: BTreeMap<ResourceKey, BTreeSet<Arc<str>>>,
    /// Who declares an object.
    pub(super) declared: BTreeMap<ResourceKey, BTreeSet<Arc<str>>>,
    /// Whom objects of a namespace concern.
    pub(super) places: BTreeMap<Option<Arc<str>>, BTreeSet<Arc<str>>>,
}

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) id: WorkId,
    pub(super) kinds: BTreeSet<GroupKind>,
    pub(super) since: Vec<Sight>,
}

/// Something that was seen of an object while it was listed.
#[derive(Debug)]
pub(super) enum Sight {
    Seen(Resource),
    Gone(ResourceKey, Arc<str>),
}

impl Engine {
    /// The clusters, and whether each answers.
    pub(super) fn connections(&self) -> impl Iterator<Item = (&Arc<str>, bool)> {
        self.clusters.iter().map(|(name, cluster)| (name, cluster.cache.is_some() && cluster.tries == 0))
    }

    pub(super) fn listed(
        &mut self,
        name: &Arc<str>,
        id: WorkId,
        result: Result<Box<(ApiModel, Observed)>, ClusterError>,
    ) {
        let now = self.now;
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        let Some(listing) = cluster.listing.take_if(|listing| listing.id == id) else { return };
        let listed = match result {
            Ok(listed) => listed,
            Err(error) => {
                cluster.is_lost = true;
                return self.cluster_failed(name, &error, "list");
            }
        };
        let (model, observed) = *listed;
        let unread = listing.kinds.iter().any(|kind| observed.live.is_unread_somewhere(kind));
        let is_doubtful = cluster.take_list(listing, model, observed);
        cluster.tries = 0;
        cluster.calm_until = Some(now + CALM);
        let calm = Backoff::new(CALM, 2, Duration::from_secs(300));
        cluster.kinds_after = Some(now + calm.pause(cluster.rewrites.max(1)));
        cluster.relists = if unread || is_doubtful { cluster.relists.saturating_add(1) } else { 0 };
        cluster.relist_at = (cluster.relists > 0).then(|| now + again(cluster.relists));
        let apps = cluster.apps.clone();
        for app in apps {
            self.condition(&app, ConditionKind::ClusterError, None);
            if let Some(subject) = self.subjects.get_mut(&app) {
                // A ledger that could not be read, or understood, may be readable by now.
                let is_idle = matches!(subject.stage, Stage::Idle);
                drop(subject.ledger.take_if(|(_, damage)| is_idle && damage.is_some()));
            }
            let outdated = self.is_served_by_now(&app);
            self.stir(&app, if outdated { Level::Desired } else { Level::Live }, Duration::ZERO);
        }
    }

    /// Whether a kind that an application declares was not served when it was read, and is by now: another application, or
    /// somebody else, brought it.
    fn is_served_by_now(&self, name: &Arc<str>) -> bool {
        let Some(subject) = self.subjects.get(name) else { return false };
        let cache = self.clusters.get(&subject.application.cluster).and_then(|cluster| cluster.cache.as_ref());
        let desired = subject.desired.as_ref().map(|(_, desired)| desired);
        cache.zip(desired).is_some_and(|(cache, desired)| desired.is_served_by(&cache.model))
    }

    pub(super) fn cluster_failed(&mut self, name: &Arc<str>, error: &ClusterError, what: &'static str) {
        self.fault(what);
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        cluster.tries = cluster.tries.saturating_add(1);
        cluster.retry_at = Some(self.now + pause(cluster.tries));
        let (apps, text) = (cluster.apps.clone(), Arc::<str>::from(error.to_string()));
        for app in apps {
            self.condition(&app, ConditionKind::ClusterError, Some(Arc::clone(&text)));
        }
    }

    pub(super) fn changed(&mut self, name: &Arc<str>, epoch: WorkId, result: Result<Changes, ClusterError>) {
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        if cluster.epoch != epoch {
            // It watched less than is known by now: what it saw is true, but where it stopped is nothing to go on from.
            if let (Ok(mut changes), Some(cache)) = (result, cluster.cache.as_ref()) {
                changes.cursor = cache.cursor.clone();
                self.took(name, changes);
            }
            return;
        }
        cluster.is_watching = false;
        match result {
            Ok(changes) => {
                if std::mem::take(&mut cluster.tries) > 0 {
                    let apps = cluster.apps.clone();
                    apps.iter().for_each(|app| self.condition(app, ConditionKind::ClusterError, None));
                }
                self.took(name, changes);
            }
            Err(ClusterError { failure: Failure::CursorExpired, .. }) => cluster.is_lost = true,
            Err(error) => self.cluster_failed(name, &error, "watch"),
        }
    }

    fn took(&mut self, name: &Arc<str>, changes: Changes) {
        let Some(cluster) = self.clusters.get_mut(name) else { return };
        if let Some(listing) = &mut cluster.listing {
            listing.since.extend(changes.changed.iter().cloned().map(Sight::Seen));
            listing.since.extend(changes.gone.iter().cloned().map(|(key, uid)| Sight::Gone(key, uid)));
        }
        let Some(cache) = cluster.cache.as_mut() else { return };
        let count = changes.changed.len().saturating_add(changes.gone.len()) as u64;
        let told = cache.take(changes);
        self.counters.watched = self.counters.watched.saturating_add(count);
        self.counters.noise = self.counters.noise.saturating_add(count.saturating_sub(told.len() as u64));
        for (key, told, before) in told {
            let is_hot = told >= Told::Change
                && self.clusters.get_mut(name).is_some_and(|cluster| cluster.heats.count(&key, self.now));
            let least = if is_hot { heat::GATHER } else { Duration::ZERO };
            self.touch_after(name, &key, told, before, least);
        }
    }

    /// Takes an object as one of our own writes left it, so that no comparison is older than that.
    pub(super) fn wrote(&mut self, cluster: &Arc<str>, object: Resource) {
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        if let Some(listing) = &mut state.listing {
            listing.since.push(Sight::Seen(object.clone()));
        }
        let Some(cache) = state.cache.as_mut() else { return };
        let (key, before) = (object.key().clone(), cache.claimant(object.key()));
        match cache.put(object) {
            Told::Nothing => {}
            told => self.touch(cluster, &key, told, before),
        }
    }

    /// Takes note that one of our own writes deleted an object.
    pub(super) fn deleted(&mut self, cluster: &Arc<str>, key: &ResourceKey, uid: &Arc<str>) {
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        if let Some(listing) = &mut state.listing {
            listing.since.push(Sight::Gone(key.clone(), Arc::clone(uid)));
        }
        let Some(cache) = state.cache.as_mut() else { return };
        let before = cache.claimant(key);
        if cache.bury(key, uid) {
            self.touch(cluster, key, Told::Change, before);
        }
    }

    /// Has those look that an object concerns.
    pub(super) fn touch(&mut self, cluster: &Arc<str>, key: &ResourceKey, told: Told, before: Option<Arc<str>>) {
        self.touch_after(cluster, key, told, before, Duration::ZERO);
    }

    /// The same, after a while.
    fn touch_after(
        &mut self,
        cluster: &Arc<str>,
        key: &ResourceKey,
        told: Told,
        before: Option<Arc<str>>,
        least: Duration,
    ) {
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        if key.is("apiextensions.k8s.io", "CustomResourceDefinition") && told >= Told::Change {
            state.has_other_kinds = true;
        }
        let mut apps: BTreeSet<Arc<str>> = state.concerned.get(key).cloned().unwrap_or_default();
        let claimant = state.cache.as_ref().and_then(|cache| cache.claimant(key));
        apps.extend(before.into_iter().chain(claimant).filter(|app| state.apps.contains(app)));
        if key.is("", "Namespace") && told == Told::New {
            // What failed since it was missing need not wait.
            let inside = state.places.get(&Some(Arc::clone(&key.name)));
            for app in inside.into_iter().flatten() {
                if let Some(subject) = self.subjects.get_mut(app) {
                    subject.eased_at = Some(self.now);
                }
                apps.insert(Arc::clone(app));
            }
        }
        if crate::diff::is_autoscaler(&key.group_kind) && told >= Told::Change {
            apps.extend(state.places.get(&key.namespace).into_iter().flatten().cloned());
        }
        let after = match told {
            Told::Status => {
                self.counters.statuses = self.counters.statuses.saturating_add(1);
                self.settings.gather_statuses
            }
            _ => self.settings.gather,
        };
        if !least.is_zero() {
            self.counters.hot = self.counters.hot.saturating_add(1);
        }
        let after = after.max(least);
        for app in apps {
            if !self.saw_ledger(&app, cluster, key) {
                self.stir(&app, Level::Live, after);
            }
        }
    }

    /// A watch told of the ledger of an application, unless that is no ledger: somebody else may have written it.
    fn saw_ledger(&mut self, app: &Arc<str>, cluster: &Arc<str>, key: &ResourceKey) -> bool {
        let Some(cache) = self.clusters.get(cluster).and_then(|state| state.cache.as_ref()) else { return false };
        let Some(subject) = self.subjects.get_mut(app) else { return false };
        if !key.is("", "ConfigMap") || subject.application.app.ledger_key() != *key {
            return false;
        }
        let known = subject.ledger.as_ref().is_some_and(|(ledger, _)| ledger.is_stored_as(cache.live.get(key)));
        // What an operation has written is known once it ends, and its fence finds what others wrote.
        if !known && !subject.is_running() {
            subject.ledger = None;
            self.stir(app, Level::Anew, Duration::ZERO);
        }
        true
    }
}

impl ClusterState {
    /// Takes a list, and what was seen since it was begun, which may be newer; returns whether it is in doubt for some
    /// object whether it is still there.
    fn take_list(&mut self, listing: Listing, model: ApiModel, observed: Observed) -> bool {
        let mut cache = Cache::new(listing.kinds, model, observed);
        let mut is_doubtful = false;
        for sight in listing.since {
            match sight {
                Sight::Gone(key, uid) => drop(cache.bury(&key, &uid)),
                Sight::Seen(object) => {
                    let is_new = !matches!(cache.live.get(object.key()), Live::Present(_));
                    is_doubtful |= cache.put(object) != Told::Nothing && is_new;
                }
            }
        }
        self.cache = Some(cache);
        self.epoch = listing.id;
        self.is_watching = false;
        is_doubtful
    }
}
