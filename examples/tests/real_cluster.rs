//! What people do with the program, on a real API server. Without a control plane it says so and passes.
#![expect(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::future::Future;

use gitops_core::cluster::{Cluster, Interest, PatchStep, Write};
use gitops_core::path::FieldPath;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::Live;
use gitops_core::value::Value;
use gitops_kube::KubeCluster;
use gitops_kube::control_plane::{ControlPlane, Programs};
use support::{Run, World};
use tokio::runtime::Runtime;

/// A repository, and a namespace of a real cluster that its application lives in.
struct Shop<'s> {
    world: World,
    server: &'s Server,
    name: &'static str,
}

struct Server {
    plane: ControlPlane,
    cluster: KubeCluster,
    runtime: Runtime,
}

type Story = fn(&Shop<'_>);

#[test]
fn stories() {
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(none) => return println!("skipped: {none}"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let plane = runtime.block_on(ControlPlane::start(programs)).unwrap();
    let cluster = runtime.block_on(KubeCluster::connect(&plane.admin())).unwrap();
    let server = Server { plane, cluster, runtime };
    let stories: [(&'static str, Story); 10] = [
        ("first", a_first_sync_creates_everything_in_order_and_a_second_one_writes_nothing),
        ("edits", a_hand_edit_is_named_with_who_made_it_and_a_sync_undoes_it),
        ("reverts", a_git_revert_brings_the_earlier_state_back_and_the_history_tells_of_it),
        ("prunes", what_is_no_longer_declared_is_deleted_only_when_asked_and_only_if_it_is_ours),
        ("kinds", a_crd_and_its_objects_come_in_one_sync),
        ("waves", waves_and_hooks_come_in_their_order),
        ("plans", a_plan_is_followed_as_it_was_approved_or_not_at_all),
        ("invalid", one_bad_object_holds_back_itself_and_no_other),
        ("copies", what_a_sync_would_come_to_is_tried_on_a_copy),
        ("ends", an_application_is_deleted_with_all_that_is_its_own),
    ];
    for (name, story) in stories {
        let world = World::new();
        story(&Shop { world, server: &server, name });
        println!("{name} ... ok");
    }
}

impl Server {
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Shop<'_> {
    /// Runs the program on the real cluster, with arguments separated by white space.
    fn gitops(&self, arguments: &str) -> Run {
        let mut arguments: Vec<&str> = arguments.split_whitespace().collect();
        arguments.extend(["--cluster", "kube", "--app", self.name]);
        let mut program = self.world.program(&arguments);
        program.env("KUBECONFIG", self.server.plane.kubeconfig());
        Run::of(program.output().unwrap())
    }

    fn namespace(&self) -> String {
        format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n", self.name)
    }

    fn config(&self, name: &str, greeting: &str) -> String {
        let namespace = self.name;
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\ndata:\n  greeting: \
             {greeting}\n"
        )
    }

    fn deployment(&self, replicas: u32) -> String {
        support::deployment(replicas, "nginx:1.26").replace("namespace: shop", &format!("namespace: {}", self.name))
    }

    /// Commits a namespace, a ConfigMap and a Deployment, and syncs them.
    fn synced(&self) -> String {
        self.world.write("namespace.yaml", &self.namespace());
        self.world.write("config.yaml", &self.config("web", "hello"));
        self.world.write("web.yaml", &self.deployment(2));
        self.world.commit("Add the shop");
        self.gitops("sync").exits(0)
    }

    fn key(&self, group: &str, kind: &str, name: &str) -> ResourceKey {
        ResourceKey::new(group, kind, self.name, name)
    }

    fn live(&self, key: &ResourceKey) -> Option<Resource> {
        let seen = self.server.wait(self.server.cluster.observe(&Interest::in_objects([key.clone()]))).unwrap();
        match seen.live.get(key) {
            Live::Present(object) => Some(object.clone()),
            Live::Absent | Live::NotServed => None,
            other => panic!("{key} is {other:?}"),
        }
    }

    /// Changes a field as a hand edit does.
    fn edit(&self, key: &ResourceKey, field: &[&str], value: impl Into<Value>) {
        let step = PatchStep::Set(FieldPath::fields(field), value.into());
        let write = Write::patch(key, "v1", vec![step], "kubectl-edit");
        self.server.wait(self.server.cluster.write(&write)).unwrap();
    }

    /// The versions of all that the application has: they change with every write.
    fn versions(&self) -> Vec<String> {
        let keys = [self.key("", "ConfigMap", "web"), ResourceKey::new("", "Namespace", None, self.name)];
        let ledger = ResourceKey::new("", "ConfigMap", "gitops-system", &format!("gitops.{}", self.name));
        let objects = keys.iter().chain([&ledger]).map(|key| self.live(key).unwrap());
        objects.map(|object| object.resource_version().unwrap().to_owned()).collect()
    }
}

fn a_first_sync_creates_everything_in_order_and_a_second_one_writes_nothing(shop: &Shop<'_>) {
    let first = shop.synced();
    let position = |what: &str| first.find(what).unwrap_or_else(|| panic!("no `{what}` in\n{first}"));
    assert!(position("created  Namespace first") < position("created  ConfigMap first/web"), "{first}");
    assert!(position("created  ConfigMap first/web") < position("created  apps/Deployment first/web"), "{first}");
    assert!(!first.contains("virtual"), "{first}");
    let before = shop.versions();
    let second = shop.gitops("sync").exits(0);
    assert!(second.starts_with("nothing to do\n"), "{second}");
    for verb in ["status", "diff", "plan", "history", "validate", "sync --dry-run"] {
        shop.gitops(verb).exits(0);
    }
    assert_eq!(shop.versions(), before);
    shop.world.change("config.yaml", &shop.config("web", "good day"), "Greet politely");
    let difference = shop.gitops("diff --format fields").exits(1);
    assert!(difference.contains("data.greeting  live value set by `gitops:first` at "), "{difference}");
    assert!(shop.gitops("sync").exits(0).contains("changed  ConfigMap first/web"));
    assert_eq!(shop.gitops("diff").exits(0), "");
}

fn a_hand_edit_is_named_with_who_made_it_and_a_sync_undoes_it(shop: &Shop<'_>) {
    shop.synced();
    let web = shop.key("apps", "Deployment", "web");
    shop.edit(&web, &["spec", "replicas"], 5);
    let difference = shop.gitops("diff").exits(1);
    for part in ["-  replicas: 5\n+  replicas: 2", "live value set by `kubectl-edit` at ", "takes over `spec.replicas`"]
    {
        assert!(difference.contains(part), "no `{part}` in\n{difference}");
    }
    let explained = shop.gitops("explain deploy/web spec.replicas").exits(1);
    assert!(explained.contains("kubectl-edit") && explained.contains("web.yaml"), "{explained}");
    shop.gitops("sync").exits(0);
    let live = shop.live(&web).unwrap();
    assert_eq!(live.tree().dig(&["spec", "replicas"]).unwrap().as_i64(), Some(2));
    assert_eq!(shop.gitops("diff").exits(0), "");
}

fn a_git_revert_brings_the_earlier_state_back_and_the_history_tells_of_it(shop: &Shop<'_>) {
    shop.synced();
    shop.world.change("config.yaml", &shop.config("web", "rubbish"), "Greet badly");
    shop.gitops("sync").exits(0);
    shop.world.git(&["revert", "--no-edit", "HEAD"]);
    shop.gitops("sync").exits(0);
    let web = shop.live(&shop.key("", "ConfigMap", "web")).unwrap();
    assert_eq!(web.tree().dig(&["data", "greeting"]).unwrap().as_str(), Some("hello"));
    let history = shop.gitops("history").exits(0);
    assert!(history.contains("Revert \"Greet badly\"") && history.contains("Add the shop"), "{history}");
    assert!(shop.gitops("rollback 2").exits(0).contains("changed  ConfigMap reverts/web"));
    let refused = shop.gitops("sync").refuses();
    assert!(refused.contains("was rolled back to"), "{refused}");
}

fn what_is_no_longer_declared_is_deleted_only_when_asked_and_only_if_it_is_ours(shop: &Shop<'_>) {
    shop.synced();
    shop.world.remove("config.yaml");
    // Without nodes it never becomes healthy, and nothing goes as long as it may still be in use.
    shop.world.write("web.yaml", &shop.deployment(0));
    shop.world.commit("Greet nobody");
    shop.gitops("sync").exits(1);
    let config = shop.key("", "ConfigMap", "web");
    assert!(shop.live(&config).is_some(), "without pruning it stays");
    shop.gitops("sync --prune").exits(0);
    assert_eq!(shop.live(&config), None);
    let others = shop.key("", "ConfigMap", "kube-root-ca.crt");
    assert!(shop.live(&others).is_some(), "what a controller made is nobody's to prune");
}

fn a_crd_and_its_objects_come_in_one_sync(shop: &Shop<'_>) {
    let crd = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: mugs.kinds.example.com
spec:
  group: kinds.example.com
  scope: Namespaced
  names: {kind: Mug, listKind: MugList, plural: mugs, singular: mug}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                size: {type: integer}
                colour: {type: string, default: white}
";
    let mug =
        "apiVersion: kinds.example.com/v1\nkind: Mug\nmetadata:\n  name: tea\n  namespace: kinds\nspec:\n  size: 3\n";
    shop.world.write("crd.yaml", crd);
    shop.world.write("mug.yaml", mug);
    shop.world.write("namespace.yaml", &shop.namespace());
    shop.world.commit("Add mugs");
    shop.gitops("sync").exits(0);
    assert_eq!(shop.gitops("diff").exits(0), "", "a default of the CRD is no difference");
    let tea = shop.live(&shop.key("kinds.example.com", "Mug", "tea")).unwrap();
    assert_eq!(tea.tree().dig(&["spec", "colour"]).unwrap().as_str(), Some("white"));
}

fn waves_and_hooks_come_in_their_order(shop: &Shop<'_>) {
    let with = |text: String, annotation: &str| {
        text.replacen("metadata:\n", &format!("metadata:\n  annotations:\n    argocd.argoproj.io/{annotation}\n"), 1)
    };
    shop.world.write("namespace.yaml", &shop.namespace());
    shop.world.write("late.yaml", &with(shop.config("late", "x"), "sync-wave: \"2\""));
    shop.world.write("early.yaml", &with(shop.config("early", "x"), "sync-wave: \"1\""));
    shop.world.write("after.yaml", &with(shop.config("after", "x"), "hook: PostSync"));
    shop.world.commit("Add waves");
    shop.gitops("sync").exits(0);
    let version = |name: &str| -> u64 {
        let object = shop.live(&shop.key("", "ConfigMap", name)).unwrap();
        object.resource_version().unwrap().parse().unwrap()
    };
    assert!(version("early") < version("late") && version("late") < version("after"));
}

fn a_plan_is_followed_as_it_was_approved_or_not_at_all(shop: &Shop<'_>) {
    shop.synced();
    shop.world.change("config.yaml", &shop.config("web", "good day"), "Greet politely");
    let file = shop.world.inner("plan.json");
    shop.gitops(&format!("plan -o {}", file.display())).exits(1);
    shop.world.change("config.yaml", &shop.config("web", "later"), "Greet later");
    shop.gitops(&format!("sync --plan {}", file.display())).exits(0);
    let web = shop.live(&shop.key("", "ConfigMap", "web")).unwrap();
    assert_eq!(web.tree().dig(&["data", "greeting"]).unwrap().as_str(), Some("good day"));
}

fn one_bad_object_holds_back_itself_and_no_other(shop: &Shop<'_>) {
    shop.world.write("namespace.yaml", &shop.namespace());
    shop.world.write("good.yaml", &shop.config("good", "x"));
    shop.world.write("bad.yaml", &(shop.config("bad", "x") + "oddity: true\n"));
    shop.world.commit("Add good and bad");
    let run = shop.gitops("sync");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.out.contains("oddity"), "{}", run.out);
    assert!(shop.live(&shop.key("", "ConfigMap", "good")).is_some());
    assert_eq!(shop.live(&shop.key("", "ConfigMap", "bad")), None);
}

fn what_a_sync_would_come_to_is_tried_on_a_copy(shop: &Shop<'_>) {
    shop.synced();
    let before = shop.versions();
    shop.world.change("config.yaml", &shop.config("web", "good day"), "Greet politely");
    let told = shop.gitops("what-if").exits(0);
    assert!(told.contains("afterwards: Synced"), "{told}");
    assert_eq!(shop.versions(), before);
}

fn an_application_is_deleted_with_all_that_is_its_own(shop: &Shop<'_>) {
    shop.synced();
    shop.gitops("delete --yes --confirm=Namespace/ends").exits(0);
    assert_eq!(shop.live(&shop.key("", "ConfigMap", "web")), None);
    let history = shop.gitops("history").refuses();
    assert!(history.contains("was never synced"), "{history}");
}
