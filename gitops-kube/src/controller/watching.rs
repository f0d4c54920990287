//! Watching the resources that declare applications and projects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gitops_core::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{Live, Namespaces};
use tokio::time::sleep;

use super::declared::Declared;
use super::told::{Pending, Told};
use super::{Fenced, GROUP, Settings};
use crate::KubeCluster;

/// How long it is waited after a look that gave nothing.
const PAUSE: Duration = Duration::from_secs(2);

/// What was seen.
pub(super) enum Seen {
    /// All there is.
    All {
        resources: Vec<Resource>,
        /// The kinds that were read completely.
        complete: BTreeSet<GroupKind>,
        /// Kinds of others that cannot be read.
        unreadable: BTreeSet<Arc<str>>,
        /// Why our own cannot.
        trouble: Option<Arc<str>>,
    },
    /// What changed.
    Changes(Changes),
}

/// A look that goes on.
#[derive(Debug)]
pub(super) struct Watching {
    interest: Interest,
    namespace: Arc<str>,
    after: Option<Cursor>,
}

impl Watching {
    pub(super) fn of(settings: &Settings) -> Self {
        let mut interest = Interest::in_kinds(Declared::kinds(settings.argo_cd));
        interest.namespaces = Namespaces::Only([Arc::clone(&settings.namespace)].into());
        Self { interest, namespace: Arc::clone(&settings.namespace), after: None }
    }

    /// Whether a resource is one of those that are watched.
    pub(super) fn is_about(&self, key: &ResourceKey) -> bool {
        key.namespace.as_ref() == Some(&self.namespace) && self.interest.kinds.contains(&*key.group_kind)
    }

    /// Looks at all, or for what changed since.
    pub(super) fn go_on(mut self: Box<Self>, cluster: &Fenced<KubeCluster>) -> Pending<'_> {
        Box::pin(async move {
            let seen = match self.after.clone() {
                None => self.all(cluster).await,
                Some(after) => self.changed(cluster, &after).await,
            };
            if seen.is_err() {
                self.after = None;
                sleep(PAUSE).await;
            }
            Told::Seen(self, seen)
        })
    }

    async fn changed(&mut self, cluster: &Fenced<KubeCluster>, after: &Cursor) -> Result<Seen, ClusterError> {
        match cluster.changed(&self.interest, after).await {
            Ok(changes) => {
                self.after = Some(changes.cursor.clone());
                Ok(Seen::Changes(changes))
            }
            // What was missed is found by looking at all.
            Err(error) if error.failure == Failure::CursorExpired => self.all(cluster).await,
            Err(error) => Err(error),
        }
    }

    async fn all(&mut self, cluster: &Fenced<KubeCluster>) -> Result<Seen, ClusterError> {
        let observed = cluster.observe(&self.interest).await?;
        let (mut complete, mut unreadable, mut trouble) = (BTreeSet::new(), BTreeSet::new(), None);
        for kind in &self.interest.kinds {
            // A name that no object can have: only what was read completely does not have it.
            let nobody = ResourceKey::new(&kind.group, &kind.kind, &*self.namespace, "?");
            let why = match observed.live.get(&nobody) {
                Live::Absent => {
                    complete.insert(kind.clone());
                    continue;
                }
                Live::NotServed if *kind.group != *GROUP => continue,
                Live::NotServed => "is not served; apply the definitions of the custom resources".to_owned(),
                Live::Unreadable(why) => format!("cannot be read: {why}"),
                _ => "was not read".to_owned(),
            };
            let text: Arc<str> = format!("{}.{} {why}", kind.kind, kind.group).into();
            match &*kind.group == GROUP {
                true => trouble = Some(text),
                false => drop(unreadable.insert(text)),
            }
        }
        // Where something is missing, all is read again in a while.
        self.after = trouble.is_none().then_some(observed.cursor);
        if trouble.is_some() {
            sleep(PAUSE).await;
        }
        let resources = observed.live.objects().filter(|resource| self.is_about(resource.key())).cloned().collect();
        Ok(Seen::All { resources, complete, unreadable, trouble })
    }
}
