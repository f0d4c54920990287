//! From text to plan, as an operator would see it.

use std::sync::Arc;

use crate::diff::{Comparison, Context, compare};
use crate::manifest::{Dialect, Limits, parse};
use crate::model::ApiModel;
use crate::plan::{HookRun, Plan, plan};
use crate::state::{DesiredState, Inventory, LiveState, Namespaces, Owner};

const DECLARED: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: blue}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {argocd.argoproj.io/hook: PreSync}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:2"}]}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {argocd.argoproj.io/sync-wave: "last"}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata:
  name: key
  annotations: {argocd.argoproj.io/sync-wave: "1"}
stringData: {key: secret}
---
apiVersion: example.com/v1
kind: Gadget
metadata: {name: red, namespace: shop}
"#;

const LIVE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop, uid: "1"}
data: {color: blue}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: "2"}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"#;

const PLAN: &str = "\
PreSync, wave 0
  create  Namespace shop: is missing
  run     batch/Job shop/migrate: hook
Sync, wave 0
  apply   ConfigMap shop/settings: is not marked as ours yet
  create  apiextensions.k8s.io/CustomResourceDefinition widgets.example.org: is missing
  apply   apps/Deployment shop/web: differs; restarts what runs
  create  example.org/Widget shop/blue: is missing
Sync, wave 1
  create  Secret shop/key: is missing
left alone
  Service shop/web: held back by a problem
  example.com/Gadget shop/red: held back by a problem
problems
  error: shop.yaml:54: example.com/Gadget shop/red: the cluster serves no kind `example.com/Gadget` and no CRD of this \
set declares it; check `apiVersion` and `kind`, or add the CRD
  error: shop.yaml:40: Service shop/web: `metadata.annotations[\"argocd.argoproj.io/sync-wave\"]`: sync wave `last` is \
not a whole number; use a whole number in quotes, such as \"-1\" or \"5\"
";

#[test]
fn a_declared_application_becomes_a_plan() {
    let file: Arc<str> = "shop.yaml".into();
    let limits = Limits::default();
    let parsed = Arc::new(parse(&file, DECLARED.as_bytes(), Dialect::Kubectl, &limits));
    let model = ApiModel::builtin();
    let desired = DesiredState::assemble(&[], &[parsed], &[], &model, Some("shop"));
    let mut live = LiveState::default();
    desired.kinds().iter().for_each(|kind| live.listed(kind, &Namespaces::All));
    for (resource, _) in parse(&file, LIVE.as_bytes(), Dialect::Kubectl, &limits).resources {
        live.insert(resource);
    }
    let (owner, inventory) = (Owner::new("", "shop").unwrap(), Inventory::default());
    let context = Context::new(&model, &owner, &inventory);
    let comparison = compare(&desired, &live, &context, &Comparison::default());
    let shown = plan(&comparison, &desired, &super::pruning(), &context, HookRun::default()).to_string();
    assert_eq!(shown, PLAN, "\n{shown}");
}

/// Each document starts at line 1, 12, 23, …: ten lines and a separator.
fn documents(annotations: &[&str]) -> String {
    let document = |(at, annotation): (usize, &&str)| {
        let name = if annotation.contains("PreSync") { String::new() } else { format!("  name: c{at}\n") };
        let lines =
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n{name}  annotations:\n    {annotation}\ndata: {{}}\n");
        let padding = "# more\n".repeat(10 - lines.lines().count());
        format!("{lines}{padding}---\n")
    };
    annotations.iter().enumerate().map(document).collect()
}

/// The plan of what a file declares, where nothing is there yet.
fn planned(text: &str) -> Plan {
    let file = parse(&"all.yaml".into(), text.as_bytes(), Dialect::Kubectl, &Limits::default());
    let model = ApiModel::builtin();
    let desired = DesiredState::assemble(&[], &[Arc::new(file)], &[], &model, Some("shop"));
    let (owner, inventory, mut live) = (Owner::new("", "app").unwrap(), Inventory::default(), LiveState::default());
    live.listed(&crate::resource::GroupKind::new("", "ConfigMap"), &Namespaces::All);
    let context = Context::new(&model, &owner, &inventory);
    let comparison = compare(&desired, &live, &context, &Comparison::default());
    plan(&comparison, &desired, &Default::default(), &context, HookRun::default())
}

#[test]
fn a_cycle_is_told_with_the_line_of_the_annotation_that_caused_each_edge() {
    let text = documents(&[
        "gitops.rs/depends-on: /namespaces/shop/ConfigMap/c1",
        "kapp.k14s.io/change-rule.late: upsert after upserting last",
        "{kapp.k14s.io/change-group: last, kapp.k14s.io/change-group.first: first}",
        "kapp.k14s.io/change-rule: upsert before upserting first",
    ]);
    // c2 needs c3 by what c3 says, and c3 needs c0.
    let text = text.replace("upserting first\n", "upserting first\n    gitops.rs/depends-on: /ConfigMap:shop/c0\n");
    let told: Vec<String> = planned(&text).problems.iter().map(ToString::to_string).collect();
    let expected = "all.yaml:6: ConfigMap shop/c0: must follow itself: \
        `ConfigMap shop/c0` (all.yaml:6, `gitops.rs/depends-on`) needs \
        `ConfigMap shop/c1` (all.yaml:17, `kapp.k14s.io/change-rule.late` on group `last`) needs \
        `ConfigMap shop/c2` (all.yaml:23, in group `first`, named by `kapp.k14s.io/change-rule` of the next at \
        all.yaml:39) needs \
        `ConfigMap shop/c3` (all.yaml:40, `gitops.rs/depends-on`) needs \
        `ConfigMap shop/c0` (also at all.yaml:17); remove one of these dependencies";
    assert_eq!(told, [expected]);
}

#[test]
fn each_bad_word_about_order_is_told_with_file_and_line_and_harms_nobody_else() {
    let text = documents(&[
        "gitops.rs/sync-wave: \"soon\"",
        "argocd.argoproj.io/hook: Sometime",
        "argocd.argoproj.io/hook: PreSync",
        "gitops.rs/depends-on: /namespaces/shop/ConfigMap/c3",
        "gitops.rs/depends-on: /namespaces/shop/ConfigMap/none",
        "config.kubernetes.io/depends-on: whatever",
        "argocd.argoproj.io/depends-on: /ConfigMap:shop/c7",
        "argocd.argoproj.io/sync-options: Prune=false,PruneLast=true",
        "kapp.k14s.io/change-rule: upsert after upserting nobody",
    ]);
    let plan = planned(&text);
    let told: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
    for expected in [
        "all.yaml:1: ConfigMap shop/c0: `metadata.annotations[\"gitops.rs/sync-wave\"]`: sync wave `soon` is not a whole number",
        "all.yaml:12: ConfigMap shop/c1: `metadata.annotations[\"argocd.argoproj.io/hook\"]`: `Sometime` is unknown",
        "all.yaml:23: ",
        "all.yaml:39: ConfigMap shop/c3: `metadata.annotations[\"gitops.rs/depends-on\"]`: depends on itself",
        "all.yaml:50: ConfigMap shop/c4: depends on `ConfigMap shop/none`, which this application does not declare",
        "all.yaml:61: ConfigMap shop/c5: `metadata.annotations[\"config.kubernetes.io/depends-on\"]`: dependency `whatever` cannot be read",
        "all.yaml:78: ConfigMap shop/c7: `metadata.annotations[\"argocd.argoproj.io/sync-options\"]`: `PruneLast=true` has no effect",
        "all.yaml:94: ConfigMap shop/c8: no resource is in change group `nobody`",
    ] {
        assert!(told.iter().any(|told| told.starts_with(expected)), "{expected} in {told:#?}");
    }
    assert_eq!(told.len(), 8, "{told:#?}");
    let steps: Vec<&str> = plan.steps.iter().map(|step| &*step.key.name).collect();
    assert_eq!(steps, ["c7", "c8", "c6"], "{plan}");
}
