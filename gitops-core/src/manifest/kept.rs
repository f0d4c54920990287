//! Parsed files that are kept, so that what did not change is neither read nor parsed again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::value::{Digest, Hasher, Purpose};

use super::{Dialect, Duplicates, Limits, ParsedFile};

/// Parsed files by where they are from, their content, their path, and how they were parsed; shared by all applications.
///
/// What was not used for the longest time goes first. A file takes its bytes, of which its objects take a few times as
/// much; so much is kept at most.
///
/// ```
/// use gitops_core::manifest::{Dialect, Kept, Limits, parse};
///
/// let (kept, limits) = (Kept::new(1 << 20), Limits::default());
/// let place = kept.place("shop", "b1d5", &"web.yaml".into(), Dialect::Kubectl, &limits);
/// assert!(kept.find(&place).is_none());
///
/// let text = b"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";
/// kept.keep(&place, text.len(), &parse(&"web.yaml".into(), text, Dialect::Kubectl, &limits).into());
/// assert_eq!(kept.find(&place).unwrap().resources.len(), 1);
/// ```
pub struct Kept {
    most: usize,
    files: Mutex<Files>,
}

/// Names one file, parsed in one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Digest);

#[derive(Default)]
struct Files {
    by_place: BTreeMap<Place, File>,
    /// When each was used last.
    by_use: BTreeMap<u64, Place>,
    uses: u64,
    bytes: usize,
}

struct File {
    parsed: Arc<ParsedFile>,
    bytes: usize,
    used: u64,
}

impl Kept {
    /// Keeps files of at most so many bytes together; none with 0.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, files: Mutex::default() }
    }

    /// Returns the same without files.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(self.most)
    }

    /// Names a file of `source` whose bytes `content` names: equal names, equal bytes, for ever.
    #[must_use]
    pub fn place(&self, source: &str, content: &str, path: &Arc<str>, dialect: Dialect, limits: &Limits) -> Place {
        let Limits { bytes, documents, depth, duplicates } = limits;
        let how = [
            matches!(dialect, Dialect::Kustomize).into(),
            *bytes,
            *documents,
            *depth,
            matches!(duplicates, Duplicates::Refuse).into(),
        ];
        let hasher = Hasher::new(Purpose::Content).text(source).text(content).text(&**path);
        Place(how.iter().fold(hasher, |hasher, number| hasher.bytes(&number.to_le_bytes())).finish())
    }

    /// Returns a file that is kept.
    #[must_use]
    pub fn find(&self, place: &Place) -> Option<Arc<ParsedFile>> {
        let files = &mut *self.lock();
        files.uses += 1;
        let file = files.by_place.get_mut(place)?;
        files.by_use.remove(&file.used);
        file.used = files.uses;
        files.by_use.insert(file.used, place.clone());
        Some(Arc::clone(&file.parsed))
    }

    /// Keeps a file of so many bytes.
    pub fn keep(&self, place: &Place, bytes: usize, parsed: &Arc<ParsedFile>) {
        if bytes > self.most {
            return;
        }
        let files = &mut *self.lock();
        files.forget(place);
        files.uses += 1;
        let used = files.uses;
        files.by_use.insert(used, place.clone());
        files.by_place.insert(place.clone(), File { parsed: Arc::clone(parsed), bytes, used });
        files.bytes += bytes;
        while files.bytes > self.most
            && let Some((_, oldest)) = files.by_use.first_key_value()
        {
            let oldest = oldest.clone();
            files.forget(&oldest);
        }
    }

    /// Returns how many bytes the files that are kept have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// A panic elsewhere leaves the files whole.
    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn forget(&mut self, place: &Place) {
        if let Some(file) = self.by_place.remove(place) {
            self.by_use.remove(&file.used);
            self.bytes = self.bytes.saturating_sub(file.bytes);
        }
    }
}

/// 64 MiB of files.
impl Default for Kept {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("most", &self.most).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(kept: &Kept, source: &str, content: &str, path: &str, dialect: Dialect, limits: &Limits) -> Place {
        kept.place(source, content, &path.into(), dialect, limits)
    }

    fn parsed(path: &str) -> Arc<ParsedFile> {
        super::super::parse(&path.into(), b"", Dialect::Kubectl, &Limits::default()).into()
    }

    #[test]
    fn a_file_is_found_only_for_what_decides_how_it_is_parsed() {
        let (kept, limits, plain) = (Kept::default(), Limits::default(), Dialect::Kubectl);
        let first = place(&kept, "shop", "1", "a.yaml", plain, &limits);
        kept.keep(&first, 10, &parsed("a.yaml"));
        assert_eq!(&*kept.find(&first).unwrap().file, "a.yaml");
        let strict = Limits { duplicates: Duplicates::Refuse, ..limits.clone() };
        let small = Limits { documents: 1, ..limits.clone() };
        for other in [
            place(&kept, "other", "1", "a.yaml", plain, &limits),
            place(&kept, "shop", "2", "a.yaml", plain, &limits),
            place(&kept, "shop", "1", "b.yaml", plain, &limits),
            place(&kept, "shop1", "", "a.yaml", plain, &limits),
            place(&kept, "shop", "1", "a.yaml", Dialect::Kustomize, &limits),
            place(&kept, "shop", "1", "a.yaml", plain, &strict),
            place(&kept, "shop", "1", "a.yaml", plain, &small),
        ] {
            assert!(kept.find(&other).is_none());
        }
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let (kept, limits) = (Kept::new(30), Limits::default());
        let places: Vec<Place> =
            ["1", "2", "3", "4"].iter().map(|id| place(&kept, "s", id, "a", Dialect::Kubectl, &limits)).collect();
        places[..3].iter().for_each(|place| kept.keep(place, 10, &parsed("a")));
        assert!(kept.find(&places[0]).is_some());
        kept.keep(&places[3], 10, &parsed("a"));
        let found: Vec<bool> = places.iter().map(|place| kept.find(place).is_some()).collect();
        assert_eq!((found, kept.bytes()), (vec![true, false, true, true], 30));
        // The same again takes no more, and what is too large takes nothing.
        kept.keep(&places[3], 10, &parsed("a"));
        kept.keep(&places[1], 31, &parsed("a"));
        assert_eq!(kept.bytes(), 30);
        kept.keep(&places[1], 30, &parsed("a"));
        assert_eq!((kept.bytes(), kept.find(&places[0]).is_none()), (30, true));
        assert!(Kept::new(0).find(&places[0]).is_none());
    }
}
