//! Telling list items apart, and which of its possible shapes a value has.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Faults, TypedProblem};
use crate::model::{Atom, ListType, Relation, TypeRef};
use crate::path::Segment;
use crate::ssa::label::{Keys, Label};
use crate::value::{List, ValueRef, View};

/// What a list item is known by.
#[derive(Clone, Debug)]
pub(super) enum ItemKey<'a> {
    /// The item of a set.
    Value(View<'a>),
    /// The item of a list with one key field.
    One([(&'a str, View<'a>); 1]),
    /// The item of a list with several key fields, in byte order of their names.
    Several(Vec<(&'a str, View<'a>)>),
}

impl<'a> ItemKey<'a> {
    /// Returns what item `index` of a list is known by.
    pub(super) fn of(
        list: &'a ListType,
        of: TypeRef<'a>,
        index: usize,
        item: ValueRef<'a>,
    ) -> Result<Self, TypedProblem> {
        let other = |expected| TypedProblem::Item { index, expected, found: item.kind_name() };
        if list.relation != Relation::Associative {
            return Err(TypedProblem::OpenType);
        }
        if list.keys.is_empty() {
            return match item.view() {
                View::Null | View::List(_) | View::Map(_) => Err(other("scalar")),
                view => Ok(Self::Value(view)),
            };
        }
        let Some(map) = item.as_map() else { return Err(other("map")) };
        let element = of.to(list.element).atom();
        let mut keys = Vec::new();
        for name in list.keys.iter() {
            let value = match map.get(name) {
                Some(value) => Some(value),
                None if element.map.is_none() => return Err(TypedProblem::OpenType),
                None => of.to(list.element).key_default(name),
            };
            match value {
                Some(value) if list.keys.len() == 1 => return Ok(Self::One([(name, value.view())])),
                Some(value) => keys.push((&**name, value.view())),
                // An item may lack some of its keys; it is another item then than one that has them.
                None => {}
            }
        }
        if keys.is_empty() {
            return Err(TypedProblem::NoKey { index, keys: Arc::clone(&list.keys) });
        }
        keys.sort_by_key(|(name, _)| *name);
        Ok(Self::Several(keys))
    }

    pub(super) fn label(&self) -> Label<'_> {
        match self {
            Self::Value(value) => Label::Item(*value),
            Self::One(field) => Label::Key(Keys::Borrowed(field)),
            Self::Several(fields) => Label::Key(Keys::Borrowed(fields)),
        }
    }

    pub(super) fn segment(&self) -> Segment {
        self.label().to_segment()
    }

    /// The order of the labels.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        self.label().cmp(other.label())
    }
}

/// The items of a list and what they are known by.
pub(super) struct Items<'a> {
    /// In the order of the list.
    pub(super) items: Vec<(ItemKey<'a>, ValueRef<'a>)>,
    /// Places in `items`, in order of their keys; equal ones in the order of the list.
    pub(super) sorted: Vec<u32>,
}

impl<'a> Items<'a> {
    /// Reads a list; items that cannot be told apart become faults and are left out.
    pub(super) fn of(list: &'a ListType, of: TypeRef<'a>, values: Option<List<'a>>, faults: &mut Faults) -> Self {
        let mut items = Vec::with_capacity(values.map_or(0, List::len));
        for (index, value) in values.into_iter().flatten().enumerate() {
            match ItemKey::of(list, of, index, value) {
                Ok(key) => items.push((key, value)),
                Err(problem) => faults.add(problem),
            }
        }
        Self { sorted: sort(&items), items }
    }

    /// Returns the places of the items with this key, in the order of the list.
    pub(super) fn with_key(&self, key: &ItemKey<'a>) -> &[u32] {
        let order = |place: &u32| self.get(*place).map_or(Ordering::Greater, |(of, _)| of.cmp(key));
        let start = self.sorted.partition_point(|place| order(place) == Ordering::Less);
        let rest = self.sorted.get(start..).unwrap_or_default();
        let end = rest.partition_point(|place| order(place) == Ordering::Equal);
        rest.get(..end).unwrap_or_default()
    }

    /// Returns the value at one of the places.
    pub(super) fn value(&self, place: u32) -> Option<ValueRef<'a>> {
        self.get(place).map(|(_, value)| *value)
    }

    /// Returns one of each run of items with the same key, in order of keys, with the length of the run.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&ItemKey<'a>, &[u32])> {
        let key = |place: &u32| self.get(*place).map(|(key, _)| key);
        self.sorted
            .chunk_by(move |left, right| match (key(left), key(right)) {
                (Some(left), Some(right)) => left.cmp(right) == Ordering::Equal,
                _ => false,
            })
            .filter_map(move |run| Some((key(run.first()?)?, run)))
    }

    pub(super) fn get(&self, place: u32) -> Option<&(ItemKey<'a>, ValueRef<'a>)> {
        self.items.get(place as usize)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a value has fewer than 4 billion nodes")]
fn sort(items: &[(ItemKey<'_>, ValueRef<'_>)]) -> Vec<u32> {
    let mut sorted: Vec<u32> = (0..items.len() as u32).collect();
    sorted.sort_by(|left, right| match (items.get(*left as usize), items.get(*right as usize)) {
        (Some((left, _)), Some((right, _))) => left.cmp(right),
        _ => Ordering::Equal,
    });
    sorted
}

/// The value `null`.
pub(super) fn null<'a>() -> ValueRef<'a> {
    use std::sync::OnceLock;

    use crate::value::Value;
    static NULL: OnceLock<Value> = OnceLock::new();
    NULL.get_or_init(Value::null).root()
}

/// Which parts of an atom apply to a value. A type may allow a scalar, a list and a map; the value decides, and where
/// it does not (null, or nothing it may be), all stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape(u8);

/// What a walker does with a value.
pub(super) enum Part {
    Map,
    Scalar,
    List,
    Nothing,
}

impl Shape {
    pub(super) fn of(atom: &Atom, value: ValueRef<'_>) -> Self {
        let (scalar, list, map) =
            (u8::from(atom.scalar.is_some()), u8::from(atom.list.is_some()), u8::from(atom.map.is_some()));
        Self(match value.view() {
            View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) if scalar != 0 => 1,
            View::List(_) if list != 0 => 2,
            View::Map(_) if map != 0 => 4,
            _ => scalar | (list << 1) | (map << 2),
        })
    }

    pub(super) fn all(atom: &Atom) -> Self {
        Self::of(atom, null())
    }

    pub(super) fn part(self) -> Part {
        match self.0 {
            4.. => Part::Map,
            1 | 3 => Part::Scalar,
            2 => Part::List,
            0 => Part::Nothing,
        }
    }
}

/// The atom of a type; a fault when there is none.
pub(super) fn resolve<'a>(of: TypeRef<'a>, faults: &mut Faults) -> Option<&'a Atom> {
    let atom = of.atom();
    match &atom.missing {
        Some(name) => {
            faults.add(TypedProblem::NoSuchType(Arc::clone(name)));
            None
        }
        None => Some(atom),
    }
}
