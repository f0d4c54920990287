//! What reading a document produces: the events of one tree.

use super::yaml::Mark;
use crate::value::Builder;

/// Takes the events of one tree. A [`Builder`] makes a value of them; others look for places.
pub(super) trait Events {
    /// Says where the next key or value is written.
    fn place(&mut self, mark: Mark);
    /// Names the next value of the innermost map.
    fn key(&mut self, key: &str);
    /// Names the next value, which another map brings in by `<<`.
    fn merged_key(&mut self, key: &str) {
        self.key(key);
    }
    /// Counts a value that is no list and no map, for whoever does not look at it.
    fn scalar(&mut self) {}
    /// Adds `null`.
    fn null(&mut self) {
        self.scalar();
    }
    /// Adds a boolean.
    fn bool(&mut self, _: bool) {
        self.scalar();
    }
    /// Adds a whole number.
    fn int(&mut self, _: i64) {
        self.scalar();
    }
    /// Adds a finite float.
    fn float(&mut self, _: f64) {
        self.scalar();
    }
    /// Adds a text.
    fn string(&mut self, _: &str) {
        self.scalar();
    }
    /// Opens a list.
    fn start_list(&mut self);
    /// Opens a map.
    fn start_map(&mut self);
    /// Closes what was opened last.
    fn end(&mut self);
}

impl Events for Builder {
    fn place(&mut self, _: Mark) {}
    fn key(&mut self, key: &str) {
        self.key(key);
    }
    fn null(&mut self) {
        self.null();
    }
    fn bool(&mut self, flag: bool) {
        self.bool(flag);
    }
    fn int(&mut self, number: i64) {
        self.int(number);
    }
    fn float(&mut self, number: f64) {
        self.float(number);
    }
    fn string(&mut self, text: &str) {
        self.string(text);
    }
    fn start_list(&mut self) {
        self.start_list();
    }
    fn start_map(&mut self) {
        self.start_map();
    }
    fn end(&mut self) {
        self.end();
    }
}
