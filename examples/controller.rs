//! Embeds the engine: a controller that looks after two applications, undoes a change by hand, and stops.
//!
//! ```text
//! $ cargo run -p gitops-examples --example controller
//! base: Synced
//! shop: Synced
//! somebody paints the shop red
//! base: Synced
//! shop: changed on the cluster: ConfigMap default/web
//! shop: Synced
//! gitops_heals_total 1
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::future::pending;

use gitops_core::automation::Automation;
use gitops_core::cluster::{Cluster, PatchStep, Write};
use gitops_core::engine::{Application, Engine, Item, News, Observer, Ports, Settings, metrics, run};
use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::path::FieldPath;
use gitops_core::reconcile::{App, SyncStatus};
use gitops_core::resource::ResourceKey;
use gitops_core::source::Paths;
use gitops_core::state::Owner;
use gitops_core::time::{Timer, Timestamp};
use gitops_core::value::Value;

/// Prints what is worth it, and has enough when all is done.
struct People;
impl Observer for People {
    fn saw(&mut self, item: &Item) {
        if matches!(item.news, News::Sync { now: SyncStatus::Synced, .. } | News::Drift { .. }) {
            println!("{item}");
        }
    }

    fn is_enough(&mut self, engine: &Engine) -> bool {
        engine.has_settled()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let time = VirtualTime::starting("2026-03-01T12:00:00Z".parse()?);
    let (source, cluster) = (MemorySource::default(), MemoryCluster::new(1, time.clone()));
    let map =
        |name: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{colour: blue}}}}");
    let (base, web) = (map("base"), map("web"));
    let files = [("base/base.yaml", Some(&*base)), ("shop/web.yaml", Some(&*web))];
    source.commit("Ann <ann@example.org>", time.now(), "Open the shop", files);

    // A real program has one source per repository and one cluster per API server, and runs until it is told to stop.
    let ports = Ports::new(&time).with_source("git", &source).with_cluster("here", &cluster);
    let mut engine = Engine::new(Settings::default());
    for (name, after) in [("base", None), ("shop", Some("base"))] {
        let app = App::new(Owner::new("", name)?, "main").with_namespace("default").with_paths(Paths::under([name])?);
        let application = Application::new(app, "git", "here").with_automation(Automation::healing());
        engine.put(after.into_iter().fold(application, Application::after), time.now());
    }
    ready(run(&mut engine, &ports, &mut People, pending())).ok_or("it waits")?;

    println!("somebody paints the shop red");
    let steps = vec![PatchStep::Set(FieldPath::fields(&["data", "colour"]), Value::from_serialize(&"red")?)];
    let web = ResourceKey::new("", "ConfigMap", "default", "web");
    ready(cluster.write(&Write::patch(&web, "v1", steps, "kubectl-edit"))).ok_or("it waits")??;
    let mut engine = again(&engine, time.now());
    ready(run(&mut engine, &ports, &mut People, pending())).ok_or("it waits")?;
    metrics(&engine).lines().filter(|line| line.starts_with("gitops_heals_total")).for_each(|line| println!("{line}"));
    Ok(())
}

/// An engine that was stopped does not begin again; another one goes on with the same applications.
fn again(before: &Engine, now: Timestamp) -> Engine {
    let mut engine = Engine::new(Settings::default());
    before.applications().for_each(|application| engine.put(application.clone(), now));
    engine
}
