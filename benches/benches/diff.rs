//! The comparison of every recorded pair of a manifest and what a real API server made of it; time, allocations, memory.
//!
//! `GITOPS_CONFORMANCE_DIR=… cargo bench -p gitops-benches --bench diff`. Both objects are decoded already, and nothing
//! is remembered of an earlier comparison. With `GITOPS_BENCH_PEER=1` and Go at hand, gitops-engine's diff is measured
//! on the same pairs in the same run (`benches/peers/gitops-engine`), and printed beside ours with the ratios. Both
//! sides count the fastest of many comparisons of each pair, so that neither a garbage collection nor a busy machine
//! decides. The live objects are ours: they carry our tracking id, and our field manager instead of the recorded one.

#![expect(clippy::expect_used, reason = "a bench that cannot read its inputs must stop")]

use std::alloc::System;
use std::path::Path;
use std::time::{Duration, Instant};

use gitops_benches::{Effort, peer, show};
use gitops_core::diff::{Compared, Context, Outcome, compare_one, stamp};
use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::state::{DesiredState, Inventory, Live, Owner};
use gitops_core::value::Draft;
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

struct Pair {
    desired: Resource,
    live: Resource,
}

fn main() {
    let effort = Effort::from_args();
    let Some(folder) = std::env::var_os("GITOPS_CONFORMANCE_DIR") else {
        return show("diff", "no recorded objects; set GITOPS_CONFORMANCE_DIR");
    };
    let folder = Path::new(&folder).join("k8s");
    let crds: Vec<Resource> = read(&folder, "crds.json").iter().map(resource).collect();
    let model = ApiModel::builtin().with_crds(&crds);
    let owner = Owner::new("", "bench").expect("a name");
    let cases = read(&folder, "roundtrip.json");
    let cases = cases.iter().filter(|case| case.pointer("/live/metadata/name").is_some());
    let pairs: Vec<Pair> = cases.map(|case| pair(case, &model, &owner)).collect();

    let inventory = Inventory::default();
    let context = Context::new(&model, &owner, &inventory);
    let compare = |pair: &Pair| compare_one(&pair.desired, Live::Present(&pair.live), &context);
    let modified = pairs.iter().filter(|pair| compare(pair).outcome != Outcome::Synced).count();
    let mut entries: Vec<Compared> = Vec::with_capacity(pairs.len());
    let region = Region::new(ALLOCATOR);
    entries.extend(pairs.iter().map(compare));
    let stats = region.change();
    let allocations = stats.allocations + stats.reallocations;
    let rounds = if effort == Effort::Full { 100 } else { 1 };
    let time: Duration = pairs.iter().map(|pair| fastest(rounds, || drop(compare(pair)))).sum();

    let count = pairs.len();
    let per_pair = |number: usize| number / count.max(1);
    let micros = |time: Duration| format!("{:.2} µs", micros(time, count));
    let ours = format!("{} and {} allocations each", micros(time), per_pair(allocations));
    show("diff/recorded", &format!("{count} pairs: {ours}, {modified} called modified"));
    let objects: usize =
        pairs.iter().map(|pair| pair.desired.value().heap_bytes() + pair.live.value().heap_bytes()).sum();
    let kept = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated) + entries.len() * size_of::<Compared>();
    let memory = format!("{} bytes of both objects, {} bytes of the result each", per_pair(objects), per_pair(kept));
    show("diff/recorded_memory", &memory);
    for (_, numbers) in peer("gitops-engine", &[if effort == Effort::Full { "10" } else { "1" }]) {
        let [nanoseconds, theirs, _, pairs, called, failed] = *numbers else { panic!("six numbers of the peer") };
        assert_eq!(pairs, count as u64, "both compare the same pairs");
        let took = Duration::from_nanos(nanoseconds);
        let theirs = usize::try_from(theirs).expect("a number of this machine");
        let each = format!("{} and {} allocations each", micros(took), per_pair(theirs));
        let faster = took.as_secs_f64() / time.as_secs_f64();
        let ratios = format!("we: {faster:.0}x faster, {}x fewer allocations", theirs / allocations.max(1));
        show("diff/recorded_gitops_engine", &format!("{each}, {called} called modified, {failed} failed; {ratios}"));
    }
}

fn read(folder: &Path, file: &str) -> Vec<Value> {
    let text = std::fs::read(folder.join(file)).expect("a recorded file");
    serde_json::from_slice(&text).expect("JSON")
}

fn resource(object: &Value) -> Resource {
    Resource::from_typed(object).expect("an object")
}

/// What was declared, prepared, and what the server made of it.
fn pair(case: &Value, model: &ApiModel, owner: &Owner) -> Pair {
    let part = |name: &str| case.get(name).expect("a part of the case");
    let declared = resource(part("desired"));
    let desired = DesiredState::from_resources([&declared], model, part("namespace").as_str());
    let desired = desired.declared.into_values().next().expect("what was declared").resource;
    let live = resource(part("live")).edit(|draft| {
        let entries = draft.entry("metadata").get_mut("managedFields").and_then(Draft::as_list_mut);
        for entry in entries.into_iter().flatten() {
            if entry.get("manager").and_then(Draft::as_str) == Some("gitops") {
                entry.set("manager", &*owner.manager());
            }
        }
    });
    Pair { desired, live: stamp(&live.expect("an object"), owner) }
}

fn fastest(rounds: u32, work: impl Fn()) -> Duration {
    let timed = |_| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    };
    (0..rounds).map(timed).min().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn micros(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}
