//! Apply and update over field sets, for any conversion between versions.
//!
//! Rules: the package `merge` of structured-merge-diff v6.4. This is the part of server-side apply that knows nothing
//! of Kubernetes objects; [`super::apply`] and [`super::update`] are built on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FieldSet;
use super::algebra::Pattern;
use super::order::equal_values;
use super::typed::{Comparison, Emptied, Typed, TypedError};

/// What one manager owns, in which version its paths are written, and whether it applied them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owned {
    /// The fields.
    pub fields: FieldSet,
    /// The version in which the fields are named.
    pub version: Arc<str>,
    /// Whether they were applied, rather than updated.
    pub is_applied: bool,
}

impl Owned {
    /// Names what a manager owns.
    #[must_use]
    pub fn new(fields: FieldSet, version: &str, is_applied: bool) -> Self {
        Self { fields, version: version.into(), is_applied }
    }

    fn with(&self, fields: FieldSet) -> Self {
        Self { fields, ..self.clone() }
    }
}

/// All managers of an object. `K` is how a manager is told apart.
pub type Managers<K> = BTreeMap<K, Owned>;

/// Returns the managers whose part differs: with what only one side has, or all of `after` where the version changed.
#[must_use]
pub fn changed_managers<K: Ord + Clone>(before: &Managers<K>, after: &Managers<K>) -> Managers<K> {
    let mut changed = Managers::new();
    for (manager, owned) in before.iter().chain(after) {
        let difference = match (before.get(manager), after.get(manager)) {
            (Some(before), Some(after)) if before.version != after.version => after.clone(),
            (Some(before), Some(after)) => {
                let (gone, new) = (before.fields.difference(&after.fields), after.fields.difference(&before.fields));
                after.with(gone.union(&new))
            }
            _ => owned.clone(),
        };
        if !difference.fields.is_empty() {
            changed.insert(manager.clone(), difference);
        }
    }
    changed
}

/// Turns values of one version into another.
pub trait Converter<'s> {
    /// Returns `value` at `version`.
    ///
    /// # Errors
    /// [`ConvertError::Missing`] when there is no such version (any more); managers at it are then dropped.
    fn convert(&self, value: &Typed<'s>, version: &str) -> Result<Typed<'s>, ConvertError>;
}

/// Why a value could not be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// There is no such version.
    #[error("version `{0}` is not known")]
    Missing(Arc<str>),
    /// Anything else; the whole operation fails.
    #[error("cannot convert to version `{version}`: {why}")]
    Failed {
        /// The wanted version.
        version: Arc<str>,
        /// What went wrong.
        why: Arc<str>,
    },
}

/// What an apply may take from other managers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Force {
    /// Nothing: a field that another manager owns with another value is a conflict.
    #[default]
    No,
    /// Every field it sets.
    Yes,
}

/// Which fields of a version can be owned at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// All but these and what is below them.
    Exclude(FieldSet),
    /// Only those on the way to, or below, one of these.
    Include(Vec<Pattern>),
}

impl Filter {
    /// Returns the part of `set` that can be owned.
    #[must_use]
    pub fn filter(&self, set: &FieldSet) -> FieldSet {
        match self {
            Self::Exclude(fields) => set.recursive_difference(fields),
            Self::Include(patterns) => set.matching(patterns),
        }
    }
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError<K> {
    /// Other managers own fields that would change.
    #[error("other managers own fields with other values")]
    Conflicts(BTreeMap<K, FieldSet>),
    /// A value does not fit its type.
    #[error("the object does not fit its schema")]
    Invalid(Vec<TypedError>),
    /// A value could not be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl<K> From<Vec<TypedError>> for UpdateError<K> {
    fn from(errors: Vec<TypedError>) -> Self {
        Self::Invalid(errors)
    }
}

/// What an apply leads to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied<'s, K> {
    /// The object.
    pub object: Typed<'s>,
    /// The managers.
    pub managers: Managers<K>,
    /// Whether the object differs from the live one.
    pub is_changed: bool,
}

/// The settings under which objects of one kind are applied and updated.
#[derive(Clone)]
pub struct Updater<'u, 's> {
    converter: &'u dyn Converter<'s>,
    filters: BTreeMap<Arc<str>, Filter>,
    emptied: Emptied,
}

impl std::fmt::Debug for Updater<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updater").field("filters", &self.filters).field("emptied", &self.emptied).finish()
    }
}

impl<'u, 's> Updater<'u, 's> {
    /// Starts without filters; emptied maps and lists stay, as in Kubernetes 1.36.
    #[must_use]
    pub fn new(converter: &'u dyn Converter<'s>) -> Self {
        Self { converter, filters: BTreeMap::new(), emptied: Emptied::Kept }
    }

    /// Limits what can be owned in a version.
    #[must_use]
    pub fn with_filter(mut self, version: &str, filter: Filter) -> Self {
        self.filters.insert(version.into(), filter);
        self
    }

    /// Says what becomes of emptied maps and lists.
    #[must_use]
    pub fn with_emptied(mut self, emptied: Emptied) -> Self {
        self.emptied = emptied;
        self
    }

    /// Merges `config` into `live` for `manager`, and removes what it applied before and does not any more.
    ///
    /// # Errors
    /// On conflicts, unless forced; when a value does not fit its type, or cannot be converted.
    pub fn apply<K: Ord + Clone>(
        &self,
        live: &Typed<'s>,
        config: &Typed<'s>,
        version: &str,
        managers: &Managers<K>,
        manager: &K,
        force: Force,
    ) -> Result<Applied<'s, K>, UpdateError<K>> {
        let mut managers = self.reconcile(live, managers)?;
        let merged = live.merge(config)?;
        let set = self.ownable(version, &config.field_set()?);
        let last = managers.insert(manager.clone(), Owned::new(set, version, true));
        let object = match last {
            Some(last) if !last.fields.is_empty() => self.prune(merged, &managers, manager, &last)?,
            _ => merged,
        };
        self.settle(live, &object, version, &mut managers, manager, force)?;
        let same = live.value().same(object.value());
        let is_changed = !same && !equal_values(live.value().root(), object.value().root());
        Ok(Applied { object, managers, is_changed })
    }

    /// Returns the managers after `manager` replaced `live` by `new`: it owns what it changed.
    ///
    /// # Errors
    /// When a value does not fit its type, or cannot be converted.
    pub fn update<K: Ord + Clone>(
        &self,
        live: &Typed<'s>,
        new: &Typed<'s>,
        version: &str,
        managers: &Managers<K>,
        manager: &K,
    ) -> Result<Managers<K>, UpdateError<K>> {
        let mut managers = self.reconcile(live, managers)?;
        let change = self.settle(live, new, version, &mut managers, manager, Force::Yes)?;
        let before = managers.remove(manager).map(|owned| owned.fields).unwrap_or_default();
        let set = before.difference(&change.removed).union(&change.modified).union(&change.added);
        let set = self.ownable(version, &set);
        if !set.is_empty() {
            managers.insert(manager.clone(), Owned::new(set, version, false));
        }
        Ok(managers)
    }

    fn ownable(&self, version: &str, set: &FieldSet) -> FieldSet {
        self.filters.get(version).map_or_else(|| set.clone(), |filter| filter.filter(set))
    }

    fn convert(&self, value: &Typed<'s>, version: &str) -> Result<Option<Typed<'s>>, ConvertError> {
        match self.converter.convert(value, version) {
            Ok(converted) => Ok(Some(converted)),
            Err(ConvertError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adapts all sets to the schema of today. Managers at versions that are gone are dropped.
    fn reconcile<K: Ord + Clone>(
        &self,
        live: &Typed<'s>,
        managers: &Managers<K>,
    ) -> Result<Managers<K>, UpdateError<K>> {
        let mut versions = BTreeMap::<&str, Option<Typed<'s>>>::new();
        let mut reconciled = Managers::new();
        for (manager, owned) in managers {
            if !versions.contains_key(&*owned.version) {
                versions.insert(&owned.version, self.convert(live, &owned.version)?);
            }
            let Some(Some(live)) = versions.get(&*owned.version) else { continue };
            let fields = live.reconcile(&owned.fields)?;
            let owned = fields.map_or_else(|| owned.clone(), |fields| owned.with(fields));
            reconciled.insert(manager.clone(), owned);
        }
        Ok(reconciled)
    }

    /// Takes from the other managers what changed; returns what changed at `version`.
    fn settle<K: Ord + Clone>(
        &self,
        old: &Typed<'s>,
        new: &Typed<'s>,
        version: &str,
        managers: &mut Managers<K>,
        workflow: &K,
        force: Force,
    ) -> Result<Comparison, UpdateError<K>> {
        let change = old.compare(new)?.map(|set| self.ownable(version, set));
        // None where a version is gone.
        let mut at_others = BTreeMap::<Arc<str>, Option<Comparison>>::new();
        let mut conflicts = BTreeMap::new();
        for (manager, owned) in managers.iter_mut().filter(|(manager, _)| *manager != workflow) {
            if *owned.version != *version && !at_others.contains_key(&owned.version) {
                let change = match (self.convert(old, &owned.version)?, self.convert(new, &owned.version)?) {
                    (Some(old), Some(new)) => Some(old.compare(&new)?.map(|set| self.ownable(&owned.version, set))),
                    _ => None,
                };
                at_others.insert(Arc::clone(&owned.version), change);
            }
            let at_other = at_others.get(&owned.version);
            let Some(change) = at_other.map_or(Some(&change), Option::as_ref) else {
                owned.fields = FieldSet::new();
                continue;
            };
            let conflict = owned.fields.intersection(&change.modified.union(&change.added));
            owned.fields = owned.fields.difference(&conflict).difference(&change.removed);
            if !conflict.is_empty() {
                conflicts.insert(manager.clone(), conflict);
            }
        }
        if force == Force::No && !conflicts.is_empty() {
            return Err(UpdateError::Conflicts(conflicts));
        }
        managers.retain(|_, owned| !owned.fields.is_empty());
        Ok(change)
    }

    /// Removes from `merged` what `manager` applied last time, does not apply now, and nobody else owns.
    fn prune<K: Ord + Clone>(
        &self,
        merged: Typed<'s>,
        managers: &Managers<K>,
        manager: &K,
        last: &Owned,
    ) -> Result<Typed<'s>, UpdateError<K>> {
        let Some(at_last) = self.convert(&merged, &last.version)? else { return Ok(merged) };
        if Self::nothing_is_dropped(&merged, &at_last, managers, manager, last)? {
            return Ok(merged);
        }
        let owned_last = last.fields.with_named_parents(at_last.type_ref());
        let pruned = at_last.remove(&owned_last, self.emptied);
        let pruned = self.add_back_owned(&at_last, pruned, &last.version, managers)?;
        let pruned = self.add_back_dangling(&at_last, &pruned, &owned_last, last)?;
        let version = managers.get(manager).map_or(&last.version, |owned| &owned.version);
        Ok(self.converter.convert(&pruned, version)?)
    }

    /// Whether pruning would leave all as it is, so that it need not be done: everything applied last time is applied
    /// now and is a field of the result, and there is one version only.
    ///
    /// (Where an applied `{}` has become a map with something in it, its path is no field of the result any more; what
    /// pruning does then depends on what is in it.)
    fn nothing_is_dropped<K: Ord>(
        merged: &Typed<'s>,
        at_last: &Typed<'s>,
        managers: &Managers<K>,
        manager: &K,
        last: &Owned,
    ) -> Result<bool, UpdateError<K>> {
        let one_version =
            merged.value().same(at_last.value()) && managers.values().all(|owned| owned.version == last.version);
        let now = managers.get(manager).filter(|_| one_version);
        let applied = now.is_some_and(|now| last.fields.is_within(&now.fields));
        Ok(applied && last.fields.is_within(&merged.field_set()?))
    }

    /// Adds back what was removed but is owned by anybody, each at the version in which it is named.
    fn add_back_owned<K: Ord>(
        &self,
        merged: &Typed<'s>,
        pruned: Typed<'s>,
        first: &str,
        managers: &Managers<K>,
    ) -> Result<Typed<'s>, UpdateError<K>> {
        let mut owned_at = BTreeMap::<&str, Vec<FieldSet>>::new();
        for owned in managers.values() {
            owned_at.entry(&owned.version).or_default().push(owned.fields.clone());
        }
        // The version that was pruned comes first: other versions may need its fields for conversion.
        let first = owned_at.remove(first).map(|set| (first, set));
        let (mut merged, mut pruned) = (merged.clone(), pruned);
        for (version, owned) in first.into_iter().chain(owned_at) {
            let Some(whole) = self.convert(&merged, version)? else { continue };
            merged = whole;
            let Some(part) = self.convert(&pruned, version)? else { continue };
            let of = merged.type_ref();
            let (whole, part) = (merged.field_set()?, part.field_set()?);
            let keep = part.with_named_parents(of).union(&FieldSet::union_of(owned).with_named_parents(of));
            pruned = merged.remove(&whole.with_named_parents(of).difference(&keep), self.emptied);
        }
        Ok(pruned)
    }

    /// Adds back what was removed along with owned items but never belonged to the applier.
    fn add_back_dangling<K>(
        &self,
        merged: &Typed<'s>,
        pruned: &Typed<'s>,
        owned_last: &FieldSet,
        last: &Owned,
    ) -> Result<Typed<'s>, UpdateError<K>> {
        let Some(pruned) = self.convert(pruned, &last.version)? else { return Ok(merged.clone()) };
        let of = merged.type_ref();
        let (part, whole) = (pruned.field_set()?.with_named_parents(of), merged.field_set()?.with_named_parents(of));
        Ok(merged.remove(&whole.difference(&part).intersection(owned_last), self.emptied))
    }
}
