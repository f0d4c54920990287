//! What would this sync come to on my cluster, and what if something fails on the way?
//!
//! A snapshot of live objects is loaded into a cluster in memory, and the plan is carried out there.
//!
//! ```text
//! $ cargo run -p gitops-examples --example what_if
//! all goes well: Succeeded, 1 created, 1 changed
//! --- ConfigMap shop/new (live)
//! +++ ConfigMap shop/new (after a sync)
//! ...
//! the quota is used up: Failed, ConfigMap shop/new: not allowed: exceeded quota
//!   failed ConfigMap shop/new
//!   changed ConfigMap shop/web
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use gitops_core::cluster::Failure;
use gitops_core::diff::Unified;
use gitops_core::manifest::{Dialect, Limits, parse};
use gitops_core::memory::ApiServer;
use gitops_core::reconcile::App;
use gitops_core::resource::Resource;
use gitops_core::state::{DesiredState, Owner};
use gitops_core::what_if::{Trouble, what_if};

/// As `kubectl get configmaps -o yaml` prints it.
const SNAPSHOT: &str = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: shop, uid: u-1, resourceVersion: '7'}, data: {colour: blue}}
";

const GIT: &str = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {colour: red}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: new}}
";

fn main() -> Result<(), Box<dyn Error>> {
    let server = ApiServer::holding(1, objects(SNAPSHOT))?;
    let declared = objects(GIT);
    let desired = DesiredState::from_resources(&declared, server.model(), Some("shop"));
    let app = App::new(Owner::new("", "shop")?, "main");
    let now = "2026-03-01T12:00:00Z".parse()?;

    let came = what_if(&app, &desired, server.clone(), &[], now)?;
    let receipt = came.receipt.ok_or("there is nothing to do")?;
    println!("all goes well: {}, {}", receipt.phase, receipt.message);
    for change in &came.changes {
        print!("{}", change.sides.unified(&change.key.to_string(), &Unified::default()));
    }

    let new = desired.declared.keys().find(|key| &*key.name == "new").ok_or("it is declared")?;
    let quota = Trouble::with(new, Failure::Denied { message: "exceeded quota".into() });
    let came = what_if(&app, &desired, server, &[quota], now)?;
    let receipt = came.receipt.ok_or("there is nothing to do")?;
    println!("the quota is used up: {}, {}", receipt.phase, receipt.message);
    for result in &receipt.results {
        println!("  {} {}", result.outcome, result.key);
    }
    Ok(())
}

fn objects(text: &str) -> Vec<Resource> {
    let parsed = parse(&"objects.yaml".into(), text.as_bytes(), Dialect::default(), &Limits::default());
    parsed.resources.into_iter().map(|(object, _)| object).collect()
}
