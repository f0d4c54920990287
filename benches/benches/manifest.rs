//! Manifests to objects, beside `serde_json` on the same data as JSON.
//!
//! `cargo bench -p gitops-benches --bench manifest`

use gitops_benches::{Effort, each, limits, per_second, resources, show, yaml};
use gitops_core::manifest::{Dialect, parse};
use gitops_core::value::Value;

fn main() {
    let effort = Effort::from_args();
    for count in effort.sizes() {
        let text = yaml(count);
        let (file, limits) = ("generated.yaml".into(), limits());
        let (parsed, time) = effort.fastest(|| parse(&file, text.as_bytes(), Dialect::Kubectl, &limits));
        assert_eq!((parsed.resources.len(), parsed.problems.len()), (count, 0));
        show(&format!("manifest/{count}_yaml"), &format!("{}, {}", per_second(text.len(), time), each(time, count)));

        let json: Vec<String> = resources(count).iter().map(|resource| resource.expose().to_json()).collect();
        let bytes = json.iter().map(String::len).sum();
        let (_, theirs) = effort.fastest(|| {
            json.iter().filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok()).collect::<Vec<_>>()
        });
        show(
            &format!("manifest/{count}_json_serde_json"),
            &format!(
                "{}, {}; YAML takes {:.2} times as long",
                per_second(bytes, theirs),
                each(theirs, count),
                time.as_secs_f64() / theirs.as_secs_f64()
            ),
        );
        let (values, ours) = effort
            .fastest(|| json.iter().filter_map(|text| Value::from_json(text.as_bytes()).ok()).collect::<Vec<_>>());
        assert_eq!(values.len(), count);
        show(&format!("manifest/{count}_json_value"), &format!("{}, {}", per_second(bytes, ours), each(ours, count)));
    }
}
