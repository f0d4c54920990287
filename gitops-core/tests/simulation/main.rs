//! Simulation: seeded random histories of several applications over virtual weeks. The world does what worlds do, and
//! programs crash; the engine keeps its promises all the while, and once the world is quiet everything is as declared.
//!
//! `GITOPS_HISTORIES` says how many histories are tried (default: 8), `GITOPS_SEED` which one is the first. Thousands take
//! minutes, optimised:
//!
//! ```sh
//! GITOPS_HISTORIES=2000 cargo test --release -p gitops-core --test simulation -- --nocapture whatever
//! ```

#![expect(clippy::unwrap_used, reason = "a law that cannot be set up must fail")]
#![expect(
    clippy::disallowed_methods,
    reason = "reads how much to try from the environment, and tells how long it took"
)]

mod chance;
mod checks;
mod events;
mod may;
mod world;

use world::World;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Tries a history, and tells how many virtual days it took.
fn history(seed: u64) -> f64 {
    let mut world = World::new(seed);
    world.live();
    world.come_to_rest();
    world.age().as_secs_f64() / 86_400.0
}

#[test]
fn whatever_happens_promises_are_kept_and_a_quiet_world_converges() {
    let (first, count) = (number("GITOPS_SEED", 1), number("GITOPS_HISTORIES", 8));
    let begin = std::time::Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64).min(count.max(1));
    let next = std::sync::atomic::AtomicU64::new(0);
    let some = || {
        let nth = || Some(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).filter(|nth| *nth < count);
        std::iter::from_fn(nth).map(|nth| history(first.saturating_add(nth))).sum::<f64>()
    };
    let virtual_days: f64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(some)).collect();
        // Who panics has told its seed.
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "simulation: {count} histories of {:.1} virtual days each, {:.1} histories/s with {workers} at once",
        virtual_days / count as f64,
        count as f64 / seconds
    );
}

#[test]
fn the_same_seed_gives_the_same_history_to_the_byte() {
    for seed in 1..3 {
        let told = || {
            let mut world = World::new(seed);
            world.live();
            world.come_to_rest();
            world.told
        };
        let (one, other) = (told(), told());
        assert!(one.len() > 20 && one == other, "seed {seed}");
    }
}
