//! Reads from the JSON tags of Go types how their fields are encoded.

use std::collections::BTreeSet;

use super::ApiModel;
use super::encoding::{Encoding, Zero};
use super::schema::{Schema, TypeId};
use crate::resource::split_api_version;
use crate::value::{Value, ValueRef};

impl ApiModel {
    /// Adds how the Go types of built-in kinds are encoded: `{kinds: {"apps/v1 Deployment": TYPE}, types: {TYPE:
    /// [{json, type, omitempty, omitzero, pointer, inline}]}}`. Facts that are not JSON add nothing.
    #[must_use]
    pub fn with_go_types(&self, facts: &[u8]) -> Self {
        let Ok(facts) = Value::from_json(facts) else { return self.clone() };
        let mut reader = Reader { types: facts.root().get("types"), seen: BTreeSet::new() };
        self.edit(|kinds| {
            for (name, of) in facts.root().get("kinds").and_then(ValueRef::as_map).into_iter().flatten() {
                let Some((api_version, kind)) = name.split_once(' ') else { continue };
                let Some((group, version)) = split_api_version(api_version) else { continue };
                let Some(known) = kinds.get_mut(&crate::resource::GroupKind::new(group, kind)) else { continue };
                let (Some(root), Some(of)) = (known.types.get_mut(version), of.as_str()) else { continue };
                // A copy for each kind: the types of a document are shared between its kinds.
                let mut schema = Schema::clone(&root.schema);
                reader.seen.clear();
                reader.mark(&mut schema, root.id, of);
                root.schema = schema.into();
            }
        })
    }
}

struct Reader<'a> {
    types: Option<ValueRef<'a>>,
    seen: BTreeSet<TypeId>,
}

impl<'a> Reader<'a> {
    /// The fields of a Go struct, those of inlined ones among them.
    fn fields(&self, of: &str, depth: usize) -> Vec<ValueRef<'a>> {
        let fields = self.types.and_then(|types| types.get(of)).and_then(ValueRef::as_list);
        let mut all = Vec::new();
        for field in fields.into_iter().flatten() {
            let is_inlined = field.get("inline").and_then(ValueRef::as_bool) == Some(true);
            match field.get("type").and_then(ValueRef::as_str) {
                Some(inlined) if is_inlined && depth < 8 => all.extend(self.fields(inlined, depth + 1)),
                _ => all.push(field),
            }
        }
        all
    }

    fn mark(&mut self, schema: &mut Schema, id: TypeId, of: &str) {
        let mut waiting = vec![(id, of.to_owned())];
        while let Some((id, of)) = waiting.pop() {
            // `[]T` and `map[T]` are looked through, one at a time.
            let inner = of.strip_prefix("[]").or_else(|| of.strip_prefix("map[").and_then(|of| of.strip_suffix(']')));
            if let Some(inner) = inner {
                let element = schema.at(id).atom();
                let of_map = element.map.as_ref().and_then(|map| map.element);
                waiting
                    .extend(element.list.as_ref().map(|list| list.element).or(of_map).map(|id| (id, inner.to_owned())));
                continue;
            }
            if !self.seen.insert(id) {
                continue;
            }
            let fields = self.fields(&of, 0);
            let Some(map) = schema.atoms.get_mut(id.0 as usize).and_then(|atom| atom.map.as_mut()) else { continue };
            for go in fields {
                let text = |field: &str| go.get(field).and_then(ValueRef::as_str).unwrap_or("");
                let Some(field) = map.fields.iter_mut().find(|field| &*field.name == text("json")) else { continue };
                field.encoding = Encoding::read(go, |of| self.types.is_some_and(|types| types.get(of).is_some()));
                waiting.push((field.type_id, text("type").to_owned()));
            }
        }
    }
}

impl Encoding {
    /// Reads how one field is encoded; `None` where that is not known.
    fn read(field: ValueRef<'_>, has_fields: impl Fn(&str) -> bool) -> Option<Self> {
        let flag = |name: &str| field.get(name).and_then(ValueRef::as_bool) == Some(true);
        let of = field.get("type")?.as_str()?;
        let zero = match of {
            _ if flag("pointer") => Zero::Null,
            "string" => Zero::Text,
            of if of.starts_with("[]") || of.starts_with("map[") => Zero::Empty,
            "int" | "float" | "IntOrString" => Zero::Number,
            "bool" => Zero::Bool,
            "Quantity" => Zero::Quantity,
            of if has_fields(of) => Zero::Struct,
            _ => Zero::Null,
        };
        // `omitempty` never leaves out a struct, nor do quantities, times and int-or-string, which are structs too.
        let is_struct = matches!(zero, Zero::Struct | Zero::Quantity)
            || (!flag("pointer") && matches!(of, "IntOrString" | "Time" | "MicroTime" | "RawExtension"));
        Some(Self { zero, omitted: flag("omitzero") || (flag("omitempty") && !is_struct) })
    }
}
