//! A controller that builds its objects in Rust, has no Git, and owns its loop.
//!
//! It keeps one web shop per tenant. The machine says what to do and when to look again; the loop does it, and could
//! as well stop, log, limit or serve other machines in between.
//!
//! ```text
//! $ cargo run -p gitops-examples --example own_controller
//! tenants: ann, bob
//!   Created Namespace shops
//!   Created ConfigMap shops/ann
//!   Created ConfigMap shops/bob
//! tenants: ann, bob, eve
//!   Created ConfigMap shops/eve
//! tenants: bob, eve
//!   Deleted ConfigMap shops/ann
//! tenants: bob, eve
//!   nothing to do
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use gitops_core::cluster::Cluster;
use gitops_core::memory::{MemoryCluster, VirtualTime, ready};
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{App, look, perform};
use gitops_core::resource::{InvalidResource, Resource};
use gitops_core::state::{DesiredState, Owner};
use gitops_core::sync::Event;
use gitops_core::time::Timer;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let time = VirtualTime::starting("2026-03-01T12:00:00Z".parse()?);
    let cluster = MemoryCluster::new(1, time.clone());
    ready(run(&cluster, &time)).ok_or("it waits")?
}

async fn run(cluster: &dyn Cluster, timer: &dyn Timer) -> Result<(), Box<dyn Error>> {
    // A shop that is gone takes its objects with it.
    let policy = SyncPolicy::default().with_prune(Prune::Owned);
    let app = App::new(Owner::new("", "shops")?, "").with_policy(policy).with_initiator("shop-controller");
    for tenants in [&["ann", "bob"][..], &["ann", "bob", "eve"], &["bob", "eve"], &["bob", "eve"]] {
        println!("tenants: {}", tenants.join(", "));
        reconcile(&app, tenants, cluster, timer).await?;
    }
    Ok(())
}

/// One pass: what should be there, what is there, and everything in between.
async fn reconcile(
    app: &App,
    tenants: &[&str],
    cluster: &dyn Cluster,
    timer: &dyn Timer,
) -> Result<(), Box<dyn Error>> {
    let mut objects = vec![Resource::from_typed(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shops"},
    }))?];
    objects.extend(tenants.iter().map(|tenant| shop(tenant)).collect::<Result<Vec<_>, _>>()?);
    let kinds = objects.iter().map(|object| (*object.key().group_kind).clone()).collect();
    let desired = DesiredState::from_resources(&objects, &cluster.model(&kinds).await?, Some("shops"));

    let looked = look(&app.as_of(timer.now()), desired, cluster).await?;
    let Some(mut machine) = looked.machine(app, timer.now()) else {
        println!("  nothing to do");
        return Ok(());
    };
    while machine.outcome().is_none() {
        if let Some(effect) = machine.next_effect() {
            let event = perform(effect, cluster).await;
            machine.handle(event, timer.now());
        } else if let Some(at) = machine.wake_at() {
            timer.sleep_until(at).await;
            machine.handle(Event::Tick, timer.now());
        }
    }
    for result in machine.outcome().into_iter().flat_map(|receipt| &receipt.results) {
        println!("  {:?} {}", result.outcome, result.key);
    }
    Ok(())
}

fn shop(tenant: &str) -> Result<Resource, InvalidResource> {
    Resource::from_typed(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": tenant},
        "data": {"greeting": format!("Welcome to the shop of {tenant}!")},
    }))
}
