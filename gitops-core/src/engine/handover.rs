//! Objects that move from one application to another. Rules 28 and 32 of the exact rules.
//!
//! The one that declares an object takes it: once the one that holds it was read at the revision that it wants, declares
//! it no longer (or is to be deleted), and has no operation under way. The record of the taker comes first, then the
//! object changes hands in one patch, and the record of the giver goes last; so at every moment one of the two knows of
//! it, and neither deletes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diff;
use crate::plan::{Intent, SkipReason};
use crate::reconcile::Looked;
use crate::resource::{Resource, ResourceKey};
use crate::state::{Completeness, Entry, Handover, Inventory, Live, Owner, Standing, Tracking, Trust};
use crate::sync::Record;

use super::flight::Stored;
use super::subject::{Level, Stage, Subject};
use super::{Engine, Flight, Task};

impl Subject {
    /// Whether it is being deleted, or to be deleted for certain: others need not leave it any of its objects. A wish that
    /// a restart would forget does not count, or what they prune for it might be wanted again.
    pub(super) fn leaves(&self) -> bool {
        let kept = self.kept().is_some_and(|kept| kept.scope.intent == Intent::Delete);
        let begun = |Record::V1(record): &Record| record.intent == Intent::Delete;
        let begun = self.ledger.iter().any(|(ledger, _)| ledger.running.as_ref().is_some_and(begun));
        let runs = match &self.stage {
            Stage::Running(running) => running.machine.plan().scope.intent == Intent::Delete,
            Stage::Idle | Stage::Away(_) => false,
        };
        kept || begun || runs
    }
}

impl Engine {
    /// Whether an application is to be deleted, or being deleted.
    pub(super) fn is_leaving(&self, name: &str) -> bool {
        self.subjects.get(name).is_some_and(Subject::leaves)
    }

    /// Objects that belong to another application, as this plan has it, or did when it was planned last.
    pub(super) fn held_by_others(looked: &Looked) -> BTreeSet<ResourceKey> {
        let others = looked.plan.skipped.iter().filter(|skipped| skipped.reason == SkipReason::NotOurs);
        let others = others.map(|skipped| &skipped.key).filter(|key| looked.desired.get(key).is_some());
        others.chain(looked.ledger.inventory.receiving.keys()).cloned().collect()
    }

    /// Which of these objects are given to an application, and who must be looked at first to know of the others.
    pub(super) fn given(
        &self,
        taker: &Subject,
        keys: &BTreeSet<ResourceKey>,
    ) -> (BTreeMap<ResourceKey, Handover>, BTreeSet<Arc<str>>) {
        let (mut given, mut awaited) = (BTreeMap::new(), BTreeSet::new());
        for key in keys.iter().filter(|key| taker.declares.contains(key)) {
            let Some((live, giver)) = self.holder_of(taker, key) else { continue };
            match giver.gives(key, live) {
                Some(handover) => drop(given.insert(key.clone(), handover)),
                None => drop(awaited.insert(Arc::clone(giver.application.name()))),
            }
        }
        (given, awaited)
    }

    /// The other application of the same installation and cluster that holds an object.
    fn holder_of(&self, taker: &Subject, key: &ResourceKey) -> Option<(&Resource, &Subject)> {
        let cluster = &taker.application.cluster;
        let Live::Present(live) = self.clusters.get(cluster)?.cache.as_ref()?.live.get(key) else { return None };
        let tracking = Tracking::of(live)?;
        let giver = self.subjects.get(&tracking.app)?;
        let (from, to) = (&giver.application.app.owner, &taker.application.app.owner);
        let is_theirs = from.is(&tracking) && from != to && from.installation == to.installation;
        (is_theirs && giver.application.cluster == *cluster).then_some((live, giver))
    }

    /// Has those looked at that declare objects of an application which is to be deleted.
    pub(super) fn stir_sharing(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get(name).filter(|subject| subject.leaves()) else { return };
        let Some(cluster) = self.clusters.get(&subject.application.cluster) else { return };
        let sharing = subject.declares.iter().filter_map(|key| cluster.declared.get(key)).flatten();
        let sharing: BTreeSet<Arc<str>> = sharing.filter(|other| *other != name).cloned().collect();
        for other in sharing {
            self.stir(&other, Level::Anew, self.settings.gather);
        }
    }

    /// Notes that an application is looked at again once these were.
    pub(super) fn await_all(&mut self, name: &Arc<str>, awaited: BTreeSet<Arc<str>>) {
        for other in awaited {
            self.awaited.entry(other).or_default().insert(Arc::clone(name));
        }
    }

    /// Has those looked at that waited for an application to be judged.
    pub(super) fn stir_awaiting(&mut self, name: &Arc<str>) {
        for other in self.awaited.remove(name).unwrap_or_default() {
            self.stir(&other, Level::Anew, self.settings.gather);
        }
    }

    /// An application is no longer there: nobody waits for it, and it waits for nobody.
    pub(super) fn forget_awaiting(&mut self, name: &str) {
        self.awaited.remove(name);
        self.awaited.retain(|_, waiting| {
            waiting.remove(name);
            !waiting.is_empty()
        });
    }

    /// Strikes out of the ledger what was given away, once the other application has it in its own.
    /// `Some(None)` if that could not be done a moment ago, and is tried again later.
    pub(super) fn store_given(&mut self, name: &Arc<str>) -> Option<Option<(Task, Flight)>> {
        let subject = self.subjects.get(name)?;
        let (ledger, _) = subject.ledger.as_ref()?;
        let recorded = &ledger.inventory.entries;
        if ledger.running.is_some() || subject.application.automation.suspend.is_on() || subject.desired.is_none() {
            return None;
        }
        let (mut taken, mut awaited) = (Vec::new(), BTreeSet::new());
        for (key, entry) in recorded.iter().filter(|(key, _)| !subject.declares.contains(key)) {
            let Some((live, taker)) = self.holder_of(subject, key) else { continue };
            if entry.uid.as_deref() != live.uid() {
                continue;
            }
            match taker.has_taken(key, live) {
                true => taken.push(key.clone()),
                false => drop(awaited.insert(Arc::clone(taker.application.name()))),
            }
        }
        let mut ledger = ledger.clone();
        let (at, key) = (subject.store_at, subject.application.app.ledger_key());
        let cluster = Arc::clone(&subject.application.cluster);
        self.await_all(name, awaited);
        if taken.is_empty() {
            return None;
        }
        if at > self.now {
            return Some(None);
        }
        ledger.inventory.entries.retain(|key, _| !taken.contains(key));
        let write = ledger.write(&key).ok()?;
        Some(Some((
            Task::Store { cluster, write: Box::new(write) },
            Flight::Store(Arc::clone(name), Stored::default()),
        )))
    }
}

impl Subject {
    /// Whether, and as what, this application gives an object that it holds to another one. It must be known what it
    /// wants, all of it, and nothing must be under way.
    fn gives(&self, key: &ResourceKey, live: &Resource) -> Option<Handover> {
        let (ledger, damage) = self.ledger.as_ref()?;
        let (_, desired) = self.desired.as_ref()?;
        let wants = desired.declared.contains_key(key) || desired.completeness == Completeness::Partial;
        if self.is_running() || damage.is_some() || (!self.leaves() && (wants || !self.is_loaded())) {
            return None;
        }
        let entry = ledger.inventory.get(key).filter(|entry| entry.uid.is_some() && entry.uid.as_deref() == live.uid());
        let entry = entry.cloned().unwrap_or_else(|| unrecorded(live, &self.application.app.owner, &ledger.inventory));
        Some(Handover::new(&self.application.app.owner, ledger.inventory.managers.iter().cloned(), entry))
    }

    /// Whether this application has recorded that it holds an object.
    fn has_taken(&self, key: &ResourceKey, live: &Resource) -> bool {
        let recorded = self.ledger.as_ref().and_then(|(ledger, _)| ledger.inventory.get(key));
        recorded.is_some_and(|entry| entry.uid.is_some() && entry.uid.as_deref() == live.uid())
    }
}

/// What is said of an object that carries a tracking id, and that no inventory has: that it may have been there before.
fn unrecorded(live: &Resource, owner: &Owner, inventory: &Inventory) -> Entry {
    let created = diff::created_as(live, &owner.manager(), inventory).is_some();
    let standing = if created && inventory.trust == Trust::Lost { Standing::Rebuilt } else { Standing::Adopted };
    Entry::held(standing, live.uid().unwrap_or_default(), live.version(), 0)
}
