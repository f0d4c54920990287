//! What a real API server answered, against the one in memory.

mod http;
mod names;
mod sequences;
mod steps;
mod wire;

pub(crate) use sequences::{ownership, ssa_sequences};
pub(crate) use steps::{delete, list, watch};

use std::path::Path;

use gitops_core::memory::ApiServer;
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use serde_json::Value;

use crate::recording;

/// When every case starts.
fn start() -> Timestamp {
    "2000-01-01T00:00:00Z".parse().unwrap()
}

/// A server with these CRDs and namespaces.
fn server(folder: &Path, crds: &str, namespaces: &[&str]) -> Option<ApiServer> {
    let mut server = ApiServer::new(1);
    for crd in recording(folder, crds)?.as_array().unwrap() {
        let answer = server.create(&Resource::from_typed(crd).unwrap(), "python-requests", start());
        assert!(answer.code == 201 || answer.code == 409, "{answer:?}");
    }
    for namespace in namespaces {
        add_namespace(&mut server, namespace);
    }
    server.collect(start());
    Some(server)
}

fn add_namespace(server: &mut ApiServer, name: &str) {
    let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    server.create(&Resource::from_typed(&namespace).unwrap(), "recorder", start());
}

fn json(object: &Resource) -> Value {
    serde_json::to_value(object.expose()).unwrap()
}
