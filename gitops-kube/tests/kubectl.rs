//! The real `kubectl` against the cluster in memory. Where there is none, each test says so and passes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests may fail")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use async_trait::async_trait;
use gitops_core::memory::MemoryCluster;
use gitops_core::resource::ResourceKey;
use gitops_core::time::{Timer, Timestamp};
use gitops_kube::memory_server::{Listening, MemoryServer};
use tempfile::TempDir;

/// Time as it passes.
#[derive(Debug)]
struct Clock;

#[async_trait]
impl Timer for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}

/// A server, and a folder for whoever talks to it.
struct World {
    server: MemoryServer,
    folder: TempDir,
    _listening: Listening,
}

/// What a command said.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl World {
    /// `None` where there is no `kubectl`.
    async fn new() -> Option<Self> {
        let found = Command::new("kubectl").args(["version", "--client"]).output();
        if !found.is_ok_and(|found| found.status.success()) {
            println!("skipped: there is no `kubectl`");
            return None;
        }
        let server = MemoryServer::new(MemoryCluster::new(1, Clock)).unwrap();
        let listening = server.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kubeconfig"), listening.kubeconfig()).unwrap();
        Some(Self { server, folder, _listening: listening })
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    async fn kubectl(&self, line: &str) -> Run {
        let mut command = Command::new("kubectl");
        command.args(line.split(' ')).current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.env("KUBECONFIG", self.folder.path().join("kubeconfig")).stdin(Stdio::null());
        command.env("KUBE_EDITOR", "sed -i s/blue/green/");
        let line = line.to_owned();
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let run = Run { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        println!("$ kubectl {line}\n{}{}", run.out, run.err);
        run
    }

    /// Runs a command that must succeed; returns what it printed.
    async fn must(&self, line: &str) -> String {
        let run = self.kubectl(line).await;
        assert_eq!(run.code, Some(0), "kubectl {line}: {run:?}");
        run.out
    }

    fn field(&self, kind: (&str, &str), name: &str, path: &[&str]) -> Option<String> {
        let key = ResourceKey::new(kind.0, kind.1, Some("default"), name);
        self.server.cluster().with_server(|server| {
            let field = server.get(&key)?.tree().dig(path)?;
            Some(field.as_str().map_or_else(|| field.to_json(), str::to_owned))
        })
    }
}

const MAP: (&str, &str) = ("", "ConfigMap");

fn map(colour: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web}}\ndata: {{colour: {colour}}}\n")
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: 'nginx:1.26', ports: [{containerPort: 80}]}
      - {name: side, image: 'side:1'}
";

const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}, parts: {type: array, items: {type: string}}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_reads_in_every_form() {
    let Some(world) = World::new().await else { return };
    world.file("d.yaml", DEPLOYMENT);
    world.must("apply --server-side -f d.yaml").await;
    let table = world.must("get deploy").await;
    assert!(table.starts_with("NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nweb    2/2"), "{table}");
    let wide = world.must("get deployments.apps web -o wide").await;
    assert!(wide.contains("nginx:1.26,side:1"), "{wide}");
    assert!(world.must("get deploy web -o yaml").await.contains("\n  replicas: 2\n"));
    assert!(world.must("get pods -l app=web -o json").await.contains("\"kind\": \"Pod\""));
    assert_eq!(world.must("get deploy -o name").await, "deployment.apps/web\n");
    assert_eq!(world.must("get deploy web -o jsonpath={.spec.replicas}").await, "2");
    assert_eq!(world.must("get pods -A --chunk-size=1 -o name").await.lines().count(), 2);
    assert!(world.must("get all").await.contains("replicaset.apps/web-"));
    let missing = world.kubectl("get deploy nope").await;
    assert!(missing.code == Some(1) && missing.err.contains("deployments.apps \"nope\" not found"), "{missing:?}");
    let unknown = world.kubectl("get nonsense").await;
    assert!(unknown.err.contains("the server doesn't have a resource type \"nonsense\""), "{unknown:?}");
    assert!(world.must("version").await.contains("Server Version: v1.36"));
    let described = world.must("describe cm kube-root-ca.crt").await;
    assert!(described.contains("Namespace:    default"), "{described}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_writes_as_it_does_on_a_real_server() {
    let Some(world) = World::new().await else { return };
    let colour = || world.field(MAP, "web", &["data", "colour"]);
    world.file("map.yaml", &map("blue"));
    assert_eq!(world.must("create -f map.yaml").await, "configmap/web created\n");
    let again = world.kubectl("create -f map.yaml").await;
    assert!(again.code == Some(1) && again.err.contains("AlreadyExists"), "{again:?}");
    assert_eq!(world.must("edit cm web").await, "configmap/web edited\n");
    assert_eq!(colour().as_deref(), Some("green"));

    let conflict = world.kubectl("apply --server-side -f map.yaml").await;
    assert!(conflict.code == Some(1) && conflict.err.contains("conflict with \"kubectl-edit\""), "{conflict:?}");
    let differs = world.kubectl("diff --server-side --force-conflicts -f map.yaml").await;
    assert!(differs.code == Some(1) && differs.out.contains("+  colour: blue"), "{differs:?}");
    assert_eq!(colour().as_deref(), Some("green"), "a diff writes nothing");
    world.must("apply --server-side --force-conflicts -f map.yaml").await;
    assert_eq!(colour().as_deref(), Some("blue"));
    assert_eq!(world.kubectl("diff --server-side -f map.yaml").await.code, Some(0));

    world.must("label cm web tier=front").await;
    world.must("annotate cm web note=1").await;
    world.must("patch cm web --type=merge -p {\"data\":{\"colour\":\"red\"}}").await;
    world.must("patch cm web --type=json -p [{\"op\":\"remove\",\"path\":\"/metadata/annotations/note\"}]").await;
    assert_eq!(colour().as_deref(), Some("red"));
    assert_eq!(world.must("delete cm web").await.trim_end(), "configmap \"web\" deleted");
    assert_eq!(colour(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_side_apply_merges_lists_by_their_keys() {
    let Some(world) = World::new().await else { return };
    let deployment = ("apps", "Deployment");
    let containers = || world.field(deployment, "web", &["spec", "template", "spec", "containers"]).unwrap();
    world.file("d.yaml", DEPLOYMENT);
    assert_eq!(world.must("apply -f d.yaml").await, "deployment.apps/web created\n");
    assert_eq!(world.must("apply -f d.yaml").await, "deployment.apps/web unchanged\n");
    // A container that somebody put in stays, and one that leaves the file goes.
    world.must("patch deploy web -p {\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"in\",\"image\":\"in:1\"}]}}}}").await;
    let without = DEPLOYMENT.replace("      - {name: side, image: 'side:1'}\n", "").replace("1.26", "1.27");
    world.file("d.yaml", &without);
    let differs = world.kubectl("diff -f d.yaml").await;
    assert!(differs.code == Some(1) && differs.out.contains("nginx:1.27"), "{differs:?}");
    assert_eq!(world.must("apply -f d.yaml").await, "deployment.apps/web configured\n");
    let left = containers();
    assert!(left.contains("in:1") && left.contains("nginx:1.27") && !left.contains("side:1"), "{left}");
    world.must("scale deploy web --replicas=3").await;
    assert_eq!(world.field(deployment, "web", &["spec", "replicas"]).as_deref(), Some("3"));
    world.must("set image deploy/web web=nginx:1.28").await;
    world.must("rollout status deploy/web --timeout=20s").await;
    assert!(containers().contains("nginx:1.28"));
    let unknown = without.replace("replicas: 2", "replicaz: 2");
    world.file("bad.yaml", &unknown);
    let refused = world.kubectl("apply -f bad.yaml").await;
    assert!(refused.code == Some(1) && refused.err.contains("unknown field \"spec.replicaz\""), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_kind_is_known_to_kubectl_by_all_its_names() {
    let Some(world) = World::new().await else { return };
    world.file("crd.yaml", CRD);
    world.must("apply -f crd.yaml").await;
    world.must("wait --for=condition=Established crd/widgets.example.com --timeout=10s").await;
    let widget =
        |size| format!("apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w}}\nspec: {{size: {size}}}\n");
    world.file("w.yaml", &widget(3));
    assert_eq!(world.must("apply -f w.yaml").await, "widget.example.com/w created\n");
    world.file("w.yaml", &widget(4));
    assert_eq!(world.must("apply -f w.yaml").await, "widget.example.com/w configured\n");
    let table = world.must("get wd").await;
    assert!(table.starts_with("NAME   SIZE\nw      4\n"), "{table}");
    let kinds = world.must("api-resources --api-group=example.com").await;
    assert!(kinds.contains("widgets   wd           example.com/v1   true         Widget"), "{kinds}");
    assert!(world.must("api-versions").await.contains("example.com/v1\n"));
    let explained = world.must("explain widget.spec").await;
    assert!(explained.contains("size\t<integer>") && explained.contains("parts\t<[]string>"), "{explained}");
    let explained = world.must("explain deploy.spec.template.spec.containers.ports").await;
    assert!(explained.contains("containerPort\t<integer>"), "{explained}");
    world.must("delete crd widgets.example.com").await;
    assert_eq!(world.kubectl("get wd").await.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_waits_for_what_is_to_come_and_what_is_to_go() {
    let Some(world) = World::new().await else { return };
    let held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, finalizers: [example.com/hold]}\n";
    world.file("map.yaml", held);
    world.must("apply --server-side -f map.yaml").await;
    assert_eq!(world.kubectl("delete cm web --timeout=1s").await.code, Some(1), "it is held");
    let (waited, freed) = tokio::join!(world.kubectl("wait --for=delete cm/web --timeout=20s"), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        world.kubectl("patch cm web --type=merge -p {\"metadata\":{\"finalizers\":null}}").await
    });
    assert_eq!((waited.code, freed.code), (Some(0), Some(0)));
    world.file("d.yaml", DEPLOYMENT);
    world.must("apply --server-side -f d.yaml").await;
    world.must("wait --for=condition=Available deploy/web --timeout=20s").await;
    let expired = world.kubectl("wait --for=jsonpath={.spec.replicas}=9 deploy/web --timeout=1s").await;
    assert!(expired.code == Some(1) && expired.err.contains("timed out"), "{expired:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_or_no_rights_is_told_so() {
    let Some(world) = World::new().await else { return };
    let nobody = world.kubectl("get pods --as=nobody").await;
    assert!(
        nobody.code == Some(1) && nobody.err.contains("User \"nobody\" cannot list resource \"pods\""),
        "{nobody:?}"
    );
    world.server.expire_token().unwrap();
    let expired = world.kubectl("get pods").await;
    assert!(
        expired.code == Some(1) && expired.err.contains("User \"system:anonymous\" cannot get path"),
        "{expired:?}"
    );
}
