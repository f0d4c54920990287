//! The cluster that a verb works on, its clock, and how to wait for it.

use std::collections::BTreeSet;
use std::future::Future;

use gitops_core::cluster::Cluster;
use gitops_core::model::ApiModel;
use gitops_core::time::{Timer, Timestamp};

use crate::Failure;
use crate::cli;
#[cfg(feature = "kube")]
use crate::real::Real;
use crate::world::{Access, Embedded, finish};

/// The cluster of one run.
#[derive(Debug)]
pub(crate) enum Site {
    /// In a file of this machine.
    Embedded(Box<Embedded>),
    /// A real one.
    #[cfg(feature = "kube")]
    Real(Box<Real>),
}

impl Site {
    pub(crate) fn open(backend: &cli::Backend, access: Access) -> Result<Self, Failure> {
        match &backend.cluster {
            cli::Cluster::Memory(_) => Ok(Self::Embedded(Box::new(Embedded::open(backend, access)?))),
            #[cfg(feature = "kube")]
            cli::Cluster::Kube(context) => Ok(Self::Real(Box::new(Real::connect(context.as_deref())?))),
            #[cfg(not(feature = "kube"))]
            cli::Cluster::Kube(_) => {
                let text = "this program was built without real clusters";
                Err(format!("{text}; build it with `--features kube`, or use `--cluster memory`").into())
            }
        }
    }

    pub(crate) fn cluster(&self) -> &dyn Cluster {
        match self {
            Self::Embedded(world) => &world.cluster,
            #[cfg(feature = "kube")]
            Self::Real(real) => &real.cluster,
        }
    }

    pub(crate) fn timer(&self) -> &dyn Timer {
        match self {
            Self::Embedded(world) => &world.time,
            #[cfg(feature = "kube")]
            Self::Real(real) => &real.clock,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.timer().now()
    }

    /// Whether its time passes only when something waits for it.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Runs a future that waits for nothing but this cluster and a local repository.
    pub(crate) fn finish<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        match self {
            Self::Embedded(_) => finish(future),
            #[cfg(feature = "kube")]
            Self::Real(real) => Ok(real.runtime.block_on(future)),
        }
    }

    /// Stores what was done, if it is not where it was done.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        match self {
            Self::Embedded(world) => world.save(),
            #[cfg(feature = "kube")]
            Self::Real(_) => Ok(()),
        }
    }

    /// The kinds that are served, for names that people write.
    pub(crate) fn kinds(&self) -> Result<ApiModel, Failure> {
        Ok(self.finish(self.cluster().model(&BTreeSet::new()))??)
    }
}
