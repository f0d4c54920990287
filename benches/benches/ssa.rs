//! Server-side apply of real objects: parse, field set, compare, apply, apply again; time and allocations of each.
//!
//! `GITOPS_CONFORMANCE_DIR=… cargo bench -p gitops-benches --bench ssa`. The same work in Go is `benches/peers/smd`; both
//! print the same lines, so that one can be put beside the other. Objects: Pod, Node, Endpoints, Deployment and a CRD, as
//! structured-merge-diff's own benches have them.

#![expect(clippy::expect_used, reason = "a bench that cannot read its inputs must stop")]

use std::alloc::System;
use std::path::PathBuf;

use gitops_benches::{Effort, each, show};
use gitops_core::model::{Schema, TypeRef};
use gitops_core::ssa::{
    Applied, ConvertError, Converter, Duplicates, Emptied, Force, Managers, Typed, Updater, equal_values,
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
        measure(effort, name, &read(file), schema.named(of).expect("a type"));
    }
}

#[derive(Debug)]
struct Identity;

impl<'s> Converter<'s> for Identity {
    fn convert(&self, value: &Typed<'s>, _: &str) -> Result<Typed<'s>, ConvertError> {
        Ok(value.clone())
    }
}

fn measure(effort: Effort, name: &str, object: &Value, of: TypeRef<'_>) {
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
    cost(effort, &format!("{name}/parse"), parse);
    cost(effort, &format!("{name}/field_set"), || typed.field_set().expect("a set"));
    cost(effort, &format!("{name}/compare"), || typed.compare(&changed).expect("a comparison"));
    cost(effort, &format!("{name}/apply"), || apply(&empty, &Owners::new(), &typed));
    let live = apply(&empty, &Owners::new(), &typed);
    assert!(equal_values(live.object.value().root(), object.root()), "applying gives the object");
    cost(effort, &format!("{name}/apply_again"), || apply(&live.object, &live.managers, &typed));
    cost(effort, &format!("{name}/apply_changed"), || apply(&live.object, &live.managers, &changed));
}

type Owners = Managers<&'static str>;

fn apply<'s>(live: &Typed<'s>, managers: &Owners, config: &Typed<'s>) -> Applied<'s, &'static str> {
    let updater = Updater::new(&Identity).with_emptied(Emptied::Null);
    updater.apply(live, config, "v1", managers, &"bench", Force::No).expect("no conflict")
}

fn cost<T>(effort: Effort, name: &str, work: impl Fn() -> T) {
    drop(work());
    let region = Region::new(ALLOCATOR);
    drop(work());
    let stats = region.change();
    let (_, time) = effort.fastest(&work);
    let allocations = stats.allocations + stats.reallocations;
    show(
        &format!("ssa/{name}"),
        &format!("{} {allocations} allocations {} bytes", each(time, 1), stats.bytes_allocated),
    );
}
