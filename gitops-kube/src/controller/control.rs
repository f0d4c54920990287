//! The controller: it stands for election, and works while it leads.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gitops_core::cluster::Cluster;
use gitops_core::engine;
use tokio::time::sleep;

use super::campaign::Campaign;
use super::reign::{Reign, Tools};
use super::{Board, Clocks, Election, Fence, Fenced, MachineClocks, Sources, Terms};
use crate::KubeCluster;

/// How often a replica that waits says that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// The namespace of a controller, if nothing else is said.
const NAMESPACE: &str = "gitops-system";

/// What a controller makes of the applications of Argo CD in its namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgoCd {
    /// They are looked at and compared, shown in metrics, and never written, nor what they declare.
    #[default]
    Watched,
    /// They are synced as they say. Two controllers that sync the same undo each other: stop Argo CD's first. On the
    /// resources themselves nothing is written.
    Followed,
    /// They are not looked at.
    Ignored,
}

/// How a controller works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The namespace with the applications and projects, the lease and the ledgers. Default: `gitops-system`.
    pub namespace: Arc<str>,
    /// The name of the installation, by which its objects are told from those of other controllers and programs that work
    /// on the same cluster. Two of one name with applications of one name take each other's objects for their own, and
    /// prune them. Default: none, as the program `gitops` has it; in another namespace than the default one, its name.
    pub installation: Arc<str>,
    /// The name of the lease. Default: `gitops-controller`.
    pub lease: Arc<str>,
    /// What names this run of this replica and no other: its pod, and something random.
    pub identity: Arc<str>,
    /// How long the lease lasts.
    pub terms: Terms,
    /// What is made of applications of Argo CD.
    pub argo_cd: ArgoCd,
    /// How the engine works.
    pub engine: engine::Settings,
}

/// A controller of one cluster: it reads `Application` and `Project` resources, makes the cluster as they say, and says
/// in their status what came of it.
///
/// It runs on a tokio runtime, which should have a thread to spare beside that of the controller: an election is no matter
/// to wait with.
#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    cluster: KubeCluster,
    sources: Arc<dyn Sources>,
    clocks: MachineClocks,
    board: Board,
}

impl Settings {
    /// Begins with the defaults, for a replica of this name.
    #[must_use]
    pub fn new(identity: &str) -> Self {
        Self {
            namespace: NAMESPACE.into(),
            installation: "".into(),
            lease: super::MANAGER.into(),
            identity: identity.into(),
            terms: Terms::default(),
            argo_cd: ArgoCd::default(),
            engine: engine::Settings::default(),
        }
    }

    /// Sets the namespace, and the name of the installation by it.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        let installation = if namespace == NAMESPACE { "" } else { namespace };
        Self { namespace: namespace.into(), installation: installation.into(), ..self }
    }

    /// Sets the name of the installation.
    #[must_use]
    pub fn with_installation(self, installation: &str) -> Self {
        Self { installation: installation.into(), ..self }
    }

    /// Sets how long the lease lasts.
    #[must_use]
    pub fn with_terms(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// Sets what is made of applications of Argo CD.
    #[must_use]
    pub fn with_argo_cd(self, argo_cd: ArgoCd) -> Self {
        Self { argo_cd, ..self }
    }

    /// Sets how the engine works.
    #[must_use]
    pub fn with_engine(self, engine: engine::Settings) -> Self {
        Self { engine, ..self }
    }
}

impl Controller {
    /// Makes a controller of a cluster. Nothing is sent yet.
    #[must_use]
    pub fn new(cluster: KubeCluster, sources: Arc<dyn Sources>, settings: Settings) -> Self {
        Self { settings, cluster, sources, clocks: MachineClocks::default(), board: Board::default() }
    }

    /// Returns what it shows to those who ask.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// Runs until `stop` is ready. What is half done then is done first, and the lease is given back, so that another
    /// replica goes on at once.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let clocks: Arc<dyn Clocks> = Arc::new(self.clocks);
        let fence = Fence::new(Arc::clone(&clocks));
        let Settings { namespace, lease, identity, terms, .. } = &self.settings;
        let election = Election::new(namespace, lease, identity, *terms);
        let unfenced: Arc<dyn Cluster> = Arc::new(self.cluster.clone());
        let campaign = Campaign::begin(unfenced, election, fence.clone(), clocks);
        let cluster = Fenced::new(self.cluster.clone(), fence);
        let mut standing = campaign.standing.clone();
        let mut stop = pin!(stop);
        loop {
            let now = standing.borrow_and_update().clone();
            self.board.beat();
            self.board.stand(now.leads, now.holder.clone());
            self.board.answered(now.trouble.or_else(|| now.holder.is_none().then(|| "nobody leads yet".into())));
            if now.leads {
                let (settings, clock) = (&self.settings, &self.clocks);
                let tools = Tools { settings, cluster: &cluster, clock, sources: &*self.sources, board: &self.board };
                let is_over = Reign::begin(tools).work(standing.clone(), stop.as_mut()).await;
                if is_over {
                    break;
                }
                // Whoever was deposed stands again, with an engine that knows nothing of before.
                continue;
            }
            tokio::select! {
                () = stop.as_mut() => break,
                changed = standing.changed() => if changed.is_err() { break },
                () = sleep(BEAT) => {}
            }
        }
        campaign.retire().await;
        self.board.stand(false, None);
    }
}
