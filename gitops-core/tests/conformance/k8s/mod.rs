//! What a real API server answered, against the one in memory.

mod answers;
mod before;
mod errors;
mod http;
mod kubectl;
mod names;
mod sequences;
mod steps;
mod wire;

pub(crate) use errors::errors;
pub(crate) use kubectl::kubectl;
pub(crate) use sequences::{ownership, ssa_sequences};
pub(crate) use steps::{delete, list, watch};

use std::path::Path;

use gitops_core::memory::ApiServer;
use gitops_core::resource::{Resource, ResourceKey};
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
    Some(server)
}

fn add_namespace(server: &mut ApiServer, name: &str) {
    let namespace = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    server.create(&Resource::from_typed(&namespace).unwrap(), "python-requests", start());
    // What controllers put into a namespace is as old as that.
    server.collect(start());
}

/// A kind that another recording had left: as Widget, by another name. The list of all kinds has it.
fn add_gizmo(server: &mut ApiServer) {
    let widget = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, "widgets.wl.example.com");
    let Some(widget) = server.get(&widget) else { return };
    let gizmo = serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gizmos.wl.example.com"},
        "spec": json(widget)["spec"],
    });
    let gizmo = gizmo.to_string().replace("widget", "gizmo").replace("Widget", "Gizmo");
    let gizmo: Value = serde_json::from_str(&gizmo).unwrap();
    server.create(&Resource::from_typed(&gizmo).unwrap(), "recorder", start());
    server.collect(start());
}

fn json(object: &Resource) -> Value {
    serde_json::to_value(object.expose()).unwrap()
}
