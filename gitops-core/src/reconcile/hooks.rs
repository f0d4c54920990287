//! What is known of the objects of hooks, for the plan.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::{Cluster, Interest};
use crate::diff;
use crate::plan::{HookObjects, SkipReason, is_container};
use crate::resource::{GroupKind, ResourceKey};
use crate::state::{HookResult, Live};
use crate::sync::{Ledger, Record};

use super::{App, Looked};

/// Returns the objects that hooks of earlier operations left, but those of kinds that are listed anyway.
pub(super) fn left(ledger: &Ledger, listed: &BTreeSet<GroupKind>) -> BTreeSet<ResourceKey> {
    let running = ledger.running.iter().flat_map(Record::hook_objects).cloned();
    let known = ledger.hooks.iter().map(|hook| &hook.object);
    running.chain(known.filter(|key| !listed.contains(&*key.group_kind)).cloned()).collect()
}

impl Looked {
    /// The operation that was under way for what is wanted now, and goes on. One on a part of the application is one of
    /// its own.
    pub(super) fn going_on(&self, app: &App) -> Option<&Record> {
        let record = self.ledger.running.as_ref()?;
        record.is_for(&self.desired, &app.request).then_some(record)
    }

    /// Where the names of hooks could not be listed, looks at them one by one: that may be allowed.
    pub(super) async fn read_hooks(&mut self, app: &App, cluster: &dyn Cluster) {
        let unread = self.unread_hooks(app);
        if unread.is_empty() {
            return;
        }
        // What cannot be read stays unread, and the plan says so.
        if let Ok(more) = cluster.observe(&Interest::in_objects(unread)).await {
            self.live.merge(more.live);
        }
    }

    /// Whether the cluster has to be asked before what is planned of hooks can be trusted: something that no list shows
    /// holds one back, or may have been left by one; or a namespace or CRD stands where one runs, and what is in it is to
    /// be told. A hook that is not to run asks nothing.
    pub(super) fn asks_for_hooks(&self, app: &App) -> bool {
        let is_held = |key: &ResourceKey| {
            self.plan.skipped.iter().any(|skipped| skipped.key == *key && skipped.reason == SkipReason::Unknown)
        };
        let ran = self.ran(app);
        self.names(&ran).any(|key| match self.live.get(key) {
            Live::Present(_) => is_container(key),
            _ => self.is_unread(key) && (self.desired.get(key).is_none() || is_held(key)),
        })
    }

    fn unread_hooks(&self, app: &App) -> BTreeSet<ResourceKey> {
        let ran = self.ran(app);
        self.names(&ran).filter(|key| self.is_unread(key)).cloned().collect()
    }

    fn is_unread(&self, key: &ResourceKey) -> bool {
        matches!(self.live.get(key), Live::Unreadable(_) | Live::NotLooked | Live::MetadataOnly(_))
    }

    /// Gathers what stands where hooks run, and what earlier operations left of hooks.
    pub(super) fn hook_objects(&self, app: &App) -> HookObjects {
        let context = app.context(&self.model, &self.ledger.inventory);
        let mut objects = HookObjects::default();
        objects.ran = self.ran(app);
        objects.seen = diff::standing(self.names(&objects.ran), &self.desired, &self.live, &context);
        objects.resumed = self.going_on(app).map(|Record::V1(running)| Arc::from(running.operation.as_str()));
        objects
    }

    /// What earlier operations ran, and has not been seen to be gone.
    fn ran(&self, app: &App) -> Vec<HookResult> {
        self.ledger.left_by_hooks(self.going_on(app).is_some(), &self.live)
    }

    fn names<'a>(&'a self, ran: &'a [HookResult]) -> impl Iterator<Item = &'a ResourceKey> {
        let hooks = self.desired.declared.iter().filter(|(_, declared)| declared.options.hook.is_some());
        let named = hooks.filter(|(_, declared)| declared.resource.generate_name().is_none()).map(|(key, _)| key);
        named.chain(ran.iter().map(|ran| &ran.object))
    }
}
