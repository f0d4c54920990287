//! The promises of every cluster.

use gitops_core::cluster::Cluster;
use gitops_core::contract::{self, ClusterFixture};
use gitops_kube::KubeCluster;

use crate::checks;
use crate::world::World;

checks!(it_keeps_every_promise_of_a_cluster);

#[derive(Debug)]
struct Fixture(KubeCluster);

impl ClusterFixture for Fixture {
    fn cluster(&self) -> &dyn Cluster {
        &self.0
    }

    fn namespace(&self) -> &str {
        "contract"
    }
}

async fn it_keeps_every_promise_of_a_cluster(world: World) {
    world.namespace("contract").await;
    contract::cluster(&Fixture(world.cluster)).await.unwrap();
}
