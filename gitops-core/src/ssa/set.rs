//! Sets of fields.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::order::compare_segments;
use crate::path::{FieldPath, Segment};

/// A set of fields of one object: what a manager owns, or what changed. Cloning shares it.
///
/// A field may be a member without the fields around it. Paths come out in structured-merge-diff's order: at each
/// level the members, then what lies below them.
///
/// ```
/// use gitops_core::path::FieldPath;
/// use gitops_core::ssa::FieldSet;
///
/// let set: FieldSet = [FieldPath::fields(&["spec", "replicas"]), FieldPath::fields(&["data"])].into_iter().collect();
/// assert!(set.contains(&FieldPath::fields(&["data"])));
/// assert!(!set.contains(&FieldPath::fields(&["spec"])));
/// assert_eq!(set.to_string(), "data, spec.replicas");
/// assert_eq!(set.to_fields_v1_json(), r#"{"f:data":{},"f:spec":{"f:replicas":{}}}"#);
/// ```
#[derive(Clone, Default)]
pub struct FieldSet(Option<Arc<[Entry]>>);

/// One path element: whether it is a member itself, and the members below it. Never neither.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) segment: Segment,
    pub(crate) is_member: bool,
    pub(crate) below: FieldSet,
}

/// Longer paths are not taken into a set.
pub(crate) const MAX_DEPTH: usize = 512;

impl FieldSet {
    /// Returns the empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. The fields around it are not added; the whole object is no field.
    ///
    /// A path of more than 512 elements is not taken, no API object has one.
    pub fn insert(&mut self, path: &FieldPath) {
        if path.segments().len() <= MAX_DEPTH {
            self.insert_at(path.segments());
        }
    }

    fn insert_at(&mut self, path: &[Segment]) {
        let Some((first, rest)) = path.split_first() else { return };
        let mut entries = self.entries().to_vec();
        let at = match entries.binary_search_by(|entry| compare_segments(&entry.segment, first)) {
            Ok(at) => at,
            Err(at) => {
                entries.insert(at, Entry { segment: first.clone(), is_member: false, below: Self::new() });
                at
            }
        };
        if let Some(entry) = entries.get_mut(at) {
            if rest.is_empty() {
                entry.is_member = true;
            } else {
                entry.below.insert_at(rest);
            }
        }
        *self = Self::from_entries(entries);
    }

    /// Returns whether a field is a member.
    #[must_use]
    pub fn contains(&self, path: &FieldPath) -> bool {
        let Some((last, above)) = path.segments().split_last() else { return false };
        let mut set = self;
        for segment in above {
            match set.entry(segment) {
                Some(entry) => set = &entry.below,
                None => return false,
            }
        }
        set.entry(last).is_some_and(|entry| entry.is_member)
    }

    /// Returns whether a member lies at `path` or below it.
    #[must_use]
    pub fn touches(&self, path: &FieldPath) -> bool {
        !self.below(path).is_empty() || self.contains(path)
    }

    /// Returns the members below `path`, as paths that start there.
    #[must_use]
    pub fn below(&self, path: &FieldPath) -> Self {
        let mut set = self;
        for segment in path.segments() {
            match set.entry(segment) {
                Some(entry) => set = &entry.below,
                None => return Self::new(),
            }
        }
        set.clone()
    }

    /// Returns the set of all members of this one, moved below `path`.
    #[must_use]
    pub fn moved_below(&self, path: &FieldPath) -> Self {
        if self.is_empty() || path.segments().len() > MAX_DEPTH {
            return Self::new();
        }
        path.segments().iter().rev().fold(self.clone(), |below, segment| {
            Self::from_entries(vec![Entry { segment: segment.clone(), is_member: false, below }])
        })
    }

    /// Returns whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().iter().map(|entry| usize::from(entry.is_member) + entry.below.len()).sum()
    }

    /// Returns the members in structured-merge-diff's order.
    pub fn iter(&self) -> impl Iterator<Item = FieldPath> + use<> {
        let mut paths = Vec::new();
        self.gather(&mut Vec::new(), &mut paths);
        paths.into_iter()
    }

    fn gather(&self, prefix: &mut Vec<Segment>, paths: &mut Vec<FieldPath>) {
        for entry in self.entries().iter().filter(|entry| entry.is_member) {
            paths.push(prefix.iter().cloned().chain([entry.segment.clone()]).collect());
        }
        for entry in self.entries().iter().filter(|entry| !entry.below.is_empty()) {
            prefix.push(entry.segment.clone());
            entry.below.gather(prefix, paths);
            prefix.pop();
        }
    }

    /// Returns the members that have no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let leaf = |entry: &Entry| Entry {
            segment: entry.segment.clone(),
            is_member: entry.is_member && entry.below.is_empty(),
            below: entry.below.leaves(),
        };
        Self::from_entries(self.entries().iter().map(leaf).collect())
    }

    /// Makes a set of sorted entries; those without any member are dropped.
    pub(crate) fn from_entries(mut entries: Vec<Entry>) -> Self {
        entries.retain(|entry| entry.is_member || !entry.below.is_empty());
        Self::from_proper(entries)
    }

    /// Makes a set of sorted entries that all have members.
    pub(crate) fn from_proper(entries: Vec<Entry>) -> Self {
        Self((!entries.is_empty()).then(|| entries.into()))
    }

    /// Makes a set of the entries from `start` on, which are sorted and all have members.
    pub(crate) fn from_drain(stack: &mut Vec<Entry>, start: usize) -> Self {
        Self((stack.len() > start).then(|| stack.drain(start..).collect()))
    }

    /// Makes a set of entries in any order; entries of one path element are united.
    pub(crate) fn from_unsorted(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|left, right| compare_segments(&left.segment, &right.segment));
        entries.dedup_by(|later, kept| {
            let same = compare_segments(&later.segment, &kept.segment) == Ordering::Equal;
            if same {
                kept.is_member |= later.is_member;
                kept.below = kept.below.union(&later.below);
            }
            same
        });
        Self::from_entries(entries)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(crate) fn entry(&self, segment: &Segment) -> Option<&Entry> {
        let entries = self.entries();
        let at = entries.binary_search_by(|entry| compare_segments(&entry.segment, segment)).ok()?;
        entries.get(at)
    }

    /// The entry of a field, found without making a segment.
    pub(crate) fn field(&self, name: &str) -> Option<&Entry> {
        let entries = self.entries();
        let order = |entry: &Entry| match &entry.segment {
            Segment::Field(field) => field.as_bytes().cmp(name.as_bytes()),
            _ => Ordering::Greater,
        };
        entries.get(entries.binary_search_by(order).ok()?)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (None, None) => true,
            _ => false,
        }
    }
}

impl FromIterator<FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = FieldPath>>(paths: I) -> Self {
        let mut set = Self::new();
        paths.into_iter().for_each(|path| set.insert(&path));
        set
    }
}

impl<'p> FromIterator<&'p FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = &'p FieldPath>>(paths: I) -> Self {
        let mut set = Self::new();
        paths.into_iter().for_each(|path| set.insert(path));
        set
    }
}

impl PartialEq for FieldSet {
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.entries(), other.entries());
        self.same(other)
            || left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| {
                    left.is_member == right.is_member
                        && compare_segments(&left.segment, &right.segment) == Ordering::Equal
                        && left.below == right.below
                })
    }
}

impl Eq for FieldSet {}

/// All members, in order, with commas.
impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, path) in self.iter().enumerate() {
            write!(f, "{}{path}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldSet({self})")
    }
}
