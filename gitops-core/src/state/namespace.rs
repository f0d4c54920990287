//! The namespace of an application, beside what its source declares.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::{self, CreateNamespace, NamespaceMetadata};
use crate::problem::Severity;
use crate::resource::{Resource, ResourceKey};
use crate::value::Draft;

use super::{Declared, DesiredState};

impl DesiredState {
    /// Adds the namespace `name`, where the policy wants it and nothing declares it.
    ///
    /// It is planned like any other object: what lives in it waits for it, hooks included. Where the policy has nothing
    /// to say of its labels and annotations, one that is there is left alone.
    #[must_use]
    pub fn with_namespace(mut self, name: &str, create: &CreateNamespace) -> Self {
        let bare = NamespaceMetadata::default();
        let metadata = match create {
            CreateNamespace::Never => return self,
            CreateNamespace::IfMissing => &bare,
            CreateNamespace::Managed(metadata) => metadata,
        };
        if self.declared.contains_key(&ResourceKey::new("", "Namespace", None, name)) {
            return self;
        }
        // A name that is no name is refused by the cluster, with the reason.
        let Ok(resource) = Resource::new(namespace(name, metadata).freeze()) else { return self };
        let (mut options, problems) = policy::options(&resource);
        options.inherit(&self.inherited);
        options.create_only |= *create == CreateNamespace::IfMissing;
        let key = resource.key().clone();
        if problems.iter().any(|problem| problem.severity == Severity::Blocks) {
            self.hold_back(&key);
        }
        self.problems.extend(problems.into_iter().map(|problem| problem.of(&key)));
        self.problems.sort();
        self.declared.insert(key.clone(), Declared { resource, origin: None, options, lines: BTreeMap::new() });
        self.made_namespace = Some(key);
        self
    }
}

fn namespace(name: &str, metadata: &NamespaceMetadata) -> Draft {
    let mut namespace = Draft::map();
    namespace.set("apiVersion", "v1");
    namespace.set("kind", "Namespace");
    let own = namespace.entry("metadata");
    own.set("name", name);
    let mut fill = |field: &str, texts: &BTreeMap<Arc<str>, Arc<str>>| {
        for (name, text) in texts {
            own.entry(field).set(name, &**text);
        }
    };
    fill("labels", &metadata.labels);
    fill("annotations", &metadata.annotations);
    namespace
}
