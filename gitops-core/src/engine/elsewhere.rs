//! What other applications of a cluster have to do with what one no longer wants. Rules 28 and 31 of the exact rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::plan::{defines, is_container};
use crate::resource::{GroupKind, ResourceKey};
use crate::state::{Live, Tracking};

use super::cache::Cache;
use super::subject::Subject;
use super::{ClusterState, Engine};

/// What the plan of an application must know of the others.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// What it does not declare any more, or does not declare yet, and others do.
    pub(super) declared: BTreeMap<ResourceKey, Arc<str>>,
    /// The namespaces and CRDs that may go, and who has objects in them.
    pub(super) lived_in: BTreeMap<ResourceKey, Arc<str>>,
    /// Why it is not known what others declare, if it is not.
    pub(super) unasked: Option<Arc<str>>,
}

impl Engine {
    pub(super) fn elsewhere(&self, subject: &Subject) -> Elsewhere {
        let name = subject.application.name();
        let Some(cluster) = self.clusters.get(&subject.application.cluster) else { return Elsewhere::default() };
        let claimed = cluster.cache.iter().flat_map(|cache| cache.claimed(name));
        let recorded = subject.ledger.iter().flat_map(|(ledger, _)| ledger.inventory.entries.keys());
        let all = subject.wants_nothing();
        let (mut elsewhere, mut may_go) = (Elsewhere::default(), all);
        for key in claimed.chain(recorded) {
            let mut declaring = cluster.declared.get(key).into_iter().flatten();
            if let Some(other) = declaring.find(|other| *other != name && !self.is_leaving(other)) {
                elsewhere.declared.insert(key.clone(), Arc::clone(other));
            }
            if all || !subject.declares.contains(key) {
                may_go = true;
                elsewhere.lived_in.extend(self.tenant(name, key, cluster).map(|tenant| (key.clone(), tenant)));
            }
        }
        if may_go {
            elsewhere.unasked = self.who_may_declare(subject, cluster);
        }
        elsewhere
    }

    /// Another application that declares, records or claims something in a namespace, or of the kind of a CRD.
    fn tenant(&self, name: &Arc<str>, container: &ResourceKey, cluster: &ClusterState) -> Option<Arc<str>> {
        let cache = cluster.cache.as_ref().filter(|_| is_container(container))?;
        let is_other = |other: &&Arc<str>| *other != name && cluster.apps.contains(*other) && !self.is_leaving(other);
        let has_any = |other: &&Arc<str>, kind: &GroupKind| {
            self.subjects.get(*other).is_some_and(|other| other.kinds.contains(kind))
        };
        let (known, claimed) = if container.is("", "Namespace") {
            let known = cluster.places.get(&Some(Arc::clone(&container.name))).into_iter().flatten().find(is_other);
            (known, claimants(cache, cache.kinds.iter(), Some(&container.name)))
        } else {
            let Live::Present(definition) = cache.live.get(container) else { return None };
            let kind = defines(definition)?;
            let known = cluster.apps.iter().filter(is_other).find(|other| has_any(other, &kind));
            (known, claimants(cache, [&kind], None))
        };
        known.cloned().or_else(|| claimed.into_iter().find(|other| is_other(&other)))
    }
}

/// Whose tracking ids objects of some kinds carry, in one namespace or anywhere.
fn claimants<'k>(
    cache: &Cache,
    kinds: impl IntoIterator<Item = &'k GroupKind>,
    namespace: Option<&Arc<str>>,
) -> BTreeSet<Arc<str>> {
    let mut claimants = BTreeSet::new();
    for kind in kinds {
        let within = namespace.into_iter().flat_map(|namespace| cache.live.objects_in(kind, namespace));
        let anywhere = namespace.is_none().then(|| cache.live.objects_of(kind)).into_iter().flatten();
        claimants.extend(within.chain(anywhere).filter_map(|object| Some(Tracking::of(object)?.app)));
    }
    claimants
}
