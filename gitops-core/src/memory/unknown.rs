//! Fields that a kind does not have.

use crate::model::{ApiModel, TypeRef};
use crate::resource::GroupKind;
use crate::value::Draft;

use super::defaults::prune_custom;
use super::request::Validation;
use super::server::Context;

/// How deep an object may nest; what lies deeper is not looked at.
const DEPTH: usize = 128;

/// The unknown fields of an object as the server words them; none when nobody wants to know.
pub(super) fn fields(context: &Context<'_>, model: &ApiModel, draft: &Draft) -> Vec<String> {
    let found = Vec::new();
    if context.validation == Validation::Ignore {
        return found;
    }
    let (kind, version) = (&context.kind.group_kind, &*context.endpoint.version);
    let schema = model.schema(kind, version);
    // Every kind has the metadata of every other.
    let builtin = ApiModel::builtin();
    let metadata = builtin.schema(&GroupKind::new("", "Namespace"), "v1").field("metadata");
    let mut walk = Walk { path: String::new(), found };
    let Draft::Map(fields) = draft else { return walk.found };
    // What a CRD does not specify is what is pruned.
    let definition = model.definition(kind);
    for (name, value) in fields {
        match &**name {
            "apiVersion" | "kind" => {}
            _ if definition.is_some() && name != "metadata" => {}
            "metadata" => walk.enter(name, |walk| walk.see(metadata, value, 0)),
            _ if schema.is_deduced() => {}
            _ if schema.allows(name) => walk.enter(name, |walk| walk.see(schema.field(name), value, 0)),
            _ => walk.enter(name, Walk::note),
        }
    }
    let pruned = super::crd::pruning_schema(definition, version).map(|schema| prune_custom(schema, &mut draft.clone()));
    walk.found.extend(pruned.into_iter().flatten().map(|path| worded(&path)));
    walk.found
}

fn worded(path: &str) -> String {
    format!("unknown field \"{path}\"")
}

struct Walk {
    path: String,
    found: Vec<String>,
}

impl Walk {
    fn enter(&mut self, step: &str, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        look(self);
        self.path.truncate(length);
    }

    fn note(&mut self) {
        self.found.push(worded(&self.path));
    }

    fn see(&mut self, schema: TypeRef<'_>, draft: &Draft, depth: usize) {
        if depth > DEPTH || schema.is_deduced() {
            return;
        }
        match draft {
            Draft::Map(fields) => {
                for (name, value) in fields {
                    let known = schema.allows(name);
                    self.enter(name, |walk| match known {
                        true => walk.see(schema.field(name), value, depth + 1),
                        false => walk.note(),
                    });
                }
            }
            Draft::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.enter(&format!("[{at}]"), |walk| walk.see(schema.element(), item, depth + 1));
                }
            }
            _ => {}
        }
    }
}
