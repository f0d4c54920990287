//! What a verdict on one live object costs: kinds with a rule of their own, of a family of groups, and with none.
//!
//! `cargo bench -p gitops-benches --bench health`.

#![expect(clippy::expect_used, reason = "a bench that cannot make its inputs must stop")]

use std::alloc::System;

use gitops_benches::{Effort, each, ratio, show};
use gitops_core::health::{Clues, HealthStatus, assess};
use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use gitops_core::value::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const READY: &str = r#"{"observedGeneration":2,"conditions":[{"type":"Ready","status":"True","message":"as asked"}]}"#;
const COUNTS: &str = r#"{"observedGeneration":2,"replicas":1,"updatedReplicas":1,"availableReplicas":1}"#;

/// Name of the shape, `apiVersion`, kind, status.
const SHAPES: [(&str, &str, &str, &str); 5] = [
    ("built_in", "apps/v1", "Deployment", COUNTS),
    ("no_status", "v1", "ConfigMap", "null"),
    ("table", "cert-manager.io/v1", "Certificate", READY),
    ("family", "s3.aws.upbound.io/v1", "Bucket", READY),
    ("generic", "shop.example.com/v1", "Widget", READY),
];

fn main() {
    let effort = Effort::from_args();
    let count = if effort == Effort::Full { 10_000 } else { 100 };
    let model = ApiModel::builtin();
    let clues = Clues::new(&model, Timestamp::from_millis(1_770_000_000_000));
    for (shape, version, kind, status) in SHAPES {
        let objects: Vec<Resource> = (0..count).map(|at| object(version, kind, status, at)).collect();
        let healthy = || objects.iter().filter(|live| assess(live, &clues).status == HealthStatus::Healthy).count();
        assert_eq!(healthy(), count, "{shape}");
        let region = Region::new(ALLOCATOR);
        healthy();
        let allocations = region.change().allocations;
        let (_, time) = effort.fastest(healthy);
        show(
            &format!("health/{count}_{shape}"),
            &format!("{}, {} allocations each", each(time, count), ratio(allocations, count)),
        );
    }
}

fn object(version: &str, kind: &str, status: &str, at: usize) -> Resource {
    let json = format!(
        r#"{{"apiVersion":"{version}","kind":"{kind}","metadata":{{"name":"o{at}","generation":2}},"spec":{{"replicas":1}},"status":{status}}}"#
    );
    Resource::new(Value::from_json(json.as_bytes()).expect("JSON")).expect("an object")
}
