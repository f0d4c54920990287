//! Embeds the engine: syncs what this repository declares into a cluster in memory.
//!
//! ```text
//! $ cargo run -p gitops-examples --example embed
//! Synced, Healthy: 10 objects at 3f0c2ab31e5d
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use gitops_core::memory::{MemoryCluster, VirtualTime, ready};
use gitops_core::reconcile::{App, World, sync};
use gitops_core::source::Paths;
use gitops_core::state::Owner;
use gitops_git::GitSource;

fn main() -> Result<(), Box<dyn Error>> {
    let source = GitSource::open(env!("CARGO_MANIFEST_DIR"))?;
    let time = VirtualTime::starting("2026-03-01T12:00:00Z".parse()?);
    let cluster = MemoryCluster::new(1, time.clone());
    let app = App::new(Owner::new("", "guestbook")?, "HEAD").with_paths(Paths::under(["examples/guestbook"])?);

    // In an async program this is just `sync(..).await?`; nothing in memory ever waits.
    let report = ready(sync(&app, World::new(&source, &cluster, &time))).ok_or("it waits")??;

    report.problems.iter().for_each(|problem| println!("{problem}"));
    let at: Vec<&str> = report.revisions.iter().map(|revision| revision.id.short()).collect();
    println!("{}, {}: {} objects at {}", report.sync, report.health, report.resources.len(), at.concat());
    Ok(())
}
