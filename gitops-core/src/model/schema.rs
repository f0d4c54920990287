//! Types: the one form that built-in kinds, CRDs, OpenAPI documents and structured-merge-diff schemas are read into.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::defaults::FieldDefault;
use super::encoding::Encoding;
use crate::value::Value;

/// A closed set of types that refer to each other. Immutable once built.
///
/// Built from a structured-merge-diff schema by [`Schema::from_smd`]; the schemas of kinds come with an
/// [`super::ApiModel`].
#[derive(Clone)]
pub struct Schema {
    pub(crate) atoms: Vec<Atom>,
    pub(crate) names: BTreeMap<Arc<str>, TypeId>,
}

/// A view of one type of a [`Schema`]; `Copy`. Walking never fails: what is not declared is deduced from the value.
#[derive(Clone, Copy)]
pub struct TypeRef<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) id: TypeId,
}

/// How the items of a list belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListKind<'a> {
    /// The list is one value; also every list without a declared type.
    Atomic,
    /// Scalars, each at most once.
    Set,
    /// Maps, told apart by these fields.
    Map {
        /// Names of the key fields, in the order of the declaration.
        keys: &'a [Arc<str>],
    },
}

/// What a scalar may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scalar {
    /// A string.
    String,
    /// A number.
    Numeric,
    /// A boolean.
    Boolean,
    /// Any scalar.
    Untyped,
}

/// What the text or number of a scalar means, beyond its JSON type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Meaning {
    /// What it looks like.
    #[default]
    Plain,
    /// A whole number.
    Integer,
    /// `1000m` equals `1`.
    Quantity,
    /// A quantity in a list of resources, rounded up to thousandths: `100u` equals `1m`.
    Amount,
    /// A whole number or a string.
    IntOrString,
    /// RFC 3339, whole seconds.
    Time,
    /// RFC 3339, microseconds.
    MicroTime,
    /// Go's duration text, `1m30s`.
    Duration,
    /// Base64.
    Bytes,
}

/// Index of an [`Atom`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) u32);

/// Anything, maps and lists as one value each: structured-merge-diff's `__untyped_atomic_`.
pub(crate) const UNTYPED: TypeId = TypeId(0);
/// Anything, maps field by field: structured-merge-diff's `__untyped_deduced_`.
pub(crate) const DEDUCED: TypeId = TypeId(1);

/// One type. It may allow a scalar, a list and a map at once; the value then decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Atom {
    pub(crate) scalar: Option<Scalar>,
    pub(crate) list: Option<ListType>,
    pub(crate) map: Option<MapType>,
    pub(crate) meaning: Meaning,
    pub(crate) nullable: bool,
    /// What takes the place of a null that is not allowed, in a list or among the values of a map.
    pub(crate) default: Option<Value>,
    /// Set when the name that leads here is defined nowhere.
    pub(crate) missing: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListType {
    pub(crate) element: TypeId,
    pub(crate) relation: Relation,
    pub(crate) keys: Arc<[Arc<str>]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Relation {
    Atomic,
    Associative,
    /// Not stated: structured-merge-diff can neither merge such a list nor take it whole.
    Unstated,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MapType {
    /// In byte order of their names.
    pub(crate) fields: Vec<Field>,
    /// The type of fields that are not declared; without it they are an error.
    pub(crate) element: Option<TypeId>,
    pub(crate) atomic: bool,
    /// No declared fields, and elements of any type: left out of schema reconciliation.
    pub(crate) free_form: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    /// The first bytes of the name: nearly always enough to tell two names apart.
    prefix: u64,
    pub(crate) type_id: TypeId,
    pub(crate) default: FieldDefault,
    /// How the server encodes it, where that is known.
    pub(crate) encoding: Option<Encoding>,
}

impl Field {
    pub(crate) fn new(name: impl Into<Arc<str>>, type_id: TypeId, default: FieldDefault) -> Self {
        let name = name.into();
        Self { prefix: prefix(&name), name, type_id, default, encoding: None }
    }
}

impl MapType {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let prefix = prefix(name);
        let order = |field: &Field| field.prefix.cmp(&prefix).then_with(|| field.name.as_bytes().cmp(name.as_bytes()));
        let at = self.fields.binary_search_by(order).ok()?;
        self.fields.get(at)
    }

    /// The type of a field: declared, else that of all others, else none.
    pub(crate) fn type_of(&self, name: &str) -> Option<TypeId> {
        self.field(name).map(|field| field.type_id).or(self.element)
    }
}

/// Up to eight bytes as a number, in the order of the bytes.
fn prefix(name: &str) -> u64 {
    let bytes = name.as_bytes();
    if let Some(first) = bytes.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    // How many bits of eight bytes are not there.
    let missing = 64_u32.saturating_sub(8 * u32::try_from(bytes.len()).unwrap_or(8));
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // They overlap; shifting the last four into place pushes out what the first four have already.
        let last = (u64::from(u32::from_be_bytes(*last)) << missing) & u64::from(u32::MAX);
        return (u64::from(u32::from_be_bytes(*first)) << 32) | last;
    }
    let number = bytes.iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
    // No bytes at all leave 0.
    number.checked_shl(missing).unwrap_or(0)
}

impl Schema {
    /// A schema that holds only the two deduced types.
    pub(crate) fn empty() -> Self {
        let free = |element| MapType { element: Some(element), free_form: true, ..MapType::default() };
        let list = ListType { element: UNTYPED, relation: Relation::Atomic, keys: Arc::new([]) };
        let untyped = Atom {
            scalar: Some(Scalar::Untyped),
            list: Some(list),
            map: Some(MapType { atomic: true, free_form: false, ..free(UNTYPED) }),
            nullable: true,
            ..Atom::default()
        };
        let deduced = Atom { map: Some(free(DEDUCED)), ..untyped.clone() };
        let names = [("__untyped_atomic_".into(), UNTYPED), ("__untyped_deduced_".into(), DEDUCED)].into();
        Self { atoms: vec![untyped, deduced], names }
    }

    /// Returns the type called `name`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<TypeRef<'_>> {
        self.names.get(name).map(|id| self.at(*id))
    }

    /// Returns the names of all types, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(|name| &**name)
    }

    pub(crate) fn at(&self, id: TypeId) -> TypeRef<'_> {
        TypeRef { schema: self, id }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a schema comes from far fewer than 4 billion bytes")]
    pub(crate) fn push(&mut self, atom: Atom) -> TypeId {
        self.atoms.push(atom);
        TypeId(self.atoms.len() as u32 - 1)
    }
}

impl<'a> TypeRef<'a> {
    /// Returns the type that is deduced from each value: maps field by field, lists and scalars whole.
    #[must_use]
    pub fn deduced() -> TypeRef<'static> {
        static EMPTY: OnceLock<Schema> = OnceLock::new();
        EMPTY.get_or_init(Schema::empty).at(DEDUCED)
    }

    /// Returns the name of this type, if it has one.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        self.schema.names.iter().find(|(_, id)| **id == self.id).map(|(name, _)| &**name)
    }

    /// Returns the type of a field; deduced when it is not declared.
    #[must_use]
    pub fn field(self, name: &str) -> Self {
        let id = self.atom().map.as_ref().and_then(|map| map.type_of(name));
        self.schema.at(id.unwrap_or(DEDUCED))
    }

    /// Returns whether the field is declared by name, or all names are allowed.
    #[must_use]
    pub fn allows(self, name: &str) -> bool {
        self.atom().map.as_ref().is_some_and(|map| map.type_of(name).is_some())
    }

    /// Returns whether the field is declared by name.
    #[must_use]
    pub fn declares(self, name: &str) -> bool {
        self.atom().map.as_ref().is_some_and(|map| map.field(name).is_some())
    }

    /// Returns the names of the declared fields, in byte order.
    pub fn fields(self) -> impl Iterator<Item = &'a Arc<str>> {
        self.atom().map.iter().flat_map(|map| &map.fields).map(|field| &field.name)
    }

    /// Returns the type of the items of a list, or of the values of a map; deduced when there is none.
    #[must_use]
    pub fn element(self) -> Self {
        let atom = self.atom();
        let of_map = || atom.map.as_ref().and_then(|map| map.element);
        self.schema.at(atom.list.as_ref().map(|list| list.element).or_else(of_map).unwrap_or(DEDUCED))
    }

    /// Returns how list items belong together.
    #[must_use]
    pub fn list(self) -> ListKind<'a> {
        match &self.atom().list {
            Some(ListType { relation: Relation::Associative, keys, .. }) if keys.is_empty() => ListKind::Set,
            Some(ListType { relation: Relation::Associative, keys, .. }) => ListKind::Map { keys },
            _ => ListKind::Atomic,
        }
    }

    /// Returns whether a list is allowed here.
    #[must_use]
    pub fn has_list(self) -> bool {
        self.atom().list.is_some()
    }

    /// Returns whether a map is allowed here.
    #[must_use]
    pub fn has_map(self) -> bool {
        self.atom().map.is_some()
    }

    /// Returns whether a map of this type is one value, owned and replaced as a whole.
    #[must_use]
    pub fn is_atomic_map(self) -> bool {
        self.atom().map.as_ref().is_some_and(|map| map.atomic)
    }

    /// Returns whether nothing is declared here.
    #[must_use]
    pub fn is_deduced(self) -> bool {
        self.id == DEDUCED || self.id == UNTYPED
    }

    /// Returns what a scalar may hold; `None` when scalars are not allowed.
    #[must_use]
    pub fn scalar(self) -> Option<Scalar> {
        self.atom().scalar
    }

    /// Returns what the scalar means.
    #[must_use]
    pub fn meaning(self) -> Meaning {
        self.atom().meaning
    }

    /// Returns whether an explicit `null` is a value of this type.
    #[must_use]
    pub fn is_nullable(self) -> bool {
        self.atom().nullable
    }

    /// Returns whether the type is defined.
    #[must_use]
    pub fn is_defined(self) -> bool {
        self.atom().missing.is_none()
    }

    pub(crate) fn atom(self) -> &'a Atom {
        self.schema.atoms.get(self.id.0 as usize).unwrap_or_else(|| TypeRef::deduced().atom())
    }

    pub(crate) fn to(self, id: TypeId) -> Self {
        self.schema.at(id)
    }

    /// Whether both are the same type of the same schema.
    pub(crate) fn is(self, other: TypeRef<'_>) -> bool {
        std::ptr::eq(self.schema, other.schema) && self.id == other.id
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({} types)", self.atoms.len())
    }
}

impl fmt::Debug for TypeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeRef({})", self.name().unwrap_or("inlined"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_in_the_order_of_the_bytes() {
        for name in ["", "a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "abcdefghi"] {
            let mut padded = name.as_bytes().to_vec();
            padded.resize(8, 0);
            assert_eq!(prefix(name).to_be_bytes(), padded[..8], "{name}");
        }
    }
}
