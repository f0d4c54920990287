//! The namespace controllers: one furnishes a namespace; one empties it when it ends, says how far it got, and lets go.
//!
//! Rule: Kubernetes 1.36, `pkg/controller/namespace/deletion`; wording as recorded.

use std::collections::BTreeMap;

use crate::model::KindFacts;
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::prepare;
use super::server::ApiServer;
use super::settle::{MANAGER, set_condition};

/// What the ConfigMap with the certificate says of itself.
const ROOT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
                    such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
                    distributions of Kubernetes clusters.";

impl ApiServer {
    /// Deletes what is in a terminating namespace, then lets go of it.
    pub(super) fn empty_namespace(&mut self, namespace: &Resource, now: Timestamp) {
        for object in self.inside(namespace).iter().filter(|object| !object.is_terminating()) {
            self.delete_now(object, Propagation::Background, now);
        }
        let left = self.inside(namespace);
        self.tell_what_is_left(namespace, &left, now);
        if !left.is_empty() {
            return;
        }
        let Some(namespace) = self.store.get(namespace.key()) else { return };
        let Ok(edited) = namespace.edit(|draft| drop(draft.entry("spec").remove("finalizers"))) else { return };
        if prepare::may_go(&edited) {
            self.erase(edited.key());
        } else if edited.tree() != namespace.tree() {
            self.store(&edited);
        }
    }

    /// Every namespace has an account for Pods that name none, and the certificate to know the server by.
    ///
    /// The server in memory has no certificate, so that there is none in it.
    pub(super) fn furnish_namespace(&mut self, namespace: &Resource, now: Timestamp) {
        for (kind, name) in [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")] {
            let key = ResourceKey::new("", kind, Some(&*namespace.key().name), name);
            if self.store.get(&key).is_some() {
                continue;
            }
            let mut object = Draft::map();
            object.set("apiVersion", "v1");
            object.set("kind", kind);
            let metadata = object.entry("metadata");
            metadata.set("name", name);
            metadata.set("namespace", &*namespace.key().name);
            if kind == "ConfigMap" {
                metadata.entry("annotations").set("kubernetes.io/description", ROOT);
                object.entry("data").set("ca.crt", "");
            }
            if let Ok(object) = Resource::new(object.freeze()) {
                self.create(&object, MANAGER, now);
            }
        }
    }

    /// The objects in a namespace.
    fn inside(&self, namespace: &Resource) -> Vec<Resource> {
        let name = &namespace.key().name;
        self.store.objects().filter(|object| object.key().namespace.as_ref() == Some(name)).cloned().collect()
    }

    fn tell_what_is_left(&mut self, namespace: &Resource, left: &[Resource], now: Timestamp) {
        let (mut kinds, mut finalizers) = (BTreeMap::new(), BTreeMap::new());
        for object in left {
            if let KindFacts::Served(kind) = self.model.kind(&object.key().group_kind) {
                *kinds.entry(format!("{}.{} has", kind.plural, kind.group_kind.group)).or_insert(0_usize) += 1;
            }
            let names = object.tree().dig(&["metadata", "finalizers"]).and_then(ValueRef::as_list);
            for name in names.into_iter().flatten().filter_map(ValueRef::as_str) {
                *finalizers.entry(format!("{name} in")).or_insert(0_usize) += 1;
            }
        }
        let counted = |found: BTreeMap<String, usize>| {
            let counts = found.iter().map(|(what, count)| format!("{what} {count} resource instances"));
            counts.collect::<Vec<_>>().join(", ")
        };
        let remaining = match kinds.is_empty() {
            true => ("False", "ContentRemoved", "All content successfully removed".to_owned()),
            false => ("True", "SomeResourcesRemain", format!("Some resources are remaining: {}", counted(kinds))),
        };
        let held = match finalizers.is_empty() {
            true => ("False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned()),
            false => {
                let text = format!("Some content in the namespace has finalizers remaining: {}", counted(finalizers));
                ("True", "SomeFinalizersRemain", text)
            }
        };
        let fine = |reason, message: &str| ("False", reason, message.to_owned());
        let discovered = fine("ResourcesDiscovered", "All resources successfully discovered");
        let parsed = fine("ParsedGroupVersions", "All legacy kube types successfully parsed");
        let deleted = fine("ContentDeleted", "All content successfully deleted, may be waiting on finalization");
        self.set_status(namespace, now, |status| {
            for (name, (value, reason, message)) in [
                ("NamespaceDeletionDiscoveryFailure", discovered),
                ("NamespaceDeletionGroupVersionParsingFailure", parsed),
                ("NamespaceDeletionContentFailure", deleted),
                ("NamespaceContentRemaining", remaining),
                ("NamespaceFinalizersRemaining", held),
            ] {
                set_condition(status, name, value, reason, &message, now);
            }
        });
    }
}
