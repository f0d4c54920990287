//! What a cluster tells of a built-in kind, over what is known of it.
//!
//! The cluster decides which fields there are and of what type. OpenAPI does not tell how a field is encoded, and of
//! defaults only the plain ones, so of a field on whose type both agree these stay as they are known.

use std::collections::BTreeMap;

use super::defaults::FieldDefault;
use super::schema::{Atom, DEDUCED, Field, Meaning, Schema, TypeId, TypeRef};

/// A type as it is told, and as it is known if it is.
#[derive(Clone, Copy)]
struct Pair<'a> {
    told: TypeRef<'a>,
    known: Option<TypeRef<'a>>,
}

/// Told types over known ones, each pair once; recursive types are such pairs too.
pub(super) struct Layers {
    pub(super) schema: Schema,
    done: BTreeMap<PairKey, TypeId>,
}

/// Schemas are told apart by their places in memory; all outlive the layers.
type PairKey = (*const Schema, TypeId, Option<(*const Schema, TypeId)>);

impl Layers {
    pub(super) fn new() -> Self {
        Self { schema: Schema::empty(), done: BTreeMap::new() }
    }

    /// Adds a type and all it refers to.
    pub(super) fn add(&mut self, told: TypeRef<'_>, known: TypeRef<'_>) -> TypeId {
        let mut waiting = Vec::new();
        let first = self.place(Pair { told, known: Some(known) }, &mut waiting);
        while let Some((pair, id)) = waiting.pop() {
            let atom = self.layered(pair, &mut waiting);
            if let Some(place) = self.schema.atoms.get_mut(id.0 as usize) {
                *place = atom;
            }
        }
        first
    }

    fn place<'a>(&mut self, pair: Pair<'a>, waiting: &mut Vec<(Pair<'a>, TypeId)>) -> TypeId {
        let pair = match pair {
            // Where nothing is told, what is known counts.
            Pair { told, known: Some(known) } if told.id == DEDUCED => Pair { told: known, known: Some(known) },
            pair => pair,
        };
        if pair.told.is_deduced() {
            return pair.told.id;
        }
        let key = |of: TypeRef<'_>| (std::ptr::from_ref(of.schema), of.id);
        let (schema, id) = key(pair.told);
        *self.done.entry((schema, id, pair.known.map(key))).or_insert_with(|| {
            let id = self.schema.push(Atom::default());
            waiting.push((pair, id));
            id
        })
    }

    fn layered<'a>(&mut self, pair: Pair<'a>, waiting: &mut Vec<(Pair<'a>, TypeId)>) -> Atom {
        let mut atom = pair.told.atom().clone();
        let known = pair.known.map(|known| (known, known.atom()));
        if let (Meaning::Plain, Some((_, known))) = (atom.meaning, known) {
            atom.meaning = known.meaning;
        }
        let mut below = |told: TypeId, known: Option<TypeRef<'a>>| {
            let told = pair.told.to(told);
            self.place(Pair { told, known: known.filter(|known| agree(told, *known)) }, waiting)
        };
        if let Some(list) = &mut atom.list {
            let of = known.and_then(|(known, atom)| Some(known.to(atom.list.as_ref()?.element)));
            list.element = below(list.element, of);
        }
        let Some(map) = &mut atom.map else { return atom };
        if let Some(element) = &mut map.element {
            let of = known.and_then(|(known, atom)| Some(known.to(atom.map.as_ref()?.element?)));
            *element = below(*element, of);
        }
        for field in &mut map.fields {
            let of = known.and_then(|(known, atom)| {
                let field = atom.map.as_ref()?.field(&field.name)?;
                Some((field, known.to(field.type_id)))
            });
            let of = of.filter(|(_, known)| agree(pair.told.to(field.type_id), *known));
            field.type_id = below(field.type_id, of.map(|(_, known)| known));
            if let Some((known, _)) = of {
                keep(field, known);
            }
        }
        atom
    }
}

/// Takes over what is known of the field. Only of those with an encoding more is known than OpenAPI tells.
fn keep(told: &mut Field, known: &Field) {
    if known.encoding.is_none() {
        return;
    }
    told.encoding = known.encoding;
    // A default that is new with this server.
    let is_new = known.default == FieldDefault::None && told.default.known().is_some();
    if !is_new {
        told.default = known.default.clone();
    }
}

/// Whether both allow values of the same form. What is not declared agrees with all.
fn agree(told: TypeRef<'_>, known: TypeRef<'_>) -> bool {
    let form = |of: TypeRef<'_>| (of.scalar(), of.has_list(), of.has_map());
    told.id == DEDUCED || form(told) == form(known)
}

#[cfg(test)]
mod tests {
    use super::super::ApiModel;
    use super::*;
    use crate::resource::GroupKind;
    use crate::value::Value;

    #[test]
    fn a_document_decides_the_fields_of_a_built_in_kind_and_the_rest_stays_known() {
        let document = br##"{"components":{"schemas":{"Q":{"type":"object","properties":{
            "apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"$ref":"#/components/schemas/none"},
            "spec":{"type":"object","properties":{
                "hard":{"type":"object","additionalProperties":{"type":"string"}},
                "scopeSelector":{"type":"string","default":"x"},
                "scopes":{"type":"array","items":{"type":"string"}},
                "newer":{"type":"integer","default":3}}}},
            "x-kubernetes-group-version-kind":[{"group":"","version":"v1","kind":"ResourceQuota"}]}}},
            "paths":{"/api/v1/namespaces/{namespace}/resourcequotas":{"get":{
            "x-kubernetes-group-version-kind":{"group":"","version":"v1","kind":"ResourceQuota"}}}}}"##;
        let model = ApiModel::builtin().with_openapi("v1", document);
        let quota = GroupKind::new("", "ResourceQuota");
        let of = model.schema(&quota, "v1");
        for (given, stored) in [
            (r#"{"spec":{"scopes":[]}}"#, r#"{"metadata":{},"spec":{}}"#),
            // Of another type than was known: nothing is known of it now.
            (r#"{"spec":{"scopeSelector":""}}"#, r#"{"metadata":{},"spec":{"scopeSelector":""}}"#),
            (r#"{"spec":{"newer":0}}"#, r#"{"metadata":{},"spec":{"newer":0}}"#),
            (r#"{"metadata":{"labels":{}}}"#, r#"{"metadata":{},"spec":{}}"#),
        ] {
            assert_eq!(of.stored(Value::from_json(given.as_bytes()).unwrap().root()).to_json(), stored, "{given}");
        }
        let spec = of.field("spec");
        assert_eq!(spec.default_of("newer").known().map(Value::to_json).as_deref(), Some("3"));
        assert_eq!(spec.default_of("scopeSelector").known().map(Value::to_json).as_deref(), Some("\"x\""));
        assert_eq!(spec.default_of("hard"), &FieldDefault::None);
        // Where the document leads nowhere, what is known counts.
        assert!(of.field("metadata").declares("labels"));
        let again = model.with_openapi("v1", document);
        assert_eq!(again.schema(&quota, "v1").field("spec").default_of("hard"), &FieldDefault::None);
    }
}
