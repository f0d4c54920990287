//! The schema language of structured-merge-diff.

use std::sync::Arc;

use super::defaults::FieldDefault;
use super::schema::{Atom, Field, ListType, MapType, Relation, Scalar, Schema, TypeId};
use crate::value::{ValueRef, View};

/// A schema that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("schema: {what} at `{at}`")]
pub struct SchemaError {
    /// Where in the schema.
    pub(crate) at: String,
    /// What is wrong.
    pub(crate) what: &'static str,
}

/// Deeper inlined types are refused.
const MAX_DEPTH: usize = 128;

impl Schema {
    /// Reads a schema in structured-merge-diff's language (`types: [{name, map: {fields: …}}]`).
    ///
    /// References to types that are not defined are kept: values of such a type do not validate.
    ///
    /// # Errors
    /// When a part of the schema has the wrong form.
    pub fn from_smd(schema: ValueRef<'_>) -> Result<Self, SchemaError> {
        let mut loader = Loader { schema: Self::empty(), overrides: Vec::new() };
        let types = match schema.get("types").map(|types| (types, types.view())) {
            None | Some((_, View::Null)) => return Ok(loader.schema),
            Some((_, View::List(types))) => types,
            Some(_) => return Err(error("types", "not a list")),
        };
        let mut named = Vec::with_capacity(types.len());
        for definition in types {
            let name = definition.get("name").and_then(ValueRef::as_str).ok_or_else(|| error("types", "no name"))?;
            let id = match loader.schema.names.get(name) {
                Some(id) => *id,
                None => loader.schema.push(Atom::default()),
            };
            loader.schema.names.insert(name.into(), id);
            named.push((name, id, definition));
        }
        for (name, id, definition) in named {
            let atom = loader.atom(definition, 0).map_err(|error| error.below(name))?;
            loader.put(id, atom);
        }
        for (id, target, relation) in std::mem::take(&mut loader.overrides) {
            let mut atom = loader.schema.at(target).atom().clone();
            override_relation(&mut atom, relation);
            loader.put(id, atom);
        }
        Ok(loader.schema)
    }
}

struct Loader {
    schema: Schema,
    /// References that change the relation of the type they name: own id, named id, relation.
    overrides: Vec<(TypeId, TypeId, Relation)>,
}

impl Loader {
    fn put(&mut self, id: TypeId, atom: Atom) {
        if let Some(place) = self.schema.atoms.get_mut(id.0 as usize) {
            *place = atom;
        }
    }

    fn atom(&mut self, of: ValueRef<'_>, depth: usize) -> Result<Atom, SchemaError> {
        if depth > MAX_DEPTH {
            return Err(error("", "types are nested too deeply"));
        }
        let mut atom = Atom::default();
        if let Some(scalar) = of.get("scalar").filter(|scalar| !scalar.is_null()) {
            match scalar.as_str() {
                Some("string") => atom.scalar = Some(Scalar::String),
                Some("numeric") => atom.scalar = Some(Scalar::Numeric),
                Some("boolean") => atom.scalar = Some(Scalar::Boolean),
                Some("untyped") => atom.scalar = Some(Scalar::Untyped),
                // A scalar of an unknown type is like a type that is not there: its values do not validate.
                Some(unknown) => atom.missing = Some(format!("scalar {unknown}").into()),
                None => return Err(error("scalar", "not a name")),
            }
        }
        if let Some(list) = of.get("list").filter(|list| !list.is_null()) {
            let element = self.reference(list.get("elementType"), depth)?;
            let keys = list.get("keys").and_then(ValueRef::as_list);
            let keys = keys.into_iter().flatten().filter_map(ValueRef::as_str).map(Arc::from).collect();
            let element = element.unwrap_or_else(|| self.schema.push(Atom::default()));
            atom.list = Some(ListType { element, relation: relation(list).unwrap_or(Relation::Unstated), keys });
        }
        if let Some(map) = of.get("map").filter(|map| !map.is_null()) {
            atom.map = Some(self.map(map, depth)?);
        }
        Ok(atom)
    }

    fn map(&mut self, of: ValueRef<'_>, depth: usize) -> Result<MapType, SchemaError> {
        let mut fields = Vec::new();
        for field in of.get("fields").and_then(ValueRef::as_list).into_iter().flatten() {
            let name = field.get("name").and_then(ValueRef::as_str).ok_or_else(|| error("fields", "no name"))?;
            let type_id = self.reference(field.get("type"), depth).map_err(|error| error.below(name))?;
            let type_id = type_id.unwrap_or_else(|| self.schema.push(Atom::default()));
            fields.push(Field::new(name, type_id, FieldDefault::stated(field, &FieldDefault::Unknown)));
        }
        fields.sort_by(|left, right| left.name.cmp(&right.name));
        let element = self.reference(of.get("elementType"), depth)?;
        let untyped = of.get("elementType").is_some_and(|element| {
            element.get("namedType").and_then(ValueRef::as_str) == Some("__untyped_deduced_")
                || element.get("scalar").and_then(ValueRef::as_str) == Some("untyped")
        });
        let atomic = relation(of) == Some(Relation::Atomic);
        Ok(MapType { free_form: untyped && fields.is_empty(), fields, element, atomic })
    }

    /// Reads a type reference; an empty one is none.
    fn reference(&mut self, of: Option<ValueRef<'_>>, depth: usize) -> Result<Option<TypeId>, SchemaError> {
        let Some(of) = of.filter(|of| of.as_map().is_some_and(|map| !map.is_empty())) else {
            return Ok(None);
        };
        let relation = relation(of);
        let Some(name) = of.get("namedType").and_then(ValueRef::as_str) else {
            let mut atom = self.atom(of, depth + 1)?;
            if let Some(relation) = relation {
                override_relation(&mut atom, relation);
            }
            return Ok(Some(self.schema.push(atom)));
        };
        let Some(target) = self.schema.names.get(name).copied() else {
            let missing = Atom { missing: Some(name.into()), ..Atom::default() };
            return Ok(Some(self.schema.push(missing)));
        };
        let Some(relation) = relation else { return Ok(Some(target)) };
        let id = self.schema.push(Atom::default());
        self.overrides.push((id, target, relation));
        Ok(Some(id))
    }
}

fn relation(of: ValueRef<'_>) -> Option<Relation> {
    match of.get("elementRelationship").and_then(ValueRef::as_str)? {
        "atomic" => Some(Relation::Atomic),
        "associative" => Some(Relation::Associative),
        _ => Some(Relation::Unstated),
    }
}

/// A reference may say that what it names is atomic here, or granular.
pub(super) fn override_relation(atom: &mut Atom, relation: Relation) {
    if let Some(map) = &mut atom.map {
        map.atomic = relation == Relation::Atomic;
    } else if let Some(list) = &mut atom.list {
        list.relation = relation;
    } else {
        atom.missing.get_or_insert_with(|| "inlined type".into());
    }
}

fn error(at: &str, what: &'static str) -> SchemaError {
    SchemaError { at: at.to_owned(), what }
}

impl SchemaError {
    fn below(self, name: &str) -> Self {
        let at = if self.at.is_empty() { name.to_owned() } else { format!("{name}.{}", self.at) };
        Self { at, ..self }
    }
}
