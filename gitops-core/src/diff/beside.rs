//! Sorted maps that are walked beside each other.

use std::cmp::Ordering;

use crate::resource::ResourceKey;

/// A sorted map, walked beside other keys in the same order.
pub(super) struct Beside<'m, V, I: Iterator<Item = (&'m ResourceKey, V)>> {
    rest: I,
    next: Option<(&'m ResourceKey, V)>,
    passed: Vec<(&'m ResourceKey, V)>,
}

impl<'m, V, I: Iterator<Item = (&'m ResourceKey, V)>> Beside<'m, V, I> {
    pub(super) fn new(mut rest: I) -> Self {
        let next = rest.next();
        Self { rest, next, passed: Vec::new() }
    }

    /// Returns the value of `key`; keys must be asked for in ascending order.
    pub(super) fn at(&mut self, key: &ResourceKey) -> Option<V> {
        self.at_or(key, |_| false)
    }

    /// The same, where the next value may be known to be that of `key` without reading its own key.
    pub(super) fn at_or(&mut self, key: &ResourceKey, is_it: impl FnOnce(&V) -> bool) -> Option<V> {
        if self.next.as_ref().is_some_and(|(_, value)| is_it(value)) {
            let found = self.next.take();
            self.next = self.rest.next();
            return found.map(|(_, value)| value);
        }
        while let Some((other, value)) = self.next.take() {
            match other.cmp(key) {
                Ordering::Less => self.passed.push((other, value)),
                Ordering::Equal => {
                    self.next = self.rest.next();
                    return Some(value);
                }
                Ordering::Greater => {
                    self.next = Some((other, value));
                    return None;
                }
            }
            self.next = self.rest.next();
        }
        None
    }

    /// Returns what was passed since it was last called and was not asked for, in order.
    pub(super) fn passed(&mut self) -> Vec<(&'m ResourceKey, V)> {
        std::mem::take(&mut self.passed)
    }

    /// Returns what was not asked for, in order.
    pub(super) fn others(mut self) -> Vec<(&'m ResourceKey, V)> {
        self.passed.extend(self.next);
        self.passed.extend(self.rest);
        self.passed
    }
}
