use std::sync::Arc;

use crate::cluster::Cluster;
use crate::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use crate::source::{RevisionId, Source};
use crate::time::Timestamp;

use super::{ClusterFixture, SourceFixture};

#[derive(Debug)]
struct InMemory<T>(T);

impl SourceFixture for InMemory<MemorySource> {
    fn source(&self) -> &dyn Source {
        &self.0
    }

    fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> RevisionId {
        self.0.commit("Ann <ann@example.org>", Timestamp::EPOCH, message, files.iter().copied())
    }
}

impl ClusterFixture for InMemory<Arc<dyn Cluster>> {
    fn cluster(&self) -> &dyn Cluster {
        &*self.0
    }

    fn namespace(&self) -> &str {
        "default"
    }
}

#[test]
fn the_source_in_memory_keeps_every_promise() {
    ready(super::source(&InMemory(MemorySource::default()))).unwrap().unwrap();
}

#[test]
fn the_cluster_in_memory_keeps_every_promise_and_nothing_stays() {
    let cluster = MemoryCluster::new(1, VirtualTime::default());
    // What controllers put into every namespace is there from the start.
    cluster.with_server(|server| server.settle(cluster.now()));
    let before = cluster.with_server(|server| server.objects().count());
    let port: Arc<dyn Cluster> = Arc::new(cluster.clone());
    ready(super::cluster(&InMemory(port))).unwrap().unwrap();
    assert_eq!(cluster.with_server(|server| server.objects().count()), before);
}

#[test]
fn a_broken_promise_is_told_as_a_sentence() {
    let source = MemorySource::default();
    source.make_unreadable("b");
    let broken = ready(super::source(&InMemory(source))).unwrap().unwrap_err().to_string();
    assert!(broken.contains("\n- a snapshot lists exactly the wanted files: expected "), "{broken}");
}
