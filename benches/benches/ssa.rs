//! Server-side apply of real objects: parse, field set, FieldsV1, compare, apply, apply again; time and allocations.
//!
//! `GITOPS_CONFORMANCE_DIR=… cargo bench -p gitops-benches --bench ssa`. Objects: Pod, Node, Endpoints, Deployment and a
//! CRD, as structured-merge-diff's own benches have them. With `GITOPS_BENCH_PEER=1` and Go at hand, the same work is
//! measured in Go too, case by case in the same run (`benches/peers/smd`), and printed beside ours with the ratios.
//! Both sides take the fastest of many batches, so that neither a garbage collection nor a busy machine decides.

#![expect(clippy::expect_used, reason = "a bench that cannot read its inputs must stop")]

use std::alloc::System;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gitops_benches::{Effort, peer, show};
use gitops_core::model::{Schema, TypeRef};
use gitops_core::ssa::{
    Applied, ConvertError, Converter, Duplicates, Emptied, FieldSet, Force, Managers, Typed, Updater, equal_values,
};
use gitops_core::value::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const OBJECTS: [(&str, &str, &str); 5] = [
    ("Pod", "pod.yaml", "io.k8s.api.core.v1.Pod"),
    ("Node", "node.yaml", "io.k8s.api.core.v1.Node"),
    ("Endpoints", "endpoints.yaml", "io.k8s.api.core.v1.Endpoints"),
    ("Deployment", "k8s-deployment.yaml", "io.k8s.api.apps.v1.Deployment"),
    (
        "CRD",
        "prometheus-crd.yaml",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1beta1.CustomResourceDefinition",
    ),
];

fn main() {
    let effort = Effort::from_args();
    let Some(folder) = std::env::var_os("GITOPS_CONFORMANCE_DIR").map(|dir| PathBuf::from(dir).join("smd_bench_data"))
    else {
        return show("ssa", "no recorded objects; set GITOPS_CONFORMANCE_DIR");
    };
    let read = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).expect("a recorded file");
        let json: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
        Value::from_serialize(&json).expect("a value")
    };
    let schema = Schema::from_smd(read("k8s-schema.yaml").root()).expect("a schema");
    for (name, file, of) in OBJECTS {
        let ours = measure(effort, &read(file), schema.named(of).expect("a type"));
        let peer = measure_peer(name);
        for cost in ours {
            let peer = peer.iter().find(|peer| peer.of == cost.of);
            show(&format!("ssa/{name}/{}", cost.of), &cost.beside(peer));
        }
    }
}

/// What one run of an operation costs.
struct Cost {
    of: String,
    time: Duration,
    allocations: usize,
    bytes: usize,
}

impl Cost {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn beside(&self, peer: Option<&Self>) -> String {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let ours = format!("{:>9.2} µs {:>6} allocations {:>8} bytes", micros(self.time), self.allocations, self.bytes);
        let Some(peer) = peer else { return ours };
        let (times, fewer) = (
            peer.time.as_secs_f64() / self.time.as_secs_f64(),
            peer.allocations as f64 / self.allocations.max(1) as f64,
        );
        let theirs = format!("Go {:>9.2} µs {:>6} allocations", micros(peer.time), peer.allocations);
        format!("{ours}   {theirs}   {times:>5.1}x faster {fewer:>6.1}x fewer")
    }
}

/// Runs the peer on one object; its lines are `operation<TAB>nanoseconds<TAB>allocations<TAB>bytes`.
fn measure_peer(name: &str) -> Vec<Cost> {
    let count = |number: u64| usize::try_from(number).expect("a number of this machine");
    let cost = |(of, numbers): (String, Vec<u64>)| match *numbers {
        [nanoseconds, allocations, bytes] => {
            let time = Duration::from_nanos(nanoseconds);
            Cost { of, time, allocations: count(allocations), bytes: count(bytes) }
        }
        _ => panic!("three numbers of {of}"),
    };
    peer("smd", &[name]).into_iter().map(cost).collect()
}

#[derive(Debug)]
struct Identity;

impl<'s> Converter<'s> for Identity {
    fn convert(&self, value: &Typed<'s>, _: &str) -> Result<Typed<'s>, ConvertError> {
        Ok(value.clone())
    }
}

fn measure(effort: Effort, object: &Value, of: TypeRef<'_>) -> Vec<Cost> {
    let text = object.to_json();
    let parse = || {
        let value = Value::from_json(text.as_bytes()).expect("JSON");
        Typed::new(value, of, Duplicates::Refuse).expect("a valid object")
    };
    let typed = parse();
    let mut changed = object.root().to_draft();
    changed.entry("metadata").entry("labels").set("changed", "yes");
    let changed = Typed::new(changed.freeze(), of, Duplicates::Refuse).expect("a valid object");
    let empty = Typed::new(Value::empty_map(), of, Duplicates::Refuse).expect("a valid object");
    let live = apply(&empty, &Owners::new(), &typed);
    assert!(equal_values(live.object.value().root(), object.root()), "applying gives the object");
    let set = typed.field_set().expect("a set");
    let fields_v1 = set.to_fields_v1_json();
    vec![
        cost(effort, "parse", parse),
        cost(effort, "field_set", || typed.field_set().expect("a set")),
        cost(effort, "fields_v1_write", || set.to_fields_v1_json()),
        cost(effort, "fields_v1_read", || FieldSet::from_fields_v1_json(fields_v1.as_bytes()).expect("FieldsV1")),
        cost(effort, "compare", || typed.compare(&changed).expect("a comparison")),
        cost(effort, "apply", || apply(&empty, &Owners::new(), &typed)),
        cost(effort, "apply_again", || apply(&live.object, &live.managers, &typed)),
        cost(effort, "apply_changed", || apply(&live.object, &live.managers, &changed)),
    ]
}

type Owners = Managers<&'static str>;

fn apply<'s>(live: &Typed<'s>, managers: &Owners, config: &Typed<'s>) -> Applied<'s, &'static str> {
    let updater = Updater::new(&Identity).with_emptied(Emptied::Null);
    updater.apply(live, config, "v1", managers, &"bench", Force::No).expect("no conflict")
}

fn cost<T>(effort: Effort, of: &str, work: impl Fn() -> T) -> Cost {
    drop(work());
    let region = Region::new(ALLOCATOR);
    drop(work());
    let stats = region.change();
    let allocations = stats.allocations + stats.reallocations;
    Cost { of: of.to_owned(), time: fastest(effort, || drop(work())), allocations, bytes: stats.bytes_allocated }
}

/// Returns the time of one run in the fastest of many batches.
fn fastest(effort: Effort, work: impl Fn()) -> Duration {
    let (batch, batches) = if effort == Effort::Full { (Duration::from_millis(10), 30) } else { (Duration::ZERO, 1) };
    let timed = |runs: u32| {
        let begin = Instant::now();
        (0..runs).for_each(|_| work());
        begin.elapsed()
    };
    let mut runs = 1;
    while timed(runs) < batch {
        runs *= 2;
    }
    (0..batches).map(|_| timed(runs) / runs).min().unwrap_or_default()
}
