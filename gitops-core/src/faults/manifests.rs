//! What the worlds declare.

use crate::manifest::{Dialect, Limits, documents};
use crate::policy::ignore::Rules;
use crate::resource::Resource;
use crate::value::Value;

/// A namespace that may go unasked.
pub(super) const SPARE: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: spare\n  annotations: {gitops.rs/prune: enabled}\n";
pub(super) const SHOP: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
/// A hook that leaves a namespace, which may go unasked.
pub(super) const SCRATCH: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: scratch\n  annotations:\n    \
     argocd.argoproj.io/hook: PreSync\n    gitops.rs/prune: enabled\n";
/// Healthy after a minute.
pub(super) const SLOW: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: slow\n  annotations: \
     {memory.gitops.rs/after-seconds: \"60\"}\nspec:\n  selector: {matchLabels: {app: slow}}\n  template:\n    metadata: \
     {labels: {app: slow}}\n    spec: {containers: [{name: slow, image: slow}]}\n";

/// Leaves one field of one object alone.
pub(super) fn rules(name: &str) -> Rules {
    let rules = format!("ignoreDifferences: [{{kind: ConfigMap, name: {name}, jsonPointers: [/data/free]}}]");
    let (documents, _) = documents(rules.as_bytes(), Dialect::default(), &Limits::default());
    Rules::read(documents[0].value.root()).unwrap()
}

pub(super) fn config(name: &str, annotations: &[(&str, &str)], data: &str) -> String {
    let annotations: String = annotations.iter().map(|(name, value)| format!("    {name}: {value:?}\n")).collect();
    let annotations = if annotations.is_empty() { String::new() } else { format!("  annotations:\n{annotations}") };
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{annotations}data: {data}\n")
}

pub(super) fn job(name: &str, phase: &str, delete: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    argocd.argoproj.io/hook: {phase}\n    \
         argocd.argoproj.io/hook-delete-policy: {delete}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
         containers: [{{name: run, image: busybox}}]\n"
    )
}

pub(super) fn object(name: &str, data: &str, metadata: &str) -> Resource {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop"{metadata}}},"data":{data}}}"#
    );
    Resource::new(Value::from_json(text.as_bytes()).unwrap()).unwrap()
}

pub(super) fn namespace() -> Resource {
    let text = br#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#;
    Resource::new(Value::from_json(text).unwrap()).unwrap()
}

pub(super) fn crd(versions: &[&str]) -> String {
    let one = |(at, version): (usize, &&str)| {
        format!(
            "    - {{name: {version}, served: true, storage: {}, schema: {{openAPIV3Schema: {{type: object, properties: \
             {{spec: {{type: object, properties: {{a: {{type: string}}}}}}}}}}}}}}\n",
            at + 1 == versions.len()
        )
    };
    let versions: String = versions.iter().enumerate().map(one).collect();
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: widgets.example.org\nspec:\n  \
         group: example.org\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}}\n  \
         versions:\n{versions}"
    )
}

pub(super) fn widget(version: &str, a: &str) -> String {
    format!(
        "apiVersion: example.org/{version}\nkind: Widget\nmetadata: {{name: w, namespace: shop}}\nspec: {{a: {a}}}\n"
    )
}
