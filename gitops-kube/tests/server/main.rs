//! What only a real API server can show. Starts one control plane and runs every check on it, each in a namespace of its
//! own; arguments choose checks by a part of their names. Without a control plane it says so and passes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program without the harness"
)]

mod contract;
mod kinds;
mod lists;
mod manifests;
mod outage;
mod refusals;
mod rules;
mod world;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Instant;

use gitops_kube::control_plane::{ControlPlane, Programs};

use world::{Check, World};

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(none) => {
            println!("skipped: {none}");
            return ExitCode::SUCCESS;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(programs, &wanted))
}

async fn run(programs: Programs, wanted: &[String]) -> ExitCode {
    let begin = Instant::now();
    let plane = match ControlPlane::start(programs).await {
        Ok(plane) => plane,
        Err(error) => {
            println!("the control plane does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("the control plane is up after {:.1} s", begin.elapsed().as_secs_f32());
    let world = World::new(plane).await;
    // What stops the server comes last.
    let checks: Vec<Check> = [
        contract::CHECKS,
        kinds::CHECKS,
        lists::CHECKS,
        refusals::CHECKS,
        manifests::CHECKS,
        rules::CHECKS,
        outage::CHECKS,
    ]
    .concat();
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, check) in checks {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(&**wanted)) {
            continue;
        }
        let begin = Instant::now();
        // A failed assertion fails its check, and no other.
        let verdict = tokio::spawn(AssertUnwindSafe(check(world.clone())).0).await;
        let word = if verdict.is_ok() { "ok" } else { "FAILED" };
        println!("{name} ... {word} ({:.1} s)", begin.elapsed().as_secs_f32());
        match verdict {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
        }
    }
    println!("server: {passed}/{} in {:.1} s", passed + failed.len(), begin.elapsed().as_secs_f32());
    failed.iter().for_each(|name| println!("failed: {name}"));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
