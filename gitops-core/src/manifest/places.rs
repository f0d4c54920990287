//! Where things are written, found by reading a document again.

use std::collections::BTreeMap;

use super::events::Events;
use super::yaml::Mark;
use crate::path::{FieldPath, Segment};
use crate::value::{ValueRef, View};

/// One step to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Field(String),
    Index(usize),
    EveryItem,
}

/// Turns a path into steps through `tree`.
pub(super) fn steps(tree: ValueRef<'_>, path: &FieldPath) -> Option<Vec<Step>> {
    let mut at = tree;
    let mut steps = Vec::new();
    for segment in path.segments() {
        let child = segment.of(at)?;
        steps.push(match (segment, at.view()) {
            (Segment::Field(name), _) => Step::Field(name.to_string()),
            (Segment::Index(index), _) => Step::Index(*index as usize),
            (_, View::List(list)) => Step::Index(list.iter().position(|item| segment.of(at) == Some(item))?),
            _ => return None,
        });
        at = child;
    }
    Some(steps)
}

/// A list or map that is open.
#[derive(Debug)]
struct Level {
    is_map: bool,
    items: usize,
    /// The last key or item is the one that the steps name.
    on_path: bool,
}

/// Finds where the key or item at the end of some steps is written.
#[derive(Debug)]
pub(super) struct Finder<'s> {
    steps: &'s [Step],
    found: Vec<Mark>,
    open: Vec<Level>,
    mark: Mark,
}

impl<'s> Finder<'s> {
    pub(super) fn new(steps: &'s [Step]) -> Self {
        Self { steps, found: Vec::new(), open: Vec::new(), mark: Mark::default() }
    }

    /// Returns the marks, in order of appearance.
    pub(super) fn found(self) -> Vec<Mark> {
        self.found
    }

    /// Compares the next key, or the next item, with the step at its level.
    fn step(&mut self, key: Option<&str>) {
        let depth = self.open.len();
        let led_here = self.open.iter().rev().nth(1).is_none_or(|level| level.on_path);
        let Some(level) = self.open.last_mut() else { return };
        let step = depth.checked_sub(1).and_then(|at| self.steps.get(at));
        level.on_path = led_here
            && match (step, key) {
                (Some(Step::Field(name)), Some(key)) => name == key,
                (Some(Step::Index(index)), None) => *index == level.items,
                (Some(Step::EveryItem), None) => true,
                _ => false,
            };
        if level.on_path {
            if key.is_some() {
                // Of equal keys the last one counts.
                self.found.clear();
            }
            if depth == self.steps.len() {
                self.found.push(self.mark);
            }
        }
        level.items = level.items.saturating_add(1);
    }

    fn value(&mut self) {
        match self.open.last() {
            Some(level) if !level.is_map => self.step(None),
            None if self.steps.is_empty() => self.found.push(self.mark),
            _ => {}
        }
    }

    fn start(&mut self, is_map: bool) {
        self.value();
        self.open.push(Level { is_map, items: 0, on_path: false });
    }
}

impl Events for Finder<'_> {
    fn place(&mut self, mark: Mark) {
        self.mark = mark;
    }
    fn key(&mut self, key: &str) {
        self.step(Some(key));
    }
    fn scalar(&mut self) {
        self.value();
    }
    fn start_list(&mut self) {
        self.start(false);
    }
    fn start_map(&mut self) {
        self.start(true);
    }
    fn end(&mut self) {
        self.open.pop();
    }
}

/// A key that one map has twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Repeat {
    pub(super) second: Mark,
    pub(super) first: Mark,
    pub(super) key: String,
}

/// Finds the keys that are given twice. What `<<` brings in is no repetition.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    found: Vec<Repeat>,
    /// The keys of each open map; lists have none.
    open: Vec<BTreeMap<String, Mark>>,
    mark: Mark,
}

impl Repeats {
    /// Returns each pair once, however often an alias repeats it, in order of the later place.
    pub(super) fn found(mut self) -> Vec<Repeat> {
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

impl Events for Repeats {
    fn place(&mut self, mark: Mark) {
        self.mark = mark;
    }
    fn key(&mut self, key: &str) {
        let second = self.mark;
        if let Some(first) = self.open.last_mut().and_then(|keys| keys.insert(key.to_owned(), second)) {
            self.found.push(Repeat { second, first, key: key.to_owned() });
        }
    }
    fn merged_key(&mut self, _: &str) {}
    fn start_list(&mut self) {
        self.open.push(BTreeMap::new());
    }
    fn start_map(&mut self) {
        self.open.push(BTreeMap::new());
    }
    fn end(&mut self) {
        self.open.pop();
    }
}

/// What of a list or map is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Items,
    Metadata,
    Annotations,
    Item(usize),
    Other,
}

/// Finds where annotations of objects are written, also of those in lists and lists in lists.
#[derive(Debug)]
pub(super) struct Annotations {
    wanted: fn(&str) -> bool,
    found: Vec<(Vec<usize>, String, Mark)>,
    open: Vec<Inside>,
    mark: Mark,
}

impl Annotations {
    pub(super) fn new(wanted: fn(&str) -> bool) -> Self {
        Self { wanted, found: Vec::new(), open: Vec::new(), mark: Mark::default() }
    }

    /// Returns which item of which lists has which annotation, in order of appearance: of equal ones the last counts.
    pub(super) fn found(self) -> Vec<(Vec<usize>, String, Mark)> {
        self.found
    }

    /// Where the map that was opened last is the annotations of an object: which item of which lists that is.
    fn object(&self) -> Option<Vec<usize>> {
        let [lists @ .., Inside::Metadata, Inside::Annotations, _] = self.open.as_slice() else { return None };
        let index = |pair: &[Inside]| match *pair {
            [Inside::Items, Inside::Item(index)] => Some(index),
            _ => None,
        };
        lists.chunks(2).map(index).collect()
    }

    fn value(&mut self) {
        if let Some(Inside::Item(index)) = self.open.last_mut() {
            *index = index.wrapping_add(1);
        }
    }
}

impl Events for Annotations {
    fn place(&mut self, mark: Mark) {
        self.mark = mark;
    }
    fn key(&mut self, key: &str) {
        if (self.wanted)(key)
            && let Some(object) = self.object()
        {
            self.found.push((object, key.to_owned(), self.mark));
        }
        if let Some(inside) = self.open.last_mut() {
            *inside = match key {
                "items" => Inside::Items,
                "metadata" => Inside::Metadata,
                "annotations" => Inside::Annotations,
                _ => Inside::Other,
            };
        }
    }
    fn scalar(&mut self) {
        self.value();
    }
    fn start_list(&mut self) {
        self.value();
        // The first item makes it 0.
        self.open.push(Inside::Item(usize::MAX));
    }
    fn start_map(&mut self) {
        self.value();
        self.open.push(Inside::Other);
    }
    fn end(&mut self) {
        self.open.pop();
    }
}
