//! The server, be it a real one or the one in this process, and short forms of what every check does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use gitops_core::cluster::{Cluster, Failure, Force, Interest, Write, WriteOutcome, Written};
use gitops_core::memory::MemoryCluster;
use gitops_core::resource::{Propagation, Resource, ResourceKey};
use gitops_core::state::Live;
use gitops_core::time::{Timer, Timestamp};
use gitops_core::value::Value;
use gitops_kube::control_plane::ControlPlane;
use gitops_kube::memory_server::MemoryServer;
use gitops_kube::{Connection, KubeCluster};
use tokio::sync::Mutex;

/// A check and its name, a sentence.
pub(crate) type Check = (&'static str, fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// Names a check.
#[macro_export]
macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        pub(crate) const CHECKS: &[$crate::world::Check] = &[
            $((stringify!($name), |world| Box::pin($name(world)))),*
        ];
    };
}

/// Time as it passes.
#[derive(Debug)]
pub(crate) struct Clock;

#[async_trait]
impl Timer for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}

/// The server. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// For checks that stop and start it.
    server: Server,
    /// As somebody who may do everything.
    pub(crate) cluster: KubeCluster,
}

/// What answers.
#[derive(Clone, Debug)]
enum Server {
    Real(Arc<Mutex<ControlPlane>>),
    InProcess(MemoryServer),
}

impl World {
    pub(crate) async fn real(plane: ControlPlane) -> Self {
        let cluster = KubeCluster::connect(&plane.admin()).await.unwrap();
        Self { server: Server::Real(Arc::new(Mutex::new(plane))), cluster }
    }

    pub(crate) async fn in_process() -> Self {
        let server = MemoryServer::new(MemoryCluster::new(1, Clock)).unwrap();
        let cluster = KubeCluster::connect(&Connection::in_process(&server)).await.unwrap();
        Self { server: Server::InProcess(server), cluster }
    }

    /// As somebody who may do what roles say.
    pub(crate) async fn user(&self, name: &str) -> KubeCluster {
        let connection = match &self.server {
            Server::Real(plane) => plane.lock().await.user(name),
            Server::InProcess(server) => Connection::in_process(server).as_user(name, ["system:authenticated"]),
        };
        KubeCluster::connect(&connection).await.unwrap()
    }

    /// The same server, asked by somebody else.
    pub(crate) fn through(self, cluster: KubeCluster) -> Self {
        Self { cluster, ..self }
    }

    /// The server is killed. What it holds stays.
    pub(crate) async fn kill(&self) {
        match &self.server {
            Server::Real(plane) => plane.lock().await.kill_api_server(),
            Server::InProcess(server) => server.go_away(),
        }
    }

    /// The server is started again.
    pub(crate) async fn restart(&self) {
        match &self.server {
            Server::Real(plane) => plane.lock().await.start_api_server().await.unwrap(),
            Server::InProcess(server) => server.come_back(),
        }
    }

    /// Breaks off all watches; only in this process.
    pub(crate) fn cut_watches(&self) {
        self.in_memory().cut_watches();
    }

    /// Forgets what happened before now; only in this process.
    pub(crate) fn forget_history(&self) {
        self.in_memory().cluster().with_server(|server| server.forget_history());
    }

    /// Lets nobody in who shows the token of before; only in this process.
    pub(crate) fn expire_token(&self) {
        self.in_memory().expire_token().unwrap();
    }

    fn in_memory(&self) -> &MemoryServer {
        match &self.server {
            Server::InProcess(server) => server,
            Server::Real(_) => panic!("a real server cannot be asked for this"),
        }
    }

    pub(crate) async fn namespace(&self, name: &str) {
        let namespace = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}"#);
        self.apply(&object(&namespace), "checks").await;
    }

    pub(crate) async fn apply(&self, wanted: &Resource, manager: &str) -> Written {
        self.cluster.write(&Write::apply(wanted, manager, Force::No)).await.unwrap()
    }

    /// Tries a write, and tells what became of it.
    pub(crate) async fn try_write(&self, write: &Write) -> Result<WriteOutcome, Failure> {
        self.cluster.write(write).await.map(|written| written.outcome).map_err(|error| error.failure)
    }

    /// Tries to apply as `checks`.
    pub(crate) async fn try_apply(&self, wanted: &Resource) -> Result<WriteOutcome, Failure> {
        self.try_write(&Write::apply(wanted, "checks", Force::No)).await
    }

    pub(crate) async fn delete(&self, key: &ResourceKey, version: &str) {
        self.cluster.write(&Write::delete(key, version, Propagation::Background)).await.unwrap();
    }

    /// The object as it is now.
    pub(crate) async fn live(&self, key: &ResourceKey) -> Option<Resource> {
        let seen = self.cluster.observe(&Interest::in_objects([key.clone()])).await.unwrap();
        match seen.live.get(key) {
            Live::Present(object) => Some(object.clone()),
            Live::Absent => None,
            other => panic!("{key} is {other:?}"),
        }
    }
}

/// Tries again and again until something is so: what controllers and caches of the server do takes a moment.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    for _ in 0..300 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("waited 30 s in vain until {what}");
}

/// A ConfigMap with one datum.
pub(crate) fn config_map(namespace: &str, name: &str, datum: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"{namespace}"}},
            "data":{{"a":"{datum}"}}}}"#
    ))
}

/// Reads an object from JSON.
pub(crate) fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}
