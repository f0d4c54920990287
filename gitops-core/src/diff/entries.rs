//! The results of a comparison, in chunks that later comparisons share.
//!
//! A pass over objects that did not change reads the rows one after the other, with all that tells whether a verdict
//! still holds beside each other, and follows no pointer. A chunk of which every row still holds is shared as it is.

use std::fmt;
use std::sync::Arc;

use crate::problem::Problem;
use crate::resource::ResourceKey;

use super::compare::problems_of;
use super::memo::Memo;
use super::{Compared, Outcome};

/// Rows of a new chunk.
const CHUNK: usize = 32;

/// The results of a comparison, in order of their keys. What did not change is shared with earlier comparisons.
#[derive(Clone, Default)]
pub struct Entries {
    chunks: Vec<Arc<Chunk>>,
    len: usize,
}

/// Some rows that follow each other; never none.
#[derive(Debug)]
struct Chunk {
    rows: Vec<Row>,
    is_synced: bool,
    /// What is wrong with its objects.
    problems: Vec<Problem>,
}

/// The result for one object and what it was made from.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: ResourceKey,
    pub(crate) compared: Arc<Compared>,
    /// Whether there is nothing to do about the object: told here, so that nobody need look.
    pub(crate) is_at_rest: bool,
    pub(super) memo: Memo,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: usize,
    row: usize,
}

impl Entries {
    /// Returns the result for one object.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&Arc<Compared>> {
        self.row(key).map(|(_, row)| &row.compared)
    }

    /// Returns whether there is a result for the object.
    #[must_use]
    pub fn contains_key(&self, key: &ResourceKey) -> bool {
        self.row(key).is_some()
    }

    /// Returns the results, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceKey, &Arc<Compared>)> {
        self.rows().map(|row| (&row.key, &row.compared))
    }

    /// Returns the objects, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ResourceKey> {
        self.rows().map(|row| &row.key)
    }

    /// Returns the results without their keys.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Compared>> {
        self.rows().map(|row| &row.compared)
    }

    /// Returns the number of results.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns whether every object is in sync; looks at no object.
    pub(super) fn is_synced(&self) -> bool {
        self.chunks.iter().all(|chunk| chunk.is_synced)
    }

    /// Returns what is wrong with the objects, in order.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.chunks.iter().flat_map(|chunk| &chunk.problems).cloned().collect()
    }

    /// Returns the rows, in order of their keys.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.chunks.iter().flat_map(|chunk| &chunk.rows)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (Place, &Row)> {
        let places = |chunk| move |(row, it)| (Place { chunk, row }, it);
        self.chunks.iter().enumerate().flat_map(move |(at, chunk)| chunk.rows.iter().enumerate().map(places(at)))
    }

    pub(super) fn row(&self, key: &ResourceKey) -> Option<(Place, &Row)> {
        let chunk = self.chunk_of(key)?;
        let rows = &self.chunks.get(chunk)?.rows;
        let row = rows.binary_search_by(|row| row.key.cmp(key)).ok()?;
        Some((Place { chunk, row }, rows.get(row)?))
    }

    /// The only chunk that may hold a key; `None` where there is no chunk.
    fn chunk_of(&self, key: &ResourceKey) -> Option<usize> {
        let starts_before = |chunk: &Arc<Chunk>| chunk.rows.first().is_some_and(|first| first.key <= *key);
        let after = self.chunks.partition_point(starts_before);
        (!self.chunks.is_empty()).then(|| after.saturating_sub(1))
    }

    #[cfg(test)]
    pub(crate) fn insert(&mut self, key: ResourceKey, compared: Arc<Compared>) {
        let row = Row::new(key.clone(), compared, Memo::default());
        self.set(&key, Some(row));
    }

    #[cfg(test)]
    pub(crate) fn remove(&mut self, key: &ResourceKey) {
        self.set(key, None);
    }

    /// Sets, or takes away, the row of one object, and returns whether there is another problem now, or one less. Costs
    /// one chunk.
    pub(super) fn set(&mut self, key: &ResourceKey, row: Option<Row>) -> bool {
        let chunk = self.chunk_of(key).unwrap_or(0);
        let mut rows = self.chunks.get(chunk).map(|chunk| chunk.rows.clone()).unwrap_or_default();
        match (rows.binary_search_by(|row| row.key.cmp(key)), row) {
            (Ok(at), Some(row)) => rows.splice(at..=at, [row]).for_each(drop),
            (Ok(at), None) => {
                rows.remove(at);
                self.len -= 1;
            }
            (Err(at), Some(row)) => {
                rows.insert(at, row);
                self.len += 1;
            }
            (Err(_), None) => return false,
        }
        let end = self.chunks.len().min(chunk.saturating_add(1));
        let new: Vec<Arc<Chunk>> = chunks(rows).collect();
        let after: Vec<&Problem> = new.iter().flat_map(|chunk| &chunk.problems).collect();
        let before = self.chunks.get(chunk..end).unwrap_or_default().iter().flat_map(|chunk| &chunk.problems);
        let told = !before.eq(after);
        self.chunks.splice(chunk..end, new).for_each(drop);
        told
    }
}

/// Divides rows into chunks.
fn chunks(mut rows: Vec<Row>) -> impl Iterator<Item = Arc<Chunk>> {
    let rest = if rows.len() >= 2 * CHUNK { rows.split_off(rows.len() / 2) } else { Vec::new() };
    [rows, rest].into_iter().filter(|rows| !rows.is_empty()).map(Chunk::of)
}

impl Chunk {
    fn of(rows: Vec<Row>) -> Arc<Self> {
        let is_synced = rows.iter().all(|row| row.compared.outcome == Outcome::Synced);
        let problems = rows.iter().flat_map(|row| problems_of(&row.key, &row.compared)).collect();
        Arc::new(Self { rows, is_synced, problems })
    }
}

impl Row {
    pub(super) fn new(key: ResourceKey, compared: Arc<Compared>, memo: Memo) -> Self {
        let is_at_rest = compared.is_at_rest();
        Self { key, compared, is_at_rest, memo }
    }
}

/// Makes [`Entries`] of rows that come in order of their keys: new ones, and such that are kept from earlier entries.
pub(super) struct Weave<'p> {
    from: &'p Entries,
    done: Vec<Arc<Chunk>>,
    /// Rows of the next chunk.
    open: Vec<Row>,
    /// A chunk of `from`, and how many of its first rows are kept so far and not copied: while there are any, `open` is
    /// empty.
    kept: (usize, usize),
    len: usize,
}

impl<'p> Weave<'p> {
    pub(super) fn new(from: &'p Entries) -> Self {
        Self { from, done: Vec::with_capacity(from.chunks.len()), open: Vec::new(), kept: (0, 0), len: 0 }
    }

    /// Adds a new row.
    pub(super) fn push(&mut self, row: Row) {
        self.copy_kept();
        self.len += 1;
        self.open.push(row);
        if self.open.len() == 2 * CHUNK {
            self.close();
        }
    }

    /// Adds a row of the earlier entries.
    pub(super) fn keep(&mut self, place: Place, row: &Row) {
        if place.row == 0 {
            // Chunks begin where they began before, so that the next ones can be shared.
            self.copy_kept();
            self.close();
            self.kept = (place.chunk, 0);
        }
        if !self.open.is_empty() || self.kept != (place.chunk, place.row) {
            return self.push(row.clone());
        }
        self.len += 1;
        self.kept.1 += 1;
        if let Some(chunk) = self.from.chunks.get(place.chunk).filter(|chunk| chunk.rows.len() == self.kept.1) {
            self.done.push(Arc::clone(chunk));
            self.kept.1 = 0;
        }
    }

    fn copy_kept(&mut self) {
        let (chunk, count) = std::mem::take(&mut self.kept);
        let rows = self.from.chunks.get(chunk).and_then(|chunk| chunk.rows.get(..count));
        self.open.extend_from_slice(rows.unwrap_or_default());
    }

    fn close(&mut self) {
        self.done.extend(chunks(std::mem::take(&mut self.open)));
    }

    pub(super) fn finish(mut self) -> Entries {
        self.copy_kept();
        self.close();
        // Many small chunks are left where much was taken away.
        if self.done.len() > 8 + self.len / (CHUNK / 4) {
            let rows: Vec<Row> = self.done.iter().flat_map(|chunk| chunk.rows.iter().cloned()).collect();
            self.done = rows.chunks(CHUNK).map(|rows| Chunk::of(rows.to_vec())).collect();
        }
        Entries { chunks: self.done, len: self.len }
    }
}

impl<'e> IntoIterator for &'e Entries {
    type Item = (&'e ResourceKey, &'e Arc<Compared>);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'e>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
