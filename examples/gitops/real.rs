//! A real cluster, and time as it passes.

use async_trait::async_trait;
use gitops_core::time::{Timer, Timestamp};
use gitops_kube::{Connection, KubeCluster};
use tokio::runtime::{Builder, Runtime};

use crate::Failure;
use crate::clock::machine_time;

/// A real cluster, and what waits for it.
#[derive(Debug)]
pub(crate) struct Real {
    pub(crate) cluster: KubeCluster,
    pub(crate) clock: Clock,
    pub(crate) runtime: Runtime,
}

/// The clock of this machine.
#[derive(Debug)]
pub(crate) struct Clock;

impl Real {
    pub(crate) fn connect(context: Option<&str>) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connection = context.map_or_else(Connection::current, Connection::of_context);
        let cluster = runtime.block_on(KubeCluster::connect(&connection))?;
        Ok(Self { cluster, clock: Clock, runtime })
    }
}

#[async_trait]
impl Timer for Clock {
    fn now(&self) -> Timestamp {
        machine_time()
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}
