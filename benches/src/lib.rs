//! What the benches share: generated manifests with a fixed seed, sizes, and measuring.
//!
//! `cargo bench -p gitops-benches` measures; `-- --quick`, and every run through `cargo test`, runs each bench once on
//! little data, for correctness. `-- 1000 10000` measures these sizes alone.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gitops_core::manifest::{Dialect, Limits, parse};
use gitops_core::resource::Resource;

/// How much a bench does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Effort {
    /// Once, on little data: does it work?
    Quick,
    /// Enough to measure.
    Full,
}

impl Effort {
    /// Reads the arguments: `cargo bench` passes `--bench`, `cargo test` does not.
    #[must_use]
    pub fn from_args() -> Self {
        let has = |name: &str| std::env::args().any(|arg| arg == name);
        if has("--bench") && !has("--quick") { Self::Full } else { Self::Quick }
    }

    /// Returns the numbers of objects to measure, to show how cost grows.
    #[must_use]
    pub fn sizes(self) -> Vec<usize> {
        let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
        match self {
            Self::Quick => vec![100],
            Self::Full if asked.is_empty() => vec![1_000, 10_000, 100_000],
            Self::Full => asked,
        }
    }

    /// Runs `work` and returns its result and the time of the fastest run.
    pub fn fastest<T>(self, mut work: impl FnMut() -> T) -> (T, Duration) {
        let enough = Duration::from_millis(if self == Self::Full { 1_000 } else { 0 });
        let begin = Instant::now();
        let (mut result, mut best) = timed(&mut work);
        while begin.elapsed() < enough {
            let (again, time) = timed(&mut work);
            (result, best) = (again, best.min(time));
        }
        (result, best)
    }
}

/// Runs `work` once and returns its result and how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let result = work();
    (result, begin.elapsed())
}

/// Runs a peer, a Go program in `benches/peers`, if `GITOPS_BENCH_PEER` is set. It prints a line per measurement: the
/// name and numbers, with tabs between.
///
/// # Panics
/// When it is asked for and does not run.
#[must_use]
#[expect(clippy::expect_used, reason = "a peer that was asked for must answer")]
pub fn peer(name: &str, arguments: &[&str]) -> Vec<(String, Vec<u64>)> {
    if std::env::var_os("GITOPS_BENCH_PEER").is_none() {
        return Vec::new();
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name);
    let output = Command::new("go").args(["run", "."]).args(arguments).current_dir(folder).output().expect("Go");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured = |line: &str| {
        let mut fields = line.split('\t');
        let of = fields.next()?.to_owned();
        Some((of, fields.map(|field| field.parse().ok()).collect::<Option<_>>()?))
    };
    String::from_utf8_lossy(&output.stdout).lines().map(|line| measured(line).expect("a line of the peer")).collect()
}

/// Prints one result: `stage/shape  numbers`.
#[expect(clippy::print_stdout, reason = "the numbers are the output")]
pub fn show(name: &str, numbers: &str) {
    println!("{name:<40} {numbers}");
}

/// Returns a number of bytes per time as text.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn per_second(bytes: usize, time: Duration) -> String {
    format!("{:.1} MB/s", bytes as f64 / 1e6 / time.as_secs_f64())
}

/// Returns `part` of `whole` as text.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn ratio(part: usize, whole: usize) -> String {
    format!("{:.2}", part as f64 / whole.max(1) as f64)
}

/// Returns the time of one of `count` things as text.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub fn each(time: Duration, count: usize) -> String {
    format!("{:.2} µs each", time.as_secs_f64() * 1e6 / count.max(1) as f64)
}

/// Returns the most memory that this process held so far, in MiB; `None` where the system does not tell.
#[must_use]
pub fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// Returns `count` manifests as one YAML file: Deployments, Services and ConfigMaps, 100 to a namespace.
#[must_use]
pub fn yaml(count: usize) -> String {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut text = String::new();
    for index in 0..count {
        let (name, namespace) = (format!("app-{index}"), format!("team-{}", index / 100));
        // Writing to a string cannot fail.
        let written = match index % 3 {
            0 => deployment(&mut text, &name, &namespace, &mut random),
            1 => service(&mut text, &name, &namespace, &mut random),
            _ => config(&mut text, &name, &namespace, &mut random),
        };
        debug_assert!(written.is_ok());
    }
    text
}

/// Returns limits that all of [`yaml`] fits, in one file.
#[must_use]
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.bytes, limits.documents) = (usize::MAX, usize::MAX);
    limits
}

/// Returns the manifests of [`yaml`] as objects.
#[must_use]
pub fn resources(count: usize) -> Vec<Resource> {
    let parsed = parse(&"generated.yaml".into(), yaml(count).as_bytes(), Dialect::Kubectl, &limits());
    assert!(parsed.problems.is_empty() && parsed.resources.len() == count, "the generated manifests are sound");
    parsed.resources.into_iter().map(|(resource, _)| resource).collect()
}

fn deployment(text: &mut String, name: &str, namespace: &str, random: &mut Random) -> std::fmt::Result {
    let (replicas, tag, cpu) = (random.below(9) + 1, random.below(1000), random.below(400) + 50);
    write!(
        text,
        "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: {namespace}
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
      annotations:
        prometheus.io/scrape: \"true\"
        prometheus.io/port: \"9090\"
    spec:
      serviceAccountName: {name}
      containers:
      - name: main
        image: registry.example.org/{namespace}/{name}:1.{tag}
        ports:
        - name: http
          containerPort: 8080
        - name: metrics
          containerPort: 9090
        env:
        - name: LOG_LEVEL
          value: info
        - name: DATABASE
          valueFrom:
            secretKeyRef:
              name: {name}-database
              key: url
        resources:
          requests:
            cpu: {cpu}m
            memory: {cpu}Mi
          limits:
            memory: 512Mi
        readinessProbe:
          httpGet:
            path: /ready
            port: http
          periodSeconds: 5
        volumeMounts:
        - name: config
          mountPath: /etc/{name}
      volumes:
      - name: config
        configMap:
          name: {name}
"
    )
}

fn service(text: &mut String, name: &str, namespace: &str, random: &mut Random) -> std::fmt::Result {
    let port = 8000 + random.below(1000);
    write!(
        text,
        "---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
  - name: http
    port: {port}
    targetPort: http
"
    )
}

fn config(text: &mut String, name: &str, namespace: &str, random: &mut Random) -> std::fmt::Result {
    write!(text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\ndata:\n")?;
    writeln!(text, "  application.properties: |")?;
    for line in 0..random.below(20) + 5 {
        writeln!(text, "    feature.{line}.enabled=true # setting {}", random.below(100_000))?;
    }
    writeln!(text, "  level: \"{}\"", random.below(10))
}

/// A fixed sequence (xorshift): the same data in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) % end
    }
}
