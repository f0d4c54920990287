//! Values that may be shown, and those that may not.

use std::collections::BTreeMap;

use crate::path::{FieldPath, Segment};
use crate::resource::ResourceKey;
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

/// Whether the annotation of a Secret may hold a copy of its values.
pub(super) fn is_copy(annotation: &str) -> bool {
    COPIES.contains(&annotation)
}

/// Decides what of one object may be shown, and remembers which letter stands for which value.
pub(super) struct Mask<'a> {
    is_secret: bool,
    letters: BTreeMap<Letter<'a>, char>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Letter<'a> {
    Part(ValueRef<'a>),
    Made(Value),
}

impl<'a> Mask<'a> {
    pub(super) fn of(key: &ResourceKey) -> Self {
        Self { is_secret: is_secret(key), letters: BTreeMap::new() }
    }

    /// Whether the values at `path` are secret: those of a Secret, and annotations that hold a copy of them.
    pub(super) fn hides(&self, path: &[Step<'_>]) -> bool {
        self.is_secret
            && match path {
                [] | [Step::Field("data" | "stringData"), ..] => true,
                // Whole annotations may hold a copy.
                [Step::Field("metadata")] | [Step::Field("metadata"), Step::Field("annotations")] => true,
                [Step::Field("metadata"), Step::Field("annotations"), Step::Field(name), ..] => is_copy(name),
                // A writer may name fields by their values.
                [Step::Field("metadata"), Step::Field("managedFields"), ..] => true,
                _ => false,
            }
    }

    pub(super) fn shown(&mut self, path: &[Step<'_>], value: ValueRef<'a>) -> Shown {
        if self.hides(path) { self.letter(Letter::Part(value)) } else { Shown::Plain(value.to_value()) }
    }

    /// The same at a path that is no walk.
    pub(super) fn shown_at(&mut self, path: &FieldPath, value: ValueRef<'a>) -> Shown {
        let steps: Vec<Step<'_>> = path.segments().iter().map(step).collect();
        if self.hides(&steps) { self.letter(Letter::Part(value)) } else { Shown::Plain(value.to_value()) }
    }

    /// The same for a value that is no part of either object.
    pub(super) fn shown_made(&mut self, path: &[Step<'_>], value: Value) -> Shown {
        if self.hides(path) { self.letter(Letter::Made(value)) } else { Shown::Plain(value) }
    }

    /// Cuts a path before a step that would name a secret value.
    pub(super) fn nameable<'p>(&self, path: &'p [Step<'a>]) -> &'p [Step<'a>] {
        let fields = path.iter().take_while(|step| matches!(step, Step::Field(_))).count();
        if self.hides(path) { path.get(..fields).unwrap_or(path) } else { path }
    }

    fn letter(&mut self, value: Letter<'a>) -> Shown {
        let next = letter(self.letters.len());
        Shown::Masked(*self.letters.entry(value).or_insert(next))
    }
}

/// Whether values of this object are secret.
pub(super) fn is_secret(key: &ResourceKey) -> bool {
    key.is("", "Secret")
}

/// Cuts a path before a segment that would name a secret value.
pub(super) fn nameable(key: &ResourceKey, path: &FieldPath) -> FieldPath {
    let mask = Mask::of(key);
    let steps: Vec<Step<'_>> = path.segments().iter().map(step).collect();
    let length = mask.nameable(&steps).len();
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
    ('A'..='Z').chain('a'..='z').chain(ideographs).nth(index).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_letters_mean_equal_values_until_letters_run_out() {
        let letters: std::collections::BTreeSet<char> = (0..21_044).map(letter).collect();
        assert_eq!(letters.len(), 21_044);
        assert_eq!((letter(0), letter(26), letter(52), letter(21_044)), ('A', 'a', '\u{4E00}', '?'));
    }
}
