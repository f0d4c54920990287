//! OpenAPI v3: an index, and one document for each version of a group.
//!
//! It says what the model knows: which fields there are, of what type, and how lists are merged, which is what clients go
//! by that make patches, and `kubectl explain`. There are no descriptions in it, and no defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{ListKind, Meaning, Scalar, Scope, ServedKind, TypeRef};
use crate::value::{Draft, Hasher, Purpose, Value};

use super::super::server::ApiServer;
use super::super::url::HttpRequest;
use super::super::wire::Wire;
use super::{VERSION, group_version, texts};

/// Types that come one in the other without a name. Those of real kinds have names within two.
const UNNAMED: usize = 16;

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

impl ApiServer {
    /// Where the document of each version of a group is, by a name for its content.
    pub(super) fn openapi_index(&self) -> Value {
        let mut paths = Draft::map();
        for (place, ..) in self.openapi_places() {
            let mut entry = Draft::map();
            entry.set("serverRelativeURL", format!("/openapi/v3/{place}?hash={}", self.openapi_hash(&place)));
            paths.set(&place, entry);
        }
        let mut draft = Draft::map();
        draft.set("paths", paths);
        draft.freeze()
    }

    /// One document. An old name leads to the new one.
    pub(super) fn openapi(&self, place: &str, http: &HttpRequest<'_>) -> Wire {
        let Some((_, group, version)) = self.openapi_places().into_iter().find(|(known, ..)| *known == *place) else {
            return Wire::text(404, "");
        };
        let hash = self.openapi_hash(place);
        if http.text("hash").is_some_and(|asked| asked != hash) {
            let location = format!("/openapi/v3/{place}?hash={hash}");
            return Wire { location: Some(location.into()), ..Wire::text(301, "") };
        }
        let known = format!("\"{hash}\"");
        let content = if http.known == known { Value::null() } else { self.openapi_document(&group, &version) };
        Wire::document(content).tagged(&hash, http)
    }

    fn openapi_places(&self) -> Vec<(String, Arc<str>, Arc<str>)> {
        let core = [("api/v1".to_owned(), Arc::from(""), Arc::from("v1"))];
        let places = self.groups().into_iter().flat_map(|(group, versions)| {
            let place = move |version: Arc<str>| (format!("apis/{group}/{version}"), Arc::clone(&group), version);
            versions.into_iter().map(place)
        });
        core.into_iter().chain(places).collect()
    }

    /// A name for the content, without making it.
    fn openapi_hash(&self, place: &str) -> String {
        let mut hasher = Hasher::new(Purpose::Schema).text(place);
        let group = place.strip_prefix("apis/").and_then(|rest| rest.split_once('/')).map_or("", |(group, _)| group);
        for kind in self.model.kinds().filter(|kind| *kind.group_kind.group == *group) {
            hasher = hasher.digest(&self.model.digest_of(&kind.group_kind));
        }
        hasher.finish().to_string().to_ascii_uppercase()
    }

    fn openapi_document(&self, group: &str, version: &str) -> Value {
        let mut components = Components::default();
        let mut paths = Draft::map();
        let of_group = self.model.kinds().filter(|kind| *kind.group_kind.group == *group);
        for kind in of_group.filter(|kind| kind.versions.iter().any(|served| **served == *version)) {
            let is_custom = self.definition_of(kind).is_some();
            add_paths(&mut paths, kind, version, is_custom);
            if let Some(schema) = self.model.declared_schema(&kind.group_kind, version) {
                components.add_root(kind, version, schema);
            }
        }
        let mut draft = Draft::map();
        draft.set("openapi", "3.0.0");
        let (major, minor) = VERSION;
        draft.entry("info").set("title", "Kubernetes");
        draft.entry("info").set("version", format!("{major}.{minor}"));
        draft.set("paths", paths);
        draft.entry("components").set("schemas", components.finish());
        draft.freeze()
    }
}

fn gvk(kind: &ServedKind, version: &str) -> Draft {
    let mut draft = Draft::map();
    draft.set("group", &*kind.group_kind.group);
    draft.set("version", version);
    draft.set("kind", &*kind.group_kind.kind);
    draft
}

/// Adds what can be done with a kind, and with which parameters.
fn add_paths(paths: &mut Draft, kind: &ServedKind, version: &str, is_custom: bool) {
    let group = &*kind.group_kind.group;
    let root = if group.is_empty() { "api" } else { "apis" };
    let within = if kind.scope == Scope::Namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("/{root}/{}{within}/{}", group_version(group, version), kind.plural);
    let one = format!("{collection}/{{name}}");
    let reads: &[&str] = &["pretty"];
    let writes = ["dryRun", "fieldManager", "fieldValidation"].as_slice();
    for (path, method, verb, action, parameters) in [
        (&collection, "get", "list", "list", reads),
        (&collection, "post", "create", "post", writes),
        (&collection, "delete", "deletecollection", "deletecollection", ["dryRun"].as_slice()),
        (&one, "get", "get", "get", reads),
        (&one, "put", "update", "put", writes),
        (&one, "patch", "patch", "patch", ["dryRun", "fieldManager", "fieldValidation", "force"].as_slice()),
        (&one, "delete", "delete", "delete", ["dryRun"].as_slice()),
    ] {
        if !kind.allows(verb) {
            continue;
        }
        let mut operation = Draft::map();
        operation.set("x-kubernetes-action", action);
        operation.set("x-kubernetes-group-version-kind", gvk(kind, version));
        let parameter = |name: &&str| {
            let mut draft = Draft::map();
            draft.set("name", *name);
            draft.set("in", "query");
            draft
        };
        operation.set("parameters", parameters.iter().map(parameter).collect::<Vec<_>>());
        if method == "patch" {
            let strategic = (!is_custom).then_some("application/strategic-merge-patch+json");
            let content = operation.entry("requestBody").entry("content");
            let media = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
            media.into_iter().chain(strategic).for_each(|media| content.set(media, Draft::map()));
        }
        paths.entry(path).set(method, operation);
    }
}

/// The types of a document: each struct once, by a name.
#[derive(Default)]
struct Components<'a> {
    /// The names of structs, by where they are.
    names: BTreeMap<(usize, u32), String>,
    waiting: Vec<(String, TypeRef<'a>)>,
    done: BTreeMap<String, Draft>,
}

impl<'a> Components<'a> {
    fn add_root(&mut self, kind: &ServedKind, version: &str, schema: TypeRef<'a>) {
        let group = if kind.group_kind.group.is_empty() { "core" } else { &*kind.group_kind.group };
        let name = format!("{group}.{version}.{}", kind.group_kind.kind);
        let mut root = self.object(schema, 0);
        root.set("x-kubernetes-group-version-kind", vec![gvk(kind, version)]);
        self.done.insert(name, root);
    }

    fn finish(mut self) -> Draft {
        while let Some((name, schema)) = self.waiting.pop() {
            let component = self.object(schema, 0);
            self.done.insert(name, component);
        }
        let mut draft = Draft::map();
        self.done.iter().for_each(|(name, component)| draft.set(name, component.clone()));
        draft
    }

    /// A type, by its name where it is a struct.
    fn of(&mut self, schema: TypeRef<'a>, depth: usize) -> Draft {
        let mut draft = Draft::map();
        if depth > UNNAMED || schema.is_deduced() {
            draft.set("x-kubernetes-preserve-unknown-fields", true);
            return draft;
        }
        match (schema.meaning(), schema.scalar()) {
            (Meaning::Quantity | Meaning::Amount, _) => return self.quantity(),
            (Meaning::IntOrString, _) => {
                draft.set("format", "int-or-string");
                draft.set("oneOf", ["integer", "string"].map(typed).to_vec());
            }
            // What may be more than one thing is not told apart.
            (_, Some(_)) if schema.has_list() || schema.has_map() => {
                draft.set("x-kubernetes-preserve-unknown-fields", true);
            }
            (meaning, Some(scalar)) => {
                let (of, format) = match (meaning, scalar) {
                    (Meaning::Integer, _) => ("integer", "int64"),
                    (Meaning::Time | Meaning::MicroTime, _) => ("string", "date-time"),
                    (Meaning::Bytes, _) => ("string", "byte"),
                    (_, Scalar::Numeric) => ("number", ""),
                    (_, Scalar::Boolean) => ("boolean", ""),
                    _ => ("string", ""),
                };
                draft.set("type", of);
                if !format.is_empty() {
                    draft.set("format", format);
                }
            }
            _ if schema.has_list() => draft = self.list(schema, depth),
            _ if schema.fields().next().is_some() => {
                draft.set("$ref", format!("#/components/schemas/{}", self.name(schema)))
            }
            _ => draft = self.object(schema, depth),
        }
        draft
    }

    fn quantity(&mut self) -> Draft {
        let mut of = Draft::map();
        of.set("oneOf", ["string", "number"].map(typed).to_vec());
        self.done.entry(QUANTITY.to_owned()).or_insert(of);
        let mut draft = Draft::map();
        draft.set("$ref", format!("#/components/schemas/{QUANTITY}"));
        draft
    }

    fn name(&mut self, schema: TypeRef<'a>) -> String {
        let number = self.names.len();
        let place = (std::ptr::from_ref(schema.schema).addr(), schema.id.0);
        if let Some(name) = self.names.get(&place) {
            return name.clone();
        }
        let name = format!("struct.{number}");
        self.names.insert(place, name.clone());
        self.waiting.push((name.clone(), schema));
        name
    }

    fn list(&mut self, schema: TypeRef<'a>, depth: usize) -> Draft {
        let mut draft = typed("array");
        draft.set("items", self.of(schema.element(), depth + 1));
        let merged = |draft: &mut Draft, of: &str| {
            draft.set("x-kubernetes-list-type", of);
            draft.set("x-kubernetes-patch-strategy", "merge");
        };
        match schema.list() {
            ListKind::Map { keys } => {
                merged(&mut draft, "map");
                draft.set("x-kubernetes-list-map-keys", texts(keys));
                if let Some(first) = keys.first() {
                    draft.set("x-kubernetes-patch-merge-key", &**first);
                }
            }
            ListKind::Set => merged(&mut draft, "set"),
            ListKind::Atomic => draft.set("x-kubernetes-list-type", "atomic"),
        }
        draft
    }

    /// A map, with its fields.
    fn object(&mut self, schema: TypeRef<'a>, depth: usize) -> Draft {
        let mut draft = typed("object");
        if schema.is_atomic_map() {
            draft.set("x-kubernetes-map-type", "atomic");
        }
        let fields: Vec<&Arc<str>> = schema.fields().collect();
        if !fields.is_empty() {
            let mut properties = Draft::map();
            for name in fields {
                properties.set(name, self.of(schema.field(name), depth + 1));
            }
            draft.set("properties", properties);
        } else if schema.has_map() {
            // A name that no struct declares leads to the type of all values.
            draft.set("additionalProperties", self.of(schema.field(""), depth + 1));
        }
        draft
    }
}

fn typed(of: &str) -> Draft {
    let mut draft = Draft::map();
    draft.set("type", of);
    draft
}
