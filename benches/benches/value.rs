//! What a value costs: bytes on the heap per byte of JSON, allocations per object; `serde_json::Value` beside it. And
//! what reading the table of built-in kinds costs.
//!
//! `cargo bench -p gitops-benches --bench value`. `GITOPS_CONFORMANCE_DIR` adds recorded live objects.

use std::alloc::System;

use gitops_benches::{Effort, each, ratio, resources, show, timed};
use gitops_core::model::ApiModel;
use gitops_core::value::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let count = match Effort::from_args() {
        Effort::Quick => 100,
        Effort::Full => 10_000,
    };
    table();
    let json: Vec<String> = resources(count).iter().map(|resource| resource.expose().to_json()).collect();
    measure(&format!("{count}_generated"), &json);
    match recorded() {
        Some(json) => measure(&format!("{}_recorded_live", json.len()), &json),
        None => show("value/recorded_live", "no recorded facts; set GITOPS_CONFORMANCE_DIR"),
    }
}

/// Reads the table of built-in kinds, as the first use of them does.
fn table() {
    let table = ApiModel::builtin().to_table();
    let region = Region::new(ALLOCATOR);
    let (model, _) = timed(|| ApiModel::from_table(&table));
    let stats = region.change();
    let kinds = model.iter().flat_map(ApiModel::kinds).count();
    let (_, time) = Effort::from_args().fastest(|| ApiModel::from_table(&table));
    let numbers = format!("{} bytes, {} allocations, {}", table.len(), stats.allocations, each(time, 1));
    show(&format!("model/{kinds}_built_in_kinds"), &numbers);
}

/// Builds both kinds of value from the same texts and says what they keep and what they ask for on the way.
fn measure(shape: &str, json: &[String]) {
    let bytes: usize = json.iter().map(String::len).sum();
    let ours: Vec<Value> = cost(&format!("value/{shape}"), json, |text| Value::from_json(text.as_bytes()).ok());
    let counted: usize = ours.iter().map(Value::heap_bytes).sum();
    let said = format!("heap_bytes() says {} bytes per JSON byte", ratio(counted, bytes));
    show(&format!("value/{shape}"), &said);
    for (value, text) in ours.iter().zip(json) {
        assert_eq!(Value::from_json(value.to_json().as_bytes()).ok().as_ref(), Some(value), "{}", text.len());
    }
    cost(&format!("value/{shape}_serde_json"), json, |text| serde_json::from_str::<serde_json::Value>(text).ok());
}

fn cost<T>(name: &str, json: &[String], read: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let bytes: usize = json.iter().map(String::len).sum();
    let mut values = Vec::with_capacity(json.len());
    let region = Region::new(ALLOCATOR);
    let ((), time) = timed(|| values.extend(json.iter().filter_map(|text| read(text))));
    let stats = region.change();
    assert_eq!(values.len(), json.len(), "all texts are read");
    let kept = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    let numbers = format!(
        "{} bytes kept per JSON byte, {} allocations and {} reallocations per object, {}",
        ratio(kept, bytes),
        ratio(stats.allocations, json.len()),
        ratio(stats.reallocations, json.len()),
        each(time, json.len()),
    );
    show(name, &numbers);
    values
}

/// The live objects of the recorded round trips.
fn recorded() -> Option<Vec<String>> {
    let folder = std::env::var_os("GITOPS_CONFORMANCE_DIR")?;
    let bytes = std::fs::read(std::path::Path::new(&folder).join("k8s/roundtrip.json")).ok()?;
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&bytes).ok()?;
    let live = cases.iter().filter_map(|case| case.get("live").filter(|live| live.is_object()));
    Some(live.map(ToString::to_string).collect())
}
