//! What follows from a deletion, and CRDs that start and stop serving their kind: the controllers no cluster is
//! without.

use std::collections::BTreeSet;

use crate::model::KindFacts;
use crate::resource::{GroupKind, Propagation, Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::aggregate;
use super::crd;
use super::delete::{FOREGROUND, ORPHAN};
use super::prepare;
use super::server::ApiServer;
use super::settle::MANAGER;
use super::store::owners;

/// Holds a CRD until its custom resources are gone.
pub(super) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Objects that controllers have not looked at since they, or what they depend on, changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    pub(super) lifecycle: BTreeSet<ResourceKey>,
    pub(super) workloads: BTreeSet<ResourceKey>,
    /// Workloads that wait for time to pass.
    pub(super) waiting: BTreeSet<ResourceKey>,
}

impl ApiServer {
    /// Carries deletions to their end and lets CRDs serve their kind, as far as nothing holds them.
    ///
    /// Garbage collector: objects whose owners are all gone are deleted; an owner deleted in the foreground goes after
    /// its blocking dependents; orphans forget their owner. Namespaces take their content with them, CRDs their custom
    /// resources. ClusterRoles get the rules of those they select. Rule: Kubernetes, "Garbage Collection", "Finalizers".
    pub fn collect(&mut self, now: Timestamp) {
        while let Some(key) = self.queues.lifecycle.pop_first() {
            if aggregate::concerns(&key) {
                self.aggregate_roles(now);
            }
            if let Some(object) = self.store.get(&key).cloned() {
                self.carry(&object, now);
            }
        }
    }

    /// Remembers who has to look at a change: the object itself, its owners, its dependents, and what holds it all.
    pub(super) fn notice(&mut self, before: Option<&Resource>, after: Option<&Resource>) {
        let mut keys = BTreeSet::new();
        for object in before.into_iter().chain(after) {
            keys.insert(object.key().clone());
            keys.extend(owners(object).filter_map(|owner| Some(self.store.by_uid(owner)?.key().clone())));
        }
        let ends = after.is_none_or(Resource::is_terminating);
        if let (true, Some(object)) = (ends, before.or(after)) {
            let dependents = object.uid().map(|uid| self.store.dependents(uid)).unwrap_or_default();
            keys.extend(dependents.iter().map(|dependent| dependent.key().clone()));
            if let Some(namespace) = &object.key().namespace {
                keys.insert(ResourceKey::new("", "Namespace", None, namespace));
            }
            if let KindFacts::Served(kind) = self.model.kind(&object.key().group_kind)
                && prepare::is_custom(&kind)
            {
                let name = format!("{}.{}", kind.plural, kind.group_kind.group);
                keys.insert(ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, &name));
            }
        }
        self.queues.workloads.extend(keys.iter().cloned());
        // Not `append`: that walks the whole queue each time.
        self.queues.lifecycle.extend(keys);
    }

    fn carry(&mut self, object: &Resource, now: Timestamp) {
        match (object.key().group(), object.key().kind()) {
            ("", "Namespace") if object.is_terminating() => self.empty_namespace(object, now),
            ("", "Namespace") => self.furnish_namespace(object, now),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => self.serve(object, now),
            ("", "PersistentVolumeClaim") if object.is_terminating() => self.release(object, prepare::CLAIM),
            ("", "PersistentVolume") if object.is_terminating() => self.release(object, prepare::VOLUME),
            _ => {}
        }
        let Some(object) = self.store.get(object.key()).cloned() else { return };
        if object.is_terminating() {
            self.end(&object, now);
        }
        let Some(object) = self.store.get(object.key()).cloned() else { return };
        if owners(&object).next().is_some() {
            self.check_owners(&object, now);
        }
    }

    /// Takes the garbage collector's own finalizers off a terminating owner, when their time has come.
    fn end(&mut self, owner: &Resource, now: Timestamp) {
        let Some(uid) = owner.uid() else { return };
        let dependents = self.store.dependents(uid);
        if holds(owner, ORPHAN) {
            for dependent in &dependents {
                self.forget_owners(dependent, &[uid.to_owned()], now);
            }
            self.release(owner, ORPHAN);
        } else if holds(owner, FOREGROUND) {
            let mut blocked = false;
            for dependent in dependents {
                let reference = references(&dependent).into_iter().find(|reference| reference.text("uid") == uid);
                let blocks = reference.is_some_and(|reference| blocks(&reference));
                self.check_owners(&dependent, now);
                blocked |= blocks && self.store.get(dependent.key()).is_some();
            }
            if !blocked {
                self.release(owner, FOREGROUND);
            }
        }
    }

    /// Deletes a dependent that has no owner left, or only owners that wait for it.
    fn check_owners(&mut self, object: &Resource, now: Timestamp) {
        let (mut solid, mut waiting, mut dangling) = (0, Vec::new(), Vec::new());
        for reference in references(object) {
            let uid = reference.text("uid").to_owned();
            match self.owner(object, &reference) {
                Some(owner) if owner.is_terminating() && holds(owner, FOREGROUND) => waiting.push(uid),
                Some(_) => solid += 1,
                None => dangling.push(uid),
            }
        }
        let nobody = waiting.is_empty() && dangling.is_empty();
        if nobody || object.is_terminating() {
            return;
        }
        if solid > 0 {
            dangling.append(&mut waiting);
            self.forget_owners(object, &dangling, now);
            return;
        }
        let dependents = object.uid().map(|uid| self.store.dependents(uid)).unwrap_or_default();
        let propagation = match (waiting.is_empty(), dependents.is_empty()) {
            (false, false) => Propagation::Foreground,
            _ => Propagation::Background,
        };
        // Rule: `attemptToDeleteItem` of the garbage collector takes this for a circle of owners, which would wait for
        // each other for ever.
        let waits = |dependent: &Resource| dependent.is_terminating() && holds(dependent, FOREGROUND);
        if propagation == Propagation::Foreground && dependents.iter().any(waits) {
            self.unblock_owners(object, now);
        }
        let Some(object) = self.store.get(object.key()).cloned() else { return };
        self.delete_now(&object, propagation, now);
    }

    /// The owner a reference means: by uid, and where the dependent may have one. A namespaced object may be owned by
    /// one of its namespace or of the cluster, a cluster-scoped one only by the latter.
    fn owner(&self, dependent: &Resource, reference: &Draft) -> Option<&Resource> {
        let owner = self.store.by_uid(reference.text("uid"))?;
        let key = owner.key();
        let near = key.namespace.is_none() || key.namespace == dependent.key().namespace;
        (near && key.kind() == reference.text("kind") && *key.name == *reference.text("name")).then_some(owner)
    }

    fn forget_owners(&mut self, object: &Resource, uids: &[String], now: Timestamp) {
        let uids: BTreeSet<&str> = uids.iter().map(String::as_str).collect();
        let mut kept = references(object);
        kept.retain(|reference| !uids.contains(reference.text("uid")));
        let edited = object.edit(|draft| {
            let metadata = draft.entry("metadata");
            if kept.is_empty() {
                drop(metadata.remove("ownerReferences"));
            } else {
                metadata.set("ownerReferences", kept);
            }
        });
        if let Ok(edited) = edited {
            self.update(&edited, MANAGER, now);
        }
    }

    /// Lets no owner wait for this object any more.
    fn unblock_owners(&mut self, object: &Resource, now: Timestamp) {
        let mut references = references(object);
        for reference in references.iter_mut().filter(|reference| blocks(reference)) {
            reference.set("blockOwnerDeletion", false);
        }
        if let Ok(edited) = object.edit(|draft| draft.entry("metadata").set("ownerReferences", references)) {
            self.update(&edited, MANAGER, now);
        }
    }

    /// Takes a finalizer off, which may end the object.
    fn release(&mut self, object: &Resource, finalizer: &str) {
        let Some(live) = self.store.get(object.key()).filter(|live| holds(live, finalizer)) else { return };
        let edited = live.edit(|draft| {
            let metadata = draft.entry("metadata");
            if let Some(Draft::List(names)) = metadata.get_mut("finalizers") {
                names.retain(|name| name.as_str() != Some(finalizer));
                if names.is_empty() {
                    drop(metadata.remove("finalizers"));
                }
            }
        });
        let Ok(edited) = edited else { return };
        if prepare::may_go(&edited) {
            self.erase(edited.key());
        } else {
            self.store(&edited);
        }
    }

    /// Lets a CRD serve its kind; deletes the custom resources of a terminating one.
    fn serve(&mut self, definition: &Resource, now: Timestamp) {
        if definition.is_terminating() {
            let spec = |path: &[&str]| definition.tree().dig(path).and_then(ValueRef::as_str).unwrap_or_default();
            let kind = GroupKind::new(spec(&["spec", "group"]), spec(&["spec", "names", "kind"]));
            let objects: Vec<Resource> = self.store.of_kind(&kind, None).into_iter().cloned().collect();
            for object in objects.iter().filter(|object| !object.is_terminating()) {
                self.delete_now(object, Propagation::Background, now);
            }
            if self.store.of_kind(&kind, None).is_empty() {
                self.release(definition, CLEANUP);
            }
            return;
        }
        if crd::is_established(definition) {
            return;
        }
        if let Ok(edited) = definition.edit(|draft| draft.set("status", crd::accepted(definition, now))) {
            self.update_status(&edited, "kube-apiserver", now);
        }
    }
}

fn holds(object: &Resource, finalizer: &str) -> bool {
    let names = object.tree().dig(&["metadata", "finalizers"]).and_then(ValueRef::as_list);
    names.into_iter().flatten().any(|name| name.as_str() == Some(finalizer))
}

fn references(object: &Resource) -> Vec<Draft> {
    let list = object.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list);
    list.into_iter().flatten().map(ValueRef::to_draft).collect()
}

fn blocks(reference: &Draft) -> bool {
    reference.get("blockOwnerDeletion") == Some(&Draft::Bool(true))
}
