//! Values that may be shown, and those that may not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::path::{FieldPath, Segment};
use crate::policy::ignore::Rules;
use crate::resource::{Resource, ResourceKey};
use crate::value::{Value, ValueRef};

use super::Shown;
use super::step::Step;

/// Where client-side apply keeps what it applied last.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Annotations in which tools keep a copy of the object that they applied, or what of it changed: kubectl, kapp,
/// Rancher's `wrangler`, Banzai Cloud's `k8s-objectmatcher`.
const COPIES: [&str; 6] = [
    LAST_APPLIED,
    "kapp.k14s.io/original",
    "kapp.k14s.io/original-diff",
    "kapp.k14s.io/original-diff-full",
    "objectset.rio.cattle.io/applied",
    "banzaicloud.com/last-applied",
];

/// Whether the value of an annotation of a Secret is not shown: it may hold a copy of its values, or somebody said so.
pub(super) fn is_hidden(annotation: &str, masked: &[Arc<str>]) -> bool {
    COPIES.contains(&annotation) || masked.iter().any(|name| **name == *annotation)
}

/// Stands for values that are no longer told apart.
const OTHER: char = '?';

/// What of one object may be seen: everything that letters are given out for. All walks of an object are made over the
/// same, so that a letter means one value in changes, notes, hidden changes and explanations alike.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) desired: Option<&'a Resource>,
    pub(super) live: Option<&'a Resource>,
    /// What the cluster answered; its letters come last.
    pub(super) after: Option<&'a Resource>,
    /// Annotations of a Secret whose values are not shown.
    pub(super) annotations: &'a [Arc<str>],
}

/// Decides what of one object may be shown, and which letter stands for which value.
pub(super) struct Mask<'a> {
    seen: Seen<'a>,
    is_secret: bool,
    letters: Option<BTreeMap<ValueRef<'a>, char>>,
}

impl<'a> Seen<'a> {
    pub(super) fn of(desired: &'a Resource, live: &'a Resource, rules: &'a Rules) -> Self {
        Self { desired: Some(desired), live: Some(live), after: None, annotations: rules.masked_annotations() }
    }

    fn objects(self) -> impl Iterator<Item = &'a Resource> {
        [self.live, self.desired, self.after].into_iter().flatten()
    }
}

impl<'a> Mask<'a> {
    pub(super) fn of(seen: Seen<'a>) -> Self {
        Self { seen, is_secret: seen.objects().any(|object| is_secret(object.key())), letters: None }
    }

    /// Whether the values at `path` are secret: those of a Secret, and annotations that hold a copy of them.
    pub(super) fn hides(&self, path: &[Step<'_>]) -> bool {
        self.is_secret && hides(path, self.seen.annotations)
    }

    pub(super) fn shown(&mut self, path: &[Step<'_>], value: ValueRef<'a>) -> Shown {
        if self.hides(path) || self.is_no_type(path, value) {
            self.letter(value)
        } else {
            Shown::Plain(value.to_value())
        }
    }

    /// The same at a path that is no walk.
    pub(super) fn shown_at(&mut self, path: &FieldPath, value: ValueRef<'a>) -> Shown {
        let steps: Vec<Step<'_>> = path.segments().iter().map(step).collect();
        self.shown(&steps, value)
    }

    /// Whether a value that stands where a word should may hold others.
    fn is_no_type(&self, path: &[Step<'_>], value: ValueRef<'_>) -> bool {
        self.is_secret && matches!(path, [Step::Field(name)] if !is_plain(name, value))
    }

    /// The same for a value that is no part of the objects.
    pub(super) fn shown_made(&mut self, path: &[Step<'_>], value: Value) -> Shown {
        if self.hides(path) || self.is_no_type(path, value.root()) { Shown::Masked(OTHER) } else { Shown::Plain(value) }
    }

    /// Cuts a path before a step that would name a secret value.
    pub(super) fn nameable<'p>(&self, path: &'p [Step<'a>]) -> &'p [Step<'a>] {
        if self.hides(path) { fields_of(path) } else { path }
    }

    fn letter(&mut self, value: ValueRef<'a>) -> Shown {
        let letters = self.letters.get_or_insert_with(|| letters(self.seen));
        Shown::Masked(letters.get(&value).copied().unwrap_or(OTHER))
    }
}

/// Gives out letters: first for the values of `data`, by their names, then for everything else that is never shown.
fn letters<'a>(seen: Seen<'a>) -> BTreeMap<ValueRef<'a>, char> {
    let mut letters = BTreeMap::new();
    let mut give = |value: ValueRef<'a>| {
        let next = letters.len();
        letters.entry(value).or_insert_with(|| letter(next));
    };
    let top = |field: &'static str| seen.objects().filter_map(move |object| object.tree().get(field));
    for field in ["data", "stringData"] {
        let maps = || top(field).filter_map(ValueRef::as_map);
        let names: BTreeSet<&str> = maps().flatten().map(|(name, _)| name).collect();
        for name in names {
            maps().filter_map(|map| map.get(name)).for_each(&mut give);
        }
    }
    let annotations = || top("metadata").filter_map(|metadata| metadata.get("annotations")?.as_map());
    let hidden = COPIES.into_iter().chain(seen.annotations.iter().map(|name| &**name));
    for name in hidden {
        annotations().filter_map(|map| map.get(name)).for_each(&mut give);
    }
    let others = seen.objects().filter_map(|object| object.tree().as_map()).flatten().map(|(_, value)| value);
    for root in top("data").chain(top("stringData")).chain(top("metadata")).chain(others) {
        let mut open = vec![root];
        while let Some(value) = open.pop() {
            give(value);
            open.extend(value.as_map().into_iter().flatten().map(|(_, value)| value));
            open.extend(value.as_list().into_iter().flatten());
        }
    }
    seen.objects().for_each(|object| give(object.tree()));
    letters
}

/// The fields of a Secret that say what it is. Anything else may be a value, also under a misspelt name.
const PLAIN: [&str; 4] = ["apiVersion", "immutable", "kind", "type"];
/// The fields of its metadata whose values may be shown; annotations and managed fields have rules of their own.
const PLAIN_METADATA: [&str; 14] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
    "annotations",
];

/// Whether a field at the top of a Secret, other than its metadata, may be shown.
pub(crate) fn is_plain(field: &str, value: ValueRef<'_>) -> bool {
    PLAIN.contains(&field) && value.as_map().is_none() && value.as_list().is_none()
}

/// Whether a field of the metadata of a Secret may be shown, but for values of its annotations.
pub(crate) fn is_plain_metadata(field: &str) -> bool {
    PLAIN_METADATA.contains(&field)
}

fn hides(path: &[Step<'_>], annotations: &[Arc<str>]) -> bool {
    match path {
        [Step::Field(field)] => !PLAIN.contains(field),
        // Whole annotations may hold a copy.
        [Step::Field("metadata"), Step::Field("annotations")] => true,
        [Step::Field("metadata"), Step::Field("annotations"), Step::Field(name), ..] => is_hidden(name, annotations),
        // A writer may name fields by their values, so managed fields are none of the plain ones.
        [Step::Field("metadata"), Step::Field(name), ..] => !is_plain_metadata(name),
        _ => true,
    }
}

/// The steps to the first list item.
fn fields_of<'p, 'a>(path: &'p [Step<'a>]) -> &'p [Step<'a>] {
    let fields = path.iter().take_while(|step| matches!(step, Step::Field(_))).count();
    path.get(..fields).unwrap_or(path)
}

/// Whether values of this object are secret: it is a Secret, or was meant to be one.
pub(crate) fn is_secret(key: &ResourceKey) -> bool {
    key.group().is_empty() && key.kind().eq_ignore_ascii_case("Secret")
}

/// Cuts a path before a segment that would name a secret value.
pub(super) fn nameable(key: &ResourceKey, path: &FieldPath) -> FieldPath {
    let steps: Vec<Step<'_>> = path.segments().iter().map(step).collect();
    let is_hidden = is_secret(key) && hides(&steps, &[]);
    let length = if is_hidden { fields_of(&steps).len() } else { steps.len() };
    path.segments().iter().take(length).cloned().collect()
}

/// A step that stands for a segment; which item of a list it is does not matter here.
fn step(segment: &Segment) -> Step<'_> {
    match segment {
        Segment::Field(name) => Step::Field(name),
        _ => Step::Index { at: 0 },
    }
}

/// `A` to `Z`, then `a` to `z`, then the 20,992 unified ideographs; values beyond are no longer told apart.
fn letter(index: usize) -> char {
    let ideographs = '\u{4E00}'..='\u{9FFF}';
    ('A'..='Z').chain('a'..='z').chain(ideographs).nth(index).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_letters_mean_equal_values_until_letters_run_out() {
        let letters: BTreeSet<char> = (0..21_044).map(letter).collect();
        assert_eq!(letters.len(), 21_044);
        assert_eq!((letter(0), letter(26), letter(52), letter(21_044)), ('A', 'a', '\u{4E00}', '?'));
    }
}
