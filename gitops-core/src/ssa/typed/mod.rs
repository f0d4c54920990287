//! Values with a type: validate, merge, compare, remove, extract.
//!
//! Rules: the package `typed` of structured-merge-diff v6.4.

mod compare;
mod field_set;
mod item;
mod merge;
mod reconcile;
mod remove;
mod sketch;
mod validate;

use std::fmt;
use std::sync::Arc;

pub use compare::Comparison;
pub use remove::Emptied;

use super::FieldSet;
use crate::model::TypeRef;
use crate::path::{FieldPath, Segment};
use crate::value::{Value, ValueRef};

/// A value that is known to be of a type. Cloning shares it.
///
/// ```
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::GroupKind;
/// use gitops_core::ssa::{Duplicates, Typed};
/// use gitops_core::value::Value;
///
/// let model = ApiModel::builtin();
/// let config_map = model.schema(&GroupKind::new("", "ConfigMap"), "v1");
/// let typed = |json: &str| Typed::new(Value::from_json(json.as_bytes()).unwrap(), config_map, Duplicates::Refuse);
///
/// let (live, applied) = (typed(r#"{"data":{"a":"1","b":"2"}}"#).unwrap(), typed(r#"{"data":{"a":"3"}}"#).unwrap());
/// let merged = live.merge(&applied).unwrap();
/// assert_eq!(merged.value().to_json(), r#"{"data":{"a":"3","b":"2"}}"#);
/// assert_eq!(live.compare(&merged).unwrap().modified.to_string(), "data.a");
///
/// let refused = typed(r#"{"dta":{}}"#).unwrap_err();
/// assert_eq!(refused[0].to_string(), "`dta` is not declared in the schema");
/// ```
#[derive(Clone, Debug)]
pub struct Typed<'s> {
    value: Value,
    of: TypeRef<'s>,
}

/// What to do with list items that have the same key, or set items that are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duplicates {
    /// They are an error, as in what is applied.
    #[default]
    Refuse,
    /// They are taken, as in what is stored.
    Allow,
}

/// A value that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypedError {
    /// Where.
    pub field: FieldPath,
    /// What is wrong.
    pub problem: TypedProblem,
}

/// What is wrong with a value. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedProblem {
    /// The schema has no such field.
    #[error("is not declared in the schema")]
    Undeclared,
    /// The value is of another kind.
    #[error("must be a {expected}, not a {found}")]
    Expected {
        /// What the schema says.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A list item with this key is there twice.
    #[error("has more than one item {0}")]
    Duplicate(Segment),
    /// An item of a keyed list has none of its keys.
    #[error("item {index} has none of the key fields {keys:?}")]
    NoKey {
        /// Place of the item.
        index: usize,
        /// The key fields.
        keys: Arc<[Arc<str>]>,
    },
    /// An item that cannot be told apart from others: null, or a list or map in a set.
    #[error("item {index} must be a {expected}, not a {found}")]
    Item {
        /// Place of the item.
        index: usize,
        /// What items of such a list are.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The schema refers to a type that it does not define.
    #[error("has a type that the schema does not define: `{0}`")]
    NoSuchType(Arc<str>),
    /// The schema does not say enough of this type to handle a value.
    #[error("has a type that the schema leaves open")]
    OpenType,
    /// Two values that should be merged or compared have different types.
    #[error("is of another type than the value it is put together with")]
    OtherType,
    /// Nested deeper than any API object.
    #[error("is nested deeper than 512 levels")]
    TooDeep,
}

/// Deeper values are refused: the walkers recurse.
const MAX_DEPTH: usize = 512;

impl<'s> Typed<'s> {
    /// Checks a value against a type.
    ///
    /// # Errors
    /// With everything that does not fit.
    pub fn new(value: Value, of: TypeRef<'s>, duplicates: Duplicates) -> Result<Self, Vec<TypedError>> {
        let mut faults = Faults::default();
        validate::validate(of, value.root(), duplicates, &mut faults);
        faults.or(Self { value, of })
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the type.
    #[must_use]
    pub fn type_ref(&self) -> TypeRef<'s> {
        self.of
    }

    /// Returns the fields that this value sets: what an applier of it owns.
    ///
    /// # Errors
    /// When the schema leaves a type open.
    pub fn field_set(&self) -> Result<FieldSet, Vec<TypedError>> {
        FieldSet::of(self.value.root(), self.of)
    }

    /// Returns this value with `applied` merged into it.
    ///
    /// # Errors
    /// When the types differ, or `applied` holds duplicates.
    pub fn merge(&self, applied: &Self) -> Result<Self, Vec<TypedError>> {
        let mut faults = Faults::default();
        self.check_type(applied, &mut faults);
        let merged = merge::merge(self.of, Some(self.value.root()), Some(applied.value.root()), 0, &mut faults);
        let value = match merged {
            None => Value::null(),
            Some(merged) if merged.is(self.value.root()) => self.value.clone(),
            Some(merged) if merged.is(applied.value.root()) => applied.value.clone(),
            Some(merged) => merged.freeze(self.value.heap_bytes().saturating_add(applied.value.heap_bytes())),
        };
        faults.or(Self { value, of: self.of })
    }

    /// Returns what changes from this value to `other`.
    ///
    /// # Errors
    /// When the types differ.
    pub fn compare(&self, other: &Self) -> Result<Comparison, Vec<TypedError>> {
        let mut faults = Faults::default();
        self.check_type(other, &mut faults);
        if self.value.same(&other.value) {
            return faults.or(Comparison::default());
        }
        let comparison = compare::compare(self.of, self.value.root(), other.value.root(), &mut faults);
        faults.or(comparison)
    }

    /// Returns this value without the fields and items of `set`.
    #[must_use]
    pub fn remove(&self, set: &FieldSet, emptied: Emptied) -> Self {
        Self { value: remove::remove(self.of, self.value.root(), set, emptied, self.value.heap_bytes()), of: self.of }
    }

    /// Returns only the fields and items of `set`.
    #[must_use]
    pub fn extract(&self, set: &FieldSet) -> Self {
        Self { value: remove::extract(self.of, self.value.root(), set, 0), of: self.of }
    }

    /// As [`Typed::extract`], with the key fields of every list item that is on the way.
    #[must_use]
    pub fn extract_with_keys(&self, set: &FieldSet) -> Self {
        match self.field_set() {
            Ok(present) => self.extract(&remove::with_key_fields(set, &present)),
            Err(_) => self.extract(set),
        }
    }

    /// Adapts a set that was made under an older schema, in which lists or maps were atomic that are not any more, or
    /// the other way round. `None` when it fits already.
    ///
    /// # Errors
    /// When the schema does not define a type that the set leads to.
    pub fn reconcile(&self, set: &FieldSet) -> Result<Option<FieldSet>, Vec<TypedError>> {
        let mut faults = Faults::default();
        let reconciled = reconcile::reconcile(self.of, set, &mut faults);
        faults.or(reconciled)
    }

    fn check_type(&self, other: &Self, faults: &mut Faults) {
        if !self.of.is(other.of) {
            faults.add(TypedProblem::OtherType);
        }
    }
}

impl FieldSet {
    /// Returns the fields that a value sets: what an applier of it owns.
    ///
    /// # Errors
    /// With every field that its schema does not declare.
    pub fn of(value: ValueRef<'_>, of: TypeRef<'_>) -> Result<Self, Vec<TypedError>> {
        let mut faults = Faults::default();
        let set = field_set::field_set(of, value, &mut faults);
        faults.or(set)
    }
}

/// What was found wrong so far. Paths are gathered innermost first, while the walkers return.
#[derive(Debug, Default)]
struct Faults(Vec<(Vec<Segment>, TypedProblem)>);

impl Faults {
    fn add(&mut self, problem: TypedProblem) {
        self.0.push((Vec::new(), problem));
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// Runs a walk of a child; what it adds lies below `segment`.
    fn below<T>(&mut self, segment: impl FnOnce() -> Segment, walk: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.0.len();
        let result = walk(self);
        self.place(before, segment);
        result
    }

    /// Says that all after the first `before` lie below `segment`.
    fn place(&mut self, before: usize, segment: impl FnOnce() -> Segment) {
        if self.0.len() > before {
            let segment = segment();
            self.0.iter_mut().skip(before).for_each(|(path, _)| path.push(segment.clone()));
        }
    }

    fn or<T>(self, result: T) -> Result<T, Vec<TypedError>> {
        if self.0.is_empty() {
            return Ok(result);
        }
        let error =
            |(path, problem): (Vec<Segment>, _)| TypedError { field: path.into_iter().rev().collect(), problem };
        Err(self.0.into_iter().map(error).collect())
    }
}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.problem)
    }
}

impl std::error::Error for TypedError {}
