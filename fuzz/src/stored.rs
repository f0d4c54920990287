//! What was stored and comes back: ledgers, plans, the state of the embedded cluster.

use gitops_core::cluster::Verb;
use gitops_core::memory::ApiServer;
use gitops_core::plan::Plan;
use gitops_core::resource::Resource;
use gitops_core::state::{Live, Owner};
use gitops_core::sync::Ledger;
use gitops_core::value::{Digest, Draft, Purpose};

/// A ledger that reads without a problem is written as one that reads as the same.
pub fn ledger(bytes: &[u8]) {
    let (Ok(text), Ok(owner)) = (std::str::from_utf8(bytes), Owner::new("", "shop")) else { return };
    let key = Ledger::key(&owner, "gitops-system");
    let mut object = Draft::map();
    object.set("apiVersion", "v1");
    object.set("kind", "ConfigMap");
    let metadata = object.entry("metadata");
    metadata.set("name", &*key.name);
    metadata.entry("labels").set("app.kubernetes.io/managed-by", "gitops.rs");
    object.entry("data").set("ledger", text);
    let object = as_stored(object);
    let Ok((read, None)) = Ledger::read(&key, Live::Present(&object)) else { return };
    let write = read.write(&key).map(|write| write.verb);
    let Ok(Verb::Replace { object: written, .. }) = write else { panic!("a stored ledger is replaced: {write:?}") };
    let written = as_stored(written.tree().to_draft());
    assert!(read.is_stored_in(&written), "what was written is what is stored");
    assert_eq!(Ledger::read(&key, Live::Present(&written)), Ok((read, None)));
}

/// An object with what a server adds when it stores it.
fn as_stored(mut object: Draft) -> Resource {
    let metadata = object.entry("metadata");
    metadata.set("uid", "u1");
    metadata.set("resourceVersion", "7");
    match Resource::new(object.freeze()) {
        Ok(object) => object,
        Err(error) => panic!("a ledger is an object: {error}"),
    }
}

/// A plan that reads is stored as one that reads as the same, with the same digest.
pub fn plan(bytes: &[u8]) {
    let Ok(plan) = serde_json::from_slice::<Plan>(bytes) else { return };
    let stored = serde_json::to_vec(&plan).unwrap_or_default();
    let again = serde_json::from_slice::<Plan>(&stored).map_err(|error| error.to_string());
    assert_eq!(again.as_ref().map(Plan::digest), Ok(plan.digest()));
    assert_eq!(again, Ok(plan));
}

/// A state of the embedded cluster that reads is stored as the same bytes ever after.
pub fn cluster_state(bytes: &[u8]) {
    let checksum = Digest::of(Purpose::Content, bytes);
    let header = format!(r#"{{"checksum":"{checksum}","format":"gitops.rs/memory-api-server","version":1}}"#);
    let whole = [header.as_bytes(), b"\n", bytes].concat();
    let Ok(server) = ApiServer::import(&whole).or_else(|_| ApiServer::import(bytes)) else { return };
    let stored = server.export();
    let again = ApiServer::import(&stored).map(|server| server.export());
    assert_eq!(again, Ok(stored));
}
