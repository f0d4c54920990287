//! The port over all this.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use gitops_core::cluster::{Changes, Cluster, ClusterError, Cursor, Interest, Observed, Write, Written};
use gitops_core::model::ApiModel;
use gitops_core::resource::GroupKind;
use tokio::sync::Mutex;

use crate::changes::{Feeds, changed};
use crate::connect::{ConnectError, Connection};
use crate::discover::{Kind, Served};
use crate::learn::Learnt;
use crate::observe::observe;
use crate::seen::Seen;
use crate::talk::Talk;
use crate::write::write;

/// A Kubernetes cluster over its API server. Clones share it.
///
/// It runs on a tokio runtime: everything it does is done within one.
///
/// ```no_run
/// use gitops_core::cluster::{Cluster, Interest};
/// use gitops_core::resource::ResourceKey;
/// use gitops_kube::{Connection, KubeCluster};
///
/// # async fn look() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = KubeCluster::connect(&Connection::of_context("staging")).await?;
/// let web = ResourceKey::new("apps", "Deployment", "shop", "web");
/// let seen = cluster.observe(&Interest::in_objects([web.clone()])).await?;
/// println!("{:?}", seen.live.get(&web));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KubeCluster(Arc<Shared>);

/// What the parts of a cluster share.
pub(crate) struct Shared {
    pub(crate) talk: Talk,
    pub(crate) seen: Seen,
    pub(crate) feeds: Feeds,
    /// As [`Learnt`] has it, for all who need not wait for it.
    served: RwLock<Arc<Served>>,
    learnt: Mutex<Learnt>,
}

impl KubeCluster {
    /// Sets up a client. Nothing is sent yet, so that a cluster that is away is told by the first question to it.
    ///
    /// # Errors
    /// When it is not known how to reach the cluster.
    pub async fn connect(connection: &Connection) -> Result<Self, ConnectError> {
        let talk = Talk::open(connection).await?;
        Ok(Self(Arc::new(Shared {
            talk,
            seen: Seen::default(),
            feeds: Feeds::default(),
            served: RwLock::default(),
            learnt: Mutex::default(),
        })))
    }

    /// Returns how it is reached.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.0.talk.connection()
    }

    #[cfg(feature = "controller")]
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        let mut learnt = self.0.learnt.lock().await;
        let model = learnt.model(&self.0.talk, kinds).await;
        self.0.publish(&learnt);
        model
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        observe(&self.0, interest).await
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        changed(&self.0, interest, after).await
    }

    async fn write(&self, of: &Write) -> Result<Written, ClusterError> {
        write(&self.0, of).await
    }
}

impl Shared {
    /// Returns whether a kind is served, as was said last.
    pub(crate) fn known(&self, kind: &GroupKind) -> Kind {
        self.snapshot().kind(kind)
    }

    /// Returns what is served; asks anew where one of these kinds is not.
    pub(crate) async fn served<'k>(
        &self,
        kinds: impl IntoIterator<Item = &'k GroupKind>,
    ) -> Result<Arc<Served>, ClusterError> {
        let served = self.snapshot();
        if kinds.into_iter().all(|kind| matches!(served.kind(kind), Kind::Served(_))) {
            return Ok(served);
        }
        self.refreshed().await
    }

    /// Asks what is served now.
    pub(crate) async fn refreshed(&self) -> Result<Arc<Served>, ClusterError> {
        let mut learnt = self.learnt.lock().await;
        learnt.refresh(&self.talk).await?;
        self.publish(&learnt);
        Ok(Arc::clone(&learnt.served))
    }

    fn snapshot(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, learnt: &Learnt) {
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&learnt.served);
    }
}

impl fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KubeCluster({})", self.connection())
    }
}
