//! Does a value fit its type?

use super::item::{ItemKey, Part, Shape, resolve};
use super::{Duplicates, Faults, MAX_DEPTH, TypedProblem};
use crate::model::{Atom, ListType, MapType, Relation, Scalar, TypeId, TypeRef};
use crate::path::Segment;
use crate::value::{Tag, ValueRef, View};

pub(super) fn validate(of: TypeRef<'_>, value: ValueRef<'_>, duplicates: Duplicates, faults: &mut Faults) {
    Check { duplicates, known: [(TypeId(0), 0, None); KNOWN], faults }.value(of, value, 0);
}

/// What is wrong with a scalar, if anything; nothing and null always fit.
pub(super) fn scalar_problem(scalar: Scalar, value: Option<ValueRef<'_>>) -> Option<TypedProblem> {
    let value = value.filter(|value| !value.is_null())?;
    let (fits, expected) = match (scalar, value.view()) {
        (Scalar::Numeric, view) => (matches!(view, View::Int(_) | View::Float(_)), "number"),
        (Scalar::String, view) => (matches!(view, View::String(_)), "string"),
        (Scalar::Boolean, view) => (matches!(view, View::Bool(_)), "boolean"),
        (Scalar::Untyped, view) => (!matches!(view, View::List(_) | View::Map(_)), "scalar"),
    };
    (!fits).then(|| TypedProblem::Expected { expected, found: value.kind_name() })
}

/// Whether a node is a scalar of this type, as nearly all are; what is not may still fit.
fn is_plainly(atom: &Atom, tag: Tag) -> bool {
    atom.missing.is_none()
        && match atom.scalar {
            Some(Scalar::String) => tag == Tag::String,
            Some(Scalar::Numeric) => matches!(tag, Tag::Int | Tag::Float),
            Some(Scalar::Boolean) => tag == Tag::Bool,
            Some(Scalar::Untyped) => matches!(tag, Tag::String | Tag::Int | Tag::Float | Tag::Bool),
            None => false,
        }
}

/// How many fields are remembered.
const KNOWN: usize = 64;

struct Check<'f> {
    duplicates: Duplicates,
    /// Types of fields that were looked up, by type and key: the same few come again and again. No entry has the key 0.
    known: [(TypeId, u32, Option<TypeId>); KNOWN],
    faults: &'f mut Faults,
}

impl Check<'_> {
    fn value(&mut self, of: TypeRef<'_>, value: ValueRef<'_>, depth: usize) {
        if is_plainly(of.atom(), value.tag()) {
            return;
        }
        if depth > MAX_DEPTH {
            return self.faults.add(TypedProblem::TooDeep);
        }
        let Some(atom) = resolve(of, self.faults) else { return };
        match (Shape::of(atom, value).part(), &atom.map, &atom.list, atom.scalar) {
            (Part::Map, Some(map), ..) => self.map(of, map, value, depth),
            (Part::List, _, Some(list), _) => self.list(of, list, value, depth),
            (Part::Scalar, _, _, Some(scalar)) => {
                if let Some(problem) = scalar_problem(scalar, Some(value)) {
                    self.faults.add(problem);
                }
            }
            _ => self.faults.add(TypedProblem::OpenType),
        }
    }

    fn map(&mut self, of: TypeRef<'_>, map: &MapType, value: ValueRef<'_>, depth: usize) {
        let entries = match value.view() {
            View::Null => return,
            View::Map(entries) => entries,
            _ => return self.faults.add(TypedProblem::Expected { expected: "map", found: value.kind_name() }),
        };
        for child in entries.values() {
            let before = self.faults.len();
            match self.type_of(of, map, child) {
                Some(id) => self.value(of.to(id), child, depth + 1),
                None => self.faults.add(TypedProblem::Undeclared),
            }
            self.faults.place(before, || Segment::field(child.key()));
        }
    }

    fn type_of(&mut self, of: TypeRef<'_>, map: &MapType, child: ValueRef<'_>) -> Option<TypeId> {
        let key = child.key_id();
        let place = key.wrapping_mul(7).wrapping_add(of.id.0.wrapping_mul(31)) as usize % KNOWN;
        let known = self.known.get_mut(place)?;
        if (known.0, known.1) != (of.id, key) {
            *known = (of.id, key, map.type_of(child.key()));
        }
        known.2
    }

    fn list<'a>(&mut self, of: TypeRef<'a>, list: &'a ListType, value: ValueRef<'a>, depth: usize) {
        let items = match value.view() {
            View::Null => return,
            View::List(items) => items,
            _ => return self.faults.add(TypedProblem::Expected { expected: "list", found: value.kind_name() }),
        };
        let element = of.to(list.element);
        if list.relation != Relation::Associative {
            for (index, item) in items.iter().enumerate() {
                let before = self.faults.len();
                self.value(element, item, depth + 1);
                self.faults.place(before, || Segment::Index(u32::try_from(index).unwrap_or(u32::MAX)));
            }
            return;
        }
        let mut keys = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let key = match ItemKey::of(list, of, index, item) {
                Ok(key) => key,
                // Without a name for the item, errors below it could not be placed.
                Err(problem) => return self.faults.add(problem),
            };
            let before = self.faults.len();
            self.value(element, item, depth + 1);
            self.faults.place(before, || key.segment());
            keys.push(key);
        }
        if self.duplicates == Duplicates::Refuse && keys.len() > 1 {
            keys.sort_by(ItemKey::cmp);
            for run in keys.chunk_by(|left, right| left.cmp(right).is_eq()) {
                if let [first, _, ..] = run {
                    self.faults.add(TypedProblem::Duplicate(first.segment()));
                }
            }
        }
    }
}
