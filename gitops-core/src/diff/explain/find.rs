//! Fields as people name them → fields as comparisons name them, and where these are in an object.

use std::collections::BTreeSet;

use crate::model::TypeRef;
use crate::path::{FieldPath, PathPattern, Segment};
use crate::problem::nearest;
use crate::resource::Resource;
use crate::value::{ValueRef, View};

use super::UnknownField;
use crate::diff::mask;
use crate::diff::places::{Places, Typed, name};

/// Names every field that `asked` means, in the live object where it is there, else in the declared one.
pub(super) fn fields(
    asked: &PathPattern,
    live: Option<&Resource>,
    desired: Option<&Resource>,
    root: TypeRef<'_>,
) -> Result<BTreeSet<FieldPath>, UnknownField> {
    let text = asked.to_string();
    let may_be_many = text.contains('*') && !text.starts_with('/');
    let mut found = BTreeSet::new();
    for object in [live, desired].into_iter().flatten() {
        if found.is_empty() || may_be_many {
            let places = asked.all_places(object.tree());
            let tree = Places::of(object.tree(), root);
            let names = places.iter().filter_map(|place| Typed::of(place, &tree));
            found.extend(names.map(|name| mask::nameable(object.key(), &name.path)));
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let path = steps(&text);
    let trees: Vec<ValueRef<'_>> = [live, desired].into_iter().flatten().map(Resource::tree).collect();
    if is_declared(&path, &trees, root) {
        return Ok(BTreeSet::from([path]));
    }
    Err(UnknownField { field: text.as_str().into(), similar: similar(&path, &trees, root) })
}

/// A path without wildcards, or what of a JSON Pointer can be told without a tree.
fn steps(text: &str) -> FieldPath {
    let token = |token: &str| match token.parse() {
        Ok(index) => Segment::Index(index),
        Err(_) => Segment::field(&token.replace("~1", "/").replace("~0", "~")),
    };
    match text.strip_prefix('/') {
        Some(tokens) => tokens.split('/').map(token).collect(),
        None => text.parse().unwrap_or_default(),
    }
}

pub(super) fn type_of<'a>(segment: &Segment, of: TypeRef<'a>) -> TypeRef<'a> {
    match segment {
        Segment::Field(name) => of.field(name),
        _ => of.element(),
    }
}

/// Finds a named field in a tree.
fn locate<'a>(path: &FieldPath, tree: ValueRef<'a>, root: TypeRef<'a>) -> Option<ValueRef<'a>> {
    Places::of(tree, root).locate(path).map(|(_, value)| value)
}

/// Whether the schema declares a field that nobody has set, below something that is there.
fn is_declared(path: &FieldPath, trees: &[ValueRef<'_>], root: TypeRef<'_>) -> bool {
    let mut of = root;
    let mut so_far = FieldPath::root();
    for segment in path.segments() {
        so_far = so_far.join(segment.clone());
        let is_there = trees.iter().any(|tree| locate(&so_far, *tree, root).is_some());
        if !is_there && !matches!(segment, Segment::Field(name) if of.declares(name)) {
            return false;
        }
        of = type_of(segment, of);
    }
    !path.is_root()
}

/// The fields nearest to the first step that leads nowhere.
fn similar(path: &FieldPath, trees: &[ValueRef<'_>], root: TypeRef<'_>) -> Vec<FieldPath> {
    let segments = path.segments();
    let first = |length: usize| -> FieldPath { segments.iter().take(length).cloned().collect() };
    let leads = |length: &usize| trees.iter().any(|tree| locate(&first(*length), *tree, root).is_some());
    let length = (0..segments.len()).take_while(leads).last().unwrap_or(0);
    let (parent, wrong) = (first(length), segments.get(length));
    let mut known: BTreeSet<Segment> = BTreeSet::new();
    let of = parent.segments().iter().fold(root, |of, segment| type_of(segment, of));
    for value in trees.iter().filter_map(|tree| locate(&parent, *tree, root)) {
        match value.view() {
            View::Map(map) => known.extend(map.iter().map(|(name, _)| Segment::field(name))),
            View::List(list) => known.extend(list.iter().filter_map(|item| name(item, of))),
            _ => {}
        }
    }
    let known: Vec<(String, &Segment)> = known.iter().map(|segment| (segment.to_string(), segment)).collect();
    let wrong = wrong.map(ToString::to_string).unwrap_or_default();
    let near = nearest(&wrong, known.iter().map(|(text, _)| text.as_str()));
    let of_text = |text: &str| known.iter().find(|(known, _)| known == text).map(|(_, segment)| (*segment).clone());
    near.into_iter().filter_map(of_text).map(|segment| parent.join(segment)).collect()
}
