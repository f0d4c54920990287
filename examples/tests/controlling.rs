//! `gitops controller`: installed on the embedded cluster, which is served as an API server.

#![expect(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::World;

/// A program that runs until it is told to stop, and the first line of it that has this in it.
struct Running {
    child: Child,
    line: String,
}

impl Running {
    fn start(mut command: Command, says: &str) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(says) {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "it ended before it said `{says}`");
        }
        // What it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, line }
    }

    fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: default}\ndata: {colour: blue}\n";

const APPLICATION: &str = "apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {name: shop, namespace: gitops-system}
spec:
  source: {repoURL: 'https://example.org/shop.git', path: deploy, targetRevision: main}
  destination: {namespace: default}
  syncPolicy: {automated: {prune: true}}
";

#[test]
fn a_controller_is_installed_from_what_it_prints_and_does_what_an_application_says() {
    let world = World::with(&[("deploy/web.yaml", MAP)]);
    std::fs::write(world.inner("apps.yaml"), APPLICATION).unwrap();
    let repo = "--repo https://example.org/shop.git=.";
    let manifests = world.gitops(&format!("controller manifests --image example.org/gitops:1 {repo} ../apps.yaml"));
    let manifests = manifests.exits(0);
    assert!(manifests.contains("- configmaps\n") && !manifests.contains("escalate"), "{manifests}");
    std::fs::write(world.inner("install.yaml"), &manifests).unwrap();
    world.gitops("cluster apply ../install.yaml").exits(0);
    world.gitops("cluster apply ../apps.yaml").exits(0);

    let served = Running::start(world.program(&["cluster", "serve"]), "serving on");
    let mut command = world.program(&["controller", "run", "--listen", "127.0.0.1:0", "--name", "pod-1"]);
    command.args(repo.split(' ')).env("KUBECONFIG", world.inner("cache/gitops/cluster.kubeconfig"));
    let controller = Running::start(command, "metrics are at http://");
    let address = controller.line.trim().strip_prefix("metrics are at http://").unwrap().trim_end_matches("/metrics");
    let address = address.to_owned();
    assert!(ask(&address, "/healthz").starts_with("HTTP/1.1 200 OK"));
    until("it is synced", || {
        let metrics = ask(&address, "/metrics");
        metrics.contains("gitops_controller_leads 1") && metrics.contains("sync_status=\"Synced\"")
    });
    assert!(ask(&address, "/readyz").ends_with("ok: leads\n"));
    assert_eq!(controller.stop(), Some(0));
    assert_eq!(served.stop(), Some(0));

    let found = world.gitops("cluster get cm/web -n default").exits(0);
    assert!(found.contains("colour: blue"), "{found}");
    let application = world.gitops("cluster get applications.gitops.rs/shop -n gitops-system").exits(0);
    assert!(application.contains("type: Ready") && application.contains("reason: Synced"), "{application}");
    let lease = world.gitops("cluster get leases.coordination.k8s.io -n gitops-system -o yaml").exits(0);
    assert!(lease.contains("holderIdentity: ''") || lease.contains("holderIdentity: \"\""), "given back: {lease}");
}

#[test]
fn what_a_controller_may_not_read_is_refused() {
    let world = World::new();
    let error = world.gitops("controller run --webhooks 127.0.0.1:0").refuses();
    assert!(error.contains("webhooks need a secret") || error.contains("kubeconfig"), "{error}");
    let error = world.gitops("controller manifests --image a --kind Unheard.example.org").refuses();
    assert!(error.contains("there is no kind `Unheard.example.org`"), "{error}");
}
