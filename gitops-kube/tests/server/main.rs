//! What a client makes of an API server. Every check runs on the server in this process, and again on a real one that is
//! started for it, each in a namespace of its own; arguments choose checks by a part of their names, and `in-process` or
//! `real` one of the servers. Without a control plane it says so and passes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program without the harness"
)]

mod adversity;
mod contract;
mod controller;
mod definitions;
mod kinds;
mod lists;
mod manifests;
mod outage;
mod owners;
mod refusals;
mod rules;
mod world;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Instant;

use gitops_kube::control_plane::{ControlPlane, Programs};

use world::{Check, World};

/// What the server in memory does not do, so that only a real one can show it.
const ONLY_REAL: [&str; 3] = [
    "a_webhook_that_is_away_is_no_refusal",
    "a_policy_that_says_no_is_no_lack_of_rights",
    "a_quota_that_is_used_up_is_no_lack_of_rights",
];

/// What a test cannot make a real server do while it runs.
const ONLY_IN_PROCESS: [&str; 3] = [
    "a_watch_that_is_cut_misses_nothing",
    "a_history_that_is_forgotten_is_told_and_a_list_goes_on",
    "a_token_that_expires_is_followed_by_the_next_and_nothing_is_done_twice",
];

const IN_PROCESS: &str = "in-process";
const REAL: &str = "real";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let (servers, names): (Vec<String>, Vec<String>) =
        wanted.into_iter().partition(|wanted| [IN_PROCESS, REAL].contains(&&**wanted));
    let is_asked = |server: &str| servers.is_empty() || servers.iter().any(|wanted| wanted == server);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut failed = 0;
        if is_asked(IN_PROCESS) {
            let world = World::in_process().await;
            failed += run(IN_PROCESS, &world, &names, |name| !ONLY_REAL.contains(&name)).await;
        }
        if is_asked(REAL) {
            match Programs::find() {
                Ok(programs) => failed += on_a_real_one(programs, &names).await,
                Err(none) => println!("{REAL}: skipped: {none}"),
            }
        }
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

async fn on_a_real_one(programs: Programs, wanted: &[String]) -> usize {
    let begin = Instant::now();
    let plane = match ControlPlane::start(programs).await {
        Ok(plane) => plane,
        Err(error) => {
            println!("{REAL}: the control plane does not start: {error}");
            return 1;
        }
    };
    println!("{REAL}: the control plane is up after {:.1} s", begin.elapsed().as_secs_f32());
    run(REAL, &World::real(plane).await, wanted, |name| !ONLY_IN_PROCESS.contains(&name)).await
}

/// Runs the checks that are wanted; returns how many failed.
async fn run(server: &str, world: &World, wanted: &[String], is_for: impl Fn(&str) -> bool) -> usize {
    let begin = Instant::now();
    // What stops the server comes last.
    let checks: Vec<Check> = [
        contract::CHECKS,
        definitions::CHECKS,
        controller::CHECKS,
        kinds::CHECKS,
        lists::CHECKS,
        refusals::CHECKS,
        manifests::CHECKS,
        rules::CHECKS,
        owners::CHECKS,
        adversity::CHECKS,
        outage::CHECKS,
    ]
    .concat();
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, check) in checks.into_iter().filter(|(name, _)| is_for(name)) {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(&**wanted)) {
            continue;
        }
        let begin = Instant::now();
        // A failed assertion fails its check, and no other.
        let verdict = tokio::spawn(AssertUnwindSafe(check(world.clone())).0).await;
        let word = if verdict.is_ok() { "ok" } else { "FAILED" };
        println!("{server}: {name} ... {word} ({:.1} s)", begin.elapsed().as_secs_f32());
        match verdict {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
        }
    }
    println!("{server}: {passed}/{} in {:.1} s", passed + failed.len(), begin.elapsed().as_secs_f32());
    failed.iter().for_each(|name| println!("{server}: failed: {name}"));
    failed.len()
}
