//! The custom resources: `Application` and `Project` of `gitops.rs/v1alpha1`.

use gitops_core::app::{AppSpec, Project};
use gitops_core::resource::{InvalidResource, Resource};
use serde_json::{Value, json};

use super::structural::structural;

/// The API group of the custom resources.
pub const GROUP: &str = "gitops.rs";
/// Their version.
pub const VERSION: &str = "v1alpha1";

/// Returns the definitions of the custom resources, as they are applied to a cluster.
///
/// What an `Application` says is checked by the server as far as a schema can: unknown fields (by clients that ask for
/// it, as `kubectl` does), types, that there is a source, and one destination. The rest the controller says in the status.
///
/// ```
/// let [application, project] = gitops_kube::controller::definitions()?;
/// assert_eq!(&*application.key().name, "applications.gitops.rs");
/// assert_eq!(&*project.key().name, "projects.gitops.rs");
/// # Ok::<(), gitops_core::resource::InvalidResource>(())
/// ```
///
/// # Errors
/// Never, in truth: they are the same whenever they are made.
pub fn definitions() -> Result<[Resource; 2], InvalidResource> {
    let columns = json!([
        column("Sync", ".status.sync.status", "Whether Git and cluster agree.", 0),
        column("Health", ".status.health.status", "The worst health of its objects.", 0),
        column("Revision", ".status.sync.revision", "What was compared.", 0),
        column("Project", ".spec.project", "The project that it belongs to.", 1),
        column("Message", ".status.conditions[?(@.type==\"Ready\")].message", "What there is to know.", 1),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]);
    let application = definition(Names::of("Application", "application", &["gapp", "gapps"]), application(), columns);
    let columns = json!([
        column("Accepted", ".status.conditions[?(@.type==\"Accepted\")].status", "Whether it can be used.", 0),
        column("Description", ".spec.description", "What it is for.", 1),
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]);
    let spec = schema_of(&Project::json_schema());
    let project = definition(Names::of("Project", "project", &["gproj", "gprojs"]), spec, columns);
    Ok([Resource::from_typed(&application)?, Resource::from_typed(&project)?])
}

struct Names {
    kind: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
}

impl Names {
    fn of(kind: &'static str, singular: &'static str, short: &'static [&'static str]) -> Self {
        Self { kind, singular, short }
    }
}

fn definition(names: Names, spec: Value, columns: Value) -> Value {
    let plural = format!("{}s", names.singular);
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}"), "labels": {"app.kubernetes.io/part-of": "gitops"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.kind,
                "listKind": format!("{}List", names.kind),
                "plural": plural,
                "singular": names.singular,
                "shortNames": names.short,
                "categories": ["gitops"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec,
                        "status": status(),
                    },
                }},
            }],
        },
    })
}

fn column(name: &str, path: &str, description: &str, priority: u8) -> Value {
    json!({"name": name, "type": "string", "jsonPath": path, "description": description, "priority": priority})
}

fn schema_of(schema: &gitops_core::value::Value) -> Value {
    // What was written as JSON can be read as such.
    structural(&serde_json::from_str(&schema.to_json()).unwrap_or_default())
}

/// The spec of an application, with what its schema alone cannot say.
fn application() -> Value {
    let mut spec = schema_of(&AppSpec::json_schema());
    let said = "has(self.source) || (has(self.sources) && size(self.sources) > 0)";
    rule(&mut spec, said, "the application has no source; set `source`");
    if let Some(destination) = spec.pointer_mut("/properties/destination") {
        let said = "!has(self.server) || !has(self.name) || size(self.server) == 0 || size(self.name) == 0";
        rule(destination, said, "both a server and a name are given; give one of them");
    }
    for at in ["/properties/source", "/properties/sources/items"] {
        if let Some(url) = spec.pointer_mut(&format!("{at}/properties/repoURL")).and_then(Value::as_object_mut) {
            url.insert("minLength".to_owned(), json!(1));
        }
    }
    spec
}

fn rule(place: &mut Value, said: &str, message: &str) {
    if let Some(place) = place.as_object_mut() {
        place.insert("x-kubernetes-validations".to_owned(), json!([{"rule": said, "message": message}]));
    }
}

/// The status of both. Only what others look at has a schema; the rest is for people and may grow.
fn status() -> Value {
    let text = || json!({"type": "string"});
    let stated = || json!({"type": "object", "properties": {"status": text()}});
    let mut sync = stated();
    if let Some(fields) = sync.pointer_mut("/properties").and_then(Value::as_object_mut) {
        fields.insert("revision".to_owned(), text());
        fields.insert(
            "revisions".to_owned(),
            json!({"type": "array", "x-kubernetes-list-type": "atomic", "items": text()}),
        );
    }
    json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64"},
            "sync": sync,
            "health": stated(),
            "conditions": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
                    "properties": {
                        "type": text(),
                        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                        "lastTransitionTime": {"type": "string", "format": "date-time"},
                        "reason": text(),
                        "message": text(),
                    },
                },
            },
        },
    })
}
