//! Recorded facts about the defaults of built-in kinds, written into their types. Used by `examples/generate_schema.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ApiModel;
use super::defaults::FieldDefault;
use super::schema::{Field, Schema, TypeId};
use crate::value::{Draft, Value, ValueRef};

/// A fact that fits no type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this fact about defaults fits no type: `{0}`")]
pub struct InvalidFact(String);

/// Groups whose defaulting functions were not recorded.
const UNRECORDED: [&str; 2] = ["apiextensions.k8s.io", "apiregistration.k8s.io"];

/// A place in an object: fields, and `[]` for the items of a list.
type Steps<'a> = Vec<&'a str>;

impl ApiModel {
    /// Adds what the server fills into objects of built-in kinds.
    ///
    /// `recorded`: `{"apps/v1 Deployment": {"empty": {"spec.replicas": 1, ..}, "populated": {..}}}`, what is filled
    /// into an object in which nothing is set, and into one in which every struct and one item of every list is there.
    /// `stated`: lines of `TYPE FIELD WHAT` or `apiVersion/Kind PATH WHAT` for what no such recording can tell, where
    /// `WHAT` is a JSON value, or `?` for what depends on more than the absence of the field; `*` stands for all fields.
    ///
    /// # Errors
    /// The first fact that fits no type.
    pub fn with_defaults(&self, recorded: &[u8], stated: &str) -> Result<Self, InvalidFact> {
        let recorded = Value::from_json(recorded).map_err(|error| InvalidFact(error.to_string()))?;
        let lines: Vec<(&str, &str, &str)> = stated.lines().filter_map(line).collect();
        let mut used = vec![false; lines.len()];
        let mut result = Ok(());
        let model = self.edit(|kinds| {
            for (kind, known) in kinds {
                let Some(served) = known.served.clone() else { continue };
                for (version, root) in &mut known.types {
                    let name = served.api_version(version);
                    let mut schema = Schema::clone(&root.schema);
                    let is_recorded = !UNRECORDED.contains(&&*kind.group);
                    mark_types(&mut schema, is_recorded, &lines, &mut used);
                    let mut marked = Marked { schema, root: root.id };
                    let facts = recorded.root().get(&format!("{name} {}", kind.kind));
                    let done = marked.record(facts).and_then(|()| {
                        marked.unknown_status();
                        marked.state(&format!("{name}/{}", kind.kind), &lines, &mut used)
                    });
                    result = std::mem::replace(&mut result, Ok(())).and(done);
                    (root.id, root.schema) = (marked.root, Arc::new(marked.schema));
                }
            }
        });
        let unused = lines.iter().zip(used).find(|(_, used)| !used);
        result?;
        unused.map_or(Ok(model), |((place, path, _), _)| Err(InvalidFact(format!("{place} {path}"))))
    }
}

fn line(line: &str) -> Option<(&str, &str, &str)> {
    let (place, rest) = line.split_once(' ').filter(|(place, _)| !place.starts_with('#'))?;
    let (path, what) = rest.trim().split_once(' ')?;
    Some((place, path, what.trim()))
}

fn what(text: &str) -> Result<FieldDefault, InvalidFact> {
    match text {
        "?" => Ok(FieldDefault::Unknown),
        _ => Value::from_json(text.as_bytes()).map(FieldDefault::Known).map_err(|_| InvalidFact(text.to_owned())),
    }
}

/// Writes what is stated of types by name. Of what was recorded, a field without a fact has no default.
fn mark_types(schema: &mut Schema, is_recorded: bool, lines: &[(&str, &str, &str)], used: &mut [bool]) {
    for field in schema.atoms.iter_mut().skip(2).flat_map(|atom| &mut atom.map).flat_map(|map| &mut map.fields) {
        match &field.default {
            FieldDefault::Known(_) => {}
            _ if is_recorded => field.default = FieldDefault::None,
            _ => field.default = FieldDefault::Unknown,
        }
    }
    for ((place, name, text), used) in lines.iter().zip(used) {
        let Some(id) = schema.names.get(*place).copied() else { continue };
        let fields = schema.atoms.get_mut(id.0 as usize).and_then(|atom| atom.map.as_mut());
        for field in fields.into_iter().flat_map(|map| &mut map.fields) {
            if let (true, Ok(what)) = (*name == "*" || &*field.name == *name, what(text)) {
                (field.default, *used) = (what, true);
            }
        }
    }
}

/// The types of one version of a kind, on which facts are written by place.
struct Marked {
    schema: Schema,
    root: TypeId,
}

impl Marked {
    fn record<'v>(&mut self, facts: Option<ValueRef<'v>>) -> Result<(), InvalidFact> {
        let of = |name: &str| facts.and_then(|facts| facts.get(name)?.as_map()).into_iter().flatten();
        let mut known = BTreeMap::<Steps<'_>, FieldDefault>::new();
        let mut add = |steps: &[&'v str], value: Draft| {
            let value = FieldDefault::Known(value.freeze());
            let entry = known.entry(steps.to_vec()).or_insert_with(|| value.clone());
            if *entry != value {
                // Where two recordings differ, something else decides.
                *entry = FieldDefault::Unknown;
            }
        };
        let mut lists = BTreeMap::<Steps<'_>, Draft>::new();
        for (path, value) in of("empty") {
            let steps = steps(path);
            let list = steps.iter().position(|step| *step == "[]");
            let (outer, item) = steps.split_at_checked(list.unwrap_or(steps.len())).unwrap_or((&steps, &[]));
            // Structs behind pointers that are made where nothing was set.
            for end in 1..outer.len() {
                self.set(outer.get(..end).unwrap_or_default(), &|field| {
                    if field.default == FieldDefault::None {
                        field.default = FieldDefault::Known(Draft::map().freeze());
                    }
                })?;
            }
            match item.split_first() {
                None => add(outer, value.to_draft()),
                Some((_, within)) => {
                    let item = lists.entry(outer.to_vec()).or_insert_with(Draft::map);
                    *within.iter().fold(item, |at, name| at.entry(name)) = value.to_draft();
                }
            }
        }
        lists.into_iter().for_each(|(steps, item)| add(&steps, Draft::List(vec![item])));
        for (path, value) in of("populated") {
            let steps = steps(path);
            // What is in a list already says nothing of an absent one.
            if steps.last() != Some(&"[]") {
                add(&steps, value.to_draft());
            }
        }
        known.iter().try_for_each(|(steps, default)| {
            self.set(steps, &|field| {
                // What was stated stays.
                if field.default != FieldDefault::Unknown {
                    field.default = default.clone();
                }
            })
        })
    }

    /// Controllers write the status: of what was not recorded nothing is known.
    fn unknown_status(&mut self) {
        let mut known = BTreeMap::new();
        let status = self.schema.at(self.root).field("status");
        let (status, first) = (status.id, self.schema.atoms.len());
        if self.schema.at(status).is_deduced() {
            return;
        }
        let before = self.schema.clone();
        let copy = self.schema.import(before.at(status), &mut known);
        for atom in self.schema.atoms.iter_mut().skip(first) {
            for field in atom.map.iter_mut().flat_map(|map| &mut map.fields) {
                if field.default == FieldDefault::None {
                    field.default = FieldDefault::Unknown;
                }
            }
        }
        let root = self.schema.atoms.get_mut(self.root.0 as usize).and_then(|atom| atom.map.as_mut());
        for field in root.into_iter().flat_map(|map| &mut map.fields).filter(|field| &*field.name == "status") {
            field.type_id = copy;
            if field.default == FieldDefault::None {
                field.default = FieldDefault::Unknown;
            }
        }
    }

    fn state(&mut self, kind: &str, lines: &[(&str, &str, &str)], used: &mut [bool]) -> Result<(), InvalidFact> {
        for ((place, path, text), used) in lines.iter().zip(used) {
            if *place == kind {
                let what = what(text)?;
                self.set(&steps(path), &|field| field.default = what.clone())?;
                *used = true;
            }
        }
        Ok(())
    }

    /// Edits one field, in a copy of the types on the way to it.
    fn set(&mut self, steps: &[&str], edit: &dyn Fn(&mut Field)) -> Result<(), InvalidFact> {
        let root = copied(&mut self.schema, self.root, steps, edit);
        self.root = root.ok_or_else(|| InvalidFact(steps.join(".")))?;
        Ok(())
    }
}

fn copied(schema: &mut Schema, id: TypeId, steps: &[&str], edit: &dyn Fn(&mut Field)) -> Option<TypeId> {
    let (name, rest) = steps.split_first()?;
    let mut atom = schema.at(id).atom().clone();
    if *name == "[]" {
        let list = atom.list.as_mut()?;
        list.element = copied(schema, list.element, rest, edit)?;
    } else {
        let field = atom.map.as_mut()?.fields.iter_mut().find(|field| &*field.name == *name)?;
        if rest.is_empty() {
            edit(field);
        } else {
            field.type_id = copied(schema, field.type_id, rest, edit)?;
        }
    }
    Some(schema.push(atom))
}

/// `a.b[].c` as its steps; `[1]` is a list item too.
fn steps(path: &str) -> Steps<'_> {
    path.split('.')
        .flat_map(|part| match part.split_once('[') {
            Some((name, _)) => [Some(name), Some("[]")],
            None => [Some(part), None],
        })
        .flatten()
        .collect()
}
