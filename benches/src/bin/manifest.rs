//! Manifests → resources: megabytes per second, beside `serde_json` on the same objects as JSON.
//!
//! `cargo run --release -p benches --bin manifest [MEGABYTES]`. The data is generated with a fixed seed; the shape is
//! that of a platform repository: workloads, services, config maps with files in them, and CRDs. One thread, best of
//! several runs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gitops_core::manifest::{Dialect, Limits, parse};
use gitops_core::value::Value;

fn main() {
    let megabytes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(8);
    for (name, shape) in [("mixed", Shape::Mixed), ("workloads", Shape::Workloads), ("crds", Shape::Crds)] {
        report(name, &generate(shape, megabytes << 20));
    }
}

fn report(name: &str, yaml: &str) {
    let file: Arc<str> = "bench.yaml".into();
    let limits = Limits::default();
    let read = |text: &str| parse(&file, text.as_bytes(), Dialect::Kubectl, &limits);
    let parsed = read(yaml);
    assert!(parsed.problems.is_empty(), "{}", parsed.problems[0]);
    let objects: Vec<String> = parsed.resources.iter().map(|(object, _)| object.expose().to_json()).collect();
    let json_bytes: usize = objects.iter().map(String::len).sum();
    let heap: usize = parsed.resources.iter().map(|(object, _)| object.value().heap_bytes()).sum();
    let stream = objects.join("\n");
    // An anchor is nothing for the short way.
    let long = yaml.replace("---\n", "---\n&all\n");

    let ours = best(|| read(black_box(yaml)));
    let slow = best(|| read(black_box(&long)));
    let ours_json = best(|| read(black_box(&stream)));
    let value = best(|| objects.iter().map(|text| Value::from_json(black_box(text.as_bytes()))).collect::<Vec<_>>());
    let serde = best(|| {
        objects.iter().map(|text| serde_json::from_str::<serde_json::Value>(black_box(text))).collect::<Vec<_>>()
    });

    println!(
        "manifest/{name}: {} objects, {:.1} MB of YAML, {:.1} MB of JSON",
        objects.len(),
        megabytes(yaml.len()),
        megabytes(json_bytes)
    );
    let line = |what: &str, time: Duration, bytes: usize| {
        println!(
            "  {what:<34} {:>7.1} ms {:>7.1} MB/s of its text {:>6.2} × serde_json",
            time.as_secs_f64() * 1e3,
            megabytes(bytes) / time.as_secs_f64(),
            time.as_secs_f64() / serde.as_secs_f64(),
        );
    };
    line("YAML → resources", ours, yaml.len());
    line("YAML → resources, the long way", slow, long.len());
    line("JSON → resources", ours_json, stream.len());
    line("JSON → Value", value, json_bytes);
    line("JSON → serde_json::Value", serde, json_bytes);
    println!("  heap bytes of Value per JSON byte: {:.2}", heap as f64 / json_bytes as f64);
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        let result = work();
        best = best.min(start.elapsed());
        drop(black_box(result));
    }
    best
}

#[derive(Clone, Copy)]
enum Shape {
    Mixed,
    Workloads,
    Crds,
}

fn generate(shape: Shape, size: usize) -> String {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut text = String::with_capacity(size + 4096);
    let mut number = 0;
    while text.len() < size {
        number += 1;
        match (shape, dice.below(10)) {
            (Shape::Crds, _) | (Shape::Mixed, 0) => crd(&mut text, &mut dice, number),
            (Shape::Workloads, 0..=1) | (Shape::Mixed, 1..=2) => service(&mut text, &mut dice, number),
            (Shape::Mixed, 3..=5) => config_map(&mut text, &mut dice, number),
            _ => deployment(&mut text, &mut dice, number),
        }
    }
    text
}

fn deployment(text: &mut String, dice: &mut Dice, number: usize) {
    let name = dice.word();
    text.push_str(&format!(
        "---\n# Source: charts/{name}/templates/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  \
         name: {name}-{number}\n  namespace: {}\n  labels:\n",
        dice.word()
    ));
    for key in ["app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"] {
        text.push_str(&format!("    {key}: {}\n", dice.word()));
    }
    text.push_str(&format!(
        "  annotations:\n    checksum/config: \"{:016x}\"\nspec:\n  replicas: {}\n  selector:\n    matchLabels:\n      \
         app.kubernetes.io/name: {name}\n  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: \
         {name}\n    spec:\n      serviceAccountName: {name}\n      securityContext:\n        runAsNonRoot: true\n        \
         runAsUser: 65534\n      containers:\n",
        dice.next(),
        dice.below(5)
    ));
    for container in 0..1 + dice.below(2) {
        text.push_str(&format!(
            "        - name: {name}-{container}\n          image: \"registry.example.com/{}/{}:v1.{}.{}\"\n          \
             imagePullPolicy: IfNotPresent\n          ports:\n            - name: http\n              containerPort: \
             8080\n              protocol: TCP\n          env:\n",
            dice.word(),
            dice.word(),
            dice.below(30),
            dice.below(10)
        ));
        for _ in 0..2 + dice.below(6) {
            let (key, value) = (dice.word().to_uppercase(), dice.word());
            text.push_str(&format!(
                "            - name: {key}_{}\n              value: \"{value}\"\n",
                dice.below(1000)
            ));
        }
        text.push_str(
            "          resources:\n            limits:\n              cpu: 500m\n              memory: 256Mi\n            \
             requests:\n              cpu: 100m\n              memory: 128Mi\n          livenessProbe:\n            \
             httpGet:\n              path: /healthz\n              port: http\n            initialDelaySeconds: 10\n          \
             volumeMounts:\n            - name: config\n              mountPath: /etc/config\n              readOnly: \
             true\n",
        );
    }
    text.push_str(&format!("      volumes:\n        - name: config\n          configMap:\n            name: {name}\n"));
}

fn service(text: &mut String, dice: &mut Dice, number: usize) {
    let name = dice.word();
    text.push_str(&format!(
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}-{number}\n  labels:\n    app: {name}\nspec:\n  type: \
         ClusterIP\n  ports:\n  - port: {}\n    targetPort: http\n    protocol: TCP\n    name: http\n  selector:\n    app: \
         {name}\n",
        80 + dice.below(8000)
    ));
}

fn config_map(text: &mut String, dice: &mut Dice, number: usize) {
    text.push_str(&format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}-{number}\ndata:\n  application.properties: |\n",
        dice.word()
    ));
    for _ in 0..10 + dice.below(30) {
        text.push_str(&format!("    {}.{}={} # {}\n", dice.word(), dice.word(), dice.word(), dice.word()));
    }
    text.push_str("  script.sh: |-\n    #!/bin/sh\n    set -eu\n\n    exec \"$@\"\n");
}

fn crd(text: &mut String, dice: &mut Dice, number: usize) {
    let kind = dice.word();
    text.push_str(&format!(
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  annotations:\n    \
         controller-gen.kubebuilder.io/version: v0.14.0\n  name: {kind}s{number}.example.com\nspec:\n  group: \
         example.com\n  names:\n    kind: {kind}{number}\n    plural: {kind}s{number}\n  scope: Namespaced\n  versions:\n  - \
         name: v1\n    schema:\n      openAPIV3Schema:\n        properties:\n"
    ));
    for property in 0..20 + dice.below(40) {
        text.push_str(&format!("          {}{property}:\n            description: ", dice.word()));
        let quote = match dice.below(4) {
            0 => "'",
            1 => "\"",
            _ => "",
        };
        text.push_str(quote);
        for line in 0..1 + dice.below(5) {
            if line > 0 {
                text.push_str("\n              ");
            }
            for word in 0..10 {
                text.push_str(if word > 0 { " " } else { "" });
                text.push_str(dice.word());
            }
        }
        text.push_str(quote);
        text.push_str(
            "\n            type: object\n            properties:\n              enabled:\n                type: \
             boolean\n              count:\n                format: int32\n                minimum: 0\n                type: \
             integer\n            required:\n            - enabled\n",
        );
    }
    text.push_str("        type: object\n    served: true\n    storage: true\n    subresources:\n      status: {}\n");
}

const WORDS: [&str; 24] = [
    "web",
    "payment",
    "cart",
    "billing",
    "frontend",
    "gateway",
    "resource",
    "controller",
    "namespace",
    "selector",
    "the",
    "template",
    "queue",
    "worker",
    "metrics",
    "inventory",
    "session",
    "field",
    "policy",
    "of",
    "search",
    "recommendation",
    "audit",
    "for",
];

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 33) % limit
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len() as u64) as usize]
    }
}
